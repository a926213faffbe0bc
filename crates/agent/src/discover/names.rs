//! Names to addresses, as the system does it: `getaddrinfo` knows `/etc/hosts`, `nsswitch.conf` and whatever else this machine is set up with.
//!
//! It blocks, for as long as name servers are silent, so it runs on threads of its own: at most [`THREADS_MAX`], and one for each name. Nothing waits
//! for these threads but who wants the answer: neither the node's thread nor the end of the process. What `getaddrinfo` cannot do is asked of DNS
//! directly: SRV records, and a name server of the operator's choice.

use super::seed::{SEED_PORT, Seed, SeedError};
use crate::model::JoinReason;
use crate::worker;
use hickory_resolver::config::{
    LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Hosts, TokioResolver, system_conf};
use rumormill_runtime::addresses::with_port;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Names that the system looks up at the same time, each on a thread of its own (our guess: what a name server on the same site takes without noticing).
pub const THREADS_MAX: usize = 16;
/// How long one query to a name server of the operator's choice may take; there are two attempts (our guess: seeds are asked for again soon).
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);
/// How long one kind of records is waited for once another has come (our guess; RFC 8305 waits 50 ms for AAAA behind A, for a person).
const GRACE: Duration = Duration::from_millis(300);
/// Most targets of a name's SRV records that are followed (our guess).
const SRV_TARGETS_MAX: usize = 64;
/// SRV records are looked for under this, before the host's name (RFC 2782).
const SRV_PREFIX: &str = "_rumormill._udp";

/// Why a name led nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    reason: JoinReason,
    text: String,
}

type Found = Result<Vec<SocketAddr>, Fault>;

/// Looks names up. Clones share their threads.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// What is being looked up, and who waits for it.
    under_way: Arc<Mutex<BTreeMap<String, Vec<oneshot::Sender<Found>>>>>,
}

impl Names {
    /// The addresses of a seed at this moment. `dns_server` is asked in place of the system.
    pub async fn lookup(
        &self,
        seed: &Seed,
        dns_server: Option<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, SeedError> {
        let (host, port) = match seed {
            Seed::Address(address) => return Ok(vec![*address]),
            Seed::Name { host, port } => (host, *port),
        };
        let addresses = self.addresses(host, port.unwrap_or(SEED_PORT), dns_server);
        let found = match port {
            Some(_) => addresses.await,
            None => services_first(side_by_side(services(host, dns_server), addresses).await),
        };
        found.map_err(|Fault { reason, text }| SeedError { seed: seed.to_string(), reason, text })
    }

    async fn addresses(&self, host: &str, port: u16, dns_server: Option<SocketAddr>) -> Found {
        let found = match dns_server {
            None => self.of_the_system(host).await?,
            Some(server) => of_server(host, server).await?,
        };
        match found.is_empty() {
            true => Err(Fault { reason: JoinReason::NoSuchName, text: "the name has no addresses".into() }),
            false => Ok(found.into_iter().map(|address| with_port(address, port)).collect()),
        }
    }

    /// Joins the look-up of that name which is under way, or starts one.
    async fn of_the_system(&self, host: &str) -> Found {
        let (reply, answer) = oneshot::channel();
        let is_first = {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            under_way.values_mut().for_each(|waiting| waiting.retain(|reply| !reply.is_closed()));
            let is_first = !under_way.contains_key(host);
            if is_first && under_way.len() >= THREADS_MAX {
                let text = format!("{THREADS_MAX} other names are still being looked up");
                return Err(Fault { reason: JoinReason::NameServer, text });
            }
            under_way.entry(host.to_string()).or_default().push(reply);
            is_first
        };
        if is_first {
            let (names, name) = (self.clone(), host.to_string());
            let thread = std::thread::Builder::new().name("resolver".into());
            if let Err(error) = thread.spawn(move || names.found(&name, system(&name))) {
                self.found(host, Err(Fault { reason: JoinReason::NameServer, text: error.to_string() }));
            }
        }
        let ended = || Fault { reason: JoinReason::NameServer, text: "the look-up was given up".into() };
        answer.await.unwrap_or_else(|_| Err(ended()))
    }

    fn found(&self, host: &str, found: Found) {
        let waiting = self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(host);
        waiting.into_iter().flatten().for_each(|reply| drop(reply.send(found.clone())));
    }
}

/// `getaddrinfo`. The ports are 0.
fn system(host: &str) -> Found {
    (host, 0).to_socket_addrs().map(Iterator::collect).map_err(|error| {
        let text = error.to_string();
        let text = text.rsplit(": ").next().unwrap_or_default().to_string();
        // What glibc, musl and the BSDs say of a name that is not there; the error carries no code.
        let unknown =
            ["Name or service not known", "Name does not resolve", "nodename nor servname", "No address"];
        match unknown.iter().any(|known| text.contains(known)) {
            true => Fault { reason: JoinReason::NoSuchName, text: "there is no such name".into() },
            false => Fault { reason: JoinReason::NameServer, text },
        }
    })
}

/// Both, side by side; once one has found something, the other is given [`GRACE`].
async fn side_by_side(
    one: impl Future<Output = Found>,
    other: impl Future<Output = Found>,
) -> (Option<Found>, Option<Found>) {
    let (mut one, mut other) = (std::pin::pin!(one), std::pin::pin!(other));
    let (mut first, mut second) = (None, None);
    let mut until: Option<Instant> = None;
    loop {
        let late = sleep_until(until.unwrap_or_else(Instant::now));
        tokio::select! {
            found = &mut one, if first.is_none() => first = Some(found),
            found = &mut other, if second.is_none() => second = Some(found),
            () = late, if until.is_some() => break,
        }
        if first.is_some() && second.is_some() {
            break;
        }
        let has_found = |found: &Option<Found>| matches!(found, Some(Ok(found)) if !found.is_empty());
        if until.is_none() && (has_found(&first) || has_found(&second)) {
            until = Some(Instant::now() + GRACE);
        }
    }
    (first, second)
}

/// The addresses of services, then those of the host. A name needs one of the two.
fn services_first((services, host): (Option<Found>, Option<Found>)) -> Found {
    let mut found = services.and_then(Result::ok).unwrap_or_default();
    match host {
        Some(Ok(more)) => found.extend(more),
        Some(Err(fault)) if found.is_empty() => return Err(fault),
        _ => {}
    }
    Ok(found)
}

/// What `/etc/hosts` says, otherwise the A and AAAA records of that server, side by side.
async fn of_server(host: &str, server: SocketAddr) -> Found {
    let name = host.to_string();
    let found = worker::once("/etc/hosts", move || in_hosts(&name)).await;
    if let Some(found) = found.ok().filter(|found| !found.is_empty()) {
        return Ok(found);
    }
    let resolver = &resolver(Some(server)).await?;
    let records = async |kind| {
        let answer = resolver.lookup(host, kind).await.map_err(fault)?;
        Ok(answer.answers().iter().filter_map(|record| address(&record.data)).collect())
    };
    let found = match side_by_side(records(RecordType::A), records(RecordType::AAAA)).await {
        (Some(Ok(mut found)), Some(Ok(more))) => {
            found.extend(more);
            found
        }
        (Some(Ok(found)), _) | (_, Some(Ok(found))) => found,
        (Some(Err(fault)), _) | (_, Some(Err(fault))) => return Err(fault),
        (None, None) => Vec::new(),
    };
    Ok(found)
}

fn address(data: &RData) -> Option<SocketAddr> {
    match data {
        RData::A(a) => Some((a.0, 0).into()),
        RData::AAAA(aaaa) => Some((aaaa.0, 0).into()),
        _ => None,
    }
}

fn in_hosts(host: &str) -> Vec<SocketAddr> {
    let (Ok(hosts), Ok(name)) = (Hosts::from_system(), Name::from_utf8(host)) else { return Vec::new() };
    let found = [RecordType::A, RecordType::AAAA]
        .into_iter()
        .filter_map(|kind| hosts.lookup_static_host(&Query::query(name.clone(), kind)));
    found
        .flat_map(|found| found.answers().iter().filter_map(|r| address(&r.data)).collect::<Vec<_>>())
        .collect()
}

/// The addresses behind a name's SRV records, the most wanted first; none if it has no such records.
async fn services(host: &str, dns_server: Option<SocketAddr>) -> Found {
    let resolver = resolver(dns_server).await?;
    let answer = resolver.lookup(format!("{SRV_PREFIX}.{host}"), RecordType::SRV).await.map_err(fault)?;
    let mut targets: Vec<_> = answer
        .answers()
        .iter()
        .filter_map(|record| match &record.data {
            RData::SRV(srv) => {
                Some((srv.priority, std::cmp::Reverse(srv.weight), srv.target.clone(), srv.port))
            }
            _ => None,
        })
        .collect();
    targets.sort();
    let mut running = JoinSet::new();
    for (at, (.., target, port)) in targets.into_iter().take(SRV_TARGETS_MAX).enumerate() {
        let resolver = resolver.clone();
        running.spawn(async move {
            let ips = resolver.lookup_ip(target).await.map(|ips| ips.iter().collect::<Vec<_>>());
            let ips = ips.unwrap_or_default().into_iter();
            (at, ips.map(|ip| SocketAddr::new(ip, port)).collect::<Vec<_>>())
        });
    }
    let mut found = running.join_all().await;
    found.sort_unstable_by_key(|(at, _)| *at);
    Ok(found.into_iter().flat_map(|(_, addresses)| addresses).collect())
}

/// A resolver for one look-up, so that it takes no memory otherwise and each look-up sees the records of the moment.
async fn resolver(dns_server: Option<SocketAddr>) -> Result<TokioResolver, Fault> {
    let (config, mut options) = match dns_server {
        Some(server) => {
            let mut name_server = NameServerConfig::udp_and_tcp(server.ip());
            name_server.connections.iter_mut().for_each(|connection| connection.port = server.port());
            (ResolverConfig::from_name_servers(vec![name_server]), ResolverOpts::default())
        }
        None => {
            let read = worker::once("/etc/resolv.conf", system_conf::read_system_conf).await;
            read.map_err(|_| unusable("no thread to read it on"))?
                .map_err(|error| unusable(&error.to_string()))?
        }
    };
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.use_hosts_file = ResolveHosts::Never; // a worker reads it
    options.timeout = QUERY_TIMEOUT;
    options.attempts = 2;
    options.cache_size = THREADS_MAX as u64;
    let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.with_options(options).build().map_err(|error| unusable(&error.to_string()))
}

fn unusable(why: &str) -> Fault {
    Fault { reason: JoinReason::NameServer, text: format!("no resolver: {why}") }
}

fn fault(error: NetError) -> Fault {
    let (reason, text) = match () {
        () if error.is_nx_domain() => (JoinReason::NoSuchName, "there is no such name".into()),
        () if error.is_no_records_found() => (JoinReason::NoSuchName, "the name has no addresses".into()),
        () => (JoinReason::NameServer, error.to_string()),
    };
    Fault { reason, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    async fn never() -> Found {
        std::future::pending().await
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_come_waits_a_moment_for_the_rest_and_no_longer() {
        let start = Instant::now();
        let (one, other) = side_by_side(async { Ok(vec![at(1)]) }, never()).await;
        assert_eq!((one, other), (Some(Ok(vec![at(1)])), None));
        assert_eq!(start.elapsed(), GRACE);
        let late = async {
            sleep_until(start + GRACE + GRACE / 2).await;
            Ok(vec![at(2)])
        };
        let (one, other) = side_by_side(async { Ok(vec![at(1)]) }, late).await;
        assert_eq!((one, other), (Some(Ok(vec![at(1)])), Some(Ok(vec![at(2)]))));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_found_is_no_reason_to_give_up_the_other() {
        let late = async {
            tokio::time::sleep(GRACE * 10).await;
            Ok(vec![at(2)])
        };
        let fault = Fault { reason: JoinReason::NoSuchName, text: String::new() };
        let found = side_by_side(async { Err(fault.clone()) }, late).await;
        assert_eq!(services_first(found), Ok(vec![at(2)]));
        let empty = side_by_side(async { Ok(vec![]) }, async { Err(fault.clone()) }).await;
        assert_eq!(services_first(empty), Err(fault));
    }

    #[tokio::test]
    async fn names_of_this_machine_are_found_without_dns_and_one_that_cannot_be_is_not() {
        let names = Names::default();
        let seed = |text: &str| text.parse::<Seed>().unwrap();
        let found = names.lookup(&seed("localhost:7000"), None).await.unwrap();
        assert!(
            found.iter().all(|address| address.ip().is_loopback() && address.port() == 7000),
            "{found:?}"
        );
        assert!(!found.is_empty());
        assert!(names.under_way.lock().unwrap().is_empty());
    }
}
