//! Flags without effect are refused.
//!
//! One rule for all experiments: a flag has an effect if some two of its values lead to different runs. What a run follows from is known before it runs: the
//! settings of its nodes, as far as they count beside each other (`Catalogued::in_effect`), the world, and the size of the experiment. No list says which
//! flag goes with which strategy.

#[cfg(test)]
mod sweep;

use std::fmt::Display;

/// An experiment with flags.
pub trait Flagged: Clone + 'static {
    /// Its flags, but for those that say where the outcome goes and how fast it comes.
    fn flags() -> Vec<Flag<Self>>;
    /// All that its runs follow from: two experiments with the same text run alike.
    fn gist(&self) -> String;
}

/// Upper bound on the changes of other flags, besides the last, that are named as the way to an effect (our guess: nobody asks for more at once).
const CHANGES_MAX: usize = 2;

/// Sets a flag to the value of that number.
type Set<E> = Box<dyn Fn(&mut E, usize)>;
/// Writes the value of a flag.
type Show<E> = Box<dyn Fn(&E) -> Option<String>>;

/// A flag of the experiment `E`.
pub struct Flag<E> {
    /// Its name on the command line, without the dashes.
    pub name: &'static str,
    /// The values that are tried, as they are written.
    texts: Vec<String>,
    /// The flag takes no other values.
    listed: bool,
    /// The flag can be left out.
    optional: bool,
    /// Sets the value of that number; the one behind the last leaves the flag out.
    set: Set<E>,
    /// The present value; `None` if the flag is left out.
    shown: Show<E>,
}

impl<E: Clone + 'static> Flag<E> {
    /// A flag that takes one of these values and no others.
    pub fn choice<T: Clone + Display + 'static>(
        name: &'static str,
        field: fn(&mut E) -> &mut T,
        values: impl IntoIterator<Item = T>,
    ) -> Flag<E> {
        let number = Flag::number(name, field, values);
        Flag { listed: true, ..number }
    }

    /// The same for values that do not write themselves.
    pub fn named<T: Clone + PartialEq + 'static>(
        name: &'static str,
        field: fn(&mut E) -> &mut T,
        values: &'static [(&'static str, T)],
    ) -> Flag<E> {
        let text =
            |value: &T| values.iter().find(|(_, known)| known == value).map(|(text, _)| (*text).to_owned());
        Flag {
            name,
            texts: values.iter().map(|(text, _)| (*text).to_owned()).collect(),
            listed: true,
            optional: false,
            set: Box::new(move |experiment, at| field(experiment).clone_from(&values[at].1)),
            shown: Box::new(move |experiment| text(field(&mut experiment.clone()))),
        }
    }

    /// A flag that takes these values and many more.
    pub fn number<T: Clone + Display + 'static>(
        name: &'static str,
        field: fn(&mut E) -> &mut T,
        values: impl IntoIterator<Item = T>,
    ) -> Flag<E> {
        let values: Vec<T> = values.into_iter().collect();
        Flag {
            name,
            texts: values.iter().map(T::to_string).collect(),
            listed: false,
            optional: false,
            set: Box::new(move |experiment, at| field(experiment).clone_from(&values[at])),
            shown: Box::new(move |experiment| Some(field(&mut experiment.clone()).to_string())),
        }
    }

    /// A flag that may be left out; `text` writes a value.
    pub fn optional<T: Clone + 'static>(
        name: &'static str,
        field: fn(&mut E) -> &mut Option<T>,
        values: impl IntoIterator<Item = T>,
        text: fn(&T) -> String,
    ) -> Flag<E> {
        let values: Vec<T> = values.into_iter().collect();
        Flag {
            name,
            texts: values.iter().map(text).collect(),
            listed: false,
            optional: true,
            set: Box::new(move |experiment, at| *field(experiment) = values.get(at).cloned()),
            shown: Box::new(move |experiment| field(&mut experiment.clone()).as_ref().map(text)),
        }
    }

    /// A flag without a value.
    pub fn switch(name: &'static str, field: fn(&mut E) -> &mut bool) -> Flag<E> {
        Flag {
            name,
            texts: vec![String::new()],
            listed: true,
            optional: true,
            set: Box::new(move |experiment, at| *field(experiment) = at == 0),
            shown: Box::new(move |experiment| (*field(&mut experiment.clone())).then(String::new)),
        }
    }

    /// The experiment with each value of this flag in turn, and without the flag if it can be left out.
    pub fn variants<'a>(&'a self, experiment: &'a E) -> impl Iterator<Item = E> + 'a {
        let count = self.texts.len() + usize::from(self.optional);
        (0..count).map(move |at| {
            let mut variant = experiment.clone();
            (self.set)(&mut variant, at);
            variant
        })
    }

    /// The flag as it is given in this experiment.
    fn given(&self, experiment: &E) -> String {
        match (self.shown)(experiment) {
            None => format!("without --{}", self.name),
            Some(value) => format!("with {}", self.written(&value)),
        }
    }

    fn written(&self, value: &str) -> String {
        if value.is_empty() { format!("--{}", self.name) } else { format!("--{} {value}", self.name) }
    }
}

impl<E: Flagged> Flag<E> {
    /// Whether no value of this flag leads to another run than any other does.
    pub fn is_idle(&self, experiment: &E) -> bool {
        let gist = experiment.gist();
        self.variants(experiment).all(|variant| variant.gist() == gist)
    }

    /// The changes of this flag by which `idle` gets an effect, as advice; `None` if there are none.
    fn cure(&self, experiment: &E, idle: &Flag<E>) -> Option<String> {
        let cures = |variant: &E| !idle.is_idle(variant) && !self.is_idle(variant);
        let good: Vec<Option<String>> =
            self.variants(experiment).filter(cures).map(|variant| (self.shown)(&variant)).collect();
        let values: Vec<&str> = good.iter().flatten().map(String::as_str).collect();
        match (values.is_empty(), good.is_empty()) {
            (true, true) => None,
            (true, false) => Some(format!("leave --{} out", self.name)),
            (false, _) if self.listed => Some(format!("give {}", self.written(&either(&values)))),
            (false, _) if (self.shown)(experiment).is_some() => Some(format!("give another --{}", self.name)),
            (false, _) => Some(format!("give --{}", self.name)),
        }
    }
}

/// `a, b or c`.
fn either(all: &[impl AsRef<str>]) -> String {
    let all: Vec<&str> = all.iter().map(AsRef::as_ref).collect();
    match all.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => all.concat(),
    }
}

/// The error for a share of lost datagrams that is not from 0 to below 1.
pub(crate) fn loss_refused(loss: f64) -> String {
    let why = if loss == 1.0 {
        "loses every datagram, so that nothing happens"
    } else {
        "is no share of datagrams"
    };
    format!("--loss {loss} {why}: give 0 or more, and less than 1")
}

/// Refuses the first of the flags of these names that has no effect in this experiment.
///
/// # Errors
/// Names the flag, why it has no effect, and what would give it one.
pub fn check<E: Flagged>(experiment: &E, given: &[&str]) -> Result<(), String> {
    let flags = E::flags();
    let mut asked = flags.iter().filter(|flag| given.contains(&flag.name));
    match asked.find(|flag| flag.is_idle(experiment)) {
        None => Ok(()),
        Some(idle) => Err(refusal(experiment, idle, &flags)),
    }
}

fn refusal<E: Flagged>(experiment: &E, idle: &Flag<E>, flags: &[Flag<E>]) -> String {
    let name = idle.name;
    let others: Vec<&Flag<E>> = flags.iter().filter(|other| other.name != name).collect();
    let say = |condition: &str, cure: &str| {
        format!(
            "--{name} has no effect {condition}: no setting of the run follows from it; {cure}, or leave --{name} out"
        )
    };
    let cures: Vec<(&Flag<E>, String)> =
        others.iter().filter_map(|other| Some((*other, other.cure(experiment, idle)?))).collect();
    match &cures[..] {
        [] => {}
        [(other, cure)] => return say(&other.given(experiment), cure),
        many => return say("in this run", &either(&many.iter().map(|(_, cure)| cure).collect::<Vec<_>>())),
    }
    for changes in 1..=CHANGES_MAX {
        if let Some(way) = way(experiment, idle, &others, changes) {
            let cure = format!("with {} {}", way.changes.join(" "), way.cure);
            return say(&way.conditions.join(", "), if way.changes.is_empty() { &way.cure } else { &cure });
        }
    }
    format!("--{name} has no effect here: no setting of the run follows from it; leave it out")
}

/// Several flags by which another one gets an effect.
struct Way {
    /// The flags as they are given.
    conditions: Vec<String>,
    /// The changes of all but the last of them.
    changes: Vec<String>,
    /// The change of the last one, as advice.
    cure: String,
}

/// The first way in the order of the flags by so many changes and a last one.
fn way<E: Flagged>(experiment: &E, idle: &Flag<E>, others: &[&Flag<E>], changes: usize) -> Option<Way> {
    if changes == 0 {
        return others.iter().find_map(|last| {
            let cure = last.cure(experiment, idle)?;
            Some(Way { conditions: vec![last.given(experiment)], changes: Vec::new(), cure })
        });
    }
    for (at, first) in others.iter().enumerate() {
        for variant in first.variants(experiment).filter(|variant| !first.is_idle(variant)) {
            if let Some(mut way) = way(&variant, idle, &others[at + 1..], changes - 1) {
                way.conditions.insert(0, first.given(experiment));
                let written = (first.shown)(&variant).map(|value| first.written(&value));
                way.changes.splice(0..0, written);
                return Some(way);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Speed counts for cars, gears for cars without automatic.
    #[derive(Clone, Default)]
    struct Trip {
        by: String,
        speed: u32,
        gears: Option<u32>,
        automatic: bool,
    }

    impl Flagged for Trip {
        fn flags() -> Vec<Flag<Trip>> {
            vec![
                Flag::choice("by", |trip| &mut trip.by, ["foot", "car", "bus"].map(String::from)),
                Flag::number("speed", |trip| &mut trip.speed, [0, 50]),
                Flag::optional("gears", |trip| &mut trip.gears, [4, 5], u32::to_string),
                Flag::switch("automatic", |trip| &mut trip.automatic),
            ]
        }
        fn gist(&self) -> String {
            let gears = self.gears.filter(|_| self.by == "car" && !self.automatic);
            let speed = if self.by == "foot" { 0 } else { self.speed };
            let automatic = self.automatic && self.by == "car";
            format!("{} {speed} {gears:?} {automatic}", self.by)
        }
    }

    fn refused(trip: &Trip, flag: &str) -> String {
        check(trip, &[flag]).expect_err("it has no effect")
    }

    #[test]
    fn a_flag_without_effect_is_refused_with_the_reason_and_the_way_out() {
        let foot = Trip { by: "foot".into(), ..Trip::default() };
        let why = refused(&foot, "speed");
        assert!(why.starts_with("--speed has no effect with --by foot:"), "{why}");
        assert!(why.contains("give --by car or bus, or leave --speed out"), "{why}");
        let lazy = Trip { by: "car".into(), automatic: true, ..Trip::default() };
        let why = refused(&lazy, "gears");
        assert!(why.contains("with --automatic") && why.contains("leave --automatic out"), "{why}");
        let lazy_bus = Trip { by: "bus".into(), ..lazy.clone() };
        let why = refused(&lazy_bus, "gears");
        assert!(why.contains("with --by bus, with --automatic"), "{why}");
        assert!(why.contains("with --by car leave --automatic out"), "{why}");
    }

    #[test]
    fn flags_with_an_effect_and_flags_that_were_not_given_are_let_pass() {
        let car = Trip { by: "car".into(), ..Trip::default() };
        assert_eq!(check(&car, &["by", "speed", "gears", "automatic"]), Ok(()));
        assert_eq!(check(&Trip { by: "foot".into(), ..car }, &["by"]), Ok(()));
    }
}
