//! The wall clock.

use rumormill_core::time::Wall;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The present Unix time.
pub fn wall() -> Wall {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Wall(u64::try_from(unix.as_millis()).unwrap_or(u64::MAX))
}
