//! Last-writer-wins records in scenarios. They travel in the spare room of other protocols' datagrams, so they need a protocol beneath them.

use super::part::{self, CallOf, CallRecord, Check, Line, Names, Part, View};
use super::settings;
use rumormill_core::identity::NodeId;
use rumormill_core::observe::Observe;
use rumormill_core::payload::Payload;
use rumormill_core::time::Time;
use rumormill_protocols::agree::lww::{Call, Config, Event, Lww, VALUE_BYTES_MAX};
use std::collections::BTreeMap;

/// The settings of the records.
pub struct LwwPart {
    pub(super) config: Config,
}

/// The values that were put, and the events.
#[derive(Debug, Default)]
pub struct Seen {
    puts: BTreeMap<NodeId, (Time, String)>,
    heard: u64,
}

impl LwwPart {
    pub(super) fn new(table: &toml::Table, nodes: u64) -> Result<LwwPart, String> {
        Ok(LwwPart { config: settings::read::<Lww>(table, nodes, &Config::default())? })
    }
}

impl Part for LwwPart {
    type Node = Lww;
    type Seen = Seen;

    fn make(&self, id: NodeId, life: u32, _: Option<&Lww>) -> Lww {
        Lww::new(self.config.clone(), part::life(id, life))
    }

    fn calls(&self) -> Names {
        vec![("put", "this is my newest value")]
    }

    fn call(&self, _: NodeId, call: &str, with: &str) -> Result<CallOf<Self>, String> {
        match call {
            "put" if with.len() <= VALUE_BYTES_MAX => Ok(Call::Put(Payload::from(with.as_bytes()))),
            "put" => Err(format!("a value of {} bytes: at most {VALUE_BYTES_MAX}", with.len())),
            _ => Err(super::unknown("call", call, &self.calls())),
        }
    }

    fn see(&self, seen: &mut Seen, _: Time, _: NodeId, Event::Heard(_): &Event) {
        seen.heard += 1;
    }

    fn see_call(&self, seen: &mut Seen, call: &CallRecord) {
        if call.call == "put" {
            seen.puts.insert(call.id, (call.at, call.with.clone()));
        }
    }

    fn tell(Event::Heard(owner): &Event) -> Line {
        Line::about("newer", *owner)
    }

    fn observe(node: &Self::Node) -> Vec<&dyn Observe> {
        vec![node]
    }

    fn measure(&self, view: &dyn View<Lww>, seen: &Seen) -> Vec<(&'static str, f64)> {
        let (mut fresh, mut all) = (0u64, 0u64);
        each(view, seen, |_, is_fresh, _| {
            all += 1;
            fresh += u64::from(is_fresh);
            true
        });
        let share = if all > 0 { fresh as f64 / all as f64 } else { 1.0 };
        vec![("newest_share", share), ("heard", seen.heard as f64)]
    }

    fn checks(&self) -> Names {
        vec![("all_heard", "each live node has the newest value of each live one that put one in this life")]
    }

    fn check(&self, name: &str, _: Option<&str>) -> Result<Check<Self>, String> {
        match name {
            "all_heard" => Ok(Box::new(|view, seen| {
                let mut missing = Ok(());
                each(view, seen, |id, is_fresh, owner| {
                    if !is_fresh {
                        missing = Err(format!("node {} has not the newest value of node {}", id.0, owner.0));
                    }
                    is_fresh
                });
                missing
            })),
            _ => Err(super::unknown("check", name, &self.checks())),
        }
    }

    /// A record with its place in three tables.
    fn heap_bytes(&self, nodes: u64) -> u64 {
        nodes.min(self.config.owners_max as u64) * 256
    }
}

/// Calls `f` for each live node and each value of another live node, with whether the first has the newest value; stops when `f` returns false.
fn each(view: &dyn View<Lww>, seen: &Seen, mut f: impl FnMut(NodeId, bool, NodeId) -> bool) {
    for (owner, (at, value)) in &seen.puts {
        if !view.is_up(*owner) || view.since(*owner) > *at {
            continue;
        }
        for id in view.live().filter(|id| id != owner) {
            let known = view.node(id).get(*owner);
            let is_fresh = known.is_some_and(|known| &*known.record.value == value.as_bytes());
            if !f(id, is_fresh, *owner) {
                return;
            }
        }
    }
}
