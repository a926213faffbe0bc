//! The table of settings.

use crate::tables::{AgentTable, Read};
use rumormill_core::columns;
use rumormill_core::table::Table;

/// Settings.
pub(super) const CONFIG: AgentTable = AgentTable {
    table: &Table {
        name: "config",
        about: "The settings in force. Secrets stand in files, of which the path alone is shown.",
        key: &["setting"],
        columns: columns! {
            /// Its name in a file; `swim.` before SWIM's knobs.
            setting: Text,
            /// Its value in force.
            value: Text,
            /// The source of the value at the agent's start.
            source: Text,
            /// Its meaning.
            about: Text,
        },
    },
    read: Read::Outside(|agent, _, each| {
        for (setting, value, source, about) in agent.settings_in_force() {
            if each(vec![setting.into(), value.into(), source.into(), about.into()]).is_break() {
                return;
            }
        }
    }),
};
