//! `flakey DEV OFFSET UP DOWN [COUNT FEATURE...]`: a range of a device that works for UP seconds and misbehaves for DOWN
//! seconds, in turn, from the loading of the table on.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU64, Ordering};

use dm_abi::errno::Errno;

use super::args::{self, Args, Refusal};
use super::{Devices, Extent, FlushRule, Open, Part, TargetKind};
use crate::io::{Corrupt, Op, Verb};

/// A range of a component that fails, drops or damages requests part of the time.
///
/// Discards, write-zeroes and flushes count as writes, but only data is damaged. Without any feature the down time has
/// `error_reads error_writes`.
#[derive(Debug)]
pub struct Flakey {
    component: u32,
    offset: u64,
    /// Seconds.
    up: u32,
    /// Seconds.
    down: u32,
    loaded_ms: u64,
    features: Features,
    /// Number of random decisions so far, see [`random`].
    decisions: AtomicU64,
}

/// What happens in the down time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Features {
    error_reads: bool,
    drop_writes: bool,
    error_writes: bool,
    corrupt: Option<CorruptByte>,
    /// Chance of a read to be damaged, in billionths.
    random_read: u32,
    /// Chance of a write to be damaged, in billionths.
    random_write: u32,
}

/// `corrupt_bio_byte NTH r|w VALUE FLAGS`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CorruptByte {
    /// Counts from 1, within the part of a request that lies in the segment.
    nth: u32,
    writes: bool,
    value: u8,
    /// Only requests that have all these flags are damaged.
    flags: u32,
}

/// Most words that the features may have.
const MAX_WORDS: usize = 11;

/// What [`Features::random_read`] counts.
const BILLION: u32 = 1_000_000_000;

/// Request flags of Linux 6.12 that can be told here: a write; somebody waits for it, which is true of every request;
/// forced unit access.
const FLAG_WRITE: u32 = 1 << 0;
const FLAG_SYNC: u32 = 1 << 11;
const FLAG_FUA: u32 = 1 << 17;

impl TargetKind for Flakey {
    const NAME: &'static str = "flakey";
    const VERSION: [u32; 3] = [1, 5, 0];
    const FLUSH: FlushRule = FlushRule::Ask;

    fn parse(args: &Args<'_>, open: Open<'_>) -> Result<Self, Refusal> {
        if args.count() < 4 {
            return Err(Refusal::invalid("not at least a device, an offset and two intervals"));
        }
        let offset = args.number(1, "offset")?;
        let up: u32 = args.number(2, "up interval")?;
        let down: u32 = args.number(3, "down interval")?;
        if up.checked_add(down).is_none_or(|sum| sum == 0) {
            return Err(Refusal::invalid("the sum of the intervals is 0 or too large"));
        }
        let mut features = match args.rest(4) {
            [] => Features::default(),
            [count, words @ ..] => {
                let words = args::number(count)
                    .filter(|&count| count <= MAX_WORDS)
                    .and_then(|count| words.get(..count));
                Features::parse(words.ok_or_else(|| args::bad("number of feature arguments", count))?)?
            }
        };
        if features == Features::default() {
            features.error_reads = true;
            features.error_writes = true;
        }
        Ok(Self {
            component: open(args.word(0))?,
            offset,
            up,
            down,
            loaded_ms: args.given.now_ms,
            features,
            decisions: AtomicU64::new(0),
        })
    }

    fn table(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        let Self { offset, up, down, .. } = self;
        write!(
            out,
            "{} {offset} {up} {down} {}",
            devices(self.component),
            self.features.words()
        )?;
        self.features.print(out)
    }

    fn map(&self, part: &Part) -> (u64, Verb) {
        let sector = self.offset + part.next();
        let verb = match self.misbehaves(part.op, part.now_ms) {
            Some(verb) => verb,
            None => Verb::Remap {
                component: self.component,
                sector,
                delay_ms: 0,
                corrupt: if self.is_down(part.now_ms) {
                    self.corrupt(part)
                } else {
                    None
                },
            },
        };
        (part.left(), verb)
    }

    fn flush(&self, component: u32, _: u32, now_ms: u64) -> Verb {
        self.misbehaves(Op::Flush, now_ms).unwrap_or(Verb::remap(component, 0))
    }

    fn extents(&self, length: u64, f: &mut dyn FnMut(Extent)) {
        f(Extent {
            component: self.component,
            first: self.offset,
            sectors: length,
        });
    }
}

impl Flakey {
    fn is_down(&self, now_ms: u64) -> bool {
        let seconds = now_ms.saturating_sub(self.loaded_ms) / 1000;
        seconds % (u64::from(self.up) + u64::from(self.down)) >= u64::from(self.up)
    }

    /// What becomes of a request that does not reach the component.
    fn misbehaves(&self, op: Op, now_ms: u64) -> Option<Verb> {
        if !self.is_down(now_ms) {
            return None;
        }
        match op {
            Op::Read if self.features.error_reads => Some(Verb::Fail(Errno::EIO)),
            Op::Read => None,
            _ if self.features.drop_writes => Some(Verb::Drop),
            _ if self.features.error_writes => Some(Verb::Fail(Errno::EIO)),
            _ => None,
        }
    }

    /// The damage to a request in the down time. One byte at most; a fixed byte goes before a random one.
    fn corrupt(&self, part: &Part) -> Option<Corrupt> {
        let chance = match part.op {
            Op::Read => self.features.random_read,
            Op::Write => self.features.random_write,
            Op::Flush | Op::Discard | Op::WriteZeroes => return None,
        };
        let start = part.offset.checked_mul(512)?;
        let bytes = part.sectors.checked_mul(512)?;
        if let Some(fixed) = &self.features.corrupt
            && let Some(corrupt) = fixed.hit(part, bytes)
        {
            return Some(Corrupt {
                byte: start.checked_add(corrupt)?,
                value: fixed.value,
            });
        }
        if chance == 0 {
            return None;
        }
        let decision = self.decisions.fetch_add(1, Ordering::Relaxed);
        if random(decision, 0) % u64::from(BILLION) >= u64::from(chance) {
            return None;
        }
        Some(Corrupt {
            byte: start.checked_add(random(decision, 1) % bytes)?,
            value: random(decision, 2).to_le_bytes()[0],
        })
    }
}

impl CorruptByte {
    /// Index of the damaged byte within a part of `bytes` bytes.
    fn hit(&self, part: &Part, bytes: u64) -> Option<u64> {
        let writes = part.op == Op::Write;
        let mut flags = FLAG_SYNC;
        flags |= if writes { FLAG_WRITE } else { 0 };
        flags |= if part.fua { FLAG_FUA } else { 0 };
        let index = u64::from(self.nth) - 1;
        (writes == self.writes && flags & self.flags == self.flags && index < bytes).then_some(index)
    }
}

impl Features {
    fn parse(words: &[Vec<u8>]) -> Result<Self, Refusal> {
        let mut features = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut argument = |what: &str| {
                let word = words
                    .next()
                    .ok_or_else(|| Refusal::invalid(format!("the {what} is missing")))?;
                Ok((word.as_slice(), args::bad(what, word)))
            };
            let name = word.to_ascii_lowercase();
            match name.as_slice() {
                b"error_reads" => set(&mut features.error_reads, word)?,
                b"drop_writes" => set(&mut features.drop_writes, word)?,
                b"error_writes" => set(&mut features.error_writes, word)?,
                b"corrupt_bio_byte" => {
                    let (nth, refusal) = argument("number of the byte")?;
                    let nth = args::number(nth).filter(|&nth| nth > 0).ok_or(refusal)?;
                    let (direction, refusal) = argument("direction")?;
                    let writes = match direction.to_ascii_lowercase().as_slice() {
                        b"r" => false,
                        b"w" => true,
                        _ => return Err(refusal),
                    };
                    let (value, refusal) = argument("value of the byte")?;
                    let value = args::number(value).ok_or(refusal)?;
                    let (flags, refusal) = argument("mask of flags")?;
                    features.corrupt = Some(CorruptByte {
                        nth,
                        writes,
                        value,
                        flags: args::number(flags).ok_or(refusal)?,
                    });
                }
                b"random_read_corrupt" | b"random_write_corrupt" => {
                    let (chance, refusal) = argument("chance")?;
                    let chance = args::number(chance)
                        .filter(|&chance| chance <= BILLION)
                        .ok_or(refusal)?;
                    if name == b"random_read_corrupt" {
                        features.random_read = chance;
                    } else {
                        features.random_write = chance;
                    }
                }
                _ => return Err(args::bad("feature", word)),
            }
        }
        if features.drop_writes && features.error_writes {
            return Err(Refusal::invalid("drop_writes and error_writes exclude each other"));
        }
        if (features.drop_writes || features.error_writes) && features.corrupt.as_ref().is_some_and(|c| c.writes) {
            return Err(Refusal::invalid("writes cannot be both damaged and kept away"));
        }
        Ok(features)
    }

    /// Number of words that [`Features::print`] prints.
    fn words(&self) -> u32 {
        u32::from(self.error_reads)
            + u32::from(self.drop_writes)
            + u32::from(self.error_writes)
            + if self.corrupt.is_some() { 5 } else { 0 }
            + if self.random_read > 0 { 2 } else { 0 }
            + if self.random_write > 0 { 2 } else { 0 }
    }

    fn print(&self, out: &mut dyn Write) -> fmt::Result {
        if self.error_reads {
            out.write_str(" error_reads")?;
        }
        if self.drop_writes {
            out.write_str(" drop_writes")?;
        }
        if self.error_writes {
            out.write_str(" error_writes")?;
        }
        if let Some(CorruptByte {
            nth,
            writes,
            value,
            flags,
        }) = &self.corrupt
        {
            let direction = if *writes { 'w' } else { 'r' };
            write!(out, " corrupt_bio_byte {nth} {direction} {value} {flags}")?;
        }
        if self.random_read > 0 {
            write!(out, " random_read_corrupt {}", self.random_read)?;
        }
        if self.random_write > 0 {
            write!(out, " random_write_corrupt {}", self.random_write)?;
        }
        Ok(())
    }
}

/// Notes a feature that may be given once.
fn set(feature: &mut bool, word: &[u8]) -> Result<(), Refusal> {
    if core::mem::replace(feature, true) {
        return Err(Refusal::invalid(format!(
            "`{}` is given twice",
            String::from_utf8_lossy(word)
        )));
    }
    Ok(())
}

/// A number that only depends on which decision of a segment it is for, so that a run can be repeated: the
/// `3 * decision + which`-th output of SplitMix64 seeded with 0.
fn random(decision: u64, which: u64) -> u64 {
    let index = decision.wrapping_mul(3).wrapping_add(which).wrapping_add(1);
    let mut z = index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
