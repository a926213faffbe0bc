//! The demo, played unattended.

use super::agent::program;
use serde_json::Value;
use std::process::Command;

#[test]
fn the_demos_script_plays_and_measures_all_of_it() {
    let mut demo = Command::new(program());
    demo.args(["demo", "--nodes", "8", "--script", "--json", "--deadline", "4m"]);
    let output = demo.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{said}");
    let played: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let seconds =
        |name: &str| played[name].as_f64().unwrap_or_else(|| panic!("{name} is missing: {played:#}"));
    for name in ["converged_s", "detected_first_s", "detected_all_s", "rejoined_s", "left_s"] {
        assert!(seconds(name) > 0.0, "{name}: {played:#}");
    }
    assert!(seconds("detected_first_s") <= seconds("detected_all_s"));
    assert!(seconds("bytes_per_node_s") > 0.0);
    assert!(seconds("rss_kib_max") > 0.0);
    for name in ["false_suspicions", "false_deaths"] {
        assert!(played[name].is_u64(), "{name}: {played:#}");
    }
}
