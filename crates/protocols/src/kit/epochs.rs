//! Epochs that begin everywhere at about the same time, without a common clock (Jelasity, Montresor, Babaoglu
//! 2005).
//!
//! Every message says which epoch its sender is in and how old that is there. Who hears of a higher epoch is in it at once; who
//! comes too late to count in an epoch is told so, and waits for the next. Ours: in an epoch, all go by the oldest age they have
//! heard of, so that all end it at the same time, although each has its own clock; the paper counts cycles.

use minicbor::{CborLen, Decode, Encode};
use rumormill_core::time::{Duration, Time};

/// Who is this much behind in an epoch came too late for it (our guess: twice what random phases and a slow message explain).
pub const SKEW_PERIODS_MAX: u32 = 3;

/// No cycle is shorter: ages are told in milliseconds.
pub const PERIOD_MIN: Duration = Duration::from_millis(1);

/// Nanoseconds of a millisecond.
const MILLI: u64 = 1_000_000;

/// Where a node stands, as it says in each message.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Stamp {
    /// The epoch, from 1 on; 0 is none yet.
    #[n(0)]
    pub epoch: u32,
    /// How old the epoch was there when this was written, in milliseconds.
    #[n(1)]
    pub age_ms: u32,
}

impl Stamp {
    /// The stamp in the catalog's samples.
    pub(crate) const SAMPLE: Stamp = Stamp { epoch: 3, age_ms: 15_250 };
}

/// What a stamp means to who hears it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The other is in an epoch that is over: tell it.
    Past,
    /// The other takes this epoch for much younger than it is: it came late and does not know it. Tell it.
    Young,
    /// Both are in the same epoch.
    Level,
    /// This node is in another epoch from now on, or finds that it came late to this one: begin anew.
    Ahead {
        /// It is too late to count in it.
        late: bool,
    },
}

/// The epochs of one node.
#[derive(Clone, Debug)]
pub struct Epochs {
    number: u32,
    skew_ms: u32,
    began: Time,
    /// In nanoseconds.
    length: u64,
}

impl Epochs {
    /// Epochs of so many periods; none has begun.
    pub fn new(period: Duration, periods: u32) -> Epochs {
        let skew_ms = millis(period * SKEW_PERIODS_MAX);
        let length = (Time::ZERO + period * periods.max(1)).0.max(2 * MILLI);
        Epochs { number: 0, skew_ms, began: Time::ZERO, length }
    }

    /// The epoch this node is in; 0 before the first.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// How far apart two nodes may be in the same epoch, in milliseconds: [`SKEW_PERIODS_MAX`] periods.
    pub fn skew_ms(&self) -> u32 {
        self.skew_ms
    }

    /// How old the epoch is, in milliseconds.
    pub fn age_ms(&self, now: Time) -> u32 {
        u32::try_from(now.0.saturating_sub(self.began.0) / MILLI).unwrap_or(u32::MAX)
    }

    /// What to write on a message now.
    pub fn stamp(&self, now: Time) -> Stamp {
        Stamp { epoch: self.number, age_ms: if self.number == 0 { 0 } else { self.age_ms(now) } }
    }

    /// When the epoch ends here: so long from now.
    pub fn left(&self, now: Time) -> Duration {
        Duration::from_nanos((self.began.0.saturating_add(self.length)).saturating_sub(now.0))
    }

    /// Whether it is so early in the epoch that a node may still enter it with a value.
    pub fn is_early(&self, now: Time) -> bool {
        self.number == 0 || self.age_ms(now) <= self.skew_ms
    }

    /// To be asked once a period: begins the first epoch, or the next one when this one is over, and returns whether it did.
    pub fn turn(&mut self, now: Time) -> bool {
        if self.number == 0 {
            (self.number, self.began) = (1, now);
            return true;
        }
        // Ages travel in whole milliseconds, so that a beginning may be heard up to one too late.
        let age = now.0.saturating_sub(self.began.0).saturating_add(MILLI);
        if age < self.length {
            return false;
        }
        let over = u32::try_from(age / self.length).unwrap_or(u32::MAX);
        self.number = self.number.saturating_add(over);
        self.began = Time(self.began.0.saturating_add(self.length.saturating_mul(over.into())));
        true
    }

    /// What another's stamp means; follows it if it is ahead.
    pub fn hear(&mut self, now: Time, stamp: Stamp) -> Heard {
        if stamp.epoch < self.number || stamp.epoch == 0 {
            return Heard::Past;
        }
        let began = Time(now.0.saturating_sub(u64::from(stamp.age_ms) * MILLI));
        if stamp.epoch > self.number {
            (self.number, self.began) = (stamp.epoch, began);
            return Heard::Ahead { late: stamp.age_ms > self.skew_ms };
        }
        let mine = self.age_ms(now);
        if mine > stamp.age_ms.saturating_add(self.skew_ms) {
            return Heard::Young;
        }
        self.began = self.began.min(began);
        if stamp.age_ms > mine.saturating_add(self.skew_ms) {
            return Heard::Ahead { late: true };
        }
        Heard::Level
    }
}

/// In whole milliseconds, as far as they fit.
pub fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(ms: u64) -> Time {
        Time::ZERO + Duration::from_millis(ms)
    }

    #[test]
    fn an_epoch_lasts_so_many_periods_and_the_next_begins_where_it_ends() {
        let mut epochs = Epochs::new(SECOND, 30);
        assert!(epochs.turn(at(400)));
        assert!(!epochs.turn(at(30_300)));
        assert!(epochs.turn(at(30_900)));
        assert_eq!(epochs.stamp(at(30_900)), Stamp { epoch: 2, age_ms: 500 });
        assert!(epochs.turn(at(200_000)), "after a long stall");
        assert_eq!(epochs.number(), 1 + 199_600 / 30_000);
    }

    #[test]
    fn who_hears_of_a_later_epoch_is_in_it_and_ends_it_together_with_who_told() {
        let (mut early, mut other) = (Epochs::new(SECOND, 30), Epochs::new(SECOND, 30));
        early.turn(at(100));
        other.turn(at(900));
        assert_eq!(other.hear(at(1_000), early.stamp(at(1_000))), Heard::Level);
        assert!(early.turn(at(30_100)) && other.turn(at(30_100)));
        assert!(early.turn(at(60_100)));
        assert_eq!(other.hear(at(60_200), early.stamp(at(60_200))), Heard::Ahead { late: false });
        assert_eq!(other.stamp(at(60_200)), early.stamp(at(60_200)));
        let past = Stamp { epoch: 2, age_ms: 0 };
        assert_eq!(other.hear(at(60_200), past), Heard::Past);
    }

    #[test]
    fn who_joins_late_learns_it_whoever_speaks_first() {
        let mut old = Epochs::new(SECOND, 30);
        old.turn(at(0));
        let mut joins = Epochs::new(SECOND, 30);
        joins.turn(at(10_000));
        assert_eq!(old.hear(at(10_000), joins.stamp(at(10_000))), Heard::Young);
        assert_eq!(joins.hear(at(10_001), old.stamp(at(10_000))), Heard::Ahead { late: true });
        assert_eq!(old.hear(at(10_002), joins.stamp(at(10_002))), Heard::Level);
        let mut silent = Epochs::new(SECOND, 30);
        assert_eq!(silent.hear(at(10_000), old.stamp(at(10_000))), Heard::Ahead { late: true });
    }
}
