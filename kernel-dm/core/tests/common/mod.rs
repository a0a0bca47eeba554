//! Tables on devices that are only numbers: those of the machine on which `linux-6.12-lines.txt` was recorded.

use dm_abi::errno::Errno;
use dm_core::host::{Component, DevNo, DevSpec, DeviceId, Opened};
use dm_core::table::{Line, Table, TableError};
use dm_core::targets::args::Given;

/// Size of every component in sectors.
pub const COMPONENT_SECTORS: u64 = 131_072;

/// Opens 1:0 to 1:15, some names of 1:0, a mapped device 254:0 with a table and 254:1 without one.
pub fn open(spec: DevSpec<'_>, _read_only: bool) -> Result<Component<()>, Errno> {
    let dev = match spec {
        DevSpec::Number(dev) => dev,
        DevSpec::Path(b"/dev/ram0" | b"/dev/a b" | b"/dev/a\\b") => DevNo { major: 1, minor: 0 },
        DevSpec::Path(b"/dev/null" | b"/tmp") => return Err(Errno::ENOTBLK),
        DevSpec::Path(_) => return Err(Errno::ENOENT),
    };
    match (dev.major, dev.minor) {
        (1, 0..16) => Ok(Component::Host(Opened {
            handle: (),
            dev,
            sectors: COMPONENT_SECTORS,
            logical_block_size: if dev.minor == 15 { 4096 } else { 512 },
            discard: dev.minor != 14,
        })),
        (254, 0..2) => Ok(Component::Mapped {
            id: DeviceId(u64::from(dev.minor)),
            dev,
            sectors: if dev.minor == 0 { 1024 } else { 0 },
            logical_block_size: 512,
            discard: true,
        }),
        _ => Err(Errno::ENXIO),
    }
}

/// Builds a table of lines `START LENGTH KIND PARAMS`.
pub fn table(text: &[u8]) -> Result<Table<()>, TableError> {
    let lines = text
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut words = line.splitn(4, |&byte| byte == b' ');
            let mut number = || str::from_utf8(words.next().unwrap()).unwrap().parse().unwrap();
            Line {
                start: number(),
                length: number(),
                kind: words.next().unwrap(),
                params: words.next().unwrap_or(b""),
            }
        });
    Table::build(&mut open, lines, false, Given::at(0))
}
