//! Whether the machine is quiet enough for a figure to mean something.

use anyhow::{Context, Result};
use std::time::Duration;

/// How long it is looked at, before anything is started.
const WATCHED: Duration = Duration::from_secs(5);
/// A machine of which more than this share is in use by others is busy (our guess: a tenth of what a row can use).
pub const BUSY_SHARE: f64 = 0.10;

/// The share of all cores that is in use, from 0 to 1, over the next five seconds. Time that another guest of the host took counts as used.
pub fn used_share() -> Result<f64> {
    let read = || std::fs::read_to_string("/proc/stat").context("no /proc/stat");
    let before = read()?;
    std::thread::sleep(WATCHED);
    share(&before, &read()?)
}

fn share(before: &str, after: &str) -> Result<f64> {
    let (before, after) = (ticks(before)?, ticks(after)?);
    let (used, all) = (after.0 - before.0, after.1 - before.1);
    Ok(if all > 0.0 { used / all } else { 0.0 })
}

/// Ticks of all cores that were used, and all of them.
fn ticks(stat: &str) -> Result<(f64, f64)> {
    let line =
        stat.lines().find_map(|line| line.strip_prefix("cpu ")).context("/proc/stat has no cpu line")?;
    let fields: Vec<f64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    // user nice system idle iowait irq softirq steal; guests are in user already.
    let counted = fields.get(..8).context("/proc/stat is too short")?;
    let all: f64 = counted.iter().sum();
    Ok((all - counted[3] - counted[4], all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_idle_nor_waiting_is_used() {
        let before = "cpu  100 0 50 800 50 0 0 0 7 0\ncpu0 1 2 3\n";
        let after = "cpu  110 0 60 870 55 0 0 5 9 0\ncpu0 1 2 3\n";
        assert!((share(before, after).unwrap() - 0.25).abs() < 1e-9);
        assert_eq!(share(before, before).unwrap(), 0.0);
        assert!(share("intr 1\n", after).is_err());
    }
}
