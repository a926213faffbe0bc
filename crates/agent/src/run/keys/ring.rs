//! This node's own ring: what an order does to it, and where it is kept for the next start.

use super::super::agent::{Agent, lock};
use super::super::warnings::About;
use crate::store::Store;
use rumormill_core::time::Wall;
use rumormill_core::wire;
use rumormill_protocols::agree::keys::{Kept, Order, Record, Removed, Report, Secret};
use rumormill_runtime::keyring::{Fingerprint, Key, Keyring, KeyringError, REMOVED_MAX};
use std::path::Path;
use std::sync::Arc;

/// Under which the data directory keeps it.
const NAME: &str = "keys";

/// What was found at a start.
pub(in crate::run) struct Found {
    /// Keys that were removed and are not yet forgotten.
    pub removed: Vec<Removed>,
    /// Where the ring is kept, and why it is not in the key file.
    pub kept: (Kept, String),
    /// What the key file holds.
    pub file: Vec<Fingerprint>,
    /// What a person should know of it.
    pub note: Option<String>,
}

/// Brings the ring of the key file to what the data directory knows of it.
pub(in crate::run) fn recall(store: &Store, keyring: &Keyring, now: Wall) -> Found {
    let mut found =
        Found { removed: Vec::new(), kept: (Kept::File, String::new()), file: keyring.list(), note: None };
    if keyring.is_insecure() {
        return found;
    }
    let record = match store.get(NAME).map(|kept| kept.as_deref().map(wire::decode::<Record>)) {
        Ok(None) => return found,
        Ok(Some(Ok(record))) => record,
        Ok(Some(Err(error))) => {
            found.note = Some(format!("what the data directory keeps of keys cannot be read: {error}"));
            return found;
        }
        Err(error) => {
            found.note = Some(format!("what the data directory keeps of keys cannot be read: {error}"));
            return found;
        }
    };
    // Whoever wrote another key file since then means it.
    if !record.ring.is_empty() && names(keyring) == record.file {
        let ring = record.ring.iter().map(|secret| Key::new(secret.0)).collect();
        found.kept =
            (Kept::Store, "kept in the data directory, since the key file could not be written".into());
        found.note = Some(match keyring.replace(ring) {
            Ok(()) => format!(
                "the keys of the data directory count, since the key file could not be written when they changed; the primary one is {}",
                keyring.primary()
            ),
            Err(error) => format!("the keys of the data directory cannot be used: {error}"),
        });
    }
    found.removed = record.removed.into_iter().filter(|removed| removed.until > now).collect();
    tell(keyring, &found.removed);
    found
}

/// The ring opens these for who was away.
fn tell(keyring: &Keyring, removed: &[Removed]) {
    let keys: Vec<Key> = removed.iter().map(|removed| Key::new(removed.key.0)).collect();
    keyring.set_removed(&keys);
}

fn names(keyring: &Keyring) -> Vec<u64> {
    keyring.list().iter().map(|name| name.0).collect()
}

impl Agent {
    /// Carries out an order on this node's ring, and keeps it for the next start.
    pub async fn carry_out(self: &Arc<Self>, order: &Order) -> Report {
        let (refusal, (kept, note)) = match self.change_here(order).await {
            Ok(kept) => (None, kept),
            Err(error) => (Some(error.to_string()), lock(&self.keys.kept).clone()),
        };
        let held = if self.keyring.is_insecure() { Vec::new() } else { names(&self.keyring) };
        Report::new(&held, kept, refusal.as_deref().unwrap_or(""), &note)
    }

    /// The same, for those who want to know more of a refusal: where the ring is kept, and why it is not in the key file.
    pub async fn change_here(self: &Arc<Self>, order: &Order) -> Result<(Kept, String), KeyringError> {
        let _one_at_a_time = self.keys.changing.lock().await;
        self.change(order)?;
        Ok(self.keep_keys(*order != Order::List).await)
    }

    /// Takes this ring, which a member gave, in place of its own.
    pub(super) async fn take_ring(self: &Arc<Self>, ring: Vec<Key>) -> Result<(), KeyringError> {
        let _one_at_a_time = self.keys.changing.lock().await;
        self.keyring.replace(ring)?;
        self.keep_keys(true).await;
        self.clear(About::KeysNotTaken);
        Ok(())
    }

    fn change(&self, order: &Order) -> Result<(), KeyringError> {
        let ring = &self.keyring;
        match order {
            Order::List if ring.is_insecure() => Err(KeyringError::Insecure),
            Order::List => Ok(()),
            Order::Install(secret) => {
                let before = ring.list();
                let name = ring.install(Key::new(secret.0))?;
                self.forget_removed(name);
                if !before.contains(&name) {
                    tracing::warn!(fingerprint = %name, "a cluster key was installed");
                }
                Ok(())
            }
            Order::Use(name) if !ring.is_insecure() && ring.primary().0 == *name => Ok(()),
            Order::Use(name) => {
                let name = Fingerprint(*name);
                ring.use_primary(name)?;
                tracing::warn!(fingerprint = %name, "packets are sealed with another cluster key from now on");
                Ok(())
            }
            Order::Remove { fingerprint, revoke } => self.remove(Fingerprint(*fingerprint), *revoke),
        }
    }

    fn remove(&self, name: Fingerprint, revoke: bool) -> Result<(), KeyringError> {
        let key = self.keyring.keys().into_iter().find(|key| key.fingerprint() == name);
        match self.keyring.remove(name) {
            Err(KeyringError::Unknown(_)) => {} // it is not there, which is what is wanted
            removed => {
                removed?;
                tracing::warn!(fingerprint = %name, revoke, "a cluster key was removed");
            }
        }
        let grace = self.config.keys_grace;
        if revoke {
            self.forget_removed(name);
        } else if let Some(key) = key.filter(|_| !grace.is_zero()) {
            let millis = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
            let until = Wall(super::super::wall().0.saturating_add(millis));
            let mut removed = lock(&self.keys.removed);
            removed.push(Removed { key: Secret(*key.bytes()), until });
            if removed.len() > REMOVED_MAX {
                removed.remove(0);
            }
            tell(&self.keyring, &removed);
        }
        Ok(())
    }

    pub(in crate::run) fn forget_removed(&self, name: Fingerprint) {
        let mut removed = lock(&self.keys.removed);
        removed.retain(|removed| Key::new(removed.key.0).fingerprint() != name);
        tell(&self.keyring, &removed);
    }

    /// Forgets keys whose grace is over; when the next one's is.
    pub(super) async fn expire_removed(self: &Arc<Self>) -> Option<Wall> {
        let now = super::super::wall();
        let _one_at_a_time = self.keys.changing.lock().await;
        let next = {
            let mut removed = lock(&self.keys.removed);
            let before = removed.len();
            removed.retain(|removed| removed.until > now);
            let next = removed.iter().map(|removed| removed.until).min();
            if removed.len() == before {
                return next;
            }
            tell(&self.keyring, &removed);
            next
        };
        tracing::info!(
            "a removed cluster key is forgotten: who was away so long must be given the present one"
        );
        self.keep_keys(true).await;
        next
    }

    /// Keeps the ring once more, if it could not be kept where it belongs.
    pub(super) async fn keep_again(self: &Arc<Self>) {
        let _one_at_a_time = self.keys.changing.lock().await;
        if lock(&self.keys.kept).1.is_empty() {
            return;
        }
        let agent = self.clone();
        let is_as_before = tokio::task::spawn_blocking(move || {
            // Whoever wrote another key file meanwhile means it.
            let held = agent.config.key_file.as_deref().and_then(|path| Keyring::load(path).ok());
            held.is_some_and(|held| held.list() == *lock(&agent.keys.file))
        });
        if is_as_before.await.unwrap_or(false) {
            self.keep_keys(true).await;
        }
    }

    /// Keeps the ring where the next start finds it, if it changed; where it is kept, and why it is not in the key file.
    async fn keep_keys(self: &Arc<Self>, changed: bool) -> (Kept, String) {
        if !changed || self.keyring.is_insecure() {
            return lock(&self.keys.kept).clone();
        }
        let agent = self.clone();
        // On a thread of its own: a disk that hangs must not keep this node from gossiping.
        let kept = tokio::task::spawn_blocking(move || agent.keep_now()).await;
        let kept = kept.unwrap_or_else(|_| (Kept::Nowhere, "keeping the keys failed".into()));
        match kept.1.is_empty() {
            true => self.clear(About::KeysUnsaved),
            false => self.raise(About::KeysUnsaved, kept.1.clone()),
        }
        lock(&self.keys.kept).clone_from(&kept);
        kept
    }

    fn keep_now(&self) -> (Kept, String) {
        let path = self.config.key_file.as_deref();
        let written = path.map(|path| write_file(&self.keyring, path));
        let removed = lock(&self.keys.removed).clone();
        let mut record = Record { removed, ..Record::default() };
        let fault = match (path, written) {
            (Some(_), Some(Ok(()))) => {
                *lock(&self.keys.file) = self.keyring.list();
                None
            }
            (Some(path), Some(Err(error))) => {
                let ring = self.keyring.keys();
                record.ring = ring.iter().map(|key| Secret(*key.bytes())).collect();
                record.file = Keyring::load(path).map(|ring| names(&ring)).unwrap_or_default();
                tracing::debug!(file = %path.display(), %error, "the key file cannot be written");
                Some(format!("the key file cannot be written ({error})"))
            }
            _ => Some("there is no key file".to_string()),
        };
        let mut bytes = Vec::new();
        wire::put(&record, &mut bytes);
        let stored = lock(&self.store).put(NAME, &bytes);
        bytes.fill(0);
        match (fault, stored, self.config.data_dir.is_some()) {
            (None, Ok(()), _) => (Kept::File, String::new()),
            (None, Err(error), _) => {
                (Kept::File, format!("which keys were removed is not kept for the next start: {error}"))
            }
            (Some(fault), Ok(()), true) => (Kept::Store, format!("{fault}: kept in the data directory")),
            (Some(fault), Err(error), true) => (
                Kept::Nowhere,
                format!("{fault}, nor the data directory ({error}): a restart takes the old keys"),
            ),
            (Some(fault), _, false) => (
                Kept::Nowhere,
                format!("{fault}, and there is no data directory: a restart takes the old keys"),
            ),
        }
    }
}

/// Nodes on one machine may share the file: it is written only if it says something else.
fn write_file(keyring: &Keyring, path: &Path) -> Result<(), String> {
    match Keyring::load(path) {
        Ok(held) if held.list() == keyring.list() => Ok(()),
        _ => keyring.save(path).map_err(|error| match error {
            KeyringError::Io(error) => error.kind().to_string(),
            error => error.to_string(),
        }),
    }
}
