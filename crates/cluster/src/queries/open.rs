//! Open queries of this node: each asker reads its replies at its own pace, bounded in bytes.

use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::time::Duration;
use rumormill_protocols::spread::queries::{self as protocol, Refusal};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// Bytes of replies that wait for one asker; more are dropped and counted (our guess: some hundred of the largest).
pub const WAITING_BYTES_MAX: usize = 16 << 20;
/// Memory of a reply besides its content, in bytes (our guess).
const REPLY_BYTES: usize = 128;

/// A member of a query, by its id and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Responder {
    /// Its id.
    pub id: NodeId,
    /// Its name; empty if it is not known here.
    pub name: String,
}

/// A reply to a query, as its asker reads it.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The member matches the filter, and has the query.
    Ack(Responder),
    /// Its answer.
    Answer(Responder, Payload),
    /// The member failed to answer, with the reason.
    Failed(Responder, String),
    /// Nothing more will come.
    Done(Summary),
}

impl Reply {
    fn bytes(&self) -> usize {
        REPLY_BYTES
            + match self {
                Reply::Ack(_) | Reply::Done(_) => 0,
                Reply::Answer(_, payload) => payload.len(),
                Reply::Failed(_, why) => why.len(),
            }
    }
}

/// Totals of a query.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Live members that were meant, as far as this agent knew when it asked.
    pub asked: u32,
    /// Members that said they were meant and had heard of it, those that answered included.
    pub acknowledged: u32,
    /// Members that answered, those that failed included.
    pub answered: u32,
    /// Members that answered that they failed.
    pub failed: u32,
    /// Members that had a large answer which there was no time to fetch.
    pub late: u32,
    /// Acks and answers that came and were dropped here, because they were not read fast enough.
    pub lost: u32,
    /// From the question to the end.
    pub took: Duration,
}

/// Replies that wait to be read.
#[derive(Debug)]
pub struct Inbox {
    replies: mpsc::UnboundedReceiver<Reply>,
    bytes: Arc<AtomicUsize>,
}

impl Inbox {
    /// The next thing; none after [`Reply::Done`], or if the node began anew as another one.
    pub async fn next(&mut self) -> Option<Reply> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`Inbox::next`] for a stream.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Reply>> {
        let reply = std::task::ready!(self.replies.poll_recv(cx));
        if let Some(reply) = &reply {
            self.bytes.fetch_sub(reply.bytes(), Relaxed);
        }
        Poll::Ready(reply)
    }
}

/// Outcome of asking: the query is on its way, or refused.
pub type Begun = oneshot::Receiver<Result<(), Refusal>>;

#[derive(Debug)]
struct Open {
    begun: Option<oneshot::Sender<Result<(), Refusal>>>,
    replies: mpsc::UnboundedSender<Reply>,
    /// What is in it.
    bytes: Arc<AtomicUsize>,
    since: Instant,
    failed: u32,
    lost: u32,
}

/// Queries of this node that are open: as many as the protocol takes.
#[derive(Debug, Default)]
pub struct OpenQueries {
    next: u64,
    open: BTreeMap<u64, Open>,
    lost: u64,
    failed: u64,
}

impl OpenQueries {
    /// A ticket for a query that is about to be asked.
    pub fn open(&mut self) -> (u64, Begun, Inbox) {
        let ((begun, has_begun), (sender, replies)) = (oneshot::channel(), mpsc::unbounded_channel());
        let bytes = Arc::new(AtomicUsize::default());
        self.next += 1;
        let (begun, since) = (Some(begun), Instant::now());
        let open = Open { begun, replies: sender, bytes: bytes.clone(), since, failed: 0, lost: 0 };
        self.open.insert(self.next, open);
        (self.next, has_begun, Inbox { replies, bytes })
    }

    /// The question is on its way.
    pub fn begun(&mut self, ticket: u64) {
        let begun = self.open.get_mut(&ticket).and_then(|open| open.begun.take());
        begun.map(|begun| begun.send(Ok(())));
    }

    /// The question was refused.
    pub fn refused(&mut self, ticket: u64, why: Refusal) {
        let begun = self.open.remove(&ticket).and_then(|open| open.begun);
        begun.map(|begun| begun.send(Err(why)));
    }

    /// Hands a reply to its asker, or counts it if too many bytes wait there.
    pub fn deliver(&mut self, ticket: u64, reply: Reply) {
        let Some(open) = self.open.get_mut(&ticket) else { return };
        if matches!(reply, Reply::Failed(..)) {
            open.failed += 1;
            self.failed += 1;
        }
        let bytes = reply.bytes();
        if open.bytes.load(Relaxed) + bytes > WAITING_BYTES_MAX {
            open.lost += 1;
            self.lost += 1;
            return;
        }
        open.bytes.fetch_add(bytes, Relaxed);
        let _ = open.replies.send(reply); // the asker may be gone: the query is about to be cancelled
    }

    /// The protocol takes no more answers. A query without anybody to ask is over before it was on its way.
    pub fn done(&mut self, ticket: u64, summary: protocol::Summary) {
        self.begun(ticket);
        let Some(open) = self.open.remove(&ticket) else { return };
        let protocol::Summary { expected, acked, answered, untaken } = summary;
        let summary = Summary {
            asked: expected,
            acknowledged: acked,
            answered,
            failed: open.failed,
            late: untaken,
            lost: open.lost,
            took: open.since.elapsed(),
        };
        let reply = Reply::Done(summary);
        open.bytes.fetch_add(reply.bytes(), Relaxed);
        let _ = open.replies.send(reply);
    }

    /// The asker is gone.
    pub fn close(&mut self, ticket: u64) {
        self.open.remove(&ticket);
    }

    /// The node goes on as another one: nothing more will come of what is open.
    pub fn begin_anew(&mut self) {
        self.open.clear();
    }

    /// Acks and answers dropped because they were not read fast enough.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Answers that said that something failed.
    pub fn failed(&self) -> u64 {
        self.failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who() -> Responder {
        Responder { id: NodeId(7), name: "n7".into() }
    }

    #[tokio::test]
    async fn an_asker_reads_all_and_then_the_sums() {
        let mut queries = OpenQueries::default();
        let (ticket, begun, mut inbox) = queries.open();
        queries.begun(ticket);
        assert_eq!(begun.await, Ok(Ok(())));
        queries.deliver(ticket, Reply::Ack(who()));
        queries.deliver(ticket, Reply::Failed(who(), "no".into()));
        queries.done(ticket, protocol::Summary { expected: 3, acked: 2, answered: 1, untaken: 1 });
        assert_eq!(inbox.next().await, Some(Reply::Ack(who())));
        assert_eq!(inbox.next().await, Some(Reply::Failed(who(), "no".into())));
        let Some(Reply::Done(summary)) = inbox.next().await else { panic!() };
        let sums =
            Summary { asked: 3, acknowledged: 2, answered: 1, failed: 1, late: 1, ..Summary::default() };
        assert_eq!(Summary { took: Duration::ZERO, ..summary }, sums);
        assert_eq!(inbox.next().await, None);
    }

    #[tokio::test]
    async fn one_that_does_not_read_loses_answers_and_is_told_how_many() {
        let mut queries = OpenQueries::default();
        let (ticket, _begun, mut inbox) = queries.open();
        let answer = Reply::Answer(who(), Payload::from(&vec![1; 60 * 1024][..]));
        let fit = WAITING_BYTES_MAX / answer.bytes();
        (0..fit + 5).for_each(|_| queries.deliver(ticket, answer.clone()));
        assert_eq!(inbox.next().await, Some(answer.clone()));
        queries.deliver(ticket, answer.clone());
        queries.done(ticket, protocol::Summary::default());
        for _ in 0..fit {
            assert_eq!(inbox.next().await, Some(answer.clone()));
        }
        assert!(matches!(inbox.next().await, Some(Reply::Done(summary)) if summary.lost == 5));
        assert_eq!(queries.lost(), 5);
    }

    #[tokio::test]
    async fn a_query_without_anybody_to_ask_begins_and_is_done() {
        let mut queries = OpenQueries::default();
        let (ticket, begun, mut inbox) = queries.open();
        queries.done(ticket, protocol::Summary::default());
        assert_eq!(begun.await, Ok(Ok(())));
        assert!(matches!(inbox.next().await, Some(Reply::Done(Summary { asked: 0, .. }))));
    }

    #[tokio::test]
    async fn a_query_that_is_refused_never_begins() {
        let mut queries = OpenQueries::default();
        let (ticket, begun, mut inbox) = queries.open();
        queries.refused(ticket, Refusal::TooMany);
        queries.done(ticket, protocol::Summary::default());
        assert_eq!(begun.await, Ok(Err(Refusal::TooMany)));
        assert_eq!(inbox.next().await, None);
    }
}
