//! `rumormill version`: what this program is, what it was built from, and which formats it speaks.

use crate::outcome::Outcome;
use crate::show::Out;
use clap::Args;
use rumormill_agent::build::{self, Formats};
use serde::Serialize;
use std::time::{Duration, UNIX_EPOCH};

/// `rumormill version`.
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// The commit that this program was built from, or `unknown`.
pub const COMMIT: &str = env!("RUMORMILL_BUILD_COMMIT");

/// What `rumormill version --json` prints.
#[derive(Debug, Serialize)]
struct Version {
    version: &'static str,
    /// Changes that were not committed when it was built are not told.
    commit: &'static str,
    /// Of the commit, or SOURCE_DATE_EPOCH.
    date: String,
    rustc: &'static str,
    target: &'static str,
    profile: &'static str,
    formats: Formats,
}

/// `rumormill version`.
pub fn version(args: &VersionArgs, out: &mut Out<'_>) -> Outcome {
    let version = Version {
        version: build::VERSION,
        commit: COMMIT,
        date: date(env!("RUMORMILL_BUILD_COMMIT_UNIX")),
        rustc: env!("RUMORMILL_BUILD_RUSTC"),
        target: env!("RUMORMILL_BUILD_TARGET"),
        profile: env!("RUMORMILL_BUILD_PROFILE"),
        formats: Formats::here(),
    };
    if args.json {
        return out.json(&version);
    }
    let Formats { packet, data_dir, sidecar, api } = version.formats;
    out.line(&format!("rumormill {}", version.version))?;
    let lines = [
        ("commit", version.commit.to_string()),
        ("date", version.date),
        ("rustc", version.rustc.to_string()),
        ("target", version.target.to_string()),
        ("profile", version.profile.to_string()),
        ("formats", format!("packet {packet}, data directory {data_dir}, sidecar {sidecar}, API {api}")),
    ];
    lines.iter().try_for_each(|(label, text)| out.line(&format!("{label:<12}{text}")))
}

/// Seconds since 1970 as a date, in UTC.
fn date(unix: &str) -> String {
    let at = unix.parse().ok().and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    at.map_or_else(|| unix.to_string(), |at| humantime::format_rfc3339_seconds(at).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_told_in_utc_and_what_is_none_as_it_is() {
        assert_eq!(date("0"), "1970-01-01T00:00:00Z");
        assert_eq!(date("1700000000"), "2023-11-14T22:13:20Z");
        assert_eq!(date("unknown"), "unknown");
    }

    #[test]
    fn programs_get_every_part_and_none_is_empty() {
        let mut written = Vec::new();
        version(&VersionArgs { json: true }, &mut Out::new(&mut written, false)).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&written).unwrap();
        for key in ["version", "commit", "date", "rustc", "target", "profile"] {
            assert!(json[key].as_str().is_some_and(|text| !text.is_empty()), "{key} in {json:#}");
        }
        assert_eq!(json["formats"]["data_dir"], 2);
        assert!(COMMIT == "unknown" || (COMMIT.len() == 40 && COMMIT.bytes().all(|b| b.is_ascii_hexdigit())));
    }
}
