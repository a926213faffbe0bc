//! One run: nodes that know each other, one that publishes, and what they tell of it. Nobody is asked along the way.

use super::Epidemic;
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::protocol::Protocol;
use rumormill_core::time::Time;
use rumormill_protocols::kit::peers::Peers;
use rumormill_sim::{Busy, Latency, Sim, World};

/// How far a run has come.
#[derive(Copy, Clone, Debug)]
pub struct Progress {
    /// Which run, from 0.
    pub run: usize,
    /// Of so many.
    pub runs: usize,
    /// Rounds that are over.
    pub round: u32,
    /// Nodes that know.
    pub reached: u64,
    /// Of so many.
    pub nodes: u64,
}

/// A protocol that can be the subject of an epidemic.
pub(super) trait Subject {
    /// The protocol.
    type Node: Protocol<Call: Send, Message: Send, Timer: Send, Event: Send> + Send;
    /// Tells it its peers.
    fn meet(peers: Peers) -> <Self::Node as Protocol>::Call;
    /// Lets it begin an epidemic.
    fn publish(payload: Payload) -> <Self::Node as Protocol>::Call;
    /// What an event means.
    fn read(event: &<Self::Node as Protocol>::Event) -> Heard;
    /// What it has sent and refused.
    fn sent(node: &Self::Node) -> Sent;
}

/// What a node tells.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The update is here.
    New,
    /// It is not passed on here any more.
    Over,
}

/// What a node has counted.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Sent {
    /// Updates that it sent: the traffic of the papers.
    pub updates: u64,
    /// Updates that it did not send to one who had just brought them.
    pub spared: u64,
    /// Contacts that were made: taken by the one who was called.
    pub contacts: u64,
    /// Contacts that were refused.
    pub refused: u64,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// Nodes that heard of it, the first included.
    pub reached: u64,
    /// The rounds in which they did, summed.
    pub rounds_sum: f64,
    /// The round in which the last of them did.
    pub last: f64,
    /// The last round in which a node was reached or still passed it on.
    pub rounds: f64,
    /// Nodes that knew after 0, 1, ... rounds.
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

/// When a run is over.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// Nothing is to come.
    Silence,
    /// Nobody passes it on any more, in two rounds one after the other: the nodes ask each other for ever, but there is nothing to tell.
    Rest,
    /// All know: they would go on for ever.
    All,
}

/// Runs it over nodes that `make` gives, beginning at the first of them.
pub(super) fn run<S: Subject>(
    epidemic: &Epidemic,
    seed: u64,
    until: Until,
    make: &dyn Fn(NodeId) -> S::Node,
    progress: &mut dyn FnMut(u32, u64),
) -> Told {
    let mut sim = epidemic.threads.sim(world(epidemic), seed, epidemic.nodes);
    for id in (0..epidemic.nodes).map(NodeId) {
        sim.spawn(id, make(id), Time::ZERO);
        sim.call(id, S::meet(Peers::Everyone(epidemic.nodes)));
    }
    let content = vec![0u8; epidemic.bytes];
    sim.call(NodeId(0), S::publish(Payload::from(&content[..])));
    let period = Epidemic::PERIOD;
    let in_rounds = |at: Time| at.0 as f64 / period.as_nanos() as f64;
    let (mut told, mut hot, mut at_rest) = (Told::default(), 0u64, 0);
    let mut round = 0;
    loop {
        sim.run_until(Time::ZERO + period * round, &mut |at, _, event| match S::read(&event) {
            Heard::New => {
                told.reached += 1;
                hot += 1;
                told.rounds_sum += in_rounds(at);
                told.last = in_rounds(at);
                told.rounds = told.rounds.max(told.last);
            }
            Heard::Over => {
                hot -= 1;
                // That it no longer does is found out a round later.
                told.rounds = told.rounds.max(in_rounds(at) - 1.0);
            }
        });
        told.curve.push(told.reached);
        progress(round, told.reached);
        at_rest = if hot == 0 { at_rest + 1 } else { 0 };
        let over = match until {
            Until::Silence => sim.next_at().is_none(),
            Until::Rest => at_rest >= 2,
            Until::All => told.reached == epidemic.nodes,
        };
        told.broken_off = !over && round >= epidemic.rounds_max;
        if over || told.broken_off {
            break;
        }
        round += 1;
    }
    add_totals::<S>(&mut told, &sim);
    told
}

/// Adds what the nodes sent, and the counters of the simulation.
fn add_totals<S: Subject>(told: &mut Told, sim: &Sim<S::Node>) {
    for id in sim.ids() {
        let sent = S::sent(sim.node(id));
        told.updates += sent.updates;
        told.spared += sent.spared;
        told.contacts += sent.contacts;
        told.refused += sent.refused;
    }
    let total = sim.total();
    told.messages = total.datagrams_sent + total.stream_messages_sent;
    told.bytes = total.bytes_sent();
    told.events = total.inputs;
    told.digest = sim.digest();
    told.busy = sim.busy();
}

fn world(epidemic: &Epidemic) -> World {
    let mut world = World { loss: epidemic.loss, ..World::default() };
    match epidemic.latency.clone() {
        None if epidemic.strategy.passes_on_at_once() => world.latency = Latency::Constant(Epidemic::PERIOD),
        None => world.synchronous = Some(Epidemic::PERIOD),
        Some(latency) => world.latency = latency,
    }
    world
}
