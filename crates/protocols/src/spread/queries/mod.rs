//! Queries: one asks, all who are meant answer, and the asker learns how many of them did.
//!
//! **Problem.** An operator asks thousands of machines something. All that are meant are to hear it; what they answer, small or large,
//! must neither bury the asker nor be lost on the way; and it is to be told what is missing.
//!
//! **Idea.** The question is an unordered event ([`events`](crate::spread::events)): it reaches all, by repair if not by rumor. Each who is meant
//! waits a random part of the time over which the asker wants the answers spread, then answers it directly in a datagram, and again, less and
//! less often, until the asker confirms. From the third time on somebody else is asked to pass it on as well: where the direct way is broken,
//! most others are not. A large answer is only offered; the asker takes a few at a time.
//!
//! **Source.** Queries as an agent's service: serf, which sends answers once, not larger than 1 KiB, and sees some lost among hundreds.
//! Spacing answers over time by the size of the group, against implosion: Floyd et al. 1997 (scalable reliable multicast), section III. Relaying
//! by others: SWIM's indirect probes, and serf's relay factor.
//!
//! **Cost.** Besides the event, two datagrams per member that answers (its answer and the confirmation), one more pair if the answer takes longer
//! than the member's turn, and for a large answer an offer, its confirmation, the call and the answer itself over the stream.
//!
//! **What is promised.** Each answer is told once, each ack once, then [`Event::Done`] with the sums: as soon as all that were expected
//! have answered, at the latest when the time is over. An application is asked at most once by one query while it is open; one who hears
//! of it late, after a restart or a partition, asks first whether it still is. Everything is bounded, and what is refused is counted.

mod answer;
mod ask;
mod catalogued;
mod message;
mod observe;

use crate::kit::rate_limit::RateLimit;
use alloc::boxed::Box;
use alloc::sync::Arc;
pub use message::{Kind, Message, PeerMessage, Question, Reply};
use minicbor::{CborLen, Decode, Encode};
pub use observe::QUERIES;
use rumormill_core::counters;
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::payload::Payload;
use rumormill_core::protocol::{Cx, Input, Protocol};
use rumormill_core::time::Duration;
use rumormill_core::wire;

/// Largest answer, in bytes: 60 KiB of the application's, and what it puts around them; a stream message holds that.
pub const BODY_BYTES_MAX: usize = 60 * 1024 + 64;
/// Largest body of a question, in bytes.
pub const QUESTION_BYTES_MAX: usize = 60 * 1024;
/// Largest body with its filter, in bytes. A question travels as an event of at most 64 KiB, of which its other fields take fewer than 96 bytes.
pub const FILTERED_BYTES_MAX: usize = 64 * 1024 - 96;
/// Longest name of a query, in bytes: that of an event, as which it travels.
pub const NAME_BYTES_MAX: usize = 255;

/// The longest time for which answers are taken (our guess). A question that asks for more is refused where it is asked, and over at this time
/// where it is heard, so that nobody holds the places of others.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// Which query: by whom, in which of its lives, and its number there.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, CborLen)]
pub struct QueryId {
    /// Who asks.
    #[n(0)]
    pub asker: NodeId,
    /// In which of its lives.
    #[n(1)]
    pub epoch: u64,
    /// From 1 on.
    #[n(2)]
    pub number: u64,
}

/// Settings.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// Answers a second that an asker wants to get: they are spread over as much time as those expected take.
    pub answers_per_s: u32,
    /// Larger answers are offered first.
    pub eager_bytes_max: usize,
    /// Large answers under way to an asker at a time.
    pub takes_max: usize,
    /// For so long one of them may take before another has its turn.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub take_wait: Duration,
    /// What is not confirmed is said again after this, then after twice as long, and so on.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub retry: Duration,
    /// The longest of these waits.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub retry_max: Duration,
    /// How often it is said in all.
    pub tries_max: u8,
    /// From which time on it is also said through another.
    pub relay_from: u8,
    /// Messages passed on for others in a second.
    pub relays_max: u32,
    /// Queries of this node that are open at a time.
    pub asks_max: usize,
    /// Members whose answers one query keeps account of.
    pub answerers_max: usize,
    /// Queries of others that are remembered at a time.
    pub asked_max: usize,
    /// Of these, queries of one asker.
    pub asked_per_asker_max: usize,
    /// Bytes of answers kept until they are confirmed.
    pub answers_bytes_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            answers_per_s: 4_000,              // our guess: a tenth of what one core takes in
            eager_bytes_max: 1_000,            // our guess: one datagram, whatever else is in it
            takes_max: 8,                      // our guess: half a megabyte on its way
            take_wait: Duration::from_secs(2), // our guess: 64 KiB over the worst of links
            retry: Duration::from_millis(500), // our guess: above any round trip on earth
            retry_max: Duration::from_secs(2), // our guess
            tries_max: 8, // our guess: at a loss of 20 % each way one in 100,000 stays unconfirmed
            relay_from: 2, // our guess: two losses in a row are more likely a broken way
            relays_max: 512, // our guess
            asks_max: 64, // our guess
            answerers_max: 65_536, // our guess: the largest cluster, and then some
            asked_max: 1_024, // our guess
            asked_per_asker_max: 256, // our guess: four times what an asker may have open, for those that it ended early
            answers_bytes_max: 4 << 20, // our guess: as much as the events' window
        }
    }
}

/// What somebody wants to know.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Comes back in what is told of it.
    pub ticket: u64,
    /// What kind of query it is, at most [`NAME_BYTES_MAX`] bytes.
    pub name: Payload,
    /// Who is meant, as the application writes it: each member's application decides by it.
    pub filter: Payload,
    /// The question's payload.
    pub body: Payload,
    /// For so long answers are taken. If it is zero and nobody is expected, the query is over at once, and no member hears of it.
    pub timeout: Duration,
    /// Members that are meant, as far as the asker knows, itself included if it is.
    pub expected: u32,
}

/// What is asked of it.
#[derive(Clone, Debug)]
pub enum Call {
    /// Ask everybody.
    Ask(Ask),
    /// Take no more answers to that query of this node.
    Cancel {
        /// The asker's.
        ticket: u64,
    },
    /// An event that is a question came.
    Heard {
        /// The event's.
        name: Payload,
        /// The event's.
        payload: Payload,
    },
    /// The application is not meant by that query.
    Decline(QueryId),
    /// It is, and will answer.
    Accept(QueryId),
    /// Its answer.
    Answer(QueryId, Payload),
}

/// Why a query was not asked.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too many queries of this node are open: try again later.
    TooMany,
    /// Its name, or its filter and body, are too large.
    TooLarge,
    /// It asks for answers for longer than [`TIMEOUT_MAX`].
    TooSlow,
}

/// What it tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Tell everybody this, as an event: a question ([`Flags::QUESTION`](crate::spread::events::Flags::QUESTION)).
    Spread(SpreadQuestion),
    /// The question is on its way as an event.
    Sent {
        /// The asker's.
        ticket: u64,
    },
    /// It was not asked.
    Refused {
        /// The asker's.
        ticket: u64,
        /// Why.
        why: Refusal,
    },
    /// That member is meant, and will answer.
    Acked {
        /// The asker's.
        ticket: u64,
        /// Who.
        from: NodeId,
    },
    /// An answer.
    Answered {
        /// The asker's.
        ticket: u64,
        /// Whose.
        from: NodeId,
        /// The text.
        body: Payload,
    },
    /// No more answers will be told.
    Done {
        /// The asker's.
        ticket: u64,
        /// What it came to.
        summary: Summary,
    },
    /// This node is asked: decline, or accept and answer.
    Asked {
        /// By which query.
        id: QueryId,
        /// What kind of query it is.
        name: Payload,
        /// Who is meant.
        filter: Payload,
        /// The question's payload.
        body: Payload,
        /// For so long an answer is taken, from now on.
        left: Duration,
    },
}

/// A question on its way to be spread.
#[derive(Clone, Debug, PartialEq)]
pub struct SpreadQuestion {
    /// The asker's.
    pub ticket: u64,
    /// The query's.
    pub name: Payload,
    /// A [`Question`], encoded.
    pub payload: Payload,
}

/// What a query came to.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Members that were expected to answer.
    pub expected: u32,
    /// Members that said they were meant, those that answered included.
    pub acked: u32,
    /// Members that answered.
    pub answered: u32,
    /// Of those that did not: members that offered an answer there was no time to take.
    pub untaken: u32,
}

counters! {
    /// What is counted; all only go up.
    pub struct Counters {
        /// Queries asked here.
        asked,
        /// Queries refused here.
        refused,
        /// Questions heard of.
        heard,
        /// Questions the application was asked.
        told,
        /// Questions that were over when they were heard of.
        late,
        /// Questions dropped, because too many are open.
        shed_asked,
        /// Answers of this node's application.
        answers,
        /// Answers dropped, because too many bytes wait to be confirmed, or because they are too large.
        shed_answers,
        /// Replies sent, first ones and repeated ones.
        replies_sent,
        /// Replies handed to another to pass on.
        relays_asked,
        /// Replies passed on for others.
        relayed,
        /// Replies not passed on, because there were too many.
        shed_relays,
        /// Replies given up without a confirmation.
        unconfirmed,
        /// Replies that came.
        replies,
        /// Replies that had come before, or came too late.
        useless,
        /// Replies of more members than an account is kept of.
        shed_answerers,
        /// Messages that are against the rules.
        rejected,
        /// Messages that the budget did not let out.
        shed,
    }
}

/// What it asks to be reminded of. One that something earlier has overtaken comes in vain.
#[derive(Clone, Debug)]
pub enum Timer {
    /// A reply is due, or a question is over.
    Answers,
    /// A query of this node is over, or an answer did not come that was called for.
    Asks,
}

type Ctx<'a> = Cx<'a, Queries>;

/// The state machine.
pub struct Queries {
    config: Arc<Config>,
    life: Life,
    asks: ask::State,
    answers: answer::State,
    relays: RateLimit,
    counters: Counters,
}

impl Protocol for Queries {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = false;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Call(Call::Ask(ask)) => self.on_ask(cx, ask),
            Input::Call(Call::Cancel { ticket }) => self.on_cancel(cx, ticket),
            Input::Call(Call::Heard { name, payload }) => self.on_heard(cx, name, &payload),
            Input::Call(Call::Decline(id)) => self.on_decline(id),
            Input::Call(Call::Accept(id)) => self.on_accept(cx, id),
            Input::Call(Call::Answer(id, body)) => self.on_answer(cx, id, body),
            Input::Message(from, Message::Direct(message)) => {
                self.on_peer_message(cx, Speaker { id: from, via: None }, message)
            }
            Input::Message(via, Message::Relayed { from, message }) => {
                self.on_peer_message(cx, Speaker { id: from, via: Some(via) }, *message);
            }
            Input::Message(from, Message::Relay { to, message }) => self.on_relay(cx, from, to, message),
            Input::Timer(Timer::Answers) => self.on_answers_timer(cx),
            Input::Timer(Timer::Asks) => self.on_asks_timer(cx),
            Input::Shed(..) => self.counters.shed += 1,
            Input::Start | Input::Spare(..) | Input::Lost(..) | Input::Peer(_) => {}
        }
    }
}

impl Queries {
    /// Knows nobody and nothing yet. `life` keeps its queries apart from those of its earlier lives.
    pub fn new(config: impl Into<Arc<Config>>, life: Life) -> Queries {
        Queries {
            config: config.into(),
            life,
            asks: ask::State::default(),
            answers: answer::State::default(),
            relays: RateLimit::default(),
            counters: Counters::default(),
        }
    }

    /// What has been counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Queries of this node that are open.
    pub fn open_len(&self) -> usize {
        self.asks.len()
    }

    /// Large answers that were called for and have not come.
    pub fn taking_len(&self) -> usize {
        self.asks.taking_len()
    }

    /// Queries of others that are remembered.
    pub fn asked_len(&self) -> usize {
        self.answers.len()
    }

    /// Over so much time the answers of `expected` members are spread, of a query that takes them for `timeout`: a quarter of it at most.
    pub fn spread(&self, expected: u32, timeout: Duration) -> Duration {
        let needed =
            Duration::from_secs_f64(f64::from(expected) / f64::from(self.config.answers_per_s.max(1)));
        needed.min(timeout / 4)
    }

    fn on_peer_message(&mut self, cx: &mut Ctx, by: Speaker, message: PeerMessage) {
        if !message.is_valid() {
            self.counters.rejected += 1;
            return;
        }
        match message {
            PeerMessage::Reply { id, reply } => self.on_reply(cx, by, id, reply),
            PeerMessage::Got { id, kind, open } => self.on_got(cx, by.id, id, kind, open),
            PeerMessage::Take { id } => self.on_take(cx, by, id),
        }
    }

    /// Passes on what somebody has for one that it cannot reach.
    fn on_relay(&mut self, cx: &mut Ctx, from: NodeId, to: NodeId, message: Box<PeerMessage>) {
        if !message.is_valid() || !cx.peers.contains(to) || to == cx.me {
            self.counters.rejected += 1;
        } else if !self.relays.take(cx.now, Duration::from_secs(1), self.config.relays_max) {
            self.counters.shed_relays += 1;
        } else {
            self.counters.relayed += 1;
            cx.send(to, Message::Relayed { from, message });
        }
    }
}

/// Who says something, and who passed it on.
#[derive(Copy, Clone, Debug)]
struct Speaker {
    id: NodeId,
    via: Option<NodeId>,
}

impl Speaker {
    /// Answers the way it came.
    fn answer(self, cx: &mut Ctx, message: PeerMessage) {
        match self.via {
            Some(via) => cx.send(via, Message::Relay { to: self.id, message: Box::new(message) }),
            None => cx.send(self.id, Message::Direct(message)),
        }
    }
}

impl wire::Item for QueryId {
    const BYTES_MIN: usize = 4;
}
