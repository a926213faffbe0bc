//! A small fixed source: two tables whose rows are known.
#![allow(dead_code)] // each test uses its part

use rumormill_sql::{Cell, Column, Engine, Kind, Limits, Rows, Source, Table, Wanted};
use std::ops::ControlFlow;
use std::sync::Arc;

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, about: "a column" }
}

/// Hosts with their vitals.
pub static HOSTS: Table = Table {
    name: "hosts",
    about: "a host",
    key: &["name"],
    columns: &[
        column("name", Kind::Text),
        column("role", Kind::Text),
        column("cpus", Kind::Int),
        column("load1", Kind::Float),
        column("up", Kind::Bool),
        column("tags", Kind::Json),
        column("seen", Kind::Time),
    ],
};

/// Roles.
pub static ROLES: Table = Table {
    name: "roles",
    about: "a role",
    key: &["role"],
    columns: &[column("role", Kind::Text), column("owner", Kind::Text), column("wants", Kind::Int)],
};

/// 2026-11-30 12:00:00 UTC.
pub const NOON: i64 = 1_796_040_000_000_000;

/// Answers with `rows` hosts.
pub struct Fixed {
    pub hosts: i64,
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn host(i: i64) -> Vec<Cell> {
    let role = ["web", "db", "cache"][usize::try_from(i % 3).unwrap()];
    let missing = i % 5 == 4;
    vec![
        Cell::Text(format!("host{i}")),
        if i % 7 == 6 { Cell::Null } else { text(role) },
        Cell::Int(i % 4 + 1),
        if missing { Cell::Null } else { Cell::Float(i as f64 / 4.0) },
        Cell::Bool(i % 6 != 5),
        Cell::Text(format!("{{\"zone\":\"z{}\",\"rank\":{i}}}", i % 2)),
        if missing { Cell::Null } else { Cell::Time(NOON - i * 30_000_000) },
    ]
}

impl Source for Fixed {
    fn tables(&self) -> Vec<&'static Table> {
        vec![&HOSTS, &ROLES]
    }

    fn rows(
        &self,
        table: &'static Table,
        _: Wanted,
        each: &mut dyn FnMut(Vec<Cell>) -> ControlFlow<()>,
    ) -> Result<(), String> {
        let rows: Box<dyn Iterator<Item = Vec<Cell>>> = if table.name == "hosts" {
            Box::new((0..self.hosts).map(host))
        } else {
            Box::new(
                [("web", "ann", 3), ("db", "bob", 2), ("queue", "cy", 1)]
                    .into_iter()
                    .map(|(role, owner, wants)| vec![text(role), text(owner), Cell::Int(wants)]),
            )
        };
        for row in rows {
            if each(row).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// An engine over ten hosts.
pub fn engine() -> Engine {
    engine_of(10, Limits::default())
}

/// An engine over so many hosts.
pub fn engine_of(hosts: i64, limits: Limits) -> Engine {
    Engine::new(Arc::new(Fixed { hosts }), limits)
}

/// Any text is answered, or refused with a reason that is no fault of ours.
pub fn is_answered_or_refused(engine: &Engine, sql: &str) -> Result<bool, String> {
    match engine.query(sql, &[]) {
        Ok(_) => Ok(true),
        Err(error) if error.code.0 == "XX000" => Err(format!("{sql}\n  {error}")),
        Err(_) => Ok(false),
    }
}

/// The rows of an answer, a line each, cells separated by `|`; null is nothing.
pub fn lines(answer: &Rows) -> Vec<String> {
    let line = |row: &Vec<Cell>| {
        let cells: Vec<_> = row.iter().map(|cell| rumormill_sql::text(cell).unwrap_or_default()).collect();
        cells.join("|")
    };
    answer.rows.iter().map(line).collect()
}

/// The same for a statement that must have an answer.
pub fn show(engine: &Engine, sql: &str) -> Vec<String> {
    lines(&engine.query(sql, &[]).unwrap_or_else(|e| panic!("{sql}: {e}")))
}

/// A source that gives text in a column of numbers.
pub struct Lying;

impl Source for Lying {
    fn tables(&self) -> Vec<&'static Table> {
        vec![&ROLES]
    }

    fn rows(
        &self,
        _: &'static Table,
        _: Wanted,
        each: &mut dyn FnMut(Vec<Cell>) -> ControlFlow<()>,
    ) -> Result<(), String> {
        _ = each(vec![text("web"), text("ann"), text("three")]);
        Ok(())
    }
}
