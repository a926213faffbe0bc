//! Kernels of a few fields that several protocols share.

pub mod buffer;
pub mod health;
pub mod peers;
pub mod roster;
