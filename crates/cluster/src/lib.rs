//! A gossip cluster inside a program: membership, events and queries, with an identity, a key file and a data directory.
//!
//! A [`Cluster`] is one member: the composite of `rumormill-node`, which the agent runs too, driven by `rumormill-runtime`. There is no second
//! implementation, so embedded members and agents share one cluster.
//!
//! ```no_run
//! use rumormill_cluster::{Cluster, Event};
//!
//! # async fn example() -> Result<(), rumormill_cluster::Error> {
//! let a = Cluster::builder("a").key_file("key").bind("127.0.0.1:0").start().await?;
//! let b = Cluster::builder("b").key_file("key").bind("127.0.0.1:0").join(a.addr()).start().await?;
//! let mut events = a.subscribe();
//! b.joined().await?;
//! b.publish("deploy", "v1.2").await?;
//! while let Some(event) = events.next().await {
//!     match event {
//!         Event::Up(member) => println!("{} is up", member.name),
//!         Event::Message(message) => println!("{}: {}", message.name(), message.text()),
//!         Event::Missed(n) => println!("{n} events were missed"),
//!         _ => {}
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`cluster`] | a running member: [`Cluster`], what a program asks of it, its settings, how it starts, bans, changes of keys |
//! | [`event`], [`feed`] | what it reports: members, messages, questions; the stream of a subscriber |
//! | [`replies`], [`queries`] | the replies to a query, as a stream; what an application answers |
//! | [`audience`] | filters: which members a query is for |
//! | [`error`], [`address`] | errors; addresses and names |
//! | [`identity`], [`ring`], [`keys`] | the member's Ed25519 key; what an order does to the cluster's keys; the members that confirm it |
//! | [`meeting`] | meets the member at an address |
//! | [`data_dir`] | the data directory: identity and epoch, and the state from which a member goes on |
//! | `observer`, `shared` | where the events of its protocols go |
//! | `joiner`, `keeper`, `orders` | tasks: find the cluster; save the state; carry out orders about keys |
//!
//! The agent takes [`identity`], [`audience`], [`queries`], [`ring`], [`meeting`] and [`data_dir`] from here as well.
#![forbid(unsafe_code)]

pub mod address;
pub mod audience;
pub mod cluster;
pub mod data_dir;
pub mod error;
pub mod event;
pub mod feed;
pub mod identity;
mod joiner;
mod keeper;
pub mod keys;
pub mod meeting;
mod node;
mod observer;
mod orders;
pub mod queries;
pub mod replies;
pub mod ring;
mod shared;
pub mod wall;

pub use address::Address;
pub use audience::Filter;
pub use cluster::bans::Ban;
pub use cluster::builder::Builder;
pub use cluster::{Cluster, Coverage, Delivery, Query};
pub use error::{Error, NotMet, Why};
pub use event::{Event, Events, Member, Message, Question};
pub use keys::{KeyStep, MemberKeys, Unconfirmed};
pub use queries::{Reply, Responder, Summary};
pub use replies::{Collected, Replies};
pub use rumormill_core::identity::NodeId;
pub use rumormill_core::payload::Payload;
pub use rumormill_protocols::member::swim::Status;
pub use rumormill_protocols::spread::events::EventId;
pub use rumormill_runtime::keyring::{Fingerprint, Key, Keyring};

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
