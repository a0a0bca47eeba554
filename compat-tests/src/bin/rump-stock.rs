//! NetBSD's stock dm(4) driver in a rump kernel, behind a socket that speaks like udmd's second one:
//!
//! `rump-stock LIBRARY... -- SOCKET NODES DISK...`
//!
//! NODES is this machine's directory with nodes of mapped devices and DISKs are block devices of this machine: the rump
//! kernel has RAM disks with their paths and numbers, and the nodes that the directory has. `compat-tests/rump/run --stock`
//! calls it; the process ends where the kernel panics.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::process::ExitCode;

use compat_tests::rump::{File, READ_WRITE, Rump, S_IFBLK, S_IFCHR, dev_number, linux_errno};
use compat_tests::serve::{CLOSE, ENOTTY, ENXIO, OPEN, serve};
use libdevmapper::transport::socket::{HELLO, PLIST, TRY_OPEN};

const EINVAL: i32 = 22;

/// What this machine has at a path: kind of node and number of the rump kernel.
fn node(path: &Path) -> Option<(u32, u64)> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    let number = dev_number(libc::major(meta.rdev()), libc::minor(meta.rdev()));
    match meta.file_type() {
        kind if kind.is_block_device() => Some((S_IFBLK, number)),
        kind if kind.is_char_device() => Some((S_IFCHR, number)),
        _ => None,
    }
}

/// The rump kernel, with its copy of the nodes.
struct Kernel {
    rump: Rump,
    control: File,
    nodes: String,
    copied: BTreeMap<String, (u32, u64)>,
    open: BTreeMap<Vec<u8>, File>,
}

impl Kernel {
    fn make_dirs(&self, path: &str) {
        for (at, _) in path.match_indices('/').skip(1) {
            let _ = self.rump.mkdir(&path[..at]);
        }
    }

    fn copy(&mut self, path: &str, node: (u32, u64)) -> Result<(), i32> {
        if self.copied.get(path) != Some(&node) {
            let _ = self.rump.unlink(path);
            self.rump.mknod(path, node.0 | 0o640, node.1).map_err(linux_errno)?;
            self.copied.insert(path.into(), node);
        }
        Ok(())
    }

    /// The rump kernel gets the nodes that the directory has now.
    fn copy_nodes(&mut self) -> Result<(), i32> {
        let found: BTreeMap<String, (u32, u64)> = std::fs::read_dir(&self.nodes)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| Some((entry.path().to_str()?.to_owned(), node(&entry.path())?)))
            .collect();
        let inside = format!("{}/", self.nodes);
        let gone: Vec<String> = self.copied.keys().cloned().collect();
        for path in gone
            .iter()
            .filter(|path| path.starts_with(&inside) && !found.contains_key(*path))
        {
            let _ = self.rump.unlink(path);
            self.copied.remove(path);
        }
        found.into_iter().try_for_each(|(path, node)| self.copy(&path, node))
    }

    /// Opens the block node of a device, or of a disk by its path.
    fn open(&mut self, name: &[u8]) -> Result<File, i32> {
        self.copy_nodes()?;
        let name = std::str::from_utf8(name).map_err(|_| EINVAL)?;
        let path = if name.starts_with('/') {
            name.to_owned()
        } else {
            format!("{}/{name}", self.nodes)
        };
        self.rump.open(&path, READ_WRITE).map_err(linux_errno)
    }

    fn answer(&mut self, command: u32, payload: &[u8]) -> Result<Vec<u8>, i32> {
        match command {
            HELLO => Ok(b"the stock driver in a rump kernel".to_vec()),
            PLIST => {
                self.copy_nodes()?;
                let xml = std::str::from_utf8(payload).map_err(|_| EINVAL)?;
                // With the NUL, as the library sends it to a kernel.
                let answer = self.control.dm_plist(&format!("{xml}\0")).map_err(linux_errno)?;
                Ok(answer.into_bytes())
            }
            TRY_OPEN => self.open(payload).map(|_| Vec::new()),
            OPEN => {
                let file = self.open(payload)?;
                self.open.insert(payload.to_vec(), file);
                Ok(Vec::new())
            }
            CLOSE => self.open.remove(payload).map(|_| Vec::new()).ok_or(ENXIO),
            _ => Err(ENOTTY),
        }
    }
}

fn run(arguments: &[String]) -> Result<(), String> {
    let usage = "usage: rump-stock LIBRARY... -- SOCKET NODES DISK...";
    let split = arguments.iter().position(|word| word == "--").ok_or(usage)?;
    let (libraries, rest) = arguments.split_at(split);
    let [_, socket, nodes, disks @ ..] = rest else {
        return Err(usage.into());
    };
    let rump = Rump::start(libraries)?;
    let control = rump
        .open("/dev/mapper/control", READ_WRITE)
        .map_err(|errno| format!("the control node does not open: error {errno}"))?;
    let mut kernel = Kernel {
        rump,
        control,
        nodes: nodes.clone(),
        copied: BTreeMap::new(),
        open: BTreeMap::new(),
    };
    kernel.make_dirs(&format!("{nodes}/"));
    for disk in disks {
        let node = node(Path::new(disk)).ok_or(format!("{disk} is no device"))?;
        kernel.make_dirs(disk);
        kernel
            .copy(disk, node)
            .and_then(|()| rump.open(disk, READ_WRITE).map_err(linux_errno))
            .map_err(|errno| format!("{disk}: error {errno} in the rump kernel"))?;
    }
    serve(socket, |command, payload| kernel.answer(command, payload)).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("rump-stock: {reason}");
            ExitCode::from(2)
        }
    }
}
