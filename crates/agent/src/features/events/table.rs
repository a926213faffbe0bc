//! The table of events: the event log.

use crate::features::events::entry::{LogEntry, Record, Since};
use crate::tables::{AgentTable, Read};
use rumormill_node::{EVENTS as TABLE, Told, event_row};

/// Entries that are read at once: the log is locked for about as many times 100 ns (our guess).
const PAGE: usize = 512;

/// Events.
pub(super) const EVENTS: AgentTable = AgentTable {
    table: &TABLE,
    read: Read::Outside(|agent, at, each| {
        let mut since = Since::Start;
        loop {
            let page = agent.event_service().log.read(since, PAGE, None);
            if page.entries.is_empty() {
                return;
            }
            since = Since::After(page.cursor);
            for Record { entry, heard, .. } in &page.entries {
                let told = match entry {
                    LogEntry::Event(item) => Told::Event(item),
                    LogEntry::Lost(source, span) => Told::Lost(*source, *span),
                };
                if each(event_row(told, *heard, at, |id| agent.view().name_of(id))).is_break() {
                    return;
                }
            }
        }
    }),
};
