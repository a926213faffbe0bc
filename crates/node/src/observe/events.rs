//! Events that were delivered, as rows. Who keeps them in order, the agent's event log or the laboratory's, has the table.

use rumormill_core::columns;
use rumormill_core::observe::Moment;
use rumormill_core::table::{Cell, Table};
use rumormill_core::time::Wall;
use rumormill_core::words::seconds;
use rumormill_protocols::spread::events::{Flags, Item, Source, Span};

/// Events.
pub static EVENTS: Table = Table {
    name: "events",
    about: "Events that were told at this node and are retained for its readers, in order; and gaps, where events of an origin are lost to it.",
    key: &["id"],
    columns: columns! {
        /// The event: origin, epoch and sequence number; of lost events that of the first.
        id: Text,
        /// `event`, or `lost`.
        kind: Text,
        /// The member that published it.
        origin: Text,
        /// Its name; null if it is on no list.
        origin_name: Text,
        /// In which of the origin's lives.
        epoch: Int,
        /// Its number in that life; of lost events that of the first.
        sequence: Int,
        /// Of lost events: the number of the last.
        last_sequence: Int,
        /// The event's name; bytes that are no text are replaced.
        name: Text,
        /// The event's payload, if that is text.
        payload: Text,
        /// The size of the payload, in bytes.
        payload_bytes: Int,
        /// Told as soon as it came, not in the order of its origin.
        unordered: Bool,
        /// Only the latest of its name counts.
        coalesce: Bool,
        /// The time at which this node told it, by its own clock.
        heard: Time,
        /// Seconds since then.
        age_s: Float,
    },
};

/// An event, or a gap: an entry of an event log.
#[derive(Copy, Clone, Debug)]
pub enum Told<'a> {
    /// An event.
    Event(&'a Item),
    /// These events of a source are lost.
    Lost(Source, Span),
}

/// An entry of an event log as a row. `named` is the name of a member.
pub fn event_row(
    told: Told<'_>,
    heard: Wall,
    at: &Moment,
    named: impl Fn(rumormill_core::NodeId) -> Option<String>,
) -> Vec<Cell> {
    let (kind, source, sequence, last, item) = match told {
        Told::Event(item) => ("event", item.id.source, item.id.seq, None, Some(item)),
        Told::Lost(source, span) => ("lost", source, span.from, Some(span.to), None),
    };
    let has = |flag| Cell::from(item.map(|item| item.flags.has(flag)));
    vec![
        format!("{}-{}-{sequence}", source.origin, source.epoch).into(),
        kind.into(),
        source.origin.into(),
        named(source.origin).into(),
        source.epoch.into(),
        sequence.into(),
        last.into(),
        item.map(|item| String::from_utf8_lossy(&item.name).into_owned()).into(),
        item.and_then(|item| std::str::from_utf8(&item.payload).ok()).into(),
        item.map(|item| item.payload.len()).into(),
        has(Flags::UNORDERED),
        has(Flags::COALESCE),
        heard.into(),
        seconds(at.wall.since(heard)).into(),
    ]
}
