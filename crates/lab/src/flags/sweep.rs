//! The rule, tried on experiments with flags set at random: a flag that is let pass changes some run, and one that is refused changes none.

use super::{Flag, Flagged};
use crate::aggregate::{Aggregate, Algorithm};
use crate::epidemic::{Epidemic, Strategy};
use rumormill_core::rng::{Rng, mix};
use rumormill_protocols::spread::direct_mail::DirectMail;
use std::fmt::Debug;

/// Flags that change every run, and those that end a run before another flag can have its effect.
const LEFT_OUT: [&str; 5] = ["nodes", "runs", "seed", "rounds", "rounds-max"];
/// Runs among which one differs, if the flag has an effect: a rare one, such as a refused contact, may be in few.
const RUNS: u64 = 24;

/// An experiment that can be run.
trait Tried: Flagged + Debug {
    /// The experiment with another seed.
    fn seeded(&self, seed: u64) -> Self;
    /// The digest of its run, or the reason why it is refused.
    fn digest(&self) -> Result<String, String>;
}

impl Tried for Epidemic {
    fn seeded(&self, seed: u64) -> Self {
        Epidemic { seed, ..self.clone() }
    }
    fn digest(&self) -> Result<String, String> {
        self.run(&mut |_| {}).map(|outcome| outcome.digest)
    }
}

impl Tried for Aggregate {
    fn seeded(&self, seed: u64) -> Self {
        Aggregate { seed, ..self.clone() }
    }
    fn digest(&self) -> Result<String, String> {
        self.run(&mut |_| {}).map(|outcome| outcome.digest)
    }
}

/// The experiment with one flag in three set to a random value; `kept` stays as it is.
fn drawn<E: Tried>(base: &E, kept: &str, rng: &mut Rng) -> E {
    let mut drawn = base.clone();
    for flag in E::flags() {
        if flag.name != kept && !LEFT_OUT.contains(&flag.name) && rng.below(3) == 0 {
            let variants: Vec<E> = flag.variants(&drawn).collect();
            drawn = rng.pick(&variants).cloned().unwrap_or(drawn);
        }
    }
    drawn
}

/// The fault of this flag in this experiment, if it has one.
fn fault<E: Tried>(flag: &Flag<E>, base: &E) -> Option<String> {
    let differs = |base: &E| {
        let digest = base.digest();
        flag.variants(base).any(|variant| variant.digest() != digest)
    };
    let name = flag.name;
    match flag.is_idle(base) {
        true => differs(base).then(|| format!("--{name} is refused, and changes the run of {base:?}")),
        false => (!(0..RUNS).any(|run| differs(&base.seeded(mix(run)))))
            .then(|| format!("--{name} is let pass, and changes no run of {base:?}")),
    }
}

/// Tries all flags on some sound experiments around this one.
fn sweep<E: Tried>(base: &E, kept: &str, experiments: usize, rng: &mut Rng) -> Vec<String> {
    let sound = std::iter::repeat_with(|| drawn(base, kept, rng)).filter(|drawn| drawn.digest().is_ok());
    let flags: Vec<Flag<E>> = E::flags().into_iter().filter(|flag| !LEFT_OUT.contains(&flag.name)).collect();
    let sound: Vec<E> = sound.take(experiments).collect();
    sound.iter().flat_map(|one| flags.iter().filter_map(|flag| fault(flag, one))).collect()
}

#[test]
fn for_every_strategy_each_flag_is_refused_or_changes_the_run() {
    let mut rng = Rng::seeded(7);
    let faults: Vec<String> = Strategy::all()
        .into_iter()
        .flat_map(|strategy| {
            // A publisher that mails everybody needs more than one round for so many.
            let nodes = if strategy == Strategy::of::<DirectMail>() { 150 } else { 40 };
            let base = Epidemic { nodes, strategy, ..Epidemic::default() };
            sweep(&base, "strategy", 12, &mut rng)
        })
        .collect();
    assert!(faults.is_empty(), "seed 7: {faults:#?}");
}

#[test]
fn for_every_algorithm_each_flag_is_refused_or_changes_the_run() {
    let mut rng = Rng::seeded(7);
    let faults: Vec<String> = Algorithm::all()
        .into_iter()
        .flat_map(|algorithm| {
            let base = Aggregate { nodes: 40, algorithm, rounds: 8, ..Aggregate::default() };
            sweep(&base, "algorithm", 12, &mut rng)
        })
        .collect();
    assert!(faults.is_empty(), "seed 7: {faults:#?}");
}
