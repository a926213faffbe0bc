//! Queries: what an application answers, and the answers that an asker reads.

pub mod answer;
pub mod open;

pub use open::{Reply, Responder, Summary};

use rumormill_core::time::Duration;
use rumormill_protocols::spread::queries::TIMEOUT_MAX;

/// For so long answers are taken: the time that was given, or the default. Without a given time a query of which no live member is meant is over at once;
/// with one it goes out all the same, for members that come back.
pub fn time_for_answers(
    given: Option<Duration>,
    gossip_interval: Duration,
    members: usize,
    expected: u32,
) -> Duration {
    match given {
        Some(given) => given,
        None if expected == 0 => Duration::ZERO,
        None => default_timeout(gossip_interval, members),
    }
}

/// For so long answers are taken if nothing is said: 16 gossip rounds for each power of ten of the members (serf: `QueryTimeoutMult` 16), so 6.4 s for
/// 10 to 99 members at 200 ms.
fn default_timeout(gossip_interval: Duration, members: usize) -> Duration {
    let powers = ((members + 1) as f64).log10().ceil().max(1.0) as u32;
    (gossip_interval * 16 * powers).min(TIMEOUT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_given_time_is_waited_if_nobody_is_expected() {
        let (interval, given) = (Duration::from_millis(200), Duration::from_secs(30));
        let time = |given, expected| time_for_answers(given, interval, 5, expected);
        assert_eq!((time(None, 0), time(None, 1)), (Duration::ZERO, Duration::from_millis(3_200)));
        assert_eq!((time(Some(given), 0), time(Some(given), 1)), (given, given));
    }

    #[test]
    fn the_default_time_is_that_of_serf() {
        let interval = Duration::from_millis(200);
        for (members, millis) in
            [(0, 3_200), (2, 3_200), (9, 3_200), (10, 6_400), (99, 6_400), (1_000, 12_800)]
        {
            assert_eq!(default_timeout(interval, members), Duration::from_millis(millis), "{members}");
        }
    }
}
