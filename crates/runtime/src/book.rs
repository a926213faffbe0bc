//! The address book: who is reached where. The runtime alone knows addresses.
//!
//! An entry is filled from three sides, and they do not weigh the same. A packet of a *confirmed* session shows a living
//! address, and that is used first. A member's own record gives its contact, which is used next. A packet of an unconfirmed
//! session, which may be an old one sent again by somebody else, gives an address only to a peer that has none at all.
//!
//! A datagram of a confirmed session also *proves* its source address: one socket address belongs to one process at a time. When another peer
//! answers there to this node's own attempt to reach the first one, the process of the first one is gone. A contact, and an address where only a
//! connection was made, prove nothing of that kind: both may lead to a balancer with several members behind it.

use crate::addresses::scoped;
use crate::contact::{Contact, ContactError, canonical};
use crate::lru::Lru;
use rumormill_core::NodeId;
use rumormill_core::identity::Life;
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;

/// Members kept unless told otherwise (our guess: three times the largest cluster we aim at).
pub const MEMBERS_MAX: usize = 32_768;
/// Ids without a record that are kept, of those that were met and of those that were only heard (our guess: a join storm).
pub const STRANGERS_MAX: usize = 4_096;

/// Which addresses this node's sockets can send to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// IPv4, also from an IPv6 socket that is open to both.
    pub v4: bool,
    /// IPv6.
    pub v6: bool,
    /// The interface on which link-local addresses are meant that come without one, as those of others' contacts do; 0 if there is none.
    pub scope: u32,
}

impl Reach {
    /// Everything: for a book without sockets.
    pub const ALL: Reach = Reach { v4: true, v6: true, scope: 0 };

    /// What a socket bound to `local` reaches; the IPv6 wildcard is open to both.
    pub fn of(local: SocketAddr) -> Reach {
        match local {
            SocketAddr::V4(_) => Reach { v4: true, v6: false, scope: 0 },
            SocketAddr::V6(a) => Reach { v4: a.ip().is_unspecified(), v6: true, scope: a.scope_id() },
        }
    }

    /// Whether `address` can be sent to.
    pub fn to(self, address: SocketAddr) -> bool {
        if address.is_ipv4() { self.v4 } else { self.v6 }
    }
}

/// Node ids with where they are reached.
///
/// Bounded by `Standing`: of each, the entry that was touched longest ago makes room, in a constant number of steps. So ids that strangers make
/// up never push out a member's entry.
#[derive(Debug)]
pub struct Book {
    entries: [Lru<NodeId, Entry>; STANDINGS.len()],
    members_max: usize,
    /// Who proved an address last; at most one address per entry.
    holders: HashMap<SocketAddr, NodeId>,
    reach: Reach,
    touched: u64,
    /// Whose packets and connections are not taken.
    banned: BTreeSet<NodeId>,
}

/// Who stands behind an entry. Each has a table of its own.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// The member's own record.
    Member,
    /// A packet of a confirmed session, or an answer: such as one that is about to join.
    Met,
    /// Packets that may be old ones, sent again by somebody else.
    Heard,
}

/// All of them, as they are looked up.
const STANDINGS: [Standing; 3] = [Standing::Member, Standing::Met, Standing::Heard];

#[derive(Debug, Default)]
struct Entry {
    contact: Contact,
    seen: Option<SocketAddr>,
    hearsay: Option<SocketAddr>,
    /// The address that its last datagram of a confirmed session came from, and the life of that session.
    proved: Option<(SocketAddr, Life)>,
    /// In which it runs, as its own record says.
    life: Life,
    touched: u64,
}

impl Entry {
    fn standing(&self) -> Standing {
        if !self.contact.addresses().is_empty() || self.life != Life::default() {
            Standing::Member
        } else if self.seen.is_some() {
            Standing::Met
        } else {
            Standing::Heard
        }
    }

    /// Whether its member, or a packet that was confirmed, gave an address.
    fn is_vouched(&self) -> bool {
        self.seen.is_some() || !self.contact.addresses().is_empty()
    }

    fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        let told = self.contact.addresses().iter().copied().filter(|a| Some(*a) != self.seen);
        let hearsay = self.hearsay.filter(|_| self.seen.is_none() && self.contact.addresses().is_empty());
        self.seen.into_iter().chain(told).chain(hearsay)
    }
}

impl Book {
    /// An empty book of at most `members_max` members and [`STRANGERS_MAX`] strangers of each kind, that gives out only addresses within `reach`.
    pub fn new(members_max: usize, reach: Reach) -> Book {
        Book {
            entries: Default::default(),
            members_max: members_max.max(1),
            holders: HashMap::new(),
            reach,
            touched: 0,
            banned: BTreeSet::new(),
        }
    }

    /// Takes in what a member's own record says. On an error the entry stays as it was.
    ///
    /// An address that a packet came from is kept only as long as the record does not change: a member that moved says so.
    pub fn learn(&mut self, id: NodeId, contact: &[u8]) -> Result<(), ContactError> {
        let contact = Contact::decode(contact)?;
        if contact.addresses().is_empty() {
            return Ok(());
        }
        // Its link-local addresses are on the link of this node, or else on the one that it was heard on.
        let heard_on = match self.entry(id).and_then(|entry| entry.seen) {
            Some(SocketAddr::V6(seen)) => seen.scope_id(),
            _ => 0,
        };
        let scope = if self.reach.scope == 0 { heard_on } else { self.reach.scope };
        let contact = Contact::new(contact.addresses().iter().map(|address| scoped(*address, scope)));
        let mut left = None;
        self.change(id, |entry| {
            if entry.contact != contact {
                let moved = !entry.contact.addresses().is_empty();
                let stays = |at: &SocketAddr| !moved || contact.addresses().contains(at);
                entry.seen = entry.seen.filter(stays);
                left = entry.proved.take_if(|(at, _)| !stays(at));
                entry.contact = contact;
            }
            entry.hearsay = None;
        });
        left.iter().for_each(|(address, _)| self.vacate(id, *address));
        Ok(())
    }

    /// The record of `id` says that it runs in `life`. A node that names this life is believed by its first packet, without a challenge.
    pub fn runs(&mut self, id: NodeId, life: Life) -> &mut Book {
        self.change(id, |entry| entry.life = entry.life.max(life));
        self
    }

    /// In which life `id` runs, as far as its record is known.
    pub fn life(&self, id: NodeId) -> Option<Life> {
        self.entry(id).map(|entry| entry.life).filter(|life| *life != Life::default())
    }

    /// Bans `id`, or lifts its ban. Nothing is taken from a banned node; something may still be sent to it: that it is banned.
    pub fn ban(&mut self, id: NodeId, is_banned: bool) {
        match is_banned {
            true => self.banned.insert(id),
            false => self.banned.remove(&id),
        };
    }

    /// Whether `id` is banned: nothing is taken from it.
    pub fn is_banned(&self, id: NodeId) -> bool {
        self.banned.contains(&id)
    }

    /// Drops what is known about `id`.
    pub fn forget(&mut self, id: NodeId) {
        for entry in self.entries.iter_mut().filter_map(|table| table.remove(&id)).collect::<Vec<_>>() {
            entry.proved.iter().for_each(|(address, _)| self.vacate(id, *address));
        }
    }

    /// Where to send to `id` first.
    pub fn address(&self, id: NodeId) -> Option<SocketAddr> {
        self.addresses(id).next()
    }

    /// All addresses worth trying for `id`, the best first: at most four.
    pub fn addresses(&self, id: NodeId) -> impl Iterator<Item = SocketAddr> + '_ {
        let reach = self.reach;
        self.entry(id).into_iter().flat_map(Entry::addresses).filter(move |a| reach.to(*a))
    }

    /// What the record of `id` said, as far as it is known.
    pub fn contact(&self, id: NodeId) -> Option<&Contact> {
        self.entry(id).map(|entry| &entry.contact)
    }

    /// Who is reached at `address`. Looks through the whole book: for people and for tests, not for each packet.
    pub fn id_of(&self, address: SocketAddr) -> Option<NodeId> {
        let address = canonical(address);
        let holds = |(_, entry): &(&NodeId, &Entry)| entry.addresses().any(|a| a == address);
        // A moved member may leave its address in several entries: the one touched last holds it.
        let all = self.entries.iter().flat_map(Lru::iter);
        all.filter(holds).max_by_key(|(_, entry)| entry.touched).map(|(id, _)| *id)
    }

    /// Which addresses are given out.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.iter().map(Lru::len).sum()
    }

    /// Whether nobody is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `id` answered at `address`, or a packet of a confirmed session of it came from there.
    pub(crate) fn met(&mut self, id: NodeId, address: SocketAddr) {
        self.change(id, |entry| {
            entry.seen = Some(canonical(address));
            entry.hearsay = None;
        });
    }

    /// A datagram of a confirmed session of `id` in `life` came from `address`, which proves that address. Returns the peer that had proved it
    /// before, where it has not moved since.
    pub(crate) fn proved(&mut self, id: NodeId, life: Life, address: SocketAddr) -> Option<NodeId> {
        let address = canonical(address);
        let mut old = None;
        self.change(id, |entry| {
            (entry.seen, entry.hearsay) = (Some(address), None);
            old = entry.proved.replace((address, life)).map(|(old, _)| old);
        });
        if old == Some(address) {
            return None;
        }
        old.iter().for_each(|old| self.vacate(id, *old));
        let before = self.holders.insert(address, id).filter(|before| *before != id)?;
        let proof = self.entry(before)?.proved;
        proof.filter(|(at, _)| *at == address).map(|_| before)
    }

    /// Whether `id` proved `address` last, in the life that its record tells.
    pub(crate) fn proves(&self, id: NodeId, address: SocketAddr) -> bool {
        let proves = |entry: &Entry| {
            entry.proved.is_some_and(|(at, life)| at == canonical(address) && life >= entry.life)
        };
        self.entry(id).is_some_and(proves)
    }

    /// `id` no longer holds `address`.
    fn vacate(&mut self, id: NodeId, address: SocketAddr) {
        if self.holders.get(&address) == Some(&id) {
            self.holders.remove(&address);
        }
    }

    /// A packet of an unconfirmed session of `id` came from `address`: believed only if nothing else is known.
    pub(crate) fn heard(&mut self, id: NodeId, address: SocketAddr) {
        if !self.entry(id).is_some_and(Entry::is_vouched) {
            self.change(id, |entry| entry.hearsay = entry.hearsay.or(Some(canonical(address))));
        }
    }

    fn entry(&self, id: NodeId) -> Option<&Entry> {
        self.entries.iter().find_map(|table| table.get(&id))
    }

    /// Touches and changes the entry of `id`, which is made if need be, and puts it where it stands by then.
    fn change(&mut self, id: NodeId, change: impl FnOnce(&mut Entry)) {
        self.touched += 1;
        let was = STANDINGS.into_iter().find(|standing| self.entries[*standing as usize].contains(&id));
        let place = was.unwrap_or(Standing::Heard);
        let table = &mut self.entries[place as usize];
        let mut made = Entry::default();
        let entry = if was.is_some() { table.touch(&id).expect("it is there") } else { &mut made };
        change(entry);
        entry.touched = self.touched;
        let stands = entry.standing();
        if was == Some(stands) {
            return;
        }
        let entry = table.remove(&id).unwrap_or(made);
        let (table, mut pushed_out) = (&mut self.entries[stands as usize], None);
        if table.len() >= if stands == Standing::Member { self.members_max } else { STRANGERS_MAX } {
            pushed_out = table.pop_oldest();
        }
        table.insert(id, entry);
        if let Some((id, Entry { proved: Some((address, _)), .. })) = pushed_out {
            self.vacate(id, address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(1);

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn told(port: u16) -> Vec<u8> {
        Contact::new([at(port)]).encode()
    }

    fn book() -> Book {
        Book::new(MEMBERS_MAX, Reach::ALL)
    }

    #[test]
    fn a_link_local_address_in_a_record_is_on_the_link_of_this_node_or_on_the_one_where_its_owner_was_heard()
    {
        let told = Contact::new(["[fe80::2]:9".parse().unwrap()]).encode();
        let scoped: SocketAddr = "[fe80::2%3]:9".parse().unwrap();
        let mut bound = Book::new(9, Reach::of("[fe80::1%3]:9".parse().unwrap()));
        bound.learn(A, &told).unwrap();
        assert_eq!(bound.addresses(A).collect::<Vec<_>>(), [scoped]);
        let mut any = book();
        any.met(A, scoped);
        any.learn(A, &told).unwrap();
        assert_eq!(any.addresses(A).collect::<Vec<_>>(), [scoped]);
    }

    #[test]
    fn of_the_lives_that_records_tell_the_latest_counts() {
        let (mut book, life) = (book(), |epoch| Life { epoch, session: 7 });
        book.learn(A, &told(1)).unwrap();
        assert_eq!(book.life(A), None);
        book.runs(A, life(2));
        book.runs(A, life(1));
        assert_eq!((book.life(A), book.address(A)), (Some(life(2)), Some(at(1))));
    }

    #[test]
    fn an_unconfirmed_packet_gives_an_address_to_a_stranger_but_never_redirects_an_entry() {
        let mut book = book();
        book.heard(A, at(1));
        assert_eq!(book.address(A), Some(at(1)));
        book.heard(A, at(2));
        assert_eq!(book.address(A), Some(at(1)), "not even one that is hearsay itself");
        book.learn(A, &told(3)).unwrap();
        assert_eq!(book.address(A), Some(at(3)), "its own record is worth more");
        book.heard(A, at(4));
        assert_eq!(book.address(A), Some(at(3)));
        book.met(A, at(5));
        book.heard(A, at(6));
        assert_eq!(book.addresses(A).collect::<Vec<_>>(), [at(5), at(3)]);
    }

    #[test]
    fn a_member_that_says_it_moved_is_believed_over_where_it_was_last_seen() {
        let mut book = book();
        book.met(A, at(1));
        book.learn(A, &told(2)).unwrap();
        assert_eq!(book.address(A), Some(at(1)), "seen behind a translation, say");
        book.learn(A, &told(2)).unwrap();
        assert_eq!(book.address(A), Some(at(1)), "the same record again is no move");
        book.learn(A, &told(3)).unwrap();
        assert_eq!(book.addresses(A).collect::<Vec<_>>(), [at(3)]);
    }

    #[test]
    fn bad_contact_bytes_leave_the_entry_as_it_was() {
        let mut book = book();
        book.learn(A, &told(2)).unwrap();
        assert!(book.learn(A, &[0xff, 0]).is_err());
        assert!(book.learn(A, &[0; 65]).is_err());
        book.learn(A, &[]).unwrap();
        assert_eq!(book.address(A), Some(at(2)));
    }

    #[test]
    fn of_members_the_one_touched_longest_ago_makes_room() {
        let mut book = Book::new(2, Reach::ALL);
        (1..=2).for_each(|id| book.learn(NodeId(id), &told(1)).unwrap());
        book.met(NodeId(1), at(9));
        book.learn(NodeId(3), &told(3)).unwrap();
        assert_eq!((book.len(), book.address(NodeId(2))), (2, None));
        assert!(book.address(NodeId(1)).is_some() && book.address(NodeId(3)).is_some());
    }

    /// Ids that are only heard, or confirm sessions that no record speaks of.
    #[test]
    fn strangers_push_out_neither_a_member_nor_one_that_is_about_to_join_and_cost_a_constant_each() {
        let mut book = Book::new(100, Reach::ALL);
        (0..100).for_each(|id| book.learn(NodeId(id), &told(1)).unwrap());
        book.met(NodeId(100), at(2));
        let strangers = 10 * STRANGERS_MAX as u64;
        let steps = crate::lru::steps::during(|| {
            (0..strangers).for_each(|id| book.heard(NodeId(1_000 + id), at(3)));
        });
        assert!(steps <= 2 * strangers, "{steps} steps for {strangers} strangers");
        assert_eq!(book.address(NodeId(100)), Some(at(2)));
        (0..strangers).for_each(|id| book.met(NodeId(1_000 + id), at(4)));
        assert!((0..100).all(|id| book.address(NodeId(id)) == Some(at(1))));
        assert!(book.len() <= 100 + 2 * STRANGERS_MAX);
    }

    #[test]
    fn only_addresses_that_the_socket_reaches_are_given_out() {
        let v6: SocketAddr = "[::1]:9".parse().unwrap();
        let mut book = Book::new(9, Reach::of(at(0)));
        book.learn(A, &Contact::new([v6, at(9)]).encode()).unwrap();
        assert_eq!(book.address(A), Some(at(9)));
        let mut book = Book::new(9, Reach::of("[::1]:0".parse().unwrap()));
        book.learn(A, &Contact::new([at(9), v6]).encode()).unwrap();
        assert_eq!(book.address(A), Some(v6));
        assert_eq!(Reach::of("[::]:0".parse().unwrap()), Reach::ALL);
    }

    #[test]
    fn an_address_is_proved_by_the_life_that_spoke_from_it_and_by_one_peer_at_a_time() {
        let (mut book, life) = (book(), |epoch| Life { epoch, session: 7 });
        let b = NodeId(2);
        book.met(A, at(1));
        assert!(!book.proves(A, at(1)), "a connection to it is no proof");
        assert_eq!(book.proved(A, life(1), at(1)), None);
        assert!(book.proves(A, at(1)) && !book.proves(A, at(2)));
        assert_eq!(book.proved(b, life(1), at(1)), Some(A), "it took over the address of another");
        assert_eq!(book.proved(b, life(1), at(1)), None, "which is said once");
        assert!(book.proves(A, at(1)), "what it had proved stays, to be looked at");
        assert_eq!(book.proved(A, life(1), at(3)), None);
        assert_eq!(book.proved(b, life(1), at(4)), None);
        assert_eq!(book.proved(A, life(1), at(1)), None, "whoever left an address is not said to lose it");
        book.runs(A, life(2));
        assert!(!book.proves(A, at(1)), "a later life proved nothing yet");
        assert_eq!(book.proved(A, life(2), at(1)), None);
        assert!(book.proves(A, at(1)));
        book.learn(A, &told(1)).unwrap();
        book.learn(A, &told(5)).unwrap();
        assert!(!book.proves(A, at(1)), "it says that it moved");
        book.forget(b);
        assert_eq!(book.holders.len(), 0, "bounded by the entries");
    }

    #[test]
    fn an_address_that_changed_hands_belongs_to_the_one_who_showed_it_last() {
        let mut book = book();
        book.learn(A, &told(1)).unwrap();
        book.met(NodeId(2), at(1));
        assert_eq!(book.id_of(at(1)), Some(NodeId(2)));
        book.forget(NodeId(2));
        assert_eq!(book.id_of(at(1)), Some(A));
        assert_eq!(book.id_of(at(2)), None);
    }
}
