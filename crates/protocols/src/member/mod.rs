//! Protocols that know who is alive.

pub mod swim;

use crate::catalog::{Catalogued, family};
use rumormill_core::identity::Unsigned;

family! { Catalogued: swim::Swim<Unsigned> }
