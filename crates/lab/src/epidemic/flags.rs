//! The flags of an epidemic, and all that its runs follow from.

use super::strategy::settings;
use super::{Counting, Epidemic, Removal, Strategy, run};
use crate::flags::{Flag, Flagged};
use crate::topology::Topology;
use rumormill_core::time::Duration;
use rumormill_protocols::kit::peer_selection::PeerSelection;
use rumormill_sim::Latency;

impl Flagged for Epidemic {
    fn flags() -> Vec<Flag<Epidemic>> {
        let ms = Duration::from_millis;
        vec![
            Flag::choice("strategy", |it| &mut it.strategy, Strategy::all()),
            Flag::choice("removal", |it| &mut it.removal, Removal::all()),
            Flag::number("k", |it| &mut it.k, [1, 2, 4]),
            Flag::optional("fanout", |it| &mut it.fanout, [1, 3, 6], u32::to_string),
            Flag::optional("connection-limit", |it| &mut it.connection_limit, [1, 2], u32::to_string),
            Flag::number("hunt", |it| &mut it.hunt, [0, 1, 4]),
            Flag::switch("minimization", |it| &mut it.minimization),
            Flag::choice("counting", |it| &mut it.counting, Counting::all()),
            Flag::optional("switch", |it| &mut it.switch, [1, 3], u32::to_string),
            Flag::optional("topology", |it| &mut it.topology, Topology::all(), Topology::to_string),
            Flag::number("bytes", |it| &mut it.bytes, [0, 100]),
            Flag::number("loss", |it| &mut it.loss, [0.0, 0.3]),
            Flag::optional(
                "latency",
                |it| &mut it.latency,
                [Latency::Uniform(ms(1), ms(100))],
                |_| "1ms,100ms".into(),
            ),
            Flag::number("rounds-max", |it| &mut it.rounds_max, [1, 2_000]),
            Flag::number("nodes", |it| &mut it.nodes, [40, 50]),
            Flag::number("runs", |it| &mut it.runs, [1, 2]),
            Flag::number("seed", |it| &mut it.seed, [1, 2]),
        ]
    }

    fn gist(&self) -> String {
        // A choice has tables, and no flag.
        let plain = Epidemic { choice: PeerSelection::Uniform, ..self.clone() };
        let Epidemic { nodes, bytes, runs, seed, rounds_max, topology, .. } = &plain;
        let (settings, world) = (settings(&plain), run::world(&plain));
        format!("{settings} {world:?} {nodes} {bytes} {runs} {seed} {rounds_max} {topology:?}")
    }
}
