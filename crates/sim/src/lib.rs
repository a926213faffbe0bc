//! A deterministic simulator for gossip protocols.
//!
//! [`Sim`] drives any [`Protocol`](rumormill_core::Protocol) through [`rumormill_core::drive::Driver`], the same code that the runtime
//! uses, in a [`World`] of latencies, losses, partitions, crashes and pauses. A run is a pure function of the world, the seed
//! and what the caller does between two calls of [`Sim::run_until`]; [`Sim::digest`] sums it up in one number.
//!
//! | file | what it does |
//! | --- | --- |
//! | `world` | what the world is like: latency, loss, buffers, clocks, cycles |
//! | `sim` | what the caller holds: nodes, time, what has been counted |
//! | `windows` | the loop: one window after the other, partitions in turn or each on a thread |
//! | `part` | a partition: its nodes, one after the other through all that a window has for them |
//! | `fault` | what the caller does to it: crash, restart, block, freeze, partition |
//! | `network` | what becomes of a datagram, of a stream message, of a broken connection |
//! | `content` | what is on its way: messages as they are, or as bytes |
//! | `hands` | what reaches a node's protocol and what has to wait, and where its effects go |
//! | `node` | what is kept for one node |
//! | `queue`, `wheel`, `bundle` | what comes next: a timing wheel of bundles by region, and a heap to hold it against |
//! | `latency`, `loss`, `uplink`, `service` | how long things take, what is lost, what lines carry, what a message costs its receiver |
//! | `gear` | the same, as one node has it |
//! | `plan` | fault plans as data: written, read, drawn at random, carried out |
//! | `churn` | nodes that come and go, as a plan; traces |
//! | `check`, `shrink` | what must hold, and the smallest plan with which it does not |
//! | `ids`, `humane` | sets of nodes and durations, as people write them |
//! | `clock`, `counters` | wall clocks that are off; what was sent, received and dropped |
//!
//! ```
//! use rumormill_core::{Cx, Input, Message, NodeId, Protocol, Time, time::Duration};
//! use rumormill_sim::{Sim, World};
//!
//! /// Passes a number on to the next node, one lower, until it is zero.
//! struct Chain;
//! #[derive(Clone, Debug, minicbor::Encode, minicbor::Decode, minicbor::CborLen)]
//! struct Number(#[n(0)] u64);
//! impl Message for Number {
//!     fn lanes() -> Vec<&'static str> {
//!         vec!["chain"]
//!     }
//! }
//! impl Protocol for Chain {
//!     type Call = u64;
//!     type Message = Number;
//!     type Timer = ();
//!     type Event = u64;
//!     fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
//!         match input {
//!             Input::Call(0) | Input::Message(_, Number(0)) => cx.emit(0),
//!             Input::Call(n) | Input::Message(_, Number(n)) => cx.send(NodeId(cx.me.0 + 1), Number(n - 1)),
//!             _ => {}
//!         }
//!     }
//! }
//!
//! let mut sim = Sim::new(World::default(), 1);
//! (0..10).for_each(|id| sim.spawn(NodeId(id), Chain, Time::ZERO));
//! sim.call(NodeId(0), 9);
//! let mut reached = vec![];
//! sim.run_for(Duration::from_secs(1), &mut |_, id, _| reached.push(id));
//! assert_eq!(reached, [NodeId(9)]);
//! assert_eq!(sim.total().datagrams_received, 9);
//! ```
//!
//! No IO, no clock, no global random source, no hash order; threads only in `windows`.
#![forbid(unsafe_code)]

mod bundle;
pub mod check;
pub mod churn;
mod clock;
mod content;
mod counters;
mod fault;
mod gear;
mod hands;
pub mod humane;
pub mod ids;
pub mod latency;
pub mod loss;
mod network;
mod node;
mod part;
pub mod plan;
mod queue;
pub mod service;
pub mod shrink;
mod sim;
pub mod uplink;
mod wheel;
mod windows;
mod world;

pub use clock::Clock;
pub use counters::{Counters, Dropped};
pub use latency::{LATENCY_MAX, LATENCY_MIN, Latency};
pub use sim::{Engine, SUBSTEPS_MAX, Sim};
pub use windows::Busy;
pub use world::World;
