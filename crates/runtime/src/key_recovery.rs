//! Key recovery: a node that missed a rotation requests the current keys, and a member may grant them.
//!
//! A request is the only packet that a removed key opens. The runtime carries requests and grants, and does not read them: each proves its sender
//! by its content. Neither makes a session, fills the book or opens a connection.

use rumormill_core::identity::Life;
use rumormill_core::{NodeId, Time};
use std::net::SocketAddr;
use std::time::Duration;

/// Requests and grants that are handed on in [`EVERY`] (our guess: checking a signature takes a tenth of a millisecond).
pub const RECOVERY_PACKETS_MAX: u32 = 64;
/// The time that [`RECOVERY_PACKETS_MAX`] is about.
pub const EVERY: Duration = Duration::from_secs(1);
/// The longest content of either, in bytes: what fits a datagram.
pub const RECOVERY_BYTES_MAX: usize = 1_200;

/// A request for the current keys, or a grant.
#[derive(Clone, Debug)]
pub struct RecoveryPacket {
    /// Whether it is a grant.
    pub is_grant: bool,
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

/// Limits them to so many a second, whoever they are from: with a removed key a sender can make up any number of names.
#[derive(Default)]
pub struct RecoveryLimit {
    since: Time,
    count: u32,
}

impl RecoveryLimit {
    /// Whether one more may be handed on now; if so it counts.
    pub fn allows(&mut self, now: Time) -> bool {
        if now.since(self.since) >= EVERY {
            (self.since, self.count) = (now, 0);
        }
        self.count += 1;
        self.count <= RECOVERY_PACKETS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_number_a_second_is_let_in() {
        let mut limit = RecoveryLimit::default();
        let second = |n: u64| Time(n * 1_000_000_000);
        for at in [second(5), second(6), second(9)] {
            let allowed = (0..1_000).filter(|_| limit.allows(at)).count();
            assert_eq!(allowed, RECOVERY_PACKETS_MAX as usize);
        }
    }
}
