//! The bandwidth of a node's line: bytes per second up and down, each behind a bounded queue.
//!
//! A packet that finds the line busy waits until it is free, and then takes as long as its bytes need; a packet that finds the queue full
//! is dropped (tail drop) and counted. First in, first out, so the time at which the line is free again is all the state of a queue.

use crate::ids::{self, Ids};
use rumormill_core::identity::NodeId;
use rumormill_core::time::{Duration, Time};
use serde::{Deserialize, Serialize};

/// Upper bound on the kinds of lines of a world.
pub const LINES_MAX: usize = 64;
/// Makes the draw of lines independent of other draws by a node's id.
const LINE_SALT: u64 = 0x11_4e5a;

/// One kind of line, and the nodes that have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Line {
    /// Nodes that have this line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<Ids>,
    /// Its share of the nodes that no line names, relative to the sum of all weights; drawn by a hash of their ids. A line with neither
    /// ids nor a weight is for all other nodes.
    #[serde(skip_serializing_if = "ids::is_zero")]
    pub weight: f64,
    /// Upload in bytes per second; 0: no limit.
    pub up_bytes_per_s: u64,
    /// Download in bytes per second; 0: no limit.
    pub down_bytes_per_s: u64,
    /// Bytes that wait or are being sent, in each direction; an idle line takes any packet.
    pub queue_bytes: u64,
}

impl Default for Line {
    /// A home line: 50 Mbit/s both ways (the full node of libp2p's `gossipsub-interop`), 256 KiB of queue (our guess: 40 ms of it).
    fn default() -> Self {
        Line {
            ids: None,
            weight: 0.0,
            up_bytes_per_s: 50_000_000 / 8,
            down_bytes_per_s: 50_000_000 / 8,
            queue_bytes: 256 << 10,
        }
    }
}

impl Line {
    pub(crate) fn check(&self) -> Result<(), String> {
        ids::check_weight(self.weight)?;
        if self.queue_bytes == 0 && (self.up_bytes_per_s > 0 || self.down_bytes_per_s > 0) {
            return Err("a line without a queue: give queue_bytes room for some packets".into());
        }
        if self.queue_bytes > 1 << 40 {
            return Err("queue_bytes of a line is above a tebibyte: give less".into());
        }
        Ok(())
    }
}

/// The line of a node; `None`: its bandwidth has no limit.
pub(crate) fn line_of(lines: &[Line], id: NodeId) -> Option<usize> {
    let drawn = ids::group_of(lines.iter().map(|line| (line.ids.as_ref(), line.weight)), id, LINE_SALT);
    let any = || lines.iter().position(|line| line.ids.is_none() && line.weight == 0.0);
    drawn.or_else(any)
}

/// One direction of a line: the time at which it is free again.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub(crate) struct Queue {
    free: Time,
}

impl Queue {
    /// The time at which a packet of `bytes` that arrives now has passed; `None` if the queue is full.
    pub fn pass(&mut self, now: Time, bytes: usize, rate: u64, queue_bytes: u64) -> Option<Time> {
        if rate == 0 {
            return Some(now);
        }
        let start = self.free.max(now);
        let waiting_ns = u128::from(start.0 - now.0);
        let waiting_bytes = waiting_ns * u128::from(rate) / 1_000_000_000;
        if start > now && waiting_bytes + bytes as u128 > u128::from(queue_bytes) {
            return None;
        }
        self.free = start + time_of(bytes, rate);
        Some(self.free)
    }
}

/// How long these bytes take.
fn time_of(bytes: usize, rate: u64) -> Duration {
    let ns = bytes as u128 * 1_000_000_000 / u128::from(rate);
    Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_lets_through_what_it_is_said_to() {
        // 1,000 bytes at 1 MB/s take a millisecond each.
        let mut queue = Queue::default();
        let ms = |n: u64| Time(n * 1_000_000);
        let mut pass = |now| queue.pass(now, 1_000, 1_000_000, 10_000);
        assert_eq!(pass(ms(5)), Some(ms(6)), "an idle line takes as long as the bytes need");
        assert_eq!(pass(ms(5)), Some(ms(7)), "the next waits");
        let rest: Vec<_> = (0..10).map(|_| pass(ms(5))).collect();
        assert_eq!(rest.iter().flatten().count(), 8, "ten fit, the eleventh and twelfth do not");
        assert_eq!(pass(ms(14)), Some(ms(16)), "one is still on its way");
        assert_eq!(pass(ms(99)), Some(ms(100)));
    }

    #[test]
    fn an_idle_line_takes_a_packet_that_is_larger_than_its_queue() {
        let mut queue = Queue::default();
        assert_eq!(queue.pass(Time(0), 5_000, 1_000_000, 10), Some(Time(5_000_000)));
        assert_eq!(queue.pass(Time(1), 1, 1_000_000, 10), None);
        assert_eq!(queue.pass(Time(1), usize::MAX >> 1, 0, 10), Some(Time(1)), "no limit, no queue");
    }

    #[test]
    fn who_has_which_line() {
        let fast = Line { ids: Some(Ids::range(0..10)), up_bytes_per_s: 1, ..Line::default() };
        let rest = Line { up_bytes_per_s: 2, ..Line::default() };
        let lines = [fast.clone(), rest];
        let up = |id| line_of(&lines, NodeId(id)).map(|at| lines[at].up_bytes_per_s);
        assert_eq!((up(3), up(10)), (Some(1), Some(2)));
        assert_eq!(line_of(&[fast], NodeId(10)), None);
    }
}
