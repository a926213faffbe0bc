//! SWIM's promises, as stories on the simulator.

use super::record::{Accusation, Charge, TagMap};
use super::*;
use crate::kit::retransmit_queue::Keyed;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rumormill_core::identity::Life;
use rumormill_core::payload::Payload;
use rumormill_core::peers::Peers;
use rumormill_core::protocol::{Output, Via};
use rumormill_core::record::Record;
use rumormill_core::record::checksum;
use rumormill_core::rng::{Rng, mix};
use rumormill_core::time::{Duration, Wall};
use rumormill_sim::{Latency, Sim, World};

mod floods;
mod ghosts;
mod tombstones;
mod verdicts;

type Node = Swim<Summed>;

/// Nobody lies, and a bit that was turned on the way shows, as it does in a real signature.
#[derive(Copy, Clone)]
struct Summed;

impl Keys for Summed {
    fn public(&self) -> &[u8] {
        &[]
    }
    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        checksum(bytes).to_le_bytes().to_vec()
    }
    fn check(&self, _: NodeId, key: &[u8], bytes: &[u8], proof: &[u8]) -> bool {
        key.is_empty() && proof == self.sign(bytes)
    }
}
const SECOND: Duration = Duration::from_secs(1);

fn me(i: u64, epoch: u64) -> Me {
    let life = Life { epoch, session: mix(i ^ mix(epoch)) };
    let (contact, tags) = (Payload::from(&i.to_be_bytes()[..]), Payload::EMPTY);
    Me { id: NodeId(i), life, name: format!("node-{i}"), contact, tags, copied_from: None }
}

fn node(i: u64, epoch: u64) -> Node {
    Swim::new(Config::lan(), me(i, epoch), Summed)
}

/// A cluster with all that its members told.
struct Story {
    sim: Sim<Node>,
    told: Vec<(Time, NodeId, Event)>,
}

impl Story {
    /// `n` members that joined the first and agree.
    fn of(n: u64, world: World) -> Story {
        let seed = 42;
        std_print(&format!("seed {seed}, {n} members"));
        let mut story = Story { sim: Sim::new(world, seed), told: Vec::new() };
        (0..n).for_each(|i| story.sim.spawn(NodeId(i), node(i, 1), Time::ZERO));
        story.run(SECOND);
        (1..n).for_each(|i| story.sim.call(NodeId(i), Call::Join(NodeId(0))));
        assert!(story.agree(30), "no cluster after 30 s");
        story.run(10 * SECOND); // until the news has run dry
        story.told.clear();
        story
    }

    fn run(&mut self, time: Duration) {
        let told = &mut self.told;
        self.sim.run_for(time, &mut |at, by, event| told.push((at, by, event)));
    }

    /// Whether all that live agree on who lives, within so many seconds.
    fn agree(&mut self, seconds: u32) -> bool {
        (0..seconds * 10).any(|_| {
            self.run(SECOND / 10);
            let live: Vec<NodeId> = self.sim.live_ids().collect();
            let roots: Vec<u64> = live.iter().map(|id| self.sim.node(*id).root()).collect();
            live.iter().all(|id| self.sim.node(*id).live_len() == live.len())
                && roots.windows(2).all(|w| w[0] == w[1])
        })
    }

    fn status(&self, by: u64, of: u64) -> Option<Status> {
        self.sim.node(NodeId(by)).member(NodeId(of)).map(|member| member.status)
    }

    fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.told.iter().filter(|(.., event)| wanted(event)).count()
    }

    fn count_by(&self, member: u64, wanted: impl Fn(&Event) -> bool) -> usize {
        self.told.iter().filter(|(_, by, event)| by.0 == member && wanted(event)).count()
    }
}

fn std_print(line: &str) {
    extern crate std;
    std::println!("{line}");
}

#[test]
fn a_crashed_member_is_known_dead_by_all_and_why_says_who_said_so_and_on_what_evidence() {
    let mut story = Story::of(10, World::default());
    story.sim.crash(NodeId(7));
    assert!(story.agree(30));
    assert!((0..10).filter(|i| *i != 7).all(|i| story.status(i, 7) == Some(Status::Failed)));
    let why: Vec<&Verdict> = story.sim.node(NodeId(3)).why(NodeId(7)).collect();
    let suspect =
        why.iter().find(|v| v.what == VerdictKind::Charged(Charge::Suspect)).expect("it was suspected first");
    let dead = why
        .iter()
        .find(|v| v.what == VerdictKind::Charged(Charge::Failed))
        .expect("then it is marked as failed");
    assert!(suspect.heard <= dead.heard && suspect.by != NodeId(7));
    let evidence = suspect.evidence.expect("an accusation has evidence");
    assert_eq!(
        (evidence.helpers, evidence.nacks),
        (3, 3),
        "the helpers answered that they got no answer either"
    );
    assert!(dead.evidence.expect("as above").confirmations >= 3);
    assert_eq!(story.count(|e| matches!(e, Event::Failed(id) if *id != NodeId(7))), 0);
}

#[test]
fn a_restart_is_the_same_member_with_a_higher_epoch_known_before_anybody_missed_it() {
    let mut story = Story::of(10, World::default());
    story.sim.restart(NodeId(4), node(4, 2));
    story.sim.call(NodeId(4), Call::Join(NodeId(9)));
    assert!(story.agree(5));
    let epochs: Vec<u64> =
        (0..10).map(|i| story.sim.node(NodeId(i)).member(NodeId(4)).unwrap().card.life.epoch).collect();
    assert_eq!(epochs, [2; 10]);
    assert_eq!(story.count(|e| matches!(e, Event::Failed(_))), 0);
}

#[test]
fn nobody_is_accused_of_what_an_earlier_life_missed() {
    for tenths in 1..20 {
        let mut story = Story::of(10, World::default());
        story.sim.crash(NodeId(4));
        story.run(SECOND / 10 * tenths); // probes of the old life are under way
        story.sim.restart(NodeId(4), node(4, 2));
        story.sim.call(NodeId(4), Call::Join(NodeId(9)));
        story.run(10 * SECOND);
        let refuted = story.sim.node(NodeId(4)).counters().refutations;
        assert_eq!(refuted, 0, "back after {tenths} tenths of a second, it had to refute");
    }
}

#[test]
fn leaving_is_not_failing_and_the_departed_can_be_forgotten_everywhere_but_not_the_living() {
    let mut story = Story::of(10, World::default());
    story.sim.call(NodeId(5), Call::Leave);
    story.run(2 * SECOND);
    assert_eq!(story.count(|e| *e == Event::LeftCluster), 1);
    story.sim.crash(NodeId(5));
    story.run(20 * SECOND);
    assert!((0..10).filter(|i| *i != 5).all(|i| story.status(i, 5) == Some(Status::Left)));
    assert_eq!(story.count(|e| matches!(e, Event::Failed(_) | Event::Suspected(_))), 0);
    story.sim.call(NodeId(0), Call::Forget(NodeId(5)));
    story.sim.call(NodeId(0), Call::Forget(NodeId(6)));
    story.run(5 * SECOND);
    assert!((0..10).filter(|i| *i != 5).all(|i| story.status(i, 5).is_none()));
    assert!((0..10).filter(|i| *i != 5).all(|i| story.status(i, 6) == Some(Status::Alive)));
}

#[test]
fn who_is_kept_out_is_dead_whatever_it_says_and_alive_again_when_it_is_let_in() {
    let mut story = Story::of(12, World::default());
    let others = || (0..12).filter(|i| *i != 4);
    others().for_each(|i| story.sim.call(NodeId(i), Call::Ban(NodeId(4), true)));
    story.run(2 * SECOND);
    story.told.clear();
    for _ in 0..6 {
        story.sim.call(NodeId(4), Call::Join(NodeId(7)));
        story.run(10 * SECOND);
        assert!(others().all(|i| story.status(i, 4) == Some(Status::Failed)));
    }
    assert_eq!(story.count(|event| *event == Event::Up(NodeId(4))), 0);
    assert!(others().any(|i| story.sim.node(NodeId(i)).counters().news_shunned > 0));
    others().for_each(|i| story.sim.call(NodeId(i), Call::Ban(NodeId(4), false)));
    assert!(story.agree(60), "it came back");
}

#[test]
fn two_halves_become_one_again_without_anyone_acting() {
    let mut story = Story::of(20, World::default());
    story.sim.partition(|a, b| (a.0 < 10) != (b.0 < 10));
    story.run(60 * SECOND);
    assert_eq!(story.sim.node(NodeId(0)).live_len(), 10);
    assert_eq!(story.sim.node(NodeId(19)).live_len(), 10);
    story.sim.heal();
    story.told.clear();
    assert!(story.agree(30));
    assert_eq!(story.count(|e| matches!(e, Event::Failed(_))), 0, "nobody dies of the healing");
}

#[test]
fn a_member_cut_off_alone_comes_back_even_after_an_hour() {
    let mut story = Story::of(8, World::default());
    story.sim.partition(|a, b| (a.0 == 3) != (b.0 == 3));
    story.run(3600 * SECOND);
    assert_eq!(story.sim.node(NodeId(3)).live_len(), 1);
    let tries: u64 = (0..8).map(|i| story.sim.node(NodeId(i)).counters().departed_tries).sum();
    // The one that is alone: seven eighths cubed in each of its periods of nine seconds. The others: one per interval together, and by the burst of one
    // in eight next to nothing.
    let alone = 0.875 * 0.875 * 0.875 * 3_600.0 / 9.0;
    let others = 8.0 + 8.0 * libm::log(480.0 / 8.0) + (3_600.0 - 480.0) / 60.0 + 7.0 * 3_600.0 / 512.0;
    std_print(&format!("{tries} tries in an hour, {:.0} expected", alone + others));
    assert!((tries as f64) < 1.2 * (alone + others), "{tries} tries in an hour");
    story.sim.heal();
    assert!(story.agree(60));
}

#[test]
fn where_datagrams_are_blocked_the_stream_keeps_a_member_alive() {
    let mut story = Story::of(6, World::default());
    story.sim.partition_datagrams(|a, b| (a.0 == 2) != (b.0 == 2));
    story.run(120 * SECOND);
    assert_eq!(story.count(|e| matches!(e, Event::Failed(_))), 0);
    assert!((0..6).all(|i| story.sim.node(NodeId(i)).live_len() == 6));
    assert!(story.sim.node(NodeId(0)).member(NodeId(2)).unwrap().stream_only);
    story.sim.heal();
    story.run(30 * SECOND);
    assert!(!story.sim.node(NodeId(0)).member(NodeId(2)).unwrap().stream_only);
}

#[test]
fn equal_peers_exchange_nothing_and_say_two_datagrams_a_period() {
    let mut story = Story::of(30, World::default());
    // Where nothing has left for longer than a round trip, no ack is on its way; and so it is a whole number of periods later.
    let mut before = story.sim.total();
    let mut quiet = 0;
    while quiet < 2 {
        story.run(SECOND / 100);
        let now = story.sim.total();
        quiet = if now.datagrams_sent == before.datagrams_sent { quiet + 1 } else { 0 };
        before = now;
    }
    story.run(60 * SECOND);
    let after = story.sim.total();
    assert_eq!(after.stream_messages_sent, before.stream_messages_sent);
    assert_eq!(after.datagrams_sent - before.datagrams_sent, 2 * 30 * 60);
}

/// Where clocks are right, one other probes me in each turn, so never are two periods without; where they are off by minutes, every other still does
/// in each round of its own.
#[test]
fn each_is_probed_in_each_turn_and_by_all_in_a_round_whatever_the_clocks_say() {
    let (n, rounds) = (12, 10);
    for clock_offset_max in [Duration::ZERO, 60 * SECOND] {
        let mut story = Story::of(n, World { clock_offset_max, ..World::default() });
        let received = |story: &Story| story.sim.counters(NodeId(5)).datagrams_received;
        let mut last = received(&story);
        let mut counts = Vec::new();
        for _ in 0..rounds * (n - 1) {
            story.run(SECOND);
            let now = received(&story);
            counts.push(now - last - 1); // one ack to its own probe, the rest are pings
            last = now;
        }
        std_print(&format!("{counts:?}"));
        let pings: u64 = counts.iter().sum();
        if clock_offset_max == Duration::ZERO {
            assert!(counts.windows(2).all(|pings| pings[0] + pings[1] > 0));
            assert!(pings.abs_diff(rounds * (n - 1)) <= 1, "{pings}");
        }
        // Each of the others is in the middle of a round when this begins, and when it ends.
        assert!(pings.abs_diff(rounds * (n - 1)) < n, "{pings}");
    }
}

#[test]
fn who_missed_the_news_is_told_by_an_exchange_of_what_differs() {
    let mut story = Story::of(40, World::default());
    // Cut off from everybody while a member joins and its news runs dry; too short to be declared dead.
    story.sim.spawn(NodeId(99), node(99, 1), story.sim.now());
    story.sim.partition_datagrams(|a, b| (a.0 == 7) != (b.0 == 7));
    story.run(SECOND / 10);
    story.sim.call(NodeId(99), Call::Join(NodeId(0)));
    story.run(15 * SECOND);
    let streamed = |story: &Story| -> u64 {
        (0..40).map(|i| story.sim.node(NodeId(i)).counters().exchange_records_sent).sum()
    };
    assert_eq!(story.status(7, 99), None, "all gossip to 7 was blocked");
    let before = streamed(&story);
    story.sim.heal();
    assert!(story.agree(30));
    assert!(streamed(&story) - before < 20, "of 41 members only those that differ travel");
}

#[test]
fn hundreds_that_join_at_once_through_one_seed_become_one_cluster_with_bounded_queues() {
    let mut story = Story { sim: Sim::new(World::default(), 7), told: Vec::new() };
    let n = 300;
    (0..n).for_each(|i| story.sim.spawn(NodeId(i), node(i, 1), Time::ZERO));
    (1..n).for_each(|i| story.sim.call(NodeId(i), Call::Join(NodeId(0))));
    let mut longest = 0;
    while story.sim.node(NodeId(n - 1)).live_len() < n as usize {
        story.run(SECOND / 10);
        longest = longest.max(story.sim.ids().map(|id| story.sim.node(id).news_len()).max().unwrap());
        assert!(
            story.sim.now() < Time::ZERO + 10 * SECOND,
            "still {} of {n}",
            story.sim.node(NodeId(9)).live_len()
        );
    }
    assert!(story.agree(5));
    assert!(longest <= n as usize, "{longest} items of news: one a member is all there is");
    assert_eq!(story.sim.total().shed, 0);
}

#[test]
fn what_is_new_is_pushed_to_nearly_all_before_a_round_of_gossip_is_over() {
    let mut story = Story::of(100, World::default());
    let lan = Config::lan();
    for (by, others) in [(0, 99), (50, 99), (99, 99)] {
        let before = story.sim.total().datagrams_sent;
        story.told.clear();
        story.sim.call(NodeId(by), Call::SetTags(tags_of(10)));
        story.run(lan.push_delay * 6);
        let knows = |e: &Event| matches!(e, Event::Changed(id) if *id == NodeId(by));
        let told = story.told.iter().filter(|(_, at, e)| *at != NodeId(by) && knows(e)).count();
        let datagrams = story.sim.total().datagrams_sent - before;
        std_print(&format!(
            "{told} of {others} know it after {:?}, {datagrams} datagrams",
            lan.push_delay * 6
        ));
        assert!(told >= others - 2, "{told} of {others}");
        story.run(10 * SECOND);
        let told = story.told.iter().filter(|(_, at, e)| *at != NodeId(by) && knows(e)).count();
        assert_eq!(told, others, "the rest is for rounds and anti-entropy, and nobody is told twice");
    }
}

#[test]
fn those_that_join_at_the_same_time_know_each_other_before_anybody_probes_them() {
    for seed in 1..=16 {
        let mut story = Story { sim: Sim::new(World::default(), seed), told: Vec::new() };
        let n = 20;
        (0..n).for_each(|i| story.sim.spawn(NodeId(i), node(i, 1), Time::ZERO));
        story.run(SECOND);
        let start = story.sim.now();
        (1..n).for_each(|i| story.sim.call(NodeId(i), Call::Join(NodeId(0))));
        assert!(story.agree(2), "seed {seed}: no cluster after 2 s");
        let took = story.sim.now().since(start);
        assert!(took <= SECOND * 3 / 10, "seed {seed}: a cluster after {took:?}");
    }
}

#[test]
fn one_that_stood_still_accuses_nobody_when_it_wakes() {
    let mut story = Story::of(10, World::default());
    story.sim.freeze(NodeId(6));
    story.run(2 * SECOND);
    // Two others die meanwhile, so that it wakes with probes and suspicions that are overdue.
    story.sim.thaw(NodeId(6));
    for _ in 0..10 {
        story.sim.freeze(NodeId(6));
        story.run(3 * SECOND);
        story.sim.thaw(NodeId(6));
        story.run(SECOND);
    }
    story.run(30 * SECOND);
    assert_eq!(story.count(|e| matches!(e, Event::Failed(id) if *id != NodeId(6))), 0);
    assert!(story.agree(10));
}

#[test]
fn a_member_that_corrects_where_it_is_reached_is_heard_by_all_and_too_long_a_contact_changes_nothing() {
    let mut story = Story::of(20, World::default());
    let contact = Payload::from(&[7; 12][..]);
    story.sim.call(NodeId(3), Call::SetContact(contact.clone()));
    story.run(10 * SECOND);
    story.sim.call(NodeId(3), Call::SetContact(Payload::from(&[8; record::CONTACT_BYTES_MAX + 1][..])));
    story.run(10 * SECOND);
    for i in (0..20).filter(|i| *i != 3) {
        assert_eq!(story.sim.node(NodeId(i)).member(NodeId(3)).unwrap().card.contact, contact, "at {i}");
        let told = |(_, at, e): &(_, _, Event)| {
            *at == NodeId(i) && matches!(e, Event::Contact(id, _, to) if *id == NodeId(3) && *to == contact)
        };
        assert!(story.told.iter().any(told), "the application of {i} is told");
    }
    assert!(story.agree(20));
}

fn tags_of(bytes: usize) -> Payload {
    let mut rng = Rng::seeded(bytes as u64);
    let value: String = (0..bytes).map(|_| char::from(b'a' + rng.below(26) as u8)).collect();
    Payload::from(&TagMap(BTreeMap::from([(String::from("rack"), value)])).encoded()[..])
}

#[test]
fn large_tags_reach_all_and_the_owner_serves_few_of_them() {
    let mut story = Story::of(60, World::default());
    let tags = tags_of(60_000);
    let before = story.sim.counters(NodeId(8)).stream_bytes_sent;
    story.sim.call(NodeId(8), Call::SetTags(tags.clone()));
    story.run(30 * SECOND);
    for i in 0..60 {
        let held = story.sim.node(NodeId(i)).member(NodeId(8)).unwrap().tags;
        assert!(held == Some(&tags[..]), "member {i} lacks them");
    }
    let served = (story.sim.counters(NodeId(8)).stream_bytes_sent - before) as usize / tags.len();
    assert!(served <= 20, "the owner served {served} of 59");
    // Too large a value changes nothing.
    story.sim.call(NodeId(8), Call::SetTags(tags_of(70_000)));
    story.run(SECOND);
    assert_eq!(story.sim.node(NodeId(8)).me().tags, Some(&tags[..]));
    // Small ones travel on the card.
    story.sim.call(NodeId(8), Call::SetTags(tags_of(50)));
    story.run(5 * SECOND);
    assert!(
        (0..60).all(|i| story.sim.node(NodeId(i)).member(NodeId(8)).unwrap().tags == Some(&tags_of(50)[..]))
    );
}

#[test]
fn a_bit_that_flips_in_a_relay_dies_there() {
    let story = Story::of(3, World::default());
    let mut relay = node(9, 1);
    let (card, other) =
        (story.sim.node(NodeId(1)).me().card.clone(), story.sim.node(NodeId(2)).me().card.clone());
    let mut said = Vec::new();
    let mut counted = 0;
    for bit in 0..64 {
        let mut out = |output: Output<Node>| {
            if let Output::Send(_, _, Message::News(items)) = output {
                said.push(items);
            }
        };
        let (now, mut rng) = (Time(1 + bit as u64), Rng::seeded(1));
        let mut cx = Cx {
            now,
            wall: Wall(0),
            me: NodeId(9),
            peers: &Peers::default(),
            rng: &mut rng,
            room: 0,
            out: &mut out,
        };
        let news = [&card, &other].map(|card| News::Card(Record::signed(card.clone(), &Summed))).to_vec();
        relay.handle(&mut cx, Input::Message(NodeId(1), Message::News(news.into())));
        relay.news.put(News::Card(relay.member_table.get(card.id).unwrap().card.clone()), 200);
        relay.corrupt_news(bit);
        relay.handle(&mut cx, Input::Timer(Timer::Push));
        counted = relay.counters().records_corrupted_in_memory;
        relay.news.remove((card.id, 0, NodeId(0)));
    }
    assert!(said.is_empty(), "a corrupt record left: {said:?}");
    assert_eq!(counted, 128, "two cards, each kept from the one who does not own it");
}

/// Whatever becomes of the members, a card is taken for a copy only where it is one of a live member's.
#[test]
fn marks_tell_the_cards_of_live_members_and_nothing_else() {
    let mut story = Story::of(12, World { loss: 0.1, ..World::default() });
    story.sim.crash(NodeId(3));
    story.sim.call(NodeId(4), Call::Leave);
    story.sim.call(NodeId(5), Call::SetTags(tags_of(40)));
    (0..12).filter(|i| *i != 6).for_each(|i| story.sim.call(NodeId(i), Call::Ban(NodeId(6), true)));
    let mut seen = BTreeSet::new();
    let mut look = |story: &Story| {
        for node in story.sim.live_ids().map(|id| story.sim.node(id)) {
            for row in node.member_table.iter() {
                let card = if row.is_live() { news::mark(&row.card) } else { 0 };
                assert_eq!(node.member_table.mark(row.id), Some(card), "{:?} of {}", row.status, row.id);
                seen.insert(row.status);
            }
        }
    };
    (0..30).for_each(|_| {
        story.run(SECOND);
        look(&story);
    });
    story.sim.restart(NodeId(3), node(3, 2));
    story.sim.call(NodeId(3), Call::Join(NodeId(0)));
    (0..12).for_each(|i| story.sim.call(NodeId(i), Call::Ban(NodeId(6), false)));
    (0..30).for_each(|_| {
        story.run(SECOND);
        look(&story);
    });
    assert_eq!(seen.len(), 4, "each state was seen: {seen:?}");
}

#[test]
fn news_that_was_shed_is_sent_again_and_no_other_message_counts_as_news() {
    let (mut a, mut rng) = (node(1, 1), Rng::seeded(1));
    let mut out = |_: Output<Node>| {};
    let mut cx = Cx {
        now: Time(5),
        wall: Wall(5),
        me: NodeId(1),
        peers: &Peers::default(),
        rng: &mut rng,
        room: 0,
        out: &mut out,
    };
    let news = |i| News::Card(Record::signed(node(i, 1).me().card.clone(), &Summed));
    [2, 3].into_iter().for_each(|i| a.spread(&mut cx, news(i)));
    // The one that was sent least often, the newest first.
    let next = |a: &mut Node| {
        let mut sent = None;
        a.news.take(usize::MAX, 9, 1, |news| sent = Some(news.key().0.0));
        sent
    };
    assert_eq!([next(&mut a), next(&mut a)], [Some(3), Some(2)]);
    let ping = Message::Ping { nonce: 7, stream: false };
    a.handle(&mut cx, Input::Shed(NodeId(4), Message::News(alloc::vec![news(2)].into())));
    a.handle(&mut cx, Input::Shed(NodeId(4), ping));
    assert_eq!([next(&mut a), next(&mut a)], [Some(2), Some(3)]);
}

#[test]
fn two_that_claim_one_name_are_both_members() {
    let mut story = Story::of(4, World::default());
    let twin = Swim::new(Config::lan(), Me { name: "node-1".into(), ..me(50, 1) }, Summed);
    story.sim.spawn(NodeId(50), twin, story.sim.now());
    story.sim.call(NodeId(50), Call::Join(NodeId(0)));
    assert!(story.agree(10));
    let same = story.sim.node(NodeId(3)).members().filter(|m| m.card.name == "node-1").count();
    assert_eq!(same, 2);
}

#[test]
fn of_two_lives_under_one_id_the_smaller_gives_way_and_the_greater_answers() {
    let give = |mine: Me, theirs: Me| {
        let (mut a, b) = (Swim::new(Config::lan(), mine, Summed), Swim::new(Config::lan(), theirs, Summed));
        let (mut events, mut answers) = (Vec::new(), 0);
        let mut out = |output: Output<Node>| match output {
            Output::Event(event) => events.push(event),
            Output::Send(_, Via::Auto, Message::News(_)) => answers += 1,
            _ => {}
        };
        let mut rng = Rng::seeded(1);
        let mut cx = Cx {
            now: Time(5),
            wall: Wall(5),
            me: NodeId(1),
            peers: &Peers::default(),
            rng: &mut rng,
            room: 0,
            out: &mut out,
        };
        let card = News::Card(Record::signed(b.me().card.clone(), &Summed));
        a.handle(&mut cx, Input::Message(NodeId(2), Message::News(alloc::vec![card].into())));
        let copied = a.why(NodeId(1)).any(|v| v.what == VerdictKind::Copied);
        (events, answers, copied)
    };
    let life = |epoch, session| Me { life: Life { epoch, session }, ..me(1, 1) };
    assert_eq!(
        give(life(2, 10), life(2, 11)),
        (alloc::vec![Event::Superseded(Life { epoch: 2, session: 11 })], 0, false)
    );
    assert_eq!(
        give(life(2, 10), life(3, 1)),
        (alloc::vec![Event::Superseded(Life { epoch: 3, session: 1 })], 0, false)
    );
    assert_eq!(give(life(2, 11), life(2, 10)), (alloc::vec![], 1, true));
    assert_eq!(
        give(life(3, 1), life(2, 99)),
        (alloc::vec![], 1, false),
        "an earlier life of mine is no copy"
    );
}

#[test]
fn who_gave_way_to_a_copy_says_so_and_both_ids_remember() {
    let mut story = Story::of(4, World::default());
    let fresh = Swim::new(Config::lan(), Me { copied_from: Some(NodeId(2)), ..me(60, 1) }, Summed);
    story.sim.spawn(NodeId(60), fresh, story.sim.now());
    story.sim.call(NodeId(60), Call::Join(NodeId(0)));
    assert!(story.agree(10));
    let observer = story.sim.node(NodeId(3));
    assert_eq!(observer.member(NodeId(60)).unwrap().card.copied_from, Some(NodeId(2)));
    for id in [2, 60] {
        assert_eq!(observer.why(NodeId(id)).filter(|v| v.what == VerdictKind::Copied).count(), 1);
    }
}

#[test]
fn an_outdated_accusation_changes_nothing_and_a_current_one_is_refuted() {
    let mut story = Story::of(5, World::default());
    let accuse = |incarnation, charge| {
        let accusation = Accusation {
            accuser: NodeId(4),
            accused: NodeId(1),
            epoch: 1,
            incarnation,
            charge,
            written: Wall(1_800_000_000_000),
            evidence: Evidence::default(),
        };
        Message::News(alloc::vec![News::Accusation(Record::signed(accusation, &Summed))].into())
    };
    // Into a member's ear by hand: a probe of it, then the lie, for the lie has to come from somewhere.
    for (incarnation, charge, refutations) in
        [(0, Charge::Suspect, 1), (0, Charge::Failed, 1), (5, Charge::Failed, 2)]
    {
        story.sim.call(NodeId(0), Call::Ping(NodeId(1)));
        inject(&mut story, 0, 4, accuse(incarnation, charge));
        story.run(5 * SECOND);
        assert_eq!(story.sim.node(NodeId(1)).counters().refutations, refutations, "{incarnation} {charge:?}");
        assert!(story.agree(5));
    }
    assert_eq!(story.sim.node(NodeId(1)).me().card.incarnation, 6);
}

/// Lets `from` say something that it would not say by itself: a node that is started in its place says it and is gone again.
fn inject(story: &mut Story, to: u64, from: u64, message: Message) {
    let Message::News(items) = message else { unreachable!("only news is injected") };
    let mut liar = node(from, 1 + story.sim.now().0);
    items.iter().for_each(|item| _ = liar.news.put(item.clone(), 200));
    story.sim.restart(NodeId(from), liar);
    story.sim.call(NodeId(from), Call::Join(NodeId(to)));
    story.run(SECOND * 2);
    story.sim.call(NodeId(to), Call::Ping(NodeId(from)));
}

#[test]
fn suspicion_waits_as_long_as_lifeguard_says() {
    let mut swim = node(0, 1);
    swim.live = 99; // a hundred members: log10 n = 2
    let seconds: Vec<f64> = (0..=3).map(|c| swim.suspicion_time(c).as_secs_f64()).collect();
    // Min = 1.5·2·1 s, Max = 6·Min; 18 - 15·log(C+1)/log(4)
    for (got, want) in seconds.iter().zip([18.0, 10.5, 6.113, 3.0]) {
        assert!((got - want).abs() < 0.01, "{seconds:?}");
    }
    let waits = [1, 2, 3, 4].map(|others| {
        swim.live = others;
        swim.suspicion_time(others - 1).as_millis()
    });
    assert_eq!(
        waits,
        [4_500, 3_000, 1_500, 1_500],
        "of two members nobody could confirm: so it waits for longer"
    );
}

#[test]
fn what_is_remembered_of_the_departed_is_bounded_in_number_and_time() {
    let config = Config { departed_max: 5, departed_for: 120 * SECOND, ..Config::lan() };
    let mut story = Story { sim: Sim::new(World::default(), 3), told: Vec::new() };
    (0..20).for_each(|i| story.sim.spawn(NodeId(i), Swim::new(config.clone(), me(i, 1), Summed), Time::ZERO));
    story.run(SECOND);
    (1..20).for_each(|i| story.sim.call(NodeId(i), Call::Join(NodeId(0))));
    assert!(story.agree(10));
    (10..20).for_each(|i| story.sim.call(NodeId(i), Call::Leave));
    story.run(3 * SECOND);
    (10..20).for_each(|i| story.sim.crash(NodeId(i)));
    story.run(10 * SECOND);
    let departed =
        |story: &Story| story.sim.node(NodeId(0)).members().filter(|m| m.status == Status::Left).count();
    assert_eq!(departed(&story), 5);
    story.run(120 * SECOND);
    assert_eq!(departed(&story), 0);
}

#[test]
fn loss_corruption_and_jitter_on_real_bytes_kill_nobody() {
    let latency = Latency::Exponential { min: Duration::from_millis(1), mean: Duration::from_millis(20) };
    let world =
        World { latency, loss: 0.05, duplicate: 0.02, wire: true, corruption: 0.01, ..World::default() };
    let mut story = Story::of(25, world);
    story.run(120 * SECOND);
    assert_eq!(story.count(|e| matches!(e, Event::Failed(_))), 0);
    assert!(story.agree(10));
}

#[test]
fn timers_in_flight_stay_within_their_bound() {
    let mut story = Story::of(30, World { loss: 0.3, ..World::default() });
    story.sim.crash(NodeId(5));
    story.run(60 * SECOND);
    let most = story.sim.ids().map(|id| story.sim.counters(id).timers_max).max().unwrap();
    assert!(most <= 64, "{most} timers at once on one node");
}

#[test]
fn a_ping_by_hand_is_answered_with_a_round_trip_or_with_none() {
    let mut story = Story::of(4, World::default());
    story.sim.crash(NodeId(3));
    for target in [0, 1, 3, 77] {
        story.sim.call(NodeId(0), Call::Ping(NodeId(target)));
    }
    story.run(5 * SECOND);
    let mut pongs: Vec<(u64, bool)> = story
        .told
        .iter()
        .filter_map(
            |(_, _, event)| if let Event::Pong(id, rtt) = event { Some((id.0, rtt.is_some())) } else { None },
        )
        .collect();
    pongs.sort_unstable();
    assert_eq!(pongs, [(0, true), (1, true), (3, false), (77, false)]);
}
