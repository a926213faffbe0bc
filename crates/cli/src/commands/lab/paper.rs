//! `rumormill lab paper`: a paper's table beside ours.

use super::{draw, new_file, write};
use crate::commands::progress::Progress;
use crate::outcome::{Failure, Outcome};
use crate::show::Out;
use clap::Args;
use rumormill_lab::paper::{self, Report, Size};
use std::path::{Path, PathBuf};

/// `rumormill lab paper`.
#[derive(Debug, Args)]
pub struct PaperArgs {
    /// Which one; see --list
    #[arg(value_name = "NAME", required_unless_present_any = ["list", "all"])]
    pub name: Option<String>,
    /// List the papers
    #[arg(long, conflicts_with_all = ["name", "all", "full", "seed", "plot", "docs"])]
    pub list: bool,
    /// All of them, one after the other
    #[arg(long, conflicts_with = "name")]
    pub all: bool,
    /// As many runs as the smallest cells need, in place of those that take seconds
    #[arg(long)]
    pub full: bool,
    /// The seed
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Draw it into this SVG file
    #[arg(long, value_name = "FILE", conflicts_with = "all", value_parser = new_file)]
    pub plot: Option<PathBuf>,
    /// With --all: write papers.md, and its pictures below papers/, into this directory
    #[arg(long, value_name = "DIR", requires = "all")]
    pub docs: Option<PathBuf>,
}

/// `rumormill lab paper`.
pub fn run(args: &PaperArgs, out: &mut Out<'_>) -> Outcome {
    if args.list {
        let names: Vec<&str> = paper::names().collect();
        return match args.json {
            true => out.json(&names),
            false => names.iter().try_for_each(|name| out.line(name)),
        };
    }
    let size = if args.full { Size::Full } else { Size::Ci };
    let mut reports = Vec::new();
    for name in paper::names().filter(|name| args.all || args.name.as_deref() == Some(*name)) {
        reports.push(measure(name, size, args.seed)?);
    }
    let Some(first) = reports.first() else {
        let name = args.name.as_deref().unwrap_or_default();
        return Err(Failure::Usage(paper::golden_values(name).err().unwrap_or_default()));
    };
    draw(args.plot.as_deref(), || first.plot.clone())?;
    if let Some(dir) = &args.docs {
        document(dir, &reports)?;
    }
    match (args.json, args.all) {
        (true, true) => out.json(&reports)?,
        (true, false) => out.json(first)?,
        (false, _) => reports.iter().try_for_each(|report| out.line(&report.text()))?,
    }
    let off: Vec<&str> = reports.iter().filter(|report| !report.ok).map(|report| &*report.paper).collect();
    match off.is_empty() {
        true => Ok(()),
        false => Err(Failure::Failed(format!("outside their tolerance: cells of {}", off.join(", ")))),
    }
}

fn measure(name: &str, size: Size, seed: u64) -> Outcome<Report> {
    let mut progress = Progress::new();
    let report = paper::run(name, size, seed, &mut |what, part| {
        progress.tell(|| format!("{name}: {:.0} %, {what}", part * 100.0));
    });
    progress.end();
    report.map_err(Failure::Usage)
}

/// Writes `papers.md` and its pictures.
fn document(dir: &Path, reports: &[Report]) -> Outcome {
    let pictures = dir.join("papers");
    std::fs::create_dir_all(&pictures)?;
    for report in reports {
        write(&pictures.join(format!("{}.svg", report.paper)), &report.plot.svg())?;
    }
    write(&dir.join("papers.md"), &paper::report::document(reports))
}
