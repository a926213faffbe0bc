//! The rows of the catalog's tables.

use super::{SETTINGS, oid};
use crate::functions::named_functions;
use crate::schema::{Entry, Namespace, Schema};
use crate::types::Type;
use crate::types::{TYPES, oid_of};
use rumormill_core::table::{Cell, Kind, Table};

const ROLE: i64 = 10;
const DATABASE: &str = "rumormill";
const CLASS_OF_TABLES: i64 = 1_259;

/// A row whose cells are named; those not named are false, zero or null.
struct Row {
    table: &'static Table,
    cells: Vec<Cell>,
}

impl Row {
    fn of(table: &'static Table) -> Self {
        let nothing = |kind: Kind| match kind {
            Kind::Bool => Cell::Bool(false),
            Kind::Int => Cell::Int(0),
            _ => Cell::Null,
        };
        Self { table, cells: table.columns.iter().map(|column| nothing(column.kind)).collect() }
    }

    fn set(mut self, name: &str, cell: Cell) -> Self {
        let place = self.table.columns.iter().position(|column| column.name == name);
        debug_assert!(place.is_some(), "{} has no column {name}", self.table.name);
        if let Some(place) = place {
            self.cells[place] = cell;
        }
        self
    }

    fn text(self, name: &str, text: &str) -> Self {
        self.set(name, Cell::Text(text.to_owned()))
    }

    fn int(self, name: &str, value: i64) -> Self {
        self.set(name, Cell::Int(value))
    }

    fn yes(self, name: &str) -> Self {
        self.set(name, Cell::Bool(true))
    }
}

/// The rows of one of the catalog's tables.
pub fn rows(schema: &Schema, entry: Entry) -> Vec<Vec<Cell>> {
    let table = entry.table;
    let row = || Row::of(table);
    let rows: Vec<Row> = match (entry.namespace, table.name) {
        (Namespace::Catalog, "pg_class") => schema.entries.iter().map(|e| class(row(), schema, *e)).collect(),
        (Namespace::Catalog, "pg_namespace") => namespaces(&row),
        (Namespace::Catalog, "pg_attribute") => attributes(&row, schema),
        (Namespace::Catalog, "pg_type") => types(&row),
        (Namespace::Catalog, "pg_description") => descriptions(&row, schema),
        (Namespace::Catalog, "pg_proc") => procedures(&row),
        (Namespace::Catalog, "pg_settings") => SETTINGS
            .iter()
            .map(|(name, value)| row().text("name", name).text("setting", value).text("vartype", "string"))
            .collect(),
        (Namespace::Catalog, "pg_tables") => schema
            .entries
            .iter()
            .map(|e| {
                row()
                    .text("schemaname", e.namespace.name())
                    .text("tablename", e.table.name)
                    .text("tableowner", DATABASE)
            })
            .collect(),
        (Namespace::Information, "tables") => schema.entries.iter().map(|e| shown_table(row(), *e)).collect(),
        (Namespace::Information, "columns") => columns(&row, schema),
        (Namespace::Information, "schemata") => NAMESPACES
            .iter()
            .map(|(_, name)| {
                row().text("catalog_name", DATABASE).text("schema_name", name).text("schema_owner", DATABASE)
            })
            .collect(),
        (Namespace::Catalog, name) => fixed(&row, name),
        _ => Vec::new(),
    };
    rows.into_iter().map(|row| row.cells).collect()
}

/// Tables of one row: there is one database, one role, one way to store.
fn fixed(row: &dyn Fn() -> Row, name: &str) -> Vec<Row> {
    match name {
        "pg_database" => vec![
            row()
                .int("oid", 5)
                .text("datname", DATABASE)
                .int("datdba", ROLE)
                .int("encoding", 6)
                .text("datlocprovider", "c")
                .yes("datallowconn")
                .int("datconnlimit", -1)
                .text("datcollate", "C")
                .text("datctype", "C.UTF-8"),
        ],
        "pg_roles" => vec![
            row()
                .int("oid", ROLE)
                .text("rolname", DATABASE)
                .yes("rolinherit")
                .yes("rolcanlogin")
                .int("rolconnlimit", -1),
        ],
        "pg_user" => vec![row().int("usesysid", ROLE).text("usename", DATABASE)],
        "pg_am" => vec![row().int("oid", 2).text("amname", "heap").text("amtype", "t")],
        "pg_language" => {
            vec![row().int("oid", 12).text("lanname", "internal").int("lanowner", ROLE)]
        }
        _ => Vec::new(),
    }
}

const NAMESPACES: [(i64, &str); 3] = [(11, "pg_catalog"), (2_200, "public"), (12_999, "information_schema")];

fn namespace_oid(namespace: Namespace) -> i64 {
    NAMESPACES.iter().find(|(_, name)| *name == namespace.name()).map_or(0, |(oid, _)| *oid)
}

fn namespaces(row: &dyn Fn() -> Row) -> Vec<Row> {
    NAMESPACES
        .iter()
        .map(|(oid, name)| row().int("oid", *oid).text("nspname", name).int("nspowner", ROLE))
        .collect()
}

fn class(row: Row, schema: &Schema, entry: Entry) -> Row {
    let width = i64::try_from(entry.table.columns.len()).unwrap_or(0);
    row.int("oid", oid(schema, entry).unwrap_or(0))
        .text("relname", entry.table.name)
        .int("relnamespace", namespace_oid(entry.namespace))
        .int("relowner", ROLE)
        .int("relam", 2)
        .set("reltuples", Cell::Float(-1.0))
        .text("relpersistence", "p")
        .text("relkind", "r")
        .int("relnatts", width)
        .yes("relispopulated")
        .text("relreplident", "n")
}

fn attributes(row: &dyn Fn() -> Row, schema: &Schema) -> Vec<Row> {
    let mut rows = Vec::new();
    for entry in &schema.entries {
        for (i, column) in entry.table.columns.iter().enumerate() {
            let ty = Type::from(column.kind);
            let bytes = TYPES.iter().find(|known| known.0 == oid_of(ty)).map_or(-1, |known| known.3);
            rows.push(
                row()
                    .int("attrelid", oid(schema, *entry).unwrap_or(0))
                    .text("attname", column.name)
                    .int("atttypid", oid_of(ty))
                    .int("attstattarget", -1)
                    .int("attlen", bytes)
                    .int("attnum", i64::try_from(i + 1).unwrap_or(0))
                    .int("attcacheoff", -1)
                    .int("atttypmod", -1)
                    .text("attalign", "d")
                    .text("attstorage", "p")
                    .text("attcompression", "")
                    .text("attidentity", "")
                    .text("attgenerated", "")
                    .yes("attislocal"),
            );
        }
    }
    rows
}

fn types(row: &dyn Fn() -> Row) -> Vec<Row> {
    TYPES
        .iter()
        .map(|(oid, name, _, bytes, category, element)| {
            row()
                .int("oid", *oid)
                .text("typname", name)
                .int("typnamespace", 11)
                .int("typowner", ROLE)
                .int("typelem", *element)
                .int("typarray", TYPES.iter().find(|array| array.5 == *oid).map_or(0, |array| array.0))
                .int("typlen", *bytes)
                .text("typtype", "b")
                .text("typcategory", category)
                .yes("typisdefined")
                .text("typdelim", ",")
                .text("typinput", &format!("{name}in"))
                .text("typoutput", &format!("{name}out"))
                .int("typtypmod", -1)
        })
        .collect()
}

fn descriptions(row: &dyn Fn() -> Row, schema: &Schema) -> Vec<Row> {
    let mut rows = Vec::new();
    for entry in schema.entries.iter().filter(|entry| entry.namespace == Namespace::Public) {
        let about = |number: usize, text: &str| {
            row()
                .int("objoid", oid(schema, *entry).unwrap_or(0))
                .int("classoid", CLASS_OF_TABLES)
                .int("objsubid", i64::try_from(number).unwrap_or(0))
                .text("description", text)
        };
        rows.push(about(0, entry.table.about));
        let columns = entry.table.columns.iter().enumerate();
        rows.extend(columns.map(|(i, column)| about(i + 1, column.about)));
    }
    rows
}

fn procedures(row: &dyn Fn() -> Row) -> Vec<Row> {
    named_functions()
        .map(|(oid, function)| {
            let args: Vec<_> = function.args.iter().map(|ty| oid_of(*ty).to_string()).collect();
            row()
                .int("oid", oid)
                .text("proname", function.name)
                .int("pronamespace", 11)
                .int("proowner", ROLE)
                .int("prolang", 12)
                .text("prokind", "f")
                .text("provolatile", "i")
                .text("proparallel", "s")
                .int("pronargs", i64::try_from(args.len()).unwrap_or(0))
                .int("prorettype", oid_of(function.gives))
                .text("proargtypes", &args.join(" "))
                .text("prosrc", function.name)
        })
        .collect()
}

fn shown_table(row: Row, entry: Entry) -> Row {
    row.text("table_catalog", DATABASE)
        .text("table_schema", entry.namespace.name())
        .text("table_name", entry.table.name)
        .text("table_type", "BASE TABLE")
        .text("is_insertable_into", "NO")
        .text("is_typed", "NO")
}

fn columns(row: &dyn Fn() -> Row, schema: &Schema) -> Vec<Row> {
    let mut rows = Vec::new();
    for entry in &schema.entries {
        for (i, column) in entry.table.columns.iter().enumerate() {
            let ty = Type::from(column.kind);
            let udt = TYPES.iter().find(|known| known.0 == oid_of(ty)).map_or("", |known| known.1);
            rows.push(
                row()
                    .text("table_catalog", DATABASE)
                    .text("table_schema", entry.namespace.name())
                    .text("table_name", entry.table.name)
                    .text("column_name", column.name)
                    .int("ordinal_position", i64::try_from(i + 1).unwrap_or(0))
                    .text("is_nullable", "YES")
                    .text("data_type", ty.name())
                    .set("character_maximum_length", Cell::Null)
                    .set("numeric_precision", Cell::Null)
                    .set("numeric_scale", Cell::Null)
                    .set("datetime_precision", Cell::Null)
                    .text("udt_catalog", DATABASE)
                    .text("udt_schema", "pg_catalog")
                    .text("udt_name", udt)
                    .text("is_identity", "NO")
                    .text("is_generated", "NEVER")
                    .text("is_updatable", "NO"),
            );
        }
    }
    rows
}
