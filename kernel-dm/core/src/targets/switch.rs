//! `switch COUNT REGION 0 (DEV OFFSET)...`: devices with the same content, of which a table of regions says which is used.
//!
//! The message `set_region_mappings ITEM...` changes the table; its numbers are hexadecimal:
//! * `REGION:DEVICE` sets a region, `:DEVICE` the one after that of the item before;
//! * `RN,M` goes on with the next M regions, each like the one N before it.
//!
//! Items in front of one that is refused stay in effect.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dm_abi::errno::Errno;

use super::args::{self, Args, Refusal};
use super::{Asked, Devices, Extent, Open, Part, TargetKind};
use crate::io::Verb;

/// See the module. At first the regions use the devices in turn.
#[derive(Debug)]
pub struct Switch {
    paths: Box<[Path]>,
    /// Sectors.
    region: u32,
    regions: Regions,
    /// Messages have changed the table of regions.
    changed: AtomicBool,
}

#[derive(Debug)]
struct Path {
    component: u32,
    offset: u64,
}

/// Most bytes of a table of regions.
const MAX_TABLE: usize = 256 << 20;

/// The number of a device for each region, as many in a word as fit when each has 1, 2, 4, 8, 16 or 32 bits.
#[derive(Debug)]
struct Regions {
    words: Box<[AtomicU64]>,
    count: u64,
    /// Of one entry.
    bits: u32,
}

impl Regions {
    /// Each region uses the device whose number is the region's modulo theirs; `None` when there is no memory.
    fn new(count: u64, paths: u32) -> Option<Self> {
        let needed = u32::BITS - (paths - 1).leading_zeros();
        let bits = needed.max(1).next_power_of_two();
        let len = usize::try_from(count.div_ceil(u64::from(64 / bits))).ok()?;
        if len > MAX_TABLE / 8 {
            return None;
        }
        let mut words = Vec::new();
        words.try_reserve_exact(len).ok()?;
        words.resize_with(len, AtomicU64::default);
        let regions = Self {
            words: words.into_boxed_slice(),
            count,
            bits,
        };
        let numbers = (0..paths).cycle();
        (0..count)
            .zip(numbers)
            .for_each(|(region, path)| regions.set(region, path));
        Some(regions)
    }

    /// Index of a region's word, the shift of its entry there, and the entry's mask.
    fn place(&self, region: u64) -> (usize, u32, u64) {
        let per_word = u64::from(64 / self.bits);
        let word = usize::try_from(region / per_word).unwrap_or(usize::MAX);
        let shift = u32::try_from(region % per_word).unwrap_or(0) * self.bits;
        (word, shift, (1 << self.bits) - 1)
    }

    #[inline]
    fn get(&self, region: u64) -> u32 {
        let (word, shift, mask) = self.place(region);
        let word = self.words.get(word).map_or(0, |word| word.load(Ordering::Relaxed));
        u32::try_from(word >> shift & mask).unwrap_or(0)
    }

    /// `region` is below the count. Messages come one at a time.
    fn set(&self, region: u64, path: u32) {
        let (word, shift, mask) = self.place(region);
        if let Some(word) = self.words.get(word) {
            let old = word.load(Ordering::Relaxed);
            word.store(old & !(mask << shift) | u64::from(path) << shift, Ordering::Relaxed);
        }
    }
}

/// Reads hexadecimal digits and nothing else.
fn hexadecimal(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0u64, |value, &byte| {
        let digit = char::from(byte).to_digit(16)?;
        Some(value.checked_mul(16)? + u64::from(digit))
    })
}

impl TargetKind for Switch {
    const NAME: &'static str = "switch";
    const VERSION: [u32; 3] = [1, 1, 0];

    fn parse(args: &Args<'_>, open: Open<'_>) -> Result<Self, Refusal> {
        if args.count() < 5 {
            return Err(Refusal::invalid(
                "not at least a number of devices, a region size, a 0, a device and an offset",
            ));
        }
        let positive = |index, what| {
            args::number::<u32>(args.word(index))
                .filter(|&number| number > 0)
                .ok_or_else(|| args::bad(what, args.word(index)))
        };
        let count = positive(0, "number of devices")?;
        let region = positive(1, "region size")?;
        if args::number(args.word(2)) != Some(0u32) {
            return Err(args::bad("number of optional arguments", args.word(2)));
        }
        let pairs = args.rest(3);
        if pairs.len() as u64 != 2 * u64::from(count) {
            return Err(Refusal::invalid("not exactly one device and offset for each path"));
        }
        let paths = pairs.chunks_exact(2).map(|pair| {
            Ok(Path {
                component: open(&pair[0])?,
                offset: args::number_with_plus(&pair[1]).ok_or_else(|| args::bad("offset", &pair[1]))?,
            })
        });
        let paths = paths.collect::<Result<_, Refusal>>()?;
        let regions = Regions::new(args.length.div_ceil(u64::from(region)), count).ok_or_else(|| Refusal {
            errno: Errno::ENOMEM,
            reason: "no memory for so many regions".into(),
        })?;
        Ok(Self {
            paths,
            region,
            regions,
            changed: AtomicBool::new(false),
        })
    }

    fn table(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        write!(out, "{} {} 0", self.paths.len(), self.region)?;
        for path in &self.paths {
            write!(out, " {} {}", devices(path.component), path.offset)?;
        }
        Ok(())
    }

    fn map(&self, part: &Part) -> (u64, Verb) {
        let size = u64::from(self.region);
        let region = part.next() / size;
        let sectors = part.left().min(size - part.next() % size);
        let path = self.paths.get(self.regions.get(region) as usize);
        let verb = match path {
            Some(path) => Verb::remap(path.component, path.offset + part.next()),
            None => Verb::Fail(Errno::EIO),
        };
        (sectors, verb)
    }

    fn extents(&self, length: u64, f: &mut dyn FnMut(Extent)) {
        for path in &self.paths {
            f(Extent {
                component: path.component,
                first: path.offset,
                sectors: length,
            });
        }
    }

    /// The words of the table of regions.
    fn state(&self, out: &mut Vec<u8>) {
        if self.changed.load(Ordering::Relaxed) {
            let words = self.regions.words.iter();
            out.extend(words.flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()));
        }
    }

    fn restore(&self, state: &[u8]) -> bool {
        let (words, []) = state.as_chunks() else { return false };
        if words.len() != self.regions.words.len() {
            return false;
        }
        for (place, word) in self.regions.words.iter().zip(words) {
            place.store(u64::from_le_bytes(*word), Ordering::Relaxed);
        }
        self.changed.store(true, Ordering::Relaxed);
        (0..self.regions.count).all(|region| (self.regions.get(region) as usize) < self.paths.len())
    }

    fn message(&self, words: &[Vec<u8>], _: &Asked, _: &mut Vec<u8>) -> Result<(), Errno> {
        match words {
            [word, items @ ..] if word.eq_ignore_ascii_case(b"set_region_mappings") => {
                self.changed.store(true, Ordering::Relaxed);
                self.set_mappings(items).ok_or(Errno::EINVAL)
            }
            _ => Err(Errno::EINVAL),
        }
    }
}

impl Switch {
    /// `None` at the first item that is wrong.
    fn set_mappings(&self, items: &[Vec<u8>]) -> Option<()> {
        // The region of the item before.
        let mut last = 0u64;
        for item in items {
            if let [b'R' | b'r', repeat @ ..] = item.as_slice() {
                let comma = repeat.iter().position(|&byte| byte == b',')?;
                let (period, count) = (hexadecimal(&repeat[..comma])?, hexadecimal(&repeat[comma + 1..])?);
                // Both the first region to copy and the last one to set exist.
                let first = (last + 1).checked_sub(period).filter(|_| period > 0)?;
                let end = last.checked_add(count).filter(|&end| end < self.regions.count)?;
                for region in last + 1..=end {
                    self.regions.set(region, self.regions.get(first + (region - last - 1)));
                }
                last = end;
                continue;
            }
            let colon = item.iter().position(|&byte| byte == b':')?;
            let region = match &item[..colon] {
                [] => last.checked_add(1)?,
                digits => hexadecimal(digits)?,
            };
            let path = u32::try_from(hexadecimal(&item[colon + 1..])?).ok()?;
            if region >= self.regions.count || path as usize >= self.paths.len() {
                return None;
            }
            self.regions.set(region, path);
            last = region;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(regions: &Regions) -> Vec<u32> {
        (0..regions.count).map(|region| regions.get(region)).collect()
    }

    #[test]
    fn entries_are_packed() {
        for (paths, bits) in [
            (1, 1),
            (2, 1),
            (3, 2),
            (4, 2),
            (5, 4),
            (16, 4),
            (17, 8),
            (257, 16),
            (65537, 32),
        ] {
            let regions = Regions::new(100, paths).unwrap();
            assert_eq!(regions.bits, bits, "{paths}");
            assert_eq!(regions.words.len(), (100 * bits as usize).div_ceil(64), "{paths}");
            let wanted: Vec<u32> = (0..100u32)
                .map(|region| region.wrapping_mul(0x9e37_79b9) % paths)
                .collect();
            for (region, &path) in (0..).zip(&wanted) {
                regions.set(region, path);
            }
            assert_eq!(entries(&regions), wanted);
        }
        assert!(Regions::new(u64::MAX, 2).is_none());
    }

    /// What Linux 6.12 did, one after the other: the items, whether they were taken, and the table of 16 regions then.
    #[test]
    fn mappings_are_set_as_by_linux() {
        let paths = (0..3).map(|component| Path { component, offset: 0 });
        let switch = Switch {
            paths: paths.collect(),
            region: 8,
            regions: Regions::new(16, 3).unwrap(),
            changed: AtomicBool::new(false),
        };
        for (items, taken, table) in [
            ("0:0 :1 :2 R3,d", true, "0120120120120120"),
            ("0:0 R1,10", false, "0120120120120120"),
            ("1:1 2:x 3:2", false, "0120120120120120"),
            ("1:1 2:3 3:2", false, "0120120120120120"),
            ("5:1 R2,3", true, "0120111110120120"),
            ("5:1 R1,0", true, "0120111110120120"),
            ("5:2 R1,b", false, "0120121110120120"),
            ("5:2 R1,a", true, "0120122222222222"),
            ("5:2 R0,3", false, "0120122222222222"),
            (":1", true, "0120122222222222"),
            ("R1,3", true, "0000122222222222"),
            ("f:1 :2", false, "0000122222222221"),
            ("10:1", false, "0000122222222221"),
            ("F:2", true, "0000122222222222"),
            ("0x1:1", false, "0000122222222222"),
            ("1:1:1", false, "0000122222222222"),
            ("1:", false, "0000122222222222"),
            (":", false, "0000122222222222"),
            ("", true, "0000122222222222"),
            ("R", false, "0000122222222222"),
            ("R1", false, "0000122222222222"),
            ("R1,", false, "0000122222222222"),
            ("R1,2,3", false, "0000122222222222"),
            ("r1,2", true, "0000122222222222"),
            ("1:00000000000000000000001", true, "0100122222222222"),
            ("1:2 3:1 R2,2", true, "0201012222222222"),
            ("R2,2 1:1", false, "0201012222222222"),
            ("0:1 R1,ffffffffffffffff", false, "1201012222222222"),
            ("1:-1", false, "1201012222222222"),
            ("1:+1", false, "1201012222222222"),
            ("6:1 :2 R3,2", true, "1201011211222222"),
            ("6:1 :2 :0 R2,3", true, "1201011202022222"),
            ("0:2 0:1 R2,2", false, "1201011202022222"),
        ] {
            let words = args::split(alloc::format!("set_region_mappings {items}").as_bytes());
            let result = switch.message(&words, &Asked { suspended: false }, &mut Vec::new());
            assert_eq!(result.is_ok(), taken, "{items}");
            let shown: alloc::string::String = entries(&switch.regions)
                .into_iter()
                .filter_map(|path| char::from_digit(path, 10))
                .collect();
            assert_eq!(shown, table, "{items}");
        }
    }
}
