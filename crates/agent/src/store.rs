//! The data directory: identity, epoch, known members, the event log with its positions, and settings made at run time.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `rumormill.db` | everything, in SQLite with a write-ahead log; `PRAGMA user_version` is the version of its schema |
//! | `identity.bin`, `identity.bin.old` | identity and epoch once more, checksummed, the last two generations: the part that must not be lost |
//! | `lock` | held while an agent runs; says which process |
//!
//! [`Store::open`] raises the epoch and makes it durable in both copies before it returns, so that no packet of a new life leaves under
//! an epoch that a crash could take back. If that cannot be written, it fails, and the agent must not start.
//! A damaged database is moved aside, never deleted, and only if the identity survives in the second copy.
//!
//! Every call here may take as long as the disk does. A running agent makes them by a [`StoreHandle`], on a thread of their own.

mod db;
mod failed;
mod handle;
mod record;

pub use db::VERSION as DATA_DIR_VERSION;
pub use handle::{NotStored, StoreHandle, StoredIdentity};
pub use record::{KnownMember, MEMBERS_MAX, SAVE_INTERVAL_S, VALUE_BYTES_MAX};
pub use rumormill_cluster::data_dir::StoreError;
pub use rumormill_cluster::data_dir::sidecar::VERSION as SIDECAR_VERSION;

use crate::features::events::entry::{Kept, Unsaved};
use crate::features::events::store as events;
use crate::identity::NodeKeys;
use rumormill_cluster::data_dir::lock::Lock;
use rumormill_cluster::data_dir::sidecar::{self, Identity};
use rumormill_core::identity::NodeId;
use rumormill_protocols::spread::events::{EventId, Item};
use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// An open data directory, or the same in memory for a node that forgets itself.
pub struct Store {
    identity: Identity,
    keys: NodeKeys,
    disk: Option<Disk>,
    /// What [`Store::put`] keeps where there is no disk.
    memory: BTreeMap<String, Vec<u8>>,
    /// Positions of events, as they are on disk.
    positions: events::Stored,
    repairs: Vec<String>,
}

struct Disk {
    dir: PathBuf,
    db: rusqlite::Connection,
    _lock: Lock,
}

impl Store {
    /// Opens a data directory, makes it if it is missing, and starts a new epoch, durably.
    ///
    /// Blocks on the disk. Fails, with a text that says what to do, if another agent has it open, if the epoch cannot be written, if a newer
    /// version of the program wrote it, or if it is damaged beyond what the second copy of the identity makes good.
    pub fn open(dir: &Path) -> Result<Store, StoreError> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|e| StoreError::from_io(dir, "make the data directory", e))?;
        let lock = Lock::take(dir)?;
        let mut repairs = Vec::new();
        let second = sidecar::read(dir)?;
        let opened = db::open(dir, second.best.is_some(), &mut repairs)?;
        let database_knew = opened.identity.is_some();
        let identity = match (opened.identity, second.best.clone()) {
            (Some(a), Some(b)) if a.rekeys == b.rekeys && a.seed != b.seed => {
                return Err(StoreError::TwoIdentities { dir: dir.into() });
            }
            (Some(a), Some(b)) if a.version() >= b.version() => a,
            (Some(_), Some(b)) => b,
            (Some(a), None) => {
                repairs.push(format!("the second copy of the identity ({}) is written again", sidecar::NAME));
                a
            }
            (None, Some(b)) => {
                repairs.push("the identity is taken from its second copy; known members start empty".into());
                b
            }
            (None, None) if !second.damaged.is_empty() => {
                return Err(StoreError::IdentityLost { dir: dir.into(), detail: second.damaged.join("; ") });
            }
            // The first start: no epoch was used yet.
            (None, None) => Identity::fresh(0, 0, None)?,
        };
        // A damaged generation may have known of one epoch more than the sound one, if the database cannot tell.
        let lost = u64::from(!second.damaged.is_empty() && !database_knew);
        let epoch = identity.epoch.checked_add(1 + lost).filter(|epoch| i64::try_from(*epoch).is_ok());
        let epoch = epoch.ok_or_else(|| StoreError::IdentityLost {
            dir: dir.into(),
            detail: "its epoch is beyond all bounds".into(),
        })?;
        let identity = Identity { epoch, ..identity };
        sidecar::set_damaged_aside(dir, &second, &mut repairs)?;
        let disk = Disk { dir: dir.into(), db: opened.db, _lock: lock };
        disk.write_identity(&identity)?;
        let keys = NodeKeys::from_seed(&identity.seed);
        Ok(Store {
            identity,
            keys,
            disk: Some(disk),
            memory: BTreeMap::new(),
            positions: events::Stored::default(),
            repairs,
        })
    }

    /// A store that keeps nothing: a new identity in its first epoch. Fails if the system gives no randomness.
    pub fn ephemeral() -> Result<Store, StoreError> {
        let identity = Identity::fresh(1, 0, None)?;
        let keys = NodeKeys::from_seed(&identity.seed);
        Ok(Store {
            identity,
            keys,
            disk: None,
            memory: BTreeMap::new(),
            positions: events::Stored::default(),
            repairs: Vec::new(),
        })
    }

    /// The node's key.
    pub fn keys(&self) -> &NodeKeys {
        &self.keys
    }

    /// The epoch of this start: durable, and higher than any before it.
    pub fn epoch(&self) -> u64 {
        self.identity.epoch
    }

    /// The id this node had before it found that a copy of its data directory is running.
    pub fn copied_from(&self) -> Option<NodeId> {
        self.identity.copied_from
    }

    /// Where it is; none if it keeps nothing.
    pub fn dir(&self) -> Option<&Path> {
        self.disk.as_ref().map(|disk| disk.dir.as_path())
    }

    /// What had to be made good when it was opened, to be logged as warnings.
    pub fn repairs(&self) -> &[String] {
        &self.repairs
    }

    /// Gives the node a new key in its first epoch, durably: a copy of its data directory runs elsewhere and keeps the old one.
    ///
    /// Blocks on the disk. If it fails, the old identity still holds.
    pub fn rekey(&mut self) -> Result<(), StoreError> {
        let identity = Identity::fresh(1, self.identity.rekeys + 1, Some(self.keys.id()))?;
        if let Some(disk) = &mut self.disk {
            disk.run_mut("forget the events of the old identity", events::forget_own)?;
            disk.write_identity(&identity)?;
        }
        self.keys = NodeKeys::from_seed(&identity.seed);
        self.identity = identity;
        Ok(())
    }

    /// The known members, the most recently seen first.
    pub fn members(&self) -> Result<Vec<KnownMember>, StoreError> {
        self.disk.as_ref().map_or(Ok(Vec::new()), |disk| disk.run("read the known members", db::members))
    }

    /// Keeps these members, in one transaction; of all, the [`MEMBERS_MAX`] most recently seen stay.
    ///
    /// Costs a write and usually no wait for the disk. To be called with what changed, at most every [`SAVE_INTERVAL_S`] seconds.
    pub fn save_members(&mut self, members: &[KnownMember]) -> Result<(), StoreError> {
        match &mut self.disk {
            Some(disk) if !members.is_empty() => {
                disk.run_mut("save the known members", |db| db::save_members(db, members))
            }
            _ => Ok(()),
        }
    }

    /// Forgets these members, in one transaction.
    pub fn forget_members(&mut self, ids: &[NodeId]) -> Result<(), StoreError> {
        match &mut self.disk {
            Some(disk) if !ids.is_empty() => disk.run_mut("forget members", |db| db::forget_members(db, ids)),
            _ => Ok(()),
        }
    }

    /// What is kept of events.
    pub fn events(&mut self) -> Result<Kept, StoreError> {
        let Some(disk) = &self.disk else { return Ok(Kept::default()) };
        let kept = disk.run("read the events", events::read)?;
        self.positions = events::Stored::of(kept.positions.as_ref());
        Ok(kept)
    }

    /// Keeps the event log and its positions in one transaction, usually without waiting for the disk.
    pub fn save_events(&mut self, unsaved: &Unsaved) -> Result<(), StoreError> {
        let Some(disk) = &mut self.disk else { return Ok(()) };
        let changes = self.positions.changes(&unsaved.positions);
        let is_same = unsaved.entries.is_empty() && unsaved.gone.is_empty() && unsaved.settled.is_empty();
        if changes.is_none() && is_same {
            return Ok(());
        }
        disk.run_mut("save the events", |db| events::save(db, unsaved, &changes))?;
        self.positions.apply(changes, unsaved.positions.joined);
        Ok(())
    }

    /// Keeps durable events until they are settled, and waits until they are on disk. False if nothing is kept here.
    pub fn save_durable(&mut self, items: &[Item]) -> Result<bool, StoreError> {
        let Some(disk) = &mut self.disk else { return Ok(false) };
        disk.run_mut("save durable events", |db| events::save_durable(db, items))?;
        Ok(true)
    }

    /// Forgets durable events as if they had never been kept.
    pub fn forget_durable(&mut self, ids: &[EventId]) -> Result<(), StoreError> {
        let Some(disk) = &mut self.disk else { return Ok(()) };
        disk.run_mut("take back durable events", |db| events::forget_durable(db, ids))
    }

    /// A value that was [`put`](Store::put) under this name.
    pub fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match &self.disk {
            Some(disk) => disk.run("read a setting", |db| db::get(db, name)),
            None => Ok(self.memory.get(name).cloned()),
        }
    }

    /// Keeps a value under a name, replacing what was there. At most [`VALUE_BYTES_MAX`] bytes.
    pub fn put(&mut self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(StoreError::TooLarge { name: name.into(), bytes: value.len(), max: VALUE_BYTES_MAX });
        }
        match &mut self.disk {
            Some(disk) => disk.run_mut("save a setting", |db| db::put(db, name, value)),
            None => {
                self.memory.insert(name.into(), value.to_vec());
                Ok(())
            }
        }
    }

    /// The tags set at run time, as they travel; none if they never were.
    pub fn tags(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(TAGS)
    }

    /// Keeps the tags set at run time.
    pub fn save_tags(&mut self, encoded: &[u8]) -> Result<(), StoreError> {
        self.put(TAGS, encoded)
    }

    /// Keeps the tags that were kept before; none if there were none.
    pub fn restore_tags(&mut self, before: Option<&[u8]>) -> Result<(), StoreError> {
        match (before, &mut self.disk) {
            (Some(before), _) => self.put(TAGS, before),
            (None, Some(disk)) => disk.run_mut("take back a setting", |db| db::remove(db, TAGS)),
            (None, None) => {
                self.memory.remove(TAGS);
                Ok(())
            }
        }
    }
}

const TAGS: &str = "tags";
impl Disk {
    /// The second copy first: if the process dies in between, the higher epoch wins on the next start.
    fn write_identity(&self, identity: &Identity) -> Result<(), StoreError> {
        sidecar::write(&self.dir, identity)?;
        self.run("write the epoch", |db| db::write_identity(db, identity))
    }

    fn run<T>(
        &self,
        what: &'static str,
        step: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        step(&self.db).map_err(|e| failed::from_sqlite(&self.dir, what, e))
    }

    fn run_mut<T>(
        &mut self,
        what: &'static str,
        step: impl FnOnce(&mut rusqlite::Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        step(&mut self.db).map_err(|e| failed::from_sqlite(&self.dir, what, e))
    }
}

/// Shows the id and the epoch, never the key.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({} epoch {} in {:?})", self.keys.id(), self.identity.epoch, self.dir())
    }
}
