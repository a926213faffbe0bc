//! The host model: the parts between a node and the network in worlds that have them. A line of limited bandwidth, a processor that takes
//! time for each message, and the channel whose state decides losses in bursts.

use crate::bandwidth::{self, Queue};
use crate::entry::Entry;
use crate::loss::Bursts;
use crate::service::{Admission, Processor};
use crate::world::World;
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::Protocol;
use rumormill_core::rng::Rng;
use rumormill_core::time::{Duration, Time};
use std::collections::VecDeque;

/// The host of one node. A world without lines, service times and bursts has none.
pub(crate) struct Host<P: Protocol> {
    /// Whether the channel of outgoing datagrams is in its bad state.
    bad: bool,
    /// Index of the node's line among those of the world.
    line: Option<usize>,
    up: Queue,
    down: Queue,
    processor: Option<Processor>,
    /// Packets that wait for the processor, in the order of their arrival.
    waiting: VecDeque<Entry<P>>,
}

impl<P: Protocol> Default for Host<P> {
    fn default() -> Self {
        let (up, down) = (Queue::default(), Queue::default());
        Host { bad: false, line: None, up, down, processor: None, waiting: VecDeque::new() }
    }
}

/// The decision of a bounded queue about a packet.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Pass {
    /// The packet goes on at once.
    Now,
    /// The packet goes on at this time.
    At(Time),
    /// The queue was full.
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

impl<P: Protocol> Host<P> {
    /// The host of a node in this world.
    pub fn of(world: &World, id: NodeId) -> Option<Box<Host<P>>> {
        if world.lines.is_empty() && world.service.is_none() && world.bursts.is_none() {
            return None;
        }
        let line = bandwidth::line_of(&world.lines, id);
        let processor = world.service.as_ref().map(|service| Processor::new(service.factor_of(id)));
        Some(Box::new(Host { line, processor, ..Host::default() }))
    }

    /// The process is gone, and the packet in work with it; returns the packets that waited.
    pub fn crash(&mut self) -> VecDeque<Entry<P>> {
        self.processor = self.processor.map(|processor| Processor::new(processor.factor));
        std::mem::take(&mut self.waiting)
    }

    /// Whether the next datagram is lost in a burst.
    pub fn loses(&mut self, bursts: &Bursts, rng: &mut Rng) -> bool {
        bursts.loses(&mut self.bad, rng)
    }

    /// Puts the channel into its good state.
    pub fn end_burst(&mut self) {
        self.bad = false;
    }

    /// Sets how many times longer than usual a message takes, if messages take time here.
    pub fn set_slowness(&mut self, factor: f64) {
        if let Some(processor) = &mut self.processor {
            processor.factor = factor;
        }
    }

    /// A packet of `bytes` goes up the line.
    pub fn up(&mut self, world: &World, now: Time, bytes: usize, stream: bool) -> Pass {
        let Some(line) = self.line.map(|at| &world.lines[at]) else { return Pass::Now };
        let queue_bytes = if stream { world.stream_buffer_bytes as u64 } else { line.queue_bytes };
        Pass::of(now, self.up.pass(now, bytes, line.up_bytes_per_s, queue_bytes))
    }

    /// A packet of `bytes` comes down the line.
    pub fn down(&mut self, world: &World, now: Time, bytes: usize, stream: bool) -> Pass {
        let Some(line) = self.line.map(|at| &world.lines[at]) else { return Pass::Now };
        let queue_bytes = if stream { world.stream_buffer_bytes as u64 } else { line.queue_bytes };
        Pass::of(now, self.down.pass(now, bytes, line.down_bytes_per_s, queue_bytes))
    }

    /// Offers a packet to the processor.
    pub fn work(&mut self, world: &World, entry: Entry<P>, messages: u32, rng: &mut Rng) -> Work<P> {
        let (Some(processor), Some(service)) = (&mut self.processor, &world.service) else {
            return Work::Done(entry);
        };
        match processor.take(messages, service, rng) {
            Admission::Now(time) if time.is_zero() => {
                processor.done(messages);
                Work::Done(entry)
            }
            Admission::Now(time) => Work::Takes(entry, time),
            Admission::Waits => {
                self.waiting.push_back(entry);
                Work::Waits
            }
            Admission::Full => Work::Full(entry),
        }
    }

    /// The processor is done with a packet of so many messages. Returns the next packet that waited, and how long it takes.
    pub fn worked(&mut self, world: &World, messages: u32, rng: &mut Rng) -> Option<(Entry<P>, Duration)> {
        let (processor, service) = (self.processor.as_mut()?, world.service.as_ref()?);
        processor.done(messages);
        let mut entry = self.waiting.pop_front()?;
        let messages = entry.what.packet().map_or(0, |packet| packet.messages.into());
        Some((entry, processor.next(messages, service, rng)))
    }
}

/// The decision of a processor about a packet.
pub(crate) enum Work<P: Protocol> {
    /// The packet needs no work, or it is done.
    Done(Entry<P>),
    /// The packet is worked on now, for this long.
    Takes(Entry<P>, Duration),
    /// The packet waits.
    Waits,
    /// The inbox was full.
    Full(Entry<P>),
}
