//! The crate `examples/embed`, outside the workspace, builds with the public face alone and runs.
//!
//! One test: it compiles what the crate takes, into a target directory of its own that stays from one run to the next.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crates that a program takes in with the default features, its own among them (issue: 90).
const CRATES_MAX: usize = 90;
/// Crates that a program must not have to compile, whether it embeds a cluster or runs the laboratory.
const UNWANTED: [&str; 6] = ["rusqlite", "libsqlite3-sys", "clap", "axum", "hyper", "rumormill-agent"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// `cargo` in the crate outside, without the network and with its own lock file.
fn cargo(words: &[&str], with: &[&str]) -> String {
    let mut target = std::env::current_exe().expect("a test has a path");
    while target.file_name().is_some_and(|name| name != "debug" && name != "release") {
        target.pop(); // …/target/debug/deps/THIS
    }
    target.pop();
    let output = Command::new(env!("CARGO"))
        .args(words)
        .args(["--offline", "--locked"])
        .args(with)
        .current_dir(root().join("examples/embed"))
        .env("CARGO_TARGET_DIR", target.join("outside"))
        .env_remove("CARGO_RESOLVER_FEATURE_UNIFICATION")
        .env_remove("CARGO_UNSTABLE_FEATURE_UNIFICATION")
        .output();
    let output = output.unwrap_or_else(|error| panic!("cargo cannot be run: {error}"));
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "cargo {words:?}: {out}{}", String::from_utf8_lossy(&output.stderr));
    out
}

/// The crates that the crate outside takes in with these flags.
fn crates(with: &[&str]) -> BTreeSet<String> {
    let flags = [&["--edges", "normal", "--prefix", "none", "--format", "{p}"], with].concat();
    let tree = cargo(&[&["tree"], &flags[..]].concat(), &[]);
    tree.lines().filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
}

fn run(bin: &str, with: &str) -> String {
    cargo(&["run", "--quiet", "--features", "lab", "--bin", bin], &["--", with])
}

#[test]
fn a_crate_outside_embeds_a_cluster_in_ninety_crates_and_runs_its_own_protocol_in_the_laboratory() {
    let embedded = crates(&[]);
    assert!(embedded.contains("rumormill-cluster") && embedded.contains("tokio"), "{embedded:?}");
    assert!(embedded.len() <= CRATES_MAX, "{} crates: {embedded:?}", embedded.len());
    let laboratory = crates(&["--features", "lab"]);
    assert!(laboratory.contains("rumormill-lab"), "{laboratory:?}");
    for taken in [&embedded, &laboratory] {
        let unwanted: Vec<_> = UNWANTED.iter().filter(|name| taken.contains(**name)).collect();
        assert!(unwanted.is_empty(), "{unwanted:?}");
    }

    let dir = tempfile::tempdir().expect("a directory can be made");
    let key = dir.path().join("key");
    std::fs::write(&key, format!("{}\n", rumormill::Key::generate().unwrap().reveal())).unwrap();
    let path = |path: &Path| path.to_str().expect("a path is text").to_owned();
    let (key, to) = (path(&key), path(dir.path()));

    // One set of features for all three, so that everything is compiled once.
    let said = run("embed", &key);
    for line in ["a: b is up, with role example", "a: deploy v1.2", "b: a answers 0.7", "a: b left"] {
        assert!(said.lines().any(|said| said == line), "{line} is missing: {said}");
    }
    let said = run("swim_events", "");
    assert!(said.starts_with("the event is at 100 of 100 nodes"), "{said}");
    let said = run("own_stack", &to);
    assert!(said.contains("rumor: 3 runs, informed 1") && said.contains("steps shrunk to 2"), "{said}");
    let csv = std::fs::read_to_string(dir.path().join("rumor.csv")).unwrap();
    assert!(csv.starts_with("run,t_s,up,") && csv.lines().count() > 60, "{csv}");
    assert!(std::fs::read_to_string(dir.path().join("rumor.svg")).unwrap().starts_with("<svg"));
}
