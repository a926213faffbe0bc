//! Requests and grants of key recovery, and what is kept of keys between two starts: contents of packets and of the data directory. What is signed and sealed in them is the agent's business; here is how the bytes are read.

use super::message::Secret;
use alloc::vec::Vec;
use minicbor::bytes::ByteArray;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::payload::Payload;
use rumormill_core::time::Wall;
use rumormill_core::wire;

/// Bytes of an Ed25519 or X25519 public key.
const PUBLIC_BYTES: usize = 32;
/// Bytes of an Ed25519 signature.
const PROOF_BYTES: usize = 64;

/// Key recovery: a node that missed a rotation requests the ring, in a packet that is sealed with a key which may have been removed meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct RecoveryRequest {
    /// Who I am: my id is the head of its hash.
    #[n(0)]
    pub public: ByteArray<PUBLIC_BYTES>,
    /// My half of a key that is agreed on for this answer alone.
    #[n(1)]
    pub half: ByteArray<PUBLIC_BYTES>,
    /// My signature of all this, my life and the cluster's name.
    #[n(2)]
    pub proof: ByteArray<PROOF_BYTES>,
}

/// Key recovery: a member grants the ring, sealed to that one asker alone.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct RecoveryGrant {
    /// Who I am.
    #[n(0)]
    pub public: ByteArray<PUBLIC_BYTES>,
    /// My half of the key.
    #[n(1)]
    pub half: ByteArray<PUBLIC_BYTES>,
    /// My signature of both halves and what is sealed.
    #[n(2)]
    pub proof: ByteArray<PROOF_BYTES>,
    /// A [`GrantedKeys`], sealed under the key that both halves give.
    #[n(3)]
    pub sealed: Payload,
}

/// The ring, as a grant seals it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct GrantedKeys {
    /// The keys, the primary one first.
    #[cbor(n(0), with = "rumormill_core::wire::list")]
    pub keys: Vec<Secret>,
}

/// A key that was removed, with which members that were away may still ask for the ring.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Removed {
    /// The key.
    #[n(0)]
    pub key: Secret,
    /// Until when, by this machine's clock.
    #[n(1)]
    pub until: Wall,
}

/// What the data directory keeps of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Record {
    /// Keys that were removed and are not yet forgotten.
    #[cbor(n(0), with = "rumormill_core::wire::list")]
    pub removed: Vec<Removed>,
    /// The ring, the primary key first, where the key file could not be written; else empty.
    #[cbor(n(1), with = "rumormill_core::wire::list")]
    pub ring: Vec<Secret>,
    /// The fingerprints that the key file held when `ring` was written, in its order: once it holds others, it counts again.
    #[cbor(n(2), with = "rumormill_core::wire::list")]
    pub file: Vec<u64>,
}

impl wire::Item for Secret {
    const BYTES_MIN: usize = 34;
}

impl wire::Item for Removed {
    const BYTES_MIN: usize = 36;
}
