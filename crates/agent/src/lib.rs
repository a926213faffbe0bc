//! The rumormill agent: configuration, the composed node, store, APIs, metrics.
//!
//! Arrows go down this table, never up; no circle of files is left.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`start`] | puts the parts together; ends them |
//! | `observer` | hands each event of the node to its feature |
//! | [`http`], [`serf_rpc`] | the two APIs: listeners, guards, codecs |
//! | [`handlers`] | commands that are run when something happens |
//! | [`features`] | one folder per feature: its verbs, routes, JSON, metrics, tables |
//! | [`feature`] | the places at which a feature takes hold of the agent |
//! | [`agent`] | what all parts share |
//! | [`describe`], [`view`] | members as JSON; names, changes and pings, as membership told them |
//! | [`refusal`], [`warnings`], [`token`], [`metrics`] | why the agent refuses; conditions; secrets; a table of metrics |
//! | [`tables`] | tables of what the agent knows, as SQL shows them |
//! | [`node`], [`audience`] | the composed protocol; which queries are meant for this node |
//! | [`store`], [`identity`] | the data directory; the node's key |
//! | [`config`], [`discover`], [`host`] | settings with their sources; seeds to addresses; the machine |
//! | [`mod@reference`] | the settings as documents |
//! | [`worker`], [`logging`], [`admission`], [`build`] | threads for calls that may hang; log lines; places of listeners; version and formats |

pub mod admission;
pub mod agent;
pub mod build;
pub mod config;
pub mod describe;
pub mod discover;
pub mod feature;
pub mod features;
pub mod handlers;
pub mod host;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod model;
pub mod node;
mod observer;
pub mod reference;
pub mod refusal;
pub mod serf_rpc;
mod service_manager;
pub mod start;
mod states;
pub mod store;
pub mod tables;
pub mod token;
pub mod view;
pub mod warnings;
pub mod worker;

use rumormill_cluster::wall;
pub use rumormill_cluster::{audience, identity};

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
