//! `crypt CIPHER KEY IV_OFFSET DEV OFFSET [COUNT FEATURE...]`: a range of a device, encrypted.
//!
//! CIPHER is `aes-xts-IV`, `aes-cbc-IV` or `aes-ecb[-IV]`, in the notation of Linux's crypto interface `capi:MODE(aes)-IV`,
//! or `cipher_null-ecb`. The host calls [`Crypt::transform`] on data on their way: of reads when they are complete, of
//! writes on a copy.
//!
//! KEY is `-` (none), hexadecimal digits, or, beyond what Linux takes, `!BYTES`: the device cannot be resumed before a
//! message has set a key of that length. A table whose key was wiped is saved that way. Keys of the kernel's keyring are
//! refused as if they were not there.
//!
//! Messages, while the device is suspended: `key set KEY`, `key wipe`.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::iter;

use dm_abi::errno::Errno;
use sha2::Digest;
use spin::RwLock;
use zeroize::{Zeroize, Zeroizing};

use super::args::{self, Args, Refusal};
use super::{Asked, Devices, Direction, DiscardRule, Extent, Open, Part, TargetKind};
use crate::cipher::{self, BLOCK, Iv, Mode, SectorCipher};
use crate::io::{Op, Verb};

/// See the module.
pub struct Crypt {
    component: u32,
    offset: u64,
    /// CIPHER, as given.
    name: String,
    suite: Suite,
    /// Length of the key in bytes.
    key_length: usize,
    /// Only changed while the device is suspended, so that nobody ever has to wait for it.
    key: RwLock<Option<Key>>,
    /// Makes the cipher of another key.
    new: cipher::New,
    /// In sectors of 512 bytes.
    iv_offset: u64,
    features: Features,
}

/// Without the key.
impl fmt::Debug for Crypt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crypt({} at {}+{})", self.name, self.component, self.offset)
    }
}

/// A cipher, its mode and how the IVs are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Suite {
    /// `None`: the cipher that does nothing.
    mode: Option<Mode>,
    iv: IvMode,
}

/// How the IV of a sector comes from its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IvMode {
    /// Zero.
    Null,
    /// The low 32 bits, little-endian.
    Plain,
    /// Little-endian.
    Plain64,
    /// Big-endian, at the end.
    Plain64Be,
    /// The number of the first block, counted from 1, big-endian at the end.
    Benbi,
    /// As [`IvMode::Plain64`], encrypted with the SHA-256 of the key.
    EssivSha256,
}

/// A key and what is made of it.
struct Key {
    bytes: Zeroizing<Vec<u8>>,
    cipher: Box<dyn SectorCipher>,
    /// What encrypts the IVs.
    essiv: Option<Box<dyn SectorCipher>>,
}

impl Key {
    fn new(suite: Suite, bytes: Zeroizing<Vec<u8>>, new: cipher::New) -> Option<Self> {
        let key = Self::expand(suite, bytes, new);
        wipe_stack(STEPS);
        key
    }

    /// Leaves round keys, which begin with the key itself, on the stack.
    #[inline(never)]
    fn expand(suite: Suite, bytes: Zeroizing<Vec<u8>>, new: cipher::New) -> Option<Self> {
        let cipher = match suite.mode {
            Some(mode) => new(mode, &bytes)?,
            None if bytes.is_empty() => Box::new(cipher::Null),
            None => return None,
        };
        let essiv = match suite.iv {
            IvMode::EssivSha256 => {
                let salt = Zeroizing::new(<[u8; 32]>::from(sha2::Sha256::digest(&*bytes)));
                Some(new(Mode::Ecb, &*salt)?)
            }
            _ => None,
        };
        Some(Self { bytes, cipher, essiv })
    }

    /// The IVs of the sectors with these numbers.
    fn ivs(&self, mode: IvMode, ivs: &mut [Iv], numbers: impl Iterator<Item = u64>) {
        for (iv, number) in ivs.iter_mut().zip(numbers) {
            *iv = mode.iv(number);
        }
        if let Some(essiv) = &self.essiv {
            essiv.encrypt(&mut [], ivs.as_flattened_mut());
        }
    }
}

impl IvMode {
    /// The IV of the sector with this number; of essiv, what is then encrypted.
    fn iv(self, number: u64) -> Iv {
        let mut iv = [0; BLOCK];
        let (low, high) = iv.split_at_mut(BLOCK / 2);
        match self {
            IvMode::Null => {}
            IvMode::Plain => low.copy_from_slice(&(number & u64::from(u32::MAX)).to_le_bytes()),
            IvMode::Plain64 | IvMode::EssivSha256 => low.copy_from_slice(&number.to_le_bytes()),
            IvMode::Plain64Be => high.copy_from_slice(&number.to_be_bytes()),
            // 32 blocks in a sector of 512 bytes.
            IvMode::Benbi => high.copy_from_slice(&(number << 5).wrapping_add(1).to_be_bytes()),
        }
        iv
    }
}

/// How much of the stack is wiped, in steps of 2 KiB. The `aes` crate uses some more than 4 KiB of it, and that much more again
/// without optimisation; but in a kernel it is too small for that.
const STEPS: usize = if cfg!(target_os = "none") { 2 } else { 32 };

/// Wipes what functions that have returned left on the stack. In steps, since kernels forbid large frames.
#[inline(never)]
fn wipe_stack(steps: usize) {
    let mut place = [0u8; 2048];
    if steps > 1 {
        wipe_stack(steps - 1);
    }
    // Last, so that the call before needs a frame of its own.
    place.zeroize();
}

/// What may follow the offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Features {
    allow_discards: bool,
    /// The next five say on which processors and in which order Linux works; here they do nothing.
    same_cpu: bool,
    high_priority: bool,
    submit_from_crypt_cpus: bool,
    no_read_workqueue: bool,
    no_write_workqueue: bool,
    /// Bytes that are encrypted together: 512 to 4096.
    sector_size: u32,
    /// IVs count in sectors of that size.
    iv_large_sectors: bool,
}

impl Features {
    fn parse(words: &[Vec<u8>]) -> Result<Self, Refusal> {
        let mut features = Self {
            allow_discards: false,
            same_cpu: false,
            high_priority: false,
            submit_from_crypt_cpus: false,
            no_read_workqueue: false,
            no_write_workqueue: false,
            sector_size: 512,
            iv_large_sectors: false,
        };
        let [count, words @ ..] = words else {
            return Ok(features);
        };
        let words = args::number(count)
            .and_then(|count: usize| words.get(..count))
            .ok_or_else(|| Refusal::invalid("wrong number of features"))?;
        for word in words {
            let name = word.to_ascii_lowercase();
            match name.as_slice() {
                b"allow_discards" => features.allow_discards = true,
                b"same_cpu_crypt" => features.same_cpu = true,
                b"high_priority" => features.high_priority = true,
                b"submit_from_crypt_cpus" => features.submit_from_crypt_cpus = true,
                b"no_read_workqueue" => features.no_read_workqueue = true,
                b"no_write_workqueue" => features.no_write_workqueue = true,
                b"iv_large_sectors" => features.iv_large_sectors = true,
                _ => {
                    features.sector_size = name
                        .strip_prefix(b"sector_size:")
                        .and_then(args::number)
                        .filter(|size: &u32| size.is_power_of_two() && (512..=4096).contains(size))
                        .ok_or_else(|| Refusal::invalid("unknown feature or wrong sector size"))?;
                }
            }
        }
        Ok(features)
    }

    fn print(&self, out: &mut dyn Write) -> fmt::Result {
        let words = [
            (self.allow_discards, "allow_discards"),
            (self.same_cpu, "same_cpu_crypt"),
            (self.high_priority, "high_priority"),
            (self.submit_from_crypt_cpus, "submit_from_crypt_cpus"),
            (self.no_read_workqueue, "no_read_workqueue"),
            (self.no_write_workqueue, "no_write_workqueue"),
        ];
        let large = self.sector_size != 512;
        let count = words.iter().filter(|(on, _)| *on).count();
        let count = count + usize::from(large) + usize::from(self.iv_large_sectors);
        if count == 0 {
            return Ok(());
        }
        write!(out, " {count}")?;
        for (_, word) in words.iter().filter(|(on, _)| *on) {
            write!(out, " {word}")?;
        }
        if large {
            write!(out, " sector_size:{}", self.sector_size)?;
        }
        if self.iv_large_sectors {
            out.write_str(" iv_large_sectors")?;
        }
        Ok(())
    }

    /// Sectors of 512 bytes that are encrypted together.
    fn sectors(&self) -> u64 {
        u64::from(self.sector_size / 512)
    }
}

fn not_found(what: &str) -> Refusal {
    Refusal {
        errno: Errno::ENOENT,
        reason: format!("unknown {what}"),
    }
}

/// Reads CIPHER.
fn suite(text: &str) -> Result<Suite, Refusal> {
    let (cipher, mode, iv) = match text.strip_prefix("capi:") {
        Some(text) => {
            let (spec, iv) = match text.split_once(")-") {
                Some((spec, iv)) => (spec, Some(iv)),
                None => (text.strip_suffix(')').ok_or_else(|| not_found("cipher"))?, None),
            };
            let (mode, cipher) = spec.split_once('(').ok_or_else(|| not_found("cipher"))?;
            (cipher, mode, iv)
        }
        None => {
            let mut parts = text.split('-');
            let cipher = parts.next().unwrap_or_default();
            let (mode, iv) = (parts.next(), parts.next());
            if parts.next().is_some() {
                return Err(Refusal::invalid("something follows the IV mode"));
            }
            let (cipher, keys) = cipher.split_once(':').unwrap_or((cipher, "1"));
            if keys != "1" {
                return Err(Refusal::invalid("more than one key is not supported"));
            }
            match (mode, iv) {
                // What the first versions of Linux's dm-crypt had.
                (None, _) | (Some("plain"), None) => (cipher, "cbc", Some("plain")),
                (Some(mode), iv) => (cipher, mode, iv),
            }
        }
    };
    if iv.is_none() && mode != "ecb" {
        return Err(Refusal::invalid("the IV mode is missing"));
    }
    let mode = match (cipher, mode) {
        ("aes", "xts") => Some(Mode::Xts),
        ("aes", "cbc") => Some(Mode::Cbc),
        ("aes", "ecb") => Some(Mode::Ecb),
        ("cipher_null", "ecb") => None,
        _ => return Err(not_found("cipher or mode")),
    };
    let iv = iv.unwrap_or("null");
    let (iv, option) = match iv.split_once(':') {
        Some((iv, option)) => (iv, Some(option)),
        None => (iv, None),
    };
    let iv = match (iv, option) {
        _ if mode.is_none_or(|mode| mode == Mode::Ecb) => IvMode::Null,
        ("null", _) => IvMode::Null,
        ("plain", _) => IvMode::Plain,
        ("plain64", _) => IvMode::Plain64,
        ("plain64be", _) => IvMode::Plain64Be,
        ("benbi", _) => IvMode::Benbi,
        ("essiv", Some("sha256")) => IvMode::EssivSha256,
        ("essiv", Some("sha1" | "sha512")) => {
            return Err(Refusal::invalid("the hash is not as long as a key of the cipher"));
        }
        ("essiv", Some(_)) => return Err(not_found("hash")),
        _ => return Err(Refusal::invalid("unknown IV mode, or its hash is missing")),
    };
    Ok(Suite { mode, iv })
}

/// Reads hexadecimal digits; as on Linux, what is left of an odd number of them does not count.
fn hexadecimal(word: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    // No reallocation leaves a part of it behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(word.len() / 2));
    for pair in word.chunks_exact(2) {
        bytes.push(digit(pair[0])? << 4 | digit(pair[1])?);
    }
    Some(bytes)
}

/// Reads the bytes of KEY. The refusals do not quote it.
fn key_bytes(word: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    if word == b"-" {
        return Ok(Zeroizing::default());
    }
    if let Some(spec) = word.strip_prefix(b":") {
        let mut parts = spec.splitn(3, |&byte| byte == b':');
        let (size, kind, description) = (parts.next(), parts.next(), parts.next());
        let well_formed = size.and_then(args::number).is_some_and(|size: u32| size > 0)
            && matches!(kind, Some(b"logon" | b"user" | b"encrypted"))
            && description.is_some_and(|description| !description.is_empty());
        return Err(match well_formed {
            true => Refusal {
                errno: Errno::ENOKEY,
                reason: "there is no kernel keyring here".into(),
            },
            false => Refusal::invalid("not a key of the kernel's keyring"),
        });
    }
    if word.len() < 2 {
        return Err(Refusal::invalid("the key is empty"));
    }
    hexadecimal(word).ok_or_else(|| Refusal::invalid("the key has something else than hexadecimal digits"))
}

impl TargetKind for Crypt {
    const NAME: &'static str = "crypt";
    const VERSION: [u32; 3] = [1, 28, 0];
    const SECRET: bool = true;

    fn parse(args: &Args<'_>, open: Open<'_>) -> Result<Self, Refusal> {
        if args.count() < 5 {
            return Err(Refusal::invalid(
                "not at least a cipher, a key, an IV offset, a device and an offset",
            ));
        }
        let name = str::from_utf8(args.word(0)).map_err(|_| not_found("cipher"))?;
        let suite = suite(name)?;
        let new = args.given.cipher;
        let number = |index| args::number(args.word(index)).ok_or_else(|| Refusal::invalid("an offset is no number"));
        let wrong_length = || Refusal::invalid("the cipher has no keys of this length");
        let (key, key_length) = match args.word(1).strip_prefix(b"!").map(args::number) {
            Some(length) => {
                let length = length.filter(|&length| length <= 64).ok_or_else(wrong_length)?;
                // Only to see whether it has such keys.
                Key::new(suite, Zeroizing::new(alloc::vec![0; length]), new).ok_or_else(wrong_length)?;
                (None, length)
            }
            None => {
                let bytes = key_bytes(args.word(1))?;
                let length = bytes.len();
                (Some(Key::new(suite, bytes, new).ok_or_else(wrong_length)?), length)
            }
        };
        let iv_offset: u64 = number(2)?;
        let offset: u64 = number(4)?;
        let features = Features::parse(args.rest(5))?;
        if [iv_offset, offset, args.length]
            .iter()
            .any(|number| !number.is_multiple_of(features.sectors()))
        {
            return Err(Refusal::invalid(
                "an offset or the length is no multiple of the sector size",
            ));
        }
        Ok(Self {
            component: open(args.word(3))?,
            offset,
            name: name.into(),
            suite,
            key_length,
            key: RwLock::new(key),
            new,
            iv_offset,
            features,
        })
    }

    fn table(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        let key = self.key.try_read();
        let key = key.as_ref().and_then(|key| key.as_ref());
        self.print(devices, out, |out| match key {
            Some(key) => key.bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}")),
            None => (0..self.key_length).try_for_each(|_| out.write_str("00")),
        })
    }

    fn save(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        if self.key.try_read().is_some_and(|key| key.is_some()) {
            return self.table(devices, out);
        }
        write!(out, "{} !{}", self.name, self.key_length)?;
        self.print_rest(devices, out)
    }

    fn can_resume(&self) -> Result<(), Errno> {
        match self.key.try_read() {
            Some(key) if key.is_some() => Ok(()),
            _ => Err(Errno::EAGAIN),
        }
    }

    fn map(&self, part: &Part) -> (u64, Verb) {
        let (first, left) = (part.next(), part.left());
        let sector = self.offset + first;
        let whole = first.is_multiple_of(self.features.sectors()) && left.is_multiple_of(self.features.sectors());
        let verb = match part.op {
            Op::Discard if self.features.allow_discards => Verb::remap(self.component, sector),
            Op::Discard => Verb::Fail(Errno::EOPNOTSUPP),
            _ if !whole => Verb::Fail(Errno::EIO),
            _ if self.suite.mode.is_none() => Verb::remap(self.component, sector),
            _ => Verb::Transform {
                component: self.component,
                sector,
            },
        };
        (left, verb)
    }

    fn transform(&self, direction: Direction, first: u64, data: &mut [u8]) -> Result<(), Errno> {
        let guard = self.key.try_read().ok_or(Errno::EIO)?;
        let key = guard.as_ref().ok_or(Errno::EIO)?;
        let size = self.features.sector_size as usize;
        if !data.len().is_multiple_of(size) || !first.is_multiple_of(self.features.sectors()) {
            return Err(Errno::EIO);
        }
        let shift = match self.features.iv_large_sectors {
            true => self.features.sectors().trailing_zeros(),
            false => 0,
        };
        let mut sector = first.wrapping_add(self.iv_offset);
        let mut ivs = [[0; BLOCK]; RUN];
        for run in data.chunks_mut(RUN * size) {
            let ivs = &mut ivs[..run.len() / size];
            key.ivs(
                self.suite.iv,
                ivs,
                iter::from_fn(|| {
                    let number = sector >> shift;
                    sector = sector.wrapping_add(self.features.sectors());
                    Some(number)
                }),
            );
            match direction {
                Direction::Write => key.cipher.encrypt(ivs, run),
                Direction::Read => key.cipher.decrypt(ivs, run),
            }
        }
        Ok(())
    }

    fn extents(&self, length: u64, f: &mut dyn FnMut(Extent)) {
        f(Extent {
            component: self.component,
            first: self.offset,
            sectors: length,
        });
    }

    fn discard_rule(&self) -> DiscardRule {
        match self.features.allow_discards {
            true => DiscardRule::Components,
            false => DiscardRule::Refuses,
        }
    }

    fn block_size(&self) -> u32 {
        self.features.sector_size
    }

    fn message(&self, words: &[Vec<u8>], asked: &Asked, _: &mut Vec<u8>) -> Result<(), Errno> {
        let is = |index: usize, word: &[u8]| words.get(index).is_some_and(|given| given.eq_ignore_ascii_case(word));
        if !is(0, b"key") || !asked.suspended {
            return Err(Errno::EINVAL);
        }
        let key = match words {
            [_, _] if is(1, b"wipe") => None,
            [_, _, key] if is(1, b"set") => {
                let bytes = key_bytes(key).map_err(|refusal| refusal.errno)?;
                if bytes.len() != self.key_length {
                    return Err(Errno::EINVAL);
                }
                Some(Key::new(self.suite, bytes, self.new).ok_or(Errno::EINVAL)?)
            }
            _ => return Err(Errno::EINVAL),
        };
        *self.key.try_write().ok_or(Errno::EBUSY)? = key;
        Ok(())
    }
}

/// Sectors whose IVs are made at a time.
const RUN: usize = 32;

impl Crypt {
    fn print(
        &self,
        devices: Devices<'_>,
        out: &mut dyn Write,
        key: impl FnOnce(&mut dyn Write) -> fmt::Result,
    ) -> fmt::Result {
        write!(out, "{} ", self.name)?;
        match self.key_length {
            0 => out.write_str("-")?,
            _ => key(out)?,
        }
        self.print_rest(devices, out)
    }

    fn print_rest(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        let Self { iv_offset, offset, .. } = self;
        write!(out, " {iv_offset} {} {offset}", devices(self.component))?;
        self.features.print(out)
    }
}
