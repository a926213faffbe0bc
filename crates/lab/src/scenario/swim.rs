//! SWIM in scenarios.

use super::part::{CallOf, CallRecord, Check, EventOf, Line, Names, Part, View};
use super::settings;
use crate::swim::card_for;
use rumormill_core::identity::{NodeId, Unsigned};
use rumormill_core::observe::Observe;
use rumormill_core::time::Time;
use rumormill_core::words::count;
use rumormill_protocols::member::swim::{Call, Config, Event, Status, Swim};
use std::cell::Cell;
use std::collections::BTreeSet;

/// Upper bound on the deaths that are remembered until the checks run; further ones are only counted.
const DEATHS_MAX: usize = 1 << 16;
/// Number of first nodes by which a node joins, so that one of them may be down.
const SEEDS: u64 = 3;

/// SWIM with Lifeguard.
pub struct SwimPart {
    pub(super) config: Config,
}

/// The record of the members' events.
#[derive(Debug, Default)]
pub struct Seen {
    /// Deaths: time, observer, member.
    deaths: Vec<(Time, NodeId, NodeId)>,
    /// Number of deaths that were examined for the figure `never_separated_failed`, and its value so far.
    looked_at: Cell<(usize, u64)>,
    dead_told: u64,
    suspicions: u64,
    refutations: u64,
}

impl SwimPart {
    /// For members with these settings; `preset` is one of them: `local`, `lan` (the default) or `wan`.
    pub(super) fn new(table: &toml::Table, nodes: u64) -> Result<SwimPart, String> {
        let mut table = table.clone();
        let base = match table.remove("preset").as_ref().map(toml::Value::as_str) {
            None | Some(Some("lan")) => Config::lan(),
            Some(Some("local")) => Config::local(),
            Some(Some("wan")) => Config::wan(),
            Some(_) => return Err("[settings.swim]: preset is \"local\", \"lan\" or \"wan\"".into()),
        };
        Ok(SwimPart { config: settings::read::<Node>(&table, nodes, &base)? })
    }
}

type Node = Swim<Unsigned>;

impl Part for SwimPart {
    type Node = Node;
    type Seen = Seen;

    fn make(&self, id: NodeId, life: u32, _: Option<&Node>) -> Node {
        Swim::new(self.config.clone(), card_for(id.0, u64::from(life) + 1), Unsigned)
    }

    fn first_calls(&self, id: NodeId, _: u32) -> Vec<Call> {
        (0..SEEDS).map(NodeId).filter(|seed| *seed != id).map(Call::Join).collect()
    }

    fn calls(&self) -> Names {
        vec![
            ("leave", "say goodbye"),
            ("join", "meet the node with that id"),
            ("ping", "probe the node with that id"),
        ]
    }

    fn call(&self, _: NodeId, call: &str, with: &str) -> Result<CallOf<Self>, String> {
        let peer = || with.parse().map(NodeId).map_err(|_| format!("{call} whom? Give `with = \"3\"`"));
        match call {
            "leave" => Ok(Call::Leave),
            "join" => peer().map(Call::Join),
            "ping" => peer().map(Call::Ping),
            _ => Err(super::unknown("call", call, &self.calls())),
        }
    }

    fn see(&self, seen: &mut Seen, at: Time, id: NodeId, event: &Event) {
        match event {
            Event::Failed(accused) => {
                seen.dead_told += 1;
                if seen.deaths.len() < DEATHS_MAX {
                    seen.deaths.push((at, id, *accused));
                }
            }
            Event::Suspected(_) => seen.suspicions += 1,
            Event::Refuted(_) => seen.refutations += 1,
            _ => {}
        }
    }

    fn see_call(&self, _: &mut Seen, _: &CallRecord) {}

    fn tell(event: &EventOf<Self>) -> Line {
        match event {
            Event::Contact(id, ..) => Line::about("contact", *id),
            Event::Up(id) => Line::about("up", *id),
            Event::Changed(id) => Line::about("changed", *id),
            Event::Tags(id) => Line::about("tags", *id),
            Event::Suspected(id) => Line::about("suspected", *id),
            Event::Refuted(id) => Line::about("refuted", *id),
            Event::Failed(id) => Line::about("failed", *id),
            Event::Left(id) => Line::about("left", *id),
            Event::Forgotten(id) => Line::about("forgotten", *id),
            Event::ProbeFailed { target, .. } => Line::about("probe-failed", *target),
            Event::Pong(id, _) => Line::about("pong", *id),
            Event::RoundTrip(id, _) => Line::about("round-trip", *id),
            Event::Heard(id, _) => Line::about("heard", *id),
            Event::Superseded(_) => Line::of("superseded", None),
            Event::LeftCluster => Line::of("left-cluster", None),
        }
    }

    fn observe(node: &Node) -> Vec<&dyn Observe> {
        vec![node]
    }

    fn measure(&self, view: &dyn View<Node>, seen: &Seen) -> Vec<(&'static str, f64)> {
        let (mut sum, mut least, mut nodes) = (0usize, usize::MAX, 0usize);
        for id in view.live() {
            let live = view.node(id).live_len();
            (sum, least, nodes) = (sum + live, least.min(live), nodes + 1);
        }
        let mean = if nodes > 0 { sum as f64 / nodes as f64 } else { 0.0 };
        vec![
            ("view_mean", mean),
            ("view_min", if nodes > 0 { least as f64 } else { 0.0 }),
            ("suspicions", seen.suspicions as f64),
            ("refutations", seen.refutations as f64),
            ("deaths", seen.dead_told as f64),
            ("never_separated_failed", never_separated_failed(view, seen) as f64),
        ]
    }

    fn checks(&self) -> Names {
        vec![
            ("views_agree", "each live member's view is the true set of live members"),
            ("no_false_death", "no member that is up was marked as failed in this life"),
            (
                "never_separated",
                "nobody who is up was failed by an observer that the plan never kept apart from it",
            ),
            ("suspicion", "somebody was suspected"),
            ("refutation", "somebody refuted a suspicion"),
        ]
    }

    fn check(&self, name: &str, _: Option<&str>) -> Result<Check<Self>, String> {
        Ok(match name {
            "views_agree" => Box::new(|view, _| views_agree(view)),
            "no_false_death" => Box::new(no_false_death),
            "never_separated" => Box::new(never_separated),
            "suspicion" => Box::new(|_, seen| super::holds(seen.suspicions > 0, "nobody was suspected")),
            "refutation" => Box::new(|_, seen| super::holds(seen.refutations > 0, "nobody refuted")),
            _ => return Err(super::unknown("check", name, &self.checks())),
        })
    }

    /// A row of 64 bytes in each view, its card, and as much again in tables, as in `rumormill sim swim`.
    fn heap_bytes(&self, nodes: u64) -> u64 {
        nodes * 160
    }
}

fn views_agree(view: &dyn View<Node>) -> Result<(), String> {
    let live: BTreeSet<NodeId> = view.live().collect();
    let Some(first) = live.first().map(|id| view.node(*id)) else { return Ok(()) };
    // Equal root hashes are equal views: a member with the root of the first one is right if the first one is.
    let is_true = |node: &Node| {
        let mut held =
            node.members().filter(|member| matches!(member.status, Status::Alive | Status::Suspect));
        held.all(|member| live.contains(&member.id))
    };
    let first_is_true = is_true(first);
    for id in &live {
        let node = view.node(*id);
        if node.live_len() != live.len() {
            return Err(format!(
                "{} of {} in the view of node {}",
                node.live_len(),
                count(live.len(), "live member"),
                id.0
            ));
        }
        if !(first_is_true && node.root() == first.root() || is_true(node)) {
            return Err(format!("node {} holds somebody to be alive who is not", id.0));
        }
    }
    Ok(())
}

/// Whether a death is wrong: observer and member have both been up since before it was told.
fn is_false(view: &dyn View<Node>, (at, by, id): &(Time, NodeId, NodeId)) -> bool {
    view.is_up(*id) && view.since(*id) <= *at && view.is_up(*by) && view.since(*by) <= *at
}

fn no_false_death(view: &dyn View<Node>, seen: &Seen) -> Result<(), String> {
    refuse(seen.deaths.iter().find(|death| is_false(view, death)))
}

fn never_separated(view: &dyn View<Node>, seen: &Seen) -> Result<(), String> {
    refuse(seen.deaths.iter().find(|death| is_false(view, death) && !was_apart(view, death)))
}

fn was_apart(view: &dyn View<Node>, (at, by, id): &(Time, NodeId, NodeId)) -> bool {
    view.history().were_apart(*by, *id, *at)
}

fn never_separated_failed(view: &dyn View<Node>, seen: &Seen) -> u64 {
    let (looked_at, before) = seen.looked_at.get();
    let fresh = seen.deaths[looked_at..].iter();
    let found =
        before + fresh.filter(|death| is_false(view, death) && !was_apart(view, death)).count() as u64;
    seen.looked_at.set((seen.deaths.len(), found));
    found
}

fn refuse(death: Option<&(Time, NodeId, NodeId)>) -> Result<(), String> {
    match death {
        None => Ok(()),
        Some((at, by, id)) => Err(format!(
            "node {} marked node {} as failed at {:.3} s, and it is up",
            by.0,
            id.0,
            at.as_secs_f64()
        )),
    }
}
