//! Suspecting peers that fail: the detectors share what they are asked and what they tell, so that one can take another's place.

pub mod heartbeat;
pub mod phi;

use crate::catalog::{Catalogued, family};
use alloc::vec::Vec;
use rumormill_core::identity::NodeId;
use rumormill_core::peers::Change;
use rumormill_core::time::{Duration, Time};

family! { Detector: phi::Phi, heartbeat::Heartbeat }

/// What a detector is asked.
#[derive(Clone, Debug)]
pub enum Call {
    /// Change this node's peers: for a program that has no membership to do so.
    Peer(Change),
    /// Another protocol has brought a sign of a peer's life. Only for a detector that sends no heartbeats.
    Heard(Sign),
}

/// A sign of a peer's life that another protocol has brought, in place of a heartbeat.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// The peer.
    pub peer: NodeId,
    /// Its life. A new one is watched anew.
    pub epoch: u64,
    /// Greater than those of all its earlier signs in this life.
    pub number: u64,
    /// How often a peer gives such a sign at present; more than 0.
    pub period: Duration,
}

/// What a detector tells.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Event {
    /// A peer seems to have failed.
    Suspected {
        /// The peer.
        peer: NodeId,
        /// How sure this node is of it.
        level: f64,
    },
    /// A suspected peer was heard again.
    Trusted(NodeId),
}

/// What all detectors have in common.
pub trait Detector: Catalogued<Call = Call, Event = Event> {
    /// How strongly this node suspects a peer now: 0 is not at all, and it grows while the peer is silent. `None` for a peer that is not watched.
    fn level(&self, peer: NodeId, now: Time) -> Option<f64>;
    /// Whether a peer is suspected.
    fn suspects(&self, peer: NodeId) -> bool;
    /// The peers that this node watches.
    fn watched(&self) -> Vec<NodeId>;
    /// Samples that are kept, over all peers.
    fn samples_len(&self) -> usize;
    /// Upper bound on [`Detector::samples_len`].
    fn samples_max(config: &Self::Config) -> usize;
    /// Settings with this period, and all other times in proportion to it.
    fn paced(period: Duration) -> Self::Config;
    /// Upper bound on the time from a crash to its suspicion by a watcher that has heard the peer for a while, where nothing is lost.
    fn noticed_within(config: &Self::Config) -> Duration;
}
