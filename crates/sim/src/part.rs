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
/// So many nodes' entries are gathered before the nodes run (our guess: what stays in the nearest cache).
const BLOCK: usize = 64;

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
    /// What the nodes of a block get, the last node's first and of each node the first last, and how many that are for each.
    gathered: Vec<Entry<P>>,
    counts: Vec<u32>,
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
            gathered: Vec::new(),
            counts: Vec::new(),
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
        let is_dense = busy.len() * DENSE >= self.nodes.len();
        if is_dense {
            busy.clear();
            let heads = self.heads.iter().enumerate().filter(|(_, head)| **head != NONE);
            busy.extend(heads.map(|(node, _)| node as u32));
        } else {
            busy.sort_unstable();
        }
        for block in busy.chunks(BLOCK) {
            self.gather(block, &mut due);
            if !is_dense {
                self.touch(block);
            }
            block.iter().for_each(|node| self.run(shared, *node));
        }
        busy.clear();
        self.busy = busy;
        due.clear();
        self.due = due;
        self.local.running = NONE;
    }

    /// Brings together what these nodes get: their entries lie anywhere in `due`, so that reading one is a wait for memory, and many
    /// such waits in a row overlap.
    fn gather(&mut self, block: &[u32], due: &mut [Option<Entry<P>>]) {
        let ahead = block.iter().fold(0, |sum, node| {
            let entry = due[self.heads[*node as usize] as usize].as_ref();
            sum ^ entry.map_or(0, |entry| entry.sequence ^ u64::from(entry.class))
        });
        std::hint::black_box(ahead);
        for node in block.iter().rev() {
            let mut at = std::mem::replace(&mut self.heads[*node as usize], NONE);
            let before = self.gathered.len();
            while at != NONE {
                self.gathered.extend(due[at as usize].take());
                at = self.chain[at as usize];
            }
            self.counts.push((self.gathered.len() - before) as u32);
        }
    }

    /// Nodes that lie far apart are looked at before they run: waits for memory that overlap, in place of one after the other.
    fn touch(&self, block: &[u32]) {
        let sum = block.iter().fold(0, |sum, node| {
            let Node { driver, port } = &self.nodes[*node as usize];
            sum ^ driver.me().0 ^ port.sequence ^ port.hot.inputs ^ u64::from(port.frozen)
        });
        std::hint::black_box(sum);
    }

    /// Runs one node through all that it gets in this turn, one instant after the other.
    fn run(&mut self, shared: &Shared, node: u32) {
        let count = self.counts.pop().expect("it was gathered with its block") as usize;
        let base = self.gathered.len() - count;
        self.local.running = self.first + node;
        let (mut now, mut substeps) = (Time::ZERO, 0);
        loop {
            if !self.local.soon.is_empty() {
                self.gathered.append(&mut self.local.soon);
            }
            let line = &mut self.gathered[base..];
            if line.len() > 1 {
                line.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.order()));
            }
            let Some(time) = line.last().map(|entry| entry.time) else { return };
            substeps = if time == now { substeps + 1 } else { 0 };
            assert!(substeps < SUBSTEPS_MAX, "at {time:?} a node keeps itself busy without end");
            now = time;
            self.instant(shared, node, base, now);
        }
    }

    /// Hands all that is due at one node at one instant to its driver, and flushes it once.
    fn instant(&mut self, shared: &Shared, node: u32, base: usize, now: Time) {
        let limits = &shared.world.limits;
        let Node { driver, port } = &mut self.nodes[node as usize];
        let wall = port.clock.wall(now);
        let scratch = &mut self.scratch;
        let mut hands = Hands { port, network: Network { shared, local: &mut self.local, now } };
        let mut inputs = 0;
        while self.gathered.len() > base
            && let Some(entry) = self.gathered.pop_if(|entry| entry.time == now)
        {
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
