//! Local health (Lifeguard, section IV-A): how far a node trusts its own probes.
//!
//! A node that misses what it should have heard assumes first that it is itself the slow one.

/// The local health score: 0 is healthy, `max` saturates.
#[derive(Clone, Debug)]
pub struct Health {
    score: u32,
    /// Probes in a row in whose time this node heard nobody at all; part of the score.
    unheard: u32,
    max: u32,
}

impl Health {
    /// Healthy, saturating at `max`; with `max` 0 it stays healthy for ever.
    pub fn new(max: u32) -> Health {
        Health { score: 0, unheard: 0, max }
    }

    /// The score, 0 to `max`.
    pub fn score(&self) -> u32 {
        (self.score + self.unheard).min(self.max)
    }

    /// What intervals and time-outs are multiplied by (LHM + 1).
    pub fn multiplier(&self) -> u32 {
        self.score() + 1
    }

    /// A probe was answered.
    pub fn succeeded(&mut self) {
        self.score = self.score.saturating_sub(1);
    }

    /// A probe failed, and while it ran this node heard nobody. One silent helper may have crashed; it is unlikely that all members have.
    pub fn heard_nobody(&mut self) {
        self.unheard = (self.unheard + 1).min(self.max);
    }

    /// A member was heard, so the silence is over.
    pub fn heard(&mut self) {
        self.unheard = 0;
    }

    /// This node was late or looked so: its own timer came late, or somebody suspected it.
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

    #[test]
    fn silence_counts_until_somebody_is_heard_and_no_longer() {
        let mut health = Health::new(8);
        health.missed(1);
        (0..100).for_each(|_| health.heard_nobody());
        assert_eq!(health.score(), 8);
        health.heard();
        assert_eq!(health.score(), 1);
        let mut none = Health::new(0);
        none.heard_nobody();
        assert_eq!(none.multiplier(), 1);
    }
}
