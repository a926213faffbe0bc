//! What a message costs its receiver: time on a processor that does one after the other.
//!
//! Messages that find it busy wait in a bounded inbox; what finds that full is dropped and counted. Timers, calls and notices cost
//! nothing and do not wait: it is the messages' way to the protocol that gets longer.

use crate::humane;
use crate::ids;
use rumormill_core::identity::NodeId;
use rumormill_core::rng::Rng;
use rumormill_core::time::{Duration, Time};
use serde::{Deserialize, Serialize};

/// A node is at most so many times slower than the others.
pub const SLOWER_MAX: f64 = 1e6;
/// Sets the draw of slow nodes apart from other draws by a node's id.
const SLOW_SALT: u64 = 0x510_77ed;

/// What messages cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// How long one message takes, on average.
    #[serde(with = "humane")]
    pub time: Duration,
    /// Whether that is exponentially distributed, or always the same.
    #[serde(default)]
    pub exponential: bool,
    /// Messages that wait at one node, the one in work included; an idle node takes any packet.
    #[serde(default = "inbox_messages_max")]
    pub inbox_messages_max: u32,
    /// Nodes for which it takes longer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slow: Vec<Slow>,
}

/// Our guess: what a socket's buffer of 2 MiB holds of small datagrams.
fn inbox_messages_max() -> u32 {
    4_096
}

/// Nodes that are slow, always.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// These nodes, or
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<ids::Ids>,
    /// this part of all others, drawn by their ids,
    #[serde(default)]
    pub share: f64,
    /// take so many times as long.
    pub factor: f64,
}

impl Service {
    /// How many times longer than the others this node takes, at its start.
    pub(crate) fn factor_of(&self, id: NodeId) -> f64 {
        let rest = 1.0 - self.slow.iter().map(|slow| slow.share).sum::<f64>();
        let groups = self.slow.iter().map(|slow| (slow.ids.as_ref(), slow.share));
        let at = ids::group_of(groups.chain([(None, rest.max(0.0))]), id, SLOW_SALT);
        at.and_then(|at| self.slow.get(at)).map_or(1.0, |slow| slow.factor)
    }

    fn draw(&self, messages: u32, factor: f64, rng: &mut Rng) -> Duration {
        let one = |rng: &mut Rng| if self.exponential { -libm::log(1.0 - rng.unit()) } else { 1.0 };
        let times: f64 = (0..messages).map(|_| one(rng)).sum();
        self.time.mul_f64((times * factor).min(SLOWER_MAX * 1e3))
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if self.time > Duration::from_secs(3_600) {
            return Err("a message takes more than an hour: give less".into());
        }
        if self.inbox_messages_max == 0 {
            return Err("inbox_messages_max is 0: nothing could wait".into());
        }
        let shares: f64 = self.slow.iter().map(|slow| slow.share).sum();
        if self.slow.iter().any(|slow| !(0.0..=1.0).contains(&slow.share)) || shares > 1.0 {
            return Err("the shares of slow nodes lie between 0 and 1, and are at most 1 together".into());
        }
        self.slow.iter().try_for_each(|slow| check_factor(slow.factor))
    }
}

/// Says what is wrong with a factor of slowness, if anything is.
pub(crate) fn check_factor(factor: f64) -> Result<(), String> {
    if !(0.0..=SLOWER_MAX).contains(&factor) {
        return Err(format!("a node cannot be {factor} times slower: give 0 to {SLOWER_MAX}"));
    }
    Ok(())
}

/// The processor of one node.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) struct Processor {
    free: Time,
    waiting: u32,
    pub factor: f64,
}

impl Processor {
    pub fn new(factor: f64) -> Processor {
        Processor { free: Time::ZERO, waiting: 0, factor }
    }

    /// When a packet of so many messages that comes now has been worked on; `None` if the inbox is full. To be followed by
    /// [`done`](Processor::done) at that time.
    pub fn take(&mut self, now: Time, messages: u32, service: &Service, rng: &mut Rng) -> Option<Time> {
        if self.waiting > 0 && self.waiting + messages > service.inbox_messages_max {
            return None;
        }
        self.waiting += messages;
        self.free = self.free.max(now) + service.draw(messages, self.factor, rng);
        Some(self.free)
    }

    /// A packet of so many messages has been worked on.
    pub fn done(&mut self, messages: u32) {
        self.waiting -= messages;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(exponential: bool, inbox_messages_max: u32) -> Service {
        Service { time: Duration::from_millis(2), exponential, inbox_messages_max, slow: vec![] }
    }

    #[test]
    fn messages_wait_for_each_other_up_to_the_inbox() {
        let (service, mut rng) = (service(false, 4), Rng::seeded(1));
        let mut processor = Processor::new(1.0);
        let ms = |n: u64| Time(n * 1_000_000);
        assert_eq!(processor.take(ms(10), 1, &service, &mut rng), Some(ms(12)));
        assert_eq!(processor.take(ms(11), 2, &service, &mut rng), Some(ms(16)));
        assert_eq!(processor.take(ms(11), 2, &service, &mut rng), None, "five would wait");
        processor.done(1);
        assert_eq!(processor.take(ms(12), 2, &service, &mut rng), Some(ms(20)));
        [2, 2].into_iter().for_each(|messages| processor.done(messages));
        assert_eq!(processor.take(ms(30), 9, &service, &mut rng), Some(ms(48)), "an idle one takes any");
    }

    /// An M/M/1 queue at load 0.8: the mean time in the system is 1/(mu - lambda), five service times (Kleinrock 1975, section 3.2).
    #[test]
    fn a_random_load_waits_as_long_as_the_theory_says() {
        let (service, mut rng) = (service(true, u32::MAX), Rng::seeded(8));
        let mut processor = Processor::new(1.0);
        let (mut now, mut sum, n) = (Time::ZERO, 0.0, 400_000);
        for _ in 0..n {
            now = now + Duration::from_micros(2_500).mul_f64(-libm::log(1.0 - rng.unit()));
            let done = processor.take(now, 1, &service, &mut rng).expect("there is room");
            sum += done.since(now).as_secs_f64() * 1e3;
            processor.done(1);
        }
        let mean_ms = sum / f64::from(n);
        assert!((mean_ms / 10.0 - 1.0).abs() < 0.08, "{mean_ms} ms in the system");
    }

    #[test]
    fn slow_nodes_are_those_named_and_a_share_of_the_rest() {
        let mut service = service(false, 1);
        service.slow = vec![
            Slow { ids: Some(ids::Ids::of([3])), share: 0.0, factor: 9.0 },
            Slow { ids: None, share: 0.1, factor: 5.0 },
        ];
        assert!(service.check().is_ok());
        assert_eq!(service.factor_of(NodeId(3)), 9.0);
        let slow = (100..10_100).filter(|id| service.factor_of(NodeId(*id)) == 5.0).count();
        assert!((880..1_120).contains(&slow), "{slow}");
        service.slow[1].share = 1.5;
        assert!(service.check().is_err());
    }
}
