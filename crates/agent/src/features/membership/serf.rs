//! Members by Serf's RPC: listing and forgetting them.

use crate::agent::Agent;
use crate::describe::Shape;
use crate::model::{self, Status};
use crate::refusal::Kind;
use crate::serf_rpc::codec::Bytes;
use crate::serf_rpc::messages::{self, Member};
use crate::serf_rpc::reply::{Answer, Answered, text};
use regex::{Regex, RegexBuilder};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The version that each member is said to speak, at least and at most: that of our packets' headers.
const PROTOCOL: u8 = 1;
/// The largest program that a regular expression may become, in bytes (our guess; the crate allows ten times as much).
const REGEX_BYTES_MAX: usize = 1 << 20;

/// A member as Serf's clients know one. Suspected ones are alive to them, as they are to Serf's own agent.
pub(crate) fn member(member: &model::Member) -> Member {
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
pub(crate) fn nameless() -> Member {
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
        Status::Failed | Status::Banned => "failed",
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
pub(crate) async fn members(agent: &Arc<Agent>) -> Answered {
    Ok(Answer::of(&messages::Members { members: all(agent).await? }))
}

async fn all(agent: &Arc<Agent>) -> Result<Vec<Member>, String> {
    let all = agent.inspect(|inside| Shape::new(inside).members(|_, _| true).0).await;
    Ok(all.map_err(|refusal| text(&refusal))?.iter().map(member).collect())
}

/// Those that match.
pub(crate) async fn filtered(agent: &Arc<Agent>, asked: messages::MembersFiltered) -> Answered {
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

/// Drops the departed members of a name, with `prune` or without: here those that left are not kept in any other way. Serf's clients know no ids, so
/// all of that name are meant.
///
/// An unknown name is a success, as with Serf: there is nothing to drop. A live member is an error.
pub(crate) async fn force_leave(agent: &Arc<Agent>, asked: messages::ForceLeave) -> Answered {
    match agent.forget(model::ForgetRequest { member: asked.node, all: true }).await {
        Ok(_) => Ok(Answer::default()),
        Err(refusal) if refusal.kind == Kind::NotFound => Ok(Answer::default()),
        Err(refusal) => Err(text(&refusal)),
    }
}
