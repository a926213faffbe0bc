//! Large tags: the card carries their hash, and who lacks them fetches them from whoever brought the card.
//!
//! A change of one member's tags makes n members want the same 64 KiB at once. Who heard of it from the owner asks the owner, soon; the others ask
//! who brought the news, after a random delay: the tags spread as the news did, and the owner serves a few.

use super::record::{Card, TAGS_BYTES_MAX, Tags};
use super::*;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use rumormill_core::payload::Payload;
use rumormill_core::record::checksum;
use rumormill_core::time::Duration;

/// Bytes of tags in one message.
const PAGE_BYTES_MAX: usize = 32 * 1024;
/// Requests that leave at one time; the rest waits for the next.
const REQUESTS_MAX: usize = 8;
/// A request without an answer is repeated elsewhere after this long (our guess), and each time later.
const RETRY: Duration = Duration::from_secs(2);
/// After so many tries elsewhere, the owner itself is asked.
const TRIES_ELSEWHERE_MAX: u32 = 3;

/// Large tags that are here, and those that are on their way.
#[derive(Default)]
pub(super) struct Fetched {
    here: BTreeMap<NodeId, (u64, Payload)>,
    coming: BTreeMap<NodeId, Fetch>,
    armed: Option<Time>,
}

struct Fetch {
    hash: u64,
    len: usize,
    ask: NodeId,
    due: Time,
    tries: u32,
    got: Vec<u8>,
}

impl Fetched {
    pub(super) fn forget(&mut self, id: NodeId) {
        self.here.remove(&id);
        self.coming.remove(&id);
    }
}

impl<K: Keys> Swim<K> {
    /// The encoded tags of a card, if they are here.
    pub(super) fn tags_of<'a>(&'a self, card: &'a Card) -> Option<&'a [u8]> {
        match &card.tags {
            Tags::Inline(bytes) => Some(bytes),
            Tags::Hashed(hash, _) => self.tags_by_hash(card.id, *hash).map(|bytes| &**bytes),
        }
    }

    fn tags_by_hash(&self, owner: NodeId, hash: u64) -> Option<&Payload> {
        if owner == self.mine.card.value().id {
            return (checksum(&self.mine.tags) == hash).then_some(&self.mine.tags);
        }
        self.tags.here.get(&owner).filter(|(here, _)| *here == hash).map(|(_, bytes)| bytes)
    }

    /// A card is news: do its tags have to be fetched?
    pub(super) fn want_tags(&mut self, cx: Ctx<K>, from: NodeId, card: &Card) {
        let Tags::Hashed(hash, len) = card.tags else {
            return self.tags.forget(card.id);
        };
        let coming = self.tags.coming.get(&card.id).is_some_and(|fetch| fetch.hash == hash);
        if coming || self.tags_by_hash(card.id, hash).is_some() {
            return;
        }
        // Who has the card from its owner asks the owner, and first, so that the others, who ask their bringers, find the tags there.
        let interval = self.config.gossip_interval;
        let wait = match from == card.id {
            true => cx.rng.within(interval),
            false => interval + cx.rng.within(interval * (3 + self.log10_n())),
        };
        let due = cx.now + wait;
        let fetch = Fetch { hash, len: len as usize, ask: from, due, tries: 0, got: Vec::new() };
        self.tags.coming.insert(card.id, fetch);
        self.arm_fetch(cx);
    }

    fn arm_fetch(&mut self, cx: Ctx<K>) {
        let Some(due) = self.tags.coming.values().map(|fetch| fetch.due).min() else { return };
        if self.tags.armed.is_none_or(|armed| due < armed) {
            self.tags.armed = Some(due);
            cx.after(due.since(cx.now), Timer::Fetch);
        }
    }

    /// Asks for what is due.
    pub(super) fn on_fetch_due(&mut self, cx: Ctx<K>) {
        if self.tags.armed.is_some_and(|armed| armed > cx.now) {
            return; // armed anew for later since
        }
        self.tags.armed = None;
        let due: Vec<NodeId> = self
            .tags
            .coming
            .iter()
            .filter(|(_, fetch)| fetch.due <= cx.now)
            .map(|(id, _)| *id)
            .take(REQUESTS_MAX)
            .collect();
        for owner in due {
            let elsewhere = self.sample(cx, 1, Some(owner)).first().copied();
            let fetch = self.tags.coming.get_mut(&owner).expect("it was due above");
            if fetch.tries > 0 {
                fetch.ask = elsewhere.filter(|_| fetch.tries < TRIES_ELSEWHERE_MAX).unwrap_or(owner);
            }
            fetch.tries += 1;
            fetch.due = cx.now + RETRY * fetch.tries.min(15);
            let message = Message::TagsWant { owner, hash: fetch.hash, offset: fetch.got.len() as u32 };
            cx.stream(fetch.ask, message);
        }
        self.arm_fetch(cx);
    }

    /// A peer asks for tags that I may have.
    pub(super) fn on_tags_want(&mut self, cx: Ctx<K>, from: NodeId, owner: NodeId, hash: u64, offset: u32) {
        let all = self.tags_by_hash(owner, hash);
        let page = all.and_then(|all| all.get(offset as usize..)).unwrap_or(&[]);
        let bytes = Payload::from(&page[..page.len().min(PAGE_BYTES_MAX)]);
        cx.stream(from, Message::TagsHave { owner, hash, offset, bytes });
    }

    /// A page of tags.
    pub(super) fn on_tags_have(&mut self, cx: Ctx<K>, owner: NodeId, hash: u64, offset: u32, bytes: &[u8]) {
        let Some(fetch) = self.tags.coming.get_mut(&owner) else { return };
        if fetch.hash != hash || fetch.got.len() != offset as usize {
            return;
        }
        if bytes.is_empty() {
            fetch.due = fetch.due.min(cx.now + RETRY / 4); // not there: elsewhere, soon
            return self.arm_fetch(cx);
        }
        fetch.got.extend_from_slice(&bytes[..bytes.len().min(TAGS_BYTES_MAX - fetch.got.len())]);
        if fetch.got.len() < fetch.len {
            let message = Message::TagsWant { owner, hash, offset: fetch.got.len() as u32 };
            let ask = fetch.ask;
            return cx.stream(ask, message);
        }
        if checksum(&fetch.got) != hash {
            fetch.got.clear(); // not what the owner signed: again, elsewhere
            return;
        }
        let fetch = self.tags.coming.remove(&owner).expect("it was found above");
        self.tags.here.insert(owner, (hash, fetch.got.as_slice().into()));
        self.counters.tags_fetched += 1;
        cx.emit(Event::Tags(owner));
    }
}
