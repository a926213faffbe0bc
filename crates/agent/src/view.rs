//! The agent's view of membership: the carriers of each name, the log of changes, and requests that wait for a pong.
//!
//! It is fed by the node's task and read by the API. Nothing is copied per reader: a watcher reads the bounded log at its own pace, and one
//! that falls behind the log's beginning learns that there is a gap.

use crate::describe::model::ChangeKind;
use crate::logging::limit::{self, Kind};
use crate::metrics::Histograms;
use hashbrown::HashMap;
use rumormill_core::identity::NodeId;
use rumormill_core::time::{Duration, Wall};
use rumormill_protocols::member::swim;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{oneshot, watch};

/// Changes that are kept for watchers; older ones are a gap to those who have not read them (our guess: ten minutes of
/// a rolling restart of 1,000 members).
pub const CHANGES_MAX: usize = 4096;
/// Changes that a watcher takes at once.
pub const CHANGES_PER_READ_MAX: usize = 256;
/// Members that are pinged by hand at one time; more are refused.
pub const PINGS_MAX: usize = 256;
/// Requests that wait for one member's answer to a ping; more are refused.
pub const PING_WAITERS_MAX: usize = 16;

/// Members that a log line lists by id.
const LISTED_MAX: usize = 8;

/// A place in the stream of changes of one start of one agent.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// Which start: a cursor of another start is a gap.
    pub session: u64,
    /// How many changes came before.
    pub at: u64,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}-{}", self.session, self.at)
    }
}

impl std::str::FromStr for Cursor {
    type Err = String;
    fn from_str(s: &str) -> Result<Cursor, String> {
        s.split_once('-')
            .and_then(|(session, at)| {
                Some(Cursor { session: u64::from_str_radix(session, 16).ok()?, at: at.parse().ok()? })
            })
            .ok_or_else(|| format!("{s:?} is no cursor; take one from an event's id, or leave it out"))
    }
}

/// One change, as it is kept.
#[derive(Clone, Debug)]
pub struct Change {
    /// What happened.
    pub what: ChangeKind,
    /// To whom.
    pub id: NodeId,
    /// Its name.
    pub name: Arc<str>,
    /// When, by this agent's clock.
    pub at: Wall,
}

/// What a watcher finds.
#[derive(Debug)]
pub enum Read {
    /// Changes, and the number of the first of them.
    Changes(u64, Vec<Change>),
    /// So many changes are gone; none if the cursor is of another start.
    Gap(Option<u64>),
}

/// The agent's view of membership.
pub struct View {
    session: u64,
    /// The name that each known member carries.
    called: HashMap<NodeId, Arc<str>, foldhash::fast::FixedState>,
    /// The live members that carry each name.
    carriers: HashMap<Arc<str>, Vec<NodeId>, foldhash::fast::FixedState>,
    changes: VecDeque<Change>,
    first: u64,
    head: watch::Sender<u64>,
    pings: HashMap<NodeId, Vec<oneshot::Sender<Option<Duration>>>, foldhash::fast::FixedState>,
    histograms: Histograms,
}

impl View {
    /// Nothing known yet. `session` marks this start's cursors.
    pub fn new(session: u64, histograms: Histograms) -> View {
        View {
            session,
            called: HashMap::default(),
            carriers: HashMap::default(),
            changes: VecDeque::new(),
            first: 0,
            head: watch::Sender::new(0),
            pings: HashMap::default(),
            histograms,
        }
    }

    /// Takes what membership tells. `named` is the name of the member it is about and whether it is live, as it stands after the
    /// event; none if it is on no list.
    pub fn on_swim(&mut self, event: &swim::Event, named: Option<(&str, bool)>, now: Wall) {
        match event {
            swim::Event::RoundTrip(_, rtt) => self.histograms.round_trip(*rtt),
            swim::Event::Heard(_, after) => self.histograms.propagation(*after),
            swim::Event::Pong(id, rtt) => self.on_pong(*id, *rtt),
            _ => {
                if let Some((what, id)) = change(event) {
                    self.on_change(what, id, named, now);
                }
            }
        }
    }

    /// The node begins anew under another id: what is known of members is dropped, and every watcher finds a gap.
    pub fn begin_anew(&mut self, before: NodeId, now: Wall) {
        let name = self.called.get(&before).cloned().unwrap_or_else(|| Arc::from(""));
        self.called.clear();
        self.carriers.clear();
        self.pings.clear(); // the pongs that they wait for will not come
        self.first = self.cursor().at + 1;
        self.changes.clear();
        self.push(Change { what: ChangeKind::Superseded, id: before, name, at: now });
    }

    /// Puts a change into the log, and keeps the index of names.
    pub fn on_change(&mut self, what: ChangeKind, id: NodeId, named: Option<(&str, bool)>, now: Wall) {
        let name: Arc<str> = match (named, self.called.get(&id)) {
            (Some((name, _)), Some(known)) if **known == *name => known.clone(),
            (Some((name, _)), _) => Arc::from(name),
            (None, Some(known)) => known.clone(),
            (None, None) => Arc::from(""),
        };
        let is_news = self.index(id, &name, named);
        self.push(Change { what, id, name: name.clone(), at: now });
        if is_news && self.carriers(&name).len() > 1 {
            self.on_name_taken(&name, id, now);
        }
    }

    /// Keeps the carriers of names. Returns whether a live member newly carries `name`.
    fn index(&mut self, id: NodeId, name: &Arc<str>, named: Option<(&str, bool)>) -> bool {
        let live = named.is_some_and(|(_, live)| live);
        if let Some(before) = self.called.get(&id)
            && (!live || before != name)
        {
            let before = before.clone();
            if let Some(ids) = self.carriers.get_mut(&before) {
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    self.carriers.remove(&before);
                }
            }
        }
        if named.is_some() {
            self.called.insert(id, name.clone());
        } else {
            self.called.remove(&id);
        }
        if !live || self.carriers(name).contains(&id) {
            return false;
        }
        self.carriers.entry(name.clone()).or_default().push(id);
        true
    }

    /// `id` claims the name of others. The first two are both told of it; of each further one only that one is, so that a thousand that claim one
    /// name are a thousand changes and not a million.
    fn on_name_taken(&mut self, name: &Arc<str>, id: NodeId, now: Wall) {
        let ids = self.carriers(name);
        let count = ids.len();
        let told = if count == 2 { ids.to_vec() } else { vec![id] };
        if limit::allows(Kind::NameTaken) {
            let listed = ids.iter().take(LISTED_MAX).map(NodeId::to_string).collect::<Vec<_>>().join(", ");
            tracing::error!(
                name = &**name,
                members = listed,
                "{count} members claim the name {name:?}; give each its own with --name, or tell them apart by id"
            );
        }
        for id in told {
            self.push(Change { what: ChangeKind::NameTaken, id, name: name.clone(), at: now });
        }
    }

    fn push(&mut self, change: Change) {
        if self.changes.len() == CHANGES_MAX {
            self.changes.pop_front();
            self.first += 1;
        }
        self.changes.push_back(change);
        self.head.send_replace(self.first + self.changes.len() as u64);
    }

    /// The name of a member that is on a list.
    pub fn name_of(&self, id: NodeId) -> Option<String> {
        self.called.get(&id).map(|name| name.to_string())
    }

    /// The live members that carry `name`.
    pub fn carriers(&self, name: &str) -> &[NodeId] {
        self.carriers.get(name).map_or(&[], Vec::as_slice)
    }

    /// The names that more than one live member carries, and how many do, ordered by name.
    pub fn taken_names(&self) -> Vec<(Arc<str>, usize)> {
        let mut taken: Vec<_> = self
            .carriers
            .iter()
            .filter(|(_, ids)| ids.len() > 1)
            .map(|(name, ids)| (name.clone(), ids.len()))
            .collect();
        taken.sort();
        taken
    }

    /// Where the stream of changes is now.
    pub fn cursor(&self) -> Cursor {
        Cursor { session: self.session, at: self.first + self.changes.len() as u64 }
    }

    /// Tells whenever there are new changes.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// What came after `cursor`: at most [`CHANGES_PER_READ_MAX`] changes.
    pub fn read(&self, cursor: Cursor) -> Read {
        if cursor.session != self.session || cursor.at > self.cursor().at {
            return Read::Gap(None);
        }
        if cursor.at < self.first {
            return Read::Gap(Some(self.first - cursor.at));
        }
        let from = (cursor.at - self.first) as usize;
        Read::Changes(cursor.at, self.changes.iter().skip(from).take(CHANGES_PER_READ_MAX).cloned().collect())
    }

    /// Waits for the next answer of `id` to a ping. None if too many wait already. True with it if nobody waits yet, so that
    /// a ping has to be sent.
    pub fn await_pong(&mut self, id: NodeId) -> Option<(oneshot::Receiver<Option<Duration>>, bool)> {
        if self.pings.len() >= PINGS_MAX && !self.pings.contains_key(&id) {
            return None;
        }
        let waiters = self.pings.entry(id).or_default();
        let is_first = waiters.is_empty();
        waiters.retain(|waiter| !waiter.is_closed());
        if waiters.len() >= PING_WAITERS_MAX {
            return None;
        }
        let (tell, told) = oneshot::channel();
        waiters.push(tell);
        Some((told, is_first))
    }

    fn on_pong(&mut self, id: NodeId, rtt: Option<Duration>) {
        for waiter in self.pings.remove(&id).into_iter().flatten() {
            let _ = waiter.send(rtt); // the request may have ended
        }
    }
}

/// The change that an event is to a watcher, and its member.
pub fn change(event: &swim::Event) -> Option<(ChangeKind, NodeId)> {
    use swim::Event;
    Some(match event {
        Event::Up(id) => (ChangeKind::Up, *id),
        Event::Changed(id) => (ChangeKind::Changed, *id),
        Event::Tags(id) => (ChangeKind::Tags, *id),
        Event::Suspected(id) => (ChangeKind::Suspected, *id),
        Event::Refuted(id) => (ChangeKind::Refuted, *id),
        Event::Failed(id) => (ChangeKind::Failed, *id),
        Event::Left(id) => (ChangeKind::Left, *id),
        Event::Forgotten(id) => (ChangeKind::Forgotten, *id),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View::new(7, Histograms::default())
    }
    fn up(view: &mut View, id: u64, name: &str) {
        view.on_change(ChangeKind::Up, NodeId(id), Some((name, true)), Wall(0));
    }
    fn kinds(view: &View, at: u64) -> Vec<(ChangeKind, u64)> {
        match view.read(Cursor { session: 7, at }) {
            Read::Changes(_, changes) => changes.iter().map(|c| (c.what, c.id.0)).collect(),
            Read::Gap(missed) => panic!("a gap of {missed:?}"),
        }
    }

    #[test]
    fn two_that_claim_one_name_are_both_told_and_neither_is_lost() {
        let mut view = view();
        up(&mut view, 1, "web");
        up(&mut view, 2, "web");
        assert_eq!(view.carriers("web"), [NodeId(1), NodeId(2)]);
        use ChangeKind::{NameTaken, Up};
        assert_eq!(kinds(&view, 0), [(Up, 1), (Up, 2), (NameTaken, 1), (NameTaken, 2)]);
        assert_eq!(view.taken_names(), [("web".into(), 2)]);
        // Heard again, it is no news.
        up(&mut view, 2, "web");
        assert_eq!(kinds(&view, 4), [(Up, 2)]);
    }

    #[test]
    fn a_thousand_that_claim_one_name_are_a_change_each() {
        let mut view = view();
        (0..1_000).for_each(|id| up(&mut view, id, "web"));
        assert_eq!(view.cursor().at, 1_000 + 1_000, "each came, and each claims a name that is taken");
        assert_eq!(view.taken_names(), [("web".into(), 1_000)]);
    }

    #[test]
    fn a_name_is_free_again_when_its_carrier_dies_is_renamed_or_forgotten() {
        let mut view = view();
        up(&mut view, 1, "web");
        up(&mut view, 2, "db");
        view.on_change(ChangeKind::Failed, NodeId(1), Some(("web", false)), Wall(0));
        assert!(view.carriers("web").is_empty());
        up(&mut view, 3, "web");
        assert!(view.taken_names().is_empty(), "the dead do not count");
        view.on_change(ChangeKind::Changed, NodeId(2), Some(("web", true)), Wall(0));
        assert_eq!(view.taken_names(), [("web".into(), 2)]);
        view.on_change(ChangeKind::Forgotten, NodeId(2), None, Wall(0));
        assert!(view.taken_names().is_empty());
        assert!(view.carriers("db").is_empty());
    }

    #[test]
    fn a_watcher_that_is_too_slow_finds_how_much_it_missed_and_can_start_afresh() {
        let mut view = view();
        for id in 0..CHANGES_MAX as u64 + 10 {
            up(&mut view, id, &format!("n{id}"));
        }
        assert!(matches!(view.read(Cursor { session: 7, at: 3 }), Read::Gap(Some(7))));
        assert!(matches!(view.read(Cursor { session: 6, at: 3 }), Read::Gap(None)), "another start's cursor");
        assert!(matches!(view.read(Cursor { session: 7, at: 1 << 40 }), Read::Gap(None)), "from the future");
        assert_eq!(kinds(&view, 10).len(), CHANGES_PER_READ_MAX);
        assert!(kinds(&view, view.cursor().at).is_empty());
    }

    #[test]
    fn whoever_watches_a_node_that_begins_anew_finds_a_gap_and_nothing_of_before() {
        let mut view = view();
        up(&mut view, 1, "web");
        let before = view.cursor();
        view.begin_anew(NodeId(1), Wall(0));
        assert!(matches!(view.read(before), Read::Gap(Some(1))));
        assert!(view.carriers("web").is_empty());
        assert_eq!(kinds(&view, 2), [(ChangeKind::Superseded, 1)]);
        up(&mut view, 2, "web");
        assert_eq!(view.carriers("web"), [NodeId(2)]);
    }

    #[test]
    fn a_cursor_reads_as_it_was_written() {
        let cursor = Cursor { session: 0xab, at: 12 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", "-", "x-1", "1-", "12"] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
    }

    #[test]
    fn everybody_who_waits_for_a_pong_is_told_and_one_ping_is_sent() {
        let mut view = view();
        let (mut first, send) = view.await_pong(NodeId(1)).unwrap();
        assert!(send);
        let (mut second, send) = view.await_pong(NodeId(1)).unwrap();
        assert!(!send);
        view.on_swim(&swim::Event::Pong(NodeId(1), Some(Duration::from_millis(3))), None, Wall(0));
        assert_eq!(first.try_recv().unwrap(), Some(Duration::from_millis(3)));
        assert_eq!(second.try_recv().unwrap(), Some(Duration::from_millis(3)));
        for _ in 0..PING_WAITERS_MAX {
            std::mem::forget(view.await_pong(NodeId(2)).unwrap().0);
        }
        assert!(view.await_pong(NodeId(2)).is_none(), "bounded");
    }
}
