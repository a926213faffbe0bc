//! Drives any gossip protocol on real sockets.
//!
//! A [`Protocol`](rumormill_core::Protocol) knows neither sockets nor addresses nor keys. Here are all three: datagrams over UDP for gossip and
//! connections over TCP for bulk, on one port; an address book; and a seal around every packet. One task owns the node.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`config`] | what a node is told before it starts, and the sockets it is given |
//! | [`drive`] | the task that owns a node: waiting, batches, timers |
//! | [`effects`] | where a protocol's effects go; what an application implements ([`App`]) |
//! | [`handle`] | how the rest of a program talks to a running node |
//! | [`contact`], [`book`] | where members say they are, and where they are reached |
//! | [`keyring`] | the cluster's keys |
//! | [`seal`] | the seal around each packet, replays, lives, and who is confirmed |
//! | [`hello`] | who is at an address? |
//! | [`key_recovery`] | a node that missed a rotation asks for the current keys, and a member grants them |
//! | [`counters`] | what was sent, received and lost, and why |
//! | [`admission`] | which connections a listener holds, and which make room |
//! | [`lru`] | a map that gives up its oldest entry in a constant number of steps |
//! | [`faults`] | faults on purpose, for demos and tests |
//!
#![forbid(unsafe_code)]

mod accept;
pub mod addresses;
pub mod admission;
pub mod book;
pub mod config;
mod connection;
mod connections;
pub mod contact;
pub mod counters;
pub mod drive;
pub mod effects;
pub mod faults;
mod frame;
pub mod handle;
mod handshake;
pub mod hello;
pub mod key_recovery;
pub mod keyring;
mod kind;
pub mod lru;
mod private_file;
mod receive;
pub mod refusal;
mod reply_limiter;
pub mod seal;
mod sessions;
mod socket;
pub mod strangers;
mod subkeys;
mod text;
mod timers;
mod window;

pub use book::{Book, Reach};
pub use config::{Config, Sockets, StartError, limits};
pub use contact::Contact;
pub use counters::{Cause, Counters, Snapshot};
pub use drive::start;
pub use effects::{App, View};
pub use faults::{FaultState, Faults};
pub use handle::{Handle, Stopped};
pub use hello::ResolveError;
pub use key_recovery::RecoveryPacket;
pub use keyring::{Fingerprint, Key, Keyring};
pub use seal::VERSION as PACKET_VERSION;
pub use strangers::{Stranger, Strangers};

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
