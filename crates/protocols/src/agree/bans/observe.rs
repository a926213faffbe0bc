//! Figures and the table of bans.

use super::{Ban, Bans, Counters};
use alloc::vec::Vec;
use rumormill_core::identity::{Keys, NodeId};
use rumormill_core::observe::{Figure, Key, Moment, Observe};
use rumormill_core::table::{Cell, Table, Wanted};
use rumormill_core::time::Wall;
use rumormill_core::{columns, row};

/// Bans.
pub static BANS: Table = Table {
    name: "bans",
    about: "Identities that are kept out of the cluster.",
    key: &["id"],
    columns: columns! {
        /// The banned identity.
        id: Text,
        /// The name that it had when it was banned; null if its banner did not know it.
        name: Text,
        /// The member that banned it.
        by_id: Text,
        /// The name of that member; null if it is on no list.
        by_name: Text,
        /// Seconds since it was banned, by the clocks of both.
        age_s: Float,
        /// The reason; may be empty.
        reason: Text,
    },
};

static TABLES: &[&Table] = &[&BANS];

impl Ban {
    /// Seconds since it was said, by the clocks of both.
    pub fn age_s(&self, now: Wall) -> f64 {
        now.0.saturating_sub(self.version) as f64 / 1_000.0
    }
}

impl<K: Keys> Observe for Bans<K> {
    fn figures(&self, _: &Moment, each: &mut dyn FnMut(Figure<'_>)) {
        let count = self.iter().filter(|ban| !ban.lifted).count();
        each(Figure::gauge("bans", "Identities that are kept out", count as f64));
        let Counters { heard, stale, forged, shed } = self.counters;
        for (name, help, value) in [
            ("bans_heard", "Words about who is kept out that were news", heard),
            ("bans_stale", "Words about who is kept out that were not", stale),
            ("bans_forged", "Words about who is kept out that nobody signed, or out of bounds", forged),
            ("bans_shed", "Words about who is kept out for which there was no room", shed),
        ] {
            each(Figure::count(name, help, value));
        }
    }

    fn tables(&self) -> &'static [&'static Table] {
        TABLES
    }

    fn keys(&self, table: &Table) -> Vec<Key> {
        match table.name == BANS.name {
            true => self.iter().filter(|ban| !ban.lifted).map(|ban| [ban.id.0, 0, 0]).collect(),
            false => Vec::new(),
        }
    }

    fn row(&self, table: &Table, [id, ..]: Key, wanted: Wanted, at: &Moment) -> Option<Vec<Cell>> {
        let ban = self.of(NodeId(id)).filter(|_| table.name == BANS.name)?;
        let (name, by_name) = (ban.name(), Cell::Null);
        Some(row![wanted; ban.id, name, ban.by, by_name, ban.age_s(at.wall), ban.reason()])
    }
}
