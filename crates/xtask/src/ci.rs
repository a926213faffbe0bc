//! `cargo xtask ci`: what a change must pass.

use crate::bench::tables;
use crate::shell::{cargo, run as sh, step};
use crate::{fuzz, test, tidy};
use anyhow::Result;

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
    step("fuzz targets compile", fuzz::check)?;
    eprintln!("\n=== tests");
    test::run(args) // its closing line is the last
}
