//! Commands about the agent itself: `info`, `reload`, `join`, `leave`, `tags`.

use crate::args::{Target, key_value};
use crate::client::Client;
use crate::commands::members::{tell_done, told_seed};
use crate::outcome::{Failure, Outcome};
use crate::show::{Cell, Out, Table, Tone, bytes, clean, count, span};
use clap::Args;
use hyper::Method;
use rumormill_agent::model::{
    Done, HandlerInfo, JoinRequest, JoinResult, ReloadInfo, Reloaded, SeedState, SelfInfo, SettingChange,
    Tags, TagsPatch, Warning,
};
use std::time::Duration;

/// `rumormill join`.
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// Addresses or DNS names of members, with or without a port (default 7900)
    #[arg(required = true, value_name = "ADDR", value_delimiter = ',')]
    pub seeds: Vec<String>,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// `rumormill info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// Also show all that was counted since the agent started
    #[arg(long)]
    pub counters: bool,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// `rumormill tags`.
#[derive(Debug, Args)]
pub struct TagsArgs {
    /// Set a tag (may be repeated) [default: none]
    #[arg(long, value_name = "K=V", value_parser = key_value)]
    pub set: Vec<(String, String)>,
    /// Delete a tag (may be repeated) [default: none]
    #[arg(long, value_name = "K")]
    pub delete: Vec<String>,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// `rumormill info`: as JSON always with the counters.
pub async fn info(args: &InfoArgs, out: &mut Out<'_>) -> Outcome {
    let info: SelfInfo = Client::of(&args.target)?.get("/v1/self").await?;
    match args.target.json {
        true => out.json(&info),
        false => tell_info(&info, args.counters, out),
    }
}

/// `rumormill reload`.
pub async fn reload(target: &Target, out: &mut Out<'_>) -> Outcome {
    let reloaded: Reloaded = Client::of(target)?.post("/v1/reload", &serde_json::Map::new()).await?;
    if target.json {
        return out.json(&reloaded);
    }
    let Reloaded { changed, restart, warnings } = &reloaded;
    let mut tell = |what: &str, change: &SettingChange| {
        let shown = |text: &str| if text.is_empty() { "-".to_string() } else { text.to_string() };
        let SettingChange { key, from, to } = change;
        out.line(&clean(&format!("{what:<16}{key}: {} -> {}", shown(from), shown(to))))
    };
    changed.iter().try_for_each(|change| tell("changed", change))?;
    restart.iter().try_for_each(|change| tell("needs a restart", change))?;
    if changed.is_empty() && restart.is_empty() {
        out.line("nothing has changed")?;
    }
    warnings.iter().try_for_each(|warning| out.line(&clean(&format!("{:<16}{warning}", "warning"))))
}

/// What is being gossiped, in words.
fn news(info: &SelfInfo) -> String {
    let items =
        info.news.iter().map(|item| format!("{} {}", item.name.as_ref().unwrap_or(&item.id), item.said));
    let items: Vec<String> = items.collect();
    if items.is_empty() { String::new() } else { format!(": {}", items.join(", ")) }
}

fn tell_info(info: &SelfInfo, has_counters: bool, out: &mut Out<'_>) -> Outcome {
    for (label, text) in info_lines(info) {
        out.line(&clean(&format!("{label:<12}{text}")))?;
    }
    warnings(info).iter().try_for_each(|line| out.line(&clean(line)))?;
    if !has_counters {
        return Ok(());
    }
    out.line("")?;
    let mut table = Table::new(&["COUNTED SINCE THE START", ""]);
    for (name, count) in info.counters.iter().filter(|(_, count)| **count > 0) {
        table.row(vec![Cell::from(name.as_str()), Cell::right(count.to_string())]);
    }
    out.table(&table)
}

/// The labels and texts of `info`, in the order in which they are shown.
fn info_lines(info: &SelfInfo) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("name", info.member.name.clone()),
        ("id", info.member.id.clone()),
        ("cluster", format!("{} ({} live, profile {})", info.cluster, info.live, info.profile)),
        ("health", health(info.health)),
        (
            "started",
            format!("{} ago, epoch {}, session {}", span(info.uptime_s), info.member.epoch, info.session),
        ),
        ("gossip", info.gossip.clone()),
        ("advertised", info.member.addresses.join(", ")),
        ("http", info.http.clone().unwrap_or_else(|| "-".into())),
        ("socket", info.socket.clone().unwrap_or_else(|| "-".into())),
        ("data", info.data_dir.clone().unwrap_or_else(|| "kept in memory only".into())),
        (
            "keys",
            if info.keys.is_empty() { "none: packets are not secret".into() } else { info.keys.join(", ") },
        ),
        ("vitals", vitals(info)),
        ("events", events(info)),
        ("queries", format!("{} open of its own, {} known", info.queries.open, info.queries.known)),
        ("process", format!("{}, rumormill {}, commit {}", info.pid, info.version, commit(&info.commit))),
        (
            "view",
            format!("root {}, {} being gossiped{}", info.root, count(info.news_queued, "item"), news(info)),
        ),
    ];
    if !info.member.tags.is_empty() {
        let tags: Vec<String> = info.member.tags.iter().map(|(k, v)| format!("{k}={v}")).collect();
        lines.insert(2, ("tags", tags.join(", ")));
    }
    for seed in &info.seeds {
        let stands = match seed.state {
            SeedState::Failing => told_seed(seed),
            state => state.as_str().to_string(),
        };
        lines.push(("seed", format!("{}: {stands}", seed.seed)));
    }
    for stranger in &info.strangers {
        let (packets, ago) = (count(stranger.packets, "packet"), span(stranger.last_s));
        let text = format!("{}: {} ({packets} so far, the last {ago} ago)", stranger.address, stranger.text);
        lines.push(("stranger", text));
    }
    for handler in &info.handlers {
        lines.push(("handler", told_handler(handler)));
    }
    if info.reload.last_s.is_some() {
        lines.push(("reload", told_reload(&info.reload)));
    }
    if info.faults {
        lines.push(("faults", "can be injected".into()));
    }
    lines
}

/// What a person should know: what holds, with its times, what the member's record shows, and what was over lately.
fn warnings(info: &SelfInfo) -> Vec<String> {
    let (over, hold): (Vec<&Warning>, Vec<&Warning>) =
        info.conditions.iter().partition(|warning| warning.cleared_s.is_some());
    let has_times = |text: &&String| hold.iter().any(|warning| warning.text == **text);
    let without = info.warnings.iter().filter(|text| !has_times(text)).chain(&info.member.warnings);
    let mut lines: Vec<String> = hold.iter().map(|warning| holds(warning)).collect();
    lines.extend(without.map(|text| format!("{:<12}{text}", "warning")));
    lines.extend(over.into_iter().map(|warning| {
        let (since, cleared) = (warning.since_s, warning.cleared_s.unwrap_or_default());
        let held = span((since - cleared).max(0.0));
        format!("{:<12}{} (held for {held}, over for {})", "cleared", warning.text, span(cleared))
    }));
    lines
}

fn holds(warning: &Warning) -> String {
    let Warning { text, since_s, last_s, count, .. } = warning;
    let met = match *count {
        0 | 1 => String::new(),
        count => format!(", {count} times, last {} ago", span(*last_s)),
    };
    format!("{:<12}{text} (for {}{met})", "warning", span(*since_s))
}

fn health(score: u32) -> String {
    match score {
        0 => "good".into(),
        score => format!("{score} (this machine is slow; 0 is good)"),
    }
}

fn vitals(info: &SelfInfo) -> String {
    match (info.vitals, info.vitals_interval_s) {
        (false, _) => "off".into(),
        (true, Some(interval)) => format!("every {}", span(interval)),
        (true, None) => "on".into(),
    }
}

fn told_handler(handler: &HandlerInfo) -> String {
    let HandlerInfo { on, command, done, failed, killed, missed, running, last_error } = handler;
    let mut text =
        format!("{on}: {done} done, {failed} failed, {killed} killed, {missed} missed, {running} running");
    if let Some(error) = last_error {
        text += &format!("; last error: {error}");
    }
    text + &format!(" ({command})")
}

/// As much of a commit as people compare.
fn commit(commit: &str) -> &str {
    commit.get(..12).unwrap_or(if commit.is_empty() { "unknown" } else { commit })
}

fn told_reload(reload: &ReloadInfo) -> String {
    let ReloadInfo { done, refused, last_s, last_error, restart } = reload;
    let mut text = format!("{done} done, {refused} refused");
    text.extend(last_s.map(|s| format!(", the last {} ago", span(s))));
    if !restart.is_empty() {
        let keys: Vec<&str> = restart.iter().map(|change| change.key.as_str()).collect();
        text += &format!("; waiting for a restart: {}", keys.join(", "));
    }
    if let Some(error) = last_error {
        let error: Vec<&str> = error.lines().map(str::trim).collect();
        text += &format!("; refused: {}", error.join("; "));
    }
    text
}

fn events(info: &SelfInfo) -> String {
    let events = &info.events;
    let sizes = (bytes(events.window_bytes as f64), bytes(events.window_bytes_max as f64));
    let mut text = format!(
        "{} retained ({} of {}), {} spreading",
        events.window_events, sizes.0, sizes.1, events.spreading
    );
    if events.durable_waiting > 0 {
        text += &format!(", {} durable not known to be elsewhere", events.durable_waiting);
    }
    if !events.joined {
        text += "; not known yet what was before this agent";
    }
    text
}

/// Seeds may have to be looked up and tried again (our guess).
const JOIN_TIMEOUT: Duration = Duration::from_secs(60);

/// `rumormill join`.
pub async fn join(args: &JoinArgs, out: &mut Out<'_>) -> Outcome {
    let request = JoinRequest { addresses: args.seeds.clone() };
    let client = Client::of(&args.target)?;
    let result: JoinResult = client.send(Method::POST, "/v1/join", &request, JOIN_TIMEOUT).await?;
    match args.target.json {
        true => out.json(&result)?,
        false => out.table(&joined_table(&result))?,
    }
    match result.addresses.iter().any(|joined| joined.id.is_some()) {
        true => Ok(()),
        false => Err(Failure::Failed("nobody was joined".into())),
    }
}

fn joined_table(result: &JoinResult) -> Table {
    let mut table = Table::new(&["ADDRESS", "NAME", "ID", ""]);
    for joined in &result.addresses {
        table.row(vec![
            Cell::from(joined.address.as_str()),
            joined.name.as_deref().map_or_else(|| Cell::from("-"), |name| Cell::toned(name, Tone::Good)),
            Cell::from(joined.id.as_deref().unwrap_or("-")),
            joined
                .error
                .as_deref()
                .map_or_else(|| Cell::from("joined"), |error| Cell::toned(error, Tone::Bad)),
        ]);
    }
    table
}

/// Leaving waits until the others have been told (our guess, above the longest linger).
const LEAVE_TIMEOUT: Duration = Duration::from_secs(30);

/// `rumormill leave`.
pub async fn leave(target: &Target, out: &mut Out<'_>) -> Outcome {
    let empty = serde_json::json!({});
    let done: Done = Client::of(target)?.send(Method::POST, "/v1/leave", &empty, LEAVE_TIMEOUT).await?;
    tell_done(&done, target.json, out)
}

/// `rumormill tags`.
pub async fn tags(args: &TagsArgs, out: &mut Out<'_>) -> Outcome {
    let client = Client::of(&args.target)?;
    let tags: Tags = if args.set.is_empty() && args.delete.is_empty() {
        client.get("/v1/tags").await?
    } else {
        let patch = TagsPatch { set: args.set.iter().cloned().collect(), remove: args.delete.clone() };
        client.send(Method::PATCH, "/v1/tags", &patch, crate::client::ANSWER_TIMEOUT).await?
    };
    if args.target.json {
        return out.json(&tags);
    }
    if tags.tags.is_empty() {
        return out.line("no tags; set one with `rumormill tags --set KEY=VALUE`");
    }
    for (key, value) in &tags.tags {
        out.line(&clean(&format!("{key}={value}")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_agent::model::{EventsInfo, Joined, Member, Seed, Stranger};
    use std::collections::BTreeMap;

    fn warning(text: &str, since_s: f64, last_s: f64, count: u64, cleared_s: Option<f64>) -> Warning {
        Warning { text: text.into(), since_s, last_s, count, cleared_s, ..Warning::default() }
    }

    #[test]
    fn info_is_a_list_with_counters_that_moved() {
        let info = SelfInfo {
            member: Member {
                name: "web".into(),
                id: "00000000000000aa".into(),
                epoch: 3,
                addresses: vec!["10.0.0.1:7900".into()],
                tags: BTreeMap::from([("role".into(), "web".into())]),
                ..Member::default()
            },
            cluster: "default".into(),
            profile: "lan".into(),
            version: "0.1.0".into(),
            uptime_s: 42.0,
            pid: 77,
            session: "0123456789abcdef".into(),
            live: 3,
            root: "feedbeeffeedbeef".into(),
            gossip: "0.0.0.0:7900".into(),
            http: Some("127.0.0.1:7901".into()),
            vitals: true,
            vitals_interval_s: Some(5.0),
            events: EventsInfo {
                joined: true,
                window_events: 2,
                window_bytes: 3_072,
                window_bytes_max: 4 << 20,
                spreading: 1,
                ..EventsInfo::default()
            },
            counters: BTreeMap::from([("probes".into(), 12), ("deaths".into(), 0)]),
            warnings: vec!["there is no key".into(), "the disk is full".into()],
            conditions: vec![
                warning("the disk is full", 240.0, 2.0, 48, None),
                warning("bans are not saved", 600.0, 420.0, 1, Some(400.0)),
            ],
            seeds: vec![
                Seed {
                    seed: "db".into(),
                    state: SeedState::Failing,
                    error: Some("there is no such name".into()),
                    hint: Some("check DNS".into()),
                    failing_s: Some(60.0),
                    tries: 7,
                    ..Seed::default()
                },
                Seed { seed: "10.0.0.2:7900".into(), state: SeedState::Joined, ..Seed::default() },
            ],
            strangers: vec![Stranger {
                address: "10.0.0.7:7900".into(),
                text: "packets do not open".into(),
                packets: 6,
                last_s: 3.0,
                ..Stranger::default()
            }],
            ..SelfInfo::default()
        };
        let mut bytes = Vec::new();
        tell_info(&info, true, &mut Out::new(&mut bytes, false)).unwrap();
        insta::assert_snapshot!(String::from_utf8(bytes).unwrap(), @r"
        name        web
        id          00000000000000aa
        tags        role=web
        cluster     default (3 live, profile lan)
        health      good
        started     42 s ago, epoch 3, session 0123456789abcdef
        gossip      0.0.0.0:7900
        advertised  10.0.0.1:7900
        http        127.0.0.1:7901
        socket      -
        data        kept in memory only
        keys        none: packets are not secret
        vitals      every 5.0 s
        events      2 retained (3.0 KiB of 4.0 MiB), 1 spreading
        queries     0 open of its own, 0 known
        process     77, rumormill 0.1.0, commit unknown
        view        root feedbeeffeedbeef, 0 items being gossiped
        seed        db: there is no such name (for 60 s, 7 tries); check DNS
        seed        10.0.0.2:7900: joined
        stranger    10.0.0.7:7900: packets do not open (6 packets so far, the last 3.0 s ago)
        warning     the disk is full (for 4 min, 48 times, last 2.0 s ago)
        warning     there is no key
        cleared     bans are not saved (held for 3 min, over for 7 min)

        COUNTED SINCE THE START
        probes                   12
        ");
        let mut short = Vec::new();
        tell_info(&info, false, &mut Out::new(&mut short, false)).unwrap();
        assert!(!String::from_utf8(short).unwrap().contains("COUNTED"), "only for who asks for it");
    }

    #[test]
    fn a_join_tells_what_became_of_each_address() {
        let result = JoinResult {
            addresses: vec![
                Joined {
                    address: "10.0.0.1:7900".into(),
                    id: Some("00000000000000aa".into()),
                    name: Some("web-1".into()),
                    ..Joined::default()
                },
                Joined {
                    address: "10.0.0.9:7900".into(),
                    error: Some("no answer".into()),
                    ..Joined::default()
                },
            ],
        };
        insta::assert_snapshot!(joined_table(&result).render(false), @r"
        ADDRESS        NAME   ID
        10.0.0.1:7900  web-1  00000000000000aa  joined
        10.0.0.9:7900  -      -                 no answer
        ");
    }
}
