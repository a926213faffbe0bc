//! The agent's composite protocol: membership, the machines' vitals, the application's events and queries, orders about keys, and bans.
//!
//! [`composite!`] makes the node of one line for each protocol. `wiring` says who is told of what, and who gets the spare bytes of a datagram;
//! `gate` is a part of the wiring. [`machine`] is what vitals hold. `observe` has the node's figures and tables.

mod gate;
pub mod machine;
mod observe;
mod wiring;

use gate::Gate;
pub use observe::{COUNTERS, EVENTS, HOSTS, PHI, TABLES, Told, VITALS, counter_row, event_row};
use rumormill_core::composite;
use rumormill_core::composite::Wires;
use rumormill_core::identity::{Keys, NodeId, Unsigned};
use rumormill_core::payload::Payload;
use rumormill_core::time::{Time, Wall};
use rumormill_protocols::agree::bans::Bans;
use rumormill_protocols::agree::keys::{self, Keys as KeyOrders};
use rumormill_protocols::agree::lww::{Lww, Version};
use rumormill_protocols::detect::phi::Phi;
use rumormill_protocols::detect::{Detector, Sign};
use rumormill_protocols::member::swim::{Member, Swim};
use rumormill_protocols::spread::events::Events;
use rumormill_protocols::spread::queries::Queries;

composite! {
    /// One agent's protocols.
    pub struct Node<K: Keys = Unsigned, A: Audience = Everyone> {
        /// Membership: who is there.
        0 swim Swim: Swim<K>,
        /// How the members' machines do; none if vitals are off.
        1 vitals Vitals: Option<Lww>,
        /// What applications tell each other.
        2 events Events: Events,
        /// What applications ask each other. The tickets of their queries are below 2⁶³.
        3 queries Queries: Queries,
        /// Orders about keys, to others and of others.
        4 keys Keys: KeyOrders,
        /// Who is kept out.
        5 bans Bans: Bans<K>,
        /// How strongly each member is suspected, by the arrivals of its vitals; none unless it is turned on.
        6 phi Phi: Option<Phi>,
    }
    with {
        audience: A,
        gate: Gate,
        unreadable_filters: u64,
        shed_filters: u64,
    }
}

/// A member's vitals, with their times.
#[derive(Clone, Debug)]
pub struct Vitals {
    /// Encoded.
    pub value: Payload,
    /// When they were written, by their owner's clock.
    pub written: Wall,
    /// When they came, by this node's clock.
    pub heard: Time,
}

/// Whether a query is meant for this node.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Meant {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// Its filter cannot be read; the query is not answered here.
    Unreadable,
    /// Too many filters were new in a short time; the query is not answered here.
    Shed,
}

/// Decides which queries are meant for this node. The filter is the application's: no protocol reads it.
pub trait Audience {
    /// Whether `me` matches the filter of a query that was heard at `now`.
    fn is_meant(&mut self, filter: &Payload, me: &Member<'_>, now: Time) -> Meant;
}

/// Every query is meant for this node, whatever its filter says.
#[derive(Copy, Clone, Debug, Default)]
pub struct Everyone;

impl Audience for Everyone {
    fn is_meant(&mut self, _: &Payload, _: &Member<'_>, _: Time) -> Meant {
        Meant::Yes
    }
}

impl<K: Keys, A: Audience> Node<K, A> {
    /// Puts the protocols together. `vitals` is none where they are turned off: then nothing is said about them and nothing is kept. `phi` is off until
    /// its field is set.
    pub fn new(
        swim: Swim<K>,
        vitals: Option<Lww>,
        events: Events,
        queries: Queries,
        audience: A,
        bans: Bans<K>,
    ) -> Self {
        let keys = KeyOrders::new(keys::Config::default());
        let (gate, wires) = (Gate::default(), Wires::default());
        let (unreadable_filters, shed_filters) = (0, 0);
        Node {
            swim,
            vitals,
            events,
            queries,
            keys,
            bans,
            phi: None,
            audience,
            gate,
            unreadable_filters,
            shed_filters,
            wires,
        }
    }

    /// Queries whose filter could not be read here, so that this node took itself to be not meant.
    pub fn unreadable_filters(&self) -> u64 {
        self.unreadable_filters
    }

    /// Queries passed over because too many filters were new in one second.
    pub fn shed_filters(&self) -> u64 {
        self.shed_filters
    }

    /// Messages about membership and requests to join that were dropped while this node did not know what was before it.
    pub fn shed_before_join(&self) -> u64 {
        self.gate.shed()
    }

    /// The newest vitals of a member, or of this node, if there are any.
    pub fn vitals_of(&self, id: NodeId) -> Option<Vitals> {
        let vitals = self.vitals.as_ref()?;
        let (value, written, heard) = if id == self.swim.me().id {
            vitals.mine()?
        } else {
            let known = vitals.get(id)?;
            (&known.record.value, known.record.written, known.heard)
        };
        Some(Vitals { value: value.clone(), written, heard })
    }

    /// How strongly this node suspects a member now: its phi, if phi and vitals are on, the member is live, and its vitals have arrived.
    pub fn suspicion_level(&self, id: NodeId, now: Time) -> Option<f64> {
        self.phi.as_ref()?.level(id, now)
    }

    /// A newer version of a member's vitals as a sign of its life; none where phi is off.
    fn sign_of(&self, owner: NodeId) -> Option<Sign> {
        let (_, vitals) = self.phi.as_ref().zip(self.vitals.as_ref())?;
        let Version { epoch, counter } = vitals.get(owner)?.record.version;
        Some(Sign { peer: owner, epoch, number: counter, period: vitals.put_interval() })
    }
}

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
