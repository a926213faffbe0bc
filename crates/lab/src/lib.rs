//! The papers' experiments on the simulator: the same protocol code that runs in the agent.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`swim`] | detection time, load, false deaths, re-merge of SWIM with Lifeguard |
//! | [`theory`] | what the papers' mathematics says |
//! | [`epidemic`] | one update spreads from one node to all |
//! | [`aggregate`] | every node has a value, and all want to know what they come to |
//! | [`advise`] | which protocol, with which settings |
//! | [`scenario`] | any stack on any world, from a file |
//! | [`paper`] | the papers' tables: golden values, runners, reports |
//! | [`threads`] | on how many threads a simulation runs |
//! | [`plot`], [`stats`] | curves as SVG; means, standard errors, quantiles |
#![forbid(unsafe_code)]

pub mod advise;
pub mod aggregate;
pub mod epidemic;
mod memory;
pub mod paper;
pub mod plot;
pub mod scenario;
pub mod stats;
pub mod swim;
pub mod theory;
pub mod threads;
