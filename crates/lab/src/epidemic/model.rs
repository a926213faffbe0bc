//! Theory for an epidemic: a curve for the model that was run, or the reason why there is none.

use super::{Counting, Epidemic, Removal, Strategy};
use crate::theory::anti_entropy::{self, Direction};
use crate::theory::epidemic::{self, Mongering};
use rumormill_protocols::kit::peer_selection::PeerSelection;
use serde::Serialize;

/// The figures that theory predicts for an experiment.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Theory {
    /// The share of the nodes that knows after 0, 1, ... rounds, in the mean field.
    MeanField(Vec<f64>),
    /// There is no theory for this.
    NoTheoryFor(String),
}

impl Default for Theory {
    fn default() -> Self {
        Theory::NoTheoryFor("an experiment that was not run".into())
    }
}

impl Epidemic {
    /// The mean field of the experiment that is run, after 0, 1, ... `rounds` rounds in which all act at once, with its rule of counting.
    pub fn theory(&self, rounds: usize) -> Theory {
        match self.mean_field(rounds) {
            Ok(mut curve) => {
                curve.truncate(rounds + 1);
                Theory::MeanField(curve)
            }
            Err(why) => Theory::NoTheoryFor(why.into()),
        }
    }

    fn mean_field(&self, rounds: usize) -> Result<Vec<f64>, &'static str> {
        if self.latency.is_some() {
            return Err("random latencies: the formulas count rounds in which all nodes act at once");
        }
        if self.topology.as_ref().is_some_and(|topology| !topology.is_full()) {
            return Err("graphs: the formulas let every node contact every other");
        }
        if !matches!(self.choice, PeerSelection::Uniform) {
            return Err("a choice by distance: the formulas draw all nodes alike");
        }
        if self.connection_limit.is_some() {
            return Err("a connection limit: the formulas let a node take any number of contacts");
        }
        match self.strategy {
            Strategy::Push if self.removal == Removal::None => {
                let fanout = f64::from(self.fanout.unwrap_or(1));
                Ok(epidemic::push_curve(self.nodes as f64, fanout, self.loss, 0.0, rounds))
            }
            Strategy::Push => self.mongering(rounds),
            Strategy::AntiEntropyPush => self.comparing(Direction::Push),
            Strategy::AntiEntropyPull => self.comparing(Direction::Pull),
            Strategy::AntiEntropy => self.comparing(Direction::PushPull),
            Strategy::Pull | Strategy::PushPull if self.removal != Removal::None => {
                Err("pull with removal: the paper has none, and names pull's residue by simulation")
            }
            Strategy::Pull => self.comparing(Direction::Pull),
            Strategy::PushPull => self.comparing(Direction::PushPull),
            Strategy::Spreader(_) => Err(
                "the curve of this strategy: there are formulas for push, pull, push-pull and anti-entropy",
            ),
        }
    }

    fn is_plain(&self) -> Result<(), &'static str> {
        match (self.loss > 0.0, self.fanout.unwrap_or(1) > 1) {
            (true, _) => Err("lost messages with this strategy"),
            (_, true) => Err("more than one contact a round with this strategy"),
            (false, false) => Ok(()),
        }
    }

    fn mongering(&self, rounds: usize) -> Result<Vec<f64>, &'static str> {
        self.is_plain()?;
        let coin = matches!(self.removal, Removal::FeedbackCoin | Removal::BlindCoin);
        let tables = self.counting == Counting::Tables;
        let rule = Mongering { k: self.k, coin, feedback: self.removal.has_feedback(), tables };
        Ok(rule.cycles(self.nodes as f64, rounds).iter().map(|susceptible| 1.0 - susceptible).collect())
    }

    fn comparing(&self, direction: Direction) -> Result<Vec<f64>, &'static str> {
        self.is_plain()?;
        Ok(anti_entropy::curve(direction, self.nodes as f64).iter().map(|p| 1.0 - p).collect())
    }
}
