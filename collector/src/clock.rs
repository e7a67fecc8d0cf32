//! The one place in this package that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since the epoch, UTC.
#[must_use]
pub fn now_ns() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
        })
}
