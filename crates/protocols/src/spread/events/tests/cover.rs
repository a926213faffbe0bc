//! How far an event came: a sample within two round trips, all with the names of those that are missing, and nothing but the truth.

use super::*;
use rumormill_core::protocol::Output;
use rumormill_sim::latency::Latency;

/// What a publisher was told of one ticket, and how long after it was queued.
fn report(story: &Story, by: u64, ticket: u64) -> Option<(Duration, u32, u32, Vec<NodeId>)> {
    let told = || story.told.get(&by).into_iter().flatten();
    let queued =
        told().find(|(_, event)| matches!(event, Event::Queued { ticket: t, .. } if *t == ticket))?.0;
    told().find_map(|(at, event)| match event {
        Event::Covered { ticket: t, held, asked, missing } if *t == ticket => {
            Some((at.since(queued), *held, *asked, missing.clone()))
        }
        _ => None,
    })
}

#[test]
fn on_an_idle_pair_a_sample_takes_at_most_two_round_trips_whatever_the_size() {
    let one_way = Duration::from_millis(50);
    let world = World { latency: Latency::Constant(one_way), wire: true, ..World::default() };
    for bytes in [1, 900, 20_000, PAYLOAD_BYTES_MAX] {
        let mut story = Story::of(2, world.clone(), bytes as u64, Config::default());
        story.run(60 * SECOND);
        story.publish(1, Publish { payload: Payload::from(&vec![7; bytes][..]), ..event(5) });
        story.run(SECOND);
        let (took, held, asked, _) = report(&story, 1, 5).expect("no answer");
        say(&format!("{bytes} bytes: {took:?}"));
        assert_eq!((held, asked, story.deliveries(0)), (1, 1, 1));
        assert!(took <= one_way * 4 + Config::default().flush_idle, "{bytes} bytes: {took:?}");
    }
}

#[test]
fn all_of_three_hundred_confirm_though_a_tenth_is_lost_and_those_that_do_not_are_named() {
    let n = 300;
    let mut story = Story::of(n, lossy(0.1), 4, Config::default());
    story.publish(7, Publish { cover: Cover::All(20 * SECOND), ..event(1) });
    story.run(25 * SECOND);
    let (took, held, asked, missing) = report(&story, 7, 1).expect("no report");
    say(&format!("{held} of {asked} after {took:?}"));
    assert_eq!((held, asked, missing), (n as u32 - 1, n as u32 - 1, vec![]));
    assert!(took < 20 * SECOND, "it does not wait longer than needed");
    [3, 200].into_iter().for_each(|id| story.sim.crash(NodeId(id)));
    story.sim.partition(|a, b| (a.0 == 50) != (b.0 == 50));
    let before = story.total().covers_sent;
    story.publish(7, Publish { cover: Cover::All(10 * SECOND), ..event(2) });
    story.run(15 * SECOND);
    let (took, held, asked, missing) = report(&story, 7, 2).expect("no report");
    assert_eq!(
        (held, asked, missing),
        (n as u32 - 4, n as u32 - 1, vec![NodeId(3), NodeId(50), NodeId(200)])
    );
    assert!(took >= 10 * SECOND && took < 11 * SECOND, "{took:?}");
    let sent = story.total().covers_sent - before;
    assert!(sent < 2 * n, "who has confirmed is not asked again: {sent} questions");
    assert_eq!(story.sim.total().shed, 0);
}

/// A member by itself, and what it says.
struct Member {
    node: Events,
    peers: Peers,
    rng: Rng,
    said: Vec<(NodeId, Message)>,
    told: Vec<Event>,
}

impl Member {
    fn new(joined: bool) -> Member {
        let mut node = Events::new(Config::default(), life(1));
        node.joined = joined;
        Member { node, peers: Peers::default(), rng: Rng::seeded(1), said: Vec::new(), told: Vec::new() }
    }

    fn take(&mut self, seconds: u64, input: Input<Events>) {
        let (said, told) = (&mut self.said, &mut self.told);
        let mut out = |output| match output {
            Output::Send(to, _, message) => said.push((to, message)),
            Output::Event(event) => told.push(event),
            Output::Timer(..) | Output::Watch(..) | Output::Peer(_) => {}
        };
        let (now, peers, rng) = (Time::ZERO + SECOND * seconds as u32, &self.peers, &mut self.rng);
        let mut cx = Cx { now, wall: Wall(0), me: NodeId(99), peers, rng, room: 1 << 20, out: &mut out };
        self.node.handle(&mut cx, input);
    }

    fn hear(&mut self, seconds: u64, from: u64, message: Message) {
        self.take(seconds, Input::Message(NodeId(from), message));
    }

    /// Whom it has answered that it delivers an event, or that it does not.
    fn answers(&self, wanted: EventId) -> Vec<(u64, bool)> {
        let answer = |(to, message): &(NodeId, Message)| match message {
            Message::Covered { id, held } if *id == wanted => Some((to.0, *held)),
            _ => None,
        };
        self.said.iter().filter_map(answer).collect()
    }
}

fn push(seq: u64) -> (EventId, Message) {
    let id = EventId { source: source(5), seq };
    let item = Item { id, flags: Flags::NONE, name: text("test"), payload: text("x") };
    (id, Message::Push { item, turn: mongering::UNASKED })
}

#[test]
fn a_question_brings_nothing_fetches_nothing_and_is_answered_once_the_event_is_there() {
    let mut member = Member::new(true);
    let ((first, one), (second, two)) = (push(1), push(2));
    let root = member.node.root();
    member.hear(1, 5, Message::Cover { id: second });
    member.hear(1, 6, Message::Cover { id: second });
    assert!(member.said.is_empty() && member.node.root() == root && member.node.window_events() == 0);
    member.hear(2, 5, two);
    assert_eq!(
        member.answers(second),
        [(5, true), (6, true)],
        "it waits for the first, and will be delivered"
    );
    assert!(member.told.is_empty());
    member.hear(3, 5, one);
    member.hear(3, 5, Message::Cover { id: first });
    assert_eq!((member.answers(first), member.told.len()), (vec![(5, true)], 2));
}

#[test]
fn what_the_baseline_or_a_told_gap_has_passed_over_is_not_confirmed_though_it_is_held() {
    let mut member = Member::new(false);
    let (old, message) = push(3);
    member.hear(1, 5, message);
    member.hear(1, 5, Message::Cover { id: old });
    assert!(member.answers(old).is_empty(), "it is not known yet what was before it");
    let row = Row { source: source(5), low: 1, top: 3, gaps: Vec::new() };
    let digest = Digest {
        rows: vec![row],
        scope: Scope::Page,
        rest: 0,
        after: None,
        next: None,
        joined: true,
        waits: None,
    };
    member.hear(2, 5, Message::Digest(digest.into()));
    assert_eq!(member.told, [Event::Joined]);
    member.hear(3, 5, Message::Cover { id: old });
    assert_eq!(member.answers(old), [(5, false)]);
    let (late, message) = push(5);
    let (next, after) = push(6);
    member.hear(3, 5, after);
    member.node.window.change(source(5), |log| (log.holes.clear(), log.give_up_first()));
    member.hear(4, 5, push(4).1);
    member.hear(4, 5, message);
    member.hear(5, 5, Message::Cover { id: late });
    member.hear(5, 5, Message::Cover { id: next });
    assert_eq!((member.answers(late), member.answers(next)), (vec![(5, false)], vec![(5, true)]));
}

#[test]
fn confirmations_and_questions_that_wait_are_bounded_and_what_is_too_much_is_refused() {
    let mut member = Member::new(true);
    let all = |ticket| Publish { cover: Cover::All(60 * SECOND), ..event(ticket) };
    let refused = |ticket, why| Event::Refused { ticket, why };
    member.peers = Peers::Everyone(CONFIRM_MEMBERS_MAX as u64 + 2);
    member.take(1, Input::Call(Call::Publish(all(1))));
    assert_eq!(member.told.pop(), Some(refused(1, Refusal::TooManyMembers)));
    member.peers = Peers::Everyone(CONFIRM_MEMBERS_MAX as u64 + 1);
    let fit = (CONFIRMS_MAX / CONFIRM_MEMBERS_MAX) as u64;
    (1..=fit + 1).for_each(|ticket| member.take(1, Input::Call(Call::Publish(all(ticket)))));
    assert_eq!(member.told.pop(), Some(refused(fit + 1, Refusal::QueueFull)));
    member.take(2, Input::Timer(Timer::Cover));
    let questions =
        |member: &Member| member.said.iter().filter(|(_, m)| matches!(m, Message::Cover { .. })).count();
    assert_eq!(
        questions(&member),
        fit as usize * Config::default().cover_batch,
        "one batch of each at a time"
    );
    for seq in 0..10_000 {
        member.hear(3, 5, Message::Cover { id: push(seq + 1).0 });
    }
    assert_eq!(member.node.counters().unanswered, 10_000 - 4_096);
    member.hear(30, 5, Message::Cover { id: push(1).0 });
    assert_eq!(member.node.counters().unanswered, 10_000 - 4_096, "those that waited for too long have gone");
}
