//! The cost of a message to its receiver: time on a processor that handles one packet after the other.
//!
//! Packets that find the processor busy wait in a bounded inbox; a packet that finds the inbox full is dropped and counted. Timers, calls
//! and notices cost nothing and do not wait: only the path of messages to the protocol gets longer.

use crate::ids;
use rumormill_core::identity::NodeId;
use rumormill_core::rng::Rng;
use rumormill_core::time::{Duration, text};
use serde::{Deserialize, Serialize};

/// Upper bound on how many times slower than the others a node is.
pub const SLOWER_MAX: f64 = 1e6;
/// Makes the draw of slow nodes independent of other draws by a node's id.
const SLOW_SALT: u64 = 0x510_77ed;

/// Time that messages take their receiver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Mean time that one message takes.
    #[serde(with = "text")]
    pub time: Duration,
    /// Whether the time is exponentially distributed; otherwise it is constant.
    #[serde(default)]
    pub exponential: bool,
    /// Upper bound on messages that wait at one node, those in work included; an idle node takes any packet.
    #[serde(default = "inbox_messages_max")]
    pub inbox_messages_max: u32,
    /// Nodes for which a message takes longer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slow: Vec<Slow>,
}

/// Our guess: the small datagrams that fit into a socket buffer of 2 MiB.
fn inbox_messages_max() -> u32 {
    4_096
}

/// Nodes that are slow for the whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// The slow nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<ids::Ids>,
    /// Share of all other nodes that is slow, too; drawn by their ids.
    #[serde(default)]
    pub share: f64,
    /// How many times longer a message takes them.
    pub factor: f64,
}

impl Service {
    /// How many times longer than usual a message takes this node at its start.
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

/// Refuses a factor of slowness outside the range.
pub(crate) fn check_factor(factor: f64) -> Result<(), String> {
    if !(0.0..=SLOWER_MAX).contains(&factor) {
        return Err(format!("a node cannot be {factor} times slower: give 0 to {SLOWER_MAX}"));
    }
    Ok(())
}

/// The processor of one node, with the number of messages that wait, those in work included.
#[derive(Copy, Clone, Debug, PartialEq)]
pub(crate) struct Processor {
    messages: u32,
    pub factor: f64,
}

/// Whether a processor takes a packet.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The packet is worked on now, for this long.
    Now(Duration),
    /// The packet waits for those before it.
    Waits,
    /// The inbox is full.
    Full,
}

impl Processor {
    pub fn new(factor: f64) -> Processor {
        Processor { messages: 0, factor }
    }

    /// A packet of so many messages arrives.
    pub fn take(&mut self, messages: u32, service: &Service, rng: &mut Rng) -> Admission {
        let is_idle = self.messages == 0;
        if !is_idle && self.messages + messages > service.inbox_messages_max {
            return Admission::Full;
        }
        self.messages += messages;
        if is_idle { Admission::Now(service.draw(messages, self.factor, rng)) } else { Admission::Waits }
    }

    /// The work on a packet of so many messages is done.
    pub fn done(&mut self, messages: u32) {
        self.messages -= messages;
    }

    /// How long the work on a packet that waited takes, at least a nanosecond.
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
        assert_eq!(processor.take(1, &service, &mut rng), Admission::Now(ms(2)));
        assert_eq!(processor.take(2, &service, &mut rng), Admission::Waits);
        assert_eq!(processor.take(2, &service, &mut rng), Admission::Full, "five would be there");
        processor.done(1);
        processor.factor = 3.0;
        assert_eq!(processor.next(2, &service, &mut rng), ms(12), "it is as slow as it is now");
        processor.done(2);
        processor.factor = 1.0;
        assert_eq!(processor.take(9, &service, &mut rng), Admission::Now(ms(18)), "an idle one takes any");
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
