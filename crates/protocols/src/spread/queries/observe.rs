//! Figures and the table of queries.

use super::{Queries, QueryId, Summary};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use rumormill_core::columns;
use rumormill_core::identity::NodeId;
use rumormill_core::observe::{Figure, Key, Moment, Observe};
use rumormill_core::payload::Payload;
use rumormill_core::table::{Cell, Table, Wanted};
use rumormill_core::time::Time;
use rumormill_core::words::seconds;

/// Queries.
pub static QUERIES: Table = Table {
    name: "queries",
    about: "Queries that are not over: those that this node asked, and those that reached it.",
    key: &["id"],
    columns: columns! {
        /// The query: asker, epoch and number.
        id: Text,
        /// The query's name; bytes that are no text are replaced.
        name: Text,
        /// True of a query that this node asked.
        is_own: Bool,
        /// The member that asks.
        by_id: Text,
        /// Its name; null if it is on no list.
        by_name: Text,
        /// The query's stage here: `open` at the asker, else `asked`, `late` (the asker is asked whether it is open still), `accepted`, `acknowledged`,
        /// `answered`, `offered` or `finished`.
        state: Text,
        /// Seconds until no more answers are taken.
        ends_in_s: Float,
        /// At the asker: members that are meant.
        expected: Int,
        /// At the asker: members that said they are meant, those that answered included.
        acknowledged: Int,
        /// At the asker: members that answered.
        answered: Int,
    },
};

static TABLES: &[&Table] = &[&QUERIES];

impl Observe for Queries {
    fn figures(&self, _: &Moment, each: &mut dyn FnMut(Figure<'_>)) {
        let c = &self.counters;
        for (name, help, value) in [
            ("queries_asked", "Queries asked here", c.asked),
            ("queries_refused", "Queries refused here", c.refused),
            ("queries_heard", "Questions heard of", c.heard),
            ("queries_told", "Questions that were still open when they were heard of", c.told),
            ("queries_late", "Questions and answers that were over when they came", c.late),
            ("queries_answers", "Answers given here", c.answers),
            ("queries_replies_sent", "Acks, offers and answers sent, repeated ones included", c.replies_sent),
            ("queries_relays_asked", "Of these, given to another to pass on", c.relays_asked),
            ("queries_relayed", "Messages passed on for others", c.relayed),
            (
                "queries_unconfirmed",
                "Acks, offers and answers given up without a confirmation",
                c.unconfirmed,
            ),
            ("queries_replies", "Acks, offers and answers that came", c.replies),
            ("queries_replies_useless", "Of these, known before or too late", c.useless),
            ("queries_rejected", "Questions and messages against the rules", c.rejected),
        ] {
            each(Figure::count(name, help, value));
        }
        for (cause, value) in [
            ("asked", c.shed_asked),
            ("answers", c.shed_answers),
            ("relays", c.shed_relays),
            ("answerers", c.shed_answerers),
            ("budget", c.shed),
        ] {
            each(Queries::shed(value).with(&[("cause", cause)]));
        }
        each(Figure::gauge("queries_open", "Queries of this agent that are open", self.open_len() as f64));
        let help = "Queries that reached this agent and are not over";
        each(Figure::gauge("queries_known", help, self.asked_len() as f64));
    }

    fn tables(&self) -> &'static [&'static Table] {
        TABLES
    }

    fn keys(&self, table: &Table) -> Vec<Key> {
        if table.name != QUERIES.name {
            return Vec::new();
        }
        let ids = self.asks.iter().map(|(id, ..)| id).chain(self.answers.iter().map(|(id, ..)| id));
        let mut keys: Vec<Key> = ids.map(|id| [id.asker.0, id.epoch, id.number]).collect();
        keys.sort_unstable();
        keys.dedup(); // a node is asked by its own query as well
        keys
    }

    fn row(&self, table: &Table, [asker, epoch, number]: Key, _: Wanted, at: &Moment) -> Option<Vec<Cell>> {
        let id = QueryId { asker: NodeId(asker), epoch, number };
        if table.name != QUERIES.name {
            return None;
        }
        let own = self.asks.iter().find(|(known, ..)| *known == id);
        let foreign = || self.answers.iter().find(|(known, ..)| *known == id);
        match own {
            Some((_, name, ends, summary)) => Some(row(id, name, "open", ends, Some(summary), at)),
            None => foreign().map(|(_, name, ends, state)| row(id, name, state, ends, None, at)),
        }
    }
}

impl Queries {
    /// The figure of what was dropped of queries, for one cause.
    pub fn shed(value: u64) -> Figure<'static> {
        let help = "Questions, answers and messages about them that were dropped, by cause";
        Figure::count("queries_shed", help, value)
    }
}

fn row(id: QueryId, name: &Payload, state: &str, ends: Time, own: Option<Summary>, at: &Moment) -> Vec<Cell> {
    vec![
        format!("{}-{}-{}", id.asker, id.epoch, id.number).into(),
        String::from_utf8_lossy(name).into_owned().into(),
        own.is_some().into(),
        id.asker.into(),
        Cell::Null,
        state.into(),
        seconds(ends.since(at.now)).into(),
        own.map(|summary| summary.expected).into(),
        own.map(|summary| summary.acked).into(),
        own.map(|summary| summary.answered).into(),
    ]
}
