//! Verdicts about a member as sentences: the author of each, its time, and its evidence.

use crate::describe::inside::Inside;
use crate::describe::{Shape, reason_given};
use crate::model::{self, VerdictKind};
use rumormill_core::identity::NodeId;
use rumormill_core::words;
use rumormill_protocols::agree::bans::Ban;
use rumormill_protocols::member::swim;
use rumormill_protocols::member::swim::record::Charge;

/// What was said about `id`, oldest first, as far as this node heard it.
pub fn why(inside: &Inside<'_>, id: NodeId) -> model::Why {
    let shape = Shape::new(inside);
    let verdicts = inside.node.swim.why(id).filter(|verdict| is_somebodys(verdict));
    let ban = inside.node.bans.iter().find(|ban| ban.id == id);
    let mut said: Vec<model::Verdict> =
        verdicts.map(|v| verdict(inside, v)).chain(ban.map(|ban| word(inside, ban))).collect();
    said.sort_by(|a, b| b.heard_s.total_cmp(&a.heard_s));
    let mut before = None;
    for verdict in &mut said {
        let by = verdict.by_name.as_deref().unwrap_or(&verdict.by);
        let replaced_by = verdict.evidence.as_ref().and_then(|seen| seen.replaced_by.as_deref());
        let other = replaced_by.and_then(|id| Some(shape.called(id.parse().ok()?)));
        let text = match (verdict.what, ban) {
            (VerdictKind::Banned, Some(ban)) => format!("{by} banned it{}", reason_given(ban)),
            (VerdictKind::Unbanned, Some(ban)) => format!("{by} lifted its ban{}", reason_given(ban)),
            (what, _) => sentence(what, before, by, other.as_deref(), verdict.evidence.as_ref()),
        };
        before = Some(verdict.what);
        verdict.text = text;
    }
    model::Why {
        member: inside.node.swim.member(id).map(|member| shape.member(&member)),
        id: id.to_string(),
        verdicts: said,
    }
}

/// Whether a verdict has an author. That this agent keeps a banned member out is no verdict of its own: the ban itself is listed.
fn is_somebodys(verdict: &swim::Verdict) -> bool {
    verdict.what != swim::VerdictKind::Banned
}

/// What a member said of a ban.
fn word(inside: &Inside<'_>, ban: &Ban) -> model::Verdict {
    model::Verdict {
        what: if ban.lifted { VerdictKind::Unbanned } else { VerdictKind::Banned },
        by: ban.by.to_string(),
        by_name: Shape::new(inside).name(ban.by),
        at_unix_ms: ban.version,
        heard_s: ban.age_s(inside.wall),
        incarnation: 0,
        evidence: None,
        text: String::new(),
    }
}

fn verdict(inside: &Inside<'_>, verdict: &swim::Verdict) -> model::Verdict {
    let what = match verdict.what {
        swim::VerdictKind::Charged(Charge::Suspect) => VerdictKind::Suspected,
        swim::VerdictKind::Charged(Charge::Failed) => VerdictKind::DeclaredFailed,
        swim::VerdictKind::Charged(Charge::Forget) => VerdictKind::Forgotten,
        swim::VerdictKind::Refuted => VerdictKind::Refuted,
        swim::VerdictKind::Restarted => VerdictKind::Restarted,
        swim::VerdictKind::Left => VerdictKind::Left,
        swim::VerdictKind::Copied => VerdictKind::Copied,
        swim::VerdictKind::Banned => VerdictKind::Banned,
    };
    let evidence = verdict.evidence.map(|seen| model::Evidence {
        helpers: seen.helpers,
        nacks: seen.nacks,
        confirmations: seen.confirmations,
        waited_ms: seen.waited_ms,
        silent_ms: seen.silent_ms,
        accuser_health: seen.accuser_health,
        replaced_by: seen.replaced_by.map(|id| id.to_string()),
    });
    model::Verdict {
        what,
        by: verdict.by.to_string(),
        by_name: Shape::new(inside).name(verdict.by),
        at_unix_ms: verdict.written.0,
        heard_s: words::seconds(inside.now.since(verdict.heard)),
        incarnation: verdict.incarnation,
        evidence,
        text: String::new(),
    }
}

/// A verdict as a sentence; `before` is what was said last before it, `other` the member that took the place of this one.
fn sentence(
    what: VerdictKind,
    before: Option<VerdictKind>,
    by: &str,
    other: Option<&str>,
    evidence: Option<&model::Evidence>,
) -> String {
    match what {
        VerdictKind::Suspected | VerdictKind::DeclaredFailed if let Some(other) = other => {
            let verb = if what == VerdictKind::Suspected { "suspected it" } else { "marked it as failed" };
            format!("{by} {verb}: member {other} answered {by} at its address")
        }
        VerdictKind::Suspected => {
            format!("{by} suspected it: a probe got no answer{}", seen(by, false, evidence))
        }
        VerdictKind::DeclaredFailed => {
            format!("{by} marked it as failed: nothing refuted the suspicion{}", seen(by, true, evidence))
        }
        VerdictKind::Forgotten => format!("an operator at {by} had it forgotten"),
        VerdictKind::Refuted => match before {
            Some(VerdictKind::DeclaredFailed) => "it is back: it answered the verdict that it had failed",
            Some(VerdictKind::Left) => "it is back after it had left",
            Some(VerdictKind::Banned | VerdictKind::Unbanned) => "it is back after its ban",
            _ => "it answered the suspicion: it is alive",
        }
        .into(),
        VerdictKind::Restarted => "it restarted".into(),
        VerdictKind::Left => "it left of its own will".into(),
        VerdictKind::Copied => format!("{by} saw its id in two lives at once: a copied data directory"),
        VerdictKind::Banned => format!("{by} banned it"),
        VerdictKind::Unbanned => format!("{by} lifted its ban"),
    }
}

/// What an accuser saw, from what it did itself to what may have misled it.
fn seen(by: &str, is_verdict: bool, evidence: Option<&model::Evidence>) -> String {
    let Some(seen) = evidence else { return String::new() };
    let span = |ms: u64| words::span(ms as f64 / 1e3);
    let mut text = format!(" within {}", span(seen.waited_ms.into()));
    match (seen.helpers, seen.nacks) {
        (0, _) => {}
        (1, 0) => text += "; 1 helper was asked, and did not report",
        (1, _) => text += "; 1 helper was asked, and got no answer either",
        (asked, nacks) => {
            text += &format!("; {asked} helpers were asked, {nacks} of them got no answer either")
        }
    }
    if is_verdict {
        let accusers = words::count(seen.confirmations.saturating_add(1), "member");
        text += &format!("; {accusers} suspected it");
    }
    match seen.silent_ms {
        Some(ms) => text += &format!("; {by} had last heard from it {} before", span(ms)),
        None => text += &format!("; {by} had never heard from it"),
    }
    if seen.accuser_health > 0 {
        text += &format!("; {by} was slow itself (health score {})", seen.accuser_health);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_tells_what_its_author_saw() {
        let evidence = model::Evidence {
            helpers: 1,
            nacks: 1,
            confirmations: 2,
            waited_ms: 3_000,
            silent_ms: Some(4_900),
            accuser_health: 3,
            replaced_by: None,
        };
        let text = sentence(VerdictKind::DeclaredFailed, None, "web", None, Some(&evidence));
        assert_eq!(
            text,
            "web marked it as failed: nothing refuted the suspicion within 3.0 s; 1 helper was asked, and got no answer either; \
             3 members suspected it; web had last heard from it 4.9 s before; web was slow itself (health score 3)"
        );
        let alone = model::Evidence {
            confirmations: 0,
            helpers: 0,
            silent_ms: None,
            accuser_health: 0,
            ..evidence.clone()
        };
        let text = sentence(VerdictKind::DeclaredFailed, None, "web", None, Some(&alone));
        assert!(text.ends_with("within 3.0 s; 1 member suspected it; web had never heard from it"), "{text}");
    }

    #[test]
    fn a_member_that_is_back_is_said_to_be_back_from_what_it_was() {
        let back = |before| sentence(VerdictKind::Refuted, before, "web", None, None);
        assert_eq!(back(Some(VerdictKind::Suspected)), "it answered the suspicion: it is alive");
        assert_eq!(back(None), "it answered the suspicion: it is alive");
        assert_eq!(
            back(Some(VerdictKind::DeclaredFailed)),
            "it is back: it answered the verdict that it had failed"
        );
        assert_eq!(back(Some(VerdictKind::Left)), "it is back after it had left");
        assert_eq!(back(Some(VerdictKind::Unbanned)), "it is back after its ban");
    }
}
