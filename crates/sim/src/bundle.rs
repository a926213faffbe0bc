//! What is due in one slot of the wheel: in one line, or, when it is much, by the region of who gets it.
//!
//! A line of a million entries is read in the order in which its nodes run, which is none that memory likes. So entries are put with
//! those of the nodes next to theirs when they are set, and what is read later lies together.

use crate::queue::Class;
use prefetch_index::prefetch_index;
use rumormill_core::time::Time;

/// Nodes of a region (our guess: they and what they get in one turn stay in the second cache).
pub(crate) const REGION: u32 = 1_024;
/// Entries that are allocated together.
const CHUNK: usize = 64;
/// A longer line is taken apart (our guess: so much stays in the second cache in any order).
const LINE_MAX: usize = 4_096;
/// Emptied lines and chunks that are kept for the next slots.
const LINES_SPARE_MAX: usize = 4_096;
const CHUNKS_SPARE_MAX: usize = 1 << 16;
/// An emptied line that is smaller than this is not worth keeping.
const LINE_CAPACITY_MIN: usize = 8;

/// What a bundle holds.
pub(crate) trait Item {
    fn time(&self) -> Time;
    fn class(&self) -> Class;
    /// Which node of the partition gets it.
    fn node(&self, first: u32) -> u32;
}

/// Items of no order. They are taken out singly, so that each leaves a gap.
pub(crate) type Line<T> = Vec<Option<T>>;

pub(crate) enum Bundle<T> {
    Line(Line<T>),
    Regions(Box<Regions<T>>),
}

/// One region after the other. All that is in here is due before or at `latest`, and of one of these classes.
pub(crate) struct Regions<T> {
    regions: Vec<Region<T>>,
    len: usize,
    latest: Time,
    classes: (Class, Class),
}

/// What is due in very many slots, in no order. It is never empty.
pub(crate) struct Pile<T> {
    all: Region<T>,
    first: (Time, Class),
}

impl<T> Default for Pile<T> {
    fn default() -> Self {
        Pile { all: Region::default(), first: (Time::NEVER, Class::MAX) }
    }
}

impl<T: Item> Pile<T> {
    #[inline]
    pub fn push(&mut self, item: T, spare: &mut Spare<T>) {
        self.first = self.first.min((item.time(), item.class()));
        append(self.all.line(spare), item);
    }

    /// When the first of it is due, and its class.
    pub fn first(&self) -> (Time, Class) {
        self.first
    }

    pub fn into_lines(self) -> impl Iterator<Item = Line<T>> {
        self.all.full.into_iter().chain([self.all.open])
    }
}

/// Adds an item, and has brought from memory where the next one will be written: lines grow at hundreds of ends in turn, and a write that has to wait for
/// its place holds up all that follow.
#[inline(always)]
fn append<T>(line: &mut Line<T>, item: T) {
    line.push(Some(item));
    prefetch_index(&*line, line.len());
    prefetch_index(&*line, line.len() + 1); // where that one ends
}

/// Lines of [`CHUNK`] items, of which the last is not full.
struct Region<T> {
    full: Vec<Line<T>>,
    open: Line<T>,
}

/// Emptied lines and chunks, for the next bundles.
pub(crate) struct Spare<T> {
    lines: Vec<Line<T>>,
    chunks: Vec<Line<T>>,
}

impl<T> Default for Spare<T> {
    fn default() -> Self {
        Spare { lines: Vec::new(), chunks: Vec::new() }
    }
}

impl<T> Spare<T> {
    fn line(&mut self) -> Line<T> {
        self.lines.pop().or_else(|| self.chunks.pop()).unwrap_or_default()
    }

    fn chunk(&mut self) -> Line<T> {
        self.chunks.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK))
    }

    /// Takes back what has been read.
    pub fn keep(&mut self, mut line: Line<T>) {
        line.clear();
        match line.capacity() {
            CHUNK if self.chunks.len() < CHUNKS_SPARE_MAX => self.chunks.push(line),
            LINE_CAPACITY_MIN.. if self.lines.len() < LINES_SPARE_MAX => self.lines.push(line),
            _ => {}
        }
    }
}

impl<T> Default for Bundle<T> {
    fn default() -> Self {
        Bundle::Line(Vec::new())
    }
}

impl<T: Item> Bundle<T> {
    pub fn len(&self) -> usize {
        match self {
            Bundle::Line(line) => line.len(),
            Bundle::Regions(regions) => regions.len,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds an item, of a partition whose first node sits at `first`. Inlined into who makes the item, or it would be copied once more.
    #[inline(always)]
    pub fn push(&mut self, first: u32, item: T, spare: &mut Spare<T>) {
        if let Bundle::Line(line) = self
            && line.len() == line.capacity()
        {
            self.grow(first, spare);
        }
        let line = match self {
            Bundle::Line(line) => line,
            Bundle::Regions(regions) => regions.line(first, &item, spare),
        };
        append(line, item);
    }

    /// Makes room in a line that is full, or takes it apart.
    #[cold]
    fn grow(&mut self, first: u32, spare: &mut Spare<T>) {
        let Bundle::Line(line) = self else { return };
        if line.capacity() == 0 {
            *line = spare.line();
        }
        if line.len() < LINE_MAX {
            return;
        }
        let mut regions = Box::new(Regions::default());
        let mut line = std::mem::take(line);
        for item in line.drain(..).flatten() {
            regions.line(first, &item, spare).push(Some(item));
        }
        spare.keep(line);
        *self = Bundle::Regions(regions);
    }

    /// The items, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let (line, regions) = match self {
            Bundle::Line(line) => (&line[..], &[][..]),
            Bundle::Regions(regions) => (&[][..], &regions.regions[..]),
        };
        line.iter()
            .chain(regions.iter().flat_map(|region| region.full.iter().chain([&region.open]).flatten()))
            .flatten()
    }

    /// The first class that there may be in it.
    pub fn class(&self) -> Option<Class> {
        match self {
            Bundle::Line(_) => self.iter().map(Item::class).min(),
            Bundle::Regions(regions) => Some(regions.classes.0),
        }
    }

    /// Whether all of it is due before `end` and of `class`, if one is given.
    pub fn is_all(&self, end: Time, class: Option<Class>) -> bool {
        match self {
            Bundle::Line(line) => line.iter().flatten().all(|item| is_due(item, end, class)),
            Bundle::Regions(regions) => {
                regions.latest < end && class.is_none_or(|class| regions.classes == (class, class))
            }
        }
    }

    /// Parts it in what is due before `end`, and of `class` if one is given, and what is not.
    pub fn part(
        self,
        first: u32,
        end: Time,
        class: Option<Class>,
        spare: &mut Spare<T>,
    ) -> (Bundle<T>, Bundle<T>) {
        let (mut due, mut left) = (Bundle::default(), Bundle::default());
        for mut line in self.into_lines().flatten() {
            for item in line.drain(..).flatten() {
                let side = if is_due(&item, end, class) { &mut due } else { &mut left };
                side.push(first, item, spare);
            }
            spare.keep(line);
        }
        (due, left)
    }

    /// The lines of each region; of all in one if it is not much.
    pub fn into_lines(self) -> impl Iterator<Item = Vec<Line<T>>> {
        let (line, regions) = match self {
            Bundle::Line(line) => (Some(vec![line]), Vec::new()),
            Bundle::Regions(regions) => (None, regions.regions),
        };
        line.into_iter().chain(regions.into_iter().map(|Region { mut full, open }| {
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
    /// The line that this item is to be added to.
    #[inline(always)]
    fn line(&mut self, first: u32, item: &T, spare: &mut Spare<T>) -> &mut Line<T> {
        self.len += 1;
        self.latest = self.latest.max(item.time());
        let (lowest, highest) = self.classes;
        self.classes = (lowest.min(item.class()), highest.max(item.class()));
        let at = (item.node(first) / REGION) as usize;
        if at >= self.regions.len() {
            self.regions.resize_with(at + 1, Region::default);
        }
        self.regions[at].line(spare)
    }
}

impl<T> Default for Region<T> {
    fn default() -> Self {
        Region { full: Vec::new(), open: Vec::new() }
    }
}

impl<T> Region<T> {
    /// The line that the next item is to be added to.
    #[inline(always)]
    fn line(&mut self, spare: &mut Spare<T>) -> &mut Line<T> {
        if self.open.len() == self.open.capacity() {
            self.open_next(spare);
        }
        &mut self.open
    }

    #[cold]
    fn open_next(&mut self, spare: &mut Spare<T>) {
        let filled = std::mem::replace(&mut self.open, spare.chunk());
        if !filled.is_empty() {
            self.full.push(filled);
        }
    }
}
