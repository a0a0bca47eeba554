//! `unstriped COUNT CHUNK INDEX DEV OFFSET`: one of the stripes of a striped device.

use core::fmt::{self, Write};

use super::args::{self, Args, Refusal};
use super::{Devices, DiscardRule, Extent, Open, Part, TargetKind};
use crate::io::{Op, Verb};

/// Chunk number `n` of the segment is chunk number `n * COUNT + INDEX` of the component, counted from `OFFSET`.
#[derive(Debug)]
pub struct Unstriped {
    component: u32,
    offset: u64,
    count: u32,
    /// Sectors.
    chunk: u32,
    index: u32,
}

impl TargetKind for Unstriped {
    const NAME: &'static str = "unstriped";
    const VERSION: [u32; 3] = [1, 1, 0];
    const DISCARD: DiscardRule = DiscardRule::Refuses;

    fn parse(args: &Args<'_>, open: Open<'_>) -> Result<Self, Refusal> {
        if args.count() != 5 {
            return Err(Refusal::invalid(
                "not exactly a number of stripes, a chunk size, an index, a device and an offset",
            ));
        }
        let positive = |index, what| {
            args::number::<u32>(args.word(index))
                .filter(|&number| number > 0)
                .ok_or_else(|| args::bad(what, args.word(index)))
        };
        let count = positive(0, "number of stripes")?;
        let chunk = positive(1, "chunk size")?;
        // Linux takes an index that is none of the stripes, too.
        let index = args.number(2, "index of a stripe")?;
        let component = open(args.word(3)).map_err(|refusal| Refusal::invalid(refusal.reason))?;
        let unstriped = Self {
            component,
            offset: args.number(4, "offset")?,
            count,
            chunk,
            index,
        };
        if !args.length.is_multiple_of(u64::from(chunk)) {
            return Err(Refusal::invalid("the length is no multiple of the chunk size"));
        }
        let last = args.length.checked_sub(1).and_then(|last| unstriped.place(last));
        last.ok_or_else(|| Refusal::invalid("the last stripe ends beyond the largest sector number"))?;
        Ok(unstriped)
    }

    fn table(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        let Self {
            offset,
            count,
            chunk,
            index,
            ..
        } = self;
        write!(out, "{count} {chunk} {index} {} {offset}", devices(self.component))
    }

    fn map(&self, part: &Part) -> (u64, Verb) {
        let chunk = u64::from(self.chunk);
        let sectors = part.left().min(chunk - part.next() % chunk);
        let verb = match (part.op, self.place(part.next())) {
            (Op::Discard, _) => Verb::Fail(dm_abi::errno::Errno::EOPNOTSUPP),
            (_, Some(sector)) => Verb::remap(self.component, sector),
            (_, None) => Verb::Fail(dm_abi::errno::Errno::EIO),
        };
        (sectors, verb)
    }

    /// As on Linux, only as many sectors as the segment has: what lies beyond the end of the component fails later.
    fn extents(&self, length: u64, f: &mut dyn FnMut(Extent)) {
        f(Extent {
            component: self.component,
            first: self.offset,
            sectors: length,
        });
    }
}

impl Unstriped {
    /// The component's sector behind a sector of the segment.
    fn place(&self, sector: u64) -> Option<u64> {
        let chunk = u64::from(self.chunk);
        let number = (sector / chunk)
            .checked_mul(u64::from(self.count))?
            .checked_add(u64::from(self.index))?;
        number
            .checked_mul(chunk)?
            .checked_add(sector % chunk)?
            .checked_add(self.offset)
    }
}
