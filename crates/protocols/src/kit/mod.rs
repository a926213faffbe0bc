//! Kernels of a few fields that several protocols share.

pub mod allowance;
pub mod arrivals;
pub mod buffer;
pub mod choice;
pub mod domains;
pub mod drawn;
pub mod epochs;
pub mod evidence;
pub mod health;
pub mod known;
pub mod ledger;
pub mod matching;
pub mod merkle;
pub mod peers;
pub mod regular;
pub mod roster;
pub mod sketch;
pub mod stamp;
