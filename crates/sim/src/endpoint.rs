//! A node's endpoint for one instant: it hands input to the protocol, or makes it wait, and takes the driver's effects.

use crate::content::Content;
use crate::entry::{ARRIVAL, Departure, Entry, Stage, What};
use crate::host::{Pass, Work};
use crate::network::Network;
use crate::node::Port;
use rumormill_core::drive::Sink;
use rumormill_core::identity::NodeId;
use rumormill_core::peers::Peers;
use rumormill_core::protocol::{Input, Loss, Protocol};
use rumormill_core::time::{Duration, Time};
use std::mem;

/// Implements [`Sink`] for one node during one instant: packets, timers and events go through it.
pub(crate) struct Endpoint<'a, 'b, P: Protocol> {
    pub port: &'a mut Port<P>,
    pub network: Network<'b, P>,
}

/// Input that is ready for the protocol.
pub(crate) enum Delivery<P: Protocol> {
    One(Input<P>),
    Meet(Peers),
    Messages(NodeId, Vec<P::Message>),
}

impl<P: Protocol> Endpoint<'_, '_, P> {
    /// The input in `entry`; `None` if it comes too late, has to wait, or cannot be read.
    #[inline(always)]
    pub fn take(&mut self, entry: &mut Option<Entry<P>>) -> Option<Delivery<P>> {
        if entry.as_ref().is_some_and(|entry| self.is_plain(entry)) {
            return self.open(entry.take()?.what);
        }
        self.take_with_checks(entry.take()?)
    }

    #[cold]
    fn take_with_checks(&mut self, entry: Entry<P>) -> Option<Delivery<P>> {
        let entry = self.unless_stale(entry)?;
        let entry = self.unless_on_line(entry)?;
        let entry = self.unless_paused(entry)?;
        let entry = self.unless_in_work(entry)?;
        self.open(entry.what)
    }

    /// Whether all checks would let this entry pass, as is usual.
    #[inline(always)]
    fn is_plain(&self, entry: &Entry<P>) -> bool {
        let port = &*self.port;
        let is_meant = match &entry.what {
            What::Packet(packet) => packet.stage == Stage::Arrived && !packet.stream,
            What::Timer(..) | What::Call(_) => port.life == entry.life,
            _ => false,
        };
        is_meant && port.up && !port.blocked && !port.frozen && port.host.is_none()
    }

    #[inline(always)]
    fn open(&mut self, what: What<P>) -> Option<Delivery<P>> {
        match what {
            What::Start => {
                self.port.up = true;
                Some(Delivery::One(Input::Start))
            }
            What::Call(call) => Some(Delivery::One(Input::Call(call))),
            What::Meet(peers) => Some(Delivery::Meet(peers)),
            What::Timer(_, timer) => {
                self.port.timers -= 1;
                Some(Delivery::One(Input::Timer(timer)))
            }
            What::Lost(peer, loss) => Some(Delivery::One(Input::Lost(peer, loss))),
            What::Silent(peer) => Some(Delivery::One(Input::Lost(peer, Loss::TimedOut))),
            What::Broken(peer, loss) => Some(Delivery::One(Input::Lost(peer, loss))),
            What::Watched(watcher, life, on) => {
                self.watched(watcher, life, on);
                None
            }
            What::Packet(packet) if !packet.stream => {
                let from = self.network.shared.id(packet.from);
                if packet.content.is_corrupt() {
                    self.port.count().corrupted += 1;
                }
                let is_first = self.port.hot.datagrams_received == 0;
                let (to, bytes) = (self.port.id, packet.bytes);
                let Some(content) = self.network.unpack(packet.content, from, to, bytes, is_first) else {
                    self.port.count().dropped.undecodable += 1;
                    return None;
                };
                self.port.hot.datagrams_received += 1;
                self.port.hot.datagram_bytes_received += u64::from(packet.bytes);
                Some(delivery(from, content))
            }
            What::Packet(packet) => {
                let from = self.network.shared.id(packet.from);
                let content = self.network.unpack(packet.content, from, self.port.id, packet.bytes, true)?;
                let counters = self.port.count();
                counters.stream_messages_received += 1;
                counters.stream_bytes_received += u64::from(packet.bytes);
                Some(delivery(from, content))
            }
        }
    }

    /// A peer starts or stops watching its connection to this node.
    fn watched(&mut self, watcher: u32, life: u32, on: bool) {
        if on && !self.port.up {
            self.network.notify_watcher(self.port, watcher, life, Loss::Refused);
        }
        if on {
            self.port.rare().watchers.insert(watcher, life);
        } else if self.port.up {
            self.port.rare().watchers.remove(&watcher);
        }
    }

    /// Drops `entry` if the node is down or the entry was meant for an earlier life.
    fn unless_stale(&mut self, entry: Entry<P>) -> Option<Entry<P>> {
        let up = self.port.up;
        let same_life = self.port.life == entry.life;
        let meant = match &entry.what {
            What::Start => same_life,
            What::Call(_) | What::Meet(_) | What::Timer(..) | What::Lost(..) => up && same_life,
            What::Silent(peer) => up && same_life && self.is_watched(*peer) && self.is_cut_off(*peer),
            What::Broken(peer, _) => up && same_life && self.is_watched(*peer),
            What::Watched(..) => true,
            What::Packet(packet) if packet.stream || packet.stage >= Stage::Worked => up && same_life,
            What::Packet(_) => up,
        };
        if meant {
            return Some(entry);
        }
        if let What::Packet(packet) = entry.what {
            self.port.count().dropped.crashed += 1;
            let loss = if up { Loss::Reset } else { self.network.loss_of_crashed(self.port) };
            self.network.bounce(self.port, &packet, loss);
        }
        None
    }

    fn is_watched(&self, peer: NodeId) -> bool {
        self.port.rare_if_any().is_some_and(|rare| rare.watching.contains(&peer))
    }

    fn is_cut_off(&self, peer: NodeId) -> bool {
        self.network.shared.is_cut_either_way(self.port.id, peer)
    }

    /// Keeps `entry` if it is a packet that needs time on the line; drops it if the line is full.
    fn unless_on_line(&mut self, mut entry: Entry<P>) -> Option<Entry<P>> {
        let Some(host) = &mut self.port.host else { return Some(entry) };
        let Some(packet) = entry.what.packet() else { return Some(entry) };
        if packet.stage != Stage::Arrived {
            return Some(entry);
        }
        packet.stage = Stage::Here;
        match host.down(&self.network.shared.world, self.network.now, packet.bytes as usize, packet.stream) {
            Pass::Now => return Some(entry),
            Pass::At(at) => {
                let slot = self.port.slot;
                self.network.push(self.port, at, ARRIVAL, slot, entry.life, entry.what);
            }
            Pass::Full => {
                self.port.count().dropped.congested += 1;
                self.refuse(entry);
            }
        }
        None
    }

    /// Keeps `entry` if it is a packet that needs time on the processor; drops it if the inbox is full.
    fn unless_in_work(&mut self, mut entry: Entry<P>) -> Option<Entry<P>> {
        let Some(host) = &mut self.port.host else { return Some(entry) };
        let Some(packet) = entry.what.packet() else { return Some(entry) };
        let (messages, chance) = (packet.messages.into(), &mut self.port.chance);
        let world = &self.network.shared.world;
        if packet.stage == Stage::Worked {
            if let Some((next, time)) = host.worked(world, messages, chance) {
                self.work_on(next, time);
            }
            return Some(entry);
        }
        match host.work(world, entry, messages, chance) {
            Work::Done(entry) => return Some(entry),
            Work::Takes(entry, time) => self.work_on(entry, time),
            Work::Waits => {}
            Work::Full(entry) => {
                self.port.count().dropped.overloaded += 1;
                self.refuse(entry);
            }
        }
        None
    }

    /// The processor begins work on this packet. A crash ends the work, so the packet is meant for the present life.
    fn work_on(&mut self, mut entry: Entry<P>, time: Duration) {
        if let Some(packet) = entry.what.packet() {
            packet.stage = Stage::Worked;
        }
        let (slot, life) = (self.port.slot, self.port.life);
        self.network.push(self.port, self.network.now + time, ARRIVAL, slot, life, entry.what);
    }

    /// Drops `entry`, since there was no room for it. The sender of a stream message notices by a timeout.
    fn refuse(&mut self, entry: Entry<P>) {
        if let What::Packet(packet) = entry.what {
            self.network.bounce(self.port, &packet, Loss::TimedOut);
        }
    }

    /// Keeps `entry` if the node is blocked or frozen and the entry has to wait.
    fn unless_paused(&mut self, entry: Entry<P>) -> Option<Entry<P>> {
        let waits = match &entry.what {
            What::Start | What::Call(_) | What::Meet(_) | What::Timer(..) => self.port.frozen,
            What::Packet(_) | What::Lost(..) | What::Silent(_) | What::Broken(..) => {
                self.port.frozen || self.port.blocked
            }
            What::Watched(..) => false,
        };
        if !waits {
            return Some(entry);
        }
        let (bytes, stream) = match &entry.what {
            // A packet in work has left the socket buffer; there is one at most.
            What::Packet(packet) if packet.stage == Stage::Worked => {
                self.port.rare().inbox.add(entry);
                return None;
            }
            What::Packet(packet) => (packet.bytes as usize, packet.stream),
            What::Timer(..) => {
                self.port.rare().overdue.push(entry);
                return None;
            }
            _ => {
                self.port.rare().inbox.add(entry);
                return None;
            }
        };
        if let Err(entry) = self.port.rare().inbox.add_bytes(entry, bytes, stream, &self.network.shared.world)
        {
            self.port.count().dropped.overflowed += 1;
            self.refuse(entry);
        }
        None
    }

    /// Sends a packet now, or queues it while the node is blocked.
    #[inline(always)]
    fn depart(&mut self, departure: Departure<P::Message>) {
        if !self.port.blocked {
            return self.network.depart(self.port, departure);
        }
        let (to, bytes, stream) = (departure.to, departure.bytes, departure.stream);
        if self.port.rare().outbox.add_bytes(departure, bytes, stream, &self.network.shared.world).is_err() {
            self.port.count().dropped.overflowed += 1;
            if stream {
                self.network.time_out(self.port, to);
            }
        }
    }
}

/// The input in unpacked messages.
#[inline(always)]
fn delivery<P: Protocol>(from: NodeId, content: Content<P::Message>) -> Delivery<P> {
    match content {
        Content::One(message) => Delivery::One(Input::Message(from, message)),
        Content::Many(messages) => Delivery::Messages(from, messages),
        Content::Bytes { .. } => unreachable!("it is unpacked"),
    }
}

impl<P: Protocol> Sink<P> for Endpoint<'_, '_, P> {
    #[inline]
    fn datagram(&mut self, to: NodeId, messages: &mut Vec<P::Message>, bytes: usize) {
        let content = Content::Many(mem::replace(messages, self.network.local.pool.vector()));
        self.depart(Departure { to, content, bytes, stream: false });
    }

    #[inline]
    fn single(&mut self, to: NodeId, message: P::Message, bytes: usize) {
        self.depart(Departure { to, content: Content::One(message), bytes, stream: false });
    }

    fn stream(&mut self, to: NodeId, message: P::Message, bytes: usize) {
        self.depart(Departure { to, content: Content::One(message), bytes, stream: true });
    }

    #[inline]
    fn timer(&mut self, at: Time, timer: P::Timer) {
        if at == Time::NEVER {
            return;
        }
        self.port.timers += 1;
        self.port.hot.timers_max = self.port.hot.timers_max.max(self.port.timers);
        self.network.timer(self.port, at, timer);
    }

    fn watch(&mut self, peer: NodeId, on: bool) {
        self.network.watch(self.port, peer, on);
    }

    fn event(&mut self, event: P::Event) {
        self.network.local.emitted.push((self.network.now, self.port.slot, event));
    }

    fn shed(&mut self, _: NodeId, _: usize, bytes: usize) {
        let counters = self.port.count();
        counters.shed += 1;
        counters.shed_bytes += bytes as u64;
    }
}
