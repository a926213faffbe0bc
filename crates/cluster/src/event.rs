//! Events that a member reports to its program: other members, messages, questions.

use crate::error::Error;
use crate::feed::{Feed, Item};
use crate::node::WeakHandle;
use crate::queries::answer::{ANSWER_BYTES_MAX, Answer};
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::time::Duration;
use rumormill_node::Call;
use rumormill_protocols::member::swim::record::TagMap;
use rumormill_protocols::member::swim::{self, Status};
use rumormill_protocols::spread::events::EventId;
use rumormill_protocols::spread::queries::{self, QueryId};
use rumormill_runtime::contact::Contact;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

/// A stream of events.
pub type Events = Feed<Event>;

/// What happened. Enough to keep a list of the members by: [`Cluster::members`](crate::Cluster::members) after a [`Event::Missed`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// This member is alive, for the first time or again.
    Up(Member),
    /// Its tags, name or addresses changed.
    Changed(Member),
    /// It is suspected of having failed.
    Suspected(Member),
    /// It answered a suspicion: it is alive.
    Refuted(Member),
    /// It failed.
    Failed(Member),
    /// It left of its own will.
    Left(Member),
    /// It is no longer on any list here.
    Forgotten(NodeId),
    /// This id is banned from the cluster (`true`), or no longer.
    Banned(NodeId, bool),
    /// A published message, this member's own included. Those of one member come in their order.
    Message(Message),
    /// Messages of this member that will not come: they left the others' memory before they came here.
    Lost {
        /// The member that published them.
        from: NodeId,
        /// How many.
        count: u64,
    },
    /// A query that this member is meant by. The first answer counts; without one the asker waits until its time is over.
    Question(Question),
    /// This member's id runs elsewhere in a greater life, since its data directory was copied. The node stops: start it with a data directory of its own.
    Superseded,
    /// This reader was too slow: so many events were dropped here, before the next one.
    Missed(u64),
}

/// A member as this node sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its id: the head of the hash of its public key.
    pub id: NodeId,
    /// Its name, which proves nothing and may be taken twice.
    pub name: String,
    /// Its state.
    pub status: Status,
    /// The addresses at which it says it is reached, the preferred one first.
    pub addresses: Vec<SocketAddr>,
    /// Its tags, as far as they are here: large ones follow in an [`Event::Changed`].
    pub tags: BTreeMap<String, String>,
    /// The smoothed round trip to it; none if it was never measured.
    pub round_trip: Option<Duration>,
}

impl Member {
    pub(crate) fn of(member: &swim::Member<'_>) -> Member {
        let contact = Contact::decode(&member.card.contact).unwrap_or_default();
        Member {
            id: member.id,
            name: member.card.name.clone(),
            status: member.status,
            addresses: contact.addresses().to_vec(),
            tags: member.tags.and_then(TagMap::decode).unwrap_or_default().0,
            round_trip: member.rtt,
        }
    }

    /// Whether it is alive, or only suspected.
    pub fn is_live(&self) -> bool {
        matches!(self.status, Status::Alive | Status::Suspect)
    }
}

/// A published message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The message's id: its source, and its number there.
    pub id: EventId,
    /// The message's name; the program chooses it.
    pub kind: Payload,
    /// Its content.
    pub payload: Payload,
}

impl Message {
    /// The member that published it, by its own word.
    pub fn from(&self) -> NodeId {
        self.id.source.origin
    }

    /// Its kind as text.
    pub fn name(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.kind)
    }

    /// Its content as text.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.payload)
    }
}

/// A query that this member is meant by.
#[derive(Clone)]
pub struct Question {
    /// The query's id.
    pub id: QueryId,
    /// The query's name; the program chooses it.
    pub kind: Payload,
    /// The question's payload.
    pub payload: Payload,
    /// The end of the time for answers.
    pub until: Instant,
    pub(crate) handle: WeakHandle,
}

impl Question {
    /// The member that asks.
    pub fn from(&self) -> NodeId {
        self.id.asker
    }

    /// Its kind as text.
    pub fn name(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.kind)
    }

    /// The question as text.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.payload)
    }

    /// Answers with at most [`ANSWER_BYTES_MAX`] bytes. An answer to a query that is over or was answered is dropped.
    pub async fn answer(&self, payload: impl AsRef<[u8]>) -> Result<(), Error> {
        let payload = payload.as_ref();
        if payload.len() > ANSWER_BYTES_MAX {
            return Err(Error::TooLarge { what: "the answer", bytes: payload.len(), max: ANSWER_BYTES_MAX });
        }
        self.send(&Answer::Value(payload.into())).await
    }

    /// Answers with the reason why there is no answer.
    pub async fn fail(&self, why: &str) -> Result<(), Error> {
        self.send(&Answer::failed(why)).await
    }

    async fn send(&self, answer: &Answer) -> Result<(), Error> {
        let handle = self.handle.upgrade().ok_or(Error::Stopped)?;
        let call = Call::Queries(queries::Call::Answer(self.id, answer.encoded()));
        handle.call(call).await.map_err(|_| Error::Stopped)
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Question({} of {}, {:?})", self.name(), self.from(), self.payload)
    }
}

impl Item for Event {
    fn missed(count: u64) -> Event {
        Event::Missed(count)
    }

    fn bytes(&self) -> usize {
        let member = |member: &Member| {
            let tags: usize = member.tags.iter().map(|(name, value)| 64 + name.len() + value.len()).sum();
            member.name.len() + tags + 64 * member.addresses.len()
        };
        let beside = match self {
            Event::Up(one)
            | Event::Changed(one)
            | Event::Suspected(one)
            | Event::Refuted(one)
            | Event::Failed(one)
            | Event::Left(one) => member(one),
            Event::Message(message) => message.kind.len() + message.payload.len(),
            Event::Question(question) => question.kind.len() + question.payload.len(),
            _ => 0,
        };
        size_of::<Event>() + beside
    }
}
