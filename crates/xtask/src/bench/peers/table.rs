//! The result: each row's medians side by side, their ratio, and the target beside it.

use super::super::host_line;
use super::super::stats::{Spread, digits};
use super::plan::Row;
use anyhow::Result;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What is wanted of a line.
#[derive(Copy, Clone, Debug, PartialEq)]
enum Target {
    /// Nothing: it is only shown.
    None,
    /// Ours over serf's is at most this.
    RatioMax(f64),
    /// Ours over serf's is at least this.
    RatioMin(f64),
    /// Ours stays below this.
    Below(f64),
    /// Ours is no more than serf's.
    NoMore,
}

use Target::{Below, NoMore, RatioMax, RatioMin};

/// A line of the table: of which row and field, what it is called, what is wanted, and at which size alone that is wanted.
type Line = (Row, &'static str, &'static str, Target, Option<u64>);

/// The targets are those of the issue "Events, queries, handlers", section "Standing against the real thing".
const LINES: [Line; 33] = [
    (Row::Join, "join_s", "all see all, s after the last start", RatioMax(0.5), Some(100)),
    (Row::Event, "event_p50_s", "event: half of the agents have it, s", Target::None, None),
    (Row::Event, "event_p99_s", "event: 99 % of the agents have it, s", Target::None, None),
    (Row::Event, "event_all_s", "event: all agents have it, s", RatioMax(0.1), Some(100)),
    (Row::Rate10s, "held_per_s", "events/s from one sender that hold for 10 s", RatioMin(30.0), Some(30)),
    (Row::Rate10s, "held_p99_s", "p99 at that rate, s", Below(1.0), Some(30)),
    (Row::Rate40s, "held_per_s", "events/s from one sender that hold for 40 s", RatioMin(30.0), Some(30)),
    (Row::Rate40s, "held_p99_s", "p99 at that rate, s", Below(1.0), Some(30)),
    (Row::Kill, "kill_first_s", "kill -9: the first marks it as failed, s", RatioMax(0.5), None),
    (Row::Kill, "kill_all_s", "kill -9: all have marked it as failed, s", Target::None, None),
    (Row::Cut, "cut_first_s", "cut off: the first marks it as failed, s", RatioMax(0.5), None),
    (Row::Cut, "cut_all_s", "cut off: all have marked it as failed, s", Target::None, None),
    (Row::Leave, "leave_first_s", "leave: the first knows, s", Target::None, None),
    (Row::Leave, "leave_all_s", "leave: all know, s", Target::None, None),
    (Row::Pause, "false_members", "a tenth paused: members falsely marked as failed", NoMore, None),
    (Row::Pause, "false_reports", "a tenth paused: false deaths, over all observers", NoMore, None),
    (Row::Pause, "stopped_deaths", "a tenth paused: deaths of the paused, per observer", Target::None, None),
    (
        Row::PauseLoss2,
        "false_members",
        "the same at 2 % loss: members falsely marked as failed",
        NoMore,
        None,
    ),
    (
        Row::PauseLoss2,
        "false_reports",
        "the same at 2 % loss: false deaths, over all observers",
        NoMore,
        None,
    ),
    (
        Row::PauseLoss2,
        "stopped_deaths",
        "the same at 2 % loss: deaths of the paused, per observer",
        Target::None,
        None,
    ),
    (
        Row::PauseLoss20,
        "false_members",
        "the same at 20 % loss: members falsely marked as failed",
        NoMore,
        None,
    ),
    (
        Row::PauseLoss20,
        "false_reports",
        "the same at 20 % loss: false deaths, over all observers",
        NoMore,
        None,
    ),
    (
        Row::PauseLoss20,
        "stopped_deaths",
        "the same at 20 % loss: deaths of the paused, per observer",
        Target::None,
        None,
    ),
    (Row::Cost, "idle_bytes_s", "idle: bytes sent, per agent and second", RatioMax(1.0), None),
    (Row::Cost, "idle_packets_s", "idle: packets sent, per agent and second", Target::None, None),
    (Row::Cost, "idle_cpu_percent", "idle: CPU, % of a core per agent", Target::None, None),
    (Row::Cost, "idle_rss_mib", "idle: resident memory (RSS), MiB per agent", RatioMax(2.0 / 3.0), None),
    (Row::Cost, "bytes_per_event", "loaded: all bytes sent, per event delivered", RatioMax(1.0), None),
    (
        Row::Cost,
        "extra_bytes_per_event",
        "loaded: bytes beyond idle, per event delivered",
        Target::None,
        None,
    ),
    (Row::Cost, "loaded_bytes_s", "loaded: bytes sent, per agent and second", Target::None, None),
    (Row::Cost, "loaded_packets_s", "loaded: packets sent, per agent and second", Target::None, None),
    (Row::Cost, "loaded_cpu_percent", "loaded: CPU, % of a core per agent", Target::None, None),
    (Row::Cost, "loaded_rss_mib", "loaded: resident memory (RSS), MiB per agent", RatioMax(2.0 / 3.0), None),
];

const HEAD: &str = "# Beside serf\n\n\
    Written by `cargo xtask bench peers` from the `raw-*.jsonl` beside it, one for each row, and by nothing else. Both sides are black boxes with their LAN profiles, taken in\n\
    turns, never at once; both keep their data in memory (tmpfs), both say what they hold of each other in their logs, and each agent has one consumer of its events that is\n\
    woken by the kernel (ours an HTTP request that waits, serf's an RPC stream). Shown is the median with the smallest and largest trial; the ratio is ours over serf's. Times are until the\n\
    harness read it. Payloads are 100 random bytes. Our packets are sealed, serf's are not; in the rows of cost our vitals are off, since serf has none, and both\n\
    programs are read from the disk anew, as after a boot (resident memory is mostly pages of the program). Bytes count IP headers. A rate\n\
    holds if 99.9 % of all deliveries are made within 10 s of its end, of ours besides only if p99 stays below 1 s; there streams are read every 50 ms, on both sides. An agent is\n\
    cut off by dropping all packets of gossip to and from it. A tenth is paused: stopped for 2 to 16 s, and continued for one, for a minute.\n";

/// A line of the table with its figures.
struct Entry {
    row: Row,
    field: &'static str,
    title: &'static str,
    n: u64,
    ours: Vec<f64>,
    theirs: Vec<f64>,
    is_busy: bool,
    target: Target,
}

impl Entry {
    fn median(values: &[f64]) -> Option<f64> {
        Spread::of(values).map(|spread| spread.median)
    }

    /// Ours over serf's, of the medians; none on a busy machine.
    fn ratio(&self) -> Option<f64> {
        let ratio = Entry::median(&self.ours)? / Entry::median(&self.theirs)?;
        (!self.is_busy && ratio.is_finite()).then_some(ratio)
    }

    /// Whether the target is met; none if there is none, or if nothing can be said.
    fn is_met(&self) -> Option<bool> {
        if self.is_busy {
            return None;
        }
        let (ours, theirs) = (Entry::median(&self.ours)?, Entry::median(&self.theirs));
        match self.target {
            Target::None => None,
            Below(most) => Some(ours < most),
            NoMore => Some(ours <= theirs?),
            RatioMax(most) => Some(ours / theirs? <= most),
            RatioMin(least) => Some(ours / theirs? >= least),
        }
    }

    fn target_text(&self) -> String {
        let what = match self.target {
            Target::None => return "-".into(),
            RatioMax(most) => format!("ratio <= {}", digits(most)),
            RatioMin(least) => format!("ratio >= {}", digits(least)),
            Below(most) => format!("< {}", digits(most)),
            NoMore => "no more".into(),
        };
        let verdict = match self.is_met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None if self.is_busy => "not claimed",
            None => "open",
        };
        format!("{what}: {verdict}")
    }
}

/// What a trial says that never came about took for ever, or held at no rate.
fn figure(line: &Value, field: &str) -> Option<f64> {
    match &line[field] {
        Value::Null if line.get(field).is_none() => None,
        Value::Null if field == "held_per_s" => Some(0.0),
        Value::Null => Some(f64::INFINITY),
        value => value.as_f64(),
    }
}

fn entries(raw: &[Value]) -> Vec<Entry> {
    let mut sizes: Vec<u64> = raw.iter().filter_map(|line| line["n"].as_u64()).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut entries = Vec::new();
    for n in sizes {
        for (row, field, title, target, at) in LINES {
            let of_row = |line: &&Value| line["row"] == row.name();
            let is_busy = raw.iter().filter(of_row).any(|line| line["is_busy"] == true);
            let found = |side: &str| -> Vec<f64> {
                let lines =
                    raw.iter().filter(of_row).filter(|line| line["kind"] == "figure" && line["n"] == n);
                lines.filter(|line| line["side"] == side).filter_map(|line| figure(line, field)).collect()
            };
            let (ours, theirs) = (found("rumormill"), found("serf"));
            let target = if at.is_none_or(|at| at == n) { target } else { Target::None };
            if !ours.is_empty() || !theirs.is_empty() {
                entries.push(Entry { row, field, title, n, ours, theirs, is_busy, target });
            }
        }
    }
    entries
}

fn show(values: &[f64]) -> String {
    let never = values.iter().filter(|value| value.is_infinite()).count();
    let spread = Spread::of(values).map_or("-".into(), |spread| spread.show().replace("inf", "never"));
    match never {
        0 => spread,
        never => format!("{spread} (not in {never} of {})", values.len()),
    }
}

/// The table from its raw lines.
pub fn markdown(raw: &[Value]) -> Result<String> {
    let mut text = HEAD.to_owned();
    let entries = entries(raw);
    let heads: Vec<&Value> = raw.iter().filter(|line| line["kind"] == "run").collect();
    let mut machines: Vec<String> = heads.iter().map(|head| host_line(&head["machine"])).collect();
    machines.sort_unstable();
    machines.dedup();
    writeln!(text, "\nMachine: {}.", machines.join("; "))?;
    if entries.iter().any(|entry| entry.is_busy) {
        text.push_str(
            "\n**The machine was busy before rows below were measured: of them nothing is claimed, and no ratio is given.**\n",
        );
    }
    let mut n = 0;
    for entry in &entries {
        if entry.n != n {
            n = entry.n;
            writeln!(text, "\n## {n} agents\n")?;
            text.push_str("| | rumormill | serf | ratio | target |\n| --- | --- | --- | --- | --- |\n");
        }
        let ratio = entry.ratio().map_or("-".into(), digits);
        let (ours, theirs) = (show(&entry.ours), show(&entry.theirs));
        writeln!(text, "| {} | {ours} | {theirs} | {ratio} | {} |", entry.title, entry.target_text())?;
    }
    text.push_str("\n## How it was\n\n| row | measured | in use before | load before | versions | agents |\n| --- | --- | --- | --- | --- | --- |\n");
    for head in heads {
        let word = |name: &str| head[name].as_str().unwrap_or("?").to_owned();
        let versions: Vec<&str> =
            head["versions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let used = head["used_share"].as_f64().unwrap_or(f64::NAN) * 100.0;
        let busy = if head["is_busy"] == true { ", busy" } else { "" };
        let data = if head["is_tmpfs"] == true { "data on tmpfs" } else { "data on disk" };
        let (row, date, versions, place) = (word("row"), word("date"), versions.join(", "), word("place"));
        writeln!(
            text,
            "| {row} | {date} | {used:.0} %{busy} | {} | {versions} | {place}; {data} |",
            head["load"]
        )?;
    }
    Ok(text)
}

/// The same for programs.
pub fn json(raw: &[Value], skipped: &[String], failed: &[String]) -> Value {
    let spread = |values: &[f64]| {
        let finite = |x: f64| x.is_finite().then_some(x); // null: never
        Spread::of(values).map(|spread| {
            json!({"median": finite(spread.median), "min": finite(spread.min), "max": finite(spread.max), "count": values.len()})
        })
    };
    let lines: Vec<Value> = entries(raw)
        .iter()
        .map(|entry| {
            json!({
                "row": entry.row.name(), "field": entry.field, "what": entry.title, "n": entry.n,
                "rumormill": spread(&entry.ours), "serf": spread(&entry.theirs),
                "ratio": entry.ratio(), "target": entry.target_text(), "is_met": entry.is_met(), "is_busy": entry.is_busy,
            })
        })
        .collect();
    let runs: Vec<&Value> = raw.iter().filter(|line| line["kind"] == "run").collect();
    json!({"lines": lines, "runs": runs, "skipped": skipped, "failed": failed})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(is_busy: bool) -> Vec<Value> {
        let head = |row: &str| json!({"kind": "run", "row": row, "date": "2026-11-23T14:00:00Z", "used_share": 0.02, "is_busy": is_busy, "load": 0.3, "versions": ["rumormill 1", "serf 2"], "place": "here", "is_tmpfs": true, "machine": {"cpu": "a CPU", "cores": 2, "memory": "4 kB", "kernel": "6"}});
        let mut raw = vec![head("join"), head("event"), head("rate-10s"), head("pause")];
        let mut figure = |row: &str, side: &str, n: u64, figures: Value| {
            let mut line = json!({"kind": "figure", "row": row, "side": side, "n": n, "trial": 1});
            line.as_object_mut().unwrap().extend(figures.as_object().unwrap().clone());
            raw.push(line);
        };
        for (ours, theirs) in [(1.0, 2.0), (2.0, 4.0), (1.5, 6.0)] {
            figure("join", "rumormill", 100, json!({"join_s": ours}));
            figure("join", "serf", 100, json!({"join_s": theirs}));
        }
        figure("event", "rumormill", 10, json!({"event_all_s": null}));
        figure("event", "serf", 10, json!({"event_all_s": 0.5}));
        figure("rate-10s", "rumormill", 30, json!({"held_per_s": 1500, "held_p99_s": 1.2}));
        figure("rate-10s", "serf", 30, json!({"held_per_s": 40, "held_p99_s": 4.0}));
        figure("pause", "rumormill", 30, json!({"false_members": 0}));
        figure("pause", "serf", 30, json!({"false_members": 0}));
        raw
    }

    fn line(text: &str, title: &str) -> String {
        text.lines()
            .find(|line| line.contains(title))
            .unwrap_or_else(|| panic!("no {title} in\n{text}"))
            .to_owned()
    }

    #[test]
    fn medians_ratios_and_targets_stand_side_by_side() {
        let text = markdown(&raw(false)).unwrap();
        let join = "| 1.50 [1.00..2.00] | 4.00 [2.00..6.00] | 0.375 | ratio <= 0.500: met |";
        assert!(line(&text, "all see all, s").ends_with(join), "{text}");
        let rate = "| 1500 | 40.0 | 37.5 | ratio >= 30.0: met |";
        assert!(line(&text, "hold for 10 s").ends_with(rate), "{text}");
        assert!(line(&text, "p99 at that rate").ends_with("| < 1.00: **missed** |"), "{text}");
        assert!(
            line(&text, "falsely marked as failed").ends_with("| 0.00 | 0.00 | - | no more: met |"),
            "{text}"
        );
        let never = "| never (not in 1 of 1) | 0.500 | - | - |";
        assert!(line(&text, "event: all agents").ends_with(never), "the target is for 100 agents:\n{text}");
        assert!(text.contains("2 cores of a CPU") && text.contains("rumormill 1, serf 2"), "{text}");
    }

    #[test]
    fn of_a_busy_machine_nothing_is_claimed() {
        let text = markdown(&raw(true)).unwrap();
        assert!(text.contains("**The machine was busy"), "{text}");
        assert!(line(&text, "all see all, s").ends_with("| - | ratio <= 0.500: not claimed |"), "{text}");
        let json = json(&raw(true), &[], &[]);
        let lines = json["lines"].as_array().unwrap();
        assert!(lines.iter().all(|line| line["ratio"].is_null() && line["is_met"].is_null()), "{json:#}");
    }
}
