//! A whole agent, from its configuration to its end.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`Agent`] | what all parts share, and what the API asks of it |
//! | `advertise` | where this node says that it is reached |
//! | `bans` | who is kept out of the cluster |
//! | `orders` | orders to forget a member, kept across restarts |
//! | `ears` | what is done with what the node tells |
//! | `events` | publishing, and what is kept of events on disk |
//! | `keys` | the cluster's keys: orders to all members, and members that were away |
//! | `queries` | asking everybody, and answering what is asked here |
//! | `meet`, `seeds`, `strangers` | meeting who is at an address, and saying why it did not come about, here and at the other end |
//! | `join` | finding the cluster, and not losing it |
//! | `reload` | the configuration read again |
//! | `tags` | this agent's tags |
//! | `upkeep` | saving members, reading the machine, the watchdog |
//! | `warnings` | what a person should know, and since when |
//!
//! Everything runs in one thread: the node's task owns its state, and all others reach it by messages.

mod advertise;
mod agent;
mod bans;
mod ears;
mod events;
mod join;
mod keys;
mod meet;
mod orders;
mod queries;
mod reload;
mod seeds;
mod strangers;
mod tags;
mod upkeep;
mod warnings;

pub use agent::{Agent, Inside, Listens};
pub use events::{NewEvent, Published};
pub use keys::{Refused, Wanted};
pub use queries::Asking;

use crate::api::guard::{Guard, Token};
use crate::api::serve::{self, Listener};
use crate::aside;
use crate::config::{Config, LogFormat};
use crate::discover::Seed;
use crate::handlers;
use crate::identity;
use crate::logging;
use crate::model::ChangeKind;
use crate::node::Node;
use crate::queries::filter::known::Known;
use crate::serf_rpc;
use crate::store::{NotStored, Recalled, StoreError, StoreHandle, Who};
use agent::{Handle, lock};
use reload::InForce;
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::payload::Payload;
use rumormill_core::time::{Duration, Wall};
use rumormill_protocols::agree::latest::{self, Latest};
use rumormill_protocols::member::swim::Swim;
use rumormill_protocols::member::swim::{self, record::TagMap};
use rumormill_protocols::spread::{self, queries::Queries};
use rumormill_runtime::addresses::bind_fault;
use rumormill_runtime::config::{Sockets, StartError, limits};
use rumormill_runtime::keyring::{Keyring, KeyringError};
use sd_notify::NotifyState;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use warnings::About;

/// How often an agent makes itself a new identity before it gives up (our guess: more than one copy at a time is already a mistake).
pub const NEW_IDENTITIES_MAX: usize = 4;

/// How an agent ended.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Exit {
    /// It left, and the others have been told.
    Left,
    /// It left, but whether the others have been told is not certain.
    Unheard,
    /// It was told a second time to stop, and did so at once.
    Cut,
}

/// Why an agent cannot start, or had to stop. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The key file cannot be used.
    #[error("{}: {source}", path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: KeyringError,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The data directory cannot be used any more.
    #[error(transparent)]
    NotStored(#[from] NotStored),
    /// Gossip cannot be received.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The admin API's address cannot be had.
    #[error(
        "the admin API cannot listen on {address}: {}; give another address with --http, or --http off", bind_fault(*address, source, "is another agent running there?")
    )]
    Http {
        /// Which address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The admin API's Unix socket cannot be had.
    #[error("the admin API cannot listen on {}: {source}; give another path, or socket = \"off\"", path.display())]
    Socket {
        /// Which path.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The admin API's token cannot be used.
    #[error("the token file {}: {text}", path.display())]
    Token {
        /// Which file.
        path: PathBuf,
        /// Why not.
        text: String,
    },
    /// The admin API would be open to others without a token.
    #[error(
        "the admin API on {0} could be used by anybody who reaches it: give a token with http_token_file, or listen on loopback"
    )]
    NoToken(SocketAddr),
    /// Serf's RPC cannot be served there.
    #[error(
        "Serf's RPC cannot listen on {address}: {}; give another address with --serf-rpc", bind_fault(*address, source, "is a serf agent running there?")
    )]
    SerfRpc {
        /// Which address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Serf's RPC would be open to others without a token.
    #[error(
        "Serf's RPC on {0} could be used by anybody who reaches it: give a token with serf_rpc_auth_file, or listen on loopback"
    )]
    NoSerfRpcToken(SocketAddr),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// A signal cannot be waited for.
    #[error("signals cannot be heard: {0}")]
    Signal(#[from] std::io::Error),
    /// The node's task ended by itself.
    #[error("the node stopped by itself, which is a bug; its log tells more")]
    NodeStopped,
    /// Nobody was met.
    #[error("no member was met in {tries} rounds of joining, and --retry-max allows no more{reasons}")]
    NotJoined {
        /// How often it was tried.
        tries: u64,
        /// Why, seed by seed, each on a line.
        reasons: String,
    },
    /// Copies of this data directory keep being started.
    #[error(
        "this agent has made itself {NEW_IDENTITIES_MAX} new identities and found each of them copied: something copies its data directory as it runs; stop that"
    )]
    CopiedAgain,
}

/// Runs an agent until `shutdown` is ready, then leaves the cluster; SIGHUP has it read its configuration again, SIGINT and SIGTERM while it leaves end it at once.
///
/// Prints who it is and where it listens to standard output, unless logs are JSON. Wants a tokio runtime with I/O and time.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<Exit, RunError> {
    let greets = config.log_format == LogFormat::Text;
    let hangups = signal(SignalKind::hangup())?; // from here on it ends nobody
    let mut running = start(config).await?;
    running.tasks.spawn(reload::at_hangups(running.agent.clone(), hangups));
    if greets {
        logging::greet(&running.greeting());
    }
    running.until(shutdown).await
}

/// Ready at the next SIGINT or SIGTERM.
pub async fn interrupted() -> Result<(), RunError> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Starts an agent: when this returns, it gossips and its API answers.
pub async fn start(config: Config) -> Result<Running, RunError> {
    let keyring = keyring(config.key_file.clone()).await?;
    // The store first: its lock says that no other agent runs here, so that a socket file beside it is stale.
    let store = StoreHandle::open(config.data_dir.as_deref()).await?;
    let asked_for = config.http_token_file.as_deref().filter(|_| config.http.is_some());
    let token = token(asked_for).await?.map(|token| Arc::new(RwLock::new(token)));
    let listeners = listen(&config, token.clone()).await?;
    let serf_rpc = listen_for_serf(&config).await?;
    let found = keys::recall(&store, &keyring, wall()).await;
    let note = found.note.clone();
    let desk = keys::Desk::new(found);
    let agent = Arc::new(Agent::new(config, keyring, desk, token, store, identity::new_session()?));
    note.into_iter().for_each(|note| agent.note(About::KeysNoted, "", note));
    let numbered = agent.store.repairs().iter().zip(1..);
    numbered.for_each(|(repair, nth)| agent.note(About::Repaired, &format!("{nth}"), repair.clone()));
    let gossip = start_node(&agent, &*agent.in_force.lock().await, agent.config.bind).await?;
    let http = listeners.iter().find_map(|(listener, _)| listener.address());
    let serf_rpc_address = serf_rpc.as_ref().and_then(|(listener, _)| listener.local_addr().ok());
    let listens = Listens { gossip, http, socket: agent.config.socket.clone(), serf_rpc: serf_rpc_address };
    agent.listens.set(listens).unwrap_or_else(|_| unreachable!("it is set here alone"));
    let mut serving = JoinSet::new();
    for (listener, guard) in listeners {
        serving.spawn(serve::serve(listener, agent.clone(), guard));
    }
    if let Some((listener, token)) = serf_rpc {
        serving.spawn(serf_rpc::serve(listener, agent.clone(), token));
    }
    let mut tasks = JoinSet::new();
    tasks.spawn(strangers::tell(agent.clone()));
    tasks.spawn(join::stay_joined(agent.clone(), identity::new_session()?));
    tasks.spawn(upkeep::save_members(agent.clone()));
    tasks.spawn(logging::limit::sum_up());
    tasks.spawn(upkeep::feed_watchdog(agent.clone()));
    tasks.spawn(keys::serve(agent.clone()));
    tasks.spawn(keys::expire(agent.clone()));
    tasks.spawn(bans::stay_saved(agent.clone()));
    tasks.spawn(orders::stay_saved(agent.clone()));
    tasks.spawn(events::stay_saved(agent.clone()));
    tasks.spawn(events::ask_about_durable(agent.clone()));
    let mut handling = JoinSet::new();
    for handler in &agent.handlers {
        handling.spawn(handlers::run(agent.clone(), handler.clone()));
    }
    if agent.config.vitals {
        tasks.spawn(upkeep::read_machine(agent.clone()));
    }
    // Ready is who gossips: the node's task has answered, not only been started.
    agent.inspect(|_| ()).await.map_err(|_| RunError::NodeStopped)?;
    upkeep::tell(&[NotifyState::Ready]);
    Ok(Running { agent, serving, handling, tasks, identities: 0 })
}

/// Where the API listens, before anything is said to anybody.
async fn listen(
    config: &Config,
    token: Option<Arc<RwLock<Token>>>,
) -> Result<Vec<(Listener, Guard)>, RunError> {
    let mut listeners = Vec::new();
    if let Some(address) = config.http {
        let guard = match token {
            Some(token) => Guard::Token(token),
            None if address.ip().to_canonical().is_loopback() => {
                Guard::Loopback(config.http_hosts.clone().into())
            }
            None => return Err(RunError::NoToken(address)),
        };
        let listener = Listener::tcp(address).await.map_err(|source| RunError::Http { address, source })?;
        listeners.push((listener, guard));
    }
    if let Some(path) = &config.socket {
        if let Some(dir) = path.parent().filter(|dir| Some(*dir) == config.data_dir.as_deref()) {
            use std::os::unix::fs::DirBuilderExt;
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
            made.map_err(|source| RunError::Socket { path: path.clone(), source })?;
        }
        let failed = |source| RunError::Socket { path: path.clone(), source };
        listeners.push((Listener::unix(path).await.map_err(failed)?, Guard::Socket));
    }
    Ok(listeners)
}

/// Where Serf's RPC listens, and the token it asks for.
async fn listen_for_serf(config: &Config) -> Result<Option<(TcpListener, Option<Arc<Token>>)>, RunError> {
    let Some(address) = config.serf_rpc else { return Ok(None) };
    let token = token(config.serf_rpc_auth_file.as_deref()).await?.map(Arc::new);
    if token.is_none() && !address.ip().to_canonical().is_loopback() {
        return Err(RunError::NoSerfRpcToken(address));
    }
    let listener = TcpListener::bind(address).await;
    Ok(Some((listener.map_err(|source| RunError::SerfRpc { address, source })?, token)))
}

/// The cluster's keys in a file, or none if none is named. Waits as long as the disk takes, and tells the log so.
async fn keyring(path: Option<PathBuf>) -> Result<Keyring, RunError> {
    let Some(path) = path else { return Ok(Keyring::insecure()) };
    let (what, file) = (format!("the key file {}", path.display()), path.clone());
    let loaded = aside::once(&what, move || Keyring::load(&file)).await;
    loaded.map_err(KeyringError::Io).flatten().map_err(|source| RunError::Key { path, source })
}

/// The token in a file, if one is named. Waits as long as the disk takes, and tells the log so.
async fn token(path: Option<&Path>) -> Result<Option<Token>, RunError> {
    let Some(path) = path.map(Path::to_path_buf) else { return Ok(None) };
    let (what, file) = (format!("the token file {}", path.display()), path.clone());
    let loaded = aside::once(&what, move || Token::load(&file)).await;
    let loaded = loaded.map_err(|error| error.to_string()).flatten();
    loaded.map(Some).map_err(|text| RunError::Token { path, text })
}

/// Starts a node under the store's identity, with what is in force by now, and puts it into `agent`. Returns where it listens.
async fn start_node(
    agent: &Arc<Agent>,
    in_force: &InForce,
    bind: SocketAddr,
) -> Result<SocketAddr, RunError> {
    let config = &agent.config;
    let Who { keys, epoch, copied_from } = agent.store.who();
    let Recalled { tags, events: kept, setting: bans } = agent.store.recall(bans::NAME).await?;
    let life = Life { epoch, session: identity::new_session()? };
    let wire = rumormill_runtime::config::Config {
        bind,
        advertise: (!config.advertise.is_empty()).then(|| config.advertise.clone()),
        seeds: literal(&config.join),
        cluster: config.cluster.clone(),
        keyring: agent.keyring.clone(),
        insecure: config.insecure,
        me: keys.id(),
        life,
        limits: limits(bind.ip(), config.budget_bytes_per_s),
        faults: config.faults,
        seed: None,
    };
    let sockets = Sockets::bind(&wire)?;
    let local = sockets.local_addr();
    agent.advertise(&sockets);
    let me = swim::Me {
        id: keys.id(),
        life,
        name: config.name.clone(),
        contact: sockets.contact().payload(),
        tags: Payload::from(&tags.unwrap_or_else(|| TagMap(in_force.tags.clone()).encoded())[..]),
        copied_from,
    };
    let budget_bytes_per_s = in_force.vitals_bytes_per_s;
    let vitals = config
        .vitals
        .then(|| Latest::new(latest::Config { budget_bytes_per_s, ..latest::Config::default() }, life));
    let told = events::start(agent, keys.id(), life, &kept);
    let queries = Queries::new(spread::queries::Config::default(), life);
    agent.query_board().desk.begin_anew();
    let bans = bans::recall(agent, keys.clone(), bans);
    let mut swim = Swim::new(config.swim.clone(), me, keys.clone());
    orders::recall(agent, &mut swim).await;
    let node = Node::new(swim, vitals, told, queries, Known::default(), bans);
    agent.view().on_change(ChangeKind::Up, keys.id(), Some((&config.name, true)), wall());
    let handle: Handle = rumormill_runtime::start(wire, sockets, node, agent.ears()).await?;
    agent.set_handle(Some(handle));
    events::hold_again(agent, &kept).await;
    tracing::info!(id = %keys.id(), epoch, name = config.name, gossip = %local, cluster = config.cluster, "started");
    if let Some(before) = copied_from {
        let text = format!(
            "this node was {before} until a copy of its data directory was found running; both are members now"
        );
        agent.note(About::Copied, "", text);
    }
    Ok(local)
}

/// The seeds that are addresses: a node that listens everywhere is reached by the route to them.
fn literal(seeds: &[Seed]) -> Vec<SocketAddr> {
    let address = |seed: &Seed| if let Seed::Address(address) = seed { Some(*address) } else { None };
    seeds.iter().filter_map(address).collect()
}

fn wall() -> Wall {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Wall(u64::try_from(unix.as_millis()).unwrap_or(u64::MAX))
}

/// Waits until this id, and not one that the node had before, is superseded.
async fn is(superseded: &mut watch::Receiver<Option<NodeId>>, me: NodeId) {
    if superseded.wait_for(|of| *of == Some(me)).await.is_err() {
        std::future::pending().await // unreachable as long as there is an agent
    }
}

/// Waits until joining was given up, and tells after how many rounds.
async fn given_up(gave_up: &mut watch::Receiver<Option<u64>>) -> u64 {
    let tries = gave_up.wait_for(Option::is_some).await.ok().and_then(|tries| *tries);
    match tries {
        Some(tries) => tries,
        None => std::future::pending().await, // unreachable as long as there is an agent
    }
}

/// An agent that runs. Dropped, it stops without a word to the others.
pub struct Running {
    agent: Arc<Agent>,
    serving: JoinSet<()>,
    handling: JoinSet<()>,
    tasks: JoinSet<()>,
    identities: usize,
}

impl Running {
    /// What its parts share.
    pub fn agent(&self) -> &Arc<Agent> {
        &self.agent
    }

    /// Where it listens.
    pub fn listens(&self) -> &Listens {
        self.agent.listens().unwrap_or_else(|| unreachable!("an agent that runs listens"))
    }

    /// Who it is and where it listens, for people.
    pub fn greeting(&self) -> String {
        let Listens { gossip, http, socket, serf_rpc } = self.listens();
        let config = &self.agent.config;
        let id = self.agent.handle().map(|handle| handle.me().to_string()).unwrap_or_default();
        let version = env!("CARGO_PKG_VERSION");
        let mut text =
            format!("rumormill {version}: {} ({id}) in cluster {:?}\n", config.name, config.cluster);
        let mut line = |what: &str, value: &str| text.extend(["  ", what, value, "\n"]);
        line("gossip  ", &format!("{gossip} (UDP and TCP)"));
        match self.agent.keyring.is_insecure() {
            true => line("key     ", "none: anybody who reaches that port can take part"),
            false => line("key     ", &self.agent.keyring.primary().to_string()),
        }
        if let Some(http) = http {
            line("http    ", &format!("http://{http}"));
        }
        if let Some(socket) = socket {
            line("socket  ", &socket.display().to_string());
        }
        if let Some(address) = serf_rpc {
            line("serf rpc", &address.to_string());
        }
        match &config.data_dir {
            Some(dir) => line("data    ", &dir.display().to_string()),
            None => line("data    ", "none: this node forgets itself when it stops"),
        }
        text
    }

    /// Runs until `shutdown` is ready, or somebody asks it to leave by its API; then leaves.
    pub async fn until(mut self, shutdown: impl Future<Output = ()>) -> Result<Exit, RunError> {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut superseded = self.agent.superseded.subscribe();
        let mut gave_up = self.agent.gave_up.subscribe();
        loop {
            let handle = self.agent.handle().map_err(|_| RunError::NodeStopped)?;
            tokio::select! {
                () = shutdown.as_mut() => break,
                () = self.agent.asked_to_leave() => break,
                () = is(&mut superseded, handle.me()) => tokio::select! {
                    begun = self.begin_anew(&handle) => begun?,
                    () = shutdown.as_mut() => break, // the disk may hang
                },
                tries = given_up(&mut gave_up) => {
                    upkeep::tell(&[NotifyState::Stopping]);
                    self.end_handlers().await;
                    let reasons = lock(&self.agent.seeds).reasons();
                    self.stop().await;
                    return Err(RunError::NotJoined { tries, reasons });
                }
                () = handle.stopped() => return Err(RunError::NodeStopped),
            }
        }
        upkeep::tell(&[NotifyState::Stopping]);
        tracing::info!("leaving the cluster");
        let exit = tokio::select! {
            told = self.agent.leave() => if told { Exit::Left } else { Exit::Unheard },
            _ = interrupted() => return Ok(Exit::Cut),
        };
        upkeep::save_all(&self.agent).await;
        events::save_last(&self.agent).await;
        tokio::select! {
            () = self.end_handlers() => {}
            _ = interrupted() => {} // what runs yet is killed
        }
        self.stop().await;
        Ok(exit)
    }

    /// Starts no more commands, and waits until those that run have ended. The API still answers them.
    async fn end_handlers(&mut self) {
        self.agent.stop_handlers();
        while self.handling.join_next().await.is_some() {}
    }

    /// Stops without a word to the others: what a crash looks like to them. For tests.
    pub async fn crash(self) {
        self.stop().await;
    }

    async fn stop(mut self) {
        self.handling.shutdown().await;
        self.tasks.shutdown().await;
        self.agent.stop();
        while self.serving.join_next().await.is_some() {}
        if let Some(handle) = self.agent.set_handle(None) {
            handle.shutdown().await;
        }
        if !self.agent.store.close().await {
            let dir = self.agent.config.data_dir.as_deref().unwrap_or(Path::new("-")).display();
            tracing::warn!(
                "the data directory {dir} cannot be closed, for its disk does not answer: nothing that was promised to be stored is lost, \
                 but the kernel may keep this process until the disk answers"
            );
        }
    }

    /// A copy of this data directory runs elsewhere, in a greater life: this agent goes on as somebody else.
    async fn begin_anew(&mut self, before: &Handle) -> Result<(), RunError> {
        self.identities += 1;
        if self.identities > NEW_IDENTITIES_MAX {
            return Err(RunError::CopiedAgain);
        }
        let in_force = self.agent.in_force.lock().await; // nothing is read again while there is no node
        upkeep::save_all(&self.agent).await; // the new node joins by those whom the old one knew
        events::save_last(&self.agent).await; // and is told nothing twice
        self.agent.set_handle(None);
        before.shutdown().await;
        let was: NodeId = before.me();
        let Who { keys, .. } = self.agent.store.rekey().await?;
        tracing::error!(%was, now = %keys.id(), "this agent goes on under a new identity; both copies stay members");
        self.agent.view().begin_anew(was, wall());
        start_node(&self.agent, &in_force, before.local_addr()).await?;
        self.agent.seeds_changed.notify_one(); // join again, and at once
        Ok(())
    }
}
