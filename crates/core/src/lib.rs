//! What a gossip protocol is, for everyone who writes, drives or watches one.
//!
//! | module | what it defines |
//! | --- | --- |
//! | [`protocol`] | the trait: a state machine that never sees a socket, a clock, a thread or a global random source |
//! | [`composite`](mod@composite) | many protocols in one node; [`numbered`](mod@numbered) is how their messages share the wire |
//! | [`counters`](macro@counters) | a protocol's counters, with their help texts, from one list |
//! | [`stack`] | one protocol on top of another |
//! | [`peers`] | whom a protocol may talk to |
//! | [`lane`] | shares of the budget |
//! | [`drive`] | what every driver does alike: packing frames, offering what is spare, keeping the budget |
//! | [`wire`] | how a message becomes bytes, and why no bytes can hurt the one who reads them |
//! | [`record`] | what is gossiped *about*: signed by its owner, relayed verbatim, guarded in memory |
//! | [`identity`] | who a node is: id, epoch, session, and the keys that prove it |
//! | [`observe`] | what is observed of a protocol: figures, and state as tables |
//! | [`table`] | what is shown as rows: tables, columns, cells |
//! | [`time`], [`rng`], [`payload`] | monotonic and wall time, seeded randomness, cheap bytes |
//! | [`words`] | counts and times as people read them |
//!
//! Nothing here does I/O, reads a clock, or depends on hash order.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod composite;
mod counters;
pub mod drive;
pub mod identity;
mod implicit_peers;
pub mod lane;
pub mod numbered;
pub mod observe;
pub mod payload;
pub mod peers;
pub mod protocol;
pub mod record;
pub mod rng;
pub mod stack;
pub mod table;
pub mod time;
pub mod wire;
pub mod words;

pub use identity::NodeId;
pub use lane::Lane;
pub use peers::{Change, Peers};
pub use protocol::{Cx, Input, Loss, Message, Output, Protocol, Via};
pub use rng::Rng;
pub use time::{Duration, Time, Wall};

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
