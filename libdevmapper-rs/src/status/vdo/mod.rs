//! VDO: status line, statistics, limits of the target's parameters, and the size a volume was formatted with.

mod params;
mod size;
mod stats;
mod status;

pub use params::{TargetParams, WritePolicy, validate};
pub use size::logical_size;
pub use stats::{Field, MAX_FIELDS, Stats, TEXT_SIZE, parse_stats};
pub use status::{CompressionState, IndexState, OperatingMode, Status, parse_status};
