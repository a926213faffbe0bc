//! What the world is like.

use rumormill_core::drive::Limits;
use rumormill_core::rng::Rng;
use rumormill_core::time::Duration;

/// Nothing arrives sooner than this, except in the synchronous world. It is what lets an engine run nodes ahead of each other.
pub const LATENCY_MIN: Duration = Duration::from_micros(100);
/// Nothing that arrives takes longer than this, whatever the tail of its distribution (our guess).
pub const LATENCY_MAX: Duration = Duration::from_secs(60);

/// How long a datagram takes, one way. Each is drawn anew, so datagrams overtake each other.
#[derive(Copy, Clone, PartialEq, Debug)]
pub enum Latency {
    /// Always so long.
    Constant(Duration),
    /// Uniform between the two.
    Uniform(Duration, Duration),
    /// At least `min`, on average `mean`, the difference exponentially distributed.
    Exponential {
        /// The shortest.
        min: Duration,
        /// The average, `min` included.
        mean: Duration,
    },
    /// `median` times e^(`sigma`·z), with z normal.
    LogNormal {
        /// Half of them take longer.
        median: Duration,
        /// The spread: 0 is constant, 0.5 a wide-area network, 1 a bad one (our guess). At most 4.
        sigma: f64,
    },
}

impl Latency {
    /// One of them, between [`LATENCY_MIN`] and [`LATENCY_MAX`].
    pub fn draw(&self, rng: &mut Rng) -> Duration {
        let drawn = match *self {
            Latency::Constant(d) => d,
            Latency::Uniform(min, max) => min + rng.within(max - min),
            Latency::Exponential { min, mean } => min + (mean - min).mul_f64(-libm::log(1.0 - rng.unit())),
            Latency::LogNormal { median, sigma } => {
                // Box and Muller 1958.
                let radius = libm::sqrt(-2.0 * libm::log(1.0 - rng.unit()));
                let normal = radius * libm::cos(core::f64::consts::TAU * rng.unit());
                median.mul_f64(libm::exp(sigma * normal))
            }
        };
        drawn.clamp(LATENCY_MIN, LATENCY_MAX)
    }

    fn check(&self) -> Result<(), String> {
        let (low, high) = match *self {
            Latency::Constant(d) => (d, d),
            Latency::Uniform(min, max) => (min, max),
            Latency::Exponential { min, mean } => (min, mean),
            Latency::LogNormal { median, sigma } => {
                if !(0.0..=4.0).contains(&sigma) {
                    return Err(format!("sigma of the latency is {sigma}: give one between 0 and 4"));
                }
                (median, median)
            }
        };
        if low > high {
            return Err(format!("the latency ranges from {low:?} down to {high:?}: swap them"));
        }
        if high > LATENCY_MAX {
            return Err(format!("a latency of {high:?} is above the most there is, {LATENCY_MAX:?}"));
        }
        Ok(())
    }
}

/// What the world is like, for all nodes alike.
#[derive(Clone, Debug)]
pub struct World {
    /// How long a datagram, or a stream message, takes one way.
    pub latency: Latency,
    /// The part of datagrams that is lost.
    pub loss: f64,
    /// The part of stream segments that is lost, each time delaying the message and what comes after it on the same stream; `None`:
    /// as many as datagrams. Not in the synchronous world, where streams neither lose nor delay.
    pub stream_loss: Option<f64>,
    /// The part of datagrams that arrives twice.
    pub duplicate: f64,
    /// What a datagram holds and what a node may send.
    pub limits: Limits,
    /// If given, time passes in cycles of this length: latency is zero, timers fire only at multiples of it, and all that
    /// follows from them happens in sub-steps at the same `now`.
    pub synchronous: Option<Duration>,
    /// Whether messages are really encoded by the sender and decoded by the receiver. Changes nothing but the time it takes.
    pub wire: bool,
    /// The part of datagrams of which one bit is turned; needs `wire`. What can then not be decoded is dropped and counted; what can
    /// is handed in. (A real receiver's seal refuses both.)
    pub corruption: f64,
    /// What waits for a node that is blocked or frozen, in each direction, in bytes of datagrams with everything around them.
    pub datagram_buffer_bytes: usize,
    /// The same for stream messages.
    pub stream_buffer_bytes: usize,
    /// The nodes' wall clocks are off by at most this, drawn uniformly.
    pub clock_offset_max: Duration,
    /// The nodes' wall clocks are too fast or too slow by at most so many parts per million, drawn uniformly.
    pub clock_drift_ppm_max: u32,
}

impl Default for World {
    /// One quiet site (our guess): 0.2 to 1 ms, nothing lost, true clocks. Receive buffers of 2 MiB for datagrams, as memberlist
    /// asks for, and of 6 MiB for streams (Linux, `tcp_rmem`).
    fn default() -> Self {
        World {
            latency: Latency::Uniform(Duration::from_micros(200), Duration::from_millis(1)),
            loss: 0.0,
            stream_loss: None,
            duplicate: 0.0,
            limits: Limits::default(),
            synchronous: None,
            wire: false,
            corruption: 0.0,
            datagram_buffer_bytes: 2 << 20,
            stream_buffer_bytes: 6 << 20,
            clock_offset_max: Duration::ZERO,
            clock_drift_ppm_max: 0,
        }
    }
}

impl World {
    /// Says what is wrong with it, if anything is, and what to do.
    pub fn check(&self) -> Result<(), String> {
        self.latency.check()?;
        let parts = [
            ("loss", self.loss),
            ("stream_loss", self.stream_loss.unwrap_or(0.0)),
            ("duplicate", self.duplicate),
            ("corruption", self.corruption),
        ];
        for (name, part) in parts {
            if !(0.0..=1.0).contains(&part) {
                return Err(format!("{name} is {part}: give a part of all between 0 and 1"));
            }
        }
        if self.corruption > 0.0 && !self.wire {
            return Err("corruption turns bits, and there are none without wire: switch wire on".into());
        }
        if self.synchronous == Some(Duration::ZERO) {
            return Err("a cycle of the synchronous world takes no time: give it some".into());
        }
        if self.clock_drift_ppm_max > 1_000_000 {
            return Err("clock_drift_ppm_max is above 1,000,000: a clock would run backwards".into());
        }
        Ok(())
    }

    pub(crate) fn stream_loss(&self) -> f64 {
        self.stream_loss.unwrap_or(self.loss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_ms(latency: Latency) -> f64 {
        let mut rng = Rng::seeded(3);
        (0..100_000).map(|_| latency.draw(&mut rng).as_secs_f64() * 1e3).sum::<f64>() / 1e5
    }

    #[test]
    fn latencies_have_the_mean_they_say_and_a_floor() {
        let ms = Duration::from_millis;
        let near = |a: f64, b: f64| (a / b - 1.0).abs() < 0.02;
        assert!(near(mean_ms(Latency::Constant(ms(5))), 5.0));
        assert!(near(mean_ms(Latency::Uniform(ms(2), ms(6))), 4.0));
        assert!(near(mean_ms(Latency::Exponential { min: ms(10), mean: ms(30) }), 30.0));
        let log_normal = mean_ms(Latency::LogNormal { median: ms(40), sigma: 0.5 });
        assert!(near(log_normal, 40.0 * libm::exp(0.125)), "{log_normal}");
        assert_eq!(Latency::Constant(Duration::ZERO).draw(&mut Rng::seeded(1)), LATENCY_MIN);
        assert_eq!(Latency::Constant(ms(90_000)).draw(&mut Rng::seeded(1)), LATENCY_MAX);
    }

    #[test]
    fn a_world_that_cannot_be_is_refused_with_what_to_do() {
        let refused = |world: World| world.check().unwrap_err();
        assert!(World::default().check().is_ok());
        assert!(refused(World { loss: 1.5, ..World::default() }).contains("between 0 and 1"));
        assert!(refused(World { loss: f64::NAN, ..World::default() }).contains("loss"));
        assert!(refused(World { corruption: 0.1, ..World::default() }).contains("switch wire on"));
        let cycle = Some(Duration::ZERO);
        assert!(refused(World { synchronous: cycle, ..World::default() }).contains("cycle"));
        let backwards = Latency::Uniform(Duration::from_secs(2), Duration::from_secs(1));
        assert!(refused(World { latency: backwards, ..World::default() }).contains("swap"));
    }
}
