//! Protocols that bring data into agreement.

pub mod anti_entropy;
pub mod bans;
pub mod keys;
pub mod latest;
