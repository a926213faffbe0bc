//! `rumormill drill`: from an aggregate of the hosts to the hosts that make it so.

use crate::args::Target;
use crate::client::Client;
use crate::commands::sql::answer::text;
use crate::commands::sql::ask;
use crate::outcome::{Failure, Outcome};
use crate::show::{Cell, Out, Table, count, span};
use clap::Args;
use rumormill_agent::model::SqlAnswer;
use rumormill_agent::reference;

use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// `rumormill drill`.
#[derive(Debug, Args)]
pub struct DrillArgs {
    /// sum, avg, min, max or count of a column of `hosts`, or of an expression of them: "avg(load1)", "sum(memory_total_bytes - memory_available_bytes)"
    #[arg(value_name = "AGGREGATE")]
    pub aggregate: Aggregate,
    /// Group by this tag, or by this column of `hosts` [default: one group of all]
    #[arg(long, value_name = "TAG|COLUMN")]
    pub by: Option<String>,
    /// Only hosts for which this holds: a condition in SQL, such as "cpus >= 8" [default: hosts that are alive or suspected]
    #[arg(long = "where", value_name = "CONDITION")]
    pub condition: Option<String>,
    /// Hosts that are shown of each group
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub top: usize,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// An aggregate of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregate {
    function: Function,
    expression: String,
}

/// An aggregate function.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Function {
    Sum,
    Avg,
    Min,
    Max,
    Count,
}

impl std::str::FromStr for Aggregate {
    type Err = String;
    fn from_str(given: &str) -> Result<Aggregate, String> {
        let wanted = || {
            format!(
                "{given:?} is no aggregate; write for example avg(load1): sum, avg, min, max or count of an expression"
            )
        };
        let (function, rest) = given.trim().split_once('(').ok_or_else(wanted)?;
        let expression = rest.strip_suffix(')').ok_or_else(wanted)?.trim();
        let function = match function.trim().to_ascii_lowercase().as_str() {
            "sum" => Function::Sum,
            "avg" => Function::Avg,
            "min" => Function::Min,
            "max" => Function::Max,
            "count" => Function::Count,
            _ => return Err(wanted()),
        };
        let expression = match expression {
            "" => return Err(wanted()),
            "*" if function == Function::Count => "1",
            expression => expression,
        };
        Ok(Aggregate { function, expression: expression.into() })
    }
}

impl Function {
    /// Of values in ascending order; none if there are none.
    fn of(self, values: &[f64]) -> Option<f64> {
        let sum = || values.iter().sum::<f64>();
        match self {
            Function::Count => Some(values.len() as f64),
            _ if values.is_empty() => None,
            Function::Sum => Some(sum()),
            Function::Avg => Some(sum() / values.len() as f64),
            Function::Min => values.first().copied(),
            Function::Max => values.last().copied(),
        }
    }

    /// A host's part in the aggregate: hosts are shown by it, the greatest first.
    fn weight(self, value: f64, whole: f64) -> f64 {
        match self {
            Function::Sum | Function::Count => value.abs(),
            Function::Avg => (value - whole).abs(),
            Function::Min => -value,
            Function::Max => value,
        }
    }

    /// The part that a host has in the aggregate of its group, in words.
    fn part(self, value: f64, group: f64, hosts: usize) -> Option<String> {
        match self {
            Function::Sum if group != 0.0 => Some(format!("{:.0} % of the sum", 100.0 * value / group)),
            // Without this host the average of the others would be as much lower.
            Function::Avg if hosts > 1 => Some(format!(
                "{:+.2} to the average",
                group - (group * hosts as f64 - value) / (hosts as f64 - 1.0)
            )),
            _ => None,
        }
    }
}

/// The answer: groups, and their hosts.
#[derive(Debug, PartialEq, Serialize)]
struct Drilled {
    aggregate: String,
    by: Option<String>,
    /// The aggregate of all hosts.
    value: Option<f64>,
    hosts: usize,
    groups: Vec<Group>,
    as_of: String,
}

#[derive(Debug, PartialEq, Serialize)]
struct Group {
    group: Option<String>,
    value: Option<f64>,
    hosts: usize,
    /// Hosts of it without a value: no vitals of them have arrived.
    without: usize,
    /// Those that make it so, the most important first.
    top: Vec<Host>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Host {
    id: String,
    name: String,
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<String>,
    /// Seconds since its vitals were written.
    vitals_age_s: Option<f64>,
}

/// `rumormill drill`.
pub async fn drill(args: &DrillArgs, out: &mut Out<'_>) -> Outcome {
    let answer = ask(&Client::of(&args.target)?, &statement(args), &[]).await?;
    let drilled = drilled(args, &answer)?;
    match args.target.json {
        true => out.json(&drilled),
        false => tell(&drilled, out),
    }
}

/// One statement, so that groups and hosts are of one moment.
fn statement(args: &DrillArgs) -> String {
    let group = match args.by.as_deref() {
        None => "NULL".into(),
        Some(by) if is_column(by) => by.into(),
        Some(tag) => format!("tags->>'{}'", tag.replace('\'', "''")),
    };
    let condition = args.condition.as_deref().unwrap_or("status IN ('alive', 'suspect')");
    let expression = &args.aggregate.expression;
    format!(
        "SELECT id, name, vitals_age_s, {group} AS by_group, ({expression}) AS value FROM hosts WHERE {condition}"
    )
}

/// True if `hosts` has such a column.
fn is_column(name: &str) -> bool {
    let hosts = reference::tables().into_iter().find(|table| table.name == "hosts");
    hosts.is_some_and(|hosts| hosts.position(name).is_some())
}

/// A row, and its value.
type Valued<'a> = (&'a [Value], Option<f64>);

fn drilled(args: &DrillArgs, answer: &SqlAnswer) -> Outcome<Drilled> {
    let Aggregate { function, expression } = &args.aggregate;
    let mut groups: BTreeMap<Option<String>, Vec<Valued<'_>>> = BTreeMap::new();
    for row in &answer.rows {
        let [_, _, _, group, value] = &row[..] else {
            return Err(Failure::Failed(
                "the agent's answer has other columns than this version asks for".into(),
            ));
        };
        let is_number = value.is_null() || value.is_number();
        if !is_number && *function != Function::Count {
            return Err(Failure::Usage(format!("{expression} is no number: {}", text(value))));
        }
        let number = if is_number { value.as_f64() } else { Some(1.0) };
        let group = (!group.is_null()).then(|| text(group));
        groups.entry(group).or_default().push((row, number));
    }
    let sorted = |rows: &mut dyn Iterator<Item = Option<f64>>| {
        let mut values: Vec<f64> = rows.flatten().collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let whole = function.of(&sorted(&mut groups.values().flatten().map(|(_, value)| *value)));
    let mut groups: Vec<Group> = groups
        .into_iter()
        .map(|(group, rows)| {
            let values = sorted(&mut rows.iter().map(|(_, value)| *value));
            let value = function.of(&values);
            let top = top(*function, &rows, value.unwrap_or_default(), args.top);
            Group { group, value, hosts: rows.len(), without: rows.len() - values.len(), top }
        })
        .collect();
    groups.sort_by(|a, b| {
        b.value.unwrap_or(f64::NEG_INFINITY).total_cmp(&a.value.unwrap_or(f64::NEG_INFINITY))
    });
    if *function == Function::Min {
        groups.reverse();
    }
    Ok(Drilled {
        aggregate: format!("{}({expression})", format!("{function:?}").to_lowercase()),
        by: args.by.clone(),
        value: whole,
        hosts: answer.rows.len(),
        groups,
        as_of: answer.as_of.clone(),
    })
}

/// The hosts that make the aggregate of their group what it is.
fn top(function: Function, rows: &[Valued<'_>], group: f64, top: usize) -> Vec<Host> {
    let valued = rows.iter().filter_map(|(row, value)| Some((row, (*value)?)));
    let mut valued: Vec<(&&[Value], f64)> = valued.collect();
    valued.sort_by(|a, b| function.weight(b.1, group).total_cmp(&function.weight(a.1, group)));
    let hosts = valued.len();
    let host = |(row, value): (&&[Value], f64)| Host {
        id: text(&row[0]),
        name: text(&row[1]),
        value,
        part: function.part(value, group, hosts),
        vitals_age_s: row[2].as_f64(),
    };
    valued.into_iter().take(top).map(host).collect()
}

fn tell(drilled: &Drilled, out: &mut Out<'_>) -> Outcome {
    let Drilled { aggregate, by, value, hosts, groups, .. } = drilled;
    let by = by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
    let whole = value.map_or("none".into(), number);
    out.line(&format!("{aggregate}{by} of {}: {whole}", count(*hosts as u64, "host")))?;
    let mut table = Table::new(&["GROUP", "HOST", "VALUE", "PART", "AGE"]);
    for group in groups {
        let name = if drilled.by.is_some() { group.group.as_deref().unwrap_or("(none)") } else { "all" };
        let mut hosts = count(group.hosts as u64, "host");
        if group.without > 0 {
            hosts += &format!(", {} without a value", group.without);
        }
        table.row(vec![name.into(), hosts.into(), Cell::number(group.value, number), "".into(), "".into()]);
        for host in &group.top {
            let part = host.part.as_deref().unwrap_or_default();
            let age = Cell::number(host.vitals_age_s, span);
            table.row(vec![
                "".into(),
                host.name.as_str().into(),
                Cell::right(number(host.value)),
                part.into(),
                age,
            ]);
        }
    }
    out.table(&table)
}

/// A number as people read it: whole, or with two decimal places.
fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn args(aggregate: &str, by: Option<&str>) -> DrillArgs {
        DrillArgs {
            aggregate: aggregate.parse().unwrap(),
            by: by.map(String::from),
            condition: None,
            top: 2,
            target: Target::default(),
        }
    }

    fn answer() -> SqlAnswer {
        let rows = json!([
            ["1", "web-1", 1.0, "web", 0.5],
            ["2", "web-2", 2.0, "web", 8.5],
            ["3", "web-3", 3.0, "web", 0.0],
            ["4", "db-1", 4.0, "db", 2.0],
            ["5", "new", null, null, null]
        ]);
        SqlAnswer { rows: serde_json::from_value(rows).unwrap(), ..SqlAnswer::default() }
    }

    fn shown(aggregate: &str) -> String {
        let drilled = drilled(&args(aggregate, Some("role")), &answer()).unwrap();
        let mut written = Vec::new();
        tell(&drilled, &mut Out::new(&mut written, false)).unwrap();
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn an_average_names_the_hosts_that_pull_at_it() {
        let expected = "\
avg(load1) by role of 5 hosts: 2.75
GROUP   HOST                     VALUE  PART                   AGE
web     3 hosts                      3
        web-2                     8.50  +2.75 to the average  2.0 s
        web-3                        0  -1.50 to the average  3.0 s
db      1 host                       2
        db-1                         2                        4.0 s
(none)  1 host, 1 without a value    -
";
        let shown = shown("avg(load1)");
        let words = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
        assert_eq!(words(&shown).len(), words(expected).len(), "{shown}");
        for line in ["web-2", "web-3", "db-1", "(none)"] {
            assert!(shown.contains(line), "{shown}");
        }
        assert!(shown.contains("+2.75 to the average") && shown.contains("-1.50 to the average"), "{shown}");
    }

    #[test]
    fn each_function_orders_groups_and_hosts_by_what_makes_it_so() {
        let first = |aggregate: &str| {
            let drilled = drilled(&args(aggregate, Some("role")), &answer()).unwrap();
            let group = &drilled.groups[0];
            (
                group.group.clone().unwrap_or_default(),
                group.value,
                group.top.first().map(|host| host.name.clone()),
            )
        };
        assert_eq!(first("sum(load1)"), ("web".into(), Some(9.0), Some("web-2".into())));
        assert_eq!(first("max(load1)"), ("web".into(), Some(8.5), Some("web-2".into())));
        assert_eq!(first("count(load1)"), ("web".into(), Some(3.0), Some("web-2".into())));
        let smallest = drilled(&args("min(load1)", Some("role")), &answer()).unwrap();
        let web = smallest.groups.iter().find(|group| group.group.as_deref() == Some("web")).unwrap();
        assert_eq!((web.value, web.top[0].name.as_str()), (Some(0.0), "web-3"));
    }

    #[test]
    fn a_group_is_a_column_of_hosts_or_else_a_tag() {
        let by = |by| statement(&args("avg(load1)", Some(by)));
        assert!(by("status").contains("status AS by_group"), "{}", by("status"));
        assert!(by("ro'le").contains("tags->>'ro''le' AS by_group"), "{}", by("ro'le"));
        for bad in ["load1", "median(load1)", "avg()", "avg(load1", ""] {
            assert!(bad.parse::<Aggregate>().is_err(), "{bad}");
        }
    }
}
