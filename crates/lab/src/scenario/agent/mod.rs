//! The agent in scenarios: membership, vitals, events, queries, orders about keys and bans, composed as production composes them.
//!
//! | file | contents |
//! | --- | --- |
//! | `member` | one agent: the node, and the agent around it |
//! | `observe` | its figures and tables |
//! | `claims` | verdicts compared with the probes of their authors |
//! | `verdicts` | failed members compared with the truth |
//! | `deliveries` | events published and delivered |
//! | `answers` | queries and orders about keys |
//! | `state` | whether members agree, and keep their bounds |

mod answers;
mod claims;
mod config;
mod deliveries;
mod member;
mod observe;
mod state;
mod verdicts;

use super::detector::DetectorPart;
use super::lww::LwwPart;
use super::part::{CallOf, CallRecord, Check, Line, Names, Part, View};
use super::settings;
use super::swim::SwimPart;
use answers::Answers;
use claims::Claims;
use config::Config;
use deliveries::{Deliveries, Promise};
use member::{Call, Event, Member};
use rumormill_core::identity::NodeId;
use rumormill_core::observe::Observe;
use rumormill_core::payload::Payload;
use rumormill_core::time::{Time, text};
use rumormill_core::words::count;
use rumormill_node as node;
use rumormill_protocols::agree::{bans, keys};
use rumormill_protocols::detect::phi::{self, Phi};
use rumormill_protocols::member::swim;
use rumormill_protocols::spread::{events, queries};
use std::sync::Arc;
use verdicts::Verdicts;

/// The composite node.
pub struct AgentPart {
    config: Arc<Config>,
}

/// The record of the members' events.
#[derive(Debug, Default)]
pub struct Seen {
    verdicts: Verdicts,
    claims: Claims,
    deliveries: Deliveries,
    answers: Answers,
    over_bound: Option<String>,
}

impl AgentPart {
    /// Membership, vitals and phi with these settings, all else as an agent has it by default. Without settings of its own phi is off.
    pub(super) fn new(
        swim: &toml::Table,
        lww: &toml::Table,
        phi: Option<&toml::Table>,
        nodes: u64,
    ) -> Result<AgentPart, String> {
        let lww = LwwPart::new(lww, nodes)?.config;
        let signs = phi::Config::of_signs(lww.period);
        let phi = phi.map(|table| settings::read::<Phi>(table, nodes, &signs)).transpose()?;
        let config = Config {
            swim: SwimPart::new(swim, nodes)?.config,
            lww,
            phi: phi.map(Arc::new),
            events: events::Config::default(),
            queries: queries::Config::default(),
            bans: bans::Config::default(),
            keys: keys::Config::default(),
        };
        Ok(AgentPart { config: Arc::new(config) })
    }
}

impl Part for AgentPart {
    type Node = Member;
    type Seen = Seen;

    fn make(&self, id: NodeId, life: u32, kept: Option<&Member>) -> Member {
        Member::new(&self.config, id, life, kept)
    }

    fn calls(&self) -> Names {
        vec![
            ("leave", "say goodbye"),
            ("forget", "drop the departed node with that id from every list"),
            ("forget-failed", "drop every failed node that this member knows from every list"),
            ("join", "meet the node with that id"),
            ("tag", "set a tag to that value"),
            ("publish", "publish an event with that payload"),
            ("ask", "ask every member that; each answers"),
            ("install", "have every member install the key of that number"),
            ("ban", "ban the node with that id"),
            ("unban", "lift every ban that this member knows"),
        ]
    }

    fn call(&self, _: NodeId, call: &str, with: &str) -> Result<CallOf<Self>, String> {
        let peer = || with.parse().map(NodeId).map_err(|_| format!("{call} whom? Give `with = \"3\"`"));
        let payload = || Payload::from(with.as_bytes());
        let swim = |call| Call::Node(node::Call::Swim(call));
        Ok(match call {
            "leave" => swim(swim::Call::Leave),
            "join" => swim(swim::Call::Join(peer()?)),
            "forget" => swim(swim::Call::Forget(peer()?)),
            "tag" => swim(swim::Call::SetTags(member::tags(with))),
            "publish" => Call::Publish(payload()),
            "ask" => Call::Ask(payload()),
            "install" => {
                Call::Install(with.parse().map_err(|_| "install which key? Give `with = \"7\"`, 0 to 255")?)
            }
            "ban" => {
                let say = bans::Call::Say { id: peer()?, lifted: false, reason: Payload::EMPTY, name: None };
                Call::Node(node::Call::Bans(say))
            }
            "unban" => Call::Unban,
            "forget-failed" => Call::ForgetFailed,
            _ => return Err(super::unknown("call", call, &self.calls())),
        })
    }

    fn see(&self, seen: &mut Seen, at: Time, id: NodeId, event: &Event) {
        match event {
            Event::Started { epoch, kept } => {
                seen.deliveries.started(at, id, *epoch, *kept);
                seen.answers.started(id, *epoch);
            }
            Event::OverBound(over) => {
                seen.over_bound
                    .get_or_insert_with(|| format!("node {}: {over}, at {:.3} s", id.0, at.as_secs_f64()));
            }
            Event::Claims(event) => seen.deliveries.claims(at, id, *event),
            Event::Accuses(about) => seen.claims.accuses(at.as_secs_f64(), id, *about),
            Event::Ordered { ticket, of } => seen.answers.ordered(at, id, *ticket, *of),
            Event::Node(node::Event::Swim(event)) => {
                seen.deliveries.on_swim(id, event);
                match event {
                    swim::Event::Failed(about) => seen.verdicts.failed(at, id, *about),
                    swim::Event::Forgotten(about) => seen.verdicts.forgets(at, id, *about),
                    swim::Event::Up(about) => seen.verdicts.lists(at, id, *about),
                    swim::Event::ProbeFailed { target, .. } => seen.claims.probed(id, *target),
                    swim::Event::Suspected(_) => seen.verdicts.suspected += 1,
                    swim::Event::Refuted(_) => seen.verdicts.refuted += 1,
                    _ => {}
                }
            }
            Event::Node(node::Event::Events(event)) => seen.deliveries.on_event(at, id, event),
            Event::Node(node::Event::Queries(event)) => seen.answers.on_query(at, id, event),
            Event::Node(node::Event::Keys(event)) => seen.answers.on_keys(at, id, event),
            Event::Node(node::Event::Bans(bans::Event::Changed(ban))) => seen.verdicts.bans(ban.id),
            Event::Node(
                node::Event::Bans(bans::Event::Refused(..)) | node::Event::Vitals(_) | node::Event::Phi(_),
            ) => {}
        }
    }

    fn see_call(&self, seen: &mut Seen, call: &CallRecord) {
        if call.call == "leave" {
            seen.verdicts.leaves(call.at, call.id);
        }
    }

    fn look(&self, seen: &mut Seen, view: &dyn View<Member>) {
        seen.verdicts.judge(view);
        seen.deliveries.look(view);
    }

    fn tell(event: &Event) -> Line {
        match event {
            Event::Started { .. } => Line::of("started", None),
            Event::Ordered { of, .. } => Line::of("ordered", Some(count(*of, "member"))),
            Event::Claims(event) => Line::about("claims", event.source.origin),
            Event::Accuses(about) => Line::about("accuses", *about),
            Event::OverBound(over) => Line::of("over-bound", Some(over.clone())),
            Event::Node(node::Event::Swim(event)) => SwimPart::tell(event),
            Event::Node(node::Event::Vitals(event)) => LwwPart::tell(event),
            Event::Node(node::Event::Phi(event)) => DetectorPart::<Phi>::tell(event),
            Event::Node(node::Event::Events(event)) => tell_event(event),
            Event::Node(node::Event::Queries(event)) => tell_query(event),
            Event::Node(node::Event::Keys(keys::Event::Ordered { by, .. })) => Line::about("key-order", *by),
            Event::Node(node::Event::Keys(keys::Event::Reported { by, .. })) => {
                Line::about("key-report", *by)
            }
            Event::Node(node::Event::Bans(bans::Event::Changed(ban))) => {
                Line::about(if ban.lifted { "unbanned" } else { "banned" }, ban.id)
            }
            Event::Node(node::Event::Bans(bans::Event::Refused(id, _))) => Line::about("ban-refused", *id),
        }
    }

    fn observe(node: &Member) -> Vec<&dyn Observe> {
        vec![node]
    }

    fn measure(&self, view: &dyn View<Member>, seen: &Seen) -> Vec<(&'static str, f64)> {
        let live: Vec<usize> = view.live().map(|id| view.node(id).node.swim.live_len()).collect();
        let mean = live.iter().sum::<usize>() as f64 / live.len().max(1) as f64;
        let Seen { verdicts, deliveries, answers, .. } = seen;
        let share = |part: u64, all: u64| if all > 0 { part as f64 / all as f64 } else { 1.0 };
        vec![
            ("view_mean", mean),
            ("view_min", live.iter().min().copied().unwrap_or(0) as f64),
            ("suspicions", verdicts.suspected as f64),
            ("refutations", verdicts.refuted as f64),
            ("failures", verdicts.failed as f64),
            ("failures_wrong", verdicts.wrong as f64),
            ("failures_wrong_after_s", verdicts.longest_s()),
            ("listed_after_s", verdicts.listed_after_s()),
            ("deliveries", deliveries.delivered as f64),
            ("delivered_share", deliveries.share(view, Promise::Joined)),
            ("delivered_listed_share", deliveries.share(view, Promise::Listed)),
            ("gaps", deliveries.gaps as f64),
            ("publish_refused", deliveries.refused as f64),
            ("answered_share", share(answers.answered, answers.expected)),
            ("live_level_max", state::live_level_max(view)),
        ]
    }

    fn checks(&self) -> Names {
        vec![
            ("views_agree", "all live members list each other and know the same tags, bans and events"),
            (
                "connected_not_failed",
                "no member failed one that was up and connected to it all the time; with (20s): for 20 s",
            ),
            ("no_ghost", "no member lists another one again that it forgot, while that one is down"),
            ("own_words", "no member accused another one that it had not probed"),
            ("no_event_twice", "no member delivered an event twice"),
            ("no_answer_twice", "no member was asked, answered or given a report twice"),
            (
                "joined_delivered",
                "each retained event was delivered at all that had joined the events before",
            ),
            ("listed_delivered", "each retained event was delivered at all that its publisher listed"),
            ("held_when_said", "no member said that it will deliver an event that it did not hold"),
            ("covered_delivered", "each event was delivered at as many others as said that they hold it"),
            ("answers_ended", "each query and each order about keys ended in time"),
            ("bounded", "no queue is over its bound"),
            ("failure", "a member was failed"),
        ]
    }

    fn check(&self, name: &str, with: Option<&str>) -> Result<Check<Self>, String> {
        let orders = self.config.keys.clone();
        Ok(match name {
            "views_agree" => Box::new(|view, _| state::views_agree(view)),
            "connected_not_failed" => {
                let well = with.map(text::parse).transpose()?;
                Box::new(move |_, seen| seen.verdicts.check(well))
            }
            "own_words" => Box::new(|_, seen| seen.claims.check()),
            "no_ghost" => Box::new(|_, seen| seen.verdicts.check_ghosts()),
            "held_when_said" => Box::new(|_, seen| seen.deliveries.check_claims()),
            "covered_delivered" => Box::new(|_, seen| seen.deliveries.check_covered()),
            "no_event_twice" => Box::new(|_, seen| seen.deliveries.check_twice()),
            "no_answer_twice" => Box::new(|_, seen| seen.answers.check_twice()),
            "joined_delivered" => Box::new(|view, seen| seen.deliveries.check(view, Promise::Joined)),
            "listed_delivered" => Box::new(|view, seen| seen.deliveries.check(view, Promise::Listed)),
            "answers_ended" => Box::new(move |view, seen| seen.answers.check_ended(view, &orders)),
            "bounded" => Box::new(|_, seen| seen.over_bound.clone().map_or(Ok(()), Err)),
            "failure" => Box::new(|_, seen| super::holds(seen.verdicts.failed > 0, "nobody failed")),
            _ => return Err(super::unknown("check", name, &self.checks())),
        })
    }

    /// As for SWIM, the vitals and phi; the retained events are small beside them.
    fn heap_bytes(&self, nodes: u64) -> u64 {
        let phi = if self.config.phi.is_some() { 512 } else { 0 };
        nodes * (160 + 256 + 32 + phi) + (64 << 10)
    }
}

fn tell_event(event: &events::Event) -> Line {
    match event {
        events::Event::Queued { id, .. } => Line::of("event-published", Some(id.seq.to_string())),
        events::Event::Refused { .. } => Line::of("event-refused", None),
        events::Event::Covered { held, asked, .. } => {
            Line::of("event-covered", Some(format!("{held} of {asked}")))
        }
        events::Event::Joined => Line::of("events-joined", None),
        events::Event::Delivered(item) => {
            let detail = Some(item.id.seq.to_string());
            Line { event: "event", about: Some(item.id.source.origin.0), detail }
        }
        events::Event::Gap { source, span } => {
            let detail = Some(format!("{} to {}", span.from, span.to));
            Line { event: "event-gap", about: Some(source.origin.0), detail }
        }
    }
}

fn tell_query(event: &queries::Event) -> Line {
    match event {
        queries::Event::Spread(_) => Line::of("query-spread", None),
        queries::Event::Sent { .. } => Line::of("query-sent", None),
        queries::Event::Refused { .. } => Line::of("query-refused", None),
        queries::Event::Acked { from, .. } => Line::about("query-acked", *from),
        queries::Event::Answered { from, .. } => Line::about("query-answered", *from),
        queries::Event::Asked { id, .. } => Line::about("query", id.asker),
        queries::Event::Done { summary, .. } => {
            Line::of("query-done", Some(format!("{} of {}", summary.answered, summary.expected)))
        }
    }
}
