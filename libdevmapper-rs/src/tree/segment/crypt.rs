//! crypt.

use super::{Kind, Line, Segment, Surroundings};
use crate::error::Result;
use crate::tree::{NodeId, Tree};
use bstr::BString;

/// [`Crypt::iv_offset`]: the sector that the segment begins at.
pub const IV_OFFSET_DEFAULT: u64 = u64::MAX;

/// A crypt segment.
#[derive(Clone, Default)]
pub struct Crypt {
    /// Cipher, such as `aes`.
    pub cipher: BString,
    /// Chaining mode, such as `xts`.
    pub chainmode: Option<BString>,
    /// Initialisation vector, such as `plain64`.
    pub iv: Option<BString>,
    /// Added to sector numbers for the initialisation vector.
    pub iv_offset: u64,
    /// Key, hexadecimal or a key description.
    pub key: BString,
}

impl std::fmt::Debug for Crypt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key is nobody's business.
        f.debug_struct("Crypt")
            .field("cipher", &self.cipher)
            .finish_non_exhaustive()
    }
}

impl Crypt {
    pub(super) fn line(&self, start: u64, segment: &Segment, around: &dyn Surroundings) -> Result<Line> {
        let areas = segment.area_words(around)?;
        if areas.count() == 0 {
            // Refused by the caller, as for linear.
            return Ok(areas);
        }
        let mut cipher = self.cipher.to_vec();
        for part in [&self.chainmode, &self.iv].into_iter().flatten() {
            cipher.push(b'-');
            cipher.extend_from_slice(part);
        }
        let iv_offset = if self.iv_offset == IV_OFFSET_DEFAULT {
            start
        } else {
            self.iv_offset
        };
        let mut line = Line::default();
        line.bytes(&cipher).bytes(&self.key).word(iv_offset).append(&areas);
        Ok(line)
    }
}

impl Tree {
    /// Adds a segment that is encrypted onto one area, which is added next.
    pub fn add_crypt_target(&self, id: NodeId, size: u64, crypt: Crypt) -> Result<()> {
        self.push(&self.node(id), size, Kind::Crypt(crypt))
    }
}
