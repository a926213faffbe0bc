//! Churn as a plan: nodes join and leave at random or by a trace.

use crate::ids::Ids;
use crate::plan::{Action, Plan, STEPS_MAX, Step, Who};
use rumormill_core::identity::NodeId;
use rumormill_core::rng::{Rng, mix};
use rumormill_core::time::{Duration, text};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Random churn between two times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Churn {
    /// Begin of the churn.
    #[serde(default, with = "text")]
    pub from: Duration,
    /// End of the churn: nodes that are down stay down.
    #[serde(with = "text")]
    pub until: Duration,
    /// Whether nodes leave gracefully; otherwise they crash.
    #[serde(default)]
    pub leave: bool,
    /// Whether a node loses its state when it goes down.
    #[serde(default)]
    pub wipe: bool,
    /// The churn model.
    #[serde(flatten)]
    pub law: Law,
}

/// A churn model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Law {
    /// New nodes join, and random nodes leave for good, each as a Poisson process.
    Poisson {
        /// Mean number of joins per second.
        joins_per_s: f64,
        /// Mean number of departures per second.
        leaves_per_s: f64,
        /// Id of the first new node; later ones count up.
        first: u64,
    },
    /// Each of these nodes alternates between up and down. They are up at the beginning, in the middle of their first session: it ends
    /// after a uniformly drawn part of its length.
    Sessions {
        /// The nodes.
        who: Ids,
        /// Length of a session.
        up: Times,
        /// Time between two sessions.
        down: Times,
    },
}

/// A distribution of times.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Times {
    /// Constant.
    Constant(#[serde(with = "text")] Duration),
    /// Exponential.
    Exponential {
        /// Mean.
        #[serde(with = "text")]
        mean: Duration,
    },
    /// Weibull. With a shape below 1, a node that has stayed long stays longer: 0.4 to 0.6 in file sharing (Stutzbach and Rejaie 2006,
    /// section 5).
    Weibull {
        /// The shape k.
        shape: f64,
        /// The scale: 63 % are shorter.
        #[serde(with = "text")]
        scale: Duration,
    },
    /// Pareto: at least `min`, and longer than x·`min` with probability x^-`alpha`.
    Pareto {
        /// Lower bound.
        #[serde(with = "text")]
        min: Duration,
        /// Exponent of the tail.
        alpha: f64,
    },
}

impl Times {
    /// Draws a time of at most a thousand years.
    pub fn draw(&self, rng: &mut Rng) -> Duration {
        let u = 1.0 - rng.unit();
        let (unit, times) = match *self {
            Times::Constant(d) => (d, 1.0),
            Times::Exponential { mean } => (mean, -libm::log(u)),
            Times::Weibull { shape, scale } => (scale, libm::pow(-libm::log(u), 1.0 / shape)),
            Times::Pareto { min, alpha } => (min, libm::pow(u, -1.0 / alpha)),
        };
        const MOST_S: f64 = 3.2e10;
        Duration::from_secs_f64((unit.as_secs_f64() * times).min(MOST_S))
    }

    fn check(&self) -> Result<(), String> {
        let (unit, shape) = match *self {
            Times::Constant(d) => (d, 1.0),
            Times::Exponential { mean } => (mean, 1.0),
            Times::Weibull { shape, scale } => (scale, shape),
            Times::Pareto { min, alpha } => (min, alpha),
        };
        if unit.is_zero() {
            return Err("a session of no time: give it some".into());
        }
        if !(0.01..=1e3).contains(&shape) {
            return Err(format!("the shape of a distribution of times is {shape}: give 0.01 to 1000"));
        }
        Ok(())
    }
}

impl Churn {
    /// The plan of this churn, a function of `seed`.
    ///
    /// # Errors
    /// If it is not sound, or would have more than [`STEPS_MAX`] steps.
    pub fn plan(&self, seed: u64) -> Result<Plan, String> {
        if self.from >= self.until {
            return Err("churn ends before it begins: swap `from` and `until`".into());
        }
        if self.leave && self.wipe {
            return Err("who leaves takes leave with what it has: give `leave` or `wipe`".into());
        }
        let mut steps = Vec::new();
        match &self.law {
            Law::Poisson { joins_per_s, leaves_per_s, first } => {
                let mut id = *first;
                self.process(mix(seed ^ 0x10), *joins_per_s, &mut steps, |_| {
                    id += 1;
                    Action::Restart { who: Who::one(NodeId(id - 1)) }
                })?;
                self.process(mix(seed ^ 0x11), *leaves_per_s, &mut steps, |churn| churn.go(Who::Count(1)))?;
            }
            Law::Sessions { who, up, down } => {
                up.check()?;
                down.check()?;
                for id in who.iter() {
                    self.sessions(id, up, down, seed, &mut steps)?;
                }
            }
        }
        steps.sort_by_key(|step| step.at);
        Ok(Plan { steps })
    }

    fn go(&self, who: Who) -> Action {
        if self.leave { Action::Leave { who } } else { Action::Crash { who, wipe: self.wipe } }
    }

    /// Adds steps at the times of a Poisson process.
    fn process(
        &self,
        seed: u64,
        per_s: f64,
        steps: &mut Vec<Step>,
        mut action: impl FnMut(&Churn) -> Action,
    ) -> Result<(), String> {
        if !(0.0..=1e9).contains(&per_s) {
            return Err(format!("{per_s} nodes a second: give 0 or more"));
        }
        if per_s == 0.0 {
            return Ok(());
        }
        let mut rng = Rng::seeded(seed);
        let mean = Duration::from_secs_f64(1.0 / per_s);
        let mut at = self.from;
        loop {
            at += Times::Exponential { mean }.draw(&mut rng);
            if at >= self.until {
                return Ok(());
            }
            add(steps, Step::new(at, action(self)))?;
        }
    }

    fn sessions(
        &self,
        id: NodeId,
        up: &Times,
        down: &Times,
        seed: u64,
        steps: &mut Vec<Step>,
    ) -> Result<(), String> {
        let mut rng = Rng::seeded(mix(mix(seed ^ 0x12) ^ id.0));
        let first = up.draw(&mut rng);
        let mut at = self.from + rng.within(first);
        loop {
            if at >= self.until {
                return Ok(());
            }
            add(steps, Step::new(at, self.go(Who::one(id))))?;
            at += down.draw(&mut rng);
            if at >= self.until {
                return Ok(());
            }
            add(steps, Step::new(at, Action::Restart { who: Who::one(id) }))?;
            at += up.draw(&mut rng);
        }
    }
}

fn add(steps: &mut Vec<Step>, step: Step) -> Result<(), String> {
    if steps.len() >= STEPS_MAX {
        return Err(format!("churn of more than {STEPS_MAX} steps: let it be shorter or slower"));
    }
    steps.push(step);
    Ok(())
}

/// The plan of a trace: lines of `time_s,node,up` or `time_s,node,down`, in any order of time. Empty lines, lines that begin with `#`,
/// and a header line are skipped. A node that comes back has its state.
///
/// # Errors
/// Names the line that cannot be read, or that starts a node which is up or stops one which is down.
pub fn trace(text: &str) -> Result<Plan, String> {
    let mut lines = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || lines.is_empty() && line.starts_with("time_s") {
            continue;
        }
        if lines.len() >= STEPS_MAX {
            return Err(format!("line {}: a trace of more than {STEPS_MAX} lines", at + 1));
        }
        lines.push(read(line).map(|(time, id, up)| (time, at + 1, id, up)).map_err(|e| {
            format!("line {}: {e}: write time_s,node,up or time_s,node,down, like 12.5,3,down", at + 1)
        })?);
    }
    lines.sort();
    let mut is_up: BTreeMap<u64, bool> = BTreeMap::new();
    let mut steps = Vec::with_capacity(lines.len());
    for (at, line, id, up) in lines {
        if is_up.insert(id, up) == Some(up) {
            let state = if up { "up" } else { "down" };
            return Err(format!("line {line}: node {id} is {state} already"));
        }
        let who = Who::one(NodeId(id));
        steps.push(Step::new(
            at,
            if up { Action::Restart { who } } else { Action::Crash { who, wipe: false } },
        ));
    }
    Ok(Plan { steps })
}

fn read(line: &str) -> Result<(Duration, u64, bool), String> {
    let mut fields = line.split(',').map(str::trim);
    let (Some(time), Some(id), Some(state), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(format!("{line:?} has not three fields"));
    };
    let time = time.parse::<f64>().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    let time = time.ok_or_else(|| format!("{line:?} has no time in seconds"))?;
    let id = id.parse().map_err(|_| format!("{id:?} is no node"))?;
    match state {
        "up" => Ok((time, id, true)),
        "down" => Ok((time, id, false)),
        _ => Err(format!("{state:?} is neither up nor down")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn mean_s(times: Times) -> f64 {
        let mut rng = Rng::seeded(9);
        (0..200_000).map(|_| times.draw(&mut rng).as_secs_f64()).sum::<f64>() / 2e5
    }

    #[test]
    fn session_times_have_their_means() {
        for (times, mean) in [
            (Times::Constant(s(5)), 5.0),
            (Times::Exponential { mean: s(10) }, 10.0),
            // scale · Γ(1 + 1/k) = scale · 2 for k = 1/2.
            (Times::Weibull { shape: 0.5, scale: s(10) }, 20.0),
            (Times::Pareto { min: s(10), alpha: 3.0 }, 15.0),
        ] {
            let found = mean_s(times);
            assert!((found / mean - 1.0).abs() < 0.03, "{times:?}: {found}, not {mean}");
        }
    }

    #[test]
    fn a_poisson_process_has_its_rate() {
        let law = Law::Poisson { joins_per_s: 2.0, leaves_per_s: 1.0, first: 100 };
        let churn = Churn { from: s(100), until: s(1_100), leave: false, wipe: false, law };
        let plan = churn.plan(3).unwrap();
        let joins = plan.steps.iter().filter(|step| step.action.name() == "restart").count();
        // 2,000 and 1,000 are expected, with standard errors of 45 and 32.
        assert!((1_820..2_180).contains(&joins), "{joins} joins");
        let leaves = plan.steps.len() - joins;
        assert!((870..1_130).contains(&leaves), "{leaves} leaves");
        assert!(plan.steps.iter().all(|step| step.at >= s(100) && step.at < s(1_100)));
        assert_eq!(plan, churn.plan(3).unwrap());
        assert_ne!(plan, churn.plan(4).unwrap());
        let fast = Law::Poisson { joins_per_s: 1e6, leaves_per_s: 0.0, first: 0 };
        assert!(Churn { law: fast, ..churn }.plan(1).unwrap_err().contains("slower"));
    }

    #[test]
    fn who_is_up_goes_and_who_is_down_comes() {
        let law = Law::Sessions {
            who: Ids::range(0..20),
            up: Times::Weibull { shape: 0.5, scale: s(30) },
            down: Times::Exponential { mean: s(10) },
        };
        let plan = Churn { from: s(0), until: s(1_000), leave: false, wipe: true, law }.plan(1).unwrap();
        for id in 0..20 {
            let of_id = plan.steps.iter().filter(|step| match &step.action {
                Action::Crash { who, wipe } => *wipe && *who == Who::one(NodeId(id)),
                Action::Restart { who } => *who == Who::one(NodeId(id)),
                _ => false,
            });
            let names: Vec<&str> = of_id.map(|step| step.action.name()).collect();
            assert!(names.len() > 4, "{names:?}");
            assert!(
                names.chunks(2).all(|pair| pair[0] == "crash" && pair.get(1).is_none_or(|p| *p == "restart"))
            );
        }
    }

    #[test]
    fn churn_is_written_and_read() {
        let churn: Churn = toml::from_str(
            r#"
            until = "1m"
            [sessions]
            who = "0..100"
            up = { weibull = { shape = 0.5, scale = "30s" } }
            down = { constant = "5s" }
            "#,
        )
        .unwrap();
        let text = toml::to_string(&churn).unwrap();
        assert_eq!(toml::from_str::<Churn>(&text).unwrap(), churn, "{text}");
        assert!(matches!(churn.law, Law::Sessions { down: Times::Constant(d), .. } if d == s(5)));
    }

    #[test]
    fn a_trace_becomes_a_plan() {
        let plan = trace("time_s,node,state\n# a day\n10,3,down\n\n 0.5, 7, up\n12.25,3,up\n").unwrap();
        let who = |id| Who::one(NodeId(id));
        assert_eq!(
            plan.steps,
            [
                Step::new(Duration::from_millis(500), Action::Restart { who: who(7) }),
                Step::new(s(10), Action::Crash { who: who(3), wipe: false }),
                Step::new(Duration::from_millis(12_250), Action::Restart { who: who(3) }),
            ]
        );
    }

    #[test]
    fn what_is_no_trace_is_refused_by_its_line() {
        for (text, line, why) in [
            ("1,2,up\n2,2,up", "line 2", "already"),
            ("1,2", "line 1", "three fields"),
            ("# x\n-1,2,up", "line 2", "no time"),
            ("1,x,up", "line 1", "no node"),
            ("1,2,sideways", "line 1", "neither"),
        ] {
            let e = trace(text).unwrap_err();
            assert!(e.contains(line) && e.contains(why), "{text:?}: {e}");
        }
    }
}
