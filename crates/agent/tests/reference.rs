//! The committed documents about settings and tables are those that the code makes, and the sample file is one that an agent takes.
//!
//! `RUMORMILL_WRITE_GOLDEN=1 cargo test -p rumormill-agent --test reference` writes `docs/settings.md`, `docs/rumormill.toml` and `docs/sql.md`.

use rumormill_agent::config::{Layer, resolve};
use rumormill_agent::reference;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const REWRITE: &str = "RUMORMILL_WRITE_GOLDEN=1 cargo test -p rumormill-agent --test reference";
/// A cluster's key, as its file holds it.
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn is_current(name: &str, now: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("RUMORMILL_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, now).expect("it can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let differ = committed.lines().zip(now.lines()).find(|(committed, now)| committed != now);
    assert!(committed == now, "docs/{name} is not current, first in {differ:?}; to rewrite it: {REWRITE}");
}

#[test]
fn the_reference_of_settings_is_current() {
    is_current("settings.md", &reference::markdown());
}

#[test]
fn the_sample_file_is_current() {
    is_current("rumormill.toml", &reference::sample());
}

#[test]
fn the_reference_of_tables_is_current() {
    is_current("sql.md", &reference::tables_markdown());
}

/// The sample file with every setting set. A `#` directly before a setting takes it back; a comment has a blank behind it.
fn uncommented() -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting.to_string(),
        _ => line.to_string(),
    };
    reference::sample().lines().map(|text| line(text) + "\n").collect()
}

#[test]
fn the_sample_file_sets_nothing_and_uncommented_it_sets_everything_and_can_be_used() {
    let layer = |text: &str| Layer::toml(text, Path::new("rumormill.toml"));
    let data_dir = || Some(PathBuf::from("/var/lib/rumormill"));
    let as_it_is = resolve(vec![layer(&reference::sample())], data_dir());
    assert!(as_it_is.settings.iter().all(|setting| setting.source.to_string() == "default"));
    assert_eq!(as_it_is.problems, [], "no problems");

    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("key", KEY), ("token", "0123456789abcdef0123456789abcdef"), ("seeds", "10.0.0.9\n")]
    {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let text = uncommented().replace("/etc/rumormill", &dir.path().display().to_string());
    let checked = resolve(vec![layer(&text)], data_dir());
    let sources = checked.settings.iter().map(|setting| (setting.key.as_str(), setting.source.to_string()));
    let left: Vec<_> = sources.filter(|(_, source)| !source.starts_with("rumormill.toml:")).collect();
    assert!(left.is_empty(), "not in the sample file: {left:?}");
    let problems: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{problems:#?}\n{text}");
}

#[test]
fn every_setting_has_a_meaning_a_default_and_an_example() {
    for entry in reference::entries() {
        assert!(
            !entry.about.is_empty() && !entry.default.is_empty() && !entry.example.is_empty(),
            "{entry:?}"
        );
    }
    let live: Vec<&str> =
        reference::entries().iter().filter(|entry| entry.live).map(|entry| entry.key).collect();
    assert_eq!(live, ["tags", "join", "join_file", "dns_server", "vitals_budget", "log"]);
}
