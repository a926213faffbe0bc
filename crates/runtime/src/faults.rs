//! Faults on purpose: what the demo and the tests cut a cluster with. Off unless the node was started with it.

use rumormill_core::{NodeId, Rng};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The most peers, and the most addresses, that can be blocked at once.
pub const BLOCKED_MAX: usize = 16_384;

/// Faults cannot be injected here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultsError {
    /// The node was started without fault injection.
    #[error(
        "fault injection is off: start the node with it switched on, which is meant for demos and tests alone"
    )]
    Off,
    /// Not a probability.
    #[error("{0} is not a fraction between 0 and 1")]
    NotAFraction(String),
    /// More than [`BLOCKED_MAX`].
    #[error("at most {BLOCKED_MAX} peers and as many addresses can be blocked: unblock some first")]
    Full,
}

/// What is broken on purpose, at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FaultState {
    /// Peers that nothing is sent to or taken from.
    pub blocked: BTreeSet<NodeId>,
    /// Addresses that nothing is sent to or taken from.
    pub blocked_addresses: BTreeSet<SocketAddr>,
    /// The fraction of datagrams dropped on arrival.
    pub drop_in: f64,
    /// The fraction of datagrams dropped on departure.
    pub drop_out: f64,
    /// Whether all datagrams are dropped, while connections work.
    pub datagrams_blocked: bool,
}

/// Breaks things on purpose; a clone is the same switchboard.
#[derive(Clone, Debug)]
pub struct Faults(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    enabled: bool,
    active: AtomicBool,
    version: AtomicU64,
    state: Mutex<(FaultState, Rng)>,
}

impl Faults {
    pub(crate) fn new(enabled: bool, seed: u64) -> Faults {
        let state = Mutex::new((FaultState::default(), Rng::seeded(seed)));
        Faults(Arc::new(Shared {
            enabled,
            active: AtomicBool::new(false),
            version: AtomicU64::new(0),
            state,
        }))
    }

    /// Whether faults can be injected here.
    pub fn is_enabled(&self) -> bool {
        self.0.enabled
    }

    /// Sends nothing to this peer and takes nothing from it, whether by datagram or by stream.
    pub fn block(&self, peer: NodeId) -> Result<(), FaultsError> {
        self.change(|state| bounded(&mut state.blocked, peer))
    }

    /// The end of [`block`](Faults::block).
    pub fn unblock(&self, peer: NodeId) -> Result<(), FaultsError> {
        self.change(|state| {
            state.blocked.remove(&peer);
            Ok(())
        })
    }

    /// Sends nothing to this address and takes no datagram from it; also stops a node whose id is not known yet.
    pub fn block_address(&self, address: SocketAddr) -> Result<(), FaultsError> {
        self.change(|state| bounded(&mut state.blocked_addresses, crate::contact::canonical(address)))
    }

    /// The end of [`block_address`](Faults::block_address).
    pub fn unblock_address(&self, address: SocketAddr) -> Result<(), FaultsError> {
        self.change(|state| {
            state.blocked_addresses.remove(&crate::contact::canonical(address));
            Ok(())
        })
    }

    /// Drops these fractions of all datagrams, on arrival and on departure.
    pub fn drop_datagrams(&self, arriving: f64, departing: f64) -> Result<(), FaultsError> {
        for fraction in [arriving, departing] {
            if !(0.0..=1.0).contains(&fraction) {
                return Err(FaultsError::NotAFraction(fraction.to_string()));
            }
        }
        self.change(|state| {
            (state.drop_in, state.drop_out) = (arriving, departing);
            Ok(())
        })
    }

    /// Drops all datagrams, or none, while connections work.
    pub fn block_datagrams(&self, blocked: bool) -> Result<(), FaultsError> {
        self.change(|state| {
            state.datagrams_blocked = blocked;
            Ok(())
        })
    }

    /// Repairs everything.
    pub fn clear(&self) -> Result<(), FaultsError> {
        self.change(|state| {
            *state = FaultState::default();
            Ok(())
        })
    }

    /// What is broken now.
    pub fn state(&self) -> FaultState {
        self.with(|(state, _)| state.clone())
    }

    /// Whether a datagram that arrives from there is to be dropped. `peer` is known only after it was opened.
    pub(crate) fn cuts_arrival(&self, address: SocketAddr) -> bool {
        self.is_active()
            && self.with(|(state, rng)| {
                state.datagrams_blocked
                    || state.blocked_addresses.contains(&address)
                    || (state.drop_in > 0.0 && rng.chance(state.drop_in))
            })
    }

    /// Whether a datagram that departs to there is to be dropped.
    pub(crate) fn cuts_departure(&self, peer: Option<NodeId>, address: SocketAddr) -> bool {
        self.is_active()
            && self.with(|(state, rng)| {
                state.datagrams_blocked
                    || state.blocked_addresses.contains(&address)
                    || peer.is_some_and(|peer| state.blocked.contains(&peer))
                    || (state.drop_out > 0.0 && rng.chance(state.drop_out))
            })
    }

    /// Whether this peer is cut off.
    pub(crate) fn cuts_peer(&self, peer: NodeId) -> bool {
        self.is_active() && self.with(|(state, _)| state.blocked.contains(&peer))
    }

    /// Whether this address is cut off.
    pub(crate) fn cuts_address(&self, address: SocketAddr) -> bool {
        self.is_active() && self.with(|(state, _)| state.blocked_addresses.contains(&address))
    }

    /// Goes up with each change.
    pub(crate) fn version(&self) -> u64 {
        self.0.version.load(Ordering::Relaxed)
    }

    fn is_active(&self) -> bool {
        self.0.active.load(Ordering::Relaxed)
    }

    fn with<R>(&self, body: impl FnOnce(&mut (FaultState, Rng)) -> R) -> R {
        body(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(
        &self,
        change: impl FnOnce(&mut FaultState) -> Result<(), FaultsError>,
    ) -> Result<(), FaultsError> {
        if !self.0.enabled {
            return Err(FaultsError::Off);
        }
        self.with(|(state, _)| {
            change(state)?;
            self.0.active.store(*state != FaultState::default(), Ordering::Relaxed);
            self.0.version.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    }
}

fn bounded<T: Ord>(set: &mut BTreeSet<T>, item: T) -> Result<(), FaultsError> {
    if set.len() >= BLOCKED_MAX && !set.contains(&item) {
        return Err(FaultsError::Full);
    }
    set.insert(item);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(1);

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn without_the_switch_nothing_can_be_broken() {
        let faults = Faults::new(false, 1);
        assert_eq!(faults.block(A), Err(FaultsError::Off));
        assert_eq!(faults.block_datagrams(true), Err(FaultsError::Off));
        assert_eq!(faults.clear(), Err(FaultsError::Off));
        assert!(!faults.cuts_peer(A));
    }

    #[test]
    fn what_is_broken_is_cut_and_what_is_repaired_is_not() {
        let faults = Faults::new(true, 1);
        faults.block(A).unwrap();
        faults.block_address("[::ffff:127.0.0.1]:9".parse().unwrap()).unwrap();
        assert!(faults.cuts_peer(A) && faults.cuts_departure(Some(A), at(1)));
        assert!(
            faults.cuts_arrival(at(9)) && faults.cuts_departure(None, at(9)) && faults.cuts_address(at(9))
        );
        assert!(!faults.cuts_arrival(at(8)) && !faults.cuts_peer(NodeId(2)));
        faults.unblock(A).unwrap();
        faults.unblock_address(at(9)).unwrap();
        assert_eq!(faults.state(), FaultState::default());
        faults.block_datagrams(true).unwrap();
        assert!(faults.cuts_arrival(at(8)) && !faults.cuts_peer(A) && !faults.cuts_address(at(8)));
        faults.clear().unwrap();
        assert!(!faults.cuts_arrival(at(8)));
    }

    #[test]
    fn a_fraction_of_datagrams_is_dropped() {
        let faults = Faults::new(true, 42);
        faults.drop_datagrams(0.25, 0.0).unwrap();
        let dropped = (0..10_000).filter(|_| faults.cuts_arrival(at(1))).count();
        assert!((2_300..2_700).contains(&dropped), "{dropped} with seed 42");
        assert!(!faults.cuts_departure(None, at(1)));
        assert!(faults.drop_datagrams(f64::NAN, 0.0).is_err());
        assert!(faults.drop_datagrams(0.0, 1.1).is_err());
    }
}
