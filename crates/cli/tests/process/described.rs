//! The API against its own description, by schemathesis: it makes requests out of `/openapi.json`, right ones and wrong ones, and looks whether each
//! answer is one that the description allows.

use super::agent::Story;
use rumormill_testkit::needs;
use rumormill_testkit::ports::loopback_host;
use std::process::Command;

/// Requests to each operation. More find no more: the answers depend on the kind of a mistake.
const EXAMPLES: &str = "3";

#[test]
fn every_answer_of_the_api_is_one_that_its_description_allows() {
    needs!("schemathesis");
    let story = Story::new("described");
    let address = format!("{}:7901", loopback_host());
    // Queries are answered at once, so that none is waited for.
    let agent = story.agent("n0").http(&address).flag("--on", "query:*=true").start();
    let mut check = Command::new("schemathesis");
    check.args(["run", &format!("http://{address}/openapi.json"), "--no-color", "--seed", "1"]);
    check.args(["--phases", "coverage,fuzzing", "--max-examples", EXAMPLES]);
    // The one ends the agent, the other never ends.
    check.args(["--exclude-path", "/v1/leave", "--exclude-path", "/v1/watch"]);
    // It takes every refusal for wrong that the schema does not foresee, and no schema says which patterns, keys or cursors can be used.
    check.args(["--exclude-checks", "positive_data_acceptance"]);
    let output = check.current_dir(story.dir()).output().unwrap_or_else(|e| panic!("schemathesis: {e}"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(" passed") && !said.contains(" failed"), "{said}");
    drop(agent);
}
