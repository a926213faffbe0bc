//! `cargo xtask ci`: what a change must pass.

use crate::bench::tables;
use crate::shell::{self, cargo, run as sh, step};
use crate::{fuzz, test, tidy};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// All checks, the cheap ones first, then all tests.
pub fn run(args: &test::Args) -> Result<()> {
    step("format", || sh(&mut cargo(["fmt", "--all", "--check"])))?;
    step("tidy", tidy::run)?;
    step("tables", || tables::run(true))?;
    step("clippy", || {
        sh(&mut cargo(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))
    })?;
    step("documentation", || {
        // The command and the library are both called rumormill: the library's pages are to stay.
        for which in [["--package", "rumormill-cli"], ["--workspace", "--exclude=rumormill-cli"]] {
            let mut doc = cargo(["doc", "--no-deps", "--quiet"]);
            sh(doc.args(which).env("RUSTDOCFLAGS", "-D warnings"))?;
        }
        Ok(())
    })?;
    step("core and protocols without std", without_std)?;
    step("fuzz targets compile", fuzz::check)?;
    eprintln!("\n=== tests");
    test::run(args) // its closing line is the last
}

/// A target for which there is no standard library.
const BARE: &str = "x86_64-unknown-none";

/// The pure crates need an allocator and nothing else, with and without their settings as files. Where rustup cannot fetch the target the check is skipped by name.
fn without_std() -> Result<()> {
    let rustlib = shell::output(Command::new("rustc").args(["--print", "target-libdir", "--target", BARE]))?;
    let is_here = || Path::new(rustlib.trim()).is_dir();
    if !is_here() {
        // The time limit is for a machine whose network swallows packets.
        let added = sh(Command::new("timeout").args(["60", "rustup", "target", "add", BARE]));
        if !is_here() {
            eprintln!("SKIPPED core and protocols without std: needs the target {BARE} ({added:?})");
            return Ok(());
        }
    }
    for features in [&[][..], &["--features", "rumormill-protocols/serde"]] {
        let mut check = cargo(["check", "--quiet", "--target", BARE]);
        sh(check.args(["--package", "rumormill-core", "--package", "rumormill-protocols"]).args(features))?;
    }
    Ok(())
}
