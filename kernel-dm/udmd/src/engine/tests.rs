//! The data path without the control path. These tests need root, loop devices and FUSE.

use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::channel;

use dm_core::host;
use dm_core::host::{DevSpec, DeviceId};
use dm_core::table::{Line, Table};
use dm_core::targets::args::Given;

use super::{Mapped, Message, Shared, spawn};
use crate::buffer::Buffer;
use crate::component::Components;
use crate::fuse::FuseLoop;
use crate::nodes;
use crate::present::Presentation;

/// A loop device on a temporary file, which goes with it.
struct Disk {
    path: String,
    _file: tempfile::NamedTempFile,
}

impl Disk {
    fn new(bytes: u64) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(bytes).unwrap();
        let out = Command::new("losetup")
            .args(["--find", "--show", "--direct-io=on"])
            .arg(file.path())
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "losetup: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        let path = String::from_utf8(out.stdout).unwrap().trim().to_owned();
        Self { path, _file: file }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["--detach", &self.path]).status();
    }
}

#[test]
fn data_go_through_to_two_components() {
    let (one, two) = (Disk::new(8 << 20), Disk::new(8 << 20));
    let shared = Arc::new(Shared::default());
    let (events, _raised) = channel();
    let inbox = spawn(shared.clone(), events, "io".into()).unwrap();
    let mapped = Arc::new(Mapped::new(DeviceId(1)));
    shared.insert(mapped.clone());

    let mut components = Components::default();
    let lines: Vec<_> = [(0, 2048, &one), (2048, 4096, &two)]
        .into_iter()
        .map(|(start, length, disk)| (start, length, format!("{} 64", disk.path)))
        .collect();
    let table = Table::build(
        &mut |spec, read_only| {
            let dev = Components::number(match spec {
                DevSpec::Number(dev) => DevSpec::Number(dev),
                DevSpec::Path(path) => DevSpec::Path(path),
            })?;
            components.open(dev, read_only).map(host::Component::Host)
        },
        lines.iter().map(|(start, length, params)| Line {
            start: *start,
            length: *length,
            kind: b"linear",
            params: params.as_bytes(),
        }),
        false,
        Given::at(0),
    )
    .unwrap();
    let limits = table.limits();

    let presentation = FuseLoop::new(format!("udmd test {}", std::process::id()));
    let device = presentation
        .create(None, &mut |channel| inbox.send(Message::Serve(mapped.clone(), channel)))
        .unwrap();
    let _ = mapped.with(|volume| volume.swap(Some(Arc::new(table))));
    device.configure(Some(limits)).unwrap();

    let mut options = File::options();
    options.read(true).write(true).custom_flags(libc::O_DIRECT);
    let file = nodes::open(device.dev(), &options).unwrap();
    let bytes = 6144 * 512;
    let mut written = Buffer::new(bytes).unwrap();
    for (index, byte) in written.bytes_mut(0, bytes).iter_mut().enumerate() {
        *byte = u8::try_from(index / 512 * 31 % 251).unwrap();
    }
    file.write_all_at(written.bytes(0, bytes), 0).unwrap();
    file.sync_all().unwrap();
    let mut read = Buffer::new(bytes).unwrap();
    file.read_exact_at(read.bytes_mut(0, bytes), 0).unwrap();
    assert!(read.bytes(0, bytes) == written.bytes(0, bytes));
    for (disk, from, len) in [(&one, 0, 2048 * 512), (&two, 2048 * 512, 4096 * 512)] {
        let component = File::open(&disk.path).unwrap();
        let mut there = vec![0; len];
        component.read_exact_at(&mut there, 64 * 512).unwrap();
        assert!(there == written.bytes(0, bytes)[from..from + len], "{}", disk.path);
    }
    assert_eq!(device.remove().unwrap_err(), dm_abi::errno::Errno::EBUSY);
    drop(file);
    device.remove().unwrap();
    presentation.end();
    assert!(
        !std::path::Path::new("/dev")
            .join(format!("loop{}", device.dev().minor))
            .exists()
    );
    let _ = mapped.with(|volume| volume.swap(None));
}
