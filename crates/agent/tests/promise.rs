//! What is published at a member after it lists another is delivered at that other: the agent's composite on the simulator.

mod composite;

use rumormill_agent::node::{Call, Event, Node};
use rumormill_core::identity::{NodeId, Unsigned};
use rumormill_core::payload::Payload;
use rumormill_core::rng::Rng;
use rumormill_core::time::{Duration, Time};
use rumormill_protocols::member::swim;
use rumormill_protocols::spread::events::{self, Cover, Publish};
use rumormill_protocols::spread::queries::{self, Ask};
use rumormill_sim::ids::{Group, Ids};
use rumormill_sim::latency::{Latency, Matrix};
use rumormill_sim::{Sim, World};
use std::collections::{BTreeMap, BTreeSet};

const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// An event, and whom its publisher listed just before.
struct Sent {
    by: u64,
    listed: BTreeSet<u64>,
    /// Members that had not confirmed it at the end of its time, if all were asked.
    missing: Option<BTreeSet<u64>>,
}

/// Members that find each other, and publish when they do.
struct Story {
    sim: Sim<Node<Unsigned>>,
    rng: Rng,
    cover: Cover,
    seeds: BTreeMap<u64, Vec<u64>>,
    listed: BTreeMap<u64, BTreeSet<u64>>,
    due: Vec<(Time, u64)>,
    /// The story's end has begun: nothing is published any more, so that earlier events can arrive.
    calm: bool,
    sent: Vec<Sent>,
    /// (who, which event)
    told: BTreeSet<(u64, u64)>,
    twice: usize,
    log: Vec<(Time, u64, Event)>,
}

impl Story {
    fn new(world: World, seed: u64, cover: Cover) -> Story {
        println!("seed {seed}");
        Story {
            sim: Sim::new(world, seed),
            rng: Rng::seeded(seed),
            cover,
            seeds: BTreeMap::new(),
            listed: BTreeMap::new(),
            due: Vec::new(),
            calm: false,
            sent: Vec::new(),
            told: BTreeSet::new(),
            twice: 0,
            log: Vec::new(),
        }
    }

    fn spawn(&mut self, id: u64, seeds: &[u64]) {
        self.sim.spawn(NodeId(id), composite::node(id, |_| None), self.sim.now());
        self.seeds.insert(id, seeds.to_vec());
        seeds.iter().for_each(|seed| self.join(id, *seed));
    }

    fn join(&mut self, id: u64, seed: u64) {
        self.sim.call(NodeId(id), Call::Swim(swim::Call::Join(NodeId(seed))));
    }

    fn publish(&mut self, by: u64) -> u64 {
        let ticket = self.sent.len() as u64;
        let listed = self.listed.get(&by).cloned().unwrap_or_default();
        self.sent.push(Sent { by, listed, missing: None });
        let (name, payload) = (Payload::from(&b"w"[..]), Payload::from(&ticket.to_be_bytes()[..]));
        let unordered = ticket.is_multiple_of(3);
        let cover = self.cover;
        let publish = Publish { ticket, name, payload, unordered, coalesce: false, cover, question: false };
        self.sim.call(NodeId(by), Call::Events(events::Call::Publish(publish)));
        ticket
    }

    /// Runs in slices: what is listed in one is published about from the next on, at random delays of up to a second.
    fn run(&mut self, time: Duration, slice: Duration) {
        let end = self.sim.now() + time;
        while self.sim.now() < end {
            let mut heard = Vec::new();
            self.sim.run_for(slice, &mut |at, by, event| heard.push((at, by.0, event)));
            heard.into_iter().for_each(|(at, by, event)| self.hear(at, by, event));
            let now = self.sim.now();
            let due = |(at, _): &(Time, u64)| *at <= now;
            let (publish_now, later) = std::mem::take(&mut self.due).into_iter().partition(due);
            self.due = later;
            let publish_now: Vec<(Time, u64)> = publish_now;
            publish_now.into_iter().for_each(|(_, by)| _ = self.publish(by));
        }
    }

    /// Publishes nothing more, and lets what was published come.
    fn calm(&mut self, time: Duration) {
        self.calm = true;
        self.due.clear();
        self.run(time, SECOND / 10);
    }

    fn hear(&mut self, at: Time, by: u64, event: Event) {
        match &event {
            Event::Swim(swim::Event::Up(id)) => {
                self.listed.entry(by).or_default().insert(id.0);
                let delay = if self.rng.chance(0.3) { Duration::ZERO } else { self.rng.within(SECOND) };
                if !self.calm {
                    self.due.push((at + delay, by));
                }
            }
            Event::Swim(swim::Event::Failed(id) | swim::Event::Left(id)) => {
                self.listed.entry(by).or_default().remove(&id.0);
            }
            Event::Events(events::Event::Delivered(item)) => {
                let ticket = u64::from_be_bytes(item.payload[..].try_into().unwrap());
                self.twice += usize::from(!self.told.insert((by, ticket)));
            }
            Event::Events(events::Event::Covered { ticket, missing, .. }) => {
                self.sent[*ticket as usize].missing = Some(missing.iter().map(|id| id.0).collect());
            }
            _ => {}
        }
        self.log.push((at, by, event));
    }

    /// Members that are alone try their seeds again, as the agent does.
    fn retry(&mut self) {
        for (id, seeds) in self.seeds.clone() {
            if self.sim.node(NodeId(id)).swim.live_len() == 1 {
                seeds.iter().for_each(|seed| self.join(id, *seed));
            }
        }
    }

    /// What was promised and not kept: (event, whom it was not delivered at); and how many deliveries were promised.
    fn broken(&self) -> (Vec<(u64, u64)>, usize) {
        let promised = self
            .sent
            .iter()
            .enumerate()
            .flat_map(|(t, sent)| sent.listed.iter().map(move |to| (t as u64, *to)));
        let promised: Vec<(u64, u64)> = promised.collect();
        let count = promised.len();
        (promised.into_iter().filter(|(ticket, to)| !self.told.contains(&(*to, *ticket))).collect(), count)
    }

    /// Promises are kept, but where a member fails a publisher that is very late: it then waits for what it misses of it as long as for one that is gone
    /// (`gap_wait`), and tells a gap. One run of 240 is such a one. Returns whether this run is.
    fn assert_kept_or_told(&self, may_be_failed: bool) -> bool {
        let (broken, _) = self.broken();
        let failed_and_told = |ticket: u64, to: u64| {
            let origin = NodeId(self.sent[ticket as usize].by);
            let mut of_it = self.log.iter().filter(|(_, by, _)| *by == to).map(|(_, _, event)| event);
            let failed =
                of_it.any(|event| matches!(event, Event::Swim(swim::Event::Failed(id)) if *id == origin));
            failed
                && of_it.any(|event| {
                    matches!(event, Event::Events(events::Event::Gap { source, .. }) if source.origin == origin)
                })
        };
        if broken.is_empty()
            || !may_be_failed
            || !broken.iter().all(|(ticket, to)| failed_and_told(*ticket, *to))
        {
            self.assert_kept();
        }
        assert_eq!(self.twice, 0);
        !broken.is_empty()
    }

    fn assert_kept(&self) {
        let (broken, promised) = self.broken();
        let said: Vec<(u64, u64)> = broken.iter().map(|(t, to)| (self.sent[*t as usize].by, *to)).collect();
        assert!(broken.is_empty(), "of {promised} these (publisher, member) were not kept: {said:?}");
        assert!(promised > 0 && self.twice == 0);
    }
}

fn far() -> World {
    let latency = Latency::Uniform(Duration::from_micros(200), Duration::from_millis(40));
    World { latency, loss: 0.02, duplicate: 0.05, ..World::default() }
}

/// All that the first members say arrives so much later than what others say.
fn slow_seeds(slow: u64, answer_ms: f64) -> World {
    let region = |name: &str, ids| Group { name: name.into(), weight: 1.0, ids: Some(Ids::range(ids)) };
    let regions = vec![region("seed", 0..slow), region("others", slow..1_000)];
    let median_ms = vec![vec![answer_ms, answer_ms], vec![1.0, 1.0]];
    let latency = Latency::Matrix(Matrix { regions, median_ms, jitter: 0.1 }.into());
    World { latency, ..World::default() }
}

/// How members find each other.
fn start(story: &mut Story, shape: u64, n: u64) {
    match shape {
        // One after the other, by the first.
        0 => {
            story.spawn(0, &[]);
            for id in 1..n {
                let pause = story.rng.within(SECOND);
                story.run(pause, MILLI);
                story.spawn(id, &[0]);
            }
        }
        // All at once, by the first.
        1 => (0..n).for_each(|id| story.spawn(id, if id == 0 { &[] } else { &[0] })),
        // All at once, each by all.
        2 => {
            let all: Vec<u64> = (0..n).collect();
            for id in 0..n {
                let others: Vec<u64> = all.iter().copied().filter(|other| *other != id).collect();
                story.spawn(id, &others);
            }
        }
        // A chain, the last ones first.
        3 => {
            for id in (0..n).rev() {
                story.spawn(id, &[]);
                story.run(SECOND / 4, MILLI);
            }
            (1..n).for_each(|id| story.join(id, id - 1));
        }
        // Two clusters, which a member of the one joins to the other.
        _ => {
            (0..n).for_each(|id| {
                story.spawn(id, if id % 2 == id { &[] } else { [&[0][..], &[1]][id as usize % 2] })
            });
            story.run(2 * SECOND, MILLI);
            story.join(n - 1, n - 2);
        }
    }
}

#[test]
fn without_cuts_every_event_is_delivered_at_every_member_that_its_publisher_listed() {
    for seed in 1..=60 {
        let mut story = Story::new(far(), seed, Cover::Nobody);
        let n = 2 + story.rng.below(7) as u64;
        start(&mut story, seed % 5, n);
        story.run(3 * SECOND, MILLI);
        story.run(25 * SECOND, SECOND / 4);
        assert!((0..n).all(|id| story.sim.node(NodeId(id)).swim.live_len() as u64 == n), "seed {seed}");
        story.assert_kept();
    }
}

#[test]
fn with_cuts_nearly_every_event_is_delivered_and_its_publisher_is_told_of_the_rest() {
    let (mut broken, mut promised) = (0, 0);
    for seed in 1..=30 {
        let mut story = Story::new(far(), seed, Cover::All(10 * SECOND));
        let n = 3 + story.rng.below(6) as u64;
        start(&mut story, seed % 3, n);
        story.run(SECOND, MILLI);
        for _ in 0..2 {
            let side = 1 + story.rng.below(n as usize - 1) as u64;
            story.sim.partition(move |a, b| (a.0 < side) != (b.0 < side));
            for _ in 0..8 {
                let (pause, by) = (story.rng.within(3 * SECOND), story.rng.below(n as usize) as u64);
                story.run(pause, SECOND / 100);
                story.publish(by);
            }
            story.sim.heal();
            let calm = story.rng.within(10 * SECOND);
            story.run(calm, SECOND / 100);
            story.retry();
        }
        story.run(120 * SECOND, SECOND / 2);
        let (lost, count) = story.broken();
        for (ticket, to) in &lost {
            let missing = story.sent[*ticket as usize].missing.as_ref();
            assert!(missing.is_some_and(|missing| missing.contains(to)), "seed {seed}: {to} is not named");
        }
        for (ticket, sent) in story.sent.iter().enumerate() {
            let missing = sent.missing.as_ref().unwrap_or_else(|| panic!("seed {seed}: no word of {ticket}"));
            let confirmed = sent.listed.difference(missing);
            confirmed
                .for_each(|to| assert!(story.told.contains(&(*to, ticket as u64)), "seed {seed}: {to} lied"));
        }
        assert_eq!(story.twice, 0, "seed {seed}");
        (broken, promised) = (broken + lost.len(), promised + count);
    }
    println!("{broken} of {promised} deliveries were not made");
    assert!(broken * 100 <= promised, "{broken} of {promised}");
}

#[test]
fn a_lone_agent_that_meets_an_older_cluster_is_not_delivered_the_old_events_however_they_meet() {
    for seed in 1..=20 {
        for shape in 0..4 {
            let mut story = Story::new(far(), seed, Cover::Nobody);
            (0..3).for_each(|id| story.spawn(id, if id == 0 { &[] } else { &[0] }));
            story.spawn(9, &[]);
            story.publish(9);
            story.run(5 * SECOND, SECOND / 100);
            let old: Vec<u64> = (0..8).map(|at| story.publish(at % 3)).collect();
            story.run(10 * SECOND, SECOND / 10);
            match shape {
                0 => story.join(9, 1),
                1 => story.join(1, 9),
                // At once with others that know nothing either.
                2 => {
                    (10..13).for_each(|id| story.spawn(id, &[9, 10, 11, 12, 1]));
                    (10..13).chain([1]).for_each(|seed| story.join(9, seed));
                }
                // By a seed that is up only later.
                _ => {
                    story.join(9, 1_000);
                    story.run(SECOND, SECOND / 100);
                    story.join(9, 2);
                }
            }
            story.run(20 * SECOND, SECOND / 100);
            assert!(story.listed[&9].len() >= 3, "seed {seed}, shape {shape}: {:?}", story.listed);
            for id in story.seeds.keys().filter(|id| **id >= 9) {
                let told: Vec<u64> =
                    old.iter().copied().filter(|old| story.told.contains(&(*id, *old))).collect();
                assert!(told.is_empty(), "seed {seed}, shape {shape}: {id} was delivered {told:?}");
            }
            assert!(story.told.contains(&(0, 0)), "the cluster is delivered what the lone agent retains");
            story.assert_kept();
        }
    }
}

#[test]
fn joiners_take_the_snapshot_of_an_older_seed_whose_answer_is_late() {
    for seed in 1..=10 {
        for shape in 0..4 {
            // All within `join_patience`, which counts from the first answer of another joiner.
            let answer_ms = 300.0 + 45.0 * seed as f64;
            let mut story = Story::new(slow_seeds(1, answer_ms), seed, Cover::Nobody);
            story.spawn(0, &[]);
            story.run(SECOND, SECOND / 10);
            let old: Vec<u64> = (0..40).map(|_| story.publish(0)).collect();
            story.run(10 * SECOND, SECOND / 10);
            match shape {
                0 => story.spawn(1, &[0]),
                // Each by all.
                1 => (1..4).for_each(|id| story.spawn(id, &[0, 1, 2, 3])),
                // A chain, of which only the first knows the old one.
                2 => (1..4).for_each(|id| story.spawn(id, &[id - 1])),
                // They know each other well before the address of the old one is resolved.
                _ => {
                    (1..4).for_each(|id| story.spawn(id, &[]));
                    let resolving = |more| Call::Events(events::Call::Resolving(more));
                    story.sim.call(NodeId(1), resolving(true));
                    (1..4).for_each(|id| (1..4).for_each(|other| story.join(id, other)));
                    story.run(SECOND / 10, SECOND / 100);
                    story.join(1, 0);
                    story.sim.call(NodeId(1), resolving(false));
                }
            }
            story.run(20 * SECOND, SECOND / 100);
            for id in story.seeds.keys().filter(|id| **id > 0) {
                let told = old.iter().filter(|old| story.told.contains(&(*id, **old))).count();
                assert_eq!(
                    told, 0,
                    "seed {seed}, shape {shape}, {answer_ms} ms: {id} was delivered old events"
                );
            }
            story.assert_kept();
        }
    }
}

#[test]
fn where_all_are_fresh_nobody_waits_longer_than_the_grace_and_with_slow_seeds_at_most_twice_the_patience() {
    let config = events::Config::default();
    // Members whose words come late, by how many milliseconds, and after which time they start.
    let shapes = [
        (0, 1.0, Duration::ZERO),
        (1, 900.0, Duration::ZERO),
        (1, 2_000.0, Duration::ZERO),
        (1, 3_000.0, Duration::ZERO),
        (2, 2_000.0, Duration::ZERO),
        (1, 2_000.0, SECOND / 2),
        (1, 2_000.0, 5 * SECOND),
    ];
    for (slow, late_ms, starts) in shapes {
        for seed in 1..=6 {
            let world = if slow > 0 { slow_seeds(slow, late_ms) } else { World::default() };
            let mut story = Story::new(world, seed, Cover::Nobody);
            let seeds = |of: u64| (0..8).filter(|id| *id != of).collect::<Vec<u64>>();
            (slow..8).for_each(|id| story.spawn(id, &seeds(id)));
            story.run(starts, MILLI);
            (0..slow).for_each(|id| story.spawn(id, &seeds(id)));
            story.run(6 * SECOND, MILLI);
            story.run(14 * SECOND, SECOND / 100);
            let shape = format!("seed {seed}, {slow} late by {late_ms} ms, started after {starts:?}");
            let joined = |(at, by, event): &(Time, u64, Event)| {
                matches!(event, Event::Events(events::Event::Joined)).then_some((*by, *at))
            };
            let joined: BTreeMap<u64, Time> = story.log.iter().filter_map(joined).collect();
            assert_eq!(joined.len(), 8, "{shape}");
            let last = joined.range(slow..).map(|(_, at)| at.since(Time::ZERO)).max();
            println!("{shape}: the others knew what was before them after {last:?}");
            // A member waits for its own silent seed, and then for a peer that still waits for the same one.
            let most = if slow > 0 { config.join_patience * 2 } else { config.join_grace };
            assert!(last <= Some(most + config.join_grace / 2), "{shape}: {last:?}");
            story.calm(40 * SECOND);
            story.assert_kept();
        }
    }
}

#[test]
fn what_a_slow_member_published_while_it_was_cut_off_is_delivered_and_is_no_gap() {
    let mut gaps = 0;
    for late_ms in [500.0, 1_000.0, 2_000.0, 3_000.0] {
        for seed in 1..=10 {
            let mut story = Story::new(slow_seeds(1, late_ms), seed, Cover::Nobody);
            start(&mut story, 2, 5);
            story.run(20 * SECOND, SECOND / 100);
            // Events while nobody hears it; the next one is heard first, and shows that they are missing.
            story.sim.partition(|a, b| a.0 == 0 || b.0 == 0);
            (0..3).for_each(|_| _ = story.publish(0));
            story.run(5 * SECOND, SECOND / 10);
            story.sim.heal();
            story.run(SECOND / 10, SECOND / 100);
            story.publish(0);
            story.calm(60 * SECOND);
            println!("seed {seed}, late by {late_ms} ms");
            gaps += usize::from(story.assert_kept_or_told(late_ms >= 3_000.0));
        }
    }
    assert!(gaps <= 1, "{gaps} of 40 runs have a gap");
}

#[test]
fn a_query_right_after_the_join_is_acknowledged_by_all_that_the_asker_lists() {
    for seed in 1..=20 {
        let mut story = Story::new(far(), seed, Cover::Nobody);
        let n = 2 + seed % 7;
        start(&mut story, seed % 3, n);
        let asker = n - 1;
        let mut guard = 0;
        while story.listed.get(&asker).map_or(0, BTreeSet::len) + 1 < n as usize {
            story.run(MILLI, MILLI);
            guard += 1;
            assert!(guard < 10_000, "seed {seed}: they do not find each other");
        }
        let (name, filter, body) = (Payload::from(&b"up"[..]), Payload::EMPTY, Payload::EMPTY);
        let ask = Ask { ticket: 7, name, filter, body, timeout: 10 * SECOND, expected: n as u32 };
        story.sim.call(NodeId(asker), Call::Queries(queries::Call::Ask(ask)));
        story.run(15 * SECOND, SECOND / 10);
        let done = story.log.iter().find_map(|(_, _, event)| match event {
            Event::Queries(queries::Event::Done { ticket: 7, summary }) => Some(*summary),
            _ => None,
        });
        assert_eq!(done.map(|summary| u64::from(summary.acked)), Some(n), "seed {seed}");
    }
}
