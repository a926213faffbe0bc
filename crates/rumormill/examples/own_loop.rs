//! Driving a protocol from a loop of one's own: three SWIM members in one thread, without runtime and simulator.
//!
//! A protocol asks for nothing but to be handed inputs and to have its outputs carried out. Here a sorted list of what is due is
//! all the world there is: a message takes a millisecond, a timer its time.

use rumormill::core::identity::{Life, Unsigned};
use rumormill::core::peers::Peers;
use rumormill::core::rng::Rng;
use rumormill::swim::{Call, Config, Me};
use rumormill::{Cx, Input, NodeId, Output, Protocol, Swim, Time, Wall};
use std::collections::BTreeMap;
use std::time::Duration;

type Node = Swim<Unsigned>;

fn main() {
    let member = |i: u64| {
        let life = Life { epoch: 1, session: 0xcafe + i };
        let (contact, tags) = Default::default();
        let me = Me { id: NodeId(i), life, name: format!("member-{i}"), contact, tags, copied_from: None };
        (Swim::new(Config::local(), me, Unsigned), Rng::seeded(i))
    };
    let mut nodes: Vec<(Node, Rng)> = (0..3).map(member).collect();
    let mut due: BTreeMap<(Time, u64), (usize, Input<Node>)> = BTreeMap::new();
    let mut count = 0;
    for i in 0..3 {
        due.insert((Time::ZERO, i), (i as usize, Input::Start));
        due.insert((Time(1), i), (i as usize, Input::Call(Call::Join(NodeId(0)))));
    }
    while let Some(((now, _), (at, input))) = due.pop_first() {
        if now > Time::ZERO + Duration::from_secs(10) {
            break;
        }
        let (node, rng) = &mut nodes[at];
        let mut out = |output: Output<Node>| {
            count += 1;
            let key = |delay| (now + delay, 10 + count);
            match output {
                Output::Send(to, _, message) => {
                    let from = NodeId(at as u64);
                    due.insert(key(Duration::from_millis(1)), (to.0 as usize, Input::Message(from, message)));
                }
                Output::Timer(delay, timer) => _ = due.insert(key(delay), (at, Input::Timer(timer))),
                Output::Event(event) => println!("{:.3} s  node {at}: {event:?}", now.as_secs_f64()),
                Output::Watch(..) | Output::Peer(_) => {}
            }
        };
        let (wall, me) = (Wall(now.0 / 1_000_000), NodeId(at as u64));
        let peers = &Peers::default(); // SWIM draws from its own list
        node.handle(&mut Cx { now, wall, me, peers, rng, room: usize::MAX, out: &mut out }, input);
    }
    assert!(nodes.iter().all(|(node, _)| node.live_len() == 3));
    println!("after {count} outputs all three know each other");
}
