//! `linear DEV OFFSET`: a range of another device.

use core::fmt::{self, Write};

use super::args::{Args, Refusal};
use super::{Devices, Extent, Open, Part, TargetKind};
use crate::io::Verb;

/// A range of a component, from sector `offset` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear {
    component: u32,
    offset: u64,
}

impl TargetKind for Linear {
    const NAME: &'static str = "linear";
    const VERSION: [u32; 3] = [1, 4, 0];

    fn parse(args: &Args<'_>, open: Open<'_>) -> Result<Self, Refusal> {
        if args.count() != 2 {
            return Err(Refusal::invalid("not exactly a device and an offset"));
        }
        let offset = args.number(1, "offset")?;
        Ok(Self {
            component: open(args.word(0))?,
            offset,
        })
    }

    fn table(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        write!(out, "{} {}", devices(self.component), self.offset)
    }

    #[inline]
    fn map(&self, part: &Part) -> (u64, Verb) {
        (part.left(), Verb::remap(self.component, self.offset + part.next()))
    }

    fn extents(&self, length: u64, f: &mut dyn FnMut(Extent)) {
        f(Extent {
            component: self.component,
            first: self.offset,
            sectors: length,
        });
    }
}
