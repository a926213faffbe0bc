//! The table of keys.

use crate::states::lock;
use crate::tables::{AgentTable, Read};
use rumormill_core::columns;
use rumormill_core::table::{Cell, Table};
use rumormill_runtime::Key;

/// Keys.
pub(super) const KEYS: AgentTable = AgentTable {
    table: &Table {
        name: "keys",
        about: "This agent's cluster keys by fingerprint, never a key itself. Empty without a key.",
        key: &["fingerprint"],
        columns: columns! {
            /// The head of the key's hash: 16 hexadecimal digits.
            fingerprint: Text,
            /// True of the key that this agent seals with; all installed keys open.
            is_primary: Bool,
            /// False of a removed key, which is remembered for members that were away.
            is_installed: Bool,
            /// Of a removed key: until when members that were away may catch up by it.
            until: Time,
        },
    },
    read: Read::Outside(|agent, _, each| {
        if agent.keyring.is_insecure() {
            return;
        }
        let installed = agent.keyring.list().into_iter().enumerate();
        let installed = installed
            .map(|(at, name)| vec![name.to_string().into(), (at == 0).into(), true.into(), Cell::Null]);
        let removed = lock(&agent.keys().removed).clone().into_iter().map(|removed| {
            let name = Key::new(removed.key.0).fingerprint().to_string();
            vec![name.into(), false.into(), false.into(), removed.until.into()]
        });
        let _ = installed.chain(removed).try_for_each(each); // or it has enough
    }),
};
