//! The tables of the benchmarks: made from their committed raw output, so that a table says what was measured and nothing else.

use crate::shell;
use anyhow::{Context, Result, bail};

/// Writes all tables, or with `check` only compares them.
pub fn run(check: bool) -> Result<()> {
    for (dir, name, render) in super::TABLES {
        let dir = shell::root().join("bench").join(dir);
        let raw = super::raw_files(&dir)?;
        if raw.is_empty() {
            continue; // never measured: there is no table either
        }
        let table = render(&raw)?;
        let file = dir.join(name);
        if !check {
            std::fs::write(&file, table).with_context(|| format!("cannot write {}", file.display()))?;
        } else if std::fs::read_to_string(&file).unwrap_or_default() != table {
            bail!("{} is not what its raw output says: run `cargo xtask tables`", file.display());
        }
    }
    Ok(())
}
