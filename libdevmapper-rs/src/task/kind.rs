//! Task types: what a program asks for, and the command that is sent.

use dm_abi::ioctl::Command;

macro_rules! task_types {
    ($($name:ident = $value:literal, $word:literal, $command:ident, $minor:literal, $text:literal;)*) => {
        /// What a task does. The numbers are those of `DM_DEVICE_*`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(i32)]
        pub enum TaskType {
            $(#[doc = $text] $name = $value,)*
        }

        impl TaskType {
            const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Name of the command in messages.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The command that is sent.
            #[must_use]
            pub const fn command(self) -> Command {
                match self { $(Self::$name => Command::$command,)* }
            }

            /// The interface version that the request asks for.
            #[must_use]
            pub const fn version(self) -> [u32; 3] {
                match self { $(Self::$name => [4, $minor, 0],)* }
            }
        }
    };
}

task_types! {
    Create = 0, "create", DevCreate, 0, "Create a device, with a table if lines were added.";
    Reload = 1, "reload", TableLoad, 0, "Load an inactive table.";
    Remove = 2, "remove", DevRemove, 0, "Remove a device.";
    RemoveAll = 3, "remove_all", RemoveAll, 0, "Remove all devices that are not in use.";
    Suspend = 4, "suspend", DevSuspend, 0, "Suspend a device.";
    Resume = 5, "resume", DevSuspend, 0, "Resume a device; an inactive table becomes live.";
    Info = 6, "info", DevStatus, 0, "Information about a device.";
    Deps = 7, "deps", TableDeps, 0, "The devices that a table uses.";
    Rename = 8, "rename", DevRename, 0, "Give a device another name, or a uuid.";
    Version = 9, "version", Version, 0, "The driver's version.";
    Status = 10, "status", TableStatus, 0, "Status lines of a table.";
    Table = 11, "table", TableStatus, 0, "Lines of a table.";
    WaitEvent = 12, "waitevent", DevWait, 0, "Wait until the event number differs.";
    List = 13, "names", ListDevices, 0, "All devices.";
    Clear = 14, "clear", TableClear, 0, "Drop the inactive table.";
    Mknodes = 15, "mknodes", DevStatus, 0, "Make or delete nodes as the devices are.";
    ListVersions = 16, "versions", ListVersions, 1, "Target types and their versions.";
    TargetMsg = 17, "message", TargetMsg, 2, "A message to a target.";
    SetGeometry = 18, "setgeometry", DevSetGeometry, 6, "Set the geometry that the device reports.";
    ArmPoll = 19, "armpoll", DevArmPoll, 36, "Arm the wait for the next event anywhere.";
    GetTargetVersion = 20, "target-version", GetTargetVersion, 41, "The version of one target type.";
}

impl TaskType {
    /// The type with this number.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// The number, as in `DM_DEVICE_*`.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// Whether replies may be large, so that the request has a buffer of at least 16 KiB.
    pub(super) const fn has_large_reply(self) -> bool {
        matches!(
            self,
            Self::Create | Self::Deps | Self::List | Self::Status | Self::Table | Self::TargetMsg
        )
    }

    /// Whether a full buffer is answered with a larger one.
    pub(super) const fn may_grow(self) -> bool {
        matches!(
            self,
            Self::ListVersions
                | Self::List
                | Self::Deps
                | Self::Status
                | Self::Table
                | Self::WaitEvent
                | Self::TargetMsg
                // The C library forgets this one; a type name makes a reply of 2 KiB impossible anyway.
                | Self::GetTargetVersion
        )
    }

    /// Whether table lines mean nothing for this type and are left out.
    pub(super) const fn ignores_targets(self) -> bool {
        matches!(
            self,
            Self::RemoveAll | Self::Create | Self::Remove | Self::Suspend | Self::Status | Self::Clear | Self::ArmPoll
        )
    }

    /// Whether udev hears of the request's effect and completes a cookie.
    pub(super) const fn has_uevent(self) -> bool {
        matches!(self, Self::Resume | Self::Remove | Self::Rename)
    }

    /// Whether the reply holds table lines.
    pub(super) const fn returns_targets(self) -> bool {
        matches!(self, Self::Status | Self::Table | Self::WaitEvent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_commands() {
        for (number, kind) in (0..).zip(TaskType::ALL) {
            assert_eq!(TaskType::from_number(number), Some(*kind));
        }
        assert_eq!(TaskType::from_number(21), None);
        assert_eq!(TaskType::from_number(-1), None);
        assert_eq!(TaskType::Info.command().number(), 7);
        assert_eq!(TaskType::Status.command().number(), 12);
        assert_eq!(TaskType::GetTargetVersion.version(), [4, 41, 0]);
    }
}
