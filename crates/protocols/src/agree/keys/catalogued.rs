//! The keys' entry in the catalog.

use super::{Config, Kept, Keys, Message, Order, Report, SECRET_BYTES, Secret};
use crate::catalog::Catalogued;
use alloc::sync::Arc;
use alloc::vec::Vec;
use rumormill_core::identity::{Life, NodeId};

impl Catalogued for Keys {
    type Config = Config;
    const NAME: &'static str = "keys";
    const ABOUT: &'static str = "orders about the cluster's keys, repeated until each member reports";
    const PAPER: &'static str = "ours: an order to each member, repeated until it reports";
    const COST: &'static str = "two datagrams per member and order";

    fn start(config: &Arc<Config>, _: NodeId, _: Life) -> Keys {
        Keys::new(Config::clone(config))
    }

    fn samples() -> Vec<(&'static str, Message)> {
        let order = |order| Message::Order { serial: 0x1122_3344_5566_7788, order };
        let report = |keys: &[u64], kept, refusal, note| {
            let report = Report::new(keys, kept, refusal, note);
            Message::Report { serial: 0x1122_3344_5566_7788, report }
        };
        alloc::vec![
            ("list", order(Order::List)),
            ("install", order(Order::Install(Secret([7; SECRET_BYTES])))),
            ("use", order(Order::Use(0x0123_4567_89ab_cdef))),
            ("remove", order(Order::Remove { fingerprint: 0x0123_4567_89ab_cdef, revoke: true })),
            ("report", report(&[0x0123_4567_89ab_cdef, 9], Kept::File, "", "")),
            ("report-refused", report(&[9], Kept::Store, "no such key", "the key file cannot be written")),
            ("report-empty", report(&[], Kept::Nowhere, "", "")),
        ]
    }
}
