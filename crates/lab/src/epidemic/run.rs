//! One run: all nodes know each other, one publishes, and the events of the nodes tell the rest. No node is read during the run.

use super::Epidemic;
use crate::topology::Known;
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::protocol::Protocol;
use rumormill_core::time::Time;
use rumormill_sim::{Busy, Latency, Sim, World};

/// Progress of a run.
#[derive(Copy, Clone, Debug)]
pub struct Progress {
    /// Number of the run, from 0.
    pub run: usize,
    /// Number of runs.
    pub runs: usize,
    /// Number of rounds that are over.
    pub round: u32,
    /// Number of nodes that know the update.
    pub reached: u64,
    /// Number of nodes.
    pub nodes: u64,
}

/// A protocol that can be the subject of an epidemic.
pub(super) trait Subject {
    /// The protocol.
    type Node: Protocol<Call: Send, Message: Send, Timer: Send, Event: Send> + Send;
    /// The call that publishes the update.
    fn publish(payload: Payload) -> <Self::Node as Protocol>::Call;
    /// The meaning of an event.
    fn read(event: &<Self::Node as Protocol>::Event) -> Heard;
    /// The counters of a node.
    fn sent(node: &Self::Node) -> Sent;
}

/// The meaning of an event of a node.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The node has the update now.
    New,
    /// The node stops passing it on.
    Over,
}

/// The counters of a node.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Sent {
    /// Updates sent: the traffic of the papers.
    pub updates: u64,
    /// Updates not sent, since the receiver had just brought them.
    pub spared: u64,
    /// Contacts accepted by the node that was called.
    pub contacts: u64,
    /// Contacts refused.
    pub refused: u64,
}

/// The outcome of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct RunResult {
    /// Number of nodes that heard the update, the first included.
    pub reached: u64,
    /// Sum of the rounds in which they heard it.
    pub rounds_sum: f64,
    /// The round in which the last of them heard it.
    pub last: f64,
    /// The last round in which a node heard the update or still passed it on.
    pub rounds: f64,
    /// Number of nodes that knew after 0, 1, ... rounds.
    pub curve: Vec<u64>,
    pub updates: u64,
    pub spared: u64,
    pub contacts: u64,
    pub refused: u64,
    pub messages: u64,
    pub bytes: u64,
    pub events: u64,
    pub broken_off: bool,
    pub digest: u64,
    pub busy: Busy,
}

/// The end of a run.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// No entry is pending.
    Silence,
    /// No node passed it on in two successive rounds, and none can be on its way: the nodes pull for ever, but there is nothing to tell.
    Rest,
    /// All nodes know: the protocol itself never ends.
    All,
}

/// Runs the nodes that `make` gives; the first of them publishes.
pub(super) fn run<S: Subject>(
    epidemic: &Epidemic,
    seed: u64,
    until: Until,
    make: &dyn Fn(NodeId) -> S::Node,
    progress: &mut dyn FnMut(u32, u64),
) -> RunResult {
    let mut sim = epidemic.threads.sim(world(epidemic), seed, epidemic.nodes);
    let known = Known::new(epidemic.topology.as_ref(), epidemic.nodes, seed)
        .unwrap_or_else(|e| panic!("it was checked: {e}"));
    for id in (0..epidemic.nodes).map(NodeId) {
        sim.spawn(id, make(id), Time::ZERO);
        sim.meet(id, known.peers(id));
    }
    let content = vec![0u8; epidemic.bytes];
    sim.call(NodeId(0), S::publish(Payload::from(&content[..])));
    let period = Epidemic::PERIOD;
    let in_rounds = |at: Time| at.0 as f64 / period.as_nanos() as f64;
    let (mut result, mut hot, mut at_rest) = (RunResult::default(), 0u64, 0u64);
    let rest = 2 + on_the_way(epidemic);
    let mut round = 0;
    loop {
        sim.run_until(Time::ZERO + period * round, &mut |at, _, event| match S::read(&event) {
            Heard::New => {
                result.reached += 1;
                hot += 1;
                result.rounds_sum += in_rounds(at);
                result.last = in_rounds(at);
                result.rounds = result.rounds.max(result.last);
            }
            Heard::Over => {
                hot -= 1;
                // A node reports the end of its interest a round later.
                result.rounds = result.rounds.max(in_rounds(at) - 1.0);
            }
        });
        result.curve.push(result.reached);
        progress(round, result.reached);
        at_rest = if hot == 0 { at_rest + 1 } else { 0 };
        let over = match until {
            Until::Silence => sim.next_at().is_none(),
            Until::Rest => at_rest >= rest,
            Until::All => result.reached == epidemic.nodes,
        };
        result.broken_off = !over && round >= epidemic.rounds_max;
        if over || result.broken_off {
            break;
        }
        round += 1;
    }
    add_totals::<S>(&mut result, &sim);
    result
}

/// Whole rounds that a message takes at most, where latencies have a bound.
fn on_the_way(epidemic: &Epidemic) -> u64 {
    match &epidemic.latency {
        Some(Latency::Constant(most) | Latency::Uniform(_, most)) => {
            most.as_secs() / Epidemic::PERIOD.as_secs()
        }
        _ => 0,
    }
}

/// Adds the counters of the nodes and of the simulation.
fn add_totals<S: Subject>(result: &mut RunResult, sim: &Sim<S::Node>) {
    for id in sim.ids() {
        let sent = S::sent(sim.node(id));
        result.updates += sent.updates;
        result.spared += sent.spared;
        result.contacts += sent.contacts;
        result.refused += sent.refused;
    }
    let total = sim.total();
    result.messages = total.datagrams_sent + total.stream_messages_sent;
    result.bytes = total.bytes_sent();
    result.events = total.inputs;
    result.digest = sim.digest();
    result.busy = sim.busy();
}

/// The world of the nodes.
pub(super) fn world(epidemic: &Epidemic) -> World {
    let mut world = World { loss: epidemic.loss, ..World::default() };
    match epidemic.latency.clone() {
        None if epidemic.strategy.passes_on_at_once() => world.latency = Latency::Constant(Epidemic::PERIOD),
        None => world.synchronous = Some(Epidemic::PERIOD),
        Some(latency) => world.latency = latency,
    }
    world
}
