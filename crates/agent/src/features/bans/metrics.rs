//! Counters of bans, and the condition that this agent itself is banned.

use crate::describe::inside::Inside;
use crate::describe::model::Warning;
use crate::describe::{Shape, ban_age_s};
use crate::metrics::Table;
use rumormill_protocols::agree::bans::{Ban, Counters};

/// Adds the counters.
pub(crate) fn count(inside: &Inside<'_>, table: &mut Table) {
    let bans = &inside.node.bans;
    let count = bans.iter().filter(|ban| !ban.lifted).count();
    table.gauge("bans", "Identities that are kept out", &[], count as f64);
    let Counters { heard, stale, forged, shed } = bans.counters;
    table.count("bans_heard", "Words about who is kept out that were news", &[], heard);
    table.count("bans_stale", "Words about who is kept out that were not", &[], stale);
    table.count(
        "bans_forged",
        "Words about who is kept out that nobody signed, or out of bounds",
        &[],
        forged,
    );
    table.count("bans_shed", "Words about who is kept out for which there was no room", &[], shed);
}

/// Adds the condition that this agent is banned.
pub(super) fn conditions(inside: &Inside<'_>, all: &mut Vec<Warning>) {
    if let Some(ban) = inside.node.bans.of(inside.node.swim.me().id) {
        let text = of_myself(ban, &Shape::new(inside).called(ban.by));
        all.push(Warning::holding("banned", "", text, ban_age_s(inside, ban)));
    }
}

/// What a banned agent says of itself.
pub(crate) fn of_myself(ban: &Ban, by: &str) -> String {
    let reason = if ban.reason().is_empty() { String::new() } else { format!(" ({})", ban.reason()) };
    format!(
        "this agent is banned from the cluster by {by}{reason}: no member answers it until one lifts that"
    )
}
