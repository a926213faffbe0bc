//! `rumormill watch`: what changes, as it changes.

use crate::args::Target;
use crate::client::Client;
use crate::outcome::{Failure, Outcome};
use crate::show::{Out, clean, clock, count, either};
use crate::sse::Event;
use clap::Args;
use rumormill_agent::model::{Status, WatchChange, WatchGap, WatchState};
use serde::de::DeserializeOwned;

/// `rumormill watch`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Go on after this event [default: begin with the present state]
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// `rumormill watch`: runs until Ctrl-C, or until the agent ends the stream.
pub async fn watch(args: &WatchArgs, out: &mut Out<'_>) -> Outcome {
    let mut events = Client::of(&args.target)?.watch(args.cursor.as_deref()).await?;
    loop {
        let event = tokio::select! {
            event = events.next() => event?,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        let Some(event) = event else {
            return Err(Failure::Failed("the agent ended the stream; it is shutting down, or gone".into()));
        };
        match args.target.json {
            true => out.json_line(&as_json(&event)?)?,
            false => out.line(&told(&event)?)?,
        }
        out.flush()?;
    }
}

/// One line of `watch --json`: the event's kind, cursor and data.
fn as_json(event: &Event) -> Outcome<serde_json::Value> {
    let data: serde_json::Value = read(event)?;
    Ok(serde_json::json!({ "event": event.event, "cursor": event.id, "data": data }))
}

fn told(event: &Event) -> Outcome<String> {
    Ok(match event.event.as_str() {
        "state" => told_state(&read(event)?),
        "change" => told_change(&read(event)?),
        "gap" => told_gap(&read(event)?),
        other => format!("{other} (not known to this version)"),
    })
}

/// Reads an event's data.
pub fn read<T: DeserializeOwned>(event: &Event) -> Outcome<T> {
    serde_json::from_str(&event.data).map_err(|e| {
        Failure::Failed(format!(
            "the agent's `{}` event is not what this version expects ({e}); is the agent of another version?",
            event.event
        ))
    })
}

fn told_state(state: &WatchState) -> String {
    let names = |status: Status| -> Vec<&str> {
        state.members.iter().filter(|m| m.status == status).map(|m| m.name.as_str()).collect()
    };
    let parts: Vec<String> = Status::ALL
        .into_iter()
        .map(|status| (status, names(status)))
        .filter(|(_, names)| !names.is_empty())
        .map(|(status, names)| format!("{} {status} ({})", names.len(), names.join(", ")))
        .collect();
    clean(&format!("{}: {}", state.cursor, parts.join(", ")))
}

fn told_change(change: &WatchChange) -> String {
    clean(&format!(
        "{}: {}  {} ({}) {}",
        change.cursor,
        clock(change.at_unix_ms),
        change.name,
        change.id,
        happened(change)
    ))
}

/// What happened to a member, after its name.
pub fn happened(change: &WatchChange) -> &'static str {
    use rumormill_agent::model::ChangeKind;
    match change.what {
        ChangeKind::Up => "is alive",
        ChangeKind::Changed => "changed what it says of itself",
        ChangeKind::Tags => "has its tags fetched",
        ChangeKind::Suspected => "is suspected of having failed",
        ChangeKind::Refuted => "answered the suspicion",
        ChangeKind::Failed => "has failed",
        ChangeKind::Left => "left",
        ChangeKind::Forgotten => "is forgotten",
        ChangeKind::NameTaken => "carries a name that another member carries as well",
        ChangeKind::Superseded => "runs from a copied data directory and got a new id",
    }
}

fn told_gap(gap: &WatchGap) -> String {
    match gap.missed {
        Some(missed) => clean(&format!(
            "-- {} {} missed: {}",
            count(missed, "change"),
            either(missed, "was", "were"),
            gap.reason
        )),
        None => clean(&format!("-- changes were missed: {}", gap.reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_agent::model::{ChangeKind, Member};

    fn event(kind: &str, data: &impl serde::Serialize) -> Event {
        Event { id: "9".into(), event: kind.into(), data: serde_json::to_string(data).unwrap() }
    }

    #[test]
    fn each_kind_of_event_is_one_line() {
        let member = |name: &str, status| Member { name: name.into(), status, ..Member::default() };
        let state = WatchState {
            cursor: "7".into(),
            members: vec![
                member("a", Status::Alive),
                member("b", Status::Failed),
                member("c", Status::Alive),
            ],
        };
        assert_eq!(told(&event("state", &state)).unwrap(), "7: 2 alive (a, c), 1 failed (b)");
        let change = WatchChange {
            cursor: "8".into(),
            what: ChangeKind::Failed,
            id: "aa".into(),
            name: "a\x1b".into(),
            at_unix_ms: 1_700_000_000_000,
            member: None,
        };
        assert_eq!(
            told(&event("change", &change)).unwrap(),
            "8: 2023-11-14 22:13:20.000Z  a\\u{1b} (aa) has failed"
        );
        let gap = WatchGap { reason: "too slow".into(), missed: Some(3) };
        assert_eq!(told(&event("gap", &gap)).unwrap(), "-- 3 changes were missed: too slow");
        assert_eq!(told(&event("later", &1)).unwrap(), "later (not known to this version)");
    }

    #[test]
    fn a_program_gets_kind_cursor_and_data() {
        let json = as_json(&event("gap", &WatchGap { reason: "r".into(), missed: None })).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"event": "gap", "cursor": "9", "data": {"reason": "r", "missed": null}})
        );
    }

    #[test]
    fn data_of_another_shape_is_an_error_that_says_so() {
        let failure = told(&event("state", &3)).unwrap_err();
        assert!(failure.to_string().contains("another version"), "{failure}");
    }
}
