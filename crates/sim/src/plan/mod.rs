//! A fault plan is data: what is done to the nodes and to what connects them, and when. It is written, read back, drawn at random,
//! shrunk, and carried out by a [`Runner`].
//!
//! | file | what |
//! | --- | --- |
//! | `mod` | steps and what they do |
//! | `who` | to whom: ids, a share, a number |
//! | `text` | how a step is written |
//! | `cut` | kinds of partitions |
//! | `random` | plans from a seed |
//! | `run` | carries a plan out on a simulation |
//! | `links` | the part of it that acts on links |
//! | `history` | what it has done, to judge verdicts by |
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

/// Steps of one plan, at most.
pub const STEPS_MAX: usize = 1 << 20;
/// A process that leaves stays so long to say so (Serf's `LeavePropagateDelay`).
pub const LINGER: Duration = Duration::from_secs(1);
/// A partition that comes and goes does so at most so often (our guess: a plan that flaps each millisecond for a minute).
pub const FLAP_MIN: Duration = Duration::from_millis(1);

/// What is done, and when. Steps may stand in any order; those of one instant are carried out as they stand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Its steps.
    #[serde(default, rename = "step")]
    pub steps: Vec<Step>,
}

/// One thing that is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "text::Written", into = "text::Written")]
pub struct Step {
    /// When, since the beginning of the simulation.
    pub at: Duration,
    /// What.
    pub action: Action,
    /// After so long it is undone, for the nodes that it was done to. `None`: it stays.
    pub lasting: Option<Duration>,
    /// Which random choice it makes, if it makes one: the same number makes the same choice from the same nodes. `None`: its place in
    /// the plan.
    pub draw: Option<u64>,
}

/// What can be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Their processes end, at once.
    Crash {
        /// Of those that are up.
        who: Who,
        /// Whether what they kept is lost, too.
        wipe: bool,
    },
    /// They start: again, those that are down, and for the first time, those that never were.
    Restart {
        /// Of those that are down; ids may be new.
        who: Who,
    },
    /// They say goodbye (the call named `leave`), and end [`LINGER`] later.
    Leave {
        /// Of those that are up.
        who: Who,
    },
    /// They stand still: see [`Sim::freeze`](crate::Sim::freeze).
    Freeze {
        /// Of those that are up and not frozen.
        who: Who,
    },
    /// Ends that.
    Thaw {
        /// Of those that are frozen.
        who: Who,
    },
    /// What they send and what is sent to them waits: see [`Sim::block`](crate::Sim::block).
    Block {
        /// Of those that are up and not blocked.
        who: Who,
    },
    /// Ends that.
    Unblock {
        /// Of those that are blocked.
        who: Who,
    },
    /// A message takes them so many times longer: see [`Sim::set_slowness`](crate::Sim::set_slowness). 1 is as usual.
    Slow {
        /// Of all.
        who: Who,
        /// How many times longer.
        factor: f64,
    },
    /// Some no longer reach some. Holds beside other partitions.
    Partition(Partition),
    /// Ends all partitions.
    Heal,
    /// Datagrams are lost, from now on so. Undone: as in the world at the beginning.
    Loss {
        /// The part that is lost, independently.
        loss: f64,
        /// And in bursts.
        bursts: Option<Bursts>,
    },
    /// Their wall clocks are now so. Undone: true.
    Clock {
        /// Of all.
        who: Who,
        /// How far ahead, in milliseconds; negative: behind.
        offset_ms: i64,
        /// How much too fast, in parts per million; negative: too slow.
        drift_ppm: i32,
    },
    /// Asks something of their protocol, by name: see [`Actor::call`].
    Call {
        /// Of those that are up.
        who: Who,
        /// What is asked.
        call: String,
        /// With what.
        with: String,
    },
}

/// A partition: its kind, what it cuts, and how steady it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Partition {
    /// Whom it cuts off from whom.
    pub kind: Kind,
    /// Whether streams get through, as with a firewall that stops UDP alone.
    pub datagrams_only: bool,
    /// If given, it comes and goes: cut for the first, whole for the second, again and again.
    pub flapping: Option<(Duration, Duration)>,
}

impl Step {
    /// A step that is not undone.
    pub fn new(at: Duration, action: Action) -> Step {
        Step { at, action, lasting: None, draw: None }
    }

    /// The same, undone after so long.
    pub fn lasting(self, lasting: Duration) -> Step {
        Step { lasting: Some(lasting), ..self }
    }

    /// Says what is wrong with it, if anything is, and what to do.
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

    /// When it is over: when it was undone, or done.
    pub fn end(&self) -> Duration {
        self.at.saturating_add(self.lasting.unwrap_or_default())
    }
}

impl Action {
    /// As it is written.
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

    /// Whom it is about.
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

    /// Whom it is done to, where that is said in one place.
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
    /// Says what is wrong with it, if anything is, and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.steps.len() > STEPS_MAX {
            return Err(format!("a plan of {} steps: at most {STEPS_MAX}", self.steps.len()));
        }
        self.steps
            .iter()
            .enumerate()
            .try_for_each(|(at, step)| step.check().map_err(|e| format!("step {} of the plan: {e}", at + 1)))
    }

    /// Gives each step its own number for what it draws, so that leaving one out does not change what the others choose.
    pub fn pin(mut self) -> Plan {
        for (at, step) in self.steps.iter_mut().enumerate() {
            step.draw.get_or_insert(at as u64);
        }
        self
    }

    /// This plan and another.
    pub fn and(mut self, other: Plan) -> Plan {
        self.steps.extend(other.steps);
        self
    }

    /// When its last step is over.
    pub fn end(&self) -> Duration {
        self.steps.iter().map(Step::end).max().unwrap_or_default()
    }
}
