//! `cargo xtask tidy`: what holds the project together and no compiler checks. Each finding names its rule, so that it can be argued with.

mod layers;
mod names;
mod source;
mod text;

use crate::shell;
use anyhow::{Result, bail};

/// A file with at least so many lines does not pass.
const LINES_MAX: usize = 900;
/// One with more than so many is listed, to be looked at.
const LINES_WARN: usize = 500;

/// All checks; all findings at once.
pub fn run() -> Result<()> {
    let metadata = shell::metadata()?;
    let mut findings = layers::check(&metadata)?;
    let mut long = Vec::new();
    for path in shell::files()? {
        let Ok(text) = std::fs::read_to_string(shell::root().join(&path)) else { continue }; // not text
        findings.extend(text::check(&path, &text));
        if path.ends_with(".rs") {
            findings.extend(source::check(&path, &text));
            findings.extend(names::check(&path, &text));
            match text.lines().count() {
                n if n >= LINES_MAX => findings.push(format!("{path}: {n} lines, {LINES_MAX} are too many")),
                n if n > LINES_WARN => long.push((n, path)),
                _ => {}
            }
        }
    }
    long.sort();
    for (lines, path) in long.iter().rev() {
        eprintln!("note: {path} has {lines} lines: is it one job?");
    }
    for finding in &findings {
        eprintln!("tidy: {finding}");
    }
    if !findings.is_empty() {
        bail!("{} findings", findings.len());
    }
    Ok(())
}
