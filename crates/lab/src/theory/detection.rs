//! Detection times of failure detectors.

use libm::{exp, log1p};

/// A gossip-style failure detector: every round each member sends its table of heartbeats to a random one (van Renesse, Minsky, Hayden 1998, section 3).
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct GossipDetector {
    /// Number of members, the failed ones included.
    pub members: usize,
    /// Number of members that have failed from the start and are still gossiped to.
    pub failed: usize,
    /// Share of messages that are lost.
    pub loss: f64,
}

impl GossipDetector {
    /// The number of rounds after which the probability that some live member has not heard one heartbeat is at most `p_mistake`: a longer silence means failure.
    ///
    /// A round is as many micro-rounds as there are members; in each a random member gossips to a random other. With k of n infected and f failed
    /// that infects one more with probability k/n (n-f-k)/(n-1) (1-loss).
    pub fn rounds_for(&self, p_mistake: f64) -> usize {
        const ROUNDS_MAX: usize = 100_000;
        let mut spread = Spread::new(self);
        for round in 0..ROUNDS_MAX {
            if spread.p_mistake() <= p_mistake {
                return round;
            }
            spread.round();
        }
        ROUNDS_MAX
    }

    /// The probability that some live member has not heard one heartbeat after 0, 1, ..., `rounds` rounds.
    pub fn p_mistake(&self, rounds: usize) -> Vec<f64> {
        let mut spread = Spread::new(self);
        let mut all = vec![spread.p_mistake()];
        for _ in 0..rounds {
            spread.round();
            all.push(spread.p_mistake());
        }
        all
    }

    /// Seconds between two gossips of a member that may send `bytes_per_s`, with `entry_bytes` per member in its table (the paper: 250 and 8).
    pub fn round_s(&self, bytes_per_s: f64, entry_bytes: f64) -> f64 {
        self.members as f64 * entry_bytes / bytes_per_s
    }

    /// T_fail in seconds: [`rounds_for`](Self::rounds_for) at that pace. A failed member is forgotten after twice that, T_cleanup.
    pub fn t_fail_s(&self, p_mistake: f64, bytes_per_s: f64, entry_bytes: f64) -> f64 {
        self.rounds_for(p_mistake) as f64 * self.round_s(bytes_per_s, entry_bytes)
    }
}

/// The distribution of the number of infected members.
struct Spread {
    micro_rounds: usize,
    /// For k = 0, 1, ...: the probability that a micro-round infects one more.
    more: Vec<f64>,
    p: Vec<f64>,
}

impl Spread {
    fn new(detector: &GossipDetector) -> Spread {
        let GossipDetector { members, failed, loss } = *detector;
        let (n, live) = (members as f64, members.saturating_sub(failed).max(1));
        let more = |k: usize| k as f64 / n * (live - k) as f64 / (n - 1.0).max(1.0) * (1.0 - loss);
        let mut p = vec![0.0; live + 1];
        p[1] = 1.0;
        Spread { micro_rounds: members, more: (0..=live).map(more).collect(), p }
    }

    fn round(&mut self) {
        for _ in 0..self.micro_rounds {
            for k in (1..self.p.len()).rev() {
                self.p[k] = self.p[k] * (1.0 - self.more[k]) + self.p[k - 1] * self.more[k - 1];
            }
        }
    }

    /// The sum of what is short of all, from the small terms up: 1 - P(all) would cancel.
    fn p_mistake(&self) -> f64 {
        self.p[..self.p.len() - 1].iter().sum()
    }
}

/// SWIM with uniformly random targets: the expected period of the first probe of a crashed member, e/(e-1) = 1.58 for many members
/// (Das, Gupta, Motivala 2002, section 3.1).
pub const SWIM_FIRST_DETECTION_PERIODS: f64 = 1.581_976_706_869_326_4;

/// The same for `n` members, all others live: each of n - 1 picks the crashed one with probability 1/(n-1).
pub fn swim_first_detection_periods(n: f64) -> f64 {
    let missed_by_all = exp((n - 1.0) * log1p(-1.0 / (n - 1.0)));
    1.0 / (1.0 - if n > 2.0 { missed_by_all } else { 0.0 })
}

/// With round-robin probing a crash is detected after at most 2n - 1 periods (Das 2002, section 4.3).
pub fn swim_detection_periods_max(n: f64) -> f64 {
    2.0 * n - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::assert_near;
    use rumormill_core::rng::Rng;

    fn detector(members: usize) -> GossipDetector {
        GossipDetector { members, failed: 0, loss: 0.0 }
    }

    #[test]
    fn fifty_members_at_250_bytes_a_second_gossip_every_1_6_seconds() {
        assert_near("the course notes", detector(50).round_s(250.0, 8.0), 1.6, 1e-12);
        // The notes: about 35 s to tell a member that is down with a certainty of 0.99999.
        assert_near("T_fail", detector(50).t_fail_s(1e-5, 250.0, 8.0), 35.0, 0.5);
    }

    #[test]
    fn the_probability_of_a_mistake_is_that_of_a_simulation() {
        let (n, f, loss, runs) = (20, 4, 0.1, 20_000);
        let mut rng = Rng::seeded(3);
        let mut missing = [0.0; 13];
        for _ in 0..runs {
            let mut knows = vec![false; n];
            knows[0] = true;
            for share in &mut missing {
                *share += f64::from(u8::from(knows[..n - f].contains(&false))) / f64::from(runs);
                for _ in 0..n {
                    let (from, to) = (rng.below(n), rng.below(n - 1));
                    let to = if to >= from { to + 1 } else { to };
                    if from < n - f && to < n - f && knows[from] && !rng.chance(loss) {
                        knows[to] = true;
                    }
                }
            }
        }
        let exact = GossipDetector { members: n, failed: f, loss }.p_mistake(12);
        for (round, (simulated, exact)) in missing.iter().zip(exact).enumerate() {
            assert_near(&format!("seed 3, round {round}"), *simulated, exact, 0.015);
        }
    }

    #[test]
    fn detection_scales_as_the_paper_says() {
        // Rounds grow with log n, so that time at a fixed bandwidth grows with n log n.
        let rounds = |n| detector(n).rounds_for(1e-6) as f64;
        let per_doubling = [rounds(100) - rounds(50), rounds(200) - rounds(100), rounds(400) - rounds(200)];
        assert!(per_doubling.iter().all(|d| (1.0..=3.0).contains(d)), "{per_doubling:?}");
        // The cost is logarithmic in 1/P_mistake.
        let by_p = [1e-3, 1e-6, 1e-9].map(|p| detector(100).rounds_for(p) as f64);
        assert_near("equal steps", by_p[1] - by_p[0], by_p[2] - by_p[1], 1.0);
        // Half the members failed: less than twice the time. A tenth of the messages lost: a small effect.
        let half = GossipDetector { failed: 50, ..detector(100) }.rounds_for(1e-6) as f64;
        assert!(half < 2.0 * by_p[1] && half > by_p[1], "{half} to {}", by_p[1]);
        let lossy = GossipDetector { loss: 0.1, ..detector(100) }.rounds_for(1e-6) as f64;
        assert!((1.0..1.2).contains(&(lossy / by_p[1])), "{lossy} to {}", by_p[1]);
    }

    #[test]
    fn swim_detects_first_after_1_58_periods() {
        assert_near("e/(e-1)", 1.0 / (1.0 - exp(-1.0)), SWIM_FIRST_DETECTION_PERIODS, 1e-15);
        assert_near("many members", swim_first_detection_periods(1e7), SWIM_FIRST_DETECTION_PERIODS, 1e-6);
        assert_near("100 members", swim_first_detection_periods(100.0), 1.577, 2e-3);
        assert_eq!(swim_first_detection_periods(2.0), 1.0);
        assert_eq!(swim_detection_periods_max(100.0), 199.0);
    }
}
