//! Proposes a protocol and its settings for a cluster, a network and a promise.
//!
//! Theory gives the settings of each candidate. Then each candidate is simulated with the real protocol, and its settings are raised if it falls short of the
//! promise. The advice lists the candidates that keep the promise first, the cheapest at the top.

use crate::epidemic::{Epidemic, Outcome, Removal, Strategy};
use crate::theory::{anti_entropy, epidemic as theory, rounds};
use rumormill_core::time::Duration;
use rumormill_protocols::spread::infect_and_die::InfectAndDie;
use rumormill_protocols::spread::push_then_pull::PushThenPull;
use rumormill_protocols::spread::tree::Tree;
use rumormill_sim::World;
use serde::Serialize;

/// The cluster, the network and the promise.
#[derive(Clone, Debug)]
pub struct Question {
    /// Number of nodes.
    pub nodes: u64,
    /// Share of datagrams that are lost.
    pub loss: f64,
    /// Upper bound on the mean share of nodes that an update misses.
    pub residue: f64,
    /// Upper bound on the time until the last node has the update; `None`: no bound.
    pub deadline: Option<Duration>,
    /// Size of an update in bytes.
    pub bytes: usize,
    /// Seed of the simulations.
    pub seed: u64,
}

impl Default for Question {
    /// A thousand nodes on a clean network, an update of 100 bytes that misses one in a million.
    fn default() -> Self {
        Question { nodes: 1_000, loss: 0.0, residue: 1e-6, deadline: None, bytes: 100, seed: 1 }
    }
}

/// The advice for a question.
#[derive(Clone, Debug, Serialize)]
pub struct Advice {
    /// The candidates, the best first.
    pub candidates: Vec<Candidate>,
    /// Number of nodes in the simulations: fewer than in the question if those would take too long.
    pub simulated_nodes: u64,
    /// Remarks for the reader.
    pub notes: Vec<String>,
}

/// A protocol with its settings, predicted and simulated.
#[derive(Clone, Debug, Serialize)]
pub struct Candidate {
    /// The strategy, by its name in `lab epidemic`.
    pub protocol: String,
    /// The rule by which a node loses interest, by its name in `lab epidemic`; `None` for a strategy that has no such rule.
    pub removal: Option<String>,
    /// Number of useless contacts that end the interest.
    pub k: Option<u32>,
    /// Number of nodes that a node contacts at once, or per period.
    pub fanout: Option<u32>,
    /// Seconds between two contacts of a node; `None` if each node passes an update on at once.
    pub period_s: Option<f64>,
    /// Figures by theory.
    pub predicted: Figures,
    /// Figures by simulation.
    pub simulated: Figures,
    /// Bytes that every node sends in a second even while there is no update: requests.
    pub idle_bytes_per_s: f64,
    /// Whether the simulation keeps the promise: the deadline, and the residue as far as this number of runs can tell.
    pub meets: bool,
    /// One sentence for or against this candidate.
    pub reason: String,
}

/// Figures of one candidate.
#[derive(Copy, Clone, Debug, Default, Serialize)]
pub struct Figures {
    /// Share of the nodes that an update misses; `None` if theory has no formula for it.
    pub residue: Option<f64>,
    /// Seconds until the last node has the update; in the simulation that of the slowest run.
    pub latency_s: f64,
    /// Times that the update is sent, per node.
    pub updates_per_node: f64,
    /// Bytes sent per node and update, headers included; by theory those of updates alone.
    pub bytes_per_node: f64,
}

/// Period of a node's contacts in a question without a deadline (memberlist's default on a LAN).
const PERIOD_DEFAULT: Duration = Duration::from_millis(200);
/// Lower bound on the period (our guess: a shorter one is no gossip any more).
const PERIOD_MIN_S: f64 = 0.005;
/// Upper bound on the period (our guess: a longer one delays updates and saves next to nothing).
const PERIOD_MAX_S: f64 = 5.0;
/// The rounds that theory predicts take this share of the deadline (our guess: runs differ by a fifth).
const DEADLINE_PART: f64 = 0.75;
/// Bytes around an update: seal, IP and UDP headers, its id and its counters.
const OVERHEAD_BYTES: f64 = 94.0 + 20.0;
/// Larger clusters are simulated with this number of nodes: their residue is the same, and their rounds follow from theory.
const SIMULATED_MAX: u64 = 20_000;
/// Number of inputs that the simulation of a candidate handles at most, about.
const EVENTS_MAX: u64 = 1_500_000;
/// Number of times that the settings of a candidate are raised.
const RAISES_MAX: u32 = 3;

impl Question {
    /// Refuses a question that is not sound.
    ///
    /// # Errors
    /// Names the flag, and a value that would do.
    pub fn check(&self) -> Result<(), String> {
        if self.nodes < 2 {
            return Err("advice for fewer than 2 nodes is soon given: give --nodes 2 or more".into());
        }
        if !(0.0..0.9).contains(&self.loss) {
            return Err(format!(
                "--loss {}: give a part of all from 0 to below 0.9; beyond it nothing helps",
                self.loss
            ));
        }
        if !(self.residue > 0.0 && self.residue < 1.0) {
            return Err(format!(
                "--residue {}: give a part of all nodes above 0 and below 1, such as 1e-6",
                self.residue
            ));
        }
        if self.deadline.is_some_and(|deadline| deadline < Duration::from_millis(1)) {
            return Err("--deadline: give at least 1ms; a message takes about as long".into());
        }
        if self.bytes > 60_000 {
            return Err(format!("--bytes {}: an update has 60,000 at most", self.bytes));
        }
        Ok(())
    }

    /// Answers the question. `progress` gets the name of the candidate that is being simulated.
    ///
    /// # Errors
    /// As [`Question::check`].
    pub fn answer(&self, progress: &mut dyn FnMut(&str)) -> Result<Advice, String> {
        self.check()?;
        let mut candidates: Vec<Candidate> = Vec::new();
        for plan in self.plans() {
            progress(plan.name);
            candidates.push(self.try_out(&plan));
        }
        candidates.sort_by(|a, b| {
            let cost = |c: &Candidate| c.simulated.bytes_per_node;
            b.meets.cmp(&a.meets).then(cost(a).total_cmp(&cost(b)))
        });
        Ok(Advice { candidates, simulated_nodes: self.simulated_nodes(), notes: self.notes() })
    }

    fn simulated_nodes(&self) -> u64 {
        self.nodes.min(SIMULATED_MAX)
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.bytes as f64 + 30.0 > 1_334.0 {
            notes.push(format!(
                "an update of {} bytes fits no datagram: it travels over streams, which neither lose nor are free to open",
                self.bytes
            ));
        }
        if self.nodes > SIMULATED_MAX {
            notes.push(format!(
                "simulated with {SIMULATED_MAX} nodes; simulated latencies are scaled to {} by theory",
                self.nodes
            ));
        }
        if self.residue * (self.nodes as f64) < 1.0 {
            notes.push(format!(
                "a residue of {:e} of {} nodes is less than one node: all are reached in all but one of {:.0} updates. What must never be missed \
                 needs anti-entropy behind it",
                self.residue,
                self.nodes,
                1.0 / (self.residue * self.nodes as f64)
            ));
        }
        notes
    }
}

/// A candidate before it is simulated.
struct Plan {
    name: &'static str,
    strategy: Strategy,
    removal: Option<Removal>,
    k: Option<u32>,
    fanout: Option<u32>,
    /// Figures by theory: residue, rounds or hops, updates per node.
    residue: Option<f64>,
    rounds: f64,
    updates: f64,
    why: &'static str,
}

impl Question {
    fn plans(&self) -> Vec<Plan> {
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
                why: "fewest messages that still reach everybody, but all must know that an update is on its way",
            },
        ]
    }

    /// Strategies without feedback.
    fn other_plans(&self) -> Vec<Plan> {
        let (n, kept) = (self.nodes as f64, 1.0 - self.loss);
        let fanout = theory::fanout_for_residue(self.residue, self.loss, 0.0).ceil().max(2.0);
        let deep = (n * 3.0 + 1.0).ln_to(4.0);
        vec![
            Plan {
                name: "infect-and-die",
                strategy: Strategy::of::<InfectAndDie>(),
                removal: None,
                k: None,
                fanout: Some(fanout as u32),
                residue: Some(libm::exp(-fanout * kept * (1.0 - self.residue))),
                rounds: n.ln_to(fanout * kept) + 2.0,
                updates: fanout,
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
                why: "never stops comparing, so nothing is missed whatever happens: what repairs behind all others",
            },
        ]
    }

    /// Simulates a plan, and raises its settings while it falls short of the residue.
    fn try_out(&self, plan: &Plan) -> Candidate {
        let period_s = (!plan.strategy.passes_on_at_once()).then(|| self.period_s(plan.rounds));
        let mut epidemic = self.epidemic(plan);
        let mut outcome = simulate(&epidemic);
        for _ in 0..RAISES_MAX {
            if self.reaches(&outcome) {
                break;
            }
            match (&mut epidemic.fanout, plan.k) {
                (Some(fanout), _) if plan.strategy == Strategy::of::<InfectAndDie>() => *fanout += 2,
                (_, Some(_)) => epidemic.k += 2,
                _ => break,
            }
            outcome = simulate(&epidemic);
        }
        // The additional rounds of a larger cluster than the simulated one.
        let more = match plan.strategy {
            _ if self.nodes == epidemic.nodes => 1.0,
            Strategy::Push => rounds::pittel(self.nodes as f64) / rounds::pittel(epidemic.nodes as f64),
            _ => libm::log(self.nodes as f64) / libm::log(epidemic.nodes as f64),
        };
        let seconds = |rounds: f64| period_s.map_or(rounds, |period| rounds * period);
        let hop_s = 0.001; // the slowest hop of the simulated site
        let latency_s = seconds(outcome.t_last_max * more);
        let in_time = self.deadline.is_none_or(|deadline| latency_s <= deadline.as_secs_f64());
        let meets = in_time && self.reaches(&outcome);
        let polls = [Strategy::PushPull, Strategy::of::<PushThenPull>(), Strategy::AntiEntropy]
            .contains(&plan.strategy);
        Candidate {
            protocol: plan.strategy.to_string(),
            removal: plan.removal.map(|removal| removal.to_string()),
            k: plan.k.map(|_| epidemic.k),
            fanout: epidemic.fanout,
            period_s,
            predicted: Figures {
                residue: plan.residue,
                latency_s: period_s.map_or(plan.rounds * hop_s, |period| plan.rounds * period),
                updates_per_node: plan.updates,
                bytes_per_node: plan.updates * (self.bytes as f64 + OVERHEAD_BYTES),
            },
            simulated: Figures {
                residue: Some(outcome.residue),
                latency_s,
                updates_per_node: outcome.traffic - outcome.spared,
                bytes_per_node: outcome.bytes,
            },
            idle_bytes_per_s: period_s
                .filter(|_| polls)
                .map_or(0.0, |period| (OVERHEAD_BYTES - 18.0) / period),
            meets,
            reason: self.reason(plan, &outcome, in_time),
        }
    }

    fn epidemic(&self, plan: &Plan) -> Epidemic {
        let nodes = self.simulated_nodes();
        let runs = (EVENTS_MAX / (nodes * 60)).clamp(3, 400) as usize;
        Epidemic {
            nodes,
            strategy: plan.strategy,
            removal: plan.removal.unwrap_or(Removal::FeedbackCounter),
            k: plan.k.unwrap_or(1),
            fanout: plan.fanout,
            loss: self.loss,
            bytes: self.bytes,
            runs,
            seed: self.seed,
            latency: plan.strategy.passes_on_at_once().then(|| World::default().latency),
            ..Epidemic::default()
        }
    }

    /// Whether the simulated misses are within chance of the residue in the question: at most three standard deviations above it.
    fn reaches(&self, outcome: &Outcome) -> bool {
        let nodes = outcome.nodes as f64 * outcome.runs as f64;
        let (missed, allowed) = (outcome.residue * nodes, self.residue * nodes);
        missed <= allowed + 3.0 * libm::sqrt(allowed)
    }

    fn period_s(&self, rounds: f64) -> f64 {
        match self.deadline {
            None => PERIOD_DEFAULT.as_secs_f64(),
            Some(deadline) => {
                (deadline.as_secs_f64() * DEADLINE_PART / rounds).clamp(PERIOD_MIN_S, PERIOD_MAX_S)
            }
        }
    }

    fn reason(&self, plan: &Plan, outcome: &Outcome, in_time: bool) -> String {
        let mut reason = plan.why.to_owned();
        if !self.reaches(outcome) {
            let missed = format!("; it misses {:.2e} of the nodes", outcome.residue);
            reason.push_str(&missed);
        }
        if !in_time {
            reason.push_str("; it is too slow for the deadline");
        }
        reason.push('.');
        reason
    }
}

fn simulate(epidemic: &Epidemic) -> Outcome {
    epidemic.run(&mut |_| {}).unwrap_or_else(|e| panic!("a candidate is a sound epidemic: {e}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(question: &Question) -> Advice {
        question.answer(&mut |_| {}).expect("a sound question")
    }

    fn find<'a>(advice: &'a Advice, protocol: &str) -> &'a Candidate {
        advice.candidates.iter().find(|c| c.protocol == protocol).expect("it is a candidate")
    }

    #[test]
    fn on_a_lossy_network_the_tree_falls_short_and_gossip_keeps_the_promise() {
        let question = Question { nodes: 500, loss: 0.05, residue: 1e-4, ..Question::default() };
        let advice = answer(&question);
        let tree = find(&advice, "tree");
        assert!(!tree.meets && tree.reason.contains("misses"), "{tree:?}");
        assert!((tree.simulated.residue.unwrap() - tree.predicted.residue.unwrap()).abs() < 0.08, "{tree:?}");
        for protocol in ["push", "infect-and-die", "push-then-pull"] {
            assert!(find(&advice, protocol).meets, "{:?}", find(&advice, protocol));
        }
        let meets: Vec<bool> = advice.candidates.iter().map(|c| c.meets).collect();
        assert!(meets.windows(2).all(|w| w[0] >= w[1]), "who keeps the promise comes first: {meets:?}");
        let cost: Vec<f64> =
            advice.candidates.iter().filter(|c| c.meets).map(|c| c.simulated.bytes_per_node).collect();
        assert!(cost.windows(2).all(|w| w[0] <= w[1]), "the cheapest first: {cost:?}");
    }

    #[test]
    fn the_deadline_chooses_the_period() {
        let deadline = Some(Duration::from_secs(2));
        let advice = answer(&Question { nodes: 1_000, residue: 1e-3, deadline, ..Question::default() });
        let push = find(&advice, "push");
        assert!(push.meets && push.simulated.latency_s <= 2.0, "{push:?}");
        assert!((0.04..0.2).contains(&push.period_s.unwrap()), "{push:?}");
        assert_eq!(find(&advice, "infect-and-die").period_s, None);
        let hopeless = Some(Duration::from_millis(20));
        let advice =
            answer(&Question { nodes: 1_000, residue: 1e-3, deadline: hopeless, ..Question::default() });
        assert!(!find(&advice, "push").meets && find(&advice, "push").reason.contains("deadline"));
        assert!(find(&advice, "infect-and-die").meets, "{:?}", find(&advice, "infect-and-die"));
    }

    #[test]
    fn what_is_predicted_is_about_what_is_simulated() {
        let advice = answer(&Question { nodes: 2_000, residue: 2e-3, ..Question::default() });
        for protocol in ["push", "infect-and-die"] {
            let candidate = find(&advice, protocol);
            let (said, seen) = (candidate.predicted, candidate.simulated);
            assert!(seen.residue.unwrap() <= 1.5 * said.residue.unwrap(), "{candidate:?}");
            assert!((0.5..2.0).contains(&(seen.updates_per_node / said.updates_per_node)), "{candidate:?}");
            assert!((0.5..2.0).contains(&(seen.latency_s / said.latency_s)), "{candidate:?}");
        }
    }

    #[test]
    fn a_question_that_makes_no_sense_is_refused_with_what_to_do() {
        let refused = |question: Question| question.answer(&mut |_| {}).expect_err("no sense in it");
        assert!(refused(Question { nodes: 1, ..Question::default() }).contains("--nodes"));
        assert!(refused(Question { loss: 0.95, ..Question::default() }).contains("--loss"));
        assert!(refused(Question { residue: 0.0, ..Question::default() }).contains("--residue"));
        assert!(refused(Question { bytes: 1 << 20, ..Question::default() }).contains("--bytes"));
        let deadline = Some(Duration::from_micros(1));
        assert!(refused(Question { deadline, ..Question::default() }).contains("--deadline"));
    }
}
