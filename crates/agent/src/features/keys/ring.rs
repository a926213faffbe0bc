//! This node's own ring: what an order does to it, and where it is kept for the next start.

use crate::agent::Agent;
use crate::features::keys::state::{NOT_TAKEN, NOTED, UNSAVED};
use crate::logging::limit::{self, Kind};
use crate::states::lock;
use crate::store::Store;
use crate::wall::wall;
use rumormill_cluster::ring::{Draft, names, write_file};
use rumormill_core::time::Wall;
use rumormill_core::wire;
use rumormill_protocols::agree::keys::{Kept, Order, Record, Removed, Report, Secret};
use rumormill_runtime::keyring::{Fingerprint, Key, Keyring, KeyringError};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Name of the setting that keeps the ring.
const NAME: &str = "keys";

/// Brings the ring of the key file to what the data directory keeps of it, before the first node starts.
pub(super) async fn recall(agent: &Arc<Agent>) {
    let keyring = &agent.keyring;
    if keyring.is_insecure() {
        return;
    }
    let kept = agent.store.get(NAME).await.map_err(|error| error.to_string());
    let record = kept.and_then(|kept| {
        kept.as_deref().map(wire::decode::<Record>).transpose().map_err(|error| error.to_string())
    });
    let record = match record {
        Ok(None) => return,
        Ok(Some(record)) => record,
        Err(error) => {
            let text = format!("what the data directory keeps of keys cannot be read: {error}");
            return agent.note(NOTED, "", text);
        }
    };
    // A key file that was written by hand since then counts.
    if !record.ring.is_empty() && names(keyring) == record.file {
        let ring = record.ring.iter().map(|secret| Key::new(secret.0)).collect();
        *lock(&agent.keys().kept) =
            (Kept::Store, "kept in the data directory, since the key file could not be written".into());
        let note = match keyring.replace(ring) {
            Ok(()) => format!(
                "the keys of the data directory count, since the key file could not be written when they changed; the primary one is {}",
                keyring.primary()
            ),
            Err(error) => format!("the keys of the data directory cannot be used: {error}"),
        };
        agent.note(NOTED, "", note);
    }
    let now = wall();
    let removed: Vec<Removed> = record.removed.into_iter().filter(|removed| removed.until > now).collect();
    tell(keyring, &removed);
    *lock(&agent.keys().removed) = removed;
}

/// Lets the ring open key recovery under removed keys.
fn tell(keyring: &Keyring, removed: &[Removed]) {
    let keys: Vec<Key> = removed.iter().map(|removed| Key::new(removed.key.0)).collect();
    keyring.set_removed(&keys);
}

/// Why an order is not carried out. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The ring cannot do it.
    #[error(transparent)]
    Ring(#[from] KeyringError),
    /// The next start would not know of it.
    #[error("the keys stay as they are, since they cannot be kept for the next start: {0}")]
    NotKept(String),
}

/// Where the ring is kept, and why it is not in the key file.
type Where = (Kept, String);

impl Agent {
    /// Carries out an order on this node's ring, and keeps it for the next start.
    pub async fn carry_out(self: &Arc<Self>, order: &Order) -> Report {
        let (refusal, (kept, note)) = match self.change_here(order).await {
            Ok(kept) => (None, kept),
            Err(error) => (Some(error.to_string()), lock(&self.keys().kept).clone()),
        };
        let held = if self.keyring.is_insecure() { Vec::new() } else { names(&self.keyring) };
        Report::new(&held, kept, refusal.as_deref().unwrap_or(""), &note)
    }

    /// Carries out an order, and returns where the ring is kept and why it is not in the key file.
    ///
    /// What is changed is kept first, and in force only then: an order that cannot be kept changes nothing.
    pub async fn change_here(self: &Arc<Self>, order: &Order) -> Result<Where, Refused> {
        let _one_at_a_time = self.keys().changing.lock().await;
        let mut draft = self.in_force_now();
        let before = draft.ring.list();
        draft.change(order, self.config.keys_grace)?;
        if *order == Order::List {
            return Ok(lock(&self.keys().kept).clone());
        }
        let (ring, removed) = (draft.ring.keys(), draft.removed.clone());
        let kept = self.keep(draft).await?;
        let is_in_data_directory = self.config.data_dir.is_some();
        if kept.0 == Kept::Nowhere && is_in_data_directory {
            return Err(Refused::NotKept(kept.1));
        }
        if names(&self.keyring) != ring.iter().map(|key| key.fingerprint().0).collect::<Vec<_>>() {
            self.keyring.replace(ring)?;
        }
        tell(&self.keyring, &removed);
        *lock(&self.keys().removed) = removed;
        self.keys().removal.notify_one();
        self.now_kept(kept.clone());
        log_change(order, &before, &self.keyring.list());
        Ok(kept)
    }

    /// Takes this ring, which a member gave, in place of its own: also if it cannot be kept, for without it this node is alone.
    pub(crate) async fn take_ring(self: &Arc<Self>, ring: Vec<Key>) -> Result<(), KeyringError> {
        let _one_at_a_time = self.keys().changing.lock().await;
        self.keyring.replace(ring)?;
        self.keep_in_force().await;
        self.clear(NOT_TAKEN);
        Ok(())
    }

    pub(crate) fn forget_removed(&self, name: Fingerprint) {
        let mut removed = lock(&self.keys().removed);
        removed.retain(|removed| Key::new(removed.key.0).fingerprint() != name);
        tell(&self.keyring, &removed);
    }

    /// Forgets removed keys whose grace has ended, and keeps what could not be kept before. Returns when the next grace ends.
    pub(crate) async fn expire_removed(self: &Arc<Self>) -> Option<Wall> {
        let now = wall();
        let _one_at_a_time = self.keys().changing.lock().await;
        let (next, is_over) = {
            let mut removed = lock(&self.keys().removed);
            let before = removed.len();
            removed.retain(|removed| removed.until > now);
            let is_over = removed.len() < before;
            if is_over {
                tell(&self.keyring, &removed);
            }
            (removed.iter().map(|removed| removed.until).min(), is_over)
        };
        if is_over {
            tracing::info!(
                "a removed cluster key is forgotten: who was away so long must be given the present one"
            );
        }
        if is_over || self.keys().is_unkept.load(Relaxed) {
            self.keep_in_force().await;
        }
        next
    }

    /// Keeps the ring again if it could not be kept in the key file, unless the key file was replaced by hand, which counts.
    pub(crate) async fn keep_again(self: &Arc<Self>) {
        let _one_at_a_time = self.keys().changing.lock().await;
        if lock(&self.keys().kept).1.is_empty() {
            return;
        }
        let agent = self.clone();
        // On the store's thread: the key file may be on a disk that hangs as well.
        let is_as_before = self.store.ask(move |_| {
            let held = agent.config.key_file.as_deref().and_then(|path| Keyring::load(path).ok());
            held.is_some_and(|held| held.list() == *lock(&agent.keys().file))
        });
        if is_as_before.await.unwrap_or(false) {
            self.keep_in_force().await;
        }
    }

    fn in_force_now(&self) -> Draft {
        Draft { ring: self.keyring.detached(), removed: lock(&self.keys().removed).clone() }
    }

    /// Keeps the keys in force; a failure raises a warning and is tried again.
    async fn keep_in_force(self: &Arc<Self>) {
        if self.keyring.is_insecure() {
            return;
        }
        let kept = self.keep(self.in_force_now()).await;
        self.keys().is_unkept.store(kept.is_err(), Relaxed);
        match kept {
            Ok(kept) => self.now_kept(kept),
            Err(refused) => self.raise(UNSAVED, format!("{refused}; it is tried again")),
        }
    }

    fn now_kept(&self, kept: Where) {
        match kept.1.is_empty() {
            true => self.clear(UNSAVED),
            false => self.raise(UNSAVED, kept.1.clone()),
        }
        *lock(&self.keys().kept) = kept;
    }

    /// Keeps a draft where the next start finds it. On the store's thread: the key file may be on a disk that hangs as well. If that takes too
    /// long it is refused, and what is in force by then is kept in its place.
    async fn keep(self: &Arc<Self>, draft: Draft) -> Result<Where, Refused> {
        let (agent, later) = (self.clone(), self.clone());
        let keep = move |store: &mut Store| agent.keep_now(store, &draft);
        let undo = move |store: &mut Store, _: Where| {
            later.keep_now(store, &later.in_force_now());
        };
        self.store.promise(keep, undo).await.map_err(|error| Refused::NotKept(error.to_string()))
    }

    fn keep_now(&self, store: &mut Store, draft: &Draft) -> Where {
        let path = self.config.key_file.as_deref();
        let written = path.map(|path| write_file(&draft.ring, path));
        let mut record = Record { removed: draft.removed.clone(), ..Record::default() };
        let fault = match (path, written) {
            (Some(_), Some(Ok(()))) => {
                *lock(&self.keys().file) = draft.ring.list();
                None
            }
            (Some(path), Some(Err(error))) => {
                let ring = draft.ring.keys();
                record.ring = ring.iter().map(|key| Secret(*key.bytes())).collect();
                record.file = Keyring::load(path).map(|ring| names(&ring)).unwrap_or_default();
                tracing::debug!(file = %path.display(), %error, "the key file cannot be written");
                Some(format!("the key file cannot be written ({error})"))
            }
            _ => Some("there is no key file".to_string()),
        };
        let mut bytes = Vec::new();
        wire::put(&record, &mut bytes);
        let stored = store.put(NAME, &bytes);
        bytes.fill(0);
        match (fault, stored, self.config.data_dir.is_some()) {
            (None, Ok(()), _) => (Kept::File, String::new()),
            (None, Err(error), _) => {
                (Kept::File, format!("which keys were removed is not kept for the next start: {error}"))
            }
            (Some(fault), Ok(()), true) => (Kept::Store, format!("{fault}: kept in the data directory")),
            (Some(fault), Err(error), true) => {
                (Kept::Nowhere, format!("{fault}, nor the data directory ({error})"))
            }
            (Some(fault), _, false) => (
                Kept::Nowhere,
                format!("{fault}, and there is no data directory: a restart takes the old keys"),
            ),
        }
    }
}

fn log_change(order: &Order, before: &[Fingerprint], after: &[Fingerprint]) {
    if before == after || !limit::allows(Kind::Keys) {
        return;
    }
    for name in after.iter().filter(|name| !before.contains(name)) {
        tracing::warn!(fingerprint = %name, "a cluster key was installed");
    }
    if let Order::Use(_) = order
        && before.first() != after.first()
    {
        let name = after.first().map(ToString::to_string);
        tracing::warn!(fingerprint = name, "packets are sealed with another cluster key from now on");
    }
    if let Order::Remove { revoke, .. } = order {
        for name in before.iter().filter(|name| !after.contains(name)) {
            tracing::warn!(fingerprint = %name, revoke, "a cluster key was removed");
        }
    }
}
