//! A whole agent, from its configuration to its end: the root, which puts the parts together.
//!
//! | module | what it does |
//! | --- | --- |
//! | `listen` | binds listeners, loads keys and tokens |
//! | `node` | starts a node, and another one when the data directory was copied |
//! | `running` | runs until the agent leaves |
//! | `error` | how an agent ends, and why it cannot start |
//!
//! Everything runs in one thread: the node's task owns its state, and all others reach it by messages.

mod error;
mod interrupted;
mod listen;
mod node;
mod running;

pub use crate::agent::{Agent, Listens};
pub use error::{Exit, NEW_IDENTITIES_MAX, RunError};
pub use interrupted::interrupted;
pub use running::Running;

use crate::agent::Parts;
use crate::config::{Config, LogFormat};
use crate::feature::Features;
use crate::features::{FEATURES, reload, sql};
use crate::states::States;
use crate::store::StoreHandle;
use crate::warnings::About;
use crate::{handlers, http, identity, logging, serf_rpc, service_manager};
use sd_notify::NotifyState;
use std::future::Future;
use std::sync::{Arc, RwLock};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

/// A note: the data directory was repaired.
const REPAIRED: About = About("data_directory_repaired");

/// Runs an agent until `shutdown` is ready, then leaves the cluster; SIGHUP has it read its configuration again, SIGINT and SIGTERM while it leaves end it at once.
///
/// Prints its name, id and addresses to standard output, unless logs are JSON. Needs a tokio runtime with I/O and time.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<Exit, RunError> {
    let greets = config.log_format == LogFormat::Text;
    let hangups = signal(SignalKind::hangup())?; // from here on SIGHUP does not end the process
    let mut running = start(config).await?;
    running.tasks.spawn(reload::service::at_hangups(running.agent.clone(), hangups));
    if greets {
        logging::greet(&running.greeting());
    }
    running.until(shutdown).await
}

/// Starts an agent: when this returns, it gossips and its APIs answer.
pub async fn start(config: Config) -> Result<Running, RunError> {
    let keyring = listen::keyring(config.key_file.clone()).await?;
    rumormill_sql::count_memory_by_thread(); // before SQLite is used
    // The store first: its lock says that no other agent runs here, so that a socket file beside it is stale.
    let store = StoreHandle::open(config.data_dir.as_deref()).await?;
    let token_file = config.http_token_file.as_deref().filter(|_| config.http.is_some());
    let token = listen::token(token_file).await?.map(|token| Arc::new(RwLock::new(token)));
    let listeners = listen::listen(&config, token.clone()).await?;
    let serf_rpc = listen::listen_for_serf(&config).await?;
    let postgres = listen::listen_for_postgres(&config).await?;
    let about_member = FEATURES.iter().map(|feature| feature.about_member).collect();
    let session = identity::new_session()?;
    let agent = agent(Parts { config, keyring, store, token, session, about_member });
    for feature in FEATURES {
        (feature.open)(&agent).await;
    }
    let hold = reload::service::hold(&agent).await;
    let gossip = node::start_node(&agent, agent.config.bind).await?;
    drop(hold);
    let http = listeners.iter().find_map(|(listener, _)| listener.address());
    let serf_rpc_address = serf_rpc.as_ref().and_then(|(listener, _)| listener.local_addr().ok());
    let pg = postgres.as_ref().and_then(|(listener, _)| listener.local_addr().ok());
    let listens =
        Listens { gossip, http, socket: agent.config.socket.clone(), serf_rpc: serf_rpc_address, pg };
    agent.listens.set(listens).unwrap_or_else(|_| unreachable!("it is set here alone"));
    let mut serving = JoinSet::new();
    for (listener, guard) in listeners {
        serving.spawn(http::serve::serve(listener, agent.clone(), guard));
    }
    if let Some((listener, token)) = serf_rpc {
        serving.spawn(serf_rpc::serve(listener, agent.clone(), token));
    }
    if let Some((listener, password)) = postgres {
        serving.spawn(sql::service::serve_postgres(listener, agent.clone(), password));
    }
    let mut tasks = JoinSet::new();
    tasks.spawn(logging::limit::sum_up());
    tasks.spawn(service_manager::feed_watchdog(agent.clone()));
    FEATURES.iter().for_each(|feature| (feature.tasks)(&agent, &mut tasks));
    let mut handling = JoinSet::new();
    for handler in handlers::handlers(&agent) {
        handling.spawn(handlers::run(agent.clone(), handler.clone()));
    }
    // An agent is ready when the node's task has answered, not when it was only started.
    agent.inspect(|_| ()).await.map_err(|_| RunError::NodeStopped)?;
    service_manager::tell(&[NotifyState::Ready]);
    Ok(Running { agent, serving, handling, tasks, identities: 0 })
}

/// The agent with the states of all features.
fn agent(parts: Parts) -> Arc<Agent> {
    let mut states = States::default();
    states.add(Features(FEATURES));
    FEATURES.iter().for_each(|feature| (feature.state)(&parts, &mut states));
    let agent = Arc::new(Agent::new(parts, states));
    for (repair, nth) in agent.store.repairs().iter().zip(1..) {
        agent.note(REPAIRED, &format!("{nth}"), repair.clone());
    }
    agent
}
