//! An exception store with any contents: a snapshot over it leaves the origin alone and shows the same after it was
//! loaded again, and merging it makes the origin what the snapshot was.

use dm_abi::errno::Errno;
use dm_core::host::{DevNo, DeviceId, Host};
use dm_core::io::{Bio, Op};
use dm_sim::{Disk, SECTOR, Sim};

const ORIGIN: DevNo = DevNo { major: 1, minor: 0 };
const COW: DevNo = DevNo { major: 1, minor: 1 };
const ID: DeviceId = DeviceId(1);
/// Lengths of the origin and the store's device in sectors.
const SECTORS: u8 = 64;
const COW_SECTORS: u8 = 160;

/// One logical block of `unit` sectors: the device takes no less.
fn io(sim: &mut Sim, op: Op, (block, unit): (u8, u8), data: Vec<u8>) -> Result<Vec<u8>, Errno> {
    let bio = Bio {
        op,
        sector: u64::from(block) * u64::from(unit),
        sectors: unit.into(),
        fua: false,
    };
    sim.io(ID, bio, data)
}

/// All blocks, as they can be read.
fn view(sim: &mut Sim, unit: u8) -> Vec<Result<Vec<u8>, Errno>> {
    (0..SECTORS / unit)
        .map(|block| io(sim, Op::Read, (block, unit), Vec::new()))
        .collect()
}

fn status(sim: &Sim) -> String {
    let mut text = String::new();
    if let Some(table) = sim.device(ID).and_then(|device| device.volume().table()) {
        let segment = &table.segments()[0];
        table
            .write_status(segment, &mut text)
            .expect("a String takes everything");
        table
            .write_table(segment, &mut String::new())
            .expect("a String takes everything");
    }
    text
}

/// A device with this table anew, as after a restart; `None` when it is refused.
fn load(sim: &mut Sim, table: &str) -> Option<()> {
    if sim.device(ID).is_some() {
        sim.unload(ID);
    }
    sim.create(ID, None).expect("the device is gone");
    sim.load(ID, table).ok()
}

pub(crate) fn run(bytes: &[u8]) {
    let mut reader = super::Reader(bytes);
    let (block, writes) = (reader.byte(), reader.byte() % 8);
    // A store's chunk is a logical block at least.
    let (block_size, unit) = if block & 1 == 0 { (512, 1) } else { (4096, 8) };
    let wrote: Vec<u8> = (0..writes).map(|_| reader.byte() % (SECTORS / unit)).collect();

    let mut sim = Sim::new();
    sim.add_disk(1, 0, "/dev/origin", Disk::new(SECTORS.into()));
    sim.add_disk(
        1,
        1,
        "/dev/cow",
        Disk::new(COW_SECTORS.into()).with_block_size(block_size),
    );
    let mut data: Vec<u8> = (0..SECTORS).flat_map(|sector| [sector; SECTOR]).collect();
    let disk = sim.disk_mut(ORIGIN);
    disk.operate(Op::Write, true, 0, SECTORS.into(), &mut data)
        .expect("a good disk");
    let mut store = reader.take(usize::from(COW_SECTORS) * SECTOR).to_vec();
    store.resize(usize::from(COW_SECTORS) * SECTOR, 0);
    let disk = sim.disk_mut(COW);
    disk.operate(Op::Write, true, 0, COW_SECTORS.into(), &mut store)
        .expect("a good disk");

    let table = format!("0 {SECTORS} snapshot 1:0 1:1 P {unit}");
    if load(&mut sim, &table).is_none() {
        return;
    }
    let first = view(&mut sim, unit);
    for (text, &block) in (0x80..).zip(&wrote) {
        let text = vec![text; usize::from(unit) * SECTOR];
        let done = io(&mut sim, Op::Write, (block, unit), text.clone());
        if done.is_ok() && !status(&sim).starts_with(['I', 'O']) {
            assert_eq!(io(&mut sim, Op::Read, (block, unit), Vec::new()), Ok(text));
        }
    }
    let valid = !status(&sim).starts_with(['I', 'O']);
    let shown = view(&mut sim, unit);
    if valid {
        for block in (0..SECTORS / unit).filter(|block| !wrote.contains(block)) {
            assert_eq!(shown[usize::from(block)], first[usize::from(block)], "block {block}");
        }
    }
    assert_eq!(sim.disk(ORIGIN).contents(), data, "the origin");
    if load(&mut sim, &table).is_none() {
        assert!(!valid, "a store that was in use is refused");
        return;
    }
    if valid {
        assert_eq!(view(&mut sim, unit), shown, "after the restart");
    }
    if load(&mut sim, &table.replace("snapshot", "snapshot-merge")).is_none() {
        return;
    }
    sim.run();
    let merged = view(&mut sim, unit);
    if valid && !status(&sim).starts_with(['I', 'M']) && shown.iter().all(Result::is_ok) {
        assert_eq!(merged, shown, "after the merge");
        assert_eq!(
            sim.disk(ORIGIN).contents(),
            shown.into_iter().flatten().flatten().collect::<Vec<_>>(),
            "the origin after the merge"
        );
    }
}
