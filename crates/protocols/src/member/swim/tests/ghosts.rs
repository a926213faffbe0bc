//! Members whose process is gone while another member answers at their address.

use super::*;
use rumormill_core::protocol::Loss;

/// An identity that lives for a second and is then replaced, on the same address, by the next.
fn lives(story: &mut Story, ids: core::ops::Range<u64>) {
    for id in ids.clone() {
        let now = story.sim.now();
        story.sim.spawn(NodeId(id), node(id, 1), now);
        if id > ids.start {
            story.sim.replace_by(NodeId(id - 1), NodeId(id));
        }
        story.sim.call(NodeId(id), Call::Join(NodeId(0)));
        story.run(SECOND);
    }
}

#[test]
fn a_member_whose_address_another_one_took_over_is_failed_at_once_by_each_that_tries_to_reach_it() {
    let mut story = Story::of(5, World::default());
    lives(&mut story, 100..109);
    assert!(story.agree(15), "a ghost is listed as alive after 15 s");
    for i in 0..5 {
        assert_eq!(story.sim.node(NodeId(i)).health(), 0, "node {i} doubts itself because of others");
    }
    let ghosts: u64 = (0..5).map(|i| story.sim.node(NodeId(i)).counters().ghosts).sum();
    assert!(ghosts >= 4, "{ghosts} conclusions about 8 ghosts");
    let why = (0..5).flat_map(|i| story.sim.node(NodeId(i)).why(NodeId(100)));
    let by: Vec<_> = why.filter_map(|verdict| verdict.evidence?.replaced_by).collect();
    assert!(by.contains(&NodeId(101)), "why names the member that took over: {by:?}");
    story.told.clear();
    story.sim.crash(NodeId(3));
    assert!(story.agree(15), "a member that really crashed is noticed as ever");
    assert_eq!(story.count(|e| matches!(e, Event::Failed(id) if *id != NodeId(3))), 0);
}

#[test]
fn a_hundred_ghosts_neither_pile_up_nor_hide_a_crash() {
    let mut story = Story::of(4, World::default());
    lives(&mut story, 100..200);
    assert!(story.agree(15));
    assert!((0..4).all(|i| story.sim.node(NodeId(i)).health() == 0));
    story.sim.crash(NodeId(2));
    assert!(story.agree(15));
}

/// One input to a node by hand, and what it told.
fn told(node: &mut Node, input: Input<Node>) -> Vec<Event> {
    let (mut events, mut rng) = (Vec::new(), Rng::seeded(1));
    let mut out = |output: Output<Node>| {
        if let Output::Event(event) = output {
            events.push(event);
        }
    };
    let me = node.me().id;
    node.handle(
        &mut Cx {
            now: Time(5),
            wall: Wall(5),
            me,
            peers: &Peers::default(),
            rng: &mut rng,
            room: 0,
            out: &mut out,
        },
        input,
    );
    events
}

#[test]
fn only_proof_fails_a_member_and_neither_a_loss_nor_another_ones_contact_is_proof() {
    let card = |id, contact: u64| {
        let contact = Payload::from(&contact.to_be_bytes()[..]);
        let swim = Swim::new(Config::lan(), Me { contact, ..me(id, 1) }, Summed);
        Message::News(alloc::vec![News::Card(Record::signed(swim.me().card.clone(), &Summed))].into())
    };
    let mut a = node(1, 1);
    told(&mut a, Input::Message(NodeId(2), card(2, 7)));
    for loss in [Loss::Refused, Loss::Reset, Loss::TimedOut, Loss::Unknown] {
        assert_eq!(told(&mut a, Input::Lost(NodeId(2), loss)), [], "{loss:?}");
    }
    // Another member that advertises the same address, and speaks.
    told(&mut a, Input::Message(NodeId(3), card(3, 7)));
    assert_eq!(told(&mut a, Input::Message(NodeId(3), Message::Ping { nonce: 1, stream: false })), []);
    assert_eq!(a.member(NodeId(2)).unwrap().status, Status::Alive);
    assert_eq!(told(&mut a, Input::Lost(NodeId(9), Loss::Replaced(NodeId(3)))), [], "one that nobody knows");
    let events = told(&mut a, Input::Lost(NodeId(2), Loss::Replaced(NodeId(3))));
    assert_eq!(events.last(), Some(&Event::Failed(NodeId(2))));
    assert_eq!((a.health(), a.member(NodeId(2)).unwrap().status), (0, Status::Failed));
    assert_eq!(told(&mut a, Input::Lost(NodeId(2), Loss::Replaced(NodeId(3)))), [], "again is nothing new");
}

#[test]
fn one_that_was_replaced_and_starts_again_elsewhere_is_a_member_again() {
    let mut story = Story::of(6, World::default());
    story.sim.replace_by(NodeId(5), NodeId(4));
    story.run(20 * SECOND);
    assert_eq!(story.status(0, 5), Some(Status::Failed));
    story.sim.restart(NodeId(5), node(5, 2));
    story.sim.call(NodeId(5), Call::Join(NodeId(0)));
    assert!(story.agree(10));
    assert!((0..5).all(|i| story.status(i, 5) == Some(Status::Alive)));
}
