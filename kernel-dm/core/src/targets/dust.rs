//! `dust DEV OFFSET BLOCK`: a range of a device with bad blocks of BLOCK bytes, which messages make and unmake:
//! `addbadblock BLOCK [FAILURES]`, `removebadblock BLOCK`, `queryblock BLOCK`, `countbadblocks`, `listbadblocks`,
//! `clearbadblocks`, `enable`, `disable`, `quiet`.
//!
//! What it does is in [`crate::dust`].

use core::fmt::{self, Write};

use super::args::{self, Args, Refusal};
use super::{Devices, Extent, Joins, Open, Part, TargetKind};
use crate::dust::Line;
use crate::io::{Op, Verb};

/// A table line.
#[derive(Debug)]
pub struct Dust(Line);

impl TargetKind for Dust {
    const NAME: &'static str = "dust";
    const VERSION: [u32; 3] = [1, 0, 0];
    const MACHINE: bool = true;

    fn parse(args: &Args<'_>, open: Open<'_>) -> Result<Self, Refusal> {
        if args.count() != 3 {
            return Err(Refusal::invalid("not exactly a device, an offset and a block size"));
        }
        let bytes: u32 = args::number_with_plus(args.word(2)).ok_or_else(|| args::bad("block size", args.word(2)))?;
        let block = u64::from(bytes / 512);
        if bytes < 512 || !bytes.is_power_of_two() || block > args.length {
            return Err(args::bad("block size", args.word(2)));
        }
        let offset = args.number(1, "offset")?;
        // Whatever is wrong with the device, it is EINVAL.
        let component = open(args.word(0)).map_err(|refusal| Refusal::invalid(refusal.reason))?;
        Ok(Self(Line {
            component,
            offset,
            block,
        }))
    }

    fn table(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        let Line {
            component,
            offset,
            block,
        } = self.0;
        write!(out, "{} {offset} {}", devices(component), block * 512)
    }

    fn map(&self, part: &Part) -> (u64, Verb) {
        let block = self.0.block;
        // As on Linux: cut where the segment's blocks end, though the list counts those of the component from its first
        // sector on; the block of a piece's first sector counts.
        let in_block = block - part.next() % block;
        match part.op {
            // In one piece.
            Op::Discard => (part.left(), Verb::Ask),
            _ => (part.left().min(in_block), Verb::Ask),
        }
    }

    fn extents(&self, length: u64, f: &mut dyn FnMut(Extent)) {
        f(Extent {
            component: self.0.component,
            first: self.0.offset,
            sectors: length,
        });
    }

    fn joins(&self) -> Option<Joins> {
        Some(Joins::Dust(self.0))
    }

    /// Of a table without its machine.
    fn status(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        write!(out, "{} bypass verbose", devices(self.0.component))
    }
}
