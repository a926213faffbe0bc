//! A protocol of one's own in scenario files: with calls, figures and checks of its own, CSV, a plot, and a failing plan shrunk to what it takes.
//!
//! `cargo run --features lab --bin own_stack -- DIR` writes `rumor.csv` and `rumor.svg` into DIR.

use rumormill::core::peers::Peers;
use rumormill::core::stack::Subscriber;
use rumormill::lab::scenario::part::{CallRecord, Check, Line, Names, Part, View};
use rumormill::lab::scenario::{Samples, Scenario, Stacks};
use rumormill::swim;
use rumormill::{Change, Cx, Input, Lane, Message, NodeId, Protocol, Time, minicbor};
use std::collections::{BTreeMap, BTreeSet};

/// Infect and die: a node that first hears a rumor tells it to `fanout` others.
struct Rumor {
    fanout: usize,
    heard: BTreeSet<u64>,
}

enum Call {
    Tell(u64),
}

#[derive(Clone, Debug, minicbor::Encode, minicbor::Decode, minicbor::CborLen)]
struct Word(#[n(0)] u64);

impl Message for Word {
    const LANES: &'static [Lane] = &[Lane::new("rumor")];
}

impl Protocol for Rumor {
    type Call = Call;
    type Message = Word;
    type Timer = ();
    type Event = u64;
    const FILLS: bool = false;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Call(Call::Tell(word)) | Input::Message(_, Word(word)) => {
                if !self.heard.insert(word) {
                    return;
                }
                cx.emit(word);
                for _ in 0..self.fanout {
                    if let Some(peer) = cx.peers.pick(cx.me, cx.rng) {
                        cx.send(peer, Word(word));
                    }
                }
            }
            _ => {}
        }
    }
}

/// On SWIM, its view gives the rumor its peers.
impl Subscriber<swim::Event> for Rumor {
    fn change_for(event: &swim::Event) -> Option<Change> {
        event.change()
    }
}

/// The rumor's calls, figures and checks in a scenario.
struct RumorPart {
    fanout: usize,
    nodes: u64,
}

/// The rumors that were told, and the nodes that heard each.
#[derive(Default)]
struct Seen(BTreeMap<u64, (Time, BTreeSet<NodeId>)>);

impl Part for RumorPart {
    type Node = Rumor;
    type Seen = Seen;

    fn make(&self, _: NodeId, _: u32, _: Option<&Rumor>) -> Rumor {
        Rumor { fanout: self.fanout, heard: BTreeSet::new() }
    }

    fn peers(&self, _: NodeId) -> Option<Peers> {
        Some(Peers::Everyone(self.nodes))
    }

    fn calls(&self) -> Names {
        vec![("tell", "tell everybody this number")]
    }

    fn call(&self, _: NodeId, _: &str, with: &str) -> Result<Call, String> {
        with.parse().map(Call::Tell).map_err(|_| "tell which number? Write `with = \"42\"`".into())
    }

    fn see(&self, seen: &mut Seen, at: Time, id: NodeId, word: &u64) {
        seen.0.entry(*word).or_insert_with(|| (at, BTreeSet::new())).1.insert(id);
    }

    fn see_call(&self, _: &mut Seen, _: &CallRecord) {}

    fn tell(word: &u64) -> Line {
        Line::of("heard", Some(word.to_string()))
    }

    fn measure(&self, view: &dyn View<Rumor>, seen: &Seen) -> Vec<(&'static str, f64)> {
        let live = view.live().count().max(1) as f64;
        let least = seen.0.values().map(|(_, heard)| heard.len() as f64 / live).fold(1.0, f64::min);
        vec![("rumors", seen.0.len() as f64), ("informed_share", least)]
    }

    fn checks(&self) -> Names {
        vec![("all_heard", "each rumor is at each live node that was up when it was told")]
    }

    fn check(&self, _: &str, _: Option<&str>) -> Result<Check<Self>, String> {
        Ok(Box::new(|view, seen| {
            for (word, (told, heard)) in &seen.0 {
                let missing = view.live().find(|id| view.since(*id) <= *told && !heard.contains(id));
                if let Some(NodeId(id)) = missing {
                    return Err(format!("node {id} has not heard {word}"));
                }
            }
            Ok(())
        }))
    }

    fn heap_bytes(&self, _: u64) -> u64 {
        256
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stacks = Stacks::new().add_with_swim("whisper", "infect and die", |settings, nodes| {
        let fanout = settings.get("fanout").map_or(Some(5), |value| value.as_integer());
        let fanout = fanout.and_then(|fanout| usize::try_from(fanout).ok());
        let fanout = fanout.ok_or("[settings.whisper]: fanout is a whole number")?;
        Ok(RumorPart { fanout, nodes })
    });
    let read = |file: &str| std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"));
    let here = env!("CARGO_MANIFEST_DIR");
    let dir = std::path::PathBuf::from(std::env::args().nth(1).unwrap_or(".".into()));

    let scenario = Scenario::parse_with(&read(&format!("{here}/rumor.toml"))?, read, &stacks)?;
    let mut samples = Samples::default();
    let outcome = scenario.run(None, &|run| format!("run {run} of rumor.toml"), &mut samples)?;
    println!("{}: {} runs, informed {}", outcome.name, outcome.runs, outcome.figures["informed_share"]);
    assert!(outcome.ok, "{:?}", outcome.failed());
    std::fs::write(dir.join("rumor.csv"), samples.csv())?;
    std::fs::write(dir.join("rumor.svg"), samples.plot("A rumor on SWIM", "informed_share")?.svg())?;

    let scenario = Scenario::parse_with(&read(&format!("{here}/cut.toml"))?, read, &stacks)?;
    let outcome = scenario.run(None, &|run| format!("run {run} of cut.toml"), &mut Samples::default())?;
    let failure = outcome.failure.ok_or("a node that is cut off cannot hear the rumor")?;
    println!("{}: {}, {} steps shrunk to {}", outcome.name, failure.why, failure.steps.0, failure.steps.1);
    println!("{}", failure.report);
    Ok(())
}
