//! A candidate in simulated runs: its settings are changed while it falls short of the promise.

use super::plans::{Plan, Theory};
use super::{Candidate, Figures, Predicted, Question};
use crate::epidemic::{Epidemic, Outcome, Removal, Strategy};
use crate::stats::figure;
use crate::theory::rounds;
use rumormill_core::time::Duration;
use rumormill_protocols::spread::infect_and_die::InfectAndDie;
use rumormill_protocols::spread::push_then_pull::PushThenPull;
use rumormill_sim::Latency;

/// Period of a node's contacts in a question without a deadline (memberlist's default on a LAN).
pub(super) const PERIOD_DEFAULT: Duration = Duration::from_millis(200);
/// Lower bound on the period (our guess: a shorter one is no gossip any more).
const PERIOD_MIN_S: f64 = 0.005;
/// Upper bound on the period (our guess: a longer one delays updates and saves next to nothing).
const PERIOD_MAX_S: f64 = 5.0;
/// The time that theory predicts takes this share of the deadline (our guess: runs differ by a fifth).
const DEADLINE_PART: f64 = 0.75;
/// Bytes around an update: seal, IP and UDP headers, its id and its counters.
pub(super) const OVERHEAD_BYTES: f64 = 94.0 + 20.0;
/// Larger clusters are simulated with this number of nodes: their residue is the same, and their rounds follow from theory.
pub(super) const SIMULATED_MAX: u64 = 20_000;
/// Number of inputs that the simulation of a candidate handles at most, about.
const EVENTS_MAX: u64 = 1_500_000;
/// Number of times that the settings of a candidate are changed.
const CHANGES_MAX: u32 = 5;

/// Settings of a candidate.
#[derive(Copy, Clone)]
struct Settings {
    strategy: Strategy,
    removal: Option<Removal>,
    k: Option<u32>,
    fanout: Option<u32>,
    /// Seconds between two contacts of a node; `None` where nodes pass an update on at once.
    period_s: Option<f64>,
}

impl Settings {
    /// The formulas of the plan with these settings.
    fn theory(&self, plan: &Plan, question: &Question) -> Theory {
        (plan.theory)(question, self.k.or(self.fanout).unwrap_or_default())
    }
}

/// What runs with some settings showed.
struct Shown {
    outcome: Outcome,
    /// Seconds until the last node had the update, in the slowest run.
    latency_s: f64,
}

impl Question {
    /// The number of nodes in the simulations.
    pub(super) fn simulated_nodes(&self) -> u64 {
        self.nodes.min(SIMULATED_MAX)
    }

    /// The number of runs of each simulation.
    pub(super) fn runs_of_each(&self) -> usize {
        self.runs.unwrap_or((EVENTS_MAX / (self.simulated_nodes() * 60)).clamp(3, 400) as usize)
    }

    /// The shortest period in seconds. A rumor weighs the answers to its last 32 contacts: with a shorter period more would be on their way.
    fn period_min_s(&self) -> f64 {
        PERIOD_MIN_S.max(self.latency.1.as_secs_f64() * 2.0 / 32.0)
    }

    /// The mean time of a message, in seconds.
    fn message_s(&self) -> f64 {
        (self.latency.0 + self.latency.1).as_secs_f64() / 2.0
    }

    /// Simulates a plan, and changes its settings while it falls short of the promise.
    pub(super) fn try_out(&self, plan: &Plan) -> Candidate {
        let Plan { strategy, removal, k, fanout, .. } = *plan;
        let mut settings = Settings { strategy, removal, k, fanout, period_s: None };
        if !strategy.passes_on_at_once() {
            settings.period_s = Some(self.period_s(plan, settings.theory(plan, self).rounds));
        }
        let mut shown = self.simulate(settings);
        for _ in 0..CHANGES_MAX {
            let Some(changed) = self.change(plan, settings, &shown) else { break };
            settings = changed;
            shown = self.simulate(settings);
        }
        self.candidate(plan, settings, &shown)
    }

    /// Other settings, nearer to the promise; `None` if it is kept, or there are none.
    fn change(&self, plan: &Plan, now: Settings, shown: &Shown) -> Option<Settings> {
        let others = u32::try_from(self.nodes - 1).unwrap_or(u32::MAX);
        let is_late = !self.is_in_time(shown);
        match now {
            _ if self.reaches(&shown.outcome) && !is_late => None,
            Settings { fanout: Some(fanout), .. } if now.strategy == Strategy::of::<InfectAndDie>() => {
                (fanout < others).then(|| Settings { fanout: Some(others.min(fanout + 2)), ..now })
            }
            Settings { k: Some(k), .. } if !self.reaches(&shown.outcome) => {
                Some(Settings { k: Some(k + 2), ..now })
            }
            Settings { period_s: Some(period), .. } if is_late => {
                let rounds = now.theory(plan, self).rounds;
                let shorter = self.shorter(rounds * plan.trips, period, shown.latency_s)?;
                Some(Settings { period_s: Some(shorter), ..now })
            }
            _ => None,
        }
    }

    /// A period with which the slowest run would be in time, after so many messages one after the other; `None` if it could not be much shorter.
    fn shorter(&self, messages: f64, period: f64, latency_s: f64) -> Option<f64> {
        let deadline = self.deadline?.as_secs_f64();
        let on_the_way = (messages * self.message_s()).min(0.9 * latency_s);
        let part = (DEADLINE_PART * deadline - on_the_way) / (latency_s - on_the_way);
        let shorter = (period * part).max(self.period_min_s());
        (shorter < 0.98 * period).then_some(shorter)
    }

    fn simulate(&self, settings: Settings) -> Shown {
        let epidemic = self.epidemic(settings, self.runs_of_each(), self.seed);
        let outcome =
            epidemic.run(&mut |_| {}).unwrap_or_else(|e| panic!("a candidate is a sound epidemic: {e}"));
        // The additional rounds of a larger cluster than the simulated one.
        let (all, few) = (self.nodes as f64, epidemic.nodes as f64);
        let more = match settings.strategy {
            _ if self.nodes == epidemic.nodes => 1.0,
            Strategy::Push => rounds::pittel(all) / rounds::pittel(few),
            _ => libm::log(all) / libm::log(few),
        };
        let latency_s = outcome.t_last_max * more * settings.period_s.unwrap_or(1.0);
        Shown { outcome, latency_s }
    }

    /// The simulation. Its rounds are a second long, so latencies are stretched as the period is.
    fn epidemic(&self, settings: Settings, runs: usize, seed: u64) -> Epidemic {
        let period_s = settings.period_s.unwrap_or(1.0);
        let stretched = |latency: Duration| Duration::from_secs_f64(latency.as_secs_f64() / period_s);
        Epidemic {
            nodes: self.simulated_nodes(),
            strategy: settings.strategy,
            removal: settings.removal.unwrap_or(Removal::FeedbackCounter),
            k: settings.k.unwrap_or(1),
            fanout: settings.fanout,
            loss: self.loss,
            bytes: self.bytes,
            runs,
            seed,
            latency: Some(Latency::Uniform(stretched(self.latency.0), stretched(self.latency.1))),
            ..Epidemic::default()
        }
    }

    /// The epidemic that simulates a candidate again; its rounds are periods of the candidate, or seconds if it has none.
    ///
    /// # Errors
    /// If the candidate is none of an advice.
    pub fn again(&self, candidate: &Candidate, runs: usize, seed: u64) -> Result<Epidemic, String> {
        let settings = Settings {
            strategy: candidate.protocol.parse()?,
            removal: candidate.removal.as_deref().map(str::parse).transpose()?,
            k: candidate.k,
            fanout: candidate.fanout,
            period_s: candidate.period_s,
        };
        Ok(self.epidemic(settings, runs, seed))
    }

    fn candidate(&self, plan: &Plan, settings: Settings, shown: &Shown) -> Candidate {
        let Shown { outcome, latency_s } = shown;
        let in_time = self.is_in_time(shown);
        let polls = [Strategy::PushPull, Strategy::of::<PushThenPull>(), Strategy::AntiEntropy];
        let polls = polls.contains(&plan.strategy);
        Candidate {
            protocol: plan.strategy.to_string(),
            removal: settings.removal.map(|removal| removal.to_string()),
            k: settings.k,
            fanout: settings.fanout,
            period_s: settings.period_s,
            predicted: self.predicted(plan, settings),
            simulated: Figures {
                residue: outcome.residue,
                latency_s: *latency_s,
                updates_per_node: outcome.traffic - outcome.spared,
                bytes_per_node: outcome.bytes,
            },
            runs: outcome.runs,
            missed: outcome.per_run.iter().map(|run| outcome.nodes - run.reached).sum(),
            deliveries: (outcome.nodes - 1) * outcome.runs as u64,
            idle_bytes_per_s: settings
                .period_s
                .filter(|_| polls)
                .map_or(0.0, |period| (OVERHEAD_BYTES - 18.0) / period),
            meets: in_time && self.reaches(outcome),
            reason: self.reason(plan, outcome, in_time),
        }
    }

    /// The figures of the formulas with these settings, if they are about such runs: they count rounds in which each contact is over before the next begins.
    fn predicted(&self, plan: &Plan, settings: Settings) -> Predicted {
        let contact_s = plan.trips * self.latency.1.as_secs_f64();
        if let Some(period) = settings.period_s.filter(|period| *period < contact_s) {
            let [period, contact] = [period, contact_s].map(|s| figure(s * 1e3, 3));
            return Predicted {
                no_theory_for: Some(format!(
                    "a period of {period} ms, in which a contact of up to {contact} ms is not over: the formulas count rounds of whole contacts"
                )),
                ..Predicted::default()
            };
        }
        let theory = settings.theory(plan, self);
        let round_s = settings.period_s.unwrap_or(0.0) + plan.trips * self.message_s();
        Predicted {
            residue: theory.residue,
            latency_s: Some(theory.rounds * round_s),
            updates_per_node: theory.updates,
            bytes_per_node: theory.updates.map(|updates| updates * (self.bytes as f64 + OVERHEAD_BYTES)),
            no_theory_for: None,
        }
    }

    fn is_in_time(&self, shown: &Shown) -> bool {
        self.deadline.is_none_or(|deadline| shown.latency_s <= deadline.as_secs_f64())
    }

    /// Whether the simulated misses are within chance of the residue in the question: at most three standard deviations above it.
    fn reaches(&self, outcome: &Outcome) -> bool {
        let nodes = outcome.nodes as f64 * outcome.runs as f64;
        let (missed, allowed) = (outcome.residue * nodes, self.residue * nodes);
        missed <= allowed + 3.0 * libm::sqrt(allowed)
    }

    fn period_s(&self, plan: &Plan, rounds: f64) -> f64 {
        let Some(deadline) = self.deadline else { return PERIOD_DEFAULT.as_secs_f64() };
        let round = deadline.as_secs_f64() * DEADLINE_PART / rounds;
        (round - plan.trips * self.message_s()).clamp(self.period_min_s(), PERIOD_MAX_S)
    }

    fn reason(&self, plan: &Plan, outcome: &Outcome, in_time: bool) -> String {
        let mut reason = plan.why.to_owned();
        if !self.reaches(outcome) {
            let missed = format!("; it misses {} of the nodes", figure(outcome.residue, 3));
            reason.push_str(&missed);
        }
        if !in_time {
            reason.push_str("; it is too slow for the deadline");
        }
        reason.push('.');
        reason
    }
}
