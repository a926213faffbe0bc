//! The protocol by which the update spreads, and its settings.

use super::Epidemic;
use super::run::{Heard, RunResult, Sent, Subject, Until, run as run_subject};
use rumormill_core::identity::Life;
use rumormill_core::payload::Payload;
use rumormill_core::time::Duration;
use rumormill_protocols::agree::anti_entropy::{self, AntiEntropy};
use rumormill_protocols::catalog::Catalogued;
use rumormill_protocols::kit::peers::Peers;
use rumormill_protocols::spread::direct_mail::DirectMail;
use rumormill_protocols::spread::push_then_pull::PushThenPull;
use rumormill_protocols::spread::rumor::{self, Rumor};
use rumormill_protocols::spread::{self, Call, Ends, Event, Spreader, Trial};
use rumormill_sim::Sim;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

/// A way for the update to spread.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Rumor mongering: nodes that know tell.
    Push,
    /// Rumor mongering: nodes ask.
    Pull,
    /// Rumor mongering: nodes tell and ask.
    PushPull,
    /// Anti-entropy: pairs of stores are compared, and both take the newer updates of the other.
    AntiEntropy,
    /// Anti-entropy: pairs of stores are compared, and the one that is called takes newer updates.
    AntiEntropyPush,
    /// Anti-entropy: pairs of stores are compared, and the caller takes newer updates.
    AntiEntropyPull,
    /// Any other spreader, by its name in the catalog.
    Spreader(&'static str),
}

/// The rule by which a node loses interest in a rumor (Demers 1987, section 1.4).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Never: the simple epidemic.
    None,
    /// After k useless contacts.
    FeedbackCounter,
    /// At each useless contact with probability 1/k.
    FeedbackCoin,
    /// After k contacts of any kind.
    BlindCounter,
    /// At each contact of any kind with probability 1/k.
    BlindCoin,
}

/// The rule by which contacts count as useful.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Counting {
    /// As the paper's tables need it: a contact is useful if its receiver did not know when the round began, and resets the counter; in a pull one useful
    /// request in a round outweighs all useless ones.
    Tables,
    /// As the paper's text and equations have it: only the first contact that tells is useful, and nothing resets a counter.
    Plain,
}

/// Rumor mongering by the direction of its contacts.
const RUMORS: [(&str, Strategy); 3] =
    [("push", Strategy::Push), ("pull", Strategy::Pull), ("push-pull", Strategy::PushPull)];
/// Anti-entropy likewise.
const COMPARISONS: [(&str, Strategy); 3] = [
    ("anti-entropy", Strategy::AntiEntropy),
    ("anti-entropy-push", Strategy::AntiEntropyPush),
    ("anti-entropy-pull", Strategy::AntiEntropyPull),
];
/// A spreader that has a shorter name here than in the catalog.
const SHORT: (&str, &str) = (DirectMail::NAME, "mail");

struct Name;

impl spread::Visit for Name {
    type Out = &'static str;
    fn visit<P: Spreader>(self) -> &'static str {
        P::NAME
    }
}

/// All strategies by name: the spreaders of the catalog, and those that differ by the direction of their contacts.
fn strategies() -> Vec<(&'static str, Strategy)> {
    let spreaders = spread::each(|| Name).into_iter().filter(|name| *name != Rumor::NAME);
    let named = |name| (if name == SHORT.0 { SHORT.1 } else { name }, Strategy::Spreader(name));
    RUMORS.into_iter().chain(spreaders.map(named)).chain(COMPARISONS).collect()
}

const REMOVALS: [(&str, Removal); 5] = [
    ("none", Removal::None),
    ("feedback-counter", Removal::FeedbackCounter),
    ("feedback-coin", Removal::FeedbackCoin),
    ("blind-counter", Removal::BlindCounter),
    ("blind-coin", Removal::BlindCoin),
];

fn named<T: Copy>(all: &[(&'static str, T)], text: &str, what: &str) -> Result<T, String> {
    let known = all.iter().find(|(name, _)| *name == text);
    known.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        format!("there is no {what} {text:?}: it is one of {}", names.join(", "))
    })
}

fn name_of<T: PartialEq>(all: &[(&'static str, T)], value: &T) -> &'static str {
    all.iter().find(|(_, other)| other == value).map_or("", |(name, _)| name)
}

impl FromStr for Strategy {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        named(&strategies(), text, "strategy")
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(name_of(&strategies(), self))
    }
}

impl FromStr for Removal {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        named(&REMOVALS, text, "removal")
    }
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(name_of(&REMOVALS, self))
    }
}

impl Removal {
    /// Whether the receiver reports if it knew the update.
    pub fn has_feedback(self) -> bool {
        matches!(self, Removal::FeedbackCounter | Removal::FeedbackCoin)
    }
}

impl Strategy {
    /// All rules, by name.
    pub fn names() -> Vec<&'static str> {
        strategies().into_iter().map(|(name, _)| name).collect()
    }

    /// The strategy of a spreader.
    pub const fn of<P: Spreader>() -> Strategy {
        Strategy::Spreader(P::NAME)
    }

    fn is_anti_entropy(self) -> bool {
        matches!(self, Strategy::AntiEntropy | Strategy::AntiEntropyPush | Strategy::AntiEntropyPull)
    }

    fn is_rumor(self) -> bool {
        matches!(self, Strategy::Push | Strategy::Pull | Strategy::PushPull)
    }

    /// Whether a node passes an update on at once, without waiting for its next round.
    pub(crate) fn passes_on_at_once(self) -> bool {
        let Strategy::Spreader(name) = self else { return false };
        spread::named(name, AtOnce).unwrap_or(false)
    }

    /// Whether the protocol goes on for ever, so that a run ends when all know.
    pub(super) fn never_ends(self, epidemic: &Epidemic) -> bool {
        self.is_anti_entropy() || self.is_rumor() && epidemic.removal == Removal::None
    }

    /// Refuses flags that this strategy does not use: their author expects an effect.
    pub(super) fn check(self, epidemic: &Epidemic) -> Result<(), String> {
        if epidemic.minimization && self != Strategy::PushPull {
            return Err(format!(
                "--minimization compares two counters, and {self} has one at most: give --strategy push-pull"
            ));
        }
        let limited = epidemic.connection_limit.is_some();
        if limited && !self.is_rumor() && !self.is_anti_entropy() {
            return Err(format!(
                "--connection-limit is for push, pull, push-pull and anti-entropy: {self} makes no connections that could be refused"
            ));
        }
        let has_fanout = self.is_rumor() || self.passes_on_at_once();
        if epidemic.fanout.is_some() && !has_fanout {
            return Err(format!("--fanout: {self} has none to choose; leave it out"));
        }
        if self.is_anti_entropy() && epidemic.bytes > anti_entropy::VALUE_BYTES_MAX {
            return Err(format!(
                "--bytes {}: a value has {} at most",
                epidemic.bytes,
                anti_entropy::VALUE_BYTES_MAX
            ));
        }
        if epidemic.switch.is_some() && self != Strategy::of::<PushThenPull>() {
            return Err(format!(
                "--switch ends the pushing of push-then-pull, and {self} has no such round: leave it out"
            ));
        }
        Ok(())
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
            let config = Arc::new(rumor_config(epidemic));
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
            let direction = match epidemic.strategy {
                Strategy::AntiEntropyPush => anti_entropy::Direction::Push,
                Strategy::AntiEntropyPull => anti_entropy::Direction::Pull,
                _ => anti_entropy::Direction::PushPull,
            };
            let config = anti_entropy::Config {
                choice: epidemic.choice.clone(),
                connection_limit: epidemic.connection_limit,
                hunt: epidemic.hunt,
                period: Epidemic::PERIOD,
                ..anti_entropy::Config::demers(direction)
            };
            let config = Arc::new(config);
            run_subject::<Stores>(epidemic, seed, Until::All, &|_| AntiEntropy::new(config.clone()), progress)
        }
        Strategy::Spreader(name) => {
            let run = RunOne { epidemic, seed, progress };
            spread::named(name, run).unwrap_or_else(|_| unreachable!("{name} is in the catalog"))
        }
    }
}

struct AtOnce;

impl spread::Visit for AtOnce {
    type Out = bool;
    fn visit<P: Spreader>(self) -> bool {
        P::setup(&trial(&Epidemic::default(), 0)).at_once
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
        let config = Arc::new(setup.config);
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
    fn meet(peers: Peers) -> Call {
        Call::Peers(peers)
    }
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
    fn meet(peers: Peers) -> anti_entropy::Call {
        anti_entropy::Call::Peers(peers)
    }
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
