//! Rumor mongering: who hears something new tells it on, until it has become stale news.
//!
//! **Problem.** An update is to reach everybody soon, at a cost per node that does not depend on how many there are, over a network
//! that loses messages and on machines that die.
//!
//! **Idea.** An update that is new to a node is hot there. In each period the node contacts a random peer and passes on what is hot
//! (push), or asks for what is hot there (pull), or both. A contact with somebody who knew it already is a sign that many do: after
//! k such signs (counter), or at each with chance 1/k (coin), the node loses interest. Without feedback (blind) every contact counts.
//!
//! **Paper.** Demers et al. 1987, section 1.4: all of {blind, feedback} x {counter, coin} x {push, pull, push-pull}, minimization,
//! connection limit and hunting; section 3 for whom to contact ([`Config::choice`]).
//!
//! **Cost.** About m = ln(1/s) updates per node for a share s that never hears it: 1.7 for 17 %, 6.7 for 0.12 % (table 1). It is
//! never 0, so something has to repair behind it. A node with nothing hot is silent, unless it pulls: then it asks once per period.
//!
//! **What the tables of the paper need** and its text does not say: a contact was useful if the receiver did not know the update when
//! the cycle began ([`Credit::StartOfCycle`]: several senders of one cycle all have the credit), and a useful contact sets the counter
//! back ([`Config::reset_on_useful`]). For pull all that asked within a cycle count as one contact, useful if any of them was
//! ([`Tally::Once`]). In a synchronous world a cycle is one instant, so "in this cycle" is "at this `now`"; on a real clock no two
//! contacts are at one instant and both credits are the same.
//!
//! **Ours.** The interest in an update is weighed at the beginning of a period, for all contacts of the one before, so that what was
//! shed meanwhile does not count. A node tells at once what it has just heard ([`Config::on_arrival`]), besides its periods. Hops and
//! contacts are bounded, so that neither an update whose id was forgotten nor one among dead peers goes round for ever.

mod catalogued;
mod config;
mod hot;

use crate::kit::rate_limit::RateLimit;
use crate::spread::{Call, Counters, Event, Intake, Taken, Update, UpdateId};
use alloc::boxed::Box;
use alloc::sync::Arc;
pub use config::{Config, Credit, Direction, Removal, Tally};
use hot::{Brought, Hot};
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::payload::Payload;
use rumormill_core::protocol::{self, Cx, Input, Lane, Protocol};
use rumormill_core::time::{Duration, Time};
use smallvec::SmallVec;

/// What travels.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
pub enum Message {
    /// This is hot here.
    #[n(0)]
    Update {
        /// The update.
        #[n(0)]
        update: Update,
        /// How often it was passed on before.
        #[n(1)]
        hops: u8,
        /// The sender's counter.
        #[n(2)]
        misses: u32,
        /// Which of the sender's contacts about it this is.
        #[n(3)]
        contact: u32,
    },
    /// The answer to it.
    #[n(1)]
    Feedback {
        /// Which one.
        #[n(0)]
        id: UpdateId,
        /// Whether it was news.
        #[n(1)]
        useful: bool,
        /// The counter of who answers; the greatest number if it is no longer hot there, or was not when the cycle began.
        #[n(2)]
        misses: u32,
        /// Which contact this answers.
        #[n(3)]
        contact: u32,
    },
    /// What is hot there?
    #[n(2)]
    Ask,
    /// May we talk? Where connections are limited, this comes before all else.
    #[n(3)]
    Connect,
    /// Go on.
    #[n(4)]
    Accept,
    /// Not now: there are too many.
    #[n(5)]
    Refuse,
}

/// What it asks to be reminded of. At most one is in flight.
#[derive(Clone, Debug)]
pub enum Timer {
    /// A period begins.
    Round,
}

impl protocol::Message for Message {
    const LANES: &'static [Lane] = &[Lane::new("rumor"), Lane::new("rumor-talk")];
    fn lane(&self) -> usize {
        usize::from(!matches!(self, Message::Update { .. }))
    }
}

/// The state machine.
pub struct Rumor {
    config: Arc<Config>,
    intake: Intake,
    /// Of one rumor in place: an epidemic over a million nodes has one.
    hot: SmallVec<[Hot; 1]>,
    /// Where in `hot` the next contact begins, if not all of it fits one.
    turn: u32,
    armed: bool,
    updates_sent: u64,
    useless: u64,
    rare: Option<Box<Rare>>,
}

/// What a push over a clean network never needs.
#[derive(Default)]
struct Rare {
    /// Contacts that may still be accepted, and tries elsewhere for those that are refused, in this period.
    open: u32,
    hunts_left: u32,
    asks: RateLimit,
    connections: RateLimit,
    /// When an update was last shed.
    shed: Option<Time>,
    /// All but what the node counts itself.
    counters: Counters,
}

const _: () = assert!(size_of::<Message>() <= 64 && size_of::<Rumor>() <= 224 && size_of::<Hot>() <= 96);

impl Protocol for Rumor {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = false;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Start => self.on_start(cx),
            Input::Call(Call::Publish(payload)) => self.on_publish(cx, payload),
            Input::Message(from, Message::Update { update, hops, misses, contact }) => {
                self.on_update(cx, from, update, hops, misses, contact)
            }
            Input::Message(_, Message::Feedback { id, useful, misses, contact }) => {
                self.on_feedback(id, useful, misses, contact)
            }
            Input::Message(from, Message::Ask) => self.on_ask(cx, from),
            Input::Message(from, Message::Connect) => self.on_connect(cx, from),
            Input::Message(from, Message::Accept) => self.on_accept(cx, from),
            Input::Message(_, Message::Refuse) => self.on_refuse(cx),
            Input::Timer(Timer::Round) => self.on_round(cx),
            Input::Shed(_, message) => self.on_shed(cx.now, &message),
            Input::Lost(..) => self.count().lost += 1,
            Input::Spare(..) | Input::Peer(_) => {}
        }
    }
}

impl Rumor {
    /// Knows nobody and nothing yet. Many nodes may share one `config`. `life` puts its numbers above those of earlier lives.
    pub fn new(config: impl Into<Arc<Config>>, life: Life) -> Rumor {
        Rumor {
            config: config.into(),
            intake: Intake::new(life),
            hot: SmallVec::new(),
            turn: 0,
            armed: false,
            updates_sent: 0,
            useless: 0,
            rare: None,
        }
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    fn count(&mut self) -> &mut Counters {
        &mut self.rare().counters
    }

    fn on_start(&mut self, cx: &mut Cx<'_, Self>) {
        if self.config.pulls() && !self.armed {
            self.arm(cx);
        }
    }

    fn on_publish(&mut self, cx: &mut Cx<'_, Self>, payload: Payload) {
        match self.intake.publish(cx.me, payload, self.config.known_max) {
            Some(update) => self.hear(cx, cx.me, update, 0, 0),
            None => self.count().rejected += 1,
        }
    }

    fn on_update(
        &mut self,
        cx: &mut Cx<'_, Self>,
        from: NodeId,
        update: Update,
        hops: u8,
        misses: u32,
        contact: u32,
    ) {
        let id = update.id;
        let (mut useful, mut own_misses) = (true, u32::MAX);
        match self.intake.take(&update, self.config.known_max) {
            Taken::TooLarge => {
                self.count().rejected += 1;
                return;
            }
            Taken::New => self.hear(cx, from, update, hops.saturating_add(1), contact),
            Taken::Known => {
                let Some(again) = self.hear_again(cx, from, id, misses, contact) else { return };
                (useful, own_misses) = again;
            }
        }
        // Where nothing follows from good news it is not told.
        if self.config.feedback && (!useful || self.config.reset_on_useful) {
            self.count().feedback_sent += 1;
            cx.send(from, Message::Feedback { id, useful, misses: own_misses, contact });
        }
    }

    /// An update came once more: whether that was useful, and how far the interest in it has worn off here. `None` if the network
    /// made this second copy of the same contact.
    fn hear_again(
        &mut self,
        cx: &Cx<'_, Self>,
        from: NodeId,
        id: UpdateId,
        misses: u32,
        contact: u32,
    ) -> Option<(bool, u32)> {
        let hot = self.hot.iter_mut().find(|hot| hot.update.id == id);
        if hot.as_ref().is_some_and(|hot| (hot.brought.by, hot.brought.contact) == (from, contact)) {
            return None;
        }
        self.useless += 1;
        let Some(hot) = hot else { return Some((false, u32::MAX)) };
        hot.brought = Brought { by: from, contact, at: cx.now };
        if hot.heard == cx.now {
            return Some((self.config.credit == Credit::StartOfCycle, u32::MAX));
        }
        if self.config.direction == Direction::PushPull && (!self.config.minimizes() || hot.misses <= misses)
        {
            // Both know it: a useless contact for the one who is called, too.
            hot.useless = hot.useless.saturating_add(1);
        }
        Some((false, hot.misses))
    }

    fn on_feedback(&mut self, id: UpdateId, useful: bool, misses: u32, contact: u32) {
        let Some(hot) = self.hot.iter_mut().find(|hot| hot.update.id == id) else { return };
        if !hot.is_first_answer(contact) {
            return;
        }
        if useful {
            hot.useful = hot.useful.saturating_add(1);
        } else if !self.config.minimizes() || hot.misses <= misses {
            hot.useless = hot.useless.saturating_add(1);
        }
    }

    /// Passes on what is hot, but not what has only just come: at the beginning of this cycle it was news here as well.
    fn on_ask(&mut self, cx: &mut Cx<'_, Self>, from: NodeId) {
        let (period, max) = (self.config.period, self.config.asks_max);
        if !self.rare().asks.take(cx.now, period, max) {
            self.count().asks_unanswered += 1;
            return;
        }
        let now = cx.now;
        let both_know = |hot: &&Hot| hot.heard != now && hot.brought.is_of(from, now);
        let spared = self.hot.iter().filter(both_know).count() as u64;
        self.count().updates_spared += spared;
        self.tell(cx, from, |hot, now| hot.heard != now && !hot.brought.is_of(from, now));
    }

    fn on_connect(&mut self, cx: &mut Cx<'_, Self>, from: NodeId) {
        let max = self.config.connection_limit.unwrap_or(u32::MAX);
        let period = self.config.period;
        let accepted = self.rare().connections.take(cx.now, period, max);
        cx.send(from, if accepted { Message::Accept } else { Message::Refuse });
    }

    fn on_accept(&mut self, cx: &mut Cx<'_, Self>, from: NodeId) {
        let open = &mut self.rare().open;
        if *open > 0 {
            *open -= 1;
            self.converse(cx, from);
        }
    }

    fn on_refuse(&mut self, cx: &mut Cx<'_, Self>) {
        let rare = self.rare();
        if rare.open == 0 {
            return;
        }
        rare.counters.refused += 1;
        rare.open -= 1;
        if rare.hunts_left > 0 {
            rare.hunts_left -= 1;
            let Some(peer) = self.config.choice.pick(cx.peers, cx.me, cx.rng) else { return };
            self.contact(cx, peer);
        }
    }

    fn on_round(&mut self, cx: &mut Cx<'_, Self>) {
        self.armed = false;
        self.weigh(cx);
        if self.hot.is_empty() {
            self.hot = SmallVec::new(); // so that a cluster at rest keeps no room for what is over
        }
        if self.hot.is_empty() && !self.config.pulls() {
            return;
        }
        if let Some(rare) = &mut self.rare {
            rare.open = 0;
        }
        if self.config.hunt > 0 {
            self.rare().hunts_left = self.config.hunt.saturating_mul(self.config.fanout);
        }
        for peer in self.config.choice.several(cx.peers, cx.me, cx.rng, self.config.fanout) {
            self.contact(cx, peer);
        }
        self.armed = true;
        let jitter =
            if self.config.jitter.is_zero() { Duration::ZERO } else { cx.rng.within(self.config.jitter) };
        cx.after(self.config.period.saturating_sub(jitter), Timer::Round);
    }

    /// An update that the budget did not let out does not count as told, and the next contact begins with the first of this instant.
    fn on_shed(&mut self, now: Time, message: &Message) {
        self.count().shed += 1;
        let Message::Update { update, .. } = message else { return };
        self.updates_sent = self.updates_sent.saturating_sub(1);
        let Some(at) = self.hot.iter().position(|hot| hot.update.id == update.id) else { return };
        if !self.config.feedback {
            self.hot[at].useless = self.hot[at].useless.saturating_sub(1);
        }
        if self.rare().shed.replace(now) != Some(now) {
            self.turn = at as u32;
        }
    }

    /// An update is new here.
    fn hear(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, update: Update, hops: u8, contact: u32) {
        cx.emit(Event::Delivered { update: update.clone(), from });
        if hops > self.config.hops_max {
            self.count().rejected += 1;
            return;
        }
        let hot = Hot {
            update,
            heard: cx.now,
            brought: Brought { by: from, contact, at: cx.now },
            contacts: 0,
            answered: 0,
            misses: 0,
            useful: 0,
            useless: 0,
            hops,
        };
        self.hot.push(hot);
        self.make_room(cx);
        if self.config.on_arrival && self.config.pushes() && self.config.connection_limit.is_none() {
            self.tell_at_once(cx);
        }
        if !self.armed {
            self.arm(cx);
        }
    }

    /// Drops what was passed on most while there is too much, but never the newest.
    fn make_room(&mut self, cx: &mut Cx<'_, Self>) {
        let mut bytes: usize = self.hot.iter().map(|hot| hot.update.payload.len()).sum();
        while self.hot.len() > 1
            && (self.hot.len() > self.config.hot_max || bytes > self.config.hot_bytes_max)
        {
            let older = self.hot[..self.hot.len() - 1].iter().enumerate().rev();
            let (at, _) =
                older.max_by_key(|(_, hot)| (hot.misses, hot.contacts)).expect("there is an older one");
            let dropped = self.hot.remove(at);
            bytes -= dropped.update.payload.len();
            self.count().overflowed += 1;
            cx.emit(Event::Removed(dropped.update.id));
        }
    }

    fn tell_at_once(&mut self, cx: &mut Cx<'_, Self>) {
        for peer in self.config.choice.several(cx.peers, cx.me, cx.rng, self.config.fanout) {
            let hot = self.hot.last_mut().expect("it was pushed a moment ago");
            hot.tell(cx, peer, &self.config);
            self.updates_sent += 1;
        }
    }

    /// The first period of a node is shorter by a random part: the phase of its clock.
    fn arm(&mut self, cx: &mut Cx<'_, Self>) {
        self.armed = true;
        let phase = cx.rng.within(self.config.period);
        cx.after(self.config.period - phase, Timer::Round);
    }

    /// Weighs the contacts of the last period, and drops what has lost its interest.
    fn weigh(&mut self, cx: &mut Cx<'_, Self>) {
        let config = &*self.config;
        self.hot.retain_mut(|hot| {
            let keep = hot.contacts < config.contacts_max && hot.is_interesting(config, cx);
            (hot.useful, hot.useless) = (0, 0);
            if !keep {
                cx.emit(Event::Removed(hot.update.id));
            }
            keep
        });
    }

    /// One contact with somebody: at once, or first asking whether it may be.
    fn contact(&mut self, cx: &mut Cx<'_, Self>, peer: NodeId) {
        if self.config.connection_limit.is_some() {
            self.rare().open += 1;
            cx.send(peer, Message::Connect);
        } else {
            self.converse(cx, peer);
        }
    }

    fn converse(&mut self, cx: &mut Cx<'_, Self>, peer: NodeId) {
        if self.config.pushes() {
            self.tell(cx, peer, |_, _| true);
        }
        if self.config.pulls() {
            self.count().asks_sent += 1;
            cx.send(peer, Message::Ask);
        }
    }

    /// Tells `peer` what is hot and `fit`, as much as one contact may take.
    fn tell(&mut self, cx: &mut Cx<'_, Self>, peer: NodeId, fit: impl Fn(&Hot, Time) -> bool) {
        let (len, first) = (self.hot.len(), self.turn as usize);
        let mut bytes = 0;
        for i in 0..len {
            let at = (first + i) % len;
            let hot = &mut self.hot[at];
            if !fit(hot, cx.now) {
                continue;
            }
            if bytes > 0 && bytes + hot.update.payload.len() > self.config.contact_bytes_max {
                self.turn = at as u32;
                return;
            }
            bytes += hot.update.payload.len();
            hot.tell(cx, peer, &self.config);
            self.updates_sent += 1;
        }
    }
}
