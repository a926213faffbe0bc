//! What a message costs its receiver: time on a processor that does one after the other.
//!
//! Messages that find it busy wait in a bounded inbox; what finds that full is dropped and counted. Timers, calls and notices cost
//! nothing and do not wait: it is the messages' way to the protocol that gets longer.

use crate::humane;
use crate::ids;
use rumormill_core::identity::NodeId;
use rumormill_core::rng::Rng;
use rumormill_core::time::Duration;
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

/// The processor of one node: how many messages are there, the one in work included.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) struct Processor {
    messages: u32,
    pub factor: f64,
}

/// What becomes of a packet that comes to a processor.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It is worked on now, for so long.
    Now(Duration),
    /// It waits for those before it.
    Waits,
    /// There is no room.
    Full,
}

impl Processor {
    pub fn new(factor: f64) -> Processor {
        Processor { messages: 0, factor }
    }

    /// A packet of so many messages comes.
    pub fn take(&mut self, messages: u32, service: &Service, rng: &mut Rng) -> Turn {
        let is_idle = self.messages == 0;
        if !is_idle && self.messages + messages > service.inbox_messages_max {
            return Turn::Full;
        }
        self.messages += messages;
        if is_idle { Turn::Now(service.draw(messages, self.factor, rng)) } else { Turn::Waits }
    }

    /// A packet of so many messages has been worked on.
    pub fn done(&mut self, messages: u32) {
        self.messages -= messages;
    }

    /// One that waited is worked on now: for so long, at least for a moment.
    pub fn next(&self, messages: u32, service: &Service, rng: &mut Rng) -> Duration {
        service.draw(messages, self.factor, rng).max(Duration::from_nanos(1))
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
        let ms = Duration::from_millis;
        assert_eq!(processor.take(1, &service, &mut rng), Turn::Now(ms(2)));
        assert_eq!(processor.take(2, &service, &mut rng), Turn::Waits);
        assert_eq!(processor.take(2, &service, &mut rng), Turn::Full, "five would be there");
        processor.done(1);
        processor.factor = 3.0;
        assert_eq!(processor.next(2, &service, &mut rng), ms(12), "it is as slow as it is now");
        processor.done(2);
        processor.factor = 1.0;
        assert_eq!(processor.take(9, &service, &mut rng), Turn::Now(ms(18)), "an idle one takes any");
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
