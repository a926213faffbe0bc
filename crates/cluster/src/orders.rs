//! Orders about the cluster's keys, of other members and of this program: this node carries them out, and reports.

use crate::keys::{KeyOrder, OrderedBy};
use crate::node::Handle;
use crate::ring::{Draft, names, write_file};
use rumormill_core::time::Duration;
use rumormill_node::Call;
use rumormill_protocols::agree::keys::{self, Kept, Order, Report};
use rumormill_runtime::keyring::{Keyring, KeyringError};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Carries out orders, one after the other, as long as the node runs. Removed keys are not kept: members that were away ask others for the ring.
pub(crate) async fn serve(
    handle: Arc<Handle>,
    keyring: Keyring,
    key_file: Option<PathBuf>,
    mut to_do: mpsc::Receiver<KeyOrder>,
) {
    while let Some(KeyOrder { order, by }) = to_do.recv().await {
        let report = match carry_out(&keyring, key_file.clone(), &order).await {
            Ok((kept, note)) => Report::new(&held(&keyring), kept, "", &note),
            Err(error) => Report::new(&held(&keyring), Kept::Nowhere, &error.to_string(), ""),
        };
        match by {
            OrderedBy::Myself(sender) => drop(sender.send(report)), // the program may have given up
            OrderedBy::Member(to, serial) => {
                if order != Order::List {
                    tracing::info!(by = %to, refused = report.refusal(), "a member changed the cluster's keys here");
                }
                let _ = handle.call(Call::Keys(keys::Call::Report { to, serial, report })).await; // else it asks again
            }
        }
    }
}

fn held(keyring: &Keyring) -> Vec<u64> {
    if keyring.is_insecure() { Vec::new() } else { names(keyring) }
}

/// Returns where the ring is kept, and why it is not in a key file.
async fn carry_out(
    keyring: &Keyring,
    key_file: Option<PathBuf>,
    order: &Order,
) -> Result<(Kept, String), KeyringError> {
    let mut draft = Draft { ring: keyring.detached(), removed: Vec::new() };
    draft.change(order, Duration::ZERO)?;
    let Some(path) = key_file else {
        keyring.replace(draft.ring.keys())?;
        return Ok((Kept::Nowhere, "the program that this node is part of keeps the keys".into()));
    };
    if *order == Order::List {
        return Ok((Kept::File, String::new()));
    }
    let ring = draft.ring.detached();
    let written = tokio::task::spawn_blocking(move || write_file(&ring, &path)).await;
    let kept = match written.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(()) => (Kept::File, String::new()),
        Err(error) => {
            (Kept::Nowhere, format!("the key file cannot be written ({error}): a restart takes the old keys"))
        }
    };
    keyring.replace(draft.ring.keys())?;
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_protocols::agree::keys::Secret;
    use rumormill_runtime::keyring::Key;

    #[tokio::test]
    async fn a_rotation_changes_the_ring_and_its_key_file_and_a_refused_order_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let (old, new) = (Key::new([7; 32]), Key::new([9; 32]));
        std::fs::write(&path, old.reveal()).unwrap();
        let ring = Keyring::load(&path).unwrap();
        let (old, new_name) = (old.fingerprint().0, new.fingerprint().0);
        let revoked = Order::Remove { fingerprint: old, revoke: false };
        assert!(carry_out(&ring, Some(path.clone()), &revoked).await.is_err(), "it is the primary key");
        for order in [Order::Install(Secret(*new.bytes())), Order::Use(new_name), revoked] {
            let kept = carry_out(&ring, Some(path.clone()), &order).await.unwrap();
            assert_eq!(kept, (Kept::File, String::new()), "{order:?}");
            assert_eq!(Keyring::load(&path).unwrap().list(), ring.list(), "{order:?}");
        }
        assert_eq!(names(&ring), [new_name]);
        let (kept, note) = carry_out(&ring, None, &Order::List).await.unwrap();
        assert_eq!(kept, Kept::Nowhere);
        assert!(note.contains("the program"), "{note}");
    }
}
