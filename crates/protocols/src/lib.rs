//! Gossip protocols as sans-IO state machines, one paper per file.
//!
//! | protocol | paper | cost per node and period | built on |
//! | --- | --- | --- | --- |
//! | [`member::swim`] | Das, Gupta, Motivala 2002 (SWIM); Dadgar, Phillips, Currey 2018 (Lifeguard) | one ping and one ack, whatever n | [`kit::buffer`], [`kit::health`], [`kit::roster`] |
//! | [`agree::latest`] | Demers 1987, anti-entropy by recent updates; newest-wins registers | a fixed ration of each datagram that leaves anyway | - |
//!
//! Every file reads in the same order: what it is for and where it comes from, `Config`, `Call`, `Message`, `Timer`, `Event`, the state,
//! `handle`, then one `on_…` per arm of its `match`. No protocol names another.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod agree;
pub mod kit;
pub mod member;
pub mod spread;
pub mod sum;
