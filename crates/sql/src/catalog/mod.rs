//! PostgreSQL's catalog, made from the definitions of the tables: what clients read to list and describe them.
//!
//! | file | its job |
//! | --- | --- |
//! | `tables` | which tables of the catalog there are, and their columns |
//! | `rows` | their rows |

mod rows;
mod tables;

use crate::functions::FUNCTION_OIDS_END;
use crate::schema::{Entry, Namespace, Schema};
use crate::source::{Source, Wanted};
use rumormill_core::table::{Cell, Table};
use std::ops::ControlFlow;
use std::sync::Arc;

/// The numbers of the tables of information_schema.
pub const INFORMATION_OIDS: (i64, i64) = (13_000, 13_999);
const CATALOG_OIDS: i64 = FUNCTION_OIDS_END;
const PUBLIC_OIDS: i64 = 16_384;

/// A source with the catalog's tables beside its own.
pub struct Catalog {
    source: Arc<dyn Source>,
    schema: Schema,
}

impl Catalog {
    /// Adds the catalog to `source`.
    pub fn new(source: Arc<dyn Source>) -> Self {
        let mut entries = Vec::new();
        let mut add = |namespace: Namespace, tables: &[&'static Table]| {
            entries.extend(tables.iter().map(|table| Entry { namespace, table }));
        };
        add(Namespace::Public, &source.tables());
        add(Namespace::Catalog, tables::CATALOG);
        add(Namespace::Information, tables::INFORMATION);
        Self { source, schema: Schema { entries } }
    }

    /// All tables.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Calls `each` with every row of a table.
    pub fn rows(
        &self,
        entry: Entry,
        wanted: Wanted,
        each: &mut dyn FnMut(Vec<Cell>) -> ControlFlow<()>,
    ) -> Result<(), String> {
        if entry.namespace == Namespace::Public {
            return self.source.rows(entry.table, wanted, each);
        }
        for row in rows::rows(&self.schema, entry) {
            if each(row).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// The number of a table.
pub fn oid(schema: &Schema, wanted: Entry) -> Option<i64> {
    let mut of_namespace = schema.entries.iter().filter(|entry| entry.namespace == wanted.namespace);
    let place = of_namespace.position(|entry| entry.id() == wanted.id())?;
    let first = match wanted.namespace {
        Namespace::Public => PUBLIC_OIDS,
        Namespace::Catalog => CATALOG_OIDS,
        Namespace::Information => INFORMATION_OIDS.0,
    };
    Some(first + i64::try_from(place).ok()?)
}

/// Settings that clients ask for. A server of version 14 is asked for the catalog in simpler words than a newer one: without arrays in subqueries.
const SETTINGS: [(&str, &str); 18] = [
    ("server_version", "14.0"),
    ("server_version_num", "140000"),
    ("server_encoding", "UTF8"),
    ("client_encoding", "UTF8"),
    ("standard_conforming_strings", "on"),
    ("transaction_isolation", "repeatable read"),
    ("transaction_read_only", "on"),
    ("default_table_access_method", "heap"),
    ("default_transaction_read_only", "on"),
    ("default_transaction_isolation", "repeatable read"),
    ("is_superuser", "off"),
    ("integer_datetimes", "on"),
    ("intervalstyle", "postgres"),
    ("datestyle", "ISO, MDY"),
    ("timezone", "UTC"),
    ("search_path", "public, pg_catalog"),
    ("max_identifier_length", "63"),
    ("in_hot_standby", "on"),
];

/// The value of a setting.
pub fn setting(name: &str) -> Option<String> {
    let name = match name.to_lowercase().as_str() {
        "transaction isolation level" => "transaction_isolation".to_owned(),
        "time zone" => "timezone".to_owned(),
        name => name.to_owned(),
    };
    SETTINGS.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}
