//! Finding the segment of a sector.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// The starts of all segments, with a coarse map of the device in front.
///
/// The device is cut into about twice as many equal ranges as there are segments. For each range the first segment in it
/// is known, so that a search only looks at the few segments of one range; when all small segments are in one
/// range, that is still a binary search.
#[derive(Debug)]
pub(super) struct Index {
    starts: Box<[u64]>,
    /// For range `n`, which begins at sector `n << shift`, the segment of its first sector; then the last segment.
    ranges: Box<[usize]>,
    shift: u32,
}

impl Index {
    /// `starts` are the first sectors of the segments, in order and from 0; `sectors` is the size of the device.
    pub(super) fn new(starts: Vec<u64>, sectors: u64) -> Self {
        let wanted = (starts.len() as u64).saturating_mul(2);
        let mut shift = 0;
        while sectors >> shift > wanted {
            shift += 1;
        }
        let mut ranges = Vec::new();
        let mut segment = 0;
        for range in 0..=(sectors >> shift) {
            while starts.get(segment + 1).is_some_and(|&start| start <= range << shift) {
                segment += 1;
            }
            ranges.push(segment);
        }
        ranges.push(starts.len() - 1);
        Self {
            starts: starts.into_boxed_slice(),
            ranges: ranges.into_boxed_slice(),
            shift,
        }
    }

    /// Index of the segment that holds `sector`, which must be in the device; otherwise any index.
    #[inline]
    pub(super) fn find(&self, sector: u64) -> usize {
        let range = usize::try_from(sector >> self.shift)
            .unwrap_or(usize::MAX)
            .min(self.ranges.len() - 2);
        let (first, last) = (self.ranges[range], self.ranges[range + 1]);
        first + self.starts[first + 1..=last].partition_point(|&start| start <= sector)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_sector_is_found(lengths in prop::collection::vec(prop_oneof![1u64..4, 1u64..5000], 1..60)) {
            let mut starts = Vec::new();
            let mut end = 0;
            for length in &lengths {
                starts.push(end);
                end += length;
            }
            let index = Index::new(starts, end);
            let mut sector = 0;
            for (segment, &length) in lengths.iter().enumerate() {
                for _ in 0..length {
                    prop_assert_eq!(index.find(sector), segment);
                    sector += 1;
                }
            }
        }
    }

    #[test]
    fn the_largest_device_has_a_small_index() {
        let index = Index::new([0, 1, 2].into(), (1 << 54) - 1);
        assert!(index.ranges.len() <= 8);
        assert_eq!(index.find(0), 0);
        assert_eq!(index.find(1), 1);
        assert_eq!(index.find((1 << 54) - 2), 2);
    }
}
