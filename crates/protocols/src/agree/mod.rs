//! Protocols that bring data into agreement.

pub mod anti_entropy;
pub mod bans;
pub mod keys;
pub mod lww;

use crate::catalog::{Catalogued, family};
use rumormill_core::identity::Unsigned;

family! { Catalogued: lww::Lww, anti_entropy::AntiEntropy, bans::Bans<Unsigned>, keys::Keys }
