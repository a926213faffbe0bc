//! The candidates, with the settings that theory gives.

use super::Question;
use crate::epidemic::{Removal, Strategy};
use crate::theory::{anti_entropy, epidemic as theory, rounds};
use rumormill_protocols::spread::infect_and_die::InfectAndDie;
use rumormill_protocols::spread::push_then_pull::PushThenPull;
use rumormill_protocols::spread::tree::Tree;

/// A candidate before it is simulated.
pub(super) struct Plan {
    pub name: &'static str,
    pub strategy: Strategy,
    pub removal: Option<Removal>,
    pub k: Option<u32>,
    pub fanout: Option<u32>,
    /// Figures by theory: residue, rounds or hops, updates per node.
    pub residue: Option<f64>,
    pub rounds: f64,
    pub updates: f64,
    /// Messages one after the other by which a node hears from another in a round: 1 where it is told, 2 where it asks.
    pub trips: f64,
    pub why: &'static str,
}

impl Question {
    /// The candidates, with the settings that theory gives.
    pub(super) fn plans(&self) -> Vec<Plan> {
        let mut plans = self.mongering_plans();
        plans.extend(self.other_plans());
        plans
    }

    /// Rumor mongering: nodes pass an update on until they learn that others know it.
    fn mongering_plans(&self) -> Vec<Plan> {
        let (n, kept) = (self.nodes as f64, 1.0 - self.loss);
        // A contact counts as useless only if both the update and the answer arrive, so loss makes k larger.
        let k = (f64::from(theory::k_for_residue(self.residue)) * kept).ceil().max(1.0);
        let push_rounds = theory::push_curve(n, 1.0, self.loss, 0.0, 10_000).len() as f64 + 2.0;
        let residue = theory::residue(k / kept);
        let pulls =
            anti_entropy::rounds_between(anti_entropy::Direction::Pull, n, 0.5, 0.5 / n) as f64 / kept;
        vec![
            Plan {
                name: "push",
                strategy: Strategy::Push,
                removal: Some(Removal::FeedbackCounter),
                k: Some(k as u32),
                fanout: None,
                residue: Some(residue),
                rounds: push_rounds,
                // s = e^-m holds for every push (Demers 1987), lost updates do not count.
                updates: -libm::log(residue) / kept,
                trips: 1.0,
                why: "silent when there is no news, and each node learns by itself when to stop",
            },
            Plan {
                name: "push-pull",
                strategy: Strategy::PushPull,
                removal: Some(Removal::FeedbackCounter),
                k: Some(((k / 2.0).ceil() as u32).max(1)),
                fanout: None,
                residue: None,
                rounds: rounds::push_pull(n) / kept + 1.0,
                updates: -libm::log(self.residue) / kept,
                trips: 2.0,
                why: "half the rounds of push, but every node asks once a period for ever",
            },
            Plan {
                name: "push-then-pull",
                strategy: Strategy::of::<PushThenPull>(),
                removal: None,
                k: None,
                fanout: None,
                residue: Some(0.0),
                rounds: libm::round(libm::log2(n)) + pulls + 1.0,
                updates: 1.3 / kept,
                trips: 2.0,
                why: "fewest messages that still reach everybody, but all must know that an update is on its way",
            },
        ]
    }

    /// The smallest fanout that leaves no more than the residue in the question.
    fn fanout(&self) -> u32 {
        let others = u32::try_from(self.nodes - 1).unwrap_or(u32::MAX);
        let reaches = |fanout: &u32| {
            theory::infect_and_die_residue(self.nodes as f64, f64::from(*fanout), self.loss) <= self.residue
        };
        (2..others).find(reaches).unwrap_or(others).max(1)
    }

    /// Strategies without feedback.
    fn other_plans(&self) -> Vec<Plan> {
        let (n, kept) = (self.nodes as f64, 1.0 - self.loss);
        let fanout = self.fanout();
        let deep = (n * 3.0 + 1.0).ln_to(4.0);
        vec![
            Plan {
                name: "infect-and-die",
                strategy: Strategy::of::<InfectAndDie>(),
                removal: None,
                k: None,
                fanout: Some(fanout),
                residue: Some(theory::infect_and_die_residue(n, f64::from(fanout), self.loss)),
                rounds: n.ln_to(f64::from(fanout) * kept) + 2.0,
                updates: f64::from(fanout),
                trips: 1.0,
                why: "no waiting and no state: the fastest that survives loss, paid with duplicates",
            },
            Plan {
                name: "tree",
                strategy: Strategy::of::<Tree>(),
                removal: None,
                k: None,
                fanout: Some(4),
                // A node at depth d is reached if d messages in a row arrive; most nodes are at the bottom.
                residue: Some(1.0 - libm::pow(kept, deep)),
                rounds: deep,
                updates: 1.0,
                trips: 1.0,
                why: "one message per node, but each that is lost cuts off all below it",
            },
            Plan {
                name: "anti-entropy",
                strategy: Strategy::AntiEntropy,
                removal: None,
                k: None,
                fanout: None,
                residue: Some(0.0),
                rounds: rounds::push_pull(n) / kept + 1.0,
                updates: rounds::push_pull(n) / 2.0,
                trips: 2.0,
                why: "never stops comparing, so nothing is missed whatever happens: what repairs behind all others",
            },
        ]
    }
}

/// Logarithms to a base.
trait Logarithm {
    /// The logarithm to this base, at least 1.
    fn ln_to(self, base: f64) -> f64;
}

impl Logarithm for f64 {
    fn ln_to(self, base: f64) -> f64 {
        (libm::log(self) / libm::log(base.max(1.5))).max(1.0)
    }
}
