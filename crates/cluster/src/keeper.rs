//! Keeps the state in the data directory: about once a second while it changes, and a last time when the node stops.

use crate::data_dir::state::{KnownMember, MEMBERS_MAX, State};
use crate::data_dir::{DataDir, StoreError};
use crate::node::{Handle, Node};
use crate::shared::Shared;
use rumormill_core::payload::Payload;
use rumormill_core::time::Duration;
use rumormill_protocols::member::swim::Status;
use std::sync::{Arc, Mutex, PoisonError};

/// Time between two saves at least.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);
/// Time after which a save that failed is repeated (our guess: a disk that is full or hangs stays so for a while).
const SAVE_AGAIN: Duration = Duration::from_secs(5);

/// The data directory of a running node.
pub(crate) struct Keeper {
    dir: Arc<DataDir>,
    shared: Arc<Shared>,
    /// What is on disk.
    kept: Mutex<State>,
    tags: Mutex<Option<Payload>>,
    /// Whether the last save was made. Held while one is made.
    is_closed: tokio::sync::Mutex<bool>,
}

impl Keeper {
    pub fn new(dir: DataDir, kept: State, shared: Arc<Shared>) -> Keeper {
        let tags = Mutex::new(kept.tags.clone());
        Keeper { dir: Arc::new(dir), shared, kept: Mutex::new(kept), tags, is_closed: Default::default() }
    }

    /// The tags were set at run time.
    pub fn set_tags(&self, encoded: Payload) {
        *self.tags.lock().unwrap_or_else(PoisonError::into_inner) = Some(encoded);
        self.shared.changed.notify_one();
    }

    /// Saves as long as the node runs.
    pub async fn run(self: Arc<Self>, handle: Arc<Handle>) {
        let mut complained = false;
        loop {
            self.shared.changed.notified().await;
            while let Err(error) = self.save(&handle, false).await {
                if !std::mem::replace(&mut complained, true) {
                    tracing::warn!(%error, "the state of this node is not saved; it is tried again");
                }
                tokio::time::sleep(SAVE_AGAIN).await;
            }
            complained = false;
            // The baseline is saved at once: others list this node from now on, and what they publish must not become history.
            if self.kept().positions.joined {
                tokio::time::sleep(SAVE_INTERVAL).await;
            }
        }
    }

    /// Saves the state of this moment, if it changed. With `is_last` no event reaches the program behind it, so that none is delivered twice.
    pub async fn save(&self, handle: &Handle, is_last: bool) -> Result<(), StoreError> {
        let mut is_closed = self.is_closed.lock().await;
        if *is_closed {
            return Ok(());
        }
        *is_closed = is_last;
        let (before, shared) = (self.kept(), self.shared.clone());
        let tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let looked = handle.inspect(move |node, _| {
            if is_last {
                shared.subscribers.close();
            }
            State {
                positions: node.events.positions(),
                members: members(node, &before.members),
                bans: node.bans.kept(),
                orders: node.swim.orders(),
                tags,
            }
        });
        let Ok(state) = looked.await else { return Ok(()) }; // a node that has stopped has nothing new
        if state == self.kept() {
            return Ok(());
        }
        let (dir, saved) = (self.dir.clone(), state.clone());
        let done = tokio::task::spawn_blocking(move || dir.save(&saved)).await;
        done.unwrap_or(Ok(()))?; // a runtime that ends cancels it
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = state;
        Ok(())
    }

    fn kept(&self) -> State {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The members by which the cluster is found again: those of now, and those of before of which nothing else is known. The failed may only be behind a cut.
fn members(node: &Node, before: &[KnownMember]) -> Vec<KnownMember> {
    let me = node.swim.me().id;
    let others = || node.swim.members().filter(|member| member.id != me);
    let known = others().filter(|member| member.status != Status::Left);
    let mut members: Vec<KnownMember> =
        known.map(|member| KnownMember { id: member.id, contact: member.card.contact.clone() }).collect();
    members.sort_by_key(|member| member.id);
    let is_unknown = |member: &&KnownMember| node.swim.member(member.id).is_none();
    members.extend(before.iter().filter(is_unknown).cloned());
    members.truncate(MEMBERS_MAX);
    members
}
