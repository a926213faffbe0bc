//! What may not stand in a source file: in the pure crates anything that makes a run depend on more than (state, seed, inputs); anywhere,
//! what is unfinished.

/// Directories of code whose runs are pure functions.
const PURE: [&str; 4] = ["crates/core/src/", "crates/protocols/src/", "crates/node/src/", "crates/sim/src/"];
/// The one file of the simulator that may run threads: it runs partitions side by side.
const THREADS: &str = "crates/sim/src/executor.rs";

/// What a pure crate may not name, and why.
const IMPURE: [(&str, &str); 14] = [
    ("std::net", "does I/O"),
    ("std::fs", "does I/O"),
    ("std::io", "does I/O"),
    ("std::env", "reads the machine"),
    ("std::process", "does I/O"),
    ("std::thread", "runs threads"),
    ("Instant::now", "reads a clock"),
    ("SystemTime", "reads a clock"),
    ("tokio", "does I/O"),
    ("collections::HashMap", "has a random order"),
    ("collections::HashSet", "has a random order"),
    ("RandomState", "has a random order"),
    ("getrandom", "draws global randomness"),
    ("thread_rng", "draws global randomness"),
];

/// What nobody may leave behind. In two halves, so that this file does not find itself.
const UNFINISHED: [(&str, &str); 5] =
    [("todo", "!("), ("unimplemented", "!("), ("FIX", "ME"), ("XX", "X"), ("dbg", "!(")];

/// A switch between production and simulation, which run the same code.
const SWITCHES: [(&str, &str); 3] = [("cfg(", "sim"), ("cfg(not(", "sim"), ("feature = ", "\"sim\"")];

/// The face, where a feature decides whether the simulator is there at all.
const FACE: &str = "crates/rumormill/src/lib.rs";

/// The findings in one file.
pub fn check(path: &str, text: &str) -> Vec<String> {
    let pure = PURE.iter().any(|dir| path.starts_with(dir));
    let mut findings = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let mut find = |what: &str| findings.push(format!("{path}:{}: {what}", at + 1));
        for (head, tail) in UNFINISHED {
            if line.contains(&format!("{head}{tail}")) {
                find(&format!("{head}{tail} is unfinished"));
            }
        }
        if line.trim_start().starts_with("#[ignore]") {
            find("an ignored test says why, and what runs it: #[ignore = \"…\"]");
        }
        let code = line.split("//").next().unwrap_or_default();
        let switches = SWITCHES.iter().any(|(head, tail)| code.contains(&format!("{head}{tail}")));
        if switches && path != FACE {
            find("production and simulation run the same code: no such switch");
        }
        if pure {
            for (name, why) in IMPURE {
                if code.contains(name) && !(name == "std::thread" && path == THREADS) {
                    find(&format!("{name} {why}; this crate may not"));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impurity_is_found_in_the_pure_crates_alone() {
        let text =
            "use std::collections::HashMap;\nlet t = Instant::now(); // std::fs in a comment is fine\n";
        assert_eq!(check("crates/core/src/x.rs", text).len(), 2);
        assert_eq!(check("crates/runtime/src/x.rs", text), [""; 0]);
        assert_eq!(check("crates/protocols/src/x.rs", "use hashbrown::HashMap;"), [""; 0]);
    }

    #[test]
    fn a_switch_for_the_simulator_is_found() {
        for (head, tail) in SWITCHES {
            assert_eq!(check("crates/agent/src/x.rs", &format!("#[{head}{tail})]")).len(), 1);
        }
    }

    #[test]
    fn threads_live_in_one_file() {
        assert_eq!(check(THREADS, "std::thread::scope(|s| ())"), [""; 0]);
        assert_eq!(check("crates/sim/src/world.rs", "std::thread::scope(|s| ())").len(), 1);
    }

    #[test]
    fn what_is_unfinished_is_found_anywhere() {
        for (head, tail) in UNFINISHED {
            assert_eq!(check("crates/cli/src/x.rs", &format!("    {head}{tail}\"later\")")).len(), 1);
        }
        assert_eq!(check("crates/cli/src/x.rs", "#[ignore]").len(), 1);
        assert_eq!(check("crates/cli/src/x.rs", "#[ignore = \"an hour: cargo xtask soak\"]"), [""; 0]);
    }
}
