//! Names and uuids of a task: mangled on the way in, and found by path.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use bstr::BString;

use super::{Task, TaskType};
use crate::error::{Error, Result};
use crate::log::Raw;
use crate::mangle::{Mode, What, is_mangled_twice, mangle};
use crate::settings::Settings;

/// A name or uuid in the form that is sent, which is also the form of node names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) sent: BString,
}

impl Name {
    /// Mangles `text` as the settings demand.
    pub(super) fn mangled(text: &[u8], what: What, mode: Mode) -> Result<Self> {
        let mangled = mangle(text, what, mode).inspect_err(|_| {
            if !(mode == Mode::Auto && is_mangled_twice(text)) {
                crate::log_error!("{}", failed(text, what));
            }
        })?;
        let sent = BString::from(mangled.into_owned());
        if sent != text {
            crate::log_activation!("{} mangled [{}]: {} -> {sent}", what.text(), mode_word(mode), Raw(text));
        }
        Ok(Self { sent })
    }
}

/// The line that follows the reason for which a string was refused.
fn failed(text: &[u8], what: What) -> String {
    let text = Raw(text);
    match what {
        What::Name => format!("Failed to mangle device name \"{text}\"."),
        What::Uuid => format!("Failed to mangle device uuid \"{text}\"."),
        What::NewName => format!("Failed to mangle new device name \"{text}\""),
        What::NewUuid => format!("Failed to mangle new device UUID \"{text}\""),
    }
}

fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::None => "none",
        Mode::Auto => "auto",
        Mode::Hex => "hex",
    }
}

fn invalid(message: String) -> Error {
    crate::log_error!("{message}");
    Error::Invalid(message)
}

impl Task {
    /// Sets the device's name, or finds it by the path of one of its nodes.
    ///
    /// # Errors
    /// Logged: a path for a device to create, a path that is no device's, a name that cannot be mangled or is too long.
    /// The task has no name afterwards.
    pub fn set_name(&mut self, name: &[u8]) -> Result<()> {
        self.name = None;
        let settings = self.library.settings();
        if !name.contains(&b'/') {
            if name.len() > What::Name.max_len() {
                return Err(invalid(format!("Name \"{}\" too long.", Raw(name))));
            }
            self.name = Some(Name::mangled(name, What::Name, settings.mangling)?);
            return Ok(());
        }
        if self.kind == TaskType::Create.number() {
            return Err(invalid(format!("Name \"{}\" invalid. It contains \"/\".", Raw(name))));
        }
        let (sent, last) = find_by_path(&settings, name);
        let sent = sent.ok_or_else(|| invalid(format!("Device {} not found", Raw(&last))))?;
        if sent.len() > What::Name.max_len() {
            return Err(invalid(format!("Name \"{sent}\" too long.")));
        }
        self.name = Some(Name { sent });
        Ok(())
    }

    /// Sets the device's uuid.
    ///
    /// # Errors
    /// It cannot be mangled or is too long; logged. The task has no uuid afterwards.
    pub fn set_uuid(&mut self, uuid: &[u8]) -> Result<()> {
        self.uuid = None;
        self.uuid = Some(Name::mangled(uuid, What::Uuid, self.library.settings().mangling)?);
        Ok(())
    }

    /// Sets the name that RENAME gives.
    ///
    /// # Errors
    /// Empty, too long, with a slash, or cannot be mangled; logged.
    pub fn set_newname(&mut self, name: &[u8]) -> Result<()> {
        let shown = Raw(name);
        if name.contains(&b'/') {
            return Err(invalid(format!("Name \"{shown}\" invalid. It contains \"/\".")));
        }
        if name.len() > What::NewName.max_len() {
            return Err(invalid(format!("Name \"{shown}\" too long")));
        }
        if name.is_empty() {
            return Err(invalid("Non empty new name is required.".into()));
        }
        self.extra.new_name = None;
        self.extra.new_name = Some(Name::mangled(name, What::NewName, self.library.settings().mangling)?);
        self.extra.new_is_uuid = false;
        Ok(())
    }

    /// Sets the uuid that RENAME gives to a device without one. On LIST it asks for uuids, whatever the text.
    ///
    /// # Errors
    /// Too long, or cannot be mangled; logged.
    pub fn set_newuuid(&mut self, uuid: &[u8]) -> Result<()> {
        if uuid.len() > What::NewUuid.max_len() {
            return Err(invalid(format!("Uuid \"{}\" too long", Raw(uuid))));
        }
        self.extra.new_name = None;
        self.extra.new_name = Some(Name::mangled(uuid, What::NewUuid, self.library.settings().mangling)?);
        self.extra.new_is_uuid = true;
        Ok(())
    }

    /// Sets a name that is already in the form the driver has.
    pub(super) fn set_sent_name(&mut self, sent: &[u8]) {
        self.name = Some(Name { sent: sent.into() });
    }
}

/// The node name of the device that `path` leads to, and how the path is called when there is none.
fn find_by_path(settings: &Settings, path: &[u8]) -> (Option<BString>, BString) {
    let last = path.rsplit(|&b| b == b'/').next().unwrap_or(path);
    let dm_dir = Path::new(OsStr::from_bytes(&settings.dm_dir));
    let mut target = std::fs::metadata(OsStr::from_bytes(path));
    let has_one_slash = path.iter().filter(|&&b| b == b'/').count() == 1;
    if target.is_err() && path.len() >= 3 && path.first() != Some(&b'/') && has_one_slash {
        target = std::fs::metadata(dm_dir.join("..").join(OsStr::from_bytes(path)));
    }
    let Ok(target) = target else { return (None, path.into()) };
    let is_same = |meta: &Metadata| {
        meta.file_type().is_block_device() && target.file_type().is_block_device() && meta.rdev() == target.rdev()
    };
    let node = dm_dir.join(OsStr::from_bytes(last));
    if !last.is_empty() && std::fs::metadata(node).is_ok_and(|meta| is_same(&meta)) {
        return (Some(last.into()), last.into());
    }
    let found = std::fs::read_dir(dm_dir)
        .into_iter()
        .flatten()
        .flatten()
        .find(|entry| std::fs::metadata(entry.path()).is_ok_and(|meta| is_same(&meta)));
    (
        found.map(|entry| BString::from(entry.file_name().as_bytes())),
        last.into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_are_no_devices() {
        let settings = Settings::default();
        assert_eq!(find_by_path(&settings, b"/dev/null"), (None, "null".into()));
        assert_eq!(find_by_path(&settings, b"a/b/c"), (None, "a/b/c".into()));
        assert_eq!(
            find_by_path(&settings, b"mapper/no-such"),
            (None, "mapper/no-such".into())
        );
    }
}
