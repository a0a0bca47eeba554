//! Status lines.

use core::fmt::{self, Write};

use super::store::{State, Store};
use super::{Group, Kind, MemberId};

impl<C> Group<C> {
    /// Prints a member's status.
    pub(crate) fn status(&self, id: MemberId, out: &mut dyn Write) -> fmt::Result {
        let Some(member) = self.members.get(&id.0) else {
            return Ok(());
        };
        let Some(store) = member.store.and_then(|store| self.stores.get(&store)) else {
            return Ok(());
        };
        if store.owner != Some(id.0) {
            if member.holder.is_some() {
                return out.write_str("Invalid");
            }
            if store.owner.is_some() {
                return write!(out, "0/{} 0", store.cow.sectors());
            }
        }
        store.status(out)
    }
}

impl<C> Store<C> {
    fn status(&self, out: &mut dyn Write) -> fmt::Result {
        match self.state {
            State::Loading => return out.write_str("Unknown"),
            State::Invalid | State::Failed(_) => return out.write_str("Invalid"),
            State::Ready => {}
        }
        if self.merge_failed {
            return out.write_str("Merge failed");
        }
        if self.overflow {
            return out.write_str("Overflow");
        }
        let metadata = match (self.kind, &self.list) {
            (Kind::Persistent { .. }, Some(list)) => list.area + 2,
            _ => 0,
        };
        let used = if self.merging {
            metadata + self.table.len() as u64
        } else {
            self.next
        };
        let sectors = |chunks: u64| chunks.saturating_mul(self.chunk);
        write!(out, "{}/{} {}", sectors(used), self.cow.sectors(), sectors(metadata))
    }
}
