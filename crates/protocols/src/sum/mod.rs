//! What all nodes together come to: sums, averages, counts, quantiles, extremes, and whether a threshold is crossed.
//!
//! The aggregators share what they are asked and what they tell, so that one can take another's place. All but
//! [`threshold`] and [`plain`] work in epochs: a result is asked for anew every so many cycles, from what the values are then, so that
//! crashes, joins and changed values count from the next epoch on.
//!
//! | aggregator | tells | messages per node and cycle | under loss |
//! | --- | --- | --- | --- |
//! | [`push_sum`] | average, sum, count, moments, quantiles | 1 | loses values and weights together: noise |
//! | [`averaging`] | average, count | 2, and retransmissions | loses nothing |
//! | [`extrema`] | size, sum, minimum, maximum | 2 while there is news, then none | loses nothing |
//! | [`plain`] | average | 2 | loses what is lost: the baseline of the lectures |
//! | [`threshold`] | whether the average is above or below | none while that is clear | loses nothing |

pub mod averaging;
pub mod extrema;
pub mod plain;
pub mod push_sum;
#[cfg(test)]
mod testing;
pub mod threshold;

use crate::catalog::{Catalogued, family};
use crate::kit::epochs::Epochs;
use alloc::vec::Vec;
use rumormill_core::time::{Duration, Time};

family! {
    Aggregator: push_sum::PushSum, averaging::Averaging, plain::Plain, extrema::Extrema, threshold::Threshold
}

/// What an aggregator is asked.
#[derive(Clone, Debug)]
pub enum Call {
    /// This is my value from now on. What is not finite is ignored. It counts from the next epoch on, or at once if nothing has
    /// yet been exchanged in this one ([`threshold`]: always at once). A node that has no value counts for nothing.
    Set(f64),
}

/// What an aggregator tells.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Event {
    /// An epoch ended with this result; at most once an epoch and node.
    Estimate {
        /// Which epoch: they are numbered from 1 on.
        epoch: u32,
        /// The result.
        estimate: f64,
    },
    /// The aggregate crossed its threshold; once per crossing and node.
    Crossed {
        /// Above the upper threshold, or below the lower.
        above: bool,
        /// What this node takes the aggregate for.
        estimate: f64,
    },
}

/// What all aggregators have in common, for whoever drives one without caring which.
pub trait Aggregator: Catalogued<Call = Call, Event = Event> {
    /// The estimate as it stands now, in the midst of an epoch; `None` while there is nothing to go by.
    fn estimate(&self) -> Option<f64>;
    /// The result of the last epoch that ended here with one.
    fn settled(&self) -> Option<f64>;
    /// The epoch that this node is in; 0 before the first.
    fn epoch(&self) -> u32;
    /// What the result of a node with these settings is of.
    fn truth(config: &Self::Config) -> Truth;
    /// Settings with cycles of this length.
    fn paced(period: Duration) -> Self::Config;
    /// Upper bound on the relative error of a settled result among a few nodes, where nothing is lost.
    const ERROR: f64;
}

/// What an aggregator's result is of.
#[derive(Copy, Clone, Debug, PartialEq)]
pub enum Truth {
    /// The average of the values to this power.
    Moment(u8),
    /// Their sum.
    Sum,
    /// How many there are.
    Count,
    /// The least of them.
    Minimum,
    /// The greatest of them.
    Maximum,
    /// The value below which this part of them lies.
    Quantile(f64),
    /// Their average, by whether it is below the first number or above the second.
    Between(f64, f64),
}

impl Truth {
    /// What these values come to.
    pub fn of(self, mut values: Vec<f64>) -> f64 {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        match self {
            Truth::Moment(1) | Truth::Between(..) => mean(&values),
            Truth::Moment(power) => {
                values.iter_mut().for_each(|value| *value = libm::pow(*value, f64::from(power)));
                mean(&values)
            }
            Truth::Sum => values.iter().sum(),
            Truth::Count => values.len() as f64,
            Truth::Minimum => values.iter().copied().fold(f64::INFINITY, f64::min),
            Truth::Maximum => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Truth::Quantile(part) => {
                values.sort_by(f64::total_cmp);
                let at = ((values.len() as f64 * part) as usize).min(values.len().saturating_sub(1));
                values.get(at).copied().unwrap_or(0.0)
            }
        }
    }
}

/// How averaging, push-sum and extrema propagation stand in an epoch: with which value, whether in time, and what the one before came to.
#[derive(Clone, Debug)]
struct Standing {
    /// What the node has; it counts from the next epoch on.
    value: Option<f64>,
    /// The epoch that what the node knows belongs to; 0 before the first.
    epoch: u32,
    /// Too late to count in this epoch.
    late: bool,
    /// Nothing was sent or heard in this epoch yet, so that the value may still change.
    fresh: bool,
    settled: Option<f64>,
}

impl Standing {
    /// In no epoch yet, and without a value.
    const NONE: Standing = Standing { value: None, epoch: 0, late: false, fresh: true, settled: None };

    /// Takes a value, if it is finite. Returns whether it still counts in this epoch.
    fn set(&mut self, value: f64, epochs: &Epochs, now: Time) -> bool {
        if !value.is_finite() {
            return false;
        }
        self.value = Some(value);
        self.epoch > 0 && self.fresh && !self.late && epochs.is_early(now)
    }

    /// Begins the epoch that `epochs` is in. Returns what the one that ends came to, to be told.
    fn begin(&mut self, epochs: &Epochs, late: bool, estimate: Option<f64>) -> Option<Event> {
        let epoch = self.epoch;
        let result = estimate.filter(|_| epoch > 0 && epoch != epochs.number());
        self.settled = result.or(self.settled);
        (self.epoch, self.late, self.fresh) = (epochs.number(), late, true);
        result.map(|estimate| Event::Estimate { epoch, estimate })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use averaging::{Averaging, Pairing, What};
    use extrema::Extrema;
    use push_sum::{PushSum, Read};
    use rumormill_core::identity::NodeId;
    use rumormill_core::peers::Peers;
    use rumormill_core::rng::mix;
    use testing::{hostile, run, worst};
    use threshold::Threshold;

    use rumormill_sim::{Sim, World};

    /// Eight nodes with the values 1 to 8, whose ids are hashes and whose views list each other, as in an agent.
    fn eight<A: Aggregator>(make: impl Fn() -> A) -> (Sim<A>, alloc::vec::Vec<Event>) {
        let id = |i: u64| NodeId(mix(i));
        let mut sim = Sim::new(World { wire: true, ..hostile() }, 1);
        for i in 1..=8 {
            sim.spawn(id(i), make(), sim.now());
            sim.meet(id(i), Peers::listed((1..=8).filter(|j| *j != i).map(id)));
            sim.call(id(i), Call::Set(i as f64));
        }
        let told = run(&mut sim, 45_000).into_iter().map(|(_, _, event)| event).collect();
        (sim, told)
    }

    fn settles<A: Aggregator>(make: impl Fn() -> A, truth: f64, error: f64) {
        let (sim, told) = eight(make);
        assert_eq!(told.len(), 8, "{told:?}");
        let settled: alloc::vec::Vec<f64> = sim.ids().filter_map(|id| sim.node(id).settled()).collect();
        assert!(settled.len() == 8 && worst(&settled, truth) <= error, "{settled:?}, not {truth}");
        assert!(sim.ids().all(|id| sim.node(id).epoch() == 2));
        // A node that hears of an epoch late has no estimate until the next one.
        let estimates = sim.ids().filter(|id| sim.node(*id).estimate().is_some()).count();
        assert!(estimates >= 7, "{estimates} of 8");
    }

    #[test]
    fn one_driver_drives_them_all_in_a_world_like_the_agents() {
        for pairing in [Pairing::Steady, Pairing::Cyclic, Pairing::Poisson, Pairing::Matching] {
            let config = averaging::Config { pairing, ..Default::default() };
            settles(|| Averaging::new(config.clone()), 4.5, 1e-4);
            let config = averaging::Config { what: What::Count(4.0), ..config };
            settles(|| Averaging::new(config.clone()), 8.0, 1e-4);
        }
        for (what, truth) in [(extrema::What::Minimum, 1.0), (extrema::What::Maximum, 8.0)] {
            settles(|| Extrema::new(extrema::Config { what, ..Default::default() }), truth, 0.0);
        }
        // Four standard deviations with K = 100; and of push-sum, what is left of eight nodes' mass at such a loss.
        settles(|| Extrema::new(Default::default()), 8.0, 0.41);
        settles(|| PushSum::new(push_sum::Config { read: Read::Average, ..Default::default() }), 4.5, 0.5);
        let (sim, told) = eight(|| Threshold::new(threshold::Config::between(2.0, 4.0)));
        assert!(told.len() == 8 && sim.ids().all(|id| sim.node(id).is_above()), "{told:?}");
        let (sim, told) = eight(|| Threshold::new(threshold::Config::between(5.0, 6.0)));
        assert!(told.is_empty() && sim.ids().all(|id| !sim.node(id).is_above()), "{told:?}");
    }
}
