//! `cargo xtask demo`.

use crate::shell;
use anyhow::Result;
use std::process::Command;

/// Builds the binary that the tests use and runs its demo with `args`.
pub fn run(args: &[String]) -> Result<()> {
    let binary = shell::test_binary()?;
    let status = Command::new(binary).arg("demo").args(args).status()?;
    match status.code() {
        Some(0) => Ok(()),
        // The demo said itself what was wrong; its exit code is ours.
        code => std::process::exit(code.unwrap_or(1)),
    }
}
