//! The rumormill agent: configuration, the composed node, store, admin API, metrics.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`config`] | every setting, from file, environment and flags, with where each value came from |
//! | [`identity`] | the node's key: who it is, and how its records are signed |
//! | [`store`] | the data directory: identity, epoch, known members, tags set at run time |
//! | [`aside`] | threads for calls that may hang |
//! | [`discover`] | seeds: from addresses, DNS names and a file, to socket addresses |
//! | [`host`] | reads the machine the agent runs on |
//! | [`logging`] | where log lines go and which of them |
//! | [`node`] | the composed protocol: SWIM, and on it vitals, events and queries |
//! | [`events`] | what is kept of events for consumers, publishers and the disk |
//! | [`queries`] | who is meant by a query, what comes back, what is asked here |
//! | [`run`] | puts the parts together; joins, keeps up, leaves |
//! | [`handlers`] | commands that are run when something happens |
//! | [`view`] | what is remembered of events: changes with a cursor, names, histograms |
//! | [`model`] | what the admin API says, as types |
//! | [`build`] | what runs here: version, commit, formats |
//! | [`api`] | the admin API over TCP and a Unix socket |
//! | [`serf_rpc`] | Serf's RPC, for clients made for Serf |
//! | [`refusal`] | why the agent does not do what it was asked |
//! | [`metrics`] | `/metrics` for Prometheus |

pub mod admission;
pub mod api;
pub mod aside;
pub mod build;
pub mod config;
pub mod discover;
pub mod events;
pub mod handlers;
pub mod host;
pub mod identity;
pub mod logging;
pub mod metrics;
pub mod model;
/// The composed protocol, as the agent uses it: filters of queries are compiled by [`queries::filter::known`].
pub mod node {
    pub use rumormill_node::{Call, Event, Message, Timer, Vitals};

    /// One agent's protocols.
    pub type Node<K> = rumormill_node::Node<K, crate::queries::filter::known::Known>;
}
pub mod queries;
pub mod refusal;
pub mod run;
pub mod serf_rpc;
pub mod store;
pub mod view;
