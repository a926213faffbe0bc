//! A partition: nodes side by side, with a queue of their own.
//!
//! Within one window no node can affect another, so the nodes of a partition run one after the other, each with all its entries of the
//! window at once: one visit of its memory, however many instants the window covers.

use crate::bucket::{Bucket, Chunk, REGION};
use crate::endpoint::{Delivery, Endpoint};
use crate::entry::Entry;
use crate::local::Local;
use crate::network::Network;
use crate::node::Node;
use crate::queue::{SUBSTEPS_MAX, Window};
use crate::shared::Shared;
use prefetch_index::prefetch_index;
use rumormill_core::drive::Scratch;
use rumormill_core::protocol::{Input, Protocol};
use rumormill_core::time::Time;
use std::mem::offset_of;

/// Entries and nodes are prefetched this many entries ahead (our guess: far enough to arrive in time, and few enough to stay in the
/// nearest cache).
const AHEAD: usize = 6;
/// Bytes that one prefetch loads.
const CACHE_LINE: usize = 64;

pub(crate) struct Partition<P: Protocol> {
    pub nodes: Vec<Node<P>>,
    /// The slot of the first node.
    pub first: u32,
    pub local: Local<P>,
    scratch: Scratch<P>,
    /// The places of the entries of one region: in the order of the chunks, and in the order of their nodes.
    found: Vec<Place>,
    places: Vec<Place>,
    /// For the counting sort: the number of entries before those of each node, or of each group of neighbours.
    counts: Vec<u32>,
    /// Entries that the running node set for itself within the window, the last first.
    self_scheduled: Vec<Entry<P>>,
}

/// The place of an entry: its node, its chunk, and its index there.
#[derive(Copy, Clone, Default)]
struct Place {
    node: u32,
    chunk: u32,
    at: u32,
}

impl<P: Protocol> Partition<P> {
    pub fn new(first: u32, local: Local<P>) -> Partition<P> {
        Partition {
            nodes: Vec::new(),
            first,
            local,
            scratch: Scratch::default(),
            found: Vec::new(),
            places: Vec::new(),
            counts: Vec::new(),
            self_scheduled: Vec::new(),
        }
    }

    pub fn node(&self, slot: u32) -> &Node<P> {
        &self.nodes[(slot - self.first) as usize]
    }

    pub fn node_mut(&mut self, slot: u32) -> &mut Node<P> {
        &mut self.nodes[(slot - self.first) as usize]
    }

    /// Runs all entries of `window`.
    pub fn run(&mut self, shared: &Shared, window: &Window) {
        self.local.begin(window);
        let mut places = std::mem::take(&mut self.places);
        let bucket = self.local.queue.take(window);
        let is_by_region = matches!(bucket, Bucket::Regions(_));
        for (region, mut chunks) in bucket.into_regions().enumerate() {
            let nodes = if is_by_region { REGION } else { self.nodes.len() as u32 };
            self.arrange(region as u32 * REGION, nodes, &chunks, &mut places);
            let (mut begun, mut fetched) = (0, 0);
            while let Some(&Place { node, .. }) = places.get(begun) {
                let ahead = places.len().min(begun + AHEAD);
                places[fetched..ahead].iter().for_each(|place| self.prefetch(&chunks, place));
                fetched = ahead;
                let count = places[begun..].iter().take_while(|place| place.node == node).count();
                self.run_node(shared, node, &mut chunks, &mut places[begun..begun + count]);
                begun += count;
            }
            chunks.into_iter().for_each(|chunk| self.local.queue.keep(chunk));
        }
        places.clear();
        self.places = places;
        self.local.end();
    }

    /// Sorts the places of entries by node, for `nodes` nodes from `base` on: a counting sort by groups of neighbours, about as many groups
    /// as there are entries, and an insertion sort within the groups.
    fn arrange(&mut self, base: u32, nodes: u32, chunks: &[Chunk<Entry<P>>], places: &mut Vec<Place>) {
        let Partition { found, counts, first, .. } = self;
        found.clear();
        found.extend(places_in(chunks, *first));
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

    /// Prefetches an entry and its node, so that the waits for memory overlap with each other and with work.
    fn prefetch(&self, chunks: &[Chunk<Entry<P>>], place: &Place) {
        let chunk = &chunks[place.chunk as usize];
        prefetch_index(chunk, place.at as usize);
        prefetch_index(chunk, place.at as usize + 1); // the cache line in which the entry ends
        let node = std::slice::from_ref(&self.nodes[place.node as usize].port.up);
        for offset in (0..size_of::<Node<P>>()).step_by(CACHE_LINE) {
            prefetch_index(node, offset.wrapping_sub(offset_of!(Node<P>, port.up)));
        }
    }

    /// Runs one node through all its entries of the window, one instant after the other.
    #[inline(always)]
    fn run_node(&mut self, shared: &Shared, node: u32, chunks: &mut [Chunk<Entry<P>>], places: &mut [Place]) {
        self.local.run(self.first + node);
        // Usually there is a single entry, and the node sets nothing for itself within the window.
        if let [place] = places
            && let entry = place.of_mut(chunks)
            && let Some(now) = entry.as_ref().map(|entry| entry.time)
        {
            let Partition { nodes, local, scratch, .. } = self;
            instant(shared, &mut nodes[node as usize], local, scratch, now, &mut Single(Some(entry)));
            if !self.local.self_scheduled.is_empty() {
                self.run_many(shared, node, chunks, &mut []);
            }
        } else {
            self.run_many(shared, node, chunks, places);
        }
    }

    fn run_many(&mut self, shared: &Shared, node: u32, chunks: &mut [Chunk<Entry<P>>], places: &mut [Place]) {
        places.sort_unstable_by_key(|place| {
            place.of(chunks).as_ref().map(|entry| entry.order(shared.tie_break))
        });
        let self_scheduled = &mut self.self_scheduled;
        let mut due = Merged { chunks, places, self_scheduled, own: None, tie_break: shared.tie_break };
        let (mut last, mut substeps) = (Time::ZERO, 0);
        loop {
            due.add(&mut self.local.self_scheduled);
            let Some(now) = due.next() else { return };
            substeps = if now == last { substeps + 1 } else { 0 };
            assert!(substeps < SUBSTEPS_MAX, "at {now:?} a node keeps itself busy without end");
            last = now;
            let Partition { nodes, local, scratch, .. } = self;
            instant(shared, &mut nodes[node as usize], local, scratch, now, &mut due);
        }
    }
}

/// The entries of one node, in its order.
trait Due<P: Protocol> {
    /// The next entry that is due `now`, to be taken.
    fn take(&mut self, now: Time) -> Option<&mut Option<Entry<P>>>;
}

/// The only entry of a node in this window.
struct Single<'a, P: Protocol>(Option<&'a mut Option<Entry<P>>>);

impl<P: Protocol> Due<P> for Single<'_, P> {
    #[inline]
    fn take(&mut self, _: Time) -> Option<&mut Option<Entry<P>>> {
        self.0.take()
    }
}

/// The entries of a node from the queue, merged with those that it sets for itself.
struct Merged<'a, P: Protocol> {
    chunks: &'a mut [Chunk<Entry<P>>],
    /// The places of the entries that are still to come, in order.
    places: &'a [Place],
    /// Entries that the node set for itself within the window, the last first.
    self_scheduled: &'a mut Vec<Entry<P>>,
    /// The one of these entries that was taken last.
    own: Option<Entry<P>>,
    /// As in [`Shared`].
    tie_break: u64,
}

impl<P: Protocol> Merged<'_, P> {
    #[inline]
    fn add(&mut self, new: &mut Vec<Entry<P>>) {
        if !new.is_empty() {
            self.self_scheduled.append(new);
            self.self_scheduled.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.order(self.tie_break)));
        }
    }

    /// The time of the next entry.
    #[inline]
    fn next(&self) -> Option<Time> {
        let set = self.places.first().and_then(|place| place.of(self.chunks).as_ref());
        set.into_iter().chain(self.self_scheduled.last()).map(|entry| entry.time).min()
    }
}

impl<P: Protocol> Due<P> for Merged<'_, P> {
    #[inline]
    fn take(&mut self, now: Time) -> Option<&mut Option<Entry<P>>> {
        let set = self.places.first().map(|place| place.of(self.chunks));
        let set = set.and_then(Option::as_ref).filter(|entry| entry.time == now);
        let own = self.self_scheduled.last().filter(|entry| entry.time == now);
        let is_own = match (set, own) {
            (Some(set), Some(own)) => set.order(self.tie_break) > own.order(self.tie_break),
            (None, None) => return None,
            (set, _) => set.is_none(),
        };
        if is_own {
            self.own = self.self_scheduled.pop();
            return Some(&mut self.own);
        }
        let (place, rest) = self.places.split_first()?;
        self.places = rest;
        Some(place.of_mut(self.chunks))
    }
}

/// Hands the entries of one node at one instant to its driver, and flushes the driver once.
#[inline(always)]
fn instant<P: Protocol>(
    shared: &Shared,
    node: &mut Node<P>,
    local: &mut Local<P>,
    scratch: &mut Scratch<P>,
    now: Time,
    due: &mut impl Due<P>,
) {
    let limits = &shared.world.limits;
    let Node { driver, port } = node;
    let wall = port.wall(now);
    let mut endpoint = Endpoint { port, network: Network { shared, local, now } };
    let mut inputs = 0;
    while let Some(entry) = due.take(now) {
        match endpoint.take(entry) {
            None => {}
            Some(Delivery::One(input)) => {
                inputs += 1;
                driver.input(scratch, &mut endpoint, now, wall, input);
            }
            Some(Delivery::Meet(peers)) => {
                inputs += 1;
                driver.meet(scratch, &mut endpoint, now, wall, peers);
            }
            Some(Delivery::Messages(from, mut messages)) => {
                for message in messages.drain(..) {
                    inputs += 1;
                    driver.input(scratch, &mut endpoint, now, wall, Input::Message(from, message));
                }
                endpoint.network.local.pool.recycle(messages);
            }
        }
    }
    if inputs > 0 {
        driver.flush(scratch, &mut endpoint, now, wall, limits);
        endpoint.port.hot.inputs += inputs;
        endpoint.port.carry();
    }
}

impl Place {
    fn of<'a, T>(&self, chunks: &'a [Chunk<T>]) -> &'a Option<T> {
        &chunks[self.chunk as usize][self.at as usize]
    }

    fn of_mut<'a, T>(&self, chunks: &'a mut [Chunk<T>]) -> &'a mut Option<T> {
        &mut chunks[self.chunk as usize][self.at as usize]
    }
}

/// The places of all entries, in the order of the chunks.
fn places_in<P: Protocol>(chunks: &[Chunk<Entry<P>>], first: u32) -> impl Iterator<Item = Place> {
    chunks.iter().enumerate().flat_map(move |(chunk, entries)| {
        entries.iter().enumerate().flat_map(move |(at, entry)| {
            let node = entry.as_ref()?.slot - first;
            Some(Place { node, chunk: chunk as u32, at: at as u32 })
        })
    })
}
