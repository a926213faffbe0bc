//! Push, exactly: the Markov chain of the number of informed nodes.
//!
//! In each round each of the `i` that know contacts one of the `n - 1` others, uniformly. The contacts of a round are taken one after the other:
//! if `j` are new already, the next one finds a new one with probability (n - i - j)/(n - 1). All terms are positive, so nothing cancels.

/// The simple push epidemic over `n` nodes, from one informed node.
pub struct Push {
    n: usize,
    /// For each number of informed nodes, from 1: the probabilities of 0, 1, 2, ... new ones in a round.
    new: Vec<Vec<f64>>,
}

/// Upper bound on the nodes of a chain: larger ones take minutes, since the work grows with the cube.
pub const NODES_MAX: usize = 2_000;
/// Smaller probabilities are left out.
const NEGLIGIBLE: f64 = 1e-12;

impl Push {
    /// The chain over `n` nodes. Takes about n^3/8 steps: a tenth of a second for 1,000 nodes.
    ///
    /// # Panics
    /// If `n` is not between 2 and [`NODES_MAX`].
    pub fn new(n: usize) -> Push {
        assert!((2..=NODES_MAX).contains(&n), "a chain over {n} nodes: give 2 to {NODES_MAX}");
        Push { n, new: (1..n).map(|i| new_in_a_round(i, n)).collect() }
    }

    /// The distribution of the number of nodes that know: after each round the probabilities that 0, 1, ..., n know, until all do with
    /// probability 1 - 10^-12; the first is that before any round.
    pub fn distribution(&self) -> Vec<Vec<f64>> {
        let mut now = vec![0.0; self.n + 1];
        now[1] = 1.0;
        let mut all = vec![now];
        while 1.0 - all[all.len() - 1][self.n] > NEGLIGIBLE {
            all.push(self.after_a_round(&all[all.len() - 1]));
        }
        all
    }

    fn after_a_round(&self, now: &[f64]) -> Vec<f64> {
        let mut next = vec![0.0; self.n + 1];
        next[self.n] = now[self.n];
        for (i, p) in now.iter().enumerate().take(self.n).skip(1).filter(|(_, p)| **p > 0.0) {
            for (j, q) in self.new[i - 1].iter().enumerate() {
                next[i + j] += p * q;
            }
        }
        next
    }

    /// The expected informed share after 0, 1, ... rounds.
    pub fn curve(&self) -> Vec<f64> {
        let n = self.n as f64;
        let mean = |p: &Vec<f64>| p.iter().enumerate().map(|(i, p)| i as f64 * p).sum::<f64>() / n;
        self.distribution().iter().map(mean).collect()
    }

    /// The probability that all know after 0, 1, ... rounds.
    pub fn all_informed(&self) -> Vec<f64> {
        self.distribution().iter().map(|p| p[self.n]).collect()
    }

    /// The expected number of rounds until all know.
    pub fn expected_rounds(&self) -> f64 {
        let mut rounds = vec![0.0; self.n + 1];
        for i in (1..self.n).rev() {
            let new = &self.new[i - 1];
            let ahead: f64 = new.iter().enumerate().skip(1).map(|(j, p)| p * rounds[i + j]).sum();
            // 1 - P(no new one), as the sum of the others: it does not cancel.
            let progress: f64 = new[1..].iter().sum();
            rounds[i] = (1.0 + ahead) / progress;
        }
        rounds[1]
    }

    /// The expected factor by which the number that knows grows in a round when `i` know.
    ///
    /// # Panics
    /// If `i` is not between 1 and n - 1.
    pub fn growth_factor(&self, i: usize) -> f64 {
        let new: f64 = self.new[i - 1].iter().enumerate().map(|(j, p)| j as f64 * p).sum();
        1.0 + new / i as f64
    }
}

/// The number of the `n - i` others that `i` contacts reach: the probabilities of 0, 1, 2, ....
fn new_in_a_round(i: usize, n: usize) -> Vec<f64> {
    let most = i.min(n - i);
    let others = (n - 1) as f64;
    let mut p = vec![0.0; most + 1];
    p[0] = 1.0;
    for contact in 0..i {
        for j in (0..=most.min(contact + 1)).rev() {
            let hit = if j == 0 { 0.0 } else { p[j - 1] * (n - i - (j - 1)) as f64 / others };
            // A contact misses if its target was informed before, or is new already.
            p[j] = p[j] * (i - 1 + j) as f64 / others + hit;
        }
    }
    p
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::{assert_near, rounds};
    use rumormill_core::rng::Rng;

    #[test]
    fn small_chains_are_as_computed_by_hand() {
        assert_near("two nodes", Push::new(2).expected_rounds(), 1.0, 1e-15);
        // Three nodes: one round to two; then each of the two finds the third with probability 1/2, so 3/4 a round.
        assert_near("three nodes", Push::new(3).expected_rounds(), 1.0 + 4.0 / 3.0, 1e-15);
        let second = &Push::new(3).distribution()[2];
        assert_near("after two rounds", second[3], 0.75, 1e-15);
    }

    #[test]
    fn every_row_is_a_distribution() {
        for row in Push::new(300).new {
            assert_near("its sum", row.iter().sum(), 1.0, 1e-12);
            assert!(row.iter().all(|p| (0.0..=1.0 + 1e-12).contains(p)));
        }
    }

    #[test]
    fn the_expected_rounds_are_those_of_a_simulation_and_above_pittels() {
        // Simulated means: 15.08 at n = 300 (2,000 runs), 18.05 at 1,000 (2,000 runs).
        assert_near("n = 300", Push::new(300).expected_rounds(), 15.08, 0.1);
        let chain = Push::new(1_000);
        assert_near("n = 1000", chain.expected_rounds(), 18.05, 0.1);
        let offset = chain.expected_rounds() - rounds::pittel(1_000.0);
        assert!((0.5..2.0).contains(&offset), "Pittel's O(1) is {offset}");
        let by_sum: f64 = chain.all_informed().iter().map(|p| 1.0 - p).sum();
        assert_near("the same from the distribution", by_sum, chain.expected_rounds(), 1e-6);
    }

    #[test]
    fn it_agrees_with_a_small_simulation() {
        let (n, runs) = (50, 4_000);
        let mut rng = Rng::seeded(5);
        let mut curve = [0.0; 6];
        for _ in 0..runs {
            let mut knows = vec![false; n];
            knows[0] = true;
            for share in &mut curve {
                *share += knows.iter().filter(|k| **k).count() as f64 / n as f64 / f64::from(runs);
                let tellers: Vec<usize> = (0..n).filter(|i| knows[*i]).collect();
                for teller in tellers {
                    let other = rng.below(n - 1);
                    knows[if other >= teller { other + 1 } else { other }] = true;
                }
            }
        }
        for (round, (simulated, exact)) in curve.iter().zip(Push::new(n).curve()).enumerate() {
            assert_near(&format!("seed 5, round {round}"), *simulated, exact, 0.01);
        }
    }

    #[test]
    fn growth_runs_from_2_over_1_4_to_1() {
        let chain = Push::new(1_000);
        let factors = [chain.growth_factor(1), chain.growth_factor(500), chain.growth_factor(999)];
        assert_near("first", factors[0], 2.0, 1e-12);
        assert_near("half way", factors[1], 1.394, 1e-3);
        assert_near("last", factors[2], 1.0, 1e-3);
    }
}
