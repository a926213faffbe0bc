//! Changes of the cluster's keys on all live members. Every member confirms each step, and the next one begins only then.

use super::Cluster;
use crate::error::Error;
use crate::keys::{KeyOrder, KeyStep, MemberKeys, OrderedBy};
use crate::shared::Shared;
use rumormill_core::identity::NodeId;
use rumormill_core::time::Duration;
use rumormill_node::Call;
use rumormill_protocols::agree::keys::{self, Config, Order, Report, Secret};
use rumormill_protocols::member::swim::Status;
use rumormill_runtime::keyring::{Fingerprint, Key, KeyringError};
use std::collections::BTreeMap;
use tokio::sync::{MutexGuard, oneshot};

/// Time for reports beyond the tries of the protocol.
const REPORTS_GRACE: Duration = Duration::from_secs(10);

/// Keys. A rotation is [`Cluster::rotate_key`]; the other methods are its steps. All live members take part, agents among them: each writes the change into
/// its key file, and reports. A member that is away during a rotation comes back with the old key; an agent among the members can still give it the new one
/// for a while (`keys_grace_s`), an embedded member cannot.
impl Cluster {
    /// The keys of each live member, ordered by its name.
    pub async fn member_keys(&self) -> Result<Vec<MemberKeys>, Error> {
        let _one_at_a_time = self.changing_keys()?;
        self.order(&Order::List).await
    }

    /// Has all members open packets of this key, beside those of the keys that they hold.
    ///
    /// # Errors
    /// [`Error::KeyUnconfirmed`] with the members that did not confirm. Installing again is safe.
    pub async fn install_key(&self, key: &Key) -> Result<(), Error> {
        let _one_at_a_time = self.changing_keys()?;
        self.install(key).await
    }

    /// Has all members seal with this key.
    ///
    /// # Errors
    /// [`Error::KeyNotReady`] if a member does not confirm that it holds the key: nothing was changed. [`Error::KeyUnconfirmed`] if a member does not
    /// confirm that it seals with it.
    pub async fn use_key(&self, key: Fingerprint) -> Result<(), Error> {
        let _one_at_a_time = self.changing_keys()?;
        let held = self.order(&Order::List).await?;
        ready(KeyStep::Use, key, held, |member| member.holds(key))?;
        self.seal_with(key).await
    }

    /// Has all members forget this key.
    ///
    /// # Errors
    /// [`Error::KeyNotReady`] if a member seals with the key or does not answer: nothing was changed. [`Error::KeyUnconfirmed`] if a member does not confirm
    /// that it forgot the key.
    pub async fn remove_key(&self, key: Fingerprint) -> Result<(), Error> {
        let _one_at_a_time = self.changing_keys()?;
        let held = self.order(&Order::List).await?;
        ready(KeyStep::Remove, key, held, |member| member.keys.is_ok() && member.primary() != Some(key))?;
        self.forget_key(key).await
    }

    /// Rotates the cluster's key: installs this key on all members, has them seal with it, and removes all others.
    ///
    /// # Errors
    /// [`Error::KeyNotReady`] if a member does not answer at the beginning: nothing was changed. [`Error::KeyUnconfirmed`] if one does not confirm a step.
    /// All members still understand each other then, and rotating to the same key again goes on.
    pub async fn rotate_key(&self, new: &Key) -> Result<(), Error> {
        let _one_at_a_time = self.changing_keys()?;
        let name = new.fingerprint();
        let held = self.order(&Order::List).await?;
        let mut old: Vec<Fingerprint> =
            held.iter().flat_map(|member| member.keys.iter().flatten()).copied().collect();
        ready(KeyStep::List, name, held, |member| member.keys.is_ok())?;
        old.sort_unstable();
        old.dedup();
        old.retain(|old| *old != name);
        // Twice: a member that joined meanwhile has the old key alone.
        self.install(new).await?;
        self.install(new).await?;
        self.seal_with(name).await?;
        for old in old {
            self.forget_key(old).await?;
        }
        Ok(())
    }

    /// One change at a time.
    fn changing_keys(&self) -> Result<MutexGuard<'_, ()>, Error> {
        if self.0.keyring.is_insecure() {
            return Err(Error::Keyring(KeyringError::Insecure));
        }
        self.0.shared.changing_keys.try_lock().map_err(|_| Error::KeysBusy)
    }

    async fn install(&self, key: &Key) -> Result<(), Error> {
        let held = self.order(&Order::Install(Secret(*key.bytes()))).await?;
        let key = key.fingerprint();
        confirmed(KeyStep::Install, key, held, |member| member.holds(key))
    }

    async fn seal_with(&self, key: Fingerprint) -> Result<(), Error> {
        let held = self.order(&Order::Use(key.0)).await?;
        confirmed(KeyStep::Use, key, held, |member| member.primary() == Some(key))
    }

    async fn forget_key(&self, key: Fingerprint) -> Result<(), Error> {
        let held = self.order(&Order::Remove { fingerprint: key.0, revoke: false }).await?;
        confirmed(KeyStep::Remove, key, held, |member| member.keys.is_ok() && !member.holds(key))
    }

    /// Has every live member carry out an order; this one last, since it can ask the others as long as it has not changed.
    async fn order(&self, order: &Order) -> Result<Vec<MemberKeys>, Error> {
        let live = self.inspect(|node| {
            let live = node.swim.members().filter(|m| matches!(m.status, Status::Alive | Status::Suspect));
            live.map(|member| (member.id, member.card.name.clone())).collect::<Vec<_>>()
        });
        let (me, live) = (self.id(), live.await?);
        let others = live.iter().map(|(id, _)| *id).filter(|id| *id != me).collect();
        let mut reports = self.order_others(others, order).await?;
        reports.insert(me, Some(self.order_myself(order).await?));
        let report = |id| reports.get(&id).and_then(Option::as_ref);
        let mut members: Vec<MemberKeys> =
            live.into_iter().map(|(id, name)| MemberKeys::of(id, name, report(id))).collect();
        members.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(members)
    }

    /// The reports of these members, by their ids; a member that did not answer may be missing.
    async fn order_others(
        &self,
        of: Vec<NodeId>,
        order: &Order,
    ) -> Result<BTreeMap<NodeId, Option<Report>>, Error> {
        let Config { parallel_max, first_wait, tries_max, .. } = Config::default();
        let rounds = u32::try_from(of.len().div_ceil(parallel_max)).unwrap_or(u32::MAX);
        let wait = first_wait.saturating_mul(1 << tries_max).saturating_mul(rounds) + REPORTS_GRACE;
        let (ticket, mut reports) = self.0.shared.reports().open();
        let _until_dropped = Awaited { shared: &self.0.shared, ticket };
        let (count, order) = (of.len(), order.clone());
        self.call(Call::Keys(keys::Call::Ask { ticket, of, order })).await?;
        let mut found = BTreeMap::new();
        let all = async {
            while found.len() < count
                && let Some((by, report)) = reports.recv().await
            {
                found.insert(by, report);
            }
        };
        let _ = tokio::time::timeout(wait, all).await; // a member that is missing did not answer
        Ok(found)
    }

    async fn order_myself(&self, order: &Order) -> Result<Report, Error> {
        let (sender, report) = oneshot::channel();
        let order = KeyOrder { order: order.clone(), by: OrderedBy::Myself(sender) };
        self.0.shared.orders.send(order).await.map_err(|_| Error::Stopped)?;
        report.await.map_err(|_| Error::Stopped)
    }
}

/// Reports are awaited until this is dropped.
struct Awaited<'a> {
    shared: &'a Shared,
    ticket: u64,
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.shared.reports().close(self.ticket);
    }
}

/// The members for which a condition does not hold; fine if there are none.
fn all(held: Vec<MemberKeys>, is_so: impl Fn(&MemberKeys) -> bool) -> Result<(), Vec<MemberKeys>> {
    let others: Vec<MemberKeys> = held.into_iter().filter(|member| !is_so(member)).collect();
    if others.is_empty() { Ok(()) } else { Err(others) }
}

fn ready(
    step: KeyStep,
    key: Fingerprint,
    held: Vec<MemberKeys>,
    is_so: impl Fn(&MemberKeys) -> bool,
) -> Result<(), Error> {
    all(held, is_so).map_err(|members| Error::KeyNotReady { step, key, members })
}

fn confirmed(
    step: KeyStep,
    key: Fingerprint,
    held: Vec<MemberKeys>,
    is_so: impl Fn(&MemberKeys) -> bool,
) -> Result<(), Error> {
    all(held, is_so).map_err(|members| Error::KeyUnconfirmed { step, key, members })
}
