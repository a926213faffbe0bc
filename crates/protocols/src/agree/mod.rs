//! Protocols that bring data into agreement.

pub mod latest;
