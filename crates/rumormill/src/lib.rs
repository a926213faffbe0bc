//! Gossip clusters inside a program, and gossip protocols as state machines for real sockets and a simulator.
//!
//! # A cluster in a program
//!
#![cfg_attr(feature = "cluster", doc = "```no_run")]
#![cfg_attr(not(feature = "cluster"), doc = "```ignore")]
//! use rumormill::{Cluster, Event};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), rumormill::Error> {
//! let a = Cluster::builder("a").key_file("key").bind("127.0.0.1:0").start().await?;
//! let b = Cluster::builder("b").key_file("key").bind("127.0.0.1:0").join(a.addr()).start().await?;
//! let mut events = a.subscribe(); // a Stream
//! b.joined().await?;
//! b.publish("deploy", "v1.2").await?;
//! while let Some(event) = events.next().await {
//!     match event {
//!         Event::Up(member) => println!("{} is up, at {:?}", member.name, member.addresses),
//!         Event::Message(message) => println!("{}: {}", message.name(), message.text()),
//!         Event::Question(question) => question.answer("fine").await?,
//!         Event::Left(member) | Event::Failed(member) => println!("{} is gone", member.name),
//!         Event::Missed(n) => println!("this reader was too slow: {n} events are missing here"),
//!         _ => {}
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! That is membership with SWIM and Lifeguard, messages in the order of each publisher, queries with collected answers, signed identities, sealed packets
//! and key rotation: the composite that the rumormill agent runs, driven by the same runtime. Agents and embedded members form one cluster. `rumormill
//! keygen key` makes the key file, and [`Key::generate`] makes a key without one. A payload is bytes: text, or what the program encodes (`minicbor` is
//! here already). Queries have a [`Filter`] by names and tags. `Cluster::rotate_key` rotates the cluster's key on all live members, and `Cluster::ban` keeps
//! a member out. Every error says what to do. The type of a published message is `cluster::Message`, since [`Message`] is the trait of protocols.
//!
//! # A protocol in forty lines
//!
//! A [`Protocol`] is a state machine: it never sees a socket, a clock or a thread. Here is infect and die among 1,000 nodes, on the simulator (feature
//! `sim`); [`runtime::start`] runs the same type over UDP and TCP.
//!
#![cfg_attr(feature = "sim", doc = "```")]
#![cfg_attr(not(feature = "sim"), doc = "```ignore")]
//! use rumormill::core::peers::Peers;
//! use rumormill::sim::{Sim, World};
//! use rumormill::{Cx, Input, Lane, Message, NodeId, Protocol, Time, minicbor};
//! use std::time::Duration;
//!
//! struct Rumor {
//!     heard: bool,
//! }
//!
//! #[derive(Clone, Debug, minicbor::Encode, minicbor::Decode, minicbor::CborLen)]
//! struct Word(#[n(0)] u64);
//!
//! impl Message for Word {
//!     const LANES: &'static [Lane] = &[Lane::new("rumor")]; // whose share of the traffic budget it takes
//! }
//!
//! impl Protocol for Rumor {
//!     type Call = u64; // what a program asks of it
//!     type Message = Word; // what nodes send each other
//!     type Timer = (); // what it wants to be reminded of
//!     type Event = u64; // what it reports
//!     const FILLS: bool = false; // it has no use for spare room in datagrams
//!
//!     fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
//!         let (Input::Call(word) | Input::Message(_, Word(word))) = input else { return };
//!         if std::mem::replace(&mut self.heard, true) {
//!             return;
//!         }
//!         cx.emit(word);
//!         for _ in 0..5 {
//!             if let Some(peer) = cx.peers.pick(cx.me, cx.rng) {
//!                 cx.send(peer, Word(word));
//!             }
//!         }
//!     }
//! }
//!
//! let mut sim = Sim::new(World { loss: 0.01, ..World::default() }, 1); // a seed: the same run every time
//! for i in 0..1_000 {
//!     sim.spawn(NodeId(i), Rumor { heard: false }, Time::ZERO);
//!     sim.meet(NodeId(i), Peers::Everyone(1_000)); // where no membership says who is there
//! }
//! sim.call(NodeId(0), 42);
//! let mut informed = 0;
//! sim.run_for(Duration::from_secs(2), &mut |_, _, _| informed += 1);
//! assert!(informed > 950, "a share of e^-5 misses it: {informed}");
//! ```
//!
//! # The modules
//!
//! | module | crate | what it holds |
//! | --- | --- | --- |
//! | `cluster` | `rumormill-cluster` | [`Cluster`], its builder, events, queries, errors; feature `cluster`, on by default |
//! | [`core`] | `rumormill-core` | the trait, `composite!`, stacks, wire, records, identity, time; no `std` |
//! | [`protocols`] | `rumormill-protocols` | SWIM, epidemics, anti-entropy, aggregation, failure detectors, events, queries: a paper a file; no `std` |
//! | [`node`] | `rumormill-node` | the composite that members and agents run |
//! | [`runtime`] | `rumormill-runtime` | drives any protocol on UDP and TCP: address book, seal, keyring, faults on purpose |
//! | `sim` | `rumormill-sim` | the deterministic simulator: worlds, faults and churn as data, checks, shrinking; feature `sim` |
//! | `lab` | `rumormill-lab` | scenarios from files with CSV and plots, the papers' experiments; feature `lab` |
//! | `agent` | `rumormill-agent` | the whole agent with its HTTP API, in a program; feature `agent`, 200 crates more |
//!
//! | example in `crates/rumormill/examples` | shows |
//! | --- | --- |
//! | `embedded_cluster` | membership alone, below `Cluster`: a protocol on the runtime |
//! | `own_protocol` | a protocol of one's own on top of SWIM, unchanged on the simulator and over UDP |
//! | `three_rates` | `composite!`: three protocols in one node |
//! | `own_loop` | driving a protocol without runtime and simulator |
//!
//! `examples/embed` is a crate outside the workspace, as yours is: a cluster, a composite on the simulator, and a protocol of one's own in a scenario file.
//!
//! # Beside others
//!
//! | | is better at | lacks, of what is here |
//! | --- | --- | --- |
//! | [foca](https://docs.rs/foca) | size and freedom: `no_std`, no dependency on a transport, a codec or an identity of its own; 17 to 35 bytes a member | Lifeguard, signed identities, a comparison of whole memberships (a missed member is found by a periodic announcement), ordered events, queries; a member is found by a linear search |
//! | [memberlist](https://github.com/hashicorp/memberlist) (Go; al8n's `memberlist` in Rust) | experience: ten years under Consul and Nomad, thousands of members in production; transports of one's own; Windows | re-merging after a partition without help from outside, identities beyond the shared key, metadata over 512 bytes, ordered events with repair |
//! | [chitchat](https://docs.rs/chitchat) | state: a versioned key-value map of each node, replicated to all, with watches and deletions | suspicion by more than one's own clock (phi alone), digests that do not grow with the cluster (one entry a node in each datagram), events, queries, encryption |
//! | [iroh-gossip](https://docs.rs/iroh-gossip) | the open internet: topics over QUIC, through NATs, partial views instead of a list of all members; each payload reaches a peer 1.01 times | failure detection, a list of members, repair of what was missed, re-merging after a partition |
//!
//! Choose foca for a device or a transport of your own, memberlist where Go or its history counts, chitchat for a small shared state, iroh-gossip among
//! peers without public addresses. Choose this crate where one list of members must be right, healed and signed, and messages must arrive or be reported
//! missing. Here every member knows every other, packets go over UDP and TCP directly, and the runtime needs Unix.
#![forbid(unsafe_code)]

#[cfg(feature = "agent")]
pub use rumormill_agent as agent;
#[cfg(feature = "cluster")]
pub use rumormill_cluster as cluster;
pub use rumormill_core as core;
#[cfg(feature = "lab")]
pub use rumormill_lab as lab;
pub use rumormill_node as node;
pub use rumormill_protocols as protocols;
pub use rumormill_runtime as runtime;
#[cfg(feature = "sim")]
pub use rumormill_sim as sim;

/// The encoding of messages: `use rumormill::minicbor` gives its derives the crate that they name.
pub use minicbor;

#[cfg(feature = "cluster")]
pub use rumormill_cluster::{
    Address, Ban, Builder, Cluster, Collected, Coverage, Delivery, Error, Event, EventId, Events, Filter,
    KeyStep, Member, MemberKeys, NotMet, Query, Question, Replies, Reply, Responder, Status, Summary,
    Unconfirmed, Why,
};
pub use rumormill_core::payload::Payload;
pub use rumormill_core::{
    Change, Cx, Input, Lane, Message, NodeId, Output, Peers, Protocol, Time, Via, Wall,
};
pub use rumormill_protocols::member::swim::{self, Swim};
pub use rumormill_runtime::keyring::{Fingerprint, Key, Keyring};

/// The example of the README.
#[cfg(all(doctest, feature = "cluster"))]
#[doc = include_str!("../README.md")]
struct Readme;
