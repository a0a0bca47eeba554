//! `log-writes DEV LOGDEV`: a device, from the segment's own first sector on, whose writes are logged on another one. The
//! message `mark TEXT` puts a text into the log.
//!
//! What it does is in [`crate::log_writes`].

use core::fmt::{self, Write};

use super::args::{Args, Refusal};
use super::{Devices, DiscardRule, Extent, FlushRule, Joins, Open, Part, TargetKind};
use crate::io::{Op, Verb};
use crate::log_writes::Line;

/// Sectors of zeroes that are logged as one entry, as on Linux.
const ZEROES: u64 = 2048;

/// A table line.
#[derive(Debug)]
pub struct LogWrites {
    line: Line,
    /// First sector of the segment.
    start: u64,
}

impl TargetKind for LogWrites {
    const NAME: &'static str = "log-writes";
    const VERSION: [u32; 3] = [1, 1, 0];
    const MACHINE: bool = true;
    const FLUSH: FlushRule = FlushRule::Ask;
    /// All are logged, and those go on that the device takes.
    const DISCARD: DiscardRule = DiscardRule::Accepts;

    fn parse(args: &Args<'_>, open: Open<'_>) -> Result<Self, Refusal> {
        // As on Linux, further words do not count.
        if args.count() < 2 {
            return Err(Refusal::invalid("not a device and a log"));
        }
        let line = Line {
            device: open(args.word(0))?,
            log: open(args.word(1))?,
        };
        let start = args.start;
        Ok(Self { line, start })
    }

    fn table(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        write!(out, "{} {}", devices(self.line.device), devices(self.line.log))
    }

    fn map(&self, part: &Part) -> (u64, Verb) {
        match part.op {
            Op::Read => (part.left(), Verb::remap(self.line.device, self.start + part.next())),
            Op::WriteZeroes => (part.left().min(ZEROES), Verb::Ask),
            _ => (part.left(), Verb::Ask),
        }
    }

    fn flush(&self, _: u32, _: u32, _: u64) -> Verb {
        Verb::Ask
    }

    /// Without the log, which can be of any size and is flushed by the machine.
    fn extents(&self, length: u64, f: &mut dyn FnMut(Extent)) {
        f(Extent {
            component: self.line.device,
            first: self.start,
            sectors: length,
        });
    }

    fn joins(&self) -> Option<Joins> {
        Some(Joins::LogWrites(self.line, self.start))
    }

    /// Of a table without its machine.
    fn status(&self, _: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        out.write_str("0 0")
    }
}
