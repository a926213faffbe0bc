//! What holds for every detector: they are asked and tell the same, so one test drives them all.

use rumormill_core::identity::Life;
use rumormill_core::peers::Peers;
use rumormill_core::protocol::{Change, Cx, Input, Loss, Output};
use rumormill_core::rng::Rng;
use rumormill_core::time::{Duration, Time, Wall};
use rumormill_core::{NodeId, wire};
use rumormill_protocols::detect::{self, Call, Detector, Event};
use rumormill_sim::{Latency, Sim, World};
use std::sync::Arc;

const NODES: u64 = 20;
const CRASHED: NodeId = NodeId(5);

/// Makes a promise of every detector a test.
macro_rules! promise {
    ($test:ident, |$detector:ident| $body:block) => {
        #[test]
        fn $test() {
            struct This;
            impl detect::Visit for This {
                type Out = ();
                fn visit<$detector: Detector>(self) $body
            }
            detect::each(|| This);
        }
    };
}

/// 1 to 50 ms, so that messages overtake each other, and one in five comes twice; nothing is lost.
fn whole() -> World {
    let latency = Latency::Uniform(Duration::from_millis(1), Duration::from_millis(50));
    World { latency, duplicate: 0.2, wire: true, ..World::default() }
}

fn config<P: Detector>() -> Arc<P::Config> {
    Arc::new(P::Config::default())
}

/// The time in which a detector with the default settings notices a crash.
fn noticed<P: Detector>() -> Duration {
    P::noticed_within(&P::Config::default())
}

/// Nodes that know each other and have heard each other for a while.
fn settled<P: Detector>(seed: u64) -> Sim<P> {
    settled_for(seed, 4 * noticed::<P>())
}

/// The same, after this time.
fn settled_for<P: Detector>(seed: u64, after: Duration) -> Sim<P> {
    let mut sim = Sim::new(whole(), seed);
    let config = config::<P>();
    for id in (0..NODES).map(NodeId) {
        sim.spawn(id, P::start(&config, id, Life::default()), Time::ZERO);
        sim.meet(id, Peers::Everyone(NODES));
    }
    sim.run_for(after, &mut |_, id, event| panic!("seed {seed}: node {} tells {event:?}", id.0));
    sim
}

/// The live nodes that watch this one.
fn watchers<P: Detector>(sim: &Sim<P>, peer: NodeId) -> Vec<NodeId> {
    sim.live_ids().filter(|id| sim.node(*id).watched().contains(&peer)).collect()
}

promise!(a_crash_is_noticed_by_all_watchers_and_no_live_node_is_suspected, |P| {
    for seed in 0..3 {
        let mut sim = settled::<P>(seed);
        let watchers = watchers(&sim, CRASHED);
        assert!(!watchers.is_empty(), "{}: nobody watches it", P::NAME);
        sim.crash(CRASHED);
        let mut told = Vec::new();
        sim.run_for(noticed::<P>(), &mut |_, by, event| match event {
            Event::Suspected { peer, .. } => {
                assert_eq!(peer, CRASHED, "{}, seed {seed}", P::NAME);
                told.push(by);
            }
            Event::Trusted(peer) => panic!("{}, seed {seed}: {} is trusted", P::NAME, peer.0),
        });
        told.sort_unstable();
        assert_eq!(told, watchers, "{}, seed {seed}: each of them, once", P::NAME);
        assert!(watchers.iter().all(|id| sim.node(*id).suspects(CRASHED)));
    }
});

promise!(a_node_that_comes_back_is_trusted_again, |P| {
    let mut sim = settled::<P>(4);
    let mut watchers = watchers(&sim, CRASHED);
    sim.crash(CRASHED);
    sim.run_for(noticed::<P>(), &mut |_, _, _| {});
    sim.restart(CRASHED, P::start(&config::<P>(), CRASHED, Life { epoch: 1, session: 9 }));
    sim.meet(CRASHED, Peers::Everyone(NODES));
    let mut trusted = Vec::new();
    sim.run_for(noticed::<P>(), &mut |_, by, event| match event {
        Event::Trusted(peer) if peer == CRASHED => trusted.push(by),
        other => panic!("{}: {other:?}", P::NAME),
    });
    trusted.sort_unstable();
    watchers.sort_unstable();
    assert_eq!(trusted, watchers, "{}: each of them, once", P::NAME);
});

promise!(the_level_grows_while_a_peer_is_silent, |P| {
    let mut sim = settled::<P>(5);
    let watcher = watchers(&sim, CRASHED)[0];
    sim.crash(CRASHED);
    let part = noticed::<P>() / 10;
    let level =
        |parts: u32| sim.node(watcher).level(CRASHED, sim.now() + part * parts).expect("it is watched");
    let levels: Vec<f64> = (0..20).map(level).collect();
    assert!(levels.is_sorted(), "{}: {levels:?}", P::NAME);
    let mut reached = None;
    sim.run_for(part * 20, &mut |_, by, event| match event {
        Event::Suspected { level, .. } if by == watcher => reached = Some(level),
        _ => {}
    });
    let reached = reached.unwrap_or_else(|| panic!("{}: it never suspects it", P::NAME));
    assert!(levels[0] < reached && reached <= levels[19], "{}: {reached}, {levels:?}", P::NAME);
    assert_eq!(sim.node(watcher).level(NodeId(NODES + 9), sim.now()), None, "{}: nobody there", P::NAME);
});

promise!(memory_is_bounded_however_long_it_runs_and_however_the_view_changes, |P| {
    let most = P::samples_max(&P::Config::default());
    let mut sim = settled_for::<P>(6, Duration::from_secs(1_200));
    assert!(sim.ids().all(|id| sim.node(id).samples_len() <= most), "{}", P::NAME);
    sim.meet(NodeId(0), Peers::default());
    let mut rng = Rng::seeded(6);
    for _ in 0..200 {
        let id = NodeId(rng.below(NODES as usize) as u64);
        sim.call(NodeId(0), Call::Peer(if rng.chance(0.5) { Change::Up(id) } else { Change::Down(id) }));
        sim.run_for(Duration::from_secs(2), &mut |_, _, _| {});
        assert!(sim.node(NodeId(0)).samples_len() <= most, "{}", P::NAME);
    }
});

promise!(alone_or_without_a_view_nothing_is_sent, |P| {
    let mut sim = Sim::new(World::default(), 7);
    let config = config::<P>();
    (0..2).for_each(|id| sim.spawn(NodeId(id), P::start(&config, NodeId(id), Life::default()), Time::ZERO));
    sim.meet(NodeId(1), Peers::listed([NodeId(1)]));
    sim.run_for(Duration::from_secs(60), &mut |_, _, event| panic!("{}: {event:?}", P::NAME));
    assert_eq!(sim.total().bytes_sent(), 0, "{}", P::NAME);
});

promise!(no_message_that_can_be_read_makes_one_panic_or_grow, |P| {
    let (mut rng, mut node_rng, mut now) = (Rng::seeded(8), Rng::seeded(1), 0u64);
    let (me, mut peers) = (NodeId(0), Peers::default());
    let mut node = P::start(&config::<P>(), me, Life::default());
    let samples: Vec<P::Message> = P::samples().into_iter().map(|(_, message)| message).collect();
    let mut timers: Vec<P::Timer> = Vec::new();
    for step in 0..20_000u64 {
        let from = NodeId(rng.below(12) as u64);
        let input = match rng.below(12) {
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
            5 | 6 if !timers.is_empty() => Input::Timer(timers.remove(0)),
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
        assert!(timers.len() <= 1, "{}: {} timers", P::NAME, timers.len());
        assert!(node.samples_len() <= P::samples_max(&P::Config::default()), "{}", P::NAME);
    }
});
