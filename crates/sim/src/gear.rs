//! What stands between a node and the network, where the world has such: its line, its processor, the channel of its bursts.

use crate::loss::Bursts;
use crate::network::{Seat, Shared};
use crate::node::{Entry, Node, Port};
use crate::service::{self, Processor, Turn};
use crate::sim::Sim;
use crate::uplink::{self, Queue};
use crate::world::World;
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::Protocol;
use rumormill_core::rng::Rng;
use rumormill_core::time::{Duration, Time};
use std::collections::VecDeque;

/// How far a packet has come at its receiver.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Stage {
    /// At the far end of its line.
    Arrived,
    /// Through its line.
    Here,
    /// Through its processor, too.
    Worked,
}

/// A node's own. There is none where the world has neither lines nor service nor bursts.
pub(crate) struct Gear<P: Protocol> {
    /// Whether the channel of what it sends is in its bad state.
    bad: bool,
    /// Which of the world's lines it has.
    line: Option<usize>,
    up: Queue,
    down: Queue,
    processor: Option<Processor>,
    /// What waits for the processor, in the order in which it came.
    waiting: VecDeque<Entry<P>>,
}

impl<P: Protocol> Default for Gear<P> {
    fn default() -> Self {
        let (up, down) = (Queue::default(), Queue::default());
        Gear { bad: false, line: None, up, down, processor: None, waiting: VecDeque::new() }
    }
}

/// What becomes of a packet at a bounded queue.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Pass {
    /// It goes on at once.
    Now,
    /// It goes on then.
    At(Time),
    /// There was no room.
    Full,
}

impl Pass {
    fn of(now: Time, at: Option<Time>) -> Pass {
        match at {
            Some(at) if at > now => Pass::At(at),
            Some(_) => Pass::Now,
            None => Pass::Full,
        }
    }
}

impl<P: Protocol> Gear<P> {
    /// What a node has in this world.
    pub fn of(world: &World, id: NodeId) -> Option<Box<Gear<P>>> {
        if world.lines.is_empty() && world.service.is_none() && world.bursts.is_none() {
            return None;
        }
        let line = uplink::line_of(&world.lines, id);
        let processor = world.service.as_ref().map(|service| Processor::new(service.factor_of(id)));
        Some(Box::new(Gear { line, processor, ..Gear::default() }))
    }

    /// What it was busy with is gone, with its process; what waited for it is given back.
    pub fn crash(&mut self) -> VecDeque<Entry<P>> {
        self.processor = self.processor.map(|processor| Processor::new(processor.factor));
        std::mem::take(&mut self.waiting)
    }

    /// Whether the next datagram is lost in a burst.
    pub fn loses(&mut self, bursts: &Bursts, rng: &mut Rng) -> bool {
        bursts.loses(&mut self.bad, rng)
    }

    /// A packet of `bytes` goes up its line.
    pub fn up(&mut self, world: &World, now: Time, bytes: usize, stream: bool) -> Pass {
        let Some(line) = self.line.map(|at| &world.lines[at]) else { return Pass::Now };
        let queue_bytes = if stream { world.stream_buffer_bytes as u64 } else { line.queue_bytes };
        Pass::of(now, self.up.pass(now, bytes, line.up_bytes_per_s, queue_bytes))
    }

    /// A packet of `bytes` comes down its line.
    pub fn down(&mut self, world: &World, now: Time, bytes: usize, stream: bool) -> Pass {
        let Some(line) = self.line.map(|at| &world.lines[at]) else { return Pass::Now };
        let queue_bytes = if stream { world.stream_buffer_bytes as u64 } else { line.queue_bytes };
        Pass::of(now, self.down.pass(now, bytes, line.down_bytes_per_s, queue_bytes))
    }

    /// A packet comes to its processor: it is given back if it needs no work, or finds too many before it.
    pub fn work(&mut self, world: &World, entry: Entry<P>, messages: u32, rng: &mut Rng) -> Work<P> {
        let (Some(processor), Some(service)) = (&mut self.processor, &world.service) else {
            return Work::Done(entry);
        };
        match processor.take(messages, service, rng) {
            Turn::Now(time) if time.is_zero() => {
                processor.done(messages);
                Work::Done(entry)
            }
            Turn::Now(time) => Work::Takes(entry, time),
            Turn::Waits => {
                self.waiting.push_back(entry);
                Work::Waits
            }
            Turn::Full => Work::Full(entry),
        }
    }

    /// A packet of so many messages has been worked on: the next one that waited, and how long it takes.
    pub fn worked(&mut self, world: &World, messages: u32, rng: &mut Rng) -> Option<(Entry<P>, Duration)> {
        let (processor, service) = (self.processor.as_mut()?, world.service.as_ref()?);
        processor.done(messages);
        let mut entry = self.waiting.pop_front()?;
        let messages = entry.what.packet().map_or(0, |packet| packet.messages.into());
        Some((entry, processor.next(messages, service, rng)))
    }
}

/// What becomes of a packet at a processor.
pub(crate) enum Work<P: Protocol> {
    /// It is through.
    Done(Entry<P>),
    /// It is its turn, and it takes so long.
    Takes(Entry<P>, Duration),
    /// It waits there.
    Waits,
    /// There was no room.
    Full(Entry<P>),
}

impl Shared {
    /// Whether a datagram is lost on its way by bursts or one way; independent loss is another matter.
    pub(crate) fn is_swallowed<P: Protocol>(&self, port: &mut Port<P>, to: NodeId) -> bool {
        if let (Some(bursts), Some(gear)) = (&self.world.bursts, &mut port.gear)
            && gear.loses(bursts, &mut port.chance)
        {
            return true;
        }
        let from = port.id;
        let parts = self.world.one_way.iter().map(|one_way| one_way.between(from, to));
        parts.into_iter().any(|loss| loss > 0.0 && port.chance.chance(loss))
    }
}

impl<P: Protocol> Sim<P> {
    /// Changes the loss in bursts, from now on; each node's channel is good at first.
    ///
    /// # Panics
    /// If their parts are not between 0 and 1.
    pub fn set_bursts(&mut self, bursts: Option<Bursts>) {
        if let Some(Err(e)) = bursts.as_ref().map(Bursts::check) {
            panic!("no such bursts: {e}");
        }
        if bursts.is_some() {
            for node in self.parts.iter_mut().flat_map(|part| &mut part.nodes) {
                node.port.gear.get_or_insert_default().bad = false;
            }
        }
        self.shared.world.bursts = bursts;
    }

    /// From now on a message takes this node so many times longer than at the beginning.
    ///
    /// # Panics
    /// If there is no such node, if the factor is below 0 or above [`SLOWER_MAX`](crate::service::SLOWER_MAX), or if messages cost
    /// nothing in this world.
    pub fn set_slowness(&mut self, id: NodeId, factor: f64) {
        if let Err(e) = service::check_factor(factor) {
            panic!("{e}");
        }
        let Some(service) = &self.shared.world.service else {
            panic!("a message costs {id} nothing, so it cannot be slow: give the world a service time");
        };
        let factor = factor * service.factor_of(id);
        let gear = self.node_mut(id).port.gear.as_mut();
        if let Some(processor) = gear.and_then(|gear| gear.processor.as_mut()) {
            processor.factor = factor;
        }
    }

    /// Bytes that one node takes here, with one timer and so many messages in flight, besides what its protocol allocates: for an
    /// estimate before a run.
    pub const fn node_bytes(messages: usize) -> usize {
        // A quarter more: chunks are not all full, lines grow by doubling, and the nodes' places are listed (measured, up to a million).
        size_of::<Node<P>>() + size_of::<Seat>() + 8 + (1 + messages) * size_of::<Option<Entry<P>>>() * 5 / 4
    }

    /// Whether there is, or was, a node of this id.
    pub fn has(&self, id: NodeId) -> bool {
        self.shared.slot(id).is_some()
    }
}
