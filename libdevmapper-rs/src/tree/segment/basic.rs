//! error, zero, linear, striped.

use super::{Area, Kind, Line, Segment, Surroundings, refuse};
use crate::error::Result;
use crate::table;
use crate::tree::{NodeId, Tree};

impl Tree {
    /// Adds a segment whose every read and write fails.
    pub fn add_error_target(&self, id: NodeId, size: u64) -> Result<()> {
        self.push(&self.node(id), size, Kind::Error)
    }

    /// Adds a segment that reads as zeros and forgets writes.
    pub fn add_zero_target(&self, id: NodeId, size: u64) -> Result<()> {
        self.push(&self.node(id), size, Kind::Zero)
    }

    /// Adds a segment that maps to one area, which is added next.
    pub fn add_linear_target(&self, id: NodeId, size: u64) -> Result<()> {
        self.push(&self.node(id), size, Kind::Linear)
    }

    /// Adds a segment that stripes over the areas that are added next, in stripes of `stripe_size` sectors.
    pub fn add_striped_target(&self, id: NodeId, size: u64, stripe_size: u32) -> Result<()> {
        self.push(&self.node(id), size, Kind::Striped { stripe_size })
    }
}

pub(super) fn striped(stripe_size: u32, segment: &Segment, around: &dyn Surroundings) -> Result<Line> {
    let stripes = segment.areas.iter().map(|area| match area {
        Area::Device(id, offset) => Ok(table::Area::new(around.number(*id)?, *offset)),
        // Only raid segments take these.
        Area::Null => refuse(format_args!("Internal error: A striped segment without a device.")),
    });
    Ok(Line::of(&table::Striped {
        chunk: stripe_size.into(),
        stripes: stripes.collect::<Result<_>>()?,
    }))
}
