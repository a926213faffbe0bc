//! Arrows only run down: which crate may use which of ours, and what the pure crates may use of others'.

use crate::shell;
use anyhow::{Context, Result};
use serde_json::Value;

/// A crate, what it may depend on of ours, and besides that in its tests. Everybody's tests may use the test kit.
type Layer = (&'static str, &'static [&'static str], &'static [&'static str]);

const CORE: &str = "rumormill-core";
const PROTOCOLS: &str = "rumormill-protocols";
const NODE: &str = "rumormill-node";
const SQL: &str = "rumormill-sql";
const SIM: &str = "rumormill-sim";
const LAB: &str = "rumormill-lab";
const RUNTIME: &str = "rumormill-runtime";
const CLUSTER: &str = "rumormill-cluster";
const AGENT: &str = "rumormill-agent";
const FACE: &str = "rumormill";
const TESTKIT: &str = "rumormill-testkit";
const HOSTILE: &str = "rumormill-hostile";

/// From the bottom up; each may use only what stands above it here.
const LAYERS: [Layer; 14] = [
    (CORE, &[], &[]),
    (SQL, &[CORE], &[]),
    (PROTOCOLS, &[CORE], &[SIM]),
    (NODE, &[CORE, PROTOCOLS], &[]),
    (SIM, &[CORE], &[]),
    (LAB, &[CORE, SQL, PROTOCOLS, NODE, SIM], &[]),
    (RUNTIME, &[CORE], &[PROTOCOLS]),
    (CLUSTER, &[CORE, PROTOCOLS, NODE, RUNTIME], &[]),
    (AGENT, &[CORE, SQL, PROTOCOLS, NODE, RUNTIME, CLUSTER], &[SIM]),
    (FACE, &[CORE, SQL, PROTOCOLS, NODE, SIM, LAB, RUNTIME, CLUSTER, AGENT], &[FACE]),
    ("rumormill-cli", &[CORE, SQL, PROTOCOLS, SIM, LAB, RUNTIME, AGENT, FACE], &[]),
    (TESTKIT, &[], &[]),
    (HOSTILE, &[CORE, PROTOCOLS, NODE, RUNTIME], &[]),
    ("rumormill-xtask", &[TESTKIT], &[]),
];

/// Crates that know no I/O, and all that they may use of others': encoding, arithmetic, tables, and what places and fetches memory.
const PURE: [&str; 4] = [CORE, PROTOCOLS, NODE, SIM];
const PURE_MAY_USE: [&str; 10] = [
    "minicbor",
    "rand_core",
    "rand_xoshiro",
    "xxhash-rust",
    "hashbrown",
    "foldhash",
    "libm",
    "serde",
    "smallvec",
    "prefetch-index",
];

/// Holds the workspace against the table, and each outside dependency against ARCHITECTURE.md.
pub fn check(metadata: &Value) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let design = std::fs::read_to_string(shell::root().join("ARCHITECTURE.md")).unwrap_or_default();
    if design.is_empty() {
        findings.push("ARCHITECTURE.md is missing".to_owned());
    }
    for package in metadata["packages"].as_array().context("cargo metadata lists no packages")? {
        check_package(package, &design, &mut findings);
    }
    findings.sort();
    findings.dedup();
    Ok(findings)
}

fn check_package(package: &Value, design: &str, findings: &mut Vec<String>) {
    let name = package["name"].as_str().unwrap_or_default();
    let Some((_, may, may_in_tests)) = LAYERS.iter().find(|(layer, ..)| *layer == name) else {
        findings.push(format!("{name} is not in the table of layers (crates/xtask/src/tidy/layers.rs)"));
        return;
    };
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let used = dependency["name"].as_str().unwrap_or_default();
        let in_tests = dependency["kind"] == "dev";
        if used.starts_with("rumormill") {
            let allowed =
                may.contains(&used) || in_tests && (may_in_tests.contains(&used) || used == TESTKIT);
            if !allowed {
                findings.push(format!("{name} may not use {used}: arrows only run down"));
            }
            continue;
        }
        if !in_tests && PURE.contains(&name) && !PURE_MAY_USE.contains(&used) {
            findings.push(format!("{name} is pure and may not use {used} (crates/xtask/src/tidy/layers.rs)"));
        }
        if !design.is_empty() && !design.contains(&format!("`{used}`")) {
            findings.push(format!("{name} uses `{used}`, of which ARCHITECTURE.md says nothing"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(name: &str, dependencies: &[(&str, Value)]) -> Vec<String> {
        let dependencies: Vec<_> =
            dependencies.iter().map(|(name, kind)| json!({"name": name, "kind": kind})).collect();
        let mut findings = Vec::new();
        check_package(&json!({"name": name, "dependencies": dependencies}), "`tokio`, `libm`", &mut findings);
        findings
    }

    #[test]
    fn an_arrow_that_runs_up_is_found() {
        assert_eq!(found(SIM, &[(CORE, Value::Null), ("libm", Value::Null)]), [""; 0]);
        assert_eq!(found(CORE, &[(SIM, Value::Null)]).len(), 1);
        assert_eq!(found(PROTOCOLS, &[(SIM, json!("dev"))]), [""; 0]);
        assert_eq!(found(PROTOCOLS, &[(SIM, Value::Null)]).len(), 1);
        assert_eq!(found("rumormill-new", &[]).len(), 1);
    }

    #[test]
    fn the_pure_crates_use_nothing_that_does_io() {
        assert_eq!(found(SIM, &[("tokio", Value::Null)]).len(), 1);
        assert_eq!(found(RUNTIME, &[("tokio", Value::Null)]), [""; 0]);
    }

    #[test]
    fn a_dependency_nobody_wrote_about_is_found() {
        assert_eq!(found(AGENT, &[("leftpad", Value::Null)]).len(), 1);
    }

    #[test]
    fn the_table_itself_only_points_up_the_list_to_what_is_below() {
        for (at, (name, may, _)) in LAYERS.iter().enumerate() {
            for used in *may {
                let below = LAYERS.iter().position(|(layer, ..)| layer == used).unwrap();
                assert!(below < at, "{name} may use {used}");
            }
        }
    }
}
