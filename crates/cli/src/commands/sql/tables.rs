//! The reference of tables.

use crate::outcome::{Failure, Outcome};
use crate::show::{Out, Table as Shown};
use rumormill_agent::reference;
use rumormill_core::table::Table;
use serde_json::json;

/// All tables: Markdown, or JSON.
pub(super) fn tell(json: bool, out: &mut Out<'_>) -> Outcome {
    if !json {
        return out.raw(reference::tables_markdown().as_bytes());
    }
    let all = reference::tables().into_iter().map(|table| {
        let columns = table.columns.iter().map(|column| {
            json!({ "name": column.name, "type": reference::type_of(column.kind), "about": column.about })
        });
        json!({ "name": table.name, "about": table.about, "key": table.key, "columns": columns.collect::<Vec<_>>() })
    });
    out.json(&all.collect::<Vec<_>>())
}

/// `\\d`: the tables by name.
pub(super) fn list(out: &mut Out<'_>) -> Outcome {
    let mut shown = Shown::new(&["TABLE", "ABOUT"]);
    reference::tables().iter().for_each(|table| shown.row(vec![table.name.into(), table.about.into()]));
    out.table(&shown)
}

/// `\\d NAME`: the columns of a table.
pub(super) fn describe(name: &str, out: &mut Out<'_>) -> Outcome {
    let table = named(name)?;
    let mut shown = Shown::new(&["COLUMN", "TYPE", "ABOUT"]);
    for column in table.columns {
        shown.row(vec![column.name.into(), reference::type_of(column.kind).into(), column.about.into()]);
    }
    out.line(table.about)?;
    out.table(&shown)
}

fn named(name: &str) -> Outcome<&'static Table> {
    let tables = reference::tables();
    let found = tables.iter().find(|table| table.name.eq_ignore_ascii_case(name)).copied();
    found.ok_or_else(|| {
        let names: Vec<&str> = tables.iter().map(|table| table.name).collect();
        Failure::Failed(format!("there is no table {name:?}; there are {}", names.join(", ")))
    })
}
