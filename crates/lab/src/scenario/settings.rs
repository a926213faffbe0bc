//! The protocols' settings, as they are written.

use super::aggregator::{AggregatorPart, Truth, Values};
use super::knobs::{self, Span, knobs};
use super::spreader::Spreader;
use rumormill_protocols::kit::choice::Choice;
use rumormill_protocols::spread::{
    direct_mail, flood, infect_and_die, median_counter, push_then_pull, rumor, tree,
};
use rumormill_protocols::sum::{averaging, extrema, plain, push_sum, threshold};
use serde::Deserialize;
use std::sync::Arc;
use toml::Table;

/// What a spreader allocates: what is hot and what is known, when little happens (our guess).
const SPREADER_HEAP_BYTES: u64 = 512;
/// What an aggregator allocates: answers that are remembered, sketches, vectors (our guess).
const AGGREGATOR_HEAP_BYTES: u64 = 1_024;

/// Takes `name` out of the table.
pub(super) fn take<T: for<'de> Deserialize<'de>>(
    of: &str,
    table: &mut Table,
    name: &str,
) -> Result<Option<T>, String> {
    let value = table.remove(name).map(toml::Value::try_into);
    value.transpose().map_err(|e| format!("[settings.{of}]: {name}: {}", e.message()))
}

/// Whom to talk to: uniformly, or by `distance_exponent`, a in d^-a on a ring of the ids.
pub(super) fn choice(of: &str, table: &mut Table, nodes: u64) -> Result<Choice, String> {
    let exponent: Option<f64> = take(of, table, "distance_exponent")?;
    Ok(exponent.map_or(Choice::Uniform, |exponent| Choice::ring(nodes, exponent)))
}

macro_rules! spreader {
    ($(#[$doc:meta])* $name:ident, $text:literal, $module:ident::$protocol:ident, $knobs:ident, $choice:tt) => {
        $(#[$doc])*
        pub(super) fn $name(table: &Table, nodes: u64) -> Result<Spreader<$module::$protocol>, String> {
            #[allow(unused_mut)]
            let mut table = table.clone();
            let mut config = $module::Config::default();
            spreader!(@choice $choice, config, table, nodes, $text);
            knobs::read::<$knobs>($text, &table)?.apply(&mut config);
            let config = Arc::new(config);
            Ok(Spreader::new(nodes, SPREADER_HEAP_BYTES, move |life| $module::$protocol::new(config.clone(), life)))
        }
    };
    (@choice chosen, $config:ident, $table:ident, $nodes:ident, $text:literal) => {
        $config.choice = choice($text, &mut $table, $nodes)?;
    };
    (@choice fixed, $config:ident, $table:ident, $nodes:ident, $text:literal) => {};
}

/// Who tells whom, as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Direction {
    Push,
    Pull,
    PushPull,
}

impl From<Direction> for rumor::Direction {
    fn from(direction: Direction) -> rumor::Direction {
        match direction {
            Direction::Push => rumor::Direction::Push,
            Direction::Pull => rumor::Direction::Pull,
            Direction::PushPull => rumor::Direction::PushPull,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Removal {
    Never,
    Counter(u32),
    Coin(u32),
}

impl From<Removal> for rumor::Removal {
    fn from(removal: Removal) -> rumor::Removal {
        match removal {
            Removal::Never => rumor::Removal::Never,
            Removal::Counter(k) => rumor::Removal::Counter(k),
            Removal::Coin(k) => rumor::Removal::Coin(k),
        }
    }
}

knobs!(RumorKnobs for rumor::Config {
    direction: Direction,
    feedback: bool,
    removal: Removal,
    reset_on_useful: bool,
    minimization: bool,
    fanout: u32,
    period: Span,
    jitter: Span,
    on_arrival: bool,
    connection_limit: u32,
    hunt: u32,
    contacts_max: u32,
    known_max: usize,
    hot_max: usize,
});
spreader!(rumor, "rumor", rumor::Rumor, RumorKnobs, chosen);

knobs!(PushThenPullKnobs for push_then_pull::Config {
    push_rounds: u32,
    hold_rounds: u32,
    asks_max: u32,
    period: Span,
    jitter: Span,
    known_max: usize,
    hot_max: usize,
});
spreader!(push_then_pull, "push-then-pull", push_then_pull::PushThenPull, PushThenPullKnobs, chosen);

knobs!(MedianCounterKnobs for median_counter::Config {
    counter_max: u8,
    age_rounds_max: u16,
    period: Span,
    jitter: Span,
    known_max: usize,
    hot_max: usize,
});
spreader!(median_counter, "median-counter", median_counter::MedianCounter, MedianCounterKnobs, chosen);

knobs!(InfectAndDieKnobs for infect_and_die::Config {
    fanout: u32,
    updates_per_period_max: u32,
    period: Span,
    known_max: usize,
});
spreader!(infect_and_die, "infect-and-die", infect_and_die::InfectAndDie, InfectAndDieKnobs, chosen);

knobs!(FloodKnobs for flood::Config {
    degree: u32,
    graph_seed: u64,
    neighbours_max: usize,
    updates_per_period_max: u32,
    period: Span,
    known_max: usize,
});
spreader!(flood, "flood", flood::Flood, FloodKnobs, fixed);

knobs!(TreeKnobs for tree::Config {
    arity: u32,
    updates_per_period_max: u32,
    period: Span,
    known_max: usize,
});
spreader!(tree, "tree", tree::Tree, TreeKnobs, fixed);

knobs!(DirectMailKnobs for direct_mail::Config {
    mails_per_period_max: usize,
    bytes_per_period_max: usize,
    period: Span,
    outgoing_max: usize,
    known_max: usize,
});
spreader!(direct_mail, "direct-mail", direct_mail::DirectMail, DirectMailKnobs, fixed);

fn aggregator<N>(
    (nodes, values, truth): (u64, Option<Values>, Truth),
    make: impl Fn() -> N + 'static,
) -> AggregatorPart<N> {
    let values = values.unwrap_or_default();
    AggregatorPart { nodes, heap_bytes: AGGREGATOR_HEAP_BYTES, values, truth, make: Box::new(make) }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PushSumRead {
    Average,
    Sum,
    Count,
    Quantile(f64),
}

knobs!(PushSumKnobs for push_sum::Config { period: Span, cycles: u32, quantile_error: f64, });

/// Push-sum; `read` is what its result is.
pub(super) fn push_sum(table: &Table, nodes: u64) -> Result<AggregatorPart<push_sum::PushSum>, String> {
    let (name, mut table) = ("push-sum", table.clone());
    let values = take(name, &mut table, "values")?;
    let read = take(name, &mut table, "read")?.unwrap_or(PushSumRead::Average);
    let mut config = push_sum::Config::default();
    let truth = match read {
        PushSumRead::Average => Truth::Average,
        PushSumRead::Sum => Truth::Sum,
        PushSumRead::Count => Truth::Count,
        PushSumRead::Quantile(part) => Truth::Quantile(part),
    };
    config.read = match read {
        PushSumRead::Average => push_sum::Read::Average,
        PushSumRead::Sum => push_sum::Read::Sum,
        PushSumRead::Count => push_sum::Read::Count,
        PushSumRead::Quantile(part) => push_sum::Read::Quantile(part),
    };
    if let PushSumRead::Quantile(_) = read {
        config.quantile_error = Some(0.05); // our guess
    }
    knobs::read::<PushSumKnobs>(name, &table)?.apply(&mut config);
    Ok(aggregator((nodes, values, truth), move || push_sum::PushSum::new(config.clone())))
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Pairing {
    Steady,
    Cyclic,
    Poisson,
    Matching,
}

impl From<Pairing> for averaging::Pairing {
    fn from(pairing: Pairing) -> averaging::Pairing {
        match pairing {
            Pairing::Steady => averaging::Pairing::Steady,
            Pairing::Cyclic => averaging::Pairing::Cyclic,
            Pairing::Poisson => averaging::Pairing::Poisson,
            Pairing::Matching => averaging::Pairing::Matching,
        }
    }
}

knobs!(AveragingKnobs for averaging::Config {
    period: Span,
    cycles: u32,
    pairing: Pairing,
    remember_periods: u32,
});

/// Averaging; with `leaders` it counts the nodes, in so many counts at a time.
pub(super) fn averaging(table: &Table, nodes: u64) -> Result<AggregatorPart<averaging::Averaging>, String> {
    let (name, mut table) = ("averaging", table.clone());
    let values = take(name, &mut table, "values")?;
    let leaders: Option<f64> = take(name, &mut table, "leaders")?;
    let what = leaders.map_or(averaging::What::Average, averaging::What::Count);
    let mut config = averaging::Config { what, ..averaging::Config::default() };
    knobs::read::<AveragingKnobs>(name, &table)?.apply(&mut config);
    let truth = if leaders.is_some() { Truth::Count } else { Truth::Average };
    Ok(aggregator((nodes, values, truth), move || averaging::Averaging::new(config.clone())))
}

knobs!(PlainKnobs for plain::Config {
    period: Span,
});

/// Plain averaging.
pub(super) fn plain(table: &Table, nodes: u64) -> Result<AggregatorPart<plain::Plain>, String> {
    let (name, mut table) = ("plain-averaging", table.clone());
    let values = take(name, &mut table, "values")?;
    let mut config = plain::Config::default();
    knobs::read::<PlainKnobs>(name, &table)?.apply(&mut config);
    let config = Arc::new(config);
    Ok(aggregator((nodes, values, Truth::Average), move || plain::Plain::new(config.clone())))
}

#[derive(Copy, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ExtremaWhat {
    Size,
    Sum,
    Minimum,
    Maximum,
}

knobs!(ExtremaKnobs for extrema::Config {
    period: Span,
    cycles: u32,
    numbers: usize,
    quiet_after: u32,
});

/// Extrema; `what` is what its result is.
pub(super) fn extrema(table: &Table, nodes: u64) -> Result<AggregatorPart<extrema::Extrema>, String> {
    let (name, mut table) = ("extrema", table.clone());
    let values = take(name, &mut table, "values")?;
    let what = take(name, &mut table, "what")?.unwrap_or(ExtremaWhat::Size);
    let mut config = extrema::Config::default();
    let truth;
    (config.what, truth) = match what {
        ExtremaWhat::Size => (extrema::What::Size, Truth::Count),
        ExtremaWhat::Sum => (extrema::What::Sum, Truth::Sum),
        ExtremaWhat::Minimum => (extrema::What::Minimum, Truth::Minimum),
        ExtremaWhat::Maximum => (extrema::What::Maximum, Truth::Maximum),
    };
    knobs::read::<ExtremaKnobs>(name, &table)?.apply(&mut config);
    Ok(aggregator((nodes, values, truth), move || extrema::Extrema::new(config.clone())))
}

knobs!(ThresholdKnobs for threshold::Config {
    period: Span,
    cycles: u32,
    witnesses_min: u32,
    sigmas: f64,
    told_max: u32,
});

/// Threshold alarms, between `lower` and `upper`.
pub(super) fn threshold(table: &Table, nodes: u64) -> Result<AggregatorPart<threshold::Threshold>, String> {
    let (name, mut table) = ("threshold", table.clone());
    let values = take(name, &mut table, "values")?;
    let lower = take(name, &mut table, "lower")?.unwrap_or(45.0);
    let upper = take(name, &mut table, "upper")?.unwrap_or(55.0);
    if lower > upper || f64::is_nan(lower) || f64::is_nan(upper) {
        return Err(format!(
            "[settings.{name}]: lower is {lower} and upper {upper}: give two numbers, the lower one first"
        ));
    }
    let mut config = threshold::Config::between(lower, upper);
    knobs::read::<ThresholdKnobs>(name, &table)?.apply(&mut config);
    let truth = Truth::Between(lower, upper);
    Ok(aggregator((nodes, values, truth), move || threshold::Threshold::new(config.clone())))
}
