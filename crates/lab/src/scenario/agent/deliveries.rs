//! Events: the publications, the publishers' lists of members, and the deliveries.

use super::member::Member;
use super::state;
use crate::scenario::part::View;
use rumormill_core::identity::NodeId;
use rumormill_core::time::Time;
use rumormill_core::words;
use rumormill_protocols::member::swim;
use rumormill_protocols::spread::events::{self, EventId};
use std::collections::{BTreeMap, BTreeSet};

/// Upper bound on the recorded events; later ones are not checked (our guess: more than a scenario publishes).
const PUBLISHED_MAX: usize = 1 << 16;

/// The promise that is checked.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Promise {
    /// An event is delivered at the members that had joined the stream of events when it was published.
    Joined,
    /// An event is delivered at the members that its publisher listed, in the life in which it listed them.
    Listed,
}

/// The publications and deliveries of the members.
#[derive(Debug, Default)]
pub struct Deliveries {
    members: BTreeMap<NodeId, Heard>,
    published: Vec<Published>,
    /// The members that delivered each event, its publisher included.
    delivered_by: BTreeMap<EventId, BTreeSet<NodeId>>,
    /// Publishers that wait for the coverage of an event, by their ticket.
    tickets: BTreeMap<(NodeId, u64), EventId>,
    /// Number of other members that confirmed an event.
    covered: Vec<(EventId, u32)>,
    claim: Option<String>,
    twice: Option<String>,
    pub delivered: u64,
    pub gaps: u64,
    pub refused: u64,
}

/// One member.
#[derive(Debug, Default)]
struct Heard {
    /// Its life, and the begin of it.
    life: (u64, Time),
    /// Time since which it has certainly joined the stream of events: not before its disk was last wiped.
    joined: Option<Time>,
    delivered: BTreeSet<EventId>,
    /// The life of each other member as far as this one heard, and whether it lists that member.
    lists: BTreeMap<NodeId, (u64, bool)>,
}

#[derive(Debug)]
struct Published {
    id: EventId,
    at: Time,
    listed: Vec<(NodeId, u64)>,
}

impl Deliveries {
    /// A member starts; `kept`: it remembers its deliveries.
    pub fn started(&mut self, at: Time, id: NodeId, epoch: u64, kept: bool) {
        let member = self.members.entry(id).or_default();
        if !kept {
            *member = Heard::default();
        }
        (member.life, member.lists) = ((epoch, at), BTreeMap::new());
    }

    /// An event of the membership.
    pub fn on_swim(&mut self, by: NodeId, event: &swim::Event) {
        let lists = &mut self.members.entry(by).or_default().lists;
        if let swim::Event::Contact(id, life, _) = event {
            lists.entry(*id).or_default().0 = life.epoch;
        }
        match event.change() {
            Some(rumormill_core::protocol::Change::Up(id)) => lists.entry(id).or_default().1 = true,
            Some(rumormill_core::protocol::Change::Down(id)) => lists.entry(id).or_default().1 = false,
            Some(rumormill_core::protocol::Change::All) | None => {}
        }
    }

    /// An event of the events protocol.
    pub fn on_event(&mut self, at: Time, by: NodeId, event: &events::Event) {
        let member = self.members.entry(by).or_default();
        match event {
            events::Event::Queued { ticket, id } if self.published.len() < PUBLISHED_MAX => {
                self.tickets.insert((by, *ticket), *id);
                let listed = member.lists.iter().filter(|(_, (_, is_listed))| *is_listed);
                let listed = listed.map(|(id, (epoch, _))| (*id, *epoch)).collect();
                self.published.push(Published { id: *id, at, listed });
            }
            events::Event::Delivered(item) => {
                self.delivered += 1;
                self.delivered_by.entry(item.id).or_default().insert(by);
                if !member.delivered.insert(item.id) {
                    self.twice.get_or_insert_with(|| {
                        let (event, at) = (shown(item.id), at.as_secs_f64());
                        format!("node {} delivered event {event} a second time at {at:.3} s", by.0)
                    });
                }
            }
            events::Event::Gap { .. } => self.gaps += 1,
            events::Event::Refused { .. } => self.refused += 1,
            events::Event::Covered { ticket, held, .. } => {
                self.covered.extend(self.tickets.remove(&(by, *ticket)).map(|id| (id, *held)));
            }
            events::Event::Joined => member.joined = Some(at),
            events::Event::Queued { .. } => {}
        }
    }

    /// A member confirms an event that it does not hold.
    pub fn claims(&mut self, at: Time, by: NodeId, id: EventId) {
        let (event, at) = (shown(id), at.as_secs_f64());
        self.claim.get_or_insert_with(|| {
            format!(
                "node {} said at {at:.3} s that it will deliver event {event}, which it did not hold",
                by.0
            )
        });
    }

    /// Whether no member confirmed an event that it did not hold.
    pub fn check_claims(&self) -> Result<(), String> {
        self.claim.clone().map_or(Ok(()), Err)
    }

    /// Finds the members that have joined the stream of events.
    pub fn look(&mut self, view: &dyn View<Member>) {
        for id in view.live() {
            let joined = &mut self.members.entry(id).or_default().joined;
            if joined.is_none() && view.node(id).node.events.is_joined() {
                *joined = Some(view.now());
            }
        }
    }

    /// Whether no member delivered an event twice.
    pub fn check_twice(&self) -> Result<(), String> {
        self.twice.clone().map_or(Ok(()), Err)
    }

    /// Whether each event was delivered at as many others as confirmed it.
    pub fn check_covered(&self) -> Result<(), String> {
        let others = |id: &EventId| self.delivered_by.get(id).map_or(0, |by| by.len().saturating_sub(1));
        match self.covered.iter().find(|(id, held)| others(id) < *held as usize) {
            None => Ok(()),
            Some((id, held)) => {
                let (id, others) = (shown(*id), others(id));
                let held = words::count(*held, "member");
                Err(format!("{held} confirmed that they hold event {id}, and {others} delivered it"))
            }
        }
    }

    /// Whether each event that a live member still holds was delivered at every promised member.
    pub fn check(&self, view: &dyn View<Member>, promise: Promise) -> Result<(), String> {
        let mut lost = 0u64;
        let mut first = None;
        self.each_promised(view, promise, |published, id, delivered| {
            if !delivered {
                lost += 1;
                first.get_or_insert((published.id, published.at, id));
            }
        });
        let Some((event, at, id)) = first else { return Ok(()) };
        let (event, at) = (shown(event), at.as_secs_f64());
        let more = if lost > 1 { format!("; {} more are missing", lost - 1) } else { String::new() };
        Err(format!("event {event}, published at {at:.3} s, was not delivered at node {}{more}", id.0))
    }

    /// The share of promised deliveries that were made.
    pub fn share(&self, view: &dyn View<Member>, promise: Promise) -> f64 {
        let (mut all, mut come) = (0u64, 0u64);
        self.each_promised(view, promise, |_, _, delivered| {
            all += 1;
            come += u64::from(delivered);
        });
        if all > 0 { come as f64 / all as f64 } else { 1.0 }
    }

    fn each_promised(
        &self,
        view: &dyn View<Member>,
        promise: Promise,
        mut f: impl FnMut(&Published, NodeId, bool),
    ) {
        let live = state::admitted(view).0;
        for published in &self.published {
            if !live.iter().any(|id| view.node(*id).node.events.get(published.id).is_some()) {
                continue; // nobody retains it
            }
            for id in &live {
                let Some(member) = self.members.get(id) else { continue };
                let is_promised = match promise {
                    Promise::Joined => member.joined.is_some_and(|at| at <= published.at),
                    Promise::Listed => {
                        member.life.1 <= published.at && published.listed.contains(&(*id, member.life.0))
                    }
                };
                if is_promised {
                    f(published, *id, member.delivered.contains(&published.id));
                }
            }
        }
    }
}

/// Its origin, the origin's life, its number.
fn shown(id: EventId) -> String {
    format!("{}-{}-{}", id.source.origin.0, id.source.epoch, id.seq)
}
