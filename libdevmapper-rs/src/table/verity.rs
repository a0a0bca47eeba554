//! verity.

use super::line::Line;
use super::values::{Device, Hex, Word};
use super::words::{Field, Result, Words, options, text, words};

options! {
    /// An option of [`Verity`].
    pub enum VerityOption, "option of verity" {
        /// Corruption is logged, the data read all the same.
        IgnoreCorruption = "ignore_corruption",
        /// Corruption restarts the machine.
        RestartOnCorruption = "restart_on_corruption",
        /// Corruption stops the machine.
        PanicOnCorruption = "panic_on_corruption",
        /// An I/O error restarts the machine.
        RestartOnError = "restart_on_error",
        /// An I/O error stops the machine.
        PanicOnError = "panic_on_error",
        /// Blocks that should be zero are not read.
        IgnoreZeroBlocks = "ignore_zero_blocks",
        /// The device with data for error correction.
        UseFecFromDevice(device: Device, "device (MAJOR:MINOR or path)") = "use_fec_from_device",
        /// Parity bytes of the error correction: 2 to 24.
        FecRoots(bytes: u32, "number of bytes") = "fec_roots",
        /// Blocks that are covered by error correction, in data blocks.
        FecBlocks(blocks: u64, "number of blocks") = "fec_blocks",
        /// First block of the error correction's data, in data blocks.
        FecStart(block: u64, "block") = "fec_start",
        /// A block is checked only when it is read for the first time.
        CheckAtMostOnce = "check_at_most_once",
        /// Name of the key in the keyring that has the signature of the root hash.
        RootHashSigKeyDesc(key: Word, "description of a key") = "root_hash_sig_key_desc",
        /// Blocks are checked at once where they can be.
        TryVerifyInTasklet = "try_verify_in_tasklet",
    }
}

/// verity: checks data against a tree of hashes,
/// `VERSION DATA HASH DATA_BLOCK HASH_BLOCK BLOCKS HASH_START ALGORITHM ROOT SALT [COUNT OPTION...]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct Verity {
    /// Format: 0 puts the salt behind the data that is hashed, 1 before.
    pub version: u32,
    /// The device with the data.
    pub data: Device,
    /// The device with the hashes.
    pub hash: Device,
    /// Bytes of a data block.
    pub data_block_size: u32,
    /// Bytes of a hash block.
    pub hash_block_size: u32,
    /// Data blocks.
    pub data_blocks: u64,
    /// Hash block at which the tree begins.
    pub hash_start: u64,
    /// Hash algorithm, such as `sha256`.
    pub algorithm: Word,
    /// Hash of the root of the tree.
    pub root: Hex,
    /// Salt; empty for none (`-`).
    pub salt: Hex,
    /// Options.
    pub options: Vec<VerityOption>,
}

impl Field for Verity {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            version: words.read("version of the format")?,
            data: words.read("data device (MAJOR:MINOR or path)")?,
            hash: words.read("hash device (MAJOR:MINOR or path)")?,
            data_block_size: words.read("data block size in bytes")?,
            hash_block_size: words.read("hash block size in bytes")?,
            data_blocks: words.read("number of data blocks")?,
            hash_start: words.read("first hash block")?,
            algorithm: words.read("hash algorithm")?,
            root: words.read("root hash (hexadecimal digits)")?,
            salt: words.read("salt (hexadecimal digits or -)")?,
            options: words.group_if_any("option of verity")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.word(self.version).values([&self.data, &self.hash]);
        line.word(self.data_block_size).word(self.hash_block_size);
        line.word(self.data_blocks).word(self.hash_start);
        self.algorithm.write(line);
        line.values([&self.root, &self.salt]).group_if_any(&self.options);
    }
}

words! {
    /// What a verity device has seen.
    pub enum Verification {
        /// No corruption so far.
        Verified = "V",
        /// Corruption.
        Corrupted = "C",
    }
}

/// Status of verity: `V|C`, on newer kernels with the number of corrected blocks, or `-` without error correction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(proptest_derive::Arbitrary))]
pub struct VerityStatus {
    /// Whether corruption was seen.
    pub verification: Verification,
    /// Blocks corrected so far: `None` on kernels that do not say, `Some(None)` without error correction.
    pub corrected: Option<Option<u64>>,
}

impl Field for VerityStatus {
    fn read(words: &mut Words<'_, '_>, _: &'static str) -> Result<Self> {
        Ok(Self {
            verification: words.read("V or C")?,
            corrected: words.read_if_any("corrected blocks or -")?,
        })
    }

    fn write(&self, line: &mut Line) {
        line.word(self.verification).values(&self.corrected);
    }
}

text!(Verity, VerityStatus);
