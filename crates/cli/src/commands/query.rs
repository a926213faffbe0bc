//! `rumormill query`: asking all members, and showing what they answer as it comes.

use crate::args::{Target, duration, tag_pattern};
use crate::client::Client;
use crate::commands::payload::{PayloadArgs, decoded_len, in_json};
use crate::outcome::{Failure, Outcome};
use crate::show::{Out, bytes, clean, count, either, span};
use clap::Args;
use rumormill_agent::audience::tags::PATTERN_HINT;
use rumormill_agent::audience::{BadFilter, Filter, TagPattern};
use rumormill_agent::model::{QueryLine, QueryRequest, QuerySummary};
use rumormill_protocols::spread::queries::QUESTION_BYTES_MAX;
use std::collections::BTreeMap;
use std::time::Duration;

/// `rumormill query`.
#[derive(Debug, Args)]
pub struct QueryArgs {
    /// What kind of query it is, such as `load`: at most 255 bytes
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The question's payload.
    #[command(flatten)]
    pub payload: PayloadArgs,
    /// Ask only members whose whole name matches this regular expression [default: all]
    #[arg(long, value_name = "RE")]
    pub node: Option<String>,
    /// Ask only members that have this tag, its whole value matching the regular expression; K alone: any value (may be repeated: all must hold) [default: all]
    #[arg(long = "tag", value_name = "K[=RE]", value_parser = tag_pattern)]
    pub tags: Vec<String>,
    /// Take answers for so long, 10 minutes at most [default: 16 gossip intervals for each power of ten of the members: 6.4s for 10 to 99 on one site; none if
    /// no live member that the agent lists is meant]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// `rumormill query`: fails unless all members that were asked have answered.
pub async fn query(args: &QueryArgs, out: &mut Out<'_>) -> Outcome {
    let request = request(args, args.payload.read(QUESTION_BYTES_MAX)?)?;
    let mut lines = Client::of(&args.target)?.lines("/v1/query", &request).await?;
    let mut answers = 0;
    loop {
        let line = tokio::select! {
            line = lines.next() => line?,
            _ = tokio::signal::ctrl_c() => {
                let answers = count(answers, "answer");
                let text = format!("interrupted after {answers}; nobody waits for the others any more");
                return Err(Failure::Failed(text));
            }
        };
        let Some(line) = line else {
            return Err(Failure::Failed(
                "the agent ended before the query did; it is shutting down, or gone".into(),
            ));
        };
        answers += usize::from(matches!(line, QueryLine::Answer { .. } | QueryLine::Failed { .. }));
        match args.target.json {
            true => out.json_line(&line)?,
            false => told(&line, out)?,
        }
        out.flush()?;
        if let QueryLine::Done(summary) = line {
            return judged(&summary, args.timeout);
        }
    }
}

fn request(args: &QueryArgs, payload: Vec<u8>) -> Outcome<QueryRequest> {
    let (payload, payload_base64) = in_json(payload);
    let mut tags = BTreeMap::new();
    for tag in &args.tags {
        // An empty pattern matches every value.
        let (key, pattern) = tag.split_once('=').unwrap_or((tag, ""));
        if tags.insert(key.to_owned(), pattern.to_owned()).is_some() {
            return Err(Failure::Usage(format!("--tag {key} is given twice; write --tag '{key}=ONE|OTHER'")));
        }
    }
    let timeout_ms = args.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
    let (name, node) = (args.name.clone(), args.node.clone());
    check_patterns(node.clone(), &tags)?;
    Ok(QueryRequest { name, payload, payload_base64, names: Vec::new(), node, tags, timeout_ms })
}

/// Refuses patterns that the agent would refuse, before it is asked.
fn check_patterns(node: Option<String>, tags: &BTreeMap<String, String>) -> Outcome {
    let tag = |(key, pattern): (&String, &String)| TagPattern { key: key.clone(), pattern: pattern.clone() };
    let filter = Filter { node, tags: tags.iter().map(tag).collect(), ..Filter::default() };
    filter.compile().map(drop).map_err(|error| bad_pattern(&error))
}

/// The failure of a command whose patterns cannot be used.
pub fn bad_pattern(error: &BadFilter) -> Failure {
    Failure::Usage(format!("{error}\n{PATTERN_HINT}"))
}

/// An answer of one line stands beside its member's name, a longer one below it. Acks are only counted.
fn told(line: &QueryLine, out: &mut Out<'_>) -> Outcome {
    match line {
        QueryLine::Asked { .. } | QueryLine::Ack { .. } => Ok(()),
        QueryLine::Answer { from, name, payload, payload_base64 } => {
            let who = called(from, name);
            match (payload, payload_base64) {
                (Some(text), _) => said(who, text, out),
                (None, base64) => {
                    let size = bytes(base64.as_deref().map_or(0, decoded_len) as f64);
                    out.line(&clean(&format!("{who}: ({size} that are no text; --json shows them)")))
                }
            }
        }
        QueryLine::Failed { from, name, error } => {
            said(&format!("{} FAILED", called(from, name)), error, out)
        }
        QueryLine::Done(summary) => out.line(&summed(summary)),
    }
}

fn called<'a>(from: &'a str, name: &'a str) -> &'a str {
    if name.is_empty() { from } else { name }
}

fn said(who: &str, text: &str, out: &mut Out<'_>) -> Outcome {
    let text = text.trim_end_matches('\n');
    if !text.contains('\n') {
        return out.line(&clean(format!("{who}: {text}").trim_end()));
    }
    out.line(&clean(&format!("{who}:")))?;
    text.lines().try_for_each(|line| out.line(&format!("  {}", clean(line))))
}

fn summed(summary: &QuerySummary) -> String {
    let QuerySummary { asked, acknowledged, answered, failed, late, lost, took_ms } = summary;
    let mut text = format!("{asked} asked, {acknowledged} acknowledged, {answered} answered");
    for (count, what) in [(failed, "of them failed"), (late, "late"), (lost, "lost here")] {
        if *count > 0 {
            text += &format!(", {count} {what}");
        }
    }
    text + &format!(" (after {})", span(took_ms / 1e3))
}

/// Fails unless all have answered. `timeout` is the time that the person gave.
fn judged(summary: &QuerySummary, timeout: Option<Duration>) -> Outcome {
    let QuerySummary { asked, acknowledged, answered, failed, lost, .. } = *summary;
    let meant = asked.max(acknowledged);
    let text = match (meant, meant.saturating_sub(answered), failed, lost) {
        (0, ..) => {
            let outcome = match timeout {
                None => "nobody was asked: no live member that the agent lists is meant".to_owned(),
                Some(time) => {
                    format!(
                        "no live member that the agent lists is meant, and none came back within {}",
                        span(time.as_secs_f64())
                    )
                }
            };
            format!("{outcome}; `rumormill members --detailed` shows names and tags")
        }
        (_, 0, 0, 0) => return Ok(()),
        (_, 0, 0, lost) => {
            let what = either(lost, "ack or answer was", "acks or answers were");
            format!("{lost} {what} lost here, because the output was not read fast enough")
        }
        (_, 0, failed, _) => {
            let (answers, are) = (count(answered, "answer"), either(failed, "is a failure", "are failures"));
            format!("{failed} of {answers} {are}; the logs of those agents tell more")
        }
        (_, silent, ..) => format!(
            "{silent} of {meant} did not answer: without a handler for it (`--on 'query:NAME=COMMAND'`), slower than --timeout, or gone"
        ),
    };
    Err(Failure::Failed(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn query_args(flags: &[&str]) -> QueryArgs {
        let words = ["rumormill", "query"].iter().chain(flags);
        let Command::Query(args) = Cli::try_parse_from(words).unwrap().command else { panic!("query") };
        args
    }

    #[test]
    fn the_command_line_becomes_a_request() {
        let args = query_args(&["load", "-", "--node", "web.*", "--tag", "dc=eu|us", "--timeout", "1500ms"]);
        let asked = request(&args, vec![0xff]).unwrap();
        assert_eq!((asked.node.as_deref(), asked.timeout_ms), (Some("web.*"), Some(1_500)));
        assert_eq!((asked.payload, asked.payload_base64.as_deref()), (None, Some("/w==")));
        assert_eq!(asked.tags, BTreeMap::from([("dc".into(), "eu|us".into())]));
        let any = request(&query_args(&["load", "--tag", "role"]), Vec::new()).unwrap();
        assert_eq!(any.tags, BTreeMap::from([("role".into(), String::new())]), "any value");
        let twice = query_args(&["load", "--tag", "dc=eu", "--tag", "dc=us"]);
        assert_eq!(request(&twice, Vec::new()).unwrap_err().code(), 2);
        for wrong in [["--node", "("], ["--tag", "role=*"]] {
            let args = query_args(&["load", wrong[0], wrong[1]]);
            let failure = request(&args, Vec::new()).unwrap_err();
            assert!(failure.code() == 2 && failure.to_string().contains("regular expressions"), "{failure}");
        }
    }

    #[test]
    fn answers_stand_beside_names_and_cannot_drive_the_terminal() {
        let shown = |line: QueryLine| {
            let mut bytes = Vec::new();
            told(&line, &mut Out::new(&mut bytes, false)).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let answer = |name: &str, payload: Option<&str>| QueryLine::Answer {
            from: "aa".into(),
            name: name.into(),
            payload: payload.map(Into::into),
            payload_base64: payload.is_none().then(|| "/wA=".into()),
        };
        assert_eq!(shown(answer("web", Some("0.42\n"))), "web: 0.42\n");
        assert_eq!(shown(answer("web", Some(""))), "web:\n");
        assert_eq!(shown(answer("", Some("a\x1b\nb\n"))), "aa:\n  a\\u{1b}\n  b\n");
        assert_eq!(shown(answer("web", None)), "web: (2 B that are no text; --json shows them)\n");
        let failed =
            QueryLine::Failed { from: "aa".into(), name: "web".into(), error: "exit status: 3".into() };
        assert_eq!(shown(failed), "web FAILED: exit status: 3\n");
        let summary = QuerySummary {
            asked: 3,
            acknowledged: 3,
            answered: 2,
            failed: 1,
            took_ms: 6_400.0,
            ..Default::default()
        };
        assert_eq!(
            shown(QueryLine::Done(summary)),
            "3 asked, 3 acknowledged, 2 answered, 1 of them failed (after 6.4 s)\n"
        );
    }

    #[test]
    fn it_succeeds_only_if_all_have_answered() {
        let sums = |asked, answered, failed, lost| QuerySummary {
            asked,
            acknowledged: answered,
            answered,
            failed,
            lost,
            ..Default::default()
        };
        assert!(judged(&sums(3, 3, 0, 0), None).is_ok());
        for (wrong, word) in [
            (sums(0, 0, 0, 0), "nobody was asked"),
            (sums(3, 2, 0, 0), "1 of 3 did not answer"),
            (sums(3, 3, 2, 0), "2 of 3 answers are failures"),
            (sums(3, 3, 0, 1), "lost here"),
        ] {
            let failure = judged(&wrong, None).unwrap_err();
            assert!(failure.code() == 1 && failure.to_string().contains(word), "{failure}");
        }
        let failure = judged(&sums(0, 0, 0, 0), Some(Duration::from_secs(30))).unwrap_err().to_string();
        assert!(failure.contains("none came back within 30 s"), "{failure}");
    }
}
