//! Queries: what an application answers, and the answers that an asker reads.

pub mod answer;
pub mod open;

pub use open::{Reply, Responder, Summary};

use rumormill_core::time::Duration;
use rumormill_protocols::spread::queries::TIMEOUT_MAX;

/// For so long answers are taken if nothing is said: 16 gossip rounds for each power of ten of the members (serf: `QueryTimeoutMult` 16), so 6.4 s for
/// 10 to 99 members at 200 ms.
pub fn default_timeout(gossip_interval: Duration, members: usize) -> Duration {
    let powers = ((members + 1) as f64).log10().ceil().max(1.0) as u32;
    (gossip_interval * 16 * powers).min(TIMEOUT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

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
