//! What holds for every aggregator: they are asked and tell the same, so one test drives them all.

use rumormill_core::identity::Life;
use rumormill_core::peers::Peers;
use rumormill_core::protocol::{Change, Cx, Input, Loss, Output};
use rumormill_core::rng::Rng;
use rumormill_core::time::{Duration, Time, Wall};
use rumormill_core::{NodeId, wire};
use rumormill_protocols::sum::{self, Aggregator, Call, Event, Truth};
use rumormill_sim::{Latency, Sim, World};
use std::collections::BTreeMap;
use std::sync::Arc;

const NODES: u64 = 24;

/// Makes a promise of every aggregator a test.
macro_rules! promise {
    ($test:ident, |$aggregator:ident| $body:block) => {
        #[test]
        fn $test() {
            struct This;
            impl sum::Visit for This {
                type Out = ();
                fn visit<$aggregator: Aggregator>(self) $body
            }
            sum::each(|| This);
        }
    };
}

/// 1 to 50 ms, so that messages overtake each other; nothing is lost.
fn whole() -> World {
    let latency = Latency::Uniform(Duration::from_millis(1), Duration::from_millis(50));
    World { latency, wire: true, ..World::default() }
}

fn value(id: u64) -> f64 {
    50.0 + 10.0 * id as f64
}

promise!(all_nodes_come_to_the_truth_and_a_value_that_is_no_number_is_ignored, |P| {
    for seed in 0..3 {
        let config = Arc::new(P::Config::default());
        let mut sim = Sim::new(whole(), seed);
        for id in 0..NODES {
            sim.spawn(NodeId(id), P::start(&config, NodeId(id), Life::default()), Time::ZERO);
            sim.meet(NodeId(id), Peers::Everyone(NODES));
            sim.call(NodeId(id), Call::Set(value(id)));
            sim.call(NodeId(id), Call::Set(f64::NAN));
        }
        let mut crossed: BTreeMap<NodeId, u32> = BTreeMap::new();
        sim.run_for(Duration::from_secs(100), &mut |_, id, event| {
            if let Event::Crossed { above, .. } = event {
                assert!(above, "{}, seed {seed}", P::NAME);
                *crossed.entry(id).or_default() += 1;
            }
        });
        let truth = P::truth(&config);
        if let Truth::Between(..) = truth {
            assert_eq!(crossed.len() as u64, NODES, "{}, seed {seed}", P::NAME);
            assert!(crossed.values().all(|times| *times == 1), "{}, seed {seed}: {crossed:?}", P::NAME);
            continue;
        }
        let truth = truth.of((0..NODES).map(value).collect());
        for id in sim.ids() {
            let settled = sim.node(id).settled().unwrap_or(f64::NAN);
            let error = (settled / truth - 1.0).abs();
            assert!(error <= P::ERROR, "{}, seed {seed}: {settled}, not {truth}", P::NAME);
        }
    }
});

promise!(alone_or_without_a_view_nothing_is_sent, |P| {
    let config = Arc::new(P::Config::default());
    let mut sim = Sim::new(World::default(), 4);
    (0..2).for_each(|id| sim.spawn(NodeId(id), P::start(&config, NodeId(id), Life::default()), Time::ZERO));
    sim.meet(NodeId(0), Peers::Everyone(1));
    (0..2).for_each(|id| sim.call(NodeId(id), Call::Set(90.0)));
    sim.run_for(Duration::from_secs(120), &mut |_, _, _| {});
    assert_eq!(sim.total().bytes_sent(), 0, "{}", P::NAME);
});

promise!(no_message_that_can_be_read_makes_one_panic, |P| {
    let (mut rng, mut node_rng, mut now) = (Rng::seeded(5), Rng::seeded(1), 0u64);
    let (me, mut peers) = (NodeId(0), Peers::default());
    let mut node = P::start(&Arc::new(P::Config::default()), me, Life::default());
    let samples: Vec<P::Message> = P::samples().into_iter().map(|(_, message)| message).collect();
    let mut timers: Vec<P::Timer> = Vec::new();
    for step in 0..20_000u64 {
        let from = NodeId(rng.below(12) as u64);
        let input = match rng.below(14) {
            _ if step == 3 => Input::Start,
            kind @ (0 | 1) => {
                let change = if kind == 0 { Change::Up(from) } else { Change::Down(from) };
                peers.change(change);
                Input::Peer(change)
            }
            2 => Input::Lost(from, Loss::Reset),
            3 => Input::Shed(from, samples[0].clone()),
            4 if step % 50 == 0 => {
                peers = Peers::Everyone(rng.below(9) as u64);
                Input::Peer(Change::All)
            }
            5 => Input::Call(Call::Set(rng.unit() * 100.0)),
            6..=8 if !timers.is_empty() => Input::Timer(timers.remove(0)),
            _ => {
                let mut bytes = Vec::new();
                wire::put(&samples[rng.below(samples.len())], &mut bytes);
                let at = rng.below(bytes.len());
                bytes[at] = rng.next() as u8;
                let Ok(message) = wire::decode(&bytes) else { continue };
                Input::Message(from, message)
            }
        };
        now += if rng.chance(0.5) { 0 } else { rng.next() >> 34 };
        let mut out = |output| {
            if let Output::Timer(_, timer) = output {
                timers.push(timer);
            }
        };
        let (now, wall, peers) = (Time(now), Wall(0), &peers);
        node.handle(&mut Cx { now, wall, me, peers, rng: &mut node_rng, room: 9_999, out: &mut out }, input);
        assert!(timers.len() <= 64, "{}: {} timers", P::NAME, timers.len());
    }
});
