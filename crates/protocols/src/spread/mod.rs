//! Getting an update to everybody: the spreaders share what they are asked and what they tell, so that one can take another's place.

pub mod direct_mail;
pub mod events;
pub mod flood;
pub mod infect_and_die;
pub mod median_counter;
pub mod push_then_pull;
pub mod queries;
pub mod rumor;
pub mod tree;

use crate::catalog::{Catalogued, family};
use crate::kit::peer_selection::PeerSelection;
use crate::kit::seen_set::SeenSet;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::counters;
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::payload::Payload;
use rumormill_core::protocol;
use rumormill_core::time::Duration;
use rumormill_core::wire::Item;

family! {
    Spreader: rumor::Rumor, push_then_pull::PushThenPull, median_counter::MedianCounter, infect_and_die::InfectAndDie, flood::Flood, tree::Tree,
    direct_mail::DirectMail;
    events::Events, queries::Queries
}

/// Which update: who published it, and its number there.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, CborLen)]
pub struct UpdateId {
    /// Who published it.
    #[n(0)]
    pub origin: NodeId,
    /// Greater than those of all its publisher's earlier updates, of earlier lives too.
    #[n(1)]
    pub seq: u64,
}

impl Item for UpdateId {
    // The head of an array and two numbers.
    const BYTES_MIN: usize = 3;
}

/// What spreads.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Update {
    /// Which one.
    #[n(0)]
    pub id: UpdateId,
    /// What it says.
    #[n(1)]
    pub payload: Payload,
}

impl Update {
    /// The update in the catalog's samples.
    fn sample() -> Update {
        let id = UpdateId { origin: NodeId(0x0123_4567_89ab_cdef), seq: 3 << 32 | 17 };
        Update { id, payload: Payload::from(&b"what is new"[..]) }
    }

    /// The smallest update.
    fn smallest() -> Update {
        Update { id: UpdateId { origin: NodeId(7), seq: 1 }, payload: Payload::EMPTY }
    }
}

/// What a spreader is asked.
#[derive(Clone, Debug)]
pub enum Call {
    /// Tell everybody.
    Publish(Payload),
}

/// What a spreader tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An update is here for the first time; at its publisher with `from` itself.
    Delivered {
        /// The update.
        update: Update,
        /// Who told it.
        from: NodeId,
    },
    /// This node no longer passes that update on.
    Removed(UpdateId),
}

/// Every spreader: it is asked and tells the same as the others, so that one can take another's place.
pub trait Spreader: Catalogued<Call = Call, Event = Event> {
    /// What has been counted.
    fn counters(&self) -> Counters;
    /// How many ids of updates are remembered.
    fn known_len(&self) -> usize;
    /// How many updates are kept to be passed on, or asked for.
    fn hot_len(&self) -> usize;
    /// Settings with these bounds on remembered ids and on updates that are passed on.
    fn bounded(known_max: usize, hot_max: usize) -> Self::Config;
    /// The least share of nodes that an update reaches in 60 nodes, where messages come twice and in any order, and where a tenth of them is lost.
    const REACH: Reach;
    /// Set up for an experiment with one update.
    fn setup(trial: &Trial) -> Setup<Self::Config>;
}

/// The least share of nodes that an update reaches.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Reach {
    /// Nothing is lost.
    pub whole: f64,
    /// A tenth of all messages is lost.
    pub lossy: f64,
}

/// One update in rounds: what experiments vary, whichever spreader it is. A spreader ignores what it has no use for.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Whom to contact.
    pub choice: PeerSelection,
    /// Length of a round.
    pub period: Duration,
    /// Each round is shorter by a random time below this.
    pub jitter: Duration,
    /// Nodes told in a round or in all, neighbours or children; `None`: as the protocol has it.
    pub fanout: Option<u32>,
    /// The round in which pushing ends; `None`: as the protocol has it.
    pub switch: Option<u32>,
    /// Draws the graph, where there is one.
    pub seed: u64,
}

/// A spreader set up for a [`Trial`].
#[derive(Clone, Debug)]
pub struct Setup<C> {
    /// Its settings.
    pub config: C,
    /// How it ends.
    pub ends: Ends,
    /// Whether a node passes on what it hears at once, without waiting for a round of its own.
    pub at_once: bool,
    /// Messages of one node that are on their way at a time, at most.
    pub in_flight: usize,
    /// Bytes that a node allocates while one update is hot.
    pub heap_bytes: usize,
}

/// How spreading one update ends.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Ends {
    /// No message and no timer is left.
    Silence,
    /// No node passes the update on any more; the nodes go on asking each other.
    Rest,
    /// Never: nodes that lack the update go on asking for it.
    Never,
}

/// What one remembered id allocates, in bytes.
const KNOWN_HEAP_BYTES: usize = 32;

counters! {
    /// What spreaders count; each uses what applies to it. All only go up, but `updates_sent`, from which is taken what was shed.
    pub struct Counters {
        /// Updates sent, whatever became of them: the traffic m of Demers 1987, summed.
        updates_sent,
        /// Updates not sent to one who had just brought them: the paper's traffic counts both directions of such a contact.
        updates_spared,
        /// Updates that came and were known.
        useless,
        /// Answers that said whether an update was news.
        feedback_sent,
        /// Requests sent by those who pull.
        asks_sent,
        /// Requests not answered, because there were too many in a period.
        asks_unanswered,
        /// Contacts that were refused for the connection limit.
        refused,
        /// Updates dropped, or not sent on, because there were too many.
        overflowed,
        /// Updates not taken, or taken but not passed on: a payload too large, too many hops.
        rejected,
        /// Messages that the budget did not let out.
        shed,
        /// Hints that something did not arrive.
        lost,
    }
}

impl Counters {
    /// This message was not sent after all. Updates travel in the first lane.
    fn shed(&mut self, message: &impl protocol::Message) {
        self.shed += 1;
        if message.lane() == 0 {
            self.updates_sent = self.updates_sent.saturating_sub(1);
        }
    }
}

/// Longest payload, in bytes: what a stream message holds.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

/// What a spreader lets in, and as what: its own updates, numbered above those of its earlier lives, and those of others once each.
#[derive(Clone, Debug)]
pub struct Intake {
    seq: u64,
    known: SeenSet<UpdateId>,
}

/// What an update is to the one it came to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is here for the first time, as far as is remembered.
    New,
    /// It was here before.
    Known,
    /// Its payload is above [`PAYLOAD_BYTES_MAX`]: it is not taken.
    TooLarge,
}

impl Intake {
    /// For this life: at most 2^32 updates.
    pub fn new(life: Life) -> Intake {
        Intake { seq: life.epoch << 32, known: SeenSet::default() }
    }

    /// `payload` as an update of `me`; `None` if it is above [`PAYLOAD_BYTES_MAX`].
    pub fn publish(&mut self, me: NodeId, payload: Payload, known_max: usize) -> Option<Update> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return None;
        }
        loop {
            self.seq += 1;
            let id = UpdateId { origin: me, seq: self.seq };
            if self.known.insert(id, known_max) {
                return Some(Update { id, payload });
            } // else somebody has made up an update of ours
        }
    }

    /// Takes in what came.
    pub fn take(&mut self, update: &Update, known_max: usize) -> Taken {
        if update.payload.len() > PAYLOAD_BYTES_MAX {
            Taken::TooLarge
        } else if self.known.insert(update.id, known_max) {
            Taken::New
        } else {
            Taken::Known
        }
    }

    /// How many ids are remembered.
    pub fn known_len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(epoch: u64) -> Intake {
        Intake::new(Life { epoch, session: 9 })
    }

    #[test]
    fn a_new_life_numbers_above_the_old_one() {
        let (mut old, mut new) = (life(3), life(4));
        let me = NodeId(1);
        let last = (0..1_000).map(|_| old.publish(me, Payload::EMPTY, 8).unwrap().id).last();
        assert!(Some(new.publish(me, Payload::EMPTY, 8).unwrap().id) > last);
    }

    #[test]
    fn an_update_is_new_once_and_one_made_up_in_our_name_takes_no_number_twice() {
        let (mut intake, me) = (life(0), NodeId(1));
        let forged = Update { id: UpdateId { origin: me, seq: 1 }, payload: Payload::EMPTY };
        assert_eq!([intake.take(&forged, 8), intake.take(&forged, 8)], [Taken::New, Taken::Known]);
        assert_eq!(intake.publish(me, Payload::EMPTY, 8).unwrap().id.seq, 2);
    }

    #[test]
    fn a_payload_of_64_kib_is_taken_and_no_larger_one() {
        let (mut intake, me) = (life(0), NodeId(1));
        let bytes = alloc::vec![0; PAYLOAD_BYTES_MAX + 1];
        let (just, above) = (Payload::from(&bytes[1..]), Payload::from(&bytes[..]));
        let mut update = intake.publish(me, just, 8).unwrap();
        assert_eq!(intake.publish(me, above.clone(), 8), None);
        update.payload = above;
        assert_eq!(intake.take(&update, 8), Taken::TooLarge);
    }
}
