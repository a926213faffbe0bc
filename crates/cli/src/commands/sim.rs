//! `rumormill sim swim`: experiments with SWIM on the simulator.

use crate::args::SwimArgs;
use crate::commands::progress::Progress;
use crate::outcome::{Failure, Outcome};
use crate::show::{Out, bytes, span};
use rumormill_lab::swim;

/// `rumormill sim swim`.
pub fn swim(args: &SwimArgs, out: &mut Out<'_>) -> Outcome {
    let experiment = args.experiment();
    experiment.check().map_err(Failure::Usage)?;
    let (mut progress, runs) = (Progress::new(), experiment.runs);
    let result =
        experiment.run(|done| progress.tell(|| format!("{done} of {runs} runs"))).map_err(Failure::Usage)?;
    progress.end();
    match args.json {
        true => out.json(&result),
        false => tell(&result, out),
    }
}

fn tell(result: &swim::Outcome, out: &mut Out<'_>) -> Outcome {
    let periods =
        |count: Option<f64>| count.map_or_else(|| "-".into(), |count| format!("{count:.3} periods"));
    let spans = |mean: Option<f64>, most: Option<f64>| match (mean, most) {
        (Some(mean), Some(most)) => format!("{} on average, {} at most", span(mean), span(most)),
        _ => "-".into(),
    };
    let remerged = spans(result.remerged_s, result.remerged_s_max);
    let stale = spans(result.stale_failed_s, result.stale_failed_s_max);
    let most =
        result.first_detection_periods_max.map_or_else(|| "-".into(), |most| format!("{most} periods"));
    let lines = [
        ("nodes, runs, seed", format!("{}, {}, {}", result.nodes, result.runs, result.seed)),
        ("period", span(result.period_s)),
        ("joined", span(result.joined_s)),
        ("first detection", periods(result.first_detection_periods)),
        ("  at most", most),
        ("all know", periods(result.all_know_periods)),
        (
            "  99 %, at most",
            format!("{}, {}", periods(result.all_know_periods_p99), periods(result.all_know_periods_max)),
        ),
        ("  the last, median", periods(result.last_known_periods_median)),
        ("sent by each node", format!("{:.2} datagrams a period", result.messages_per_node_period)),
        ("", format!("{}/s", bytes(result.bytes_per_node_s))),
        ("false deaths", format!("{:.2} a run, {} in all", result.false_deaths, result.false_deaths_total)),
        ("failed, never apart", result.never_separated_failed.to_string()),
        ("stale failures", stale),
        ("one cluster again", remerged),
        ("converged", if result.converged { "yes".into() } else { "no".into() }),
        ("digest", result.digest.clone()),
    ];
    lines.iter().try_for_each(|(label, text)| out.line(&format!("{label:<20}{text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_a_short_list_and_what_was_not_asked_for_is_a_dash() {
        let result = swim::Outcome {
            nodes: 100,
            seed: 7,
            runs: 1000,
            period_s: 1.0,
            joined_s: 2.5,
            first_detection_periods: Some(1.5812),
            first_detection_periods_max: Some(9),
            all_know_periods: Some(5.25),
            all_know_periods_p99: Some(7.5),
            all_know_periods_max: Some(8.0),
            last_known_periods_median: Some(6.0),
            messages_per_node_period: 4.1234,
            bytes_per_node_s: 2048.0,
            false_deaths: 0.5,
            false_deaths_total: 500,
            converged: true,
            digest: "00000000000000ff".into(),
            ..swim::Outcome::default()
        };
        let mut written = Vec::new();
        tell(&result, &mut Out::new(&mut written, false)).unwrap();
        insta::assert_snapshot!(String::from_utf8(written).unwrap(), @r"
        nodes, runs, seed   100, 1000, 7
        period              1.0 s
        joined              2.5 s
        first detection     1.581 periods
          at most           9 periods
        all know            5.250 periods
          99 %, at most     7.500 periods, 8.000 periods
          the last, median  6.000 periods
        sent by each node   4.12 datagrams a period
                            2.0 KiB/s
        false deaths        0.50 a run, 500 in all
        failed, never apart 0
        stale failures      -
        one cluster again   -
        converged           yes
        digest              00000000000000ff
        ");
    }
}
