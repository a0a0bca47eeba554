//! The bytes of a request.

use bstr::BStr;
use dm_abi::ioctl::load::{TargetSpec, double_backslashes, push_record};
use dm_abi::ioctl::{HEADER_SIZE, Header, encode_dev, flag};
use zeroize::Zeroizing;

use super::{Task, TaskType};
use crate::error::{Error, Result};
use crate::wiped::Wiped;

/// Smallest buffer for types with large replies, in bytes.
const LARGE: usize = 16 * 1024;
/// Smallest buffer for the others, in bytes.
const SMALL: usize = 2 * 1024;
/// Where payloads start, in bytes.
const DATA_START: u32 = 312;
const _: () = assert!(DATA_START as usize == HEADER_SIZE);
/// First interface minor versions with a feature.
mod since {
    pub(super) const NOFLUSH: u32 = 12;
    pub(super) const INACTIVE: u32 = 16;
    pub(super) const NEW_UUID: u32 = 19;
    pub(super) const SECURE: u32 = 20;
    pub(super) const IMA: u32 = 45;
}

fn refuse(message: &str) -> Error {
    crate::log_error!("{message}");
    Error::Invalid(message.into())
}

impl Task {
    /// Two settings that cannot both be in one payload.
    fn conflict(&self) -> Option<&'static str> {
        let extra = &self.extra;
        let targets = !self.targets.is_empty();
        let message = extra.sector != 0 || extra.message.is_some();
        let (new_name, geometry) = (extra.new_name.is_some(), extra.geometry.is_some());
        Some(match () {
            () if targets && message => "targets and message are incompatible",
            () if targets && new_name && extra.new_is_uuid => "targets and new UUID are incompatible",
            () if targets && new_name => "targets and newname are incompatible",
            () if targets && geometry => "targets and geometry are incompatible",
            () if new_name && message && extra.new_is_uuid => "message and new UUID are incompatible",
            () if new_name && message => "message and newname are incompatible",
            () if new_name && geometry && extra.new_is_uuid => "geometry and new UUID are incompatible",
            () if new_name && geometry => "geometry and newname are incompatible",
            () if geometry && message => "geometry and message are incompatible",
            () if extra.sector != 0 && extra.message.is_none() => "message is required with sector",
            () => return None,
        })
    }

    /// The payload and the number of table lines in it.
    fn payload(&self, kind: TaskType) -> Result<(Zeroizing<Vec<u8>>, u32)> {
        let mut payload = Zeroizing::new(Vec::new());
        let mut count = 0;
        if !self.targets.is_empty() {
            if kind.ignores_targets() {
                crate::log_debug!("{} targets ignored by {} ioctl", self.targets.len(), kind.word());
            } else {
                for target in &self.targets {
                    let params = Zeroizing::new(double_backslashes(&target.params));
                    let spec = TargetSpec {
                        start: target.start,
                        length: target.length,
                        kind: &target.kind,
                        params: &params,
                    };
                    push_record(&mut payload, &spec);
                }
                count = u32::try_from(self.targets.len()).map_err(|_| refuse("Too many targets."))?;
            }
        } else if let Some(message) = &self.extra.message {
            payload.extend_from_slice(&self.extra.sector.to_ne_bytes());
            payload.extend_from_slice(message);
            payload.push(0);
        } else if let Some(text) = self
            .extra
            .new_name
            .as_ref()
            .map(|n| &n.sent)
            .or(self.extra.geometry.as_ref())
        {
            payload.extend_from_slice(text);
            payload.push(0);
        }
        Ok((payload, count))
    }

    /// The number field: a device of a certain minor number is asked for.
    fn dev_field(&mut self, dm_major: Option<u32>) -> Result<u64> {
        let Ok(minor) = u32::try_from(self.minor) else {
            return Ok(0);
        };
        if let (true, Some(dm_major)) = (self.allow_default_major, dm_major.and_then(|m| i32::try_from(m).ok()))
            && self.major != dm_major
        {
            crate::log_notice!(
                "Overriding major number of {} with {dm_major} for persistent device.",
                self.major
            );
            self.major = dm_major;
        }
        match u32::try_from(self.major) {
            Ok(major) if major > 0 => Ok(encode_dev(major, minor)),
            _ => Err(refuse("Missing major number for persistent device.")),
        }
    }

    /// Checks what the driver can do and collects the flags.
    fn flags(&self, kind: TaskType) -> Result<u32> {
        let options = &self.options;
        let library = &self.library;
        let mut flags = flag::EXISTS;
        let mut set = |wanted: bool, bit: u32| flags |= if wanted { bit } else { 0 };
        set(options.read_only, flag::READONLY);
        set(kind == TaskType::Suspend, flag::SUSPEND);
        set(self.minor >= 0, flag::PERSISTENT_DEV);
        set(kind == TaskType::Table, flag::STATUS_TABLE);
        set(options.no_open_count, flag::SKIP_BDGET);
        set(options.skip_lockfs, flag::SKIP_LOCKFS);
        set(
            options.deferred_remove && matches!(kind, TaskType::Remove | TaskType::RemoveAll),
            flag::DEFERRED_REMOVE,
        );
        if options.no_flush {
            if library.driver_has(since::NOFLUSH) {
                set(true, flag::NOFLUSH);
            } else {
                crate::log_notice!("No flush flag unsupported by driver. It will flush.");
            }
        }
        if options.query_inactive {
            set(true, flag::QUERY_INACTIVE_TABLE);
            let backported = matches!(library.known_driver(), Some([4, 11, 6..=40]));
            if !library.driver_has(since::INACTIVE) && !backported {
                let text = "Inactive table query unsupported by driver. It will use the live table.";
                if library.inactive_warned.swap(true, std::sync::atomic::Ordering::Relaxed) {
                    crate::log_notice!("{text}");
                } else {
                    crate::log_warn!("WARNING: {text}");
                }
            }
        }
        if self.extra.new_is_uuid && self.extra.new_name.is_some() {
            if !library.driver_has(since::NEW_UUID) {
                return Err(refuse("Setting a new UUID is unsupported by the driver."));
            }
            set(true, flag::UUID);
        }
        if options.secure_data {
            if !library.driver_has(since::SECURE) {
                crate::log_notice!("Secure data flag unsupported by driver. Buffers may not be wiped.");
            }
            set(true, flag::SECURE_DATA);
        }
        if options.ima_measurement {
            if !library.driver_has(since::IMA) {
                return Err(refuse("IMA measurement unsupported by the driver."));
            }
            set(true, flag::IMA_MEASUREMENT);
        }
        Ok(flags)
    }

    /// Builds the whole buffer, `growth` times doubled, and tells how many bytes at its start are the request.
    pub(super) fn build_request(
        &mut self,
        kind: TaskType,
        dm_major: Option<u32>,
        growth: u32,
    ) -> Result<(Header, (Wiped, usize))> {
        if let Some(conflict) = self.conflict() {
            return Err(refuse(conflict));
        }
        let (payload, target_count) = self.payload(kind)?;
        let least = if kind.has_large_reply() { LARGE } else { SMALL };
        let size = (HEADER_SIZE + payload.len()).max(least);
        let size = 1usize
            .checked_shl(growth)
            .and_then(|factor| size.checked_mul(factor))
            .and_then(|size| u32::try_from(size).ok())
            .ok_or_else(|| refuse("The request is too large."))?;
        let mut header = Header::default();
        header.version = kind.version();
        header.data_size = size;
        header.data_start = DATA_START;
        header.target_count = target_count;
        header.flags = self.flags(kind)?;
        header.event_nr = self.event_nr;
        header.dev = self.dev_field(dm_major)?;
        // Where the number alone says which device it is, the name is only for messages and nodes.
        let by_number = matches!(kind, TaskType::Resume | TaskType::Reload | TaskType::Remove)
            && self.major >= 0
            && self.minor >= 0;
        if let Some(name) = self.name.as_ref().filter(|_| !by_number)
            && !header.set_name(&name.sent)
        {
            return Err(refuse("Device name too long."));
        }
        if let Some(uuid) = &self.uuid
            && !header.set_uuid(&uuid.sent)
        {
            return Err(refuse("Device UUID too long."));
        }
        let mut buffer = Wiped::zeros(&self.library.spare, size as usize);
        let written = header.write(&mut buffer);
        match buffer
            .get_mut(HEADER_SIZE..)
            .and_then(|rest| rest.get_mut(..payload.len()))
        {
            Some(room) if written => room.copy_from_slice(&payload),
            _ => return Err(refuse("Internal error: short request buffer")),
        }
        Ok((header, (buffer, HEADER_SIZE + payload.len())))
    }

    /// One debug line about the request.
    pub(super) fn log_request(&self, kind: TaskType, header: &Header) {
        let options = &self.options;
        let mut words = Vec::new();
        let mut word = |on: bool, text: &'static str| {
            if on {
                words.push(text);
            }
        };
        word(
            true,
            if options.no_open_count {
                "noopencount"
            } else {
                "opencount"
            },
        );
        word(true, if options.no_flush { "noflush" } else { "flush" });
        word(options.read_only, "readonly");
        word(options.skip_lockfs, "skiplockfs");
        word(options.retry_remove, "retryremove");
        word(options.deferred_remove, "deferredremove");
        word(options.secure_data, "securedata");
        word(options.ima_measurement, "ima_measurement");
        word(options.query_inactive, "inactive");
        word(options.enable_checks, "enablechecks");
        let text = |name: Option<&super::names::Name>| name.map(|n| n.sent.clone()).unwrap_or_default();
        let dev = if self.major > 0 {
            format!(" ({}:{})", self.major, self.minor)
        } else {
            String::new()
        };
        let sector = if self.extra.sector != 0 {
            format!(" {}", self.extra.sector)
        } else {
            String::new()
        };
        let message = self.extra.message.as_ref().map_or(BStr::new(b""), |m| shown_message(m));
        crate::log_activation!(
            "dm {} {} {} {}{dev} [ {} ]{sector} {message} [{}]",
            kind.word(),
            text(self.name.as_ref()),
            text(self.uuid.as_ref()),
            text(self.extra.new_name.as_ref()),
            words.join(" "),
            header.data_size,
        );
    }
}

/// A message as logs may show it: not the key of an encrypted device.
pub(super) fn shown_message(message: &[u8]) -> &BStr {
    const KEY: &[u8] = b"key set";
    match message.get(..KEY.len()) {
        Some(start) if start.eq_ignore_ascii_case(KEY) => BStr::new(KEY),
        _ => BStr::new(message),
    }
}
