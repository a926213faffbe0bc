//! Protocols that bring data into agreement.

pub mod anti_entropy;
pub mod bans;
pub mod keys;
pub mod latest;

use crate::catalog::{Catalogued, family};
use rumormill_core::identity::Unsigned;

family! { Catalogued: latest::Latest, anti_entropy::AntiEntropy, bans::Bans<Unsigned>, keys::Keys }
