//! The committed document about scenario files is the one that the code makes: keys and defaults by serde, meanings from the comments of the types, stacks from
//! the registry.
//!
//! `RUMORMILL_WRITE_GOLDEN=1 cargo test -p rumormill-agent -p rumormill-lab --test reference` writes it, and the documents about the agent's settings.

mod source;
mod stacks;
mod tables;

use rumormill_lab::scenario::Scenario;
use rumormill_sim::plan::{Action, Bounds, Kind, Step, Who};
use rumormill_sim::{World, churn::Churn};
use source::{Shape, module_comment, named};
use std::any::type_name;
use std::path::PathBuf;
use tables::Tables;
use toml::Value;

const REWRITE: &str =
    "RUMORMILL_WRITE_GOLDEN=1 cargo test -p rumormill-agent -p rumormill-lab --test reference";

/// A scenario with one of each table, of which each field that may be missing is missing.
const SPECIMEN: &str = r#"
stack = "swim"
nodes = 3
time = "1s"
[world]
bursts = { to_bad = 0.1, to_good = 0.1 }
one_way = [{ from = 0, to = 1, loss = 0.1 }]
reorder = { share = 0.1, extra = "1ms" }
lines = [{}]
service = { time = "1ms", slow = [{ factor = 2.0 }] }
[random]
[[churn]]
until = "1s"
sessions = { who = "0..2", up = { constant = "1s" }, down = { constant = "1s" } }
[[churn]]
until = "1s"
poisson = { joins_per_s = 1.0, leaves_per_s = 1.0, first = 3 }
[[call]]
at = "1s"
who = "all"
call = "ping"
"#;

const INTRODUCTION: &str = "\
# The scenario file

Made from the code. A scenario is a TOML file for `rumormill sim run FILE`: a stack of protocols, a world, faults, calls and checks. The run is a pure function of
the file and its seed. [Examples](../crates/lab/scenarios); `rumormill sim run --stacks` lists the stacks with their calls and checks.

";

const NOTATION: &str = "\
A time is a text of one or more numbers with units: `\"500ms\"`, `\"1m30s\"` (`d`, `h`, `m`, `s`, `ms`, `us`, `ns`). An unknown key is an error, and the error lists the
known ones. In the tables below, `required` stands where a key may not be missing, and `-` where a missing key means none.
";

/// The document.
fn document() -> String {
    let scenario: Scenario = toml::from_str(SPECIMEN).unwrap_or_else(|e| panic!("{e}"));
    let values = toml::Table::try_from(&scenario).expect("it was read from TOML");
    let of = |key: &str| values.get(key).cloned().unwrap_or_else(|| panic!("no {key}"));
    let mut text = format!("{INTRODUCTION}```toml\n{}```\n\n{NOTATION}", example());
    let mut section = |heading: &str, before: &str, table: String| {
        text += &format!("\n## {heading}\n\n{before}{}{table}", if before.is_empty() { "" } else { "\n\n" });
    };

    let elsewhere = ["settings", "world", "random", "churn", "step", "call"];
    let table =
        Tables::of(Value::Table(values.clone())).without(&elsewhere).rows(&named(type_name::<Scenario>()));
    section("The file", "", table);
    let world =
        Tables::of(Value::try_from(World::default()).expect("a world can be written")).specimen(of("world"));
    section("`[world]`", "", world.rows(&named(type_name::<World>())));
    let nodes = named(type_name::<Who>()).about;
    section(
        "`[[step]]`: faults",
        &format!("{}\n\nNodes (`who`): {nodes}", named(type_name::<Step>()).about),
        steps(),
    );
    let call = named("rumormill_lab::scenario::Call");
    section("`[[call]]`", &call.about, Tables::of(of("call")).rows(&call));
    let random = named(type_name::<Bounds>());
    section("`[random]`: faults drawn for each run", &random.about, Tables::of(of("random")).rows(&random));
    let churn = named(type_name::<Churn>());
    section("`[[churn]]`", &churn.about, Tables::of(of("churn")).rows(&churn));
    text + &stacks::section()
}

/// The example in the comment of the module `scenario`.
fn example() -> String {
    let comment = module_comment(&["rumormill_lab", "scenario"]);
    let example =
        comment.iter().skip_while(|line| *line != "```toml").skip(1).take_while(|line| *line != "```");
    example.map(|line| format!("{line}\n")).collect()
}

/// The keys of a step: those that all have, those of each action, and those of each partition.
fn steps() -> String {
    let Shape::Struct(step) = named(type_name::<Step>()).shape else { panic!("a step is a struct") };
    let about = |name: &str| {
        step.iter().find(|field| field.name == name).map(|field| field.about.clone()).unwrap_or_default()
    };
    let mut text = String::from("| key | meaning |\n| --- | --- |\n");
    for (key, field) in [("at", "at"), ("do", "action"), ("for", "lasting"), ("draw", "draw")] {
        text += &format!("| `{key}` | {} |\n", about(field));
    }
    text += "\n| `do` | its keys | meaning |\n| --- | --- | --- |\n";
    let list = |fields: &[source::Field]| {
        let fields = fields.iter().map(|field| format!("`{}`: {}", field.name, field.about));
        fields.collect::<Vec<_>>().join(" ")
    };
    let Shape::Enum(actions) = named(type_name::<Action>()).shape else { panic!("an action is an enum") };
    for action in actions {
        is_known("do", &action.name);
        let keys = match action.is_tuple {
            true => "see below".into(),
            false => list(&action.fields),
        };
        text += &format!("| `{}` | {keys} | {} |\n", action.name, action.about);
    }
    let Shape::Struct(partition) = named("rumormill_sim::plan::Partition").shape else {
        panic!("a partition is a struct")
    };
    let of = |name: &str| partition.iter().find(|field| field.name == name).expect("a field").about.clone();
    text += &format!(
        "\nA partition has `kind`, and may have `datagrams_only`: {} `cut` and `whole`: {}\n\n| `kind` | its keys | meaning |\n| --- | --- | --- |\n",
        of("datagrams_only"),
        of("flapping")
    );
    let Shape::Enum(kinds) = named(type_name::<Kind>()).shape else { panic!("a kind is an enum") };
    for kind in kinds {
        is_known("do = \"partition\"\nkind", &kind.name);
        text += &format!("| `{}` | {} | {} |\n", kind.name, list(&kind.fields), kind.about);
    }
    text
}

/// A step of that name may lack something, but the name is known.
fn is_known(key: &str, name: &str) {
    let read =
        toml::from_str::<rumormill_sim::plan::Plan>(&format!("[[step]]\nat = \"1s\"\n{key} = \"{name}\"\n"));
    let refused = read.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(!refused.contains(" is called "), "{key} = {name:?}: {refused}");
}

#[test]
fn the_reference_of_scenarios_is_current() {
    let now = document();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/scenario.md");
    if std::env::var_os("RUMORMILL_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &now).expect("it can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let differ = committed.lines().zip(now.lines()).find(|(committed, now)| committed != now);
    assert!(
        committed == now,
        "docs/scenario.md is not current, first in {differ:?}; to rewrite it: {REWRITE}"
    );
}

#[test]
fn the_example_of_the_reference_is_a_scenario() {
    let read = Scenario::parse(&example(), |file| Err(format!("{file}: no such file")));
    assert!(read.is_ok(), "{}", read.err().unwrap_or_default());
}
