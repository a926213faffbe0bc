//! How many log lines others can cause: of each kind the first few in an interval are written at once, the rest is counted and summed up in one line.
//!
//! Whoever sends packets decides how often such a line is due, and how long the names in it are. Lines of this machine's own making need no limit.

use rumormill_core::words;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time that the limits are about (our guess).
pub const INTERVAL: Duration = Duration::from_secs(10);
/// Lines of most kinds in an interval; more are only counted (our guess).
const LINES_MAX: u32 = 32;
/// Lines about members in an interval (our guess: a cluster of a thousand that starts at once is told machine by machine, in a few kilobytes a second).
const MEMBER_LINES_MAX: u32 = 1_024;

/// What a line is about.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Members that come, change, fail or go.
    Member,
    /// Names that several members claim.
    NameTaken,
    /// Who is kept out.
    Ban,
    /// Keys that members order, ask for or give.
    Keys,
    /// Commands that events and queries start.
    Handler,
    /// Clients of the admin API and of Serf's RPC.
    Client,
    /// Members that could not answer a query.
    Query,
}

impl Kind {
    /// All kinds, with what they are called in a summary.
    const ALL: [(Kind, &'static str); 7] = [
        (Kind::Member, "members that came, changed, failed or left"),
        (Kind::NameTaken, "names that several members claim"),
        (Kind::Ban, "bans"),
        (Kind::Keys, "cluster keys that members ordered, asked for or gave"),
        (Kind::Handler, "handlers"),
        (Kind::Client, "clients of the admin API and of Serf's RPC"),
        (Kind::Query, "members that could not answer a query"),
    ];

    fn lines_max(self) -> u32 {
        match self {
            Kind::Member => MEMBER_LINES_MAX,
            _ => LINES_MAX,
        }
    }
}

/// One for the whole process, as logging itself is.
static LIMITS: [Mutex<Limit>; Kind::ALL.len()] = [const { Mutex::new(Limit::new()) }; Kind::ALL.len()];

/// Whether one more line of this kind may be written now; if not, it is counted.
pub fn allows(kind: Kind) -> bool {
    with(kind, |limit| limit.allows(kind.lines_max(), Instant::now()))
}

/// Writes how many lines were left out, once an interval, until it is dropped.
pub async fn sum_up() {
    loop {
        tokio::time::sleep(INTERVAL).await;
        for (kind, about) in Kind::ALL {
            let left_out = with(kind, Limit::take_left_out);
            if left_out > 0 {
                tracing::warn!(
                    left_out,
                    "{} about {about} {} not written: {} in {} s are the most",
                    words::count(left_out, "more line"),
                    words::either(left_out, "was", "were"),
                    kind.lines_max(),
                    INTERVAL.as_secs()
                );
            }
        }
    }
}

fn with<R>(kind: Kind, act: impl FnOnce(&mut Limit) -> R) -> R {
    act(&mut LIMITS[kind as usize].lock().unwrap_or_else(PoisonError::into_inner))
}

/// The lines of one kind.
#[derive(Debug)]
struct Limit {
    /// When the interval began.
    since: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl Limit {
    const fn new() -> Limit {
        Limit { since: None, written: 0, left_out: 0 }
    }

    fn allows(&mut self, lines_max: u32, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.duration_since(since) >= INTERVAL) {
            (self.since, self.written) = (Some(now), 0);
        }
        let allowed = self.written < lines_max;
        self.written += u32::from(allowed);
        self.left_out += u64::from(!allowed);
        allowed
    }

    fn take_left_out(&mut self) -> u64 {
        std::mem::take(&mut self.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_of_an_interval_are_written_and_the_rest_is_counted() {
        let (mut limit, start) = (Limit::new(), Instant::now());
        for interval in 0..3 {
            let at = |n: u32| start + INTERVAL * interval + INTERVAL / 20_000 * n;
            let written = (0..10_000).filter(|n| limit.allows(LINES_MAX, at(*n))).count();
            assert_eq!((written, limit.take_left_out()), (LINES_MAX as usize, 10_000 - u64::from(LINES_MAX)));
        }
        assert_eq!(limit.take_left_out(), 0);
    }

    #[test]
    fn each_kind_has_a_limit_of_its_own() {
        for (at, (kind, about)) in Kind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, at, "{about}");
        }
    }
}
