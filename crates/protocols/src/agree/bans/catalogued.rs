//! The bans' entry in the catalog.

use super::{Ban, BanVersion, Bans, Config, Message, Signed};
use crate::catalog::Catalogued;
use alloc::sync::Arc;
use alloc::vec::Vec;
use rumormill_core::identity::{Life, NodeId, Unsigned};
use rumormill_core::payload::Payload;
use rumormill_core::record::Record;

fn signed(id: u64, lifted: bool) -> Signed {
    let (id, by) = (NodeId(id), NodeId(0x1111_2222_3333_4444));
    let reason = Payload::from(&b"it answers for others"[..]);
    let ban = Ban { id, version: 1_763_800_000_000, lifted, by, reason, name: None };
    Signed(Record::signed(ban, &Unsigned))
}

impl Catalogued for Bans<Unsigned> {
    type Config = Config;
    const NAME: &'static str = "bans";
    const ABOUT: &'static str = "signed bans, of which the later counts";
    const PAPER: &'static str =
        "Kermarrec, Massoulié, Ganesh 2003 (infect and die); Demers 1987, section 1.3";
    const COST: &'static str = "nothing without a ban; with some, one sum";

    fn start(config: &Arc<Config>, _: NodeId, _: Life) -> Bans<Unsigned> {
        Bans::new(Config::clone(config), Unsigned)
    }

    fn samples() -> Vec<(&'static str, Message)> {
        let known = |id| BanVersion {
            id: NodeId(id),
            version: 1_763_800_000_000,
            lifted: id % 2 == 0,
            by: NodeId(7),
        };
        let both = || alloc::vec![signed(0xaaaa_bbbb_cccc_dddd, false), signed(0x0123_4567_89ab_cdef, true)];
        alloc::vec![
            ("sum", Message::Sum(0x1122_3344_5566_7788)),
            (
                "have",
                Message::Have { known: alloc::vec![known(0x0123_4567_89ab_cdef), known(8)], answers: false }
            ),
            ("have-nothing", Message::Have { known: Vec::new(), answers: true }),
            ("give", Message::Give(both())),
            ("give-nothing", Message::Give(Vec::new())),
        ]
    }
}
