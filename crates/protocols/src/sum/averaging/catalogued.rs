//! Averaging's entry in the catalog.

use super::{Averaging, Config, LEADERS_MAX, Message, Pairing, Share, Shares, What};
use crate::catalog::Catalogued;
use crate::kit::epochs::Stamp;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use rumormill_core::identity::{Life, NodeId};

impl Catalogued for Averaging {
    type Config = Config;
    const NAME: &'static str = "averaging";
    const ABOUT: &'static str = "averages and counts by push-pull averaging";
    const PAPER: &'static str = "Jelasity, Montresor, Babaoglu 2005, with the mass conserved";
    const COST: &'static str = "one question, one answer";

    fn start(config: &Arc<Config>, _: NodeId, _: Life) -> Averaging {
        Averaging::new(config.clone())
    }

    fn on_graph(config: &Config, _: u64) -> Result<Config, String> {
        if config.pairing == Pairing::Matching {
            return Err(
                "pairing matching pairs all nodes, so each has to know all: choose steady, cyclic or poisson"
                    .into(),
            );
        }
        if let What::Count(_) = config.what {
            return Err("a count by leaders begins with the number of nodes that each one knows, and on a graph that is the number of its neighbours: \
                        average a value that is 1 at one node and 0 at all others"
                .into());
        }
        Ok(config.clone())
    }

    fn samples() -> Vec<(&'static str, Message)> {
        let stamp = Stamp::SAMPLE;
        let counts = |n: u32| {
            let share = |i| Share { tag: i * 0x0400_0001, amount: 1.0 / f64::from(i + 1) };
            Shares::Many(Box::new((0..n).map(share).collect()))
        };
        let ask = |have| Message::Ask { stamp, number: 70_000, have, opened_ms: 15_000 };
        let moved = |amount| Message::Moved { stamp, number: 70_000, amount };
        alloc::vec![
            ("ask", ask(Shares::One(42.5))),
            ("ask-counts", ask(counts(5))),
            ("ask-most-counts", ask(counts(LEADERS_MAX as u32))),
            ("moved", moved(Shares::One(-0.25))),
            ("moved-counts", moved(counts(0))),
            ("refused", Message::Refused { stamp, number: 70_000 }),
        ]
    }
}
