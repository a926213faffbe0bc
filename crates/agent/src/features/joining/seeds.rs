//! The outcome of each seed, for `info`, `members` and `/metrics`, and the log lines that it is worth.

use crate::agent::Agent;
use crate::discover::SEEDS_MAX;
use crate::features::joining::meet::{Fault, Met};
use crate::metrics::Table;
use crate::model::{self, JoinReason, SeedState};
use rumormill_core::time::Duration;
use rumormill_core::words;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// The name of those that were members when this agent last ran.
pub(crate) const KNOWN: &str = "known members";
/// Seeds that are shown, those that fail first.
const SHOWN_MAX: usize = 64;
/// Time until the log repeats that a seed fails; ten times as long each further time (our guess).
const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// The longest of these times.
const TOLD_AGAIN_AFTER_MAX: Duration = Duration::from_secs(6_000);
/// How often a changed reason is logged at once (our guess: a name is looked up, then nothing answers, then the key differs).
const CHANGES_TOLD_MAX: u32 = 3;
/// Lines about seeds in the log in [`LINES_EVERY`] (our guess: all of a small cluster's).
const LINES_MAX: u32 = 16;
/// The time that [`LINES_MAX`] is about.
const LINES_EVERY: Duration = Duration::from_secs(60);

/// The seed in a sentence.
fn called(seed: &str) -> String {
    if seed == KNOWN { seed.into() } else { format!("seed {seed}") }
}

/// Why a seed fails, in a sentence. The text of a fault begins with the address that was tried: a name has several, an address is its own.
fn failed(seed: &str, fault: &Fault) -> String {
    match fault.text.strip_prefix(seed).and_then(|text| text.strip_prefix(": ")) {
        Some(text) => format!("{}: {text}; {}", called(seed), fault.hint),
        None => format!("{}: {fault}", called(seed)),
    }
}

/// What the log is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Warning(String),
    Better(String),
}

#[derive(Default)]
struct Stand {
    state: SeedState,
    fault: Option<Fault>,
    failing: Option<Instant>,
    tries: u64,
    /// When the log was last told, and for how long it is not told again.
    told: Option<(Instant, Duration)>,
    changes_told: u32,
}

/// All seeds.
#[derive(Default)]
pub(crate) struct Seeds {
    stands: BTreeMap<String, Stand>,
    /// Tries that failed since the start.
    failed: BTreeMap<JoinReason, u64>,
    lines: Option<(Instant, u32)>,
}

impl Seeds {
    /// Drops what is no seed any more.
    pub(crate) fn keep(&mut self, seeds: &BTreeSet<String>) {
        self.stands.retain(|seed, _| seeds.contains(seed) || seed == KNOWN);
    }

    /// Those that were members when this agent last ran are no longer needed.
    pub(crate) fn forget_known(&mut self) {
        self.stands.remove(KNOWN);
    }

    /// A seed is being looked up, and has not been for the first time.
    pub(crate) fn begins(&mut self, seed: &str) {
        if self.stands.len() < 2 * SEEDS_MAX {
            self.stands.entry(seed.to_string()).or_default();
        }
    }

    /// A member was joined by this seed, or the seed is this agent itself.
    pub(crate) fn works(&mut self, seed: &str, state: SeedState) -> Option<Line> {
        let before = std::mem::take(self.stands.get_mut(seed)?);
        let stand = self.stands.get_mut(seed)?;
        stand.state = state;
        before.told.map(|_| Line::Better(format!("{}: joined", called(seed))))
    }

    /// No member was joined by this seed.
    pub(crate) fn fails(&mut self, seed: &str, fault: Fault, now: Instant) -> Option<Line> {
        *self.failed.entry(fault.reason).or_default() += 1;
        let stand = self.stands.get_mut(seed)?;
        stand.tries += 1;
        stand.state = SeedState::Failing;
        let failing = *stand.failing.get_or_insert(now);
        let is_other = stand.fault.replace(fault.clone()).is_some_and(|before| before.reason != fault.reason);
        let is_news = is_other && stand.changes_told < CHANGES_TOLD_MAX;
        if !is_news && stand.told.is_some_and(|(at, wait)| now.duration_since(at) < wait) {
            return None;
        }
        let (since, count) =
            self.lines.filter(|(at, _)| now.duration_since(*at) < LINES_EVERY).unwrap_or((now, 0));
        if count >= LINES_MAX {
            return None; // logged when there is room
        }
        self.lines = Some((since, count + 1));
        stand.changes_told += u32::from(is_news);
        let longer = |(_, wait): (Instant, Duration)| (wait * 10).min(TOLD_AGAIN_AFTER_MAX);
        stand.told = Some((now, stand.told.map_or(TOLD_AGAIN_AFTER, longer)));
        let failing = now.duration_since(failing);
        let since = match failing.as_secs() {
            0 => String::new(),
            _ => {
                format!(" (for {}, {})", words::span(failing.as_secs_f64()), words::count(stand.tries, "try"))
            }
        };
        Some(Line::Warning(format!("{}{since}; it is tried again", failed(seed, &fault))))
    }

    /// Those that fail first.
    pub(crate) fn list(&self, now: Instant) -> Vec<model::Seed> {
        let shown = |(seed, stand): (&String, &Stand)| model::Seed {
            seed: seed.clone(),
            state: stand.state,
            reason: stand.fault.as_ref().map(|fault| fault.reason),
            error: stand.fault.as_ref().map(|fault| fault.text.clone()),
            hint: stand.fault.as_ref().map(|fault| fault.hint.clone()),
            failing_s: stand.failing.map(|since| words::seconds(now.duration_since(since))),
            tries: stand.tries,
        };
        let mut all: Vec<model::Seed> = self.stands.iter().map(shown).collect();
        all.sort_by_key(|seed| seed.state != SeedState::Failing);
        all.truncate(SHOWN_MAX);
        all
    }

    /// The reasons of those that fail, for an error.
    pub(crate) fn reasons(&self) -> String {
        let failing = self.stands.iter().filter_map(|(seed, stand)| Some((seed, stand.fault.as_ref()?)));
        let all: Vec<String> =
            failing.take(SHOWN_MAX).map(|(seed, fault)| format!("\n  {}", failed(seed, fault))).collect();
        all.concat()
    }

    fn count(&self, table: &mut Table) {
        for reason in JoinReason::ALL {
            let label = [("reason", reason.as_str())];
            let is_it = |stand: &&Stand| stand.fault.as_ref().is_some_and(|fault| fault.reason == reason);
            let failing = self.stands.values().filter(is_it).count() as f64;
            table.gauge("seeds_failing", "Seeds that nobody is joined by, by reason", &label, failing);
            let failed = self.failed.get(&reason).copied().unwrap_or(0);
            table.count(
                "join_tries_failed",
                "Times that nobody was joined by a seed, by reason",
                &label,
                failed,
            );
        }
    }
}

impl Agent {
    /// How seeds stand, those that fail first.
    pub fn seeds(&self) -> Vec<model::Seed> {
        self.locked::<Seeds>().list(Instant::now())
    }

    /// Adds what is counted about joining.
    pub fn count_seeds(&self, table: &mut Table) {
        self.locked::<Seeds>().count(table);
    }

    /// What became of a seed; `met` is about all of its addresses.
    pub(crate) fn tried(&self, seed: &str, met: &Result<Vec<Met>, Fault>) {
        let is_itself = |met: &Met| matches!(&met.1, Err(fault) if fault.reason == JoinReason::Myself);
        let line = {
            let mut seeds = self.locked::<Seeds>();
            match met {
                Ok(met) if met.iter().any(|(_, met)| met.is_ok()) => seeds.works(seed, SeedState::Joined),
                Ok(met) if met.iter().all(is_itself) => seeds.works(seed, SeedState::Itself),
                Ok(met) => {
                    let others = met.iter().filter(|met| !is_itself(met));
                    let fault = others.filter_map(|(_, met)| met.clone().err()).next();
                    fault.and_then(|fault| seeds.fails(seed, fault, Instant::now()))
                }
                Err(fault) => seeds.fails(seed, fault.clone(), Instant::now()),
            }
        };
        write(line);
    }

    /// A live member is at this seed, or this agent itself.
    pub(crate) fn works(&self, seed: &str, state: SeedState) {
        let line = self.locked::<Seeds>().works(seed, state);
        write(line);
    }
}

fn write(line: Option<Line>) {
    match line {
        Some(Line::Warning(text)) => tracing::warn!("{text}"),
        Some(Line::Better(text)) => tracing::info!("{text}"),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(reason: JoinReason) -> Fault {
        Fault { reason, text: "what is wrong".into(), hint: "what to do".into() }
    }

    #[test]
    fn the_log_is_told_at_once_then_ever_more_rarely_and_when_it_is_over() {
        let (mut seeds, start) = (Seeds::default(), Instant::now());
        seeds.begins("a");
        let mut told = Vec::new();
        for second in 0..3_600 {
            let now = start + Duration::from_secs(second);
            told.extend(seeds.fails("a", fault(JoinReason::NoAnswer), now).map(|_| second));
        }
        assert_eq!(told, [0, 60, 660]);
        let [seed] = &seeds.list(start + Duration::from_secs(10))[..] else { panic!("one seed") };
        assert_eq!(
            (seed.state, seed.reason, seed.failing_s),
            (SeedState::Failing, Some(JoinReason::NoAnswer), Some(10.0))
        );
        assert!(matches!(seeds.works("a", SeedState::Joined), Some(Line::Better(_))));
        let [seed] = &seeds.list(start)[..] else { panic!("one seed") };
        assert_eq!((seed.state, seed.reason, seed.tries), (SeedState::Joined, None, 0));
        assert_eq!(seeds.works("a", SeedState::Joined), None, "once");
    }

    #[test]
    fn an_address_is_named_once_and_the_addresses_of_a_name_each_with_it() {
        let refused =
            Fault { text: "10.0.0.9:7900: nobody listens there".into(), ..fault(JoinReason::Refused) };
        assert!(failed("10.0.0.9:7900", &refused).starts_with("seed 10.0.0.9:7900: nobody listens there; "));
        assert!(failed("web", &refused).starts_with("seed web: 10.0.0.9:7900: nobody listens there; "));
    }

    #[test]
    fn another_reason_is_told_at_once_but_not_without_end() {
        let (mut seeds, now) = (Seeds::default(), Instant::now());
        seeds.begins("a");
        let told = (0..100).filter(|n| {
            let reason = if n % 2 == 0 { JoinReason::NoAnswer } else { JoinReason::OtherKey };
            seeds.fails("a", fault(reason), now).is_some()
        });
        assert_eq!(told.count() as u32, 1 + CHANGES_TOLD_MAX);
    }

    #[test]
    fn a_long_list_of_dead_seeds_does_not_fill_the_log_and_is_shown_in_part() {
        let (mut seeds, now) = (Seeds::default(), Instant::now());
        let names: Vec<String> = (0..SEEDS_MAX).map(|n| format!("10.0.0.1:{n}")).collect();
        names.iter().for_each(|name| seeds.begins(name));
        let told = names.iter().filter(|name| seeds.fails(name, fault(JoinReason::Refused), now).is_some());
        assert_eq!(told.count() as u32, LINES_MAX);
        assert_eq!(seeds.list(now).len(), SHOWN_MAX);
        seeds.keep(&BTreeSet::from([names[0].clone()]));
        assert_eq!(seeds.list(now).len(), 1);
    }

    #[test]
    fn metrics_have_a_series_for_each_reason_and_no_other() {
        let (mut seeds, mut table) = (Seeds::default(), Table::default());
        seeds.begins("a");
        seeds.fails("a", fault(JoinReason::OtherCluster), Instant::now());
        seeds.count(&mut table);
        let text = table.openmetrics(&crate::metrics::Histograms::default());
        assert!(text.contains("rumormill_seeds_failing{reason=\"other_cluster\"} 1"), "{text}");
        assert_eq!(text.matches("rumormill_seeds_failing{").count(), JoinReason::ALL.len());
        assert!(text.contains("rumormill_join_tries_failed_total{reason=\"other_cluster\"} 1"), "{text}");
    }
}
