//! What becomes of a datagram, of a stream message, of a broken connection.
//!
//! A partition is looked up when something leaves, a crash when it arrives. All chance is drawn from the sender's own source
//! (the receiver's, for what it sends back), so that one node more does not reshuffle what happens to the others.

use crate::content::Content;
use crate::gear::{Pass, Stage};
use crate::latency::LATENCY_MIN;
use crate::node::{Departure, Entry, Packet, Port, What};
use crate::queue::{Class, Queue, Turn};
use crate::world::World;
use rumormill_core::identity::NodeId;
use rumormill_core::protocol::{Loss, Protocol};
use rumormill_core::rng::{Rng, mix};
use rumormill_core::time::{Duration, Time};
use rumormill_core::wire;
use std::collections::BTreeMap;

/// What the caller starts, and what waited for a node that stood still.
pub(crate) const FIRST: Class = 0;
/// Timers of the synchronous world: all of them before any message.
pub(crate) const TIMER_OF_CYCLE: Class = 1;
/// What arrives.
pub(crate) const ARRIVAL: Class = 2;
/// Timers of the other world.
pub(crate) const TIMER: Class = 3;

/// A lost segment delays its stream by so much (Linux, `TCP_RTO_MIN`; ours: without backing off).
const RETRANSMISSION: Duration = Duration::from_millis(200);
/// After so many retransmissions a stream gives up (Linux, `tcp_retries2`).
const RETRANSMISSIONS_MAX: u32 = 15;
/// What one segment carries: an Ethernet frame less IPv4 and TCP headers with timestamps.
const SEGMENT_BYTES: usize = 1_448;
/// A sender waits so long before it takes a stream for broken when nothing comes back (our guess).
const STREAM_TIMEOUT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3));
/// What a stream message may have on top of [`wire::STREAM_MESSAGE_BYTES_MAX`]: the protocols' own envelopes.
const STREAM_ENVELOPE_BYTES_MAX: usize = 1_024;
/// Connections that one node may ask to be told of.
const WATCHED_MAX: usize = 65_536;
/// Of one delivery in so many, what it says goes into the digest.
const DIGESTED: u64 = 64;
/// Emptied vectors kept for the next datagrams.
const POOL_MAX: usize = 4_096;

/// Whether what the first sends does not reach the second.
pub(crate) type Cut = Box<dyn Fn(NodeId, NodeId) -> bool + Send + Sync>;

/// Who sits where. A seat is never given away.
pub(crate) struct Seat {
    pub id: NodeId,
    /// How often it has crashed: what was meant for an earlier life is dropped.
    pub life: u32,
}

/// What all partitions look at, and only the caller changes, between two runs.
pub(crate) struct Shared {
    pub world: World,
    /// Nanoseconds of a cycle, in the synchronous world.
    pub cycle: Option<u64>,
    pub seats: Vec<Seat>,
    /// Where each id sits; empty as long as each id is the number of its seat.
    index: hashbrown::HashMap<NodeId, u32, foldhash::fast::FixedState>,
    is_dense: bool,
    pub cut: Option<Cut>,
    pub cut_datagrams: Option<Cut>,
    /// Which node holds the address of a node that is down, by the one that is down.
    pub heirs: BTreeMap<NodeId, NodeId>,
    /// Seats of one partition; the last one takes what is left.
    pub chunk: u32,
    pub partitions: usize,
    /// The order of what arrives at one instant is drawn from this: a function of the seed.
    pub lots: u64,
}

impl Shared {
    pub fn new(world: World, chunk: u32, partitions: usize, lots: u64) -> Shared {
        Shared {
            cycle: world.synchronous.map(|cycle| u64::try_from(cycle.as_nanos()).unwrap_or(u64::MAX)),
            world,
            lots,
            seats: Vec::new(),
            index: hashbrown::HashMap::default(),
            is_dense: true,
            cut: None,
            cut_datagrams: None,
            heirs: BTreeMap::new(),
            chunk,
            partitions,
        }
    }

    /// Gives `id` the next seat; `None` if it has one.
    pub fn seat(&mut self, id: NodeId) -> Option<u32> {
        if self.slot(id).is_some() {
            return None;
        }
        let slot = u32::try_from(self.seats.len()).expect("at most 2^32 nodes");
        if self.is_dense && id.0 != u64::from(slot) {
            self.is_dense = false;
            self.index = self.seats.iter().enumerate().map(|(slot, seat)| (seat.id, slot as u32)).collect();
        }
        if !self.is_dense {
            self.index.insert(id, slot);
        }
        self.seats.push(Seat { id, life: 0 });
        Some(slot)
    }

    /// Where `id` sits.
    pub fn slot(&self, id: NodeId) -> Option<u32> {
        match self.is_dense {
            true => (id.0 < self.seats.len() as u64).then_some(id.0 as u32),
            false => self.index.get(&id).copied(),
        }
    }

    /// Who sits there.
    pub fn id(&self, slot: u32) -> NodeId {
        match self.is_dense {
            true => NodeId(slot.into()), // without a look at a table that is too large for any cache
            false => self.seats[slot as usize].id,
        }
    }

    /// The partition of a seat.
    pub fn partition(&self, slot: u32) -> usize {
        ((slot / self.chunk) as usize).min(self.partitions - 1)
    }

    /// The first instant from `at` on at which anything can happen.
    pub fn instant(&self, at: Time) -> Time {
        match self.cycle {
            None => at,
            Some(cycle) => Time(at.0.div_ceil(cycle).saturating_mul(cycle)),
        }
    }

    pub fn timer_class(&self) -> Class {
        if self.world.synchronous.is_some() { TIMER_OF_CYCLE } else { TIMER }
    }

    pub fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.cut.as_ref().is_some_and(|cut| cut(from, to))
    }

    /// Whether a connection between the two is cut: it needs both directions.
    pub fn is_cut_either_way(&self, a: NodeId, b: NodeId) -> bool {
        self.is_cut(a, b) || self.is_cut(b, a)
    }
}

/// What a partition has of its own.
pub(crate) struct Local<P: Protocol> {
    pub queue: Queue<P>,
    /// What leaves for other partitions, by theirs.
    pub outboxes: Vec<Vec<Entry<P>>>,
    pub partition: usize,
    /// The node that runs now, and until when what it sets for itself belongs to this turn.
    pub running: u32,
    pub end: Time,
    /// What the running node has set for itself within this turn.
    pub soon: Vec<Entry<P>>,
    /// What nodes told in this turn.
    pub told: Vec<(Time, u32, P::Event)>,
    pub digest: u64,
    pool: Vec<Vec<P::Message>>,
    pub bytes: Vec<u8>,
}

impl<P: Protocol> Local<P> {
    pub fn new(queue: Queue<P>, partition: usize, partitions: usize) -> Local<P> {
        Local {
            queue,
            outboxes: std::iter::repeat_with(Vec::new).take(partitions).collect(),
            partition,
            running: u32::MAX,
            end: Time::ZERO,
            soon: Vec::new(),
            told: Vec::new(),
            digest: 0,
            pool: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// From now on it runs `turn`.
    pub fn begin(&mut self, turn: &Turn) {
        self.end = if turn.class.is_some() { Time::ZERO } else { turn.end };
    }

    /// A vector for the messages of a datagram.
    pub fn vector(&mut self) -> Vec<P::Message> {
        self.pool.pop().unwrap_or_default()
    }

    /// Takes a vector back.
    pub fn recycle(&mut self, mut messages: Vec<P::Message>) {
        messages.clear();
        if self.pool.len() < POOL_MAX {
            self.pool.push(messages);
        }
    }
}

/// The network as a node sees it at one instant.
pub(crate) struct Network<'a, P: Protocol> {
    pub shared: &'a Shared,
    pub local: &'a mut Local<P>,
    pub now: Time,
}

impl<P: Protocol> Network<'_, P> {
    /// Sets something for a node. Inlined, as all on a datagram's way is, or what is set would be copied at each step.
    #[inline(always)]
    pub fn push(&mut self, port: &mut Port<P>, at: Time, class: Class, slot: u32, life: u32, what: What<P>) {
        let time = self.shared.instant(at);
        let entry = Entry { time, sequence: port.sequence, slot, source: port.slot, life, class, what };
        port.sequence += 1;
        self.deliver(entry);
    }

    /// Puts an entry where it belongs.
    #[inline(always)]
    pub fn deliver(&mut self, entry: Entry<P>) {
        if entry.slot == self.local.running && entry.time < self.local.end {
            return self.local.soon.push(entry);
        }
        if self.shared.partitions > 1 {
            let partition = self.shared.partition(entry.slot);
            if partition != self.local.partition {
                return self.local.outboxes[partition].push(entry);
            }
        }
        self.local.queue.push(entry);
    }

    /// Hands a timer back at `at`.
    #[inline(always)]
    pub fn timer(&mut self, port: &mut Port<P>, at: Time, timer: P::Timer) {
        let (slot, life) = (port.slot, port.life);
        self.push(port, at, self.shared.timer_class(), slot, life, What::Timer(at, timer));
    }

    /// Something leaves, and is counted.
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
            return self.drop(content);
        }
        let Some(leaves) = self.leave(port, bytes, false) else {
            port.count().dropped.congested += 1;
            return self.drop(content);
        };
        if happens(&mut port.chance, shared.world.loss) {
            port.count().dropped.lost += 1;
            return self.drop(content);
        }
        if shared.is_swallowed(port, to) {
            port.count().dropped.swallowed += 1;
            return self.drop(content);
        }
        if happens(&mut port.chance, shared.world.duplicate) {
            port.count().duplicated += 1;
            self.copy_arrives(port, slot, leaves, &content, bytes);
        }
        self.datagram_arrives(port, slot, leaves, content, bytes);
    }

    /// When what goes up a node's line now has left it; `None` if the line's queue is full.
    fn leave(&self, port: &mut Port<P>, bytes: usize, stream: bool) -> Option<Time> {
        let Some(gear) = &mut port.gear else { return Some(self.now) };
        match gear.up(&self.shared.world, self.now, bytes, stream) {
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
            content = self.local.pack(content, bytes - world.limits.datagram_overhead_bytes);
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

    /// It arrives twice.
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
        let content = if self.shared.world.wire { self.local.pack(content, content_bytes) } else { content };
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

    /// How long a message takes over the stream, with the retransmissions of its segments; `None` if it gives up.
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

    /// How long what this node sends to `to` takes now.
    pub fn latency(&self, port: &mut Port<P>, to: NodeId) -> Duration {
        match self.shared.world.synchronous {
            Some(_) => Duration::ZERO,
            None => self.shared.world.latency.draw(port.id, to, &mut port.chance),
        }
    }

    fn unknown(&mut self, port: &mut Port<P>, to: NodeId) {
        port.count().dropped.unknown += 1;
        let delay = if self.shared.world.synchronous.is_some() { Duration::ZERO } else { LATENCY_MIN };
        self.tell(port, delay, What::Lost(to, Loss::Unknown));
    }

    pub fn time_out(&mut self, port: &mut Port<P>, peer: NodeId) {
        let delay = timeout(&mut port.chance);
        self.tell(port, delay, What::Lost(peer, Loss::TimedOut));
    }

    /// The node at `port` is told something in its present life.
    pub fn tell(&mut self, port: &mut Port<P>, delay: Duration, what: What<P>) {
        let (slot, life) = (port.slot, port.life);
        self.push(port, self.now + delay, ARRIVAL, slot, life, what);
    }

    /// What the sender of a stream message learns when the node at `port` is down.
    pub fn loss_of_crashed(&self, port: &Port<P>) -> Loss {
        self.shared.heirs.get(&port.id).map_or(Loss::Refused, |heir| Loss::Replaced(*heir))
    }

    /// The node at `port` tells the sender of a stream message, as far as it can be reached, that it did not take it. Of datagrams nobody
    /// is told.
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

    /// A node wants to be told, or no longer, when its connection to `peer` breaks. The peer hears of it a latency later.
    pub fn watch(&mut self, port: &mut Port<P>, peer: NodeId, on: bool) {
        let watching = &mut port.rare().watching;
        let news = if on { watching.insert(peer) } else { watching.remove(&peer) };
        if on {
            let watched = watching.len();
            assert!(watched <= WATCHED_MAX, "{} watches more than {WATCHED_MAX} connections", port.id);
        } else if !news {
            return;
        }
        let Some(slot) = self.shared.slot(peer) else {
            if on {
                self.tell(port, Duration::ZERO, What::Broken(peer, Loss::Unknown));
            }
            return;
        };
        if !self.shared.is_cut_either_way(port.id, peer) {
            let at = self.now + self.latency(port, peer);
            let watched = What::Watched(port.slot, port.life, on);
            self.push(port, at, ARRIVAL, slot, 0, watched);
        } else if on {
            let delay = timeout(&mut port.chance);
            self.tell(port, delay, What::Silent(peer));
        }
    }

    /// Who watches the node at `port` hears that the connection broke, if it can be reached.
    pub fn tell_watcher(&mut self, port: &mut Port<P>, watcher: u32, life: u32, loss: Loss) {
        let id = self.shared.id(watcher);
        if !self.shared.is_cut_either_way(port.id, id) {
            let at = self.now + self.latency(port, id);
            self.push(port, at, ARRIVAL, watcher, life, What::Broken(port.id, loss));
        }
    }

    /// Gives up what does not arrive.
    fn drop(&mut self, content: Content<P::Message>) {
        if let Content::Many(messages) = content {
            self.local.recycle(messages);
        }
    }

    /// The messages in `content`, if they can be read; adds the delivery to the digest: time, sender, receiver and size of each, and
    /// what it says of a node's first and of one in [`DIGESTED`].
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
            sum = self.local.hash(&content, sum);
        }
        let content = match content {
            Content::Bytes { bytes, corrupt } => self.local.read(from, to, &bytes, corrupt)?,
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

/// How long a sender waits for an answer that does not come.
pub(crate) fn timeout(rng: &mut Rng) -> Duration {
    let (min, max) = STREAM_TIMEOUT;
    min + rng.within(max - min)
}
