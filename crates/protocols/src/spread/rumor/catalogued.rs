//! Rumor mongering's entry in the catalog.

use super::{Config, Direction, Message, Removal, Rumor};
use crate::catalog::Catalogued;
use crate::spread::{Counters, Ends, KNOWN_HEAP_BYTES, Reach, Setup, Spreader, Trial, Update};
use alloc::sync::Arc;
use alloc::vec::Vec;
use rumormill_core::identity::{Life, NodeId};

impl Catalogued for Rumor {
    type Config = Config;
    const NAME: &'static str = "rumor";
    const ABOUT: &'static str =
        "rumor mongering: blind or feedback, coin or counter, push, pull or push-pull";
    const PAPER: &'static str = "Demers 1987, section 1.4";
    const COST: &'static str = "ln(1/s) updates per update for a residue s";

    fn start(config: &Arc<Config>, _: NodeId, life: Life) -> Rumor {
        Rumor::new(config.clone(), life)
    }

    fn in_effect(config: &Config) -> Config {
        let (usual, mut config) = (Config::default(), config.clone());
        if config.connection_limit.is_none() {
            config.hunt = usual.hunt;
        }
        if config.connection_limit.is_some() || !config.pushes() {
            config.on_arrival = usual.on_arrival;
        }
        if !config.pulls() {
            config.asks_max = usual.asks_max;
        }
        if !config.feedback {
            (config.credit, config.reset_on_useful) = (usual.credit, usual.reset_on_useful);
        }
        // The first useless contact ends the interest, however many follow; or none does.
        if matches!(config.removal, Removal::Never | Removal::Counter(0 | 1) | Removal::Coin(0 | 1)) {
            (config.tally, config.minimization) = (usual.tally, usual.minimization);
        }
        // There are no counters to compare; or, blind, each contact of the node's own ends its interest in the second period at the latest.
        let own = !config.feedback && config.connection_limit.is_none();
        let counters = matches!(config.removal, Removal::Counter(k) if k > 2 || !own);
        if !config.minimizes() || !counters {
            config.minimization = usual.minimization;
        }
        config
    }

    fn samples() -> Vec<(&'static str, Message)> {
        let (update, empty) = (Update::sample(), Update::smallest());
        let id = update.id;
        alloc::vec![
            ("update", Message::Update { update, hops: 3, misses: 2, contact: 70_000 }),
            ("update-empty", Message::Update { update: empty, hops: 0, misses: 0, contact: 0 }),
            ("feedback", Message::Feedback { id, useful: true, misses: u32::MAX, contact: 70_000 }),
            ("ask", Message::Ask),
            ("connect", Message::Connect),
            ("accept", Message::Accept),
            ("refuse", Message::Refuse),
        ]
    }
}

impl Spreader for Rumor {
    fn counters(&self) -> Counters {
        let rare = self.rare.as_ref().map(|rare| rare.counters).unwrap_or_default();
        Counters { updates_sent: self.updates_sent, useless: self.useless, ..rare }
    }
    fn known_len(&self) -> usize {
        self.intake.known_len()
    }
    fn hot_len(&self) -> usize {
        self.hot.len()
    }
    const REACH: Reach = Reach { whole: 0.99, lossy: 0.99 };
    fn bounded(known_max: usize, hot_max: usize) -> Config {
        Config { known_max, hot_max, ..Config::default() }
    }
    fn setup(trial: &Trial) -> Setup<Config> {
        let Trial { choice, period, jitter, fanout, .. } = trial.clone();
        let mut config =
            Config { direction: Direction::PushPull, choice, period, jitter, ..Config::default() };
        config.fanout = fanout.unwrap_or(config.fanout);
        let in_flight = 3 * config.fanout as usize; // an update and a request, and the answer
        Setup { config, ends: Ends::Rest, at_once: false, in_flight, heap_bytes: 160 + KNOWN_HEAP_BYTES }
    }
}
