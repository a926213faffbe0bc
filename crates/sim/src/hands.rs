//! What reaches a node's protocol and what has to wait, and where its driver's effects go.

use crate::content::Content;
use crate::gear::{Pass, Stage, Work};
use crate::network::{ARRIVAL, Network};
use crate::node::{Departure, Entry, Port, What};
use rumormill_core::drive::Sink;
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::{Input, Loss, Protocol};
use rumormill_core::time::{Duration, Time};
use std::mem;

/// A node's hands, for one instant.
pub(crate) struct Hands<'a, 'b, P: Protocol> {
    pub port: &'a mut Port<P>,
    pub network: Network<'b, P>,
}

/// What is to be handed to the protocol.
pub(crate) enum Handed<P: Protocol> {
    One(Input<P>),
    Messages(NodeId, Vec<P::Message>),
}

impl<P: Protocol> Hands<'_, '_, P> {
    /// What of `entry` is to be handed to the protocol now; `None` if it comes too late, has to wait, or cannot be read.
    #[inline(always)]
    pub fn take(&mut self, entry: &mut Option<Entry<P>>) -> Option<Handed<P>> {
        if entry.as_ref().is_some_and(|entry| self.is_plain(entry)) {
            return self.open(entry.take()?.what);
        }
        self.take_what_may_wait(entry.take()?)
    }

    #[cold]
    fn take_what_may_wait(&mut self, entry: Entry<P>) -> Option<Handed<P>> {
        let entry = self.meant(entry)?;
        let entry = self.come(entry)?;
        let entry = self.wait(entry)?;
        let entry = self.work(entry)?;
        self.open(entry.what)
    }

    /// Whether nothing stands between this entry and its node, as is usual: what follows would let it pass.
    #[inline(always)]
    fn is_plain(&self, entry: &Entry<P>) -> bool {
        let port = &*self.port;
        let is_meant = match &entry.what {
            What::Packet(packet) => packet.stage == Stage::Arrived && !packet.stream,
            What::Timer(..) | What::Call(_) => port.life == entry.life,
            _ => false,
        };
        is_meant && port.up && !port.blocked && !port.frozen && port.gear.is_none()
    }

    #[inline(always)]
    fn open(&mut self, what: What<P>) -> Option<Handed<P>> {
        match what {
            What::Start => {
                self.port.up = true;
                Some(Handed::One(Input::Start))
            }
            What::Call(call) => Some(Handed::One(Input::Call(call))),
            What::Timer(_, timer) => {
                self.port.timers -= 1;
                Some(Handed::One(Input::Timer(timer)))
            }
            What::Lost(peer, loss) => Some(Handed::One(Input::Lost(peer, loss))),
            What::Silent(peer) => Some(Handed::One(Input::Lost(peer, Loss::TimedOut))),
            What::Broken(peer, loss) => Some(Handed::One(Input::Lost(peer, loss))),
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
                Some(handed(from, content))
            }
            What::Packet(packet) => {
                let from = self.network.shared.id(packet.from);
                let content = self.network.unpack(packet.content, from, self.port.id, packet.bytes, true)?;
                let counters = self.port.count();
                counters.stream_messages_received += 1;
                counters.stream_bytes_received += u64::from(packet.bytes);
                Some(handed(from, content))
            }
        }
    }

    /// Somebody watches its connection to here, or no longer.
    fn watched(&mut self, watcher: u32, life: u32, on: bool) {
        if on && !self.port.up {
            self.network.tell_watcher(self.port, watcher, life, Loss::Refused);
        }
        if on {
            self.port.rare().watchers.insert(watcher, life);
        } else if self.port.up {
            self.port.rare().watchers.remove(&watcher);
        }
    }

    /// `entry`, if the node is up and this is the life it was meant for.
    fn meant(&mut self, entry: Entry<P>) -> Option<Entry<P>> {
        let up = self.port.up;
        let same_life = self.port.life == entry.life;
        let meant = match &entry.what {
            What::Start => same_life,
            What::Call(_) | What::Timer(..) | What::Lost(..) => up && same_life,
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

    /// `entry`, unless it is a packet that needs time on its line, or finds it full.
    fn come(&mut self, mut entry: Entry<P>) -> Option<Entry<P>> {
        let Some(gear) = &mut self.port.gear else { return Some(entry) };
        let Some(packet) = entry.what.packet() else { return Some(entry) };
        if packet.stage != Stage::Arrived {
            return Some(entry);
        }
        packet.stage = Stage::Here;
        match gear.down(&self.network.shared.world, self.network.now, packet.bytes as usize, packet.stream) {
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

    /// `entry`, unless it is a packet that needs time on the processor, or finds too many before it.
    fn work(&mut self, mut entry: Entry<P>) -> Option<Entry<P>> {
        let Some(gear) = &mut self.port.gear else { return Some(entry) };
        let Some(packet) = entry.what.packet() else { return Some(entry) };
        let (messages, chance) = (packet.messages.into(), &mut self.port.chance);
        let world = &self.network.shared.world;
        if packet.stage == Stage::Worked {
            if let Some((next, time)) = gear.worked(world, messages, chance) {
                self.work_on(next, time);
            }
            return Some(entry);
        }
        match gear.work(world, entry, messages, chance) {
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

    /// It is this packet's turn on the processor, and takes so long. A datagram that is being worked on ends with the process.
    fn work_on(&mut self, mut entry: Entry<P>, time: Duration) {
        if let Some(packet) = entry.what.packet() {
            packet.stage = Stage::Worked;
        }
        let (slot, life) = (self.port.slot, self.port.life);
        self.network.push(self.port, self.network.now + time, ARRIVAL, slot, life, entry.what);
    }

    /// There was no room for `entry`: the sender of a stream notices in time.
    fn refuse(&mut self, entry: Entry<P>) {
        if let What::Packet(packet) = entry.what {
            self.network.bounce(self.port, &packet, Loss::TimedOut);
        }
    }

    /// `entry`, unless the node stands still and it has to wait.
    fn wait(&mut self, entry: Entry<P>) -> Option<Entry<P>> {
        let waits = match &entry.what {
            What::Start | What::Call(_) | What::Timer(..) => self.port.frozen,
            What::Packet(_) | What::Lost(..) | What::Silent(_) | What::Broken(..) => {
                self.port.frozen || self.port.blocked
            }
            What::Watched(..) => false,
        };
        if !waits {
            return Some(entry);
        }
        let (bytes, stream) = match &entry.what {
            // What was being worked on has left the socket's buffer; there is one of it at most.
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

    /// Lets a departure go, or lets it wait because the node is blocked.
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

/// Messages as they are handed in.
#[inline(always)]
fn handed<P: Protocol>(from: NodeId, content: Content<P::Message>) -> Handed<P> {
    match content {
        Content::One(message) => Handed::One(Input::Message(from, message)),
        Content::Many(messages) => Handed::Messages(from, messages),
        Content::Bytes { .. } => unreachable!("it is unpacked"),
    }
}

impl<P: Protocol> Sink<P> for Hands<'_, '_, P> {
    #[inline]
    fn datagram(&mut self, to: NodeId, messages: &mut Vec<P::Message>, bytes: usize) {
        let content = Content::Many(mem::replace(messages, self.network.local.vector()));
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
        self.network.local.told.push((self.network.now, self.port.slot, event));
    }

    fn shed(&mut self, _: NodeId, _: usize, bytes: usize) {
        let counters = self.port.count();
        counters.shed += 1;
        counters.shed_bytes += bytes as u64;
    }
}
