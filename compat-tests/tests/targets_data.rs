//! The six targets against a real Linux kernel: the same tables and the same I/O leave the same data on the disks, read
//! the same data, and fail alike. Needs the oracle (`scripts/oracle`, kernel 6.12).

use compat_tests::data::{DEVICES, DISK_SECTORS, DISKS, Dev, Machine, SUBJECTS, Step, fill, generated, play};
use compat_tests::oracle;
use dm_abi::errno::Errno;
use dm_core::host::{DevNo, DeviceId, Host};
use dm_core::io::{Bio, Op};
use dm_sim::host::MAJOR;
use dm_sim::{Disk, SECTOR, Sim};

/// The engine in its test host.
struct Engine {
    sim: Sim,
}

impl Engine {
    fn new() -> Self {
        let mut sim = Sim::new();
        for minor in 0..DISKS {
            sim.add_disk(1, minor, &format!("/dev/ram{minor}"), Disk::new(DISK_SECTORS));
        }
        Self { sim }
    }

    fn id(&self, device: u32) -> DeviceId {
        let dev = DevNo {
            major: MAJOR,
            minor: device,
        };
        self.sim.find(dev).expect("scripts create devices before they use them")
    }

    fn io(&mut self, dev: Dev, op: Op, sector: u64, sectors: u64, data: &mut [u8]) -> Result<(), i32> {
        let fua = false;
        let result = match dev {
            Dev::Disk(minor) => {
                let disk = self.sim.disk_mut(DevNo { major: 1, minor });
                disk.operate(op, fua, sector, sectors, data)
            }
            Dev::Mapped(device) => {
                let id = self.id(device);
                let bio = Bio {
                    op,
                    sector,
                    sectors,
                    fua,
                };
                let written = if op == Op::Write { data.to_vec() } else { Vec::new() };
                self.sim.io(id, bio, written).map(|read| {
                    if op == Op::Read {
                        data.copy_from_slice(&read);
                    }
                })
            }
        };
        result.map_err(|Errno(errno)| errno)
    }
}

impl Machine for Engine {
    fn table(&mut self, device: u32, text: &str) -> Result<(), i32> {
        let id = DeviceId(u64::from(device));
        if self.sim.device(id).is_none() {
            self.sim.create(id, Some(device)).expect("the minor is free");
        }
        self.sim.load(id, text).map_err(|error| error.errno.0)
    }

    fn write(&mut self, dev: Dev, sector: u64, data: &[u8]) -> Result<(), i32> {
        let sectors = (data.len() / SECTOR) as u64;
        self.io(dev, Op::Write, sector, sectors, &mut data.to_vec())
    }

    fn read(&mut self, dev: Dev, sector: u64, data: &mut [u8]) -> Result<(), i32> {
        let sectors = (data.len() / SECTOR) as u64;
        self.io(dev, Op::Read, sector, sectors, data)
    }

    fn discard(&mut self, dev: Dev, sector: u64, sectors: u64) -> Result<(), i32> {
        self.io(dev, Op::Discard, sector, sectors, &mut [])
    }

    fn zero(&mut self, dev: Dev, sector: u64, sectors: u64) -> Result<(), i32> {
        self.io(dev, Op::WriteZeroes, sector, sectors, &mut [])
    }

    /// RAM disks have no write cache, so on Linux no flush leaves the block layer; here it must only find its way.
    fn flush(&mut self, dev: Dev) -> Result<(), i32> {
        let _ = self.io(dev, Op::Flush, 0, 0, &mut []);
        Ok(())
    }

    fn reset(&mut self) -> Result<(), i32> {
        for device in (0..DEVICES).rev() {
            self.sim
                .remove(DeviceId(u64::from(device)))
                .expect("nobody has it open");
        }
        Ok(())
    }
}

/// What the scripts show on Linux, one line for each step.
fn ask_linux(steps: &[Step]) -> Vec<String> {
    let share = tempfile::tempdir().expect("a temporary directory");
    let file = share.path().join("script");
    let lines: Vec<_> = steps.iter().map(Step::to_string).collect();
    std::fs::write(&file, lines.join("\n")).expect("written");
    let script = format!(
        "modprobe -a dm-delay dm-flakey dm-zero && {} {} >{}/answers",
        oracle::program(env!("CARGO_BIN_EXE_dm-data")).display(),
        file.display(),
        share.path().display()
    );
    let output = oracle::run(share.path(), &["sh", "-c", &script]);
    assert!(
        output.status.success(),
        "dm-data failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let answers = std::fs::read_to_string(share.path().join("answers")).expect("answers");
    answers.lines().map(String::from).collect()
}

#[test]
fn same_tables_and_writes_give_the_same_data() {
    let mut steps = Vec::new();
    for subject in SUBJECTS {
        for seed in 0..8 {
            steps.extend(generated(subject, seed));
        }
    }
    // What is written down is what is played.
    assert!(
        steps
            .iter()
            .all(|step| Step::parse(&step.to_string()).as_ref() == Some(step))
    );
    let theirs = ask_linux(&steps);
    assert_eq!(theirs.len(), steps.len());
    let mut engine = Engine::new();
    fill(&mut engine).expect("the disks are writable");
    let mut script_start = 0;
    let (mut read, mut failed) = (0, 0);
    for (index, (step, theirs)) in steps.iter().zip(&theirs).enumerate() {
        let ours = play(&mut engine, step);
        if ours != *theirs {
            let before: Vec<_> = steps[script_start..=index].iter().map(Step::to_string).collect();
            panic!("Linux: {theirs}\nours:  {ours}\nafter\n{}", before.join("\n"));
        }
        match step {
            Step::End => script_start = index + 1,
            Step::Table(..) => assert_eq!(ours, "OK"),
            Step::Read(..) => read += 1,
            _ => {}
        }
        failed += usize::from(ours.starts_with("errno"));
    }
    assert!(read > 1000 && failed > 100, "{read} reads, {failed} failures");
}
