//! Each paper in CI size: no gated cell is outside its tolerance. `rumormill lab paper NAME` prints the same.

use rumormill_lab::paper::{self, Size};

/// The default seed of the command.
const SEED: u64 = 1;

fn assert_holds(name: &str) {
    let report = paper::run(name, Size::Ci, SEED, &mut |_, _| {}).expect("it is listed");
    println!("seed {SEED}\n{}", report.text());
    let gated = report.rows.iter().filter(|row| row.gated).count();
    assert!(gated > 0, "{name}: nothing is gated");
    assert!(report.ok, "{name}, seed {SEED}:\n{}", report.text());
}

#[test]
fn swim() {
    assert_holds("swim");
}
