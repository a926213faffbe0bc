//! Joining in memory: the seeds to find, and how far it came.

use crate::agent::Agent;
use crate::config::Config;
use crate::discover::{Finder, Seed};
use crate::states::lock;
use std::net::SocketAddr;
use std::sync::Mutex;
use tokio::sync::{Notify, Semaphore, watch};

/// Addresses that are met at one time; more wait (our guess: a list of dead seeds does not hold up the live ones for long).
const MEETINGS_MAX: usize = 16;

/// The state of joining.
pub(crate) struct Joining {
    /// The seeds.
    pub finder: Mutex<Finder>,
    /// Seeds of the configuration that is in force.
    pub configured: Mutex<Vec<Seed>>,
    /// The seeds changed, or a node started under a new identity: the next round begins at once.
    pub changed: Notify,
    /// The number of rounds after which joining was given up.
    pub gave_up: watch::Sender<Option<u64>>,
    /// One permit for each address that is met.
    pub meetings: Semaphore,
    /// Addresses at which this node itself is reached.
    pub own: Mutex<Vec<SocketAddr>>,
}

impl Joining {
    pub(super) fn of(config: &Config) -> Joining {
        Joining {
            finder: Mutex::new(Finder::new(config)),
            configured: Mutex::new(config.join.clone()),
            changed: Notify::new(),
            gave_up: watch::Sender::new(None),
            meetings: Semaphore::new(MEETINGS_MAX),
            own: Mutex::default(),
        }
    }

    /// Puts the seeds of a changed configuration in force.
    pub(super) fn configure(&self, config: &Config) {
        let mut configured = lock(&self.configured);
        lock(&self.finder).configure(&configured, config);
        configured.clone_from(&config.join);
        self.changed.notify_one();
    }
}

impl Agent {
    /// The state of joining.
    pub(crate) fn joining(&self) -> &Joining {
        self.state()
    }

    /// Whether this node is reached there itself, as far as it knows.
    pub(crate) fn is_mine(&self, address: SocketAddr) -> bool {
        lock(&self.joining().own).contains(&address)
    }
}
