//! `delay DEV OFFSET MS [DEV OFFSET MS [DEV OFFSET MS]]`: ranges of devices, reached late.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, Ordering};

use super::args::{Args, Refusal};
use super::{Devices, Extent, FlushRule, Open, Part, TargetKind};
use crate::io::{Op, Verb};

/// Reads, writes and flushes each have a range and a delay of their own. Discards and write-zeroes are writes.
///
/// A flush waits for the flush group's delay; components that only the other groups use are flushed at once.
#[derive(Debug)]
pub struct Delay {
    /// For reads, writes and flushes, as given; a missing one is equal to the one before it.
    groups: [Group; 3],
    /// Number of groups that the table line has.
    given: usize,
    /// Requests of each class that wait now.
    waiting: [AtomicU32; 3],
}

#[derive(Clone, Copy, Debug)]
struct Group {
    component: u32,
    offset: u64,
    delay_ms: u32,
}

/// Index of the flush group.
const FLUSH: usize = 2;

/// Index of an operation's group.
fn class(op: Op) -> usize {
    match op {
        Op::Read => 0,
        Op::Write | Op::Discard | Op::WriteZeroes => 1,
        Op::Flush => FLUSH,
    }
}

impl TargetKind for Delay {
    const NAME: &'static str = "delay";
    const VERSION: [u32; 3] = [1, 4, 0];
    const FLUSH: FlushRule = FlushRule::Ask;

    fn parse(args: &Args<'_>, open: Open<'_>) -> Result<Self, Refusal> {
        let given = match args.count() {
            3 => 1,
            6 => 2,
            9 => 3,
            _ => return Err(Refusal::invalid("not exactly 3, 6 or 9 arguments")),
        };
        let mut group = |index: usize| {
            let offset = args.number(3 * index + 1, "offset")?;
            let delay_ms = args.number(3 * index + 2, "delay")?;
            Ok(Group {
                component: open(args.word(3 * index))?,
                offset,
                delay_ms,
            })
        };
        let read = group(0)?;
        let write = if given > 1 { group(1)? } else { read };
        let flush = if given > 2 { group(2)? } else { write };
        Ok(Self {
            groups: [read, write, flush],
            given,
            waiting: Default::default(),
        })
    }

    fn table(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        for (index, group) in self.groups[..self.given].iter().enumerate() {
            let blank = if index > 0 { " " } else { "" };
            write!(
                out,
                "{blank}{} {} {}",
                devices(group.component),
                group.offset,
                group.delay_ms
            )?;
        }
        Ok(())
    }

    fn status(&self, _: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        let [reads, writes, flushes] = &self.waiting;
        write!(
            out,
            "{} {} {}",
            reads.load(Ordering::Relaxed),
            writes.load(Ordering::Relaxed),
            flushes.load(Ordering::Relaxed)
        )
    }

    fn map(&self, part: &Part) -> (u64, Verb) {
        let class = class(part.op);
        let group = &self.groups[class];
        (
            part.left(),
            self.wait(class, group.component, group.offset + part.next()),
        )
    }

    fn flush(&self, component: u32, nth: u32, _: u64) -> Verb {
        if nth as usize + 1 == self.given {
            self.wait(FLUSH, component, 0)
        } else {
            Verb::remap(component, 0)
        }
    }

    fn extents(&self, length: u64, f: &mut dyn FnMut(Extent)) {
        for group in &self.groups[..self.given] {
            f(Extent {
                component: group.component,
                first: group.offset,
                sectors: length,
            });
        }
    }

    fn delay_over(&self, op: Op) {
        // A host that reports too much does not make the counter wrap.
        let _ = self.waiting[class(op)].fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
    }
}

impl Delay {
    fn wait(&self, class: usize, component: u32, sector: u64) -> Verb {
        let delay_ms = self.groups[class].delay_ms;
        if delay_ms > 0 {
            self.waiting[class].fetch_add(1, Ordering::Relaxed);
        }
        Verb::Remap {
            component,
            sector,
            delay_ms,
            corrupt: None,
        }
    }
}
