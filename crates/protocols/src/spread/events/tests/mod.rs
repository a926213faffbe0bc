//! The promises, as stories on the simulator.

mod bounds;
mod costs;
mod cover;
mod delivery;
mod hostile;
mod joining;
mod kernels;

use super::*;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec;
use rumormill_core::payload::Payload;
use rumormill_core::peers::{Change, Peers};
use rumormill_core::rng::Rng;
use rumormill_core::time::Wall;
use rumormill_sim::{Sim, World};

const SECOND: Duration = Duration::from_secs(1);
const SEEDS: [u64; 3] = [1, 2, 3];

fn say(line: &str) {
    extern crate std;
    std::println!("{line}");
}

fn life(epoch: u64) -> Life {
    Life { epoch, session: 7 }
}

fn text(text: &str) -> Payload {
    Payload::from(text.as_bytes())
}

fn source(origin: u64) -> Source {
    Source { origin: NodeId(origin), epoch: 1 }
}

fn event(ticket: u64) -> Publish {
    let payload = Payload::from(&ticket.to_be_bytes()[..]);
    Publish {
        ticket,
        name: text("test"),
        payload,
        unordered: false,
        coalesce: false,
        cover: Cover::Sample,
        question: false,
    }
}

/// A cluster with all that its members were told.
struct Story {
    sim: Sim<Events>,
    config: Arc<Config>,
    told: BTreeMap<u64, Vec<(Time, Event)>>,
    tickets: u64,
}

impl Story {
    /// `n` members that know each other, and what was before them.
    fn of(n: u64, world: World, seed: u64, config: Config) -> Story {
        say(&format!("seed {seed}, {n} members"));
        let sim = Sim::new(world, seed);
        let mut story = Story { sim, config: Arc::new(config), told: BTreeMap::new(), tickets: 0 };
        for id in 0..n {
            story.sim.spawn(NodeId(id), Events::new(story.config.clone(), life(1)), Time::ZERO);
            story.sim.meet(NodeId(id), Peers::Everyone(n));
        }
        story.run(5 * SECOND);
        assert!((0..n).all(|id| story.node(id).is_joined()), "not all have joined");
        story.told.clear();
        story
    }

    fn node(&self, id: u64) -> &Events {
        self.sim.node(NodeId(id))
    }

    fn run(&mut self, time: Duration) {
        let told = &mut self.told;
        self.sim.run_for(time, &mut |at, by, event| told.entry(by.0).or_default().push((at, event)));
    }

    fn publish(&mut self, by: u64, publish: Publish) {
        self.sim.call(NodeId(by), Call::Publish(publish));
    }

    fn say(&mut self, by: u64) {
        self.tickets += 1;
        let ticket = self.tickets;
        self.publish(by, event(ticket));
    }

    fn told(&self, to: u64) -> impl Iterator<Item = &Event> {
        self.told.get(&to).into_iter().flatten().map(|(_, event)| event)
    }

    /// The numbers of one origin that a member was told, in that order.
    fn seqs(&self, to: u64, of: Source) -> Vec<u64> {
        let delivered = |event: &Event| match event {
            Event::Delivered(item) if item.id.source == of => Some(item.id.seq),
            _ => None,
        };
        self.told(to).filter_map(delivered).collect()
    }

    fn gaps(&self, to: u64, of: Source) -> Vec<Span> {
        let gap = |event: &Event| match event {
            Event::Gap { source, span } if *source == of => Some(*span),
            _ => None,
        };
        self.told(to).filter_map(gap).collect()
    }

    fn deliveries(&self, to: u64) -> usize {
        self.told(to).filter(|event| matches!(event, Event::Delivered(_))).count()
    }

    /// Whether all that live hold the same.
    fn agree(&self) -> bool {
        let roots: Vec<u64> = self.sim.live_ids().map(|id| self.sim.node(id).root()).collect();
        roots.windows(2).all(|pair| pair[0] == pair[1])
    }

    fn total(&self) -> Counters {
        let mut total = Counters::default();
        self.sim.ids().for_each(|id| total += self.sim.node(id).counters());
        total
    }
}

fn lossy(loss: f64) -> World {
    World { loss, wire: true, duplicate: 0.1, ..World::default() }
}
