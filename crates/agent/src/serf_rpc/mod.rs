//! Serf's RPC protocol, so that the `serf` command and the libraries made for it work with this agent unchanged.
//!
//! | module | what it does |
//! | --- | --- |
//! | `server` | accepts clients, within the places of the listener |
//! | `client` | one connection: its requests, and the one match over all commands |
//! | `stream` | streams of changes, events and queries |
//! | `monitor` | log lines as they come |
//! | `refuse` | the answer to a client for which there is no room |
//! | `stats` | figures about this agent |
//! | `codec` | where one MessagePack value ends, and what is in it |
//! | `messages` | requests and answers as types |
//! | `reply` | answers, records of streams, and the bounded way to a client |
//!
//! The commands themselves stand with their features, in `features/*/serf.rs`.
//!
//! Version 1, as Serf 0.9.4 speaks it: over TCP a client sends a header `{Command, Seq}` and, for most commands, a body; the agent answers with a
//! header `{Error, Seq}` and, for some, a body. Records of streams come under the `Seq` of the request that began them.
//!
//! What a client costs is bounded: clients, bytes of a request, streams, and what waits to be written to it. A stream owns no more than a place in
//! the agent's own bounded logs, so a client that reads too slowly misses entries, which is counted, and delays no other.

mod client;
pub(crate) mod codec;
pub mod counters;
pub(crate) mod messages;
mod monitor;
mod refuse;
pub(crate) mod reply;
mod server;
mod stats;
mod stream;

pub use crate::admission::CLIENTS_MAX;
pub(crate) use server::serve;

use std::time::Duration;

/// Streams, monitors and queries of one client at one time (our guess).
pub const STREAMS_MAX: usize = 16;
/// Answers and records that wait to be written to one client; its own streams and requests wait beyond it (our guess).
pub const QUEUE_MAX: usize = 64;
/// Time for a client's handshake and authentication (our guess).
pub const HELLO_WAIT: Duration = Duration::from_secs(10);
