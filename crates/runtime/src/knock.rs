//! One who was away while keys changed knocks, and who has them may answer.
//!
//! Its packet is the only one that a removed key opens. The runtime carries both, and knows nothing of what they say: whoever knocks, and whoever
//! answers, proves itself by its content. Neither makes a session, fills the book or opens a connection.

use rumormill_core::identity::Life;
use rumormill_core::{NodeId, Time};
use std::net::SocketAddr;
use std::time::Duration;

/// Knocks and answers that are told in [`EVERY`] (our guess: checking a signature takes a tenth of a millisecond).
pub const KNOCKS_MAX: u32 = 64;
/// The time that [`KNOCKS_MAX`] is about.
pub const EVERY: Duration = Duration::from_secs(1);
/// The longest content of either, in bytes: what fits a datagram.
pub const KNOCK_BYTES_MAX: usize = 1_200;

/// A packet of one who was away, or the answer to it.
#[derive(Clone, Debug)]
pub struct Knock {
    /// Whether it answers.
    pub is_answer: bool,
    /// Who says that it is; only its content may prove it.
    pub from: NodeId,
    /// In which life.
    pub life: Life,
    /// The id of the key that it is sealed with.
    pub key: u32,
    /// Where it came from.
    pub source: SocketAddr,
    /// What it says.
    pub content: Vec<u8>,
}

/// So many a second, whoever they are from: who holds a removed key can make up any number of names.
#[derive(Default)]
pub struct Gate {
    since: Time,
    told: u32,
}

impl Gate {
    /// Whether one more may be told now; if so it counts.
    pub fn lets_in(&mut self, now: Time) -> bool {
        if now.since(self.since) >= EVERY {
            (self.since, self.told) = (now, 0);
        }
        self.told += 1;
        self.told <= KNOCKS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_number_a_second_is_let_in() {
        let mut gate = Gate::default();
        let second = |n: u64| Time(n * 1_000_000_000);
        for at in [second(5), second(6), second(9)] {
            let let_in = (0..1_000).filter(|_| gate.lets_in(at)).count();
            assert_eq!(let_in, KNOCKS_MAX as usize);
        }
    }
}
