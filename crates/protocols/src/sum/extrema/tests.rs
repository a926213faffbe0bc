use super::*;
use crate::sum::testing::*;
use rumormill_core::peers::Peers;
use rumormill_sim::{Sim, World};

fn config(what: What, numbers: usize) -> Config {
    Config { what, numbers, ..Config::default() }
}

fn sized(world: World, seed: u64, n: u64, numbers: usize) -> Sim<Extrema> {
    start(world, seed, n, || Extrema::new(config(What::Size, numbers)), |id| id as f64)
}

fn agree(sim: &Sim<Extrema>) -> usize {
    let known = |id| &sim.node(id).knowledge;
    let mut best = Knowledge::NONE;
    sim.live_ids().for_each(|id| _ = best.merge(known(id)));
    sim.live_ids().filter(|id| *known(*id) == best).count()
}

#[test]
fn the_estimate_has_the_standard_deviation_of_the_paper() {
    // 250 runs: the standard error of a standard deviation is 4.5 % of it (7 % for K = 10, whose tails are heavy).
    for (numbers, error) in [(10, 0.28), (50, 0.18), (100, 0.18), (400, 0.18)] {
        let told: Vec<f64> = (0..250)
            .map(|seed| {
                let mut sim = sized(cycles(), seed, 50, numbers);
                run(&mut sim, 15_000);
                sim.node(NodeId(7)).estimate().unwrap() / 50.0
            })
            .collect();
        let mean = told.iter().sum::<f64>() / told.len() as f64;
        let (sd, expected) = (libm::sqrt(variance(&told)), 1.0 / libm::sqrt(numbers as f64 - 2.0));
        assert!((mean - 1.0).abs() < 4.0 * expected / 15.8, "K {numbers}: mean {mean}");
        assert!((sd / expected - 1.0).abs() < error, "K {numbers}: {sd}, not {expected}");
    }
}

#[test]
fn all_agree_in_about_the_time_of_a_push_pull_epidemic_and_fall_silent() {
    for (world, n) in [(cycles(), 2_000), (quick(), 5_000), (hostile(), 2_000)] {
        let mut sim = sized(world, 3, n, 100);
        run(&mut sim, 15_000);
        assert_eq!(agree(&sim), n as usize);
        run(&mut sim, 10_000);
        let silent = sim.total();
        assert!(silent.datagrams_sent < 40 * n, "{silent:?}");
        run(&mut sim, 4_000);
        let more = sim.total().datagrams_sent - silent.datagrams_sent;
        assert!(more <= n / 50, "{more}: only who lost its answers still asks for them");
        run(&mut sim, 15_000);
        assert_eq!((agree(&sim), sim.node(NodeId(1)).epoch()), (n as usize, 2));
        let silent = sim.total();
        assert!(silent.timers_max <= 3 && silent.stream_messages_sent == 0, "{silent:?}");
    }
}

#[test]
fn the_extremes_are_exact_and_come_with_their_owner() {
    for what in [What::Minimum, What::Maximum, What::Sum] {
        let value = |id: u64| (1 + (id * 7) % 300) as f64;
        let mut sim =
            start(World { wire: true, ..hostile() }, 4, 300, || Extrema::new(config(what, 300)), value);
        run(&mut sim, 20_000);
        for id in sim.ids() {
            let node = sim.node(id);
            assert_eq!(node.minimum(), Some(Extreme { value: 1.0, owner: NodeId(0) }));
            assert_eq!(node.maximum(), Some(Extreme { value: 300.0, owner: NodeId(257) }));
            let truth = match what {
                What::Minimum => 1.0..=1.0,
                What::Maximum => 300.0..=300.0,
                _ => 45_150.0 * 0.77..=45_150.0 * 1.23, // four standard deviations with K = 300
            };
            let told = node.estimate().unwrap();
            assert!(truth.contains(&told), "{what:?}: {told}");
        }
        assert!(sim.total().datagram_bytes_sent / sim.total().datagrams_sent < 94 + 1_260);
    }
}

#[test]
fn who_leaves_counts_until_the_epoch_ends_and_who_joins_from_the_next_on() {
    let mut sim = sized(quick(), 5, 400, 300);
    run(&mut sim, 10_000);
    let first = sim.node(NodeId(1)).estimate();
    (0..200).for_each(|id| sim.crash(NodeId(id)));
    let make = || Extrema::new(config(What::Size, 300));
    (400..402).for_each(|id| join(&mut sim, id, 402, make, 0.0));
    (200..400).for_each(|id| sim.meet(NodeId(id), Peers::Everyone(402)));
    run(&mut sim, 15_000);
    assert!(sim.live_ids().all(|id| sim.node(id).estimate() == first), "those who join learn it");
    run(&mut sim, 25_000);
    assert_eq!(agree(&sim), 202);
    let second = sim.node(NodeId(400)).estimate().unwrap() / 202.0;
    assert!((0.77..1.23).contains(&second), "{second}");
}

#[test]
fn news_wakes_who_is_silent() {
    let mut sim = sized(quick(), 6, 100, 10);
    run(&mut sim, 20_000);
    let message = Message {
        stamp: Stamp { epoch: 1, age_ms: 20_000 },
        knowledge: Knowledge { least: Extreme { value: -1.0, owner: NodeId(9) }, ..Knowledge::NONE },
        answer: true,
    };
    // A node that only ever had this to say.
    let mut teller = Extrema::new(config(What::Minimum, 10));
    (teller.standing.epoch, teller.knowledge) = (1, message.knowledge.clone());
    teller.epochs.hear(sim.now(), message.stamp);
    sim.spawn(NodeId(100), teller, sim.now());
    sim.meet(NodeId(100), Peers::Everyone(100));
    run(&mut sim, 9_000);
    assert!((0..100).all(|id| sim.node(NodeId(id)).minimum().unwrap().value == -1.0));
}

#[test]
fn knowledge_that_is_none_is_refused() {
    let numbers = |x: f32, n: usize| {
        let bytes: Vec<u8> = core::iter::repeat_n(x.to_be_bytes(), n).flatten().collect();
        Knowledge { numbers: Payload::from(&bytes[..]), ..Knowledge::NONE }
    };
    assert!(numbers(1.0, 10).is_sound(10) && Knowledge::NONE.is_sound(10));
    assert!(
        !numbers(1.0, 9).is_sound(10)
            && !numbers(f32::NAN, 10).is_sound(10)
            && !numbers(-1.0, 10).is_sound(10)
    );
    let nan = Extreme { value: f64::NAN, owner: NodeId(1) };
    assert!(!Knowledge { least: nan, ..Knowledge::NONE }.is_sound(10));
}
