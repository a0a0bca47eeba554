//! Status line of the vdo target.

use crate::status::scan::Scan;

/// How a volume runs.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the kernel's words")]
pub enum CompressionState {
    Online,
    #[default]
    Offline,
}

/// State of a VDO volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The device below.
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

const MODES: [(&str, OperatingMode); 3] = [
    ("recovering", OperatingMode::Recovering),
    ("read-only", OperatingMode::ReadOnly),
    ("normal", OperatingMode::Normal),
];
const RECOVERING: [(&str, bool); 2] = [("recovering", true), ("-", false)];
const INDEX: [(&str, IndexState); 7] = [
    ("error", IndexState::Error),
    ("closed", IndexState::Closed),
    ("opening", IndexState::Opening),
    ("closing", IndexState::Closing),
    ("offline", IndexState::Offline),
    ("online", IndexState::Online),
    ("unknown", IndexState::Unknown),
];
const COMPRESSION: [(&str, CompressionState); 2] = [
    ("online", CompressionState::Online),
    ("offline", CompressionState::Offline),
];

/// Parses `DEVICE MODE RECOVERING INDEX COMPRESSION USED TOTAL`; the error text says what is wrong. Logs nothing.
pub fn parse_status(line: &[u8]) -> Result<Status, String> {
    let mut scan = Scan(line);
    let device = scan.word().ok_or("couldn't get token for device")?.to_vec();
    let status = Status {
        device,
        operating_mode: choice(&mut scan, "operating mode", &MODES)?,
        recovering: choice(&mut scan, "recovering", &RECOVERING)?,
        index_state: choice(&mut scan, "index state", &INDEX)?,
        compression_state: choice(&mut scan, "compression state", &COMPRESSION)?,
        used_blocks: number(&mut scan, "used blocks")?,
        total_blocks: number(&mut scan, "total blocks")?,
    };
    if scan.word().is_some() {
        return Err("too many tokens".to_owned());
    }
    Ok(status)
}

fn token<'a>(scan: &mut Scan<'a>, field: &str) -> Result<&'a [u8], String> {
    scan.word().ok_or_else(|| format!("couldn't get token for '{field}'"))
}

fn choice<T: Copy>(scan: &mut Scan<'_>, field: &str, words: &[(&str, T)]) -> Result<T, String> {
    let word = token(scan, field)?;
    words
        .iter()
        .find(|(name, _)| name.as_bytes() == word)
        .map(|(_, value)| *value)
        .ok_or_else(|| format!("couldn't parse '{field}'"))
}

fn number(scan: &mut Scan<'_>, field: &str) -> Result<u64, String> {
    let word = token(scan, field)?;
    Scan(word)
        .number_word()
        .ok_or_else(|| format!("couldn't parse '{field}'"))
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
