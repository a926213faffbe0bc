//! Orders to all live members: the outcome of each, and a rotation in which every step waits until all members confirmed the one before.

use crate::agent::Agent;
use crate::model::{KeysAction, KeysEverywhere, KeysKept, KeysMember, KeysResult, KeysStep};
use crate::node::Call;
use crate::refusal::Refusal;
use crate::states::lock;
use rumormill_core::identity::NodeId;
use rumormill_core::time::Duration;
use rumormill_core::words;
use rumormill_protocols::agree::keys::{self, Config, Kept, Order, Report, Secret};
use rumormill_protocols::member::swim::Status;
use rumormill_runtime::keyring::{Fingerprint, Key};
use std::sync::Arc;
use tokio::sync::mpsc;

/// How much longer than the tries of the protocol it is waited for reports: the node was started anew, then.
const REPORTS_GRACE: Duration = Duration::from_secs(10);

/// A live member, and what it reported.
struct MemberReport {
    id: NodeId,
    name: String,
    report: Option<Report>,
}

impl MemberReport {
    fn is_done(&self) -> bool {
        self.report.as_ref().is_some_and(|report| report.refusal().is_none())
    }

    fn holds(&self, key: Fingerprint) -> bool {
        self.report.as_ref().is_some_and(|report| report.keys().any(|held| held == key.0))
    }

    fn seals_with(&self, key: Fingerprint) -> bool {
        self.report.as_ref().is_some_and(|report| report.keys().next() == Some(key.0))
    }

    fn shown(&self) -> KeysMember {
        let report = self.report.as_ref();
        let text = |text: Option<&str>| text.map(str::to_string);
        KeysMember {
            id: self.id.to_string(),
            name: self.name.clone(),
            result: match report {
                None => KeysResult::NoAnswer,
                Some(report) if report.refusal().is_some() => KeysResult::Failed,
                Some(_) => KeysResult::Done,
            },
            reason: text(report.and_then(Report::refusal)),
            keys: report.into_iter().flat_map(Report::keys).map(|key| Fingerprint(key).to_string()).collect(),
            kept: report.map(|report| match report.kept {
                Kept::File => KeysKept::File,
                Kept::Store => KeysKept::Store,
                Kept::Nowhere => KeysKept::Nowhere,
            }),
            note: text(report.and_then(Report::note)),
        }
    }
}

/// The course of one change, step by step.
#[derive(Default)]
struct Course {
    steps: Vec<KeysStep>,
}

impl Course {
    fn note(&mut self, what: &str, reports: &[MemberReport]) {
        self.steps
            .push(KeysStep { what: what.into(), members: reports.iter().map(MemberReport::shown).collect() });
    }

    fn ends(self, done: bool, key: Option<Fingerprint>, note: String) -> KeysEverywhere {
        KeysEverywhere { done, key: key.map(|key| key.to_string()), note, steps: self.steps }
    }
}

/// A change that all members are to carry out.
pub enum KeyChange {
    /// List the keys of each member.
    List,
    /// Open what is sealed with this key.
    Install(Key),
    /// Seal with this key; even if live members lack it, if the flag says so.
    Use(Fingerprint, bool),
    /// Open nothing of this key; revoked if the first flag says so, and even if members do not answer if the second one does.
    Remove(Fingerprint, bool, bool),
    /// Install this key, use it, and remove those that were used before.
    Rotate(Key),
}

impl KeyChange {
    /// What a request asks for. A key that cannot be read is not repeated.
    pub fn of(
        action: KeysAction,
        key: Option<&str>,
        name: Option<&str>,
        force: bool,
        revoke: bool,
    ) -> Result<KeyChange, Refusal> {
        let is_idle = match action {
            KeysAction::List => key.is_some() || name.is_some() || force || revoke,
            KeysAction::Install | KeysAction::Rotate => name.is_some() || force || revoke,
            KeysAction::Use => key.is_some() || revoke,
            KeysAction::Remove => key.is_some(),
        };
        if is_idle {
            let hint = "list takes nothing, install and rotate take a key, use a fingerprint and force, remove a fingerprint, force and revoke";
            return Err(Refusal::invalid("a field has no effect with this action", hint));
        }
        let key = || {
            let hint =
                "send \"key\": the 44 characters that rumormill keygen prints, or 64 hexadecimal digits";
            let text = key.ok_or_else(|| Refusal::invalid("there is no key", hint))?;
            text.parse::<Key>().map_err(|error| Refusal::invalid(error.to_string(), hint))
        };
        let name = || {
            name.and_then(|name| name.parse::<Fingerprint>().ok()).ok_or_else(|| {
                Refusal::invalid(
                    "this is no fingerprint",
                    "send \"fingerprint\": 16 digits that rumormill keys list shows",
                )
            })
        };
        Ok(match action {
            KeysAction::List => KeyChange::List,
            KeysAction::Install => KeyChange::Install(key()?),
            KeysAction::Use => KeyChange::Use(name()?, force),
            KeysAction::Remove => KeyChange::Remove(name()?, revoke, force),
            KeysAction::Rotate => KeyChange::Rotate(key()?),
        })
    }
}

impl Agent {
    /// Has all live members carry out a change of keys, and returns the outcome of each.
    pub async fn keys_everywhere(self: &Arc<Self>, wanted: KeyChange) -> Result<KeysEverywhere, Refusal> {
        if self.keyring.is_insecure() {
            let hint = "start all agents with a key file; rumormill keygen makes one";
            return Err(Refusal::conflict("this agent runs without a cluster key", hint));
        }
        let Ok(_one_at_a_time) = self.keys().asking.try_lock() else {
            return Err(Refusal::busy("keys are being changed through this agent"));
        };
        let mut course = Course::default();
        match wanted {
            KeyChange::List => {
                let told = self.step(&mut course, "list", &Order::List).await?;
                let silent = told.iter().filter(|told| !told.is_done()).count();
                let note = if silent == 0 {
                    String::new()
                } else {
                    format!("{silent} of {} did not tell", told.len())
                };
                Ok(course.ends(silent == 0, None, note))
            }
            KeyChange::Install(key) => self.install_everywhere(course, &key).await,
            KeyChange::Use(key, force) => self.use_everywhere(course, key, force).await,
            KeyChange::Remove(key, revoke, force) => self.remove_everywhere(course, key, revoke, force).await,
            KeyChange::Rotate(key) => self.rotate(course, &key).await,
        }
    }

    async fn install_everywhere(
        self: &Arc<Self>,
        mut course: Course,
        key: &Key,
    ) -> Result<KeysEverywhere, Refusal> {
        let name = key.fingerprint();
        let told = self.step(&mut course, "install", &Order::Install(Secret(*key.bytes()))).await?;
        Ok(match lacking(&told, |told| told.holds(name)) {
            None => {
                course.ends(true, Some(name), format!("all live members open what is sealed with {name}"))
            }
            Some(who) => course.ends(
                false,
                Some(name),
                format!("not installed on {who}: install it again before it is used"),
            ),
        })
    }

    async fn use_everywhere(
        self: &Arc<Self>,
        mut course: Course,
        name: Fingerprint,
        force: bool,
    ) -> Result<KeysEverywhere, Refusal> {
        let told = self.step(&mut course, "list", &Order::List).await?;
        if let Some(who) = lacking(&told, |told| told.holds(name)).filter(|_| !force) {
            let note = format!(
                "nothing was changed: {name} is not known to be on {who}; install it first, or say --force"
            );
            return Ok(course.ends(false, Some(name), note));
        }
        let told = self.step(&mut course, "use", &Order::Use(name.0)).await?;
        Ok(match lacking(&told, |told| told.seals_with(name)) {
            None => course.ends(true, Some(name), format!("all live members seal with {name}")),
            Some(who) => course.ends(false, Some(name), format!("not known to be used by {who}: try again")),
        })
    }

    async fn remove_everywhere(
        self: &Arc<Self>,
        mut course: Course,
        name: Fingerprint,
        revoke: bool,
        force: bool,
    ) -> Result<KeysEverywhere, Refusal> {
        let told = self.step(&mut course, "list", &Order::List).await?;
        if let Some(who) = lacking(&told, |told| !told.seals_with(name)) {
            let note = format!("nothing was changed: {who} seal with {name}; have all use another one first");
            return Ok(course.ends(false, Some(name), note));
        }
        if let Some(who) = lacking(&told, |told| told.report.is_some()).filter(|_| !force) {
            let note = format!(
                "nothing was changed: {who} may seal with {name}, for there was no answer; say --force if not"
            );
            return Ok(course.ends(false, Some(name), note));
        }
        let order = Order::Remove { fingerprint: name.0, revoke };
        let told = self.step(&mut course, "remove", &order).await?;
        Ok(match lacking(&told, |told| told.is_done() && !told.holds(name)) {
            None => course.ends(true, Some(name), self.after_removal(name, revoke)),
            Some(who) => {
                course.ends(false, Some(name), format!("not known to be removed by {who}: try again"))
            }
        })
    }

    fn after_removal(&self, name: Fingerprint, revoke: bool) -> String {
        let grace = self.config.keys_grace;
        if revoke || grace.is_zero() {
            return format!("no live member opens what is sealed with {name}, and nobody can catch up by it");
        }
        format!(
            "no live member opens what is sealed with {name}; members that were away catch up by it for {}, if all are set as this agent",
            words::span(grace.as_secs_f64())
        )
    }

    async fn rotate(self: &Arc<Self>, mut course: Course, key: &Key) -> Result<KeysEverywhere, Refusal> {
        let name = key.fingerprint();
        let told = self.step(&mut course, "list", &Order::List).await?;
        if let Some(who) = lacking(&told, MemberReport::is_done) {
            let note = format!("nothing was changed: {who} did not answer; rotate when all live members do");
            return Ok(course.ends(false, None, note));
        }
        let mut old: Vec<Fingerprint> =
            told.iter().filter_map(|told| told.report.as_ref()?.keys().next()).map(Fingerprint).collect();
        old.sort_unstable();
        old.dedup();
        old.retain(|old| *old != name);
        let go_on = format!("`keys use {name}`, then `keys remove` of the old ones, go on with it");
        let order = Order::Install(Secret(*key.bytes()));
        // Twice: a member that joined meanwhile has the old key alone.
        for _ in 0..2 {
            let told = self.step(&mut course, "install", &order).await?;
            if let Some(who) = lacking(&told, |told| told.holds(name)) {
                let note = format!(
                    "stopped: {name} is not known to be on {who}; all still seal with the old key. {go_on}, once it is everywhere"
                );
                return Ok(course.ends(false, Some(name), note));
            }
        }
        course.steps.pop();
        let told = self.step(&mut course, "use", &Order::Use(name.0)).await?;
        if let Some(who) = lacking(&told, |told| told.seals_with(name)) {
            let note = format!(
                "stopped: {name} is not known to be used by {who}; all open both keys, so that the cluster goes on. {go_on}"
            );
            return Ok(course.ends(false, Some(name), note));
        }
        for old in &old {
            let order = Order::Remove { fingerprint: old.0, revoke: false };
            let told = self.step(&mut course, "remove", &order).await?;
            if let Some(who) = lacking(&told, |told| told.is_done() && !told.holds(*old)) {
                let note = format!(
                    "stopped: {old} is not known to be removed by {who}; all seal with {name}. `keys remove {old}` goes on with it"
                );
                return Ok(course.ends(false, Some(name), note));
            }
        }
        let note = match old.first() {
            Some(old) => format!("all live members seal with {name}; {}", self.after_removal(*old, false)),
            None => format!("all live members sealed with {name} before"),
        };
        Ok(course.ends(true, Some(name), note))
    }

    async fn step(
        self: &Arc<Self>,
        course: &mut Course,
        what: &str,
        order: &Order,
    ) -> Result<Vec<MemberReport>, Refusal> {
        let told = self.ask_everybody(order).await?;
        course.note(what, &told);
        Ok(told)
    }

    /// Has every live member carry out an order, this node last: it can still be asked what became of it if it fails.
    async fn ask_everybody(self: &Arc<Self>, order: &Order) -> Result<Vec<MemberReport>, Refusal> {
        let live = self.inspect(|inside| {
            let live =
                inside.node.swim.members().filter(|m| matches!(m.status, Status::Alive | Status::Suspect));
            let live = live.map(|member| (member.id, member.card.name.clone()));
            (inside.node.swim.me().id, live.collect::<Vec<_>>())
        });
        let (me, live) = live.await?;
        let of: Vec<NodeId> = live.iter().map(|(id, _)| *id).filter(|id| *id != me).collect();
        let mut reports = self.order(of, order).await?;
        reports.push((me, Some(self.carry_out(order).await)));
        let mut told: Vec<MemberReport> = live
            .into_iter()
            .map(|(id, name)| {
                let report =
                    reports.iter_mut().find(|(by, _)| *by == id).and_then(|(_, report)| report.take());
                MemberReport { id, name, report }
            })
            .collect();
        told.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(told)
    }

    async fn order(
        self: &Arc<Self>,
        of: Vec<NodeId>,
        order: &Order,
    ) -> Result<Vec<(NodeId, Option<Report>)>, Refusal> {
        let Config { parallel_max, first_wait, tries_max, .. } = Config::default();
        let rounds = u32::try_from(of.len().div_ceil(parallel_max)).unwrap_or(u32::MAX);
        let wait = first_wait.saturating_mul(1 << tries_max).saturating_mul(rounds) + REPORTS_GRACE;
        let ticket = getrandom::u64().map_err(|_| Refusal::gone())?;
        let (sender, mut reports) = mpsc::unbounded_channel(); // one report for each that is asked
        lock(&self.keys().reports).insert(ticket, sender);
        let (count, order) = (of.len(), order.clone());
        let asked = self.call(Call::Keys(keys::Call::Ask { ticket, of, order })).await;
        let mut found = Vec::with_capacity(count);
        if asked.is_ok() {
            let all = async {
                while found.len() < count
                    && let Some(report) = reports.recv().await
                {
                    found.push(report);
                }
            };
            let _ = tokio::time::timeout(wait, all).await; // a missing member did not answer
        }
        lock(&self.keys().reports).remove(&ticket);
        asked.map(|()| found)
    }
}

/// The names of the members for which a condition does not hold; none if it holds for all.
fn lacking(reports: &[MemberReport], is_so: impl Fn(&MemberReport) -> bool) -> Option<String> {
    /// Names that are listed; of more only the number (our guess: a line of text).
    const NAMES_MAX: usize = 5;
    let names: Vec<&str> =
        reports.iter().filter(|told| !is_so(told)).map(|told| told.name.as_str()).collect();
    match names.len() {
        0 => None,
        count if count > NAMES_MAX => {
            Some(format!("{} and {} more", names[..NAMES_MAX].join(", "), count - NAMES_MAX))
        }
        _ => Some(names.join(", ")),
    }
}
