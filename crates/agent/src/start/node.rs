//! The node: the composed protocol on sockets, prepared by the features.

use crate::agent::{Agent, Handle};
use crate::audience::compiled::CompiledFilters;
use crate::discover::Seed;
use crate::feature::Features;
use crate::features::tags;
use crate::identity;
use crate::model::ChangeKind;
use crate::node::Node;
use crate::observer::Observer;
use crate::start::error::RunError;
use crate::store::StoredIdentity;
use crate::wall::wall;
use crate::warnings::About;
use rumormill_core::identity::Life;
use rumormill_protocols::agree::bans::{self, Bans};
use rumormill_protocols::member::swim::{self, Swim};
use rumormill_protocols::spread::events::Events;
use rumormill_protocols::spread::queries::{self, Queries};
use rumormill_runtime::config::{Config, Sockets, limits};
use std::net::SocketAddr;
use std::sync::Arc;

/// A note: the data directory was copied.
const COPIED: About = About("data_directory_copied");

/// Starts a node under the store's identity, with the settings in force, and puts it into `agent`. Returns the address at which it gossips.
pub(super) async fn start_node(agent: &Arc<Agent>, bind: SocketAddr) -> Result<SocketAddr, RunError> {
    let config = &agent.config;
    let StoredIdentity { keys, epoch, copied_from } = agent.store.who();
    let kept_tags = agent.store.recall(|store| store.tags()).await?;
    let life = Life { epoch, session: identity::new_session()? };
    let wire = wire(agent, bind, life);
    let sockets = Sockets::bind(&wire)?;
    let local = sockets.local_addr();
    agent.advertise(&sockets);
    let me = swim::Me {
        id: keys.id(),
        life,
        name: config.name.clone(),
        contact: sockets.contact().payload(),
        tags: tags::service::at_start(agent, kept_tags),
        copied_from,
    };
    let swim = Swim::new(config.swim.clone(), me, keys.clone());
    let events = Events::new(config.events.protocol(), life);
    let queries = Queries::new(queries::Config::default(), life);
    let bans = Bans::new(bans::Config::default(), keys.clone());
    let mut node = Node::new(swim, None, events, queries, CompiledFilters::default(), bans);
    let features = agent.state::<Features>().0;
    for feature in features {
        (feature.prepare)(agent, &mut node, life).await?;
    }
    agent.view().on_change(ChangeKind::Up, keys.id(), Some((&config.name, true)), wall());
    let handle: Handle = rumormill_runtime::start(wire, sockets, node, Observer::new(agent)).await?;
    agent.set_handle(Some(handle));
    for feature in features {
        (feature.started)(agent).await;
    }
    tracing::info!(id = %keys.id(), epoch, name = config.name, gossip = %local, cluster = config.cluster, "started");
    if let Some(before) = copied_from {
        let text = format!(
            "this node was {before} until a copy of its data directory was found running; both are members now"
        );
        agent.note(COPIED, "", text);
    }
    Ok(local)
}

/// The runtime's settings.
fn wire(agent: &Agent, bind: SocketAddr, life: Life) -> Config {
    let config = &agent.config;
    Config {
        bind,
        advertise: (!config.advertise.is_empty()).then(|| config.advertise.clone()),
        seeds: literal(&config.join),
        cluster: config.cluster.clone(),
        keyring: agent.keyring.clone(),
        insecure: config.insecure,
        me: agent.store.who().keys.id(),
        life,
        limits: limits(bind.ip(), config.budget_bytes_per_s),
        faults: config.faults,
        seed: None,
    }
}

/// The seeds that are addresses: a node that listens everywhere is reached by the route to them.
fn literal(seeds: &[Seed]) -> Vec<SocketAddr> {
    let address = |seed: &Seed| if let Seed::Address(address) = seed { Some(*address) } else { None };
    seeds.iter().filter_map(address).collect()
}
