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

/// Bytes of other members' large tags that are here or on their way. Beyond it those that were used longest ago go, and are fetched again
/// when they are wanted (our guess: a thousand members with the largest tags).
pub(super) const FOREIGN_BYTES_MAX: usize = 64 << 20;

/// Large tags that are here, and those that are on their way.
#[derive(Default)]
pub(super) struct Fetched {
    here: BTreeMap<NodeId, Here>,
    /// Whose tags are here, by when they were used last.
    used: BTreeMap<u64, NodeId>,
    uses: u64,
    coming: BTreeMap<NodeId, Fetch>,
    /// The same by when they are due.
    due: BTreeSet<(Time, NodeId)>,
    /// Bytes in both.
    bytes: usize,
    armed: Option<Time>,
}

struct Here {
    hash: u64,
    bytes: Payload,
    used: u64,
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
        self.let_go(id);
        self.end(id);
    }

    fn let_go(&mut self, id: NodeId) {
        if let Some(here) = self.here.remove(&id) {
            self.used.remove(&here.used);
            self.bytes -= here.bytes.len();
        }
    }

    fn begin(&mut self, id: NodeId, fetch: Fetch) {
        self.end(id);
        self.due.insert((fetch.due, id));
        self.coming.insert(id, fetch);
    }

    fn end(&mut self, id: NodeId) -> Option<Fetch> {
        let fetch = self.coming.remove(&id)?;
        self.due.remove(&(fetch.due, id));
        self.bytes -= fetch.got.len();
        Some(fetch)
    }

    fn defer(&mut self, id: NodeId, due: Time) {
        if let Some(fetch) = self.coming.get_mut(&id) {
            self.due.remove(&(fetch.due, id));
            fetch.due = due;
            self.due.insert((due, id));
        }
    }

    /// They are served or were fetched just now.
    fn touch(&mut self, id: NodeId) {
        if let Some(here) = self.here.get_mut(&id) {
            self.uses += 1;
            self.used.remove(&here.used);
            here.used = self.uses;
            self.used.insert(self.uses, id);
        }
    }

    fn keep(&mut self, id: NodeId, hash: u64, bytes: Payload) {
        self.forget(id);
        self.bytes += bytes.len();
        self.here.insert(id, Here { hash, bytes, used: 0 });
        self.touch(id);
    }

    /// Drops what is used least, but nothing of `but`, until the bound holds; returns how many were dropped.
    fn bound(&mut self, but: NodeId) -> u64 {
        let mut shed = 0;
        while self.bytes > FOREIGN_BYTES_MAX {
            let begun = |(id, fetch): &(&NodeId, &mut Fetch)| **id != but && !fetch.got.is_empty();
            if let Some(oldest) = self.used.values().find(|id| **id != but).copied() {
                self.let_go(oldest);
            } else if let Some((_, fetch)) = self.coming.iter_mut().find(begun) {
                self.bytes -= core::mem::take(&mut fetch.got).len(); // from its first page again
            } else {
                break;
            }
            shed += 1;
        }
        shed
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
        self.tags.here.get(&owner).filter(|here| here.hash == hash).map(|here| &here.bytes)
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
        self.tags.begin(card.id, fetch);
        self.arm_fetch(cx);
    }

    fn arm_fetch(&mut self, cx: Ctx<K>) {
        let Some((due, _)) = self.tags.due.first().copied() else { return };
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
        let due = self.tags.due.iter().take_while(|(due, _)| *due <= cx.now).take(REQUESTS_MAX);
        let due: Vec<NodeId> = due.map(|(_, id)| *id).collect();
        for owner in due {
            let elsewhere = self.sample(cx, 1, Some(owner)).first().copied();
            let fetch = self.tags.coming.get_mut(&owner).expect("it was due above");
            if fetch.tries > 0 {
                fetch.ask = elsewhere.filter(|_| fetch.tries < TRIES_ELSEWHERE_MAX).unwrap_or(owner);
            }
            fetch.tries += 1;
            let due = cx.now + RETRY * fetch.tries.min(15);
            let message = Message::TagsWant { owner, hash: fetch.hash, offset: fetch.got.len() as u32 };
            cx.stream(fetch.ask, message);
            self.tags.defer(owner, due);
        }
        self.arm_fetch(cx);
    }

    /// A peer asks for tags that I may have.
    pub(super) fn on_tags_want(&mut self, cx: Ctx<K>, from: NodeId, owner: NodeId, hash: u64, offset: u32) {
        self.tags.touch(owner);
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
            let soon = fetch.due.min(cx.now + RETRY / 4); // not there: elsewhere, soon
            self.tags.defer(owner, soon);
            return self.arm_fetch(cx);
        }
        let page = &bytes[..bytes.len().min(TAGS_BYTES_MAX - fetch.got.len())];
        fetch.got.extend_from_slice(page);
        self.tags.bytes += page.len();
        if fetch.got.len() < fetch.len {
            let message = Message::TagsWant { owner, hash, offset: fetch.got.len() as u32 };
            cx.stream(fetch.ask, message);
        } else if checksum(&fetch.got) != hash {
            self.tags.bytes -= core::mem::take(&mut fetch.got).len(); // not what the owner signed: again, elsewhere
        } else {
            let got = core::mem::take(&mut fetch.got);
            self.tags.bytes -= got.len();
            self.tags.keep(owner, hash, got.as_slice().into());
            self.counters.tags_fetched += 1;
            cx.emit(Event::Tags(owner));
        }
        self.counters.tags_shed += self.tags.bound(owner);
    }

    /// Bytes of others' large tags that are here or on their way.
    pub fn tags_bytes(&self) -> usize {
        self.tags.bytes
    }

    /// The application wants tags that were dropped for want of room.
    pub(super) fn on_fetch_tags(&mut self, cx: Ctx<K>, id: NodeId) {
        let Some(card) = self.member_table.get(id).map(|row| row.card.clone()) else { return };
        self.want_tags(cx, id, card.value());
    }
}
