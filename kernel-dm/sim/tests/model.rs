//! Random tables, stacks, requests, messages and table swaps: the engine against the model.

use std::collections::BTreeSet;

use dm_abi::errno::Errno;
use dm_core::host::{DevNo, DeviceId, Host};
use dm_core::io::{Bio, Op};
use dm_core::targets::Asked;
use dm_core::volume::Volume;
use dm_sim::host::MAJOR;
use dm_sim::model::clear::Cipher;
use dm_sim::model::{Down, Dust, Goal, Kind, Model, Segment, table_text};
use dm_sim::{Disk, RequestId, SECTOR, Sim};
use proptest::prelude::*;

const DISKS: u32 = 4;
const DEVICES: u32 = 3;
/// Sectors of the logs, one for each device; some get full.
const LOG: u64 = 512;

fn disk(minor: u32) -> DevNo {
    DevNo { major: 1, minor }
}

/// The log of a device.
fn log(device: u32) -> DevNo {
    disk(DISKS + device)
}

fn mapped(minor: u32) -> DevNo {
    DevNo { major: MAJOR, minor }
}

fn id(minor: u32) -> DeviceId {
    DeviceId(u64::from(minor))
}

/// Numbers from which a segment is made, for whatever devices there are.
#[derive(Clone, Debug)]
struct Recipe {
    kind: u8,
    length: u64,
    chunk: u64,
    goals: Vec<(usize, u64)>,
    detail: u32,
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let goals = prop::collection::vec((any::<usize>(), any::<u64>()), 1..4);
    (any::<u8>(), 1u64..40, 1u64..6, goals, any::<u32>()).prop_map(|(kind, length, chunk, goals, detail)| Recipe {
        kind,
        length,
        chunk,
        goals,
        detail,
    })
}

/// One request, with its place as a fraction of the device.
#[derive(Clone, Debug)]
struct Wish {
    device: u32,
    op: Op,
    first: u64,
    sectors: u64,
    fill: u8,
    fua: bool,
}

fn wish() -> impl Strategy<Value = Wish> {
    let op = prop_oneof![
        4 => Just(Op::Read),
        5 => Just(Op::Write),
        1 => Just(Op::Discard),
        1 => Just(Op::WriteZeroes),
    ];
    (0..DEVICES, op, any::<u64>(), 1u64..60, any::<u8>(), any::<bool>()).prop_map(
        |(device, op, first, sectors, fill, fua)| Wish {
            device,
            op,
            first,
            sectors,
            fill,
            fua,
        },
    )
}

#[derive(Clone, Debug)]
enum Step {
    /// Requests that are under way together, and the order of their work.
    Batch(Vec<Wish>, u64),
    /// A device is suspended with I/O under way and gets another table while requests wait.
    Swap(u32, Vec<Recipe>, Vec<Wish>, Vec<Wish>, u64),
    Flush(u32),
    Bad(u32, u64),
    /// A message to one of the segments that know some.
    Tell(u32, usize, u32),
    /// A device is suspended and goes on.
    Pause(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let wishes = || prop::collection::vec(wish(), 1..6);
    let recipes = prop::collection::vec(recipe(), 1..6);
    prop_oneof![
        6 => (wishes(), any::<u64>()).prop_map(|(wishes, order)| Step::Batch(wishes, order)),
        2 => (0..DEVICES, recipes, wishes(), wishes(), any::<u64>())
            .prop_map(|(device, recipes, before, held, order)| Step::Swap(device, recipes, before, held, order)),
        2 => (0..DEVICES).prop_map(Step::Flush),
        1 => (0..DISKS + DEVICES, any::<u64>()).prop_map(|(disk, sector)| Step::Bad(disk, sector)),
        4 => (0..DEVICES, any::<usize>(), any::<u32>())
            .prop_map(|(device, which, detail)| Step::Tell(device, which, detail)),
        1 => (0..DEVICES).prop_map(Step::Pause),
    ]
}

/// Picks work in an order that depends on a seed.
fn order(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |ready| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % ready
    }
}

/// The engine in its host, and the model.
struct Both {
    sim: Sim,
    model: Model,
    next_fill: u8,
}

/// A request under way, and what the model says of it.
type Pending = (RequestId, Bio, Result<Vec<u8>, Errno>);

impl Both {
    fn new() -> Self {
        let mut both = Self {
            sim: Sim::new(),
            model: Model::default(),
            next_fill: 0,
        };
        for minor in 0..DISKS {
            let sectors = 40 + 37 * u64::from(minor);
            let dev = both
                .sim
                .add_disk(1, minor, &format!("/dev/ram{minor}"), Disk::new(sectors));
            both.model.add_disk(dev, sectors);
        }
        for minor in 0..DEVICES {
            both.sim.create(id(minor), Some(minor)).unwrap();
            let path = format!("/dev/log{minor}");
            both.sim.add_disk(1, log(minor).minor, &path, Disk::new(LOG));
        }
        both
    }

    /// A table of a device from recipes; it leads to disks and to devices with lower numbers, and is not smaller than
    /// the table that the device has.
    fn cook(&self, device: u32, recipes: &[Recipe]) -> Vec<Segment> {
        // What a request does to a lower device with bad blocks would depend on the order of its pieces.
        let lower = (0..device).filter(|&lower| !self.has_dust(lower)).map(mapped);
        let below: Vec<DevNo> = (0..DISKS).map(disk).chain(lower).collect();
        let goal = |(which, offset): (usize, u64), sectors: u64| -> Option<Goal> {
            let dev = below[which % below.len()];
            let room = self.model.sectors(dev).checked_sub(sectors)?;
            Some((dev, offset % (room + 1)))
        };
        let is_below = (device + 1..DEVICES).any(|upper| self.leads_to(upper, mapped(device)));
        let (mut start, mut logged) = (0, false);
        let mut segments: Vec<Segment> = recipes
            .iter()
            .map(|recipe| {
                let mut length = recipe.length;
                let first = recipe.goals[0];
                let kind = match recipe.kind % 20 {
                    0..4 => goal(first, length).map(Kind::Linear),
                    4..7 => {
                        let stripes = recipe.goals.len() as u64;
                        let rows = (length / (stripes * recipe.chunk)).max(1);
                        length = rows * stripes * recipe.chunk;
                        let goals = recipe.goals.iter().map(|&pair| goal(pair, rows * recipe.chunk));
                        goals
                            .collect::<Option<_>>()
                            .map(|goals| Kind::Striped(recipe.chunk, goals))
                    }
                    7 => Some(Kind::Zero),
                    8 => Some(Kind::Error),
                    9 => {
                        let delay = |index: usize| recipe.detail >> (8 * index) & 0xff;
                        let groups = recipe.goals.iter().enumerate();
                        let groups = groups.map(|(index, &pair)| Some((goal(pair, length)?, delay(index))));
                        groups.collect::<Option<_>>().map(Kind::Delay)
                    }
                    10 | 11 => goal(first, length).map(|goal| {
                        let down = match recipe.detail % 7 {
                            0 => None,
                            1 => Some(Down::Fail),
                            2 => Some(Down::DropWrites),
                            3 => Some(Down::ErrorWrites),
                            4 => Some(Down::ErrorReads),
                            way => {
                                let [nth, value, ..] = recipe.detail.to_le_bytes();
                                Some(Down::Corrupt(7 * u32::from(nth) + 1, way == 5, value))
                            }
                        };
                        Kind::Flakey(goal, down)
                    }),
                    12 | 13 => {
                        let (chunk, count) = (recipe.chunk, 1 + u64::from(recipe.detail % 3));
                        let rows = (length / chunk).max(1);
                        length = rows * chunk;
                        let index = u64::from(recipe.detail >> 8) % count;
                        goal(first, rows * count * chunk).map(|goal| Kind::Unstriped(count, chunk, index, goal))
                    }
                    14 | 15 => {
                        let goals = recipe.goals.iter().map(|&pair| goal(pair, length));
                        let goals: Option<Vec<Goal>> = goals.collect();
                        goals.map(|goals| {
                            let regions = usize::try_from(length.div_ceil(recipe.chunk)).unwrap();
                            let used = (0..goals.len()).cycle().take(regions).collect();
                            Kind::Switch(recipe.chunk, goals, used)
                        })
                    }
                    16..19 if !is_below => goal(first, length).map(|(dev, offset)| {
                        // Blocks of the segment are those of its component: so a request touches each once.
                        let block = (1u64 << (recipe.detail % 4)).min(1 << length.ilog2());
                        let dust = Dust {
                            block,
                            ..Dust::default()
                        };
                        Kind::Dust((dev, offset / block * block), dust)
                    }),
                    19 if !logged => {
                        let fits = |dev: &DevNo| self.model.sectors(*dev) >= start + length;
                        logged = true;
                        let dev = (0..DISKS).map(|which| disk((which + recipe.detail) % DISKS)).find(fits);
                        dev.map(|dev| Kind::LogWrites(dev, log(device)))
                    }
                    _ => {
                        let [bits, seed, iv, _] = recipe.detail.to_le_bytes();
                        let unit = if bits & 4 != 0 && length > 1 { 2 } else { 1 };
                        length -= length % unit;
                        let cipher = Cipher {
                            xts: bits & 1 != 0,
                            long: bits & 2 != 0,
                            seed,
                            iv_offset: u64::from(iv) * 2,
                            unit,
                            discards: bits & 8 != 0,
                        };
                        goal(first, length).map(|(dev, offset)| Kind::Crypt((dev, offset - offset % unit), cipher))
                    }
                };
                let kind = kind.unwrap_or(Kind::Zero);
                start += length;
                Segment { length, kind }
            })
            .collect();
        let size: u64 = segments.iter().map(|segment| segment.length).sum();
        let before = self.model.sectors(mapped(device));
        if size < before {
            segments.push(Segment {
                length: before - size,
                kind: Kind::Zero,
            });
        }
        segments
    }

    fn has_dust(&self, device: u32) -> bool {
        let table = self.model.table(mapped(device));
        table.iter().any(|segment| matches!(segment.kind, Kind::Dust(..)))
    }

    /// Whether a device's table has another one as a component, which is all that dust must know.
    fn leads_to(&self, device: u32, below: DevNo) -> bool {
        let text = table_text(self.model.table(mapped(device)));
        text.contains(&format!(" {}:{} ", below.major, below.minor))
    }

    /// Sends a message to one of the segments that know some.
    fn tell(&mut self, device: u32, which: usize, detail: u32) {
        let table = self.model.table_mut(mapped(device));
        let mut start = 0;
        let mut known = Vec::new();
        for segment in table {
            let first = start;
            start += segment.length;
            if matches!(segment.kind, Kind::Dust(..) | Kind::Switch(..) | Kind::LogWrites(..)) {
                known.push((first, segment));
            }
        }
        if known.is_empty() {
            return;
        }
        let which = which % known.len();
        let (start, segment) = &mut known[which];
        let [what, failures, ..] = detail.to_le_bytes();
        let failures = failures % 3;
        let number = u64::from(detail >> 16);
        let texts: Vec<(String, bool)> = match &mut segment.kind {
            Kind::Dust(goal, dust) => {
                let blocks = segment.length.div_ceil(dust.block);
                let number = |more: u64| goal.1 / dust.block + (number + more) % blocks;
                match what % 8 {
                    0 => {
                        dust.enabled = false;
                        vec![("disable".into(), true)]
                    }
                    1 => {
                        let was_bad = dust.bad.remove(&number(0)).is_some();
                        vec![(format!("removebadblock {}", number(0)), was_bad)]
                    }
                    _ => {
                        dust.enabled = true;
                        let mut texts = vec![("enable".into(), true)];
                        for more in 0..4 {
                            let failures = (failures + more) % 3;
                            let number = number(u64::from(more) * 2);
                            let new = !dust.bad.contains_key(&number);
                            if new {
                                dust.bad.insert(number, failures);
                            }
                            texts.push((format!("addbadblock {number} {failures}"), new));
                        }
                        texts
                    }
                }
            }
            Kind::Switch(_, goals, used) => {
                let region = usize::try_from(number).unwrap() % used.len();
                let path = usize::from(what) % goals.len();
                used[region] = path;
                vec![(format!("set_region_mappings {region:x}:{path:x}"), true)]
            }
            _ => vec![(format!("mark {number}"), true)],
        };
        let start = *start;
        let table = self.sim.device(id(device)).unwrap().volume().table().unwrap().clone();
        let asked = Asked { suspended: false };
        for (text, taken) in texts {
            let work = table.message(start, text.as_bytes(), &asked, &mut Vec::new());
            assert_eq!(work.is_ok(), taken, "{text}");
            self.sim.perform_all(work.unwrap_or_default());
        }
    }

    /// Hands in a wish, unless it meets itself or a request under way on some sector; checks its pieces first.
    fn submit(&mut self, wish: &Wish, busy: &mut BTreeSet<(DevNo, u64)>) -> Option<Pending> {
        let dev = mapped(wish.device);
        let size = self.model.sectors(dev);
        let first = wish.first % size;
        // Some requests leave the device.
        let sectors = if wish.first.is_multiple_of(16) {
            wish.sectors
        } else {
            wish.sectors.min(size - first)
        };
        let touched = self.model.touched(dev, wish.op, first, sectors)?;
        if !busy.is_disjoint(&touched) {
            return None;
        }
        busy.extend(touched);
        let bio = Bio {
            op: wish.op,
            sector: first,
            sectors,
            fua: wish.op == Op::Write && wish.fua,
        };
        self.check_pieces(wish.device, bio);
        let length = usize::try_from(sectors).unwrap() * SECTOR;
        self.next_fill = self.next_fill.wrapping_add(wish.fill | 1);
        // No two sectors of a request are alike.
        let data: Vec<u8> = match wish.op {
            Op::Write => (0..length)
                .map(|byte| self.next_fill.wrapping_add(pattern(byte)))
                .collect(),
            _ => Vec::new(),
        };
        let mut expected = match wish.op {
            Op::Read => vec![0; length],
            _ => data.clone(),
        };
        let result = self.model.request(dev, wish.op, first, sectors, &mut expected);
        let expected = result.map(|()| if wish.op == Op::Read { expected } else { Vec::new() });
        Some((self.sim.submit(id(wish.device), bio, data), bio, expected))
    }

    /// Pieces cover a request in order, without gap or overlap.
    fn check_pieces(&mut self, device: u32, bio: Bio) {
        let now_ms = self.sim.now_ms();
        let table = self.sim.device(id(device)).unwrap().volume().table().unwrap().clone();
        let mut covered = 0;
        for piece in table.pieces(bio, now_ms) {
            assert_eq!(piece.offset, covered);
            assert!(piece.sectors > 0);
            covered += piece.sectors;
            table.delay_over(&bio, &piece);
        }
        assert_eq!(covered, bio.sectors);
    }

    fn check(&mut self, pending: Vec<Pending>) {
        for (request, bio, expected) in pending {
            let result = self
                .sim
                .take(request)
                .unwrap_or_else(|| panic!("{bio:?} is not complete"));
            // A discard can fail in several ways at a time.
            let both_fail = bio.op == Op::Discard && result.is_err() && expected.is_err();
            assert!(
                result == expected || both_fail,
                "{bio:?}: {:?} instead of {:?}",
                summary(&result),
                summary(&expected)
            );
        }
        assert_eq!(self.sim.in_flight(), 0);
        for minor in 0..DISKS {
            let ours = self.sim.disk(disk(minor)).contents();
            let theirs = self.model.contents(disk(minor));
            let wrong = (0..ours.len() / SECTOR).find(|sector| {
                let bytes = sector * SECTOR..(sector + 1) * SECTOR;
                ours[bytes.clone()] != theirs[bytes]
            });
            assert_eq!(wrong, None, "first wrong sector on disk {minor}");
        }
    }

    fn load(&mut self, device: u32, segments: Vec<Segment>) {
        self.sim.load(id(device), &table_text(&segments)).unwrap();
        self.model.set_table(mapped(device), segments);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Batch(wishes, seed) => {
                let mut busy = BTreeSet::new();
                let pending = wishes.iter().filter_map(|wish| self.submit(wish, &mut busy)).collect();
                self.sim.run_in_order(&mut order(*seed));
                self.check(pending);
            }
            Step::Swap(device, recipes, before, held, seed) => {
                let mut choose = order(*seed);
                let at_device = |wish: &Wish| Wish {
                    device: *device,
                    ..wish.clone()
                };
                let mut busy = BTreeSet::new();
                let mut pending: Vec<_> = before
                    .iter()
                    .filter_map(|wish| self.submit(&at_device(wish), &mut busy))
                    .collect();
                for _ in 0..seed % 8 {
                    if self.sim.ready() > 0 {
                        let choice = choose(self.sim.ready());
                        self.sim.step(choice);
                    }
                }
                let segments = self.cook(*device, recipes);
                let table = self.sim.prepare(&table_text(&segments), false).unwrap();
                let started_ms = self.sim.now_ms();
                self.sim.volume(id(*device), Volume::close);
                let live = self.sim.device(id(*device)).unwrap().volume().table().unwrap().clone();
                let work = live.suspend();
                self.sim.perform_all(work);
                self.model.set_table(mapped(*device), segments);
                // Requests that wait see the new table.
                let mut held_busy = BTreeSet::new();
                let held: Vec<_> = held
                    .iter()
                    .filter_map(|wish| self.submit(&at_device(wish), &mut held_busy))
                    .collect();
                assert_eq!(self.sim.device(id(*device)).unwrap().held(), held.len());
                while !self.sim.device(id(*device)).unwrap().volume().is_drained() || !live.suspended() {
                    match self.sim.ready() {
                        0 => assert!(self.sim.advance_to_work()),
                        ready => {
                            let choice = choose(ready);
                            self.sim.step(choice);
                        }
                    }
                }
                // Delays on the device itself ended with the suspend.
                let delays_below = *device > 0;
                assert!(delays_below || self.sim.now_ms() == started_ms);
                assert_eq!(self.sim.device(id(*device)).unwrap().held(), held.len());
                self.sim.put(id(*device), table).unwrap();
                self.sim.run_in_order(&mut choose);
                pending.extend(held);
                self.check(pending);
            }
            Step::Flush(device) => {
                let flush = Bio {
                    op: Op::Flush,
                    sector: 0,
                    sectors: 0,
                    fua: false,
                };
                let before: Vec<_> = (0..DISKS).map(|minor| self.sim.disk(disk(minor)).flushes()).collect();
                let result = self.sim.io(id(*device), flush, Vec::new());
                match self.model.flushed(mapped(*device)) {
                    None => assert_eq!(result, Err(Errno::EIO)),
                    Some(reached) => {
                        assert_eq!(result, Ok(Vec::new()));
                        for dev in reached {
                            assert_eq!(self.sim.disk(dev).unflushed(), 0, "{dev}");
                            assert!(self.sim.disk(dev).flushes() > before[dev.minor as usize], "{dev}");
                        }
                    }
                }
            }
            Step::Bad(minor, sector) => {
                let sector = sector % self.sim.disk(disk(*minor)).sectors();
                self.sim.disk_mut(disk(*minor)).make_bad(sector..sector + 1);
                self.model.make_bad(disk(*minor), sector);
            }
            Step::Tell(device, which, detail) => self.tell(*device, *which, *detail),
            Step::Pause(device) => {
                self.sim.suspend(id(*device));
                self.sim.resume(id(*device)).unwrap();
            }
        }
    }

    /// Nothing is left waiting in the counters of delay.
    fn check_counters(&self) {
        for minor in 0..DEVICES {
            let table = self.sim.device(id(minor)).unwrap().volume().table().unwrap();
            for segment in table
                .segments()
                .iter()
                .filter(|segment| segment.target.name() == "delay")
            {
                let mut status = String::new();
                table.write_status(segment, &mut status).unwrap();
                assert_eq!(status, "0 0 0");
            }
        }
    }
}

/// A byte that tells sectors and places in them apart.
fn pattern(byte: usize) -> u8 {
    (byte / SECTOR * 7 + byte % 3).to_le_bytes()[0]
}

fn summary(result: &Result<Vec<u8>, Errno>) -> Result<Vec<[u8; 4]>, Errno> {
    let start = |sector: &[u8]| sector[..4].try_into().unwrap();
    result
        .as_ref()
        .map(|data| data.chunks(SECTOR).map(start).collect())
        .map_err(|errno| *errno)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_does_what_the_model_does(
        tables in prop::collection::vec(prop::collection::vec(recipe(), 1..6), DEVICES as usize),
        steps in prop::collection::vec(step(), 1..14),
    ) {
        let mut both = Both::new();
        for (device, recipes) in (0..).zip(&tables) {
            let segments = both.cook(device, recipes);
            both.load(device, segments);
        }
        for step in &steps {
            both.step(step);
        }
        both.check_counters();
    }
}
