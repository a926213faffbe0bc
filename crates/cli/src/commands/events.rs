//! `rumormill event` and `rumormill events`: publishing events, and reading them.

use crate::args::{Target, duration};
use crate::client::{ANSWER_TIMEOUT, Client, encode};
use crate::commands::payload::{PayloadArgs, decoded_len, in_json};
use crate::outcome::{Failure, Outcome};
use crate::show::{Out, bytes, clean, clock, count, either, span};
use clap::{Args, ValueEnum};
use hyper::Method;
use rumormill_agent::features::events::publish::WAIT_MAX;
use rumormill_agent::model::{
    Events, EventsGap, LoggedEvent, LoggedKind, PublishEvent, PublishRequest, PublishResult, PublishState,
    PublishWait, PublishedEvent, Status, UnconfirmedMember,
};
use rumormill_protocols::spread::events::PAYLOAD_BYTES_MAX;
use std::time::Duration;

/// `rumormill event`.
#[derive(Debug, Args)]
pub struct EventArgs {
    /// What kind of event it is, such as `deploy`: at most 255 bytes
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The text.
    #[command(flatten)]
    pub payload: PayloadArgs,
    /// Told everywhere as soon as it comes, not in the order in which this agent publishes
    #[arg(long)]
    pub unordered: bool,
    /// For who was away, only the latest of this name counts
    #[arg(long)]
    pub coalesce: bool,
    /// On disk before the command ends, and offered again after a crash until others hold it
    #[arg(long)]
    pub durable: bool,
    /// For what to wait: `queued` is this agent's memory, no more; `covered` asks a sample of a few random members; `all` asks every live member, and names those that have not confirmed that they will deliver it
    #[arg(long, value_enum, value_name = "WHAT", default_value = "queued")]
    pub wait: WaitArg,
    /// With `--wait covered` or `--wait all`: the longest time to wait, at most a minute [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// For what a publisher waits, on the command line.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum WaitArg {
    /// It is in the agent's memory, and on its way
    Queued,
    /// It is known how many of a few random members will deliver it
    Covered,
    /// Every live member has confirmed that it will deliver it
    All,
}

/// `rumormill events`.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Go on until Ctrl-C, as events come
    #[arg(long)]
    pub follow: bool,
    /// Where to begin: `start` (all that is retained), `now`, or a cursor, which ends a list that --limit cut, and stands beside each event of --json
    #[arg(long, value_name = "start|now|CURSOR", default_value = "start")]
    pub from: String,
    /// Only events of this name; with a `*` at its end, of those that begin so
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Show so many events at most [default: all]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// The time that `--wait` waits unless it is told otherwise (our guess).
const WAIT_DEFAULT: Duration = Duration::from_secs(10);
/// Characters of a payload in a list (our guess: a few lines of a terminal).
const TEXT_SHOWN: usize = 400;
/// Events in one answer, when all are read.
const PAGE: u64 = 256;
/// How long one question waits for events when they are followed, in seconds (our guess: less than what proxies allow).
const FOLLOW_WAIT_S: u64 = 30;

/// `rumormill event`.
pub async fn publish(args: &EventArgs, out: &mut Out<'_>) -> Outcome {
    check_timeout(args)?;
    let request = request(args, args.payload.read(PAYLOAD_BYTES_MAX)?);
    let limit = ANSWER_TIMEOUT + args.timeout.unwrap_or(WAIT_DEFAULT);
    let result: PublishResult =
        Client::of(&args.target)?.send(Method::POST, "/v1/events", &request, limit).await?;
    let Some(event) = result.events.first() else {
        return Err(Failure::Failed("the agent says nothing of the event".into()));
    };
    match args.target.json {
        true => out.json(event)?,
        false => out.line(&clean(&became(event)))?,
    }
    match args.wait {
        WaitArg::Queued => Ok(()),
        _ => failed(event).map_or(Ok(()), |why| Err(Failure::Failed(why.into()))),
    }
}

/// Refuses a `--timeout` that would have no effect, or another one than was asked for.
fn check_timeout(args: &EventArgs) -> Outcome {
    match args.timeout {
        Some(_) if args.wait == WaitArg::Queued => Err(Failure::Usage(
            "--timeout has no effect without --wait covered or --wait all; give one of them, or leave --timeout out".into(),
        )),
        Some(timeout) if timeout > WAIT_MAX => Err(Failure::Usage(format!(
            "--timeout is above {}, the longest that an agent waits; the event goes on spreading afterwards",
            span(WAIT_MAX.as_secs_f64())
        ))),
        _ => Ok(()),
    }
}

/// Why a publisher that waited to hear how far its event came has to look again.
fn failed(event: &PublishedEvent) -> Option<&'static str> {
    match (event.state, event.held) {
        (PublishState::Queued | PublishState::Refused, _) => {
            Some("the event is on its way, but no answer has come yet; wait longer with --timeout")
        }
        (PublishState::Unconfirmed, _) => {
            Some("some members have not confirmed the event in time; it stays on its way to them")
        }
        (PublishState::Covered | PublishState::Confirmed, Some(0)) => {
            Some("no other member is known to deliver the event yet; it stays on its way")
        }
        (PublishState::Covered | PublishState::Confirmed, _) => None,
    }
}

fn request(args: &EventArgs, payload: Vec<u8>) -> PublishRequest {
    let (payload, payload_base64) = in_json(payload);
    let event = PublishEvent {
        name: args.name.clone(),
        payload,
        payload_base64,
        unordered: args.unordered,
        coalesce: args.coalesce,
        durable: args.durable,
    };
    let wait = match args.wait {
        WaitArg::Queued => PublishWait::Queued,
        WaitArg::Covered => PublishWait::Covered,
        WaitArg::All => PublishWait::All,
    };
    let timeout_ms = u64::try_from(args.timeout.unwrap_or(WAIT_DEFAULT).as_millis()).ok();
    PublishRequest { events: vec![event], wait, timeout_ms }
}

fn became(event: &PublishedEvent) -> String {
    let id = event.id.as_deref().unwrap_or("-");
    match (event.state, event.held, event.asked) {
        (PublishState::Covered | PublishState::Confirmed, _, Some(0)) => {
            format!("{id}: queued; no other member is known, so it has come nowhere yet")
        }
        (PublishState::Covered, Some(held), Some(asked)) => {
            format!("{id}: covered; a sample: {held} of {} will deliver it", count(asked, "random member"))
        }
        (PublishState::Confirmed, _, Some(asked)) => {
            let others = if asked == 1 {
                "the one other live member".into()
            } else {
                format!("all {asked} other live members")
            };
            format!("{id}: confirmed; {others} will deliver it")
        }
        (PublishState::Unconfirmed, Some(held), Some(asked)) => {
            format!(
                "{id}: {held} of {} confirmed; not confirmed by {}",
                count(asked, "other member"),
                unconfirmed(event)
            )
        }
        (PublishState::Refused, ..) => format!("refused: {}", event.error.as_deref().unwrap_or("-")),
        _ => format!("{id}: queued"),
    }
}

/// The members that have not confirmed an event, by name and state.
fn unconfirmed(event: &PublishedEvent) -> String {
    let missing = event.asked.unwrap_or(0).saturating_sub(event.held.unwrap_or(0)) as usize;
    let shown = |member: &UnconfirmedMember| {
        let name = member.name.as_deref().unwrap_or(&member.id);
        format!("{name} ({})", member.status.map_or("forgotten", Status::as_str))
    };
    let mut text = event.unconfirmed.iter().map(shown).collect::<Vec<_>>().join(", ");
    let more = missing.saturating_sub(event.unconfirmed.len());
    if more > 0 {
        text += &format!(" and {more} more");
    }
    text
}

/// `rumormill events`.
pub async fn list(args: &EventsArgs, out: &mut Out<'_>) -> Outcome {
    tokio::select! {
        done = read(args, out) => done,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

async fn read(args: &EventsArgs, out: &mut Out<'_>) -> Outcome {
    let client = Client::of(&args.target)?;
    let (mut cursor, mut left) = (args.from.clone(), args.limit.unwrap_or(u64::MAX));
    let mut waits = false;
    loop {
        let path = path(&cursor, args.name.as_deref(), left.min(PAGE), waits);
        let limit = ANSWER_TIMEOUT + Duration::from_secs(FOLLOW_WAIT_S);
        let page: Events = client.get_within(&path, limit).await?;
        let is_last = page.events.len() < left.min(PAGE) as usize;
        left -= page.events.len() as u64;
        tell(&page, args.target.json, out)?;
        if left == 0 && !args.target.json {
            return out.line(&format!("-- cut by --limit; go on with --from {}", page.cursor));
        }
        // A page also ends where its bytes do: only one that is empty is the end.
        if left == 0 || (page.events.is_empty() && !args.follow) {
            return Ok(());
        }
        waits = args.follow && is_last;
        cursor = page.cursor;
    }
}

fn path(cursor: &str, name: Option<&str>, limit: u64, waits: bool) -> String {
    let mut path = format!("/v1/events?cursor={}&limit={limit}", encode(cursor));
    if let Some(name) = name {
        path += &format!("&name={}", encode(name));
    }
    if waits {
        path += &format!("&wait_s={FOLLOW_WAIT_S}");
    }
    path
}

/// A page, one line an event; as JSON, a document each, and one for a gap.
fn tell(page: &Events, json: bool, out: &mut Out<'_>) -> Outcome {
    if let Some(gap) = &page.gap {
        match json {
            true => out.json_line(&serde_json::json!({ "gap": gap }))?,
            false => out.line(&clean(&told_gap(gap)))?,
        }
    }
    for event in &page.events {
        match json {
            true => out.json_line(event)?,
            false => out.line(&clean(&told(event)))?,
        }
    }
    out.flush()
}

fn told(event: &LoggedEvent) -> String {
    let from = event.origin_name.as_deref().unwrap_or(&event.origin);
    let line = format!("{}  {}  {from}", event.id, clock(event.heard_unix_ms));
    if event.kind == LoggedKind::Lost {
        let last = event.last_sequence.unwrap_or(event.sequence);
        return match event.sequence {
            first if first == last => format!("{line}  -- {first} is lost: nobody retains it any more"),
            first => format!("{line}  -- {first} to {last} are lost: nobody retains them any more"),
        };
    }
    match (&event.payload, &event.payload_base64) {
        (Some(text), _) if text.is_empty() => format!("{line}  {}", event.name),
        (Some(text), _) => match text.char_indices().nth(TEXT_SHOWN) {
            Some((end, _)) => {
                let size = bytes(text.len() as f64);
                format!("{line}  {}  {}… ({size}; --json shows all)", event.name, &text[..end])
            }
            None => format!("{line}  {}  {text}", event.name),
        },
        (None, Some(base64)) => {
            let size = bytes(decoded_len(base64) as f64);
            format!("{line}  {}  ({size} that are no text; --json shows them)", event.name)
        }
        (None, None) => format!("{line}  {}", event.name),
    }
}

fn told_gap(gap: &EventsGap) -> String {
    match gap.missed {
        Some(missed) => {
            format!("-- {} {} missed: {}", count(missed, "event"), either(missed, "was", "were"), gap.reason)
        }
        None => format!("-- events were missed: {}", gap.reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn event_args(flags: &[&str]) -> EventArgs {
        let words = ["rumormill", "event"].iter().chain(flags);
        let Command::Event(args) = Cli::try_parse_from(words).unwrap().command else { panic!("event") };
        args
    }

    #[test]
    fn the_command_line_becomes_a_request() {
        let args = event_args(&["deploy", "-", "--unordered", "--durable", "--wait", "covered"]);
        let text = request(&args, b"v1".to_vec());
        assert_eq!((text.events[0].payload.as_deref(), text.wait), (Some("v1"), PublishWait::Covered));
        assert!(text.events[0].unordered && text.events[0].durable && !text.events[0].coalesce);
        let bytes = request(&args, vec![0xff, 0]);
        assert_eq!(bytes.events[0].payload_base64.as_deref(), Some("/wA="));
    }

    #[test]
    fn a_timeout_that_nothing_waits_for_is_refused() {
        for (flags, word) in [
            (&["x", "--timeout", "5s"][..], "no effect without --wait"),
            (&["x", "--wait", "queued", "--timeout", "5s"], "no effect without --wait"),
            (&["x", "--wait", "all", "--timeout", "2m"], "above 60 s"),
        ] {
            let failure = check_timeout(&event_args(flags)).unwrap_err();
            assert!(failure.code() == 2 && failure.to_string().contains(word), "{flags:?}: {failure}");
        }
        assert!(check_timeout(&event_args(&["x", "--wait", "all", "--timeout", "60s"])).is_ok());
    }

    #[test]
    fn a_publisher_is_told_what_its_event_became() {
        let event = |state, held, asked| PublishedEvent {
            state,
            id: Some("aa-1-7".into()),
            held,
            asked,
            ..PublishedEvent::default()
        };
        assert_eq!(became(&event(PublishState::Queued, None, None)), "aa-1-7: queued");
        let covered = became(&event(PublishState::Covered, Some(4), Some(5)));
        assert_eq!(covered, "aa-1-7: covered; a sample: 4 of 5 random members will deliver it");
        assert!(became(&event(PublishState::Covered, Some(0), Some(0))).contains("nowhere"));
        let all = event(PublishState::Confirmed, Some(7), Some(7));
        assert_eq!(became(&all), "aa-1-7: confirmed; all 7 other live members will deliver it");
        assert!(failed(&all).is_none());
        let member = |id: &str, name: Option<&str>, status| UnconfirmedMember {
            id: id.into(),
            name: name.map(str::to_owned),
            status,
        };
        let members = vec![member("bb", Some("web-2"), Some(Status::Failed)), member("cc", None, None)];
        let some =
            PublishedEvent { unconfirmed: members, ..event(PublishState::Unconfirmed, Some(4), Some(7)) };
        assert_eq!(
            became(&some),
            "aa-1-7: 4 of 7 other members confirmed; not confirmed by web-2 (failed), cc (forgotten) and 1 more"
        );
        assert!(failed(&some).is_some());
    }

    #[test]
    fn each_event_is_one_line_that_cannot_drive_the_terminal() {
        let event = LoggedEvent {
            cursor: "aa-1-3".into(),
            id: "bb-1-7".into(),
            origin: "bb".into(),
            origin_name: Some("web".into()),
            sequence: 7,
            name: "deploy".into(),
            payload: Some("v1\n\x1b".into()),
            heard_unix_ms: 1_700_000_000_000,
            ..LoggedEvent::default()
        };
        let shown = |event: LoggedEvent, gap| {
            let mut bytes = Vec::new();
            let page = Events { events: vec![event], cursor: String::new(), gap };
            tell(&page, false, &mut Out::new(&mut bytes, false)).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(
            shown(event.clone(), None),
            "bb-1-7  2023-11-14 22:13:20.000Z  web  deploy  v1\\n\\u{1b}\n"
        );
        let long = LoggedEvent { payload: Some("ü".repeat(TEXT_SHOWN + 1)), ..event.clone() };
        assert!(shown(long, None).ends_with("üü… (802 B; --json shows all)\n"));
        let bytes = LoggedEvent { payload: None, payload_base64: Some("/wA=".into()), ..event.clone() };
        assert!(shown(bytes, None).ends_with("deploy  (2 B that are no text; --json shows them)\n"));
        let lost = LoggedEvent { kind: LoggedKind::Lost, last_sequence: Some(9), origin_name: None, ..event };
        let gap = EventsGap { reason: "too slow".into(), missed: Some(3) };
        assert_eq!(
            shown(lost, Some(gap)),
            "-- 3 events were missed: too slow\nbb-1-7  2023-11-14 22:13:20.000Z  bb  -- 7 to 9 are lost: nobody retains them any more\n"
        );
    }

    #[test]
    fn what_is_asked_for_is_written_into_the_path() {
        assert_eq!(path("start", None, 10, false), "/v1/events?cursor=start&limit=10");
        assert_eq!(path("a-1-2", Some("d*"), 5, true), "/v1/events?cursor=a-1-2&limit=5&name=d%2A&wait_s=30");
    }
}
