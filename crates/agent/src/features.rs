//! The features of the agent: one folder and one line each.
//!
//! | folder | what it does |
//! | --- | --- |
//! | [`membership`] | members, verdicts about them, probes, changes as a stream, orders to forget |
//! | [`joining`] | finding the cluster by seeds, and staying in it |
//! | [`tags`] | this agent's tags |
//! | [`events`] | application events: publishing, the event log, cursors |
//! | [`queries`] | questions to members, and their replies |
//! | [`vitals`] | the machine, read and gossiped |
//! | [`phi`] | each member's suspicion level, from the arrivals of its vitals |
//! | [`keys`] | the cluster's keys: orders to all members, and key recovery |
//! | [`bans`] | identities that are kept out of the cluster |
//! | [`sql`] | the agent's state as tables, asked in SQL |
//! | [`reload`] | the configuration, read again while the agent runs |
//! | [`faults`] | fault injection for tests and demonstrations |
//! | [`operation`] | the agent itself: state, health, metrics, warnings |
//!
//! Within a folder: `service` has the verbs (`impl Agent`), `http` the routes, `serf` the same for Serf's RPC, `model` the JSON, `metrics` the
//! counters, `store` the tables, `config` the settings.

pub mod bans;
pub mod events;
pub mod faults;
pub mod joining;
pub mod keys;
pub mod membership;
pub mod operation;
pub mod phi;
pub mod queries;
pub mod reload;
pub mod sql;
pub mod tags;
pub mod vitals;

use crate::feature::Feature;
use crate::{handlers, serf_rpc};

/// All features. An event of the node is offered to them in this order, the busiest first.
pub const FEATURES: &[Feature] = &[
    membership::FEATURE,
    events::FEATURE,
    queries::FEATURE,
    bans::FEATURE,
    keys::FEATURE,
    vitals::FEATURE,
    phi::FEATURE,
    tags::FEATURE,
    joining::FEATURE,
    handlers::FEATURE,
    reload::FEATURE,
    sql::FEATURE,
    faults::FEATURE,
    serf_rpc::counters::FEATURE,
    operation::FEATURE,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_live_setting_is_a_setting_of_one_feature() {
        let mut live: Vec<&str> = FEATURES.iter().flat_map(|feature| feature.live).copied().collect();
        assert!(live.iter().all(|key| crate::config::Partial::KEYS.contains(key)), "{live:?}");
        live.sort_unstable();
        assert_eq!(live, ["dns_server", "join", "join_file", "log", "tags", "vitals_budget"]);
    }
}
