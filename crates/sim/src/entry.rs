//! One entry of the event queue: a message, timer, call or notice that is due at one node, and the order in which a node gets them.

use crate::content::Content;
use rumormill_core::identity::NodeId;
use rumormill_core::peers::Peers;
use rumormill_core::protocol::{Loss, Protocol};
use rumormill_core::rng::mix;
use rumormill_core::time::Time;

/// Rank among entries that are due at one instant: the smaller class comes first.
pub(crate) type Class = u8;

/// Calls and starts by the caller, and input that waited while a node was paused.
pub(crate) const FIRST: Class = 0;
/// Timers of the synchronous world: all of them run before any message.
pub(crate) const TIMER_OF_CYCLE: Class = 1;
/// Datagrams, stream messages and notices about connections.
pub(crate) const ARRIVAL: Class = 2;
/// Timers of the asynchronous world.
pub(crate) const TIMER: Class = 3;

/// The source of entries that the caller set, and no node.
pub(crate) const CALLER: u32 = u32::MAX;

/// An item of the queue.
pub(crate) trait Item {
    fn time(&self) -> Time;
    fn class(&self) -> Class;
    /// Index of the receiver within its partition, whose first node sits at slot `first`.
    fn node(&self, first: u32) -> u32;
}

/// An input that is due at a node.
pub(crate) struct Entry<P: Protocol> {
    pub time: Time,
    /// Number of entries that its source had set before it.
    pub sequence: u64,
    /// Slot of the node that gets it.
    pub slot: u32,
    /// Slot of the node that set it, or [`CALLER`].
    pub source: u32,
    /// The life of the receiver that it is meant for; a datagram is meant for any life.
    pub life: u32,
    pub class: Class,
    pub what: What<P>,
}

/// The order in which one node gets its entries; the smallest comes first.
pub(crate) type Order = (Time, Class, u64, u32, u64);

impl<P: Protocol> Entry<P> {
    /// The place of this entry among those of its node. It depends neither on the queue nor on which node ran first.
    pub fn order(&self, tie_break: u64) -> Order {
        (self.time, self.class, self.rank(tie_break), self.source, self.sequence)
    }

    /// Orders entries of one node that have the same time and class.
    fn rank(&self, tie_break: u64) -> u64 {
        match &self.what {
            What::Timer(deadline, _) if self.class == TIMER_OF_CYCLE => deadline.0,
            _ if self.source == CALLER => 0,
            // Arrivals at one instant are shuffled anew at each instant, so that no sender is always the first.
            _ if self.class == ARRIVAL => {
                mix(mix(tie_break ^ self.time.0) ^ (u64::from(self.source) << 32 | u64::from(self.slot)))
            }
            _ => self.source.into(),
        }
    }
}

impl<P: Protocol> Item for Entry<P> {
    fn time(&self) -> Time {
        self.time
    }
    fn class(&self) -> Class {
        self.class
    }
    fn node(&self, first: u32) -> u32 {
        self.slot - first
    }
}

/// The effect of an entry on its node.
pub(crate) enum What<P: Protocol> {
    Start,
    Call(P::Call),
    /// The node gets other peers.
    Meet(Peers),
    Packet(Packet<P::Message>),
    /// A timer with its deadline, which may be earlier than the instant at which it fires.
    Timer(Time, P::Timer),
    /// A stream message to this peer was not delivered.
    Lost(NodeId, Loss),
    /// A watched connection was cut a while ago: it is lost if the cut still holds.
    Silent(NodeId),
    /// The node in that slot, in that life, starts or stops watching its connection to this node.
    Watched(u32, u32, bool),
    /// A watched connection broke.
    Broken(NodeId, Loss),
}

impl<P: Protocol> What<P> {
    /// The packet, if this is one.
    pub fn packet(&mut self) -> Option<&mut Packet<P::Message>> {
        match self {
            What::Packet(packet) => Some(packet),
            _ => None,
        }
    }
}

/// A datagram, or one message on a stream.
pub(crate) struct Packet<M> {
    pub stream: bool,
    pub content: Content<M>,
    /// Slot of the sender, and its life when it sent this.
    pub from: u32,
    pub from_life: u32,
    pub bytes: u32,
    /// Number of messages in it.
    pub messages: u16,
    pub stage: Stage,
}

/// How far a packet has come at its receiver.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Stage {
    /// It is at the far end of the receiver's line.
    Arrived,
    /// It has passed the line.
    Here,
    /// It has passed the processor, too.
    Worked,
}

/// A packet that a node wants to send.
pub(crate) struct Departure<M> {
    pub to: NodeId,
    pub content: Content<M>,
    pub bytes: usize,
    pub stream: bool,
}
