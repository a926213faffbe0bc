//! Protocols that know who is alive.

pub mod swim;
