//! Status line of the vdo target.

use crate::table::Text;

/// Words of the line.
const WORDS: usize = 7;

/// How a volume runs.
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OperatingMode {
    /// Rebuilding after a crash.
    Recovering,
    /// An error stopped all writes.
    ReadOnly,
    /// Good.
    #[default]
    Normal,
}

/// State of the deduplication index.
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the kernel's words")]
pub enum IndexState {
    Error,
    Closed,
    Opening,
    Closing,
    Offline,
    Online,
    #[default]
    Unknown,
}

/// Whether data is compressed.
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the kernel's words")]
pub enum CompressionState {
    Online,
    #[default]
    Offline,
}

/// State of a VDO volume.
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The device below, as it stands in the line.
    #[cfg_attr(
        test,
        proptest(strategy = "proptest::strategy::Strategy::prop_map(\"[!-~]{1,9}\", String::into_bytes)")
    )]
    pub device: Vec<u8>,
    /// How it runs.
    pub operating_mode: OperatingMode,
    /// Recovery is going on in the background.
    pub recovering: bool,
    /// State of the index.
    pub index_state: IndexState,
    /// Whether compression is on.
    pub compression_state: CompressionState,
    /// Physical blocks (4 KiB) in use.
    pub used_blocks: u64,
    /// Physical blocks.
    pub total_blocks: u64,
}

/// Parses `DEVICE MODE RECOVERING INDEX COMPRESSION USED TOTAL`; the error text says what is wrong. Logs nothing.
///
/// The same as [`crate::table::Text::parse`], but for the text of the error, which is the C library's.
pub fn parse_status(line: &[u8]) -> Result<Status, String> {
    Status::parse(line).map_err(|error| match (error.expected(), error.is_truncated()) {
        ("device", _) => "couldn't get token for device".to_owned(),
        (field, true) => format!("couldn't get token for '{field}'"),
        (_, false) if error.word() > WORDS => "too many tokens".to_owned(),
        (field, false) => format!("couldn't parse '{field}'"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_line() {
        let s = parse_status(b" /dev/dm-3  read-only\trecovering opening offline 12 5000 ").unwrap();
        assert_eq!(s.device, b"/dev/dm-3");
        assert_eq!(s.operating_mode, OperatingMode::ReadOnly);
        assert!(s.recovering);
        assert_eq!(s.index_state, IndexState::Opening);
        assert_eq!(s.compression_state, CompressionState::Offline);
        assert_eq!((s.used_blocks, s.total_blocks), (12, 5000));
    }

    #[test]
    fn the_error_names_the_field() {
        for (line, want) in [
            ("", "couldn't get token for device"),
            ("d", "couldn't get token for 'operating mode'"),
            ("d sick", "couldn't parse 'operating mode'"),
            ("d normal x", "couldn't parse 'recovering'"),
            ("d normal - up", "couldn't parse 'index state'"),
            ("d normal - online", "couldn't get token for 'compression state'"),
            ("d normal - online online x", "couldn't parse 'used blocks'"),
            ("d normal - online online 1", "couldn't get token for 'total blocks'"),
            ("d normal - online online 1 2 3", "too many tokens"),
        ] {
            assert_eq!(parse_status(line.as_bytes()).unwrap_err(), want, "{line}");
        }
    }
}
