//! The address book: who is reached where. The runtime alone knows addresses.
//!
//! An entry is filled from three sides, and they do not weigh the same. A packet of a *confirmed* session shows a living
//! address, and that is used first. A member's own record gives its contact, which is used next. A packet of an unconfirmed
//! session, which may be an old one sent again by somebody else, gives an address only to a peer that has none at all.

use crate::addresses::scoped;
use crate::contact::{Contact, ContactError, canonical};
use rumormill_core::NodeId;
use rumormill_core::identity::Life;
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;

/// Entries kept unless told otherwise (our guess: three times the largest cluster we aim at).
pub const ENTRIES_MAX: usize = 32_768;

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

/// Node ids with where they are reached. Bounded; the entry that was touched longest ago makes room.
#[derive(Debug)]
pub struct Book {
    entries: HashMap<NodeId, Entry>,
    entries_max: usize,
    reach: Reach,
    touched: u64,
    /// Whose packets and connections are not taken.
    shunned: BTreeSet<NodeId>,
}

#[derive(Debug, Default)]
struct Entry {
    contact: Contact,
    seen: Option<SocketAddr>,
    hearsay: Option<SocketAddr>,
    /// In which it runs, as its own record says.
    life: Life,
    touched: u64,
}

impl Entry {
    /// Whether its member, or a packet that was confirmed, stands behind it.
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
    /// An empty book of at most `entries_max` entries, that gives out only addresses within `reach`.
    pub fn new(entries_max: usize, reach: Reach) -> Book {
        Book {
            entries: HashMap::new(),
            entries_max: entries_max.max(1),
            reach,
            touched: 0,
            shunned: BTreeSet::new(),
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
        let mut scope = self.reach.scope;
        let entry = self.entry(id);
        if let (0, Some(SocketAddr::V6(seen))) = (scope, entry.seen) {
            scope = seen.scope_id(); // its link-local addresses are on the link that it was heard on
        }
        let contact = Contact::new(contact.addresses().iter().map(|address| scoped(*address, scope)));
        if entry.contact != contact {
            let moved = !entry.contact.addresses().is_empty();
            entry.seen = entry.seen.filter(|seen| !moved || contact.addresses().contains(seen));
            entry.contact = contact;
        }
        entry.hearsay = None;
        Ok(())
    }

    /// The record of `id` says that it runs in `life`. Who knows that is believed by it at its first word, without being greeted before.
    pub fn runs(&mut self, id: NodeId, life: Life) -> &mut Book {
        let entry = self.entry(id);
        entry.life = entry.life.max(life);
        self
    }

    /// In which life `id` runs, as far as its record is known.
    pub fn life(&self, id: NodeId) -> Option<Life> {
        self.entries.get(&id).map(|entry| entry.life).filter(|life| *life != Life::default())
    }

    /// Nothing is taken from `id` any more, or it is again. Something may still be sent to it: that it is kept out.
    pub fn shun(&mut self, id: NodeId, is_out: bool) {
        match is_out {
            true => self.shunned.insert(id),
            false => self.shunned.remove(&id),
        };
    }

    /// Whether nothing is taken from `id`.
    pub fn shuns(&self, id: NodeId) -> bool {
        self.shunned.contains(&id)
    }

    /// Drops what is known about `id`.
    pub fn forget(&mut self, id: NodeId) {
        self.entries.remove(&id);
    }

    /// Where to send to `id` first.
    pub fn address(&self, id: NodeId) -> Option<SocketAddr> {
        self.addresses(id).next()
    }

    /// All addresses worth trying for `id`, the best first: at most four.
    pub fn addresses(&self, id: NodeId) -> impl Iterator<Item = SocketAddr> + '_ {
        let reach = self.reach;
        self.entries.get(&id).into_iter().flat_map(Entry::addresses).filter(move |a| reach.to(*a))
    }

    /// What the record of `id` said, as far as it is known.
    pub fn contact(&self, id: NodeId) -> Option<&Contact> {
        self.entries.get(&id).map(|entry| &entry.contact)
    }

    /// Who is reached at `address`. Looks through the whole book: for people and for tests, not for each packet.
    pub fn id_of(&self, address: SocketAddr) -> Option<NodeId> {
        let address = canonical(address);
        let holds = |(id, entry): (&NodeId, &Entry)| entry.addresses().any(|a| a == address).then_some(*id);
        // A moved member may leave its address in several entries: the one touched last holds it.
        let touched = |id: &NodeId| self.entries[id].touched;
        self.entries.iter().filter_map(holds).max_by_key(touched)
    }

    /// Which addresses are given out.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A packet of a confirmed session of `id` came from `address`, or it answered there.
    pub(crate) fn met(&mut self, id: NodeId, address: SocketAddr) {
        let entry = self.entry(id);
        entry.seen = Some(canonical(address));
        entry.hearsay = None;
    }

    /// A packet of an unconfirmed session of `id` came from `address`: believed only if nothing else is known.
    pub(crate) fn heard(&mut self, id: NodeId, address: SocketAddr) {
        // Nor does it push out an entry that is vouched for.
        let has_room =
            || self.entries.len() < self.entries_max || self.entries.values().any(|e| !e.is_vouched());
        if self.entries.get(&id).map_or_else(has_room, |entry| !entry.is_vouched()) {
            self.entry(id).hearsay.get_or_insert(canonical(address));
        }
    }

    /// The entry of `id`, touched, and made if need be.
    fn entry(&mut self, id: NodeId) -> &mut Entry {
        self.touched += 1;
        if self.entries.len() >= self.entries_max && !self.entries.contains_key(&id) {
            // Those that nobody vouches for go first.
            let worth = |e: &Entry| (e.is_vouched(), e.touched);
            let oldest = self.entries.iter().min_by_key(|(_, e)| worth(e)).map(|(id, _)| *id);
            oldest.map(|oldest| self.entries.remove(&oldest));
        }
        let entry = self.entries.entry(id).or_default();
        entry.touched = self.touched;
        entry
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
        Book::new(ENTRIES_MAX, Reach::ALL)
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
    fn the_book_stays_bounded_and_drops_hearsay_first() {
        let mut book = Book::new(3, Reach::ALL);
        book.learn(NodeId(1), &told(1)).unwrap();
        book.heard(NodeId(2), at(2));
        book.met(NodeId(3), at(3));
        book.met(NodeId(4), at(4));
        assert_eq!(book.len(), 3);
        assert_eq!(book.address(NodeId(2)), None);
        book.met(NodeId(5), at(5));
        assert_eq!(book.address(NodeId(1)), None, "then the one touched longest ago");
        book.heard(NodeId(6), at(6));
        assert_eq!(book.address(NodeId(6)), None, "hearsay pushes out nobody who is vouched for");
        assert_eq!(book.len(), 3);
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
