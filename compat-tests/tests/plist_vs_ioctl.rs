//! Both protocols of the engine: the same requests as `struct dm_ioctl` and as property lists give the same errnos and
//! leave the same bytes in the client's buffer.

use compat_tests::requests::{Request, hex};
use compat_tests::sequences::{Sequence, by_hand, generated};
use dm_abi::errno::Errno;
use dm_abi::ioctl::{Command, VERSION, flag};
use dm_abi::plist::{ask, serve};
use dm_core::control::{Control, Outcome};
use dm_sim::disk::Disk;
use dm_sim::host::Sim;
use proptest::prelude::*;

fn engine() -> Control<Sim> {
    let mut sim = Sim::new();
    for minor in 0..16 {
        sim.add_disk(1, minor, &format!("/dev/ram{minor}"), Disk::new(131_072));
    }
    for path in ["/dev/null", "/etc"] {
        sim.add_other_path(path);
    }
    Control::new(sim)
}

fn run(control: &mut Control<Sim>, command: u32, buffer: &mut [u8]) -> Result<usize, Errno> {
    let mut outcome = control.request(command, buffer);
    for _ in 0..100 {
        match outcome {
            Outcome::Done(result) => return result,
            Outcome::Wait(ticket, _) => {
                control.host_mut().run();
                outcome = control.proceed(ticket, Ok(()), buffer);
            }
        }
    }
    panic!("command {command} waits for ever");
}

fn by_ioctl(control: &mut Control<Sim>, request: &Request) -> (Result<(), Errno>, Vec<u8>) {
    let mut buffer = request.buffer.clone();
    let result = run(control, request.nr, &mut buffer).map(drop);
    (result, buffer)
}

fn by_plist(control: &mut Control<Sim>, request: &Request) -> (Result<(), Errno>, Vec<u8>) {
    let mut buffer = request.buffer.clone();
    let result = ask::encode(request.nr, &buffer)
        .and_then(|xml| {
            let mut served = serve::Served::begin(&xml, 254)?;
            loop {
                let command = served.command();
                let result = run(control, command, served.buffer());
                match served.end(result) {
                    serve::Ended::Reply(xml) => return Ok(xml),
                    serve::Ended::Failed(errno) => return Err(errno),
                    serve::Ended::Again(again) => served = again,
                }
            }
        })
        .and_then(|xml| ask::decode(request.nr, &mut buffer, &xml));
    if result.is_err() {
        ask::refused(request.nr, &mut buffer, VERSION);
    }
    (result, buffer)
}

/// What cannot be asked by property lists, or is refused before the driver sees it, perhaps for another reason.
fn is_expressible(request: &Request) -> bool {
    let word = |at: usize| u32::from_ne_bytes(request.buffer[at..at + 4].try_into().expect("four bytes"));
    let (size, dev_high) = (word(12) as usize, word(44));
    // A blank behind a backslash, a size that is none, bytes that no device number has.
    let quoted = request.nr == Command::TableLoad.number() && request.buffer.windows(2).any(|two| two == b"\\ ");
    !quoted
        && (305..=request.buffer.len()).contains(&size)
        && dev_high == 0
        && Command::from_number(request.nr).is_some()
}

fn compare(sequence: &Sequence) -> usize {
    let (mut ioctl, mut plist) = (engine(), engine());
    let mut compared = 0;
    for request in sequence.requests.iter().filter(|request| is_expressible(request)) {
        let (expected, bytes) = by_ioctl(&mut ioctl, request);
        let (got, other) = by_plist(&mut plist, request);
        assert_eq!(got, expected, "{}: {request:?}", sequence.name);
        if bytes != other {
            let at = bytes.iter().zip(&other).position(|(a, b)| a != b).unwrap_or(0);
            let part = |bytes: &[u8]| {
                let part = &bytes[at / 8 * 8..(at / 8 * 8 + 64).min(bytes.len())];
                format!("{} {:?}", hex(part), String::from_utf8_lossy(part))
            };
            panic!(
                "{}: {request:?}\nbyte {at}\nioctl {}\nplist {}",
                sequence.name,
                part(&bytes),
                part(&other)
            );
        }
        compared += 1;
    }
    compared
}

#[test]
fn sequences_by_hand() {
    let compared: usize = by_hand().iter().map(compare).sum();
    assert!(compared > 200, "only {compared} requests were compared");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn generated_sequences(seed: u64) {
        prop_assert!(compare(&generated(seed, 60)) > 30);
    }

    /// Flags that a client may set, whatever the command.
    #[test]
    fn flags_of_all_kinds(seed: u64, flags in any::<u32>()) {
        let mut sequence = generated(seed, 30);
        for request in sequence.requests.iter_mut().step_by(3) {
            *request = request.clone().flags(flags & !flag::PERSISTENT_DEV);
        }
        compare(&sequence);
    }
}
