//! What holds for every spreader: they are asked and tell the same, so one test drives them all.

mod common;

use common::*;
use rumormill_core::identity::Life;
use rumormill_core::payload::Payload;
use rumormill_core::peers::Peers;
use rumormill_core::protocol::{Change, Cx, Input, Loss, Message, Output};
use rumormill_core::rng::Rng;
use rumormill_core::time::{Duration, Time, Wall};
use rumormill_core::{NodeId, wire};
use rumormill_protocols::spread::rumor::{self, Rumor};
use rumormill_protocols::spread::{self, Call, Event, Reach, Spreader, Update, UpdateId};
use rumormill_sim::World;
use std::collections::BTreeMap;
use std::sync::Arc;

const KNOWN_MAX: usize = 64;
const HOT_MAX: usize = 16;
const ME: NodeId = NodeId(0);

/// A promise of every spreader: its name, the shares that it reaches, and how to make one.
trait Promise {
    fn test<P: Spreader>(name: &str, reach: Reach, make: impl Fn(Life) -> P);
}

struct Each<T>(T);

impl<T: Promise> spread::Visit for Each<T> {
    type Out = ();
    fn visit<P: Spreader>(self) {
        let config = Arc::new(P::bounded(KNOWN_MAX, HOT_MAX));
        T::test(P::NAME, P::REACH, |life| P::start(&config, ME, life));
    }
}

/// Holds a promise against each spreader of the catalog, and rumor mongering in all directions.
fn for_each_spreader<T: Promise + Copy>(promise: T) {
    spread::each(|| Each(promise));
    let base = Rumor::bounded(KNOWN_MAX, HOT_MAX);
    let both = rumor::Config { direction: rumor::Direction::PushPull, ..base.clone() };
    let pull = rumor::Config { direction: rumor::Direction::Pull, ..base };
    let limited = rumor::Config { connection_limit: Some(1), hunt: 4, ..both.clone() };
    for (name, config) in [("rumor, pull", pull), ("rumor, push-pull", both), ("rumor, limited", limited)] {
        T::test(name, Rumor::REACH, |life| Rumor::new(config.clone(), life));
    }
}

/// Makes a promise a type, so that it can be held against all.
macro_rules! promise {
    ($(#[$doc:meta])* $test:ident, |$name:ident, $reach:ident, $make:ident| $body:block) => {
        $(#[$doc])*
        #[test]
        fn $test() {
            #[derive(Copy, Clone)]
            struct This;
            impl Promise for This {
                fn test<P: Spreader>($name: &str, $reach: Reach, $make: impl Fn(Life) -> P) $body
            }
            for_each_spreader(This);
        }
    };
}

/// Over three seeds, eight updates from eight publishers among 60 nodes: the share that was delivered, each at most once at each node.
fn share_delivered<P: Spreader>(name: &str, world: World, make: &impl Fn(Life) -> P) -> f64 {
    let (n, updates, seeds) = (60, 8, 3);
    let mut delivered = 0;
    for seed in 0..seeds {
        let mut sim = everyone(world.clone(), seed, n, || make(Life::default()));
        let mut heard: BTreeMap<(NodeId, UpdateId), u32> = BTreeMap::new();
        let mut hear = |_: Time, id, event| {
            if let Event::Delivered { update, from } = event {
                assert_eq!(update.payload[..], [update.id.origin.0 as u8; 20], "{name}: as it was published");
                assert!((from == id) == (update.id.origin == id), "{name}: its publisher has it from itself");
                *heard.entry((id, update.id)).or_default() += 1;
            }
        };
        for i in 0..updates {
            sim.call(NodeId(i * 7), Call::Publish(Payload::from(&[i as u8 * 7; 20][..])));
            sim.run_for(Duration::from_millis(70), &mut hear);
        }
        sim.run_for(Duration::from_secs(20), &mut hear);
        assert!(heard.values().all(|times| *times == 1), "{name}, seed {seed}: {heard:?}");
        assert!(sim.total().timers_max <= 1, "{name}: at most one timer in flight");
        delivered += heard.len();
    }
    delivered as f64 / (n * updates * seeds) as f64
}

promise!(each_update_is_delivered_once_although_messages_come_twice_and_in_any_order, |name, reach, make| {
    let share = share_delivered(name, World { wire: true, ..rough(0.0) }, &make);
    assert!(share >= reach.whole, "{name}: {share}");
});

promise!(with_a_tenth_of_all_messages_lost_each_reaches_its_share, |name, reach, make| {
    let reached = share_delivered(name, rough(0.1), &make);
    println!("{name}: {reached}");
    assert!(reached >= reach.lossy, "{name}: {reached}");
});

promise!(a_new_life_is_heard_although_it_begins_to_count_anew, |name, _reach, make| {
    let mut sim = everyone(World::default(), 1, 3, || make(Life::default()));
    sim.call(NodeId(0), Call::Publish(Payload::EMPTY));
    sim.run_for(Duration::from_secs(10), &mut |_, _, _| {});
    sim.crash(NodeId(0));
    sim.restart(NodeId(0), make(Life { epoch: 1, session: 5 }));
    sim.meet(NodeId(0), Peers::Everyone(3));
    sim.call(NodeId(0), Call::Publish(Payload::EMPTY));
    let mut delivered = 0;
    sim.run_for(Duration::from_secs(10), &mut |_, _, event| {
        if let Event::Delivered { update, .. } = event
            && update.id.seq > 1 << 32
        {
            delivered += 1;
        }
    });
    assert_eq!(delivered, 3, "{name}");
});

promise!(alone_or_without_a_view_nothing_is_sent, |name, _reach, make| {
    let mut sim = rumormill_sim::Sim::new(World::default(), 1);
    sim.spawn(NodeId(0), make(Life::default()), Time::ZERO);
    sim.call(NodeId(0), Call::Publish(Payload::EMPTY));
    sim.meet(NodeId(0), Peers::Everyone(1));
    sim.call(NodeId(0), Call::Publish(Payload::EMPTY));
    let mut delivered = 0;
    sim.run_for(Duration::from_secs(60), &mut |_, _, event| {
        delivered += u32::from(matches!(event, Event::Delivered { .. }));
    });
    assert_eq!((delivered, sim.total().bytes_sent()), (2, 0), "{name}");
});

promise!(a_thousand_updates_leave_no_more_behind_than_the_bounds_allow, |name, _reach, make| {
    let mut sim = everyone(World::default(), 1, 10, || make(Life::default()));
    for i in 0..1_000 {
        sim.call(NodeId(i % 10), Call::Publish(Payload::from(&[1; 50][..])));
        if i % 10 == 0 {
            sim.run_for(Duration::from_millis(20), &mut |_, _, _| {});
            for id in sim.ids() {
                let node = sim.node(id);
                assert!(node.known_len() <= KNOWN_MAX && node.hot_len() <= HOT_MAX, "{name}");
            }
        }
    }
    sim.run_for(Duration::from_secs(30), &mut |_, _, _| {});
    assert!(sim.ids().all(|id| sim.node(id).hot_len() == 0), "{name}: what is over is forgotten");
    let before = counters(&sim).updates_sent;
    sim.run_for(Duration::from_secs(30), &mut |_, _, _| {});
    assert_eq!(counters(&sim).updates_sent, before, "{name}: nothing goes round for ever");
});

promise!(/// Whatever can be decoded is handed in, with everything else that may happen, in any order.
no_message_that_can_be_read_makes_one_panic_or_grow, |name, _reach, make| {
    let mut rng = Rng::seeded(name.len() as u64);
    let (mut node, mut node_rng, mut now) = (make(Life::default()), Rng::seeded(1), 0);
    let mut said: Vec<P::Message> = Vec::new();
    let mut timers: Vec<P::Timer> = Vec::new();
    let (mut peers, mut taken) = (Peers::default(), 0);
    for step in 0..20_000u64 {
        let from = NodeId(rng.below(12) as u64);
        let input = match rng.below(20) {
            _ if step == 3 => Input::Start,
            0 => Input::Call(Call::Publish(Payload::from(&[1; 9][..]))),
            kind @ (1 | 2) => {
                let change = if kind == 1 { Change::Up(from) } else { Change::Down(from) };
                peers.change(change);
                Input::Peer(change)
            }
            3 if !said.is_empty() => Input::Shed(from, said[rng.below(said.len())].clone()),
            4 => Input::Lost(from, Loss::Reset),
            5 => Input::Spare(from, 1_000),
            6 if step % 50 == 0 => {
                peers = Peers::Everyone(rng.below(9) as u64);
                Input::Peer(Change::All)
            }
            7 if step % 50 == 0 => {
                peers = Peers::listed([NodeId(0), from, from]);
                Input::Peer(Change::All)
            }
            9..=11 if !timers.is_empty() => Input::Timer(timers.remove(0)),
            _ => match mutated(&said, &mut rng) {
                Some(message) => {
                    taken += 1;
                    Input::Message(from, message)
                }
                None => continue,
            },
        };
        now += if rng.chance(0.5) { 0 } else { rng.next() >> 36 };
        let mut outputs = 0;
        let mut out = |output| {
            outputs += 1;
            match output {
                Output::Send(_, _, message) if said.len() < 200 => said.push(message),
                Output::Timer(_, timer) => timers.push(timer),
                _ => {}
            }
        };
        let (now, wall, me, peers) = (Time(now), Wall(0), NodeId(0), &peers);
        node.handle(&mut Cx { now, wall, me, peers, rng: &mut node_rng, room: 9_999, out: &mut out }, input);
        assert!(outputs <= 140, "{name}: {outputs} outputs of one input");
        assert!(timers.len() <= 1, "{name}: {} timers", timers.len());
        assert!(node.known_len() <= KNOWN_MAX && node.hot_len() <= HOT_MAX, "{name}");
    }
    assert!(taken > 1_000, "{name}: only {taken} messages could be read");
});

/// Something that was said, with some bytes changed, as far as it can still be read; numbers at their ends more often than not.
fn mutated<M: Message>(said: &[M], rng: &mut Rng) -> Option<M> {
    let mut bytes = Vec::new();
    wire::put(rng.pick(said)?, &mut bytes);
    for _ in 0..rng.below(3) {
        let at = rng.below(bytes.len());
        match rng.below(4) {
            0 => bytes[at] = rng.next() as u8,
            1 => bytes[at] ^= 1 << rng.below(8),
            // In place of a small number the greatest of one, two, four or eight bytes.
            2 if bytes[at] < 24 => {
                let width = rng.below(4) as u32;
                let mut number = vec![0x18 + width as u8];
                number.extend(vec![0xff; 1 << width]);
                bytes.splice(at..at + 1, number);
            }
            _ => bytes.truncate(at.max(1)),
        }
    }
    wire::decode(&bytes).ok()
}

#[test]
fn an_update_with_a_payload_that_is_too_large_is_not_taken() {
    let update = |len: usize| Update {
        id: UpdateId { origin: NodeId(5), seq: 1 },
        payload: Payload::from(&vec![0; len][..]),
    };
    let mut node = Rumor::new(rumor::Config::default(), Life::default());
    let mut rng = Rng::seeded(1);
    for (len, delivered) in [(65_537, 0), (65_536, 1)] {
        let mut events = 0;
        let mut out = |output| events += i32::from(matches!(output, Output::Event(Event::Delivered { .. })));
        let message = rumor::Message::Update { update: update(len), hops: 1, misses: 0, contact: 1 };
        let (now, wall, me, peers) = (Time(1), Wall(0), NodeId(0), &Peers::default());
        let mut cx = Cx { now, wall, me, peers, rng: &mut rng, room: 9_999, out: &mut out };
        rumormill_core::Protocol::handle(&mut node, &mut cx, Input::Message(NodeId(5), message));
        assert_eq!(events, delivered);
    }
}
