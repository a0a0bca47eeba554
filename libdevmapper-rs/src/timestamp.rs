//! Monotonic timestamps.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::error::{Error, Result};
use crate::log_sys_error;

/// A moment of the system's monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(Duration);

impl Timestamp {
    /// The time now.
    ///
    /// # Errors
    /// [`Error::System`] when there is no such clock.
    pub fn now() -> Result<Self> {
        match clock_gettime(ClockId::CLOCK_MONOTONIC) {
            Ok(time) => Ok(Self(time.into())),
            Err(errno) => {
                let source = std::io::Error::from(errno);
                log_sys_error!("timestamp", "clock_gettime", source);
                Err(Error::System {
                    path: "timestamp".into(),
                    call: "clock_gettime",
                    source,
                })
            }
        }
    }

    /// Nanoseconds between the two, whichever came first; at most `u64::MAX`.
    #[must_use]
    pub fn delta(self, other: Self) -> u64 {
        u64::try_from(self.0.abs_diff(other.0).as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_difference() {
        let (a, b) = (Timestamp(Duration::new(5, 999_999_999)), Timestamp(Duration::new(7, 1)));
        assert!(a < b);
        assert_eq!((a.delta(b), b.delta(a), a.delta(a)), (1_000_000_002, 1_000_000_002, 0));
        assert_eq!(Timestamp(Duration::MAX).delta(Timestamp::default()), u64::MAX);
        let now = Timestamp::now().unwrap();
        assert!(now > Timestamp::default() && Timestamp::now().unwrap() >= now);
    }
}
