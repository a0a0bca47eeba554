//! Status of mirror (the old mirror target, not raid1).

use super::refuse;
use super::scan::Scan;
use crate::error::Result;

/// Most legs a mirror's status is read for.
pub const MAX_LEGS: u32 = 8;

/// Health of a leg or log device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
#[repr(u8)]
pub enum Health {
    /// Good.
    Alive = b'A',
    /// A flush failed.
    FlushFailed = b'F',
    /// A write failed; the leg is not in sync.
    WriteFailed = b'D',
    /// Synchronisation failed.
    SyncFailed = b'S',
    /// A read failed.
    ReadFailed = b'R',
    /// Some other error.
    Unclassified = b'U',
}

impl Health {
    /// The health that a character stands for.
    #[must_use]
    pub const fn from_character(character: u8) -> Option<Self> {
        match character {
            b'A' => Some(Self::Alive),
            b'F' => Some(Self::FlushFailed),
            b'D' => Some(Self::WriteFailed),
            b'S' => Some(Self::SyncFailed),
            b'R' => Some(Self::ReadFailed),
            b'U' => Some(Self::Unclassified),
            _ => None,
        }
    }

    fn new(character: u8) -> Self {
        Self::from_character(character).unwrap_or_else(|| {
            crate::log_warn!(
                "WARNING: Unknown mirror health status char: {}",
                crate::log::Raw(&[character])
            );
            Self::Unclassified
        })
    }
}

/// A leg or log device and its health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct LegHealth {
    /// Health.
    pub health: Health,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// State of a mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirror {
    /// Regions.
    pub total_regions: u64,
    /// Regions in sync.
    pub insync_regions: u64,
    /// The legs.
    pub devs: Vec<LegHealth>,
    /// `core`, `disk` or the type of a cluster log.
    pub log_type: Vec<u8>,
    /// Log devices; only told for log type `disk`.
    pub logs: Vec<LegHealth>,
}

/// Parses `N DEV{N} INSYNC/TOTAL ARGC HEALTH ... LOGARGC LOGTYPE [DEV... HEALTH]`.
pub fn parse_mirror(params: &[u8]) -> Result<Mirror> {
    let mut scan = Scan(params);
    let Some(count) = scan.spaced() else {
        return refuse("mirror status {}.", params);
    };
    if count > u64::from(MAX_LEGS) {
        crate::log_error!("Internal error: More than {MAX_LEGS} reported in mirror status.");
        return refuse("mirror status {}.", params);
    }
    match parse(&mut scan, count) {
        Some(status) => Ok(status),
        None => refuse("mirror status {}.", params),
    }
}

fn parse(scan: &mut Scan<'_>, count: u64) -> Option<Mirror> {
    scan.byte(b' ')?;
    let devices = devices(scan, count)?;
    let (insync_regions, total_regions) = Scan(scan.field()?).ratio()?;
    let argc = scan.number()?;
    scan.byte(b' ')?;

    let health = scan.0;
    for _ in 0..argc {
        scan.field()?;
    }
    let devs = join(&devices, health)?;

    if scan.0.starts_with(b"userspace ") {
        scan.field();
    }
    let log_argc = scan.number()?;
    scan.byte(b' ')?;
    let mut status = Mirror {
        total_regions,
        insync_regions,
        devs,
        log_type: Vec::new(),
        logs: Vec::new(),
    };
    if log_argc == 1 {
        status.log_type = scan.0.to_vec();
        return Some(status);
    }
    status.log_type = scan.field()?.to_vec();
    if status.log_type == b"disk" && log_argc > 2 {
        // Each device is a field of its own, so a count beyond the text fails and reserves nothing.
        let logs = self::devices(scan, log_argc - 2)?;
        status.logs = join(&logs, scan.0)?;
    }
    Some(status)
}

/// `MAJOR:MINOR` times `count`, each followed by a blank.
fn devices(scan: &mut Scan<'_>, count: u64) -> Option<Vec<(u32, u32)>> {
    let mut devices = Vec::new();
    for _ in 0..count {
        let mut field = Scan(scan.field()?);
        let major = field.number32()?;
        field.byte(b':')?;
        devices.push((major, field.number32()?));
    }
    Some(devices)
}

/// Gives each device its health character.
fn join(devices: &[(u32, u32)], health: &[u8]) -> Option<Vec<LegHealth>> {
    let health = health.get(..devices.len())?;
    Some(
        devices
            .iter()
            .zip(health)
            .map(|(&(major, minor), &c)| LegHealth {
                health: Health::new(c),
                major,
                minor,
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use bstr::ByteSlice;

    fn shown(line: &str) -> Option<String> {
        let s = parse_mirror(line.as_bytes()).ok()?;
        let legs = |v: &[LegHealth]| {
            v.iter()
                .map(|l| format!("{}:{}{}", l.major, l.minor, char::from(l.health as u8)))
                .collect::<Vec<_>>()
                .join(",")
        };
        let log = s.log_type.as_bstr();
        Some(format!(
            "{}/{} {} {log} {}",
            s.insync_regions,
            s.total_regions,
            legs(&s.devs),
            legs(&s.logs)
        ))
    }

    #[test]
    fn logs_of_all_kinds() {
        for (line, want) in [
            ("2 253:4 253:5 400/400 1 AA 1 core", "400/400 253:4A,253:5A core "),
            ("3 1:1 1:2 1:3 1/2 1 ADS 3 disk 1:9 D", "1/2 1:1A,1:2D,1:3S disk 1:9D"),
            (
                "2 253:4 253:5 400/400 1 AA 3 cluster 253:3 A",
                "400/400 253:4A,253:5A cluster ",
            ),
            (
                "2 1:4 1:5 4/400 1 AA userspace 3 clustered-disk 253:3 A",
                "4/400 1:4A,1:5A clustered-disk ",
            ),
            ("2 1:1 1:2 1/2 1 AA 2 disk 1:9", "1/2 1:1A,1:2A disk "),
            ("1 1:1 1/2 1 x 1 core", "1/2 1:1U core "),
        ] {
            assert_eq!(shown(line).as_deref(), Some(want), "{line}");
        }
        for bad in ["2 1:1 1/2 1 AA 1 core", "2 1:1 1:2 1/2", "", "9 1:1 1/2 1 A 1 core"] {
            assert_eq!(shown(bad), None, "{bad}");
        }
    }
}
