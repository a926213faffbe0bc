//! Plans drawn from a seed.

use super::{Action, Kind, LINGER, Partition, Plan, Step, Who};
use crate::ids::Ids;
use crate::loss::Bursts;
use rumormill_core::rng::{Rng, mix};
use rumormill_core::time::{Duration, text};
use serde::{Deserialize, Serialize};

/// Bounds of a random plan. Each fault is undone by `until`, so that a check after it can require a healthy cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// Number of nodes; their ids count up from 0.
    pub nodes: u64,
    /// Begin of the first fault.
    #[serde(with = "text")]
    pub from: Duration,
    /// End of the last fault.
    #[serde(with = "text")]
    pub until: Duration,
    /// Number of steps.
    pub steps: usize,
    /// Shortest fault.
    #[serde(with = "text")]
    pub lasting_min: Duration,
    /// Longest fault.
    #[serde(with = "text")]
    pub lasting_max: Duration,
    /// Upper bound on the share of nodes that one step affects; one node at least.
    pub share_max: f64,
    /// Upper bound on the loss of a step.
    pub loss_max: f64,
    /// Relative frequencies of the kinds of faults.
    pub weights: Weights,
}

/// Relative frequencies of the kinds of faults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Weights {
    /// Crashes after which nodes come back with their state.
    pub crash: f64,
    /// Crashes after which nodes come back without their state.
    pub wipe: f64,
    /// Freezes.
    pub freeze: f64,
    /// Blocks.
    pub block: f64,
    /// Slow nodes; the world needs a `service`.
    pub slow: f64,
    /// Partitions of all kinds.
    pub partition: f64,
    /// Loss, independent and in bursts.
    pub loss: f64,
    /// Wrong wall clocks.
    pub clock: f64,
    /// Nodes that leave and come back; needs a protocol with the call `leave`.
    pub leave: f64,
}

impl Default for Weights {
    /// Crashes, partitions and pauses equally often (our guess); no slow nodes and no leaving, which not all worlds and protocols have.
    fn default() -> Self {
        Weights {
            crash: 2.0,
            wipe: 1.0,
            freeze: 1.0,
            block: 1.0,
            slow: 0.0,
            partition: 3.0,
            loss: 1.0,
            clock: 1.0,
            leave: 0.0,
        }
    }
}

impl Default for Bounds {
    /// Ten faults of 1 to 10 s in a minute, each on at most a third of ten nodes (our guess).
    fn default() -> Self {
        Bounds {
            nodes: 10,
            from: Duration::ZERO,
            until: Duration::from_secs(60),
            steps: 10,
            lasting_min: Duration::from_secs(1),
            lasting_max: Duration::from_secs(10),
            share_max: 1.0 / 3.0,
            loss_max: 0.3,
            weights: Weights::default(),
        }
    }
}

impl Bounds {
    /// Refuses bounds that contradict each other.
    ///
    /// # Errors
    /// Says what is wrong, and what to give instead.
    pub fn check(&self) -> Result<(), String> {
        let weights = self.weights.table();
        if let Some((name, weight)) = weights.iter().find(|(_, weight)| !(0.0..=1e9).contains(weight)) {
            return Err(format!("the weight of {name} is {weight}: give 0 or more"));
        }
        if self.steps > 0 && weights.iter().all(|(_, weight)| *weight == 0.0) {
            return Err("all weights are 0, so nothing can be drawn: give one".into());
        }
        if self.nodes == 0 || self.steps > super::STEPS_MAX {
            return Err(format!("a random plan needs nodes, and at most {} steps", super::STEPS_MAX));
        }
        if self.lasting_min > self.lasting_max || self.lasting_min.is_zero() {
            return Err("lasting_min is 0 or above lasting_max: a fault takes some time".into());
        }
        if self.from + self.lasting_min > self.until {
            return Err("between `from` and `until` there is no time for a fault: widen them".into());
        }
        if !(0.0..=1.0).contains(&self.share_max) || !(0.0..1.0).contains(&self.loss_max) {
            return Err("share_max and loss_max are parts of all: give 0 to 1".into());
        }
        Ok(())
    }

    fn who(&self, rng: &mut Rng) -> Who {
        let most = ((self.nodes as f64 * self.share_max) as usize).max(1);
        match rng.below(3) {
            0 => Who::Count(1),
            1 => Who::Count(1 + rng.below(most) as u64),
            _ => Who::Ids(Ids::of((0..=rng.below(most)).map(|_| rng.below(self.nodes as usize) as u64))),
        }
    }

    fn partition(&self, lasting: Duration, rng: &mut Rng) -> Partition {
        let who = self.who(rng);
        let kind = match rng.below(8) {
            0 => Kind::Pair { from: Who::Count(1), to: who },
            1 => Kind::OneWay { from: who, to: Who::All },
            2 => Kind::Split { who },
            3 => Kind::Isolate { who },
            4 => Kind::MinorityThird,
            5 => Kind::MajoritiesRing,
            6 => Kind::Bridge,
            _ => Kind::Swizzle { who },
        };
        let flaps = rng.chance(0.25) && !matches!(kind, Kind::Swizzle { .. });
        let mut part = || rounded(lasting.mul_f64(0.05 + 0.2 * rng.unit())).max(Duration::from_millis(1));
        let flapping = flaps.then(|| (part(), part()));
        Partition { kind, datagrams_only: rng.chance(0.1), flapping }
    }

    fn action(&self, name: &str, lasting: Duration, rng: &mut Rng) -> Action {
        let who = self.who(rng);
        match name {
            "crash" => Action::Crash { who, wipe: false },
            "wipe" => Action::Crash { who, wipe: true },
            "freeze" => Action::Freeze { who },
            "block" => Action::Block { who },
            "slow" => Action::Slow { who, factor: (1 + rng.below(100)) as f64 },
            "partition" => Action::Partition(self.partition(lasting, rng)),
            "loss" => {
                let loss = (rng.unit() * self.loss_max * 100.0).round() / 100.0;
                let bursts = rng.chance(0.5).then(|| Bursts {
                    to_bad: (loss * 100.0).round() / 1_000.0,
                    to_good: 0.1,
                    loss_good: 0.0,
                    loss_bad: 1.0,
                });
                Action::Loss { loss: if bursts.is_some() { 0.0 } else { loss }, bursts }
            }
            "clock" => {
                let within = |max: f64, rng: &mut Rng| ((2.0 * rng.unit() - 1.0) * max).round();
                let offset_ms = within(5_000.0, rng) as i64;
                Action::Clock { who, offset_ms, drift_ppm: within(200.0, rng) as i32 }
            }
            _ => Action::Leave { who },
        }
    }
}

impl Weights {
    fn table(&self) -> [(&'static str, f64); 9] {
        [
            ("crash", self.crash),
            ("wipe", self.wipe),
            ("freeze", self.freeze),
            ("block", self.block),
            ("slow", self.slow),
            ("partition", self.partition),
            ("loss", self.loss),
            ("clock", self.clock),
            ("leave", self.leave),
        ]
    }

    fn pick(&self, rng: &mut Rng) -> &'static str {
        let table = self.table();
        let mut left = rng.unit() * table.iter().map(|(_, weight)| weight).sum::<f64>();
        for (name, weight) in table {
            if left < weight {
                return name;
            }
            left -= weight;
        }
        let drawable = table.iter().rev().find(|(_, weight)| *weight > 0.0);
        drawable.expect("Bounds::check wants a weight").0
    }
}

impl Plan {
    /// Draws a plan, a function of `seed` and `bounds` alone.
    ///
    /// # Panics
    /// If [`Bounds::check`] refuses them.
    pub fn random(seed: u64, bounds: &Bounds) -> Plan {
        if let Err(e) = bounds.check() {
            panic!("no random plan: {e}");
        }
        let mut rng = Rng::seeded(mix(seed ^ 0x91a4));
        let mut steps: Vec<Step> = (0..bounds.steps).flat_map(|_| step(bounds, &mut rng)).collect();
        steps.sort_by_key(|step| step.at);
        Plan { steps }
    }
}

fn step(bounds: &Bounds, rng: &mut Rng) -> Vec<Step> {
    let name = bounds.weights.pick(rng);
    let most = bounds.lasting_max.min(bounds.until - bounds.from);
    let lasting = bounds.lasting_min + rng.within(most.saturating_sub(bounds.lasting_min));
    let lasting = rounded(lasting).max(Duration::from_millis(1)).min(bounds.until - bounds.from);
    let at = bounds.from + rounded(rng.within(bounds.until - bounds.from - lasting));
    match bounds.action(name, lasting, rng) {
        // Nodes that left come back, by their ids, since other nodes may be down by then.
        Action::Leave { .. } => {
            let who = Who::one(rumormill_core::NodeId(rng.below(bounds.nodes as usize) as u64));
            let back = (at + lasting.max(2 * LINGER)).min(bounds.until);
            let leave =
                Step::new(at.min(back.saturating_sub(2 * LINGER)), Action::Leave { who: who.clone() });
            vec![leave, Step::new(back, Action::Restart { who })]
        }
        action => vec![Step::new(at, action).lasting(lasting)],
    }
}

/// Rounds down to whole milliseconds, since people read plans.
fn rounded(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_follows_from_its_seed() {
        let bounds = Bounds::default();
        assert_eq!(Plan::random(1, &bounds), Plan::random(1, &bounds));
        assert_ne!(Plan::random(1, &bounds), Plan::random(2, &bounds));
    }

    #[test]
    fn all_faults_are_over_in_time_and_pass_the_check() {
        let (from, until) = (Duration::from_secs(10), Duration::from_secs(30));
        let weights = Weights { slow: 1.0, leave: 1.0, ..Weights::default() };
        for seed in 0..100 {
            let bounds = Bounds { from, until, steps: 20, weights: weights.clone(), ..Bounds::default() };
            let plan = Plan::random(seed, &bounds);
            plan.check().unwrap();
            assert!(plan.steps.len() >= 20);
            for step in &plan.steps {
                assert!(step.at >= from && step.end() <= until, "seed {seed}: {step:?}");
            }
            assert!(plan.steps.is_sorted_by_key(|step| step.at));
        }
    }

    #[test]
    fn weights_say_how_often() {
        let weights = Weights { crash: 3.0, partition: 1.0, ..none() };
        let plan = Plan::random(5, &Bounds { steps: 4_000, weights, ..Bounds::default() });
        let crashes = plan.steps.iter().filter(|step| step.action.name() == "crash").count();
        // 4,000 draws with probability 3/4: 4 standard errors are 110.
        assert!((2_890..3_110).contains(&crashes), "{crashes}");
        assert!(plan.steps.iter().all(|step| ["crash", "partition"].contains(&step.action.name())));
        let nothing = Bounds { weights: none(), ..Bounds::default() };
        assert!(nothing.check().unwrap_err().contains("weights"));
    }

    fn none() -> Weights {
        let w = 0.0;
        Weights { crash: w, wipe: w, freeze: w, block: w, slow: w, partition: w, loss: w, clock: w, leave: w }
    }
}
