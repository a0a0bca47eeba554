//! The error type of the library.

use dm_abi::errno::Errno;

/// Why a call failed. What a person should read has also been logged through [`crate::log`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The driver refused a request.
    #[error("{command} failed: {errno}")]
    Ioctl {
        /// Command name as in messages, such as `create`.
        command: &'static str,
        /// The driver's answer.
        errno: Errno,
    },
    /// An argument is not allowed; the text names it.
    #[error("{0}")]
    Invalid(String),
    /// A text could not be parsed; the text says where and why.
    #[error("{0}")]
    Parse(String),
    /// A line of a table or of a status could not be read.
    #[error(transparent)]
    Line(#[from] crate::table::ParseError),
    /// Something that was asked for does not exist.
    #[error("{0} not found")]
    NotFound(String),
    /// A system call failed.
    #[error("{path}: {call} failed: {source}")]
    System {
        /// What it was done to.
        path: String,
        /// Name of the call.
        call: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// Result of the library's calls.
pub type Result<T> = std::result::Result<T, Error>;
