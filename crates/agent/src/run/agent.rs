//! What all parts of a running agent share, and what the API asks of it.

use super::advertise::Advertised;
use super::ears::Ears;
use super::keys::Desk;
use super::meet::MEETINGS_MAX;
use super::reload::{InForce, Reloads};
use super::seeds::Seeds;
use super::warnings::Warnings;
use crate::admission::Admissions;
use crate::api::WATCHERS_MAX;
use crate::api::guard::Token;
use crate::aside::Single;
use crate::build;
use crate::config::Config;
use crate::discover::Finder;
use crate::events::{Board, Kept};
use crate::handlers::Counted;
use crate::identity::NodeKeys;
use crate::metrics::Histograms;
use crate::model;
use crate::node::{Call, Node};
use crate::queries;
use crate::refusal::Refusal;
use crate::serf_rpc;
use crate::store::StoreHandle;
use crate::view::View;
use rumormill_core::identity::NodeId;
use rumormill_core::time::{Duration, Time, Wall};
use rumormill_protocols::member::swim;
use rumormill_runtime::counters::Snapshot;
use rumormill_runtime::faults::Faults;
use rumormill_runtime::keyring::Keyring;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Instant;
use tokio::sync::{Notify, Semaphore, watch};

/// How the runtime is reached.
pub(super) type Handle = rumormill_runtime::Handle<Node<NodeKeys>>;

/// Members that changed and wait to be saved; beyond it they are saved when they change again (our guess: what a store keeps).
const UNSAVED_MAX: usize = crate::store::MEMBERS_MAX;
/// An answer to a ping that has not come by then will not come: the node was started anew (our guess: ten of its periods on a wide network).
const PONG_WAIT: Duration = Duration::from_secs(60);
/// How much longer than its linger a leave may take.
const LEAVE_GRACE: Duration = Duration::from_secs(3);

/// What is seen from inside the node's task.
pub struct Inside<'a> {
    /// The node.
    pub node: &'a Node<NodeKeys>,
    /// What is kept of what it told.
    pub view: &'a View,
    /// This moment, monotonic.
    pub now: Time,
    /// This moment, as Unix time.
    pub wall: Wall,
}

/// A running agent, as its API and its own tasks share it.
pub struct Agent {
    pub(super) config: Config,
    pub(super) keyring: Keyring,
    /// What is kept of keys besides.
    pub(super) keys: Desk,
    /// Who is kept out changed, and is to be saved.
    pub(super) bans_changed: Notify,
    /// A member was forgotten: the orders are to be saved.
    pub(super) orders_changed: Notify,
    /// What the API asks for away from loopback.
    pub(super) token: Option<Arc<RwLock<Token>>>,
    pub(super) store: StoreHandle,
    pub(super) finder: Mutex<Finder>,
    /// How each seed stands.
    pub(super) seeds: Mutex<Seeds>,
    /// One permit for each address that is met.
    pub(super) meetings: Semaphore,
    /// What others are told of where this node is reached; none while it starts.
    pub(super) advertised: Mutex<Option<Advertised>>,
    /// Something about seeds changed.
    pub(super) seeds_changed: Notify,
    /// After how many rounds it gave up joining.
    pub(super) gave_up: watch::Sender<Option<u64>>,
    /// What of the configuration is in force; held while it is read again, and while a node is made from it.
    pub(super) in_force: tokio::sync::Mutex<InForce>,
    pub(super) reloads: Mutex<Reloads>,
    /// The configuration's files are read by it.
    pub(super) reading: Single,
    /// Members whose record changed since the store last heard of it.
    pub(super) unsaved: Mutex<BTreeSet<NodeId>>,
    pub(super) save: Notify,
    /// The id under which somebody else runs in a greater life: this node's, or one that it had before.
    pub(super) superseded: watch::Sender<Option<NodeId>>,
    pub(super) listens: OnceLock<Listens>,
    /// Where this node itself is reached.
    pub(super) own: Mutex<Vec<SocketAddr>>,
    pub(super) handlers: Vec<Arc<Counted>>,
    handle: Mutex<Option<Handle>>,
    view: Mutex<View>,
    board: Mutex<Board>,
    pub(super) queries: Mutex<queries::Board>,
    /// Something was told that is to be saved.
    pub(super) told: Notify,
    /// It became known what was before this node: that is to be saved at once.
    pub(super) baseline: Notify,
    /// Held while events are saved, so that what is older never comes to disk later.
    pub(super) saving: tokio::sync::Mutex<()>,
    histograms: Histograms,
    /// Who holds the places of the listeners.
    pub(crate) admissions: Admissions,
    /// What clients of Serf's RPC did.
    pub(crate) serf_rpc: Arc<serf_rpc::Counters>,
    watchers: Arc<Semaphore>,
    started: Instant,
    leaving: watch::Sender<Leaving>,
    stopping: watch::Sender<bool>,
    handlers_stopping: watch::Sender<bool>,
    pub(super) tags: tokio::sync::Mutex<()>,
    pub(super) warnings: Mutex<Warnings>,
}

/// Where the agent listens.
#[derive(Clone, Debug)]
pub struct Listens {
    /// Gossip: UDP and TCP.
    pub gossip: SocketAddr,
    /// The admin API; none if it is off.
    pub http: Option<SocketAddr>,
    /// The admin API's Unix socket; none if it is off.
    pub socket: Option<std::path::PathBuf>,
    /// Serf's RPC; none if it is off.
    pub serf_rpc: Option<SocketAddr>,
}

/// How far leaving has come.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Leaving {
    /// Nobody wants to.
    No,
    /// It was asked for.
    Asked,
    /// The others have been told.
    Told,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Agent {
    pub(super) fn new(
        config: Config,
        keyring: Keyring,
        keys: Desk,
        token: Option<Arc<RwLock<Token>>>,
        store: StoreHandle,
        session: u64,
    ) -> Agent {
        let histograms = Histograms::default();
        let who = store.who();
        let board = Board::new(who.keys.id(), who.epoch, &Kept::default(), config.events.window_bytes);
        let handlers = config.handlers.iter().cloned().map(Counted::new).map(Arc::new).collect();
        Agent {
            handlers,
            finder: Mutex::new(Finder::new(&config)),
            seeds: Mutex::default(),
            meetings: Semaphore::new(MEETINGS_MAX),
            advertised: Mutex::default(),
            gave_up: watch::Sender::new(None),
            in_force: tokio::sync::Mutex::new(InForce::new(&config)),
            reloads: Mutex::default(),
            reading: Single::default(),
            config,
            keyring,
            keys,
            bans_changed: Notify::new(),
            orders_changed: Notify::new(),
            token,
            store,
            seeds_changed: Notify::new(),
            unsaved: Mutex::default(),
            save: Notify::new(),
            superseded: watch::Sender::new(None),
            listens: OnceLock::new(),
            own: Mutex::default(),
            handle: Mutex::new(None),
            view: Mutex::new(View::new(session, histograms.clone())),
            board: Mutex::new(board),
            queries: Mutex::default(),
            told: Notify::new(),
            baseline: Notify::new(),
            saving: tokio::sync::Mutex::new(()),
            histograms,
            admissions: Admissions::default(),
            serf_rpc: Arc::default(),
            watchers: Arc::new(Semaphore::new(WATCHERS_MAX)),
            started: Instant::now(),
            leaving: watch::Sender::new(Leaving::No),
            stopping: watch::Sender::new(false),
            handlers_stopping: watch::Sender::new(false),
            tags: tokio::sync::Mutex::new(()),
            warnings: Mutex::default(),
        }
    }

    /// Puts a runtime in the place of the one before, which is returned.
    pub(super) fn set_handle(&self, handle: Option<Handle>) -> Option<Handle> {
        std::mem::replace(&mut lock(&self.handle), handle)
    }

    pub(super) fn handle(&self) -> Result<Handle, Refusal> {
        lock(&self.handle).clone().ok_or_else(Refusal::gone)
    }

    /// Looks at the node from inside its task. Fails if there is no node now.
    pub async fn inspect<R: Send + 'static>(
        self: &Arc<Self>,
        look: impl FnOnce(&Inside<'_>) -> R + Send + 'static,
    ) -> Result<R, Refusal> {
        let agent = self.clone();
        let handle = self.handle()?;
        let looked = handle.inspect(move |node, seen| {
            let view = agent.view();
            look(&Inside { node, view: &view, now: seen.now, wall: seen.wall })
        });
        looked.await.map_err(|_| Refusal::gone())
    }

    /// Asks something of the node. Fails if there is no node now.
    pub async fn call(&self, call: Call) -> Result<(), Refusal> {
        self.handle()?.call(call).await.map_err(|_| Refusal::gone())
    }

    /// What is kept of what the node told. Not to be held across an await.
    pub fn view(&self) -> MutexGuard<'_, View> {
        lock(&self.view)
    }

    /// What is kept of events. Not to be held across an await.
    pub fn board(&self) -> MutexGuard<'_, Board> {
        lock(&self.board)
    }

    /// Bytes of events that are retained at most.
    pub fn events_window_bytes_max(&self) -> usize {
        self.config.events.window_bytes
    }

    /// This node's name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// This node's id, if there is a node.
    pub fn id(&self) -> Option<NodeId> {
        self.handle().ok().map(|handle| handle.me())
    }

    /// Whether Serf's RPC is served.
    pub fn has_serf_rpc(&self) -> bool {
        self.config.serf_rpc.is_some()
    }

    /// The commands that are run when something happens.
    pub fn handlers(&self) -> &[Arc<Counted>] {
        &self.handlers
    }

    /// What every handler is told of this agent: who it is, and where to ask it.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![("RUMORMILL_NODE", self.config.name.clone())];
        facts.extend(self.handle().ok().map(|handle| ("RUMORMILL_NODE_ID", handle.me().to_string())));
        if let Some(Listens { http, socket, .. }) = self.listens() {
            facts.extend(http.map(|http| ("RUMORMILL_HTTP", http.to_string())));
            facts.extend(socket.as_ref().map(|path| ("RUMORMILL_SOCKET", path.display().to_string())));
        }
        facts
    }

    /// Probes a member now; none if no answer came in time.
    pub async fn ping(&self, id: NodeId) -> Result<Option<Duration>, Refusal> {
        let waiting = self.view().await_pong(id);
        let (pong, is_first) = waiting.ok_or_else(|| Refusal::busy("too many pings are under way"))?;
        if is_first {
            self.call(Call::Swim(swim::Call::Ping(id))).await?;
        }
        let answer = tokio::time::timeout(PONG_WAIT, pong).await;
        answer.map_err(|_| Refusal::gone())?.map_err(|_| Refusal::gone())
    }

    /// Tells the others that this agent leaves, and has it stop. True if they have been told, false if that took too long.
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
        let waited = tokio::time::timeout(wait, told.wait_for(|leaving| *leaving == Leaving::Told)).await;
        matches!(waited, Ok(Ok(_)))
    }

    /// Waits until somebody asks this agent to leave.
    pub(super) async fn asked_to_leave(&self) {
        let mut leaving = self.leaving.subscribe();
        let _ = leaving.wait_for(|leaving| *leaving != Leaving::No).await; // the sender lives as long as we
    }

    /// The API ends.
    pub(super) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Turns true when the API ends.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// No more handlers run.
    pub(super) fn stop_handlers(&self) {
        self.handlers_stopping.send_replace(true);
    }

    /// Turns true when no more handlers run.
    pub fn handlers_stopping(&self) -> watch::Receiver<bool> {
        self.handlers_stopping.subscribe()
    }

    pub(super) fn told_all(&self) {
        self.leaving.send_replace(Leaving::Told);
    }

    /// This member's record changed and is to be saved some time.
    pub(super) fn unsaved(&self, id: NodeId) {
        let mut unsaved = lock(&self.unsaved);
        if unsaved.len() < UNSAVED_MAX {
            unsaved.insert(id);
            self.save.notify_one();
        }
    }

    /// The cluster's keys.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Fault injection, if there is a node.
    pub fn faults(&self) -> Option<Faults> {
        self.handle().ok().map(|handle| handle.faults().clone())
    }

    /// What the runtime counted, if there is a node.
    pub fn counters(&self) -> Option<Snapshot> {
        self.handle().ok().map(|handle| handle.counters())
    }

    /// How long round trips and news take.
    pub fn histograms(&self) -> &Histograms {
        &self.histograms
    }

    /// One permit per watcher.
    pub fn watchers(&self) -> Arc<Semaphore> {
        self.watchers.clone()
    }

    /// How many watchers there are.
    pub fn watching(&self) -> usize {
        WATCHERS_MAX - self.watchers.available_permits()
    }

    /// Since it started.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Where it listens; none while it starts.
    pub fn listens(&self) -> Option<&Listens> {
        self.listens.get()
    }

    /// Adds what the node itself does not know.
    pub fn describe(&self, info: &mut model::SelfInfo) {
        info.cluster = self.config.cluster.clone();
        info.profile = self.config.profile.to_string();
        info.version = build::VERSION.into();
        info.commit = build::commit().into();
        info.uptime_s = self.uptime().as_secs_f64();
        info.pid = std::process::id();
        if !self.keyring.is_insecure() {
            info.keys = self.keyring.list().iter().map(ToString::to_string).collect();
        }
        if let Some(listens) = self.listens() {
            info.gossip = listens.gossip.to_string();
            info.http = listens.http.map(|address| address.to_string());
            info.socket = listens.socket.as_ref().map(|path| path.display().to_string());
        }
        info.data_dir = self.config.data_dir.as_ref().map(|path| path.display().to_string());
        info.faults = self.config.faults;
        info.reload = self.reloads();
        info.handlers = self.handlers.iter().map(|handler| handler.info()).collect();
        info.seeds = self.seeds();
        info.strangers = self.strangers();
    }

    pub(super) fn ears(self: &Arc<Self>) -> Ears {
        Ears::new(Arc::downgrade(self))
    }
}
