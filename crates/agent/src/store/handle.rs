//! The data directory as a running agent reaches it: a thread of its own owns the [`Store`], so that a disk that hangs stops nothing else.

use super::Store;
use super::record::KnownMember;
use crate::features::events::entry::Unsaved;
use crate::identity::NodeKeys;
use crate::worker::{self, Stuck, Worker};
use rumormill_cluster::data_dir::StoreError;
use rumormill_core::identity::NodeId;
use rumormill_core::words;
use rumormill_protocols::spread::events::Item;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Why something is not stored.
#[derive(Debug, thiserror::Error)]
pub enum NotStored {
    /// The disk refused it.
    #[error(transparent)]
    Refused(#[from] StoreError),
    /// The disk hangs.
    #[error(
        "the data directory {} does not answer within {} s: its disk hangs, or is far too slow",
        dir.display(), worker::ANSWER_WAIT.as_secs()
    )]
    Hangs {
        /// Which directory.
        dir: PathBuf,
    },
    /// The agent stops, and its data directory is closed.
    #[error("the agent stops, and its data directory is closed")]
    Closed,
}

/// The node's identity in its data directory.
#[derive(Clone)]
pub struct StoredIdentity {
    /// The node's key.
    pub keys: NodeKeys,
    /// The epoch of this start: durable, and higher than any before it.
    pub epoch: u64,
    /// The id this node had before it found that a copy of its data directory is running.
    pub copied_from: Option<NodeId>,
}

impl StoredIdentity {
    fn of(store: &Store) -> StoredIdentity {
        StoredIdentity { keys: store.keys().clone(), epoch: store.epoch(), copied_from: store.copied_from() }
    }
}

/// The way to the thread that owns the store.
///
/// Each method waits [`worker::ANSWER_WAIT`] at most, unless it says otherwise, and what fails is not stored: a write that ends too late is taken back.
pub struct StoreHandle {
    thread: Worker<Store>,
    who: Mutex<StoredIdentity>,
    repairs: Vec<String>,
    dir: Option<PathBuf>,
}

impl StoreHandle {
    /// Opens a data directory as [`Store::open`] does, or keeps nothing if there is none. Waits as long as the disk takes, and tells the log so.
    pub async fn open(dir: Option<&Path>) -> Result<StoreHandle, StoreError> {
        let no_thread = |dir: Option<&Path>, e| StoreError::Other {
            what: "start the thread that writes to the disk",
            dir: dir.unwrap_or(Path::new("-")).into(),
            detail: format!("{e}"),
        };
        let what = dir.map_or("the store".into(), |dir| format!("the data directory {}", dir.display()));
        let path = dir.map(Path::to_path_buf);
        let open = move || path.map_or_else(Store::ephemeral, |dir| Store::open(&dir));
        let store = worker::once(&what, open).await.map_err(|e| no_thread(dir, e))??;
        let (who, repairs) = (Mutex::new(StoredIdentity::of(&store)), store.repairs().to_vec());
        let thread = Worker::start("store", what, store).map_err(|e| no_thread(dir, e))?;
        Ok(StoreHandle { thread, who, repairs, dir: dir.map(Path::to_path_buf) })
    }

    /// The node's identity. Never waits.
    pub fn who(&self) -> StoredIdentity {
        self.lock_who().clone()
    }

    /// The node's key. Never waits.
    pub fn keys(&self) -> NodeKeys {
        self.lock_who().keys.clone()
    }

    fn lock_who(&self) -> MutexGuard<'_, StoredIdentity> {
        self.who.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What had to be made good when it was opened, to be logged as warnings.
    pub fn repairs(&self) -> &[String] {
        &self.repairs
    }

    /// A warning for people, while the disk hangs.
    pub fn complaint(&self) -> Option<String> {
        let dir = self.dir.as_ref()?;
        self.hangs().map(|for_| {
            format!(
                "the data directory {} has not answered for {}: nothing can be stored; look at its disk",
                dir.display(),
                words::span(for_.as_secs_f64())
            )
        })
    }

    /// For how long the disk has not answered, if it hangs. Never waits.
    pub fn hangs(&self) -> Option<Duration> {
        self.thread.hangs()
    }

    /// How often something was not stored because the disk did not answer in time.
    pub fn gave_up(&self) -> u64 {
        self.thread.gave_up()
    }

    /// Closes the data directory, after what is queued. False if that takes longer than [`worker::ANSWER_WAIT`].
    pub async fn close(&self) -> bool {
        self.thread.close().await
    }

    fn fault(&self, stuck: Stuck) -> NotStored {
        match (stuck, &self.dir) {
            (Stuck::Hangs, Some(dir)) => NotStored::Hangs { dir: dir.clone() },
            _ => NotStored::Closed,
        }
    }

    /// Has the thread do something with the store.
    pub async fn ask<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Store) -> R + Send + 'static,
    ) -> Result<R, NotStored> {
        self.thread.ask(job).await.map_err(|stuck| self.fault(stuck))
    }

    /// The same, with what is to be done if it ends too late.
    pub async fn promise<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Store) -> R + Send + 'static,
        undo: impl FnOnce(&mut Store, R) + Send + 'static,
    ) -> Result<R, NotStored> {
        self.thread.promise(job, undo).await.map_err(|stuck| self.fault(stuck))
    }

    /// Reads what a node starts with. Waits as long as the disk takes.
    pub async fn recall<R: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Store) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, NotStored> {
        Ok(self.thread.wait_for(read).await.map_err(|stuck| self.fault(stuck))??)
    }

    /// [`Store::rekey`]. Waits as long as the disk takes: no packet leaves under an identity that is not durable.
    pub async fn rekey(&self) -> Result<StoredIdentity, NotStored> {
        let rekey = |store: &mut Store| store.rekey().map(|()| StoredIdentity::of(store));
        let who = self.thread.wait_for(rekey).await.map_err(|stuck| self.fault(stuck))??;
        *self.lock_who() = who.clone();
        Ok(who)
    }

    /// [`Store::members`].
    pub async fn members(&self) -> Result<Vec<KnownMember>, NotStored> {
        Ok(self.ask(|store| store.members()).await??)
    }

    /// [`Store::save_members`], and [`Store::forget_members`] of those that are gone.
    pub async fn save_members(&self, live: Vec<KnownMember>, gone: Vec<NodeId>) -> Result<(), NotStored> {
        let save = move |store: &mut Store| {
            store.save_members(&live)?;
            store.forget_members(&gone)
        };
        Ok(self.ask(save).await??)
    }

    /// [`Store::save_events`]; returns what was saved.
    pub async fn save_events(&self, unsaved: Unsaved) -> Result<Unsaved, NotStored> {
        Ok(self.ask(move |store| store.save_events(&unsaved).map(|()| unsaved)).await??)
    }

    /// [`Store::save_durable`].
    pub async fn save_durable(&self, items: Vec<Item>) -> Result<(), NotStored> {
        let ids: Vec<_> = items.iter().map(|item| item.id).collect();
        let undo = move |store: &mut Store, _| log_late(store.forget_durable(&ids));
        self.promise(move |store| store.save_durable(&items), undo).await??;
        Ok(())
    }

    /// [`Store::get`].
    pub async fn get(&self, name: &'static str) -> Result<Option<Vec<u8>>, NotStored> {
        Ok(self.ask(move |store| store.get(name)).await??)
    }

    /// [`Store::put`], whatever becomes of it in the end: for what is put again until it is stored.
    pub async fn put(&self, name: &'static str, value: Vec<u8>) -> Result<(), NotStored> {
        Ok(self.ask(move |store| store.put(name, &value)).await??)
    }

    /// The tags set at run time, as they travel; none if they never were.
    pub async fn tags(&self) -> Result<Option<Vec<u8>>, NotStored> {
        Ok(self.ask(|store| store.tags()).await??)
    }

    /// Keeps the tags set at run time, or leaves those before.
    pub async fn save_tags(&self, encoded: Vec<u8>) -> Result<(), NotStored> {
        let save = move |store: &mut Store| -> Result<Option<Vec<u8>>, StoreError> {
            let before = store.tags()?;
            store.save_tags(&encoded)?;
            Ok(before)
        };
        let undo = |store: &mut Store, saved: Result<Option<Vec<u8>>, StoreError>| {
            log_late(saved.and_then(|before| store.restore_tags(before.as_deref())));
        };
        self.promise(save, undo).await??;
        Ok(())
    }
}

/// Logs the fault of a job whose caller has given up.
fn log_late(done: Result<(), StoreError>) {
    if let Err(error) = done {
        tracing::warn!(%error, "what was answered to be not stored could not be taken back in the data directory");
    }
}
