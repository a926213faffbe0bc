//! What this node is to the others: its name, its cluster and key, its tags, its timing.

use super::{Resolver, on_off};
use crate::config::kind::Bytes;
use crate::config::{Profile, files, swim_knobs};
use rumormill_core::time::Duration;
use rumormill_protocols::member::swim;
use rumormill_protocols::member::swim::record::{NAME_BYTES_MAX, TAGS_BYTES_MAX, TagMap};
use rumormill_runtime::config::CLUSTER_BYTES_MAX;
use rumormill_runtime::keyring::Keyring;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// How long members that were away may catch up by a removed key, in seconds (our guess: a long weekend would be longer, a night is covered).
const KEYS_GRACE_S: u64 = 24 * 3_600;
/// The longest such time (our guess: a removed key should end some day).
const KEYS_GRACE_S_MAX: u64 = 30 * 24 * 3_600;
/// The least budget that still lets a node take part: one full datagram a second (our guess).
const BUDGET_BYTES_PER_S_MIN: u64 = 16 * 1024;

impl Resolver {
    pub(super) fn name(&mut self) -> String {
        let name = self.values.name.take().unwrap_or_else(files::host_name);
        self.show("name", &name);
        if let Some(fault) = label_fault(&name, NAME_BYTES_MAX) {
            self.error("name", fault);
        }
        name
    }

    pub(super) fn cluster(&mut self) -> String {
        let cluster = self.values.cluster.take().unwrap_or_else(|| "default".into());
        self.show("cluster", &cluster);
        if let Some(fault) = label_fault(&cluster, CLUSTER_BYTES_MAX) {
            self.error("cluster", fault);
        }
        cluster
    }

    pub(super) fn key(&mut self, bind: SocketAddr) -> (Option<PathBuf>, bool) {
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

    pub(super) fn keys_grace(&mut self) -> Duration {
        let seconds = self.values.keys_grace_s.take().map_or(KEYS_GRACE_S, |grace| grace.0);
        self.show("keys_grace_s", seconds);
        if seconds > KEYS_GRACE_S_MAX {
            let text =
                format!("at most {KEYS_GRACE_S_MAX} (30 days): who was away longer is given the key file");
            self.error("keys_grace_s", text);
        }
        Duration::from_secs(seconds.min(KEYS_GRACE_S_MAX))
    }

    pub(super) fn tags(&mut self) -> BTreeMap<String, String> {
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

    pub(super) fn profile(&mut self, bind: SocketAddr) -> Profile {
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

    pub(super) fn budget(&mut self, profile: Profile) -> u64 {
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

    pub(super) fn swim(&mut self, profile: Profile) -> swim::Config {
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
