//! A stack of membership with events, made of two protocols by `composite!`, among 100 nodes on the simulator.

use rumormill::core::composite::{Route, Wires, Wiring};
use rumormill::core::identity::{Life, Unsigned};
use rumormill::protocols::spread::events::{self, Cover, Events, Publish};
use rumormill::sim::{Sim, World};
use rumormill::swim::{self, Swim};
use rumormill::{Cx, Input, NodeId, Payload, Time};
use std::time::Duration;

const NODES: u64 = 100;

rumormill::core::composite! {
    /// Membership, and events among its members.
    pub struct Node {
        /// Who is there.
        0 swim Swim: Swim<Unsigned>,
        /// What they tell each other.
        1 events Events: Events,
    }
}

impl Wiring for Node {
    fn route(&mut self, cx: &mut Cx<'_, Self>, route: Route<Self>) {
        match &route {
            // The events find out what was before this node, before it lists others.
            Route::Input(Input::Call(Call::Swim(swim::Call::Join(peer)))) => {
                self.events(cx, Input::Call(events::Call::Join { peer: *peer, seeks: true }));
            }
            Route::Event(Event::Swim(event)) => {
                event.change().into_iter().for_each(|change| cx.publish(change));
            }
            _ => {}
        }
        self.pass(cx, route);
    }

    fn spare(&mut self, cx: &mut Cx<'_, Self>, peer: NodeId, bytes: usize) {
        self.events(cx, Input::Spare(peer, bytes / 2));
        self.swim(cx, Input::Spare(peer, bytes / 2));
    }
}

fn node(i: u64) -> Node {
    let life = Life { epoch: 1, session: 0xfeed + i };
    let (name, contact, tags) = (format!("node-{i}"), Payload::EMPTY, Payload::EMPTY);
    let me = swim::Me { id: NodeId(i), life, name, contact, tags, copied_from: None };
    Node {
        swim: Swim::new(swim::Config::lan(), me, Unsigned),
        events: Events::new(events::Config::default(), life),
        wires: Wires::default(),
    }
}

fn main() {
    let mut sim = Sim::new(World { loss: 0.05, ..World::default() }, 1);
    for i in 0..NODES {
        sim.spawn(NodeId(i), node(i), Time::ZERO);
        if i > 0 {
            sim.call(NodeId(i), Call::Swim(swim::Call::Join(NodeId(0))));
        }
    }
    sim.run_for(Duration::from_secs(10), &mut |_, _, _| {});
    assert!((0..NODES).all(|i| sim.node(NodeId(i)).swim.live_len() as u64 == NODES));
    let (name, payload) = (Payload::from(&b"deploy"[..]), Payload::from(&b"v1.2"[..]));
    let (unordered, coalesce, question, cover) = (false, false, false, Cover::Nobody);
    let publish = Publish { ticket: 1, name, payload, unordered, coalesce, cover, question };
    let published = sim.now();
    sim.call(NodeId(7), Call::Events(events::Call::Publish(publish)));
    let (mut delivered, mut last) = (0, published);
    sim.run_for(Duration::from_secs(10), &mut |at, _, event| {
        if let Event::Events(events::Event::Delivered(_)) = event {
            (delivered, last) = (delivered + 1, at);
        }
    });
    println!("the event is at {delivered} of {NODES} nodes, at the last after {:?}", last.since(published));
    assert_eq!(delivered, NODES);
}
