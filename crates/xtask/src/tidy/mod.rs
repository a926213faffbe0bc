//! `cargo xtask tidy`: what holds the project together and no compiler checks. Each finding names its rule, so that it can be argued with.

mod catalog;
mod circles;
mod layers;
mod modules;
mod names;
mod sizes;
mod source;
mod text;
mod tokens;

use crate::shell;
use anyhow::{Context, Result, bail};

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
            findings.extend(sizes::check(&path, &text));
            sources.push((path, text));
        }
    }
    let edges = modules::edges(&sources);
    findings.extend(circles::check(&edges));
    findings.extend(names::check(&edges));
    findings.extend(catalog::check(&sources, &golden()?));
    for finding in &findings {
        eprintln!("tidy: {finding}");
    }
    if !findings.is_empty() {
        bail!("{} findings", findings.len());
    }
    Ok(())
}

/// The golden packets.
fn golden() -> Result<Vec<catalog::Packet>> {
    let folder = shell::root().join(catalog::GOLDEN);
    let mut packets = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        packets.push((name, std::fs::read(&path)?));
    }
    Ok(packets)
}
