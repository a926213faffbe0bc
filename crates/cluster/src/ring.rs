//! The cluster's keys of this node: what an order of another member does to them, and the key file.

use crate::wall::wall;
use rumormill_core::time::{Duration, Wall};
use rumormill_protocols::agree::keys::{Order, Removed, Secret};
use rumormill_runtime::keyring::{Fingerprint, Key, Keyring, KeyringError, REMOVED_MAX};
use std::path::Path;

/// What an order would put in force.
pub struct Draft {
    /// The keys.
    pub ring: Keyring,
    /// Removed keys by which members that were away may still ask for the ring.
    pub removed: Vec<Removed>,
}

impl Draft {
    fn forget_removed(&mut self, name: Fingerprint) {
        self.removed.retain(|removed| Key::new(removed.key.0).fingerprint() != name);
    }

    /// Carries out an order on the draft. A removed key stays for `grace`; none keeps no removed keys.
    pub fn change(&mut self, order: &Order, grace: Duration) -> Result<(), KeyringError> {
        match order {
            Order::List if self.ring.is_insecure() => return Err(KeyringError::Insecure),
            Order::List => {}
            Order::Install(secret) => {
                let name = self.ring.install(Key::new(secret.0))?;
                self.forget_removed(name);
            }
            Order::Use(name) if !self.ring.is_insecure() && self.ring.primary().0 == *name => {}
            Order::Use(name) => self.ring.use_primary(Fingerprint(*name))?,
            Order::Remove { fingerprint, revoke } => {
                self.remove(Fingerprint(*fingerprint), *revoke, grace)?
            }
        }
        Ok(())
    }

    fn remove(&mut self, name: Fingerprint, revoke: bool, grace: Duration) -> Result<(), KeyringError> {
        let key = self.ring.keys().into_iter().find(|key| key.fingerprint() == name);
        match self.ring.remove(name) {
            Err(KeyringError::Unknown(_)) => {} // it is not there, which is what is wanted
            removed => removed?,
        }
        if revoke {
            self.forget_removed(name);
        } else if let Some(key) = key.filter(|_| !grace.is_zero()) {
            let millis = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
            let until = Wall(wall().0.saturating_add(millis));
            self.removed.push(Removed { key: Secret(*key.bytes()), until });
            if self.removed.len() > REMOVED_MAX {
                self.removed.remove(0);
            }
        }
        Ok(())
    }
}

/// The fingerprints of a ring, the primary one first.
pub fn names(keyring: &Keyring) -> Vec<u64> {
    keyring.list().iter().map(|name| name.0).collect()
}

/// Nodes on one machine may share the file: it is written only if it says something else.
pub fn write_file(keyring: &Keyring, path: &Path) -> Result<(), String> {
    match Keyring::load(path) {
        Ok(held) if held.list() == keyring.list() => Ok(()),
        _ => keyring.save(path).map_err(|error| match error {
            KeyringError::Io(error) => error.kind().to_string(),
            error => error.to_string(),
        }),
    }
}
