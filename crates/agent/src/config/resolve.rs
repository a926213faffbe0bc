//! From layers to the effective settings: defaults filled in, everything checked, every problem kept.

use super::check::{Checked, Setting};
use super::events::{EventsConfig, QUEUE, WINDOW_BYTES};
use super::kind::Bytes;
use super::layer::{Layer, Problem, Severity, Source};
use super::partial::{Partial, SwimPartial};
use super::{Config, GOSSIP_PORT, HTTP_PORT, LogFormat, Profile, files, swim_knobs};
use crate::api::guard::Token;
use crate::discover::{SEEDS_MAX, Seed};
use crate::handlers::HANDLERS_MAX;
use crate::handlers::spec::Handler;
use rumormill_protocols::member::swim::record::{NAME_BYTES_MAX, TAGS_BYTES_MAX, TagMap};
use rumormill_runtime::contact::ADDRESSES_MAX;
use rumormill_runtime::keyring::Keyring;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Longest name of a cluster, in bytes (our guess: it is a label of people's, bound into every packet's key).
pub const CLUSTER_BYTES_MAX: usize = 64;
/// Bytes per second that vitals cost by default (issue: 2 KiB/s sent per node, sealed, with headers).
const VITALS_BYTES_PER_S: u64 = 2048;
/// The least budget that still lets a node take part: one full datagram a second (our guess).
const BUDGET_BYTES_PER_S_MIN: u64 = 16 * 1024;
/// Longest path of a Unix socket, in bytes, without the final zero (unix(7)).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Fills in defaults, checks everything, and remembers where each value came from. Later layers win.
///
/// `default_data_dir` is used where no layer names a data directory.
pub fn resolve(layers: Vec<Layer>, default_data_dir: Option<PathBuf>) -> Checked {
    let mut merged = Merged::default();
    for layer in layers {
        merged.overlay(layer);
    }
    let Merged { values, swim, sources, problems } = merged;
    Resolver { values, swim, sources, problems, settings: Vec::new() }.run(default_data_dir)
}

#[derive(Default)]
struct Merged {
    values: Partial,
    swim: SwimPartial,
    sources: BTreeMap<String, Source>,
    problems: Vec<Problem>,
}

impl Merged {
    fn overlay(&mut self, layer: Layer) {
        self.values.overlay(layer.values.clone(), |key| {
            self.sources.insert(key.into(), layer.source(key));
        });
        self.swim.overlay(layer.swim.clone(), |knob| {
            let key = format!("swim.{knob}");
            let source = layer.source(&key);
            self.sources.insert(key, source);
        });
        self.problems.extend(layer.problems);
    }
}

struct Resolver {
    values: Partial,
    swim: SwimPartial,
    sources: BTreeMap<String, Source>,
    problems: Vec<Problem>,
    settings: Vec<Setting>,
}

impl Resolver {
    /// In the order of the documentation, which is that of the printed table.
    fn run(mut self, default_data_dir: Option<PathBuf>) -> Checked {
        let name = self.name();
        let bind = self.address("bind", GOSSIP_PORT).flatten().unwrap_or(loopback(GOSSIP_PORT));
        let advertise = self.advertise(bind);
        let join = self.join();
        let join_file = self.join_file();
        let cluster = self.cluster();
        let (key_file, insecure) = self.key(bind);
        let http = self.address("http", HTTP_PORT).unwrap_or(Some(loopback(HTTP_PORT)));
        let http_token_file = self.http_token(http);
        let http_hosts = self.http_hosts();
        let data_dir = self.data_dir(default_data_dir);
        let socket = self.socket(data_dir.as_ref());
        let tags = self.tags();
        let profile = self.profile(bind);
        let (vitals, vitals_bytes_per_s, host_root) = self.vitals();
        let events = self.events();
        let handlers = self.handlers();
        let budget_bytes_per_s = self.budget(profile);
        let (log, log_format) = self.log();
        let dns_server = self.dns_server();
        let faults = self.faults();
        let swim = self.swim(profile);
        let config = Config {
            name,
            bind,
            advertise,
            join,
            join_file,
            cluster,
            key_file,
            insecure,
            http,
            http_token_file,
            http_hosts,
            socket,
            data_dir,
            tags,
            profile,
            vitals,
            vitals_bytes_per_s,
            events,
            handlers,
            host_root,
            budget_bytes_per_s,
            log,
            log_format,
            dns_server,
            faults,
            swim,
        };
        self.problems.sort_by_key(|problem| problem.severity);
        let fit = self.problems.iter().all(|problem| problem.severity == Severity::Warning);
        Checked { config: fit.then_some(config), settings: self.settings, problems: self.problems }
    }

    fn name(&mut self) -> String {
        let name = self.values.name.take().unwrap_or_else(files::host_name);
        self.show("name", &name);
        if let Some(fault) = label_fault(&name, NAME_BYTES_MAX) {
            self.error("name", fault);
        }
        name
    }

    /// An address, `Some(None)` for `off`, and nothing if none is given or it is wrong.
    fn address(&mut self, key: &'static str, port: u16) -> Option<Option<SocketAddr>> {
        let given = match key {
            "http" => self.values.http.take(),
            _ => self.values.bind.take(),
        };
        let Some(text) = given else {
            self.show(key, loopback(port));
            return None;
        };
        self.show(key, &text);
        if key == "http" && text == "off" {
            return Some(None);
        }
        match parse_address(&text, port) {
            Ok(address) => Some(Some(address)),
            Err(fault) => {
                self.error(key, fault);
                None
            }
        }
    }

    fn advertise(&mut self, bind: SocketAddr) -> Vec<SocketAddr> {
        let given = self.values.advertise.take().unwrap_or_default();
        self.show("advertise", if given.is_empty() { "from bind".into() } else { given.join(", ") });
        if given.len() > ADDRESSES_MAX {
            self.error("advertise", format!("{} addresses, at most {ADDRESSES_MAX} fit", given.len()));
        }
        let mut advertise = Vec::new();
        for text in given {
            match parse_address(&text, bind.port()) {
                Ok(address) if address.ip().is_unspecified() => {
                    let text =
                        format!("{text:?} reaches nobody; name an address of this machine that others reach");
                    self.error("advertise", text);
                }
                Ok(address) if address.port() == 0 && bind.port() != 0 => {
                    self.error("advertise", format!("{text:?} has port 0"));
                }
                Ok(address) => advertise.push(address),
                Err(fault) => self.error("advertise", fault),
            }
        }
        advertise
    }

    fn join(&mut self) -> Vec<Seed> {
        let given = self.values.join.take().unwrap_or_default();
        self.show("join", given.join(", "));
        if given.len() > SEEDS_MAX {
            self.error("join", format!("{} seeds, at most {SEEDS_MAX} are used", given.len()));
        }
        let mut join = Vec::new();
        for text in given {
            match text.parse() {
                Ok(seed) => join.push(seed),
                Err(fault) => self.error("join", fault),
            }
        }
        join
    }

    fn join_file(&mut self) -> Option<PathBuf> {
        let path = PathBuf::from(self.values.join_file.take()?);
        self.show("join_file", path.display());
        if let Err(e) = std::fs::File::open(&path) {
            self.warn("join_file", format!("cannot read it now: {e}; it is tried again while joining"));
        }
        Some(path)
    }

    fn cluster(&mut self) -> String {
        let cluster = self.values.cluster.take().unwrap_or_else(|| "default".into());
        self.show("cluster", &cluster);
        if let Some(fault) = label_fault(&cluster, CLUSTER_BYTES_MAX) {
            self.error("cluster", fault);
        }
        cluster
    }

    fn key(&mut self, bind: SocketAddr) -> (Option<PathBuf>, bool) {
        let key_file = self.values.key_file.take().map(PathBuf::from);
        let insecure = self.values.insecure.take().unwrap_or(false);
        self.show("key_file", key_file.as_ref().map_or("none".into(), |p| p.display().to_string()));
        self.show("insecure", on_off(insecure));
        match &key_file {
            Some(path) => {
                if let Some(text) = self.secret("key_file", path)
                    && let Err(fault) = Keyring::parse(&text)
                {
                    self.error("key_file", format!("{}: {fault}", path.display()));
                }
            }
            None if bind.ip().is_loopback() => {}
            None if insecure => self.warn(
                "insecure",
                format!("without a key, whoever reaches {bind} can join, read and forge everything"),
            ),
            None => self.error(
                "key_file",
                format!(
                    "others can reach {bind}, and there is no key: make one with `rumormill keygen`, give all members \
                     the same, and name its file; or say insecure if you mean it"
                ),
            ),
        }
        (key_file, insecure)
    }

    fn http_token(&mut self, http: Option<SocketAddr>) -> Option<PathBuf> {
        let path = self.values.http_token_file.take().map(PathBuf::from);
        self.show("http_token_file", path.as_ref().map_or("none".into(), |p| p.display().to_string()));
        match (&path, http) {
            (Some(path), _) => {
                if let Some(text) = self.secret("http_token_file", path)
                    && let Err(fault) = Token::parse(&text)
                {
                    self.error("http_token_file", format!("{}: {fault}", path.display()));
                }
            }
            (None, Some(http)) if !http.ip().is_loopback() => self.error(
                "http",
                format!("others can reach {http}: name a file with a token in http_token_file, or stay on 127.0.0.1"),
            ),
            (None, _) => {}
        }
        path
    }

    fn http_hosts(&mut self) -> Vec<String> {
        let hosts = self.values.http_hosts.take().unwrap_or_default();
        self.show("http_hosts", hosts.join(", "));
        for host in &hosts {
            if host.is_empty()
                || host.contains(|c: char| c.is_whitespace() || c.is_control() || "/@:".contains(c))
            {
                self.error(
                    "http_hosts",
                    format!("{host:?} is no host name (leave out scheme, port and path)"),
                );
            }
        }
        hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect()
    }

    fn data_dir(&mut self, default: Option<PathBuf>) -> Option<PathBuf> {
        let data_dir = match self.values.data_dir.take() {
            Some(text) if text == "none" => None,
            Some(text) => Some(PathBuf::from(text)),
            None if default.is_none() => {
                self.error("data_dir", "no home directory to put it into: name one, or say none".into());
                None
            }
            None => default,
        };
        self.show("data_dir", data_dir.as_ref().map_or("none".into(), |p| p.display().to_string()));
        if let Some(dir) = &data_dir
            && dir.exists()
            && !dir.is_dir()
        {
            self.error("data_dir", format!("{} is not a directory", dir.display()));
        }
        data_dir
    }

    fn socket(&mut self, data_dir: Option<&PathBuf>) -> Option<PathBuf> {
        let given = self.values.socket.take();
        let path = match &given {
            Some(text) if text == "off" => None,
            Some(text) => Some(PathBuf::from(text)),
            None => data_dir.map(|dir| dir.join("agent.sock")),
        };
        self.show("socket", path.as_ref().map_or("off".into(), |p| p.display().to_string()));
        let path = path?;
        let bytes = path.as_os_str().len();
        if bytes <= SOCKET_PATH_BYTES_MAX {
            return Some(path);
        }
        let text = format!("a socket's path takes at most {SOCKET_PATH_BYTES_MAX} bytes, this one {bytes}");
        match given {
            Some(_) => self.error("socket", text),
            None => self.warn("socket", format!("{text}; there will be none until a shorter one is named")),
        }
        None
    }

    fn tags(&mut self) -> BTreeMap<String, String> {
        let tags = self.values.tags.take().unwrap_or_default();
        self.show("tags", tags.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(", "));
        if tags.keys().any(String::is_empty) {
            self.error("tags", "a tag needs a name".into());
        }
        let map = TagMap(tags);
        let bytes = map.encoded().len();
        if bytes > TAGS_BYTES_MAX {
            self.error(
                "tags",
                format!("they take {bytes} bytes when encoded, at most {TAGS_BYTES_MAX} in all"),
            );
        }
        map.0
    }

    fn profile(&mut self, bind: SocketAddr) -> Profile {
        let default = if bind.ip().is_loopback() { Profile::Local } else { Profile::Lan };
        match self.values.profile.take() {
            None => {
                self.show("profile", default);
                default
            }
            Some(text) => {
                self.show("profile", &text);
                text.parse().unwrap_or_else(|fault| {
                    self.error("profile", fault);
                    default
                })
            }
        }
    }

    fn vitals(&mut self) -> (bool, u64, PathBuf) {
        let on = self.values.vitals.take().unwrap_or(true);
        let budget = self.values.vitals_budget.take().map_or(VITALS_BYTES_PER_S, |b| b.0);
        let root = self.values.host_root.take().map_or_else(|| PathBuf::from("/"), PathBuf::from);
        self.show("vitals", on_off(on));
        self.show("vitals_budget", format!("{}/s", Bytes(budget)));
        self.show("host_root", root.display());
        if on && budget == 0 {
            self.error("vitals_budget", "nothing can be sent for 0 bytes; say vitals = \"off\"".into());
        }
        if on && !root.join("proc").is_dir() {
            self.warn(
                "host_root",
                format!("there is no {}; vitals will be empty", root.join("proc").display()),
            );
        }
        (on, budget, root)
    }

    fn events(&mut self) -> EventsConfig {
        let default = EventsConfig::default();
        let window = self.values.events_window.take().map_or(default.window_bytes as u64, |b| b.0);
        let queue = self.values.events_queue.take().unwrap_or(default.queue_max as u64);
        let replay = self.values.events_replay.take().unwrap_or(default.replay);
        self.show("events_window", Bytes(window));
        self.show("events_queue", queue);
        self.show("events_replay", on_off(replay));
        if !WINDOW_BYTES.contains(&window) {
            let (least, most) = (Bytes(*WINDOW_BYTES.start()), Bytes(*WINDOW_BYTES.end()));
            self.error("events_window", format!("{} is not within {least} to {most}", Bytes(window)));
        }
        if !QUEUE.contains(&queue) {
            let text = format!("{queue} is not within {} to {}", QUEUE.start(), QUEUE.end());
            self.error("events_queue", text);
        }
        EventsConfig { window_bytes: window as usize, queue_max: queue as usize, replay }
    }

    fn handlers(&mut self) -> Vec<Handler> {
        let given = self.values.on.take().unwrap_or_default().0;
        self.show("on", given.join("; "));
        if given.len() > HANDLERS_MAX {
            self.error("on", format!("{} handlers, at most {HANDLERS_MAX} are run", given.len()));
        }
        let mut handlers = Vec::new();
        for text in given {
            match text.parse() {
                Ok(handler) => handlers.push(handler),
                Err(fault) => self.error("on", fault),
            }
        }
        handlers
    }

    fn budget(&mut self, profile: Profile) -> u64 {
        let budget = self.values.budget.take().map_or(profile.budget_bytes_per_s(), |b| b.0);
        self.show("budget", format!("{}/s", Bytes(budget)));
        if budget < BUDGET_BYTES_PER_S_MIN {
            let least = Bytes(BUDGET_BYTES_PER_S_MIN);
            self.error(
                "budget",
                format!("a node cannot keep its place in a cluster for less than {least}/s"),
            );
        }
        budget
    }

    fn log(&mut self) -> (String, LogFormat) {
        let log = self.values.log.take().unwrap_or_else(|| "info".into());
        self.show("log", &log);
        if let Err(fault) = crate::logging::filter(&log) {
            self.error("log", fault);
        }
        let format = self.values.log_format.take().unwrap_or_else(|| "text".into());
        self.show("log_format", &format);
        let format = format.parse().unwrap_or_else(|fault| {
            self.error("log_format", fault);
            LogFormat::Text
        });
        (log, format)
    }

    fn dns_server(&mut self) -> Option<SocketAddr> {
        let Some(text) = self.values.dns_server.take() else {
            self.show("dns_server", "the system's");
            return None;
        };
        self.show("dns_server", &text);
        parse_address(&text, 53).map_err(|fault| self.error("dns_server", fault)).ok()
    }

    /// Hidden: shown only where it is set.
    fn faults(&mut self) -> bool {
        let Some(faults) = self.values.faults.take() else { return false };
        self.show("faults", on_off(faults));
        faults
    }

    fn swim(&mut self, profile: Profile) -> rumormill_protocols::member::swim::Config {
        let mut config = profile.swim();
        let mut faults = Vec::new();
        swim_knobs::apply(&mut config, &self.swim, &mut |knob, fault| faults.push((knob, fault)));
        for (knob, fault) in faults {
            self.error(&format!("swim.{knob}"), fault);
        }
        for (knob, value) in swim_knobs::shown(&config) {
            self.show(&format!("swim.{knob}"), value);
        }
        config
    }

    /// Checks a file that holds a secret; its text, if it can be read.
    fn secret(&mut self, key: &str, path: &std::path::Path) -> Option<String> {
        match files::read_secret(path) {
            Ok(secret) => {
                if let Some(exposed) = secret.exposed {
                    self.warn(key, exposed);
                }
                Some(secret.text)
            }
            Err(fault) => {
                self.error(key, fault);
                None
            }
        }
    }

    fn source(&self, key: &str) -> Source {
        self.sources.get(key).cloned().unwrap_or(Source::Default)
    }

    fn show(&mut self, key: &str, value: impl ToString) {
        let source = self.source(key);
        self.settings.push(Setting { key: key.into(), value: value.to_string(), source });
    }

    fn error(&mut self, key: &str, text: String) {
        let problem = Problem { severity: Severity::Error, key: key.into(), source: self.source(key), text };
        self.problems.push(problem);
    }

    fn warn(&mut self, key: &str, text: String) {
        let problem =
            Problem { severity: Severity::Warning, key: key.into(), source: self.source(key), text };
        self.problems.push(problem);
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// ADDR:PORT, or ADDR alone for the default port.
fn parse_address(text: &str, port: u16) -> Result<SocketAddr, String> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let with_port = || bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, port));
    text.parse().or_else(|_| with_port()).map_err(|_| {
        format!("{text:?} is not ADDR:PORT, for example 10.0.0.5:{port} or [2001:db8::5]:{port} (no host names here)")
    })
}

/// What keeps a text from being a name of a node or a cluster.
fn label_fault(label: &str, bytes_max: usize) -> Option<String> {
    match label.len() {
        0 => Some("it is empty".into()),
        bytes if bytes > bytes_max => {
            Some(format!("it takes {bytes} bytes, at most {bytes_max} are allowed"))
        }
        _ if label.contains(char::is_control) => Some("it holds control characters".into()),
        _ => None,
    }
}
