//! The protocol by which the update spreads, and its settings.

use super::run::{Heard, RunResult, Sent, Subject, Until, run as run_subject};
use super::{Counting, Epidemic, Removal, Strategy};
use rumormill_core::identity::Life;
use rumormill_core::payload::Payload;
use rumormill_core::time::Duration;
use rumormill_protocols::agree::anti_entropy::{self, AntiEntropy};
use rumormill_protocols::catalog::Catalogued;
use rumormill_protocols::spread::rumor::{self, Rumor};
use rumormill_protocols::spread::{self, Call, Ends, Event, Spreader, Trial};
use rumormill_sim::Sim;
use std::marker::PhantomData;
use std::sync::Arc;

impl Strategy {
    /// Whether a node passes an update on at once, without waiting for its next round.
    pub(crate) fn passes_on_at_once(self) -> bool {
        let Strategy::Spreader(name) = self else { return false };
        spread::named(name, AtOnce).unwrap_or(false)
    }
}

struct AtOnce;

impl spread::Visit for AtOnce {
    type Out = bool;
    fn visit<P: Spreader>(self) -> bool {
        P::setup(&trial(&Epidemic::default(), 0)).at_once
    }
}

/// Refuses what the strategy cannot do.
pub(super) fn check(epidemic: &Epidemic) -> Result<(), String> {
    match epidemic.strategy {
        Strategy::AntiEntropy | Strategy::AntiEntropyPush | Strategy::AntiEntropyPull => {
            let (bytes, most) = (epidemic.bytes, anti_entropy::VALUE_BYTES_MAX);
            if bytes > most {
                return Err(format!("--bytes {bytes}: a value has {most} at most"));
            }
            fits::<AntiEntropy>(epidemic, anti_entropy_config(epidemic))
        }
        Strategy::Push | Strategy::Pull | Strategy::PushPull => {
            fits::<Rumor>(epidemic, rumor_config(epidemic))
        }
        Strategy::Spreader(name) => spread::named(name, Fits(epidemic)).unwrap_or(Ok(())),
    }
}

fn fits<P: Catalogued>(epidemic: &Epidemic, config: P::Config) -> Result<(), String> {
    fitted::<P>(epidemic, config).map(drop).map_err(|e| format!("--topology: {e}"))
}

struct Fits<'a>(&'a Epidemic);

impl spread::Visit for Fits<'_> {
    type Out = Result<(), String>;
    fn visit<P: Spreader>(self) -> Self::Out {
        fits::<P>(self.0, P::setup(&trial(self.0, 0)).config)
    }
}

/// The settings where nodes know only their neighbours, if they do.
fn fitted<P: Catalogued>(epidemic: &Epidemic, config: P::Config) -> Result<P::Config, String> {
    match &epidemic.topology {
        Some(topology) if !topology.is_full() => P::on_graph(&config, epidemic.nodes),
        _ => Ok(config),
    }
}

/// The settings of the nodes of a checked epidemic.
fn checked<P: Catalogued>(epidemic: &Epidemic, config: P::Config) -> Arc<P::Config> {
    Arc::new(fitted::<P>(epidemic, config).unwrap_or_else(|e| panic!("it was checked: {e}")))
}

/// The settings of the nodes that have an effect, as text.
pub(super) fn settings(epidemic: &Epidemic) -> String {
    match epidemic.strategy {
        Strategy::Push | Strategy::Pull | Strategy::PushPull => {
            let mut config = rumor_config(epidemic);
            if counts_one(epidemic, &config) {
                config.tally = rumor::Config::default().tally;
            }
            shown::<Rumor>(epidemic, config)
        }
        Strategy::AntiEntropy | Strategy::AntiEntropyPush | Strategy::AntiEntropyPull => {
            shown::<AntiEntropy>(epidemic, anti_entropy_config(epidemic))
        }
        Strategy::Spreader(name) => spread::named(name, Shown(epidemic)).unwrap_or_default(),
    }
}

/// True if a node has at most one contact to count in a round: its own are requests, which count at the node that is called, and that node takes one. With
/// latencies the rounds of two nodes do not begin together, and one of them may take two contacts in a round of the other.
fn counts_one(epidemic: &Epidemic, config: &rumor::Config) -> bool {
    let is_synchronous = epidemic.latency.is_none();
    is_synchronous && config.direction == rumor::Direction::Pull && config.connection_limit == Some(1)
}

fn shown<P: Catalogued>(epidemic: &Epidemic, config: P::Config) -> String {
    let config = fitted::<P>(epidemic, config.clone()).unwrap_or(config);
    format!("{} {:?}", P::NAME, P::in_effect(&config))
}

struct Shown<'a>(&'a Epidemic);

impl spread::Visit for Shown<'_> {
    type Out = String;
    fn visit<P: Spreader>(self) -> String {
        shown::<P>(self.0, P::setup(&trial(self.0, 0)).config)
    }
}

/// Bytes of a node in the simulator, allocations included, while one update is hot; and the most messages in flight.
pub(super) fn node_bytes(epidemic: &Epidemic) -> usize {
    const KNOWN: usize = 32;
    let fanout = |default: u32| epidemic.fanout.unwrap_or(default) as usize;
    match epidemic.strategy {
        Strategy::Push => Sim::<Rumor>::node_bytes(fanout(1)),
        // Nodes that pull count requests and answers in a separate allocation.
        Strategy::Pull => Sim::<Rumor>::node_bytes(2 * fanout(1)) + 160,
        // An update and a request, and the answer.
        Strategy::PushPull => Sim::<Rumor>::node_bytes(3 * fanout(1)) + 160,
        Strategy::AntiEntropy | Strategy::AntiEntropyPush | Strategy::AntiEntropyPull => {
            Sim::<AntiEntropy>::node_bytes(1) + 64 + KNOWN
        }
        Strategy::Spreader(name) => spread::named(name, NodeBytes(epidemic)).unwrap_or(0),
    }
}

/// Runs once. `progress` gets the round and the number of nodes that know.
pub(super) fn run(epidemic: &Epidemic, seed: u64, progress: &mut dyn FnMut(u32, u64)) -> RunResult {
    let life = Life::default();
    match epidemic.strategy {
        Strategy::Push | Strategy::Pull | Strategy::PushPull => {
            let config = checked::<Rumor>(epidemic, rumor_config(epidemic));
            let until = match epidemic.strategy {
                _ if epidemic.removal == Removal::None => Until::All,
                Strategy::Push => Until::Silence,
                _ => Until::Rest,
            };
            run_subject::<Spread<Rumor>>(
                epidemic,
                seed,
                until,
                &|_| Rumor::new(config.clone(), life),
                progress,
            )
        }
        Strategy::AntiEntropy | Strategy::AntiEntropyPush | Strategy::AntiEntropyPull => {
            let config = checked::<AntiEntropy>(epidemic, anti_entropy_config(epidemic));
            run_subject::<Stores>(epidemic, seed, Until::All, &|_| AntiEntropy::new(config.clone()), progress)
        }
        Strategy::Spreader(name) => {
            let run = RunOne { epidemic, seed, progress };
            spread::named(name, run).unwrap_or_else(|_| unreachable!("{name} is in the catalog"))
        }
    }
}

struct NodeBytes<'a>(&'a Epidemic);

impl spread::Visit for NodeBytes<'_> {
    type Out = usize;
    fn visit<P: Spreader>(self) -> usize {
        let setup = P::setup(&trial(self.0, 0));
        Sim::<P>::node_bytes(setup.in_flight) + setup.heap_bytes
    }
}

struct RunOne<'a> {
    epidemic: &'a Epidemic,
    seed: u64,
    progress: &'a mut dyn FnMut(u32, u64),
}

impl spread::Visit for RunOne<'_> {
    type Out = RunResult;
    fn visit<P: Spreader>(self) -> RunResult {
        let setup = P::setup(&trial(self.epidemic, self.seed));
        let until = match setup.ends {
            Ends::Silence => Until::Silence,
            Ends::Rest => Until::Rest,
            Ends::Never => Until::All,
        };
        let config = checked::<P>(self.epidemic, setup.config);
        let make = |id| P::start(&config, id, Life::default());
        run_subject::<Spread<P>>(self.epidemic, self.seed, until, &make, self.progress)
    }
}

/// The settings of a spreader that an experiment varies.
fn trial(epidemic: &Epidemic, seed: u64) -> Trial {
    Trial {
        choice: epidemic.choice.clone(),
        period: Epidemic::PERIOD,
        jitter: jitter(epidemic),
        fanout: epidemic.fanout,
        switch: epidemic.switch,
        seed,
    }
}

/// On real clocks rounds drift against each other.
fn jitter(epidemic: &Epidemic) -> Duration {
    if epidemic.latency.is_some() { Epidemic::PERIOD / 10 } else { Duration::ZERO }
}

fn anti_entropy_config(epidemic: &Epidemic) -> anti_entropy::Config {
    let direction = match epidemic.strategy {
        Strategy::AntiEntropyPush => anti_entropy::Direction::Push,
        Strategy::AntiEntropyPull => anti_entropy::Direction::Pull,
        _ => anti_entropy::Direction::PushPull,
    };
    anti_entropy::Config {
        choice: epidemic.choice.clone(),
        connection_limit: epidemic.connection_limit,
        hunt: epidemic.hunt,
        period: Epidemic::PERIOD,
        ..anti_entropy::Config::demers(direction)
    }
}

fn rumor_config(epidemic: &Epidemic) -> rumor::Config {
    let direction = match epidemic.strategy {
        Strategy::Pull => rumor::Direction::Pull,
        Strategy::PushPull => rumor::Direction::PushPull,
        _ => rumor::Direction::Push,
    };
    let removal = match epidemic.removal {
        Removal::None => rumor::Removal::Never,
        Removal::FeedbackCounter | Removal::BlindCounter => rumor::Removal::Counter(epidemic.k),
        Removal::FeedbackCoin | Removal::BlindCoin => rumor::Removal::Coin(epidemic.k),
    };
    let config = rumor::Config {
        fanout: epidemic.fanout.unwrap_or(1),
        choice: epidemic.choice.clone(),
        connection_limit: epidemic.connection_limit,
        hunt: epidemic.hunt,
        minimization: epidemic.minimization,
        jitter: jitter(epidemic),
        ..rumor::Config::demers(direction, epidemic.removal.has_feedback(), removal)
    };
    match epidemic.counting {
        Counting::Tables => config,
        Counting::Plain => config.plain(),
    }
}

/// A spreader as the subject of an epidemic.
struct Spread<P>(PhantomData<P>);

impl<P: Spreader> Subject for Spread<P> {
    type Node = P;
    fn publish(payload: Payload) -> Call {
        Call::Publish(payload)
    }
    fn read(event: &Event) -> Heard {
        match event {
            Event::Delivered { .. } => Heard::New,
            Event::Removed(_) => Heard::Over,
        }
    }
    fn sent(node: &P) -> Sent {
        let counters = node.counters();
        Sent {
            updates: counters.updates_sent,
            spared: counters.updates_spared,
            // A puller asks once per contact; a node that only pushes has one update to send.
            contacts: if counters.asks_sent > 0 { counters.asks_sent } else { counters.updates_sent },
            refused: counters.refused,
        }
    }
}

/// Anti-entropy as the subject of an epidemic.
struct Stores;

impl Subject for Stores {
    type Node = AntiEntropy;
    fn publish(value: Payload) -> anti_entropy::Call {
        anti_entropy::Call::Put { key: Payload::from(&b"news"[..]), value }
    }
    fn read(_: &anti_entropy::Event) -> Heard {
        Heard::New // there is one key, and it is written once
    }
    fn sent(node: &AntiEntropy) -> Sent {
        let counters = node.counters();
        Sent {
            updates: counters.entries_sent,
            spared: 0,
            contacts: counters.contacts - counters.refused,
            refused: counters.refused,
        }
    }
}
