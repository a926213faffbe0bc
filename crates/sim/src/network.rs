//! The fate of datagrams, stream messages and broken connections.
//!
//! A cut is looked up when a packet leaves, a crash when it arrives. All chance is drawn from the sender's own random source (from the
//! receiver's for what it sends back), so that one more node does not change what happens to the others.

use crate::content::Content;
use crate::entry::{ARRIVAL, Class, Departure, Entry, Packet, Stage, What};
use crate::host::Pass;
use crate::latency::LATENCY_MIN;
use crate::local::Local;
use crate::node::Port;
use crate::shared::Shared;
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::{Loss, Protocol};
use rumormill_core::rng::{Rng, mix};
use rumormill_core::time::{Duration, Time};
use rumormill_core::wire;

/// A lost segment delays its stream by this long (Linux, `TCP_RTO_MIN`; ours: without backing off).
const RETRANSMISSION: Duration = Duration::from_millis(200);
/// After this many retransmissions a stream gives up (Linux, `tcp_retries2`).
const RETRANSMISSIONS_MAX: u32 = 15;
/// Payload of one segment: an Ethernet frame without IPv4 and TCP headers with timestamps.
const SEGMENT_BYTES: usize = 1_448;
/// Time after which a sender takes a stream for broken when nothing comes back (our guess).
const STREAM_TIMEOUT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3));
/// What a stream message may have on top of [`wire::STREAM_MESSAGE_BYTES_MAX`]: the protocols' own envelopes.
const STREAM_ENVELOPE_BYTES_MAX: usize = 1_024;
/// Upper bound on the connections that one node watches.
const WATCHED_MAX: usize = 65_536;
/// One delivery in this many adds its content to the digest.
const DIGESTED: u64 = 64;

/// The network as a node sees it at one instant.
pub(crate) struct Network<'a, P: Protocol> {
    pub shared: &'a Shared,
    pub local: &'a mut Local<P>,
    pub now: Time,
}

impl<P: Protocol> Network<'_, P> {
    /// Sets an entry for a node. Inlined, like all steps of a datagram, since each call would copy the entry.
    #[inline(always)]
    pub fn push(&mut self, port: &mut Port<P>, at: Time, class: Class, slot: u32, life: u32, what: What<P>) {
        let time = self.shared.instant(at);
        let entry = Entry { time, sequence: port.sequence, slot, source: port.slot, life, class, what };
        port.sequence += 1;
        self.local.deliver(self.shared, entry);
    }

    /// Sets a timer of this node.
    #[inline(always)]
    pub fn timer(&mut self, port: &mut Port<P>, at: Time, timer: P::Timer) {
        let (slot, life) = (port.slot, port.life);
        self.push(port, at, self.shared.timer_class(), slot, life, What::Timer(at, timer));
    }

    /// Sends a packet, and counts it.
    #[inline(always)]
    pub fn depart(&mut self, port: &mut Port<P>, departure: Departure<P::Message>) {
        let Departure { to, content, bytes, stream } = departure;
        if stream {
            let counters = port.count();
            counters.stream_messages_sent += 1;
            counters.stream_bytes_sent += bytes as u64;
            self.stream(port, to, content, bytes);
        } else {
            port.hot.datagrams_sent += 1;
            port.hot.datagram_bytes_sent += bytes as u64;
            self.datagram(port, to, content, bytes);
        }
    }

    #[inline(always)]
    fn datagram(&mut self, port: &mut Port<P>, to: NodeId, content: Content<P::Message>, bytes: usize) {
        let Some(slot) = self.shared.slot(to) else {
            return self.unknown(port, to);
        };
        let shared = self.shared;
        if shared.is_cut(port.id, to) || shared.cut_datagrams.as_ref().is_some_and(|cut| cut(port.id, to)) {
            port.count().dropped.partitioned += 1;
            return self.local.pool.discard(content);
        }
        let Some(leaves) = self.leave(port, bytes, false) else {
            port.count().dropped.congested += 1;
            return self.local.pool.discard(content);
        };
        if happens(&mut port.chance, shared.world.loss) {
            port.count().dropped.lost += 1;
            return self.local.pool.discard(content);
        }
        if self.is_swallowed(port, to) {
            port.count().dropped.swallowed += 1;
            return self.local.pool.discard(content);
        }
        if happens(&mut port.chance, shared.world.duplicate) {
            port.count().duplicated += 1;
            self.copy_arrives(port, slot, leaves, &content, bytes);
        }
        self.datagram_arrives(port, slot, leaves, content, bytes);
    }

    /// Whether a datagram is lost in a burst or by one-way loss; independent loss is drawn apart from this.
    #[inline]
    fn is_swallowed(&self, port: &mut Port<P>, to: NodeId) -> bool {
        let world = &self.shared.world;
        if let (Some(bursts), Some(host)) = (&world.bursts, &mut port.host)
            && host.loses(bursts, &mut port.chance)
        {
            return true;
        }
        let from = port.id;
        let parts = world.one_way.iter().map(|one_way| one_way.between(from, to));
        parts.into_iter().any(|loss| loss > 0.0 && port.chance.chance(loss))
    }

    /// The time at which a packet that goes up the node's line now has left it; `None` if the line's queue is full.
    fn leave(&self, port: &mut Port<P>, bytes: usize, stream: bool) -> Option<Time> {
        let Some(host) = &mut port.host else { return Some(self.now) };
        match host.up(&self.shared.world, self.now, bytes, stream) {
            Pass::Now => Some(self.now),
            Pass::At(at) => Some(at),
            Pass::Full => None,
        }
    }

    #[inline(always)]
    fn datagram_arrives(
        &mut self,
        port: &mut Port<P>,
        slot: u32,
        leaves: Time,
        mut content: Content<P::Message>,
        bytes: usize,
    ) {
        let world = &self.shared.world;
        let mut at = leaves + self.latency(port, self.shared.id(slot));
        if let Some(reorder) = &world.reorder {
            at = at + reorder.draw(&mut port.chance);
        }
        let messages = content.messages();
        if world.wire {
            content = self.local.pool.pack(content, bytes - world.limits.datagram_overhead_bytes);
            if happens(&mut port.chance, world.corruption) {
                content.corrupt(&mut port.chance);
            }
        }
        let packet = Packet {
            from: port.slot,
            from_life: 0,
            stream: false,
            content,
            messages,
            stage: Stage::Arrived,
            bytes: bytes as u32,
        };
        self.push(port, at, ARRIVAL, slot, 0, What::Packet(packet));
    }

    /// Delivers a duplicate.
    #[cold]
    fn copy_arrives(
        &mut self,
        port: &mut Port<P>,
        slot: u32,
        leaves: Time,
        content: &Content<P::Message>,
        bytes: usize,
    ) {
        self.datagram_arrives(port, slot, leaves, content.clone(), bytes);
    }

    #[cold]
    fn stream(&mut self, port: &mut Port<P>, to: NodeId, content: Content<P::Message>, bytes: usize) {
        let content_bytes = bytes - self.shared.world.limits.stream_overhead_bytes;
        assert!(
            content_bytes <= wire::STREAM_MESSAGE_BYTES_MAX + STREAM_ENVELOPE_BYTES_MAX,
            "a stream message of {content_bytes} bytes: its protocol must page it"
        );
        let Some(slot) = self.shared.slot(to) else {
            return self.unknown(port, to);
        };
        if self.shared.is_cut_either_way(port.id, to) {
            port.count().dropped.partitioned += 1;
            return self.time_out(port, to);
        }
        let Some(leaves) = self.leave(port, bytes, true) else {
            port.count().dropped.congested += 1;
            return self.time_out(port, to);
        };
        let Some(delay) = self.stream_delay(port, to, bytes) else {
            port.count().dropped.lost += 1;
            return self.time_out(port, to);
        };
        let at = port.rare().tails.after(slot, leaves + delay, self.now);
        let content =
            if self.shared.world.wire { self.local.pool.pack(content, content_bytes) } else { content };
        let (from, from_life, life) = (port.slot, port.life, self.shared.seats[slot as usize].life);
        let packet = Packet {
            from,
            from_life,
            stream: true,
            content,
            messages: 1,
            stage: Stage::Arrived,
            bytes: bytes as u32,
        };
        self.push(port, at, ARRIVAL, slot, life, What::Packet(packet));
    }

    /// Delay of a stream message, with the retransmissions of its segments; `None` if the stream gives up.
    fn stream_delay(&mut self, port: &mut Port<P>, to: NodeId, bytes: usize) -> Option<Duration> {
        let loss = self.shared.world.stream_loss();
        if self.shared.world.synchronous.is_some() {
            return Some(Duration::ZERO);
        }
        let mut retransmissions = 0;
        let mut missing = if loss > 0.0 { bytes.div_ceil(SEGMENT_BYTES) } else { 0 };
        loop {
            missing = (0..missing).filter(|_| port.chance.chance(loss)).count();
            if missing == 0 {
                break;
            }
            retransmissions += 1;
            if retransmissions > RETRANSMISSIONS_MAX {
                return None;
            }
        }
        if retransmissions > 0 {
            port.count().retransmissions += u64::from(retransmissions);
        }
        Some(self.latency(port, to) + RETRANSMISSION * retransmissions)
    }

    /// Latency of the next packet of this node to `to`.
    pub fn latency(&self, port: &mut Port<P>, to: NodeId) -> Duration {
        match self.shared.world.synchronous {
            Some(_) => Duration::ZERO,
            None => self.shared.world.latency.draw(port.id, to, &mut port.chance),
        }
    }

    fn unknown(&mut self, port: &mut Port<P>, to: NodeId) {
        port.count().dropped.unknown += 1;
        let delay = if self.shared.world.synchronous.is_some() { Duration::ZERO } else { LATENCY_MIN };
        self.notify(port, delay, What::Lost(to, Loss::Unknown));
    }

    pub fn time_out(&mut self, port: &mut Port<P>, peer: NodeId) {
        let delay = timeout(&mut port.chance);
        self.notify(port, delay, What::Lost(peer, Loss::TimedOut));
    }

    /// Notifies the node at `port` in its present life.
    pub fn notify(&mut self, port: &mut Port<P>, delay: Duration, what: What<P>) {
        let (slot, life) = (port.slot, port.life);
        self.push(port, self.now + delay, ARRIVAL, slot, life, what);
    }

    /// The loss that the sender of a stream message learns of when the node at `port` is down.
    pub fn loss_of_crashed(&self, port: &Port<P>) -> Loss {
        self.shared.heirs.get(&port.id).map_or(Loss::Refused, |heir| Loss::Replaced(*heir))
    }

    /// Reports to the sender of a stream message that the node at `port` did not take it, as far as the sender can be reached. The loss
    /// of a datagram is not reported.
    pub fn bounce(&mut self, port: &mut Port<P>, packet: &Packet<P::Message>, loss: Loss) {
        if !packet.stream {
            return;
        }
        let to_id = self.shared.id(packet.from);
        let (loss, delay) = if self.shared.is_cut_either_way(port.id, to_id) {
            (Loss::TimedOut, timeout(&mut port.chance))
        } else {
            (loss, self.latency(port, to_id))
        };
        let (at, lost) = (self.now + delay, What::Lost(port.id, loss));
        self.push(port, at, ARRIVAL, packet.from, packet.from_life, lost);
    }

    /// Starts or stops watching the connection of this node to `peer`. The peer learns of it a latency later.
    pub fn watch(&mut self, port: &mut Port<P>, peer: NodeId, on: bool) {
        let watching = &mut port.rare().watching;
        let is_new = if on { watching.insert(peer) } else { watching.remove(&peer) };
        if on {
            let watched = watching.len();
            assert!(watched <= WATCHED_MAX, "{} watches more than {WATCHED_MAX} connections", port.id);
        } else if !is_new {
            return;
        }
        let Some(slot) = self.shared.slot(peer) else {
            if on {
                self.notify(port, Duration::ZERO, What::Broken(peer, Loss::Unknown));
            }
            return;
        };
        if !self.shared.is_cut_either_way(port.id, peer) {
            let at = self.now + self.latency(port, peer);
            let watched = What::Watched(port.slot, port.life, on);
            self.push(port, at, ARRIVAL, slot, 0, watched);
        } else if on {
            let delay = timeout(&mut port.chance);
            self.notify(port, delay, What::Silent(peer));
        }
    }

    /// Notifies a watcher of the node at `port` that the connection broke, if the watcher can be reached.
    pub fn notify_watcher(&mut self, port: &mut Port<P>, watcher: u32, life: u32, loss: Loss) {
        let id = self.shared.id(watcher);
        if !self.shared.is_cut_either_way(port.id, id) {
            let at = self.now + self.latency(port, id);
            self.push(port, at, ARRIVAL, watcher, life, What::Broken(port.id, loss));
        }
    }

    /// Decodes `content`, and adds the delivery to the digest: time, sender, receiver and size; of a node's first delivery and of one in
    /// [`DIGESTED`] also the content. `None` if the content is unreadable.
    #[inline(always)]
    pub fn unpack(
        &mut self,
        content: Content<P::Message>,
        from: NodeId,
        to: NodeId,
        bytes: u32,
        is_first: bool,
    ) -> Option<Content<P::Message>> {
        let seed = mix(mix(mix(self.now.0) ^ from.0) ^ to.0);
        let mut sum = mix(seed ^ u64::from(bytes));
        if is_first || seed.is_multiple_of(DIGESTED) {
            sum = self.local.pool.hash(&content, sum);
        }
        let content = match content {
            Content::Bytes { bytes, corrupt } => self.local.pool.read(from, to, &bytes, corrupt)?,
            content => content,
        };
        self.local.digest = self.local.digest.wrapping_add(sum);
        Some(content)
    }
}

/// True with probability `p`; draws only if there is something to decide, so that what is not used changes nothing.
fn happens(rng: &mut Rng, p: f64) -> bool {
    p > 0.0 && rng.chance(p)
}

/// How long a sender waits for an answer on a stream that does not come.
pub(crate) fn timeout(rng: &mut Rng) -> Duration {
    let (min, max) = STREAM_TIMEOUT;
    min + rng.within(max - min)
}
