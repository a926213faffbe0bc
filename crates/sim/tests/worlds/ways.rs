//! How long things take, and what is lost, from one node to another.

use crate::toy::*;
use rumormill_core::NodeId;
use rumormill_core::time::Duration;
use rumormill_sim::latency::Matrix;
use rumormill_sim::loss::{Bursts, OneWay, Reorder};
use rumormill_sim::{Latency, World};
use std::sync::Arc;

/// The numbers of the pings that reached B of those that A sent, one a millisecond.
fn arrivals(world: World, seed: u64, count: u64) -> Vec<u64> {
    let mut sim = sim(world, seed, 2);
    let mut numbers = vec![];
    for n in 0..count {
        sim.call(A, Call::Say(B, Say::Ping(n)));
        numbers.extend(run(&mut sim, 1).into_iter().filter_map(|(_, _, event)| number(event)));
    }
    numbers.extend(run(&mut sim, 1_000).into_iter().filter_map(|(_, _, event)| number(event)));
    numbers
}

fn number(event: Event) -> Option<u64> {
    if let Event::Pinged(_, n) = event { Some(n) } else { None }
}

#[test]
fn losses_come_in_bursts_on_the_way() {
    let bursts = Some(Bursts::of(0.1, 8.0));
    let count = 40_000;
    let arrived = arrivals(World { bursts, ..ten_ms() }, 3, count);
    let lost = count - arrived.len() as u64;
    let gaps: Vec<u64> =
        arrived.windows(2).map(|pair| pair[1] - pair[0] - 1).filter(|gap| *gap > 0).collect();
    let mean = gaps.iter().sum::<u64>() as f64 / gaps.len() as f64;
    // About 500 bursts: the mean of a geometric distribution has a standard error of 8/√500.
    assert!((mean - 8.0).abs() < 4.0 * 0.36, "bursts of {mean}");
    assert!((lost as f64 / count as f64 - 0.1).abs() < 0.03, "{lost} of {count}");
}

#[test]
fn each_sender_has_bursts_of_its_own() {
    let bursts = Some(Bursts::of(0.5, 50.0));
    let mut sim = sim(World { bursts, ..ten_ms() }, 3, 3);
    let mut fates = [vec![], vec![]];
    for n in 0..400 {
        [A, B].into_iter().for_each(|from| sim.call(from, Call::Say(C, Say::Ping(n))));
        let before = [A, B].map(|id| sim.counters(id).dropped.swallowed);
        run(&mut sim, 1);
        for (fate, (id, before)) in fates.iter_mut().zip([A, B].into_iter().zip(before)) {
            fate.push(sim.counters(id).dropped.swallowed > before);
        }
    }
    assert_ne!(fates[0], fates[1]);
    assert!(sim.counters(A).dropped.swallowed > 0 && sim.counters(A).dropped.lost == 0);
}

#[test]
fn bursts_begin_and_end_when_the_caller_says() {
    let mut sim = sim(ten_ms(), 3, 2);
    let all = Bursts { to_bad: 1.0, to_good: 0.0, loss_good: 0.0, loss_bad: 1.0 };
    for bursts in [None, Some(all), None] {
        sim.set_bursts(bursts);
        sim.call(A, Call::Say(B, Say::Ping(1)));
        let heard = of(&run(&mut sim, 100), B).len();
        assert_eq!(heard, usize::from(bursts.is_none()));
    }
}

#[test]
fn one_way_loses_one_way() {
    let one_way = vec![OneWay { from: "0".parse().unwrap(), to: "1..3".parse().unwrap(), loss: 1.0 }];
    let mut sim = sim(World { one_way, ..ten_ms() }, 1, 4);
    let ways = [(A, B, false), (A, C, false), (A, NodeId(3), true), (B, A, true), (B, C, true)];
    for (from, to, arrives) in ways {
        sim.call(from, Call::Say(to, note(1, 1)));
        assert_eq!(!of(&run(&mut sim, 100), to).is_empty(), arrives, "{from} to {to}");
    }
    assert_eq!(sim.counters(A).dropped.swallowed, 2);
}

#[test]
fn what_is_held_back_is_overtaken_and_nothing_else() {
    let reorder = Some(Reorder { share: 0.2, extra: ms(20) });
    let arrived = arrivals(World { reorder, ..ten_ms() }, 3, 5_000);
    assert_eq!(arrived.len(), 5_000);
    // A ping is overtaken if it is held back for at least one millisecond: one in five, times 19 of 20 parts of the time.
    let mut least_after = u64::MAX;
    let overtaken = arrived.iter().rev().filter(|n| {
        let later_came_first = least_after < **n;
        least_after = least_after.min(**n);
        later_came_first
    });
    let late = overtaken.count();
    assert!(late > 500, "{late} came before an earlier one");
    let in_order = arrivals(ten_ms(), 3, 500);
    assert!(in_order.is_sorted());
}

#[test]
fn a_matrix_decides_by_who_sends_to_whom() {
    let region = |name: &str, ids: &str| rumormill_sim::ids::Group {
        name: name.into(),
        ids: Some(ids.parse().unwrap()),
        weight: 0.0,
    };
    let matrix = Matrix {
        regions: vec![region("here", "0"), region("there", "1"), region("far", "2")],
        median_ms: vec![vec![1.0, 20.0, 80.0], vec![30.0, 2.0, 120.0], vec![90.0, 140.0, 3.0]],
        jitter: 0.1,
    };
    let median_ms = matrix.median_ms.clone();
    let mut sim = sim(World { latency: Latency::Matrix(Arc::new(matrix)), ..World::default() }, 5, 3);
    for (a, row) in median_ms.iter().enumerate() {
        for (b, median) in row.iter().enumerate().filter(|(b, _)| *b != a) {
            let mut took: Vec<Duration> = (0..201)
                .map(|_| {
                    let start = sim.now();
                    sim.call(NodeId(a as u64), Call::Say(NodeId(b as u64), note(1, 1)));
                    run(&mut sim, 500)[0].0.since(start)
                })
                .collect();
            took.sort();
            // Uniform within 10 %: the median of 201 has a standard error of 0.7 %.
            let found = took[100].as_secs_f64() * 1e3;
            assert!((found / median - 1.0).abs() < 0.028, "{a} to {b}: {found} ms, not {median}");
            assert!(took[0].as_secs_f64() * 1e3 >= median * 0.9 - 1e-6);
        }
    }
}
