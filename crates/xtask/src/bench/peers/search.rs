//! The highest rate that holds, found by steps: up from a first guess while they hold, or down until one does.

/// The rates that are tried, in events per second.
const STEPS: [u32; 30] = [
    1, 2, 5, 10, 15, 20, 30, 40, 50, 60, 80, 100, 150, 200, 300, 400, 500, 600, 800, 1_000, 1_200, 1_500,
    2_000, 2_500, 3_000, 4_000, 5_000, 6_000, 8_000, 10_000,
];
/// No step is given up before it broke so often: one hiccup of the machine is not the answer.
const TRIES: u32 = 2;

/// A search under way.
#[derive(Clone, Debug)]
pub struct Search {
    at: usize,
    broke: [u32; STEPS.len()],
    held: Option<usize>,
    left: u32,
}

impl Search {
    /// Beginning at the step next to `guess`, with `tries` at most.
    pub fn new(guess: u32, tries: u32) -> Search {
        let at = STEPS.iter().position(|step| *step >= guess).unwrap_or(STEPS.len() - 1);
        Search { at, broke: [0; STEPS.len()], held: None, left: tries }
    }

    /// The rate to try next; none when all is known, or tries are used up.
    pub fn next(&self) -> Option<u32> {
        let is_known = self.held == Some(self.at) || self.broke[self.at] >= TRIES;
        (self.left > 0 && !is_known).then(|| STEPS[self.at])
    }

    /// What became of it. While none has held it goes down at once; the step above the first that holds is tried again.
    pub fn tell(&mut self, held: bool) {
        self.left -= 1;
        if held {
            self.held = Some(self.at);
            self.at = (self.at + 1).min(STEPS.len() - 1);
            return;
        }
        self.broke[self.at] += 1;
        if self.held.is_none() {
            self.at = self.at.saturating_sub(1);
        }
    }

    /// The highest rate that held.
    pub fn held(&self) -> Option<u32> {
        self.held.map(|at| STEPS[at])
    }

    /// Whether the next higher one is known not to hold.
    pub fn is_bounded(&self) -> bool {
        self.held.is_some_and(|held| self.broke.get(held + 1).is_some_and(|broke| *broke >= TRIES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a search finds of a side that holds `limit`, and in how many tries.
    fn find(guess: u32, limit: u32) -> (Option<u32>, bool, u32) {
        let (mut search, mut tries) = (Search::new(guess, 40), 0);
        while let Some(rate) = search.next() {
            search.tell(rate <= limit);
            tries += 1;
        }
        (search.held(), search.is_bounded(), tries)
    }

    #[test]
    fn it_goes_up_while_steps_hold_and_down_until_one_does() {
        assert_eq!(find(50, 50), (Some(50), true, 3));
        assert_eq!(find(50, 100), (Some(100), true, 6));
        assert_eq!(find(1_500, 700), (Some(600), true, 6));
        assert_eq!(find(10, 0), (None, false, 5));
        assert_eq!(find(8_000, 1_000_000), (Some(10_000), false, 2));
    }

    #[test]
    fn a_hiccup_is_tried_again_and_tries_are_bounded() {
        let mut search = Search::new(50, 4);
        search.tell(false);
        assert_eq!(search.next(), Some(40));
        search.tell(true);
        assert_eq!((search.next(), search.is_bounded()), (Some(50), false));
        search.tell(true);
        assert_eq!((search.held(), search.next()), (Some(50), Some(60)));
        search.tell(true);
        assert_eq!((search.held(), search.next()), (Some(60), None));
    }
}
