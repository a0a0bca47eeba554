//! `striped COUNT CHUNK (DEV OFFSET)...`: chunks dealt out to devices in turn.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, Ordering};

use smallvec::SmallVec;

use super::args::{self, Args, Refusal};
use super::{Devices, Extent, Open, Part, TargetKind};
use crate::io::{Op, Verb};

/// Chunk number `n` of the segment lies on stripe `n % COUNT`, as chunk number `n / COUNT` there.
#[derive(Debug)]
pub struct Striped {
    /// Two, the usual number, lie in the segment itself: one cache line less to wait for.
    stripes: SmallVec<[Stripe; 2]>,
    /// Sectors.
    chunk: u32,
}

#[derive(Debug)]
struct Stripe {
    component: u32,
    offset: u64,
    /// Errors that were seen there.
    errors: AtomicU32,
}

/// From this many errors on, a stripe raises no more events.
const EVENTS_UNTIL: u32 = 15;

impl TargetKind for Striped {
    const NAME: &'static str = "striped";
    const VERSION: [u32; 3] = [1, 6, 0];

    fn parse(args: &Args<'_>, open: Open<'_>) -> Result<Self, Refusal> {
        let number = |index, what| {
            args::number_with_plus::<u32>(args.word(index))
                .filter(|&number| number > 0)
                .ok_or_else(|| args::bad(what, args.word(index)))
        };
        let count = number(0, "number of stripes")?;
        let chunk = number(1, "chunk size")?;
        if !args.length.is_multiple_of(u64::from(count)) {
            return Err(Refusal::invalid("the length is no multiple of the number of stripes"));
        }
        if !(args.length / u64::from(count)).is_multiple_of(u64::from(chunk)) {
            return Err(Refusal::invalid(
                "the length of a stripe is no multiple of the chunk size",
            ));
        }
        let pairs = args.rest(2);
        if pairs.len() as u64 != 2 * u64::from(count) {
            return Err(Refusal::invalid("not exactly one device and offset for each stripe"));
        }
        let stripes = pairs.chunks_exact(2).map(|pair| {
            Ok(Stripe {
                offset: args::number(&pair[1]).ok_or_else(|| args::bad("offset", &pair[1]))?,
                component: open(&pair[0])?,
                errors: AtomicU32::new(0),
            })
        });
        Ok(Self {
            stripes: stripes.collect::<Result<_, _>>()?,
            chunk,
        })
    }

    fn table(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        write!(out, "{} {}", self.stripes.len(), self.chunk)?;
        for stripe in &self.stripes {
            write!(out, " {} {}", devices(stripe.component), stripe.offset)?;
        }
        Ok(())
    }

    fn status(&self, devices: Devices<'_>, out: &mut dyn Write) -> fmt::Result {
        write!(out, "{}", self.stripes.len())?;
        for stripe in &self.stripes {
            write!(out, " {}", devices(stripe.component))?;
        }
        out.write_str(" 1 ")?;
        for stripe in &self.stripes {
            let alive = stripe.errors.load(Ordering::Relaxed) == 0;
            out.write_char(if alive { 'A' } else { 'D' })?;
        }
        Ok(())
    }

    #[inline]
    fn map(&self, part: &Part) -> (u64, Verb) {
        if matches!(part.op, Op::Discard | Op::WriteZeroes)
            && let Some(gathered) = self.gather(part)
        {
            return gathered;
        }
        let (stripe, sector, left) = self.locate(part.next());
        (left.min(part.left()), Verb::remap(stripe.component, sector))
    }

    fn extents(&self, length: u64, f: &mut dyn FnMut(Extent)) {
        for stripe in &self.stripes {
            f(Extent {
                component: stripe.component,
                first: stripe.offset,
                sectors: length / self.stripes.len() as u64,
            });
        }
    }

    fn failed(&self, component: u32, sector: u64, length: u64) -> bool {
        let length = length / self.stripes.len() as u64;
        let hit = |stripe: &&Stripe| {
            stripe.component == component && sector.checked_sub(stripe.offset).is_some_and(|sector| sector < length)
        };
        self.stripes.iter().filter(hit).fold(false, |event, stripe| {
            let errors = stripe.errors.load(Ordering::Relaxed).saturating_add(1);
            stripe.errors.store(errors, Ordering::Relaxed);
            event || errors < EVENTS_UNTIL
        })
    }
}

impl Striped {
    /// The stripe of a sector of the segment, the sector on its component, and the number of sectors left in the chunk.
    #[inline]
    fn locate(&self, sector: u64) -> (&Stripe, u64, u64) {
        let count = self.stripes.len() as u64;
        let length = u64::from(self.chunk);
        let (chunk, rest) = (sector / length, sector % length);
        let (row, column) = (chunk / count, chunk % count);
        // The column is below the number of stripes, which is a usize.
        #[allow(clippy::cast_possible_truncation)]
        let stripe = &self.stripes[column as usize];
        (stripe, stripe.offset + row * length + rest, length - rest)
    }

    /// A piece for all that lies on one stripe, of the whole rows within a request without data.
    ///
    /// The request is cut into the sectors before the first whole row, the whole rows, and what follows them. In the
    /// middle, the n-th piece is the n-th stripe's share.
    fn gather(&self, part: &Part) -> Option<(u64, Verb)> {
        let count = self.stripes.len() as u64;
        let chunk = u64::from(self.chunk);
        let row = chunk * count;
        let before = part.first.next_multiple_of(row) - part.first;
        let rows = part.sectors.checked_sub(before)? / row;
        let share = rows * chunk;
        let column = part.done.checked_sub(before)?.checked_div(share)?;
        if column >= count {
            return None;
        }
        #[allow(clippy::cast_possible_truncation)] // below the number of stripes
        let stripe = &self.stripes[column as usize];
        let sector = stripe.offset + (part.first + before) / row * chunk;
        Some((share, Verb::remap(stripe.component, sector)))
    }
}
