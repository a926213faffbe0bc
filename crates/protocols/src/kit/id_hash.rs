//! The hash of ids in tables, with a key of the node's own.
//!
//! An id is the head of a hash of a public key, so an attacker can try keys until an id falls where it wants. A thousand ids that fall on one place
//! make every look into a table a search through a thousand entries. They cannot be chosen for a table whose key is secret.

use rumormill_core::identity::NodeId;
use rumormill_core::rng::mix;

/// Hashes ids. The default has no secret key and is the same on all nodes.
#[derive(Copy, Clone, Default)]
pub struct IdHash {
    key: u64,
}

impl IdHash {
    /// The hash with this key.
    pub fn keyed(key: u64) -> Self {
        IdHash { key }
    }

    /// The hash of `id`. All bits of id and key count for each bit of it, so ids that fall together under one key do not under a similar one.
    #[inline]
    pub fn of(self, id: NodeId) -> u64 {
        mix(id.0 ^ self.key)
    }
}

/// Shows no key.
impl core::fmt::Debug for IdHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("IdHash")
    }
}
