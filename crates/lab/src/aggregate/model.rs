//! Theory for an aggregation: a factor for the model that was run, or the reason why there is none.

use super::settings::is_synchronous;
use super::{Aggregate, Algorithm};
use crate::theory::aggregate as theory;
use rumormill_protocols::sum::averaging::Pairing;
use serde::Serialize;

/// The figures that theory predicts for an experiment.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Theory {
    /// Factor of the mean squared error per round.
    Factor(f64),
    /// There is no theory for this.
    NoTheoryFor(String),
}

impl Default for Theory {
    fn default() -> Self {
        Theory::NoTheoryFor("an experiment that was not run".into())
    }
}

impl Theory {
    /// The factor, if there is one.
    pub fn factor(&self) -> Option<f64> {
        match self {
            Theory::Factor(factor) => Some(*factor),
            Theory::NoTheoryFor(_) => None,
        }
    }
}

impl Aggregate {
    /// The factor of the experiment that is run: its rounds, its exchanges and its network.
    pub fn theory(&self) -> Theory {
        self.factor().map_or_else(|why| Theory::NoTheoryFor(why.into()), Theory::Factor)
    }

    fn factor(&self) -> Result<f64, &'static str> {
        if self.loss > 0.0 {
            return Err("lost messages: the formulas lose none");
        }
        if self.neighbours.is_some() || self.topology.as_ref().is_some_and(|topology| !topology.is_full()) {
            return Err("nodes that know only some of the others: in the formulas all know all");
        }
        if self.latency.is_some() {
            return Err("random latencies: in the formulas exchanges take no time, so that none overlap");
        }
        match (self.algorithm, self.pairing) {
            (Algorithm::PushSum, _) => Ok(theory::push_sum_factor(self.nodes as f64)),
            (Algorithm::Count, _) if self.leaders.is_some() => Err("the mean of several counts"),
            (Algorithm::Extrema, _) => Err("the error of extrema propagation by rounds"),
            (Algorithm::Plain, _) => {
                Err("plain averaging, which begins at a steady phase of its own in each cycle")
            }
            (Algorithm::Averaging | Algorithm::Count, pairing) => self.averaging_factor(pairing),
        }
    }

    fn averaging_factor(&self, pairing: Pairing) -> Result<f64, &'static str> {
        match pairing {
            // Two disjoint matchings: no exchange overlaps another, synchronous or not.
            Pairing::Matching => Ok(theory::averaging_factor_matching()),
            _ if is_synchronous(self) => Err(
                "synchronous averaging: in the formulas exchanges come one after the other, and here all ask before any is answered",
            ),
            Pairing::Cyclic => Ok(theory::averaging_factor_sequential()),
            Pairing::Poisson => Ok(theory::averaging_factor_random()),
            Pairing::Steady => {
                Err("a steady phase: the formulas draw the time of an exchange anew in each cycle")
            }
        }
    }
}
