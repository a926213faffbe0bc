//! The speed at which aggregates converge.

use libm::{exp, log, sqrt};

/// Push-pull averaging: the factor by which the variance falls in a cycle in which each node begins one exchange, 1/(2√e) (Jelasity, Montresor, Babaoglu 2005, SEQ).
pub fn averaging_factor_sequential() -> f64 {
    1.0 / (2.0 * sqrt(exp(1.0)))
}

/// The same when each exchange joins two random nodes, as many a cycle as there are nodes: 1/e (Jelasity 2005, RAND).
pub fn averaging_factor_random() -> f64 {
    exp(-1.0)
}

/// The same with two perfect matchings a cycle: 1/4, which nothing beats (Jelasity 2005, PM).
pub fn averaging_factor_matching() -> f64 {
    0.25
}

/// With a part `loss` of the requests lost the factor is at most e^(loss - 1) (Jelasity 2005, section 6).
pub fn averaging_factor_with_loss_max(loss: f64) -> f64 {
    exp(loss - 1.0)
}

/// Push-sum: the factor by which the potential falls in a round, in expectation: 1/2 - 1/(2n) (Kempe, Dobra, Gehrke 2003, section 2).
pub fn push_sum_factor(n: f64) -> f64 {
    0.5 - 0.5 / n
}

/// Rounds until an error that falls by `factor` a round in its square has fallen from `from` to `to`.
pub fn rounds_to(factor: f64, from: f64, to: f64) -> f64 {
    (2.0 * log(to / from) / log(factor)).max(0.0)
}

/// Extrema propagation with `k` minima: the relative standard deviation of the size it gives, 1/√(k-2) (Baquero, Almeida, Menezes 2009).
pub fn extrema_relative_sd(k: f64) -> f64 {
    1.0 / sqrt(k - 2.0)
}

/// What extrema propagation estimates from its minima: (k-1)/Σ minima (Baquero 2009).
pub fn extrema_estimate(minima: &[f64]) -> f64 {
    (minima.len() as f64 - 1.0) / minima.iter().sum::<f64>()
}

/// The number of minima with which the relative standard deviation is `sd`.
pub fn extrema_k_for(sd: f64) -> f64 {
    1.0 / (sd * sd) + 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::assert_near;
    use rumormill_core::rng::Rng;

    #[test]
    fn the_factors_are_the_papers() {
        assert_near("SEQ", averaging_factor_sequential(), 0.3033, 5e-5);
        assert_near("RAND", averaging_factor_random(), 0.3679, 5e-5);
        assert_near("with loss", averaging_factor_with_loss_max(0.3), 0.4966, 5e-5); // simulated: 0.454
        assert_near("push-sum, n = 100", push_sum_factor(100.0), 0.495, 1e-12);
    }

    /// The factors from first principles: a small simulation of the exchanges alone.
    #[test]
    fn exchanges_shrink_the_variance_by_these_factors() {
        let n = 20_000;
        let mut rng = Rng::seeded(11);
        let variance = |v: &[f64]| {
            let mean = v.iter().sum::<f64>() / n as f64;
            v.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n as f64
        };
        let mut exchange = |sequential: bool| {
            let mut v: Vec<f64> = (0..n).map(|_| rng.unit()).collect();
            let before = variance(&v);
            for i in (0..5).flat_map(|_| 0..n) {
                let a = if sequential { i } else { rng.below(n) };
                let b = rng.below(n);
                let mean = (v[a] + v[b]) / 2.0;
                (v[a], v[b]) = (mean, mean);
            }
            libm::pow(variance(&v) / before, 0.2)
        };
        assert_near("SEQ", exchange(true), averaging_factor_sequential(), 0.01);
        assert_near("RAND", exchange(false), averaging_factor_random(), 0.01);
    }

    #[test]
    fn rounds_follow_from_the_factor() {
        assert_near("a thousandth at a quarter a round", rounds_to(0.25, 1.0, 1.0 / 1024.0), 10.0, 1e-12);
        assert_eq!(rounds_to(0.25, 1.0, 2.0), 0.0);
    }

    #[test]
    fn minima_of_exponentials_estimate_how_many_there_were() {
        let (n, k, runs) = (500, 50, 400);
        let mut rng = Rng::seeded(2);
        let estimates: Vec<f64> = (0..runs)
            .map(|_| {
                let minima: Vec<f64> =
                    (0..k).map(|_| (0..n).map(|_| -log(1.0 - rng.unit())).fold(f64::MAX, f64::min)).collect();
                extrema_estimate(&minima) / f64::from(n)
            })
            .collect();
        let mean = estimates.iter().sum::<f64>() / f64::from(runs);
        let sd = sqrt(estimates.iter().map(|e| (e - mean) * (e - mean)).sum::<f64>() / f64::from(runs - 1));
        assert_near("seed 2: unbiased", mean, 1.0, 4.0 * sd / 20.0);
        assert_near("seed 2: sd", sd, extrema_relative_sd(50.0), 0.03);
        assert_near("inverse", extrema_k_for(extrema_relative_sd(102.0)), 102.0, 1e-9);
    }
}
