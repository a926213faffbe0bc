//! Who a node is.
//!
//! A node has a key. Its [`NodeId`] is the head of the key's hash; in the simulator it is an index. A restart is the
//! same node with a higher [`Life::epoch`]; each start also draws a random [`Life::session`], which tells a restart
//! from a copy of the data directory that runs elsewhere. A name is a label and proves nothing.

use alloc::vec::Vec;
use core::fmt;

/// A node's id: 64 bits, the head of the hash of its public key, or an index in the simulator.
#[derive(
    Copy,
    Clone,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    minicbor::Encode,
    minicbor::Decode,
    minicbor::CborLen,
)]
#[cbor(transparent)]
pub struct NodeId(#[n(0)] pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl core::str::FromStr for NodeId {
    type Err = core::num::ParseIntError;
    fn from_str(s: &str) -> Result<NodeId, Self::Err> {
        u64::from_str_radix(s, 16).map(NodeId)
    }
}

/// One life of a node, from a start to its end. Ordered: of two lives of one id, the smaller gives way.
#[derive(
    Copy,
    Clone,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Debug,
    minicbor::Encode,
    minicbor::Decode,
    minicbor::CborLen,
)]
pub struct Life {
    /// How often the node has started; durable before its first packet leaves.
    #[n(0)]
    pub epoch: u64,
    /// Drawn at random at each start.
    #[n(1)]
    pub session: u64,
}

/// How records are signed and checked. The agent signs with Ed25519; the laboratory, where nobody lies, with [`Unsigned`].
pub trait Keys {
    /// The public key, as it travels with what it signs.
    fn public(&self) -> &[u8];
    /// Signs `bytes`.
    fn sign(&self, bytes: &[u8]) -> Vec<u8>;
    /// Whether `key` is the key of `owner`, and `proof` its signature over `bytes`.
    fn check(&self, owner: NodeId, key: &[u8], bytes: &[u8], proof: &[u8]) -> bool;
}

/// No keys and no signatures: for the simulator, and for clusters that trust whoever holds the cluster key.
#[derive(Copy, Clone, Default, Debug)]
pub struct Unsigned;

impl Keys for Unsigned {
    fn public(&self) -> &[u8] {
        &[]
    }
    fn sign(&self, _: &[u8]) -> Vec<u8> {
        Vec::new()
    }
    fn check(&self, _: NodeId, key: &[u8], _: &[u8], proof: &[u8]) -> bool {
        key.is_empty() && proof.is_empty()
    }
}
