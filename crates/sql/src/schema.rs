//! The tables, and the names under which SQL finds them.

use rumormill_core::table::Table;

/// PostgreSQL's name for the namespace that a table is in.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Namespace {
    /// The tables of the source.
    Public,
    /// PostgreSQL's catalog.
    Catalog,
    /// The catalog of the SQL standard.
    Information,
}

impl Namespace {
    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Catalog => "pg_catalog",
            Self::Information => "information_schema",
        }
    }
}

/// A table and its namespace.
#[derive(Copy, Clone, Debug)]
pub struct Entry {
    pub namespace: Namespace,
    pub table: &'static Table,
}

impl Entry {
    /// Its name in SQLite.
    pub fn sqlite_name(self) -> String {
        format!("{}.{}", self.namespace.name(), self.table.name)
    }

    /// The number that tells it from all other tables, for as long as the program runs.
    pub fn id(self) -> usize {
        std::ptr::from_ref(self.table).addr()
    }
}

/// All tables.
#[derive(Clone, Debug)]
pub struct Schema {
    pub entries: Vec<Entry>,
}

impl Schema {
    /// The table of that name. Without a namespace those of the source come first, then PostgreSQL's catalog.
    pub fn find(&self, namespace: Option<&str>, name: &str) -> Option<Entry> {
        let of = |wanted: Namespace| {
            self.entries.iter().find(|e| e.namespace == wanted && e.table.name == name).copied()
        };
        match namespace {
            None => of(Namespace::Public).or_else(|| of(Namespace::Catalog)),
            Some("public") => of(Namespace::Public),
            Some("pg_catalog") => of(Namespace::Catalog),
            Some("information_schema") => of(Namespace::Information),
            Some(_) => None,
        }
    }
}
