//! What this program is built from, for `rumormill version`: never a reason for a build to fail, and never the wall clock, so that the same
//! source gives the same program.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let is_ours = is_ours();
    let git = |args: &[&str]| if is_ours { said("git", args) } else { None };
    // HEAD changes with the branch, its log with every commit; in a worktree both lie elsewhere.
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let unix = |text: String| text.parse::<u64>().ok().map(|unix| unix.to_string());
    let date = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(unix);
    let date = date.or_else(|| git(&["log", "-1", "--format=%ct"]).and_then(unix));
    let rustc = std::env::var("RUSTC").ok().and_then(|rustc| said(&rustc, &["--version"]));
    tell("COMMIT", git(&["rev-parse", "HEAD"]));
    tell("COMMIT_UNIX", date);
    tell("RUSTC", rustc);
    tell("TARGET", std::env::var("TARGET").ok());
    tell("PROFILE", profile());
}

/// Whether the checkout around us is our own, and not that of somebody who unpacked us into theirs.
fn is_ours() -> bool {
    let top = said("git", &["rev-parse", "--show-toplevel"]).and_then(|top| std::fs::canonicalize(top).ok());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    top.is_some() && top == std::fs::canonicalize(root).ok()
}

/// The profile's own name: cargo tells only `debug` or `release`, of which it is made, but the output lies in a directory of its name.
fn profile() -> Option<String> {
    let out = std::env::var("OUT_DIR").ok()?; // …/PROFILE/build/PACKAGE-HASH/out
    let name = Path::new(&out).ancestors().nth(3)?.file_name()?.to_str()?;
    Some(name.to_string())
}

/// The one line that a program prints; none if it cannot be run, fails, or prints nothing.
fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok().filter(|output| output.status.success())?;
    let line = String::from_utf8(output.stdout).ok()?.lines().next()?.trim().to_string();
    (!line.is_empty()).then_some(line)
}

fn tell(name: &str, value: Option<String>) {
    println!("cargo::rustc-env=RUMORMILL_BUILD_{name}={}", value.as_deref().unwrap_or("unknown"));
}
