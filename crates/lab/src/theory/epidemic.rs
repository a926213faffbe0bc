//! The growth of an epidemic, and its end.

use super::smallest_fixed_point;
use libm::{exp, expm1, log, log1p};

/// The probability that a given uninformed node of `n` is informed in one round in which `k` informed ones contact one node each,
/// uniformly among all `n`: 1 - (1 - 1/n)^k. (Epidemic theory after Bailey 1975, as in the course notes on gossip.)
pub fn p_infect(k: f64, n: f64) -> f64 {
    -expm1(k * log1p(-1.0 / n))
}

/// The same for large `n`: 1 - e^(-k/n).
pub fn p_infect_mean_field(k: f64, n: f64) -> f64 {
    -expm1(-k / n)
}

/// The mean factor by which the number of informed nodes grows in one round of push, when `k` of `n` are informed: 2 at the
/// beginning, 1.4 half way, 1 at the end (course notes on gossip).
pub fn growth_factor(k: f64, n: f64) -> f64 {
    1.0 + (n - k) / k * p_infect(k, n)
}

/// One round of push in the mean field: `x` is the informed part of the live nodes, each sends to `fanout` nodes, a part `loss` of the
/// messages is lost, a part `crashed` of all nodes is down. x' = 1 - (1-x) e^(-fanout x (1-loss)(1-crashed)).
pub fn push_round(x: f64, fanout: f64, loss: f64, crashed: f64) -> f64 {
    1.0 - (1.0 - x) * exp(-fanout * x * (1.0 - loss) * (1.0 - crashed))
}

/// The informed part of `n` nodes after 0, 1, ... rounds of [`push_round`], until less than half a node is missing; at most `rounds_max`.
pub fn push_curve(n: f64, fanout: f64, loss: f64, crashed: f64, rounds_max: usize) -> Vec<f64> {
    let mut curve = vec![1.0 / n];
    while curve.len() <= rounds_max {
        let x = curve[curve.len() - 1];
        if (1.0 - x) * n < 0.5 {
            break;
        }
        curve.push(push_round(x, fanout, loss, crashed));
    }
    curve
}

/// Rumor mongering with feedback: the infective part when a part `s` is still susceptible, and each useless contact ends the interest with
/// probability 1/`k`. i(s) = (k+1)/k (1-s) + 1/k ln s (Demers 1987, section 1.4).
pub fn infective(s: f64, k: f64) -> f64 {
    (k + 1.0) / k * (1.0 - s) + log(s) / k
}

/// The part of the nodes that rumor mongering with feedback never reaches: the solution of s = e^(-(k+1)(1-s)) (Demers 1987, section 1.4).
pub fn residue(k: f64) -> f64 {
    smallest_fixed_point(|s| exp(-(k + 1.0) * (1.0 - s)))
}

/// The smallest k whose [`residue`] is at most `residue_max`; at least 1.
pub fn k_for_residue(residue_max: f64) -> u32 {
    (1..=1_000).find(|&k| residue(f64::from(k)) <= residue_max).unwrap_or(1_000)
}

/// A point of the epidemic of [`susceptible_infective_removed`].
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Stage {
    /// Time, in rounds.
    pub t: f64,
    /// Share of nodes that do not know.
    pub susceptible: f64,
    /// Share of nodes that know and tell.
    pub infective: f64,
    /// Share of nodes that know and have lost interest.
    pub removed: f64,
}

/// The equations of rumor mongering, s' = -s i and i' = s i - (1-s) i / k (Demers 1987, section 1.4), from one infective of `n`, by
/// Runge and Kutta's method with `steps_per_round` steps a round, until less than half a node is infective; at most `rounds_max`.
pub fn susceptible_infective_removed(
    n: f64,
    k: f64,
    rounds_max: usize,
    steps_per_round: usize,
) -> Vec<Stage> {
    let slope = |(s, i): (f64, f64)| (-s * i, s * i - (1.0 - s) * i / k);
    let h = 1.0 / steps_per_round as f64;
    let step = |(s, i): (f64, f64)| {
        let (a, b) = slope((s, i));
        let (c, d) = slope((s + h / 2.0 * a, i + h / 2.0 * b));
        let (e, f) = slope((s + h / 2.0 * c, i + h / 2.0 * d));
        let (g, j) = slope((s + h * e, i + h * f));
        (s + h / 6.0 * (a + 2.0 * c + 2.0 * e + g), i + h / 6.0 * (b + 2.0 * d + 2.0 * f + j))
    };
    let mut now = (1.0 - 1.0 / n, 1.0 / n);
    let mut stages = Vec::new();
    for at in 0..=rounds_max * steps_per_round {
        if at % steps_per_round == 0 {
            let (s, i) = now;
            stages.push(Stage { t: at as f64 * h, susceptible: s, infective: i, removed: 1.0 - s - i });
            if at > 0 && i * n < 0.5 {
                break;
            }
        }
        now = step(now);
    }
    stages
}

/// A rule by which rumor mongering by push ends, one contact a cycle.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Mongering {
    /// Useless contacts that end the interest, or one chance in this number at each.
    pub k: u32,
    /// Whether each useless contact ends the interest with a chance, rather than after a count.
    pub coin: bool,
    /// Whether a contact that tells is useful; if not (blind), each one is useless.
    pub feedback: bool,
    /// Whether contacts count as in the paper's tables: useful to all that found the update unknown when the cycle began, and setting the counter back. If not,
    /// only the first that tells is useful.
    pub tables: bool,
}

impl Mongering {
    /// The share of `n` nodes that is susceptible after 0, 1, ... cycles in which all act at once, from one infective node: the mean field of what runs, where
    /// [`susceptible_infective_removed`] lets time flow. Until less than half a node is infective; at most `cycles_max`.
    pub fn cycles(&self, n: f64, cycles_max: usize) -> Vec<f64> {
        let (k, mut susceptible) = (self.k.max(1) as usize, 1.0 - 1.0 / n);
        // Infective nodes by their count of useless contacts.
        let mut hot = vec![0.0; if self.coin { 1 } else { k }];
        hot[0] = 1.0 / n;
        let mut curve = vec![susceptible];
        while curve.len() <= cycles_max && hot.iter().sum::<f64>() * n >= 0.5 {
            let infective: f64 = hot.iter().sum();
            let left = susceptible * exp(-infective);
            let useful = match (self.feedback, self.tables) {
                (false, _) => 0.0,
                (true, true) => susceptible,
                (true, false) => (susceptible - left) / infective,
            };
            hot = self.weighed(&hot, useful);
            hot[0] += susceptible - left;
            susceptible = left;
            curve.push(susceptible);
        }
        curve
    }

    /// The infective nodes after a cycle in which this share of the contacts was useful.
    fn weighed(&self, hot: &[f64], useful: f64) -> Vec<f64> {
        if self.coin {
            return vec![hot[0] * (1.0 - (1.0 - useful) / f64::from(self.k.max(1)))];
        }
        let mut next = vec![0.0; hot.len()];
        for (count, share) in hot.iter().enumerate() {
            next[if self.tables { 0 } else { count }] += share * useful;
            if let Some(more) = next.get_mut(count + 1) {
                *more += share * (1.0 - useful);
            }
        }
        next
    }
}

/// The residue of any push variant that sends `m` messages per node: e^(-m) (Demers 1987, section 1.4).
pub fn residue_of_traffic(m: f64) -> f64 {
    exp(-m)
}

/// With a limit of one connection per node and round, a push that is turned away is a useless one that was never sent:
/// the residue is e^(-λm), λ = 1/(1 - 1/e) = 1.58 (Demers 1987, section 1.4).
pub const CONNECTION_LIMIT_LAMBDA: f64 = 1.581_976_706_869_326_4;

/// The residue of push with a limit of one connection, at `m` accepted messages per node: e^(-λm), with λ of [`CONNECTION_LIMIT_LAMBDA`].
pub fn residue_of_traffic_limited(m: f64) -> f64 {
    exp(-CONNECTION_LIMIT_LAMBDA * m)
}

/// The share of contacts that are accepted when every node makes one, and takes at most one: 1 - 1/e.
pub fn accepted_with_limit_one() -> f64 {
    -expm1(-1.0)
}

/// Feedback with counters: how many messages at least and at most went out when `removed` nodes knew and lost interest after `k`
/// useless contacts each: (k+1) m - 1 and k (2m - 1) (Demers 1987, section 1.4).
pub fn counter_traffic_bounds(k: f64, removed: f64) -> (f64, f64) {
    ((k + 1.0) * removed - 1.0, k * (2.0 * removed - 1.0))
}

/// The part that fixed-fanout infect-and-die reaches if it takes off: the solution of π = 1 - e^(-fπ) with f = `fanout` (1-`loss`) (1-`crashed`)
/// (Eugster, Guerraoui, Kermarrec, Massoulié 2004; of the live nodes, if some are crashed). 0 if f is at most 1.
pub fn infect_and_die_reach(fanout: f64, loss: f64, crashed: f64) -> f64 {
    let f = fanout * (1.0 - loss) * (1.0 - crashed);
    if f <= 1.0 {
        return 0.0;
    }
    1.0 - smallest_fixed_point(|s| exp(-f * (1.0 - s)))
}

/// The part of `n` nodes that infect-and-die misses if it takes off, where those that a node tells are `fanout` different others: a given one is not among
/// them with probability 1 - fanout/(n-1).
pub fn infect_and_die_residue(n: f64, fanout: f64, loss: f64) -> f64 {
    let told = fanout * (1.0 - loss) / (n - 1.0);
    if told >= 1.0 {
        return 0.0;
    }
    smallest_fixed_point(|s| exp(n * (1.0 - s) * log1p(-told)))
}

/// The probability that infect-and-die reaches all of `n` nodes: e^(-e^(-c)) with `fanout` = ln n + c (Kermarrec, Massoulié, Ganesh 2003, after Erdős and Rényi).
pub fn atomicity(n: f64, fanout: f64) -> f64 {
    exp(-exp(-(fanout - log(n))))
}

/// The fanout with which infect-and-die reaches all of `n` nodes with probability `p`: the inverse of [`atomicity`].
pub fn fanout_for_atomicity(n: f64, p: f64) -> f64 {
    log(n) - log(-log(p))
}

/// The fanout with which infect-and-die leaves out a part `residue_max` of the live nodes on average: the inverse of [`infect_and_die_reach`].
pub fn fanout_for_residue(residue_max: f64, loss: f64, crashed: f64) -> f64 {
    -log(residue_max) / (1.0 - residue_max) / ((1.0 - loss) * (1.0 - crashed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::assert_near;

    #[test]
    fn an_epidemic_doubles_at_first_grows_by_1_4_half_way_and_by_1_at_the_end() {
        // The course notes: P_infect(n/2, n) is about 0.4, exactly 1 - e^-0.5 = 0.3935.
        assert_near("P_infect(n/2, n)", p_infect(5e5, 1e6), 0.393_469, 1e-6);
        assert_near("mean field", p_infect_mean_field(5e5, 1e6), 0.393_469, 1e-6);
        assert_near("one of two", p_infect(1.0, 2.0), 0.5, 1e-15);
        assert_near("at first", growth_factor(1.0, 1e6), 2.0, 1e-5);
        assert_near("half way", growth_factor(5e5, 1e6), 1.3935, 1e-4);
        assert_near("at the end", growth_factor(1e6 - 1.0, 1e6), 1.0, 1e-5);
    }

    #[test]
    fn the_residue_is_the_papers_for_k_from_1_to_5() {
        let expected = [0.203_188, 0.059_520, 0.019_827, 0.006_977, 0.002_516];
        for (k, expected) in (1..).zip(expected) {
            assert_near("residue", residue(f64::from(k)), expected, 1e-6);
            assert_near("no infective is left there", infective(expected, f64::from(k)), 0.0, 1e-4);
        }
        assert_eq!([k_for_residue(0.2), k_for_residue(0.06), k_for_residue(0.0025)], [2, 2, 6]);
    }

    #[test]
    fn the_equations_end_at_the_fixed_point() {
        for k in [1.0, 3.0] {
            let stages = susceptible_infective_removed(1e6, k, 200, 50);
            let last = stages.last().expect("it begins");
            assert_near("residue", last.susceptible, residue(k), 1e-4);
            assert!(stages.iter().all(|s| (s.susceptible + s.infective + s.removed - 1.0).abs() < 1e-9));
            // i(s) holds along the way, up to the one infective that it starts with.
            let middle = stages[stages.len() / 2];
            assert_near("i(s)", middle.infective, infective(middle.susceptible, k), 1e-4);
        }
    }

    /// Demers 1987, Tables 1 and 2, and the residues of the equations.
    #[test]
    fn in_cycles_the_mean_field_ends_at_the_residues_of_the_tables() {
        let residue = |k, coin, feedback, tables| {
            *Mongering { k, coin, feedback, tables }.cycles(1e3, 300).last().expect("it begins")
        };
        for (k, table_1, equations) in [
            (1, 0.18, 0.2032),
            (2, 0.037, 0.0595),
            (3, 0.011, 0.0198),
            (4, 0.0036, 0.0070),
            (5, 0.0012, 0.0025),
        ] {
            assert_near("Table 1", residue(k, false, true, true), table_1, 0.05 * table_1);
            assert_near("counter", residue(k, false, true, false), equations, 0.01 * equations);
            assert_near("coin", residue(k, true, true, false), equations, 0.01 * equations);
            assert_near(
                "blind needs one more",
                residue(k + 1, true, false, true),
                equations,
                0.01 * equations,
            );
        }
        assert_near("Table 2, k = 1", residue(1, true, false, true), 0.96, 0.01);
    }

    #[test]
    fn residue_follows_traffic() {
        // Table 1 of Demers 1987: at m = 1.7 a residue of 0.18, at 4.5 of 0.011.
        assert_near("push", residue_of_traffic(1.7), 0.1827, 1e-4);
        assert_near("push", residue_of_traffic(4.5), 0.0111, 1e-4);
        assert_near("1/(1 - 1/e)", 1.0 / accepted_with_limit_one(), CONNECTION_LIMIT_LAMBDA, 1e-15);
        assert_near("with a limit of one", residue_of_traffic_limited(1.0), 0.2056, 1e-4);
    }

    #[test]
    fn counters_with_k_1_send_2m_minus_1_messages_exactly() {
        let (low, high) = counter_traffic_bounds(1.0, 797.0);
        assert_eq!((low, high), (1593.0, 1593.0)); // simulated: 1.59 per node of 1000
        let (low, high) = counter_traffic_bounds(3.0, 980.0);
        assert!(low < 3920.0 && 3920.0 < high, "simulated: 3.92 per node of 1000"); // residue 0.020
    }

    #[test]
    fn infect_and_die_reaches_what_the_fixed_point_says() {
        for (fanout, reach) in [(2.0, 0.7968), (3.0, 0.9405), (4.0, 0.9802), (5.0, 0.9930), (6.0, 0.9975)] {
            assert_near("reach", infect_and_die_reach(fanout, 0.0, 0.0), reach, 5e-5);
        }
        assert_eq!(infect_and_die_reach(1.0, 0.0, 0.0), 0.0);
        let thinned = infect_and_die_reach(4.0, 0.5, 0.0);
        assert_near("half is lost", thinned, infect_and_die_reach(2.0, 0.0, 0.0), 1e-12);
        assert_near("half is down", infect_and_die_reach(4.0, 0.0, 0.5), thinned, 1e-12);
        assert_near(
            "inverse",
            infect_and_die_reach(fanout_for_residue(1e-3, 0.02, 0.1), 0.02, 0.1),
            0.999,
            1e-12,
        );
    }

    #[test]
    fn different_targets_leave_fewer_out_than_independent_ones_and_in_large_clusters_as_many() {
        assert_eq!(infect_and_die_residue(5.0, 4.0, 0.0), 0.0);
        assert_near(
            "large",
            infect_and_die_residue(1e6, 4.0, 0.0),
            1.0 - infect_and_die_reach(4.0, 0.0, 0.0),
            1e-5,
        );
        let few = infect_and_die_residue(20.0, 4.0, 0.0);
        assert!(few < 1.0 - infect_and_die_reach(4.0, 0.0, 0.0), "{few}");
        assert!(infect_and_die_residue(20.0, 4.0, 0.2) > few);
    }

    #[test]
    fn a_fanout_of_ln_n_plus_c_is_atomic_with_probability_e_to_the_minus_e_to_the_minus_c() {
        for (n, fanout, p) in
            [(1e4, 8.0, 0.035), (1e4, 10.0, 0.635), (1e4, 12.0, 0.940), (1e4, 14.0, 0.992), (1e3, 6.0, 0.084)]
        {
            assert_near("atomic", atomicity(n, fanout), p, 1e-3);
        }
        assert_near("inverse", atomicity(5e3, fanout_for_atomicity(5e3, 0.99)), 0.99, 1e-12);
    }

    #[test]
    fn the_mean_field_of_push_loses_what_is_lost() {
        let (clean, lossy) = (push_curve(1e4, 1.0, 0.0, 0.0, 100), push_curve(1e4, 1.0, 0.2, 0.0, 100));
        assert_near("it doubles", clean[5] / clean[4], 2.0, 0.01);
        assert_near("it grows by 1.8", lossy[5] / lossy[4], 1.8, 0.01);
        assert!(clean.len() < lossy.len() && lossy.len() < 50);
        assert_near(
            "loss and crashes thin alike",
            push_round(0.3, 2.0, 0.1, 0.0),
            push_round(0.3, 2.0, 0.0, 0.1),
            1e-15,
        );
    }
}
