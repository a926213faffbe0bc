//! Any detector in scenarios: all share calls and events.

use super::part::{self, CallOf, CallRecord, Check, Line, Names, Part, View};
use super::settings;
use crate::topology::Known;
use rumormill_core::identity::NodeId;
use rumormill_core::peers::{Change, Peers};
use rumormill_core::time::Time;
use rumormill_protocols::detect::{Call, Detector, Event};
use std::sync::Arc;
use toml::Table;

/// A detector.
pub struct DetectorPart<N: Detector> {
    known: Known,
    config: Arc<N::Config>,
}

/// Suspicions so far.
#[derive(Debug, Default)]
pub struct Seen {
    suspicions: u64,
    trusted: u64,
}

impl<N: Detector> DetectorPart<N> {
    /// For nodes with these settings that know these peers.
    pub(super) fn new(table: &Table, known: &Known) -> Result<DetectorPart<N>, String> {
        let config = settings::read_for::<N>(table, known)?;
        Ok(DetectorPart { known: known.clone(), config: Arc::new(config) })
    }
}

impl<N: Detector> Part for DetectorPart<N> {
    type Node = N;
    type Seen = Seen;

    fn make(&self, id: NodeId, life: u32, _: Option<&N>) -> N {
        N::start(&self.config, id, part::life(id, life))
    }

    /// A list, which calls may change.
    fn peers(&self, id: NodeId) -> Option<Peers> {
        Some(Peers::listed(self.known.peers(id).iter()))
    }

    fn calls(&self) -> Names {
        vec![
            ("watch", "take the node with that id into the view"),
            ("ignore", "take the node with that id out of the view"),
        ]
    }

    fn call(&self, _: NodeId, call: &str, with: &str) -> Result<CallOf<Self>, String> {
        let peer = || with.parse().map(NodeId).map_err(|_| format!("{call} which node? Give `with = \"3\"`"));
        match call {
            "watch" => peer().map(|id| Call::Peer(Change::Up(id))),
            "ignore" => peer().map(|id| Call::Peer(Change::Down(id))),
            _ => Err(super::unknown("call", call, &self.calls())),
        }
    }

    fn see(&self, seen: &mut Seen, _: Time, _: NodeId, event: &Event) {
        match event {
            Event::Suspected { .. } => seen.suspicions += 1,
            Event::Trusted(_) => seen.trusted += 1,
        }
    }

    fn see_call(&self, _: &mut Seen, _: &CallRecord) {}

    fn tell(event: &Event) -> Line {
        match event {
            Event::Suspected { peer, level } => {
                Line { event: "suspected", about: Some(peer.0), detail: Some(format!("level {level:.2}")) }
            }
            Event::Trusted(peer) => Line::about("trusted", *peer),
        }
    }

    fn measure(&self, view: &dyn View<N>, seen: &Seen) -> Vec<(&'static str, f64)> {
        let (mut watched, mut wrong, mut highest) = (0u64, 0u64, 0.0f64);
        each(view, |by, peer| {
            watched += 1;
            if view.is_up(peer) {
                wrong += u64::from(view.node(by).suspects(peer));
                highest = view.node(by).level(peer, view.now()).unwrap_or(0.0).max(highest);
            }
            Ok(())
        })
        .unwrap_or(()); // nothing is refused above
        vec![
            ("live_suspected", wrong as f64),
            ("live_level_max", highest),
            ("watched", watched as f64),
            ("suspicions", seen.suspicions as f64),
            ("trusted", seen.trusted as f64),
        ]
    }

    fn checks(&self) -> Names {
        vec![
            ("crashed_suspected", "each live node suspects each node that it watches and that is down"),
            ("live_trusted", "no live node suspects a node that is up"),
        ]
    }

    fn check(&self, name: &str, _: Option<&str>) -> Result<Check<Self>, String> {
        Ok(match name {
            "crashed_suspected" => Box::new(|view, _| {
                each(view, |by, peer| {
                    let missed = !view.is_up(peer) && !view.node(by).suspects(peer);
                    if missed {
                        Err(format!("node {} trusts node {}, which is down", by.0, peer.0))
                    } else {
                        Ok(())
                    }
                })
            }),
            "live_trusted" => Box::new(|view, _| {
                each(view, |by, peer| {
                    let wrong = view.is_up(peer) && view.node(by).suspects(peer);
                    if wrong {
                        Err(format!("node {} suspects node {}, which is up", by.0, peer.0))
                    } else {
                        Ok(())
                    }
                })
            }),
            _ => return Err(super::unknown("check", name, &self.checks())),
        })
    }

    /// Memory of a detector: the list of peers, the samples, and the watched peers (our guess).
    fn heap_bytes(&self, nodes: u64) -> u64 {
        nodes * 8 + N::samples_max(&self.config) as u64 * 4 + 1_024
    }
}

/// Calls `f` for each live node and each peer that it watches, until `f` returns false.
fn each<N: Detector>(
    view: &dyn View<N>,
    mut f: impl FnMut(NodeId, NodeId) -> Result<(), String>,
) -> Result<(), String> {
    view.live().try_for_each(|by| view.node(by).watched().into_iter().try_for_each(|peer| f(by, peer)))
}
