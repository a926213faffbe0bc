//! Commands about members: `members`, `why`, `forget`, `ping`, `reachability`.

use crate::args::{MemberArgs, Target, tag_pattern};
use crate::client::{Client, encode};
use crate::commands::query::bad_pattern;
use crate::outcome::{Failure, Outcome};
use crate::show::{Cell, Out, Table, Tone, clean, clock, count, millis, percent, span, with_id};
use clap::{Args, ValueEnum};
use rumormill_agent::audience::tags::TagFilter;
use rumormill_agent::model::{
    Done, ForgetRequest, Member, Members, Ping, Reachability, Seed, Status, Suspicion, Why,
};
use std::time::Duration;

/// `rumormill members`.
#[derive(Debug, Args)]
pub struct MembersArgs {
    /// Only members in this state (may be repeated)
    #[arg(long, value_enum, value_name = "STATE")]
    pub status: Vec<StatusArg>,
    /// Only members whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// Only members that have this tag, its whole value matching the regular expression if one is given (may be repeated: all must hold)
    #[arg(long = "tag", value_name = "K[=RE]", value_parser = tag_pattern)]
    pub tags: Vec<String>,
    /// Show more columns
    #[arg(long)]
    pub detailed: bool,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// A member's state, on the command line.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatusArg {
    /// It answers
    Alive,
    /// It did not answer and has not yet contradicted
    Suspect,
    /// It failed
    #[value(alias = "dead")]
    Failed,
    /// It left of its own will
    Left,
    /// It is kept out of the cluster by a ban
    Banned,
}

/// `rumormill forget`.
#[derive(Debug, Args)]
pub struct ForgetArgs {
    /// The member's name or id
    #[arg(value_name = "NAME|ID")]
    pub member: String,
    /// Forget all failed and departed members of that name
    #[arg(long)]
    pub all: bool,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// `rumormill ping`.
#[derive(Debug, Args)]
pub struct PingArgs {
    /// The member's name or id
    #[arg(value_name = "NAME|ID")]
    pub member: String,
    /// How many times, one a second
    #[arg(long, short = 'c', default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub count: u32,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// `rumormill reachability`.
#[derive(Debug, Args)]
pub struct ReachabilityArgs {
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// `rumormill members`.
pub async fn list(args: &MembersArgs, out: &mut Out<'_>) -> Outcome {
    let tags = tag_filter(&args.tags)?;
    let mut answer: Members = Client::of(&args.target)?.get("/v1/members").await?;
    answer.members.retain(|member| wanted(member, args, &tags));
    if args.target.json {
        return out.json(&answer);
    }
    out.table(&table(&answer.members, args.detailed))?;
    out.line("")?;
    out.line(&summary(&answer.members))?;
    for seed in &answer.failing_seeds {
        out.line(&clean(&format!("not joined by seed {}: {}", seed.seed, told_seed(seed))))?;
    }
    for member in &answer.members {
        for warning in &member.warnings {
            out.line(&format!("warning: {}: {}", clean(&member.name), clean(warning)))?;
        }
    }
    Ok(())
}

/// Why a seed fails, for how long, and what to do.
pub fn told_seed(seed: &Seed) -> String {
    let part = |text: &Option<String>| text.clone().unwrap_or_default();
    let since = seed.failing_s.map(span).unwrap_or_default();
    let tries = count(seed.tries, "try");
    format!("{} (for {since}, {tries}); {}", part(&seed.error), part(&seed.hint))
}

fn wanted(member: &Member, args: &MembersArgs, tags: &TagFilter) -> bool {
    let status = args.status.is_empty() || args.status.iter().any(|s| status_of(*s) == member.status);
    let name = args.name.as_ref().is_none_or(|text| member.name.contains(text));
    status && name && tags.matches(&member.tags)
}

/// The patterns for tags, or why one cannot be used: in the words in which an agent refuses those of a query.
fn tag_filter(texts: &[String]) -> Outcome<TagFilter> {
    TagFilter::parse(texts).map_err(|error| bad_pattern(&error))
}

fn status_of(arg: StatusArg) -> Status {
    match arg {
        StatusArg::Alive => Status::Alive,
        StatusArg::Suspect => Status::Suspect,
        StatusArg::Failed => Status::Failed,
        StatusArg::Left => Status::Left,
        StatusArg::Banned => Status::Banned,
    }
}

fn table(members: &[Member], detailed: bool) -> Table {
    const SHORT: [&str; 7] = ["NAME", "STATUS", "FOR", "ADDRESS", "RTT", "ID", "TAGS"];
    const MORE: [&str; 9] = ["EPOCH", "INC", "HEARD", "VIA", "LOAD", "CPU", "MEM", "DISK", "AGE"];
    match detailed {
        false => {
            let mut table = Table::new(&SHORT);
            members.iter().for_each(|member| table.row(short_cells(member)));
            table
        }
        true => {
            let has_phi = members.iter().any(|member| phi(member).is_some());
            let level: &[&str] = if has_phi { &["PHI"] } else { &[] };
            let mut table = Table::new(&[&SHORT[..6], &MORE, level, &SHORT[6..]].concat());
            for member in members {
                let mut cells = short_cells(member);
                let tags = cells.split_off(6);
                let level = has_phi.then(|| Cell::number(phi(member), show_level));
                cells.extend(more_cells(member).into_iter().chain(level).chain(tags));
                table.row(cells);
            }
            table
        }
    }
}

/// The suspicion level of a member, where the agent runs with phi.
fn phi(member: &Member) -> Option<f64> {
    Suspicion::of(&member.more).phi
}

fn show_level(level: f64) -> String {
    format!("{level:.2}")
}

fn short_cells(member: &Member) -> Vec<Cell> {
    let name = Cell::name(&member.name).and(if member.is_self { " (self)" } else { "" });
    let tags = match member.tags_pending {
        true => "(being fetched)".into(),
        false => member.tags.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(","),
    };
    vec![
        name,
        status_cell(member.status),
        Cell::right(span(member.since_s)),
        member.addresses.first().map_or_else(Cell::none, |a| Cell::from(a.as_str())),
        Cell::number(member.rtt_ms, millis),
        Cell::toned(&member.id, Tone::Faint),
        Cell::from(tags),
    ]
}

fn more_cells(member: &Member) -> Vec<Cell> {
    let vitals = member.vitals.clone().unwrap_or_default();
    vec![
        Cell::right(member.epoch.to_string()),
        Cell::right(member.incarnation.to_string()),
        Cell::number(member.heard_s, span),
        Cell::from(if member.stream_only { "TCP" } else { "UDP" }),
        Cell::number(vitals.load1, |load| format!("{load:.2}")),
        Cell::number(vitals.cpu_percent, percent),
        Cell::number(vitals.memory_percent, percent),
        Cell::number(vitals.disk_percent, percent),
        Cell::number(member.vitals_age_s, span),
    ]
}

/// A member's state, in its colour.
pub fn status_cell(status: Status) -> Cell {
    let tone = match status {
        Status::Alive => Tone::Good,
        Status::Suspect => Tone::Odd,
        Status::Failed | Status::Banned => Tone::Bad,
        Status::Left => Tone::Faint,
    };
    Cell::toned(status.as_str(), tone)
}

fn summary(members: &[Member]) -> String {
    let counts: Vec<String> = Status::ALL
        .into_iter()
        .map(|status| (status, members.iter().filter(|m| m.status == status).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(status, count)| format!("{count} {status}"))
        .collect();
    match members.len() {
        0 => "no members match".into(),
        n => format!("{}: {}", count(n, "member"), counts.join(", ")),
    }
}

/// `rumormill why`.
pub async fn why(args: &MemberArgs, out: &mut Out<'_>) -> Outcome {
    let why: Why = Client::of(&args.target)?.get(&format!("/v1/why/{}", encode(&args.member))).await?;
    match args.target.json {
        true => out.json(&why),
        false => tell_why(&args.member, &why, out),
    }
}

fn tell_why(called: &str, why: &Why, out: &mut Out<'_>) -> Outcome {
    match &why.member {
        Some(member) => out.line(&clean(&format!(
            "{} ({}): {}, for {}",
            member.name,
            member.id,
            member.status,
            span(member.since_s)
        )))?,
        None => out.line(&clean(&format!("{} is on no list any more.", with_id(called, &why.id))))?,
    }
    if let Some(level) = why.member.as_ref().and_then(phi) {
        out.line(&format!("Its suspicion level (phi) is {}.", show_level(level)))?;
    }
    if why.verdicts.is_empty() {
        return out.line("Nothing was said against it, as far as this agent remembers.");
    }
    for verdict in &why.verdicts {
        out.line(&clean(&format!("{}  {}", clock(verdict.at_unix_ms), verdict.text)))?;
    }
    Ok(())
}

/// `rumormill forget`.
pub async fn forget(args: &ForgetArgs, out: &mut Out<'_>) -> Outcome {
    let request = ForgetRequest { member: args.member.clone(), all: args.all };
    let done: Done = Client::of(&args.target)?.post("/v1/forget", &request).await?;
    tell_done(&done, args.target.json, out)
}

/// Shows the answer to something that was carried out.
pub fn tell_done(done: &Done, json: bool, out: &mut Out<'_>) -> Outcome {
    match json {
        true => out.json(done),
        false => out.line(&clean(&done.message)),
    }
}

/// Between two pings of one command.
const PING_INTERVAL: Duration = Duration::from_secs(1);

/// `rumormill ping`.
pub async fn ping(args: &PingArgs, out: &mut Out<'_>) -> Outcome {
    let client = Client::of(&args.target)?;
    let path = format!("/v1/ping/{}", encode(&args.member));
    let mut pings: Vec<Ping> = Vec::new();
    for sent in 0..args.count {
        if sent > 0 {
            tokio::time::sleep(PING_INTERVAL).await;
        }
        let ping: Ping = client.get(&path).await?;
        if !args.target.json {
            out.line(&told(&ping))?;
            out.flush()?;
        }
        pings.push(ping);
    }
    if args.target.json {
        out.json(&pings)?;
    } else if args.count > 1 {
        out.line(&statistics(&pings))?;
    }
    match pings.iter().any(|ping| ping.rtt_ms.is_some()) {
        true => Ok(()),
        false => Err(Failure::Failed(format!("no answer from {}", args.member))),
    }
}

fn told(ping: &Ping) -> String {
    let name = clean(&ping.name);
    match ping.rtt_ms {
        // An agent answers a ping of itself without a packet; no packet takes no time at all.
        Some(0.0) => format!("{name} ({}) is the agent that was asked; nothing was measured", ping.id),
        Some(ms) => format!("{name} ({}) answers in {}", ping.id, millis(ms)),
        None => format!("{name} ({}, {}) does not answer", ping.id, ping.status),
    }
}

fn statistics(pings: &[Ping]) -> String {
    let times: Vec<f64> = pings.iter().filter_map(|ping| ping.rtt_ms).collect();
    let answered = format!("{} of {} answered", times.len(), pings.len());
    if times.is_empty() {
        return answered;
    }
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    let min = times.iter().copied().fold(f64::INFINITY, f64::min);
    let max = times.iter().copied().fold(0.0, f64::max);
    format!("{answered}; min {}, mean {}, max {}", millis(min), millis(mean), millis(max))
}

/// All live members are probed at a bounded rate, so that may take a while (our guess).
const REACHABILITY_TIMEOUT: Duration = Duration::from_secs(600);

/// `rumormill reachability`.
pub async fn reachability(args: &ReachabilityArgs, out: &mut Out<'_>) -> Outcome {
    let answer: Reachability =
        Client::of(&args.target)?.get_within("/v1/reachability", REACHABILITY_TIMEOUT).await?;
    match args.target.json {
        true => out.json(&answer)?,
        false => {
            out.table(&reachability_table(&answer))?;
            out.line(&format!("\n{} reached, {} not", answer.reached, answer.unreached))?;
        }
    }
    match answer.unreached {
        0 => Ok(()),
        n => Err(Failure::Failed(format!("{n} of {} did not answer", count(answer.pings.len(), "member")))),
    }
}

fn reachability_table(answer: &Reachability) -> Table {
    let mut table = Table::new(&["NAME", "STATUS", "RTT", "ID"]);
    for ping in &answer.pings {
        table.row(vec![
            Cell::name(&ping.name),
            status_cell(ping.status),
            ping.rtt_ms.map_or_else(|| Cell::toned("no answer", Tone::Bad), |ms| Cell::right(millis(ms))),
            Cell::toned(&ping.id, Tone::Faint),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;
    use rumormill_agent::model::{Verdict, VerdictKind, VitalsSummary};
    use std::collections::BTreeMap;

    fn members() -> Vec<Member> {
        let web = Member {
            id: "00000000000000aa".into(),
            name: "web".into(),
            is_self: true,
            since_s: 75.0,
            epoch: 3,
            addresses: vec!["10.0.0.1:7900".into()],
            tags: BTreeMap::from([("role".into(), "web".into()), ("zone".into(), "a".into())]),
            vitals: Some(VitalsSummary {
                load1: Some(0.5),
                cpu_percent: Some(12.4),
                memory_percent: Some(40.0),
                disk_percent: None,
                uptime_s: Some(99),
            }),
            vitals_age_s: Some(2.0),
            ..Member::default()
        };
        let db = Member {
            id: "00000000000000bb".into(),
            name: "db".into(),
            status: Status::Failed,
            since_s: 4.0,
            epoch: 1,
            incarnation: 2,
            addresses: vec!["[fd00::2]:7900".into()],
            rtt_ms: Some(1.234),
            heard_s: Some(9.0),
            stream_only: true,
            ..Member::default()
        };
        vec![db, web]
    }

    #[test]
    fn members_are_a_table() {
        insta::assert_snapshot!(table(&members(), false).render(false), @r"
        NAME        STATUS    FOR  ADDRESS             RTT  ID                TAGS
        db          failed  4.0 s  [fd00::2]:7900  1.23 ms  00000000000000bb
        web (self)  alive    75 s  10.0.0.1:7900         -  00000000000000aa  role=web,zone=a
        ");
    }

    #[test]
    fn details_are_more_columns() {
        insta::assert_snapshot!(table(&members(), true).render(false), @r"
        NAME        STATUS    FOR  ADDRESS             RTT  ID                EPOCH  INC  HEARD  VIA  LOAD   CPU   MEM  DISK    AGE  TAGS
        db          failed  4.0 s  [fd00::2]:7900  1.23 ms  00000000000000bb      1    2  9.0 s  TCP     -     -     -     -      -
        web (self)  alive    75 s  10.0.0.1:7900         -  00000000000000aa      3    0      -  UDP  0.50  12 %  40 %     -  2.0 s  role=web,zone=a
        ");
    }

    #[test]
    fn the_summary_counts_by_state() {
        assert_eq!(summary(&members()), "2 members: 1 alive, 1 failed");
        assert_eq!(summary(&members()[..1]), "1 member: 1 failed");
        assert_eq!(summary(&[]), "no members match");
    }

    fn filtered(flags: &[&str]) -> Vec<String> {
        let words = ["rumormill", "members"].iter().chain(flags);
        let Command::Members(args) = Cli::try_parse_from(words).unwrap().command else { panic!("members") };
        let tags = tag_filter(&args.tags).unwrap();
        let wanted = members().into_iter().filter(|member| wanted(member, &args, &tags));
        wanted.map(|member| member.name).collect()
    }

    #[test]
    fn members_are_filtered_by_all_flags_together() {
        assert_eq!(filtered(&[]), ["db", "web"]);
        assert_eq!(filtered(&["--status", "failed"]), ["db"]);
        assert_eq!(filtered(&["--status", "dead"]), ["db"], "the word of earlier builds");
        assert_eq!(filtered(&["--status", "failed", "--status", "alive"]), ["db", "web"]);
        assert_eq!(filtered(&["--name", "we"]), ["web"]);
        assert_eq!(filtered(&["--tag", "role=web", "--tag", "zone"]), ["web"]);
        assert_eq!(filtered(&["--tag", "role=w.b|db", "--tag", "zone=[ab]"]), ["web"]);
        assert_eq!(filtered(&["--tag", "role=we"]), [""; 0], "for the whole value");
        assert_eq!(filtered(&["--tag", "role=db"]), [""; 0]);
        assert_eq!(filtered(&["--name", "we", "--status", "failed"]), [""; 0]);
    }

    #[test]
    fn a_pattern_that_no_query_takes_is_a_usage_error_that_says_what_patterns_are() {
        let failure = tag_filter(&["role=(".into()]).unwrap_err();
        assert_eq!(failure.code(), 2);
        assert!(
            failure.to_string().contains("no pattern") && failure.to_string().contains("role=web|db"),
            "{failure}"
        );
        assert!(Cli::try_parse_from(["rumormill", "members", "--tag", "=web"]).is_err());
    }

    fn told_by(tell: impl FnOnce(&mut Out<'_>) -> Outcome) -> String {
        let mut bytes = Vec::new();
        tell(&mut Out::new(&mut bytes, false)).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn why_tells_who_said_what_and_when() {
        let why = Why {
            member: Some(members().remove(0)),
            id: "00000000000000bb".into(),
            verdicts: vec![Verdict {
                what: VerdictKind::Suspected,
                by: "00000000000000aa".into(),
                by_name: Some("web".into()),
                at_unix_ms: 1_700_000_000_123,
                heard_s: 9.0,
                incarnation: 2,
                evidence: None,
                text: "web suspected db: no answer".into(),
            }],
        };
        insta::assert_snapshot!(told_by(|out| tell_why("db", &why, out)), @r"
        db (00000000000000bb): failed, for 4.0 s
        2023-11-14 22:13:20.123Z  web suspected db: no answer
        ");
        let nothing = Why { verdicts: vec![], ..why };
        assert!(told_by(|out| tell_why("db", &nothing, out)).contains("Nothing was said against it"));
    }

    #[test]
    fn with_phi_there_is_a_column_of_levels_and_why_tells_the_level() {
        let mut members = members();
        members[1].more.insert("phi".into(), 0.25_f64.into());
        let table = table(&members, true).render(false);
        let last = |line: &str, nth: usize| line.split_whitespace().rev().nth(nth).map(str::to_owned);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            (last(lines[0], 1), last(lines[2], 1)),
            (Some("PHI".into()), Some("0.25".into())),
            "{table}"
        );
        assert_eq!(last(lines[1], 0), Some("-".into()), "no level of the other one: {table}");
        let why = Why { member: Some(members.remove(1)), ..Why::default() };
        let told = told_by(|out| tell_why("db", &why, out));
        assert!(told.contains("Its suspicion level (phi) is 0.25."), "{told}");
    }

    #[test]
    fn a_seed_that_fails_is_told_with_its_reason_and_what_to_do() {
        let seed = Seed {
            seed: "db:7900".into(),
            error: Some("10.0.0.9:7900: nobody listens there".into()),
            hint: Some("start the agent there".into()),
            failing_s: Some(12.0),
            tries: 5,
            ..Seed::default()
        };
        assert_eq!(
            told_seed(&seed),
            "10.0.0.9:7900: nobody listens there (for 12 s, 5 tries); start the agent there"
        );
    }

    #[test]
    fn pings_end_with_their_statistics() {
        let ping = |rtt_ms| Ping { id: "aa".into(), name: "web".into(), rtt_ms, ..Ping::default() };
        assert_eq!(told(&ping(Some(0.5))), "web (aa) answers in 0.50 ms");
        assert_eq!(told(&ping(None)), "web (aa, alive) does not answer");
        assert_eq!(told(&ping(Some(0.0))), "web (aa) is the agent that was asked; nothing was measured");
        assert_eq!(
            statistics(&[ping(Some(1.0)), ping(None), ping(Some(3.0))]),
            "2 of 3 answered; min 1.00 ms, mean 2.00 ms, max 3.00 ms"
        );
        assert_eq!(statistics(&[ping(None)]), "0 of 1 answered");
    }
}
