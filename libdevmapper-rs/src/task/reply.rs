//! What a reply says, as values.

use std::borrow::Cow;

use bstr::{BStr, BString, ByteSlice};
use dm_abi::ioctl::{HEADER_SIZE, Header, flag, reply};

use super::{DevNo, Target};
use crate::error::Result;
use crate::mangle::{Mode, What, unmangle};
use crate::wiped::Wiped;

/// The state of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// There is such a device; if not, nothing else here is set.
    pub exists: bool,
    /// It is suspended.
    pub suspended: bool,
    /// It has a live table.
    pub live_table: bool,
    /// It has an inactive table.
    pub inactive_table: bool,
    /// How often it is open.
    pub open_count: i32,
    /// Number of its last event.
    pub event_nr: u32,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// It refuses writes.
    pub read_only: bool,
    /// Lines of its table.
    pub target_count: i32,
    /// It goes away when it is closed.
    pub deferred_remove: bool,
    /// The kernel suspended it for itself.
    pub internal_suspend: bool,
}

/// A device of a list in the reply, see [`DeviceEntry`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// Its number.
    pub dev: DevNo,
    /// Its name, unmangled unless the mode is `none`.
    pub name: Cow<'a, [u8]>,
    /// Its name as the driver has it.
    pub raw_name: &'a BStr,
    /// Number of its last event; `None` from a driver that does not say.
    pub event_nr: Option<u32>,
    /// Its uuid, empty when it has none; `None` when uuids were not asked for.
    pub uuid: Option<Cow<'a, [u8]>>,
}

/// A device of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceEntry {
    /// Its number.
    pub dev: DevNo,
    /// Its name, unmangled unless the mode is `none`.
    pub name: BString,
    /// Its name as the driver has it, which is also that of its node.
    pub raw_name: BString,
    /// Number of its last event; `None` from a driver that does not say.
    pub event_nr: Option<u32>,
    /// Its uuid, empty when it has none; `None` when uuids were not asked for.
    pub uuid: Option<BString>,
}

impl Listed<'_> {
    /// With copies of the strings.
    #[must_use]
    pub fn to_entry(&self) -> DeviceEntry {
        DeviceEntry {
            dev: self.dev,
            name: self.name.as_ref().into(),
            raw_name: self.raw_name.into(),
            event_nr: self.event_nr,
            uuid: self.uuid.as_ref().map(|uuid| uuid.as_ref().into()),
        }
    }
}

/// A target type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetVersion {
    /// Its name.
    pub name: BString,
    /// Major, minor, patch level.
    pub version: [u32; 3],
}

/// A reply. Its bytes are wiped when it is dropped.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) header: Header,
    buffer: Wiped,
    pub(super) name: BString,
    pub(super) raw_name: BString,
    pub(super) uuid: BString,
    /// How the names of a list are unmangled; `None` where the reply is no list.
    pub(super) list: Option<Mode>,
}

impl Reply {
    /// Takes a buffer that the driver filled. `None` when it is shorter than a header.
    pub(super) fn new(buffer: Wiped) -> Option<Self> {
        let header = Header::read(&buffer)?;
        let raw_name = BString::from(header.name());
        Some(Self {
            name: raw_name.clone(),
            raw_name,
            uuid: header.uuid().into(),
            list: None,
            header,
            buffer,
        })
    }

    /// Spares the wiping of bytes that neither the request of `sent` bytes nor the reply reached. A reply that did not fit
    /// does not tell how far it came.
    pub(super) fn wrote_only_itself(&mut self, sent: usize) {
        if let (Ok(size), false) = (usize::try_from(self.header.data_size), self.has(flag::BUFFER_FULL)) {
            self.buffer.wrote_only(sent.max(size));
        }
    }

    /// The bytes behind the header.
    pub(super) fn payload(&self) -> &[u8] {
        let start = usize::try_from(self.header.data_start).unwrap_or(usize::MAX);
        let end = usize::try_from(self.header.data_size)
            .unwrap_or(usize::MAX)
            .min(self.buffer.len());
        if start < HEADER_SIZE.min(end) {
            return &[];
        }
        self.buffer.get(start..end).unwrap_or_default()
    }

    pub(super) fn has(&self, flag: u32) -> bool {
        self.header.flags & flag != 0
    }

    pub(super) fn dev(&self) -> DevNo {
        DevNo::decode(self.header.dev)
    }

    pub(super) fn info(&self) -> Info {
        if !self.has(flag::EXISTS) {
            return Info::default();
        }
        let DevNo { major, minor } = self.dev();
        Info {
            exists: true,
            suspended: self.has(flag::SUSPEND),
            live_table: self.has(flag::ACTIVE_PRESENT),
            inactive_table: self.has(flag::INACTIVE_PRESENT),
            open_count: self.header.open_count,
            event_nr: self.header.event_nr,
            major,
            minor,
            read_only: self.has(flag::READONLY),
            target_count: self.header.target_count.cast_signed(),
            deferred_remove: self.has(flag::DEFERRED_REMOVE),
            internal_suspend: self.has(flag::INTERNAL_SUSPEND),
        }
    }

    pub(super) fn targets(&self) -> Vec<Target> {
        reply::read_status(self.payload(), self.header.target_count)
            .map(|spec| Target {
                start: spec.start,
                length: spec.length,
                kind: spec.kind.into(),
                params: spec.params.into(),
            })
            .collect()
    }

    pub(super) fn deps(&self) -> Vec<DevNo> {
        reply::read_deps(self.payload()).map(DevNo::decode).collect()
    }

    pub(super) fn versions(&self) -> Vec<TargetVersion> {
        reply::read_versions(self.payload())
            .map(|entry| TargetVersion {
                name: entry.name.into(),
                version: entry.version,
            })
            .collect()
    }

    /// Entries of a list, with names unmangled in this mode.
    pub(super) fn devices(&self, mode: Mode) -> impl Iterator<Item = Result<Listed<'_>>> {
        // Drivers before 4.38 put nothing behind the name, where the next record then is.
        let has_extension = self.header.version >= [4, 38, 0];
        reply::read_names(self.payload()).map(move |entry| {
            let uuid = entry.uuid.filter(|_| has_extension);
            Ok(Listed {
                dev: DevNo::decode(entry.dev),
                name: unmangle(entry.name, What::Name, mode)?,
                raw_name: entry.name.into(),
                event_nr: has_extension.then_some(entry.event_nr),
                uuid: uuid.map(|uuid| unmangle(uuid, What::Uuid, mode)).transpose()?,
            })
        })
    }

    pub(super) fn message(&self) -> Option<&BStr> {
        if !self.has(flag::DATA_OUT) {
            return None;
        }
        let payload = self.payload();
        match payload.find_byte(0) {
            Some(end) => payload.get(..end).map(BStr::new),
            None => {
                crate::log_error!("Internal error: Message response is not terminated.");
                None
            }
        }
    }
}
