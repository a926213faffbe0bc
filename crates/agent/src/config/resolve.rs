//! From layers to the effective settings: defaults filled in, everything checked, every problem kept.

mod local;
mod member;
mod network;

use super::address::{GOSSIP_PORT, loopback};
use super::check::{Checked, Setting};
use super::layer::{Layer, Problem, Severity, Source};
use super::partial::{Partial, SwimPartial};
use super::{Config, HTTP_PORT, files};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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
    fn run(mut self, default_data_dir: Option<PathBuf>) -> Checked {
        let config = self.config(default_data_dir);
        self.problems.sort_by_key(|problem| problem.severity);
        let fit = self.problems.iter().all(|problem| problem.severity == Severity::Warning);
        Checked { config: fit.then_some(config), settings: self.settings, problems: self.problems }
    }

    /// In the order of the documentation, which is that of the printed table.
    fn config(&mut self, default_data_dir: Option<PathBuf>) -> Config {
        let name = self.name();
        let bind = self.address("bind", GOSSIP_PORT).flatten().unwrap_or(loopback(GOSSIP_PORT));
        let advertise = self.advertise(bind);
        let (join, join_file, (retry_max, retry_interval)) = (self.join(), self.join_file(), self.retry());
        let cluster = self.cluster();
        let (key_file, insecure) = self.key(bind);
        let keys_grace = self.keys_grace();
        let http = self.address("http", HTTP_PORT).unwrap_or(Some(loopback(HTTP_PORT)));
        let http_token_file = self.http_token(http);
        let http_hosts = self.http_hosts();
        let data_dir = self.data_dir(default_data_dir);
        let socket = self.socket(data_dir.as_ref());
        let (serf_rpc, serf_rpc_auth_file) = self.serf_rpc();
        let pg = self.pg();
        let tags = self.tags();
        let profile = self.profile(bind);
        let (vitals, vitals_bytes_per_s, host_root) = self.vitals();
        let phi = self.phi(vitals);
        let events = self.events();
        let handlers = self.handlers();
        let budget_bytes_per_s = self.budget(profile);
        let (log, log_format) = self.log();
        Config {
            name,
            bind,
            advertise,
            join,
            join_file,
            retry_max,
            retry_interval,
            cluster,
            key_file,
            keys_grace,
            insecure,
            http,
            http_token_file,
            http_hosts,
            socket,
            serf_rpc,
            serf_rpc_auth_file,
            pg,
            data_dir,
            tags,
            profile,
            vitals,
            vitals_bytes_per_s,
            phi,
            events,
            handlers,
            host_root,
            budget_bytes_per_s,
            log,
            log_format,
            dns_server: self.dns_server(),
            faults: self.faults(),
            swim: self.swim(profile),
            origin: None,
        }
    }

    /// Checks a file that holds a secret; its text, if it can be read.
    fn secret(&mut self, key: &str, path: &Path) -> Option<String> {
        let holds = match key {
            "key_file" => "a key: 32 bytes, base64, as `rumormill keygen` makes one",
            _ => "a token: one word of printable ASCII characters",
        };
        match files::read_secret(path, holds) {
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

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}
