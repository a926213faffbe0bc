//! Protocols that bring data into agreement.

pub mod anti_entropy;
pub mod keys;
pub mod latest;
