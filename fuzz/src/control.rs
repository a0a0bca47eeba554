//! A sequence of control requests to the engine; then its state survives being exported and taken up again.

use dm_abi::ioctl::load::{TargetSpec, push_record};
use dm_abi::ioctl::{Command, HEADER_SIZE, Header, encode_dev};
use dm_core::control::{Control, Outcome, Ticket};
use dm_core::host::DeviceId;
use dm_sim::{Disk, Sim};

use super::Reader;

fn host() -> Sim {
    let mut sim = Sim::new();
    sim.add_disk(1, 0, "/dev/ram0", Disk::new(4096));
    sim.add_disk(1, 1, "/dev/ram1", Disk::new(64).read_only());
    sim.add_other_path("/dev/null");
    sim
}

pub(crate) fn run(bytes: &[u8]) {
    let _ = Control::import(host(), bytes);
    let mut control = Control::new(host());
    let mut reader = Reader(bytes);
    let mut waiting: Vec<(Ticket, Vec<u8>)> = Vec::new();
    // Each request takes some bytes at least.
    while !reader.is_empty() {
        let what = reader.byte();
        let (outcome, buffer) = if what & 0x80 != 0 && !waiting.is_empty() {
            let (ticket, mut buffer) = waiting.swap_remove(usize::from(what & 0x1f) % waiting.len());
            let outcome = if what & 0x40 != 0 {
                control.cancel(ticket, &mut buffer)
            } else {
                control.proceed(ticket, Ok(()), &mut buffer)
            };
            (outcome, buffer)
        } else {
            let mut buffer = request(&mut reader, what);
            (control.request(u32::from(what & 0x1f), &mut buffer), buffer)
        };
        match outcome {
            Outcome::Done(Ok(size)) => assert!(size <= buffer.len()),
            Outcome::Done(Err(_)) => {}
            Outcome::Wait(ticket, _) => waiting.push((ticket, buffer)),
        }
    }
    let saved = control.export();
    let names = names(&control);
    let (again, broken) = Control::import(host(), &saved).expect("what was exported can be read");
    assert!(broken.is_empty(), "{broken:?}");
    assert_eq!(self::names(&again), names);
    assert_eq!(again.export(), saved);
}

fn names(control: &Control<Sim>) -> Vec<(DeviceId, Vec<u8>)> {
    control.devices().map(|(id, name)| (id, name.to_vec())).collect()
}

const LOAD: u8 = 9;
const _: () = assert!(LOAD as u32 == Command::TableLoad.number());

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("inputs are short")
}

/// A buffer whose header is mostly right.
fn request(reader: &mut Reader<'_>, command: u8) -> Vec<u8> {
    let mut header = Header::default();
    header.flags = reader.number(3);
    let shape = reader.byte();
    for (bits, uuid) in [(shape, false), (shape >> 2, true)] {
        // None, one of two, or the input's.
        let text: &[u8] = match bits & 3 {
            0 => b"",
            1 => b"a",
            2 => b"b",
            _ => {
                let length = usize::from(reader.byte());
                reader.take(length)
            }
        };
        let _ = if uuid {
            header.set_uuid(text)
        } else {
            header.set_name(text)
        };
    }
    if shape & 0x10 != 0 {
        header.dev = encode_dev(254, u32::from(reader.byte()));
    }
    if shape & 0x20 != 0 {
        header.event_nr = u32::from(reader.byte());
    }
    let size = usize::from(reader.byte()) * if shape & 0x40 != 0 { 16 } else { 1 };
    let mut payload = reader.take(size).to_vec();
    header.data_start = length(HEADER_SIZE);
    if command & 0x1f == LOAD {
        header.target_count = u32::from(reader.byte());
        if let Some((count, records)) = records(&payload) {
            (header.target_count, payload) = (count, records);
        }
    }
    let room = usize::from(reader.byte()) * 8;
    let mut buffer = vec![0; HEADER_SIZE];
    buffer.extend_from_slice(&payload);
    buffer.resize(buffer.len() + room, 0);
    header.data_size = length(buffer.len()) - u32::from(shape >> 7);
    assert!(header.write(&mut buffer));
    buffer
}

/// Records of lines `START LENGTH KIND PARAMS`.
fn records(text: &[u8]) -> Option<(u32, Vec<u8>)> {
    let (mut count, mut records) = (0, Vec::new());
    for line in text.split(|&b| b == b'\n') {
        let mut words = line.splitn(4, |&b| b == b' ');
        let mut number = || std::str::from_utf8(words.next()?).ok()?.parse().ok();
        let (start, length) = (number()?, number()?);
        let spec = TargetSpec {
            start,
            length,
            kind: words.next()?,
            params: words.next().unwrap_or_default(),
        };
        if spec.kind.len() > 15 || line.contains(&0) {
            return None;
        }
        push_record(&mut records, &spec);
        count += 1;
    }
    Some((count, records))
}
