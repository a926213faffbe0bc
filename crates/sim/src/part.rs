//! A partition: nodes side by side, with a queue of their own.
//!
//! Within one turn no node can affect another, so the nodes of a partition run one after the other, each with all that it gets in the turn
//! at once: one visit of its memory, however many instants that covers.

use crate::bundle::{Bundle, Line, REGION};
use crate::hands::{Handed, Hands};
use crate::network::{Local, Network, Shared};
use crate::node::{Entry, Node};
use crate::queue::Turn;
use crate::sim::SUBSTEPS_MAX;
use prefetch_index::prefetch_index;
use rumormill_core::drive::Scratch;
use rumormill_core::protocol::{Input, Protocol};
use rumormill_core::time::Time;
use std::mem::offset_of;

/// No node runs.
const NONE: u32 = u32::MAX;
/// What so many entries are about is fetched before they are handed in (our guess: it stays in the nearest cache, and comes in time).
const AHEAD: usize = 6;
/// Bytes that are fetched together.
const CACHE_LINE: usize = 64;

pub(crate) struct Part<P: Protocol> {
    pub nodes: Vec<Node<P>>,
    /// The slot of its first node.
    pub first: u32,
    pub local: Local<P>,
    scratch: Scratch<P>,
    /// Where what is due lies, in the order of the lines, and node by node.
    found: Vec<Place>,
    places: Vec<Place>,
    /// How many there are before those of each node, or of each few nodes.
    counts: Vec<u32>,
    /// What the running node set for itself, the last first.
    soon: Vec<Entry<P>>,
}

/// Where an entry lies: in which line, and where in it.
#[derive(Copy, Clone, Default)]
struct Place {
    node: u32,
    line: u32,
    at: u32,
}

impl<P: Protocol> Part<P> {
    pub fn new(first: u32, local: Local<P>) -> Part<P> {
        Part {
            nodes: Vec::new(),
            first,
            local,
            scratch: Scratch::default(),
            found: Vec::new(),
            places: Vec::new(),
            counts: Vec::new(),
            soon: Vec::new(),
        }
    }

    pub fn node(&mut self, slot: u32) -> &mut Node<P> {
        &mut self.nodes[(slot - self.first) as usize]
    }

    /// Runs all that `turn` takes.
    pub fn turn(&mut self, shared: &Shared, turn: &Turn) {
        self.local.begin(turn);
        let mut places = std::mem::take(&mut self.places);
        let bundle = self.local.queue.take(turn);
        let is_by_region = matches!(bundle, Bundle::Regions(_));
        for (region, mut lines) in bundle.into_lines().enumerate() {
            let nodes = if is_by_region { REGION } else { self.nodes.len() as u32 };
            self.arrange(region as u32 * REGION, nodes, &lines, &mut places);
            let (mut begun, mut fetched) = (0, 0);
            while let Some(&Place { node, .. }) = places.get(begun) {
                let ahead = places.len().min(begun + AHEAD);
                places[fetched..ahead].iter().for_each(|place| self.fetch(&lines, place));
                fetched = ahead;
                let count = places[begun..].iter().take_while(|place| place.node == node).count();
                self.run(shared, node, &mut lines, &mut places[begun..begun + count]);
                begun += count;
            }
            lines.into_iter().for_each(|line| self.local.queue.keep(line));
        }
        places.clear();
        self.places = places;
        self.local.running = NONE;
    }

    /// Finds what each of so many nodes from `base` on gets: they are counted, few neighbours together where little is due, and neighbours
    /// then put in order.
    fn arrange(&mut self, base: u32, nodes: u32, lines: &[Line<Entry<P>>], places: &mut Vec<Place>) {
        let Part { found, counts, first, .. } = self;
        found.clear();
        found.extend(each(lines, *first));
        // About as many groups as there are entries.
        let shift = (nodes / (found.len() as u32 + 1)).checked_ilog2().unwrap_or(0);
        let group = |place: &Place| ((place.node - base) >> shift) as usize;
        counts.clear();
        counts.resize((nodes >> shift) as usize + 1, 0);
        found.iter().for_each(|place| counts[group(place)] += 1);
        let mut sum = 0;
        for count in &mut *counts {
            sum += std::mem::replace(count, sum);
        }
        places.clear();
        places.resize(found.len(), Place::default());
        for place in &*found {
            let before = &mut counts[group(place)];
            places[*before as usize] = *place;
            *before += 1;
        }
        if shift > 0 {
            for sorted in 1..places.len() {
                let mut at = sorted;
                while at > 0 && places[at - 1].node > places[at].node {
                    places.swap(at - 1, at);
                    at -= 1;
                }
            }
        }
    }

    /// Has an entry and its node brought from memory: waits that overlap with each other and with work, in place of one after the other.
    fn fetch(&self, lines: &[Line<Entry<P>>], place: &Place) {
        let line = &lines[place.line as usize];
        prefetch_index(line, place.at as usize);
        prefetch_index(line, place.at as usize + 1); // where this one ends
        let node = std::slice::from_ref(&self.nodes[place.node as usize].port.up);
        for offset in (0..size_of::<Node<P>>()).step_by(CACHE_LINE) {
            prefetch_index(node, offset.wrapping_sub(offset_of!(Node<P>, port.up)));
        }
    }

    /// Runs one node through all that it gets in this turn, one instant after the other.
    #[inline(always)]
    fn run(&mut self, shared: &Shared, node: u32, lines: &mut [Line<Entry<P>>], places: &mut [Place]) {
        self.local.running = self.first + node;
        // Mostly it gets one thing alone, and sets nothing for itself that belongs to this turn.
        if let [place] = places
            && let entry = place.of_mut(lines)
            && let Some(now) = entry.as_ref().map(|entry| entry.time)
        {
            let Part { nodes, local, scratch, .. } = self;
            instant(shared, &mut nodes[node as usize], local, scratch, now, &mut Alone(Some(entry)));
            if !self.local.soon.is_empty() {
                self.run_many(shared, node, lines, &mut []);
            }
        } else {
            self.run_many(shared, node, lines, places);
        }
    }

    fn run_many(&mut self, shared: &Shared, node: u32, lines: &mut [Line<Entry<P>>], places: &mut [Place]) {
        places.sort_unstable_by_key(|place| place.of(lines).as_ref().map(|entry| entry.order(shared.lots)));
        let mut mine = Mine { lines, places, soon: &mut self.soon, own: None, lots: shared.lots };
        let (mut last, mut substeps) = (Time::ZERO, 0);
        loop {
            mine.add(&mut self.local.soon);
            let Some(now) = mine.next() else { return };
            substeps = if now == last { substeps + 1 } else { 0 };
            assert!(substeps < SUBSTEPS_MAX, "at {now:?} a node keeps itself busy without end");
            last = now;
            let Part { nodes, local, scratch, .. } = self;
            instant(shared, &mut nodes[node as usize], local, scratch, now, &mut mine);
        }
    }
}

/// Something that is due at a node, in its order.
trait Due<P: Protocol> {
    /// The next that is due `now`, to be taken.
    fn take(&mut self, now: Time) -> Option<&mut Option<Entry<P>>>;
}

/// The one thing that a node gets in this turn.
struct Alone<'a, P: Protocol>(Option<&'a mut Option<Entry<P>>>);

impl<P: Protocol> Due<P> for Alone<'_, P> {
    #[inline]
    fn take(&mut self, _: Time) -> Option<&mut Option<Entry<P>>> {
        self.0.take()
    }
}

/// All that a node gets in this turn.
struct Mine<'a, P: Protocol> {
    lines: &'a mut [Line<Entry<P>>],
    /// Where that lies, in order, as far as it is still to come.
    places: &'a [Place],
    /// What the node set for itself within the turn, the last first.
    soon: &'a mut Vec<Entry<P>>,
    /// The last of those that was taken.
    own: Option<Entry<P>>,
    /// As in [`Shared`].
    lots: u64,
}

impl<P: Protocol> Mine<'_, P> {
    #[inline]
    fn add(&mut self, soon: &mut Vec<Entry<P>>) {
        if !soon.is_empty() {
            self.soon.append(soon);
            self.soon.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.order(self.lots)));
        }
    }

    /// When the next is due.
    #[inline]
    fn next(&self) -> Option<Time> {
        let set = self.places.first().and_then(|place| place.of(self.lines).as_ref());
        set.into_iter().chain(self.soon.last()).map(|entry| entry.time).min()
    }
}

impl<P: Protocol> Due<P> for Mine<'_, P> {
    #[inline]
    fn take(&mut self, now: Time) -> Option<&mut Option<Entry<P>>> {
        let set = self.places.first().map(|place| place.of(self.lines));
        let set = set.and_then(Option::as_ref).filter(|entry| entry.time == now);
        let own = self.soon.last().filter(|entry| entry.time == now);
        let is_own = match (set, own) {
            (Some(set), Some(own)) => set.order(self.lots) > own.order(self.lots),
            (None, None) => return None,
            (set, _) => set.is_none(),
        };
        if is_own {
            self.own = self.soon.pop();
            return Some(&mut self.own);
        }
        let (place, rest) = self.places.split_first()?;
        self.places = rest;
        Some(place.of_mut(self.lines))
    }
}

/// Hands all that is due at one node at one instant to its driver, and flushes it once.
#[inline(always)]
fn instant<P: Protocol>(
    shared: &Shared,
    node: &mut Node<P>,
    local: &mut Local<P>,
    scratch: &mut Scratch<P>,
    now: Time,
    mine: &mut impl Due<P>,
) {
    let limits = &shared.world.limits;
    let Node { driver, port } = node;
    let wall = port.wall(now);
    let mut hands = Hands { port, network: Network { shared, local, now } };
    let mut inputs = 0;
    while let Some(entry) = mine.take(now) {
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
        hands.port.carry();
    }
}

impl Place {
    fn of<'a, T>(&self, lines: &'a [Line<T>]) -> &'a Option<T> {
        &lines[self.line as usize][self.at as usize]
    }

    fn of_mut<'a, T>(&self, lines: &'a mut [Line<T>]) -> &'a mut Option<T> {
        &mut lines[self.line as usize][self.at as usize]
    }
}

/// Where each entry lies, in the order of the lines.
fn each<P: Protocol>(lines: &[Line<Entry<P>>], first: u32) -> impl Iterator<Item = Place> {
    lines.iter().enumerate().flat_map(move |(line, entries)| {
        entries.iter().enumerate().flat_map(move |(at, entry)| {
            let node = entry.as_ref()?.slot - first;
            Some(Place { node, line: line as u32, at: at as u32 })
        })
    })
}
