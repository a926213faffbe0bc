//! The settings of events, and what they mean to the protocol.

use rumormill_protocols::spread::events::{self, NAME_BYTES_MAX, PAYLOAD_BYTES_MAX};
use std::ops::RangeInclusive;

/// What the retained window may take, in bytes: at least four of the largest events, and no more than a machine has to spare (our guess).
pub const WINDOW_BYTES: RangeInclusive<u64> = 4 * (PAYLOAD_BYTES_MAX + NAME_BYTES_MAX + 1) as u64..=1 << 30;
/// How many events may be on their way from one publisher (our guess).
pub const QUEUE: RangeInclusive<u64> = 1..=65_536;

/// How events are kept and told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsConfig {
    /// Bytes of events that are retained: for others, and once more for consumers (which share the same bytes).
    pub window_bytes: usize,
    /// Events published here of which it is not known yet how far they came; beyond it more are refused.
    pub queue_max: usize,
    /// Whether retained events from before a join are delivered to the new member's consumers.
    pub replay: bool,
}

impl Default for EventsConfig {
    /// The protocol's own (issue: 4 MiB of events).
    fn default() -> Self {
        let events::Config { window_bytes_max, queue_max, replay, .. } = events::Config::default();
        EventsConfig { window_bytes: window_bytes_max, queue_max, replay }
    }
}

impl EventsConfig {
    /// The protocol's settings: what is on its way from here may take a quarter of what is retained, as by default.
    pub fn protocol(&self) -> events::Config {
        events::Config {
            window_bytes_max: self.window_bytes,
            queue_max: self.queue_max,
            queue_bytes_max: self.window_bytes / 4,
            replay: self.replay,
            ..events::Config::default()
        }
    }
}
