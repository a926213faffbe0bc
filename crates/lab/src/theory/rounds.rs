//! Rounds until all nodes know.

use libm::{log, log2};

/// Push: log2 n + ln n, plus a constant (Pittel 1987). Simulated means are 1.0 to 1.7 above it.
pub fn pittel(n: f64) -> f64 {
    log2(n) + log(n)
}

/// Growth of the rounds of push per unit of ln n: 1/ln 2 + 1. An epidemic with one constant factor would take as long with the
/// factor e^(1/2.44) = 1.506; the course notes give 1.585, by experiment.
pub fn pittel_slope() -> f64 {
    1.0 / core::f64::consts::LN_2 + 1.0
}

/// Push-pull: log3 n + log2 ln n. The first term is Karp's (2000); the second an empirical fit to simulations at n = 10^3 to 10^6.
pub fn push_pull(n: f64) -> f64 {
    log(n) / log(3.0) + log2(log(n))
}

/// While few know and each of them tells `fanout` others a round, the informed grow by the factor `fanout` + 1: log n to that base.
pub fn growing(n: f64, fanout: f64) -> f64 {
    log(n) / log(fanout + 1.0)
}

/// The bound of the median counter, and the length of its last state: ln ln n, rounded up (Karp 2000), at least 1.
pub fn karp_bound(n: f64) -> u32 {
    libm::ceil(log(log(n.max(3.0)))).max(1.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::assert_near;

    #[test]
    fn the_known_figures() {
        for (n, expected) in [(1e3, 16.87), (1e4, 22.50), (1e5, 28.12), (1e6, 33.75)] {
            assert_near("Pittel", pittel(n), expected, 0.006);
        }
        for (n, expected) in [(1e3, 9.08), (1e4, 11.58), (1e5, 14.01), (1e6, 16.37)] {
            assert_near("push-pull", push_pull(n), expected, 0.01);
        }
        assert_near("the slope of Pittel's", pittel(1e6) - pittel(1e3), pittel_slope() * log(1e3), 1e-9);
        assert_near("its base", libm::exp(1.0 / pittel_slope()), 1.506, 1e-3);
        assert_near("fanout 4, 120 nodes", growing(120.0, 3.0), 3.45, 0.005); // log_4 120
        assert_eq!([1e3, 1e4, 1e5, 1e6].map(karp_bound), [2, 3, 3, 3]);
    }
}
