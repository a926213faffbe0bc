//! The tables of peers and of sessions: what the runtime knows of members.

use crate::describe::inside::Inside;
use crate::tables::{AgentTable, Read};
use rumormill_core::identity::NodeId;
use rumormill_core::observe::Key;
use rumormill_core::table::{Cell, Table, Wanted};
use rumormill_core::words::seconds;
use rumormill_core::{columns, row};

/// Peers.
pub(super) const PEERS: AgentTable = AgentTable {
    table: &Table {
        name: "peers",
        about: "Where this agent sends to each other member.",
        key: &["id"],
        columns: columns! {
            /// The member.
            id: Text,
            /// Its name.
            name: Text,
            /// The address that is tried first; null if none is known or can be reached.
            address: Text,
            /// All addresses worth trying, the best first, as a JSON list.
            addresses: Json,
            /// True of a banned member: nothing is taken from it.
            is_banned: Bool,
            /// Seconds since this agent last heard from it directly; null if it never did.
            heard_s: Float,
        },
    },
    read: Read::Keyed { keys: others, row: peer },
};

/// Sessions.
pub(super) const SESSIONS: AgentTable = AgentTable {
    table: &Table {
        name: "sessions",
        about: "The life in which each other member was heard last. Packets of an earlier life are refused.",
        key: &["id"],
        columns: columns! {
            /// The member.
            id: Text,
            /// Its name.
            name: Text,
            /// The member's starts so far.
            epoch: Int,
            /// That start's random number: 16 hexadecimal digits.
            session: Text,
            /// True once that life has proved that it is live, so that its packets are no old ones that somebody sends again.
            is_confirmed: Bool,
            /// Seconds since this agent last heard from it directly; null if it never did.
            heard_s: Float,
        },
    },
    read: Read::Keyed { keys: others, row: session },
};

fn others(inside: &Inside<'_>) -> Vec<Key> {
    let me = inside.node.swim.me().id;
    inside.node.swim.members().filter(|member| member.id != me).map(|member| [member.id.0, 0, 0]).collect()
}

fn peer(inside: &Inside<'_>, [id, ..]: Key, wanted: Wanted) -> Option<Vec<Cell>> {
    let member = inside.node.swim.member(NodeId(id))?;
    let addresses = || inside.seen.book.addresses(member.id).map(|address| address.to_string());
    Some(row![wanted;
        member.id,
        member.card.name.as_str(),
        addresses().next(),
        Cell::list(addresses()),
        inside.seen.book.is_banned(member.id),
        member.heard.map(|heard| seconds(inside.now.since(heard))),
    ])
}

fn session(inside: &Inside<'_>, [id, ..]: Key, wanted: Wanted) -> Option<Vec<Cell>> {
    let member = inside.node.swim.member(NodeId(id))?;
    let (life, is_confirmed) = inside.seen.session(member.id)?;
    Some(row![wanted;
        member.id,
        member.card.name.as_str(),
        life.epoch,
        format!("{:016x}", life.session),
        is_confirmed,
        member.heard.map(|heard| seconds(inside.now.since(heard))),
    ])
}
