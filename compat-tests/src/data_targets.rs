//! Scripts about single targets, for [`crate::data`].

use dm_sim::Random;

use crate::data::{DISK_SECTORS, Dev, Step};

const KEYS: [&str; 3] = [
    "00112233445566778899aabbccddeeff",
    "0123456789abcdeffedcba98765432100011223344556677",
    "f0e0d0c0b0a0908070605040302010000123456789abcdef0123456789abcdef",
];

/// Writes and reads all over a device of `size` sectors in multiples of `unit`, and in the end all of it and its disk.
fn traffic(steps: &mut Vec<Step>, random: &mut Random, device: u32, size: u64, unit: u64, count: u64) {
    let dev = Dev::Mapped(device);
    for _ in 0..count {
        let first = random.below(size / unit);
        let sectors = (1 + random.below((size / unit - first).min(48 / unit))) * unit;
        let (sector, seed) = (first * unit, u32::try_from(random.below(256)).expect("small"));
        steps.push(match random.below(8) {
            0..4 => Step::Write(dev, sector, sectors, seed),
            4..7 => Step::Read(dev, sector, sectors),
            _ => Step::Zero(dev, sector, sectors),
        });
    }
    for sector in (0..size).step_by(16) {
        steps.push(Step::Read(dev, sector, 16.min(size - sector)));
    }
    steps.push(Step::Read(Dev::Disk(0), 0, DISK_SECTORS));
}

/// Every cipher, IV, key length and sector size: what is on the disk afterwards is the same, so that each side reads what
/// the other has written; then keys that come and go.
#[must_use]
pub fn crypt() -> Vec<Step> {
    let mut random = Random(77);
    let mut steps = Vec::new();
    let mut lines = Vec::new();
    for iv in ["plain64", "plain", "plain64be", "benbi", "null", "essiv:sha256"] {
        for (mode, keys) in [("xts", [0, 2]), ("cbc", [1, 2])] {
            for key in keys {
                let key = match mode {
                    "xts" => format!("{0}{1}", KEYS[key], KEYS[key].chars().rev().collect::<String>()),
                    _ => KEYS[key].to_string(),
                };
                lines.push((format!("aes-{mode}-{iv}"), key));
            }
        }
    }
    lines.push(("aes-ecb".into(), KEYS[1].into()));
    lines.push(("aes".into(), KEYS[0].into()));
    lines.push(("aes-plain".into(), KEYS[2].into()));
    lines.push(("aes-xts-plain64".into(), KEYS[1].repeat(2)));
    lines.push(("capi:xts(aes)-plain64".into(), KEYS[2].repeat(2)));
    lines.push(("capi:cbc(aes)-plain".into(), KEYS[0].into()));
    lines.push(("cipher_null-ecb".into(), "-".into()));
    for (index, (cipher, key)) in (0u64..).zip(&lines) {
        for (unit, features) in [
            (1, ""),
            (8, "1 sector_size:4096"),
            (4, "2 sector_size:2048 iv_large_sectors"),
        ] {
            // Beyond 32 bits, where `plain` differs from `plain64`.
            let iv_offset = [0u64, 8, 0xffff_fff8, 0x12_3456_7890][usize::try_from(index % 4).expect("small")] / 8 * 8;
            let offset = random.below(8) * 8;
            // A segment of its own in front, so that sectors of the segment are not those of the device.
            let text = format!("0 128 crypt {cipher} {key} {iv_offset} 1:0 {offset} {features}\n128 8 zero");
            let before = format!("0 8 zero\n8 128 crypt {cipher} {key} {iv_offset} 1:0 {offset} {features}");
            steps.push(Step::Table(0, if index % 2 == 0 { text } else { before }));
            traffic(&mut steps, &mut random, 0, 136, unit, 6);
        }
    }
    steps.push(Step::End);
    let (key, other) = (KEYS[2], KEYS[2].replace('f', "e"));
    steps.push(Step::Table(
        0,
        format!("0 256 crypt aes-xts-plain64 {key} 0 1:0 0 1 allow_discards"),
    ));
    steps.push(Step::Table(
        1,
        format!("0 256 crypt aes-cbc-essiv:sha256 {key} 0 1:1 0"),
    ));
    for device in [0, 1] {
        let message = |text: &str| Step::Message(device, text.into());
        let read = Step::Read(Dev::Mapped(device), 0, 64);
        steps.extend([
            Step::Write(Dev::Mapped(device), 0, 64, 3),
            read.clone(),
            message("key wipe"),
            message(&format!("key set {other}")),
            Step::Discard(Dev::Mapped(device), 128, 64),
            Step::Read(Dev::Disk(device), 0, 256),
            Step::Suspend(device),
            message("key set 00"),
            message(&format!("key set {key}00")),
            message("key set"),
            message("key"),
            message("key set :32:logon:nosuch"),
            message(&format!("key set {other}")),
            Step::Resume(device),
            read.clone(),
            Step::Write(Dev::Mapped(device), 32, 64, 4),
            Step::Suspend(device),
            message("key wipe"),
            message("key wipe"),
            Step::Resume(device),
            message(&format!("KEY SET {}", key.to_uppercase())),
            Step::Resume(device),
            read,
            Step::Read(Dev::Disk(device), 0, 256),
        ]);
    }
    steps.push(Step::End);
    steps
}

/// Blocks that are bad for reads, that fail some writes, that writes and discards mend, at all sizes.
#[must_use]
pub fn dust() -> Vec<Step> {
    let mut random = Random(79);
    let mut steps = Vec::new();
    for (block, offset) in [(1, 3), (2, 8), (8, 16), (16, 4)] {
        steps.push(Step::Table(0, format!("0 124 dust 1:0 {offset} {}", block * 512)));
        for round in 0..16 {
            for _ in 0..4 {
                let number = random.below((124 + offset) / block + 1);
                let text = match random.below(12) {
                    0..5 => format!("addbadblock {number}"),
                    5..7 => format!("addbadblock {number} {}", 1 + random.below(3)),
                    7 => format!("removebadblock {number}"),
                    8 => format!("queryblock {number}"),
                    9 => "countbadblocks".into(),
                    10 => "quiet".into(),
                    _ => [
                        "clearbadblocks",
                        "disable",
                        "enable",
                        "hello",
                        "addbadblock x",
                        "enable 1",
                    ][usize::try_from(random.below(6)).expect("small")]
                    .into(),
                };
                steps.push(Step::Message(0, text));
            }
            if round % 3 == 0 {
                steps.push(Step::Message(0, "enable".into()));
            }
            traffic(&mut steps, &mut random, 0, 124, 1, 4);
            // Linux cuts others at multiples of 8 sectors of the mapped device, where its RAM disks then do less.
            if offset % 8 == 0 {
                steps.push(Step::Discard(Dev::Mapped(0), random.below(10) * 8, 16));
            }
            steps.push(Step::Message(0, "listbadblocks".into()));
            steps.push(Step::Status(0));
        }
        for text in ["addbadblock 131072", "queryblock 9999999", "addbadblock 5 256"] {
            steps.push(Step::Message(0, text.into()));
        }
        steps.push(Step::End);
    }
    steps
}

/// A switch whose regions change under I/O, and the stripes of a striped device one by one.
#[must_use]
pub fn switch_and_unstriped() -> Vec<Step> {
    let mut random = Random(78);
    let mut steps = Vec::new();
    for region in [1, 7, 8, 16] {
        let text = format!("0 128 switch 3 {region} 0 1:0 0 1:1 64 1:2 8");
        steps.push(Step::Table(0, text));
        let regions = 128 / region;
        for round in 0..8 {
            let mut items = Vec::new();
            for _ in 0..1 + random.below(6) {
                items.push(match random.below(4) {
                    0 => format!(":{}", random.below(3)),
                    1 => format!("R{:x},{:X}", 1 + random.below(3), random.below(5)),
                    // Now and then one too many.
                    2 if round == 7 => format!("{:x}:{}", random.below(regions + 4), random.below(4)),
                    _ => format!("{:x}:{}", random.below(regions), random.below(3)),
                });
            }
            steps.push(Step::Message(0, format!("set_region_mappings {}", items.join(" "))));
            traffic(&mut steps, &mut random, 0, 128, 1, 4);
        }
        for text in [
            "set_region_mappings 1:3",
            "set_region_mappings x",
            "nosuch",
            "set_region_mappings 0:1 R0,1",
        ] {
            steps.push(Step::Message(0, text.into()));
        }
        steps.push(Step::End);
    }
    for (count, chunk) in [(1, 8), (2, 8), (3, 16), (3, 6)] {
        for index in 0..count {
            let length = chunk * 4;
            steps.push(Step::Table(
                0,
                format!("0 {length} unstriped {count} {chunk} {index} 1:0 {}", chunk / 2),
            ));
            traffic(&mut steps, &mut random, 0, length, 1, 6);
            steps.push(Step::Remove(0));
        }
        steps.push(Step::End);
    }
    steps
}

/// Logs of writes in all orders of writes, flushes, durable writes, marks, new tables and ends; logs that are too small, that
/// fail, and of a segment that does not begin at sector 0. The logs are compared as they are on their disk.
#[must_use]
pub fn log_writes() -> Vec<Step> {
    let mut random = Random(80);
    let mut steps = Vec::new();
    let log = |sectors: u64| Step::Table(0, format!("0 {sectors} linear 1:1 0"));
    let table = || Step::Table(1, "0 256 log-writes 1:0 254:0".into());
    let dev = Dev::Mapped(1);
    for round in 0..24 {
        // The first ones are too small.
        let size = if round < 12 { 8 + random.below(60) } else { 4096 };
        steps.extend([log(size), table()]);
        // Sectors that no flush came for: Linux logs them behind a durable write that overwrites them.
        let mut cached: Vec<u64> = Vec::new();
        for _ in 0..30 {
            let sector = random.below(256);
            let sectors = 1 + random.below((256 - sector).min(12));
            let seed = u32::try_from(random.below(256)).expect("small");
            match random.below(20) {
                0..8 => {
                    cached.extend(sector..sector + sectors);
                    steps.push(Step::Write(dev, sector, sectors, seed));
                }
                8..10 if !cached.iter().any(|known| (sector..sector + sectors).contains(known)) => {
                    cached.clear();
                    steps.push(Step::Sync(dev, sector, sectors, seed));
                }
                8..11 => {
                    cached.extend(sector / 8 * 8..sector / 8 * 8 + 8);
                    steps.push(Step::Discard(dev, sector / 8 * 8, 8));
                }
                11 => {
                    cached.extend(sector / 8 * 8..sector / 8 * 8 + 8);
                    steps.push(Step::Zero(dev, sector / 8 * 8, 8));
                }
                12..15 => {
                    cached.clear();
                    steps.push(Step::Flush(dev));
                }
                15 => steps.push(Step::Message(1, format!("mark m{seed}"))),
                16 => steps.push(Step::Message(1, format!("MARK {}", "x".repeat(seed as usize * 3)))),
                17 => steps.push(Step::Message(
                    1,
                    ["mark", "mark a b", "hello x", "x"][seed as usize % 4].into(),
                )),
                18 if size == 4096 && seed < 40 => {
                    cached.clear();
                    steps.push(table());
                }
                _ => steps.extend([Step::Suspend(1), Step::Resume(1)]),
            }
            steps.push(Step::Settle(1));
        }
        if round % 4 == 3 {
            // What is logged at once, so that it is one entry that fails.
            steps.extend([
                Step::Table(0, format!("0 {size} error")),
                Step::Message(1, "mark lost".into()),
            ]);
            steps.push(Step::Settle(1));
            steps.extend([log(size), Step::Write(dev, 0, 8, 1), Step::Flush(dev), Step::Settle(1)]);
        }
        steps.extend([
            Step::Remove(1),
            Step::Read(Dev::Disk(1), 0, 1024),
            Step::Read(Dev::Disk(0), 0, 256),
        ]);
    }
    for sectors in [8u64, 100, 300] {
        steps.extend([
            log(4096),
            Step::Table(1, format!("0 64 linear 1:2 0\n64 {sectors} log-writes 1:0 254:0")),
        ]);
        steps.extend([
            Step::Write(dev, 60, 12, 5),
            Step::Flush(dev),
            Step::Write(dev, 66, 2, 6),
        ]);
        steps.extend([Step::Read(dev, 0, 72), Step::Remove(1)]);
        steps.extend([Step::Read(Dev::Disk(1), 0, 64), Step::Read(Dev::Disk(0), 0, 256)]);
    }
    // Further words do not count.
    steps.push(Step::Table(1, "0 8 log-writes 1:0 1:1 more words".into()));
    steps.push(Step::End);
    steps
}
