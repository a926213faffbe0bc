//! Tombstones: what this node remembers of members that it took off its list, so that a peer that still lists one cannot bring it back.
//!
//! A member comes off the list by an operator's order ([`Charge::Forget`]) or by age. Its tombstone keeps the greatest (epoch, incarnation) that
//! was known. A card at or below that is refused, and its bringer is told why. The member's own fresh word lifts the tombstone: a later life, or a
//! higher incarnation of the same life. A member that was stopped and forgotten hears of it at its first ping (`hear`), and answers as it answers a
//! suspicion.
//!
//! Orders take part in anti-entropy: an order counts in the root hash and in its bucket like a row, as long as the member is not live here. So
//! members that missed the order get it by an exchange, also those that list the member as departed. Where the member is live, the order is one
//! suspicion, its signer's: this node finds out for itself, and forgets the member when it fails.

use super::card::Path;
use super::record::{Accusation, Card, Charge};
use super::*;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::record::Record;
use rumormill_core::rng::mix;
use rumormill_core::time::Wall;

/// Orders to forget a member that are kept; of more, those written last, so that all members keep the same ones (our guess).
const ORDERS_MAX: usize = 512;
/// Tombstones without an order that are kept, the newest (our guess: as many as departed members).
const AGED_MAX: usize = 4_096;

/// Orders to forget a member, as the application keeps them for the next start.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode, CborLen)]
pub struct Orders {
    /// Signed, each about another member.
    #[cbor(n(0), with = "rumormill_core::wire::list")]
    orders: Vec<News>,
}

/// All tombstones. Each is in one of the two indexes.
#[derive(Default)]
pub(super) struct Tombstones {
    all: BTreeMap<NodeId, Tombstone>,
    /// Those with an order, by when it was written.
    ordered: BTreeSet<(Wall, NodeId)>,
    /// Those without, by when they were laid.
    aged: BTreeSet<(Time, NodeId)>,
}

/// What is known of a member that is off the list, or is to come off it when it departs.
#[derive(Default)]
struct Tombstone {
    /// Its last card, where it was on the list here.
    card: Option<Record<Card>>,
    /// Why it failed, where it did.
    verdict: Option<Record<Accusation>>,
    /// The order to forget it, where there was one.
    order: Option<Record<Accusation>>,
    /// Whether the order counts in the root hash.
    counts: bool,
    laid: Time,
}

/// Greatest (epoch, incarnation) that something speaks of.
type Version = (u64, u64);

fn version(accusation: &Accusation) -> Version {
    (accusation.epoch, accusation.incarnation)
}

impl Tombstone {
    fn version(&self) -> Version {
        let card = self.card.as_ref().map(|card| (card.value().life.epoch, card.value().incarnation));
        let words = [&self.verdict, &self.order].into_iter().flatten().map(|word| version(word.value()));
        words.chain(card).max().unwrap_or_default()
    }

    /// What a peer is told that still lists the member: its own last word if it left, or why it is off the list.
    fn epitaph(&self) -> Option<News> {
        let left = self.card.iter().find(|card| card.value().left).cloned().map(News::Card);
        let word = || self.order.as_ref().or(self.verdict.as_ref()).cloned().map(News::Accusation);
        left.or_else(word).or_else(|| self.card.clone().map(News::Card))
    }
}

impl Tombstones {
    /// Whether `card` is at or below what its tombstone knows.
    pub(super) fn covers(&self, card: &Card) -> bool {
        let at = (card.life.epoch, card.incarnation);
        self.all.get(&card.id).is_some_and(|tombstone| at <= tombstone.version())
    }

    /// The order about `id`, if it counts in the root hash.
    pub(super) fn counted(&self, id: NodeId) -> Option<&Record<Accusation>> {
        self.all.get(&id).filter(|tombstone| tombstone.counts).and_then(|tombstone| tombstone.order.as_ref())
    }

    /// All orders that count in the root hash, with their hashes.
    pub(super) fn hashes(&self) -> impl Iterator<Item = (NodeId, u64)> {
        let orders = self.ordered.iter().filter_map(|(_, id)| self.counted(*id));
        orders.map(|order| (order.value().accused, order_hash(order.value())))
    }

    fn take(&mut self, id: NodeId) -> Option<Tombstone> {
        let tombstone = self.all.remove(&id)?;
        match &tombstone.order {
            Some(order) => self.ordered.remove(&(order.value().written, id)),
            None => self.aged.remove(&(tombstone.laid, id)),
        };
        Some(tombstone)
    }

    fn put(&mut self, id: NodeId, tombstone: Tombstone) {
        match &tombstone.order {
            Some(order) => self.ordered.insert((order.value().written, id)),
            None => self.aged.insert((tombstone.laid, id)),
        };
        self.all.insert(id, tombstone);
    }

    /// One that is beyond the bounds.
    fn surplus(&self) -> Option<NodeId> {
        let ordered = self.ordered.first().filter(|_| self.ordered.len() > ORDERS_MAX).map(|(_, id)| *id);
        ordered.or_else(|| self.aged.first().filter(|_| self.aged.len() > AGED_MAX).map(|(_, id)| *id))
    }
}

/// What an order adds to the root hash.
fn order_hash(order: &Accusation) -> u64 {
    let Accusation { accuser, accused, epoch, incarnation, written, .. } = order;
    mix(accused.0 ^ mix(accuser.0 ^ mix(*epoch ^ mix(*incarnation ^ mix(written.0)))))
}

/// Whether `new` takes the place of `old`: of two orders about one version all members keep the same one.
fn supersedes(new: &Accusation, old: &Accusation) -> bool {
    let (was, is) = (version(old), version(new));
    is > was || is == was && (new.written, new.accuser) < (old.written, old.accuser)
}

impl<K: Keys> Swim<K> {
    /// An operator's order to forget a member. Returns what its bringer should hear.
    pub(super) fn take_order(
        &mut self,
        cx: Ctx<K>,
        from: NodeId,
        record: Record<Accusation>,
        path: Path,
    ) -> Option<News> {
        let order = record.value();
        let id = order.accused;
        let held = self.tombstones.all.get(&id).and_then(|tombstone| tombstone.order.as_ref());
        let is_known = held.is_some_and(|held| !supersedes(order, held.value()));
        let row = self.member_table.get(id);
        let is_listed = row.is_some();
        let is_outdated = row.is_some_and(|row| row.is_live() && row.outdates(order));
        if is_known || is_outdated {
            self.counters.news_stale += 1;
            return self.what_counts(cx.me, id).filter(|_| is_outdated && path == Path::Exchange);
        }
        if !self.trusts(&record) {
            return None;
        }
        if is_listed {
            self.note_accusation(cx, order);
        }
        self.entomb(id, |tombstone| tombstone.order = Some(record.clone()));
        if path == Path::News || self.anti_entropy.shares_what_it_learns(from) {
            self.spread(cx, News::Accusation(record));
        }
        self.heed_order(cx, id);
        None
    }

    /// Brings the list, the root hash and the tombstone of `id` in line, after one of them changed.
    pub(super) fn heed_order(&mut self, cx: Ctx<K>, id: NodeId) {
        let Some(tombstone) = self.tombstones.all.get(&id) else { return };
        let Some(row) = self.member_table.get(id) else { return self.count_order(id, true) };
        let is_covered = self.tombstones.covers(row.card.value());
        match row.status {
            Status::Failed | Status::Left if is_covered => self.drop_departed(cx, id),
            Status::Failed | Status::Left => self.count_order(id, true),
            Status::Alive | Status::Suspect if !is_covered => self.lift_tombstone(id),
            Status::Alive | Status::Suspect => {
                let order = tombstone.order.clone();
                self.count_order(id, false);
                order.into_iter().for_each(|order| self.doubt_live(cx, order));
            }
        }
    }

    /// A member that is live here is to be forgotten.
    fn doubt_live(&mut self, cx: Ctx<K>, order: Record<Accusation>) {
        match self.member_table.get(order.value().accused).map(|row| row.status) {
            Some(Status::Alive) if self.config.suspicion => self.suspect(cx, order),
            Some(Status::Alive) => self.fail(cx, order.value().accused, Some(order.clone())),
            _ => self.confirm(cx, order),
        }
    }

    /// Lays a tombstone for `id`, or changes the one that there is.
    fn entomb(&mut self, id: NodeId, change: impl FnOnce(&mut Tombstone)) {
        self.count_order(id, false);
        let mut tombstone = self.tombstones.take(id).unwrap_or_default();
        change(&mut tombstone);
        self.tombstones.put(id, tombstone);
        while let Some(surplus) = self.tombstones.surplus() {
            self.counters.tombstones_shed += 1;
            self.lift_tombstone(surplus);
        }
    }

    /// `id` comes off the list, with this last card and, if it failed, by this verdict.
    pub(super) fn lay_tombstone(
        &mut self,
        id: NodeId,
        card: Option<Record<Card>>,
        verdict: Option<Record<Accusation>>,
        now: Time,
    ) {
        self.entomb(id, |tombstone| {
            (tombstone.card, tombstone.verdict, tombstone.laid) = (card, verdict, now);
        });
        self.count_order(id, true);
    }

    fn lift_tombstone(&mut self, id: NodeId) {
        self.count_order(id, false);
        self.tombstones.take(id);
    }

    fn count_order(&mut self, id: NodeId, counts: bool) {
        let Some(tombstone) = self.tombstones.all.get_mut(&id) else { return };
        let Some(order) = &tombstone.order else { return };
        if core::mem::replace(&mut tombstone.counts, counts) != counts {
            let hash = order_hash(order.value());
            match counts {
                true => self.sums.add(id, hash),
                false => self.sums.subtract(id, hash),
            }
        }
    }

    /// A card that its tombstone covers was brought. Returns what its bringer should hear.
    pub(super) fn refuse_covered(&mut self, from: NodeId, card: &Card, path: Path) -> Option<News> {
        self.counters.news_buried += 1;
        let tombstone = self.tombstones.all.get(&card.id)?;
        if from == card.id {
            // Its data may have been restored from an older copy: its own later card shows it that.
            let later = tombstone.card.as_ref().filter(|known| known.value().life > card.life);
            return later.cloned().map(News::Card).or_else(|| tombstone.epitaph());
        }
        tombstone.epitaph().filter(|_| path == Path::Exchange)
    }

    /// Why `id` is off the list.
    pub(super) fn epitaph(&self, id: NodeId) -> Option<News> {
        self.tombstones.all.get(&id).and_then(Tombstone::epitaph)
    }

    /// What this node's hash of `id` stands for: the order to forget it, or what it holds of it.
    pub(super) fn what_counts(&self, me: NodeId, id: NodeId) -> Option<News> {
        let order = self.tombstones.counted(id).cloned().map(News::Accusation);
        order.or_else(|| self.what_i_hold(me, id))
    }

    /// The orders that this node holds, to be kept for the next start.
    pub fn orders(&self) -> Orders {
        let orders = self.tombstones.all.values().filter_map(|tombstone| tombstone.order.clone());
        Orders { orders: orders.map(News::Accusation).collect() }
    }

    /// Takes in the orders that were kept at an earlier start; to be called before the first input. What its accuser did not sign is dropped.
    pub fn recall(&mut self, kept: Orders) {
        for news in kept.orders {
            let News::Accusation(order) = news else { continue };
            if order.value().charge == Charge::Forget && self.trusts(&order) {
                let id = order.value().accused;
                self.entomb(id, |tombstone| tombstone.order = Some(order));
                self.count_order(id, true);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn tombstones_len(&self) -> (usize, usize) {
        (self.tombstones.ordered.len(), self.tombstones.aged.len())
    }
}
