//! The papers' experiments on the simulator: the same protocol code that runs in the agent.
//!
//! | module | experiment |
//! | --- | --- |
//! | [`swim`] | detection time, load, false deaths, re-merge of SWIM with Lifeguard |
#![forbid(unsafe_code)]

pub mod swim;
