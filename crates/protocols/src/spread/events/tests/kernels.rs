//! The leaves.

use super::*;
use crate::spread::events::log::Delivery;

fn span(from: u64, to: u64) -> Span {
    Span { from, to }
}

#[test]
fn the_fanout_follows_from_the_number_of_nodes_and_how_many_may_be_missed() {
    let fanout = |missed, n| (Config { missed, ..Config::default() }.fanout(n) * 100.0).round() / 100.0;
    let fanouts = [1, 2, 10, 30, 100, 1_000, 1_000_000].map(|n| fanout(0.25, n));
    assert_eq!(fanouts, [1.0, 1.0, 3.69, 4.79, 5.99, 8.29, 15.2]);
    assert_eq!(fanout(0.01, 100), 9.21);
    assert_eq!((fanout(0.0, 1 << 40), fanout(f64::NAN, 2), fanout(1e9, 9)), (41.54, 1.0, 1.0));
}

#[test]
fn gaps_are_taken_out_of_a_span() {
    let without = |gaps: &[Span]| {
        let mut out = Vec::new();
        span(5, 15).without(gaps, 8, &mut out);
        out
    };
    assert_eq!(without(&[]), [span(5, 15)]);
    assert_eq!(without(&[span(1, 5), span(8, 9), span(15, 20)]), [span(6, 7), span(10, 14)]);
    assert!(without(&[span(1, 20)]).is_empty());
    assert_eq!(without(&[span(16, 20)]), [span(5, 15)]);
}

#[test]
fn a_log_tells_in_order_waits_at_a_hole_and_says_what_it_passes_over() {
    let mut log = Log::new(1);
    let take = |log: &mut Log, seq| {
        let id = EventId { source: source(1), seq };
        let item = Item { id, flags: Flags::NONE, name: text("n"), payload: text("p") };
        log.take(item, Time(1))
    };
    let told = |log: &mut Log| -> Vec<Result<u64, Span>> {
        let told = core::iter::from_fn(|| log.next());
        told.map(|told| match told {
            Delivery::Item(item) => Ok(item.id.seq),
            Delivery::Gap(span) => Err(span),
        })
        .collect()
    };
    assert!(take(&mut log, 1) && take(&mut log, 4) && take(&mut log, 7) && !take(&mut log, 4));
    assert_eq!(told(&mut log), [Ok(1)]);
    let row = log.row(source(1));
    assert_eq!((row.low, row.top, &row.gaps[..]), (1, 7, &[span(2, 3), span(5, 6)][..]));
    assert!(take(&mut log, 3) && take(&mut log, 6));
    assert!(told(&mut log).is_empty());
    log.give_up_first();
    assert_eq!(told(&mut log), [Err(span(2, 2)), Ok(3), Ok(4)]);
    let mut rest = Vec::new();
    log.shed(true, &mut |t| rest.push(format!("{t:?}")));
    assert_eq!((log.floor, log.cursor, rest.len()), (2, 5, 0));
    log.shed(true, &mut |_| {});
    log.shed(true, &mut |_| {});
    assert_eq!((log.floor, log.cursor, log.holes.len()), (5, 5, 1));
    let peer = Row { source: source(1), low: 5, top: 9, gaps: vec![span(8, 8)] };
    assert_eq!(log.lacks(&peer, 9), [span(5, 5), span(9, 9)]);
    assert!(!log.exceeds(&peer) && log.exceeds(&Row { top: 6, gaps: vec![], ..peer }));
}

#[test]
fn a_hole_is_given_up_when_its_origin_denies_it_or_is_gone_for_long_and_not_for_an_older_word_of_it() {
    let (votes, wait, patience) = (3, 5 * SECOND, 60 * SECOND);
    let at = |ms: u64| Time(ms * 1_000_000);
    let row = |top, gaps: &[Span]| Row { source: source(1), low: 1, top, gaps: gaps.to_vec() };
    let holed = || {
        let mut log = Log::new(1);
        log.reach(2, at(1));
        log
    };
    // What the origin says, how long after the hole was seen, and when the hole is given up while the origin is there.
    let words = [
        ("its word is older", row(0, &[]), 4_000, 60_001),
        ("it holds neither", row(2, &[span(1, 2)]), 4_000, 5_001),
        ("it knows of none, and says so late", row(0, &[]), 5_001, 5_001),
    ];
    for (word, said, said_at, given_up) in words {
        let mut log = holed();
        (0..votes).for_each(|_| log.vote(&row(0, &[]), at(said_at), None));
        log.vote(&said, at(said_at), Some(wait));
        log.present = at(given_up - 1);
        assert!(!log.give_up(at(given_up - 1), votes, wait, patience), "{word}");
        log.present = at(given_up);
        assert!(log.give_up(at(given_up), votes, wait, patience), "{word}");
    }
    // An origin that is seen now and then is not gone.
    let mut log = holed();
    (0..votes).for_each(|_| log.vote(&row(0, &[]), at(2), None));
    for ms in (1_000..30_000).step_by(1_000) {
        log.present = if ms % 4_000 == 0 { at(ms) } else { log.present };
        assert!(!log.give_up(at(ms), votes, wait, patience), "{ms} ms");
    }
    assert!(log.give_up(at(33_000), votes, wait, patience));
}
