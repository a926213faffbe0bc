//! A deterministic simulator for gossip protocols.
//!
//! [`Sim`] drives any [`Protocol`](rumormill_core::Protocol) through [`rumormill_core::drive::Driver`], the same code that the runtime
//! uses, in a [`World`] of latencies, losses, partitions, crashes and pauses. A run is a pure function of the world, the seed
//! and what the caller does between two calls of [`Sim::run_until`]; [`Sim::digest`] sums it up in one number.
//!
//! | file | what it does |
//! | --- | --- |
//! | `world` | what the world is like: latency, loss, buffers, clocks, cycles |
//! | `sim` | the loop: one instant after the other, one node after the other |
//! | `fault` | what the caller does to it: crash, restart, block, freeze, partition |
//! | `network` | what becomes of a datagram, of a stream message, of a broken connection |
//! | `hands` | what reaches a node's protocol and what has to wait, and where its effects go |
//! | `node` | what is kept for one node |
//! | `queue` | what comes next |
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
//! No IO, no clock, no threads, no global random source, no hash order.
#![forbid(unsafe_code)]

mod clock;
mod counters;
mod fault;
mod hands;
mod network;
mod node;
mod queue;
mod sim;
mod world;

pub use clock::Clock;
pub use counters::{Counters, Dropped};
pub use sim::{SUBSTEPS_MAX, Sim};
pub use world::{LATENCY_MAX, LATENCY_MIN, Latency, World};
