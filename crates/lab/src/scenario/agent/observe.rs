//! A member's figures and tables: those of its node, and the events that it has delivered.

use super::member::Member;
use rumormill_core::observe::{Figure, Key, Moment, Observe};
use rumormill_core::table::{Cell, Table, Wanted};
use rumormill_node::{EVENTS, TABLES, Told, event_row};
use std::sync::LazyLock;

static ALL: LazyLock<Vec<&'static Table>> =
    LazyLock::new(|| TABLES.iter().copied().chain([&EVENTS]).collect());

impl Observe for Member {
    fn figures(&self, at: &Moment, each: &mut dyn FnMut(Figure<'_>)) {
        self.node.figures(&self.by_its_clock(at), each);
    }

    fn tables(&self) -> &'static [&'static Table] {
        &ALL
    }

    fn keys(&self, table: &Table) -> Vec<Key> {
        match table.name == EVENTS.name {
            true => (0..self.feed.len() as u64).map(|place| [place, 0, 0]).collect(),
            false => self.node.keys(table),
        }
    }

    fn row(&self, table: &Table, key: Key, wanted: Wanted, at: &Moment) -> Option<Vec<Cell>> {
        let at = &self.by_its_clock(at);
        if table.name != EVENTS.name {
            return self.node.row(table, key, wanted, at);
        }
        let (item, heard) = self.feed.get(usize::try_from(key[0]).ok()?)?;
        let named = |id| self.node.swim.name_of(id).map(String::from);
        Some(event_row(Told::Event(item), *heard, at, named))
    }
}

impl Member {
    /// That moment by the member's monotonic clock, which runs by a rate of its own.
    fn by_its_clock(&self, at: &Moment) -> Moment {
        Moment { now: self.clock.shows(at.now), ..*at }
    }
}
