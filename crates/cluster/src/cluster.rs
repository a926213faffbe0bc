//! A running member of a cluster, and what a program asks of it.

pub mod bans;
pub mod builder;
mod check;
mod keys;
mod start;

use crate::address::Address;
use crate::audience::{Filter, Patterns};
use crate::error::{Error, NotMet};
use crate::event::{Events, Member};
use crate::feed::ITEMS_MAX;
use crate::joiner::Progress;
use crate::keeper::Keeper;
use crate::meeting::meet_seed;
use crate::node::{Handle, Node};
use crate::queries::time_for_answers;
use crate::replies::{Asked, Replies};
use crate::shared::{Covered, Receipt, Shared};
use builder::Builder;
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::time::Duration;
use rumormill_node::Call;
use rumormill_protocols::member::swim::record::{TAGS_BYTES_MAX, TagMap};
use rumormill_protocols::member::swim::{self, Status};
use rumormill_protocols::spread::events::{self, Cover, EventId, NAME_BYTES_MAX, PAYLOAD_BYTES_MAX, Publish};
use rumormill_protocols::spread::queries::{self, Ask, FILTERED_BYTES_MAX, QUESTION_BYTES_MAX, TIMEOUT_MAX};
use rumormill_runtime::counters::Snapshot;
use rumormill_runtime::faults::Faults;
use rumormill_runtime::keyring::Keyring;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

/// Time that a leave may take beyond its linger.
const LEAVE_GRACE: Duration = Duration::from_secs(3);

/// A member of a cluster, in this program. A clone is the same member; when the last one is dropped, the member stops without a word, which the
/// others see as a failure: [`Cluster::leave`] says goodbye first.
#[derive(Clone)]
pub struct Cluster(Arc<Running>);

struct Running {
    builder: Builder,
    keyring: Keyring,
    handle: Arc<Handle>,
    shared: Arc<Shared>,
    progress: Arc<watch::Sender<Progress>>,
    keeper: Mutex<Option<Arc<Keeper>>>,
    /// Aborted when the last clone is dropped: the node stops with its last handle.
    tasks: Mutex<JoinSet<()>>,
}

/// The parts of a member that has been started.
struct Parts {
    builder: Builder,
    keyring: Keyring,
    handle: Arc<Handle>,
    shared: Arc<Shared>,
    progress: Arc<watch::Sender<Progress>>,
    keeper: Option<Arc<Keeper>>,
    tasks: JoinSet<()>,
}

/// The way in which a message is delivered.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// At first receipt, and not in the order of this member's messages.
    pub unordered: bool,
    /// Of this member's messages of one kind only the latest counts.
    pub coalesce: bool,
}

/// The number of members that deliver a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The message.
    pub id: EventId,
    /// Members that were asked: all that were listed when it was published.
    pub asked: u32,
    /// Members that confirmed that they deliver it.
    pub confirmed: u32,
    /// Some of those that did not.
    pub missing: Vec<NodeId>,
}

/// A query that is to be asked.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The query's name; the program chooses it.
    pub kind: Payload,
    /// The question.
    pub payload: Payload,
    /// The members that are meant; all by default.
    pub filter: Filter,
    /// For so long answers are taken. `None`: as long as [`time_for_answers`] says, and not at all if no live member is meant.
    pub timeout: Option<Duration>,
}

impl Query {
    /// A query to all members, with the default time for answers.
    pub fn new(kind: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Query {
        let (kind, payload) = (Payload::from(kind.as_ref()), Payload::from(payload.as_ref()));
        Query { kind, payload, ..Query::default() }
    }

    /// The query for the members that match this filter.
    pub fn to(self, filter: Filter) -> Query {
        Query { filter, ..self }
    }

    /// The query with this time for answers.
    pub fn within(self, timeout: Duration) -> Query {
        Query { timeout: Some(timeout), ..self }
    }
}

/// The tags as they travel.
fn encoded_tags(tags: BTreeMap<String, String>) -> Result<Payload, Error> {
    if tags.keys().any(String::is_empty) {
        return Err(Error::EmptyTag);
    }
    let encoded = TagMap(tags).encoded();
    check_size("all tags together", encoded.len(), TAGS_BYTES_MAX)?;
    Ok(Payload::from(&encoded[..]))
}

fn check_size(what: &'static str, bytes: usize, max: usize) -> Result<(), Error> {
    if bytes > max { Err(Error::TooLarge { what, bytes, max }) } else { Ok(()) }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cluster {
    /// The settings of a member of this name. A name is a label: it proves nothing, and may be taken twice.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder::new(name.into())
    }

    fn new(parts: Parts) -> Cluster {
        let Parts { builder, keyring, handle, shared, progress, keeper, tasks } = parts;
        let (keeper, tasks) = (Mutex::new(keeper), Mutex::new(tasks));
        Cluster(Arc::new(Running { builder, keyring, handle, shared, progress, keeper, tasks }))
    }

    /// This member's name.
    pub fn name(&self) -> &str {
        &self.0.builder.name
    }

    /// This member's id.
    pub fn id(&self) -> NodeId {
        self.0.handle.me()
    }

    /// The address at which it gossips.
    pub fn addr(&self) -> SocketAddr {
        self.0.handle.local_addr()
    }

    /// The cluster's keys: to list them, or to change them in this member alone.
    pub fn keyring(&self) -> &Keyring {
        &self.0.keyring
    }

    /// Counts of packets sent, received and lost so far.
    pub fn counters(&self) -> Snapshot {
        self.0.handle.counters()
    }

    /// Faults on purpose, if [`Builder::allow_faults`] allows them.
    pub fn faults(&self) -> &Faults {
        self.0.handle.faults()
    }

    /// Subscribes to all that happens from now on. A reader that is [`ITEMS_MAX`] events behind misses the oldest: [`Event::Missed`](crate::Event::Missed).
    pub fn subscribe(&self) -> Events {
        self.subscribe_with(ITEMS_MAX)
    }

    /// [`Cluster::subscribe`] for a reader that may be so many events behind.
    pub fn subscribe_with(&self, events_max: usize) -> Events {
        self.0.shared.subscribers.subscribe(events_max)
    }

    async fn inspect<R: Send + 'static>(
        &self,
        look: impl FnOnce(&Node) -> R + Send + 'static,
    ) -> Result<R, Error> {
        self.0.handle.inspect(move |node, _| look(node)).await.map_err(|_| Error::Stopped)
    }

    async fn call(&self, call: Call) -> Result<(), Error> {
        self.0.handle.call(call).await.map_err(|_| Error::Stopped)
    }
}

/// Membership.
impl Cluster {
    /// Waits until this member and another one list each other. Returns at once if there is none to look for, neither a seed nor a member of the last run in
    /// the data directory: then it is a cluster of its own.
    ///
    /// # Errors
    /// [`Error::NotJoined`] with the reason of each seed: after [`Builder::join_timeout`], or at once if waiting heals none of the reasons. The seeds are
    /// tried on for as long as the member runs.
    pub async fn joined(&self) -> Result<(), Error> {
        let (begun, timeout) = (Instant::now(), self.0.builder.join_timeout);
        let mut progress = self.0.progress.subscribe();
        let mut is_joined = self.0.shared.is_joined.subscribe();
        let is_settled = |progress: &Progress| progress.is_done() || progress.is_hopeless();
        tokio::select! {
            biased;
            _ = is_joined.wait_for(|is_joined| *is_joined) => return Ok(()),
            _ = progress.wait_for(is_settled) => {}
            () = self.0.handle.stopped() => return Err(Error::Stopped),
            () = tokio::time::sleep(timeout) => {}
        }
        let progress = self.0.progress.borrow().clone();
        if progress.is_done() {
            return Ok(());
        }
        let seeds = progress.seeds.into_iter();
        let seeds = seeds.filter_map(|(seed, why)| why.map(|why| NotMet { seed, why })).collect();
        Err(Error::NotJoined { waited: begun.elapsed(), seeds })
    }

    /// Meets the member at this address, and returns its id once both list each other. The address is a seed from now on, whether it was met or not.
    pub async fn join(&self, seed: impl Into<Address>) -> Result<NodeId, Error> {
        let seed = seed.into();
        let (done, met) = oneshot::channel();
        {
            // In a task of its own, which ends although the caller gives up: the node waits for the end of what it resolves.
            let mut tasks = lock(&self.0.tasks);
            while tasks.try_join_next().is_some() {}
            let (handle, progress, seed) = (self.0.handle.clone(), self.0.progress.clone(), seed.clone());
            tasks.spawn(async move {
                let met = meet_seed(&handle, &seed).await;
                progress.send_modify(|progress| progress.tried(&seed, &met));
                let _ = done.send(met); // the caller may have given up
            });
        }
        let met = met.await.map_err(|_| Error::Stopped)?;
        met.map_err(|why| Error::NotMet(NotMet { seed, why }))
    }

    /// All members that are remembered, this one first; those that failed or left included.
    pub async fn members(&self) -> Result<Vec<Member>, Error> {
        self.inspect(|node| node.swim.members().map(|member| Member::of(&member)).collect()).await
    }

    /// One member, if it is remembered.
    pub async fn member(&self, id: NodeId) -> Result<Option<Member>, Error> {
        self.inspect(move |node| node.swim.member(id).map(|member| Member::of(&member))).await
    }

    /// Replaces this member's tags. With a data directory they are kept, and count at the next start in place of the builder's.
    pub async fn set_tags(&self, tags: BTreeMap<String, String>) -> Result<(), Error> {
        let encoded = encoded_tags(tags)?;
        self.call(Call::Swim(swim::Call::SetTags(encoded.clone()))).await?;
        if let Some(keeper) = &*lock(&self.0.keeper) {
            keeper.set_tags(encoded);
        }
        Ok(())
    }

    /// Says goodbye, saves, and stops. All clones have stopped then.
    ///
    /// # Errors
    /// [`Error::Unheard`] if the others may not know: they will find this member failed. It has stopped all the same.
    pub async fn leave(&self) -> Result<(), Error> {
        let mut left = self.0.shared.left.subscribe();
        self.call(Call::Swim(swim::Call::Leave)).await?;
        let wait = self.0.builder.swim.leave_linger + LEAVE_GRACE;
        let is_told = matches!(tokio::time::timeout(wait, left.wait_for(|left| *left)).await, Ok(Ok(_)));
        self.stop().await?;
        if is_told { Ok(()) } else { Err(Error::Unheard) }
    }

    /// Saves, and stops without a word to the others: after a restart with the same data directory this member goes on where it was.
    pub async fn stop(&self) -> Result<(), Error> {
        let keeper = lock(&self.0.keeper).take();
        let saved = match &keeper {
            Some(keeper) => keeper.save(&self.0.handle, true).await,
            None => Ok(()),
        };
        let mut tasks = std::mem::take(&mut *lock(&self.0.tasks));
        tasks.shutdown().await;
        self.0.handle.shutdown().await;
        Ok(saved?)
    }
}

/// Messages.
impl Cluster {
    /// Publishes a message to all members, this one included: at most 255 bytes of `kind`, and 64 KiB of `payload`. Returns when it is on its way.
    pub async fn publish(&self, kind: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Result<EventId, Error> {
        self.publish_as(kind, payload, Delivery::default()).await
    }

    /// [`Cluster::publish`] with another delivery.
    pub async fn publish_as(
        &self,
        kind: impl AsRef<[u8]>,
        payload: impl AsRef<[u8]>,
        delivery: Delivery,
    ) -> Result<EventId, Error> {
        let (id, _) = self.send(kind.as_ref(), payload.as_ref(), delivery, Cover::Nobody).await?;
        Ok(id)
    }

    /// Publishes a message, and waits until all members that are listed now have confirmed that they deliver it, for `within` at most.
    pub async fn publish_confirmed(
        &self,
        kind: impl AsRef<[u8]>,
        payload: impl AsRef<[u8]>,
        within: Duration,
    ) -> Result<Coverage, Error> {
        let cover = Cover::All(within);
        let (id, covered) = self.send(kind.as_ref(), payload.as_ref(), Delivery::default(), cover).await?;
        let Covered { held, asked, missing } = covered.await.map_err(|_| Error::Stopped)?;
        Ok(Coverage { id, asked, confirmed: held, missing })
    }

    async fn send(
        &self,
        kind: &[u8],
        payload: &[u8],
        delivery: Delivery,
        cover: Cover,
    ) -> Result<(EventId, oneshot::Receiver<Covered>), Error> {
        check_size("the message's kind", kind.len(), NAME_BYTES_MAX)?;
        check_size("the message", payload.len(), PAYLOAD_BYTES_MAX)?;
        let Receipt { ticket, queued, covered } = self.0.shared.publishes().open(cover != Cover::Nobody);
        let (name, payload) = (Payload::from(kind), Payload::from(payload));
        let Delivery { unordered, coalesce } = delivery;
        let bytes = payload.len();
        let publish = Publish { ticket, name, payload, unordered, coalesce, cover, question: false };
        self.call(Call::Events(events::Call::Publish(publish))).await?;
        match queued.await.map_err(|_| Error::Stopped)? {
            Ok(id) => Ok((id, covered)),
            Err(events::Refusal::QueueFull) => Err(Error::Busy),
            Err(events::Refusal::TooManyMembers) => Err(Error::TooManyMembers),
            Err(events::Refusal::TooLarge) => {
                let max = self.0.builder.events.window_bytes_max / 2;
                Err(Error::TooLarge { what: "the message", bytes, max })
            }
        }
    }
}

/// Queries.
impl Cluster {
    /// Asks all members, this one included. Each answers by [`Question::answer`](crate::Question::answer); the replies are a stream.
    pub async fn query(&self, kind: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Result<Replies, Error> {
        self.ask(Query::new(kind, payload)).await
    }

    /// Asks the members that match a filter. Returns when the question is on its way. Without a time of its own, a query of which no live member is meant is
    /// over at once, and its summary has nobody asked.
    pub async fn ask(&self, query: Query) -> Result<Replies, Error> {
        let Query { kind, payload, filter, timeout } = query;
        check_size("the query's kind", kind.len(), queries::NAME_BYTES_MAX)?;
        let encoded = filter.encoded();
        let bytes = payload.len() + encoded.len();
        check_size("the question", payload.len(), QUESTION_BYTES_MAX)?;
        check_size("the question with its filter", bytes, FILTERED_BYTES_MAX)?;
        let patterns = filter.compile()?;
        let (live, expected) = self.inspect(move |node| count(node, &patterns)).await?;
        if let Some(given) = timeout.filter(|given| given.is_zero() || *given > TIMEOUT_MAX) {
            return Err(Error::Timeout { given, max: TIMEOUT_MAX });
        }
        let timeout = time_for_answers(timeout, self.0.builder.swim.gossip_interval, live, expected);
        let (handle, shared) = (Arc::downgrade(&self.0.handle), self.0.shared.clone());
        let (ticket, begun, inbox) = shared.queries().open();
        let asked = Asked { ticket, handle, shared, is_over: false };
        let ask = Ask { ticket, name: kind, filter: encoded, body: payload, timeout, expected };
        self.call(Call::Queries(queries::Call::Ask(ask))).await?;
        match begun.await.map_err(|_| Error::Stopped)? {
            Ok(()) => Ok(Replies { expected, timeout, asked, inbox }),
            Err(queries::Refusal::TooMany) => Err(Error::Busy),
            Err(queries::Refusal::TooSlow) => Err(Error::Timeout { given: timeout, max: TIMEOUT_MAX }),
            Err(queries::Refusal::TooLarge) => {
                Err(Error::TooLarge { what: "the question", bytes, max: QUESTION_BYTES_MAX })
            }
        }
    }
}

/// The number of live members, and of those that are meant.
fn count(node: &Node, patterns: &Patterns) -> (usize, u32) {
    let live = node.swim.members().filter(|m| matches!(m.status, Status::Alive | Status::Suspect));
    live.fold((0, 0), |(live, meant), member| (live + 1, meant + u32::from(patterns.matches_member(&member))))
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cluster({} {} at {})", self.name(), self.id(), self.addr())
    }
}
