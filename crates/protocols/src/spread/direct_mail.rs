//! Direct mail: the publisher tells everybody itself.
//!
//! **Problem.** An update is to reach everybody, and the publisher has a list of them.
//!
//! **Idea.** It sends each of them a message. The receivers do nothing.
//!
//! **Paper.** Demers et al. 1987, section 1.2. What they found in practice: mail is lost, queues overflow, and nobody's list is complete;
//! so something has to repair behind it.
//!
//! **Cost.** n - 1 updates, all at the publisher; one hop. What is lost is not sent again: lossy by design.
//!
//! **Ours.** Mail is paced: at most [`Config::mails_per_period_max`] messages and so many bytes in a period, the oldest update first. A
//! view that changes while mail goes out may cost somebody its copy or bring it twice (it is delivered once).

use crate::catalog::Catalogued;
use crate::spread::{Call, Counters, Ends, Event, Intake, Reach, Setup, Spreader, Taken, Trial, Update};
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use minicbor::{CborLen, Decode, Encode};
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::payload::Payload;
use rumormill_core::protocol::{self, Cx, Input, Lane, Protocol};
use rumormill_core::time::Duration;

/// Settings.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// Messages in a period.
    pub mails_per_period_max: usize,
    /// Bytes of payloads in a period; one message always goes.
    pub bytes_per_period_max: usize,
    /// The period.
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub period: Duration,
    /// Updates that wait or are on their way; beyond it the oldest is given up.
    pub outgoing_max: usize,
    /// Ids remembered, so that an update is delivered once.
    pub known_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            mails_per_period_max: 128,          // our guess: 1,280 a second
            bytes_per_period_max: 128 * 1024,   // our guess: 1.25 MiB/s
            period: Duration::from_millis(100), // our guess
            outgoing_max: 64,                   // our guess
            known_max: 4_096,                   // our guess
        }
    }
}

/// What travels.
#[derive(Clone, Debug, Encode, Decode, CborLen)]
#[cbor(transparent)]
pub struct Message(#[n(0)] pub Update);

/// What it asks to be reminded of. At most one is in flight.
#[derive(Clone, Debug)]
pub enum Timer {
    /// The next mails may go.
    Round,
}

impl protocol::Message for Message {
    const LANES: &'static [Lane] = &[Lane::new("direct-mail")];
}

/// The state machine.
pub struct DirectMail {
    config: Arc<Config>,
    intake: Intake,
    outgoing: VecDeque<Outgoing>,
    armed: bool,
    counters: Counters,
}

/// An update, and the least id of those that are still to get it.
struct Outgoing {
    update: Update,
    next: Option<NodeId>,
}

const _: () = assert!(size_of::<Message>() <= 64 && size_of::<DirectMail>() <= 256);

impl Protocol for DirectMail {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = false;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Call(Call::Publish(payload)) => self.on_publish(cx, payload),
            Input::Message(from, Message(update)) => self.on_update(cx, from, update),
            Input::Timer(Timer::Round) => self.on_round(cx),
            Input::Shed(_, message) => self.counters.shed(&message),
            Input::Lost(..) => self.counters.lost += 1,
            Input::Start | Input::Spare(..) | Input::Peer(_) => {}
        }
    }
}

impl DirectMail {
    /// Knows nobody and nothing yet. Many nodes may share one `config`. `life` puts its numbers above those of earlier lives.
    pub fn new(config: impl Into<Arc<Config>>, life: Life) -> DirectMail {
        DirectMail {
            config: config.into(),
            intake: Intake::new(life),
            outgoing: VecDeque::new(),
            armed: false,
            counters: Counters::default(),
        }
    }

    fn on_publish(&mut self, cx: &mut Cx<'_, Self>, payload: Payload) {
        let Some(update) = self.intake.publish(cx.me, payload, self.config.known_max) else {
            self.counters.rejected += 1;
            return;
        };
        cx.emit(Event::Delivered { update: update.clone(), from: cx.me });
        if self.outgoing.len() >= self.config.outgoing_max.max(1) {
            let given_up = self.outgoing.pop_front().expect("there are so many");
            self.counters.overflowed += 1;
            cx.emit(Event::Removed(given_up.update.id));
        }
        self.outgoing.push_back(Outgoing { update, next: Some(NodeId(0)) });
        if !self.armed {
            self.on_round(cx);
        }
    }

    fn on_update(&mut self, cx: &mut Cx<'_, Self>, from: NodeId, update: Update) {
        match self.intake.take(&update, self.config.known_max) {
            Taken::New => {
                let id = update.id;
                cx.emit(Event::Delivered { update, from });
                cx.emit(Event::Removed(id));
            }
            Taken::Known => self.counters.useless += 1,
            Taken::TooLarge => self.counters.rejected += 1,
        }
    }

    /// Sends as much as a period allows. The timer goes on for one period after the last mail, so that a burst of short lists is paced too.
    fn on_round(&mut self, cx: &mut Cx<'_, Self>) {
        self.armed = !self.outgoing.is_empty();
        if !self.armed {
            return;
        }
        cx.after(self.config.period, Timer::Round);
        let (mut mails, mut bytes) = (0, 0);
        while let Some(outgoing) = self.outgoing.front_mut() {
            let Some(peer) = outgoing.next.and_then(|next| cx.peers.first_from(next)) else {
                cx.emit(Event::Removed(outgoing.update.id));
                self.outgoing.pop_front();
                continue;
            };
            if peer != cx.me {
                let more = outgoing.update.payload.len();
                let full = bytes + more > self.config.bytes_per_period_max && mails > 0;
                if full || mails >= self.config.mails_per_period_max.max(1) {
                    return;
                }
                (mails, bytes) = (mails + 1, bytes + more);
                self.counters.updates_sent += 1;
                cx.send(peer, Message(outgoing.update.clone()));
            }
            outgoing.next = peer.0.checked_add(1).map(NodeId);
        }
    }
}

impl Spreader for DirectMail {
    fn counters(&self) -> Counters {
        self.counters
    }
    fn known_len(&self) -> usize {
        self.intake.known_len()
    }
    fn hot_len(&self) -> usize {
        self.outgoing.len()
    }
    const REACH: Reach = Reach { whole: 1.0, lossy: 0.88 };
    fn bounded(known_max: usize, hot_max: usize) -> Config {
        Config { known_max, outgoing_max: hot_max, ..Config::default() }
    }
    fn setup(trial: &Trial) -> Setup<Config> {
        let config = Config { period: trial.period, ..Config::default() };
        Setup { config, ends: Ends::Silence, at_once: false, in_flight: 1, heap_bytes: 0 }
    }
}

impl Catalogued for DirectMail {
    type Config = Config;
    const NAME: &'static str = "direct-mail";
    const ABOUT: &'static str = "the publisher tells everybody";
    const PAPER: &'static str = "Demers 1987, section 1.2";
    const COST: &'static str = "n - 1 updates at the publisher, paced";

    fn start(config: &Arc<Config>, _: NodeId, life: Life) -> DirectMail {
        DirectMail::new(config.clone(), life)
    }

    fn on_graph(_: &Config, _: u64) -> Result<Config, String> {
        Err("direct-mail draws no peers: the publisher tells all that it knows, and nobody passes it on; flood follows the edges of a graph".into())
    }

    fn samples() -> Vec<(&'static str, Message)> {
        alloc::vec![("update", Message(Update::sample())), ("update-empty", Message(Update::smallest()))]
    }
}
