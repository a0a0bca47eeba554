//! Counters and metrics.

use std::ffi::{c_int, c_uint};

use libdevmapper::log_error;

use super::stats::{Counter, Metric};
use super::{dm_stats, read, store};

impl dm_stats {
    fn counter(&self, counter: Counter, region: u64, area: u64) -> u64 {
        self.scope(region, area)
            .map_or(0, |scope| self.stats.counter(counter, scope))
    }

    fn metric(&self, metric: Metric, region: u64, area: u64) -> Option<f64> {
        if !self.stats.is_listed() {
            return None;
        }
        self.stats.metric(metric, self.scope(region, area)?)
    }
}

macro_rules! counters {
    ($($name:ident => $counter:ident;)*) => {
        c_api! {
            $(#[doc = concat!("The counter [`Counter::", stringify!($counter), "`].")]
            fn $name(dms: *const dm_stats, region_id: u64, area_id: u64) -> u64 {
                // SAFETY: the caller passes a handle.
                unsafe { read(dms) }.map_or(0, |d| d.counter(Counter::$counter, region_id, area_id))
            })*
        }
    };
}

counters! {
    dm_stats_get_reads => Reads;
    dm_stats_get_reads_merged => ReadsMerged;
    dm_stats_get_read_sectors => ReadSectors;
    dm_stats_get_read_nsecs => ReadNsecs;
    dm_stats_get_writes => Writes;
    dm_stats_get_writes_merged => WritesMerged;
    dm_stats_get_write_sectors => WriteSectors;
    dm_stats_get_write_nsecs => WriteNsecs;
    dm_stats_get_io_in_progress => InProgress;
    dm_stats_get_io_nsecs => IoNsecs;
    dm_stats_get_weighted_io_nsecs => WeightedIoNsecs;
    dm_stats_get_total_read_nsecs => TotalReadNsecs;
    dm_stats_get_total_write_nsecs => TotalWriteNsecs;
}

macro_rules! metrics {
    ($($name:ident => $metric:ident;)*) => {
        c_api! {
            $(#[doc = concat!("The metric [`Metric::", stringify!($metric), "`].")]
            fn $name(dms: *const dm_stats, value: *mut f64, region_id: u64, area_id: u64) -> c_int {
                // SAFETY: the caller passes a handle and a place for the result.
                unsafe { store(value, read(dms).and_then(|d| d.metric(Metric::$metric, region_id, area_id))) }
            })*
        }
    };
}

metrics! {
    dm_stats_get_rd_merges_per_sec => ReadMergesPerSec;
    dm_stats_get_wr_merges_per_sec => WriteMergesPerSec;
    dm_stats_get_reads_per_sec => ReadsPerSec;
    dm_stats_get_writes_per_sec => WritesPerSec;
    dm_stats_get_read_sectors_per_sec => ReadSectorsPerSec;
    dm_stats_get_write_sectors_per_sec => WriteSectorsPerSec;
    dm_stats_get_average_request_size => AverageRequestSize;
    dm_stats_get_average_queue_size => AverageQueueSize;
    dm_stats_get_average_wait_time => AverageWaitTime;
    dm_stats_get_average_rd_wait_time => AverageReadWaitTime;
    dm_stats_get_average_wr_wait_time => AverageWriteWaitTime;
    dm_stats_get_service_time => ServiceTime;
    dm_stats_get_throughput => Throughput;
}

c_api! {
    /// A counter by its number, `enum dm_stats_counter_e`.
    fn dm_stats_get_counter(dms: *const dm_stats, counter: c_uint, region_id: u64, area_id: u64) -> u64 {
        let Some(counter) = Counter::from_number(counter.into()) else {
            log_error!("Attempt to read invalid counter: {counter}");
            return 0;
        };
        // SAFETY: the caller passes a handle.
        unsafe { read(dms) }.map_or(0, |d| d.counter(counter, region_id, area_id))
    }

    /// A metric by its number, `enum dm_stats_metric_e`.
    fn dm_stats_get_metric(
        dms: *const dm_stats, metric: c_int, region_id: u64, area_id: u64, value: *mut f64,
    ) -> c_int {
        let Some(metric) = u64::try_from(metric).ok().and_then(Metric::from_number) else {
            log_error!("Attempt to read invalid metric: {metric}");
            return 0;
        };
        // SAFETY: the caller passes a handle and a place for the result.
        unsafe { store(value, read(dms).and_then(|d| d.metric(metric, region_id, area_id))) }
    }

    /// The part of the interval with requests in flight, as dm_percent_t.
    fn dm_stats_get_utilization(dms: *const dm_stats, util: *mut c_int, region_id: u64, area_id: u64) -> c_int {
        // SAFETY: the caller passes a handle and a place for the result.
        unsafe {
            let dms = read(dms).filter(|d| d.stats.is_listed());
            store(util, dms.and_then(|d| Some(d.stats.utilization(d.scope(region_id, area_id)?)?.0)))
        }
    }
}
