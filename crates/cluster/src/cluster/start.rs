//! Starts a member: keys, data directory, sockets, the composite, the tasks around it.

use super::builder::{Builder, Keys};
use super::check::check;
use super::{Cluster, Parts, encoded_tags};
use crate::address::Address;
use crate::audience::compiled::CompiledFilters;
use crate::data_dir::DataDir;
use crate::data_dir::state::State;
use crate::error::Error;
use crate::identity::{self, NodeKeys};
use crate::joiner::{Joiner, Progress};
use crate::keeper::Keeper;
use crate::node::{Handle, Node};
use crate::observer::Observer;
use crate::orders;
use crate::shared::Shared;
use rumormill_core::identity::{Life, NodeId};
use rumormill_protocols::agree::bans::{self, Bans};
use rumormill_protocols::member::swim::{self, Swim};
use rumormill_protocols::spread::events::Events;
use rumormill_protocols::spread::queries::{self, Queries};
use rumormill_runtime::config::{Config, Sockets, limits};
use rumormill_runtime::contact::Contact;
use rumormill_runtime::keyring::Keyring;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};

/// A member's identity, and the state that it continues with.
struct Identity {
    keys: NodeKeys,
    life: Life,
    copied_from: Option<NodeId>,
    dir: Option<DataDir>,
    state: State,
}

impl Builder {
    /// Starts the member: when this returns, it gossips. It finds its seeds behind that; [`Cluster::joined`] waits for it. Needs a Tokio runtime with I/O and
    /// time, as `#[tokio::main]` makes it.
    ///
    /// # Errors
    /// If a setting, the key file, the data directory or the sockets cannot be used.
    pub async fn start(self) -> Result<Cluster, Error> {
        start(self).await
    }
}

async fn start(builder: Builder) -> Result<Cluster, Error> {
    check(&builder)?;
    let given_tags = encoded_tags(builder.tags.clone())?;
    let bind = bind_address(&builder.bind).await?;
    let (keyring, key_file) = keyring(builder.keys.clone()).await?;
    let Identity { keys, life, copied_from, dir, state } = identity(builder.data_dir.clone()).await?;
    let wire = wire(&builder, bind, keyring.clone(), keys.id(), life);
    let sockets = Sockets::bind(&wire)?;
    let me = swim::Me {
        id: keys.id(),
        life,
        name: builder.name.clone(),
        contact: sockets.contact().payload(),
        tags: state.tags.clone().unwrap_or(given_tags),
        copied_from,
    };
    let node = compose(&builder, me, &keys, &state);
    let (shared, to_do) = Shared::new();
    let handle = rumormill_runtime::start(wire, sockets, node, Observer::new(shared.clone())).await?;
    let handle = Arc::new(handle);
    shared.set_handle(&handle);
    let contacts = state.members.iter().filter_map(|member| Contact::decode(&member.contact).ok());
    let known: Vec<SocketAddr> = contacts.flat_map(|contact| contact.addresses().to_vec()).collect();
    let progress = Progress::of(&builder.seeds, !known.is_empty());
    let progress = Arc::new(watch::Sender::new(progress));
    let keeper = dir.map(|dir| Arc::new(Keeper::new(dir, state, shared.clone())));
    let mut tasks = JoinSet::new();
    let seed = identity::new_session()?;
    tasks.spawn(
        Joiner::new(handle.clone(), progress.clone(), shared.is_joined.subscribe(), known, seed).run(),
    );
    tasks.spawn(orders::serve(handle.clone(), keyring.clone(), key_file, to_do));
    tasks.spawn(stop_if_superseded(handle.clone(), shared.clone()));
    if let Some(keeper) = &keeper {
        tasks.spawn(keeper.clone().run(handle.clone()));
    }
    Ok(Cluster::new(Parts { builder, keyring, handle, shared, progress, keeper, tasks }))
}

async fn bind_address(bind: &Address) -> Result<SocketAddr, Error> {
    let failed = |source| Error::Address { address: bind.clone(), source };
    let found = bind.lookup().await.map_err(failed)?;
    found.first().copied().ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))
}

/// The cluster's keys, and the file into which their changes are written.
async fn keyring(keys: Keys) -> Result<(Keyring, Option<PathBuf>), Error> {
    match keys {
        Keys::None => Ok((Keyring::insecure(), None)),
        Keys::Ring(keyring) => Ok((keyring, None)),
        Keys::File(path) => {
            let file = path.clone();
            let loaded = spawn_blocking(move || Keyring::load(&file)).await;
            let keyring = loaded.map_err(|_| Error::Stopped)?;
            match keyring {
                Ok(keyring) => Ok((keyring, Some(path))),
                Err(source) => Err(Error::KeyFile { path, source }),
            }
        }
    }
}

async fn identity(dir: Option<PathBuf>) -> Result<Identity, Error> {
    let session = identity::new_session()?;
    let Some(path) = dir else {
        let (keys, life) = (NodeKeys::generate()?, Life { epoch: 1, session });
        return Ok(Identity { keys, life, copied_from: None, dir: None, state: State::default() });
    };
    let opened = spawn_blocking(move || DataDir::open(&path)).await;
    let (dir, state) = opened.map_err(|_| Error::Stopped)??;
    let (keys, life) = (dir.keys(), Life { epoch: dir.epoch(), session });
    Ok(Identity { keys, life, copied_from: dir.copied_from(), dir: Some(dir), state })
}

fn wire(builder: &Builder, bind: SocketAddr, keyring: Keyring, me: NodeId, life: Life) -> Config {
    let address = |seed: &Address| if let Address::Socket(address) = seed { Some(*address) } else { None };
    Config {
        bind,
        advertise: (!builder.advertise.is_empty()).then(|| builder.advertise.clone()),
        seeds: builder.seeds.iter().filter_map(address).collect(),
        cluster: builder.cluster.clone(),
        keyring,
        insecure: builder.insecure,
        me,
        life,
        limits: limits(bind.ip(), builder.budget_bytes_per_s),
        faults: builder.faults,
        seed: None,
    }
}

/// The composite, as the agent's but for vitals and suspicion levels.
fn compose(builder: &Builder, me: swim::Me, keys: &NodeKeys, state: &State) -> Node {
    let life = me.life;
    let mut swim = Swim::new(builder.swim.clone(), me, keys.clone());
    swim.recall(state.orders.clone());
    let mut bans = Bans::new(bans::Config::default(), keys.clone());
    bans.recall(state.bans.clone());
    let events = Events::resume(builder.events.clone(), life, &state.positions);
    let queries = Queries::new(queries::Config::default(), life);
    Node::new(swim, None, events, queries, CompiledFilters::default(), bans)
}

/// A copy of the data directory runs elsewhere in a greater life: this node stops, and its streams end behind `Event::Superseded`.
async fn stop_if_superseded(handle: Arc<Handle>, shared: Arc<Shared>) {
    let mut superseded = shared.superseded.subscribe();
    if superseded.wait_for(|superseded| *superseded).await.is_ok() {
        handle.shutdown().await;
    }
}
