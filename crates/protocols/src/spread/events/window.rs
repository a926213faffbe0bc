//! All sources together: what is retained, its sum, and what goes when there is too much.
//!
//! When there is too much, the source that takes most gives up its oldest: so one that floods sheds its own, and of all others everything
//! is kept for as long as together they keep within the bounds.

use super::config::{Config, EPOCHS_MAX};
use super::item::{Item, Source};
use super::log::{Delivery, Log};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::Bound;
use rumormill_core::identity::NodeId;
use rumormill_core::time::Time;

/// When a window is full, a part of it is made free at once, so that looking for the largest source costs next to nothing on average.
const FREED_PART: usize = 64;

#[derive(Default)]
pub(super) struct Window {
    logs: BTreeMap<Source, Log>,
    /// Those that hold nothing, by when they changed last: made-up origins must not cost a search each.
    empty: BTreeSet<(Time, Source)>,
    /// The sum of all marks.
    pub root: u64,
    pub bytes: usize,
    pub events: usize,
    /// Sources with holes.
    pub holed: usize,
}

/// Whether a source can be kept.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// It is known.
    Known,
    /// There is room for it.
    New,
    /// There is, when this one has gone.
    Instead(Source),
    /// It is of a life too long ago, or there are too many.
    Refused,
}

impl Window {
    pub fn get(&self, source: Source) -> Option<&Log> {
        self.logs.get(&source)
    }

    pub fn iter(&self) -> impl Iterator<Item = (Source, &Log)> {
        self.logs.iter().map(|(source, log)| (*source, log))
    }

    /// The sources after `after`, in order.
    pub fn after(&self, after: Option<Source>) -> impl Iterator<Item = (Source, &Log)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.logs.range((from, Bound::Unbounded)).map(|(source, log)| (*source, log))
    }

    pub fn is_known(&self, source: Source) -> bool {
        self.logs.contains_key(&source)
    }

    /// Whether there is room for a source, of which `me` is always given some.
    pub fn room_for(&self, source: Source, me: NodeId, config: &Config) -> Room {
        if self.is_known(source) {
            return Room::Known;
        }
        let of_origin = |epoch| Source { origin: source.origin, epoch };
        let mut lives = self.logs.range(of_origin(0)..=of_origin(u64::MAX)).map(|(source, _)| *source);
        let (first, others) = (lives.next(), lives.count());
        if let Some(first) = first.filter(|_| others + 1 >= EPOCHS_MAX) {
            return if source < first { Room::Refused } else { Room::Instead(first) };
        }
        if self.logs.len() < config.sources_max || source.origin == me {
            return Room::New;
        }
        self.empty.first().map_or(Room::Refused, |(_, source)| Room::Instead(*source))
    }

    /// Puts a log in; there is none of that source.
    pub fn insert(&mut self, source: Source, log: Log) {
        self.count(source, &log, true);
        self.logs.insert(source, log);
    }

    pub fn remove(&mut self, source: Source) {
        if let Some(log) = self.logs.remove(&source) {
            self.count(source, &log, false);
        }
    }

    fn count(&mut self, source: Source, log: &Log, counts: bool) {
        let (mark, holed) = (log.mark(source), usize::from(!log.holes.is_empty()));
        if log.is_empty() && counts {
            self.empty.insert((log.changed, source));
        } else {
            self.empty.remove(&(log.changed, source));
        }
        if counts {
            self.root = self.root.wrapping_add(mark);
            self.bytes += log.bytes;
            self.events += log.held.len();
            self.holed += holed;
        } else {
            self.root = self.root.wrapping_sub(mark);
            self.bytes -= log.bytes;
            self.events -= log.held.len();
            self.holed -= holed;
        }
    }

    /// Changes a log, if there is one, and keeps the sums.
    pub fn change<R>(&mut self, source: Source, change: impl FnOnce(&mut Log) -> R) -> Option<R> {
        let mut log = self.logs.remove(&source)?;
        self.count(source, &log, false);
        let result = change(&mut log);
        self.count(source, &log, true);
        self.logs.insert(source, log);
        Some(result)
    }

    /// What is to be told next of a source.
    pub fn next(&mut self, source: Source) -> Option<Delivery> {
        self.logs.get_mut(&source)?.next() // neither its marks nor its sizes change
    }

    /// Whether there is too much.
    pub fn is_full(&self, config: &Config) -> bool {
        self.bytes > config.window_bytes_max || self.events > config.window_events_max
    }

    /// Makes room: each event that has to go is told to `shed`, with what is to be told of its source before. `tells` says of which
    /// sources anything is told at all.
    pub fn make_room(
        &mut self,
        config: &Config,
        tells: impl Fn(Source) -> bool,
        mut tell: impl FnMut(Source, Delivery),
    ) -> u64 {
        let mut shed = 0;
        let bytes_goal = config.window_bytes_max - config.window_bytes_max / FREED_PART;
        let events_goal = config.window_events_max - config.window_events_max / FREED_PART;
        while self.is_full(config) {
            let by_bytes = self.bytes > config.window_bytes_max;
            let size = |log: &Log| if by_bytes { log.bytes } else { log.held.len() };
            let Some((source, _)) = self.logs.iter().max_by_key(|(_, log)| size(log)) else { return shed };
            let source = *source;
            let second =
                self.logs.iter().filter(|(other, _)| **other != source).map(|(_, log)| size(log)).max();
            let (bytes, events) = (self.bytes, self.events);
            let gone = self.change(source, |log| {
                let (bytes_before, events_before) = (log.bytes, log.held.len());
                let mut gone = 0;
                loop {
                    log.shed(tells(source), &mut |told| tell(source, told));
                    gone += 1;
                    let bytes = bytes - (bytes_before - log.bytes);
                    let events = events - (events_before - log.held.len());
                    let is_free = bytes <= bytes_goal && events <= events_goal;
                    if is_free || log.held.is_empty() || size(log) < second.unwrap_or(0) {
                        return gone;
                    }
                }
            });
            shed += gone.unwrap_or(0);
        }
        shed
    }

    /// The sources with holes, and those that changed since `since`, but the last `min` in any case, the latest first; at most `max`.
    pub fn recent(&self, since: Time, min: usize, max: usize) -> Vec<Source> {
        let rank = |(source, log): (&Source, &Log)| (!log.holes.is_empty(), log.changed, *source);
        let mut recent: Vec<(bool, Time, Source)> = self.logs.iter().map(rank).collect();
        recent.sort_unstable_by(|a, b| b.cmp(a));
        let due = recent.iter().take_while(|(holed, changed, _)| *holed || *changed >= since).count();
        recent.truncate(due.max(min).min(max));
        recent.into_iter().map(|(.., source)| source).collect()
    }

    /// The sum of the marks of all sources but these, each of which is there once.
    pub fn rest<'a>(&self, listed: impl Iterator<Item = &'a Source>) -> u64 {
        listed.fold(self.root, |rest, source| {
            rest.wrapping_sub(self.get(*source).map_or(0, |log| log.mark(*source)))
        })
    }

    /// An event that is held.
    pub fn item(&self, source: Source, seq: u64) -> Option<&Item> {
        self.get(source)?.held.get(&seq)
    }
}
