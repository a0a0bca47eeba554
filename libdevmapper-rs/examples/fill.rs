//! Says how full snapshots, pools and thin devices are, from their typed status.
//!
//! `cargo run -p libdevmapper-rs --example fill`, as root.

use libdevmapper::device::{self, MappedDevice};
use libdevmapper::percent::Percent;
use libdevmapper::table::{SnapshotStatus, Status, ThinPoolStatus, ThinStatus};

/// What is full, and how much.
fn fill(status: &Status, sectors: u64) -> Option<(&'static str, Percent)> {
    match status {
        Status::Snapshot(SnapshotStatus::Used { used, total, .. }) => {
            Some(("exception store", Percent::of(*used, *total)))
        }
        Status::Snapshot(_) => Some(("exception store", Percent::INVALID)),
        Status::ThinPool(ThinPoolStatus::Running(pool)) => Some((
            "data of the pool",
            Percent::of(pool.used_data_blocks, pool.total_data_blocks),
        )),
        Status::Thin(ThinStatus::Mapped { mapped, .. }) => Some(("thin device", Percent::of(*mapped, sectors))),
        _ => None,
    }
}

fn main() -> libdevmapper::error::Result<()> {
    for entry in device::list()? {
        for line in MappedDevice::by_number(entry.dev).status()? {
            if let Some((what, percent)) = fill(&line.params, line.length) {
                println!("{}: {what} {:.2} %", entry.name, percent.to_round_float(2));
            }
        }
    }
    Ok(())
}
