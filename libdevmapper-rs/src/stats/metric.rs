//! Counters, and what is computed from them.

use super::region::{COUNTERS, Region};
use super::{Bin, Scope, Stats};
use crate::percent::Percent;

macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $value:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name {
            $(#[doc = $text] $variant = $value,)*
        }

        impl $name {
            /// All, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The one of this number.
            #[must_use]
            pub fn from_number(number: u64) -> Option<Self> {
                Self::ALL.get(usize::try_from(number).ok()?).copied()
            }
        }
    };
}

numbered! {
    /// What the engine counts. The numbers are those of `dm_stats_counter_e`.
    Counter {
        Reads = 0, "Reads completed.";
        ReadsMerged = 1, "Reads merged.";
        ReadSectors = 2, "Sectors of 512 bytes read.";
        ReadNsecs = 3, "Time of all reads in nanoseconds.";
        Writes = 4, "Writes completed.";
        WritesMerged = 5, "Writes merged.";
        WriteSectors = 6, "Sectors of 512 bytes written.";
        WriteNsecs = 7, "Time of all writes in nanoseconds.";
        InProgress = 8, "Requests in flight.";
        IoNsecs = 9, "Time with requests in flight, in nanoseconds.";
        WeightedIoNsecs = 10, "The same, weighted by their number.";
        TotalReadNsecs = 11, "Time with reads in flight, in nanoseconds.";
        TotalWriteNsecs = 12, "Time with writes in flight, in nanoseconds.";
    }
}

numbered! {
    /// What is computed from counters and the sampling interval. The numbers are those of `dm_stats_metric_e`.
    Metric {
        ReadMergesPerSec = 0, "Reads merged, per nanosecond in spite of its name, which reports depend on.";
        WriteMergesPerSec = 1, "Writes merged, per nanosecond in spite of its name, which reports depend on.";
        ReadsPerSec = 2, "Reads per second.";
        WritesPerSec = 3, "Writes per second.";
        ReadSectorsPerSec = 4, "Sectors read per second.";
        WriteSectorsPerSec = 5, "Sectors written per second.";
        AverageRequestSize = 6, "Sectors per request.";
        AverageQueueSize = 7, "Requests in flight on average.";
        AverageWaitTime = 8, "Nanoseconds per request.";
        AverageReadWaitTime = 9, "Nanoseconds per read.";
        AverageWriteWaitTime = 10, "Nanoseconds per write.";
        ServiceTime = 11, "Milliseconds of utilization per request, from whole percents, which reports depend on.";
        Throughput = 12, "Requests per second.";
        Utilization = 13, "Part of the interval with requests in flight, 0 to 1.";
    }
}

impl Stats {
    /// A counter of a scope, added up where that has several areas; 0 if it was not populated.
    #[must_use]
    pub fn counter(&self, counter: Counter, scope: Scope) -> u64 {
        self.regions_of(scope).fold(0, |sum, (region, areas)| {
            let rows = region.samples.as_ref().map_or(&[][..], |s| &s.counters[..]);
            let rows: &[[u64; COUNTERS]] = match areas {
                Some(area) => usize::try_from(area)
                    .ok()
                    .and_then(|a| rows.get(a))
                    .map_or(&[], std::slice::from_ref),
                None => rows,
            };
            rows.iter()
                .fold(sum, |sum, row| sum.wrapping_add(row[counter as usize]))
        })
    }

    /// The regions of a scope, with the number of the area that is meant or `None` for all.
    fn regions_of(&self, scope: Scope) -> Box<dyn Iterator<Item = (&Region, Option<u64>)> + '_> {
        match scope {
            Scope::Area { region, area } => Box::new(self.region(region).into_iter().map(move |r| (r, Some(area)))),
            Scope::Region(region) => Box::new(self.region(region).into_iter().map(|r| (r, None))),
            Scope::Group(group) => Box::new(self.members_of(group).map(|r| (r, None))),
            Scope::GroupArea { group, area } => Box::new(self.members_of(group).map(move |r| (r, Some(area)))),
        }
    }

    /// A metric of a scope; `None`, with a debug message, if no sampling interval was set.
    #[must_use]
    pub fn metric(&self, metric: Metric, scope: Scope) -> Option<f64> {
        if self.interval_ns == 0 {
            crate::log_debug!("Metrics need a sampling interval.");
            return None;
        }
        let nanoseconds = self.interval_ns as f64;
        let count = |counter| self.counter(counter, scope);
        let sum = |a, b| count(a).wrapping_add(count(b)) as f64;
        let per_second = |value: f64| value * 1e9 / nanoseconds;
        let ratio = |a: f64, b: f64| if b == 0.0 { 0.0 } else { a / b };
        let requests = || sum(Counter::Reads, Counter::Writes);
        let utilization = || count(Counter::IoNsecs).min(self.interval_ns) as f64 / nanoseconds;
        Some(match metric {
            Metric::ReadMergesPerSec => count(Counter::ReadsMerged) as f64 / nanoseconds,
            Metric::WriteMergesPerSec => count(Counter::WritesMerged) as f64 / nanoseconds,
            Metric::ReadsPerSec => per_second(count(Counter::Reads) as f64),
            Metric::WritesPerSec => per_second(count(Counter::Writes) as f64),
            Metric::ReadSectorsPerSec => per_second(count(Counter::ReadSectors) as f64),
            Metric::WriteSectorsPerSec => per_second(count(Counter::WriteSectors) as f64),
            Metric::AverageRequestSize => ratio(sum(Counter::ReadSectors, Counter::WriteSectors), requests()),
            Metric::AverageQueueSize => count(Counter::WeightedIoNsecs) as f64 / nanoseconds,
            Metric::AverageWaitTime => ratio(sum(Counter::ReadNsecs, Counter::WriteNsecs), requests()),
            Metric::AverageReadWaitTime => ratio(count(Counter::ReadNsecs) as f64, count(Counter::Reads) as f64),
            Metric::AverageWriteWaitTime => ratio(count(Counter::WriteNsecs) as f64, count(Counter::Writes) as f64),
            Metric::ServiceTime => {
                let throughput = per_second(requests());
                let percents = (utilization() * 100.0).trunc();
                if throughput.trunc() == 0.0 || percents == 0.0 {
                    0.0
                } else {
                    // In single precision, which reports with many digits show.
                    #[allow(clippy::cast_possible_truncation, reason = "it is a whole number up to 100")]
                    let share = percents as f32 / 1e6;
                    1e9 * f64::from(share) / (100.0 * throughput)
                }
            }
            Metric::Throughput => per_second(requests()),
            Metric::Utilization => utilization(),
        })
    }

    /// [`Metric::Utilization`] as a percentage.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is 0 to 1")]
    pub fn utilization(&self, scope: Scope) -> Option<Percent> {
        let utilization = self.metric(Metric::Utilization, scope)?;
        Some(Percent::of((utilization * 1e6) as u64, 1_000_000))
    }

    /// The histogram of a scope, added up where that has several areas, with the bounds of the region or of the group's
    /// first member. All zero if it was not populated; `None` if the region has none.
    #[must_use]
    pub fn histogram(&self, scope: Scope) -> Option<Vec<Bin>> {
        let leader = match scope {
            Scope::Area { region, .. } | Scope::Region(region) => region,
            Scope::Group(group) | Scope::GroupArea { group, .. } => group,
        };
        let bounds = self.region(leader)?.bounds()?;
        let open = std::iter::once(&u64::MAX);
        let mut bins: Vec<Bin> = bounds
            .iter()
            .chain(open)
            .map(|&upper| Bin { upper, count: 0 })
            .collect();
        for (region, area) in self.regions_of(scope) {
            // Members without a histogram have nothing to add.
            let Some(samples) = region.samples.as_ref().filter(|_| region.bins() == bins.len()) else {
                continue;
            };
            let mut areas = samples.bins.chunks_exact(bins.len());
            let mut add = |counts: &[u64]| {
                for (bin, count) in bins.iter_mut().zip(counts) {
                    bin.count = bin.count.wrapping_add(*count);
                }
            };
            match area {
                Some(area) => usize::try_from(area)
                    .ok()
                    .and_then(|a| areas.nth(a))
                    .into_iter()
                    .for_each(&mut add),
                None => areas.for_each(&mut add),
            }
        }
        Some(bins)
    }
}
