//! What is worth a line in the demo's log: the first agent that says something new, with its reason, and when all agree.

use super::picture::Entry;
use rumormill_agent::model::{ChangeKind, Status, WatchChange};
use std::collections::{BTreeSet, VecDeque};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Lines that are kept.
const ENTRIES_MAX: usize = 1000;
/// Things said that are remembered, so as not to tell them again when the others say them.
const SAID_MAX: usize = 1000;
/// Agreements that are waited for at a time.
const PENDING_MAX: usize = 256;

/// What the agents said, each thing once.
#[derive(Debug, Default)]
pub struct Chronicle {
    entries: VecDeque<Entry>,
    said: BTreeSet<(String, &'static str, u64, u64)>,
    pending: Vec<Pending>,
}

/// Something that one agent said, and that the others are expected to say as well.
#[derive(Clone, Debug)]
struct Pending {
    id: String,
    name: String,
    status: Status,
    since: Instant,
}

impl Chronicle {
    /// The lines, oldest first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Something that was done, or went wrong.
    pub fn note(&mut self, text: impl Into<String>, mood: Option<Status>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = crate::show::clock(now.as_millis() as u64);
        if self.entries.len() == ENTRIES_MAX {
            self.entries.pop_front();
        }
        let at = at.split_once(' ').map_or(at.as_str(), |(_, time)| time.trim_end_matches('Z')).into();
        self.entries.push_back(Entry { at, text: text.into(), mood });
    }

    /// Forgets what is being waited for: it was told in other words.
    pub fn is_settled(&mut self) {
        self.pending.clear();
    }

    /// Takes in a change that an agent reports; whether it is news, that is, whether nobody said the same before.
    pub fn is_news(&mut self, change: &WatchChange) -> bool {
        let (epoch, incarnation) = change.member.as_ref().map_or((0, 0), |m| (m.epoch, m.incarnation));
        if matches!(change.what, ChangeKind::Changed | ChangeKind::Tags) {
            return false; // details of a member that nobody here does anything to
        }
        if self.said.len() >= SAID_MAX {
            self.said.clear();
        }
        let is_news = self.said.insert((change.id.clone(), change.what.as_str(), epoch, incarnation));
        if is_news && let Some(status) = settled(change.what) {
            self.pending.retain(|p| p.id != change.id);
            self.pending.truncate(PENDING_MAX - 1);
            let (id, name, since) = (change.id.clone(), change.name.clone(), Instant::now());
            self.pending.push(Pending { id, name, status, since });
        }
        is_news
    }

    /// Tells where all agree by now. `agree` says whether all running others hold the member to be in that state.
    pub fn note_agreements(&mut self, agree: impl Fn(&str, Status) -> bool) {
        let (agreed, pending) =
            std::mem::take(&mut self.pending).into_iter().partition(|p| agree(&p.id, p.status));
        self.pending = pending;
        let agreed: Vec<Pending> = agreed;
        for Pending { name, status, since, .. } in agreed {
            let after = crate::show::span(since.elapsed().as_secs_f64());
            let is = match status {
                Status::Left => String::from("left"),
                Status::Failed => String::from("has failed"),
                other => format!("is {other}"),
            };
            self.note(format!("all agree: {name} {is}, {after} after the first said so"), Some(status));
        }
    }
}

/// The state in which a member is after a change, if it is one that others come to agree on.
fn settled(what: ChangeKind) -> Option<Status> {
    match what {
        ChangeKind::Up => Some(Status::Alive),
        ChangeKind::Failed => Some(Status::Failed),
        ChangeKind::Left => Some(Status::Left),
        _ => None,
    }
}

/// How a change looks.
pub fn mood(what: ChangeKind) -> Option<Status> {
    match what {
        ChangeKind::Up | ChangeKind::Refuted => Some(Status::Alive),
        ChangeKind::Suspected | ChangeKind::NameTaken | ChangeKind::Superseded => Some(Status::Suspect),
        ChangeKind::Failed => Some(Status::Failed),
        ChangeKind::Left | ChangeKind::Forgotten => Some(Status::Left),
        ChangeKind::Changed | ChangeKind::Tags => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_agent::model::Member;

    fn change(what: ChangeKind, incarnation: u64) -> WatchChange {
        let member = Member { incarnation, ..Member::default() };
        WatchChange {
            cursor: String::new(),
            what,
            id: "aa".into(),
            name: "node1".into(),
            at_unix_ms: 0,
            member: Some(member),
        }
    }

    #[test]
    fn what_many_say_is_news_once_and_agreement_is_told_once() {
        let mut chronicle = Chronicle::default();
        assert!(chronicle.is_news(&change(ChangeKind::Failed, 1)));
        assert!(!chronicle.is_news(&change(ChangeKind::Failed, 1)));
        assert!(chronicle.is_news(&change(ChangeKind::Failed, 2)));
        assert!(!chronicle.is_news(&change(ChangeKind::Changed, 3)));
        chronicle.note_agreements(|_, _| false);
        assert_eq!(chronicle.entries().len(), 0);
        chronicle.note_agreements(|id, status| (id, status) == ("aa", Status::Failed));
        chronicle.note_agreements(|_, _| true);
        let told: Vec<&Entry> = chronicle.entries().collect();
        assert_eq!(told.len(), 1);
        assert!(told[0].text.starts_with("all agree: node1 has failed, "), "{told:?}");
    }

    #[test]
    fn who_came_back_is_not_waited_for_as_dead() {
        let mut chronicle = Chronicle::default();
        chronicle.is_news(&change(ChangeKind::Failed, 1));
        chronicle.is_news(&change(ChangeKind::Up, 2));
        chronicle.note_agreements(|_, status| status == Status::Failed);
        assert_eq!(chronicle.entries().len(), 0);
    }

    #[test]
    fn the_log_is_bounded() {
        let mut chronicle = Chronicle::default();
        for i in 0..ENTRIES_MAX + 5 {
            chronicle.note(i.to_string(), None);
        }
        assert_eq!(chronicle.entries().len(), ENTRIES_MAX);
        assert_eq!(chronicle.entries().next().unwrap().text, "5");
    }
}
