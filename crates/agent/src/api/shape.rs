//! From the node's state to the API's JSON.
//!
//! Runs inside the node's task, so it does no more than copy what is asked for.

use crate::host;
use crate::model;
use crate::run::Inside;
use crate::view::Cursor;
use rumormill_core::identity::NodeId;
use rumormill_core::time::{Duration, Time};
use rumormill_protocols::member::swim::record::{Charge, TagMap, Tags};
use rumormill_protocols::member::swim::{self, Status};
use rumormill_runtime::contact::Contact;
use std::collections::BTreeMap;

/// Writes members as JSON has them.
pub struct Shape<'a> {
    inside: &'a Inside<'a>,
}

impl<'a> Shape<'a> {
    /// What is seen from inside the node's task.
    pub fn new(inside: &'a Inside<'a>) -> Shape<'a> {
        Shape { inside }
    }

    /// The members that match, ordered by name and id, and the cursor at which they stand so.
    pub fn members(&self, matches: impl Fn(&swim::Member<'_>) -> bool) -> (Vec<model::Member>, Cursor) {
        let found = self.inside.node.swim.members().filter(|member| matches(member));
        let mut members: Vec<_> = found.map(|member| self.member(&member)).collect();
        members.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        (members, self.inside.view.cursor())
    }

    /// What is being gossiped.
    pub fn news(&self) -> impl Iterator<Item = model::NewsItem> {
        let swim = &self.inside.node.swim;
        swim.news().map(|(id, said)| model::NewsItem {
            id: id.to_string(),
            name: swim.member(id).map(|member| member.card.name.clone()),
            said: said.map_or("forgotten", |said| status(said).as_str()).into(),
        })
    }

    /// Those of `ids` that are on a list.
    pub fn those(&self, ids: &[NodeId]) -> BTreeMap<NodeId, model::Member> {
        let found = ids.iter().filter_map(|id| Some((*id, self.inside.node.swim.member(*id)?)));
        found.map(|(id, member)| (id, self.member(&member))).collect()
    }

    /// One member.
    pub fn member(&self, member: &swim::Member<'_>) -> model::Member {
        let vitals = self.inside.node.vitals_of(member.id);
        let card = member.card;
        model::Member {
            id: member.id.to_string(),
            name: card.name.clone(),
            is_self: member.id == self.me(),
            status: status(member.status),
            since_s: self.ago(member.since),
            epoch: card.life.epoch,
            incarnation: card.incarnation,
            addresses: addresses(&card.contact),
            tags: tags(member),
            tags_pending: member.tags.is_none() && !matches!(card.tags, Tags::Inline(_)),
            rtt_ms: member.rtt.map(millis),
            heard_s: member.heard.map(|heard| self.ago(heard)),
            stream_only: member.stream_only,
            copied_from: card.copied_from.map(|id| id.to_string()),
            warnings: self.warnings(member),
            vitals: vitals.as_ref().and_then(|entry| host::Vitals::decode(&entry.value)).map(|v| summary(&v)),
            vitals_age_s: vitals.map(|entry| self.inside.wall.since(entry.written).as_secs_f64()),
        }
    }

    /// The newest vitals of a member, in full.
    pub fn vitals(&self, member: &swim::Member<'_>) -> Option<model::Vitals> {
        let entry = self.inside.node.vitals_of(member.id)?;
        let vitals = host::Vitals::decode(&entry.value)?;
        Some(model::Vitals {
            id: member.id.to_string(),
            name: member.card.name.clone(),
            age_s: self.inside.wall.since(entry.written).as_secs_f64(),
            heard_s: self.ago(entry.heard),
            written_unix_ms: entry.written.0,
            ..in_full(&vitals)
        })
    }

    /// What was said about `id`.
    pub fn why(&self, id: NodeId) -> model::Why {
        let node = self.inside.node;
        model::Why {
            member: node.swim.member(id).map(|member| self.member(&member)),
            id: id.to_string(),
            verdicts: node.swim.why(id).map(|verdict| self.verdict(verdict)).collect(),
        }
    }

    fn me(&self) -> NodeId {
        self.inside.node.swim.me().id
    }

    fn ago(&self, then: Time) -> f64 {
        self.inside.now.since(then).as_secs_f64()
    }

    fn warnings(&self, member: &swim::Member<'_>) -> Vec<String> {
        let mut warnings = Vec::new();
        let live = matches!(member.status, Status::Alive | Status::Suspect);
        let carriers = self.inside.view.carriers(&member.card.name).len();
        if live && carriers > 1 {
            warnings
                .push(format!("the name is taken by {carriers} members: give each its own, or ask by id"));
        }
        if let Some(before) = member.card.copied_from {
            warnings.push(format!(
                "runs from a copy of the data directory of {before}: it made itself a new key, and both stay members"
            ));
        }
        if let Some(ban) = self.inside.node.bans.of(member.id) {
            let by =
                self.inside.node.swim.member(ban.by).map_or(ban.by.to_string(), |by| by.card.name.clone());
            let reason = if ban.reason().is_empty() { String::new() } else { format!(": {}", ban.reason()) };
            warnings.push(format!("banned by {by}{reason}"));
        }
        let loopback = |contact: &[u8]| {
            let contact = Contact::decode(contact).unwrap_or_default();
            contact.addresses().iter().find(|address| address.ip().is_loopback()).copied()
        };
        let is_elsewhere = loopback(&self.inside.node.swim.me().card.contact).is_none();
        if let Some(address) = loopback(&member.card.contact).filter(|_| live && is_elsewhere) {
            warnings.push(format!(
                "says that it is reached at {address}, which is every machine itself: set --advertise there"
            ));
        }
        if live && member.stream_only {
            warnings.push("answers over TCP alone: UDP on its gossip port seems to be blocked".to_string());
        }
        warnings
    }

    fn verdict(&self, verdict: &swim::Verdict) -> model::Verdict {
        use model::Said;
        let what = match verdict.what {
            swim::Said::Charged(Charge::Suspect) => Said::Suspected,
            swim::Said::Charged(Charge::Dead) => Said::DeclaredDead,
            swim::Said::Charged(Charge::Forget) => Said::Forgotten,
            swim::Said::Refuted => Said::Refuted,
            swim::Said::Restarted => Said::Restarted,
            swim::Said::Left => Said::Left,
            swim::Said::Copied => Said::Copied,
        };
        let by_name = self.inside.node.swim.member(verdict.by).map(|member| member.card.name.clone());
        let evidence = verdict.evidence.map(|seen| model::Evidence {
            helpers: seen.helpers,
            nacks: seen.nacks,
            confirmations: seen.confirmations,
            waited_ms: seen.waited_ms,
            silent_ms: seen.silent_ms,
            accuser_health: seen.accuser_health,
        });
        model::Verdict {
            what,
            by: verdict.by.to_string(),
            at_unix_ms: verdict.written.0,
            heard_s: self.ago(verdict.heard),
            incarnation: verdict.incarnation,
            text: sentence(what, by_name.as_deref().unwrap_or(&verdict.by.to_string()), evidence.as_ref()),
            evidence,
            by_name,
        }
    }
}

/// A verdict as a sentence.
fn sentence(what: model::Said, by: &str, evidence: Option<&model::Evidence>) -> String {
    use model::Said;
    let mut text = match what {
        Said::Suspected => format!("{by} suspected it: a probe got no answer"),
        Said::DeclaredDead => format!("{by} declared it dead: nothing answered the suspicion"),
        Said::Forgotten => format!("an operator at {by} had it forgotten"),
        Said::Refuted => "it answered a suspicion: it is alive".to_string(),
        Said::Restarted => "it came back in a new life".to_string(),
        Said::Left => "it left of its own will".to_string(),
        Said::Copied => format!("{by} saw its id in two lives at once: a copied data directory"),
    };
    let Some(seen) = evidence.filter(|_| matches!(what, Said::Suspected | Said::DeclaredDead)) else {
        return text;
    };
    text += &format!(" within {} ms", seen.waited_ms);
    if seen.helpers > 0 {
        text +=
            &format!("; {} helpers were asked, {} of them got no answer either", seen.helpers, seen.nacks);
    }
    if what == Said::DeclaredDead {
        text += &format!("; {} suspicions agreed", seen.confirmations);
    }
    match seen.silent_ms {
        Some(ms) => text += &format!("; {by} had last heard from it {:.1} s before", ms as f64 / 1e3),
        None => text += &format!("; {by} had never heard from it"),
    }
    if seen.accuser_health > 0 {
        text += &format!("; {by} was not well itself (score {})", seen.accuser_health);
    }
    text
}

/// The API's word for a status.
pub fn status(status: Status) -> model::Status {
    match status {
        Status::Alive => model::Status::Alive,
        Status::Suspect => model::Status::Suspect,
        Status::Dead => model::Status::Dead,
        Status::Left => model::Status::Left,
    }
}

/// The addresses of a contact; none if it cannot be read.
pub fn addresses(contact: &[u8]) -> Vec<String> {
    let contact = Contact::decode(contact).unwrap_or_default();
    contact.addresses().iter().map(ToString::to_string).collect()
}

/// A member's tags, as far as they are here.
pub fn tags(member: &swim::Member<'_>) -> BTreeMap<String, String> {
    member.tags.and_then(TagMap::decode).unwrap_or_default().0
}

/// Milliseconds, with their fraction.
pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

fn disk_percent(disk: &host::Disk) -> Option<f64> {
    percent(disk.used_mib.into(), disk.total_mib.into())
}

fn summary(vitals: &host::Vitals) -> model::VitalsSummary {
    let memory = vitals.mem_total_kib.zip(vitals.mem_available_kib);
    model::VitalsSummary {
        load1: vitals.load_1_centi.map(|centi| f64::from(centi) / 100.0),
        cpu_percent: vitals.cpu_busy_permille.map(|permille| f64::from(permille) / 10.0),
        memory_percent: memory.and_then(|(total, free)| percent(total.saturating_sub(free), total)),
        disk_percent: vitals.disks.iter().filter_map(disk_percent).max_by(f64::total_cmp),
        uptime_s: vitals.uptime_s,
    }
}

/// All but whose they are, and when they were written.
fn in_full(vitals: &host::Vitals) -> model::Vitals {
    let centi = |value: u32| f64::from(value) / 100.0;
    let kib = |kib: u64| kib.saturating_mul(1024);
    let mib = |mib: u32| u64::from(mib) << 20;
    let load = vitals.load_1_centi.zip(vitals.load_5_centi).zip(vitals.load_15_centi);
    let mut disks: Vec<&host::Disk> = vitals.disks.iter().collect();
    disks.sort_by(|a, b| disk_percent(b).unwrap_or(0.0).total_cmp(&disk_percent(a).unwrap_or(0.0)));
    let hung = disks.iter().filter(|disk| disk.is_hung).map(|disk| disk.mount.clone()).collect();
    let disk = |disk: &host::Disk| model::Disk {
        mount: disk.mount.clone(),
        total_bytes: mib(disk.total_mib),
        available_bytes: mib(disk.total_mib.saturating_sub(disk.used_mib)),
    };
    model::Vitals {
        load: load.map(|((one, five), fifteen)| [centi(one), centi(five), centi(fifteen)]),
        cpu_percent: vitals.cpu_busy_permille.map(|permille| f64::from(permille) / 10.0),
        cpus: vitals.cores.map(u32::from),
        memory_total_bytes: vitals.mem_total_kib.map(kib),
        memory_available_bytes: vitals.mem_available_kib.map(kib),
        swap_used_bytes: vitals.swap_used_kib.map(kib),
        pressure_cpu_percent: vitals.pressure_cpu_centipercent.map(|p| centi(p.into())),
        pressure_memory_percent: vitals.pressure_memory_centipercent.map(|p| centi(p.into())),
        pressure_io_percent: vitals.pressure_io_centipercent.map(|p| centi(p.into())),
        disks: disks.into_iter().map(disk).collect(),
        hung_disks: hung,
        net_received_bytes_per_s: vitals.net_rx_bytes_per_s.map(|rate| rate as f64),
        net_sent_bytes_per_s: vitals.net_tx_bytes_per_s.map(|rate| rate as f64),
        uptime_s: vitals.uptime_s,
        processes: vitals.processes.map(u64::from),
        agent_memory_bytes: vitals.agent_rss_kib.map(kib),
        agent_cpu_percent: vitals.agent_cpu_ppm.map(|ppm| f64::from(ppm) / 10_000.0),
        ..model::Vitals::default()
    }
}
