//! Rows, the root hash over them, and what is read from outside.

use super::record::{Accusation, Card, Charge, TAGS_INLINE_BYTES_MAX, Tags};
use super::*;
use crate::kit::id_hash::IdHash;
use crate::kit::retransmit_queue::Keyed;
use alloc::string::String;
use alloc::vec::Vec;
use rumormill_core::identity::Life;
use rumormill_core::payload::Payload;
use rumormill_core::record::{Record, checksum};
use rumormill_core::rng::mix;
use rumormill_core::time::{Duration, Wall};

/// Buckets of an exchange.
pub(super) const BUCKETS: usize = 256;

/// Who a node is when it starts.
#[derive(Clone, Debug)]
pub struct Me {
    /// Its id.
    pub id: NodeId,
    /// This life of it.
    pub life: Life,
    /// A label.
    pub name: String,
    /// Where the driver reaches it.
    pub contact: Payload,
    /// Its tags, encoded.
    pub tags: Payload,
    /// The id it had before it found a copy of itself running.
    pub copied_from: Option<NodeId>,
}

/// What a node says of itself.
pub(super) struct Mine {
    pub(super) card: Record<Card>,
    pub(super) tags: Payload,
}

/// What a node keeps about another: 64 bytes, with what is large and shared behind the record.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: NodeId,
    pub(super) card: Record<Card>,
    /// What this row adds to the root hash while it is live.
    pub(super) hash: u64,
    pub(super) since: Time,
    /// `ZERO`: never.
    pub(super) heard: Time,
    /// Smoothed round trip and its deviation, in microseconds; 0: not measured (RFC 6298).
    pub(super) srtt_us: u32,
    pub(super) rttvar_us: u32,
    pub(super) status: Status,
    pub(super) stream_only: bool,
}

const _: () = assert!(size_of::<Row>() <= 64, "a row is one cache line");

impl crate::kit::member_table::Entry for Row {
    fn id(&self) -> NodeId {
        self.id
    }
}

impl Row {
    pub(super) fn new(card: Record<Card>, now: Time) -> Row {
        let (id, hash) = (card.value().id, card_hash(card.value()));
        Row {
            id,
            card,
            hash,
            since: now,
            heard: Time::ZERO,
            srtt_us: 0,
            rttvar_us: 0,
            status: Status::Alive,
            stream_only: false,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        matches!(self.status, Status::Alive | Status::Suspect)
    }

    /// Whether `accusation` speaks of an older life or incarnation than this row knows.
    pub(super) fn outdates(&self, accusation: &Accusation) -> bool {
        let card = self.card.value();
        (accusation.epoch, accusation.incarnation) < (card.life.epoch, card.incarnation)
    }

    /// So long a round trip may take, in microseconds; of one that was measured (RFC 6298, section 2.3: SRTT + 4·RTTVAR).
    pub(super) fn rto_us(&self) -> u64 {
        u64::from(self.srtt_us) + 4 * u64::from(self.rttvar_us)
    }

    /// A measured round trip (RFC 6298, section 2).
    pub(super) fn measured(&mut self, rtt: Duration) {
        let sample = u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX).max(1);
        if self.srtt_us == 0 {
            (self.srtt_us, self.rttvar_us) = (sample, sample / 2);
        } else {
            let deviation = self.srtt_us.abs_diff(sample);
            self.rttvar_us = self.rttvar_us - self.rttvar_us / 4 + deviation / 4;
            self.srtt_us = (self.srtt_us - self.srtt_us / 8 + sample / 8).max(1);
        }
    }
}

/// The hash of what two nodes must agree on about a live member: which card of it they hold.
pub(super) fn card_hash(card: &Card) -> u64 {
    mix(card.id.0 ^ mix(card.life.epoch ^ mix(card.life.session ^ mix(card.incarnation))))
}

/// The bucket of an id.
pub(super) fn bucket(id: NodeId) -> usize {
    (mix(id.0) >> 56) as usize
}

/// Sums of the rows' hashes, per bucket and over all: they change by one addition when a row does.
pub(super) struct Sums {
    pub(super) buckets: alloc::boxed::Box<[u64; BUCKETS]>,
    pub(super) root: u64,
}

impl Sums {
    pub(super) fn add(&mut self, id: NodeId, hash: u64) {
        let sum = &mut self.buckets[bucket(id)];
        *sum = sum.wrapping_add(hash);
        self.root = self.root.wrapping_add(hash);
    }

    pub(super) fn subtract(&mut self, id: NodeId, hash: u64) {
        self.add(id, hash.wrapping_neg());
    }
}

/// How tags travel on a card.
pub(super) fn tags_on_card(tags: &Payload) -> Tags {
    if tags.len() <= TAGS_INLINE_BYTES_MAX {
        Tags::Inline(tags.clone())
    } else {
        Tags::Hashed(checksum(tags), tags.len() as u32)
    }
}

/// A number that only the holder of `keys` can compute: the checksum of a signature that is never sent. Without keys it is a constant.
fn secret(keys: &impl Keys) -> u64 {
    checksum(&keys.sign(b"rumormill: hash of ids in this node's tables"))
}

impl<K: Keys> Swim<K> {
    /// A node that knows nobody yet.
    pub fn new(config: Config, me: Me, keys: K) -> Self {
        let card = Card {
            id: me.id,
            life: me.life,
            incarnation: 0,
            left: false,
            written: Wall(0), // written anew at the first word about myself
            name: me.name,
            contact: me.contact,
            tags: tags_on_card(&me.tags),
            copied_from: me.copied_from,
        };
        let mut sums = Sums { buckets: alloc::boxed::Box::new([0; BUCKETS]), root: 0 };
        sums.add(me.id, card_hash(&card));
        let hash = IdHash::keyed(secret(&keys));
        let health_max = if config.lifeguard { config.health_max } else { 0 };
        Swim {
            mine: Mine { card: Record::signed(card, &keys), tags: me.tags },
            member_table: MemberTable::new(hash),
            probe_order: ProbeOrder::default(),
            live: 0,
            sums,
            health: Health::new(health_max),
            probes: Default::default(),
            cases: Default::default(),
            news: RetransmitQueue::new(NEWS_MAX, hash),
            dispatch: Default::default(),
            anti_entropy: Default::default(),
            tags: Default::default(),
            departed: Default::default(),
            tombstones: Default::default(),
            banned: BTreeSet::new(),
            verdicts: VecDeque::new(),
            counters: Counters::default(),
            config,
            keys,
        }
    }

    /// Myself.
    pub fn me(&self) -> Member<'_> {
        let card = self.mine.card.value();
        Member {
            id: card.id,
            status: if card.left { Status::Left } else { Status::Alive },
            since: Time::ZERO,
            heard: None,
            rtt: None,
            card,
            tags: Some(&self.mine.tags),
            stream_only: false,
        }
    }

    /// Myself and all others that are remembered, in no order.
    pub fn members(&self) -> impl Iterator<Item = Member<'_>> {
        core::iter::once(self.me()).chain(self.member_table.iter().map(|row| self.shown(row)))
    }

    /// One member.
    pub fn member(&self, id: NodeId) -> Option<Member<'_>> {
        if id == self.mine.card.value().id {
            return Some(self.me());
        }
        self.member_table.get(id).map(|row| self.shown(row))
    }

    fn shown<'a>(&'a self, row: &'a Row) -> Member<'a> {
        Member {
            id: row.id,
            status: row.status,
            since: row.since,
            heard: (row.heard > Time::ZERO).then_some(row.heard),
            rtt: (row.srtt_us > 0).then(|| Duration::from_micros(row.srtt_us.into())),
            card: row.card.value(),
            tags: self.tags_of(row.card.value()),
            stream_only: row.stream_only,
        }
    }

    /// Members that are alive or suspect, myself included.
    pub fn live_len(&self) -> usize {
        self.live + 1
    }

    /// What was said about a member, oldest first.
    pub fn why(&self, id: NodeId) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(move |verdict| verdict.accused == id)
    }

    /// What has been counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The local health score; 0 is healthy.
    pub fn health(&self) -> u32 {
        self.health.score()
    }

    /// Items of news that are still being sent.
    pub fn news_len(&self) -> usize {
        self.news.len()
    }

    /// News that is still being sent: about whom, and as what; none: as forgotten.
    pub fn news(&self) -> impl Iterator<Item = (NodeId, Option<Status>)> {
        let mut items: Vec<&News> = self.news.items().collect();
        items.sort_unstable_by_key(|news| news.key());
        items.into_iter().map(|news| match news {
            News::Card(record) if record.value().left => (record.value().id, Some(Status::Left)),
            News::Card(record) => (record.value().id, Some(Status::Alive)),
            News::Accusation(record) => {
                let status = match record.value().charge {
                    Charge::Suspect => Some(Status::Suspect),
                    Charge::Failed => Some(Status::Failed),
                    Charge::Forget => None,
                };
                (record.value().accused, status)
            }
        })
    }

    /// The hash over the live members; equal on nodes that agree.
    pub fn root(&self) -> u64 {
        self.sums.root
    }

    pub(super) fn note(&mut self, verdict: Verdict) {
        if self.verdicts.len() == VERDICTS_MAX {
            self.verdicts.pop_front();
        }
        self.verdicts.push_back(verdict);
    }

    /// Whom a probe, a helper's errand or a round of gossip may go to.
    pub(super) fn is_live(&self, id: NodeId) -> bool {
        self.member_table.mark(id).is_some_and(|mark| mark != 0)
    }

    /// Up to `k` live members, at random.
    pub(super) fn sample(&self, cx: Ctx<K>, k: usize, but: Option<NodeId>) -> Vec<NodeId> {
        self.probe_order.sample(k, cx.rng, |id| Some(id) != but && self.is_live(id))
    }

    /// ⌈log10(n+1)⌉, at least 1.
    pub(super) fn log10_n(&self) -> u32 {
        (libm::ceil(libm::log10((self.live_len() + 1) as f64)) as u32).max(1)
    }
}
