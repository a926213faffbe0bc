//! Wall clocks with an offset and a drift.

use rumormill_core::rng::Rng;
use rumormill_core::time::{Time, Wall};

/// The Unix time at which every simulation begins, in milliseconds: 2026-01-01T00:00:00Z.
const WALL_BASE_MS: u64 = 1_767_225_600_000;

/// A node's wall clock. It does not affect timers, which run by simulated time.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Clock {
    /// Offset from the true time in milliseconds; positive: ahead.
    pub offset_ms: i64,
    /// Drift in parts per million; positive: the clock runs too fast.
    pub drift_ppm: i32,
}

impl Clock {
    /// A clock whose offset and drift are drawn uniformly within plus and minus these bounds.
    pub(crate) fn drawn(rng: &mut Rng, offset_ms_max: u64, drift_ppm_max: u32) -> Clock {
        let mut within = |max: u64| (rng.unit() * (2 * max + 1) as f64) as i64 - max as i64;
        Clock { offset_ms: within(offset_ms_max), drift_ppm: within(drift_ppm_max.into()) as i32 }
    }

    /// The time that the clock shows at `now`.
    pub fn wall(&self, now: Time) -> Wall {
        if self.drift_ppm == 0 && self.offset_ms >= 0 {
            return Wall(WALL_BASE_MS + self.offset_ms as u64 + now.0 / 1_000_000);
        }
        let drift_ns = i128::from(now.0) * i128::from(self.drift_ppm) / 1_000_000;
        let ms = i128::from(WALL_BASE_MS)
            + i128::from(self.offset_ms)
            + (i128::from(now.0) + drift_ns).div_euclid(1_000_000);
        Wall(u64::try_from(ms.max(0)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_clock_that_is_behind_catches_up() {
        let clock = Clock { offset_ms: -500, drift_ppm: 100 };
        let day = Time(86_400_000_000_000);
        assert_eq!(clock.wall(Time::ZERO), Wall(WALL_BASE_MS - 500));
        assert_eq!(clock.wall(day), Wall(WALL_BASE_MS - 500 + 86_400_000 + 8_640));
    }

    #[test]
    fn clocks_are_drawn_within_their_bounds_on_both_sides() {
        let mut rng = Rng::seeded(1);
        let clocks: Vec<_> = (0..1_000).map(|_| Clock::drawn(&mut rng, 50, 20)).collect();
        assert!(clocks.iter().all(|c| c.offset_ms.abs() <= 50 && c.drift_ppm.abs() <= 20));
        assert!(clocks.iter().any(|c| c.offset_ms < -40) && clocks.iter().any(|c| c.offset_ms > 40));
        assert_eq!(Clock::drawn(&mut rng, 0, 0), Clock::default());
    }
}
