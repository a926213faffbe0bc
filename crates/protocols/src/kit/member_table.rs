//! A table of members by id: looking one up, adding and removing one cost the same at any size.

use super::id_hash::IdHash;
use super::segments::Segments;
use alloc::vec::Vec;
use rumormill_core::identity::NodeId;

/// What a table holds: something with an id.
pub trait Entry {
    /// Whose entry it is.
    fn id(&self) -> NodeId;
}

/// Members by id. Each has a mark, which stands beside its id: it is read without its row, which is elsewhere in memory.
#[derive(Debug)]
pub struct MemberTable<T> {
    index: Index,
    rows: Segments<T>,
}

/// Rows and marks by id: open addressing with linear probing. A lookup waits for memory once; in a table with a separate array of control bytes it waits twice.
#[derive(Debug)]
struct Index {
    /// Empty, or a power of two of places.
    places: Vec<Place>,
    len: usize,
    hash: IdHash,
}

#[derive(Copy, Clone, Debug)]
struct Place {
    id: NodeId,
    row: u32,
    mark: u32,
}

/// The row of an empty place.
const NO_ROW: u32 = u32::MAX;
const EMPTY: Place = Place { id: NodeId(0), row: NO_ROW, mark: 0 };
/// At most three of four places are taken. Then a lookup reads 2.5 places on average if the id is here, and 8.5 if it is not (Knuth 1998, section 6.4).
const TAKEN_OF_FOUR_MAX: usize = 3;

impl Index {
    fn keyed(hash: IdHash) -> Self {
        Index { places: Vec::new(), len: 0, hash }
    }

    /// The first place where `id` is looked for.
    fn home(&self, id: NodeId) -> usize {
        self.hash.of(id) as usize & (self.places.len() - 1)
    }

    /// The place of `id`, or the empty place where it would stand. There is at least one empty place.
    fn place(&self, id: NodeId) -> usize {
        let mask = self.places.len() - 1;
        let mut at = self.home(id);
        while self.places[at].row != NO_ROW && self.places[at].id != id {
            at = (at + 1) & mask;
        }
        at
    }

    fn get(&self, id: NodeId) -> Option<Place> {
        if self.len == 0 {
            return None;
        }
        let place = self.places[self.place(id)];
        (place.row != NO_ROW).then_some(place)
    }

    fn get_mut(&mut self, id: NodeId) -> Option<&mut Place> {
        if self.len == 0 {
            return None;
        }
        let at = self.place(id);
        Some(&mut self.places[at]).filter(|place| place.row != NO_ROW)
    }

    /// Adds an id that is not yet here.
    fn insert(&mut self, new: Place) {
        if 4 * (self.len + 1) > TAKEN_OF_FOUR_MAX * self.places.len() {
            self.grow();
        }
        let at = self.place(new.id);
        assert!(self.places[at].row == NO_ROW, "a table holds an id once");
        self.places[at] = new;
        self.len += 1;
    }

    fn grow(&mut self) {
        let wider = alloc::vec![EMPTY; (2 * self.places.len()).max(8)];
        let before = core::mem::replace(&mut self.places, wider);
        for place in before.into_iter().filter(|place| place.row != NO_ROW) {
            let at = self.place(place.id);
            self.places[at] = place;
        }
    }

    /// Takes an id out. Entries behind it move up where the hole would hide them (Knuth 1998, section 6.4, algorithm R), so removals leave nothing behind.
    fn remove(&mut self, id: NodeId) -> Option<Place> {
        let removed = self.get(id)?;
        let mask = self.places.len() - 1;
        let mut hole = self.place(id);
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let place = self.places[at];
            if place.row == NO_ROW {
                break;
            }
            let from_home = at.wrapping_sub(self.home(place.id)) & mask;
            if from_home >= (at.wrapping_sub(hole) & mask) {
                self.places[hole] = place;
                hole = at;
            }
        }
        self.places[hole] = EMPTY;
        self.len -= 1;
        Some(removed)
    }
}

impl<T: Entry> MemberTable<T> {
    /// An empty table that finds ids by this hash.
    pub fn new(hash: IdHash) -> Self {
        MemberTable { index: Index::keyed(hash), rows: Segments::default() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if there is no item.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The entry of `id`.
    pub fn get(&self, id: NodeId) -> Option<&T> {
        self.index.get(id).map(|place| &self.rows[place.row as usize])
    }

    /// The entry of `id`, to be changed; its id stays what it is.
    pub fn get_mut(&mut self, id: NodeId) -> Option<&mut T> {
        self.index.get(id).map(|place| &mut self.rows[place.row as usize])
    }

    /// The mark of `id`.
    pub fn mark(&self, id: NodeId) -> Option<u32> {
        self.index.get(id).map(|place| place.mark)
    }

    /// Gives `id` this mark, if it is here.
    pub fn set_mark(&mut self, id: NodeId, mark: u32) {
        if let Some(place) = self.index.get_mut(id) {
            place.mark = mark;
        }
    }

    /// Adds an entry whose id is not yet here, with this mark.
    pub fn insert(&mut self, row: T, mark: u32) {
        self.index.insert(Place { id: row.id(), row: self.rows.len() as u32, mark });
        self.rows.push(row);
    }

    /// Takes the entry of `id` out.
    pub fn remove(&mut self, id: NodeId) -> Option<T> {
        let place = self.index.remove(id)?;
        let row = self.rows.swap_remove(place.row as usize);
        if let Some(moved) = self.rows.get(place.row as usize) {
            self.index.get_mut(moved.id()).expect("each row has its place").row = place.row;
        }
        Some(row)
    }

    /// All entries, in no order that means anything, but the same in every run.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.rows.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use rumormill_core::rng::Rng;

    #[derive(Debug, PartialEq)]
    struct Row(u64, &'static str);
    impl Entry for Row {
        fn id(&self) -> NodeId {
            NodeId(self.0)
        }
    }

    #[test]
    fn who_remains_is_found_after_others_left() {
        let mut table = MemberTable::new(IdHash::default());
        for (id, name) in [(1, "a"), (2, "b"), (3, "c")] {
            table.insert(Row(id, name), 7 * id as u32);
        }
        assert_eq!(table.remove(NodeId(1)), Some(Row(1, "a")));
        assert_eq!(table.get(NodeId(3)), Some(&Row(3, "c")));
        assert_eq!(table.get(NodeId(2)), Some(&Row(2, "b")));
        assert_eq!([1, 2, 3].map(|id| table.mark(NodeId(id))), [None, Some(14), Some(21)]);
        table.set_mark(NodeId(3), 4);
        assert_eq!(table.mark(NodeId(3)), Some(4));
        assert_eq!(table.remove(NodeId(1)), None);
    }

    #[test]
    fn it_holds_what_a_map_would_hold() {
        let (mut table, mut model, mut rng) =
            (MemberTable::new(IdHash::default()), BTreeMap::new(), Rng::seeded(5));
        for step in 0..40_000u32 {
            // It grows to some hundred members and shrinks to few, again and again.
            let (id, grows) = (rng.below(1_000) as u64, step % 8_000 < 4_000);
            let is_here = model.contains_key(&id);
            match (is_here, rng.chance(if is_here == grows { 0.1 } else { 0.9 })) {
                (true, true) => {
                    assert_eq!(table.remove(NodeId(id)), Some(Row(id, "a")));
                    model.remove(&id);
                }
                (true, false) => {
                    table.set_mark(NodeId(id), step);
                    model.insert(id, step);
                }
                (false, true) => {
                    table.insert(Row(id, "a"), step);
                    model.insert(id, step);
                }
                (false, false) => {}
            }
            let other = rng.below(1_000) as u64;
            assert_eq!(table.mark(NodeId(other)), model.get(&other).copied());
            assert_eq!(table.get(NodeId(other)).map(|row| row.0), model.get(&other).map(|_| other));
        }
        assert_eq!(table.len(), model.len());
        assert!(table.iter().all(|row| model.contains_key(&row.0)));
    }

    #[test]
    fn ids_that_were_chosen_to_fall_on_one_place_spread_in_a_table_with_another_key() {
        let chosen =
            |hash: &IdHash| (0..).map(NodeId).filter(|id| hash.of(*id) % 2_048 < 4).take(1_000).collect();
        let furthest = |hash: IdHash, ids: &Vec<NodeId>| {
            let mut index = Index::keyed(hash);
            ids.iter().for_each(|&id| index.insert(Place { id, row: 0, mark: 0 }));
            let mask = index.places.len() - 1;
            ids.iter().map(|&id| index.place(id).wrapping_sub(index.home(id)) & mask).max()
        };
        let ids: Vec<NodeId> = chosen(&IdHash::default());
        assert!(furthest(IdHash::default(), &ids) > Some(900), "they were chosen well");
        for key in 1..20 {
            let furthest = furthest(IdHash::keyed(key), &ids);
            assert!(furthest < Some(60), "key {key}: {furthest:?}");
        }
    }
}
