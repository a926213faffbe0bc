//! Gossip protocols as sans-IO state machines, one paper per file.
//!
//! | protocol | paper | cost per node and period | built on |
//! | --- | --- | --- | --- |
//! | [`member::swim`] | Das, Gupta, Motivala 2002 (SWIM); Dadgar, Phillips, Currey 2018 (Lifeguard) | one ping and one ack, whatever n | [`kit::buffer`], [`kit::health`], [`kit::roster`] |
//! | [`spread::direct_mail`] | Demers 1987, section 1.2 | n - 1 updates at the publisher, paced | [`kit::known`] |
//! | [`spread::flood`] | folklore: the baseline in time | d - 1 updates per update | [`kit::regular`], [`kit::allowance`] |
//! | [`spread::tree`] | folklore: the baseline in messages | 1 update per update | [`kit::known`], [`kit::allowance`] |
//! | [`spread::infect_and_die`] | Eugster 2004 | f updates per update | [`kit::choice`], [`kit::allowance`] |
//! | [`spread::rumor`] | Demers 1987, section 1.4 | ln(1/s) updates per update for a residue s | [`kit::choice`], [`kit::known`] |
//! | [`spread::push_then_pull`] | Saidi, Mohtashemi 2012 | 1.9 messages per update | [`kit::choice`], [`kit::known`] |
//! | [`spread::median_counter`] | Karp 2000 | 14.5 messages per update and one call per period | [`kit::choice`], [`kit::known`] |
//! | [`spread::events`] | Demers 1987, sections 1.3 and 1.4; Birman 1999 (bimodal multicast) | ln(4n) pushes per event, and one sum per period | [`kit::choice`], [`kit::allowance`] |
//! | [`spread::queries`] | serf's queries; answers paced and confirmed | an event, and one answer of each who is meant | [`spread::events`], by what is told of them |
//! | [`agree::anti_entropy`] | Demers 1987, sections 1.3 and 2; Merkle 1987 | one contact: a checksum where nothing differs | [`kit::choice`], [`kit::merkle`], [`kit::stamp`] |
//! | [`agree::bans`] | Kermarrec, Massoulié, Ganesh 2003 (infect and die); Demers 1987, section 1.3 | nothing without a ban; with some, one sum | - |
//! | [`agree::keys`] | ours: an order to each, asked again until it reports | two datagrams per member and order | - |
//! | [`agree::latest`] | Demers 1987, anti-entropy by recent updates; newest-wins registers | a fixed ration of each datagram that leaves anyway | - |
//! | [`sum::push_sum`] | Kempe, Dobra, Gehrke 2003; quantiles by DDSketch (Masson 2019) | one message | [`kit::epochs`], [`kit::sketch`] |
//! | [`sum::averaging`] | Jelasity, Montresor, Babaoglu 2005, with the mass conserved | one question, one answer | [`kit::epochs`], [`kit::ledger`], [`kit::matching`] |
//! | [`sum::plain`] | Jelasity, Montresor, Babaoglu 2005, figure 1: the baseline | one question, one answer | - |
//! | [`sum::extrema`] | Baquero, Almeida, Menezes 2009 | one question, one answer while there is news | [`kit::epochs`] |
//! | [`sum::threshold`] | Wuhib, Dam, Stadler 2010 (TG-GAP); Sharfman, Schuster, Keren 2006 | none far from the threshold, near it as averaging | [`kit::epochs`], [`kit::ledger`], [`kit::evidence`] |
//!
//! Every file reads in the same order: what it is for and where it comes from, `Config`, `Call`, `Message`, `Timer`, `Event`, the state,
//! `handle`, then one `on_…` per arm of its `match`. No protocol names another: who is told of whom stands in this file.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod agree;
pub mod kit;
pub mod member;
pub mod spread;
pub mod sum;

use rumormill_core::stack::Told;
use spread::{events, queries};

/// A question travels as an event.
impl Told<events::Event> for queries::Queries {
    fn told(event: &events::Event) -> Option<queries::Call> {
        match event {
            events::Event::Delivered(item) if item.flags.has(events::Flags::QUESTION) => {
                Some(queries::Call::Heard { name: item.name.clone(), payload: item.payload.clone() })
            }
            _ => None,
        }
    }
}

const _: () = assert!(queries::NAME_BYTES_MAX <= events::NAME_BYTES_MAX);
