//! Queries as the agent's users see them: who is meant, what comes back, and what this agent is asked.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`filter`] | who is meant |
//! | [`answer`] | what an application answers, as it travels |
//! | [`desk`] | those here who ask, and wait for answers |
//!
//! A question that reached this agent, and by which it is meant, is told to all that [`subscribe`](Board::subscribe): handlers, and programs. The
//! first that answers it does.

pub mod answer;
pub mod desk;
pub mod filter;

pub use answer::{ANSWER_BYTES_MAX, Answer};
pub use desk::{Summary, Told};
pub use filter::{Filter, TagPattern};

use desk::Desk;
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::time::Duration;
pub use rumormill_protocols::spread::queries::TIMEOUT_MAX;
use rumormill_protocols::spread::queries::{Event, QueryId};
use std::sync::Arc;
use tokio::sync::broadcast;
use tokio::time::Instant;

/// Questions that wait for one that answers them; who is slower misses the oldest (our guess).
const ARRIVED_MAX: usize = 256;

/// For so long answers are taken if nothing is said: 16 gossip rounds for each power of ten of the members (serf: `QueryTimeoutMult` 16), so 6.4 s for
/// 10 to 99 members at 200 ms.
pub fn default_timeout(gossip_interval: Duration, members: usize) -> Duration {
    let powers = ((members + 1) as f64).log10().ceil().max(1.0) as u32;
    (gossip_interval * 16 * powers).min(TIMEOUT_MAX)
}

/// What somebody wants to know.
#[derive(Clone, Debug, Default)]
pub struct NewQuery {
    /// What kind of query it is.
    pub name: Payload,
    /// Who is meant.
    pub filter: Filter,
    /// What is asked.
    pub payload: Payload,
    /// For so long answers are taken; none for [`default_timeout`].
    pub timeout: Option<Duration>,
}

/// A member, by its id and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// Its id.
    pub id: NodeId,
    /// Its name; empty if it is not known here.
    pub name: String,
}

/// A question that reached this agent, and by which it is meant.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// Which query.
    pub id: QueryId,
    /// What kind of query it is.
    pub name: Payload,
    /// What is asked.
    pub payload: Payload,
    /// By whom.
    pub asker: Who,
    /// So long an answer is taken.
    pub until: Instant,
}

/// A query's id as text: asker, epoch, number.
pub fn called(id: QueryId) -> String {
    format!("{}-{}-{}", id.asker, id.epoch, id.number)
}

/// All that the agent keeps of queries.
#[derive(Debug)]
pub struct Board {
    /// For those who ask.
    pub desk: Desk,
    arrived: broadcast::Sender<Arc<Arrived>>,
}

impl Default for Board {
    fn default() -> Self {
        Board { desk: Desk::default(), arrived: broadcast::Sender::new(ARRIVED_MAX) }
    }
}

impl Board {
    /// Takes what the protocol tells; `named` says what a member is called.
    pub fn hear(&mut self, event: Event, named: impl Fn(NodeId) -> String) {
        let who = |id| Who { id, name: named(id) };
        match event {
            Event::Asked { id, name, body, left, .. } => {
                let asker = who(id.asker);
                let until = Instant::now() + left;
                // Without receivers nobody here answers: the member has acknowledged, and that is all.
                let _ = self.arrived.send(Arc::new(Arrived { id, name, payload: body, asker, until }));
            }
            Event::Acked { ticket, from } => self.desk.tell(ticket, Told::Ack(who(from))),
            Event::Answered { ticket, from, body } => match Answer::decode(&body) {
                Answer::Said(payload) => self.desk.tell(ticket, Told::Answer(who(from), payload)),
                Answer::Failed(why) => self.desk.tell(ticket, Told::Failed(who(from), why)),
            },
            Event::Refused { ticket, why } => self.desk.refused(ticket, why),
            Event::Done { ticket, summary } => self.desk.done(ticket, summary),
            Event::Spread(_) | Event::Sent { .. } => {} // the node's own business
        }
    }

    /// From now on, each question that reaches this agent. Who is slow misses some, and is told how many.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Arrived>> {
        self.arrived.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_time_is_that_of_serf() {
        let interval = Duration::from_millis(200);
        for (members, millis) in
            [(0, 3_200), (2, 3_200), (9, 3_200), (10, 6_400), (99, 6_400), (1_000, 12_800)]
        {
            assert_eq!(default_timeout(interval, members), Duration::from_millis(millis), "{members}");
        }
    }
}
