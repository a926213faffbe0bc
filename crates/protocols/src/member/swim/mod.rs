//! SWIM with all of Lifeguard: who is alive, at a cost per member that does not grow with the cluster.
//!
//! **Problem.** All-to-all heartbeats cost n² messages; a central monitor is a bottleneck and a single opinion.
//!
//! **Idea.** In each period every member probes one other, directly and then through k helpers; what is found out travels on
//! messages that are sent anyway. A suspect has time to answer with a higher incarnation before it is failed. A
//! member that misses what it should have heard distrusts itself first (local health), and a suspicion that few
//! others share waits longer.
//!
//! **Papers.** Das, Gupta, Motivala: SWIM (DSN 2002). Dadgar, Phillips, Currey: Lifeguard (DSN-W 2018).
//!
//! **Cost.** Per member and period one ping and one ack, whatever n; while there is news, `gossip_fanout` datagrams per
//! `gossip_interval`, and ln(n) + 2 when it is heard; each item λ·⌈log10(n+1)⌉ times in all.
//! State: one row of at most 64 bytes per member, and its card.
//!
//! **Ours, and why.**
//! - Cards and accusations are signed records, so that a relay can neither forge nor damage them, and `why` can be answered.
//! - Anti-entropy by an eight-byte root hash on acks; an exchange only where it goes on to differ, only of what differs (`anti_entropy`).
//!   Whole-state push-pull is what melts memberlist at thousands of members.
//! - News is pushed at first receipt, not only in rounds (`dissemination`).
//! - No member's word is final for another: each fails a suspect when its own timer ends, and signs only what it has probed (`suspicion`).
//! - No node fails a suspect that answers its pings, whoever accuses it: it pings the suspect before the suspicion ends (`cases`).
//! - A helper that does not answer is probed next, and its silence says nothing about this node: helpers crash together with their targets (`probe`).
//! - Who hears of a suspicion probes the suspect in its next period, so that confirmations come within a period or two (`probe`).
//! - Members probe by turns, each another target, where their clocks and views agree. So a crash is probed within two periods, 0.58 on average
//!   (with shuffled orders: e^-t of all crashes later than t, 1 on average); synchronous, within one instead of 1.58 (`probe`, `kit::probe_order`).
//! - Probe time-outs follow each peer's round trip (RFC 6298), within bounds.
//! - A member that was itself stalled (its own timer came late) gives the others the time it lost (`suspicion`).
//! - Dead members are tried at a rate bounded for the cluster as a whole, so partitions heal by themselves (`departed`).
//!
//! | file | what |
//! | --- | --- |
//! | [`record`] | cards and accusations |
//! | `message`, `news` | what travels |
//! | `table` | rows, the root hash, what is read from outside |
//! | `observe` | figures and tables |
//! | `probe` | ping, ack, helpers, nacks, the stream |
//! | `card` | what members say of themselves |
//! | `suspicion` | what members say of each other |
//! | `cases` | open suspicions, and what suspects answered |
//! | `dissemination` | what is new, pushed and gossiped |
//! | `anti_entropy` | comparison and repair, and joining, which is the same |
//! | `tags` | large tags, fetched |
//! | `ghosts` | members whose address another member has taken over |
//! | `departed` | the dead and the gone: trying, forgetting, leaving |
//! | `tombstones` | what keeps the forgotten from coming back through others |

mod anti_entropy;
mod api;
mod card;
mod cases;
mod catalogued;
pub mod config;
mod departed;
mod dissemination;
mod ghosts;
mod message;
mod news;
mod observe;
mod probe;
pub mod record;
mod suspicion;
mod table;
mod tags;
mod tombstones;

pub use api::{Call, Counters, Event, Evidence, Member, Status, Verdict, VerdictKind};
pub use config::Config;
pub use message::Message;
pub use news::{Batch, News};
pub use observe::{MEMBERS, SUSPICIONS, WHY};
pub use table::Me;
pub use tombstones::Orders;

use crate::kit::health::Health;
use crate::kit::member_table::MemberTable;
use crate::kit::probe_order::ProbeOrder;
use crate::kit::retransmit_queue::RetransmitQueue;
use alloc::collections::{BTreeSet, VecDeque};
use rumormill_core::identity::{Keys, NodeId};
use rumormill_core::protocol::{Cx, Input, Protocol};
use rumormill_core::time::Time;

/// Verdicts that are remembered for `why`, over all members (our guess: a bad day of a thousand members).
pub const VERDICTS_MAX: usize = 1024;
/// Items of news on their way at once; beyond it the one sent most often goes (our guess: a few datagrams' worth per round for a minute).
pub const NEWS_MAX: usize = 16 * 1024;

/// What SWIM asks to be reminded of.
///
/// At most one `Period`, `Gossip`, `Push`, `Doubt` and `Gone` are in flight, as many `Timeout` and `Nack` as probes and relays
/// (`PROBES_MAX`, `RELAYS_MAX`); `Suspicion` and `Fetch` are re-armed only to an earlier time.
#[derive(Clone, Debug)]
pub enum Timer {
    /// The next protocol period begins, or should have begun at `due`.
    Period {
        /// When it was meant to begin: shows this node that it was itself stalled.
        due: Time,
    },
    /// The direct probe with this nonce has had its time.
    Timeout(u64),
    /// A helper's probe with this nonce has had its time.
    Nack(u64),
    /// The earliest suspicion ends, or its suspect is to be pinged before.
    Suspicion {
        /// When that was meant to be.
        due: Time,
    },
    /// News goes out.
    Gossip,
    /// What is quite new goes out.
    Push,
    /// It is time to look again at a peer whose root hash differed.
    Doubt,
    /// The earliest fetch of tags is due.
    Fetch,
    /// Leaving has been announced long enough.
    Gone,
}

/// The state machine. `K` signs and checks records.
pub struct Swim<K: Keys> {
    config: Config,
    keys: K,
    mine: table::Mine,
    /// The others. The mark of a live one tells which card of it is here; that of a departed one is 0.
    member_table: MemberTable<table::Row>,
    probe_order: ProbeOrder,
    /// Others that are alive or suspect.
    live: usize,
    sums: table::Sums,
    health: Health,
    probes: probe::Probes,
    cases: cases::Cases,
    news: RetransmitQueue<News>,
    dispatch: dissemination::Dispatch,
    anti_entropy: anti_entropy::State,
    tags: tags::Fetched,
    departed: departed::Departed,
    tombstones: tombstones::Tombstones,
    /// Members that are banned here.
    banned: BTreeSet<NodeId>,
    verdicts: VecDeque<Verdict>,
    counters: Counters,
}

/// The context that SWIM's handlers are lent.
type Ctx<'a, 'b, K> = &'a mut Cx<'b, Swim<K>>;

impl<K: Keys> Protocol for Swim<K> {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = true;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Start => self.on_start(cx),
            Input::Call(Call::Join(peer)) => self.open_exchange(cx, peer),
            Input::Call(Call::Leave) => self.on_leave(cx),
            Input::Call(Call::Forget(id)) => self.on_forget(cx, id),
            Input::Call(Call::Ban(id, is_banned)) => self.on_ban(cx, id, is_banned),
            Input::Call(Call::SetContact(contact)) => self.on_set_contact(cx, contact),
            Input::Call(Call::SetTags(tags)) => self.on_set_tags(cx, tags),
            Input::Call(Call::FetchTags(id)) => self.on_fetch_tags(cx, id),
            Input::Call(Call::Ping(id)) => self.on_ping_call(cx, id),
            Input::Message(from, message) => self.on_message(cx, from, message),
            Input::Timer(Timer::Period { due }) => self.on_period(cx, due),
            Input::Timer(Timer::Timeout(nonce)) => self.on_timeout(cx, nonce),
            Input::Timer(Timer::Nack(nonce)) => self.on_nack_due(cx, nonce),
            Input::Timer(Timer::Suspicion { due }) => self.on_suspicion_due(cx, due),
            Input::Timer(Timer::Gossip) => self.on_gossip(cx),
            Input::Timer(Timer::Push) => self.on_push(cx),
            Input::Timer(Timer::Doubt) => self.on_doubt(cx),
            Input::Timer(Timer::Fetch) => self.on_fetch_due(cx),
            Input::Timer(Timer::Gone) => cx.emit(Event::LeftCluster),
            Input::Spare(peer, bytes) => self.on_spare(cx, peer, bytes),
            Input::Shed(_, message) => self.on_shed(&message),
            Input::Lost(peer, loss) => self.on_lost(cx, peer, loss),
            Input::Peer(_) => {} // it is this node's own view
        }
    }
}

impl<K: Keys> Swim<K> {
    fn on_start(&mut self, cx: Ctx<K>) {
        // Members that start together must not probe together.
        self.say_of_myself(cx, |_| {});
        let phase = cx.rng.within(self.config.period);
        cx.after(phase, Timer::Period { due: cx.now + phase });
    }

    fn on_message(&mut self, cx: Ctx<K>, from: NodeId, message: Message) {
        self.note_heard(cx, from);
        match message {
            Message::Ping { nonce, stream } => self.on_ping(cx, from, nonce, stream),
            Message::Ack { nonce, stream, root } => self.on_ack(cx, from, nonce, stream, root),
            Message::PingReq { nonce, target } => self.on_ping_req(cx, from, nonce, target),
            Message::Relayed { nonce } => self.on_relayed(cx, nonce),
            Message::Nack { nonce } => self.on_nack(cx, from, nonce),
            Message::News(news) => self.on_news(cx, from, news),
            Message::Sums { sums, from_bucket, after } => self.on_sums(cx, from, sums, (from_bucket, after)),
            Message::Stamps { buckets, stamps, next, more } => {
                self.on_stamps(cx, from, &buckets, stamps, next, more)
            }
            Message::Want(ids) => self.on_want(cx, from, ids),
            Message::Give { news, done } => self.on_give(cx, from, news, done),
            Message::TagsWant { owner, hash, offset } => self.on_tags_want(cx, from, owner, hash, offset),
            Message::TagsHave { owner, hash, offset, bytes } => {
                self.on_tags_have(cx, owner, hash, offset, &bytes)
            }
        }
    }

    /// One protocol period: what the last one left open is settled, and the next probes leave.
    fn on_period(&mut self, cx: Ctx<K>, due: Time) {
        let stalled = self.note_stall(cx, due);
        self.settle_probes(cx, stalled);
        self.review_suspicions(cx);
        if self.mine.card.value().left {
            return; // who has left answers until it is gone, and asks nothing any more
        }
        let interval = self.config.period * self.health.multiplier();
        self.start_probes(cx);
        self.try_departed(cx, interval);
        self.reap_departed(cx);
        self.tend_exchange(cx);
        cx.after(interval, Timer::Period { due: cx.now + interval });
    }
}

#[cfg(test)]
mod tests;
