//! Who this node is: its Ed25519 key, the id that follows from it, and how records are signed and checked.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use ring::digest;
use rumormill_core::identity::{Keys, NodeId};
use std::fmt;
use std::sync::Arc;

/// Size of the secret half, in bytes.
pub const SEED_BYTES: usize = 32;

/// The node's key. A clone shares it; the secret half is wiped when the last one is dropped.
#[derive(Clone)]
pub struct NodeKeys(Arc<Inner>);

struct Inner {
    signing: SigningKey,
    public: [u8; 32],
    id: NodeId,
}

impl NodeKeys {
    /// Makes a new key. Fails if the system gives no randomness.
    pub fn generate() -> Result<NodeKeys, getrandom::Error> {
        let mut seed = [0; SEED_BYTES];
        getrandom::fill(&mut seed)?;
        Ok(NodeKeys::from_seed(&seed))
    }

    /// The key that follows from 32 secret bytes.
    pub fn from_seed(seed: &[u8; SEED_BYTES]) -> NodeKeys {
        let signing = SigningKey::from_bytes(seed);
        let public = signing.verifying_key().to_bytes();
        NodeKeys(Arc::new(Inner { id: id_of(&public), signing, public }))
    }

    /// The node's id: the first eight bytes, big endian, of the SHA-256 of its public key.
    pub fn id(&self) -> NodeId {
        self.0.id
    }
}

/// The id that belongs to a public key.
pub fn id_of(public: &[u8]) -> NodeId {
    let hash = digest::digest(&digest::SHA256, public);
    let head = hash.as_ref()[..8].try_into().unwrap_or_else(|_| unreachable!("SHA-256 takes 32 bytes"));
    NodeId(u64::from_be_bytes(head))
}

/// Whether `public` is the key of `owner`, and `proof` its signature of `bytes`.
pub fn is_signed(owner: NodeId, public: &[u8], bytes: &[u8], proof: &[u8]) -> bool {
    let (Ok(public), Ok(proof)) = (<&[u8; 32]>::try_from(public), <&[u8; 64]>::try_from(proof)) else {
        return false;
    };
    // Strict alone: the looser check accepts signatures that other members would refuse, and views would part.
    id_of(public) == owner
        && VerifyingKey::from_bytes(public)
            .is_ok_and(|key| key.verify_strict(bytes, &Signature::from_bytes(proof)).is_ok())
}

/// The random number of one start of an agent. Fails if the system gives no randomness.
pub fn new_session() -> Result<u64, getrandom::Error> {
    getrandom::u64()
}

impl Keys for NodeKeys {
    fn public(&self) -> &[u8] {
        &self.0.public
    }

    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.0.signing.sign(bytes).to_bytes().to_vec()
    }

    fn check(&self, owner: NodeId, key: &[u8], bytes: &[u8], proof: &[u8]) -> bool {
        is_signed(owner, key, bytes, proof)
    }
}

impl PartialEq for NodeKeys {
    fn eq(&self, other: &Self) -> bool {
        self.0.public == other.0.public
    }
}
impl Eq for NodeKeys {}

/// Shows the id alone.
impl fmt::Debug for NodeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKeys({})", self.0.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::record::Record;
    use rumormill_core::time::Wall;

    #[test]
    fn a_key_signs_for_its_own_id_and_for_no_other() {
        let (mine, other) = (NodeKeys::generate().unwrap(), NodeKeys::generate().unwrap());
        let record = Record::signed(Wall(7), &mine);
        assert!(record.is_by(mine.id(), &other), "anybody can check it");
        assert!(!record.is_by(other.id(), &mine), "it is not the other's");
        let forged = Record::signed(Wall(7), &other);
        assert!(!forged.is_by(mine.id(), &mine), "another's key does not speak for this id");
    }

    #[test]
    fn a_changed_byte_a_short_key_and_a_short_proof_are_refused() {
        let keys = NodeKeys::from_seed(&[7; SEED_BYTES]);
        let proof = keys.sign(b"rumor");
        assert!(keys.check(keys.id(), keys.public(), b"rumor", &proof));
        assert!(!keys.check(keys.id(), keys.public(), b"humor", &proof));
        assert!(!keys.check(keys.id(), &keys.public()[..31], b"rumor", &proof));
        assert!(!keys.check(keys.id(), keys.public(), b"rumor", &proof[..63]));
        assert!(!keys.check(keys.id(), keys.public(), b"rumor", &[0; 64]));
    }

    #[test]
    fn the_id_is_the_head_of_the_hash_of_the_public_key() {
        // RFC 8032, section 7.1, test 1: the key pair. Its hash was computed with another SHA-256.
        let seed: [u8; 32] = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
            0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
        ];
        let keys = NodeKeys::from_seed(&seed);
        assert_eq!(keys.public()[..4], [0xd7, 0x5a, 0x98, 0x01]);
        assert_eq!(keys.id().to_string(), "21fe31dfa154a261");
        assert!(!format!("{keys:?}").contains("9d61"), "the secret half is not shown");
    }
}
