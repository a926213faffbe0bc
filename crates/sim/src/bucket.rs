//! The entries of one slot of the wheel: in one chunk, or, when there are many, sorted by the region of their receivers.
//!
//! Nodes run in the order of their slots, which is a random order in a chunk of a million entries: each read would wait for memory. So
//! an entry is stored beside those of neighbouring nodes when it is set, and entries that are read together lie together.

use crate::entry::{Class, Item};
use prefetch_index::prefetch_index;
use rumormill_core::time::Time;

/// Nodes of a region (our guess: they and what they get in one window stay in the second cache).
pub(crate) const REGION: u32 = 1_024;
/// Entries of a region that are allocated together.
const CHUNK_ITEMS: usize = 64;
/// A bucket with more entries is split by region (our guess: so many stay in the second cache in any order).
const UNSORTED_MAX: usize = 4_096;
/// Emptied chunks that are kept for the next slots, of any size and of [`CHUNK_ITEMS`].
const SPARE_MAX: usize = 4_096;
const SPARE_IN_REGIONS_MAX: usize = 1 << 16;
/// An emptied chunk with less capacity is not worth keeping.
const SPARE_CAPACITY_MIN: usize = 8;

/// Items in no order. They are taken out one at a time, and each leaves a gap.
pub(crate) type Chunk<T> = Vec<Option<T>>;

pub(crate) enum Bucket<T> {
    Chunk(Chunk<T>),
    Regions(Box<Regions<T>>),
}

/// Items by region. All are due before or at `latest`, and their classes lie within `classes`.
pub(crate) struct Regions<T> {
    regions: Vec<Region<T>>,
    len: usize,
    latest: Time,
    classes: (Class, Class),
}

/// Items of many slots that lie beyond the ring, in no order. It is never empty.
pub(crate) struct Overflow<T> {
    all: Region<T>,
    first: (Time, Class),
}

impl<T> Default for Overflow<T> {
    fn default() -> Self {
        Overflow { all: Region::default(), first: (Time::NEVER, Class::MAX) }
    }
}

impl<T: Item> Overflow<T> {
    #[inline]
    pub fn push(&mut self, item: T, spare: &mut Spare<T>) {
        self.first = self.first.min((item.time(), item.class()));
        append(self.all.chunk(spare), item);
    }

    /// Time and class of the earliest item.
    pub fn first(&self) -> (Time, Class) {
        self.first
    }

    pub fn into_chunks(self) -> impl Iterator<Item = Chunk<T>> {
        self.all.full.into_iter().chain([self.all.open])
    }
}

/// Adds an item, and prefetches the place of the next one: chunks grow at hundreds of ends in turn, and a write that waits for its
/// cache line delays all that follow.
#[inline(always)]
fn append<T>(chunk: &mut Chunk<T>, item: T) {
    chunk.push(Some(item));
    prefetch_index(&*chunk, chunk.len());
    prefetch_index(&*chunk, chunk.len() + 1); // the cache line in which that place ends
}

/// Chunks of [`CHUNK_ITEMS`] items, of which the last is not full.
struct Region<T> {
    full: Vec<Chunk<T>>,
    open: Chunk<T>,
}

/// Emptied chunks, for the next buckets.
pub(crate) struct Spare<T> {
    any: Vec<Chunk<T>>,
    in_regions: Vec<Chunk<T>>,
}

impl<T> Default for Spare<T> {
    fn default() -> Self {
        Spare { any: Vec::new(), in_regions: Vec::new() }
    }
}

impl<T> Spare<T> {
    fn any(&mut self) -> Chunk<T> {
        self.any.pop().or_else(|| self.in_regions.pop()).unwrap_or_default()
    }

    fn in_region(&mut self) -> Chunk<T> {
        self.in_regions.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK_ITEMS))
    }

    /// Takes back a chunk that has been read.
    pub fn keep(&mut self, mut chunk: Chunk<T>) {
        chunk.clear();
        match chunk.capacity() {
            CHUNK_ITEMS if self.in_regions.len() < SPARE_IN_REGIONS_MAX => self.in_regions.push(chunk),
            SPARE_CAPACITY_MIN.. if self.any.len() < SPARE_MAX => self.any.push(chunk),
            _ => {}
        }
    }
}

impl<T> Default for Bucket<T> {
    fn default() -> Self {
        Bucket::Chunk(Vec::new())
    }
}

impl<T: Item> Bucket<T> {
    pub fn len(&self) -> usize {
        match self {
            Bucket::Chunk(chunk) => chunk.len(),
            Bucket::Regions(regions) => regions.len,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds an item of the partition whose first node sits at slot `first`. Inlined, since a call would copy the item once more.
    #[inline(always)]
    pub fn push(&mut self, first: u32, item: T, spare: &mut Spare<T>) {
        if let Bucket::Chunk(chunk) = self
            && chunk.len() == chunk.capacity()
        {
            self.grow(first, spare);
        }
        let chunk = match self {
            Bucket::Chunk(chunk) => chunk,
            Bucket::Regions(regions) => regions.chunk(first, &item, spare),
        };
        append(chunk, item);
    }

    /// Makes room in a full chunk, or splits it by region.
    #[cold]
    fn grow(&mut self, first: u32, spare: &mut Spare<T>) {
        let Bucket::Chunk(chunk) = self else { return };
        if chunk.capacity() == 0 {
            *chunk = spare.any();
        }
        if chunk.len() < UNSORTED_MAX {
            return;
        }
        let mut regions = Box::new(Regions::default());
        let mut chunk = std::mem::take(chunk);
        for item in chunk.drain(..).flatten() {
            regions.chunk(first, &item, spare).push(Some(item));
        }
        spare.keep(chunk);
        *self = Bucket::Regions(regions);
    }

    /// The items, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let (chunk, regions) = match self {
            Bucket::Chunk(chunk) => (&chunk[..], &[][..]),
            Bucket::Regions(regions) => (&[][..], &regions.regions[..]),
        };
        chunk
            .iter()
            .chain(regions.iter().flat_map(|region| region.full.iter().chain([&region.open]).flatten()))
            .flatten()
    }

    /// A lower bound for the class of its items.
    pub fn class(&self) -> Option<Class> {
        match self {
            Bucket::Chunk(_) => self.iter().map(Item::class).min(),
            Bucket::Regions(regions) => Some(regions.classes.0),
        }
    }

    /// Whether all items are due before `end` and of `class`, if one is given.
    pub fn is_all(&self, end: Time, class: Option<Class>) -> bool {
        match self {
            Bucket::Chunk(chunk) => chunk.iter().flatten().all(|item| is_due(item, end, class)),
            Bucket::Regions(regions) => {
                regions.latest < end && class.is_none_or(|class| regions.classes == (class, class))
            }
        }
    }

    /// Splits it into the items that are due before `end`, and of `class` if one is given, and the others.
    pub fn split(
        self,
        first: u32,
        end: Time,
        class: Option<Class>,
        spare: &mut Spare<T>,
    ) -> (Bucket<T>, Bucket<T>) {
        let (mut due, mut left) = (Bucket::default(), Bucket::default());
        for mut chunk in self.into_regions().flatten() {
            for item in chunk.drain(..).flatten() {
                let side = if is_due(&item, end, class) { &mut due } else { &mut left };
                side.push(first, item, spare);
            }
            spare.keep(chunk);
        }
        (due, left)
    }

    /// The chunks of each region; those of all nodes together if the bucket is not split.
    pub fn into_regions(self) -> impl Iterator<Item = Vec<Chunk<T>>> {
        let (chunk, regions) = match self {
            Bucket::Chunk(chunk) => (Some(vec![chunk]), Vec::new()),
            Bucket::Regions(regions) => (None, regions.regions),
        };
        chunk.into_iter().chain(regions.into_iter().map(|Region { mut full, open }| {
            full.push(open);
            full
        }))
    }
}

/// Whether this item is due before `end`, and of `class` if one is given.
pub(crate) fn is_due(item: &impl Item, end: Time, class: Option<Class>) -> bool {
    item.time() < end && class.is_none_or(|class| item.class() == class)
}

impl<T> Default for Regions<T> {
    fn default() -> Self {
        Regions { regions: Vec::new(), len: 0, latest: Time::ZERO, classes: (Class::MAX, Class::MIN) }
    }
}

impl<T: Item> Regions<T> {
    /// The chunk that this item belongs to.
    #[inline(always)]
    fn chunk(&mut self, first: u32, item: &T, spare: &mut Spare<T>) -> &mut Chunk<T> {
        self.len += 1;
        self.latest = self.latest.max(item.time());
        let (lowest, highest) = self.classes;
        self.classes = (lowest.min(item.class()), highest.max(item.class()));
        let at = (item.node(first) / REGION) as usize;
        if at >= self.regions.len() {
            self.regions.resize_with(at + 1, Region::default);
        }
        self.regions[at].chunk(spare)
    }
}

impl<T> Default for Region<T> {
    fn default() -> Self {
        Region { full: Vec::new(), open: Vec::new() }
    }
}

impl<T> Region<T> {
    /// A chunk with room for the next item.
    #[inline(always)]
    fn chunk(&mut self, spare: &mut Spare<T>) -> &mut Chunk<T> {
        if self.open.len() == self.open.capacity() {
            self.open_next(spare);
        }
        &mut self.open
    }

    #[cold]
    fn open_next(&mut self, spare: &mut Spare<T>) {
        let filled = std::mem::replace(&mut self.open, spare.in_region());
        if !filled.is_empty() {
            self.full.push(filled);
        }
    }
}
