//! Dissemination: infection style, on messages that leave anyway and in rounds of its own (SWIM, section 4.1).
//!
//! Ours: it is pushed as soon as it is heard, to ln(n) + 2 members (infect and die: Kermarrec, Massoulié, Ganesh 2003), and those pushes count as sent. So
//! it is nearly everywhere after a few times `push_delay`, at no more messages than rounds alone, which take some intervals for it.
//! What is left of the λ·⌈log10(n+1)⌉ times goes out in rounds, for those that the pushes missed. Where these times are λ, the pushes would leave
//! nothing, and do not count. Until its push, news does not leave in other datagrams: told to one member, it would be new to nobody else.

use super::*;
use crate::kit::retransmit_queue::Keyed;
use alloc::vec::Vec;
use rumormill_core::wire;

/// Bytes of news in one frame: with the ping beside it, it fits a datagram.
const FRAME_BYTES_MAX: usize = 1_200;
/// What a frame takes besides its items.
const FRAME_OVERHEAD_BYTES: usize = 8;
/// Items that are looked at for one frame (our guess: twice what fits).
const FRAME_ITEMS_MAX: usize = 64;
/// Small cards that fit a frame (our guess): so many places are allocated for it.
const FRAME_ITEMS: usize = 24;

/// Which of news' timers are in flight, and when it last left.
#[derive(Default)]
pub(super) struct Dispatch {
    armed: bool,
    /// Whether a [`Timer::Push`] is in flight.
    pushing: bool,
    /// When news last left in datagrams of its own.
    told: Option<Time>,
}

/// Whether this is what `peer` says of itself: it needs no telling.
fn is_own_card(news: &News, peer: NodeId) -> bool {
    matches!(news, News::Card(record) if record.value().id == peer)
}

/// What `peer` is told of `all`.
fn for_peer(all: &Batch, peer: NodeId) -> Batch {
    if !all.iter().any(|news| is_own_card(news, peer)) {
        return all.clone();
    }
    let others = all.iter().filter(|news| !is_own_card(news, peer));
    Batch::shared(others.cloned().collect())
}

impl<K: Keys> Swim<K> {
    /// From now on this is passed on, in place of what it outdates.
    pub(super) fn spread(&mut self, cx: Ctx<K>, news: News) {
        let key = news.key();
        match key.1 {
            // The card that it doubts goes. Other accusations stay: whoever lacks them waits for longer.
            1 => self.news.remove((key.0, 0, NodeId(0))),
            2 if self.counts_verdicts() => self.news.remove((key.0, 0, NodeId(0))),
            3 if self.is_live(key.0) => self.news.remove((key.0, 0, NodeId(0))), // it is one more suspicion
            _ => self.unsay(key.0),
        }
        let bytes = wire::len(&news);
        self.counters.news_shed += u64::from(self.news.put(news, bytes));
        self.push_soon(cx);
        if !self.dispatch.armed {
            self.dispatch.armed = true;
            let soon = cx.rng.within(self.config.gossip_interval);
            cx.after(soon, Timer::Gossip);
        }
    }

    /// Nothing that is on its way about `id` is passed on any more.
    pub(super) fn unsay(&mut self, id: NodeId) {
        self.news.remove_about(id);
    }

    /// Says this to one member, now.
    pub(super) fn tell(&mut self, cx: Ctx<K>, to: NodeId, news: News) {
        if self.is_intact(&news) {
            cx.send(to, Message::News(alloc::vec![news].into()));
        }
    }

    /// Not at once: what happens together travels together.
    fn push_soon(&mut self, cx: Ctx<K>) {
        if !self.dispatch.pushing {
            self.dispatch.pushing = true;
            cx.after(self.config.push_delay, Timer::Push);
        }
    }

    /// What nobody was told so far goes to some members, all of it to each.
    pub(super) fn on_push(&mut self, cx: Ctx<K>) {
        self.dispatch.pushing = false;
        let limit = self.news_limit();
        let peers = self.sample(cx, self.push_fanout(), None);
        if peers.is_empty() {
            return;
        }
        self.dispatch.told = Some(cx.now);
        let room = FRAME_BYTES_MAX - FRAME_OVERHEAD_BYTES;
        for _ in 0..self.config.gossip_datagrams_max {
            let mut frame = Vec::with_capacity(FRAME_ITEMS);
            let give = |news| frame.push(news);
            self.news.take_fresh(peers.len() as u32, room, limit, FRAME_ITEMS_MAX, give);
            if frame.is_empty() {
                return;
            }
            frame.retain(|news| self.is_intact(news));
            let all = Batch::shared(frame);
            for peer in &peers {
                let batch = for_peer(&all, *peer);
                if !batch.is_empty() {
                    self.send_batch(cx, *peer, batch);
                }
            }
        }
        self.push_soon(cx); // perhaps there is more
    }

    /// A round of gossip: each target is given a different selection.
    pub(super) fn on_gossip(&mut self, cx: Ctx<K>) {
        self.dispatch.armed = !self.news.is_empty();
        if self.dispatch.armed {
            self.gossip_round(cx);
            cx.after(self.config.gossip_interval, Timer::Gossip);
        }
    }

    /// Tells some members what is news.
    fn gossip_round(&mut self, cx: Ctx<K>) {
        self.dispatch.told = Some(cx.now);
        for peer in self.sample(cx, self.config.gossip_fanout, None) {
            for _ in 0..self.config.gossip_datagrams_max {
                if self.send_news(cx, peer, FRAME_BYTES_MAX) < FRAME_BYTES_MAX / 2 {
                    break;
                }
            }
        }
    }

    /// A datagram leaves anyway. If it is one of news, it carries what it is to carry: what
    /// was told to some a moment ago is for the rounds.
    pub(super) fn on_spare(&mut self, cx: Ctx<K>, peer: NodeId, bytes: usize) {
        if !self.news.is_empty() && self.dispatch.told != Some(cx.now) && self.is_live(peer) {
            self.send_news(cx, peer, bytes.min(FRAME_BYTES_MAX));
        }
    }

    /// Sends what fits, and returns how many bytes that took.
    fn send_news(&mut self, cx: Ctx<K>, peer: NodeId, room: usize) -> usize {
        let mut frame = Vec::with_capacity(FRAME_ITEMS);
        let room = room.saturating_sub(FRAME_OVERHEAD_BYTES);
        let (limit, give) = (self.news_limit(), |news| frame.push(news));
        match self.dispatch.pushing {
            true => self.news.take_again(room, limit, FRAME_ITEMS_MAX, give),
            false => self.news.take(room, limit, FRAME_ITEMS_MAX, give),
        }
        frame.retain(|news| !is_own_card(news, peer) && self.is_intact(news));
        if frame.is_empty() { 0 } else { self.send_batch(cx, peer, Batch::shared(frame)) }
    }

    /// How often each item is sent.
    fn news_limit(&self) -> u32 {
        let (mult, log10_n) = (self.config.retransmit_mult, self.log10_n());
        let pushes = self.push_fanout().min(self.live) as u32;
        mult * log10_n + if log10_n == 1 { pushes } else { 0 }
    }

    /// To how many what is quite new is pushed: an item misses none with probability e^(-e^-2) = 0.87, and e^-f of the members with f.
    fn push_fanout(&self) -> usize {
        libm::ceil(libm::log(self.live_len() as f64)) as usize + 2
    }

    /// Sends this, and returns how many bytes that took.
    fn send_batch(&mut self, cx: Ctx<K>, peer: NodeId, batch: Batch) -> usize {
        self.counters.news_sent += batch.len() as u64;
        let message = Message::News(batch);
        let bytes = wire::len(&message);
        cx.send(peer, message);
        bytes
    }

    /// News that the budget did not let out does not count as sent. If it was for one member alone ([`Self::tell`]) it had not been counted, and may
    /// be sent once more than it should.
    pub(super) fn on_shed(&mut self, message: &Message) {
        if let Message::News(shed) = message {
            shed.iter().for_each(|news| self.news.unsend(news.key()));
        }
    }

    /// A bit that flipped in this node's memory does not leave it.
    pub(super) fn is_intact(&mut self, news: &News) -> bool {
        let intact = news.is_intact();
        self.counters.records_corrupted_in_memory += u64::from(!intact);
        intact
    }

    #[cfg(test)]
    pub(super) fn corrupt_news(&mut self, bit: usize) {
        let mut all = Vec::new();
        self.news.take(usize::MAX, 1, usize::MAX, |news| all.push(news));
        for news in all {
            let News::Card(record) = news else { continue };
            let news = News::Card(record.with_flipped_bit(bit));
            self.news.put(news, 200);
        }
    }
}
