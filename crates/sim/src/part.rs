//! A partition: nodes side by side, with a queue of their own.
//!
//! Within one turn no node can affect another, so the nodes of a partition run one after the other, each with all that it gets in the turn
//! at once: one visit of its memory, however many instants that covers.

use crate::hands::{Handed, Hands};
use crate::network::{Local, Network, Shared};
use crate::node::{Entry, Node};
use crate::queue::Turn;
use crate::sim::SUBSTEPS_MAX;
use rumormill_core::drive::Scratch;
use rumormill_core::protocol::{Input, Protocol};
use rumormill_core::time::Time;

/// No entry, in the chains below.
const NONE: u32 = u32::MAX;
/// Nodes are visited in order, all of them looked at, when at least one in so many has something to do.
const DENSE: usize = 8;

pub(crate) struct Part<P: Protocol> {
    pub nodes: Vec<Node<P>>,
    /// The slot of its first node.
    pub first: u32,
    pub local: Local<P>,
    scratch: Scratch<P>,
    /// What is due in this turn, and for each the next one of the same node.
    due: Vec<Option<Entry<P>>>,
    chain: Vec<u32>,
    /// For each node the last of its entries in `due`; [`NONE`] between turns.
    heads: Vec<u32>,
    busy: Vec<u32>,
    /// What the running node gets, the first last.
    line: Vec<Entry<P>>,
}

impl<P: Protocol> Part<P> {
    pub fn new(first: u32, local: Local<P>) -> Part<P> {
        Part {
            nodes: Vec::new(),
            first,
            local,
            scratch: Scratch::default(),
            due: Vec::new(),
            chain: Vec::new(),
            heads: Vec::new(),
            busy: Vec::new(),
            line: Vec::new(),
        }
    }

    pub fn node(&mut self, slot: u32) -> &mut Node<P> {
        &mut self.nodes[(slot - self.first) as usize]
    }

    /// Runs all that `turn` takes.
    pub fn turn(&mut self, shared: &Shared, turn: &Turn) {
        self.local.begin(turn);
        let mut due = std::mem::take(&mut self.due);
        self.local.queue.take(turn, &mut due);
        self.heads.resize(self.nodes.len(), NONE);
        self.chain.clear();
        for (at, entry) in due.iter().enumerate() {
            let Some(entry) = entry else { continue };
            let node = entry.slot - self.first;
            let head = &mut self.heads[node as usize];
            if *head == NONE {
                self.busy.push(node);
            }
            self.chain.push(std::mem::replace(head, at as u32));
        }
        let mut busy = std::mem::take(&mut self.busy);
        if busy.len() * DENSE >= self.nodes.len() {
            for node in 0..self.nodes.len() as u32 {
                if self.heads[node as usize] != NONE {
                    self.run(shared, node, &mut due);
                }
            }
        } else {
            busy.sort_unstable();
            busy.iter().for_each(|node| self.run(shared, *node, &mut due));
        }
        busy.clear();
        self.busy = busy;
        due.clear();
        self.due = due;
        self.local.running = NONE;
    }

    /// Runs one node through all that it gets in this turn, one instant after the other.
    fn run(&mut self, shared: &Shared, node: u32, due: &mut [Option<Entry<P>>]) {
        let mut at = std::mem::replace(&mut self.heads[node as usize], NONE);
        while at != NONE {
            self.line.extend(due[at as usize].take());
            at = self.chain[at as usize];
        }
        self.local.running = self.first + node;
        let (mut now, mut substeps) = (Time::ZERO, 0);
        loop {
            if !self.local.soon.is_empty() {
                self.line.append(&mut self.local.soon);
            }
            if self.line.len() > 1 {
                self.line.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.order()));
            }
            let Some(time) = self.line.last().map(|entry| entry.time) else { return };
            substeps = if time == now { substeps + 1 } else { 0 };
            assert!(substeps < SUBSTEPS_MAX, "at {time:?} a node keeps itself busy without end");
            now = time;
            self.instant(shared, node, now);
        }
    }

    /// Hands all that is due at one node at one instant to its driver, and flushes it once.
    fn instant(&mut self, shared: &Shared, node: u32, now: Time) {
        let limits = &shared.world.limits;
        let Node { driver, port } = &mut self.nodes[node as usize];
        let wall = port.clock.wall(now);
        let scratch = &mut self.scratch;
        let mut hands = Hands { port, network: Network { shared, local: &mut self.local, now } };
        let mut inputs = 0;
        while let Some(entry) = self.line.pop_if(|entry| entry.time == now) {
            match hands.take(entry) {
                None => {}
                Some(Handed::One(input)) => {
                    inputs += 1;
                    driver.input(scratch, &mut hands, now, wall, input);
                }
                Some(Handed::Messages(from, mut messages)) => {
                    for message in messages.drain(..) {
                        inputs += 1;
                        driver.input(scratch, &mut hands, now, wall, Input::Message(from, message));
                    }
                    hands.network.local.recycle(messages);
                }
            }
        }
        if inputs > 0 {
            driver.flush(scratch, &mut hands, now, wall, limits);
            hands.port.hot.inputs += inputs;
        }
    }
}
