//! Gossip protocols as a library.
//!
//! A [`Protocol`] is a state machine that never sees a socket, a clock or a thread. The same code runs on real sockets
//! ([`runtime`]), on a deterministic simulator (crate `rumormill-sim`), and in a loop of one's own.
//!
//! | example | shows |
//! | --- | --- |
//! | `embedded_cluster` | a cluster inside a program, in 40 lines |
//! | `own_protocol` | a protocol of one's own on top of SWIM, run unchanged on the simulator and over UDP |
//! | `own_loop` | driving a protocol without runtime and simulator |
//!
//! Run one with `cargo run -p rumormill --example embedded_cluster`. With the feature `agent` the whole agent can be embedded.
#![forbid(unsafe_code)]

#[cfg(feature = "agent")]
pub use rumormill_agent as agent;
pub use rumormill_core as core;
pub use rumormill_protocols as protocols;
pub use rumormill_runtime as runtime;

pub use rumormill_core::{Change, Cx, Input, Lane, Message, NodeId, Output, Protocol, Time, Via, Wall};
pub use rumormill_protocols::member::swim::{self, Swim};
