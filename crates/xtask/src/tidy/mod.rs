//! `cargo xtask tidy`: what holds the project together and no compiler checks. Each finding names its rule, so that it can be argued with.

mod circles;
mod layers;
mod modules;
mod names;
mod sizes;
mod source;
mod text;
mod tokens;

use crate::shell;
use anyhow::{Result, bail};

/// All checks; all findings at once.
pub fn run() -> Result<()> {
    let metadata = shell::metadata()?;
    let mut findings = layers::check(&metadata)?;
    let mut sources = Vec::new();
    for path in shell::files()? {
        let Ok(text) = std::fs::read_to_string(shell::root().join(&path)) else { continue }; // not text
        findings.extend(text::check(&path, &text));
        if path.ends_with(".rs") {
            findings.extend(source::check(&path, &text));
            findings.extend(names::check(&path, &text));
            findings.extend(sizes::check(&path, &text));
            sources.push((path, text));
        }
    }
    findings.extend(circles::check(&sources));
    for finding in &findings {
        eprintln!("tidy: {finding}");
    }
    if !findings.is_empty() {
        bail!("{} findings", findings.len());
    }
    Ok(())
}
