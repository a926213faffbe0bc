//! A rate limit: at most so many uses in a period.

use rumormill_core::time::{Duration, Time};

/// Counts what was used in a period, which begins with the first use after the last one ended.
#[derive(Copy, Clone, Debug, Default)]
pub struct RateLimit {
    began: Time,
    used: u32,
}

impl RateLimit {
    /// Uses one of `max` in a `period`, if there is one left.
    pub fn take(&mut self, now: Time, period: Duration, max: u32) -> bool {
        if now >= self.began + period {
            *self = RateLimit { began: now, used: 0 };
        }
        let left = self.used < max;
        self.used += u32::from(left);
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_allows_so_many_and_the_next_as_many_again() {
        let mut rate_limit = RateLimit::default();
        let second = Duration::from_secs(1);
        let mut taken = |ms: u64| rate_limit.take(Time(ms * 1_000_000), second, 2);
        assert_eq!(
            [5_000, 5_500, 5_999, 6_000, 6_000, 6_999, 7_000].map(&mut taken),
            [true, true, false, true, true, false, true]
        );
    }

    #[test]
    fn in_cycles_each_has_its_own() {
        let mut rate_limit = RateLimit::default();
        let second = Duration::from_secs(1);
        for cycle in 1..100 {
            let now = Time::ZERO + second * cycle;
            assert!(rate_limit.take(now, second, 1) && !rate_limit.take(now, second, 1), "cycle {cycle}");
        }
    }
}
