//! The papers' mathematics as functions: each names its source, and a test compares it with a known number.
//!
//! | file | contents |
//! | --- | --- |
//! | [`epidemic`] | growth of an epidemic: P_infect, mean field with loss and crashes, rumor mongering's residue, infect-and-die, atomicity |
//! | [`markov`] | push, exactly: the chain of the number of informed nodes |
//! | [`rounds`] | rounds of push and push-pull |
//! | [`anti_entropy`] | the end game of pull, push and push-pull |
//! | [`spatial`] | distances of contacts when near sites are preferred |
//! | [`detection`] | detection times of a gossip failure detector and of SWIM |
//! | [`convergence`] | Serf's convergence formula |
//! | [`aggregate`] | convergence of averaging, push-sum and extrema propagation |
//!
//! All arithmetic goes through `libm`, so that a figure is the same on every machine.

pub mod aggregate;
pub mod anti_entropy;
pub mod convergence;
pub mod detection;
pub mod epidemic;
pub mod markov;
pub mod rounds;
pub mod spatial;

/// The smallest solution above 0 of x = f(x), for an f that grows, with f(0) above 0: found by iteration from below.
fn smallest_fixed_point(f: impl Fn(f64) -> f64) -> f64 {
    const STEPS_MAX: usize = 100_000;
    let mut x = 0.0;
    for _ in 0..STEPS_MAX {
        let next = f(x);
        if (next - x).abs() <= 1e-15 * next.abs().max(1e-300) {
            return next;
        }
        x = next;
    }
    x
}

#[cfg(test)]
pub(crate) fn assert_near(what: &str, got: f64, expected: f64, tolerance: f64) {
    assert!((got - expected).abs() <= tolerance, "{what}: {got}, expected {expected} within {tolerance}");
}
