//! What the engine answers and does in its test host.

use std::path::{Path, PathBuf};

use dm_abi::errno::Errno;
use dm_core::control::{Control, Outcome};
use dm_core::host::{DevNo, DeviceId, Host};
use dm_core::io::{Bio, Op};
use dm_core::targets::Asked;
use dm_sim::host::{MAJOR, Numbers};
use dm_sim::{Disk, SECTOR, Sim};

use crate::data::{DISKS, Dev, Machine};
use crate::requests::answer;
use crate::sequences::Sequence;

/// A machine with the disks `/dev/ram0` to `/dev/ram15`.
fn machine(numbers: Numbers) -> Sim {
    let mut sim = Sim::with_numbers(numbers);
    for minor in 0..16 {
        sim.add_disk(
            1,
            minor,
            &format!("/dev/ram{minor}"),
            Disk::new(131_072).without_discard(),
        );
    }
    for path in ["/dev/null", "/etc"] {
        sim.add_other_path(path);
    }
    sim
}

/// Answers of the engine in the simulator, each with the reason when it refused a table.
///
/// # Panics
/// When a request waits for ever.
#[must_use]
pub fn answers(sequence: &Sequence, numbers: Numbers) -> Vec<(String, Option<String>)> {
    let mut control = Control::new(machine(numbers));
    sequence
        .requests
        .iter()
        .map(|request| {
            let refusals = control.host_mut().refusals().len();
            let mut buffer = request.buffer.clone();
            let mut outcome = control.request(request.nr, &mut buffer);
            let mut turns = 0;
            let result = loop {
                match outcome {
                    Outcome::Done(result) => break result,
                    Outcome::Wait(ticket, awaited) => {
                        turns += 1;
                        assert!(turns < 100, "{request:?} waits for ever for {awaited:?}");
                        control.host_mut().run();
                        outcome = control.proceed(ticket, Ok(()), &mut buffer);
                    }
                }
            };
            let reason = control.host_mut().refusals().get(refusals).cloned();
            (answer(result.err().map_or(0, |errno| errno.0), &buffer), reason)
        })
        .collect()
}

/// The engine in its test host.
#[derive(Debug)]
pub struct Engine {
    sim: Sim,
    /// Mapped devices that exist.
    devices: Vec<u32>,
    suspended: Vec<u32>,
    directory: PathBuf,
}

/// Sectors of a disk of [`Engine`], as many as those of the oracle have.
const WHOLE_DISK: u64 = 131_072;

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine {
    /// Disks as scripts expect them, no devices.
    #[must_use]
    pub fn new() -> Self {
        Self::in_directory(Path::new("."))
    }

    /// The same, with files in a directory.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        let mut sim = Sim::new();
        for minor in 0..DISKS {
            sim.add_disk(1, minor, &format!("/dev/ram{minor}"), Disk::new(WHOLE_DISK));
        }
        Self {
            sim,
            devices: Vec::new(),
            suspended: Vec::new(),
            directory: directory.into(),
        }
    }

    fn id(&self, device: u32) -> DeviceId {
        let dev = DevNo {
            major: MAJOR,
            minor: device,
        };
        self.sim.find(dev).expect("scripts create devices before they use them")
    }

    fn io(&mut self, dev: Dev, op: Op, sector: u64, sectors: u64, data: &mut [u8]) -> Result<(), i32> {
        let bio = Bio {
            op,
            sector,
            sectors,
            fua: false,
        };
        self.bio(dev, bio, data)
    }

    fn bio(&mut self, dev: Dev, bio: Bio, data: &mut [u8]) -> Result<(), i32> {
        let Bio {
            op,
            sector,
            sectors,
            fua,
        } = bio;
        let result = match dev {
            Dev::Disk(minor) => {
                let disk = self.sim.disk_mut(DevNo { major: 1, minor });
                disk.operate(op, fua, sector, sectors, data)
            }
            Dev::Mapped(device) => {
                let id = self.id(device);
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
            self.devices.push(device);
        }
        self.sim.load(id, text).map_err(|error| error.errno.0)
    }

    fn write(&mut self, dev: Dev, sector: u64, data: &[u8]) -> Result<(), i32> {
        let sectors = (data.len() / SECTOR) as u64;
        self.io(dev, Op::Write, sector, sectors, &mut data.to_vec())
    }

    fn sync(&mut self, dev: Dev, sector: u64, data: &[u8]) -> Result<(), i32> {
        let bio = Bio {
            op: Op::Write,
            sector,
            sectors: (data.len() / SECTOR) as u64,
            fua: true,
        };
        self.bio(dev, bio, &mut data.to_vec())?;
        self.flush(dev)
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

    fn status(&mut self, device: u32) -> Result<String, i32> {
        let device = self.sim.device(self.id(device)).expect("it exists");
        let table = device.volume().table().ok_or(-1)?;
        let mut status = String::new();
        table
            .write_status(&table.segments()[0], &mut status)
            .expect("written to a string");
        Ok(status)
    }

    fn settle(&mut self, device: u32) -> Result<String, i32> {
        self.sim.run();
        self.status(device)
    }

    fn suspend(&mut self, device: u32) -> Result<(), i32> {
        self.suspended.push(device);
        Ok(())
    }

    fn resume(&mut self, device: u32) -> Result<(), i32> {
        let live = self.sim.device(self.id(device)).expect("it exists");
        live.volume().table().ok_or(-1)?.can_resume().map_err(|_| -1)?;
        self.suspended.retain(|&known| known != device);
        Ok(())
    }

    fn message(&mut self, device: u32, text: &str) -> Result<String, i32> {
        let asked = Asked {
            suspended: self.suspended.contains(&device),
        };
        let device = self.sim.device(self.id(device)).expect("it exists");
        let table = device.volume().table().ok_or(-1)?;
        let mut reply = Vec::new();
        let work = table.message(0, text.as_bytes(), &asked, &mut reply).map_err(|_| -1)?;
        self.sim.perform_all(work);
        self.sim.run();
        Ok(String::from_utf8_lossy(&reply).into())
    }

    fn remove(&mut self, device: u32) -> Result<(), i32> {
        self.devices.retain(|&known| known != device);
        self.sim.unload(DeviceId(u64::from(device)));
        Ok(())
    }

    fn directory(&self) -> PathBuf {
        self.directory.clone()
    }

    fn reset(&mut self) -> Result<(), i32> {
        self.devices.sort_unstable();
        while let Some(device) = self.devices.pop() {
            self.sim.unload(DeviceId(u64::from(device)));
        }
        Ok(())
    }
}
