//! Gossip protocols as sans-IO state machines, one paper per file.
//!
//! Every file reads in the same order: what it is for and where it comes from, `Config`, `Call`, `Message`, `Timer`, `Event`, the state,
//! `handle`, then one `on_…` per arm of its `match`. No protocol names another: who is told of whom stands in this file.
#![doc = include_str!("catalog.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod agree;
pub mod catalog;
pub mod detect;
pub mod kit;
pub mod member;
pub mod spread;
pub mod sum;

use rumormill_core::stack::Subscriber;
use spread::{events, queries};

/// A question travels as an event.
impl Subscriber<events::Event> for queries::Queries {
    fn call_for(event: &events::Event) -> Option<queries::Call> {
        match event {
            events::Event::Delivered(item) if item.flags.has(events::Flags::QUESTION) => {
                Some(queries::Call::Heard { name: item.name.clone(), payload: item.payload.clone() })
            }
            _ => None,
        }
    }
}

const _: () = assert!(queries::NAME_BYTES_MAX <= events::NAME_BYTES_MAX);

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
