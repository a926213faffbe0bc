//! Where the first peers are: addresses, DNS names and a file of either, turned into socket addresses.
//!
//! Literal addresses never touch DNS. For names, a resolver is made for one look-up and dropped after it: it costs memory that is
//! wanted only while joining, and without it nothing is cached, so that each look-up sees the records of the moment.

use crate::config::{Config, GOSSIP_PORT};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use tokio::task::JoinSet;

/// Most seeds that a file or a configuration may name (our guess).
pub const SEEDS_MAX: usize = 1024;
/// Most addresses that one look-up returns; the rest are dropped and reported (our guess: enough for any list of seeds).
pub const ADDRESSES_MAX: usize = 1024;
/// Most targets of a name's SRV records that are followed (our guess).
const SRV_TARGETS_MAX: usize = 64;
/// The largest seed file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How long one query may take, in seconds; there are two attempts (our guess: seeds are asked for again soon).
const QUERY_TIMEOUT_S: u64 = 2;
/// Names that are looked up at the same time (our guess: what a name server on the same site takes without noticing).
const CONCURRENT_NAMES_MAX: usize = 16;
/// SRV records are looked for under this, before the host's name (RFC 2782).
const SRV_PREFIX: &str = "_rumormill._udp";

/// A place to find a first peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Seed {
    /// A literal address.
    Address(SocketAddr),
    /// A host name. With a port, its A and AAAA records are used; without one, its SRV records as well.
    Name {
        /// The host's name.
        host: String,
        /// The port, if one was given.
        port: Option<u16>,
    },
}

impl FromStr for Seed {
    type Err = String;

    /// `1.2.3.4`, `1.2.3.4:7900`, `::1`, `[::1]`, `[::1]:7900`, `host` or `host:7900`.
    fn from_str(text: &str) -> Result<Seed, String> {
        let text = text.trim();
        if let Ok(address) = text.parse::<SocketAddr>() {
            return match address.port() {
                0 => Err(format!("{text:?} has port 0, where nobody can be reached")),
                _ => Ok(Seed::Address(address)),
            };
        }
        let bracketed = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        let ip = match bracketed {
            Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            None => text.parse::<IpAddr>().ok(),
        };
        if let Some(ip) = ip {
            return Ok(Seed::Address(SocketAddr::new(ip, GOSSIP_PORT)));
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => match port.parse() {
                Ok(0) | Err(_) => return Err(format!("{port:?} in {text:?} is no port (1 to 65535)")),
                Ok(port) => (host, Some(port)),
            },
            None => (text, None),
        };
        match host_fault(host) {
            Some(fault) => Err(format!("{text:?} is neither an address nor a host name: {fault}")),
            None => Ok(Seed::Name { host: host.to_string(), port }),
        }
    }
}

/// What keeps `host` from being a host name (RFC 1123, and underscores, which real zones have).
fn host_fault(host: &str) -> Option<&'static str> {
    let bare = host.strip_suffix('.').unwrap_or(host);
    let odd = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    let numeric = |label: &str| label.bytes().all(|b| b.is_ascii_digit());
    match () {
        () if bare.is_empty() => Some("it is empty"),
        () if bare.len() > 253 => Some("it is longer than 253 bytes"),
        () if bare.contains(odd) => Some("only letters, digits, '-', '_' and '.' may be in it"),
        () if bare.split('.').any(|l| l.is_empty() || l.len() > 63) => {
            Some("a label must take 1 to 63 bytes")
        }
        () if bare.rsplit('.').next().is_some_and(numeric) => Some("it looks like an address, but is none"),
        () => None,
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seed::Address(address) => write!(f, "{address}"),
            Seed::Name { host, port: Some(port) } => write!(f, "{host}:{port}"),
            Seed::Name { host, port: None } => f.write_str(host),
        }
    }
}

/// A seed that led nowhere, and why. Not fatal: the others are used, and it is looked up again next time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedError {
    /// What was looked up: a seed, or a line of the seed file.
    pub seed: String,
    /// What went wrong.
    pub text: String,
}

impl fmt::Display for SeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}", self.seed, self.text)
    }
}

/// Looks the configured seeds up, as often as it is asked.
#[derive(Clone, Debug, Default)]
pub struct Finder {
    fixed: Vec<Seed>,
    file: Option<PathBuf>,
    /// What the file said when it could last be read.
    from_file: Vec<Seed>,
    dns_server: Option<SocketAddr>,
}

impl Finder {
    /// The seeds, the seed file and the name server of `config`.
    pub fn new(config: &Config) -> Finder {
        Finder {
            fixed: config.join.clone(),
            file: config.join_file.clone(),
            from_file: Vec::new(),
            dns_server: config.dns_server,
        }
    }

    /// The name server that is asked instead of the system's.
    pub fn dns_server(&self) -> Option<SocketAddr> {
        self.dns_server
    }

    /// Takes the seeds of `config` in the place of `before`, those of the configuration until now. What was added otherwise stays.
    pub fn configure(&mut self, before: &[Seed], config: &Config) {
        self.fixed.retain(|seed| !before.contains(seed));
        config.join.iter().cloned().for_each(|seed| self.add(seed));
        if self.file != config.join_file {
            self.from_file.clear();
        }
        self.file.clone_from(&config.join_file);
        self.dns_server = config.dns_server;
    }

    /// Whether there is nothing to look up, now or ever.
    pub fn is_empty(&self) -> bool {
        self.fixed.is_empty() && self.file.is_none()
    }

    /// Adds a seed, as `POST /v1/join` does. Beyond [`SEEDS_MAX`] the oldest is dropped.
    pub fn add(&mut self, seed: Seed) {
        if !self.fixed.contains(&seed) {
            if self.fixed.len() == SEEDS_MAX {
                self.fixed.remove(0);
            }
            self.fixed.push(seed);
        }
    }

    /// Every address of every seed at this moment, without duplicates, in the order of the seeds.
    ///
    /// The file is read again; while it cannot be read, what it said last still holds.
    pub async fn lookup(&mut self) -> (Vec<SocketAddr>, Vec<SeedError>) {
        let mut errors = Vec::new();
        if let Some(path) = &self.file {
            match read_file(path, &mut errors) {
                Ok(seeds) => self.from_file = seeds,
                Err(text) => errors.push(SeedError { seed: path.display().to_string(), text }),
            }
        }
        let seeds: Vec<Seed> = self.fixed.iter().chain(&self.from_file).cloned().collect();
        let (addresses, more) = lookup(&seeds, self.dns_server).await;
        errors.extend(more);
        (addresses, errors)
    }
}

/// The seeds of a file: one per line, `#` begins a remark. Lines that are no seeds go to `errors`.
fn read_file(path: &Path, errors: &mut Vec<SeedError>) -> Result<Vec<Seed>, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("the file is larger than {FILE_BYTES_MAX} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let mut seeds = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let seed = format!("{}:{}", path.display(), number + 1);
        match line.parse() {
            _ if seeds.len() == SEEDS_MAX => {
                errors.push(SeedError {
                    seed,
                    text: format!("more than {SEEDS_MAX} seeds; the rest are left out"),
                });
                break;
            }
            Ok(parsed) => seeds.push(parsed),
            Err(text) => errors.push(SeedError { seed, text }),
        }
    }
    Ok(seeds)
}

/// Every address of every seed at this moment, without duplicates, in the order of the seeds.
///
/// `dns_server` is asked instead of the system's name servers. Needs a tokio runtime with I/O and time if there are names.
pub async fn lookup(seeds: &[Seed], dns_server: Option<SocketAddr>) -> (Vec<SocketAddr>, Vec<SeedError>) {
    let mut found: Vec<Result<Vec<SocketAddr>, String>> = Vec::with_capacity(seeds.len());
    let mut names = Vec::new();
    for seed in seeds {
        match seed {
            Seed::Address(address) => found.push(Ok(vec![*address])),
            Seed::Name { host, port } => {
                names.push((found.len(), host.clone(), *port));
                found.push(Ok(Vec::new()));
            }
        }
    }
    if !names.is_empty() {
        lookup_names(names, dns_server, &mut found).await;
    }
    let mut addresses = Vec::new();
    let mut errors = Vec::new();
    let mut fail = |seed: &Seed, text| errors.push(SeedError { seed: seed.to_string(), text });
    for (seed, result) in seeds.iter().zip(found) {
        match result {
            Ok(of_seed) => {
                for address in of_seed {
                    if addresses.len() == ADDRESSES_MAX {
                        fail(
                            seed,
                            format!("more than {ADDRESSES_MAX} addresses in all; {address} is left out"),
                        );
                    } else if !addresses.contains(&address) {
                        addresses.push(address);
                    }
                }
            }
            Err(text) => fail(seed, text),
        }
    }
    (addresses, errors)
}

async fn lookup_names(
    names: Vec<(usize, String, Option<u16>)>,
    dns_server: Option<SocketAddr>,
    found: &mut [Result<Vec<SocketAddr>, String>],
) {
    let resolver = match resolver(dns_server) {
        Ok(resolver) => resolver,
        Err(e) => {
            let text = format!("no resolver: {e}; set dns_server, or give addresses instead of names");
            return names.into_iter().for_each(|(at, ..)| found[at] = Err(text.clone()));
        }
    };
    let mut waiting = names.into_iter();
    let mut running = JoinSet::new();
    loop {
        while running.len() < CONCURRENT_NAMES_MAX
            && let Some((at, host, port)) = waiting.next()
        {
            let resolver = resolver.clone();
            running.spawn(async move { (at, lookup_name(&resolver, &host, port).await) });
        }
        match running.join_next().await {
            Some(Ok((at, result))) => found[at] = result,
            Some(Err(_)) => {} // a task that was cancelled: the runtime shuts down
            None => return,
        }
    }
}

fn resolver(dns_server: Option<SocketAddr>) -> Result<TokioResolver, NetError> {
    let mut builder = match dns_server {
        None => TokioResolver::builder_tokio()?,
        Some(server) => {
            let mut name_server = NameServerConfig::udp_and_tcp(server.ip());
            name_server.connections.iter_mut().for_each(|connection| connection.port = server.port());
            let config = ResolverConfig::from_name_servers(vec![name_server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.timeout = Duration::from_secs(QUERY_TIMEOUT_S);
    options.attempts = 2;
    options.cache_size = CONCURRENT_NAMES_MAX as u64;
    builder.build()
}

/// A name's SRV records if no port was given, its A and AAAA records in any case.
async fn lookup_name(
    resolver: &TokioResolver,
    host: &str,
    port: Option<u16>,
) -> Result<Vec<SocketAddr>, String> {
    let mut addresses = match port {
        None => lookup_srv(resolver, host).await,
        Some(_) => Vec::new(),
    };
    match resolver.lookup_ip(host).await {
        Ok(ips) => {
            let port = port.unwrap_or(GOSSIP_PORT);
            addresses.extend(ips.iter().map(|ip| SocketAddr::new(ip, port)));
            Ok(addresses)
        }
        Err(_) if !addresses.is_empty() => Ok(addresses),
        Err(e) if e.is_nx_domain() => Err("there is no such name".into()),
        Err(e) if e.is_no_records_found() => Err("the name has no addresses".into()),
        Err(e) => Err(e.to_string()),
    }
}

/// The addresses behind a name's SRV records, the most wanted first; none if it has no such records.
async fn lookup_srv(resolver: &TokioResolver, host: &str) -> Vec<SocketAddr> {
    let Ok(answer) = resolver.lookup(format!("{SRV_PREFIX}.{host}"), RecordType::SRV).await else {
        return Vec::new();
    };
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
    let mut addresses = Vec::new();
    for (.., target, port) in targets.into_iter().take(SRV_TARGETS_MAX) {
        if let Ok(ips) = resolver.lookup_ip(target).await {
            addresses.extend(ips.iter().map(|ip| SocketAddr::new(ip, port)));
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_read_in_every_form_that_people_write_them() {
        let address = |text: &str| Seed::Address(text.parse().unwrap());
        let name = |host: &str, port| Seed::Name { host: host.into(), port };
        for (text, seed) in [
            ("1.2.3.4:7000", address("1.2.3.4:7000")),
            ("1.2.3.4", address("1.2.3.4:7900")),
            ("[::1]:7000", address("[::1]:7000")),
            ("[::1]", address("[::1]:7900")),
            ("fe80::1", address("[fe80::1]:7900")),
            ("db-3.example.org", name("db-3.example.org", None)),
            ("localhost:7000", name("localhost", Some(7000))),
            ("seeds.example.org.", name("seeds.example.org.", None)),
        ] {
            assert_eq!(text.parse::<Seed>().as_ref(), Ok(&seed), "{text}");
            assert_eq!(seed.to_string().parse::<Seed>(), Ok(seed), "{text} written and read again");
        }
        for wrong in
            ["", "1.2.3.4:0", "1.2.3", "host:port", "host:70000", "a b", "a..b", "http://host", "[::1"]
        {
            assert!(wrong.parse::<Seed>().is_err(), "{wrong}");
        }
    }
}
