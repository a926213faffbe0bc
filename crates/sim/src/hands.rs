//! What reaches a node's protocol and what has to wait, and where its driver's effects go.

use crate::network::Network;
use crate::node::{Departure, Entry, Port, What};
use rumormill_core::drive::Sink;
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::{Input, Loss, Protocol};
use rumormill_core::time::Time;
use std::mem;

/// A node's hands, for one instant.
pub(crate) struct Hands<'a, P: Protocol, F: ?Sized> {
    pub port: &'a mut Port<P>,
    pub network: &'a mut Network<P>,
    pub observe: &'a mut F,
}

/// What is to be handed to the protocol.
pub(crate) enum Handed<P: Protocol> {
    One(Input<P>),
    Messages(NodeId, Vec<P::Message>),
}

impl<P: Protocol, F: ?Sized> Hands<'_, P, F> {
    /// What of `entry` is to be handed to the protocol now; `None` if it comes too late, has to wait, or cannot be read.
    pub fn take(&mut self, entry: Entry<P>) -> Option<Handed<P>> {
        let entry = self.meant(entry)?;
        let entry = self.wait(entry)?;
        match entry.what {
            What::Start => {
                self.network.seats[self.port.slot as usize].up = true;
                Some(Handed::One(Input::Start))
            }
            What::Call(call) => Some(Handed::One(Input::Call(call))),
            What::Timer(_, timer) => {
                self.port.timers -= 1;
                Some(Handed::One(Input::Timer(timer)))
            }
            What::Lost(peer, loss) => Some(Handed::One(Input::Lost(peer, loss))),
            What::Silent(peer) => Some(Handed::One(Input::Lost(peer, Loss::TimedOut))),
            What::Datagram(packet) => {
                let from = self.network.seats[packet.from as usize].id;
                let counters = &mut self.port.counters;
                counters.corrupted += u64::from(packet.content.is_corrupt());
                let Some(messages) = self.network.unpack(packet.content, from, self.port.id) else {
                    counters.dropped.undecodable += 1;
                    return None;
                };
                counters.datagrams_received += 1;
                counters.datagram_bytes_received += packet.bytes as u64;
                Some(Handed::Messages(from, messages))
            }
            What::Stream(packet) => {
                let from = self.network.seats[packet.from as usize].id;
                let messages = self.network.unpack(packet.content, from, self.port.id)?;
                self.port.counters.stream_messages_received += 1;
                self.port.counters.stream_bytes_received += packet.bytes as u64;
                Some(Handed::Messages(from, messages))
            }
        }
    }

    /// `entry`, if the node is up and this is the life it was meant for.
    fn meant(&mut self, entry: Entry<P>) -> Option<Entry<P>> {
        let seat = &self.network.seats[self.port.slot as usize];
        let (up, same_life) = (seat.up, seat.life == entry.life);
        let meant = match &entry.what {
            What::Start => same_life,
            What::Call(_) | What::Timer(..) | What::Lost(..) => up && same_life,
            What::Silent(peer) => up && same_life && self.network.is_silent(self.port.slot, *peer),
            What::Datagram(_) => up,
            What::Stream(_) => up && same_life,
        };
        if meant {
            return Some(entry);
        }
        match entry.what {
            What::Datagram(_) => self.port.counters.dropped.crashed += 1,
            What::Stream(packet) => {
                self.port.counters.dropped.crashed += 1;
                let loss = if up { Loss::Reset } else { Loss::Refused };
                self.network.bounce(self.port, packet.from, packet.from_life, loss);
            }
            _ => {}
        }
        None
    }

    /// `entry`, unless the node stands still and it has to wait.
    fn wait(&mut self, entry: Entry<P>) -> Option<Entry<P>> {
        let waits = match &entry.what {
            What::Start | What::Call(_) | What::Timer(..) => self.port.frozen,
            What::Datagram(_) | What::Stream(_) | What::Lost(..) | What::Silent(_) => {
                self.port.frozen || self.port.blocked
            }
        };
        if !waits {
            return Some(entry);
        }
        let (bytes, stream) = match &entry.what {
            What::Datagram(packet) => (packet.bytes, false),
            What::Stream(packet) => (packet.bytes, true),
            What::Timer(..) => {
                self.port.overdue.push(entry);
                return None;
            }
            _ => {
                self.port.inbox.add(entry);
                return None;
            }
        };
        if let Err(entry) = self.port.inbox.add_bytes(entry, bytes, stream, &self.network.world) {
            self.port.counters.dropped.overflowed += 1;
            if let What::Stream(packet) = entry.what {
                self.network.bounce(self.port, packet.from, packet.from_life, Loss::TimedOut);
            }
        }
        None
    }

    /// Lets a departure go, or lets it wait because the node is blocked.
    fn depart(&mut self, departure: Departure<P::Message>) {
        if !self.port.blocked {
            return self.network.depart(self.port, departure);
        }
        let (to, bytes, stream) = (departure.to, departure.bytes, departure.stream);
        if self.port.outbox.add_bytes(departure, bytes, stream, &self.network.world).is_err() {
            self.port.counters.dropped.overflowed += 1;
            if stream {
                self.network.time_out(self.port, to);
            }
        }
    }
}

impl<P: Protocol, F: FnMut(Time, NodeId, P::Event) + ?Sized> Sink<P> for Hands<'_, P, F> {
    fn datagram(&mut self, to: NodeId, messages: &mut Vec<P::Message>, bytes: usize) {
        let messages = mem::replace(messages, self.network.vector());
        self.depart(Departure { to, messages, bytes, stream: false });
    }

    fn stream(&mut self, to: NodeId, message: P::Message, bytes: usize) {
        let mut messages = self.network.vector();
        messages.push(message);
        self.depart(Departure { to, messages, bytes, stream: true });
    }

    fn timer(&mut self, at: Time, timer: P::Timer) {
        if at == Time::NEVER {
            return;
        }
        self.port.timers += 1;
        self.port.counters.timers_max = self.port.counters.timers_max.max(self.port.timers);
        self.network.timer(self.port.slot, at, timer);
    }

    fn watch(&mut self, peer: NodeId, on: bool) {
        self.network.watch(self.port, peer, on);
    }

    fn event(&mut self, event: P::Event) {
        (self.observe)(self.network.now, self.port.id, event);
    }

    fn shed(&mut self, _: NodeId, _: usize, bytes: usize) {
        self.port.counters.shed += 1;
        self.port.counters.shed_bytes += bytes as u64;
    }
}
