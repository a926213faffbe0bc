//! Where a protocol's effects go: into packets, frames, timers, and to the application.

use crate::book::Book;
use crate::connections::{CUT_NOTICED, Connections};
use crate::counters::{Cause, Counters};
use crate::frame;
use crate::handshake::Shared;
use crate::key_recovery::RecoveryPacket;
use crate::seal::{Kind, Seal};
use crate::socket::Datagrams;
use crate::timers::{Due, Timers};
use rumormill_core::drive::Sink;
use rumormill_core::identity::Life;
use rumormill_core::{Loss, Message, NodeId, Protocol, Time, Wall, wire};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What the application does with what the protocol tells it. Called by the task that owns the node: do not block.
pub trait App<P: Protocol>: Send + 'static {
    /// The protocol told something. Called at once, so that addresses put into `book` serve what the protocol sends in the same moment.
    fn event(&mut self, event: P::Event, book: &mut Book, now: Time, wall: Wall);

    /// After each batch of inputs in which the protocol told something: the node as it is now.
    fn after(&mut self, node: &P, view: &View<'_>) {
        let _ = (node, view);
    }

    /// This node's id runs in a greater life, which means that its data directory was copied: it must make itself a new identity
    /// and start again. Proved by a notice that carries this life's session. Called once per greater life.
    fn superseded(&mut self, life: Life) {
        let _ = life;
    }

    /// Key recovery: a request or a grant came. Its content proves its sender, which is to be checked elsewhere, for it takes its time. At most
    /// [`RECOVERY_PACKETS_MAX`](crate::key_recovery::RECOVERY_PACKETS_MAX) a second are handed on.
    fn key_recovery(&mut self, packet: RecoveryPacket) {
        let _ = packet;
    }
}

/// What can be seen of a node besides the protocol's own state.
#[derive(Copy, Clone, Debug)]
pub struct View<'a> {
    /// The driver's monotonic clock.
    pub now: Time,
    /// Unix time.
    pub wall: Wall,
    /// Who this is.
    pub me: NodeId,
    /// In which life.
    pub life: Life,
    /// Where it listens.
    pub local: SocketAddr,
    /// Where others are reached.
    pub book: &'a Book,
    /// What was sent, received and lost.
    pub counters: &'a Counters,
    pub(crate) shared: &'a Shared,
}

impl View<'_> {
    /// The session of a peer: the life in which it was heard last, and whether that life proved that it is live.
    pub fn session(&self, id: NodeId) -> Option<(Life, bool)> {
        self.shared.seal().life_of(id)
    }
}

/// How long a hint to the protocol waits, so that one that answers a hint with the same attempt does not spin.
const HINT_DELAY: Duration = Duration::from_millis(1);

/// Everything outside the protocol.
pub(crate) struct Effects<P: Protocol, A> {
    pub app: A,
    pub book: Book,
    pub shared: Arc<Shared>,
    pub datagrams: Datagrams,
    pub connections: Connections,
    pub timers: Timers<P::Timer, P::Message>,
    pub now: Time,
    pub wall: Wall,
    /// Events since the application was last called for a whole batch.
    pub events: usize,
}

impl<P: Protocol, A> Effects<P, A> {
    /// Seals and queues a packet, unless a fault is to eat it.
    pub fn packet(&mut self, kind: Kind, to: NodeId, address: SocketAddr, fill: impl FnOnce(&mut Vec<u8>)) {
        let mut packet = self.datagrams.packet();
        Seal::start(&mut packet);
        fill(&mut packet);
        let told = self.book.life(to);
        self.shared.seal().seal_for(kind, to, told, &mut packet);
        self.depart(Some(to), address, packet);
    }

    /// Queues a sealed packet, unless a fault is to eat it.
    pub fn depart(&mut self, to: Option<NodeId>, address: SocketAddr, packet: Vec<u8>) {
        if self.shared.faults.cuts_departure(to, address) {
            self.shared.counters.lose(Cause::Fault);
        } else {
            self.datagrams.push(address, packet, &self.shared.counters);
        }
    }

    /// Sends a grant, under the key that the request was sealed with.
    pub fn grant_keys(&mut self, grant: RecoveryPacket) {
        let mut packet = self.datagrams.packet();
        Seal::start(&mut packet);
        packet.extend_from_slice(&grant.content);
        if self.shared.seal().seal_grant(grant.key, grant.life.session, grant.from, &mut packet) {
            self.depart(Some(grant.from), grant.source, packet);
        }
    }

    /// Tells the protocol in a moment.
    pub fn lost(&mut self, peer: NodeId, loss: Loss) {
        self.timers.push(self.now + HINT_DELAY, Due::Lost(peer, loss));
    }

    /// Another peer proved to hold the address that `peer` had proved: this node tries to reach `peer`, and learns who answers there.
    pub fn seek(&mut self, peer: NodeId) {
        if !self.shared.faults.cuts_peer(peer) {
            // An empty frame opens the connection and says nothing.
            let _ = self.connections.send(peer, self.book.addresses(peer), frame::start(), self.now);
        }
    }

    fn send_frame(&mut self, to: NodeId, message: &P::Message) {
        let counters = &self.shared.counters;
        let mut frame = frame::start();
        wire::put(message, &mut frame);
        let bytes = frame.len() - frame::LENGTH_BYTES;
        if bytes > frame::MESSAGE_BYTES_MAX {
            return counters.lose(Cause::OversizedOut);
        }
        if self.shared.faults.cuts_peer(to) {
            counters.lose(Cause::Fault);
            return self.timers.push(self.now + CUT_NOTICED, Due::Lost(to, Loss::TimedOut));
        }
        if self.book.address(to).is_none() && !self.connections.is_open(to) {
            counters.lose(Cause::NoAddress);
            return self.lost(to, Loss::Unknown);
        }
        let lane = message.lane();
        match self.connections.send(to, self.book.addresses(to), frame, self.now) {
            Ok(()) => counters.lane_sent(lane, bytes),
            Err(_) => {
                counters.lose(Cause::StreamQueueFull);
                counters.lane_shed(lane);
                self.timers.push(self.now + HINT_DELAY, Due::Shed(to, message.clone()));
            }
        }
    }
}

impl<P: Protocol, A: App<P>> Effects<P, A> {
    /// One datagram leaves, if it is known where to.
    fn leave(&mut self, to: NodeId, messages: &[P::Message]) {
        let Some(address) = self.book.address(to) else {
            if self.connections.is_open(to) {
                return messages.iter().for_each(|message| self.send_frame(to, message));
            }
            self.shared.counters.lose(Cause::NoAddress);
            return self.lost(to, Loss::Unknown);
        };
        let shared = self.shared.clone();
        self.packet(Kind::Data, to, address, |packet| {
            for message in messages.iter() {
                let before = packet.len();
                wire::put(message, packet);
                shared.counters.lane_sent(message.lane(), packet.len() - before);
            }
        });
    }
}

impl<P: Protocol, A: App<P>> Sink<P> for Effects<P, A> {
    fn datagram(&mut self, to: NodeId, messages: &mut Vec<P::Message>, _: usize) {
        self.leave(to, messages);
    }

    fn single(&mut self, to: NodeId, message: P::Message, _: usize) {
        self.leave(to, std::slice::from_ref(&message));
    }

    fn stream(&mut self, to: NodeId, message: P::Message, _: usize) {
        self.send_frame(to, &message);
    }

    fn timer(&mut self, at: Time, timer: P::Timer) {
        self.timers.push(at, Due::Timer(timer));
    }

    fn watch(&mut self, peer: NodeId, on: bool) {
        self.connections.watch(peer, on, self.book.addresses(peer), self.now);
    }

    fn event(&mut self, event: P::Event) {
        self.events += 1;
        self.app.event(event, &mut self.book, self.now, self.wall);
    }

    fn shed(&mut self, _: NodeId, lane: usize, _: usize) {
        self.shared.counters.lane_shed(lane);
    }
}
