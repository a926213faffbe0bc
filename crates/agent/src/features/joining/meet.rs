//! Meeting the member at an address, and the reason if that fails.
//!
//! A member is met once the exchange of members is through: our card went to it before its own came, so each lists the other.

use crate::agent::Agent;
use crate::describe::name_of;
use crate::discover::{ADDRESSES_MAX, Seed, SeedError};
use crate::model::{self, JoinReason};
use crate::node::Call;
use crate::refusal::Refusal;
use crate::states::lock;
use rumormill_cluster::Why;
use rumormill_cluster::meeting::{self, EXCHANGE_MAX};
use rumormill_core::identity::NodeId;
use rumormill_core::time::Duration;
use rumormill_protocols::member::swim;
use rumormill_protocols::spread::events;
use rumormill_runtime::addresses::{is_link_local, own};
use rumormill_runtime::hello::ResolveError;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Addresses in one request to join.
pub const JOIN_ADDRESSES_MAX: usize = 64;
/// How long a name may be looked up for a request to join (our guess: a person waits).
const LOOKUP_MAX: Duration = Duration::from_secs(15);

/// Why no member was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub reason: JoinReason,
    /// What is wrong, with the address.
    pub text: String,
    /// What to do.
    pub hint: String,
}

impl Fault {
    fn new(reason: JoinReason, text: impl Into<String>, hint: impl Into<String>) -> Fault {
        Fault { reason, text: text.into(), hint: hint.into() }
    }
}

impl From<SeedError> for Fault {
    fn from(error: SeedError) -> Fault {
        let hint = match error.reason {
            JoinReason::NoSuchName => "check its spelling, /etc/hosts and DNS",
            JoinReason::NameServer => {
                "check /etc/resolv.conf and the name server, or give an address instead of the name"
            }
            JoinReason::SeedFile => "check the file that join_file names",
            _ => "name fewer seeds",
        };
        Fault::new(error.reason, error.text, hint)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.text, self.hint)
    }
}

/// An address, and the member that was met there.
pub(crate) type Met = (SocketAddr, Result<NodeId, Fault>);

impl Agent {
    /// Joins by these addresses. An address by which a member was met is a seed from now on.
    pub async fn join(self: &Arc<Self>, request: model::JoinRequest) -> Result<model::JoinResult, Refusal> {
        if request.addresses.is_empty() {
            return Err(Refusal::invalid("no address is given", "send {\"addresses\": [\"10.0.0.1:7900\"]}"));
        }
        if request.addresses.len() > JOIN_ADDRESSES_MAX {
            let error =
                format!("{} addresses at once; {JOIN_ADDRESSES_MAX} are the most", request.addresses.len());
            return Err(Refusal::invalid(
                error,
                "one that answers is enough: the rest of the cluster is learnt from it",
            ));
        }
        Ok(model::JoinResult { addresses: self.join_all(&request.addresses).await })
    }

    async fn join_all(self: &Arc<Self>, seeds: &[String]) -> Vec<model::Joined> {
        let mut running = JoinSet::new();
        for (at, text) in seeds.iter().cloned().enumerate() {
            let agent = self.clone();
            running.spawn(async move { (at, agent.join_one(text).await) });
        }
        let mut joined = running.join_all().await;
        joined.sort_by_key(|(at, _)| *at);
        let mut seen = std::collections::BTreeSet::new();
        let all = joined.into_iter().flat_map(|(_, joined)| joined);
        all.filter(|joined| seen.insert(joined.address.clone())).collect()
    }

    async fn join_one(self: &Arc<Self>, text: String) -> Vec<model::Joined> {
        let failed = |address: String, fault: &Fault| model::Joined {
            address,
            reason: Some(fault.reason),
            error: Some(fault.to_string()),
            ..model::Joined::default()
        };
        let seed: Seed = match text.parse() {
            Ok(seed) => seed,
            Err(error) => {
                let fault = Fault::new(JoinReason::Other, error, "write ADDR:PORT or HOST:PORT");
                return vec![failed(text, &fault)];
            }
        };
        let found = timeout(LOOKUP_MAX, self.lookup(&seed)).await.unwrap_or_else(|_| {
            let text = format!("the name servers have not answered for {} s", LOOKUP_MAX.as_secs());
            Err(SeedError { seed: seed.to_string(), reason: JoinReason::NameServer, text }.into())
        });
        let met = match found {
            Ok(addresses) => self.meet_all(addresses).await,
            Err(fault) => return vec![failed(text, &fault)],
        };
        if met.iter().any(|(_, met)| met.is_ok()) {
            lock(&self.joining().finder).add(seed);
            self.joining().changed.notify_one();
        }
        let mut joined = Vec::new();
        for (address, met) in met {
            joined.push(match met {
                Ok(id) => self.joined(address, id).await,
                Err(fault) => failed(address.to_string(), &fault),
            });
        }
        joined
    }

    async fn joined(self: &Arc<Self>, address: SocketAddr, id: NodeId) -> model::Joined {
        let name = self.inspect(move |inside| name_of(inside, id)).await;
        let (address, id) = (address.to_string(), Some(id.to_string()));
        model::Joined { address, id, name: name.ok().flatten(), ..model::Joined::default() }
    }

    /// The addresses of a seed at this moment.
    pub(crate) async fn lookup(&self, seed: &Seed) -> Result<Vec<SocketAddr>, Fault> {
        let finder = lock(&self.joining().finder).clone();
        let mut addresses = finder.lookup_one(seed).await?;
        addresses.truncate(ADDRESSES_MAX);
        Ok(addresses)
    }

    /// Meets the members at these addresses side by side. The answers have the order of the addresses.
    pub(crate) async fn meet_all(self: &Arc<Self>, addresses: Vec<SocketAddr>) -> Vec<Met> {
        let mut running = JoinSet::new();
        for (at, address) in addresses.into_iter().enumerate() {
            let agent = self.clone();
            running.spawn(async move {
                let _permit = agent.joining().meetings.acquire().await;
                (at, address, agent.meet(address).await)
            });
        }
        let mut met = running.join_all().await;
        met.sort_by_key(|(at, ..)| *at);
        met.into_iter().map(|(_, address, met)| (address, met)).collect()
    }

    /// Resolves `address` to a member, and exchanges members with it.
    async fn meet(self: &Arc<Self>, address: SocketAddr) -> Result<NodeId, Fault> {
        if self.is_mine(address) {
            return Err(self.fault(address, &ResolveError::Myself));
        }
        let address = self.on_own_link(address)?;
        self.sends_to(address)?;
        let handle = self.handle().map_err(|_| self.fault(address, &ResolveError::Stopped))?;
        let resolving = |more| handle.call(Call::Events(events::Call::Resolving(more)));
        let _ = resolving(true).await; // a node that has stopped resolves nothing
        let resolved = match handle.resolve(address).await {
            // A process there does not understand this node, whose key may have been removed while it was away.
            Err(ResolveError::Stranger | ResolveError::TimedOut) if self.request_keys(address).await => {
                handle.resolve(address).await
            }
            resolved => resolved,
        };
        if let Ok(id) = resolved {
            self.reached_from(address).await;
            let _ = handle.call(Call::Swim(swim::Call::Join(id))).await;
        }
        let _ = resolving(false).await;
        let id = resolved.map_err(|error| self.fault(address, &error))?;
        self.exchange(address, id).await.map(|()| id)
    }

    /// Waits until the exchange of members with `id` is through, which answers at `address`.
    async fn exchange(&self, address: SocketAddr, id: NodeId) -> Result<(), Fault> {
        let handle = self.handle().map_err(|_| self.fault(address, &ResolveError::Stopped))?;
        match meeting::exchange(&handle, address, id).await {
            Ok(()) => Ok(()),
            Err(Why::TcpBlocked) => Err(tcp_blocked(address)),
            Err(Why::Resolve(error)) => Err(self.fault(address, &error)),
            Err(_) => {
                let waited = EXCHANGE_MAX.as_secs();
                let text = format!("{address} answers, but has not exchanged members within {waited} s");
                let hint = "it may be overloaded, or this node is banned there: ask `rumormill bans` and look at the log there";
                Err(Fault::new(JoinReason::Exchange, text, hint))
            }
        }
    }

    /// A link-local address that names no interface is on the link that this node is bound to.
    fn on_own_link(&self, address: SocketAddr) -> Result<SocketAddr, Fault> {
        let (SocketAddr::V6(mut v6), true) = (address, is_link_local(address.ip())) else {
            return Ok(address);
        };
        let bound = match self.config.bind {
            SocketAddr::V6(bound) => bound.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        if v6.scope_id() == 0 && bound != 0 {
            v6.set_scope_id(bound);
        }
        if v6.scope_id() == 0 {
            let text = format!("{address} is a link-local address, which needs its interface");
            let hint = format!("write [{}%eth0]:{}", v6.ip(), v6.port());
            return Err(Fault::new(JoinReason::Unreachable, text, hint));
        }
        Ok(v6.into())
    }

    /// Refuses addresses beyond loopback for a node that is bound to loopback: no member there could reach it.
    fn sends_to(&self, address: SocketAddr) -> Result<(), Fault> {
        let (bind, ip) = (self.config.bind.ip().to_canonical(), address.ip().to_canonical());
        let is_here = || ip.is_loopback() || own().iter().any(|own| own.ip == ip);
        if !bind.is_loopback() || !self.config.advertise.is_empty() || is_here() {
            return Ok(());
        }
        let text = format!(
            "{address} is beyond {bind}, where this node is bound and which reaches this machine alone"
        );
        let hint =
            "set --bind to an address of this machine that others reach, or to :7900 for all interfaces";
        Err(Fault::new(JoinReason::Unreachable, text, hint))
    }

    /// What the runtime found, as a fault.
    fn fault(&self, address: SocketAddr, error: &ResolveError) -> Fault {
        use JoinReason::*;
        let text = format!("{address}: {error}");
        match error {
            ResolveError::Myself => Fault::new(
                Myself,
                format!("{address} is this agent itself"),
                "give the address of another agent",
            ),
            ResolveError::Copy(_) => Fault::new(Myself, text, "give each agent a data directory of its own"),
            ResolveError::Refused => {
                Fault::new(Refused, text, "start the agent there, or compare the port with its --bind")
            }
            ResolveError::TimedOut => Fault::new(
                NoAnswer,
                text,
                "check that the host is up, that the address is right, and that its firewall passes UDP and TCP on that port",
            ),
            ResolveError::Stranger => Fault::new(OtherKey, text, self.about_keys()),
            ResolveError::OtherCluster(_) => Fault::new(
                OtherCluster,
                text,
                format!(
                    "this node's --cluster is {:?}: set the same name on both, or join another seed",
                    self.config.cluster
                ),
            ),
            ResolveError::Unreachable => {
                Fault::new(Unreachable, text, "bind to [::] to reach both IPv4 and IPv6")
            }
            ResolveError::TooMany | ResolveError::Stopped => Fault::new(Other, text, "it is tried again"),
        }
    }

    fn about_keys(&self) -> String {
        if self.keyring.is_insecure() {
            return "this node has no cluster key: give it the cluster's with --key-file, and compare --cluster".into();
        }
        let file =
            self.config.key_file.as_ref().map_or("its key file".into(), |path| path.display().to_string());
        format!(
            "this node's key is {}: compare it with `rumormill keys list` there, and --cluster too. If that key was removed while this node was away, its time to \
             catch up is over, or whoever answers does not know this node; then write the cluster's present key into {file} and start again",
            self.keyring.primary()
        )
    }
}

fn tcp_blocked(address: SocketAddr) -> Fault {
    let text = format!("{address} answers by UDP but not by TCP, which joining needs");
    Fault::new(JoinReason::TcpBlocked, text, "let the firewall pass TCP on that port in both directions")
}
