//! Scenarios: the examples in the tree run and hold, and what is wrong in a file is said.

use rumormill_lab::scenario::{Done, Event, Outcome, Output, Progress, Sample, Scenario, Silent, stacks};
use rumormill_lab::topology::Topology;

fn example(name: &str) -> Scenario {
    let path = format!("{}/scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("an example");
    Scenario::parse(&text, |file| Err(format!("{file}: examples name no files"))).expect("a sound example")
}

fn replay(run: u32) -> String {
    format!("rumormill sim run example.toml --run {run}")
}

fn run(scenario: &Scenario) -> Outcome {
    scenario.run(None, &replay, &mut Silent).expect("it runs")
}

fn holds(name: &str) -> Outcome {
    let outcome = run(&example(name));
    assert!(outcome.ok, "{name}: {:?} {:?}", outcome.sometimes, outcome.failure.map(|f| f.report));
    outcome
}

#[test]
fn a_tenth_crashes_and_comes_back() {
    let outcome = holds("crashes");
    assert_eq!((outcome.runs, outcome.figures["up"], outcome.figures["view_min"]), (3, 50.0, 50.0));
    assert!(outcome.dropped["crashed"] > 0 && outcome.events > 50_000, "{outcome:?}");
}

#[test]
fn a_member_that_reaches_one_other_only_makes_nobody_fail_a_healthy_one() {
    let outcome = holds("one-link");
    assert_eq!(outcome.figures["never_separated_failed"], 0.0);
    assert!(outcome.figures["deaths"] > 0.0, "the last member failed the others: {outcome:?}");
}

/// The figure and the check count what they say: without suspicions loss alone fails members that nothing ever separated.
#[test]
fn a_failure_between_members_that_nothing_separated_is_found() {
    let text = "stack = \"swim\"\nnodes = 20\ntime = \"60s\"\nchecks = [\"always never_separated\"]\n\
                [settings.swim]\nsuspicion = false\n[world]\nloss = 0.4\n";
    let failure = run(&parse(text).unwrap()).failure.expect("somebody was failed for nothing");
    assert!(failure.why.contains("and it is up"), "{}", failure.why);
}

#[test]
fn a_wide_cluster_is_one_again() {
    let outcome = holds("planet");
    assert!(outcome.dropped["swallowed"] > 0 && outcome.dropped["partitioned"] > 0, "{outcome:?}");
}

#[test]
fn slow_nodes_recover() {
    let outcome = holds("overload");
    assert!(outcome.figures["suspicions"] > 0.0, "{outcome:?}");
}

#[test]
fn values_are_heard_after_all_that() {
    let outcome = holds("vitals");
    assert_eq!(outcome.figures["newest_share"], 1.0);
    assert_eq!(outcome.digest, holds("vitals").digest, "the same again");
}

#[test]
fn news_reach_nearly_all_who_are_up() {
    let outcome = holds("news");
    assert_eq!(outcome.figures["updates"], 8.0);
}

#[test]
fn rumors_cross_a_small_world() {
    let outcome = holds("small-world");
    assert_eq!(outcome.figures["updates"], 5.0);
}

#[test]
fn the_average_load_is_known() {
    let outcome = holds("load");
    assert!(outcome.figures["relative_error_max"] < 0.001, "{outcome:?}");
    assert!(outcome.figures["truth"] > 60.0, "the changed values count");
}

#[test]
fn stores_become_equal_after_all_that() {
    let outcome = holds("stores");
    assert_eq!((outcome.figures["newest_share"], outcome.figures["different_stores"]), (1.0, 1.0));
    assert!(outcome.dropped["partitioned"] > 0 && outcome.dropped["lost"] > 0, "{outcome:?}");
}

#[test]
fn a_deleted_key_is_gone_everywhere_and_one_that_has_no_name_is_refused() {
    let text = |with: &str| {
        format!(
            "stack = \"anti-entropy\"\nnodes = 12\ntime = \"60s\"\nchecks = [\"eventually all_heard within 30s\"]\n\
             [settings.anti-entropy]\nperiod = \"1s\"\ncompare = {{ recent = \"20s\" }}\ncertificates = {{ active = \"5s\" }}\n\
             [[call]]\nat = \"2s\"\nwho = \"1 node\"\ncall = \"put\"\nwith = \"{with}\"\n\
             [[call]]\nat = \"12s\"\nwho = \"1 node\"\ncall = \"delete\"\nwith = \"colour\"\n"
        )
    };
    let mut listener = Listener::default();
    let outcome = parse(&text("colour=green")).unwrap().run(None, &replay, &mut listener).unwrap();
    assert!(outcome.ok, "{:?}", outcome.failure.map(|f| f.report));
    let told = |name: &str| listener.events.iter().filter(|event| event.line.event == name).count();
    assert_eq!((told("changed"), told("deleted")), (12, 12));
    let refused = parse(&text("=green")).expect_err("no key");
    assert!(refused.contains("1 to 255"), "{refused}");
}

/// Each stack alone and on SWIM, with what it is for: a spreader spreads, an aggregator aggregates.
#[test]
fn every_stack_runs_and_does_what_it_is_for() {
    for stack in stacks() {
        let calls: Vec<&str> = stack.calls.iter().map(|(name, _)| *name).collect();
        let has = |name: &str| stack.checks.iter().any(|(check, _)| *check == name);
        let (check, call) = match calls[0] {
            "publish" => ("eventually delivered(0.9) within 20s", "publish"),
            "set" if has("near") => ("eventually near(0.35) within 80s", "set"),
            "set" => ("eventually alarm_right within 80s", "set"),
            "put" if has("stores_agree") => ("eventually stores_agree within 80s", "put"),
            "put" => ("eventually all_heard within 40s", "put"),
            "watch" => ("always live_trusted", "watch"),
            _ => ("eventually views_agree within 20s", "join"),
        };
        let with = if call == "set" { "90" } else { "1" };
        let who = if call == "publish" { "1 node" } else { "all" };
        for name in [stack.name.to_owned(), format!("{} on swim", stack.name)] {
            if name.contains("swim on swim") || name == "agent on swim" || name.ends_with("on swim on swim") {
                continue;
            }
            let text = format!(
                "stack = \"{name}\"\nnodes = 24\ntime = \"100s\"\nsample = \"10s\"\nchecks = [\"{check}\"]\n\
                 [[call]]\nat = \"15s\"\nwho = \"{who}\"\ncall = \"{call}\"\nwith = \"{with}\"\n",
            );
            let scenario = parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            let mut listener = Listener::default();
            let outcome = scenario.run(None, &replay, &mut listener).expect("it runs");
            assert!(outcome.ok, "{name}: {:?} {:?}", outcome.figures, outcome.failure.map(|f| f.report));
            assert_ne!(listener.samples[0].chief(), "events", "{name}: there is nothing better to draw");
        }
    }
}

/// Each stack that draws peers does what it is for on a graph, too; each other one says why not.
#[test]
fn every_stack_that_draws_peers_runs_on_a_graph() {
    let mut refused = Vec::new();
    for stack in stacks() {
        let (check, call, with) = match stack.calls[0].0 {
            "publish" => ("eventually delivered(0.9) within 30s", "publish", "news"),
            "set" if stack.checks[0].0 == "near" => ("eventually near(0.35) within 80s", "set", "90"),
            "set" => ("eventually alarm_right within 80s", "set", "90"),
            "put" => ("eventually stores_agree within 80s", "put", "1"),
            "watch" => ("always live_trusted", "watch", "1"),
            _ => ("eventually views_agree within 20s", "join", "1"),
        };
        let who = if call == "set" { "all" } else { "1 node" };
        let call = match call {
            // Who watches a node that is no neighbour waits in vain for its heartbeats.
            "watch" => String::new(),
            _ => format!("[[call]]\nat = \"5s\"\nwho = \"{who}\"\ncall = \"{call}\"\nwith = \"{with}\"\n"),
        };
        let text = format!(
            "stack = \"{}\"\nnodes = 24\ntime = \"100s\"\nsample = \"10s\"\nchecks = [\"{check}\"]\n\
             topology = {{ small-world = {{ degree = 6 }} }}\n{call}",
            stack.name
        );
        match parse(&text) {
            Err(why) => refused.push((stack.name, why)),
            Ok(scenario) => {
                let outcome = run(&scenario);
                assert!(
                    outcome.ok,
                    "{}: {:?} {:?}",
                    stack.name,
                    outcome.figures,
                    outcome.failure.map(|f| f.report)
                );
                let again = parse(&scenario.text()).unwrap_or_else(|e| panic!("{e}\n{}", scenario.text()));
                assert_eq!(again.topology, scenario.topology);
            }
        }
    }
    let names: Vec<&str> = refused.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["swim", "agent", "latest on swim", "tree", "direct-mail", "heartbeat"]);
    for (name, why) in &refused {
        assert!(why.starts_with("topology: ") && why.contains("peers"), "{name}: {why}");
        assert!(why.contains("flood"), "{name}: it says which do: {why}");
    }
}

#[test]
fn a_graph_is_read_from_a_file_and_a_bad_line_is_named() {
    let text = |topology: &str, rest: &str| {
        format!("stack = \"flood\"\nnodes = 4\ntime = \"5s\"\ntopology = {topology}\n{rest}")
    };
    let publish = "[[call]]\nat = \"1s\"\nwho = 0\ncall = \"publish\"\nwith = \"x\"\n";
    let with = |topology: &str| parse(&text(topology, publish));
    let line = with("{ file = \"edges.txt\" }").expect("a line of four");
    assert_eq!(line.topology, Some(Topology::Edges(vec![(0, 1), (1, 2), (2, 3)])));
    let mut listener = Listener::default();
    assert!(line.run(None, &replay, &mut listener).expect("it runs").ok);
    let from: Vec<(u64, Option<u64>)> = listener
        .events
        .iter()
        .filter(|event| event.line.event == "delivered")
        .map(|event| (event.node, event.line.about))
        .collect();
    assert_eq!(from, [(0, Some(0)), (1, Some(0)), (2, Some(1)), (3, Some(2))], "along the edges");
    for (topology, parts) in [
        ("{ file = \"bad.txt\" }", &["topology: bad.txt, line 2", "node 9", "0 to 3"][..]),
        ("{ file = \"short.txt\" }", &["topology: short.txt: node 2 has no edge"]),
        ("{ file = \"parts.txt\" }", &["topology: parts.txt: no edges lead from node 0 to node 2"]),
        ("{ edges = [[0, 1], [2, 3]] }", &["topology: no edges lead from node 0 to node 2"]),
        ("{ file = \"none.txt\" }", &["none.txt", "no such file"]),
        ("{ edges = [[0, 1], [2, 2]] }", &["edge 2", "joined to itself"]),
        ("{ edges = [[0, 1]] }", &["node 2 has no edge"]),
        ("\"moebius\"", &["moebius", "small-world"]),
        ("{ random-regular = { degree = 3 } }", &["even degree"]),
    ] {
        let refused = with(topology).unwrap_err();
        assert!(parts.iter().all(|part| refused.contains(part)), "{topology}: {refused}");
    }
    let newcomer = "[[step]]\nat = \"1s\"\ndo = \"restart\"\nwho = 7\n";
    assert!(parse(&text("\"ring\"", newcomer)).unwrap_err().contains("node 7"), "it has no edges");
    let on_swim = "stack = \"flood on swim\"\nnodes = 4\ntime = \"5s\"\ntopology = \"full\"\n";
    assert!(parse(on_swim).unwrap_err().contains("membership finds the peers"));
}

/// Alone, for beneath SWIM a member that failed is out of the view before a detector could say so.
#[test]
fn detectors_suspect_those_that_crash_and_nobody_else() {
    for stack in stacks().into_iter().filter(|stack| stack.calls[0].0 == "watch") {
        // T_fail of `heartbeat` is 22 s by default, and the last counters take a while.
        let within = if stack.name == "heartbeat" { "40s" } else { "15s" };
        let text = format!(
            "stack = \"{}\"\nnodes = 24\ntime = \"90s\"\nseed = 5\nchecks = [\"always live_trusted\", \"eventually crashed_suspected within {within}\"]\n\
             [world]\nlatency = {{ uniform = [\"200us\", \"50ms\"] }}\n[[step]]\nat = \"40s\"\ndo = \"crash\"\nwho = 3\n",
            stack.name
        );
        let outcome = run(&parse(&text).unwrap_or_else(|e| panic!("{}: {e}", stack.name)));
        assert!(outcome.ok, "{}: {:?}", stack.name, outcome.failure.map(|f| f.report));
        assert!(outcome.figures["suspicions"] >= 2.0, "{}: {:?}", stack.name, outcome.figures);
    }
}

#[test]
fn it_comes_to_the_same_on_two_threads() {
    for name in ["crashes", "stores"] {
        let mut scenario = example(name);
        scenario.runs = 1;
        let one = run(&scenario);
        scenario.threads.count = 2;
        let two = run(&scenario);
        assert_eq!((one.digest, one.events, one.figures), (two.digest, two.events, two.figures), "{name}");
    }
    let mut none = example("crashes");
    none.threads.count = 0;
    assert!(none.check().unwrap_err().contains("--threads"));
}

#[derive(Default)]
struct Listener {
    events: Vec<Event>,
    done: Vec<Done>,
    samples: Vec<Sample>,
    last: Option<Progress>,
}

impl Output for Listener {
    fn event(&mut self, event: &Event) {
        self.events.push(event.clone());
    }
    fn wants_events(&self) -> bool {
        true
    }
    fn done(&mut self, done: &Done) {
        self.done.push(done.clone());
    }
    fn sample(&mut self, sample: &Sample) {
        self.samples.push(sample.clone());
    }
    fn progress(&mut self, progress: &Progress) {
        self.last = Some(*progress);
    }
}

fn small(rest: &str) -> String {
    small_for("20s", rest)
}

fn small_for(time: &str, rest: &str) -> String {
    format!("stack = \"swim\"\nnodes = 8\ntime = \"{time}\"\n{rest}")
}

fn parse(text: &str) -> Result<Scenario, String> {
    Scenario::parse(text, |file| match file {
        "plan.toml" => Ok("[[step]]\nat = \"5s\"\ndo = \"crash\"\nwho = 3\n".into()),
        "trace.csv" => Ok("6,4,down\n8,4,up\n".into()),
        "edges.txt" => Ok("# a line\n0 1\n1,2\n2 3\n".into()),
        "bad.txt" => Ok("0 1\n1 9\n".into()),
        "short.txt" => Ok("0 1\n1 3\n".into()),
        "parts.txt" => Ok("0 1\n2 3\n".into()),
        _ => Err(format!("{file}: no such file")),
    })
}

#[test]
fn what_happens_comes_out_as_json_and_csv() {
    let scenario = parse(&small("plan_files = [\"plan.toml\"]\ntrace_files = [\"trace.csv\"]")).unwrap();
    let mut listener = Listener::default();
    let outcome = scenario.run(None, &replay, &mut listener).unwrap();
    assert!(outcome.ok);
    let done: Vec<(f64, &str, &[u64])> =
        listener.done.iter().map(|done| (done.t_s, done.done.as_str(), &done.who[..])).collect();
    assert_eq!(done, [(5.0, "crash", &[3][..]), (6.0, "crash", &[4]), (8.0, "restart", &[4])]);
    assert_eq!(listener.samples.len(), 20);
    let rows: Vec<String> = listener.samples.iter().map(Sample::csv_row).collect();
    let header = listener.samples[0].csv_header();
    assert!(header.starts_with("run,t_s,up,"), "{header}");
    assert!(rows.iter().all(|row| row.split(',').count() == header.split(',').count()));
    let last = serde_json::to_value(listener.samples.last()).unwrap();
    assert_eq!((last["t_s"].as_f64(), last["up"].as_f64()), (Some(20.0), Some(7.0)));
    let failed = listener.events.iter().find(|event| event.line.event == "failed").expect("somebody noticed");
    let failed = serde_json::to_value(failed).unwrap();
    assert_eq!(failed["about"], 3);
    let progress = listener.last.expect("it went on");
    assert_eq!((progress.t_s, progress.events), (20.0, outcome.events));
    assert!(serde_json::to_string(&outcome).unwrap().contains("\"digest\""));
}

#[test]
fn a_failing_run_says_its_seed_its_plan_and_how_to_see_it_again() {
    let scenario = parse(&small_for(
        "60s",
        r#"
        seed = 3
        runs = 4
        sample = "5s"
        start_within = "1s"
        checks = ["always no_false_death"]
        [random]
        nodes = 8
        from = "5s"
        until = "50s"
        steps = 12
        lasting_min = "15s"
        lasting_max = "25s"
        "#,
    ))
    .unwrap();
    let outcome = run(&scenario);
    let failure = outcome.failure.expect("who is cut off is declared failed");
    assert!(!outcome.ok && failure.steps.1 <= 2 && failure.steps.0 >= 12, "{failure:?}");
    for part in [failure.plan.trim(), &replay(failure.run), &failure.run_seed.to_string(), "no_false_death"] {
        assert!(failure.report.contains(part), "{}", failure.report);
    }
    let again = scenario.run_some(failure.run..failure.run + 1, None, &replay, &mut Silent).unwrap();
    let again = again.failure.expect("it fails again");
    assert_eq!((again.run, again.at_s, again.why), (failure.run, failure.at_s, failure.why));
}

#[test]
fn a_scenario_can_be_written_and_read_again() {
    for name in ["crashes", "planet", "overload", "vitals", "news", "load", "stores", "agent", "small-world"]
    {
        let scenario = example(name);
        let again = parse(&scenario.text()).unwrap_or_else(|e| panic!("{e}\n{}", scenario.text()));
        assert_eq!(again.text(), scenario.text());
    }
}

#[test]
fn what_is_wrong_in_a_file_is_said_with_what_there_is() {
    let refused = |rest: &str| parse(&small(rest)).err().unwrap_or_else(|| panic!("accepted: {rest}"));
    for (rest, parts) in [
        ("colour = 3", &["colour", "`checks`"][..]),
        ("[world]\nlosses = 1", &["losses", "`one_way`"]),
        ("[world]\nloss = 7", &["[world]", "between 0 and 1"]),
        ("checks = [\"always true\"]", &["views_agree", "no_false_death"]),
        ("checks = [\"never views_agree\"]", &["is no check", "eventually NAME within 10s"]),
        ("[settings.swim]\nperiods = \"1s\"", &["[settings.swim]", "periods", "`period`"]),
        ("[settings.flood]\ndegree = 1", &["settings.flood", "which has swim"]),
        ("[[step]]\nat = \"1s\"\ndo = \"crash\"\nwho = 8", &["crash of node 8", "nodes 0 to 7"]),
        ("[[step]]\nat = \"1s\"\ndo = \"slow\"\nwho = 1\nfactor = 2.0", &["[world.service]"]),
        ("[[call]]\nat = \"1s\"\nwho = 1\ncall = \"sing\"", &["sing", "leave, join, ping"]),
        ("[[call]]\nat = \"1s\"\nwho = 1\ncall = \"leave\"\ntimes = 2", &["every"]),
        ("[[call]]\nat = \"2s\"\nuntil = \"1s\"\nwho = 1\ncall = \"leave\"", &["until"]),
        ("[[step]]\nat = 1\ndo = \"crash\"\nwho = 1", &["1 has no unit", "\"1s\""]),
        ("[settings.swim]\nperiod = 0.5", &["0.5 has no unit", "\"0.5s\""]),
        ("plan_files = [\"other\"]", &["no such file"]),
    ] {
        let e = refused(rest);
        assert!(parts.iter().all(|part| e.contains(part)), "{rest:?}: {e}");
    }
    let unknown = parse("stack = \"serf\"\nnodes = 2\ntime = \"1s\"").unwrap_err();
    assert!(unknown.contains("latest on swim") && unknown.contains("median-counter"), "{unknown}");
}

/// A step after the end of a run, or for nodes that it lacks, never happens; a check would hold without being tested.
#[test]
fn what_no_run_can_reach_is_refused_with_what_to_write() {
    let refused = |rest: &str| parse(&small(rest)).err().unwrap_or_else(|| panic!("accepted: {rest}"));
    for (rest, parts) in [
        ("sample = \"1ns\"", &["sample is 1ns", "in the 20s of a run: give 2us or more"][..]),
        ("check_every = \"0s\"", &["check_every is 0s: give a time above 0"]),
        (
            "start_within = \"30s\"",
            &["start_within is 30s", "after the end of the run at 20s", "time = \"30s\" or more"],
        ),
        (
            "[[step]]\nat = \"21s\"\ndo = \"crash\"\nwho = 1",
            &["step 1 of the plan (crash): at is 21s", "time = \"21s\""],
        ),
        (
            "[[step]]\nat = \"9s\"\ndo = \"heal\"\n[[step]]\nat = \"10s\"\nfor = \"1m\"\ndo = \"crash\"\nwho = 1",
            &["step 2", "the end of `for` is 1m10s"],
        ),
        ("[[call]]\nat = \"40s\"\nwho = 1\ncall = \"leave\"", &["call 1 (leave): at is 40s"]),
        (
            "[[call]]\nat = \"1s\"\nuntil = \"50s\"\nwho = 1\ncall = \"leave\"",
            &["call 1 (leave): until is 50s"],
        ),
        (
            "[[call]]\nat = \"1s\"\nevery = \"5s\"\ntimes = 5\nwho = 1\ncall = \"leave\"",
            &["by `every` and `times`", "21s"],
        ),
        ("[random]\nnodes = 8", &["[random]: until is 1m,"]),
        ("[random]\nnodes = 9\nuntil = \"9s\"", &["[random]: nodes is 9, and there are 8", "nodes = 8"]),
        (
            "[[churn]]\nuntil = \"1h\"\npoisson = { joins_per_s = 1.0, leaves_per_s = 0.0, first = 8 }",
            &["[[churn]]: until is 1h"],
        ),
        (
            "checks = [\"eventually views_agree within 99s\"]",
            &["within 99s", "over at 1m39s", "at most `within 20s`", "time = \"1m39s\""],
        ),
        (
            "checks = [\"eventually views_agree within 5s after 1m\"]",
            &["begins at 1m and", "20s: write time = \"1m5s\" or more"],
        ),
        (
            "checks = [\"eventually views_agree within 9s\"]\n[[step]]\nat = \"10s\"\ndo = \"crash\"\nwho = 1\nfor = \"5s\"",
            &["begins at 15s, with the last fault or call,", "at most `within 5s`"],
        ),
        (
            "[[step]]\nat = \"1s\"\ndo = \"crash\"\nwho = \"9 nodes\"",
            &["crash of 9 nodes: there are 8", "\"8 nodes\" or fewer"],
        ),
        (
            "[[step]]\nat = \"1s\"\ndo = \"partition\"\nkind = \"pair\"\nfrom = 1\nto = \"12 nodes\"",
            &["partition of 12 nodes"],
        ),
        (
            "[[call]]\nat = \"1s\"\nwho = \"0 nodes\"\ncall = \"leave\"",
            &["call of \"0 nodes\": that is nobody"],
        ),
        ("[[step]]\nat = \"1s\"\ndo = \"crash\"\nwho = \"0%\"", &["crash of \"0%\": that is nobody"]),
    ] {
        let e = refused(rest);
        assert!(parts.iter().all(|part| e.contains(part)), "{rest:?}: {e}");
    }
    let fits = "checks = [\"eventually views_agree within 5s\"]\n[[step]]\nat = \"10s\"\ndo = \"crash\"\nwho = \"8 nodes\"\nfor = \"5s\"";
    assert!(parse(&small(fits)).is_ok(), "all that lies within the run passes, up to its end");
}

#[test]
fn what_does_not_fit_is_refused_with_the_figure() {
    let scenario = parse("stack = \"swim\"\nnodes = 100000\ntime = \"1s\"").unwrap();
    let e = scenario.run(Some(8 << 30), &replay, &mut Silent).unwrap_err();
    assert!(e.contains("8192 MiB are available") && e.contains("use fewer nodes"), "{e}");
    let needed = scenario.memory_bytes().unwrap();
    assert!(needed > 1_000_000_000_000, "a view of all in each: {needed}");
}

#[test]
fn all_stacks_say_what_they_know() {
    let stacks = stacks();
    assert!(stacks.iter().any(|stack| stack.name == "swim"));
    for stack in stacks {
        assert!(!stack.checks.is_empty() && !stack.calls.is_empty(), "{}", stack.name);
    }
}

#[test]
fn what_never_happens_fails_the_scenario_in_one_run_as_in_many() {
    for runs in [1, 3] {
        let text = format!("runs = {runs}\nchecks = [\"always no_false_death\", \"sometimes suspicion\"]");
        let outcome = run(&parse(&small(&text)).unwrap());
        assert!(!outcome.ok && outcome.failure.is_none(), "{outcome:?}");
        assert_eq!((outcome.checks, outcome.never()), (2, vec!["sometimes suspicion"]));
        let failed = outcome.failed().expect("it says which");
        assert!(failed.contains("sometimes suspicion"), "{failed}");
    }
    let once =
        "runs = 2\nchecks = [\"sometimes suspicion\"]\n[[step]]\nat = \"5s\"\ndo = \"crash\"\nwho = 3\n";
    let outcome = run(&parse(&small(once)).unwrap());
    assert!(outcome.ok && outcome.failed().is_none(), "{outcome:?}");
}

#[test]
fn without_checks_and_without_runs_nothing_is_said_to_hold() {
    let scenario = parse(&small("")).unwrap();
    assert_eq!(run(&scenario).checks, 0);
    assert!(scenario.run_some(5..5, None, &replay, &mut Silent).unwrap_err().contains("no run"));
    // A check that is asked at the end alone.
    let rare = parse(&small("check_every = \"1h\"\nchecks = [\"always views_agree\"]")).unwrap();
    assert!(run(&rare).ok, "it is asked once, at the end");
    let false_at_the_end = "check_every = \"1h\"\nchecks = [\"always views_agree\"]\n[[step]]\nat = \"19900ms\"\ndo = \"crash\"\nwho = 3\n";
    assert!(run(&parse(&small(false_at_the_end)).unwrap()).failure.is_some());
}
