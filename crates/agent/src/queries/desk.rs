//! Those here who ask: each reads what comes at its own pace, within a bound of bytes.

use super::Who;
use rumormill_core::payload::Payload;
use rumormill_core::time::Duration;
use rumormill_protocols::spread::queries::{self, Refusal};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// Bytes of answers that wait for the one who asked; what comes beyond is lost, and counted (our guess: some hundred of the largest).
pub const WAITING_BYTES_MAX: usize = 16 << 20;
/// What is told takes in memory besides what is in it (our guess).
const TOLD_BYTES: usize = 128;

/// What an asker is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// That member is meant, and has heard of it.
    Ack(Who),
    /// Its answer.
    Answer(Who, Payload),
    /// It could not find out, and why.
    Failed(Who, String),
    /// Nothing more will come.
    Done(Summary),
}

impl Told {
    fn bytes(&self) -> usize {
        TOLD_BYTES
            + match self {
                Told::Ack(_) | Told::Done(_) => 0,
                Told::Answer(_, payload) => payload.len(),
                Told::Failed(_, why) => why.len(),
            }
    }
}

/// What a query came to.
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

/// What waits to be read.
#[derive(Debug)]
pub struct Inbox {
    told: mpsc::UnboundedReceiver<Told>,
    bytes: Arc<AtomicUsize>,
}

impl Inbox {
    /// The next thing; none after [`Told::Done`], or if the node began anew as another one.
    pub async fn next(&mut self) -> Option<Told> {
        let told = self.told.recv().await?;
        self.bytes.fetch_sub(told.bytes(), Relaxed);
        Some(told)
    }
}

/// What became of the question.
pub type Begun = oneshot::Receiver<Result<(), Refusal>>;

#[derive(Debug)]
struct Open {
    begun: Option<oneshot::Sender<Result<(), Refusal>>>,
    told: mpsc::UnboundedSender<Told>,
    /// What is in it.
    bytes: Arc<AtomicUsize>,
    since: Instant,
    failed: u32,
    lost: u32,
}

/// Queries of this agent that are open: as many as the protocol takes.
#[derive(Debug, Default)]
pub struct Desk {
    next: u64,
    open: BTreeMap<u64, Open>,
    lost: u64,
    failed: u64,
}

impl Desk {
    /// A ticket for a query that is about to be asked.
    pub fn open(&mut self) -> (u64, Begun, Inbox) {
        let ((begun, has_begun), (told, is_told)) = (oneshot::channel(), mpsc::unbounded_channel());
        let bytes = Arc::new(AtomicUsize::default());
        self.next += 1;
        let (begun, since) = (Some(begun), Instant::now());
        self.open.insert(self.next, Open { begun, told, bytes: bytes.clone(), since, failed: 0, lost: 0 });
        (self.next, has_begun, Inbox { told: is_told, bytes })
    }

    /// The question is on its way.
    pub fn begun(&mut self, ticket: u64) {
        let begun = self.open.get_mut(&ticket).and_then(|open| open.begun.take());
        begun.map(|begun| begun.send(Ok(())));
    }

    pub(super) fn refused(&mut self, ticket: u64, why: Refusal) {
        let begun = self.open.remove(&ticket).and_then(|open| open.begun);
        begun.map(|begun| begun.send(Err(why)));
    }

    pub(super) fn tell(&mut self, ticket: u64, told: Told) {
        let Some(open) = self.open.get_mut(&ticket) else { return };
        if matches!(told, Told::Failed(..)) {
            open.failed += 1;
            self.failed += 1;
        }
        let bytes = told.bytes();
        if open.bytes.load(Relaxed) + bytes > WAITING_BYTES_MAX {
            open.lost += 1;
            self.lost += 1;
            return;
        }
        open.bytes.fetch_add(bytes, Relaxed);
        let _ = open.told.send(told); // who asked may be gone: the query is about to be cancelled
    }

    pub(super) fn done(&mut self, ticket: u64, summary: queries::Summary) {
        let Some(open) = self.open.remove(&ticket) else { return };
        let queries::Summary { expected, acked, answered, untaken } = summary;
        let summary = Summary {
            asked: expected,
            acknowledged: acked,
            answered,
            failed: open.failed,
            late: untaken,
            lost: open.lost,
            took: open.since.elapsed(),
        };
        let told = Told::Done(summary);
        open.bytes.fetch_add(told.bytes(), Relaxed);
        let _ = open.told.send(told);
    }

    /// Nobody waits for that query any more.
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
    use rumormill_core::identity::NodeId;

    fn who() -> Who {
        Who { id: NodeId(7), name: "n7".into() }
    }

    #[tokio::test]
    async fn an_asker_reads_all_and_then_the_sums() {
        let mut desk = Desk::default();
        let (ticket, begun, mut inbox) = desk.open();
        desk.begun(ticket);
        assert_eq!(begun.await, Ok(Ok(())));
        desk.tell(ticket, Told::Ack(who()));
        desk.tell(ticket, Told::Failed(who(), "no".into()));
        desk.done(ticket, queries::Summary { expected: 3, acked: 2, answered: 1, untaken: 1 });
        assert_eq!(inbox.next().await, Some(Told::Ack(who())));
        assert_eq!(inbox.next().await, Some(Told::Failed(who(), "no".into())));
        let Some(Told::Done(summary)) = inbox.next().await else { panic!() };
        let sums =
            Summary { asked: 3, acknowledged: 2, answered: 1, failed: 1, late: 1, ..Summary::default() };
        assert_eq!(Summary { took: Duration::ZERO, ..summary }, sums);
        assert_eq!(inbox.next().await, None);
    }

    #[tokio::test]
    async fn one_that_does_not_read_loses_answers_and_is_told_how_many() {
        let mut desk = Desk::default();
        let (ticket, _begun, mut inbox) = desk.open();
        let answer = Told::Answer(who(), Payload::from(&vec![1; 60 * 1024][..]));
        let fit = WAITING_BYTES_MAX / answer.bytes();
        (0..fit + 5).for_each(|_| desk.tell(ticket, answer.clone()));
        assert_eq!(inbox.next().await, Some(answer.clone()));
        desk.tell(ticket, answer.clone());
        desk.done(ticket, queries::Summary::default());
        for _ in 0..fit {
            assert_eq!(inbox.next().await, Some(answer.clone()));
        }
        assert!(matches!(inbox.next().await, Some(Told::Done(summary)) if summary.lost == 5));
        assert_eq!(desk.lost(), 5);
    }

    #[tokio::test]
    async fn a_query_that_is_refused_never_begins() {
        let mut desk = Desk::default();
        let (ticket, begun, mut inbox) = desk.open();
        desk.refused(ticket, Refusal::TooMany);
        desk.done(ticket, queries::Summary::default());
        assert_eq!(begun.await, Ok(Err(Refusal::TooMany)));
        assert_eq!(inbox.next().await, None);
    }
}
