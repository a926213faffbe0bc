//! What a person should know of this agent: conditions that hold until they are over, and notes of what happened once.
//!
//! A condition has a key. It is raised each time it is met, and cleared by what proves that it is over; both may be done as often as one likes. The
//! log tells when a condition begins, when its text changes, rarely that it goes on, and when it is over. `GET /v1/self` and `/metrics` show what
//! holds now and since when, and for a while what is over.

use super::agent::{Agent, lock};
use crate::model;
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

/// What a warning is about.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum About {
    /// Bans are not on disk. Over when they are.
    BansUnsaved,
    /// What the data directory kept of bans was unreadable. Over when they are saved anew.
    BansUnread,
    /// The node was given none of the events that were on disk. A note.
    EventsNotHeld,
    /// Events are not on disk. Over when they are.
    EventsUnsaved,
    /// This node was given keys that it cannot use. Over when it takes some.
    KeysNotTaken,
    /// What the start found of keys. A note.
    KeysNoted,
    /// The keyring is not in its file. Over when it is.
    KeysUnsaved,
    /// Known members are not on disk. Over when they are.
    MembersUnsaved,
    /// The members known before could not be read. Over when members are saved anew.
    MembersUnread,
    /// The data directory was copied. A note.
    Copied,
    /// The data directory was repaired. A note.
    Repaired,
    /// Orders to forget members are not on disk. Over when they are.
    OrdersUnsaved,
    /// What the data directory kept of such orders was unreadable. Over when they are saved anew.
    OrdersUnread,
}

impl About {
    /// As it is written in JSON and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            About::BansUnsaved => "bans_unsaved",
            About::BansUnread => "bans_unread",
            About::EventsNotHeld => "events_not_held",
            About::EventsUnsaved => "events_unsaved",
            About::KeysNotTaken => "keys_not_taken",
            About::KeysNoted => "keys_noted",
            About::KeysUnsaved => "keys_unsaved",
            About::MembersUnsaved => "members_unsaved",
            About::MembersUnread => "members_unread",
            About::Copied => "data_directory_copied",
            About::Repaired => "data_directory_repaired",
            About::OrdersUnsaved => "orders_unsaved",
            About::OrdersUnread => "orders_unread",
        }
    }
}

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
pub(super) struct Warnings {
    active: Vec<Warning>,
    cleared: VecDeque<(Warning, Instant)>,
}

/// What the log should be told.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Log {
    No,
    Begins,
    GoesOn,
}

impl Warnings {
    fn raise(&mut self, about: About, of: &str, text: String, is_note: bool, now: Instant) -> Log {
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

    /// Returns what no longer holds.
    fn clear(&mut self, about: About, of: &str, now: Instant) -> Option<String> {
        let at = self.active.iter().position(|warning| warning.about == about && warning.of == of)?;
        let over = self.active.remove(at);
        let text = over.text.clone();
        if self.cleared.len() == CLEARED_MAX {
            self.cleared.pop_front();
        }
        self.cleared.push_back((over, now));
        Some(text)
    }

    /// All that is shown: what holds, the newest last, then what is over.
    fn shown(&mut self, now: Instant) -> Vec<model::Warning> {
        self.active.retain(|warning| !warning.is_note || now.duration_since(warning.last) < NOTE_SHOWN);
        self.cleared.retain(|(_, at)| now.duration_since(*at) < CLEARED_SHOWN);
        let ago = |then: Instant| now.duration_since(then).as_secs_f64();
        let shown = |warning: &Warning, cleared: Option<Instant>| model::Warning {
            about: warning.about.as_str().into(),
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

impl Agent {
    /// This condition holds, until it is [cleared](Agent::clear).
    pub(super) fn raise(&self, about: About, text: String) {
        self.raise_of(about, "", text);
    }

    /// This condition holds of one of several.
    pub(super) fn raise_of(&self, about: About, of: &str, text: String) {
        self.tell_warning(about, of, text, false);
    }

    /// This happened; nothing will undo it.
    pub(super) fn note(&self, about: About, of: &str, text: String) {
        self.tell_warning(about, of, text, true);
    }

    fn tell_warning(&self, about: About, of: &str, text: String, is_note: bool) {
        let told = lock(&self.warnings).raise(about, of, text.clone(), is_note, Instant::now());
        match told {
            Log::Begins => tracing::warn!("{text}"),
            Log::GoesOn => tracing::warn!("still so: {text}"),
            Log::No => tracing::debug!("still so: {text}"),
        }
    }

    /// This condition is over, if it held.
    pub(super) fn clear(&self, about: About) {
        self.clear_of(about, "");
    }

    /// This condition is over for one of several, if it held.
    pub(super) fn clear_of(&self, about: About, of: &str) {
        if let Some(text) = lock(&self.warnings).clear(about, of, Instant::now()) {
            tracing::info!("no longer so: {text}");
        }
    }

    /// What holds, and what was over lately.
    pub fn warnings(&self) -> Vec<model::Warning> {
        lock(&self.warnings).shown(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = "the disk is full";

    fn raise(warnings: &mut Warnings, about: About, of: &str, text: &str, at: Instant) -> Log {
        warnings.raise(about, of, text.into(), false, at)
    }

    fn after(start: Instant, s: u64) -> Instant {
        start + Duration::from_secs(s)
    }

    #[test]
    fn a_condition_bears_its_times_and_its_number_until_it_is_cleared_and_is_then_shown_as_over() {
        let (mut warnings, start) = (Warnings::default(), Instant::now());
        let about = About::EventsUnsaved;
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
        let about = About::BansUnsaved;
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
        raise(&mut warnings, About::MembersUnread, "a:1", "a", start);
        raise(&mut warnings, About::MembersUnread, "b:1", "b", start);
        assert_eq!(warnings.clear(About::MembersUnread, "a:1", start).as_deref(), Some("a"));
        assert_eq!(warnings.shown(start)[0].of, "b:1");
        warnings.raise(About::Copied, "", "copied".into(), true, start);
        assert_eq!(warnings.shown(start).len(), 3);
        let shown = warnings.shown(start + NOTE_SHOWN);
        assert_eq!(shown.iter().map(|warning| warning.text.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (mut warnings, start) = (Warnings::default(), Instant::now());
        for nth in 0..100 {
            raise(&mut warnings, About::MembersUnread, &nth.to_string(), "x", after(start, nth));
        }
        let shown = warnings.shown(after(start, 100));
        assert_eq!((shown.len(), shown[0].of.as_str()), (ACTIVE_MAX, "84"), "the latest stay");
        for nth in 0..100 {
            warnings.clear(About::MembersUnread, &nth.to_string(), start);
        }
        assert_eq!(warnings.shown(start).len(), CLEARED_MAX);
    }
}
