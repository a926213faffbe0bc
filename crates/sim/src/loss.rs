//! Loss and reordering beyond independent loss: bursts, one-way loss, additional latency.

use crate::ids::Ids;
use rumormill_core::identity::NodeId;
use rumormill_core::rng::Rng;
use rumormill_core::time::{Duration, text};
use serde::{Deserialize, Serialize};

/// Upper bound on one-way losses (our guess: each is checked for each datagram).
pub const ONE_WAY_MAX: usize = 64;

/// Loss in bursts: Gilbert 1960 and Elliott 1963. Each node sends through a channel of its own that is good or bad, and may change its
/// state before each packet.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bursts {
    /// Probability that a good channel turns bad.
    pub to_bad: f64,
    /// Probability that a bad channel turns good: one over the mean length of a burst in packets.
    pub to_good: f64,
    /// Probability of loss while the channel is good.
    #[serde(default)]
    pub loss_good: f64,
    /// Probability of loss while the channel is bad (1 in Gilbert's model).
    #[serde(default = "all")]
    pub loss_bad: f64,
}

fn all() -> f64 {
    1.0
}

impl Bursts {
    /// Bursts of `length` packets on average in which every packet is lost, with a mean loss of `loss` over time. The loss is below 1, and
    /// small enough that good periods last at least a packet.
    pub fn of(loss: f64, length: f64) -> Bursts {
        let to_good = 1.0 / length.max(1.0);
        Bursts { to_bad: to_good * loss / (1.0 - loss), to_good, loss_good: 0.0, loss_bad: 1.0 }
    }

    /// Mean loss in the long run.
    pub fn mean_loss(&self) -> f64 {
        let turns = self.to_bad + self.to_good;
        let bad = if turns > 0.0 { self.to_bad / turns } else { 0.0 };
        bad * self.loss_bad + (1.0 - bad) * self.loss_good
    }

    /// Whether the next packet is lost. `bad` is the state of the sender's channel.
    pub(crate) fn loses(&self, bad: &mut bool, rng: &mut Rng) -> bool {
        let turn = if *bad { self.to_good } else { self.to_bad };
        *bad ^= rng.chance(turn);
        rng.chance(if *bad { self.loss_bad } else { self.loss_good })
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        let parts = [
            ("to_bad", self.to_bad),
            ("to_good", self.to_good),
            ("loss_good", self.loss_good),
            ("loss_bad", self.loss_bad),
        ];
        match parts.into_iter().find(|(_, part)| !(0.0..=1.0).contains(part)) {
            Some((name, part)) => Err(format!("{name} of the bursts is {part}: give a part between 0 and 1")),
            None => Ok(()),
        }
    }
}

/// Loss of datagrams from some nodes to others, in addition to all other loss. The other direction is not affected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneWay {
    /// The senders.
    pub from: Ids,
    /// The receivers.
    pub to: Ids,
    /// Probability of loss.
    pub loss: f64,
}

impl OneWay {
    /// Probability that a datagram between the two is lost by this alone.
    pub(crate) fn between(&self, from: NodeId, to: NodeId) -> f64 {
        if self.from.contains(from) && self.to.contains(to) { self.loss } else { 0.0 }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.loss) {
            return Err(format!("a one-way loss is {}: give a part between 0 and 1", self.loss));
        }
        Ok(())
    }
}

/// Additional latency of some datagrams, so that later ones overtake them.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reorder {
    /// Probability that a datagram takes longer.
    pub share: f64,
    /// Upper bound on the additional latency, which is drawn uniformly.
    #[serde(with = "text")]
    pub extra: Duration,
}

impl Reorder {
    /// Additional latency of the next datagram.
    pub(crate) fn draw(&self, rng: &mut Rng) -> Duration {
        if rng.chance(self.share) { rng.within(self.extra) } else { Duration::ZERO }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.share) {
            return Err(format!(
                "the share of what is held back is {}: give a part between 0 and 1",
                self.share
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(bursts: Bursts, n: usize) -> Vec<bool> {
        let (mut rng, mut bad) = (Rng::seeded(11), false);
        (0..n).map(|_| bursts.loses(&mut bad, &mut rng)).collect()
    }

    fn mean_run(fates: &[bool], of: bool) -> f64 {
        let runs: Vec<usize> =
            fates.chunk_by(|a, b| a == b).filter(|run| run[0] == of).map(<[bool]>::len).collect();
        runs.iter().sum::<usize>() as f64 / runs.len() as f64
    }

    #[test]
    fn losses_come_in_bursts_of_the_length_asked_for() {
        for (loss, length) in [(0.02, 10.0), (0.1, 5.0), (0.3, 2.0)] {
            let bursts = Bursts::of(loss, length);
            let fates = fates(bursts, 400_000);
            let lost = fates.iter().filter(|lost| **lost).count() as f64 / fates.len() as f64;
            assert!((bursts.mean_loss() - loss).abs() < 1e-9);
            assert!((lost / loss - 1.0).abs() < 0.15, "{lost} of {loss}");
            let burst = mean_run(&fates, true);
            assert!((burst / length - 1.0).abs() < 0.1, "bursts of {burst}, not {length}");
            let quiet = length * (1.0 - loss) / loss;
            assert!((mean_run(&fates, false) / quiet - 1.0).abs() < 0.15);
        }
    }

    #[test]
    fn a_bad_channel_may_let_some_through_and_a_good_one_lose_some() {
        let bursts = Bursts { to_bad: 0.1, to_good: 0.1, loss_good: 0.1, loss_bad: 0.5 };
        let lost = fates(bursts, 200_000).iter().filter(|lost| **lost).count() as f64 / 2e5;
        assert!((bursts.mean_loss() - 0.3).abs() < 1e-9);
        assert!((lost - 0.3).abs() < 0.01, "{lost}");
        assert!(Bursts { to_bad: 1.1, ..bursts }.check().unwrap_err().contains("to_bad"));
    }

    #[test]
    fn one_way_is_one_way() {
        let loss = OneWay { from: Ids::range(0..3), to: Ids::of([5]), loss: 0.4 };
        assert_eq!(loss.between(NodeId(1), NodeId(5)), 0.4);
        assert_eq!(loss.between(NodeId(5), NodeId(1)), 0.0);
        assert_eq!(loss.between(NodeId(3), NodeId(5)), 0.0);
    }

    #[test]
    fn a_share_is_held_back_by_half_the_extra_time_on_average() {
        let reorder = Reorder { share: 0.25, extra: Duration::from_millis(40) };
        let mut rng = Rng::seeded(2);
        let draws: Vec<f64> = (0..100_000).map(|_| reorder.draw(&mut rng).as_secs_f64() * 1e3).collect();
        let late = draws.iter().filter(|ms| **ms > 0.0).count() as f64 / 1e5;
        assert!((late - 0.25).abs() < 0.006, "{late}");
        assert!((draws.iter().sum::<f64>() / 1e5 / 5.0 - 1.0).abs() < 0.03);
    }
}
