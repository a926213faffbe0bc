//! State that all partitions read and only the caller changes, between two runs: the world, the nodes' slots, and the cuts.

use crate::entry::{Class, TIMER, TIMER_OF_CYCLE};
use crate::world::World;
use rumormill_core::identity::NodeId;
use rumormill_core::time::Time;
use std::collections::BTreeMap;

/// Says whether packets of the first node do not reach the second.
pub(crate) type Cut = Box<dyn Fn(NodeId, NodeId) -> bool + Send + Sync>;

/// The node of one slot. A slot is never given away.
pub(crate) struct Seat {
    pub id: NodeId,
    /// Number of crashes so far: input that was meant for an earlier life is dropped.
    pub life: u32,
}

pub(crate) struct Shared {
    pub world: World,
    /// Nanoseconds of a cycle, in the synchronous world.
    pub cycle: Option<u64>,
    pub seats: Vec<Seat>,
    /// The slot of each id; empty as long as each id is the number of its slot.
    index: hashbrown::HashMap<NodeId, u32, foldhash::fast::FixedState>,
    is_dense: bool,
    pub cut: Option<Cut>,
    pub cut_datagrams: Option<Cut>,
    /// The node that answers at the address of a node that is down, by the node that is down.
    pub heirs: BTreeMap<NodeId, NodeId>,
    /// Slots of one partition; the last partition takes the rest.
    slots_per_partition: u32,
    pub partitions: usize,
    /// Seeds the order of arrivals at one instant; a function of the run's seed.
    pub tie_break: u64,
}

impl Shared {
    pub fn new(world: World, slots_per_partition: u32, partitions: usize, tie_break: u64) -> Shared {
        Shared {
            cycle: world.synchronous.map(|cycle| u64::try_from(cycle.as_nanos()).unwrap_or(u64::MAX)),
            world,
            tie_break,
            seats: Vec::new(),
            index: hashbrown::HashMap::default(),
            is_dense: true,
            cut: None,
            cut_datagrams: None,
            heirs: BTreeMap::new(),
            slots_per_partition,
            partitions,
        }
    }

    /// Gives `id` the next slot; `None` if it has one.
    pub fn seat(&mut self, id: NodeId) -> Option<u32> {
        if self.slot(id).is_some() {
            return None;
        }
        let slot = u32::try_from(self.seats.len()).expect("at most 2^32 nodes");
        if self.is_dense && id.0 != u64::from(slot) {
            self.is_dense = false;
            self.index = self.seats.iter().enumerate().map(|(slot, seat)| (seat.id, slot as u32)).collect();
        }
        if !self.is_dense {
            self.index.insert(id, slot);
        }
        self.seats.push(Seat { id, life: 0 });
        Some(slot)
    }

    /// The slot of `id`.
    pub fn slot(&self, id: NodeId) -> Option<u32> {
        match self.is_dense {
            true => (id.0 < self.seats.len() as u64).then_some(id.0 as u32),
            false => self.index.get(&id).copied(),
        }
    }

    /// The node in `slot`.
    pub fn id(&self, slot: u32) -> NodeId {
        match self.is_dense {
            true => NodeId(slot.into()), // avoids a read of a table that is too large for any cache
            false => self.seats[slot as usize].id,
        }
    }

    /// The partition of a slot.
    pub fn partition(&self, slot: u32) -> usize {
        ((slot / self.slots_per_partition) as usize).min(self.partitions - 1)
    }

    /// The first instant from `at` on at which anything can happen.
    pub fn instant(&self, at: Time) -> Time {
        match self.cycle {
            None => at,
            Some(cycle) => Time(at.0.div_ceil(cycle).saturating_mul(cycle)),
        }
    }

    pub fn timer_class(&self) -> Class {
        if self.world.synchronous.is_some() { TIMER_OF_CYCLE } else { TIMER }
    }

    pub fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.cut.as_ref().is_some_and(|cut| cut(from, to))
    }

    /// Whether a connection between the two is cut: it needs both directions.
    pub fn is_cut_either_way(&self, a: NodeId, b: NodeId) -> bool {
        self.is_cut(a, b) || self.is_cut(b, a)
    }
}
