//! The promises, as stories on the simulator.

use rumormill_core::identity::{Life, NodeId};
use rumormill_core::payload::Payload;
use rumormill_core::peers::Peers;
use rumormill_core::protocol::{Cx, Input, Protocol};
use rumormill_core::stack::{Layer, Stack};
use rumormill_core::time::{Duration, Time, Wall};
use rumormill_protocols::spread::events::{self, Config as EventsConfig, Events, Publish};
use rumormill_protocols::spread::queries::*;
use rumormill_sim::{Clock, Sim, World};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type Node = Stack<Queries, Events>;

const SECOND: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(5);

fn say(line: &str) {
    println!("{line}");
}

fn text(text: &str) -> Payload {
    Payload::from(text.as_bytes())
}

/// What a member's application does with a question.
#[derive(Clone, Copy)]
enum App {
    /// Answers with so many bytes after so long.
    Answers(usize, Duration),
    /// Is meant, and never answers.
    Hangs,
    /// Is not meant.
    Declines,
}

/// A cluster whose members answer, with all that came of it.
struct Story {
    sim: Sim<Node>,
    app: fn(u64) -> App,
    /// What applications will say, in no order.
    later: Vec<(Time, NodeId, QueryId, usize)>,
    told: BTreeMap<u64, Vec<(Time, Event)>>,
    tickets: u64,
}

impl Story {
    /// `n` members that know each other; all answer with eight bytes at once.
    fn of(n: u64, world: World, seed: u64, config: Config) -> Story {
        say(&format!("seed {seed}, {n} members"));
        let (config, events) = (Arc::new(config), Arc::new(EventsConfig::default()));
        let mut sim = Sim::new(world, seed);
        let life = Life { epoch: 1, session: 7 };
        for id in (0..n).map(NodeId) {
            let node = Stack::new(Queries::new(config.clone(), life), Events::new(events.clone(), life));
            sim.spawn(id, node, Time::ZERO);
            sim.meet(id, Peers::Everyone(n));
        }
        let app = |_| App::Answers(8, Duration::ZERO);
        let mut story = Story { sim, app, later: Vec::new(), told: BTreeMap::new(), tickets: 0 };
        story.run(5 * SECOND);
        story.told.clear();
        story
    }

    /// The applications act between steps.
    fn run(&mut self, time: Duration) {
        let end = self.sim.now() + time;
        while self.sim.now() < end {
            let mut heard = Vec::new();
            self.sim.run_for(STEP, &mut |at, by, event| {
                if let Layer::Upper(event) = event {
                    heard.push((at, by, event));
                }
            });
            for (at, by, event) in heard {
                match &event {
                    Event::Spread(spread) => self.spread(by, spread),
                    Event::Asked { id, .. } => self.ask_app(by, *id),
                    _ => {}
                }
                self.told.entry(by.0).or_default().push((at, event));
            }
            let now = self.sim.now();
            let (due, later) = self.later.iter().partition(|(at, ..)| *at <= now);
            self.later = later;
            for (_, by, id, bytes) in due {
                self.call(by, Call::Answer(id, body(by, bytes)));
            }
        }
    }

    fn spread(&mut self, by: NodeId, spread: &SpreadQuestion) {
        let SpreadQuestion { name, payload, .. } = spread.clone();
        let publish = Publish {
            ticket: 0,
            name,
            payload,
            unordered: true,
            coalesce: false,
            cover: events::Cover::Nobody,
            question: true,
        };
        self.sim.call(by, Layer::Lower(events::Call::Publish(publish)));
    }

    fn ask_app(&mut self, by: NodeId, id: QueryId) {
        match (self.app)(by.0) {
            App::Answers(bytes, after) => {
                self.call(by, Call::Accept(id));
                self.later.push((self.sim.now() + after, by, id, bytes));
            }
            App::Hangs => self.call(by, Call::Accept(id)),
            App::Declines => self.call(by, Call::Decline(id)),
        }
    }

    fn call(&mut self, by: NodeId, call: Call) {
        self.sim.call(by, Layer::Upper(call));
    }

    fn ask(&mut self, by: u64, expected: u32, timeout: Duration) -> u64 {
        self.tickets += 1;
        let (ticket, name, filter, body) = (self.tickets, text("load"), text(""), text("how?"));
        self.call(NodeId(by), Call::Ask(Ask { ticket, name, filter, body, timeout, expected }));
        ticket
    }

    fn told(&self, to: u64) -> impl Iterator<Item = &(Time, Event)> {
        self.told.get(&to).into_iter().flatten()
    }

    /// Who answered, each once and with what it had to say.
    fn answered(&self, to: u64) -> BTreeSet<NodeId> {
        let mut answered = BTreeSet::new();
        for (_, event) in self.told(to) {
            if let Event::Answered { from, body: said, .. } = event {
                assert_eq!(*said, body(*from, said.len()), "of {from}");
                assert!(answered.insert(*from), "{from} twice");
            }
        }
        answered
    }

    fn done(&self, to: u64) -> Vec<(Time, Summary)> {
        let done = |(at, event): &(Time, Event)| match event {
            Event::Done { summary, .. } => Some((*at, *summary)),
            _ => None,
        };
        self.told(to).filter_map(done).collect()
    }

    fn asked(&self, member: u64) -> usize {
        self.told(member).filter(|(_, event)| matches!(event, Event::Asked { .. })).count()
    }

    fn total(&self) -> Counters {
        let mut total = Counters::default();
        self.sim.ids().for_each(|id| total += self.sim.node(id).upper.counters());
        total
    }
}

/// What a member says: so many bytes that only it says.
fn body(by: NodeId, bytes: usize) -> Payload {
    let said: Vec<u8> =
        (0..bytes as u64).map(|at| rumormill_core::rng::mix((by.0 << 32) | (at / 8)) as u8).collect();
    Payload::from(&said[..])
}

fn all(acked: u32) -> Summary {
    Summary { expected: acked, acked, answered: acked, untaken: 0 }
}

#[test]
fn all_are_asked_and_every_answer_comes_once_though_a_fifth_is_lost() {
    for seed in [1, 2, 3] {
        let world = World { loss: 0.2, duplicate: 0.1, wire: true, ..World::default() };
        let mut story = Story::of(100, world, seed, Config::default());
        story.ask(7, 100, 20 * SECOND);
        story.run(25 * SECOND);
        assert_eq!(story.done(7).iter().map(|(_, summary)| *summary).collect::<Vec<_>>(), [all(100)]);
        assert_eq!(story.answered(7).len(), 100);
        assert!((0..100).all(|id| story.asked(id) == 1));
        let took = story.done(7)[0].0.since(Time::ZERO + 5 * SECOND);
        assert!(took < 15 * SECOND, "done as soon as all have answered, not at the end: {took:?}");
    }
}

/// At an asker of a link of 10 Mbit/s, five thousand at once would be dropped in its buffer.
#[test]
fn five_thousand_answers_do_not_bury_the_asker() {
    let n = 5_000;
    let config = Config::default();
    let rate = config.answers_per_s;
    let mut story = Story::of(n, World { loss: 0.01, ..World::default() }, 4, config);
    let counted = story.total();
    story.ask(0, n as u32, 20 * SECOND);
    story.run(25 * SECOND);
    assert_eq!(story.done(0).iter().map(|(_, summary)| *summary).collect::<Vec<_>>(), [all(n as u32)]);
    let mut slots: BTreeMap<u64, u32> = BTreeMap::new();
    for (at, event) in story.told(0) {
        if matches!(event, Event::Answered { .. }) {
            *slots.entry(at.0 / 100_000_000).or_default() += 1;
        }
    }
    let most = slots.values().max().copied().unwrap_or(0);
    let replies = story.total().replies_sent - counted.replies_sent;
    let took = story.done(0)[0].0.since(Time::ZERO + 5 * SECOND);
    say(&format!(
        "at most {most} answers in a tenth of a second, {replies} replies sent, all after {took:?}"
    ));
    assert!(most <= 2 * rate / 10, "{most}");
    assert!(replies < n * 11 / 10, "{replies}");
}

#[test]
fn large_answers_are_taken_a_few_at_a_time_and_come_whole() {
    for seed in [5, 6] {
        let world = World { loss: 0.1, wire: true, ..World::default() };
        let mut story = Story::of(60, world, seed, Config { takes_max: 3, ..Config::default() });
        story.app = |id| App::Answers(1_500 + 900 * id as usize, Duration::from_millis(200));
        story.ask(1, 60, 30 * SECOND);
        for _ in 0..600 {
            story.run(50 * Duration::from_millis(1));
            assert!(story.sim.node(NodeId(1)).upper.taking_len() <= 3);
        }
        assert_eq!(story.done(1).iter().map(|(_, summary)| *summary).collect::<Vec<_>>(), [all(60)]);
        assert_eq!(story.answered(1).len(), 60);
    }
}

#[test]
fn who_cannot_reach_the_asker_answers_through_others() {
    for (seed, bytes) in [(7, 8), (8, 20_000)] {
        let mut story = Story::of(20, World { wire: true, ..World::default() }, seed, Config::default());
        story.app = if bytes > 8 {
            |_| App::Answers(20_000, Duration::ZERO)
        } else {
            |_| App::Answers(8, Duration::ZERO)
        };
        story.sim.partition(|a, b| a.0.min(b.0) == 0 && a.0.max(b.0) >= 15);
        story.ask(0, 20, 30 * SECOND);
        story.run(31 * SECOND);
        assert_eq!(story.done(0)[0].1, all(20), "{bytes} bytes");
        assert_eq!(story.answered(0).len(), 20);
        assert!(story.total().relayed > 0);
    }
}

#[test]
fn the_sums_say_who_was_not_meant_and_who_did_not_answer() {
    let mut story = Story::of(30, World::default(), 9, Config::default());
    story.app = |id| match id {
        0..10 => App::Declines,
        10..13 => App::Hangs,
        _ => App::Answers(8, Duration::from_millis(700)),
    };
    story.ask(2, 20, 3 * SECOND);
    story.run(4 * SECOND);
    let (at, summary) = story.done(2)[0];
    assert_eq!(summary, Summary { expected: 20, acked: 20, answered: 17, untaken: 0 });
    assert_eq!(at, Time::ZERO + 8 * SECOND, "who hangs is waited for until the end");
    assert!(story.sim.ids().all(|id| story.sim.node(id).upper.open_len() == 0));
    story.run(10 * SECOND);
    assert!(story.sim.ids().all(|id| story.sim.node(id).upper.asked_len() == 0), "nothing is kept");
}

#[test]
fn a_query_that_means_nobody_known_and_has_no_time_is_over_at_once_and_is_not_spread() {
    let mut story = Story::of(5, World::default(), 12, Config::default());
    story.ask(2, 0, Duration::ZERO);
    story.run(STEP);
    let told: Vec<&Event> = story.told(2).map(|(_, event)| event).collect();
    assert!(
        matches!(told[..], [Event::Done { summary: Summary { acked: 0, answered: 0, .. }, .. }]),
        "{told:?}"
    );
    assert_eq!(story.total().asked, 0);
    // With time to wait it is spread, for members that the asker does not list.
    story.ask(2, 0, 2 * SECOND);
    story.run(3 * SECOND);
    assert_eq!(story.done(2)[1].1, Summary { expected: 0, acked: 5, answered: 5, untaken: 0 });
}

#[test]
fn who_hears_of_a_query_when_it_is_over_is_not_asked_and_a_wrong_clock_does_no_harm() {
    let mut story = Story::of(20, World::default(), 10, Config::default());
    story.sim.set_clock(NodeId(3), Clock { offset_ms: 86_400_000, ..Clock::default() });
    story.sim.partition(|a, b| (a.0 == 5) != (b.0 == 5));
    story.ask(0, 20, 5 * SECOND);
    story.run(20 * SECOND);
    assert_eq!(story.done(0)[0].1, Summary { expected: 20, acked: 19, answered: 19, untaken: 0 });
    assert_eq!((story.asked(3), story.asked(5)), (1, 0));
    story.sim.heal();
    story.run(60 * SECOND);
    assert_eq!(story.asked(5), 0);
    assert_eq!(story.sim.node(NodeId(5)).upper.counters().late, 1);
    story.ask(5, 20, 5 * SECOND);
    story.run(6 * SECOND);
    assert_eq!(story.done(5)[0].1, all(20));
}

#[test]
fn what_is_too_much_is_refused_and_counted() {
    let config = Config { asks_max: 2, answers_bytes_max: 100, relays_max: 3, ..Config::default() };
    let mut story = Story::of(4, World::default(), 11, config);
    story.app = |_| App::Answers(60, Duration::from_millis(100));
    (0..4).for_each(|_| {
        story.ask(1, 4, SECOND);
    });
    let name = text(&"x".repeat(256));
    story.call(
        NodeId(1),
        Call::Ask(Ask { ticket: 9, name, filter: text(""), body: text(""), timeout: SECOND, expected: 1 }),
    );
    story.run(3 * SECOND);
    let refused: Vec<Refusal> = story
        .told(1)
        .filter_map(|(_, event)| if let Event::Refused { why, .. } = event { Some(*why) } else { None })
        .collect();
    assert_eq!(refused, [Refusal::TooMany, Refusal::TooMany, Refusal::TooLarge]);
    assert_eq!(story.done(1).len(), 2);
    let counters = story.sim.node(NodeId(2)).upper.counters();
    assert_eq!((counters.answers, counters.shed_answers), (1, 1), "the second answer finds no room");
    let id = QueryId { asker: NodeId(3), epoch: 1, number: 1 };
    let mut node = Queries::new(Config { relays_max: 3, ..Config::default() }, Life::default());
    let mut sent = 0;
    let mut handle = |node: &mut Queries, input: Input<Queries>| {
        let mut rng = rumormill_core::rng::Rng::seeded(1);
        let mut out = |_| sent += 1;
        let (now, wall, peers) = (Time::ZERO + SECOND, Wall(0), &Peers::Everyone(4));
        let mut cx = Cx { now, wall, me: NodeId(0), peers, rng: &mut rng, room: 0, out: &mut out };
        node.handle(&mut cx, input);
    };
    let mut handle = |node: &mut Queries, from: u64, message: Message| {
        handle(node, Input::Message(NodeId(from), message));
    };
    for _ in 0..10 {
        let said = Box::new(PeerMessage::Take { id });
        handle(&mut node, 1, Message::Relay { to: NodeId(3), message: said });
    }
    for (to, bytes) in [(0, 1), (77, 1), (2, BODY_BYTES_MAX + 1)] {
        let reply = Reply::Answer(Payload::from(&vec![0; bytes][..]));
        handle(
            &mut node,
            1,
            Message::Relay { to: NodeId(to), message: Box::new(PeerMessage::Reply { id, reply }) },
        );
    }
    handle(&mut node, 1, Message::Direct(PeerMessage::Got { id, kind: Kind::Ack, open: true }));
    handle(&mut node, 1, Message::Direct(PeerMessage::Reply { id, reply: Reply::Ack }));
    let counters = node.counters();
    assert_eq!((counters.relayed, counters.shed_relays, counters.rejected), (3, 7, 4));
    assert_eq!(sent, 3);
}
