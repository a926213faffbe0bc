//! The API against its own description, by schemathesis: it makes requests out of `/openapi.json`, right ones and wrong ones, and looks whether each
//! answer is one that the description allows.

use super::agent::Story;
use rumormill_testkit::needs;
use rumormill_testkit::ports::loopback_host;
use std::process::Command;

/// Requests to each operation. More find no more: the answers depend on the kind of a mistake.
const EXAMPLES: &str = "3";

/// What waits, waits for a moment. No schema says that an event has one payload, and which patterns a query can use: there alone, a refusal of what the
/// schema allows is no fault.
const SETTINGS: &str = r#"
[parameters]
wait_s = 0.1
for_s = 0.1

[[operations]]
include-path = ["/v1/events", "/v1/query"]
include-method = "POST"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-path = ["/v1/sql", "/v1/sql/subscribe"]
checks.positive_data_acceptance.enabled = false
"#;

#[test]
fn every_answer_of_the_api_is_one_that_its_description_allows() {
    needs!("schemathesis");
    let story = Story::new("described");
    let address = format!("{}:7901", loopback_host());
    // Queries are answered at once, so that none is waited for.
    let agent = story.agent("n0").http(&address).flag("--on", "query:*=true").start();
    std::fs::write(story.dir().join("schemathesis.toml"), SETTINGS).expect("a file can be written");
    let check = |which: &[&str]| {
        let mut check = Command::new("schemathesis");
        check
            .args(["run", &format!("http://{address}/openapi.json"), "--no-color", "--seed", "1"])
            .args(which);
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
