//! Which chunks of the origin a store holds, and where.

use alloc::boxed::Box;
use alloc::vec;

/// Marks a free slot. No device has that many chunks.
const FREE: u64 = u64::MAX;

/// A hash table from chunks of the origin to chunks of the store.
///
/// Open addressing with linear probing, in slots of 16 bytes. It grows by half when seven eighths are taken, so that an
/// exception takes at most 28 bytes (a small table apart). A standard hash table doubles, which takes up to 39.
#[derive(Debug, Default)]
pub struct Exceptions {
    slots: Box<[(u64, u64)]>,
    len: usize,
}

impl Exceptions {
    /// Number of exceptions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that the table takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        core::mem::size_of_val(&*self.slots)
    }

    /// All chunks of the store that are in use.
    pub fn stored(&self) -> impl Iterator<Item = u64> {
        self.slots.iter().filter(|slot| slot.0 != FREE).map(|slot| slot.1)
    }

    /// Where a chunk should be.
    fn home(&self, chunk: u64) -> usize {
        // Multiplying by the golden ratio spreads neighbours; the product's high half scales that to the table.
        let hash = (chunk ^ (chunk >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = (u128::from(hash) * self.slots.len() as u128) >> 64;
        usize::try_from(place).unwrap_or(0)
    }

    fn after(&self, slot: usize) -> usize {
        if slot + 1 == self.slots.len() { 0 } else { slot + 1 }
    }

    /// The slot of a chunk, or else the free one where it would go. The table is never full.
    fn find(&self, chunk: u64) -> usize {
        let mut slot = self.home(chunk);
        while self.slots[slot].0 != chunk && self.slots[slot].0 != FREE {
            slot = self.after(slot);
        }
        slot
    }

    /// The store's chunk for a chunk of the origin.
    #[must_use]
    pub fn get(&self, chunk: u64) -> Option<u64> {
        if self.len == 0 || chunk == FREE {
            return None;
        }
        let (key, value) = self.slots[self.find(chunk)];
        (key == chunk).then_some(value)
    }

    /// Adds an exception. False, and nothing changed, when the chunk has one already, or is no chunk.
    pub fn insert(&mut self, chunk: u64, stored: u64) -> bool {
        if chunk == FREE {
            return false;
        }
        if (self.len + 1) * 8 > self.slots.len() * 7 {
            self.grow();
        }
        let slot = self.find(chunk);
        if self.slots[slot].0 == chunk {
            return false;
        }
        self.slots[slot] = (chunk, stored);
        self.len += 1;
        true
    }

    /// Removes an exception.
    pub fn remove(&mut self, chunk: u64) -> Option<u64> {
        self.get(chunk)?;
        let mut hole = self.find(chunk);
        let (_, stored) = self.slots[hole];
        // Whoever would no longer be found across the hole moves into it.
        let mut slot = hole;
        loop {
            slot = self.after(slot);
            let (key, _) = self.slots[slot];
            if key == FREE {
                break;
            }
            let home = self.home(key);
            let reaches = if hole <= slot {
                home <= hole || home > slot
            } else {
                home <= hole && home > slot
            };
            if reaches {
                self.slots[hole] = self.slots[slot];
                hole = slot;
            }
        }
        self.slots[hole] = (FREE, 0);
        self.len -= 1;
        Some(stored)
    }

    fn grow(&mut self) {
        let size = (self.slots.len() + self.slots.len() / 2).max(16);
        let old = core::mem::replace(&mut self.slots, vec![(FREE, 0); size].into_boxed_slice());
        for (chunk, stored) in old.into_iter().filter(|slot| slot.0 != FREE) {
            let slot = self.find(chunk);
            self.slots[slot] = (chunk, stored);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((any::<bool>(), 0u64..200, any::<u64>()), 0..2000)) {
            let mut table = Exceptions::default();
            let mut model = BTreeMap::new();
            for (insert, chunk, stored) in steps {
                if insert {
                    prop_assert_eq!(table.insert(chunk, stored), !model.contains_key(&chunk));
                    model.entry(chunk).or_insert(stored);
                } else {
                    prop_assert_eq!(table.remove(chunk), model.remove(&chunk));
                }
                prop_assert_eq!(table.len(), model.len());
            }
            for chunk in 0..201 {
                prop_assert_eq!(table.get(chunk), model.get(&chunk).copied());
            }
            let mut stored: Vec<_> = table.stored().collect();
            let mut expected: Vec<_> = model.into_values().collect();
            stored.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(stored, expected);
        }
    }

    #[test]
    fn an_exception_takes_at_most_32_bytes() {
        let mut table = Exceptions::default();
        for chunk in 0..200_000 {
            assert!(table.insert(chunk * 3, chunk));
            assert!(table.len() < 16 || table.bytes() <= 32 * table.len(), "{}", table.len());
        }
        assert_eq!(table.get(3 * 777), Some(777));
        assert!(!table.insert(u64::MAX, 1));
    }
}
