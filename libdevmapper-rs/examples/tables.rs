//! Prints the table of every device, as `dmsetup table` does, and what a program would do with typed lines.
//!
//! `cargo run -p libdevmapper-rs --example tables`, as root.

use libdevmapper::device::{self, MappedDevice};
use libdevmapper::table::{Key, Params, Table};

/// Keys stay out of the output.
fn hide_keys(table: &Table) -> libdevmapper::error::Result<Table> {
    let mut shown = Table::new();
    for line in table.lines() {
        let mut params = line.params.clone();
        if let Params::Crypt(crypt) = &mut params
            && let Key::Raw(_) = crypt.key
        {
            crypt.key = Key::None;
        }
        shown.push(line.length, params)?;
    }
    Ok(shown)
}

fn main() -> libdevmapper::error::Result<()> {
    for entry in device::list()? {
        let device = MappedDevice::by_number(entry.dev);
        match device.table().and_then(|table| hide_keys(&table)) {
            Ok(table) => table.lines().iter().for_each(|line| println!("{}: {line}", entry.name)),
            Err(error) => eprintln!("{}: {error}", entry.name),
        }
    }
    Ok(())
}
