//! A deterministic simulator for gossip protocols.
//!
//! [`Sim`] drives any [`Protocol`](rumormill_core::Protocol) through [`rumormill_core::drive::Driver`], the same code that the runtime
//! uses, in a [`World`] of latencies, losses, partitions, crashes and pauses. A run is a pure function of the world, the seed
//! and the caller's actions between two calls of [`Sim::run_until`]; [`Sim::digest`] sums it up in one number.
//!
//! | file | contents |
//! | --- | --- |
//! | `sim` | the simulation as its caller holds it: nodes, time, counters, digest |
//! | `fault` | faults that the caller injects: crash, restart, block, freeze, partition |
//! | `executor` | the loop: one window after the other, partitions in turn or each on a thread |
//! | `partition` | nodes with a queue of their own; runs each node through its entries of a window |
//! | `endpoint` | hands input to a node's protocol, or makes it wait; takes the protocol's effects |
//! | `network` | the fate of datagrams, stream messages and broken connections |
//! | `node`, `local`, `shared` | the state of a node, of a partition, and of all partitions together |
//! | `queue`, `wheel`, `bucket` | the event queue: a timing wheel of buckets by region, and a heap as its oracle |
//! | `entry`, `content` | an entry of the queue and its order; messages in flight, as values or as bytes |
//! | `host` | the host model of one node: its line, its processor, its channel |
//! | `world` | the world as data: latency, loss, buffers, clocks, cycles |
//! | `latency`, `loss`, `bandwidth`, `service` | its parts: delays, losses, lines, the cost of a message |
//! | `plan` | fault plans as data: written, read, drawn at random, carried out |
//! | `churn` | nodes that come and go, as a plan; traces |
//! | `check`, `shrink` | properties that must hold, and the smallest plan that breaks one |
//! | `ids` | sets of nodes as text |
//! | `clock`, `counters` | wall clocks that are off; packets sent, received and dropped |
//!
//! ```
//! use rumormill_core::{Cx, Input, Lane, Message, NodeId, Protocol, Time, time::Duration};
//! use rumormill_sim::{Sim, World};
//!
//! /// Passes a number on to the next node, one lower, until it is zero.
//! struct Chain;
//! #[derive(Clone, Debug, minicbor::Encode, minicbor::Decode, minicbor::CborLen)]
//! struct Number(#[n(0)] u64);
//! impl Message for Number {
//!     const LANES: &'static [Lane] = &[Lane::new("chain")];
//! }
//! impl Protocol for Chain {
//!     type Call = u64;
//!     type Message = Number;
//!     type Timer = ();
//!     type Event = u64;
//!     const FILLS: bool = false;
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
//! No IO, no clock, no global random source, no hash order; threads only in `executor`.
#![forbid(unsafe_code)]

pub mod bandwidth;
mod bucket;
pub mod check;
pub mod churn;
mod clock;
mod content;
mod counters;
mod endpoint;
mod entry;
mod executor;
mod fault;
mod host;
pub mod ids;
pub mod latency;
mod local;
pub mod loss;
mod network;
mod node;
mod partition;
pub mod plan;
mod queue;
pub mod service;
mod shared;
pub mod shrink;
mod sim;
mod wheel;
mod world;

pub use clock::Clock;
pub use counters::{Counters, Dropped};
pub use executor::Busy;
pub use latency::{LATENCY_MAX, LATENCY_MIN, Latency};
pub use queue::SUBSTEPS_MAX;
pub use sim::{Engine, Sim};
pub use world::World;

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
