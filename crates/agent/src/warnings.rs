//! Warnings: conditions that hold until they are cleared, and notes of single incidents.
//!
//! A condition has a key. The agent raises it each time it meets it, and clears it when something proves its end; both may happen any number of times.
//! The log tells when a condition begins, when its text changes, rarely that it goes on, and when it ends. `GET /v1/self` and `/metrics` show the
//! conditions that hold, with their times, and for a while those that ended.

use crate::describe::model;
use rumormill_core::words;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Conditions that are shown as holding; the one that was met longest ago makes room (our guess: what a person reads).
pub const ACTIVE_MAX: usize = 16;
/// Conditions that are shown as over; the oldest makes room (our guess).
pub const CLEARED_MAX: usize = 8;
/// How long a condition that is over is shown (our guess: whoever was called by an alert still finds why).
pub const CLEARED_SHOWN: Duration = Duration::from_secs(3600);
/// How long a note is shown (our guess: somebody who looks once a day sees it).
pub const NOTE_SHOWN: Duration = Duration::from_secs(24 * 3600);
/// A condition that goes on is logged again after so long (our guess).
pub const LOG_AGAIN: Duration = Duration::from_secs(600);

/// The subject of a warning, as a word that never changes: it stands in JSON and in the labels of `/metrics`. Each feature declares its own.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct About(pub &'static str);

/// A condition, or a note.
#[derive(Clone, Debug)]
struct Warning {
    about: About,
    /// Which of several of that kind; empty where there is one.
    of: String,
    text: String,
    since: Instant,
    last: Instant,
    count: u64,
    logged: Instant,
    is_note: bool,
}

/// What holds, and what was over lately.
#[derive(Debug, Default)]
pub struct Warnings {
    active: Vec<Warning>,
    cleared: VecDeque<(Warning, Instant)>,
}

/// The line that a warning is worth in the log.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Log {
    /// None: the log told it a short time ago.
    No,
    /// The condition begins, or its text changed.
    Begins,
    /// The condition goes on.
    GoesOn,
}

impl Warnings {
    /// Notes that a condition holds, or that something happened once; the answer says whether the log should tell it.
    pub fn raise(&mut self, about: About, of: &str, text: String, is_note: bool, now: Instant) -> Log {
        let same = |warning: &&mut Warning| warning.about == about && warning.of == of;
        if let Some(known) = self.active.iter_mut().find(same) {
            (known.last, known.count) = (now, known.count.saturating_add(1));
            let is_news = known.text != text;
            known.text = text;
            if !is_news && now.duration_since(known.logged) < LOG_AGAIN {
                return Log::No;
            }
            known.logged = now;
            return if is_news { Log::Begins } else { Log::GoesOn };
        }
        if self.active.len() == ACTIVE_MAX
            && let Some(oldest) = self.active.iter().enumerate().min_by_key(|(_, w)| w.last).map(|(at, _)| at)
        {
            self.active.remove(oldest);
        }
        let of = of.to_string();
        self.active.push(Warning { about, of, text, since: now, last: now, count: 1, logged: now, is_note });
        Log::Begins
    }

    /// Ends a condition. Returns its text if it held.
    pub fn clear(&mut self, about: About, of: &str, now: Instant) -> Option<String> {
        let at = self.active.iter().position(|warning| warning.about == about && warning.of == of)?;
        let over = self.active.remove(at);
        let text = over.text.clone();
        if self.cleared.len() == CLEARED_MAX {
            self.cleared.pop_front();
        }
        self.cleared.push_back((over, now));
        Some(text)
    }

    /// The conditions that hold, the newest last, then those that ended lately.
    pub fn shown(&mut self, now: Instant) -> Vec<model::Warning> {
        self.active.retain(|warning| !warning.is_note || now.duration_since(warning.last) < NOTE_SHOWN);
        self.cleared.retain(|(_, at)| now.duration_since(*at) < CLEARED_SHOWN);
        let ago = |then: Instant| words::seconds(now.duration_since(then));
        let shown = |warning: &Warning, cleared: Option<Instant>| model::Warning {
            about: warning.about.0.into(),
            of: warning.of.clone(),
            text: warning.text.clone(),
            since_s: ago(warning.since),
            last_s: ago(warning.last),
            count: warning.count,
            cleared_s: cleared.map(ago),
        };
        let active = self.active.iter().map(|warning| shown(warning, None));
        active.chain(self.cleared.iter().map(|(warning, at)| shown(warning, Some(*at)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = "the disk is full";
    const EVENTS: About = About("events_unsaved");
    const BANS: About = About("bans_unsaved");
    const MEMBERS: About = About("members_unread");
    const COPIED: About = About("data_directory_copied");

    fn raise(warnings: &mut Warnings, about: About, of: &str, text: &str, at: Instant) -> Log {
        warnings.raise(about, of, text.into(), false, at)
    }

    fn after(start: Instant, s: u64) -> Instant {
        start + Duration::from_secs(s)
    }

    #[test]
    fn a_condition_bears_its_times_and_its_number_until_it_is_cleared_and_is_then_shown_as_over() {
        let (mut warnings, start) = (Warnings::default(), Instant::now());
        let about = EVENTS;
        assert_eq!(raise(&mut warnings, about, "", FULL, start), Log::Begins);
        assert_eq!(raise(&mut warnings, about, "", FULL, after(start, 5)), Log::No, "the log is not filled");
        let shown = warnings.shown(after(start, 7));
        let [one] = &shown[..] else { panic!("{shown:?}") };
        assert_eq!((one.about.as_str(), one.text.as_str()), ("events_unsaved", FULL));
        assert_eq!((one.since_s, one.last_s, one.count, one.cleared_s), (7.0, 2.0, 2, None));
        assert_eq!(warnings.clear(about, "", after(start, 10)).as_deref(), Some(FULL));
        assert_eq!(warnings.clear(about, "", after(start, 11)), None, "it is over once");
        assert_eq!(warnings.shown(after(start, 20))[0].cleared_s, Some(10.0));
        assert!(warnings.shown(after(start, 10) + CLEARED_SHOWN).is_empty());
    }

    #[test]
    fn the_log_hears_of_a_condition_at_once_when_its_text_changes_and_rarely_else() {
        let (mut warnings, start) = (Warnings::default(), Instant::now());
        let about = BANS;
        raise(&mut warnings, about, "", FULL, start);
        assert_eq!(raise(&mut warnings, about, "", "it is read-only", after(start, 1)), Log::Begins);
        let again = start + Duration::from_secs(1) + LOG_AGAIN;
        assert_eq!(raise(&mut warnings, about, "", "it is read-only", again), Log::GoesOn);
        assert_eq!(raise(&mut warnings, about, "", "it is read-only", again), Log::No);
        assert_eq!(warnings.shown(again).len(), 1, "it is one condition");
    }

    #[test]
    fn one_of_several_is_cleared_alone_and_a_note_ends_with_its_time() {
        let (mut warnings, start) = (Warnings::default(), Instant::now());
        raise(&mut warnings, MEMBERS, "a:1", "a", start);
        raise(&mut warnings, MEMBERS, "b:1", "b", start);
        assert_eq!(warnings.clear(MEMBERS, "a:1", start).as_deref(), Some("a"));
        assert_eq!(warnings.shown(start)[0].of, "b:1");
        warnings.raise(COPIED, "", "copied".into(), true, start);
        assert_eq!(warnings.shown(start).len(), 3);
        let shown = warnings.shown(start + NOTE_SHOWN);
        assert_eq!(shown.iter().map(|warning| warning.text.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (mut warnings, start) = (Warnings::default(), Instant::now());
        for nth in 0..100 {
            raise(&mut warnings, MEMBERS, &nth.to_string(), "x", after(start, nth));
        }
        let shown = warnings.shown(after(start, 100));
        assert_eq!((shown.len(), shown[0].of.as_str()), (ACTIVE_MAX, "84"), "the latest stay");
        for nth in 0..100 {
            warnings.clear(MEMBERS, &nth.to_string(), start);
        }
        assert_eq!(warnings.shown(start).len(), CLEARED_MAX);
    }
}
