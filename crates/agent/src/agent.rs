//! The agent: what all its parts share. It knows no feature; their states are in `States`, their verbs in files of their own (`impl Agent`).

use crate::admission::Admissions;
use crate::config::Config;
use crate::describe::inside::{AboutMember, Inside};
use crate::describe::model;
use crate::identity::NodeKeys;
use crate::metrics::Histograms;
use crate::node::{Call, Node};
use crate::refusal::Refusal;
use crate::states::{States, lock};
use crate::store::{NotStored, StoreHandle};
use crate::token::Token;
use crate::view::View;
use crate::warnings::{About, Log, Warnings};
use rumormill_core::identity::NodeId;
use rumormill_core::time::Duration;
use rumormill_protocols::member::swim;
use rumormill_runtime::counters::Snapshot;
use rumormill_runtime::faults::Faults;
use rumormill_runtime::keyring::Keyring;
use std::any::Any;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, RwLock};
use std::time::Instant;
use tokio::sync::{Semaphore, watch};

/// Requests at one time that wait for changes or events; more are refused.
pub const WATCHERS_MAX: usize = 64;
/// Time that a leave may take beyond its linger.
const LEAVE_GRACE: Duration = Duration::from_secs(3);

/// The runtime that drives the node.
pub(crate) type Handle = rumormill_runtime::Handle<Node<NodeKeys>>;

/// A running agent, shared by its listeners, its features and its own tasks.
pub struct Agent {
    pub(crate) config: Config,
    pub(crate) keyring: Keyring,
    pub(crate) store: StoreHandle,
    /// The token that the HTTP API requires away from loopback.
    pub(crate) token: Option<Arc<RwLock<Token>>>,
    /// The id under which another process runs in a greater life: this node's, or one that it had before.
    pub(crate) superseded: watch::Sender<Option<NodeId>>,
    pub(crate) listens: OnceLock<Listens>,
    /// The places of the listeners.
    pub(crate) admissions: Admissions,
    states: States,
    about_member: Vec<AboutMember>,
    handle: Mutex<Option<Handle>>,
    view: Mutex<View>,
    histograms: Histograms,
    watchers: Arc<Semaphore>,
    warnings: Mutex<Warnings>,
    started: Instant,
    leaving: watch::Sender<Leaving>,
    stopping: watch::Sender<bool>,
    handlers_stopping: watch::Sender<bool>,
}

/// The parts from which an agent is made.
pub struct Parts {
    /// The settings.
    pub config: Config,
    /// The cluster's keys.
    pub keyring: Keyring,
    /// The data directory.
    pub store: StoreHandle,
    /// The token that the HTTP API requires away from loopback.
    pub token: Option<Arc<RwLock<Token>>>,
    /// Marks the cursors of this start.
    pub session: u64,
    /// Fields that features add to the JSON of a member.
    pub about_member: Vec<AboutMember>,
}

/// The addresses at which the agent listens.
#[derive(Clone, Debug)]
pub struct Listens {
    /// Gossip: UDP and TCP.
    pub gossip: SocketAddr,
    /// The admin API; none if it is off.
    pub http: Option<SocketAddr>,
    /// The admin API's Unix socket; none if it is off.
    pub socket: Option<PathBuf>,
    /// Serf's RPC; none if it is off.
    pub serf_rpc: Option<SocketAddr>,
    /// PostgreSQL's protocol; none if it is off.
    pub pg: Option<SocketAddr>,
}

/// Progress of a leave.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Leaving {
    /// Nobody asked for it.
    No,
    /// It was asked for.
    Asked,
    /// The other members know.
    Announced,
}

/// Returns once `stop` is true.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await; // without a sender it has stopped, too
}

impl Agent {
    pub(crate) fn new(parts: Parts, states: States) -> Agent {
        let Parts { config, keyring, store, token, session, about_member } = parts;
        let histograms = Histograms::default();
        Agent {
            config,
            keyring,
            store,
            token,
            superseded: watch::Sender::new(None),
            listens: OnceLock::new(),
            admissions: Admissions::default(),
            states,
            about_member,
            handle: Mutex::default(),
            view: Mutex::new(View::new(session, histograms.clone())),
            histograms,
            watchers: Arc::new(Semaphore::new(WATCHERS_MAX)),
            warnings: Mutex::default(),
            started: Instant::now(),
            leaving: watch::Sender::new(Leaving::No),
            stopping: watch::Sender::new(false),
            handlers_stopping: watch::Sender::new(false),
        }
    }

    /// The state that a feature keeps under this type.
    pub(crate) fn state<T: Any + Send + Sync>(&self) -> &T {
        self.states.get()
    }

    /// The same for a state behind a lock. Must not be held across an await.
    pub(crate) fn locked<T: Any + Send>(&self) -> MutexGuard<'_, T> {
        lock(self.states.get::<Mutex<T>>())
    }

    /// Puts a runtime in the place of the one before, which is returned.
    pub(crate) fn set_handle(&self, handle: Option<Handle>) -> Option<Handle> {
        std::mem::replace(&mut lock(&self.handle), handle)
    }

    pub(crate) fn handle(&self) -> Result<Handle, Refusal> {
        lock(&self.handle).clone().ok_or_else(Refusal::gone)
    }

    /// Runs `look` inside the node's task. Fails if there is no node now.
    pub async fn inspect<R: Send + 'static>(
        self: &Arc<Self>,
        look: impl FnOnce(&Inside<'_>) -> R + Send + 'static,
    ) -> Result<R, Refusal> {
        let agent = self.clone();
        let handle = self.handle()?;
        let looked = handle.inspect(move |node, seen| {
            let view = agent.view();
            let about_member = &agent.about_member;
            let (now, wall) = (seen.now, seen.wall);
            look(&Inside { node, view: &view, seen, now, wall, about_member })
        });
        looked.await.map_err(|_| Refusal::gone())
    }

    /// Calls the node. Fails if there is no node now.
    pub async fn call(&self, call: Call) -> Result<(), Refusal> {
        self.handle()?.call(call).await.map_err(|_| Refusal::gone())
    }

    /// Names, changes and pings, as membership told them. Must not be held across an await.
    pub fn view(&self) -> MutexGuard<'_, View> {
        lock(&self.view)
    }

    /// The settings with which the agent was started.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// This node's name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// This node's id, if there is a node.
    pub fn id(&self) -> Option<NodeId> {
        self.handle().ok().map(|handle| handle.me())
    }

    /// Tells the other members that this agent leaves, and has it stop. False if that took too long.
    pub async fn leave(&self) -> bool {
        let mut told = self.leaving.subscribe();
        let is_first = self.leaving.send_if_modified(|leaving| {
            let is_first = *leaving == Leaving::No;
            *leaving = (*leaving).max(Leaving::Asked);
            is_first
        });
        if is_first && self.call(Call::Swim(swim::Call::Leave)).await.is_err() {
            return false;
        }
        let wait = self.config.swim.leave_linger + LEAVE_GRACE;
        let waited =
            tokio::time::timeout(wait, told.wait_for(|leaving| *leaving == Leaving::Announced)).await;
        matches!(waited, Ok(Ok(_)))
    }

    /// Returns once this agent was asked to leave.
    pub(crate) async fn asked_to_leave(&self) {
        let mut leaving = self.leaving.subscribe();
        let _ = leaving.wait_for(|leaving| *leaving != Leaving::No).await; // the sender lives as long as we
    }

    /// The other members know that this one leaves.
    pub(crate) fn has_left(&self) {
        self.leaving.send_replace(Leaving::Announced);
    }

    /// Ends the listeners.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Turns true when the listeners end.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Starts no more handlers.
    pub(crate) fn stop_handlers(&self) {
        self.handlers_stopping.send_replace(true);
    }

    /// Turns true when no more handlers start.
    pub fn handlers_stopping(&self) -> watch::Receiver<bool> {
        self.handlers_stopping.subscribe()
    }

    /// The cluster's keys.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Fault injection, if there is a node.
    pub fn faults(&self) -> Option<Faults> {
        self.handle().ok().map(|handle| handle.faults().clone())
    }

    /// The runtime's counters, if there is a node.
    pub fn counters(&self) -> Option<Snapshot> {
        self.handle().ok().map(|handle| handle.counters())
    }

    /// Durations of round trips and of news.
    pub fn histograms(&self) -> &Histograms {
        &self.histograms
    }

    /// One permit per watcher.
    pub fn watchers(&self) -> Arc<Semaphore> {
        self.watchers.clone()
    }

    /// The number of watchers.
    pub fn watching(&self) -> usize {
        WATCHERS_MAX - self.watchers.available_permits()
    }

    /// Time since the agent started.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// The addresses at which it listens; none while it starts.
    pub fn listens(&self) -> Option<&Listens> {
        self.listens.get()
    }
}

/// Warnings.
impl Agent {
    /// Raises a condition. It holds until it is [cleared](Agent::clear).
    pub(crate) fn raise(&self, about: About, text: String) {
        self.warn(about, "", text, false);
    }

    /// Notes an incident that nothing will undo.
    pub(crate) fn note(&self, about: About, of: &str, text: String) {
        self.warn(about, of, text, true);
    }

    fn warn(&self, about: About, of: &str, text: String, is_note: bool) {
        let line = lock(&self.warnings).raise(about, of, text.clone(), is_note, Instant::now());
        match line {
            Log::Begins => tracing::warn!("{text}"),
            Log::GoesOn => tracing::warn!("still so: {text}"),
            Log::No => tracing::debug!("still so: {text}"),
        }
    }

    /// Clears a condition, if it held.
    pub(crate) fn clear(&self, about: About) {
        if let Some(text) = lock(&self.warnings).clear(about, "", Instant::now()) {
            tracing::info!("no longer so: {text}");
        }
    }

    /// The conditions that hold, and those that ended lately.
    pub fn warnings(&self) -> Vec<model::Warning> {
        lock(&self.warnings).shown(Instant::now())
    }

    /// Raises the condition that something is not stored, or clears it. While the disk hangs, the store itself complains.
    pub(crate) fn raise_unstored<T>(&self, about: About, what: &str, stored: &Result<T, NotStored>) {
        match stored {
            Ok(_) => self.clear(about),
            Err(NotStored::Hangs { .. }) => {}
            Err(error) => self.raise(about, format!("{what}: {error}")),
        }
    }
}
