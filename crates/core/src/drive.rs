//! What every driver does alike: the simulator and the runtime both drive a protocol through [`Driver`], so that packing,
//! spare room and the budget are the same code in both.
//!
//! A driver hands in inputs with [`Driver::input`], as many as belong to one instant, and then calls [`Driver::flush`]: frames for one
//! peer share datagrams, what is left of the last one is offered to the protocol ([`Input::Spare`]), and the budget decides what
//! leaves. What is shed is told ([`Input::Shed`]) and counted. Nothing is queued here between two flushes.

use crate::identity::NodeId;
use crate::lane::Lane;
use crate::peers::{Change, Peers};
use crate::protocol::{Cx, Input, Message, Output, Protocol, Via};
use crate::rng::Rng;
use crate::time::{Time, Wall};
use crate::wire;
use alloc::vec::Vec;
use smallvec::SmallVec;

/// Sizes that a driver packs and counts by.
#[derive(Copy, Clone, Debug)]
pub struct Limits {
    /// Bytes of messages that fit one datagram: the MTU less everything around them.
    pub datagram_bytes_max: usize,
    /// Bytes around the messages of a datagram: seal, UDP and IP headers.
    pub datagram_overhead_bytes: usize,
    /// Bytes around a message on the stream.
    pub stream_overhead_bytes: usize,
    /// What the node may send, in bytes per second, counted with everything around it.
    pub budget_bytes_per_s: u64,
}

impl Default for Limits {
    /// As the runtime packs: 1,400 bytes behind the UDP header, 66 of them seal, and 28 of IPv4 and UDP before them; 8 MiB/s (our
    /// guess: a fifteenth of a gigabit link).
    fn default() -> Self {
        Limits {
            datagram_bytes_max: 1_334,
            datagram_overhead_bytes: 94,
            stream_overhead_bytes: 80,
            budget_bytes_per_s: 8 << 20,
        }
    }
}

/// Where a driver's effects go.
pub trait Sink<P: Protocol> {
    /// These messages leave for `to` in one datagram of `bytes`, everything around them included.
    fn datagram(&mut self, to: NodeId, messages: &mut Vec<P::Message>, bytes: usize);
    /// This one leaves for `to` in a datagram of its own: the usual case, for which nothing need be gathered.
    fn single(&mut self, to: NodeId, message: P::Message, bytes: usize);
    /// This message leaves for `to` over the stream.
    fn stream(&mut self, to: NodeId, message: P::Message, bytes: usize);
    /// Hand this timer back at `at`.
    fn timer(&mut self, at: Time, timer: P::Timer);
    /// Tell (or no longer) when the connection to `peer` breaks.
    fn watch(&mut self, peer: NodeId, on: bool);
    /// The protocol tells the application.
    fn event(&mut self, event: P::Event);
    /// A message of `lane` was dropped for the budget.
    fn shed(&mut self, to: NodeId, lane: usize, bytes: usize);
}

/// A protocol with what its driver keeps for it.
pub struct Driver<P: Protocol> {
    /// The protocol.
    pub node: P,
    me: NodeId,
    peers: Peers,
    rng: Rng,
    budget: Budget,
}

/// Scratch space for one instant, empty between two flushes: one per thread is enough for any number of drivers.
pub struct Scratch<P: Protocol> {
    frames: Vec<Frame<P::Message>>,
    leaving: Vec<Frame<P::Message>>,
    packed: Vec<P::Message>,
    /// Changes of the peers that the present input has brought.
    changes: Vec<Change>,
}

/// Rounds of one flush: what was sent, what was sent to others while room was offered, and what a [`Input::Shed`] was answered with.
/// What is sent even later in the same instant is shed without being told.
const FLUSH_ROUNDS_MAX: usize = 3;

struct Frame<M> {
    to: NodeId,
    via: Via,
    bytes: usize,
    message: M,
}

impl<M> Frame<M> {
    fn takes_stream(&self, limits: &Limits) -> bool {
        self.via == Via::Stream || self.bytes > limits.datagram_bytes_max
    }
}

impl<P: Protocol> Default for Scratch<P> {
    fn default() -> Self {
        Scratch { frames: Vec::new(), leaving: Vec::new(), packed: Vec::new(), changes: Vec::new() }
    }
}

impl<P: Protocol> Driver<P> {
    /// Drives `node` as `me`, with randomness from `seed`. It has no peers yet.
    pub fn new(node: P, me: NodeId, seed: u64, limits: &Limits) -> Self {
        let budget = Budget::new::<P::Message>(limits);
        Driver { node, me, peers: Peers::default(), rng: Rng::seeded(seed), budget }
    }

    /// Who it drives.
    pub fn me(&self) -> NodeId {
        self.me
    }

    /// Gives the node these peers in place of those before, and tells it.
    pub fn meet(
        &mut self,
        scratch: &mut Scratch<P>,
        sink: &mut impl Sink<P>,
        now: Time,
        wall: Wall,
        peers: Peers,
    ) {
        self.peers = peers;
        self.input(scratch, sink, now, wall, Input::Peer(Change::All));
    }

    /// Hands one input in, and then the changes of the peers that the node publishes. What it sends stays in `scratch` until [`flush`](Driver::flush).
    pub fn input(
        &mut self,
        scratch: &mut Scratch<P>,
        sink: &mut impl Sink<P>,
        now: Time,
        wall: Wall,
        input: Input<P>,
    ) {
        self.hand(scratch, sink, now, wall, input);
        if !scratch.changes.is_empty() {
            self.publish(scratch, sink, now, wall);
        }
    }

    /// Makes the changes one by one, and tells the node of each that is one.
    #[cold]
    fn publish(&mut self, scratch: &mut Scratch<P>, sink: &mut impl Sink<P>, now: Time, wall: Wall) {
        let mut next = 0;
        while let Some(&change) = scratch.changes.get(next) {
            next += 1;
            if self.peers.change(change) {
                self.hand(scratch, sink, now, wall, Input::Peer(change));
            }
        }
        scratch.changes.clear();
    }

    fn hand(
        &mut self,
        scratch: &mut Scratch<P>,
        sink: &mut impl Sink<P>,
        now: Time,
        wall: Wall,
        input: Input<P>,
    ) {
        let Scratch { frames, changes, .. } = scratch;
        let mut out = |output: Output<P>| match output {
            Output::Send(to, via, message) => {
                let bytes = wire::len(&message);
                frames.push(Frame { to, via, bytes, message });
            }
            Output::Timer(delay, timer) => sink.timer(now + delay, timer),
            Output::Watch(peer, on) => sink.watch(peer, on),
            Output::Peer(change) => changes.push(change),
            Output::Event(event) => sink.event(event),
        };
        let room = self.budget.room::<P::Message>(now);
        let Driver { node, me, peers, rng, .. } = self;
        node.handle(&mut Cx { now, wall, me: *me, peers, rng, room, out: &mut out }, input);
    }

    /// Ends the instant: packs what was sent, offers what is spare, and lets go what the budget allows.
    pub fn flush(
        &mut self,
        scratch: &mut Scratch<P>,
        sink: &mut impl Sink<P>,
        now: Time,
        wall: Wall,
        limits: &Limits,
    ) {
        for round in 0..FLUSH_ROUNDS_MAX {
            let offer = P::FILLS && round == 0;
            if scratch.frames.len() <= 1 {
                let Some(frame) = scratch.frames.pop() else { return };
                self.flush_one(scratch, sink, now, wall, limits, frame, offer);
                continue;
            }
            let mut leaving = core::mem::take(&mut scratch.leaving);
            core::mem::swap(&mut leaving, &mut scratch.frames);
            leaving.sort_by_key(|frame| frame.to); // stable: frames to one peer keep their order
            let mut frames = leaving.drain(..).peekable();
            while let Some(frame) = frames.next() {
                let peer = frame.to;
                if frames.peek().is_none_or(|next| next.to != peer) {
                    self.flush_one(scratch, sink, now, wall, limits, frame, offer);
                    continue;
                }
                let mut first = Some(frame);
                let next = || first.take().or_else(|| frames.next_if(|frame| frame.to == peer));
                self.flush_peer(scratch, sink, now, wall, limits, peer, next, offer);
            }
            drop(frames);
            scratch.leaving = leaving;
        }
        for frame in scratch.frames.drain(..) {
            sink.shed(frame.to, frame.message.lane(), frame.bytes);
        }
    }

    /// Flushes a frame that is alone for its peer: nothing need be gathered.
    #[allow(clippy::too_many_arguments)] // one screen further down than flush, and called from there alone
    fn flush_one(
        &mut self,
        scratch: &mut Scratch<P>,
        sink: &mut impl Sink<P>,
        now: Time,
        wall: Wall,
        limits: &Limits,
        frame: Frame<P::Message>,
        offer: bool,
    ) {
        if frame.takes_stream(limits) {
            return self.flush_stream(scratch, sink, now, wall, limits, frame);
        }
        let Frame { to, bytes, message, .. } = frame;
        let around = limits.datagram_overhead_bytes;
        if !self.affords(now, &message, bytes + around) {
            return self.shed(scratch, sink, now, wall, to, message, bytes + around);
        }
        let spare = limits.datagram_bytes_max - bytes;
        let taken = if offer && spare > 0 { self.offer(scratch, sink, now, wall, to, spare) } else { 0 };
        if taken == 0 {
            return sink.single(to, message, bytes + around);
        }
        scratch.packed.insert(0, message);
        sink.datagram(to, &mut scratch.packed, bytes + taken + around);
        scratch.packed.clear();
    }

    #[allow(clippy::too_many_arguments)] // as above
    fn flush_peer(
        &mut self,
        scratch: &mut Scratch<P>,
        sink: &mut impl Sink<P>,
        now: Time,
        wall: Wall,
        limits: &Limits,
        peer: NodeId,
        mut next: impl FnMut() -> Option<Frame<P::Message>>,
        offer: bool,
    ) {
        let mut used = 0;
        while let Some(frame) = next() {
            if frame.takes_stream(limits) {
                self.flush_stream(scratch, sink, now, wall, limits, frame);
                continue;
            }
            if used + frame.bytes > limits.datagram_bytes_max {
                sink.datagram(peer, &mut scratch.packed, used + limits.datagram_overhead_bytes);
                scratch.packed.clear();
                used = 0;
            }
            let around = if used == 0 { limits.datagram_overhead_bytes } else { 0 };
            let (bytes, message) = (frame.bytes, frame.message);
            if self.affords(now, &message, bytes + around) {
                used += bytes;
                scratch.packed.push(message);
            } else {
                self.shed(scratch, sink, now, wall, peer, message, bytes + around);
            }
        }
        if used == 0 {
            return;
        }
        if offer && used < limits.datagram_bytes_max {
            used += self.offer(scratch, sink, now, wall, peer, limits.datagram_bytes_max - used);
        }
        sink.datagram(peer, &mut scratch.packed, used + limits.datagram_overhead_bytes);
        scratch.packed.clear();
    }

    fn flush_stream(
        &mut self,
        scratch: &mut Scratch<P>,
        sink: &mut impl Sink<P>,
        now: Time,
        wall: Wall,
        limits: &Limits,
        frame: Frame<P::Message>,
    ) {
        let bytes = frame.bytes + limits.stream_overhead_bytes;
        if self.affords(now, &frame.message, bytes) {
            sink.stream(frame.to, frame.message, bytes);
        } else {
            self.shed(scratch, sink, now, wall, frame.to, frame.message, bytes);
        }
    }

    /// Offers the spare bytes of a datagram, and returns how many of them were taken.
    fn offer(
        &mut self,
        scratch: &mut Scratch<P>,
        sink: &mut impl Sink<P>,
        now: Time,
        wall: Wall,
        peer: NodeId,
        spare: usize,
    ) -> usize {
        let first = scratch.frames.len();
        self.input(scratch, sink, now, wall, Input::Spare(peer, spare));
        let mut taken = 0;
        let mut at = first;
        while at < scratch.frames.len() {
            let frame = &scratch.frames[at];
            if frame.to != peer || frame.via == Via::Stream || taken + frame.bytes > spare {
                at += 1; // not for this datagram: it leaves in the next round
                continue;
            }
            let Frame { bytes, message, .. } = scratch.frames.remove(at);
            if self.affords(now, &message, bytes) {
                taken += bytes;
                scratch.packed.push(message);
            } else {
                self.shed(scratch, sink, now, wall, peer, message, bytes);
            }
        }
        taken
    }

    /// Takes `bytes` for `message` from the budget, if it has them.
    fn affords(&mut self, now: Time, message: &P::Message, bytes: usize) -> bool {
        self.budget.take::<P::Message>(now, message.lane(), bytes)
    }

    /// Drops `message` for the budget: the sink counts it, and the protocol gets it back.
    #[cold]
    #[allow(clippy::too_many_arguments)] // as above
    fn shed(
        &mut self,
        scratch: &mut Scratch<P>,
        sink: &mut impl Sink<P>,
        now: Time,
        wall: Wall,
        peer: NodeId,
        message: P::Message,
        bytes: usize,
    ) {
        sink.shed(peer, message.lane(), bytes);
        self.input(scratch, sink, now, wall, Input::Shed(peer, message));
    }
}

/// Bytes per second, shared among the lanes of a message type: each lane fills a bucket of its own at the share that its weight gives it, what
/// overflows there fills one that all may draw on. A lane that is idle lends its share; one that floods cannot touch the others'.
struct Budget {
    rate: u64,
    shared: u64,
    /// What is in the lanes' buckets; of two in place, for most protocols of the laboratory have no more and there are a million of them.
    lanes: SmallVec<[u64; 2]>,
    filled: Time,
}

impl Budget {
    /// What is earned in a longer time than this overflows in any case.
    const EARNING_NS_MAX: u64 = 1_000_000_000;

    fn new<M: Message>(limits: &Limits) -> Budget {
        let rate = limits.budget_bytes_per_s;
        let unit = Budget::unit::<M>(rate / 2);
        let lanes = M::LANES.iter().map(|lane| unit * lane.weight).collect();
        Budget { rate, shared: rate / 2, lanes, filled: Time::ZERO }
    }

    /// What a lane of weight 1 has of `bytes`.
    fn unit<M: Message>(bytes: u64) -> u64 {
        bytes / const { Lane::weights(M::LANES) } // a constant, so nothing is divided at run time
    }

    /// Buckets hold one second in all: half of it in the lanes, half in common.
    fn fill<M: Message>(&mut self, now: Time) {
        if now <= self.filled {
            return;
        }
        let elapsed_ns = now.0 - self.filled.0;
        let unit_max = Budget::unit::<M>(self.rate / 2);
        if elapsed_ns >= Budget::EARNING_NS_MAX {
            for (level, lane) in self.lanes.iter_mut().zip(M::LANES) {
                *level = unit_max * lane.weight;
            }
            (self.shared, self.filled) = (self.rate / 2, now);
            return;
        }
        let earned = match self.rate.checked_mul(elapsed_ns) {
            Some(product) => product / 1_000_000_000,
            None => (u128::from(self.rate) * u128::from(elapsed_ns) / 1_000_000_000) as u64,
        };
        let unit = Budget::unit::<M>(earned);
        if unit == 0 {
            return; // too early to be counted in whole bytes: let the time add up
        }
        for (level, lane) in self.lanes.iter_mut().zip(M::LANES) {
            let filled = *level + unit * lane.weight;
            *level = filled.min(unit_max * lane.weight);
            self.shared += filled - *level;
        }
        self.shared = self.shared.min(self.rate / 2);
        self.filled = now;
    }

    fn room<M: Message>(&mut self, now: Time) -> usize {
        self.fill::<M>(now);
        (self.shared + self.lanes.iter().sum::<u64>()) as usize
    }

    fn take<M: Message>(&mut self, now: Time, lane: usize, bytes: usize) -> bool {
        self.fill::<M>(now);
        let lane = &mut self.lanes[lane];
        let own = (*lane).min(bytes as u64);
        let common = bytes as u64 - own;
        if common > self.shared {
            return false;
        }
        *lane -= own;
        self.shared -= common;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// Says what it is told to say, fills spare room with what it has, and remembers what was shed.
    struct Talker {
        filler: usize,
        shed: Vec<usize>,
    }
    #[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode, minicbor::CborLen)]
    enum Say {
        #[n(0)]
        Important(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
        #[n(1)]
        Filler(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    }
    impl Message for Say {
        const LANES: &'static [Lane] = &[Lane::new("important"), Lane::new("filler")];
        fn lane(&self) -> usize {
            matches!(self, Say::Filler(_)) as usize
        }
    }
    impl Protocol for Talker {
        type Call = (u64, Via, Say);
        type Message = Say;
        type Timer = ();
        type Event = ();
        const FILLS: bool = true;
        fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
            match input {
                Input::Call((to, Via::Auto, say)) => cx.send(NodeId(to), say),
                Input::Call((to, Via::Stream, say)) => cx.stream(NodeId(to), say),
                Input::Spare(peer, spare) if self.filler > 0 && spare > self.filler + 10 => {
                    cx.send(peer, Say::Filler(vec![0; self.filler]));
                }
                Input::Shed(_, say) => self.shed.push(say.lane()),
                _ => {}
            }
        }
    }
    #[derive(Default)]
    struct Seen {
        datagrams: Vec<(u64, Vec<Say>, usize)>,
        streams: Vec<(u64, usize)>,
        shed: usize,
    }
    impl<P: Protocol<Message = Say, Timer = (), Event = ()>> Sink<P> for Seen {
        fn datagram(&mut self, to: NodeId, messages: &mut Vec<Say>, bytes: usize) {
            self.datagrams.push((to.0, core::mem::take(messages), bytes));
        }
        fn single(&mut self, to: NodeId, message: Say, bytes: usize) {
            self.datagrams.push((to.0, vec![message], bytes));
        }
        fn stream(&mut self, to: NodeId, _: Say, bytes: usize) {
            self.streams.push((to.0, bytes));
        }
        fn timer(&mut self, _: Time, _: ()) {}
        fn watch(&mut self, _: NodeId, _: bool) {}
        fn event(&mut self, _: ()) {}
        fn shed(&mut self, _: NodeId, _: usize, _: usize) {
            self.shed += 1;
        }
    }

    fn run(limits: &Limits, filler: usize, calls: Vec<(u64, Via, Say)>) -> (Seen, Driver<Talker>) {
        let mut driver = Driver::new(Talker { filler, shed: vec![] }, NodeId(9), 1, limits);
        let (mut scratch, mut seen) = (Scratch::default(), Seen::default());
        for call in calls {
            driver.input(&mut scratch, &mut seen, Time::ZERO, Wall(0), Input::Call(call));
        }
        driver.flush(&mut scratch, &mut seen, Time::ZERO, Wall(0), limits);
        (seen, driver)
    }
    fn important(n: usize) -> Say {
        Say::Important(vec![1; n])
    }

    #[test]
    fn frames_for_one_peer_share_a_datagram_up_to_its_size() {
        let limits = Limits::default();
        let calls =
            [(2, 600), (1, 10), (2, 600), (2, 600), (1, 20)].map(|(to, n)| (to, Via::Auto, important(n)));
        let (seen, _) = run(&limits, 0, calls.to_vec());
        let shape: Vec<_> = seen.datagrams.iter().map(|(to, m, _)| (*to, m.len())).collect();
        assert_eq!(shape, [(1, 2), (2, 2), (2, 1)]);
        for (_, messages, bytes) in &seen.datagrams {
            let content: usize = messages.iter().map(wire::len).sum();
            assert!(content <= limits.datagram_bytes_max);
            assert_eq!(*bytes, content + limits.datagram_overhead_bytes);
        }
    }

    #[test]
    fn what_fits_no_datagram_takes_the_stream_and_spare_room_is_offered_once() {
        let limits = Limits::default();
        let calls = vec![
            (1, Via::Auto, important(5_000)),
            (1, Via::Auto, important(10)),
            (1, Via::Stream, important(1)),
        ];
        let (seen, _) = run(&limits, 100, calls);
        assert_eq!(seen.streams.len(), 2);
        assert_eq!(seen.datagrams.len(), 1);
        assert_eq!(seen.datagrams[0].1, [important(10), Say::Filler(vec![0; 100])]);
    }

    /// Has no use for spare room, and says so.
    struct Curt;
    impl Protocol for Curt {
        type Call = (u64, Say);
        type Message = Say;
        type Timer = ();
        type Event = ();
        const FILLS: bool = false;
        fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
            match input {
                Input::Call((to, say)) => cx.send(NodeId(to), say),
                Input::Spare(..) => panic!("it was not to be asked"),
                _ => {}
            }
        }
    }

    #[test]
    fn who_does_not_fill_is_not_offered_what_is_spare_and_each_peer_gets_its_own() {
        let limits = Limits::default();
        let mut driver = Driver::new(Curt, NodeId(9), 1, &limits);
        let (mut scratch, mut seen) = (Scratch::default(), Seen::default());
        for to in [3, 1, 3, 2] {
            driver.input(
                &mut scratch,
                &mut seen,
                Time::ZERO,
                Wall(0),
                Input::Call((to, important(to as usize))),
            );
        }
        driver.flush(&mut scratch, &mut seen, Time::ZERO, Wall(0), &limits);
        let each: Vec<_> = seen.datagrams.iter().map(|(to, messages, _)| (*to, messages.len())).collect();
        assert_eq!(each, [(1, 1), (2, 1), (3, 2)]);
    }

    #[test]
    fn a_lane_that_floods_cannot_starve_the_other() {
        let limits = Limits { budget_bytes_per_s: 100_000, ..Limits::default() };
        let mut calls: Vec<_> = (0..500).map(|i| (i, Via::Auto, Say::Filler(vec![0; 1_000]))).collect();
        calls.extend((0..20).map(|i| (1_000 + i, Via::Auto, important(1_000))));
        let (seen, driver) = run(&limits, 0, calls);
        let important = seen.datagrams.iter().filter(|(to, ..)| *to >= 1_000).count();
        assert_eq!(important, 20, "a quarter of the second is this lane's own: 25,000 bytes");
        let bytes: usize = seen.datagrams.iter().map(|d| d.2).sum();
        assert!(bytes <= 100_000, "{bytes}");
        assert_eq!(driver.node.shed.len(), seen.shed);
        assert!(driver.node.shed.iter().all(|lane| *lane == 1));
        assert_eq!(seen.shed + seen.datagrams.len(), 520);
    }
}
