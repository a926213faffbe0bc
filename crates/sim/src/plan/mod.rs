//! A fault plan is data: faults of nodes and links, and their times. A plan can be written, read, drawn at random and shrunk; a [`Runner`]
//! carries it out.
//!
//! | file | contents |
//! | --- | --- |
//! | `mod` | steps and their actions |
//! | `who` | targets of an action: ids, a share, a number |
//! | `text` | a step in a file |
//! | `cut` | kinds of partitions |
//! | `random` | plans from a seed |
//! | `run` | the runner: carries a plan out on a simulation |
//! | `links` | the runner's actions on links |
//! | `history` | a record of all faults, to judge verdicts by |
//!
//! In TOML:
//!
//! ```toml
//! [[step]]
//! at = "10s"
//! do = "crash"
//! who = "10%"      # or "0..10", 3, [1, 2], "5 nodes", "all"
//! for = "30s"      # then they start again
//! wipe = true      # having forgotten everything
//!
//! [[step]]
//! at = "1m"
//! do = "partition"
//! kind = "split"
//! who = "30%"
//! for = "20s"
//! cut = "2s"       # comes and goes: cut for 2 s, whole for 1 s
//! whole = "1s"
//! ```

mod cut;
mod history;
mod links;
mod random;
mod run;
mod text;
mod who;

pub use cut::Kind;
pub use history::{History, SPELLS_MAX};
pub use random::{Bounds, Weights};
pub use run::{Actor, Done, Runner};
pub use who::Who;

use crate::loss::Bursts;
use crate::service;
use rumormill_core::time::Duration;
use serde::{Deserialize, Serialize};

/// Upper bound on the steps of a plan.
pub const STEPS_MAX: usize = 1 << 20;
/// Time between the `leave` of a process and its end (Serf's `LeavePropagateDelay`).
pub const LINGER: Duration = Duration::from_secs(1);
/// Upper bound on the changes of a flapping partition (our guess: one that flaps each millisecond for a minute).
pub const FLAP_MIN: Duration = Duration::from_millis(1);

/// Faults and their times. Steps may be in any order; steps of one instant run in the order of the list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The steps.
    #[serde(default, rename = "step")]
    pub steps: Vec<Step>,
}

/// One action and its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "text::Written", into = "text::Written")]
pub struct Step {
    /// Time since the beginning of the simulation.
    pub at: Duration,
    /// The action.
    pub action: Action,
    /// Time after which the action is undone for its targets; without it the action is not undone.
    pub lasting: Option<Duration>,
    /// Seed of its random choice: the same number makes the same choice from the same nodes. By default its index in the plan.
    pub draw: Option<u64>,
}

/// An action of a plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Crashes nodes.
    Crash {
        /// Targets among nodes that are up.
        who: Who,
        /// Whether they lose their state, too.
        wipe: bool,
    },
    /// Starts nodes that are down, and new nodes.
    Restart {
        /// Targets among nodes that are down; ids may be new.
        who: Who,
    },
    /// Nodes leave gracefully (the call named `leave`), and end [`LINGER`] later.
    Leave {
        /// Targets among nodes that are up.
        who: Who,
    },
    /// Freezes nodes, as SIGSTOP does: what arrives waits, and timers become overdue.
    Freeze {
        /// Targets among nodes that are up and not frozen.
        who: Who,
    },
    /// Ends a freeze.
    Thaw {
        /// Targets among frozen nodes.
        who: Who,
    },
    /// Blocks nodes: their packets wait in both directions, while their timers run.
    Block {
        /// Targets among nodes that are up and not blocked.
        who: Who,
    },
    /// Ends a block.
    Unblock {
        /// Targets among blocked nodes.
        who: Who,
    },
    /// Makes nodes slow: a message takes them longer; the world needs a `service`. A factor of 1 is the usual speed.
    Slow {
        /// Targets among all nodes.
        who: Who,
        /// How many times longer a message takes.
        factor: f64,
    },
    /// Begins a partition, in addition to others.
    Partition(Partition),
    /// Ends all partitions.
    Heal,
    /// Changes the loss of datagrams. Undone: the loss of the world at the beginning.
    Loss {
        /// Probability of independent loss.
        loss: f64,
        /// Loss in bursts.
        bursts: Option<Bursts>,
    },
    /// Sets wall clocks. Undone: the clocks are right.
    Clock {
        /// Targets among all nodes.
        who: Who,
        /// Offset in milliseconds; positive: ahead.
        offset_ms: i64,
        /// Drift in parts per million; positive: too fast.
        drift_ppm: i32,
    },
    /// Calls the protocol of nodes by name, with a call of the stack.
    Call {
        /// Targets among nodes that are up.
        who: Who,
        /// Name of the call.
        call: String,
        /// Argument of the call.
        with: String,
    },
}

/// A partition: its kind, the packets it cuts, and whether it flaps.
#[derive(Clone, Debug, PartialEq)]
pub struct Partition {
    /// The links that it cuts.
    pub kind: Kind,
    /// Whether streams pass, as with a firewall that drops UDP alone.
    pub datagrams_only: bool,
    /// Flapping: cut for the first time, whole for the second, repeatedly.
    pub flapping: Option<(Duration, Duration)>,
}

impl Step {
    /// A step that is not undone.
    pub fn new(at: Duration, action: Action) -> Step {
        Step { at, action, lasting: None, draw: None }
    }

    /// The same step, undone after this time.
    pub fn lasting(self, lasting: Duration) -> Step {
        Step { lasting: Some(lasting), ..self }
    }

    /// Refuses a step that is not sound.
    ///
    /// # Errors
    /// Says what is wrong, and what to give instead.
    pub fn check(&self) -> Result<(), String> {
        if self.lasting.is_some() && !self.action.can_be_undone() {
            return Err(format!("`for` on {}: it cannot be undone, so leave it out", self.action.name()));
        }
        match &self.action {
            Action::Slow { factor, .. } => service::check_factor(*factor),
            Action::Loss { loss, bursts } => {
                if !(0.0..=1.0).contains(loss) {
                    return Err(format!("loss is {loss}: give a part of all between 0 and 1"));
                }
                bursts.as_ref().map_or(Ok(()), Bursts::check)
            }
            Action::Clock { drift_ppm, .. } if drift_ppm.abs() > 1_000_000 => {
                Err("drift_ppm is above 1,000,000: a clock would run backwards".into())
            }
            Action::Partition(partition) => {
                if let Some((cut, whole)) = partition.flapping
                    && (cut < FLAP_MIN || whole < FLAP_MIN)
                {
                    return Err(format!("a partition flaps at most once in {FLAP_MIN:?}: give more"));
                }
                if matches!(partition.kind, Kind::Swizzle { .. }) {
                    if self.lasting.is_none() {
                        return Err("a swizzle takes its time: say how much with `for`".into());
                    }
                    if partition.flapping.is_some() {
                        return Err("a swizzle does not flap: leave out `cut` and `whole`".into());
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Time at which the step is over: when it is undone, or done.
    pub fn end(&self) -> Duration {
        self.at.saturating_add(self.lasting.unwrap_or_default())
    }
}

impl Action {
    /// Name of the action in a file.
    pub fn name(&self) -> &'static str {
        match self {
            Action::Crash { .. } => "crash",
            Action::Restart { .. } => "restart",
            Action::Leave { .. } => "leave",
            Action::Freeze { .. } => "freeze",
            Action::Thaw { .. } => "thaw",
            Action::Block { .. } => "block",
            Action::Unblock { .. } => "unblock",
            Action::Slow { .. } => "slow",
            Action::Partition(_) => "partition",
            Action::Heal => "heal",
            Action::Loss { .. } => "loss",
            Action::Clock { .. } => "clock",
            Action::Call { .. } => "call",
        }
    }

    fn can_be_undone(&self) -> bool {
        match self {
            Action::Crash { .. }
            | Action::Freeze { .. }
            | Action::Block { .. }
            | Action::Slow { .. }
            | Action::Partition(_)
            | Action::Loss { .. }
            | Action::Clock { .. } => true,
            Action::Restart { .. }
            | Action::Leave { .. }
            | Action::Thaw { .. }
            | Action::Unblock { .. }
            | Action::Heal
            | Action::Call { .. } => false,
        }
    }

    /// The nodes that it names.
    pub fn whom(&self) -> Vec<&Who> {
        match self {
            Action::Crash { who, .. }
            | Action::Restart { who }
            | Action::Leave { who }
            | Action::Freeze { who }
            | Action::Thaw { who }
            | Action::Block { who }
            | Action::Unblock { who }
            | Action::Slow { who, .. }
            | Action::Clock { who, .. }
            | Action::Call { who, .. } => vec![who],
            Action::Partition(partition) => match &partition.kind {
                Kind::Split { who } | Kind::Isolate { who } | Kind::Swizzle { who } => vec![who],
                Kind::Pair { from, to } | Kind::OneWay { from, to } => vec![from, to],
                Kind::MinorityThird | Kind::MajoritiesRing | Kind::Bridge => vec![],
            },
            Action::Heal | Action::Loss { .. } => vec![],
        }
    }

    /// The targets, where the action has one list of them.
    pub(crate) fn who_mut(&mut self) -> Option<&mut Who> {
        match self {
            Action::Crash { who, .. }
            | Action::Restart { who }
            | Action::Leave { who }
            | Action::Freeze { who }
            | Action::Thaw { who }
            | Action::Block { who }
            | Action::Unblock { who }
            | Action::Slow { who, .. }
            | Action::Clock { who, .. }
            | Action::Call { who, .. } => Some(who),
            Action::Partition(partition) => match &mut partition.kind {
                Kind::Split { who } | Kind::Isolate { who } | Kind::Swizzle { who } => Some(who),
                Kind::Pair { .. } | Kind::OneWay { .. } => None,
                Kind::MinorityThird | Kind::MajoritiesRing | Kind::Bridge => None,
            },
            Action::Heal | Action::Loss { .. } => None,
        }
    }
}

impl Plan {
    /// Refuses a plan that is not sound.
    ///
    /// # Errors
    /// Says what is wrong, and what to give instead.
    pub fn check(&self) -> Result<(), String> {
        if self.steps.len() > STEPS_MAX {
            return Err(format!("a plan of {} steps: at most {STEPS_MAX}", self.steps.len()));
        }
        self.steps
            .iter()
            .enumerate()
            .try_for_each(|(at, step)| step.check().map_err(|e| format!("step {} of the plan: {e}", at + 1)))
    }

    /// Gives each step a seed of its own for its random choice, so that removing a step does not change the choices of others.
    pub fn pin(mut self) -> Plan {
        for (at, step) in self.steps.iter_mut().enumerate() {
            step.draw.get_or_insert(at as u64);
        }
        self
    }

    /// Merges two plans.
    pub fn and(mut self, other: Plan) -> Plan {
        self.steps.extend(other.steps);
        self
    }

    /// Time at which the last step is over.
    pub fn end(&self) -> Duration {
        self.steps.iter().map(Step::end).max().unwrap_or_default()
    }
}
