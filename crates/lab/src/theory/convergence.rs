//! Serf's convergence formula, as the simulator page of its documentation computes it.

use libm::exp;

/// The inputs of the page, with its defaults in [`Default`].
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct SerfConvergence {
    /// Seconds between two gossips.
    pub interval_s: f64,
    /// Number of nodes per gossip.
    pub fanout: f64,
    /// Number of nodes.
    pub nodes: f64,
    /// Share of packets that are lost.
    pub loss: f64,
    /// Share of nodes that have failed.
    pub failed: f64,
}

impl Default for SerfConvergence {
    fn default() -> Self {
        SerfConvergence { interval_s: 0.2, fanout: 3.0, nodes: 30.0, loss: 0.0, failed: 0.0 }
    }
}

/// The page stops when this share knows.
pub const SERF_CONVERGED: f64 = 0.9999;
/// The page stops after this number of intervals.
pub const SERF_INTERVALS_MAX: usize = 100;

impl SerfConvergence {
    /// The share that knows after `t` intervals: 1 / (1 + (n+1) e^(-c n t)) with c = fanout/n (1-loss)(1-failed)/2. (The page has n + 1, not n - 1.)
    pub fn informed(&self, t: f64) -> f64 {
        let c = self.fanout / self.nodes * (1.0 - self.loss) * (1.0 - self.failed) * 0.5;
        1.0 / (1.0 + (self.nodes + 1.0) * exp(-c * self.nodes * t))
    }

    /// The curve: (seconds, share that knows) at each interval.
    pub fn curve(&self) -> Vec<(f64, f64)> {
        let mut curve = Vec::new();
        for t in 0..=SERF_INTERVALS_MAX {
            let informed = self.informed(t as f64);
            curve.push((t as f64 * self.interval_s, informed));
            if informed >= SERF_CONVERGED {
                break;
            }
        }
        curve
    }

    /// Seconds until [`SERF_CONVERGED`], in whole intervals.
    pub fn converged_s(&self) -> f64 {
        self.curve().last().map_or(0.0, |(t, _)| *t)
    }

    /// Upper bound on what a node sends and receives, in kbit/s: full packets of 1,400 bytes, as on the page.
    pub fn kbit_per_s(&self) -> f64 {
        1400.0 * self.fanout * (1.0 / self.interval_s) * 2.0 * 8.0 / 1024.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::assert_near;

    #[test]
    fn the_defaults_of_the_page() {
        let page = SerfConvergence::default();
        assert_near("at first", page.informed(0.0), 1.0 / 32.0, 1e-15);
        // (n+1) e^(-1.5 t) = 1 at t = ln 31 / 1.5: half know.
        assert_near("half", page.informed(libm::log(31.0) / 1.5), 0.5, 1e-12);
        // 31 e^(-1.5 t) <= 1e-4 from t = 8.43 on: 9 intervals.
        assert_near("converged", page.converged_s(), 1.8, 1e-12);
        assert_near("bandwidth", page.kbit_per_s(), 328.125, 1e-9);
    }

    #[test]
    fn loss_and_failures_slow_it_down_alike() {
        let page = SerfConvergence { nodes: 5_000.0, loss: 0.5, ..SerfConvergence::default() };
        let failed = SerfConvergence { loss: 0.0, failed: 0.5, ..page };
        assert_eq!(page.converged_s(), failed.converged_s());
        assert!(page.converged_s() > 1.9 * SerfConvergence { loss: 0.0, ..page }.converged_s());
        let hopeless = SerfConvergence { loss: 1.0, ..page };
        assert_eq!(hopeless.curve().len(), SERF_INTERVALS_MAX + 1);
    }
}
