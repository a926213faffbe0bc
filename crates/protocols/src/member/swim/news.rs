//! Dissemination: infection style, on messages that leave anyway and in rounds of its own (SWIM, section 4.1).

use super::record::Charge;
use super::*;
use alloc::vec::Vec;
use rumormill_core::wire;

/// Bytes of news in one frame: with the ping beside it, it fits a datagram.
const FRAME_BYTES_MAX: usize = 1_200;
/// What a frame takes besides its items.
const FRAME_OVERHEAD_BYTES: usize = 8;
/// Items that are looked at for one frame (our guess: twice what fits).
const FRAME_ITEMS_MAX: usize = 64;

/// About whom, what, by whom: a card by itself, suspicions by accuser, one verdict of death, one of forgetting.
pub(super) type Key = (NodeId, u8, NodeId);

/// Whether a round is due, and what left in this instant, in case it is shed.
#[derive(Default)]
pub(super) struct Dispatch {
    armed: bool,
    at: Time,
    sent: Vec<(NodeId, Key)>,
}

fn key(news: &News) -> Key {
    match news {
        News::Card(record) => (record.value().id, 0, NodeId(0)),
        News::Accusation(record) => match record.value().charge {
            Charge::Suspect => (record.value().accused, 1, record.value().accuser),
            Charge::Dead => (record.value().accused, 2, NodeId(0)),
            Charge::Forget => (record.value().accused, 3, NodeId(0)),
        },
    }
}

impl<K: Keys> Swim<K> {
    /// From now on this is passed on, in place of what it outdates.
    pub(super) fn spread(&mut self, cx: Ctx<K>, news: News) {
        let key = key(&news);
        let (first, last) = ((key.0, 0, NodeId(0)), (key.0, 3, NodeId(u64::MAX)));
        match key.1 {
            1 => self.news.remove(first), // the card that it doubts; other suspicions stand beside it
            _ => self.news.remove_range(first..=last),
        }
        let bytes = wire::len(&news);
        self.counters.news_shed += u64::from(self.news.put(key, news, bytes));
        if !self.dispatch.armed {
            self.dispatch.armed = true;
            // The first round comes soon, but not at once: what happens together travels together.
            let soon = cx.rng.within(self.config.gossip_interval);
            cx.after(soon, Timer::Gossip);
        }
    }

    /// Says this to one member, now.
    pub(super) fn tell(&mut self, cx: Ctx<K>, to: NodeId, news: News) {
        if self.is_intact(&news) {
            cx.send(to, Message::News(alloc::vec![news]));
        }
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
    pub(super) fn gossip_round(&mut self, cx: Ctx<K>) {
        for peer in self.sample(cx, self.config.gossip_fanout, None) {
            for _ in 0..self.config.gossip_datagrams_max {
                if self.send_news(cx, peer, FRAME_BYTES_MAX) < FRAME_BYTES_MAX / 2 {
                    break;
                }
            }
        }
    }

    /// A datagram leaves anyway.
    pub(super) fn on_spare(&mut self, cx: Ctx<K>, peer: NodeId, bytes: usize) {
        if !self.news.is_empty() && self.is_live(peer) {
            self.send_news(cx, peer, bytes.min(FRAME_BYTES_MAX));
        }
    }

    /// Sends what fits, and returns how many bytes that took.
    fn send_news(&mut self, cx: Ctx<K>, peer: NodeId, room: usize) -> usize {
        let limit = self.config.retransmit_mult * self.log10_n();
        let mut keys = Vec::new();
        let mut items = Vec::new();
        let room = room.saturating_sub(FRAME_OVERHEAD_BYTES);
        self.news.take(room, limit, FRAME_ITEMS_MAX, |key, news| {
            // A member needs no telling what it says of itself.
            if key.1 != 0 || key.0 != peer {
                keys.push(key);
                items.push(news);
            }
        });
        items.retain(|news| self.is_intact(news));
        if items.is_empty() {
            return 0;
        }
        if self.dispatch.at != cx.now {
            self.dispatch.at = cx.now;
            self.dispatch.sent.clear();
        }
        self.dispatch.sent.extend(keys.into_iter().map(|key| (peer, key)));
        self.counters.news_sent += items.len() as u64;
        let message = Message::News(items);
        let bytes = wire::len(&message);
        cx.send(peer, message);
        bytes
    }

    /// What was shed does not count as sent.
    pub(super) fn on_shed(&mut self, cx: Ctx<K>, peer: NodeId) {
        if self.dispatch.at == cx.now {
            let news = &mut self.news;
            self.dispatch.sent.retain(|(to, key)| {
                if *to == peer {
                    news.unsend(*key);
                }
                *to != peer
            });
        }
    }

    /// A bit that flipped in this node's memory does not leave it.
    fn is_intact(&mut self, news: &News) -> bool {
        let intact = match news {
            News::Card(record) => record.is_intact(),
            News::Accusation(record) => record.is_intact(),
        };
        self.counters.records_corrupted_in_memory += u64::from(!intact);
        intact
    }

    #[cfg(test)]
    pub(super) fn corrupt_news(&mut self, bit: usize) {
        let mut all = Vec::new();
        self.news.take(usize::MAX, 1, usize::MAX, |_, news| all.push(news));
        for news in all {
            let News::Card(record) = news else { continue };
            let news = News::Card(record.with_flipped_bit(bit));
            self.news.put(key(&news), news, 200);
        }
    }
}
