//! Logs of writes: what a log says is what the device could have had at that time, also after power cuts and failures.
//!
//! Every sector that is written gets a number of its own. Writes under way never meet, so the sectors of a device have one
//! order of versions. Then, however the work is ordered:
//! * along the log, no sector goes back to an older version;
//! * up to the entry of a flush, the log has what was acknowledged when the flush was sent, and nothing that was not
//!   submitted when it was done;
//! * after a power cut, what the log's block 0 counts is whole, and nothing of it is newer than what was complete or than
//!   what is on the device;
//! * after an orderly end, the whole log makes the device.
//!
//! `LOG_RUNS` sets the number of runs (default 60), `LOG_SEED` the first seed.

use std::collections::BTreeMap;

use dm_core::host::{DevNo, DeviceId, Host};
use dm_core::io::{Bio, Op};
use dm_core::log_writes::{END, MAX_KEPT};
use dm_core::targets::Asked;
use dm_sim::io::RequestId;
use dm_sim::numbered::{number, sector};
use dm_sim::{Disk, Random, SECTOR, Sim};

const L: DeviceId = DeviceId(1);
const DEVICE: DevNo = DevNo { major: 1, minor: 0 };
const LOG: DevNo = DevNo { major: 1, minor: 1 };

/// What a log says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Write { first: usize, fua: bool, numbers: Vec<u64> },
    Discard { first: usize, count: usize },
    Flush,
    Mark(Vec<u8>),
}

fn le(data: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(data[at..at + 8].try_into().unwrap())
}

/// Reads a log whose blocks are sectors. Written after the kernel's documentation, and without the engine's help.
fn read_log(data: &[u8]) -> Vec<Said> {
    if le(data, 0) != 0x006a_7366_7773_6872 {
        assert!(data[..SECTOR].iter().all(|byte| *byte == 0), "neither a log nor new");
        return Vec::new();
    }
    assert_eq!((le(data, 8), le(data, 24)), (1, SECTOR as u64));
    let mut at = SECTOR;
    let mut said = Vec::new();
    for _ in 0..le(data, 16) {
        let [first, count, flags, text] = [0, 8, 16, 24].map(|field| le(data, at + field));
        let [first, count, text] = [first, count, text].map(|number| usize::try_from(number).unwrap());
        let inline = data[at + 32..at + 32 + text].to_vec();
        at += SECTOR;
        said.push(match flags {
            1 => {
                assert_eq!((first, count), (0, 0));
                Said::Flush
            }
            4 => Said::Discard { first, count },
            8 => Said::Mark(inline),
            0 | 2 => {
                let sectors = data[at..at + count * SECTOR].chunks(SECTOR);
                at += count * SECTOR;
                Said::Write {
                    first,
                    fua: flags == 2,
                    numbers: sectors.map(number).collect(),
                }
            }
            _ => panic!("flags {flags}"),
        });
    }
    said
}

/// Does to a device what an entry says.
fn replay(device: &mut [u64], said: &Said) {
    match said {
        Said::Write { first, numbers, .. } => device[*first..*first + numbers.len()].copy_from_slice(numbers),
        Said::Discard { first, count } => device[*first..*first + *count].fill(0),
        Said::Flush | Said::Mark(_) => {}
    }
}

fn numbers(disk: &Disk) -> Vec<u64> {
    disk.contents().chunks(SECTOR).map(number).collect()
}

fn plug(device: Disk, log: Disk) -> Sim {
    let mut sim = Sim::new();
    sim.add_disk(1, 0, "/dev/ram0", device);
    sim.add_disk(1, 1, "/dev/ram1", log);
    sim.create(L, None).unwrap();
    sim
}

fn status(sim: &Sim) -> String {
    let table = sim.device(L).unwrap().volume().table().unwrap();
    let mut out = String::new();
    table.write_status(&table.segments()[0], &mut out).unwrap();
    out
}

fn mark(sim: &mut Sim, text: &str) {
    let table = sim.device(L).unwrap().volume().table().unwrap().clone();
    let asked = Asked { suspended: false };
    let work = table.message(0, format!("mark {text}").as_bytes(), &asked, &mut Vec::new());
    sim.perform_all(work.unwrap());
}

fn bio(op: Op, first: usize, count: usize, fua: bool) -> Bio {
    Bio {
        op,
        sector: first as u64,
        sectors: count as u64,
        fua,
    }
}

/// A write of sectors with numbers from one on.
fn write(sim: &mut Sim, first: usize, count: usize, from: u64, fua: bool) -> RequestId {
    let data = (from..).take(count).flat_map(sector).collect();
    sim.submit(L, bio(Op::Write, first, count, fua), data)
}

fn flush(sim: &mut Sim) -> RequestId {
    sim.submit(L, bio(Op::Flush, 0, 0, false), Vec::new())
}

fn write_of(first: usize, numbers: &[u64], fua: bool) -> Said {
    Said::Write {
        first,
        fua,
        numbers: numbers.to_vec(),
    }
}

#[test]
fn entries_come_in_the_order_of_completion_once_they_are_flushed() {
    let mut sim = plug(Disk::new(64), Disk::new(256));
    sim.load(L, "0 64 log-writes 1:0 1:1").unwrap();
    assert_eq!(status(&sim), "0 0");
    // The example of the kernel's documentation: W1,W2,W3,C3,C2,Wflush,C1,Cflush.
    let all: Vec<RequestId> = (0..3).map(|at| write(&mut sim, at, 1, at as u64 + 1, false)).collect();
    // They are asked about first, and then each is one piece of work.
    for _ in 0..3 {
        sim.step(0);
    }
    sim.step(2);
    sim.step(1);
    let flushed = flush(&mut sim);
    assert!(sim.take(all[2]).is_some() && sim.take(all[1]).is_some() && sim.take(all[0]).is_none());
    // The flush is asked about, then the first write is done, then the flush.
    sim.step(1);
    sim.step(0);
    sim.run();
    assert_eq!(
        (sim.take(all[0]), sim.take(flushed)),
        (Some(Ok(Vec::new())), Some(Ok(Vec::new())))
    );
    assert_eq!(status(&sim), "3 5");
    sim.io(L, bio(Op::Discard, 8, 8, false), Vec::new()).unwrap();
    let request = write(&mut sim, 4, 2, 10, true);
    sim.run();
    assert!(sim.take(request).is_some());
    mark(&mut sim, "hello");
    sim.run();
    sim.unload(L);
    let expected = [
        write_of(2, &[3], false),
        write_of(1, &[2], false),
        Said::Flush,
        write_of(4, &[10, 11], true),
        Said::Mark(b"hello".to_vec()),
        write_of(0, &[1], false),
        Said::Discard { first: 8, count: 8 },
        Said::Mark(END.to_vec()),
    ];
    assert_eq!(read_log(&sim.disk(LOG).contents()), expected);
    assert_eq!(sim.opens(LOG), 0);
}

#[test]
fn what_a_durable_write_has_overwritten_is_not_logged_behind_it() {
    let mut sim = plug(Disk::new(64), Disk::new(256));
    sim.load(L, "0 64 log-writes 1:0 1:1").unwrap();
    for (first, from, fua) in [(0, 1, false), (8, 3, false), (9, 5, true), (20, 7, true)] {
        write(&mut sim, first, 2, from, fua);
        sim.run();
    }
    sim.unload(L);
    let expected = [
        write_of(9, &[5, 6], true),
        write_of(20, &[7, 8], true),
        write_of(0, &[1, 2], false),
        write_of(8, &[3], false),
        Said::Mark(END.to_vec()),
    ];
    assert_eq!(read_log(&sim.disk(LOG).contents()), expected);
}

#[test]
fn a_log_can_be_of_any_size() {
    // Block 0, two writes of 3 sectors, a flush, a mark, a write, the last mark: 1 + 4 + 4 + 1 + 1 + 2 + 1; and one is left.
    for size in 2..16 {
        let mut sim = plug(Disk::new(64), Disk::new(size));
        sim.load(L, "0 64 log-writes 1:0 1:1").unwrap();
        for at in 0..2 {
            write(&mut sim, at * 3, 3, at as u64 * 3 + 1, false);
        }
        sim.run();
        let request = flush(&mut sim);
        sim.run();
        assert_eq!(sim.take(request), Some(Ok(Vec::new())));
        mark(&mut sim, "m");
        sim.run();
        let disabled = if size < 12 { " logging_disabled" } else { "" };
        assert_eq!(status(&sim).contains("logging_disabled"), size < 12, "{size}");
        let (entries, last) = match size {
            ..6 => (0, 4),
            6..10 => (1, 8),
            10 => (2, 9),
            11 => (3, 10),
            _ => (4, 10),
        };
        assert_eq!(status(&sim), format!("{entries} {last}{disabled}"), "{size}");
        write(&mut sim, 0, 1, 77, true);
        sim.run();
        assert_eq!(numbers(sim.disk(DEVICE))[..6], [77, 2, 3, 4, 5, 6]);
        sim.unload(L);
        let said = read_log(&sim.disk(LOG).contents());
        let expected = match size {
            ..12 => 0,
            // The mark is there, and the write is not.
            12 | 13 => 4,
            14 => 5,
            _ => 6,
        };
        assert_eq!(said.len(), expected, "{size}: {said:?}");
    }
    let mut sim = plug(Disk::new(64), Disk::new(64).with_block_size(4096));
    assert!(sim.load(L, "0 64 log-writes 1:0 1:1").is_err());
}

#[test]
fn what_no_flush_comes_for_is_flushed_before_there_is_too_much() {
    let size = MAX_KEPT + 4096;
    let mut sim = plug(Disk::new(size), Disk::new(size + 4096));
    sim.load(L, &format!("0 {size} log-writes 1:0 1:1")).unwrap();
    let before = sim.disk(DEVICE).flushes();
    let all: Vec<RequestId> = (0..size / 1024)
        .map(|at| {
            write(
                &mut sim,
                usize::try_from(at * 1024).unwrap(),
                1024,
                at * 1024 + 1,
                false,
            )
        })
        .collect();
    sim.run();
    for request in all {
        assert_eq!(sim.take(request), Some(Ok(Vec::new())));
    }
    assert!(sim.disk(DEVICE).flushes() > before);
    sim.unload(L);
    let said = read_log(&sim.disk(LOG).contents());
    assert_eq!(said.len() as u64, size / 1024 + 1);
    let mut device = vec![0; usize::try_from(size).unwrap()];
    said.iter().for_each(|said| replay(&mut device, said));
    assert_eq!(device, numbers(sim.disk(DEVICE)));
}

/// Each operation of the log or the device fails once: requests fare as they do without a log, and what the log says holds.
#[test]
fn failures_do_not_reach_those_who_write() {
    let scene = |failing: Option<(DevNo, u64)>| {
        let mut sim = plug(Disk::new(64), Disk::new(256));
        sim.load(L, "0 64 log-writes 1:0 1:1").unwrap();
        let start = [DEVICE, LOG].map(|dev| sim.disk(dev).operations());
        if let Some((dev, nth)) = failing {
            sim.disk_mut(dev).fail_operation(nth);
        }
        let mut results = Vec::new();
        for round in 0..4 {
            let requests = [
                write(&mut sim, round * 8, 4, round as u64 * 8 + 1, false),
                sim.submit(L, bio(Op::WriteZeroes, 40, 4, false), Vec::new()),
                write(&mut sim, round * 8 + 4, 4, round as u64 * 8 + 5, true),
            ];
            sim.run();
            let flush = flush(&mut sim);
            sim.run();
            results.extend(requests.into_iter().chain([flush]).map(|id| sim.take(id).unwrap()));
            mark(&mut sim, &format!("m{round}"));
            sim.run();
        }
        let last = status(&sim);
        sim.unload(L);
        let done = [(DEVICE, start[0]), (LOG, start[1])].map(|(dev, start)| sim.disk(dev).operations() - start);
        (
            results,
            last,
            read_log(&sim.disk(LOG).contents()),
            numbers(sim.disk(DEVICE)),
            done,
        )
    };
    let (good, all, said, device, done) = scene(None);
    assert!(good.iter().all(Result::is_ok) && !all.contains("disabled"));
    for nth in 0..done[1] {
        let (results, status, log, contents, _) = scene(Some((LOG, nth)));
        assert_eq!((&results, &contents), (&good, &device), "operation {nth} of the log");
        assert!(
            status.ends_with(" logging_disabled") || nth + 3 >= done[1],
            "{nth}: {status}"
        );
        assert!(log.len() < said.len() && log[..] == said[..log.len()], "{nth}: {log:?}");
    }
    let mut failed_flushes = 0;
    for nth in 0..done[0] {
        let (results, status, log, contents, _) = scene(Some((DEVICE, nth)));
        let failed: Vec<usize> = (0..results.len()).filter(|&index| results[index].is_err()).collect();
        assert_eq!(failed.len(), 1);
        assert!(!status.contains("disabled"));
        let flushes = |log: &[Said]| log.iter().filter(|said| **said == Said::Flush).count();
        let lost = usize::from(failed[0] % 4 == 3);
        failed_flushes += lost;
        assert_eq!(flushes(&log) + lost, flushes(&said));
        // Failed writes are logged: all but those sectors are the same.
        let mut replayed = vec![0; 64];
        log.iter().for_each(|said| replay(&mut replayed, said));
        assert_eq!(replayed, device);
        assert_eq!(contents == device, lost == 1 || failed[0] % 4 == 1, "operation {nth}");
    }
    assert_eq!(failed_flushes, 4);
}

/// An engine that goes on in the place of one that died does not know what was completed and not logged.
#[test]
fn a_log_that_was_begun_is_left_alone_after_a_takeover() {
    let mut sim = plug(Disk::new(64), Disk::new(64));
    let line = "0 64 log-writes 1:0 1:1";
    let state = |table: &dm_core::table::Table<_>| {
        let mut state = Vec::new();
        table.write_state(0, &mut state);
        state
    };
    let table = sim.prepare(line, false).unwrap();
    assert_eq!(state(&table), []);
    sim.suspend(L);
    sim.put(L, table.clone()).unwrap();
    assert!(!state(&table).is_empty());
    write(&mut sim, 0, 2, 1, true);
    sim.run();
    let before = sim.disk(LOG).contents();
    let next = sim.prepare(line, false).unwrap();
    assert!(next.restore(0, &[1; 15]).is_err() && next.restore(0, &[1; 17]).is_err());
    next.restore(0, &state(&table)).unwrap();
    // The other engine is gone, and does not end its log.
    sim.suspend(L);
    sim.volume(L, |volume| volume.swap(None));
    sim.put(L, next).unwrap();
    assert_eq!(status(&sim), "1 3 logging_disabled");
    write(&mut sim, 2, 2, 3, true);
    sim.run();
    assert_eq!(numbers(sim.disk(DEVICE))[..4], [1, 2, 3, 4]);
    sim.unload(L);
    assert!(sim.disk(LOG).contents() == before);
}

/// The versions of one sector, oldest first.
#[derive(Clone, Debug)]
struct Versions {
    numbers: Vec<u64>,
    completed: usize,
    busy: bool,
}

impl Versions {
    fn place(&self, number: u64) -> usize {
        let place = self.numbers.iter().rposition(|known| *known == number);
        place.unwrap_or_else(|| panic!("{number} is none of {:?}", self.numbers))
    }
}

enum Pending {
    Write {
        first: usize,
        count: usize,
    },
    /// With what was complete when it was submitted.
    Flush(Vec<usize>),
}

struct Run {
    sim: Sim,
    random: Random,
    view: Vec<Versions>,
    next: u64,
    pending: BTreeMap<RequestId, Pending>,
    /// Of each flush that is done: what was complete before, and what was submitted when it was done.
    flushes: Vec<(Vec<usize>, Vec<usize>)>,
    marks: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let sectors = 32 + random.below(64);
        let mut sim = plug(Disk::new(sectors + 8), Disk::new(1 << 13));
        // With something in front, so that sectors of the segment are not those of the device.
        sim.load(L, &format!("0 8 zero\n8 {sectors} log-writes 1:0 1:1"))
            .unwrap();
        let new = Versions {
            numbers: vec![0],
            completed: 0,
            busy: false,
        };
        Self {
            view: vec![new; usize::try_from(sectors).unwrap() + 8],
            sim,
            random,
            next: 0,
            pending: BTreeMap::new(),
            flushes: Vec::new(),
            marks: 0,
        }
    }

    fn step(&mut self) {
        match self.random.below(200) {
            // Of several flushes it would not be seen which one is done first.
            0 if self
                .pending
                .values()
                .filter(|pending| matches!(pending, Pending::Flush(_)))
                .count()
                < 2 =>
            {
                self.sim.suspend(L);
                self.collect();
                self.sim.resume(L).unwrap();
            }
            1 => {
                let table = self.sim.device(L).unwrap().volume().table().unwrap().clone();
                self.marks += 1;
                let text = format!("mark {}", self.marks);
                let work = table.message(8, text.as_bytes(), &Asked { suspended: false }, &mut Vec::new());
                self.sim.perform_all(work.unwrap());
            }
            n if n < 60 && self.pending.len() < 6 => self.submit(),
            _ => {
                let choice = self.random.pick(1000);
                self.sim.step(choice);
            }
        }
        self.collect();
    }

    fn submit(&mut self) {
        let kind = self.random.below(12);
        if kind < 2 {
            let completed = self.view.iter().map(|versions| versions.completed).collect();
            let request = flush(&mut self.sim);
            self.pending.insert(request, Pending::Flush(completed));
            return;
        }
        let first = 8 + self.random.pick(self.view.len() - 8);
        let count = 1 + self.random.pick((self.view.len() - first).min(9));
        if self.view[first..first + count].iter().any(|versions| versions.busy) {
            return;
        }
        // Zeroes do not come twice in a row: they look alike.
        let zero = |versions: &Versions| versions.numbers.last() == Some(&0);
        let op = match kind {
            2 | 3 if self.view[first..first + count].iter().any(zero) => return,
            2 => Op::Discard,
            3 => Op::WriteZeroes,
            _ => Op::Write,
        };
        let from = self.next + 1;
        for versions in &mut self.view[first..first + count] {
            self.next += 1;
            versions.numbers.push(if op == Op::Write { self.next } else { 0 });
            versions.busy = true;
        }
        let request = match op {
            Op::Write => write(&mut self.sim, first, count, from, kind < 6),
            _ => self.sim.submit(L, bio(op, first, count, false), Vec::new()),
        };
        self.pending.insert(request, Pending::Write { first, count });
    }

    fn collect(&mut self) {
        let pending: Vec<RequestId> = self.pending.keys().copied().collect();
        for request in pending {
            let Some(result) = self.sim.take(request) else { continue };
            result.unwrap();
            match self.pending.remove(&request).unwrap() {
                Pending::Write { first, count } => {
                    for versions in &mut self.view[first..first + count] {
                        versions.completed = versions.numbers.len() - 1;
                        versions.busy = false;
                    }
                }
                Pending::Flush(before) => {
                    let submitted = self.view.iter().map(|versions| versions.numbers.len() - 1).collect();
                    self.flushes.push((before, submitted));
                }
            }
        }
    }

    /// Goes along a log and looks at each entry. Gives the version of each sector that it ends with.
    fn check(&self, said: &[Said]) -> Vec<usize> {
        let mut device = vec![0; self.view.len()];
        let mut flushes = self.flushes.iter();
        let mut marks = 0;
        for said in said {
            let mut go = |at: usize, number: u64| {
                let versions = &self.view[at].numbers;
                let place = (device[at] + 1..versions.len()).find(|&place| versions[place] == number);
                device[at] = place.unwrap_or_else(|| panic!("sector {at} goes from {} to {number}", device[at]));
            };
            match said {
                Said::Write { first, numbers, .. } => {
                    numbers
                        .iter()
                        .enumerate()
                        .for_each(|(index, number)| go(first + index, *number));
                }
                Said::Discard { first, count } => (*first..first + count).for_each(|at| go(at, 0)),
                Said::Mark(text) if text == END => {}
                Said::Mark(text) => {
                    marks += 1;
                    assert_eq!(*text, marks.to_string().into_bytes());
                }
                Said::Flush => {
                    let (before, submitted) = flushes.next().expect("no flush is logged that is not done");
                    for (at, place) in device.iter().enumerate() {
                        assert!(
                            (before[at]..=submitted[at]).contains(place),
                            "sector {at}: version {place} at a flush of {} to {}",
                            before[at],
                            submitted[at]
                        );
                    }
                }
            }
        }
        device
    }

    /// The power goes now; the run itself goes on. Gives the number of entries that are there.
    fn cut(&mut self) -> usize {
        let (mut device, mut log) = (self.sim.disk(DEVICE).clone(), self.sim.disk(LOG).clone());
        let random = &mut self.random;
        for disk in [&mut device, &mut log] {
            disk.cut_power_at(&mut |_, versions| random.pick(versions + 1));
        }
        let said = read_log(&log.contents());
        let replayed = self.check(&said);
        for (at, (place, number)) in replayed.iter().zip(numbers(&device)).enumerate() {
            let versions = &self.view[at];
            assert!(
                *place <= versions.completed,
                "sector {at} of the log is ahead of what was complete"
            );
            assert!(
                *place <= versions.place(number),
                "sector {at} of the log is ahead of the device"
            );
        }
        said.len()
    }
}

#[test]
fn the_log_is_a_state_of_the_device_after_any_power_cut() {
    let variable =
        |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (runs, first) = (variable("LOG_RUNS", 60), variable("LOG_SEED", 0));
    let mut entries = 0;
    for seed in first..first + runs {
        let result = std::panic::catch_unwind(|| {
            let mut run = Run::new(seed);
            let mut entries = 0;
            for _ in 0..10 {
                for _ in 0..run.random.below(150) {
                    run.step();
                }
                entries += run.cut();
            }
            run.sim.run();
            run.collect();
            assert!(run.pending.is_empty(), "requests hang");
            run.sim.unload(L);
            let said = read_log(&run.sim.disk(LOG).contents());
            run.check(&said);
            assert_eq!(
                said.iter().filter(|said| **said == Said::Flush).count(),
                run.flushes.len()
            );
            assert_eq!(said.last(), Some(&Said::Mark(END.to_vec())));
            let mut device = vec![0; run.view.len()];
            said.iter().for_each(|said| replay(&mut device, said));
            assert_eq!(device, numbers(run.sim.disk(DEVICE)));
            entries
        });
        let Ok(found) = result else {
            panic!("seed {seed}");
        };
        entries += found;
    }
    println!("{entries} entries after cuts");
    assert!(entries > 0);
}
