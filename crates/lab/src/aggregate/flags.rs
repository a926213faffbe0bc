//! The flags of an aggregation, and all that its runs follow from.

use super::{Aggregate, Algorithm, PAIRINGS, VALUES, settings};
use crate::flags::{Flag, Flagged};
use crate::topology::Topology;
use rumormill_core::time::Duration;
use rumormill_sim::Latency;

impl Flagged for Aggregate {
    fn flags() -> Vec<Flag<Aggregate>> {
        let ms = Duration::from_millis;
        vec![
            Flag::choice("algorithm", |it| &mut it.algorithm, Algorithm::all()),
            Flag::named("values", |it| &mut it.values, &VALUES),
            Flag::named("pairing", |it| &mut it.pairing, &PAIRINGS),
            Flag::optional("leaders", |it| &mut it.leaders, [4.0, 8.0], f64::to_string),
            Flag::number("numbers", |it| &mut it.numbers, [20, 100]),
            Flag::optional("topology", |it| &mut it.topology, Topology::all(), Topology::to_string),
            Flag::optional("neighbours", |it| &mut it.neighbours, [5, 10], u64::to_string),
            Flag::switch("synchronous", |it| &mut it.synchronous),
            Flag::optional(
                "latency",
                |it| &mut it.latency,
                [Latency::Uniform(ms(1), ms(100))],
                |_| "1ms,100ms".into(),
            ),
            Flag::number("loss", |it| &mut it.loss, [0.0, 0.3]),
            Flag::number("rounds", |it| &mut it.rounds, [5, 10]),
            Flag::number("nodes", |it| &mut it.nodes, [40, 50]),
            Flag::number("runs", |it| &mut it.runs, [1, 2]),
            Flag::number("seed", |it| &mut it.seed, [1, 2]),
        ]
    }

    fn gist(&self) -> String {
        let Aggregate { nodes, rounds, runs, seed, topology, .. } = self;
        let neighbours = self.neighbours.filter(|_| topology.is_none());
        let (settings, world) = (settings::shown(self), settings::world(self));
        format!("{settings} {world:?} {nodes} {rounds} {runs} {seed} {topology:?} {neighbours:?}")
    }
}
