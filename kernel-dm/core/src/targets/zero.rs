//! `zero`: reads as zeroes, and forgets what is written.

use core::fmt::{self, Write};

use super::args::{Args, Refusal};
use super::{Devices, DiscardRule, FlushRule, Open, Part, TargetKind};
use crate::io::{Op, Verb};

/// Reads give zeroes; writes and discards succeed and do nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zero;

impl TargetKind for Zero {
    const NAME: &'static str = "zero";
    const VERSION: [u32; 3] = [1, 2, 0];
    const FLUSH: FlushRule = FlushRule::Nothing;
    const DISCARD: DiscardRule = DiscardRule::Accepts;

    fn parse(args: &Args<'_>, _: Open<'_>) -> Result<Self, Refusal> {
        match args.count() {
            0 => Ok(Self),
            _ => Err(Refusal::invalid("takes no arguments")),
        }
    }

    fn table(&self, _: Devices<'_>, _: &mut dyn Write) -> fmt::Result {
        Ok(())
    }

    #[inline]
    fn map(&self, part: &Part) -> (u64, Verb) {
        let verb = match part.op {
            Op::Read | Op::Write => Verb::Zero,
            Op::WriteZeroes | Op::Discard | Op::Flush => Verb::Drop,
        };
        (part.left(), verb)
    }
}
