//! The bytes of each origin in the event log, and its oldest entry: the origin that takes most makes room.

use crate::features::events::entry::Place;
use rumormill_core::identity::NodeId;
use std::collections::{BTreeMap, BTreeSet};

/// Origins by what they take.
#[derive(Debug, Default)]
pub struct OriginUsage {
    origins: BTreeMap<NodeId, Origin>,
    by_bytes: BTreeSet<(usize, NodeId)>,
}

#[derive(Debug, Default)]
struct Origin {
    bytes: usize,
    /// Its entries but for the gap that stands for those it lost.
    places: BTreeSet<Place>,
}

impl OriginUsage {
    /// An entry of `origin`.
    pub fn add(&mut self, origin: NodeId, bytes: usize, place: Place) {
        self.change(origin, |its| {
            its.bytes += bytes;
            its.places.insert(place);
        });
    }

    /// The entry that stands for what `origin` lost.
    pub fn add_gap(&mut self, origin: NodeId, bytes: usize) {
        self.change(origin, |its| its.bytes += bytes);
    }

    /// An entry of either kind is gone.
    pub fn remove(&mut self, origin: NodeId, bytes: usize, place: Place) {
        self.change(origin, |its| {
            its.bytes -= bytes;
            its.places.remove(&place);
        });
    }

    /// The origin that takes most, and its oldest entry; none if it has none left but a gap.
    pub fn oldest_of_largest(&self) -> Option<(NodeId, Place)> {
        let origin = self.by_bytes.last()?.1;
        self.origins.get(&origin)?.places.first().map(|place| (origin, *place))
    }

    fn change(&mut self, origin: NodeId, change: impl FnOnce(&mut Origin)) {
        let its = self.origins.entry(origin).or_default();
        self.by_bytes.remove(&(its.bytes, origin));
        change(its);
        match its.bytes {
            0 => drop(self.origins.remove(&origin)),
            bytes => drop(self.by_bytes.insert((bytes, origin))),
        }
    }
}
