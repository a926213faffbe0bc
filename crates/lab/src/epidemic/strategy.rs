//! Which protocol spreads the update, and with which settings.

use super::Epidemic;
use super::run::{Heard, Sent, Subject, Told, Until, run as run_subject};
use rumormill_core::identity::Life;
use rumormill_core::payload::Payload;
use rumormill_core::time::Duration;
use rumormill_protocols::agree::anti_entropy::{self, AntiEntropy};
use rumormill_protocols::kit::peers::Peers;
use rumormill_protocols::spread::{
    Call, Event, Spreader, direct_mail, flood, infect_and_die, median_counter, push_then_pull, rumor, tree,
};
use rumormill_sim::Sim;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// How an update spreads.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Rumor mongering: who knows tells.
    Push,
    /// Rumor mongering: who wants to know asks.
    Pull,
    /// Rumor mongering: both.
    PushPull,
    /// Push for log2 n rounds; then who does not know asks.
    PushThenPull,
    /// Everybody calls somebody; a counter that follows the median says when to stop.
    MedianCounter,
    /// Stores are compared in pairs, and both take what is newer in the other.
    AntiEntropy,
    /// Stores are compared in pairs, and the one who is called takes what is newer.
    AntiEntropyPush,
    /// Stores are compared in pairs, and the one who calls takes what is newer.
    AntiEntropyPull,
    /// Who hears it tells so many others at once, and never again.
    InfectAndDie,
    /// Who hears it tells all its neighbours, in a random regular graph.
    Flood,
    /// Who hears it tells its children.
    Tree,
    /// Who publishes it tells everybody, one after the other.
    Mail,
}

/// When a node loses interest in a rumor (Demers 1987, section 1.4).
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

/// Which contacts count as useful.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Counting {
    /// As the paper's tables need it: useful is a contact whose receiver did not know at the beginning of the round, and it resets the counter; in a pull
    /// one useful request in a round makes up for all useless ones.
    Tables,
    /// As its text and its equations have it: only the first to tell was useful, and nothing resets a counter.
    Plain,
}

const STRATEGIES: [(&str, Strategy); 12] = [
    ("push", Strategy::Push),
    ("pull", Strategy::Pull),
    ("push-pull", Strategy::PushPull),
    ("push-then-pull", Strategy::PushThenPull),
    ("median-counter", Strategy::MedianCounter),
    ("anti-entropy", Strategy::AntiEntropy),
    ("anti-entropy-push", Strategy::AntiEntropyPush),
    ("anti-entropy-pull", Strategy::AntiEntropyPull),
    ("infect-and-die", Strategy::InfectAndDie),
    ("flood", Strategy::Flood),
    ("tree", Strategy::Tree),
    ("mail", Strategy::Mail),
];

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
        named(&STRATEGIES, text, "strategy")
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(name_of(&STRATEGIES, self))
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
    /// Whether the receiver says if it knew.
    pub fn has_feedback(self) -> bool {
        matches!(self, Removal::FeedbackCounter | Removal::FeedbackCoin)
    }
}

impl Strategy {
    /// All of them, by name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        STRATEGIES.iter().map(|(name, _)| *name)
    }

    fn is_anti_entropy(self) -> bool {
        matches!(self, Strategy::AntiEntropy | Strategy::AntiEntropyPush | Strategy::AntiEntropyPull)
    }

    fn is_rumor(self) -> bool {
        matches!(self, Strategy::Push | Strategy::Pull | Strategy::PushPull)
    }

    /// Whether a node passes on what it hears at once, without waiting for a round of its own.
    pub(crate) fn passes_on_at_once(self) -> bool {
        matches!(self, Strategy::InfectAndDie | Strategy::Flood | Strategy::Tree)
    }

    /// Whether it would go on for ever, so that a run is over when all know.
    pub(super) fn never_ends(self, epidemic: &Epidemic) -> bool {
        self.is_anti_entropy() || self.is_rumor() && epidemic.removal == Removal::None
    }

    /// Flags that this strategy has no use for are refused: who gives one expects something of it.
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
        if epidemic.switch.is_some() && self != Strategy::PushThenPull {
            return Err(format!(
                "--switch ends the pushing of push-then-pull, and {self} has no such round: leave it out"
            ));
        }
        Ok(())
    }
}

/// Bytes of a node in the simulator with what it has allocated while one update is hot, and what is on its way when most is.
pub(super) fn node_bytes(epidemic: &Epidemic) -> usize {
    const KNOWN: usize = 32;
    let fanout = |default: u32| epidemic.fanout.unwrap_or(default) as usize;
    match epidemic.strategy {
        Strategy::Push => Sim::<rumor::Rumor>::node_bytes(fanout(1)),
        // Who pulls counts requests and answers, which is kept aside.
        Strategy::Pull => Sim::<rumor::Rumor>::node_bytes(2 * fanout(1)) + 160,
        // An update and a request, and the answer.
        Strategy::PushPull => Sim::<rumor::Rumor>::node_bytes(3 * fanout(1)) + 160,
        Strategy::PushThenPull => Sim::<push_then_pull::PushThenPull>::node_bytes(1) + 64 + KNOWN,
        Strategy::MedianCounter => Sim::<median_counter::MedianCounter>::node_bytes(2) + 96 + KNOWN,
        Strategy::AntiEntropy | Strategy::AntiEntropyPush | Strategy::AntiEntropyPull => {
            Sim::<AntiEntropy>::node_bytes(1) + 64 + KNOWN
        }
        Strategy::InfectAndDie => {
            Sim::<infect_and_die::InfectAndDie>::node_bytes(fanout(infect_and_die::Config::default().fanout))
        }
        Strategy::Flood => Sim::<flood::Flood>::node_bytes(fanout(flood::Config::default().degree)),
        Strategy::Tree => Sim::<tree::Tree>::node_bytes(1),
        Strategy::Mail => Sim::<direct_mail::DirectMail>::node_bytes(1),
    }
}

/// One run. `progress` is told the round and how many know.
pub(super) fn run(epidemic: &Epidemic, seed: u64, progress: &mut dyn FnMut(u32, u64)) -> Told {
    let life = Life::default();
    match epidemic.strategy {
        Strategy::Push | Strategy::Pull | Strategy::PushPull => {
            let config = Arc::new(rumor_config(epidemic));
            let until = match epidemic.strategy {
                _ if epidemic.removal == Removal::None => Until::All,
                Strategy::Push => Until::Silence,
                _ => Until::Rest,
            };
            run_subject(epidemic, seed, until, &|| rumor::Rumor::new(config.clone(), life), progress)
        }
        Strategy::PushThenPull => {
            let config = push_then_pull::Config {
                push_rounds: epidemic.switch,
                hold_rounds: u32::MAX,
                choice: epidemic.choice.clone(),
                period: Epidemic::PERIOD,
                jitter: jitter(epidemic),
                ..Default::default()
            };
            let config = Arc::new(config);
            let make = || push_then_pull::PushThenPull::new(config.clone(), life);
            run_subject(epidemic, seed, Until::All, &make, progress)
        }
        Strategy::MedianCounter => {
            let config = median_counter::Config {
                choice: epidemic.choice.clone(),
                period: Epidemic::PERIOD,
                jitter: jitter(epidemic),
                ..Default::default()
            };
            let config = Arc::new(config);
            let make = || median_counter::MedianCounter::new(config.clone(), life);
            run_subject(epidemic, seed, Until::Rest, &make, progress)
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
            run_subject(epidemic, seed, Until::All, &|| AntiEntropy::new(config.clone()), progress)
        }
        Strategy::InfectAndDie => {
            let mut config = infect_and_die::Config { choice: epidemic.choice.clone(), ..Default::default() };
            config.fanout = epidemic.fanout.unwrap_or(config.fanout);
            let config = Arc::new(config);
            let make = || infect_and_die::InfectAndDie::new(config.clone(), life);
            run_subject(epidemic, seed, Until::Silence, &make, progress)
        }
        Strategy::Flood => {
            let mut config = flood::Config { graph_seed: seed, ..Default::default() };
            config.degree = epidemic.fanout.unwrap_or(config.degree);
            let config = Arc::new(config);
            run_subject(epidemic, seed, Until::Silence, &|| flood::Flood::new(config.clone(), life), progress)
        }
        Strategy::Tree => {
            let mut config = tree::Config::default();
            config.arity = epidemic.fanout.unwrap_or(config.arity);
            let config = Arc::new(config);
            run_subject(epidemic, seed, Until::Silence, &|| tree::Tree::new(config.clone(), life), progress)
        }
        Strategy::Mail => {
            let config = Arc::new(direct_mail::Config { period: Epidemic::PERIOD, ..Default::default() });
            let make = || direct_mail::DirectMail::new(config.clone(), life);
            run_subject(epidemic, seed, Until::Silence, &make, progress)
        }
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

macro_rules! spreads {
    ($($protocol:ty),*) => {
        $(impl Subject for $protocol {
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
            fn sent(&self) -> Sent {
                let counters = self.counters();
                Sent {
                    updates: counters.updates_sent,
                    spared: counters.updates_spared,
                    // Who asks does so once in each contact; who only pushes has one update to push.
                    contacts: if counters.asks_sent > 0 { counters.asks_sent } else { counters.updates_sent },
                    refused: counters.refused,
                }
            }
        })*
    };
}

spreads!(
    rumor::Rumor,
    push_then_pull::PushThenPull,
    median_counter::MedianCounter,
    infect_and_die::InfectAndDie,
    flood::Flood,
    tree::Tree,
    direct_mail::DirectMail
);

impl Subject for AntiEntropy {
    fn meet(peers: Peers) -> anti_entropy::Call {
        anti_entropy::Call::Peers(peers)
    }
    fn publish(value: Payload) -> anti_entropy::Call {
        anti_entropy::Call::Put { key: Payload::from(&b"news"[..]), value }
    }
    fn read(_: &anti_entropy::Event) -> Heard {
        Heard::New // there is one key, and it is written once
    }
    fn sent(&self) -> Sent {
        let counters = self.counters();
        Sent {
            updates: counters.entries_sent,
            spared: 0,
            contacts: counters.contacts - counters.refused,
            refused: counters.refused,
        }
    }
}
