//! A table of members by id: looking one up, adding and removing one cost the same at any size.

use alloc::vec::Vec;
use hashbrown::HashMap;
use rumormill_core::identity::NodeId;

// Ids are heads of hashes or indices, never chosen against us within one life: a fixed seed keeps runs repeatable.
type Hasher = foldhash::fast::FixedState;

/// What a table holds: something with an id.
pub trait Entry {
    /// Whose entry it is.
    fn id(&self) -> NodeId;
}

/// Members by id.
#[derive(Debug)]
pub struct MemberTable<T> {
    slots: HashMap<NodeId, u32, Hasher>,
    rows: Vec<T>,
}

impl<T> Default for MemberTable<T> {
    fn default() -> Self {
        MemberTable { slots: HashMap::with_hasher(Hasher::default()), rows: Vec::new() }
    }
}

impl<T: Entry> MemberTable<T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The entry of `id`.
    pub fn get(&self, id: NodeId) -> Option<&T> {
        self.slots.get(&id).map(|&slot| &self.rows[slot as usize])
    }

    /// The entry of `id`, to be changed; its id stays what it is.
    pub fn get_mut(&mut self, id: NodeId) -> Option<&mut T> {
        self.slots.get(&id).map(|&slot| &mut self.rows[slot as usize])
    }

    /// Adds an entry whose id is not yet here.
    pub fn insert(&mut self, row: T) {
        let fresh = self.slots.insert(row.id(), self.rows.len() as u32).is_none();
        assert!(fresh, "a table holds an id once");
        self.rows.push(row);
    }

    /// Takes the entry of `id` out.
    pub fn remove(&mut self, id: NodeId) -> Option<T> {
        let slot = self.slots.remove(&id)? as usize;
        let row = self.rows.swap_remove(slot);
        if let Some(moved) = self.rows.get(slot) {
            self.slots.insert(moved.id(), slot as u32);
        }
        Some(row)
    }

    /// All entries, in no order that means anything, but the same in every run.
    pub fn iter(&self) -> core::slice::Iter<'_, T> {
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
            table.insert(Row(id, name));
        }
        assert_eq!(table.remove(NodeId(1)), Some(Row(1, "a")));
        assert_eq!(table.get(NodeId(3)), Some(&Row(3, "c")));
        assert_eq!(table.get(NodeId(2)), Some(&Row(2, "b")));
        assert_eq!(table.remove(NodeId(1)), None);
    }
}
