//! The conditions that a person should know of this agent, with their times: those that it raised itself, and those that the node's state shows.

use super::bans;
use super::shape::{Shape, ban_age_s};
use crate::logging;
use crate::metrics::Table;
use crate::model::Warning;
use crate::run::{Agent, Inside};
use rumormill_core::identity::NodeId;

/// All of them: what holds first, then what was over lately.
pub fn conditions(inside: &Inside<'_>, agent: &Agent) -> Vec<Warning> {
    let condition = |about: &str, of: &str, text: String, since_s: f64| Warning {
        about: about.into(),
        of: of.into(),
        text,
        since_s,
        count: 1,
        ..Warning::default()
    };
    let mut all = Vec::new();
    if agent.keyring().is_insecure() {
        let text = "no cluster key: anybody who reaches the gossip port can take part".to_string();
        all.push(condition("no_key", "", text, agent.uptime().as_secs_f64()));
    }
    let me = inside.node.swim.me().id;
    if let Some(ban) = inside.node.bans.of(me) {
        let text = bans::of_myself(ban, &Shape::new(inside).called(ban.by));
        all.push(condition("banned", "", text, ban_age_s(inside, ban)));
    }
    if let Some(text) = agent.store_complaint() {
        all.push(condition("data_directory_hangs", "", text, agent.store_hangs_s()));
    }
    if let Some(text) = agent.advertise_warning() {
        all.push(condition("advertised", "", text, agent.uptime().as_secs_f64()));
    }
    if let Some((text, unread_s)) = logging::complaint() {
        all.push(condition("log_unread", "", text, unread_s));
    }
    for (name, count) in inside.view.taken_names() {
        let text = format!("{count} members claim the name {name:?}");
        all.push(condition("name_taken", &name, text, taken_s(inside, &name)));
    }
    all.extend(agent.warnings());
    all
}

/// For how many seconds a name has had a second carrier.
fn taken_s(inside: &Inside<'_>, name: &str) -> f64 {
    let since = |id: &NodeId| Some(inside.now.since(inside.node.swim.member(*id)?.since).as_secs_f64());
    let mut ages: Vec<f64> = inside.view.carriers(name).iter().filter_map(since).collect();
    ages.sort_by(|a, b| b.total_cmp(a));
    ages.get(1).copied().unwrap_or_default()
}

/// Adds those that hold to what is scraped.
pub fn count(all: &[Warning], table: &mut Table) {
    let active = || all.iter().filter(|warning| warning.cleared_s.is_none());
    table.gauge("warnings", "Warnings that hold now", &[], active().count() as f64);
    for Warning { about, of, since_s, .. } in active() {
        let help = "For how long a warning has held";
        table.gauge("warning_age_seconds", help, &[("about", about), ("of", of)], *since_s);
    }
}
