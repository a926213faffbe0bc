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
    /// Its formulas, for this k or this fanout where it has one.
    pub theory: fn(&Question, u32) -> Theory,
    /// Messages one after the other by which a node hears from another in a round: 1 where it is told, 2 where it asks.
    pub trips: f64,
    pub why: &'static str,
}

/// Figures by theory.
pub(super) struct Theory {
    /// Share of the nodes that an update misses; `None`: there is no formula.
    pub residue: Option<f64>,
    /// Rounds or hops until the last node has it.
    pub rounds: f64,
    /// Times that it is sent, per node; `None`: there is no formula.
    pub updates: Option<f64>,
}

impl Question {
    /// The candidates, with the settings that theory gives.
    pub(super) fn plans(&self) -> Vec<Plan> {
        let mut plans = self.mongering_plans();
        plans.extend(self.other_plans());
        plans
    }

    fn kept(&self) -> f64 {
        1.0 - self.loss
    }

    /// Rumor mongering: nodes pass an update on until they learn that others know it.
    fn mongering_plans(&self) -> Vec<Plan> {
        // A contact counts as useless only if both the update and the answer arrive, so loss makes k larger.
        let k = (f64::from(theory::k_for_residue(self.residue)) * self.kept()).ceil().max(1.0);
        vec![
            Plan {
                name: "push",
                strategy: Strategy::Push,
                removal: Some(Removal::FeedbackCounter),
                k: Some(k as u32),
                fanout: None,
                theory: push,
                trips: 1.0,
                why: "silent when there is no news, and each node learns by itself when to stop",
            },
            Plan {
                name: "push-pull",
                strategy: Strategy::PushPull,
                removal: Some(Removal::FeedbackCounter),
                k: Some(((k / 2.0).ceil() as u32).max(1)),
                fanout: None,
                theory: push_pull,
                trips: 2.0,
                why: "half the rounds of push, but every node asks once a period for ever",
            },
            Plan {
                name: "push-then-pull",
                strategy: Strategy::of::<PushThenPull>(),
                removal: None,
                k: None,
                fanout: None,
                theory: push_then_pull,
                trips: 2.0,
                why: "fewest messages that still reach everybody, but all must know that an update is on its way",
            },
        ]
    }

    /// The smallest fanout that leaves no more than the residue in the question.
    pub(super) fn fanout(&self) -> u32 {
        let others = u32::try_from(self.nodes - 1).unwrap_or(u32::MAX);
        let reaches = |fanout: &u32| {
            theory::infect_and_die_residue(self.nodes as f64, f64::from(*fanout), self.loss) <= self.residue
        };
        (2..others).find(reaches).unwrap_or(others).max(1)
    }

    /// Strategies without feedback.
    fn other_plans(&self) -> Vec<Plan> {
        vec![
            Plan {
                name: "infect-and-die",
                strategy: Strategy::of::<InfectAndDie>(),
                removal: None,
                k: None,
                fanout: Some(self.fanout()),
                theory: infect_and_die,
                trips: 1.0,
                why: "no waiting and no state: the fastest that survives loss, paid with duplicates",
            },
            Plan {
                name: "tree",
                strategy: Strategy::of::<Tree>(),
                removal: None,
                k: None,
                fanout: Some(4),
                theory: tree,
                trips: 1.0,
                why: "one message per node, but each that is lost cuts off all below it",
            },
            Plan {
                name: "anti-entropy",
                strategy: Strategy::AntiEntropy,
                removal: None,
                k: None,
                fanout: None,
                theory: compare,
                trips: 2.0,
                why: "never stops comparing, so nothing is missed whatever happens: what repairs behind all others",
            },
        ]
    }
}

fn push(question: &Question, k: u32) -> Theory {
    let residue = theory::residue(f64::from(k) / question.kept());
    let curve = theory::push_curve(question.nodes as f64, 1.0, question.loss, 0.0, 10_000);
    // s = e^-m holds for every push (Demers 1987), lost updates do not count.
    let updates = Some(-libm::log(residue) / question.kept());
    Theory { residue: Some(residue), rounds: curve.len() as f64 + 2.0, updates }
}

fn push_pull(question: &Question, _: u32) -> Theory {
    let rounds = rounds::push_pull(question.nodes as f64) / question.kept() + 1.0;
    Theory { residue: None, rounds, updates: None }
}

fn push_then_pull(question: &Question, _: u32) -> Theory {
    let (n, kept) = (question.nodes as f64, question.kept());
    let pulls = anti_entropy::rounds_between(anti_entropy::Direction::Pull, n, 0.5, 0.5 / n) as f64 / kept;
    let rounds = libm::round(libm::log2(n)) + pulls + 1.0;
    Theory { residue: Some(0.0), rounds, updates: Some(1.3 / kept) }
}

fn infect_and_die(question: &Question, fanout: u32) -> Theory {
    let (n, fanout) = (question.nodes as f64, f64::from(fanout));
    let residue = Some(theory::infect_and_die_residue(n, fanout, question.loss));
    Theory { residue, rounds: n.ln_to(fanout * question.kept()) + 2.0, updates: Some(fanout) }
}

fn tree(question: &Question, fanout: u32) -> Theory {
    let fanout = f64::from(fanout);
    let deep = (question.nodes as f64 * (fanout - 1.0) + 1.0).ln_to(fanout);
    // A node at depth d is reached if d messages in a row arrive; most nodes are at the bottom.
    Theory { residue: Some(1.0 - libm::pow(question.kept(), deep)), rounds: deep, updates: Some(1.0) }
}

fn compare(question: &Question, _: u32) -> Theory {
    let rounds = rounds::push_pull(question.nodes as f64);
    Theory { residue: Some(0.0), rounds: rounds / question.kept() + 1.0, updates: Some(rounds / 2.0) }
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
