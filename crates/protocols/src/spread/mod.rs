//! Getting an update to everybody: the spreaders share what they are asked and what they tell, so that one can take another's place.

use crate::kit::peers::Peers;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::protocol::Change;

/// Which update: who published it, and its number there.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, CborLen)]
pub struct UpdateId {
    /// Who published it.
    #[n(0)]
    pub origin: NodeId,
    /// Greater than those of all its publisher's earlier updates, of earlier lives too.
    #[n(1)]
    pub seq: u64,
}

/// What spreads.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Update {
    /// Which one.
    #[n(0)]
    pub id: UpdateId,
    /// What it says.
    #[n(1)]
    pub payload: Payload,
}

/// What a spreader is asked.
#[derive(Clone, Debug)]
pub enum Call {
    /// These are the peers, in place of those before.
    Peers(Peers),
    /// Follow a change of the view.
    Peer(Change),
    /// Tell everybody.
    Publish(Payload),
}

/// What a spreader tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An update is here for the first time; at its publisher with `from` itself.
    Delivered {
        /// The update.
        update: Update,
        /// Who told it.
        from: NodeId,
    },
    /// This node no longer passes that update on.
    Removed(UpdateId),
}
