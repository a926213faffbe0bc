//! Queries and orders about keys: the requests, and their answers.

use super::member::{Member, QUERY_TIMEOUT};
use crate::scenario::part::View;
use rumormill_core::identity::NodeId;
use rumormill_core::time::{Duration, Time};
use rumormill_core::words::count;
use rumormill_protocols::agree::keys;
use rumormill_protocols::spread::queries::{self, QueryId};
use std::collections::{BTreeMap, BTreeSet};

/// Time from the time-out of a query, or the last try of an order, to its end (our guess: timers are exact in the simulator).
const SLACK: Duration = Duration::from_secs(1);
/// Upper bound on the recorded queries, and on the recorded orders; later ones are not checked (our guess: more than a scenario asks).
const ASKED_MAX: usize = 1 << 16;

/// The asker, its life, and the ticket.
type Ticket = (NodeId, u64, u64);

/// The queries and orders of the members.
#[derive(Debug, Default)]
pub struct Answers {
    epochs: BTreeMap<NodeId, u64>,
    queries: BTreeMap<Ticket, Asked>,
    orders: BTreeMap<Ticket, Asked>,
    /// Members that received a query, with the life in which they did.
    heard: BTreeSet<(NodeId, u64, QueryId)>,
    twice: Option<String>,
    pub expected: u64,
    pub answered: u64,
}

#[derive(Debug)]
struct Asked {
    at: Time,
    /// Members that answered or reported.
    by: BTreeSet<NodeId>,
    /// Members that have not reported yet.
    left: usize,
    done: bool,
}

impl Answers {
    /// A member starts.
    pub fn started(&mut self, id: NodeId, epoch: u64) {
        self.epochs.insert(id, epoch);
    }

    fn ticket(&self, id: NodeId, ticket: u64) -> Ticket {
        (id, self.epochs.get(&id).copied().unwrap_or_default(), ticket)
    }

    fn asked(&mut self, at: Time, by: NodeId, ticket: u64) {
        let ticket = self.ticket(by, ticket);
        if self.queries.len() < ASKED_MAX {
            self.queries.entry(ticket).or_insert_with(|| Asked::new(at, 0));
        }
    }

    /// A member orders a number of others to change their keys.
    pub fn ordered(&mut self, at: Time, by: NodeId, ticket: u64, of: usize) {
        let ticket = self.ticket(by, ticket);
        if self.orders.len() < ASKED_MAX {
            self.orders.insert(ticket, Asked::new(at, of));
        }
    }

    /// An event of the queries.
    pub fn on_query(&mut self, at: Time, id: NodeId, event: &queries::Event) {
        match event {
            queries::Event::Asked { id: query, .. } => {
                let (_, epoch, _) = self.ticket(id, 0);
                if self.heard.len() < ASKED_MAX && !self.heard.insert((id, epoch, *query)) {
                    self.again(at, format!("node {} was asked a query of node {}", id.0, query.asker.0));
                }
            }
            queries::Event::Answered { ticket, from, .. } => {
                let ticket = self.ticket(id, *ticket);
                self.answered += 1;
                if self.queries.get_mut(&ticket).is_some_and(|asked| !asked.by.insert(*from)) {
                    self.again(at, format!("node {} was told an answer of node {}", id.0, from.0));
                }
            }
            queries::Event::Done { ticket, summary } => {
                let ticket = self.ticket(id, *ticket);
                self.expected += u64::from(summary.expected);
                if let Some(asked) = self.queries.get_mut(&ticket) {
                    asked.done = true;
                }
            }
            queries::Event::Sent { ticket } => self.asked(at, id, *ticket),
            queries::Event::Spread(_) | queries::Event::Refused { .. } | queries::Event::Acked { .. } => {}
        }
    }

    /// An event of the orders about keys.
    pub fn on_keys(&mut self, at: Time, id: NodeId, event: &keys::Event) {
        let keys::Event::Reported { ticket, by, .. } = event else { return };
        let ticket = self.ticket(id, *ticket);
        let Some(asked) = self.orders.get_mut(&ticket) else { return };
        asked.left = asked.left.saturating_sub(1);
        if !asked.by.insert(*by) {
            self.again(at, format!("node {} was told a report of node {}", id.0, by.0));
        }
    }

    fn again(&mut self, at: Time, what: String) {
        self.twice.get_or_insert_with(|| format!("{what} a second time at {:.3} s", at.as_secs_f64()));
    }

    /// Whether no member received a query twice, and no asker received an answer or a report twice.
    pub fn check_twice(&self) -> Result<(), String> {
        self.twice.clone().map_or(Ok(()), Err)
    }

    /// Whether each query ended by its time-out, and all members reported each order or it was given up.
    pub fn check_ended(&self, view: &dyn View<Member>, orders: &keys::Config) -> Result<(), String> {
        let patience = orders.first_wait * 2u32.saturating_pow(orders.tries_max) + SLACK;
        let overdue = |((id, epoch, _), asked): &(&Ticket, &Asked), within: Duration| {
            let same_life = view.is_up(*id) && self.epochs.get(id) == Some(epoch);
            same_life && view.now().since(asked.at) > within
        };
        let mut queries = self.queries.iter().filter(|(_, asked)| !asked.done);
        if let Some(((id, ..), asked)) = queries.find(|one| overdue(one, QUERY_TIMEOUT + SLACK)) {
            return Err(format!(
                "the query of node {} of {:.3} s has not ended",
                id.0,
                asked.at.as_secs_f64()
            ));
        }
        let mut orders = self.orders.iter().filter(|(_, asked)| asked.left > 0);
        if let Some(((id, ..), asked)) = orders.find(|one| overdue(one, patience)) {
            let (at, left) = (asked.at.as_secs_f64(), count(asked.left, "report"));
            return Err(format!("the order of node {} of {at:.3} s lacks {left}", id.0));
        }
        Ok(())
    }
}

impl Asked {
    fn new(at: Time, left: usize) -> Asked {
        Asked { at, by: BTreeSet::new(), left, done: false }
    }
}
