//! The side of those who are asked: a turn to answer, again until it is confirmed, in the end through others.

use super::message::{Kind, PeerMessage, Question, Reply};
use super::{BODY_BYTES_MAX, Ctx, Event, Queries, QueryId, Speaker, TIMEOUT_MAX, Timer};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::rng::Rng;
use rumormill_core::time::{Duration, Time};
use rumormill_core::wire;

/// Queries of others that were heard of, until they are over.
#[derive(Default)]
pub(super) struct State {
    asked: BTreeMap<QueryId, Asked>,
    /// Bytes of answers in it.
    bytes: usize,
    /// When the timer that is set will fire.
    timer: Option<Time>,
}

struct Asked {
    name: Payload,
    ends: Time,
    spread: Duration,
    stage: Stage,
    /// When the stage's reply is due, for the `tries`-th time.
    due: Time,
    tries: u8,
}

/// How far a question has come here.
enum Stage {
    /// It may be over: the asker is to say.
    Late(Box<(Payload, Question)>),
    /// The application has not said whether it is meant.
    Asked,
    /// It is, and an ack is due.
    Accepted,
    /// The ack is confirmed; the answer is not there yet.
    Acked,
    /// An answer is to be sent, or offered.
    Answered(Payload),
    /// The offer is confirmed: the asker will call.
    Offered(Payload),
    /// Nothing more is to be said.
    Finished,
}

impl Stage {
    /// The query's stage, as a word.
    fn word(&self) -> &'static str {
        match self {
            Stage::Late(_) => "late",
            Stage::Asked => "asked",
            Stage::Accepted => "accepted",
            Stage::Acked => "acknowledged",
            Stage::Answered(_) => "answered",
            Stage::Offered(_) => "offered",
            Stage::Finished => "finished",
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Stage::Answered(body) | Stage::Offered(body) => body.len(),
            Stage::Late(late) => late.1.filter.len() + late.1.body.len(),
            Stage::Asked | Stage::Accepted | Stage::Acked | Stage::Finished => 0,
        }
    }

    /// What is to be said now.
    fn reply(&self, eager_bytes_max: usize) -> Option<Reply> {
        match self {
            Stage::Late(_) => Some(Reply::Late),
            Stage::Accepted => Some(Reply::Ack),
            Stage::Answered(body) if body.len() <= eager_bytes_max => Some(Reply::Answer(body.clone())),
            Stage::Answered(body) => Some(Reply::Offer(body.len() as u32)),
            Stage::Asked | Stage::Acked | Stage::Offered(_) | Stage::Finished => None,
        }
    }
}

impl State {
    /// The queries of others that are remembered: which, their name, their end, and how far each has come here.
    pub(super) fn iter(&self) -> impl Iterator<Item = (QueryId, &Payload, Time, &'static str)> {
        self.asked.iter().map(|(id, asked)| (*id, &asked.name, asked.ends, asked.stage.word()))
    }

    pub(super) fn len(&self) -> usize {
        self.asked.len()
    }

    /// Goes to another stage, in which something is due at `due`.
    fn set(&mut self, id: QueryId, stage: Stage, due: Time) {
        if let Some(asked) = self.asked.get_mut(&id) {
            self.bytes = self.bytes + stage.bytes() - asked.stage.bytes();
            (asked.stage, asked.due, asked.tries) = (stage, due, 0);
        }
    }

    /// What is remembered of one asker.
    fn of(&self, asker: NodeId) -> impl Iterator<Item = (&QueryId, &Asked)> {
        let id = |number| QueryId { asker, epoch: number, number };
        self.asked.range(id(0)..=id(u64::MAX))
    }

    /// The asker of whom most is remembered.
    fn loudest(&self) -> Option<NodeId> {
        let mut most = (0, None);
        let mut run = (0, None);
        for id in self.asked.keys() {
            run = if run.1 == Some(id.asker) { (run.0 + 1, run.1) } else { (1, Some(id.asker)) };
            most = if run.0 > most.0 { run } else { most };
        }
        most.1
    }

    /// Forgets one question of `asker`: one to which nothing more is to be said, or else the oldest.
    fn shed(&mut self, asker: NodeId) {
        let finished = self.of(asker).find(|(_, asked)| matches!(asked.stage, Stage::Finished));
        let gone = finished.or_else(|| self.of(asker).next()).map(|(id, _)| *id);
        if let Some(asked) = gone.and_then(|gone| self.asked.remove(&gone)) {
            self.bytes -= asked.stage.bytes();
        }
    }

    fn drop_over(&mut self, now: Time) {
        let bytes = &mut self.bytes;
        self.asked.retain(|_, asked| {
            let lives = asked.ends > now;
            *bytes -= if lives { 0 } else { asked.stage.bytes() };
            lives
        });
    }
}

impl Queries {
    /// A question came by way of the events.
    pub(super) fn on_heard(&mut self, cx: &mut Ctx, name: Payload, payload: &[u8]) {
        let Ok(question) = wire::decode::<Question>(payload) else {
            self.counters.rejected += 1;
            return;
        };
        let id = question.id;
        if self.answers.asked.contains_key(&id) {
            return;
        }
        self.counters.heard += 1;
        self.answers.drop_over(cx.now);
        self.make_room(id.asker);
        let timeout = Duration::from_millis(question.timeout_ms.into()).min(TIMEOUT_MAX);
        let spread = Duration::from_millis(question.spread_ms.into()).min(timeout);
        let (name_kept, ends, due) = (name.clone(), cx.now + timeout, Time::NEVER);
        let asked = Asked { name: name_kept, ends, spread, stage: Stage::Asked, due, tries: 0 };
        self.answers.asked.insert(id, asked);
        // Clocks may be off, so this decides nothing but who is asked first: the asker or the application.
        let may_be_over = cx.wall.since(question.asked).max(question.asked.since(cx.wall)) > timeout;
        if may_be_over && id.asker != cx.me {
            if self.answers.bytes + payload.len() > self.config.answers_bytes_max {
                self.counters.shed_asked += 1;
                self.answers.asked.remove(&id);
                return;
            }
            let turn = cx.now + cx.rng.within(spread);
            self.answers.set(id, Stage::Late(Box::new((name, question))), turn);
            self.time_answers(cx);
        } else {
            self.tell(cx, name, question);
        }
    }

    /// Makes room for one more question of `asker`, at its own expense if it has its share, and otherwise at that of the asker who has most.
    fn make_room(&mut self, asker: NodeId) {
        let config = &self.config;
        let has_its_share = self.answers.of(asker).count() >= config.asked_per_asker_max;
        let loudest = match has_its_share {
            true => Some(asker),
            false if self.answers.len() >= config.asked_max => self.answers.loudest(),
            false => None,
        };
        if let Some(loudest) = loudest {
            self.answers.shed(loudest);
            self.counters.shed_asked += 1;
        }
    }

    fn tell(&mut self, cx: &mut Ctx, name: Payload, question: Question) {
        let Question { id, filter, body, .. } = question;
        let Some(asked) = self.answers.asked.get(&id) else { return };
        let left = asked.ends.since(cx.now);
        self.answers.set(id, Stage::Asked, Time::NEVER);
        self.counters.told += 1;
        cx.emit(Event::Asked { id, name, filter, body, left });
        self.time_answers(cx);
    }

    pub(super) fn on_decline(&mut self, id: QueryId) {
        if self.answers.asked.get(&id).is_some_and(|asked| matches!(asked.stage, Stage::Asked)) {
            self.answers.set(id, Stage::Finished, Time::NEVER);
        }
    }

    pub(super) fn on_accept(&mut self, cx: &mut Ctx, id: QueryId) {
        let Some(asked) = self.answers.asked.get(&id) else { return };
        if !matches!(asked.stage, Stage::Asked) {
            return;
        }
        if id.asker == cx.me {
            self.answers.set(id, Stage::Acked, Time::NEVER);
            return self.on_own(cx, id, Reply::Ack);
        }
        let turn = cx.now + cx.rng.within(asked.spread);
        self.answers.set(id, Stage::Accepted, turn);
        self.time_answers(cx);
    }

    pub(super) fn on_answer(&mut self, cx: &mut Ctx, id: QueryId, body: Payload) {
        let Some(asked) = self.answers.asked.get(&id) else { return };
        let turn = match asked.stage {
            // An ack that waits for its turn gives it to the answer.
            Stage::Accepted if asked.tries == 0 => asked.due,
            // The handlers of all may have taken equally long.
            Stage::Asked | Stage::Accepted | Stage::Acked => cx.now + cx.rng.within(asked.spread),
            Stage::Late(_) | Stage::Answered(_) | Stage::Offered(_) | Stage::Finished => return,
        };
        if body.len() > BODY_BYTES_MAX || self.answers.bytes + body.len() > self.config.answers_bytes_max {
            self.counters.shed_answers += 1;
            return;
        }
        self.counters.answers += 1;
        if id.asker == cx.me {
            self.answers.set(id, Stage::Finished, Time::NEVER);
            return self.on_own(cx, id, Reply::Answer(body));
        }
        self.answers.set(id, Stage::Answered(body), turn);
        self.time_answers(cx);
    }

    /// The asker confirms.
    pub(super) fn on_got(&mut self, cx: &mut Ctx, from: NodeId, id: QueryId, kind: Kind, open: bool) {
        let Some(asked) = self.answers.asked.get_mut(&id).filter(|_| from == id.asker) else { return };
        let stage = core::mem::replace(&mut asked.stage, Stage::Asked);
        self.answers.bytes -= stage.bytes();
        let (stage, is_open) = match (stage, kind) {
            (Stage::Late(late), Kind::Late) if open => {
                let (name, question) = *late;
                return self.tell(cx, name, question);
            }
            (Stage::Late(_), Kind::Late) => (Stage::Finished, false),
            (Stage::Accepted, Kind::Ack) => (Stage::Acked, open),
            (Stage::Answered(body), Kind::Offer) => (Stage::Offered(body), open),
            (Stage::Answered(_) | Stage::Offered(_), Kind::Answer) => (Stage::Finished, open),
            (stage, _) => {
                self.answers.bytes += stage.bytes();
                asked.stage = stage; // of something that was confirmed before
                return;
            }
        };
        self.counters.late += u64::from(!is_open);
        let stage = if is_open { stage } else { Stage::Finished };
        self.answers.set(id, stage, Time::NEVER);
    }

    /// The asker has time for a large answer.
    pub(super) fn on_take(&mut self, cx: &mut Ctx, by: Speaker, id: QueryId) {
        let Some(asked) = self.answers.asked.get(&id).filter(|_| by.id == id.asker) else { return };
        let (Stage::Answered(body) | Stage::Offered(body)) = &asked.stage else { return };
        self.counters.replies_sent += 1;
        by.answer(cx, PeerMessage::Reply { id, reply: Reply::Answer(body.clone()) });
    }

    pub(super) fn on_answers_timer(&mut self, cx: &mut Ctx) {
        if self.answers.timer.is_some_and(|at| at <= cx.now) {
            self.answers.timer = None;
        }
        self.answers.drop_over(cx.now);
        let (config, now) = (self.config.clone(), cx.now);
        let due = self.answers.asked.iter_mut().filter(|(_, asked)| asked.due <= now);
        for (id, asked) in due {
            let Some(reply) = asked.stage.reply(config.eager_bytes_max) else {
                asked.due = Time::NEVER;
                continue;
            };
            if asked.tries >= config.tries_max {
                self.counters.unconfirmed += 1;
                asked.due = Time::NEVER;
                continue;
            }
            let wait = (config.retry * (1 << asked.tries.min(16))).min(config.retry_max);
            asked.due = cx.now + jittered(cx.rng, wait);
            let by_another = asked.tries >= config.relay_from;
            let relay = by_another.then(|| cx.peers.pick(cx.me, cx.rng)).flatten();
            asked.tries += 1;
            self.counters.replies_sent += 1;
            if let Some(via) = relay.filter(|relay| *relay != id.asker) {
                self.counters.relays_asked += 1;
                let message = PeerMessage::Reply { id: *id, reply: reply.clone() };
                Speaker { id: id.asker, via: Some(via) }.answer(cx, message);
            }
            Speaker { id: id.asker, via: None }.answer(cx, PeerMessage::Reply { id: *id, reply });
        }
        self.time_answers(cx);
    }

    fn time_answers(&mut self, cx: &mut Ctx) {
        // The end of a query is no hurry: it is dropped when something else is due, or when another is heard of.
        let Some(due) = self.answers.asked.values().map(|asked| asked.due.min(asked.ends)).min() else {
            return;
        };
        if self.answers.timer.is_none_or(|at| at > due) {
            self.answers.timer = Some(due);
            cx.after(due.since(cx.now), Timer::Answers);
        }
    }
}

/// Shorter by up to a quarter, so that those who speak at the same time do not do so again.
fn jittered(rng: &mut Rng, wait: Duration) -> Duration {
    wait - rng.within(wait / 4)
}
