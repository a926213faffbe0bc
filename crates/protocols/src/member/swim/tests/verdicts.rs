//! No member's word is final for another: what one node takes, signs and hands on, and what that comes to in a cluster.

use super::*;

/// One node that is handed inputs by hand, and all that came of them.
struct Alone {
    node: Node,
    now: Time,
    rng: Rng,
    events: Vec<Event>,
    sent: Vec<(NodeId, Message)>,
    timers: Vec<(Time, Timer)>,
}

const ME: NodeId = NodeId(0);
const SUSPECT: NodeId = NodeId(1);

impl Alone {
    /// Node 0, which knows members 1 to `others`.
    fn among(others: u64, config: Config) -> Alone {
        let node = Swim::new(config, me(0, 1), Summed);
        let (events, sent, timers) = (Vec::new(), Vec::new(), Vec::new());
        let mut alone = Alone { node, now: Time(1), rng: Rng::seeded(7), events, sent, timers };
        let cards = (1..=others).map(|i| News::Card(Record::signed(card(i), &Summed))).collect();
        alone.hear(NodeId(2), gossiped(cards));
        assert_eq!(alone.node.live_len(), others as usize + 1);
        alone.events.clear();
        alone
    }

    fn handle(&mut self, input: Input<Node>) {
        let (now, wall) = (self.now, Wall(now_ms(self.now)));
        let (events, sent, timers) = (&mut self.events, &mut self.sent, &mut self.timers);
        let mut out = |output: Output<Node>| match output {
            Output::Event(event) => events.push(event),
            Output::Send(to, _, message) => sent.push((to, message)),
            Output::Timer(delay, timer) => timers.push((now + delay, timer)),
            _ => {}
        };
        let mut cx =
            Cx { now, wall, me: ME, peers: &Peers::default(), rng: &mut self.rng, room: 0, out: &mut out };
        self.node.handle(&mut cx, input);
    }

    fn hear(&mut self, from: NodeId, message: Message) {
        self.handle(Input::Message(from, message));
    }

    /// Lets time pass with all timers but those of the periods: this node probes nobody.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = (0..self.timers.len())
            .filter(|at| self.timers[*at].0 <= end && !matches!(self.timers[*at].1, Timer::Period { .. }))
            .min_by_key(|at| self.timers[*at].0)
        {
            let (due, timer) = self.timers.swap_remove(at);
            self.now = due.max(self.now);
            self.handle(Input::Timer(timer));
        }
        self.now = end;
    }

    fn status(&self) -> Status {
        self.node.member(SUSPECT).expect("it is in the table").status
    }

    /// The accusations that this node has sent, by accuser.
    fn accusers_sent(&self) -> BTreeSet<NodeId> {
        let news = self.sent.iter().flat_map(|(_, message)| match message {
            Message::News(news) | Message::Give { news, .. } => &news[..],
            _ => &[],
        });
        news.filter_map(|item| match item {
            News::Accusation(record) => Some(record.value().accuser),
            News::Card(_) => None,
        })
        .collect()
    }
}

fn now_ms(now: Time) -> u64 {
    1_800_000_000_000 + now.0 / 1_000_000
}

fn card(i: u64) -> record::Card {
    node(i, 1).me().card.clone()
}

fn accuse(accuser: u64, charge: Charge) -> News {
    let accusation = Accusation {
        accuser: NodeId(accuser),
        accused: SUSPECT,
        epoch: 1,
        incarnation: 0,
        charge,
        written: Wall(1_800_000_000_000),
        evidence: Evidence::default(),
    };
    News::Accusation(Record::signed(accusation, &Summed))
}

fn gossiped(items: Vec<News>) -> Message {
    Message::News(items.into())
}

fn exchanged(items: Vec<News>) -> Message {
    Message::Give { news: items.into(), done: false }
}

const PATHS: [fn(Vec<News>) -> Message; 2] = [gossiped, exchanged];

#[test]
fn a_dead_accusation_is_one_suspicion_on_every_path_and_nobody_signs_it_again() {
    for path in PATHS {
        for charge in [Charge::Failed, Charge::Suspect] {
            let mut alone = Alone::among(9, Config::lan());
            let longest = alone.node.suspicion_time(0);
            alone.hear(NodeId(5), path(alloc::vec![accuse(5, charge)]));
            assert_eq!((alone.status(), &alone.events[0]), (Status::Suspect, &Event::Suspected(SUSPECT)));
            alone.wait(longest - SECOND / 100);
            assert_eq!(alone.status(), Status::Suspect, "{charge:?}");
            alone.wait(SECOND / 50);
            assert_eq!(alone.status(), Status::Failed, "its own timer ended");
            // It has probed nobody, so it signs nothing; what it holds against the member is member 5's word.
            alone.hear(SUSPECT, Message::Ping { nonce: 1, stream: false });
            alone.hear(NodeId(3), Message::Want(alloc::vec![message::Id(SUSPECT)]));
            assert_eq!(alone.accusers_sent(), BTreeSet::from([NodeId(5)]), "{charge:?}");
            assert!(alone.sent.iter().any(|(to, m)| *to == SUSPECT && matches!(m, Message::News(_))));
        }
    }
}

#[test]
fn accusations_of_distinct_members_shorten_the_wait_to_the_minimum_and_never_below() {
    for path in PATHS {
        // How many say so, of what kind, and how many of them count.
        for (accusers, charge, confirmations) in [
            (&[5, 6][..], Charge::Failed, 1),
            (&[5, 5, 5, 5, 5], Charge::Failed, 0),
            (&[5, 6, 7], Charge::Suspect, 2),
            (&[5, 6, 7, 8], Charge::Failed, 3),
            (&[2, 3, 4, 5, 6, 7, 8, 9], Charge::Failed, 5),
        ] {
            let mut alone = Alone::among(9, Config::lan());
            let wait = alone.node.suspicion_time(confirmations);
            for accuser in accusers {
                alone.hear(NodeId(9), path(alloc::vec![accuse(*accuser, charge)]));
            }
            alone.wait(wait - SECOND / 100);
            assert_eq!(alone.status(), Status::Suspect, "{accusers:?}");
            alone.wait(SECOND / 50);
            assert_eq!(alone.status(), Status::Failed, "{accusers:?}");
            let verdict = alone.node.why(SUSPECT).last().expect("it says why").clone();
            assert_eq!((verdict.by, verdict.what), (ME, VerdictKind::Charged(Charge::Failed)));
            let evidence = verdict.evidence.expect("with evidence");
            assert_eq!(usize::from(evidence.confirmations), confirmations, "{accusers:?}");
            assert_eq!(u128::from(evidence.waited_ms), wait.as_millis(), "{accusers:?}");
        }
    }
}

#[test]
fn a_dead_accusation_leaves_the_suspicions_of_others_in_the_gossip() {
    let mut alone = Alone::among(9, Config::lan());
    alone.hear(NodeId(5), gossiped(alloc::vec![accuse(5, Charge::Suspect), accuse(6, Charge::Suspect)]));
    alone.hear(NodeId(5), gossiped(alloc::vec![accuse(7, Charge::Failed)]));
    alone.wait(alone.node.suspicion_time(2) + SECOND / 100);
    assert_eq!(alone.status(), Status::Failed);
    assert_eq!(alone.accusers_sent(), [5, 6, 7].map(NodeId).into());
    // A newer card takes the place of them all.
    let newer = record::Card { incarnation: 1, ..card(1) };
    alone.hear(NodeId(5), gossiped(alloc::vec![News::Card(Record::signed(newer, &Summed))]));
    assert_eq!(alone.status(), Status::Alive);
    assert!(alone.node.news().all(|(id, status)| id != SUSPECT || status == Some(Status::Alive)));
}

#[test]
fn without_lifeguard_or_suspicions_one_word_is_final_as_in_the_paper() {
    let plain = Config { lifeguard: false, ..Config::lan() };
    let mut alone = Alone::among(9, plain.clone());
    alone.hear(NodeId(5), gossiped(alloc::vec![accuse(5, Charge::Failed)]));
    assert_eq!(alone.status(), Status::Failed);
    // But what an exchange brings may be from the other side of a healed partition, and goes no farther.
    let mut alone = Alone::among(9, plain);
    alone.hear(NodeId(5), exchanged(alloc::vec![accuse(5, Charge::Failed)]));
    assert_eq!(alone.status(), Status::Suspect);
    alone.wait(SECOND);
    let told: Vec<NodeId> = alone
        .sent
        .iter()
        .filter(|(_, m)| matches!(m, Message::News(n) if !n.iter().all(|n| matches!(n, News::Card(_)))))
        .map(|(to, _)| *to)
        .collect();
    assert_eq!(told, [SUSPECT]);
    for path in PATHS {
        let mut alone = Alone::among(9, Config { suspicion: false, ..Config::lan() });
        alone.hear(NodeId(5), path(alloc::vec![accuse(5, Charge::Failed)]));
        assert_eq!(alone.status(), Status::Failed);
    }
}

#[test]
fn a_ban_fails_a_member_at_once_by_itself_and_accuses_it_of_nothing() {
    let mut alone = Alone::among(9, Config::lan());
    alone.hear(NodeId(5), gossiped(alloc::vec![accuse(5, Charge::Suspect)]));
    alone.sent.clear();
    alone.handle(Input::Call(Call::Ban(SUSPECT, true)));
    assert_eq!(alone.status(), Status::Failed);
    alone.wait(30 * SECOND);
    alone.hear(NodeId(3), Message::Want(alloc::vec![message::Id(SUSPECT)]));
    assert_eq!(alone.accusers_sent(), BTreeSet::new(), "nobody probed it");
    assert_eq!(alone.node.why(SUSPECT).last().map(|verdict| verdict.what), Some(VerdictKind::Banned));
    // Its own card brings it back when the ban is lifted, in the same incarnation, and not before.
    let card = || gossiped(alloc::vec![News::Card(Record::signed(card(1), &Summed))]);
    alone.hear(NodeId(3), card());
    assert_eq!(alone.status(), Status::Failed);
    alone.handle(Input::Call(Call::Ban(SUSPECT, false)));
    alone.hear(NodeId(3), card());
    assert_eq!(alone.status(), Status::Alive);
}

/// Failures that `told` tells of members that are up and on the observer's side of a cut, which a number below `apart` is not.
fn same_side(story: &Story, is_apart: impl Fn(u64) -> bool) -> usize {
    let wrong = |(_, by, event): &&(Time, NodeId, Event)| match event {
        Event::Failed(id) => is_apart(by.0) == is_apart(id.0),
        _ => false,
    };
    story.told.iter().filter(wrong).count()
}

#[test]
fn when_a_cut_heals_nobody_is_failed_by_a_member_on_its_own_side() {
    for (n, apart, seconds) in [(10, 2, 8), (10, 2, 14), (10, 2, 22), (50, 5, 60), (30, 15, 40), (12, 1, 100)]
    {
        let mut story = Story::of(n, World::default());
        story.sim.partition(move |a, b| (a.0 < apart) != (b.0 < apart));
        story.run(seconds * SECOND);
        story.sim.heal();
        story.run(40 * SECOND);
        let wrong = same_side(&story, |id| id < apart);
        assert_eq!(wrong, 0, "{n} members, {apart} cut off for {seconds} s");
        assert!(story.agree(30), "{n} members, {apart} cut off for {seconds} s");
    }
}

#[test]
fn a_suspect_that_answers_is_not_failed_whoever_accuses_it_and_fails_as_soon_as_ever_when_it_answers_no_more()
{
    for path in PATHS {
        let mut alone = Alone::among(9, Config::lan());
        let shortest = alone.node.suspicion_time(3);
        alone.hear(NodeId(9), path((2..=9).map(|by| accuse(by, Charge::Failed)).collect()));
        alone.wait(SECOND * 2 / 5);
        for round in 0..5 {
            alone.sent.clear();
            alone.wait(shortest - SECOND * 3 / 5); // until a fifth of a second before its end
            let pings: Vec<u64> = alone
                .sent
                .iter()
                .filter_map(|(to, message)| match message {
                    Message::Ping { nonce, .. } if *to == SUSPECT => Some(*nonce),
                    _ => None,
                })
                .collect();
            let is_told = |(to, m): &(NodeId, Message)| *to == SUSPECT && matches!(m, Message::News(_));
            assert!(alone.sent.iter().any(is_told), "with the accusation, so that it can refute");
            let nonce = *pings.first().expect("it is pinged before the suspicion ends");
            alone.hear(SUSPECT, Message::Ack { nonce: nonce ^ 1, stream: false, root: 0 });
            alone.hear(NodeId(5), Message::Ack { nonce, stream: false, root: 0 });
            if round == 4 {
                break; // an answer with another nonce, or of another member, is none
            }
            alone.hear(SUSPECT, Message::Ack { nonce, stream: false, root: 0 });
            alone.wait(SECOND * 2 / 5); // past the end that it had
            assert_eq!(alone.status(), Status::Suspect, "round {round}");
        }
        alone.wait(SECOND * 2 / 5);
        assert_eq!(alone.status(), Status::Failed);
    }
}

#[test]
fn in_the_middle_of_a_partition_nobody_is_failed_and_a_crash_is_noticed() {
    for (n, loss) in [(9, 0.0), (21, 0.0), (21, 0.2), (61, 0.0), (61, 0.05)] {
        let mut story = Story::of(n, World { loss, ..World::default() });
        let (middle, half) = (n - 1, (n - 1) / 2);
        story.sim.partition(move |a, b| a.0 != middle && b.0 != middle && (a.0 < half) != (b.0 < half));
        story.run(120 * SECOND);
        let wrong = story.count_by(middle, |event| matches!(event, Event::Failed(_)));
        assert_eq!(wrong, 0, "{n} members, loss {loss}: failed in the middle");
        let wrong = story.count(|event| *event == Event::Failed(NodeId(middle)));
        assert_eq!(wrong, 0, "{n} members, loss {loss}: the one in the middle was failed");
        story.sim.crash(NodeId(3));
        story.run(30 * SECOND);
        assert_eq!(story.status(middle, 3), Some(Status::Failed), "{n} members, loss {loss}");
        story.sim.heal();
        assert!(story.agree(60), "{n} members, loss {loss}");
    }
}

#[test]
fn a_member_that_reaches_one_other_only_makes_nobody_fail_a_healthy_one() {
    for (n, link) in [(11, 3), (11, 7), (30, 2)] {
        let mut story = Story::of(n, World::default());
        let lonely = n - 1;
        let cut =
            move |a: NodeId, b: NodeId| (a.0 == lonely && b.0 != link) || (b.0 == lonely && a.0 != link);
        story.sim.partition(cut);
        story.run(300 * SECOND);
        let wrong = same_side(&story, |id| id == lonely);
        assert_eq!(wrong, 0, "{n} members, the last reaches {link} only");
        story.sim.heal();
        assert!(story.agree(60));
    }
}

#[test]
fn a_helper_that_is_silent_is_probed_next_and_says_nothing_about_ones_own_health() {
    let mut story = Story::of(20, World::default());
    let before: u64 = (0..4).map(|i| story.sim.node(NodeId(i)).counters().probes).sum();
    (4..20).for_each(|i| story.sim.crash(NodeId(i)));
    for period in 1..=10 {
        story.run(SECOND);
        let probes: u64 = (0..4).map(|i| story.sim.node(NodeId(i)).counters().probes).sum();
        let most = 4 * period * (1 + 3 + 1); // its turn, three out of turn, a departed one
        assert!(probes - before <= most, "{} probes in {period} periods", probes - before);
        let worst = (0..4).map(|i| story.sim.node(NodeId(i)).health()).max();
        assert!(worst <= Some(2), "health {worst:?} after {period} periods");
    }
    assert!(story.agree(10));
}

#[test]
fn the_more_members_are_silent_the_sooner_a_suspicion_ends_but_never_below_the_minimum() {
    let mut swim = node(0, 1);
    swim.live = 99; // a hundred members: Min is 3 s, Max 18 s
    let waits = [0, 1, 26, 51, 90].map(|silent| {
        swim.cases.silent = silent;
        swim.suspicion_time(0).as_millis()
    });
    assert_eq!(waits, [18_000, 18_000, 10_500, 3_000, 3_000]);
}

#[test]
fn a_member_that_hears_nobody_does_not_hasten_its_suspicions() {
    // Cut off alone: it has failed nobody before a suspicion without confirmations is over.
    let mut story = Story::of(10, World::default());
    let longest = story.sim.node(NodeId(0)).suspicion_time(0);
    story.sim.partition(|a, b| (a.0 == 0) != (b.0 == 0));
    story.run(longest);
    assert_eq!(story.told.iter().filter(|(_, by, e)| by.0 == 0 && matches!(e, Event::Failed(_))).count(), 0);
}

#[test]
fn news_is_pushed_to_many_even_if_a_datagram_leaves_before() {
    let mut alone = Alone::among(7, Config::lan());
    alone.wait(5 * SECOND); // until what it has learned is no news any more
    alone.sent.clear();
    alone.hear(NodeId(5), gossiped(alloc::vec![accuse(5, Charge::Suspect)]));
    alone.handle(Input::Spare(NodeId(3), 1_400));
    assert_eq!(alone.accusers_sent(), BTreeSet::new(), "it would be told to one alone");
    alone.wait(Config::lan().push_delay);
    let told: BTreeSet<NodeId> = alone.sent.iter().map(|(to, _)| *to).collect();
    assert_eq!((alone.accusers_sent().len(), told.len()), (1, 5));
    alone.sent.clear();
    alone.wait(Config::lan().gossip_interval);
    assert_eq!(alone.accusers_sent().len(), 1, "a round follows, for those that the pushes missed");
}

#[test]
fn who_was_cut_off_for_long_is_found_within_seconds_however_small_its_side_is() {
    for side in [1, 2, 6, 30] {
        let mut story = Story::of(61, World::default());
        story.sim.partition(move |a, b| (a.0 < side) != (b.0 < side));
        story.run(281 * SECOND);
        assert!((side..61).all(|by| story.status(by, 0) == Some(Status::Failed)));
        story.sim.heal();
        let healed = story.sim.now();
        assert!(story.agree(15), "{side} of 61: no cluster after 15 s");
        std_print(&format!("{side} of 61: one cluster after {:?}", story.sim.now().since(healed)));
    }
}

#[test]
fn a_crashed_member_is_tried_no_more_often_because_others_try_harder_after_a_cut() {
    let mut story = Story::of(20, World::default());
    let tries = |story: &Story| -> u64 {
        story.sim.live_ids().map(|id| story.sim.node(id).counters().departed_tries).sum()
    };
    story.sim.crash(NodeId(7));
    story.run(600 * SECOND);
    // One per interval: an eighth of the age, at least a second, at most a minute.
    let expected = 8.0 + 8.0 * libm::log(480.0 / 8.0) + 120.0 / 60.0;
    std_print(&format!("{} tries, {expected} expected", tries(&story)));
    assert!((tries(&story) as f64) < 2.0 * expected, "{}", tries(&story));
}
