//! All conditions of this agent with their times: those that it raised, and those that the state of node and disk shows.

use crate::agent::Agent;
use crate::describe::inside::Inside;
use crate::describe::model::Warning;
use crate::feature::Features;
use crate::logging;
use crate::metrics::Table;
use rumormill_core::words;
use std::sync::Arc;

/// The conditions: those that hold first, then those that ended lately.
pub(super) fn conditions(inside: &Inside<'_>, agent: &Arc<Agent>) -> Vec<Warning> {
    let mut all = Vec::new();
    for feature in agent.state::<Features>().0 {
        (feature.conditions)(inside, agent, &mut all);
    }
    all.extend(agent.warnings());
    all
}

/// Adds the conditions of the agent as a whole.
pub(super) fn own(agent: &Agent, all: &mut Vec<Warning>) {
    if let Some(text) = agent.store.complaint() {
        let since_s = agent.store.hangs().map_or(0.0, words::seconds);
        all.push(Warning::holding("data_directory_hangs", "", text, since_s));
    }
    if let Some((text, unread_s)) = logging::complaint() {
        all.push(Warning::holding("log_unread", "", text, unread_s));
    }
}

/// Adds the conditions that hold to the metrics.
pub(super) fn count(all: &[Warning], table: &mut Table) {
    let active = || all.iter().filter(|warning| warning.cleared_s.is_none());
    table.gauge("warnings", "Warnings that hold now", &[], active().count() as f64);
    for Warning { about, of, since_s, .. } in active() {
        let help = "For how long a warning has held";
        table.gauge("warning_age_seconds", help, &[("about", about), ("of", of)], *since_s);
    }
}
