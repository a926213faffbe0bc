//! The simulator's promises as stories, told on a toy protocol.

mod determinism;
mod faults;
mod stalls;
mod streams;
mod synchronous;
mod toy;
mod traffic;
