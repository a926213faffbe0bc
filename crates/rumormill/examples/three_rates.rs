//! Three protocols in one node, each at its own rate: membership once a second, an average twenty times, and each member's newest reading in the
//! room that their datagrams leave.
//!
//! The protocols know nothing of each other. `composite!` makes a node of them, and `Wiring` says how they are connected: a change of membership goes
//! to the other two, and spare bytes are shared.

use rumormill::core::composite::{Route, Wires, Wiring};
use rumormill::core::identity::{Life, Unsigned};
use rumormill::core::payload::Payload;
use rumormill::protocols::agree::lww::{self, Lww};
use rumormill::protocols::sum::{self, averaging, averaging::Averaging};
use rumormill::swim::{self, Me};
use rumormill::{Cx, Input, NodeId, Swim, Time};
use rumormill_sim::{Sim, World};
use std::time::Duration;

rumormill::core::composite! {
    /// Membership, an average over the members, and their readings.
    pub struct Node {
        /// Who is there.
        0 swim Swim: Swim<Unsigned>,
        /// The average of the members' loads.
        1 load Load: Averaging,
        /// Each member's newest reading.
        2 readings Readings: Lww,
    }
}

impl Wiring for Node {
    fn route(&mut self, cx: &mut Cx<'_, Self>, route: Route<Self>) {
        if let Route::Event(Event::Swim(event)) = &route
            && let Some(change) = event.change()
        {
            cx.publish(change);
        }
        self.pass(cx, route);
    }

    fn spare(&mut self, cx: &mut Cx<'_, Self>, peer: NodeId, bytes: usize) {
        self.swim(cx, Input::Spare(peer, bytes / 2));
        self.readings(cx, Input::Spare(peer, bytes / 2));
    }
}

fn node(i: u64) -> Node {
    let life = Life { epoch: 1, session: 0xfeed + i };
    let (name, contact, tags) = (format!("node-{i}"), Payload::default(), Payload::default());
    let me = Me { id: NodeId(i), life, name, contact, tags, copied_from: None };
    let rate = averaging::Config { period: Duration::from_millis(50), ..averaging::Config::default() };
    Node {
        swim: Swim::new(swim::Config::local(), me, Unsigned),
        load: Averaging::new(rate),
        readings: Lww::new(lww::Config::default(), life),
        wires: Wires::default(),
    }
}

fn main() {
    let n = 50;
    let mut sim = Sim::new(World { loss: 0.05, ..World::default() }, 1);
    for i in 0..n {
        sim.spawn(NodeId(i), node(i), Time::ZERO);
        sim.call(NodeId(i), Call::Swim(swim::Call::Join(NodeId(0))));
        sim.call(NodeId(i), Call::Load(sum::Call::Set(i as f64)));
        sim.call(NodeId(i), Call::Readings(lww::Call::Put(Payload::from(&i.to_be_bytes()[..]))));
    }
    let mut estimate = None;
    sim.run_for(Duration::from_secs(30), &mut |_, _, event| {
        if let Event::Load(sum::Event::Estimate { estimate: now, .. }) = event {
            estimate = Some(now);
        }
    });
    let known =
        |id: NodeId| (0..n).filter(|of| sim.node(id).readings.get(NodeId(*of)).is_some()).count() as u64;
    assert!((0..n).all(|i| sim.node(NodeId(i)).swim.live_len() as u64 == n && known(NodeId(i)) == n - 1));
    let estimate = estimate.expect("an epoch has ended");
    assert!((estimate - (n - 1) as f64 / 2.0).abs() < 0.01, "{estimate}");
    println!("all {n} know each other and each other's readings, and take the average for {estimate:.3}");
}
