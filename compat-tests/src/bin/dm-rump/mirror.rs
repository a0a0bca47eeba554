//! Target mirror: what takes time.

use std::thread;
use std::time::{Duration, Instant};

use compat_tests::rump::File;

use super::driver::{Checked, Machine, Test, holds, pattern, same, write};
use super::offset;

/// The tests by name.
pub(crate) const TESTS: &[(&str, Test)] = &[("a mirror's log calls regions clean when nothing is written", rest)];

/// Waits until the log says of the first eight regions what is expected.
fn says(log: &File, expected: u8) -> Checked {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        // The bits come after the header's sector and one more.
        let mut bits = [0; 512];
        same("read", log.read_at(&mut bits, offset(2)), Ok(512))?;
        if bits[0] == expected || Instant::now() > end {
            return same("the regions", bits[0], expected);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn rest(machine: &Machine<'_>) -> Checked {
    let log = machine.disk(12)?;
    write(&log, 0, &[0; 4096])?;
    machine.make(
        "mir",
        &[(0, 64, "mirror", "disk 2 /dev/ram12 8 2 /dev/ram13 0 /dev/ram14 0")],
    )?;
    says(&log, 0xff)?;
    let mirror = machine.raw("mir")?;
    for round in 0..4 {
        // What is written before the pause is over makes it begin again.
        for seed in 0..20 {
            write(&mirror, 8 * round, &pattern(8, seed))?;
        }
        says(&log, 0xff)?;
    }
    // The device goes while its machine waits.
    write(&mirror, 40, &pattern(8, 3))?;
    holds("the second leg", &machine.disk(14)?, 40, &pattern(8, 3))
}
