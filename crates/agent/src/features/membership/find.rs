//! Resolves what a request names: an id, or a name. Every request about a member uses this.
//!
//! A name is a label that several members may carry: an agent without a data directory that is killed and started again leaves a failed member of
//! the same name behind. So a name means the one live member that carries it; only where no or several live members do, the ids decide.

use crate::describe::inside::Inside;
use crate::features::bans::named::named;
use crate::refusal::Refusal;
use rumormill_core::identity::NodeId;
use rumormill_protocols::member::swim::Status;

/// Ids that an error spells out; the rest is counted (our guess: what fits a screen).
const IDS_SHOWN_MAX: usize = 16;

/// A member that carries the name in question.
type Carrier = (NodeId, Status);

/// The member that `text` means: by id, or the one live member of that name, or the one member of that name. 404 if there is none, 409 with the
/// ids if there are several.
pub fn find(inside: &Inside<'_>, text: &str) -> Result<NodeId, Refusal> {
    if let Some(id) = known_id(inside, text) {
        return Ok(id);
    }
    match (&carriers(inside, text)[..], &named(inside, text)[..]) {
        ([], [banned]) => Ok(*banned), // it is on no list any more, but its ban keeps the name
        (carriers, _) => one(text, carriers),
    }
}

/// The departed members that `text` means: by id, or the one departed member of that name, or `all` of them.
pub fn find_departed(inside: &Inside<'_>, text: &str, all: bool) -> Result<Vec<NodeId>, Refusal> {
    let by_id = known_id(inside, text).and_then(|id| inside.node.swim.member(id)).map(|m| (m.id, m.status));
    departed(text, &by_id.map_or_else(|| carriers(inside, text), |member| vec![member]), all)
}

/// Returns whether this node remembers verdicts or a ban about an id that is on no list.
fn is_remembered(inside: &Inside<'_>, id: NodeId) -> bool {
    inside.node.swim.why(id).next().is_some() || inside.node.bans.iter().any(|ban| ban.id == id)
}

/// An id as it is printed: 16 hexadecimal digits.
pub fn id(text: &str) -> Option<NodeId> {
    (text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit())).then(|| text.parse().ok())?
}

/// The id in `text`, if anything is known about it.
fn known_id(inside: &Inside<'_>, text: &str) -> Option<NodeId> {
    id(text).filter(|id| inside.node.swim.member(*id).is_some() || is_remembered(inside, *id))
}

fn carriers(inside: &Inside<'_>, name: &str) -> Vec<Carrier> {
    let carriers = inside.node.swim.members().filter(|member| member.card.name == name);
    let mut carriers: Vec<Carrier> = carriers.map(|member| (member.id, member.status)).collect();
    carriers.sort_unstable_by_key(|(id, status)| (!is_live(*status), *id));
    carriers
}

fn is_live(status: Status) -> bool {
    matches!(status, Status::Alive | Status::Suspect)
}

fn state(status: Status) -> &'static str {
    match status {
        Status::Alive => "alive",
        Status::Suspect => "suspected",
        Status::Failed => "failed",
        Status::Left => "left",
    }
}

/// Chooses for [`find`].
fn one(text: &str, carriers: &[Carrier]) -> Result<NodeId, Refusal> {
    let live: Vec<&Carrier> = carriers.iter().filter(|(_, status)| is_live(*status)).collect();
    match (&live[..], carriers) {
        ([(id, _)], _) | ([], [(id, _)]) => Ok(*id),
        ([], []) => Err(unknown(text)),
        _ => Err(several(text, carriers, "use an id instead of the name")),
    }
}

/// Chooses for [`find_departed`].
fn departed(text: &str, carriers: &[Carrier], all: bool) -> Result<Vec<NodeId>, Refusal> {
    let departed = carriers.iter().filter(|(_, status)| !is_live(*status)).map(|(id, _)| *id);
    let departed: Vec<NodeId> = departed.collect();
    match departed.len() {
        0 if carriers.is_empty() => Err(unknown(text)),
        0 => {
            let ids: Vec<String> = carriers.iter().map(|(id, _)| id.to_string()).collect();
            let error =
                format!("{text:?} ({}) is alive; only departed members can be forgotten", ids.join(", "));
            Err(Refusal::conflict(error, "stop its agent, or have it leave: rumormill leave"))
        }
        1 => Ok(departed),
        _ if all => Ok(departed),
        _ => {
            let hint = format!(
                "forget one by its id, or all departed members of that name: rumormill forget {text} --all \
                 (POST /v1/forget with \"all\": true)"
            );
            Err(several(text, carriers, hint))
        }
    }
}

fn unknown(text: &str) -> Refusal {
    let hint = "GET /v1/members lists all members that this agent knows";
    Refusal::not_found(format!("no member has the name or id {text:?}"), hint)
}

/// 409 with the ids of all carriers, live ones first.
fn several(text: &str, carriers: &[Carrier], hint: impl Into<String>) -> Refusal {
    let shown = carriers.iter().take(IDS_SHOWN_MAX);
    let shown: Vec<String> = shown.map(|(id, status)| format!("{id} ({})", state(*status))).collect();
    let more = match carriers.len().saturating_sub(IDS_SHOWN_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let error = format!("{} members carry the name {text:?}: {}{more}", carriers.len(), shown.join(", "));
    let candidates = carriers.iter().map(|(id, _)| id.to_string()).collect();
    Refusal { candidates, ..Refusal::conflict(error, hint) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Kind;

    fn carriers(of: &[(u64, Status)]) -> Vec<Carrier> {
        of.iter().map(|(id, status)| (NodeId(*id), *status)).collect()
    }

    #[test]
    fn a_name_means_the_one_live_member_that_carries_it_however_many_failed_under_it() {
        use Status::*;
        for (of, meant) in [
            (&[(1, Alive)][..], Ok(1)),
            (&[(2, Suspect), (1, Failed), (3, Left)], Ok(2)),
            (&[(1, Failed)], Ok(1)),
            (&[], Err(0)),
            (&[(1, Alive), (2, Suspect)], Err(2)),
            (&[(1, Alive), (2, Alive), (3, Failed)], Err(3)),
            (&[(1, Failed), (2, Left)], Err(2)),
        ] {
            let found = one("web-1", &carriers(of)).map_err(|refusal| refusal.candidates.len());
            assert_eq!(found, meant.map(NodeId), "{of:?}");
        }
    }

    #[test]
    fn of_several_departed_members_of_a_name_all_or_one_id_must_be_chosen() {
        use Status::*;
        let ghosts = carriers(&[(9, Alive), (1, Failed), (2, Failed), (3, Left)]);
        let refused = departed("web-1", &ghosts, false).unwrap_err();
        assert!(refused.error.contains("0000000000000002 (failed)"), "{}", refused.error);
        assert!(refused.hint.contains("forget web-1 --all"), "{}", refused.hint);
        assert_eq!(
            departed("web-1", &ghosts, true),
            Ok([1, 2, 3].map(NodeId).to_vec()),
            "never the live one"
        );
        for all in [false, true] {
            assert_eq!(departed("web-1", &carriers(&[(9, Alive), (1, Failed)]), all), Ok(vec![NodeId(1)]));
            let alive = departed("web-1", &carriers(&[(9, Alive)]), all).unwrap_err();
            assert!(alive.error.contains("is alive"), "{}", alive.error);
            assert_eq!(departed("web-1", &[], all).unwrap_err().kind, Kind::NotFound);
        }
    }
}
