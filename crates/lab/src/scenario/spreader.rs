//! Any spreader in scenarios: all share calls and events.

use super::part::{self, CallOf, CallRecord, Check, Line, Names, Part, View};
use super::settings;
use crate::topology::Known;
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::peers::Peers;
use rumormill_core::time::Time;
use rumormill_protocols::spread::{Call, Event, Spreader, UpdateId};
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::Table;

/// Upper bound on the updates that are followed; further ones are only counted.
const UPDATES_MAX: usize = 1_024;

/// Memory of a spreader with few updates (our guess).
const HEAP_BYTES: u64 = 512;

/// A spreader.
pub struct SpreaderPart<N: Spreader> {
    known: Known,
    config: Arc<N::Config>,
}

impl<N: Spreader> SpreaderPart<N> {
    /// For nodes with these settings that know these peers.
    pub(super) fn new(table: &Table, known: &Known) -> Result<SpreaderPart<N>, String> {
        let config = settings::read_for::<N>(table, known)?;
        Ok(SpreaderPart { known: known.clone(), config: Arc::new(config) })
    }
}

/// The updates that were published, and their reach.
#[derive(Debug, Default)]
pub struct Seen {
    updates: BTreeMap<UpdateId, Spread>,
    untold: u64,
    removed: u64,
}

#[derive(Debug)]
struct Spread {
    at: Time,
    /// A bit for each node that has the update, whatever its life.
    has: Vec<u64>,
    count: u64,
    sum_s: f64,
    max_s: f64,
}

impl Spread {
    fn new(at: Time) -> Spread {
        Spread { at, has: Vec::new(), count: 0, sum_s: 0.0, max_s: 0.0 }
    }

    fn add(&mut self, id: NodeId, at: Time) {
        let (word, bit) = ((id.0 / 64) as usize, 1 << (id.0 % 64));
        if word >= self.has.len() {
            self.has.resize(word + 1, 0);
        }
        if self.has[word] & bit == 0 {
            self.has[word] |= bit;
            let took = at.since(self.at).as_secs_f64();
            (self.count, self.sum_s, self.max_s) = (self.count + 1, self.sum_s + took, self.max_s.max(took));
        }
    }

    fn reached(&self, id: NodeId) -> bool {
        self.has.get((id.0 / 64) as usize).is_some_and(|word| word >> (id.0 % 64) & 1 == 1)
    }
}

impl<N: Spreader> Part for SpreaderPart<N> {
    type Node = N;
    type Seen = Seen;

    fn make(&self, id: NodeId, life: u32, _: Option<&N>) -> N {
        N::start(&self.config, id, part::life(id, life))
    }

    fn peers(&self, id: NodeId) -> Option<Peers> {
        Some(self.known.peers(id))
    }

    fn calls(&self) -> Names {
        vec![("publish", "tell everybody")]
    }

    fn call(&self, _: NodeId, call: &str, with: &str) -> Result<CallOf<Self>, String> {
        match call {
            "publish" => Ok(Call::Publish(Payload::from(with.as_bytes()))),
            _ => Err(super::unknown("call", call, &self.calls())),
        }
    }

    fn see(&self, seen: &mut Seen, at: Time, id: NodeId, event: &Event) {
        match event {
            Event::Delivered { update, .. } => {
                let is_new = !seen.updates.contains_key(&update.id);
                if is_new && seen.updates.len() >= UPDATES_MAX {
                    seen.untold += 1;
                    return;
                }
                seen.updates.entry(update.id).or_insert_with(|| Spread::new(at)).add(id, at);
            }
            Event::Removed(_) => seen.removed += 1,
        }
    }

    fn see_call(&self, _: &mut Seen, _: &CallRecord) {}

    fn tell(event: &Event) -> Line {
        match event {
            Event::Delivered { update, from } => Line {
                event: "delivered",
                about: Some(from.0),
                detail: Some(format!("{}:{}", update.id.origin.0, update.id.seq)),
            },
            Event::Removed(id) => Line::of("removed", Some(format!("{}:{}", id.origin.0, id.seq))),
        }
    }

    fn measure(&self, view: &dyn View<N>, seen: &Seen) -> Vec<(&'static str, f64)> {
        let live = view.live().count().max(1) as f64;
        let n = seen.updates.len().max(1) as f64;
        let mean = |of: &dyn Fn(&Spread) -> f64| seen.updates.values().map(of).sum::<f64>() / n;
        let max_s = seen.updates.values().map(|spread| spread.max_s).fold(0.0, f64::max);
        vec![
            ("updates", seen.updates.len() as f64),
            ("informed_share", mean(&|spread| (spread.count as f64 / live).min(1.0))),
            ("delay_mean_s", mean(&|spread| spread.sum_s / spread.count.max(1) as f64)),
            ("delay_max_s", max_s),
            ("removed", seen.removed as f64),
        ]
    }

    fn checks(&self) -> Names {
        vec![
            ("all_delivered", "each update is at each live node that was up when it was published"),
            ("delivered", "each update is at this part of them: delivered(0.99)"),
        ]
    }

    fn check(&self, name: &str, with: Option<&str>) -> Result<Check<Self>, String> {
        let share = match (name, with) {
            ("all_delivered", _) => 1.0,
            ("delivered", Some(share)) => share
                .parse::<f64>()
                .ok()
                .filter(|share| (0.0..=1.0).contains(share))
                .ok_or_else(|| format!("delivered({share}): give a part of all, like delivered(0.99)"))?,
            ("delivered", None) => return Err("delivered to which part? Write delivered(0.99)".into()),
            _ => return Err(super::unknown("check", name, &self.checks())),
        };
        Ok(Box::new(move |view, seen| delivered(view, seen, share)))
    }

    fn heap_bytes(&self, _: u64) -> u64 {
        HEAP_BYTES
    }
}

fn delivered<N>(view: &dyn View<N>, seen: &Seen, share: f64) -> Result<(), String> {
    for (id, spread) in &seen.updates {
        let (mut due, mut has, mut missing) = (0u64, 0u64, None);
        for node in view.live().filter(|node| view.since(*node) <= spread.at) {
            due += 1;
            if spread.reached(node) {
                has += 1;
            } else {
                missing.get_or_insert(node);
            }
        }
        if (has as f64) < share * due as f64 {
            let whom = missing.map_or(0, |node| node.0);
            let (origin, seq) = (id.origin.0, id.seq);
            return Err(format!("update {origin}:{seq} is at {has} of {due} nodes, and not at node {whom}"));
        }
    }
    Ok(())
}
