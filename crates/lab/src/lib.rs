//! The papers' experiments on the simulator: the same protocol code that runs in the agent.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`swim`] | SWIM with Lifeguard: detection time, load, false deaths, healing |
//! | [`theory`] | the papers' formulas |
//! | [`epidemic`] | one update spreads from one node to all |
//! | [`aggregate`] | every node computes an aggregate of the values of all |
//! | [`advise`] | a protocol and its settings for a promise |
//! | [`scenario`] | any stack on any world, from a file |
//! | [`topology`] | graphs as data: who knows whom |
//! | [`flags`] | flags without effect are refused |
//! | [`paper`] | the papers' tables: golden values, runners, reports |
//! | [`threads`] | the number of threads of a simulation |
//! | [`plot`], [`stats`] | curves as SVG; means, standard errors, quantiles |
#![forbid(unsafe_code)]

pub mod advise;
pub mod aggregate;
pub mod epidemic;
pub mod flags;
mod memory;
pub mod paper;
pub mod plot;
pub mod scenario;
pub mod stats;
pub mod swim;
pub mod theory;
pub mod threads;
pub mod topology;

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
