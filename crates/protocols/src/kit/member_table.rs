//! A table of members by id: looking one up, adding and removing one cost the same at any size.

use super::segments::Segments;
use core::hash::BuildHasher;
use hashbrown::HashMap;
use rumormill_core::identity::NodeId;

// Ids are heads of hashes or indices, never chosen against us within one life: a fixed seed keeps runs repeatable.
type Hasher = foldhash::fast::FixedState;

/// The hash of an id in tables of members.
pub(super) fn hash(id: NodeId) -> u64 {
    Hasher::default().hash_one(id)
}

/// What a table holds: something with an id.
pub trait Entry {
    /// Whose entry it is.
    fn id(&self) -> NodeId;
}

/// Members by id. Each has a mark, which stands beside its id: it is read without its row, which is elsewhere in memory.
#[derive(Debug)]
pub struct MemberTable<T> {
    places: HashMap<NodeId, Place, Hasher>,
    rows: Segments<T>,
}

#[derive(Debug)]
struct Place {
    row: u32,
    mark: u32,
}

const _: () = assert!(size_of::<(NodeId, Place)>() == 16, "the mark costs nothing");

impl<T> Default for MemberTable<T> {
    fn default() -> Self {
        MemberTable { places: HashMap::with_hasher(Hasher::default()), rows: Segments::default() }
    }
}

impl<T: Entry> MemberTable<T> {
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
        self.places.get(&id).map(|place| &self.rows[place.row as usize])
    }

    /// The entry of `id`, to be changed; its id stays what it is.
    pub fn get_mut(&mut self, id: NodeId) -> Option<&mut T> {
        self.places.get(&id).map(|place| &mut self.rows[place.row as usize])
    }

    /// The mark of `id`.
    pub fn mark(&self, id: NodeId) -> Option<u32> {
        self.places.get(&id).map(|place| place.mark)
    }

    /// Gives `id` this mark, if it is here.
    pub fn set_mark(&mut self, id: NodeId, mark: u32) {
        if let Some(place) = self.places.get_mut(&id) {
            place.mark = mark;
        }
    }

    /// Adds an entry whose id is not yet here, with this mark.
    pub fn insert(&mut self, row: T, mark: u32) {
        let place = Place { row: self.rows.len() as u32, mark };
        assert!(self.places.insert(row.id(), place).is_none(), "a table holds an id once");
        self.rows.push(row);
    }

    /// Takes the entry of `id` out.
    pub fn remove(&mut self, id: NodeId) -> Option<T> {
        let place = self.places.remove(&id)?.row;
        let row = self.rows.swap_remove(place as usize);
        if let Some(moved) = self.rows.get(place as usize) {
            self.places.get_mut(&moved.id()).expect("each row has its place").row = place;
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

    #[derive(Debug, PartialEq)]
    struct Row(u64, &'static str);
    impl Entry for Row {
        fn id(&self) -> NodeId {
            NodeId(self.0)
        }
    }

    #[test]
    fn who_remains_is_found_after_others_left() {
        let mut table = MemberTable::default();
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
}
