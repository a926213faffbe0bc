//! SWIM's knobs: the profile's, with what `[swim]` changes, each within bounds that keep the protocol working.

use super::partial::SwimPartial;
use rumormill_protocols::member::swim;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Milliseconds that a time of the protocol may take: from one (a simulator's step) to an hour (our guess).
const TIME_MS: RangeInclusive<u64> = 1..=3_600_000;
/// Counts of helpers and targets (our guess: beyond that a round is a broadcast).
const FANOUT: RangeInclusive<u64> = 0..=64;

/// Puts `over` on top of `config`; calls `refuse` with the knob and the reason for each that cannot be.
pub(super) fn apply(
    config: &mut swim::Config,
    over: &SwimPartial,
    refuse: &mut dyn FnMut(&'static str, String),
) {
    let mut within = |knob: &'static str, value: Option<u64>, range: RangeInclusive<u64>| match value {
        Some(value) if !range.contains(&value) => {
            refuse(knob, format!("{value} is not within {} to {}", range.start(), range.end()));
            None
        }
        value => value,
    };
    let mut time = |knob, value, to: &mut Duration| {
        if let Some(ms) = within(knob, value, TIME_MS) {
            *to = Duration::from_millis(ms);
        }
    };
    time("period_ms", over.period_ms, &mut config.period);
    time("probe_timeout_ms", over.probe_timeout_ms, &mut config.probe_timeout);
    time("probe_timeout_min_ms", over.probe_timeout_min_ms, &mut config.probe_timeout_min);
    time("gossip_interval_ms", over.gossip_interval_ms, &mut config.gossip_interval);
    time("retry_interval_min_ms", over.retry_interval_min_ms, &mut config.retry_interval.0);
    time("retry_interval_max_ms", over.retry_interval_max_ms, &mut config.retry_interval.1);
    if let Some(ms) = within("push_delay_ms", over.push_delay_ms, 0..=60_000) {
        config.push_delay = Duration::from_millis(ms);
    }
    if let Some(ms) = within("leave_linger_ms", over.leave_linger_ms, 0..=60_000) {
        config.leave_linger = Duration::from_millis(ms);
    }
    if let Some(s) = within("departed_for_s", over.departed_for_s, 1..=365 * 86_400) {
        config.departed_for = Duration::from_secs(s);
    }
    let mut count = |knob, value, range, to: &mut usize| {
        if let Some(count) = within(knob, value, range) {
            *to = count as usize;
        }
    };
    count("helpers", over.helpers, FANOUT, &mut config.helpers);
    count("gossip_fanout", over.gossip_fanout, FANOUT, &mut config.gossip_fanout);
    count("gossip_datagrams_max", over.gossip_datagrams_max, 1..=64, &mut config.gossip_datagrams_max);
    count("departed_max", over.departed_max, 0..=1 << 20, &mut config.departed_max);
    let mut small = |knob, value, range, to: &mut u32| {
        if let Some(count) = within(knob, value, range) {
            *to = count as u32;
        }
    };
    small("retransmit_mult", over.retransmit_mult, 1..=64, &mut config.retransmit_mult);
    small(
        "suspicion_confirmations",
        over.suspicion_confirmations,
        0..=64,
        &mut config.suspicion_confirmations,
    );
    small("health_max", over.health_max, 0..=64, &mut config.health_max);
    factors(config, over, refuse);
    between(config, refuse);
}

/// Switches, and factors that are no whole numbers.
fn factors(config: &mut swim::Config, over: &SwimPartial, refuse: &mut dyn FnMut(&'static str, String)) {
    config.probe_turns = over.probe_turns.unwrap_or(config.probe_turns);
    config.suspicion = over.suspicion.unwrap_or(config.suspicion);
    config.lifeguard = over.lifeguard.unwrap_or(config.lifeguard);
    let mut factor = |knob, value: Option<f64>, to: &mut f64| match value {
        Some(value) if !(1.0..=1000.0).contains(&value) => {
            refuse(knob, format!("{value} is not within 1 to 1000"));
        }
        Some(value) => *to = value,
        None => {}
    };
    factor("suspicion_alpha", over.suspicion_alpha, &mut config.suspicion_alpha);
    factor("suspicion_beta", over.suspicion_beta, &mut config.suspicion_beta);
}

/// What must hold between the knobs.
fn between(config: &swim::Config, refuse: &mut dyn FnMut(&'static str, String)) {
    let ms = |d: Duration| d.as_millis();
    if config.probe_timeout >= config.period {
        let text = format!(
            "{} must be less than period_ms = {}, or no time is left to ask helpers",
            ms(config.probe_timeout),
            ms(config.period)
        );
        refuse("probe_timeout_ms", text);
    }
    if config.probe_timeout_min > config.probe_timeout {
        let text = format!("must not be more than probe_timeout_ms = {}", ms(config.probe_timeout));
        refuse("probe_timeout_min_ms", text);
    }
    if config.retry_interval.0 > config.retry_interval.1 {
        refuse("retry_interval_min_ms", "must not be more than retry_interval_max_ms".into());
    }
}

/// The effective value of every knob, as text, in the order of [`SwimPartial::KEYS`].
pub(super) fn shown(config: &swim::Config) -> Vec<(&'static str, String)> {
    let ms = |d: Duration| d.as_millis().to_string();
    let on = |b: bool| if b { "on" } else { "off" }.to_string();
    SwimPartial::KEYS
        .iter()
        .map(|knob| {
            let value = match *knob {
                "period_ms" => ms(config.period),
                "probe_timeout_ms" => ms(config.probe_timeout),
                "probe_timeout_min_ms" => ms(config.probe_timeout_min),
                "probe_turns" => on(config.probe_turns),
                "helpers" => config.helpers.to_string(),
                "gossip_interval_ms" => ms(config.gossip_interval),
                "push_delay_ms" => ms(config.push_delay),
                "gossip_fanout" => config.gossip_fanout.to_string(),
                "gossip_datagrams_max" => config.gossip_datagrams_max.to_string(),
                "retransmit_mult" => config.retransmit_mult.to_string(),
                "suspicion_alpha" => config.suspicion_alpha.to_string(),
                "suspicion_beta" => config.suspicion_beta.to_string(),
                "suspicion_confirmations" => config.suspicion_confirmations.to_string(),
                "suspicion" => on(config.suspicion),
                "lifeguard" => on(config.lifeguard),
                "health_max" => config.health_max.to_string(),
                "departed_for_s" => config.departed_for.as_secs().to_string(),
                "departed_max" => config.departed_max.to_string(),
                "retry_interval_min_ms" => ms(config.retry_interval.0),
                "retry_interval_max_ms" => ms(config.retry_interval.1),
                "leave_linger_ms" => ms(config.leave_linger),
                other => unreachable!("the knob {other} is not shown"),
            };
            (*knob, value)
        })
        .collect()
}
