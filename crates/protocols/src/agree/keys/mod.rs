//! Orders about the cluster's keys, carried out by each member that is asked.
//!
//! **Problem.** A key is changed while the cluster runs: nobody may seal with it before everybody can open it, so whoever changes it must know of
//! each member by itself whether it has done its part. Gossip cannot tell that; asking each can.
//!
//! **Idea.** Ours, and plain: an order goes to each member in a datagram, again after a wait that doubles until a report comes, to at most
//! [`Config::parallel_max`] members at a time. Carrying out an order twice is the same as once, so a lost report costs a repetition and nothing else.
//! What the order does is not this protocol's business: it tells the application, which answers with [`Call::Report`].
//!
//! **Cost.** Two datagrams for each member that answers; [`Config::tries_max`] for one that does not.
//!
//! Key material is in [`Order::Install`] alone, sealed as every packet is. It is not kept by who was asked, and dropped by who asks with the report.

mod catalogued;
mod message;
mod wire;

pub use message::{Kept, Message, Order, Report, SECRET_BYTES, Secret, TEXT_BYTES_MAX};
pub use wire::{GrantedKeys, Record, RecoveryGrant, RecoveryRequest, Removed};

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use rumormill_core::protocol::{Cx, Input, Protocol};
use rumormill_core::{NodeId, time::Duration};

/// How patient it is.
#[derive(Clone, Debug)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Config {
    /// Members that are asked at one time (issue: 100).
    pub parallel_max: usize,
    /// How long the first try is given; each further one twice as long (our guess: ten round trips on a wide network).
    #[cfg_attr(feature = "serde", serde(with = "rumormill_core::time::text"))]
    pub first_wait: Duration,
    /// How often one member is asked (our guess: with `first_wait` eight seconds, longer than a busy machine is silent).
    pub tries_max: u32,
    /// Members that wait to be asked, beyond which an order is refused to the rest (our guess: the largest cluster we aim at).
    pub waiting_max: usize,
    /// Orders of others that are remembered, so that one which comes again is not carried out again (our guess).
    pub heard_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            parallel_max: 100,
            first_wait: Duration::from_millis(250),
            tries_max: 5,
            waiting_max: 16_384,
            heard_max: 256,
        }
    }
}

/// What the application asks of it.
#[derive(Clone, Debug)]
pub enum Call {
    /// Have these carry out an order.
    Ask {
        /// By which the reports are told apart.
        ticket: u64,
        /// Whom to ask; never myself.
        of: Vec<NodeId>,
        /// What to do.
        order: Order,
    },
    /// What became of an order that [`Event::Ordered`] told of.
    Report {
        /// Who gave it.
        to: NodeId,
        /// The order's.
        serial: u64,
        /// What became of it.
        report: Report,
    },
}

/// What it wants to be reminded of: to ask again, if nothing came.
#[derive(Clone, Debug)]
pub struct Timer {
    serial: u64,
}

/// What it tells the application.
#[derive(Clone, Debug)]
pub enum Event {
    /// A member wants this carried out, and a [`Call::Report`].
    Ordered {
        /// Who.
        by: NodeId,
        /// To be given back.
        serial: u64,
        /// What to do.
        order: Order,
    },
    /// A member reports; none if it did not answer.
    Reported {
        /// The ticket of the [`Call::Ask`].
        ticket: u64,
        /// Who.
        by: NodeId,
        /// What it says.
        report: Option<Report>,
    },
}

struct Asked {
    ticket: u64,
    of: NodeId,
    order: Order,
    tries: u32,
}

struct Heard {
    by: NodeId,
    serial: u64,
    report: Option<Report>,
}

/// Orders about keys, given and carried out.
pub struct Keys {
    config: Config,
    waiting: VecDeque<(u64, NodeId, Order)>,
    asked: BTreeMap<u64, Asked>,
    heard: VecDeque<Heard>,
}

impl Keys {
    /// Nothing asked yet.
    pub fn new(config: Config) -> Keys {
        Keys { config, waiting: VecDeque::new(), asked: BTreeMap::new(), heard: VecDeque::new() }
    }

    /// Members that are asked now.
    pub fn asked(&self) -> usize {
        self.asked.len()
    }

    fn on_ask(&mut self, cx: &mut Cx<'_, Self>, ticket: u64, of: Vec<NodeId>, order: Order) {
        for id in of {
            if self.waiting.len() >= self.config.waiting_max {
                cx.emit(Event::Reported { ticket, by: id, report: None });
            } else {
                self.waiting.push_back((ticket, id, order.clone()));
            }
        }
        self.go_on(cx);
    }

    /// Asks those who wait, as long as there is room.
    fn go_on(&mut self, cx: &mut Cx<'_, Self>) {
        while self.asked.len() < self.config.parallel_max
            && let Some((ticket, of, order)) = self.waiting.pop_front()
        {
            let serial = cx.rng.next(); // not a count: a restarted node must not repeat those of its last life
            self.asked.insert(serial, Asked { ticket, of, order, tries: 0 });
            self.on_timer(cx, serial);
        }
    }

    fn on_timer(&mut self, cx: &mut Cx<'_, Self>, serial: u64) {
        let Some(asked) = self.asked.get_mut(&serial) else { return };
        if asked.tries < self.config.tries_max {
            let wait = self.config.first_wait.saturating_mul(1 << asked.tries.min(16));
            asked.tries += 1;
            cx.send(asked.of, Message::Order { serial, order: asked.order.clone() });
            return cx.after(wait, Timer { serial });
        }
        let Asked { ticket, of, .. } = *asked;
        self.asked.remove(&serial);
        cx.emit(Event::Reported { ticket, by: of, report: None });
        self.go_on(cx);
    }

    fn on_order(&mut self, cx: &mut Cx<'_, Self>, by: NodeId, serial: u64, order: Order) {
        if let Some(heard) = self.heard.iter().find(|heard| heard.by == by && heard.serial == serial) {
            if let Some(report) = &heard.report {
                cx.send(by, Message::Report { serial, report: report.clone() });
            }
            return; // or it is being carried out
        }
        if self.heard.len() >= self.config.heard_max {
            self.heard.pop_front();
        }
        self.heard.push_back(Heard { by, serial, report: None });
        cx.emit(Event::Ordered { by, serial, order });
    }

    fn on_done(&mut self, cx: &mut Cx<'_, Self>, to: NodeId, serial: u64, report: Report) {
        if let Some(heard) = self.heard.iter_mut().find(|heard| heard.by == to && heard.serial == serial) {
            heard.report = Some(report.clone());
        }
        cx.send(to, Message::Report { serial, report });
    }

    fn on_report(&mut self, cx: &mut Cx<'_, Self>, by: NodeId, serial: u64, report: Report) {
        if self.asked.get(&serial).is_none_or(|asked| asked.of != by) {
            return; // late, or of somebody who was not asked
        }
        if let Some(Asked { ticket, .. }) = self.asked.remove(&serial) {
            cx.emit(Event::Reported { ticket, by, report: Some(report) });
        }
        self.go_on(cx);
    }
}

impl Protocol for Keys {
    type Call = Call;
    type Message = Message;
    type Timer = Timer;
    type Event = Event;
    const FILLS: bool = false;

    fn handle(&mut self, cx: &mut Cx<'_, Self>, input: Input<Self>) {
        match input {
            Input::Call(Call::Ask { ticket, of, order }) => self.on_ask(cx, ticket, of, order),
            Input::Call(Call::Report { to, serial, report }) => self.on_done(cx, to, serial, report),
            Input::Message(from, Message::Order { serial, order }) => self.on_order(cx, from, serial, order),
            Input::Message(from, Message::Report { serial, report }) => {
                self.on_report(cx, from, serial, report)
            }
            Input::Timer(Timer { serial }) => self.on_timer(cx, serial),
            // A try that was shed or lost is repeated by its timer, as one that was not heard.
            Input::Start | Input::Spare(..) | Input::Shed(..) | Input::Lost(..) | Input::Peer(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
