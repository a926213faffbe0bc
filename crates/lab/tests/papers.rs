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
    assert!(report.plot.svg().contains("</svg>") && !report.plot.series.is_empty());
}

macro_rules! papers {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            assert_holds($name);
        })*

        #[test]
        fn every_paper_that_is_listed_is_tested_here() {
            assert_eq!(paper::names().collect::<Vec<_>>(), [$($name),*]);
        }
    };
}

papers! {
    demers_table_1: "demers-table-1",
    demers_table_2: "demers-table-2",
    demers_table_3: "demers-table-3",
    demers_uniform: "demers-uniform",
    anti_entropy_rounds: "anti-entropy-rounds",
    minimization: "minimization",
    connection_limit: "connection-limit",
    spatial: "spatial",
    push_then_pull: "push-then-pull",
    median_counter: "median-counter",
    infect_and_die: "infect-and-die",
    averaging: "averaging",
    count: "count",
    push_sum: "push-sum",
    extrema: "extrema",
    lecture_growth: "lecture-growth",
    swim: "swim",
}
