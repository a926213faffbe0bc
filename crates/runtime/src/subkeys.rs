//! Keys that are derived from the cluster's: one per sender and life for datagrams, two per connection for the stream.
//!
//! The cluster's name goes into the derivation, so a packet of another cluster does not open, as one under another key does not. Only a
//! [`refusal`] is sealed without it. A session is random, so no two lives ever share a key, and a counter alone is a nonce that never repeats, even
//! when a disk is restored from a backup.

use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use ring::hkdf::Prk;
use rumormill_core::NodeId;
use rumormill_core::identity::Life;
use std::collections::HashMap;

/// Subkeys of others that are kept ready, 700 bytes each. Deriving one anew takes about two microseconds.
pub const SUBKEYS_MAX: usize = 1_024;

/// The key under which `id` seals datagrams in `life`.
pub fn datagram(root: &Prk, cluster: &str, id: NodeId, life: Life) -> LessSafeKey {
    derive(root, &[b"rumormill 1 datagram", &name(cluster), &who(id, life)])
}

/// The key under which `id` refuses hellos of other clusters in `life`: the cluster's name is left out, so that every holder of the cluster key reads it.
pub fn refusal(root: &Prk, id: NodeId, life: Life) -> LessSafeKey {
    derive(root, &[b"rumormill 1 refusal", &who(id, life)])
}

/// The keys of a connection: from the one who opened it to the one who accepted it, and back.
pub fn stream(
    root: &Prk,
    cluster: &str,
    opener: (NodeId, Life, &[u8; 16]),
    accepter: (NodeId, Life, &[u8; 16]),
) -> [LessSafeKey; 2] {
    let (a, b) = (who(opener.0, opener.1), who(accepter.0, accepter.1));
    [b"there", b"back_"]
        .map(|way| derive(root, &[b"rumormill 1 stream", &name(cluster), &a, &b, opener.2, accepter.2, way]))
}

fn derive(root: &Prk, info: &[&[u8]]) -> LessSafeKey {
    let okm = root.expand(info, &AES_256_GCM).expect("a key is far shorter than HKDF's limit");
    LessSafeKey::new(UnboundKey::from(okm))
}

/// The name behind its length, so that no name runs into what follows it.
fn name(cluster: &str) -> Vec<u8> {
    [&(cluster.len() as u64).to_be_bytes()[..], cluster.as_bytes()].concat()
}

fn who(id: NodeId, life: Life) -> [u8; 24] {
    let mut out = [0; 24];
    out[..8].copy_from_slice(&id.0.to_be_bytes());
    out[8..16].copy_from_slice(&life.epoch.to_be_bytes());
    out[16..].copy_from_slice(&life.session.to_be_bytes());
    out
}

/// Whose subkey: sender, life, and the id of the cluster key it comes from.
pub type Name = (NodeId, Life, u32);

/// Subkeys kept ready, at most [`SUBKEYS_MAX`]: two halves, of which the older is dropped when the younger is full. What is used
/// moves to the younger one.
#[derive(Default)]
pub struct Subkeys {
    young: HashMap<Name, Box<LessSafeKey>>,
    old: HashMap<Name, Box<LessSafeKey>>,
}

impl Subkeys {
    /// The subkey of that name, if it is ready.
    pub fn get(&mut self, name: &Name) -> Option<&LessSafeKey> {
        if let Some(key) = self.old.remove(name) {
            self.put(*name, key);
        }
        self.young.get(name).map(|key| &**key)
    }

    /// Keeps a subkey ready. Only of a sender whose packet opened: anybody can write a name.
    pub fn put(&mut self, name: Name, key: Box<LessSafeKey>) {
        if self.young.len() >= SUBKEYS_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name, key);
    }

    /// Drops the subkeys of cluster keys that are gone.
    pub fn retain(&mut self, holds: impl Fn(u32) -> bool) {
        self.young.retain(|name, _| holds(name.2));
        self.old.retain(|name, _| holds(name.2));
    }

    /// How many are ready.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::{Key, Keyring};
    use ring::aead::{Aad, Nonce};

    fn root(n: u8) -> Prk {
        Keyring::new(Key::new([n; 32])).roots().remove(0).1
    }

    /// What a key makes of nothing: equal for equal keys.
    fn print(key: &LessSafeKey) -> Vec<u8> {
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut []).unwrap();
        tag.as_ref().to_vec()
    }

    #[test]
    fn each_key_cluster_sender_and_life_has_a_subkey_of_its_own() {
        let life = Life { epoch: 1, session: 2 };
        let mut prints: Vec<_> = [
            datagram(&root(1), "a", NodeId(1), life),
            datagram(&root(2), "a", NodeId(1), life),
            datagram(&root(1), "b", NodeId(1), life),
            datagram(&root(1), "", NodeId(1), life),
            datagram(&root(1), "a", NodeId(2), life),
            datagram(&root(1), "a", NodeId(1), Life { epoch: 2, session: 1 }),
            datagram(&root(1), "a", NodeId(1), Life { epoch: 1, session: 3 }),
            refusal(&root(1), NodeId(1), life),
            refusal(&root(2), NodeId(1), life),
        ]
        .iter()
        .map(print)
        .collect();
        let (one, two) = ([1; 16], [2; 16]);
        for (a, b) in [(1, 2), (2, 1)] {
            let keys = stream(&root(1), "a", (NodeId(a), life, &one), (NodeId(b), life, &two));
            prints.extend(keys.iter().map(print));
        }
        let count = prints.len();
        prints.sort();
        prints.dedup();
        assert_eq!(prints.len(), count);
        assert_eq!(
            print(&datagram(&root(1), "a", NodeId(1), life)),
            print(&datagram(&root(1), "a", NodeId(1), life))
        );
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_in_use() {
        let mut cache = Subkeys::default();
        let life = Life::default();
        let root = root(1);
        let make = |n| Box::new(datagram(&root, "", NodeId(n), life));
        let busy = (NodeId(0), life, 1);
        cache.put(busy, make(0));
        for n in 1..3 * SUBKEYS_MAX as u64 {
            cache.put((NodeId(n), life, 1), make(n));
            assert!(cache.get(&busy).is_some());
            assert!(cache.len() <= SUBKEYS_MAX);
        }
        cache.retain(|id| id != 1);
        assert_eq!(cache.len(), 0);
    }
}
