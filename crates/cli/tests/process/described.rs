//! The API against its own description, by schemathesis: it makes requests out of `/openapi.json`, right ones and wrong ones, and looks whether each
//! answer is one that the description allows.

use super::agent::Story;
use rumormill_testkit::needs;
use rumormill_testkit::ports::loopback_host;
use std::process::Command;

/// Requests to each operation. More find no more: the answers depend on the kind of a mistake.
const EXAMPLES: &str = "3";

/// Operations that wait do so for a moment only.
const SETTINGS: &str = "
[parameters]
wait_s = 0.1
for_s = 0.1
";

/// The formats of ours that no schema can define: a statement, columns of its answer. These statements have no parameters, so bodies with values for some are
/// left out.
const HOOKS: &str = r#"
import schemathesis
from hypothesis import strategies as st

STATEMENTS = [
    "SELECT id, name FROM members",
    "SELECT id, name, count(*) OVER () FROM hosts WHERE name LIKE 'n%'",
    "SELECT name AS id, kind AS name, value FROM counters ORDER BY 1, 2 LIMIT 5",
]
schemathesis.openapi.format("sql", st.sampled_from(STATEMENTS))
schemathesis.openapi.format("columns", st.sampled_from(["id", "name", "id,name"]))


@schemathesis.hook
def filter_case(context, case):
    body = case.body
    return not (isinstance(body, dict) and body.get("sql") in STATEMENTS and body.get("params"))
"#;

#[test]
fn every_answer_of_the_api_is_one_that_its_description_allows() {
    needs!("schemathesis");
    let story = Story::new("described");
    let address = format!("{}:7901", loopback_host());
    // Queries are answered at once, so that none is waited for.
    let agent = story.agent("n0").http(&address).flag("--on", "query:*=true").start();
    std::fs::write(story.dir().join("schemathesis.toml"), SETTINGS).expect("a file can be written");
    std::fs::write(story.dir().join("hooks.py"), HOOKS).expect("a file can be written");
    let check = |which: &[&str]| {
        let mut check = Command::new("schemathesis");
        check
            .args(["run", &format!("http://{address}/openapi.json"), "--no-color", "--seed", "1"])
            .args(which);
        check.env("SCHEMATHESIS_HOOKS", "hooks").env("PYTHONPATH", story.dir());
        let output = check.current_dir(story.dir()).output().unwrap_or_else(|e| panic!("schemathesis: {e}"));
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(" passed") && !said.contains(" failed"), "{said}");
    };
    check(&["--phases", "coverage,fuzzing", "--max-examples", EXAMPLES, "--exclude-path", "/v1/leave"]);
    // Last, and once: the agent ends by it.
    check(&["--phases", "fuzzing", "--max-examples", "1", "--include-path", "/v1/leave"]);
    drop(agent);
}
