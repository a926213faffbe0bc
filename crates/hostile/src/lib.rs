//! Any bytes at all: what the decoders promise, as functions that take bytes and assert.
//!
//! `cargo xtask fuzz` hands them to libFuzzer (`fuzz/`), the ordinary tests run them over the same seeds and their mutations. They count what
//! is allocated, so the program that calls them installs [`counting::Counting`] as its allocator.
//!
//! | target | the promise |
//! | --- | --- |
//! | [`targets::decode`] | no bytes make a message decoder panic, allocate more than 8 times their size, or go deeper than 16 levels |
//! | [`targets::seal`] | a packet that was changed by one bit is refused, an unchanged one is opened, and once only |
//! | [`targets::contact`] | no bytes make the contact decoder panic, and what it reads it writes and reads again |

pub mod counting;
pub mod mutate;
pub mod seeds;
pub mod targets;
