//! SWIM as a program sees it: its calls, its events, and what can be read from it.

pub use super::record::Evidence;
use super::record::{Card, Charge};
use rumormill_core::counters;
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
    /// Ban this id, or lift its ban: a banned member counts as failed, whatever it or others say.
    Ban(NodeId, bool),
    /// Replace the contact on my card: it was wrong, or has changed.
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
    /// The life and the contact of this member. Comes before anything is sent to it.
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
    /// A probe got no answer by any path.
    ProbeFailed {
        /// The member that was probed.
        target: NodeId,
        /// Start of the probe.
        started: Time,
    },
    /// The answer to `Call::Ping`; `None` if none came in time.
    Pong(NodeId, Option<Duration>),
    /// A measured round trip to a member, by datagram.
    RoundTrip(NodeId, Duration),
    /// News about a member reached this node so long after it was written (by two clocks that may differ).
    Heard(NodeId, Duration),
    /// Another process runs under my id in a greater life: this node must make itself a new key and start again.
    Superseded(Life),
    /// The others have been told that this node leaves; the process may end.
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

/// The state of a member, as one node sees it.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Status {
    /// It answers probes, or no accusation of it was heard.
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
    /// Its state.
    pub status: Status,
    /// The time of the last change of `status`, by this node's monotonic clock.
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

/// A statement about a member, kept so that `why` can be answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The member that the statement is about.
    pub accused: NodeId,
    /// Its author; the accused itself where it refuted or left.
    pub by: NodeId,
    /// The statement.
    pub what: VerdictKind,
    /// Time of writing, by the author's clock.
    pub written: Wall,
    /// Time of receipt.
    pub heard: Time,
    /// The incarnation of the accused that it is about.
    pub incarnation: u64,
    /// The evidence of an accusation.
    pub evidence: Option<Evidence>,
}

/// The statement of a verdict.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum VerdictKind {
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
    /// The member is banned.
    Banned,
}

counters! {
    /// What SWIM counts; all only go up.
    pub struct Counters {
        /// Members probed.
        probes,
        /// Probes without an answer by any path.
        probes_failed,
        /// Probes through helpers.
        indirect_probes,
        /// Probes over TCP, where datagrams got no answer.
        stream_probes,
        /// Times this helper got no answer either, and said so.
        nacks_sent,
        /// Suspicions of this member's own.
        suspicions_raised,
        /// Suspicions of others.
        suspicions_heard,
        /// Suspicions of this member that it answered.
        refutations,
        /// Members that this node marked as failed.
        deaths,
        /// Items of news sent.
        news_sent,
        /// Items of news that were new.
        news_heard,
        /// Items of news that were not.
        news_stale,
        /// Cards of members that are kept out.
        news_shunned,
        /// Cards of members that were forgotten.
        news_buried,
        /// Items of news dropped.
        news_shed,
        /// Records whose signature is not their owner's.
        records_forged,
        /// Records that changed in this machine's memory.
        records_corrupted_in_memory,
        /// Comparisons of all members with a peer that differed.
        exchanges_opened,
        /// Records sent in such comparisons.
        exchange_records_sent,
        /// Failed members tried again.
        departed_tries,
        /// Departed members forgotten for age or number.
        departed_dropped,
        /// Members failed because another member answered at their address.
        ghosts,
        /// Tombstones of forgotten members dropped for their number.
        tombstones_shed,
        /// Large tags fetched.
        tags_fetched,
        /// Large tags of others dropped, because all together take too much.
        tags_shed,
        /// Requests of peers or the operator that were refused.
        requests_refused,
    }
}
