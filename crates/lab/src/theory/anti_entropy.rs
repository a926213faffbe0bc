//! Anti-entropy's end game: the expected share that does not know after one more round (Demers 1987, section 1.3).

use libm::{exp, log1p};

/// The direction of an exchange.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The caller tells.
    Push,
    /// The caller asks.
    Pull,
    /// Both tell and ask.
    PushPull,
}

/// One round, with a share `p` of `n` nodes that does not know yet. Pull: p². Push: p (1 - 1/n)^(n(1-p)), which is p/e in the end. Push-pull: both must miss.
pub fn round(direction: Direction, p: f64, n: f64) -> f64 {
    let told_by_nobody = exp(n * (1.0 - p) * log1p(-1.0 / n));
    match direction {
        Direction::Pull => p * p,
        Direction::Push => p * told_by_nobody,
        Direction::PushPull => p * p * told_by_nobody,
    }
}

/// The share that does not know after 0, 1, ... rounds, beginning with one node that knows, until less than half a node is left.
pub fn curve(direction: Direction, n: f64) -> Vec<f64> {
    const ROUNDS_MAX: usize = 1_000;
    let mut curve = vec![1.0 - 1.0 / n];
    while curve[curve.len() - 1] * n >= 0.5 && curve.len() <= ROUNDS_MAX {
        curve.push(round(direction, curve[curve.len() - 1], n));
    }
    curve
}

/// Rounds until the share that does not know has fallen from `from` to at most `to`.
pub fn rounds_between(direction: Direction, n: f64, from: f64, to: f64) -> usize {
    let mut p = from;
    let mut rounds = 0;
    while p > to && rounds < 100_000 {
        p = round(direction, p, n);
        rounds += 1;
    }
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::assert_near;

    #[test]
    fn pull_squares_and_push_divides_by_e() {
        assert_near("pull", round(Direction::Pull, 1e-3, 1e6), 1e-6, 1e-18);
        assert_near("push", round(Direction::Push, 1e-3, 1e6) / 1e-3, exp(-1.0), 1e-3);
        assert_near("both", round(Direction::PushPull, 1e-3, 1e6) / 1e-6, exp(-1.0), 1e-3);
    }

    #[test]
    fn in_the_end_pull_wins() {
        let rounds = |direction| rounds_between(direction, 1e6, 0.5, 1e-6);
        assert_eq!((rounds(Direction::Push), rounds(Direction::Pull)), (15, 5));
        assert!(rounds(Direction::PushPull) <= 4);
    }

    #[test]
    fn the_recurrences_end_about_where_the_simulations_do() {
        // Simulated t_last at n = 10,000: push 23.75, pull 17.48, push-pull 11.55. The mean field knows no slow starts: a little below.
        let ends = |direction| (curve(direction, 1e4).len() - 1) as f64;
        assert_near("push", ends(Direction::Push), 23.75, 2.0);
        assert_near("pull", ends(Direction::Pull), 17.48, 2.0);
        assert_near("push-pull", ends(Direction::PushPull), 11.55, 2.0);
    }
}
