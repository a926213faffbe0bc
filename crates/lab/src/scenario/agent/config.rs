//! Settings of the member's protocols, and the bounds that they set.

use rumormill_core::identity::Unsigned;
use rumormill_node::{self as node, Everyone};
use rumormill_protocols::agree::{bans, keys, lww};
use rumormill_protocols::detect::phi;
use rumormill_protocols::member::swim::{self, NEWS_MAX};
use rumormill_protocols::spread::{events, queries};
use std::sync::Arc;

/// The agent's node in the laboratory: nothing is signed, and every query is meant for every member.
pub(super) type Node = node::Node<Unsigned, Everyone>;

/// Settings of all protocols in the node.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub swim: swim::Config,
    pub lww: lww::Config,
    pub events: events::Config,
    pub queries: queries::Config,
    pub bans: bans::Config,
    pub keys: keys::Config,
    /// None where phi is off, as it is by default.
    pub phi: Option<Arc<phi::Config>>,
}

/// The queue of a member that is over its bound.
pub fn over_bound(config: &Config, node: &Node) -> Option<String> {
    let Config { events, queries, keys, bans, .. } = config;
    let queues = [
        ("events retained", node.events.window_events(), events.window_events_max),
        ("bytes of events retained", node.events.window_bytes(), events.window_bytes_max),
        ("events passed on", node.events.hot_len(), events.hot_max),
        ("queries open", node.queries.open_len(), queries.asks_max),
        ("large answers under way", node.queries.taking_len(), queries.takes_max * queries.asks_max),
        ("queries of others", node.queries.asked_len(), queries.asked_max),
        ("members asked to change keys", node.keys.asked(), keys.parallel_max),
        ("bans", node.bans.iter().count(), bans.bans_max),
        ("items of news", node.swim.news_len(), NEWS_MAX),
    ];
    let over = queues.into_iter().find(|(_, len, max)| len > max);
    over.map(|(what, len, max)| format!("{len} {what}, at most {max} are allowed"))
}
