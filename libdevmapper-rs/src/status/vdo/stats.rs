//! Statistics of the vdo target: the reply to its message `stats`.

/// Most fields that are kept.
pub const MAX_FIELDS: usize = 250;
/// Room for a label or value in the C structure, with its NUL.
pub const TEXT_SIZE: usize = 80;
const MAX_DEPTH: usize = 16;

use super::OperatingMode;
use crate::status::scan::{Scan, is_space};

/// The numbers most programs want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Physical blocks.
    pub physical_blocks: u64,
    /// Logical blocks.
    pub logical_blocks: u64,
    /// Size of a physical block, bytes.
    pub bytes_per_physical_block: u64,
    /// Size of a logical block, bytes.
    pub bytes_per_logical_block: u64,
    /// Physical blocks holding data.
    pub data_blocks_used: u64,
    /// Physical blocks holding VDO's own metadata.
    pub overhead_blocks_used: u64,
    /// Logical blocks with data.
    pub logical_blocks_used: u64,
    /// Writes received.
    pub bios_in: u64,
    /// Data writes sent.
    pub bios_out: u64,
    /// Metadata writes sent.
    pub bios_meta: u64,
    /// How the volume runs.
    pub operating_mode: OperatingMode,
}

/// One statistic with its readable name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// Name, such as `bios in write`; at most 79 bytes.
    pub label: Vec<u8>,
    /// Value; at most 79 bytes.
    pub value: Vec<u8>,
}

/// Parses `{ key : value, key : { ... }, }` and returns the known numbers and up to `limit` (at most [`MAX_FIELDS`])
/// fields in order. Malformed text ends the parse silently.
pub fn parse_stats(text: &[u8], limit: usize) -> (Stats, Vec<Field>) {
    let mut parser = Parser {
        scan: Scan(text),
        stats: Stats::default(),
        fields: Vec::new(),
        limit: limit.min(MAX_FIELDS),
    };
    parser.run();
    (parser.stats, parser.fields)
}

struct Parser<'a> {
    scan: Scan<'a>,
    stats: Stats,
    fields: Vec<Field>,
    limit: usize,
}

impl<'a> Parser<'a> {
    fn run(&mut self) -> Option<()> {
        let mut enclosing: Vec<Vec<u8>> = Vec::new();
        self.scan.blanks().byte(b'{')?;
        loop {
            self.scan.blanks();
            if self.scan.byte(b',').is_some() {
                continue;
            }
            if self.scan.byte(b'}').is_some() {
                // The outermost brace has no label of its own.
                enclosing.pop()?;
                continue;
            }
            let key = self.take(|b| is_space(b) || matches!(b, b':' | b'{' | b'}' | b','));
            if key.is_empty() {
                return None;
            }
            let mut label = enclosing.last().cloned().unwrap_or_default();
            if !label.is_empty() {
                label.push(b' ');
            }
            label.extend(words(key));
            self.scan.blanks().byte(b':')?;
            self.scan.blanks();
            if self.scan.byte(b'{').is_some() {
                if enclosing.len() >= MAX_DEPTH {
                    return None;
                }
                enclosing.push(label);
                continue;
            }
            let value = self.take(|b| matches!(b, b',' | b'{' | b'}')).trim_ascii_end();
            self.take_field(&label, value);
        }
    }

    fn take(&mut self, end: impl Fn(u8) -> bool) -> &'a [u8] {
        let text = self.scan.0;
        let n = text.iter().position(|b| end(*b)).unwrap_or(text.len());
        self.scan.0 = &text[n..];
        &text[..n]
    }

    fn take_field(&mut self, label: &[u8], value: &[u8]) {
        let number = || Scan(value).number().unwrap_or(0);
        let s = &mut self.stats;
        match label {
            b"physical blocks" => s.physical_blocks = number(),
            b"logical blocks" => s.logical_blocks = number(),
            b"block size" => s.bytes_per_physical_block = number(),
            b"logical block size" => s.bytes_per_logical_block = number(),
            b"data blocks used" => s.data_blocks_used = number(),
            b"overhead blocks used" => s.overhead_blocks_used = number(),
            b"logical blocks used" => s.logical_blocks_used = number(),
            b"bios in write" => s.bios_in = number(),
            b"bios out write" => s.bios_out = number(),
            b"bios meta write" => s.bios_meta = number(),
            b"mode" => {
                s.operating_mode = match value {
                    b"recovering" => OperatingMode::Recovering,
                    b"read-only" => OperatingMode::ReadOnly,
                    _ => OperatingMode::Normal,
                }
            }
            _ => {}
        }
        if self.fields.len() < self.limit {
            let cut = |text: &[u8]| text[..text.len().min(TEXT_SIZE - 1)].to_vec();
            self.fields.push(Field {
                label: cut(label),
                value: cut(value),
            });
        }
    }
}

/// Splits camel case: a capital after a lower-case letter or at the end of a run of capitals begins a word and is
/// lowered unless the word is a run of capitals.
fn words(key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len() + 8);
    for (i, &c) in key.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|j| key.get(j)).copied();
        let after = key.get(i + 1).copied();
        let lower_after = after.is_some_and(|b| b.is_ascii_lowercase());
        let starts_word = c.is_ascii_uppercase()
            && before
                .is_some_and(|b| b.is_ascii_lowercase() || (b.is_ascii_uppercase() && lower_after && !plural(key, i)));
        if starts_word {
            out.push(b' ');
        }
        out.push(if starts_word && lower_after {
            c.to_ascii_lowercase()
        } else {
            c
        });
    }
    out
}

/// Whether the capital at `i` is the last of an abbreviation in the plural, such as the O of `VIOs`.
fn plural(key: &[u8], i: usize) -> bool {
    key.get(i + 1) == Some(&b's') && key.get(i + 2).is_none_or(|b| !b.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_split_into_words() {
        for (key, want) in [
            ("KVDOModuleBytesUsed", "KVDO module bytes used"),
            ("currentVIOsInProgress", "current VIOs in progress"),
            ("biosIn", "bios in"),
            ("logicalBlocksUsed", "logical blocks used"),
            ("version", "version"),
        ] {
            assert_eq!(bstr::BStr::new(&words(key.as_bytes())), want);
        }
    }

    #[test]
    fn numbers_and_fields() {
        let text = b"{ version : 36, dataBlocksUsed : 10, blockSize : 4096, logicalBlockSize : 512, mode : read-only, \
            biosIn : { read : 1, write : 2, discard : 3, }, journal : { entries : { started : 7, }, }, logicalBlocks : 99, }";
        let (stats, fields) = parse_stats(text, MAX_FIELDS);
        assert_eq!((stats.data_blocks_used, stats.bytes_per_physical_block), (10, 4096));
        assert_eq!(
            (stats.bytes_per_logical_block, stats.bios_in, stats.logical_blocks),
            (512, 2, 99)
        );
        assert_eq!(stats.operating_mode, OperatingMode::ReadOnly);
        let shown: Vec<String> = fields
            .iter()
            .map(|f| format!("{}={}", bstr::BStr::new(&f.label), bstr::BStr::new(&f.value)))
            .collect();
        assert_eq!(
            shown,
            [
                "version=36",
                "data blocks used=10",
                "block size=4096",
                "logical block size=512",
                "mode=read-only",
                "bios in read=1",
                "bios in write=2",
                "bios in discard=3",
                "journal entries started=7",
                "logical blocks=99"
            ]
        );
        assert!(parse_stats(text, 0).1.is_empty());
        assert_eq!(parse_stats(text, 0).0, stats);
    }

    #[test]
    fn malformed_text_ends_the_parse() {
        let (stats, fields) = parse_stats(b"{ dataBlocksUsed : 10, nonsense", 9);
        assert_eq!((stats.data_blocks_used, fields.len()), (10, 1));
        assert!(parse_stats(&b"{ a : ".repeat(100), 9).1.is_empty());
        assert!(parse_stats(b"", 9).1.is_empty());
    }
}
