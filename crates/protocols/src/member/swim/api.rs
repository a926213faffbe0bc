//! What SWIM is asked, what it tells, and what can be read from it.

pub use super::record::Evidence;
use super::record::{Card, Charge};
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::payload::Payload;
use rumormill_core::protocol::Change;
use rumormill_core::time::{Duration, Time, Wall};

/// What the application asks of SWIM.
#[derive(Clone, Debug)]
pub enum Call {
    /// Meet this peer and learn whom it knows. Harmless if it is a member already.
    Join(NodeId),
    /// Say goodbye; `Event::LeftCluster` follows when the others have been told.
    Leave,
    /// Drop this departed member from every list in the cluster. Ignored for one that is alive.
    Forget(NodeId),
    /// Keep this id out, or no longer: while it is kept out it is dead, whatever it or others say.
    Shun(NodeId, bool),
    /// Replace where I say that I am reached: I was wrong about it, or have moved.
    SetContact(Payload),
    /// Replace my encoded tags (at most `TAGS_BYTES_MAX` bytes; more is ignored and counted).
    SetTags(Payload),
    /// Fetch this member's large tags again, if they were dropped for want of room; `Event::Tags` follows.
    FetchTags(NodeId),
    /// Probe this peer now; `Event::Pong` follows.
    Ping(NodeId),
}

/// What SWIM tells the application. Enough to keep a list of the members by, without asking back.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// In which life this member runs, and where it is reached: always told before anything is sent to it.
    Contact(NodeId, Life, Payload),
    /// This member is alive, for the first time or again.
    Up(NodeId),
    /// Something on its card changed: tags, contact, name or incarnation.
    Changed(NodeId),
    /// Its tags are here now, after they had to be fetched.
    Tags(NodeId),
    /// It is suspected of having failed.
    Suspected(NodeId),
    /// It answered a suspicion: it is alive.
    Refuted(NodeId),
    /// It failed.
    Failed(NodeId),
    /// It left of its own will.
    Left(NodeId),
    /// It is no longer on any list here.
    Forgotten(NodeId),
    /// A probe that started then got no answer by any path.
    ProbeFailed {
        /// Of whom.
        target: NodeId,
        /// When its probe started.
        started: Time,
    },
    /// The answer to `Call::Ping`; `None` if none came in time.
    Pong(NodeId, Option<Duration>),
    /// A measured round trip to a member, by datagram.
    RoundTrip(NodeId, Duration),
    /// News about a member reached this node so long after it was written (by two clocks that may differ).
    Heard(NodeId, Duration),
    /// Somebody runs under my id in a life above mine: I must make myself a new key and start again.
    Superseded(Life),
    /// Everybody has been told that I leave; the process may end.
    LeftCluster,
}

impl Event {
    /// The change of the set of live members that this event reports, for protocols that draw their peers from membership.
    pub fn change(&self) -> Option<Change> {
        match self {
            Event::Up(id) => Some(Change::Up(*id)),
            Event::Failed(id) | Event::Left(id) | Event::Forgotten(id) => Some(Change::Down(*id)),
            _ => None,
        }
    }
}

/// What a member is held to be.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Status {
    /// It answers, or nobody said otherwise.
    Alive,
    /// A probe failed and it has not yet refuted.
    Suspect,
    /// It failed.
    Failed,
    /// It left of its own will.
    Left,
}

/// One member, as this node sees it.
#[derive(Copy, Clone, Debug)]
pub struct Member<'a> {
    /// Its id.
    pub id: NodeId,
    /// What it is held to be.
    pub status: Status,
    /// Since when, by this node's monotonic clock.
    pub since: Time,
    /// When this node last heard from it directly.
    pub heard: Option<Time>,
    /// The smoothed round trip, by datagram; none if it was never measured.
    pub rtt: Option<Duration>,
    /// Its own record.
    pub card: &'a Card,
    /// Its encoded tags, if they are here.
    pub tags: Option<&'a [u8]>,
    /// Whether it answers over the stream alone: its datagrams seem to be blocked.
    pub stream_only: bool,
}

/// Something that was said about a member, kept so that `why` can be answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// About whom.
    pub accused: NodeId,
    /// Who said it; the accused itself where it refuted or left.
    pub by: NodeId,
    /// What was said.
    pub what: Said,
    /// When it was said, by the speaker's clock.
    pub written: Wall,
    /// When this node heard it.
    pub heard: Time,
    /// Incarnation it was said about.
    pub incarnation: u64,
    /// On what evidence, for accusations.
    pub evidence: Option<Evidence>,
}

/// What a verdict says.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// One member accuses another.
    Charged(Charge),
    /// The accused answered with a higher incarnation.
    Refuted,
    /// The member came back in a new life.
    Restarted,
    /// The member left of its own will.
    Left,
    /// The same id was seen in two lives at once: a copied data directory.
    Copied,
    /// This node keeps it out: it is banned.
    Banned,
}

/// What SWIM counts; all only go up.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // each name is its own sentence
pub struct Counters {
    pub probes: u64,
    pub probes_failed: u64,
    pub indirect_probes: u64,
    pub stream_probes: u64,
    pub nacks_sent: u64,
    pub suspicions_raised: u64,
    pub suspicions_heard: u64,
    pub refutations: u64,
    pub deaths: u64,
    pub news_sent: u64,
    pub news_heard: u64,
    pub news_stale: u64,
    pub news_shunned: u64,
    pub news_buried: u64,
    pub news_shed: u64,
    pub records_forged: u64,
    pub records_corrupted_in_memory: u64,
    pub exchanges_opened: u64,
    pub exchange_records_sent: u64,
    pub departed_tries: u64,
    pub departed_dropped: u64,
    pub ghosts: u64,
    pub tombstones_shed: u64,
    pub tags_fetched: u64,
    pub tags_shed: u64,
    pub requests_refused: u64,
}
