//! Tables of events: positions, the event log, and durable events that other members may not hold yet.

use crate::features::events::entry::{Kept, LogEntry, Place, Record, Unsaved};
use rumormill_core::time::Wall;
use rumormill_core::wire::{self, Wire};
use rumormill_protocols::spread::events::{EventId, Item, Position, Positions, Source};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use std::collections::BTreeMap;

/// From version 1 of the database to version 2.
pub(crate) const SCHEMA: &str = "
    CREATE TABLE event_positions (
        origin INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        position BLOB NOT NULL,
        PRIMARY KEY (origin, epoch)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE event_feed (
        epoch INTEGER NOT NULL,
        number INTEGER NOT NULL,
        heard_ms INTEGER NOT NULL,
        said BLOB NOT NULL,
        PRIMARY KEY (epoch, number)
    ) STRICT;
    CREATE TABLE event_durable (
        epoch INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        item BLOB NOT NULL,
        PRIMARY KEY (epoch, seq)
    ) STRICT;
    CREATE TABLE event_state (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        joined INTEGER NOT NULL,
        dropped_epoch INTEGER NOT NULL,
        dropped_number INTEGER NOT NULL
    ) STRICT;
    PRAGMA user_version = 2;
";

/// The positions on disk, so that only changes are written.
#[derive(Default)]
pub(crate) struct Stored {
    positions: BTreeMap<Source, Position>,
    joined: Option<bool>,
}

/// Positions that differ from those on disk.
pub(crate) struct Changes {
    put: Vec<Position>,
    gone: Vec<Source>,
    joined: bool,
}

impl Changes {
    pub(crate) fn is_none(&self) -> bool {
        self.put.is_empty() && self.gone.is_empty() && !self.joined
    }
}

impl Stored {
    pub(crate) fn of(kept: Option<&Positions>) -> Stored {
        let positions = kept.iter().flat_map(|kept| &kept.list);
        let positions = positions.map(|position| (position.source, position.clone())).collect();
        Stored { positions, joined: kept.map(|kept| kept.joined) }
    }

    pub(crate) fn changes(&self, now: &Positions) -> Changes {
        let is_new = |position: &&Position| self.positions.get(&position.source) != Some(position);
        let is_gone = |gone: &&Source| {
            let at = now.list.binary_search_by_key(*gone, |position| position.source);
            at.is_err()
        };
        // A node that has no baseline yet knows less than the disk.
        let known = self.positions.keys().filter(|_| now.joined);
        Changes {
            put: now.list.iter().filter(is_new).cloned().collect(),
            gone: known.filter(is_gone).copied().collect(),
            joined: self.joined != Some(now.joined),
        }
    }

    pub(crate) fn apply(&mut self, changes: Changes, joined: bool) {
        changes.gone.iter().for_each(|gone| drop(self.positions.remove(gone)));
        self.positions.extend(changes.put.into_iter().map(|position| (position.source, position)));
        self.joined = Some(joined);
    }
}

fn encoded<T: Wire>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    wire::put(value, &mut bytes);
    bytes
}

/// What a column holds; none if it cannot be read, which only a damaged file or a newer program brings about.
fn decoded<T: Wire>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    Ok(wire::decode(row.get_ref(column)?.as_blob()?).ok())
}

/// All of it; what cannot be read is passed over.
pub(crate) fn read(db: &Connection) -> rusqlite::Result<Kept> {
    let state = db
        .query_row("SELECT joined, dropped_epoch, dropped_number FROM event_state", [], |row| {
            let place = Place { epoch: unsigned(row, 1)?, number: unsigned(row, 2)? };
            Ok((row.get::<_, bool>(0)?, place))
        })
        .optional()?;
    let mut query = db.prepare("SELECT position FROM event_positions")?;
    let rows = query.query_map([], |row| decoded::<Position>(row, 0))?.collect::<Result<Vec<_>, _>>()?;
    let mut list: Vec<Position> = rows.into_iter().flatten().collect();
    list.sort_by_key(|position| position.source);
    let mut query =
        db.prepare("SELECT epoch, number, heard_ms, said FROM event_feed ORDER BY epoch, number")?;
    let entries = query.query_map([], |row| {
        let place = Place { epoch: unsigned(row, 0)?, number: unsigned(row, 1)? };
        let heard = Wall(unsigned(row, 2)?);
        Ok(decoded::<LogEntry>(row, 3)?.map(|entry| Record { place, entry, heard }))
    })?;
    let entries = entries.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    let mut query = db.prepare("SELECT item FROM event_durable ORDER BY epoch, seq")?;
    let durable = query.query_map([], |row| decoded::<Item>(row, 0))?.collect::<Result<Vec<_>, _>>()?;
    Ok(Kept {
        positions: state.map(|(joined, _)| Positions { joined, list }),
        entries,
        durable: durable.into_iter().flatten().collect(),
        dropped: state.map(|(_, place)| place).filter(|place| *place != Place::default()),
    })
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)? as u64)
}

/// Saves what is new.
pub(crate) fn save(db: &mut Connection, unsaved: &Unsaved, changes: &Changes) -> rusqlite::Result<()> {
    let change = db.transaction()?;
    save_positions(&change, changes)?;
    if unsaved.is_whole {
        change.execute("DELETE FROM event_feed", [])?;
    }
    {
        let mut delete = change.prepare("DELETE FROM event_feed WHERE epoch = ?1 AND number = ?2")?;
        for place in &unsaved.gone {
            delete.execute(params![place.epoch as i64, place.number as i64])?;
        }
        let mut insert = change.prepare(
            "INSERT OR REPLACE INTO event_feed (epoch, number, heard_ms, said) VALUES (?1, ?2, ?3, ?4)",
        )?;
        for Record { place, entry, heard } in &unsaved.entries {
            insert.execute(params![
                place.epoch as i64,
                place.number as i64,
                heard.0 as i64,
                encoded(entry)
            ])?;
        }
    }
    delete_durable(&change, &unsaved.settled)?;
    let dropped = unsaved.dropped.unwrap_or_default();
    let place = params![dropped.epoch as i64, dropped.number as i64];
    change.execute("DELETE FROM event_feed WHERE (epoch, number) <= (?1, ?2)", place)?;
    change.execute(
        "INSERT OR REPLACE INTO event_state (one, joined, dropped_epoch, dropped_number) VALUES (1, ?1, ?2, ?3)",
        params![unsaved.positions.joined, dropped.epoch as i64, dropped.number as i64],
    )?;
    change.commit()
}

fn save_positions(change: &Transaction<'_>, changes: &Changes) -> rusqlite::Result<()> {
    let mut delete = change.prepare("DELETE FROM event_positions WHERE origin = ?1 AND epoch = ?2")?;
    for Source { origin, epoch } in &changes.gone {
        delete.execute(params![origin.0 as i64, *epoch as i64])?;
    }
    let mut insert = change
        .prepare("INSERT OR REPLACE INTO event_positions (origin, epoch, position) VALUES (?1, ?2, ?3)")?;
    for position in &changes.put {
        let Source { origin, epoch } = position.source;
        insert.execute(params![origin.0 as i64, epoch as i64, encoded(position)])?;
    }
    Ok(())
}

/// Keeps durable events, and waits until they are on disk.
pub(crate) fn save_durable(db: &mut Connection, items: &[Item]) -> rusqlite::Result<()> {
    db.execute_batch("PRAGMA synchronous = FULL")?;
    let saved = insert_durable(db, items);
    db.execute_batch("PRAGMA synchronous = NORMAL")?;
    saved
}

fn insert_durable(db: &mut Connection, items: &[Item]) -> rusqlite::Result<()> {
    let change = db.transaction()?;
    {
        let mut insert =
            change.prepare("INSERT OR REPLACE INTO event_durable (epoch, seq, item) VALUES (?1, ?2, ?3)")?;
        for item in items {
            let (epoch, seq) = (item.id.source.epoch as i64, item.id.seq as i64);
            insert.execute(params![epoch, seq, encoded(item)])?;
        }
    }
    change.commit()
}

fn delete_durable(change: &Transaction<'_>, ids: &[EventId]) -> rusqlite::Result<()> {
    let mut delete = change.prepare("DELETE FROM event_durable WHERE epoch = ?1 AND seq = ?2")?;
    for id in ids {
        delete.execute(params![id.source.epoch as i64, id.seq as i64])?;
    }
    Ok(())
}

/// Takes back what [`save_durable`] kept.
pub(crate) fn forget_durable(db: &mut Connection, ids: &[EventId]) -> rusqlite::Result<()> {
    let change = db.transaction()?;
    delete_durable(&change, ids)?;
    change.commit()
}

/// This node goes on as another one: a copy of its data directory keeps the feed and the durable events, under the old id.
pub(crate) fn forget_own(db: &mut Connection) -> rusqlite::Result<()> {
    let change = db.transaction()?;
    change.execute_batch("DELETE FROM event_feed; DELETE FROM event_durable; UPDATE event_state SET dropped_epoch = 0, dropped_number = 0;")?;
    change.commit()
}
