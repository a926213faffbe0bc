//! Anti-entropy in scenarios: any node writes to its store, and all stores become equal.

use super::part::{CallOf, CallRecord, Check, Line, Names, Part, View};
use super::settings;
use crate::topology::Known;
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::peers::Peers;
use rumormill_core::time::Time;
use rumormill_protocols::agree::anti_entropy::{AntiEntropy, Call, Config, Event, KEY_BYTES_MAX};
use rumormill_protocols::kit::hybrid_clock::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use toml::Table;

/// Upper bound on the keys that are followed; changes of further keys are only counted.
const KEYS_MAX: usize = 4_096;
/// Memory of a node besides its keys: the tree of checksums, the index by time (our guess).
const HEAP_BYTES: u64 = 1_024;

/// Anti-entropy.
pub struct AntiEntropyPart {
    known: Known,
    config: Arc<Config>,
}

/// The newest version of each key that any node told of, also one that only a crashed node had.
#[derive(Debug, Default)]
pub struct Seen {
    newest: BTreeMap<Payload, (Timestamp, bool)>,
    changes: u64,
}

impl AntiEntropyPart {
    /// For nodes with these settings that know these peers.
    pub(super) fn new(table: &Table, known: &Known) -> Result<AntiEntropyPart, String> {
        let config = settings::read_for::<AntiEntropy>(table, known)?;
        Ok(AntiEntropyPart { known: known.clone(), config: Arc::new(config) })
    }
}

impl Part for AntiEntropyPart {
    type Node = AntiEntropy;
    type Seen = Seen;

    /// Its store is in memory: a node that restarts has nothing, wiped or not.
    fn make(&self, _: NodeId, _: u32, _: Option<&AntiEntropy>) -> AntiEntropy {
        AntiEntropy::new(self.config.clone())
    }

    fn peers(&self, id: NodeId) -> Option<Peers> {
        Some(self.known.peers(id))
    }

    fn calls(&self) -> Names {
        vec![
            (
                "put",
                "this key has this value: \"key=value\", or a value alone, for the node's own id as a key",
            ),
            ("delete", "this key has no value any more; without a key, the node's own id"),
        ]
    }

    fn call(&self, id: NodeId, call: &str, with: &str) -> Result<CallOf<Self>, String> {
        let own = id.0.to_string();
        let (key, value) = match call {
            "put" => with.split_once('=').unwrap_or((&own, with)),
            "delete" if with.is_empty() => (&*own, ""),
            "delete" => (with, ""),
            _ => return Err(super::unknown("call", call, &self.calls())),
        };
        if !(1..=KEY_BYTES_MAX).contains(&key.len()) {
            return Err(format!("a key of {} bytes: it has 1 to {KEY_BYTES_MAX}", key.len()));
        }
        if value.len() > self.config.value_bytes_max {
            return Err(format!("a value of {} bytes: at most {}", value.len(), self.config.value_bytes_max));
        }
        let (key, value) = (Payload::from(key.as_bytes()), Payload::from(value.as_bytes()));
        Ok(if call == "put" { Call::Put { key, value } } else { Call::Delete { key } })
    }

    fn see(&self, seen: &mut Seen, _: Time, _: NodeId, event: &Event) {
        let Event::Changed { key, value, stamp, .. } = event;
        seen.changes += 1;
        let told = (*stamp, value.is_some());
        if let Some(newest) = seen.newest.get_mut(key) {
            *newest = told.max(*newest);
        } else if seen.newest.len() < KEYS_MAX {
            seen.newest.insert(key.clone(), told);
        }
    }

    fn see_call(&self, _: &mut Seen, _: &CallRecord) {}

    fn tell(event: &Event) -> Line {
        let Event::Changed { key, value, from, .. } = event;
        let detail = Some(String::from_utf8_lossy(key).into_owned());
        Line { event: if value.is_some() { "changed" } else { "deleted" }, about: Some(from.0), detail }
    }

    fn measure(&self, view: &dyn View<AntiEntropy>, seen: &Seen) -> Vec<(&'static str, f64)> {
        let (mut fresh, mut all) = (0u64, 0u64);
        each(view, seen, |_, is_fresh, _| {
            all += 1;
            fresh += u64::from(is_fresh);
            true
        });
        let share = if all > 0 { fresh as f64 / all as f64 } else { 1.0 };
        let stores: BTreeSet<u64> = view.live().map(|id| view.node(id).checksum()).collect();
        let sent: u64 = view.live().map(|id| view.node(id).counters().entries_sent).sum();
        vec![
            ("newest_share", share),
            ("different_stores", stores.len() as f64),
            ("entries_sent", sent as f64),
            ("changes", seen.changes as f64),
        ]
    }

    fn checks(&self) -> Names {
        vec![
            ("all_heard", "each live node has the newest version of each key that anybody has told of"),
            ("stores_agree", "the stores of all live nodes are equal"),
        ]
    }

    fn check(&self, name: &str, _: Option<&str>) -> Result<Check<Self>, String> {
        match name {
            "all_heard" => Ok(Box::new(|view, seen| {
                let mut missing = Ok(());
                each(view, seen, |id, is_fresh, key| {
                    if !is_fresh {
                        let key = String::from_utf8_lossy(key);
                        missing = Err(format!("node {} has not the newest version of {key:?}", id.0));
                    }
                    is_fresh
                });
                missing
            })),
            "stores_agree" => Ok(Box::new(|view, _| {
                let mut live = view.live().map(|id| (id, view.node(id).checksum()));
                let Some((first, sum)) = live.next() else { return Ok(()) };
                match live.find(|(_, other)| *other != sum) {
                    Some((other, _)) => {
                        Err(format!("nodes {} and {} have different stores", first.0, other.0))
                    }
                    None => Ok(()),
                }
            })),
            _ => Err(super::unknown("check", name, &self.checks())),
        }
    }

    fn heap_bytes(&self, _: u64) -> u64 {
        HEAP_BYTES
    }
}

/// Calls `f` for each live node and each key, with whether the node has the newest version; stops when `f` returns false.
fn each(view: &dyn View<AntiEntropy>, seen: &Seen, mut f: impl FnMut(NodeId, bool, &[u8]) -> bool) {
    for (key, (stamp, is_value)) in &seen.newest {
        for id in view.live() {
            let entry = view.node(id).entry(key);
            // A node may forget a death certificate, but may not hold a value.
            let is_fresh = entry.map_or(!is_value, |entry| entry.stamp() >= *stamp);
            if !f(id, is_fresh, key) {
                return;
            }
        }
    }
}
