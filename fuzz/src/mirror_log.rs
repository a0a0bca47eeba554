//! Logs of mirrors: whatever is on the disk, the first leg is never written to, regions that the log calls clean are left as
//! they are, and all others become what the first leg has; a log of a version that nobody knows is left alone.

use dm_core::host::{DevNo, DeviceId, Host};
use dm_core::io::Op;
use dm_core::mirrors::log::Header;
use dm_sim::{Disk, SECTOR, Sim};

const M: DeviceId = DeviceId(1);
const SECTORS: u64 = 40;
const REGION: u64 = 4;
const REGIONS: u64 = SECTORS / REGION;

fn dev(minor: u32) -> DevNo {
    DevNo { major: 1, minor }
}

pub fn run(bytes: &[u8]) {
    let (&options, log) = bytes.split_first().unwrap_or((&0, &[]));
    let mut sim = Sim::new();
    let block = if options & 4 == 0 { 512 } else { 4096 };
    let mut data = log.to_vec();
    data.resize(8 * SECTOR, options);
    let mut disk = Disk::new(8).with_block_size(block);
    disk.operate(Op::Write, true, 0, 8, &mut data).expect("it is whole");
    sim.add_disk(1, 0, "/dev/log", disk);
    for minor in [1u8, 2] {
        let mut leg = Disk::new(SECTORS);
        let mut data = vec![minor; 40 * SECTOR];
        leg.operate(Op::Write, true, 0, SECTORS, &mut data)
            .expect("it is whole");
        sim.add_disk(1, minor.into(), &format!("/dev/leg{minor}"), leg);
    }
    let words = ["2 1:0 4", "3 1:0 4 sync", "3 1:0 4 nosync", "2 1:0 4"][usize::from(options & 3)];
    sim.create(M, None).expect("the number is free");
    sim.load(M, &format!("0 {SECTORS} mirror disk {words} 2 1:1 0 1:2 0"))
        .expect("the line is right");
    sim.run();
    let table = sim.device(M).and_then(|device| device.volume().table()).expect("live");
    let mut status = String::new();
    table.write_status(&table.segments()[0], &mut status).expect("written");
    assert!(status.contains(" 10/10 1 AA "), "{status}");
    sim.unload(M);
    let contents = |minor| sim.disk(dev(minor)).contents();
    assert!(contents(1).iter().all(|&byte| byte == 1));
    let header = Header::parse(&data);
    let known = match header {
        Header::Log(regions, _) => regions,
        Header::None | Header::Unknown => 0,
    };
    for region in 0..REGIONS {
        let at = usize::try_from(region).expect("small");
        let clean = match options & 3 {
            1 => false,
            2 if region >= known => header != Header::Unknown,
            _ => region < known && data[1024 + at / 8] >> (at % 8) & 1 == 1,
        };
        let leg = contents(2)[at * 4 * SECTOR];
        assert_eq!(leg, if clean { 2 } else { 1 }, "region {region}");
    }
    match header {
        Header::Unknown => assert!(contents(0) == data),
        _ => assert_eq!(Header::parse(&contents(0)), Header::Log(REGIONS, true)),
    }
}
