//! The configuration read again while the agent runs, by SIGHUP or `POST /v1/reload`.
//!
//! A setting that differs changes at once if a feature says so ([`Feature::live`]); any other is named as waiting for a restart. A configuration with
//! errors changes nothing. What was set at run time is kept unless the sources say something new about it: a tag that they changed is changed, a key
//! that they added is installed, and no key is ever removed. The API's token is what its file holds.

use crate::agent::Agent;
use crate::config::{self, Config, Described, Origin};
use crate::feature::{Feature, Features};
use crate::features::reload::model::{ReloadInfo, Reloaded, SettingChange};
use crate::metrics::Table;
use crate::refusal::Refusal;
use crate::service_manager;
use crate::states::lock;
use crate::token::Token;
use crate::worker::Single;
use rumormill_core::words;
use rumormill_runtime::keyring::Keyring;
use sd_notify::NotifyState;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::signal::unix::Signal;
use tokio::sync::MutexGuard;

/// The configuration in force, and how reloads went.
pub(crate) struct Reload {
    /// Held while the configuration is read again, and while a node is made from it.
    in_force: tokio::sync::Mutex<InForce>,
    outcomes: Mutex<Outcomes>,
    /// Reads the configuration's files.
    reading: Single,
}

impl Reload {
    pub(super) fn of(config: &Config) -> Reload {
        let in_force = tokio::sync::Mutex::new(InForce::new(config));
        Reload { in_force, outcomes: Mutex::default(), reading: Single::default() }
    }
}

/// The settings in force, by name.
struct InForce {
    origin: Option<Arc<Origin>>,
    settings: BTreeMap<String, String>,
}

impl InForce {
    /// At the start all settings are.
    fn new(config: &Config) -> InForce {
        InForce {
            settings: config.origin.as_deref().map(settings).unwrap_or_default(),
            origin: config.origin.clone(),
        }
    }
}

/// Keeps reloads out while a node is made from the configuration in force.
pub(crate) struct Hold<'a>(#[expect(dead_code, reason = "held for its lifetime")] MutexGuard<'a, InForce>);

/// Waits for a reload that is under way, and lets none begin before the hold is dropped.
pub(crate) async fn hold(agent: &Agent) -> Hold<'_> {
    Hold(agent.state::<Reload>().in_force.lock().await)
}

/// Outcomes of reloads so far.
#[derive(Default)]
struct Outcomes {
    done: u64,
    refused: u64,
    last: Option<Instant>,
    last_error: Option<String>,
    restart: Vec<SettingChange>,
}

impl Outcomes {
    fn count(&mut self, done: &Result<Reloaded, Refusal>) {
        self.last = Some(Instant::now());
        match done {
            Ok(done) => {
                self.done += 1;
                self.last_error = None;
                self.restart.clone_from(&done.restart);
            }
            Err(refusal) => {
                self.refused += 1;
                self.last_error = Some(refusal.error.clone());
            }
        }
    }

    fn info(&self) -> ReloadInfo {
        ReloadInfo {
            done: self.done,
            refused: self.refused,
            last_s: self.last.map(|last| words::seconds(last.elapsed())),
            last_error: self.last_error.clone(),
            restart: self.restart.clone(),
        }
    }
}

/// The configuration as its sources and the files that they name hold it now.
struct Again {
    config: Config,
    warnings: Vec<String>,
    keys: Option<Keyring>,
    token: Option<Token>,
}

fn settings(origin: &Origin) -> BTreeMap<String, String> {
    origin.settings.iter().map(|setting| (setting.key.clone(), setting.value.clone())).collect()
}

/// Reads the configuration again at every SIGHUP.
pub(crate) async fn at_hangups(agent: Arc<Agent>, mut hangups: Signal) {
    while hangups.recv().await.is_some() {
        let _ = agent.reload().await; // it has told the log
    }
}

impl Agent {
    /// Reads the configuration again, and changes what can be changed. Fails, and changes nothing, if it is not usable.
    ///
    /// Reload runs to completion before this returns; systemd is notified (RELOADING, READY) around it.
    pub async fn reload(self: &Arc<Self>) -> Result<Reloaded, Refusal> {
        let mut in_force = self.state::<Reload>().in_force.lock().await;
        let begun = NotifyState::monotonic_usec_now().map(|at| [NotifyState::Reloading, at]);
        if let Ok(begun) = &begun {
            service_manager::tell(begun);
        }
        let done = self.reload_into(&mut in_force).await;
        service_manager::tell(&[NotifyState::Ready]);
        lock(&self.state::<Reload>().outcomes).count(&done);
        match &done {
            Ok(done) => {
                tracing::info!(
                    changed = done.changed.len(),
                    restart = done.restart.len(),
                    "configuration read again"
                );
                let differs = |c: &SettingChange| format!("{}: {} -> {}", c.key, c.from, c.to);
                done.changed.iter().for_each(|change| tracing::info!("changed {}", differs(change)));
                done.restart.iter().for_each(|change| tracing::warn!("needs a restart: {}", differs(change)));
                done.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            }
            Err(refusal) => tracing::error!("the configuration is kept as it was: {}", refusal.error),
        }
        done
    }

    async fn reload_into(self: &Arc<Self>, in_force: &mut InForce) -> Result<Reloaded, Refusal> {
        let origin = in_force.origin.clone().ok_or_else(|| {
            let hint = "start it anew with its new settings";
            Refusal::conflict("this agent was not started from settings that can be read again", hint)
        })?;
        // What is read of the key file must not be older than what the cluster made of the keys meanwhile.
        let _keys_stay = self.keys().changing.lock().await;
        // On a thread of its own: a disk that hangs must not keep this node from gossiping.
        let agent = self.clone();
        let read =
            self.state::<Reload>().reading.ask(move || agent.read_again(&origin)).await.map_err(|stuck| {
                let error = format!("the configuration's files cannot be read: {stuck}");
                Refusal::unavailable(error, "nothing was changed; look at their disk")
            })?;
        let Again { config, warnings, keys, token } = read.map_err(|error| {
            let hint = "nothing was changed; `rumormill config check` shows what the agent would read";
            Refusal::unusable(error, hint)
        })?;
        let now = config.origin.as_deref().map(settings).unwrap_or_default();
        let mut done = Reloaded { warnings, ..Reloaded::default() };
        for change in differences(&in_force.settings, &now) {
            let Some(feature) = self.applies(&change.key) else {
                done.restart.push(change);
                continue;
            };
            match (feature.apply)(self, &change.key, &config).await {
                Ok(()) => {
                    match now.get(&change.key) {
                        Some(value) => in_force.settings.insert(change.key.clone(), value.clone()),
                        None => in_force.settings.remove(&change.key),
                    };
                    done.changed.push(change);
                }
                Err(text) => done.warnings.push(format!("{} is not changed: {text}", change.key)),
            }
        }
        if let Some(keys) = keys {
            self.take_keys(&keys, &mut done);
        }
        if let Some(token) = token {
            self.take_token(token, &mut done);
        }
        Ok(done)
    }

    /// The settings in force: name, value, source and meaning. Waits for a reload that is under way, so it is not for a task.
    pub(super) fn settings_in_force(&self) -> Vec<(String, String, String, Option<&'static str>)> {
        let in_force = self.state::<Reload>().in_force.blocking_lock();
        let known = in_force.origin.iter().flat_map(|origin| &origin.settings);
        let shown = known.map(|setting| {
            let value = in_force.settings.get(&setting.key).unwrap_or(&setting.value).clone();
            let about = config::settings().find(|known| known.key == setting.key).map(Described::about);
            (setting.key.clone(), value, setting.source.to_string(), about)
        });
        shown.collect()
    }

    /// Touches disks, so it may take its time. A file in the place of another is not looked into before a restart.
    fn read_again(&self, origin: &Origin) -> Result<Again, String> {
        let (config, problems) = origin.read_again().into_config().map_err(|error| error.to_string())?;
        let keys = same(&self.config.key_file, &config.key_file).map(Keyring::load);
        let token = same(&self.config.http_token_file, &config.http_token_file).map(Token::load);
        Ok(Again {
            keys: keys.transpose().map_err(|error| error.to_string())?,
            token: token.transpose()?,
            warnings: problems.iter().map(|problem| problem.unlabelled()).collect(),
            config,
        })
    }

    /// The feature in which a setting changes while the agent runs; none if the setting needs a restart.
    fn applies(&self, key: &str) -> Option<&'static Feature> {
        self.state::<Features>().0.iter().find(|feature| feature.live.contains(&key))
    }

    /// Installs the keys that the key file did not hold before, and tells what differs besides. A file that says what it said when it
    /// could not be written counts for nothing: the data directory has the keys since.
    fn take_keys(&self, file: &Keyring, done: &mut Reloaded) {
        let held = file.list();
        let before = std::mem::replace(&mut *lock(&self.keys().file), held.clone());
        if self.keys().in_data_directory() && held == before {
            return;
        }
        for name in held.iter().filter(|name| !before.contains(name)) {
            match self.keyring.install_from(file, *name) {
                Ok(()) => {
                    self.forget_removed(*name);
                    done.changed.push(SettingChange {
                        key: "keys".into(),
                        from: "-".into(),
                        to: format!("{name} installed"),
                    });
                }
                Err(error) => done.warnings.push(format!("key {name} is not installed: {error}")),
            }
        }
        for name in self.keyring.list().into_iter().filter(|name| !held.contains(name)) {
            done.warnings.push(format!(
                "key {name} stays installed, and is not in the key file: a restart forgets it"
            ));
        }
        let (first, primary) = (file.primary(), self.keyring.primary());
        if first != primary {
            done.warnings.push(format!(
                "key {first} is first in the key file, and {primary} is in use: `rumormill keys use {first}` changes that"
            ));
        }
    }

    /// Asks for the token that its file holds now.
    fn take_token(&self, token: Token, done: &mut Reloaded) {
        let Some(held) = &self.token else { return };
        let mut held = held.write().unwrap_or_else(PoisonError::into_inner);
        if *held != token {
            *held = token;
            done.changed.push(SettingChange {
                key: "http_token".into(),
                from: "the one before".into(),
                to: "what its file holds now".into(),
            });
        }
    }

    /// How reading again went so far.
    pub fn reloads(&self) -> ReloadInfo {
        lock(&self.state::<Reload>().outcomes).info()
    }
}

/// Adds the outcomes to the metrics.
pub(super) fn count(reloads: &ReloadInfo, table: &mut Table) {
    for (end, count) in [("done", reloads.done), ("refused", reloads.refused)] {
        table.count("reloads", "Times the configuration was read again, by end", &[("end", end)], count);
    }
    let refused = f64::from(u8::from(reloads.last_error.is_some()));
    table.gauge("reload_refused", "1 if the configuration was not usable when last read again", &[], refused);
    let waiting = reloads.restart.len() as f64;
    table.gauge("settings_waiting", "Settings that differ from those in force until a restart", &[], waiting);
}

/// The path, if both are this one.
fn same<'a>(before: &'a Option<PathBuf>, now: &Option<PathBuf>) -> Option<&'a Path> {
    before.as_deref().filter(|path| now.as_deref() == Some(*path))
}

/// What is not as it was, by the name of the setting.
fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<SettingChange> {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let said = |of: &BTreeMap<String, String>, key: &String| of.get(key).cloned().unwrap_or_default();
    let changes = keys.into_iter().map(|key| SettingChange {
        key: key.clone(),
        from: said(before, key),
        to: said(after, key),
    });
    changes.filter(|change| change.from != change.to).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_what_is_gone_and_what_changed_are_differences() {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
        };
        let before = map(&[("bind", "a"), ("join_file", "f"), ("log", "info")]);
        let after = map(&[("bind", "a"), ("faults", "on"), ("log", "debug")]);
        let found: Vec<String> = differences(&before, &after)
            .iter()
            .map(|change| format!("{} {:?} {:?}", change.key, change.from, change.to))
            .collect();
        assert_eq!(found, [r#"faults "" "on""#, r#"join_file "f" """#, r#"log "info" "debug""#]);
        assert!(differences(&after, &after).is_empty());
    }
}
