//! Command numbers.

macro_rules! commands {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        /// What a request asks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Command {
            $(#[doc = $text] $name = $value,)*
        }

        impl Command {
            /// All commands in the order of their numbers.
            pub const ALL: &'static [Command] = &[$(Command::$name,)*];
        }
    };
}

commands! {
    Version = 0, "The interface version and nothing else.";
    RemoveAll = 1, "Remove all devices that are not in use.";
    ListDevices = 2, "Names and numbers of all devices.";
    DevCreate = 3, "Create a device without tables.";
    DevRemove = 4, "Remove a device.";
    DevRename = 5, "Give a device another name, or a UUID.";
    DevSuspend = 6, "Suspend or resume a device.";
    DevStatus = 7, "Information about a device.";
    DevWait = 8, "Wait for an event on a device.";
    TableLoad = 9, "Load an inactive table.";
    TableClear = 10, "Drop the inactive table.";
    TableDeps = 11, "The components of a table.";
    TableStatus = 12, "Status or lines of a table.";
    ListVersions = 13, "The target types and their versions.";
    TargetMsg = 14, "A message to a target.";
    DevSetGeometry = 15, "Set the geometry that the device reports.";
    DevArmPoll = 16, "Arm the control descriptor for the next event anywhere.";
    GetTargetVersion = 17, "The version of one target type.";
}

impl Command {
    /// The command with this number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// The command's number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// Whether only the header of the request is looked at, whatever `data_size` says.
    #[must_use]
    pub const fn header_only(self) -> bool {
        matches!(
            self,
            Command::Version
                | Command::RemoveAll
                | Command::DevCreate
                | Command::DevRemove
                | Command::DevSuspend
                | Command::DevStatus
                | Command::TableClear
                | Command::DevArmPoll
        )
    }

    /// Whether a success writes nothing but the version into the buffer.
    #[must_use]
    pub const fn without_reply(self) -> bool {
        matches!(self, Command::Version | Command::RemoveAll | Command::DevSetGeometry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_up() {
        for (number, command) in (0u32..).zip(Command::ALL) {
            assert_eq!(command.number(), number);
            assert_eq!(Command::from_number(number), Some(*command));
        }
        assert_eq!(Command::from_number(18), None);
        assert_eq!(Command::from_number(u32::MAX), None);
    }
}
