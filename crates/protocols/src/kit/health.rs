//! Local health (Lifeguard, section IV-A): how far a node trusts its own probes.
//!
//! A node that misses what it should have heard assumes first that it is itself the slow one.

/// The local health score: 0 is healthy, `max` saturates.
#[derive(Clone, Debug)]
pub struct Health {
    score: u32,
    max: u32,
}

impl Health {
    /// Healthy, saturating at `max`; with `max` 0 it stays healthy for ever.
    pub fn new(max: u32) -> Health {
        Health { score: 0, max }
    }

    /// The score, 0 to `max`.
    pub fn score(&self) -> u32 {
        self.score
    }

    /// What intervals and time-outs are multiplied by (LHM + 1).
    pub fn multiplier(&self) -> u32 {
        self.score + 1
    }

    /// A probe was answered.
    pub fn succeeded(&mut self) {
        self.score = self.score.saturating_sub(1);
    }

    /// Something that should have been heard was not: a failed probe, so many missed nacks, a suspicion about oneself.
    pub fn missed(&mut self, times: u32) {
        self.score = (self.score + times).min(self.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_saturates_both_ways() {
        let mut health = Health::new(8);
        health.missed(100);
        assert_eq!((health.score(), health.multiplier()), (8, 9));
        (0..100).for_each(|_| health.succeeded());
        assert_eq!(health.multiplier(), 1);
    }
}
