//! The reference of all tables, as SQL shows them.

use crate::features::FEATURES;
use rumormill_core::table::{Kind, Table};
use rumormill_node::TABLES;

/// Every table of an agent: those of its node first.
pub fn tables() -> Vec<&'static Table> {
    let own = FEATURES.iter().flat_map(|feature| feature.tables).map(|own| own.table);
    TABLES.iter().copied().chain(own).collect()
}

/// The type of a column, as PostgreSQL names it.
pub fn type_of(kind: Kind) -> &'static str {
    rumormill_sql::Type::from(kind).name()
}

const INTRODUCTION: &str = "\
# Tables of the agent

Made from the code by `rumormill sql --tables`; `--json` prints the same for programs.

`rumormill sql \"SELECT ...\"`, `POST /v1/sql` and `GET /v1/sql/subscribe` read these tables. They show what the agent that is asked knows at that
moment; nothing is written, and no copy is kept.

- A row that came from another member has its age, in seconds, or the time at which it was heard.
- Rows of members are copied in pages of at most 1 ms of the node's time. A member that stays is seen once, as it was when its page was read; one that
  comes or goes during the statement may be missing.
- Ids and sessions are text of 16 hexadecimal digits.
- A value of a JSON object is read with `->>`: `tags->>'role'`.
- `key` names the columns that tell the rows of a table apart; a subscription finds differences by it where the answer has these columns.
";

/// The reference of tables, in Markdown.
pub fn tables_markdown() -> String {
    let mut text = format!("{INTRODUCTION}{}", rumormill_sql::DIALECT);
    for table in tables() {
        let key = match table.key {
            [] => "none: two rows may be equal".into(),
            key => key.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        };
        text += &format!("\n## {}\n\n{} Key: {key}.\n\n", table.name, table.about);
        text += "| column | type | meaning |\n| --- | --- | --- |\n";
        for column in table.columns {
            let about = column.about.replace('|', "\\|");
            text += &format!("| `{}` | {} | {about} |\n", column.name, type_of(column.kind));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_table_has_a_name_of_its_own_distinct_columns_and_a_key_among_them() {
        let mut names = BTreeSet::new();
        for table in tables() {
            assert!(names.insert(table.name), "{} twice", table.name);
            let columns: BTreeSet<&str> = table.columns.iter().map(|column| column.name).collect();
            assert_eq!(columns.len(), table.columns.len(), "{}", table.name);
            assert!(table.key.iter().all(|key| columns.contains(key)), "{}", table.name);
            assert!(table.columns.iter().all(|column| column.about.ends_with('.')), "{}", table.name);
        }
    }

    #[test]
    fn all_tables_of_the_issue_are_there() {
        let names: BTreeSet<&str> = tables().iter().map(|table| table.name).collect();
        for wanted in "members vitals hosts events queries handlers keys bans why suspicions peers sessions counters config warnings"
            .split(' ')
        {
            assert!(names.contains(wanted), "{wanted}");
        }
    }
}
