//! The table of handlers.

use super::handlers;
use super::model::HandlerInfo;
use crate::tables::{AgentTable, Read};
use rumormill_core::columns;
use rumormill_core::table::Table;

/// Handlers.
pub(super) const HANDLERS: AgentTable = AgentTable {
    table: &Table {
        name: "handlers",
        about: "Commands that this agent runs when something happens.",
        key: &[],
        columns: columns! {
            /// On what it is run.
            on_event: Text,
            /// Its command.
            command: Text,
            /// Runs that ended well.
            done: Int,
            /// Runs that failed.
            failed: Int,
            /// Runs that took too long and were killed.
            killed: Int,
            /// Changes and events that it missed because it was too slow.
            missed: Int,
            /// Runs under way.
            running: Int,
            /// Why the last run that did not end well did not.
            last_error: Text,
        },
    },
    read: Read::Outside(|agent, _, each| {
        for handler in handlers(agent) {
            let HandlerInfo { on, command, done, failed, killed, missed, running, last_error } =
                handler.info();
            let counts = [done, failed, killed, missed, running].map(Into::into);
            let row = [on.into(), command.into()].into_iter().chain(counts).chain([last_error.into()]);
            if each(row.collect()).is_break() {
                return;
            }
        }
    }),
};
