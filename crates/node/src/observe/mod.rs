//! The node's figures and tables: those of its protocols, with what several of them know together.
//!
//! | file | contents |
//! | --- | --- |
//! | `hosts` | vitals, and members with their vitals |
//! | `counters` | figures as rows |
//! | `events` | events as rows; the log of delivered events is kept around the node |

mod counters;
mod events;
mod hosts;

pub use counters::{COUNTERS, counter_row};
pub use events::{EVENTS, Told, event_row};
pub use hosts::{HOSTS, VITALS};

use crate::{Audience, Node};
use rumormill_core::columns;
use rumormill_core::identity::{Keys, NodeId};
use rumormill_core::observe::{Figure, Key, Moment, Observe};
use rumormill_core::table::{Cell, Table, Wanted, place};
use rumormill_protocols::agree::bans::{BANS, Ban};
use rumormill_protocols::detect::Detector;
use rumormill_protocols::member::swim::{MEMBERS, Member, SUSPICIONS, Status, WHY};
use rumormill_protocols::spread::events::Events;
use rumormill_protocols::spread::queries::{QUERIES, Queries};

/// Suspicion levels.
pub static PHI: Table = Table {
    name: "phi",
    about: "How strongly this node suspects each live member, by the arrivals of its vitals. Empty where phi is off.",
    key: &["id"],
    columns: columns! {
        /// The member.
        id: Text,
        /// Its name.
        name: Text,
        /// Suspicion level (phi accrual): -log10 of the chance that a live member is silent for so long. A member is suspected at 8.
        phi: Float,
    },
};

/// The states of a member, a ban included.
const STATES: [&str; 5] = ["alive", "suspect", "failed", "left", "banned"];
/// Columns of ids, and those of the names that belong to them.
const NAMES: [(&str, &str); 2] = [("id", "name"), ("by_id", "by_name")];
/// In the keys of verdicts: behind all of membership's stand the words about bans.
const WORD: u64 = u64::MAX;

impl<K: Keys, A: Audience> Observe for Node<K, A> {
    fn figures(&self, at: &Moment, each: &mut dyn FnMut(Figure<'_>)) {
        self.swim.figures(at, each);
        self.states(each);
        self.events.figures(at, each);
        each(Events::shed(self.shed_before_join()).with(&[("cause", "before_join")]));
        self.queries.figures(at, each);
        let help = "Questions whose filter could not be read here, or not be afforded";
        each(Figure::count("queries_unreadable", help, self.unreadable_filters()));
        each(Queries::shed(self.shed_filters()).with(&[("cause", "filters")]));
        self.bans.figures(at, each);
        self.vitals.iter().for_each(|vitals| vitals.figures(at, each));
        self.phi.iter().for_each(|phi| phi.figures(at, each));
        self.levels(at, each);
    }

    fn tables(&self) -> &'static [&'static Table] {
        TABLES
    }

    fn keys(&self, table: &Table) -> Vec<Key> {
        let ids = |ids: &mut dyn Iterator<Item = NodeId>| ids.map(|id| [id.0, 0, 0]).collect();
        match table.name {
            name if name == HOSTS.name => self.swim.keys(&MEMBERS),
            name if name == VITALS.name => ids(&mut self
                .swim
                .members()
                .map(|member| member.id)
                .filter(|id| self.vitals_of(*id).is_some())),
            name if name == PHI.name => ids(&mut self.phi.iter().flat_map(|phi| phi.watched())),
            name if name == WHY.name => {
                let words = self.bans.iter().map(|ban| [WORD, ban.id.0, 0]);
                self.swim.keys(&WHY).into_iter().chain(words).collect()
            }
            name if name == BANS.name => self.bans.keys(table),
            name if name == QUERIES.name => self.queries.keys(table),
            _ => self.swim.keys(table),
        }
    }

    fn row(&self, table: &Table, key: Key, wanted: Wanted, at: &Moment) -> Option<Vec<Cell>> {
        let id = NodeId(key[0]);
        let named = with_ids(table, wanted);
        let mut row = match table.name {
            // A member's record has its name.
            name if name == MEMBERS.name => return self.member_row(id, wanted, at),
            name if name == HOSTS.name => return self.host_row(id, wanted, at),
            name if name == VITALS.name => return self.vitals_row(id, wanted, at),
            name if name == PHI.name => vec![id.into(), Cell::Null, self.level(id, at)?.into()],
            name if name == WHY.name && key[0] == WORD => {
                word(self.bans.iter().find(|ban| ban.id.0 == key[1])?, at)
            }
            name if name == BANS.name => self.bans.row(table, key, named, at)?,
            name if name == QUERIES.name => self.queries.row(table, key, named, at)?,
            _ => self.swim.row(table, key, named, at)?,
        };
        self.name_members(table, &mut row);
        Some(row)
    }
}

/// The tables of a node.
pub static TABLES: &[&Table] = &[&MEMBERS, &VITALS, &HOSTS, &QUERIES, &BANS, &WHY, &SUSPICIONS, &PHI];

impl<K: Keys, A: Audience> Node<K, A> {
    /// A ban overrides a member's own word, and SWIM's.
    fn member_row(&self, id: NodeId, wanted: Wanted, at: &Moment) -> Option<Vec<Cell>> {
        const STATUS: usize = place(MEMBERS.columns, "status");
        const SINCE: usize = place(MEMBERS.columns, "since_s");
        let mut row = self.swim.row(&MEMBERS, [id.0, 0, 0], wanted, at)?;
        if (wanted.has(STATUS) || wanted.has(SINCE))
            && let Some(ban) = self.bans.of(id)
        {
            row[STATUS] = "banned".into();
            row[SINCE] = ban.age_s(at.wall).into();
        }
        Some(row)
    }

    /// Fills in the names of members of which a protocol knows the id alone.
    fn name_members(&self, table: &Table, row: &mut [Cell]) {
        for (id, name) in NAMES {
            if let (Some(id), Some(name)) = (table.position(id), table.position(name))
                && let (Cell::Text(id), Cell::Null) = (&row[id], &row[name])
                && let Ok(id) = id.parse()
            {
                row[name] = self.swim.name_of(id).into();
            }
        }
    }

    fn level(&self, id: NodeId, at: &Moment) -> Option<f64> {
        self.suspicion_level(id, at.now).map(|level| (level * 1e3).round() / 1e3)
    }

    fn levels(&self, at: &Moment, each: &mut dyn FnMut(Figure<'_>)) {
        for id in self.phi.iter().flat_map(|phi| phi.watched()) {
            let Some(level) = self.level(id, at) else { continue };
            let (name, id) = (self.swim.name_of(id).unwrap_or_default(), id.to_string());
            let help = "Suspicion level (phi) of a live member, by the arrivals of its vitals";
            each(Figure::gauge("phi", help, level).with(&[("id", id.as_str()), ("name", name)]));
        }
    }

    /// The number of members in each state.
    fn states(&self, each: &mut dyn FnMut(Figure<'_>)) {
        let mut counts = [0usize; STATES.len()];
        self.swim.members().for_each(|member| counts[self.state(&member)] += 1);
        for (state, count) in STATES.iter().zip(counts) {
            let help = "Members by status, this one included";
            each(Figure::gauge("members", help, count as f64).with(&[("status", state)]));
        }
    }

    fn state(&self, member: &Member<'_>) -> usize {
        match member.status {
            _ if self.bans.of(member.id).is_some() => 4,
            Status::Alive => 0,
            Status::Suspect => 1,
            Status::Failed => 2,
            Status::Left => 3,
        }
    }
}

/// Adds the column of an id to a wanted name: the name is found by the id.
fn with_ids(table: &Table, wanted: Wanted) -> Wanted {
    let places = NAMES.iter().map(|(id, name)| (table.position(id), table.position(name)));
    places.fold(wanted, |wanted, (id, name)| match (id, name) {
        (Some(id), Some(name)) if wanted.has(name) => wanted.with(id),
        _ => wanted,
    })
}

/// A member's word about a ban, as a verdict.
fn word(ban: &Ban, at: &Moment) -> Vec<Cell> {
    let mut row = vec![Cell::Null; WHY.columns.len()];
    for (column, cell) in [
        ("id", ban.id.into()),
        ("what", Cell::from(if ban.lifted { "unbanned" } else { "banned" })),
        ("by_id", ban.by.into()),
        ("written", rumormill_core::time::Wall(ban.version).into()),
        ("heard_s", ban.age_s(at.wall).into()),
    ] {
        row[place(WHY.columns, column)] = cell;
    }
    row
}
