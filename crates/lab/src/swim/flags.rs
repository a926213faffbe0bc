//! The flags of an experiment with SWIM, and all that its runs follow from.

use super::{Experiment, Stall};
use crate::flags::{Flag, Flagged};
use rumormill_core::time::Duration;

impl Flagged for Experiment {
    fn flags() -> Vec<Flag<Experiment>> {
        let seconds = Duration::from_secs;
        let stall = Stall { fraction: 0.3, min: seconds(1), max: seconds(4), run: seconds(1) };
        let text = |stall: &Stall| {
            format!("{},{},{}", stall.fraction, stall.min.as_secs_f64(), stall.max.as_secs_f64())
        };
        let cut = |(fraction, time): &(f64, Duration)| format!("{fraction},{}", time.as_secs_f64());
        vec![
            Flag::number("loss", |it| &mut it.loss, [0.0, 0.3]),
            Flag::number("kill", |it| &mut it.kill, [0, 1]),
            Flag::optional("pause", |it| &mut it.pause, [stall], text),
            Flag::optional("stop", |it| &mut it.stop, [stall], text),
            Flag::optional("partition", |it| &mut it.partition, [(0.5, seconds(5))], cut),
            Flag::optional(
                "seconds",
                |it| &mut it.time,
                [seconds(5), seconds(8)],
                |time| time.as_secs_f64().to_string(),
            ),
            Flag::switch("lifeguard", |it| &mut it.lifeguard),
            Flag::switch("suspicion", |it| &mut it.suspicion),
            Flag::switch("turns", |it| &mut it.turns),
            Flag::switch("synchronous", |it| &mut it.synchronous),
            Flag::number("nodes", |it| &mut it.nodes, [8, 10]),
            Flag::number("runs", |it| &mut it.runs, [1, 2]),
            Flag::number("seed", |it| &mut it.seed, [1, 2]),
        ]
    }

    fn gist(&self) -> String {
        let stalls = self.pause.is_some() || self.stop.is_some();
        // Where every member answers, none is suspected.
        let quiet = self.loss == 0.0 && self.kill == 0 && !stalls && self.partition.is_none();
        let (lifeguard, suspicion) = (self.lifeguard || quiet, self.suspicion || quiet);
        format!("{:?}", Experiment { lifeguard, suspicion, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A flag that is not refused changes some run, and one that is refused changes none.
    #[test]
    fn each_flag_is_refused_or_changes_the_run() {
        let base =
            Experiment { nodes: 8, time: Some(Duration::from_secs(5)), seed: 3, ..Experiment::default() };
        let pause = Stall {
            fraction: 0.3,
            min: Duration::from_secs(2),
            max: Duration::from_secs(4),
            run: Duration::from_secs(1),
        };
        let bases = [
            base.clone(),
            Experiment { loss: 0.4, ..base.clone() },
            Experiment { kill: 2, ..base.clone() },
            Experiment { pause: Some(pause), ..base.clone() },
            Experiment { partition: Some((0.5, Duration::from_secs(8))), ..base },
        ];
        let digest = |experiment: &Experiment| experiment.run(|_| {}).expect("a sound experiment").digest;
        for base in &bases {
            let first = digest(base);
            for flag in Experiment::flags() {
                let differs = flag.variants(base).any(|variant| digest(&variant) != first);
                assert_eq!(differs, !flag.is_idle(base), "seed 3: --{} in {base:?}", flag.name);
            }
        }
    }

    #[test]
    fn lifeguard_where_nobody_fails_is_refused_with_what_makes_somebody_fail() {
        let why = Experiment::default().check_flags(&["lifeguard"]).expect_err("nobody fails");
        assert!(why.contains("--lifeguard has no effect"), "{why}");
        assert!(
            ["--loss", "--kill", "--pause", "--partition"].iter().all(|flag| why.contains(flag)),
            "{why}"
        );
        let lossy = Experiment { loss: 0.1, ..Experiment::default() };
        assert_eq!(lossy.check_flags(&["lifeguard", "suspicion", "turns"]), Ok(()));
    }
}
