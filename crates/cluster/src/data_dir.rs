//! The data directory: what of a member survives its process.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `identity.bin`, `identity.bin.old` | identity and epoch, checksummed, the last two generations: the part that must not be lost |
//! | `state.bin` | the state from which the member goes on ([`state`]): what it loses there others tell it again |
//! | `lock` | held while a process runs; says which |
//!
//! [`DataDir::open`] raises the epoch and makes it durable before it returns, so that no packet of a new life leaves under an epoch that a crash could
//! take back. An agent keeps the same identity files beside its database.

pub mod error;
pub mod lock;
pub mod sidecar;
pub mod state;

pub use error::StoreError;

use crate::identity::NodeKeys;
use lock::Lock;
use rumormill_core::identity::NodeId;
use sidecar::Identity;
use state::State;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// An open data directory.
pub struct DataDir {
    dir: PathBuf,
    identity: Identity,
    _lock: Lock,
}

impl DataDir {
    /// Opens a data directory, makes it if it is missing, and starts a new epoch, durably. Returns it with the state that was kept.
    ///
    /// Blocks on the disk. Fails, with a text that says what to do, if another process has it open, if the epoch cannot be written, if a newer version
    /// of the program wrote it, or if the identity is damaged. A state that cannot be read is moved aside and starts empty.
    pub fn open(dir: &Path) -> Result<(DataDir, State), StoreError> {
        let mut builder = std::fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(dir);
        made.map_err(|e| StoreError::from_io(dir, "make the data directory", e))?;
        let lock = Lock::take(dir)?;
        let found = sidecar::read(dir)?;
        let lost = |detail: String| StoreError::IdentityLost { dir: dir.into(), detail };
        let identity = match &found.best {
            Some(identity) => identity.clone(),
            None if !found.damaged.is_empty() => return Err(lost(found.damaged.join("; "))),
            None => Identity::fresh(0, 0, None)?, // the first start: no epoch was used yet
        };
        // A damaged generation may have known of one epoch more than the sound one.
        let step = 1 + u64::from(!found.damaged.is_empty());
        let epoch = identity.epoch.checked_add(step).filter(|epoch| i64::try_from(*epoch).is_ok());
        let epoch = epoch.ok_or_else(|| lost("its epoch is beyond all bounds".into()))?;
        let identity = Identity { epoch, ..identity };
        let mut repairs = Vec::new();
        sidecar::set_damaged_aside(dir, &found, &mut repairs)?;
        sidecar::write(dir, &identity)?;
        let state = state::read(dir, &mut repairs)?;
        repairs.iter().for_each(|repair| tracing::warn!(dir = %dir.display(), "{repair}"));
        Ok((DataDir { dir: dir.into(), identity, _lock: lock }, state))
    }

    /// The node's key.
    pub fn keys(&self) -> NodeKeys {
        NodeKeys::from_seed(&self.identity.seed)
    }

    /// The epoch of this start: durable, and higher than any before it.
    pub fn epoch(&self) -> u64 {
        self.identity.epoch
    }

    /// The id this node had before it found that a copy of its data directory is running.
    pub fn copied_from(&self) -> Option<NodeId> {
        self.identity.copied_from
    }

    /// Keeps this state in place of the one before. Blocks on the disk.
    pub fn save(&self, state: &State) -> Result<(), StoreError> {
        state::write(&self.dir, state)
    }
}

#[cfg(test)]
mod tests;
