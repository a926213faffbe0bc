//! The notation of checks: `always NAME`, `eventually NAME within 10s`, `eventually NAME within 10s after 1m`, `sometimes NAME`,
//! `finally NAME`.

use super::part::{Part, SimView, Since};
use rumormill_core::time::{Duration, Time, text};
use rumormill_sim::Sim;
use rumormill_sim::check::{Checks, From};
use rumormill_sim::plan::History;

/// A check, as written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Written {
    when: When,
    name: String,
    with: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
enum When {
    Always,
    Eventually(Duration, From),
    Sometimes,
    Finally,
}

impl Written {
    /// Parses a check.
    pub fn parse(text: &str) -> Result<Written, String> {
        let refused = || {
            format!(
                "{text:?} is no check: write \"always NAME\", \"eventually NAME within 10s\", \
                 \"eventually NAME within 10s after 1m\", \"sometimes NAME\" or \"finally NAME\""
            )
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (when, name) = match words[..] {
            ["always", name] => (When::Always, name),
            ["sometimes", name] => (When::Sometimes, name),
            ["finally", name] => (When::Finally, name),
            ["eventually", name, "within", within] => {
                (When::Eventually(text::parse(within)?, From::LastFault), name)
            }
            ["eventually", name, "within", within, "after", after] => {
                let after = From::Time(Time::ZERO + text::parse(after)?);
                (When::Eventually(text::parse(within)?, after), name)
            }
            _ => return Err(refused()),
        };
        let (name, with) = match name.strip_suffix(')').and_then(|name| name.split_once('(')) {
            Some((name, with)) => (name, Some(with.to_owned())),
            None => (name, None),
        };
        Ok(Written { when, name: name.to_owned(), with })
    }

    /// Begin and length of the time that it has, where the last fault or call is at `last`; `None` for a check without a time of its own.
    pub fn window(&self, last: Duration) -> Option<(Duration, Duration)> {
        match self.when {
            When::Eventually(within, From::LastFault) => Some((last, within)),
            When::Eventually(within, From::Time(at)) => Some((at.since(Time::ZERO), within)),
            When::Always | When::Sometimes | When::Finally => None,
        }
    }
}

/// The record that checks read besides the simulation.
pub(super) struct Observed<P: Part> {
    pub seen: P::Seen,
    pub since: Since,
    pub history: History,
}

impl<P: Part> Observed<P> {
    pub fn view<'a>(&'a self, sim: &'a Sim<P::Node>) -> SimView<'a, P::Node> {
        SimView { sim, since: &self.since, history: &self.history }
    }
}

/// The checks of a scenario, ready to run.
pub(super) fn build<P: Part>(
    part: &P,
    written: &[String],
    every: Duration,
) -> Result<Checks<P::Node, Observed<P>>, String> {
    let mut checks = Checks::every(every);
    for text in written {
        let Written { when, name, with } = Written::parse(text)?;
        let check = part.check(&name, with.as_deref()).map_err(|e| format!("{text:?}: {e}"))?;
        let ask =
            move |sim: &Sim<P::Node>, observed: &Observed<P>| check(&observed.view(sim), &observed.seen);
        checks = match when {
            When::Always => checks.always(text, ask),
            When::Eventually(within, from) => checks.eventually_within(text, within, from, ask),
            When::Sometimes => checks.sometimes(text, ask),
            When::Finally => checks.finally(text, ask),
        };
    }
    Ok(checks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_read_as_people_say_them() {
        let parse = |text| Written::parse(text).unwrap();
        let ten = Duration::from_secs(10);
        assert_eq!(parse("always x").when, When::Always);
        assert_eq!(parse("sometimes x").when, When::Sometimes);
        assert_eq!(parse("finally x").when, When::Finally);
        assert_eq!(parse("eventually x within 10s").when, When::Eventually(ten, From::LastFault));
        let after = When::Eventually(ten, From::Time(Time::ZERO + Duration::from_secs(60)));
        let with = Written { when: after, name: "delivered".into(), with: Some("0.99".into()) };
        assert_eq!(parse("eventually delivered(0.99) within 10s after 1m"), with);
        for text in ["", "never x", "eventually x", "eventually x within 10 s", "always"] {
            assert!(Written::parse(text).is_err(), "{text}");
        }
    }
}
