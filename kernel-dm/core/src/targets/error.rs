//! `error`: everything fails.

use core::fmt::{self, Write};

use dm_abi::errno::Errno;

use super::args::{Args, Refusal};
use super::{Devices, DiscardRule, FlushRule, Open, Part, TargetKind};
use crate::io::Verb;

/// Every request fails with EIO. Any arguments are taken and forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error;

impl TargetKind for Error {
    const NAME: &'static str = "error";
    const VERSION: [u32; 3] = [1, 7, 0];
    const FLUSH: FlushRule = FlushRule::Nothing;
    const DISCARD: DiscardRule = DiscardRule::Accepts;

    fn parse(_: &Args<'_>, _: Open<'_>) -> Result<Self, Refusal> {
        Ok(Self)
    }

    fn table(&self, _: Devices<'_>, _: &mut dyn Write) -> fmt::Result {
        Ok(())
    }

    #[inline]
    fn map(&self, part: &Part) -> (u64, Verb) {
        (part.left(), Verb::Fail(Errno::EIO))
    }
}
