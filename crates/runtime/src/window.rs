//! Which counters of a session were seen already: a sliding window over the last [`WINDOW`] of them (as in RFC 6479).

/// Counters that may overtake each other. One sender counts for all its receivers, so this is what it sends to all of them
/// while one packet travels: at 8 MiB/s of full datagrams, 170 ms.
pub const WINDOW: u64 = 1_024;

const BITS: u64 = 64;
const BLOCKS: usize = (WINDOW / BITS) as usize + 1; // one more, since the newest is only partly filled

/// The counters seen of one session.
#[derive(Clone, Debug)]
pub struct Window {
    /// One above the highest counter seen.
    next: u64,
    seen: [u64; BLOCKS],
}

impl Default for Window {
    fn default() -> Self {
        Window { next: 0, seen: [0; BLOCKS] }
    }
}

impl Window {
    /// Whether `counter` is new: neither seen nor too old to tell.
    pub fn is_new(&self, counter: u64) -> bool {
        if counter >= self.next {
            return counter < u64::MAX;
        }
        if self.next - counter > WINDOW {
            return false;
        }
        self.seen[Self::block(counter)] & Self::bit(counter) == 0
    }

    /// Takes `counter` for seen. Only after the packet was opened: anybody can write a number.
    pub fn mark(&mut self, counter: u64) {
        if counter >= self.next {
            let first = self.next.div_ceil(BITS);
            let last = counter / BITS;
            // The blocks between the old and the new newest one hold counters of long ago.
            for block in first..=last.min(first.saturating_add(BLOCKS as u64)) {
                self.seen[(block % BLOCKS as u64) as usize] = 0;
            }
            self.next = counter + 1;
        } else if self.next - counter > WINDOW {
            return;
        }
        self.seen[Self::block(counter)] |= Self::bit(counter);
    }

    fn block(counter: u64) -> usize {
        (counter / BITS % BLOCKS as u64) as usize
    }

    fn bit(counter: u64) -> u64 {
        1 << (counter % BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn a_counter_is_new_once_and_too_old_ones_never() {
        let mut window = Window::default();
        assert!(window.is_new(5_000));
        window.mark(5_000);
        assert!(!window.is_new(5_000));
        assert!(window.is_new(5_001 - WINDOW));
        assert!(!window.is_new(5_000 - WINDOW));
        assert!(!window.is_new(u64::MAX), "nobody counts so far, and the next one would not fit");
        window.mark(u64::MAX - 1);
        assert!(!window.is_new(5_001));
    }

    proptest! {
        /// Against a model: the set of all counters seen.
        #[test]
        fn it_agrees_with_a_set_of_all_counters(steps in prop::collection::vec((any::<bool>(), 0u64..3_000), 1..400)) {
            let (mut window, mut seen, mut top) = (Window::default(), HashSet::new(), 0u64);
            for (ahead, distance) in steps {
                let counter = if ahead { top + distance } else { top.saturating_sub(distance) };
                let expected = !seen.contains(&counter) && (counter >= top || top - counter <= WINDOW);
                prop_assert_eq!(window.is_new(counter), expected, "{} under {}", counter, top);
                if expected {
                    window.mark(counter);
                    seen.insert(counter);
                    top = top.max(counter + 1);
                }
            }
        }
    }
}
