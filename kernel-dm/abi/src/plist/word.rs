//! Command words.

use crate::ioctl::{Command, flag};

/// What a command word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// The word.
    pub word: &'static str,
    /// The command of the ioctl interface.
    pub command: Command,
    /// Flags that the word implies.
    pub set: u32,
    /// Flags that it excludes.
    pub clear: u32,
}

const fn plain(word: &'static str, command: Command) -> Word {
    Word {
        word,
        command,
        set: 0,
        clear: 0,
    }
}

const fn flagged(word: &'static str, command: Command, set: u32, clear: u32) -> Word {
    Word {
        word,
        command,
        set,
        clear,
    }
}

/// All words. The first that fits a command and its flags is sent.
const WORDS: &[Word] = &[
    plain("version", Command::Version),
    plain("targets", Command::ListVersions),
    plain("names", Command::ListDevices),
    plain("create", Command::DevCreate),
    plain("reload", Command::TableLoad),
    flagged("suspend", Command::DevSuspend, flag::SUSPEND, 0),
    flagged("resume", Command::DevSuspend, 0, flag::SUSPEND),
    plain("info", Command::DevStatus),
    plain("mknodes", Command::DevStatus),
    flagged("table", Command::TableStatus, flag::STATUS_TABLE, 0),
    // With STATUS_TABLE this is another way to say `table`.
    plain("status", Command::TableStatus),
    plain("deps", Command::TableDeps),
    plain("rename", Command::DevRename),
    plain("clear", Command::TableClear),
    plain("remove", Command::DevRemove),
    plain("message", Command::TargetMsg),
    plain("remove_all", Command::RemoveAll),
    plain("waitevent", Command::DevWait),
    // The stock driver has none of these.
    plain("setgeometry", Command::DevSetGeometry),
    plain("armpoll", Command::DevArmPoll),
    plain("target-version", Command::GetTargetVersion),
];

impl Word {
    /// The word with this text.
    #[must_use]
    pub fn find(text: &[u8]) -> Option<Self> {
        WORDS.iter().find(|word| word.word.as_bytes() == text).copied()
    }
}

/// The word for a command with these flags.
#[must_use]
pub fn word(command: Command, flags: u32) -> Word {
    WORDS
        .iter()
        .find(|word| word.command == command && flags & word.set == word.set && flags & word.clear == 0)
        .copied()
        .unwrap_or(plain("", command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_word() {
        for &command in Command::ALL {
            for flags in [0, flag::SUSPEND, flag::STATUS_TABLE, u32::MAX] {
                let word = word(command, flags);
                assert_eq!(Word::find(word.word.as_bytes()).map(|w| w.command), Some(command));
                assert_eq!(flags | word.set, flags);
                assert_eq!(flags & word.clear, 0);
            }
        }
        assert_eq!(word(Command::DevSuspend, flag::SUSPEND).word, "suspend");
        assert_eq!(word(Command::DevSuspend, 0).word, "resume");
        assert_eq!(word(Command::TableStatus, 0).word, "status");
        assert_eq!(word(Command::TableStatus, flag::STATUS_TABLE).word, "table");
        assert_eq!(Word::find(b""), None);
        assert_eq!(Word::find(b"Version"), None);
    }
}
