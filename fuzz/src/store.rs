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
const SECTORS: u64 = 64;
const COW_SECTORS: u64 = 160;

fn io(sim: &mut Sim, op: Op, sector: u64, data: Vec<u8>, sectors: u64) -> Result<Vec<u8>, Errno> {
    let bio = Bio {
        op,
        sector,
        sectors,
        fua: false,
    };
    sim.io(ID, bio, data)
}

/// All sectors that can be read.
fn view(sim: &mut Sim) -> Vec<Result<Vec<u8>, Errno>> {
    (0..SECTORS)
        .map(|sector| io(sim, Op::Read, sector, Vec::new(), 1))
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
    let wrote: Vec<u64> = (0..writes).map(|_| u64::from(reader.byte()) % SECTORS).collect();

    let mut sim = Sim::new();
    let block_size = if block & 1 == 0 { 512 } else { 4096 };
    sim.add_disk(1, 0, "/dev/origin", Disk::new(SECTORS));
    sim.add_disk(1, 1, "/dev/cow", Disk::new(COW_SECTORS).with_block_size(block_size));
    let mut data: Vec<u8> = (0..SECTORS as usize * SECTOR).map(|at| (at / SECTOR) as u8).collect();
    let disk = sim.disk_mut(ORIGIN);
    disk.operate(Op::Write, true, 0, SECTORS, &mut data)
        .expect("a good disk");
    let mut store = reader.take(COW_SECTORS as usize * SECTOR).to_vec();
    store.resize(COW_SECTORS as usize * SECTOR, 0);
    let disk = sim.disk_mut(COW);
    disk.operate(Op::Write, true, 0, COW_SECTORS, &mut store)
        .expect("a good disk");

    let chunk = u32::from(block_size as u16) / 512;
    let table = format!("0 {SECTORS} snapshot 1:0 1:1 P {chunk}");
    if load(&mut sim, &table).is_none() {
        return;
    }
    let first = view(&mut sim);
    for (index, &sector) in wrote.iter().enumerate() {
        let text = vec![0x80 | index as u8; SECTOR];
        let done = io(&mut sim, Op::Write, sector, text.clone(), 1);
        if done.is_ok() && !status(&sim).starts_with(['I', 'O']) {
            assert_eq!(io(&mut sim, Op::Read, sector, Vec::new(), 1), Ok(text));
        }
    }
    let valid = !status(&sim).starts_with(['I', 'O']);
    let shown = view(&mut sim);
    if valid {
        for sector in (0..SECTORS).filter(|sector| !wrote.contains(sector)) {
            assert_eq!(shown[sector as usize], first[sector as usize], "sector {sector}");
        }
    }
    assert_eq!(sim.disk(ORIGIN).contents(), data, "the origin");
    if load(&mut sim, &table).is_none() {
        assert!(!valid, "a store that was in use is refused");
        return;
    }
    if valid {
        assert_eq!(view(&mut sim), shown, "after the restart");
    }
    if load(&mut sim, &table.replace("snapshot", "snapshot-merge")).is_none() {
        return;
    }
    sim.run();
    let merged = view(&mut sim);
    if valid && !status(&sim).starts_with(['I', 'M']) && shown.iter().all(Result::is_ok) {
        assert_eq!(merged, shown, "after the merge");
        assert_eq!(
            sim.disk(ORIGIN).contents(),
            shown.into_iter().flatten().flatten().collect::<Vec<_>>(),
            "the origin after the merge"
        );
    }
}
