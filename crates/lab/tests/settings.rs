//! Settings in scenarios: the keys of each protocol are frozen, and what a file does not name stays as it is.
//!
//! The list of keys is written by `RUMORMILL_WRITE_GOLDEN=1 cargo test -p rumormill-lab --test settings`. A key is never taken away.

use rumormill_lab::scenario::{Scenario, keys};
use rumormill_protocols::catalog::{self, Catalogued, Visit};
use std::path::PathBuf;

struct Keys;

impl Visit for Keys {
    type Out = String;
    fn visit<P: Catalogued>(self) -> String {
        format!("{}: {}\n", P::NAME, keys::<P::Config>().join(" "))
    }
}

#[test]
fn the_keys_of_all_settings_are_those_of_the_golden_list() {
    let now = catalog::each(|| Keys).concat();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/settings.txt");
    if std::env::var_os("RUMORMILL_WRITE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        std::fs::write(&path, &now).expect("it can be written");
    }
    assert_eq!(std::fs::read_to_string(&path).expect("the list"), now);
}

struct Again;

impl Visit for Again {
    type Out = ();
    fn visit<P: Catalogued>(self) {
        let config = P::Config::default();
        let text = toml::to_string(&config).unwrap_or_else(|e| panic!("{}: {e}", P::NAME));
        assert!(!text.contains("nanos"), "{}: a duration is no text:\n{text}", P::NAME);
        let again: P::Config = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}\n{text}", P::NAME));
        assert_eq!(format!("{again:?}"), format!("{config:?}"), "{text}");
    }
}

#[test]
fn the_defaults_are_written_and_read_again() {
    catalog::each(|| Again);
}

fn scenario(stack: &str, settings: &str) -> Result<Scenario, String> {
    let text = format!(
        "stack = \"{stack}\"\nnodes = 8\ntime = \"1s\"\n[settings.{stack}]\n{}",
        settings.replace("; ", "\n")
    );
    Scenario::parse(&text, |file| Err(format!("{file}: no such file")))
}

#[test]
fn keys_of_earlier_versions_are_read() {
    for (stack, settings) in [
        ("swim", "preset = \"wan\"; period = \"2s\"; suspicion_alpha = 2; lifeguard = false"),
        (
            "anti-entropy",
            "distance_exponent = 2.0; compare = { recent = \"20s\" }; certificates = { active = \"5s\" }",
        ),
        ("anti-entropy", "compare = \"peel-back\"; direction = \"push\"; connection_limit = 1; hunt = 2"),
        ("rumor", "distance_exponent = 1; direction = \"push-pull\"; removal = { coin = 3 }; jitter = \"0\""),
        ("rumor", "removal = \"never\"; connection_limit = 2"),
        ("push-then-pull", "push_rounds = 4; asks_max = 3; distance_exponent = 1.5"),
        ("median-counter", "counter_max = 3; age_rounds_max = 20"),
        ("infect-and-die", "fanout = 4; distance_exponent = 1.0"),
        ("flood", "degree = 6; graph_seed = 9; neighbours_max = 3"),
        ("tree", "arity = 2"),
        ("direct-mail", "outgoing_max = 3"),
        ("push-sum", "values = \"peak\"; read = { quantile = 0.9 }; cycles = 10"),
        ("push-sum", "read = \"count\"; quantile_error = 0.1"),
        ("averaging", "values = \"ones\"; leaders = 20; pairing = \"poisson\""),
        ("plain-averaging", "values = \"index\"; period = \"2s\""),
        ("extrema", "what = \"maximum\"; numbers = 50"),
        ("threshold", "lower = 40; upper = 60; sigmas = 5.0"),
    ] {
        let read = scenario(stack, settings);
        assert!(read.is_ok(), "{stack}: {settings}: {}", read.err().unwrap_or_default());
    }
}

#[test]
fn settings_that_cannot_be_are_refused_with_the_reason() {
    for (stack, settings, parts) in [
        ("threshold", "lower = 60; upper = 40", &["[settings.threshold]", "the lower one first"][..]),
        ("flood", "distance_exponent = 1.0", &["distance_exponent", "`degree`"]),
        ("rumor", "distance_exponent = \"far\"", &["distance_exponent", "invalid type"]),
        ("rumor", "period = \"5 parsecs\"", &["[settings.rumor]", "500ms"]),
        ("rumor", "period = \"0s\"", &["[settings.rumor]", "period is 0s", "above 0"]),
        ("averaging", "period = \"0ms\"", &["[settings.averaging]", "period is 0s"]),
        ("rumor", "period = \"1ms\"", &["jitter is 20ms", "at most the period, 1ms"]),
        ("swim", "preset = \"moon\"", &["\"local\", \"lan\" or \"wan\""]),
        ("averaging", "values = \"many\"", &["values", "`peak`"]),
    ] {
        let refused = scenario(stack, settings).err().unwrap_or_else(|| panic!("accepted: {settings}"));
        assert!(parts.iter().all(|part| refused.contains(part)), "{settings}: {refused}");
    }
}
