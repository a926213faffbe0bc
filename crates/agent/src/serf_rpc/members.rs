//! Members, joining, leaving, forgetting, tags.

use super::client::{Answer, Answered, text};
use super::codec::Bytes;
use super::messages::{self, Member};
use crate::api::cluster;
use crate::api::failure::Body;
use crate::api::shape::Shape;
use crate::model::{self, Status};
use crate::refusal::Kind;
use crate::run::Agent;
use axum::extract::State;
use regex::{Regex, RegexBuilder};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The version that each member is said to speak, at least and at most: that of our packets' headers.
const PROTOCOL: u8 = 1;
/// The largest program that a regular expression may become, in bytes (our guess; the crate allows ten times as much).
const REGEX_BYTES_MAX: usize = 1 << 20;

/// A member as Serf's clients know one. Suspected ones are alive to them, as they are to Serf's own agent.
pub(super) fn member(member: &model::Member) -> Member {
    let address = member.addresses.iter().find_map(|address| address.parse::<SocketAddr>().ok());
    Member {
        addr: Bytes(address.map(|address| octets(address.ip())).unwrap_or_default()),
        port: address.map_or(0, |address| address.port()),
        name: member.name.clone(),
        status: status(member.status),
        tags: member.tags.clone(),
        ..nameless()
    }
}

/// What is said of every member.
pub(super) fn nameless() -> Member {
    Member {
        delegate_cur: PROTOCOL,
        delegate_max: PROTOCOL,
        delegate_min: PROTOCOL,
        protocol_cur: PROTOCOL,
        protocol_max: PROTOCOL,
        protocol_min: PROTOCOL,
        ..Member::default()
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Alive | Status::Suspect => "alive",
        Status::Dead | Status::Banned => "failed",
        Status::Left => "left",
    }
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// All of them.
pub(super) async fn members(agent: &Arc<Agent>) -> Answered {
    Ok(Answer::of(&messages::Members { members: all(agent).await? }))
}

async fn all(agent: &Arc<Agent>) -> Result<Vec<Member>, String> {
    let all = agent.inspect(|inside| Shape::new(inside).members(|_, _| true).0).await;
    Ok(all.map_err(|refusal| text(&refusal))?.iter().map(member).collect())
}

/// Those that match.
pub(super) async fn filtered(agent: &Arc<Agent>, asked: messages::MembersFiltered) -> Answered {
    let (name, status) = (whole(&asked.name)?, whole(&asked.status)?);
    let tags = asked.tags.iter().map(|(key, pattern)| Ok((key, exactly(pattern)?)));
    let tags = tags.collect::<Result<Vec<(&String, Regex)>, String>>()?;
    let fits = |pattern: &Option<Regex>, text: &str| pattern.as_ref().is_none_or(|it| it.is_match(text));
    let mut members = all(agent).await?;
    members.retain(|member| {
        let tag = |key: &String| member.tags.get(key).map_or("", String::as_str);
        fits(&name, &member.name)
            && fits(&status, member.status)
            && tags.iter().all(|(key, pattern)| pattern.is_match(tag(key)))
    });
    Ok(Answer::of(&messages::Members { members }))
}

/// A pattern for the whole of a text; none if it is empty.
fn whole(pattern: &str) -> Result<Option<Regex>, String> {
    (!pattern.is_empty()).then(|| exactly(pattern)).transpose()
}

fn exactly(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(REGEX_BYTES_MAX).build();
    built.map_err(|error| format!("Failed to compile regex: {error}"))
}

/// Meets who is there. An error if nobody answered.
pub(super) async fn join(agent: &Arc<Agent>, asked: messages::Join) -> Answered {
    let request = model::JoinRequest { addresses: asked.existing };
    let joined =
        cluster::join(State(agent.clone()), Body(request)).await.map_err(|refusal| text(&refusal))?;
    let num = joined.addresses.iter().filter(|one| one.id.is_some()).count();
    let errors = joined.addresses.iter().filter_map(|one| Some((&one.address, one.error.as_ref()?)));
    let errors: Vec<String> = errors.map(|(at, error)| format!("{at}: {error}")).collect();
    let error = if num == 0 { errors.join("; ") } else { String::new() };
    let num = messages::Joined { num: u32::try_from(num).unwrap_or(u32::MAX) };
    Ok(Answer { error, ..Answer::of(&num) })
}

/// Drops the departed members of a name, with `prune` or without: here those that left are not kept in any other way. Serf's clients know no ids, so
/// all of that name are meant.
///
/// Of one that nobody knows there is nothing to be dropped, which Serf calls a success; one that lives is an error.
pub(super) async fn force_leave(agent: &Arc<Agent>, asked: messages::ForceLeave) -> Answered {
    let forget =
        cluster::forget(State(agent.clone()), Body(model::ForgetRequest { member: asked.node, all: true }));
    match forget.await {
        Ok(_) => Ok(Answer::default()),
        Err(refusal) if refusal.kind == Kind::NotFound => Ok(Answer::default()),
        Err(refusal) => Err(text(&refusal)),
    }
}

/// Leaves, and has the agent end.
pub(super) async fn leave(agent: &Arc<Agent>) -> Answered {
    match agent.leave().await {
        true => Ok(Answer::default()),
        false => Err("the agent stops; whether the others have been told is not certain".into()),
    }
}

/// Sets tags and deletes some. What is in both is set.
pub(super) async fn tags(agent: &Arc<Agent>, asked: messages::Tags) -> Answered {
    let patch = model::TagsPatch { set: asked.tags, remove: asked.delete_tags };
    let patched = cluster::patch_tags(State(agent.clone()), Body(patch)).await;
    patched.map(|_| Answer::default()).map_err(|refusal| text(&refusal))
}
