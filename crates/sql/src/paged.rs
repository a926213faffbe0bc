//! Tables that a busy task owns: their rows are read by key, in pages, and between two pages the task does its own work.
//!
//! Nothing is kept between two statements. The keys are listed first, then rows are copied page by page. So a row that stays is seen once, as it is when its
//! page is read; a row that comes meanwhile is not seen, and one that goes may be missing.

use rumormill_core::observe::Key;
use rumormill_core::table::Cell;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Longest time that a page takes of the task, but for one row.
pub const PAGE: Duration = Duration::from_micros(800);
/// Rows between two looks at the clock.
const ROWS_PER_LOOK: usize = 8;
/// Keys that are sorted inside the task, which then reads the first page at once: sorting as many takes a small part of a page.
const SORTED_INSIDE: usize = 4_096;

/// Takes the rows one by one, until it has enough.
pub type Each<'a> = dyn FnMut(Vec<Cell>) -> ControlFlow<()> + 'a;

/// A task that owns rows.
pub trait Owner {
    /// The state that a look sees.
    type Seen<'a>;

    /// Runs `look` inside the task, and blocks until then.
    ///
    /// # Errors
    /// With a sentence for the person who asked, if the task does not answer.
    fn look<R: Send + 'static>(
        &self,
        look: impl FnOnce(&Self::Seen<'_>) -> R + Send + 'static,
    ) -> Result<R, String>;
}

/// Reads a table by its keys. `keys` lists those of all rows, in any order; `row` is a row, or none if it is gone.
///
/// # Errors
/// As [`Owner::look`].
pub fn rows<O, K, R>(owner: &O, keys: K, row: R, each: &mut Each<'_>) -> Result<(), String>
where
    O: Owner,
    K: FnOnce(&O::Seen<'_>) -> Vec<Key> + Send + 'static,
    R: Fn(&O::Seen<'_>, Key) -> Option<Vec<Cell>> + Copy + Send + 'static,
{
    let (mut keys, mut next, first) = owner.look(move |seen| {
        let end = Instant::now() + PAGE;
        let mut keys = keys(seen);
        if keys.len() > SORTED_INSIDE {
            return (keys, 0, Vec::new());
        }
        keys.sort_unstable();
        let (read, rows) = page(&keys, end, |key| row(seen, key));
        (keys, read, rows)
    })?;
    if next == 0 {
        keys.sort_unstable();
    }
    if first.into_iter().try_for_each(&mut *each).is_break() {
        return Ok(());
    }
    while next < keys.len() {
        let (read, all, rows) = owner.look(move |seen| {
            let (read, rows) = page(&keys[next..], Instant::now() + PAGE, |key| row(seen, key));
            (read, keys, rows)
        })?;
        (next, keys) = (next + read, all);
        if rows.into_iter().try_for_each(&mut *each).is_break() {
            break;
        }
    }
    Ok(())
}

/// Reads rows until `end`, at least one if there is a key. Returns how many keys it has read.
fn page(
    keys: &[Key],
    end: Instant,
    mut row: impl FnMut(Key) -> Option<Vec<Cell>>,
) -> (usize, Vec<Vec<Cell>>) {
    let mut rows = Vec::with_capacity(keys.len().min(SORTED_INSIDE));
    for (read, key) in (1..).zip(keys) {
        rows.extend(row(*key));
        if read % ROWS_PER_LOOK == 0 && Instant::now() >= end {
            return (read, rows);
        }
    }
    (keys.len(), rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell as Counter;

    /// Rows of which the odd ones are gone by the time of their page.
    struct Numbers {
        keys: u64,
        looks: Counter<usize>,
    }

    impl Owner for Numbers {
        type Seen<'a> = u64;

        fn look<R: Send + 'static>(
            &self,
            look: impl FnOnce(&u64) -> R + Send + 'static,
        ) -> Result<R, String> {
            self.looks.set(self.looks.get() + 1);
            Ok(look(&self.keys))
        }
    }

    fn read(keys: u64, most: usize, pause: Duration) -> (Vec<Vec<Cell>>, usize) {
        let (numbers, mut seen) = (Numbers { keys, looks: Counter::new(0) }, Vec::new());
        let listed = |keys: &u64| (0..*keys).rev().map(|n| [n, 0, 0]).collect();
        let row = move |_: &u64, key: Key| {
            std::thread::sleep(pause);
            key[0].is_multiple_of(2).then(|| vec![key[0].into()])
        };
        rows(&numbers, listed, row, &mut |row| {
            seen.push(row);
            if seen.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })
        .unwrap();
        (seen, numbers.looks.get())
    }

    #[test]
    fn a_page_ends_with_its_time_or_its_keys_and_the_next_one_goes_on_behind_it() {
        let even = |end: u64| -> Vec<Vec<Cell>> { (0..end).step_by(2).map(|n| vec![n.into()]).collect() };
        let (seen, looks) = read(100, usize::MAX, PAGE / 4);
        assert_eq!(seen, even(100), "each row once, in order, and those that are gone left out");
        assert!((100 / ROWS_PER_LOOK..=100).contains(&looks), "{looks} looks");
        assert_eq!(read(3, usize::MAX, Duration::ZERO).1, 1, "a small table is read in one look");
        let (seen, _) = read(SORTED_INSIDE as u64 + 5, 4_000, Duration::ZERO);
        assert_eq!(seen, even(SORTED_INSIDE as u64 + 5), "a large table is sorted outside of the task");
        assert_eq!(read(100, 3, Duration::ZERO).0, even(6), "no more rows than are wanted");
        assert_eq!(read(0, usize::MAX, Duration::ZERO), (Vec::new(), 1));
    }
}
