//! Whom a request means: an id, or a name if only one member carries it.

use super::failure::Failure;
use crate::run::Inside;
use rumormill_core::identity::NodeId;
use rumormill_protocols::member::swim::Status;

/// Which of several carriers of a name is meant, where the request can only be about one kind.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Meant {
    /// Any: two carriers are ambiguous, whatever they are.
    Any,
    /// A live one, if only one is.
    Live,
    /// A departed one, if only one is.
    Departed,
}

/// The member that `text` means: 404 if there is none, 409 with their ids if there are several.
pub fn find(inside: &Inside<'_>, text: &str, meant: Meant) -> Result<NodeId, Failure> {
    let swim = &inside.node.swim;
    if let Some(id) = id(text)
        && (swim.member(id).is_some() || meant == Meant::Any && is_remembered(inside, id))
    {
        return Ok(id);
    }
    let mut carriers: Vec<(NodeId, Status)> =
        swim.members().filter(|member| member.card.name == text).map(|m| (m.id, m.status)).collect();
    carriers.sort_unstable();
    let fits = |status: Status| match meant {
        Meant::Any => true,
        Meant::Live => matches!(status, Status::Alive | Status::Suspect),
        Meant::Departed => matches!(status, Status::Dead | Status::Left),
    };
    let fitting: Vec<NodeId> = carriers.iter().filter(|(_, s)| fits(*s)).map(|(id, _)| *id).collect();
    if carriers.is_empty()
        && meant == Meant::Any
        && let [one] = super::bans::named(inside, text)[..]
    {
        return Ok(one);
    }
    match (fitting.as_slice(), carriers.as_slice()) {
        ([one], _) | ([], [(one, _)]) => Ok(*one),
        ([], []) => Err(Failure::not_found(
            format!("no member is called {text:?} or has that id"),
            "GET /v1/members lists all members that this agent knows",
        )),
        _ => {
            let ids: Vec<String> = carriers.iter().map(|(id, _)| id.to_string()).collect();
            let error = format!("{} members carry the name {text:?}: {}", ids.len(), ids.join(", "));
            let mut failure = Failure::conflict(error, "ask by id");
            failure.error.candidates = ids;
            Err(failure)
        }
    }
}

/// Whether something is known of an id that is on no list.
fn is_remembered(inside: &Inside<'_>, id: NodeId) -> bool {
    inside.node.swim.why(id).next().is_some() || inside.node.bans.iter().any(|ban| ban.id == id)
}

/// An id as it is printed: 16 hexadecimal digits.
pub fn id(text: &str) -> Option<NodeId> {
    (text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit())).then(|| text.parse().ok())?
}
