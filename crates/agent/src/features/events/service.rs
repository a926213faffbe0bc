//! Publishing, and saving the event log.

use crate::agent::Agent;
use crate::features::events::entry::LogEntry;
use crate::features::events::pending::{Coverage, DURABLE_MAX};
use crate::features::events::state::{EventService, SAVE_INTERVAL_MS, Saving};
use crate::identity::NodeKeys;
use crate::node::{Call, Node};
use crate::refusal::Refusal;
use crate::states::lock;
use crate::store::NotStored;
use crate::warnings::About;
use rumormill_core::identity::Life;
use rumormill_core::payload::Payload;
use rumormill_core::time::{Duration, Wall};
use rumormill_protocols::spread::events::{self, Cover, EventId, Events, Flags, Item, Publish};
use std::sync::{Arc, MutexGuard};
use tokio::sync::oneshot;

/// Events are not on disk. Cleared once they are.
const UNSAVED: About = About("events_unsaved");
/// A note: the node holds none of the events that were on disk.
const NOT_HELD: About = About("events_not_held");
/// Interval of saving positions that moved though no event was delivered, as when a new origin's events are passed over (our guess).
const QUIET_INTERVAL: Duration = Duration::from_secs(5);
/// Interval of asking for the spread of durable events that no majority is known to hold (our guess).
const ASK_INTERVAL: Duration = Duration::from_secs(5);

/// An event that is to be published.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// What kind of event it is.
    pub name: Payload,
    /// Its content.
    pub payload: Payload,
    /// Delivered at first receipt, not in the order of its source.
    pub unordered: bool,
    /// Only the latest of this name and origin counts.
    pub coalesce: bool,
    /// On disk before the publisher is answered, and offered again after a crash.
    pub durable: bool,
}

/// Outcome of a publish.
#[derive(Debug)]
pub struct Published {
    /// The event's id, or why it was refused.
    pub id: Result<EventId, events::Refusal>,
    /// The event's spread, some time later.
    pub covered: oneshot::Receiver<Coverage>,
}

impl NewEvent {
    fn publish(&self, ticket: u64, cover: Cover) -> Publish {
        let NewEvent { name, payload, unordered, coalesce, .. } = self.clone();
        Publish { ticket, name, payload, unordered, coalesce, cover, question: false }
    }

    fn item(&self, id: EventId) -> Item {
        let flag = |is_set, flag| if is_set { flag } else { Flags::NONE };
        let flags = flag(self.unordered, Flags::UNORDERED).and(flag(self.coalesce, Flags::COALESCE));
        Item { id, flags, name: self.name.clone(), payload: self.payload.clone() }
    }
}

impl Agent {
    /// Pending publishes and the event log. Must not be held across an await.
    pub fn event_service(&self) -> MutexGuard<'_, EventService> {
        self.locked()
    }

    /// Publishes events in this order. Returns when each is queued or refused, and the durable ones are on disk. `cover` says which members are
    /// asked for the spread; for durable events a sample is asked later in any case.
    pub async fn publish(
        self: &Arc<Self>,
        events: &[NewEvent],
        cover: Cover,
    ) -> Result<Vec<Published>, Refusal> {
        self.check_durable(events)?;
        let mut receipts = Vec::new();
        for event in events {
            let (ticket, receipt) = self.event_service().pending.open(cover != Cover::Nobody);
            self.call(Call::Events(events::Call::Publish(event.publish(ticket, cover)))).await?;
            receipts.push(receipt);
        }
        let (mut published, mut durable) = (Vec::new(), Vec::new());
        for (event, receipt) in events.iter().zip(receipts) {
            let id = receipt.queued.await.map_err(|_| Refusal::gone())?;
            durable.extend(id.ok().filter(|_| event.durable).map(|id| event.item(id)));
            published.push(Published { id, covered: receipt.covered });
        }
        self.save_durable(durable).await?;
        Ok(published)
    }

    fn check_durable(&self, events: &[NewEvent]) -> Result<(), Refusal> {
        let durable = || events.iter().filter(|event| event.durable);
        if durable().count() == 0 {
            return Ok(());
        }
        if self.config.data_dir.is_none() {
            let hint = "start it with a data directory, or publish without durable";
            return Err(Refusal::conflict("this agent keeps nothing on disk", hint));
        }
        if let Some(complaint) = self.store.complaint() {
            let hint = "nothing was published; publish again when the disk answers, or without durable";
            return Err(Refusal::unavailable(complaint, hint));
        }
        let bytes = durable().map(|event| event.name.len() + event.payload.len()).sum();
        if !self.event_service().pending.has_room(durable().count(), bytes) {
            return Err(Refusal::busy(format!(
                "durable events wait until others are known to hold them, and there is no room for more ({DURABLE_MAX} at most)"
            )));
        }
        Ok(())
    }

    async fn save_durable(self: &Arc<Self>, durable: Vec<Item>) -> Result<(), Refusal> {
        if durable.is_empty() {
            return Ok(());
        }
        save(self, false).await; // they were delivered here: the log comes to disk with them
        if let Err(error) = self.store.save_durable(durable.clone()).await {
            let hint =
                "the events are on their way, but not on disk: should this node crash now, they may be lost";
            return Err(Refusal::not_stored(&error, hint));
        }
        self.event_service().pending.keep(&durable);
        Ok(())
    }
}

/// Takes an event of the protocol at the moment at which it is emitted, so that the log and the protocol's positions fit together.
pub(super) fn hear(agent: &Agent, event: events::Event, now: Wall) {
    let saving = agent.state::<Saving>();
    if matches!(event, events::Event::Joined) {
        saving.baseline.notify_one();
    }
    agent.event_service().hear(event, now);
    saving.changed.notify_one();
}

/// Has the protocol and the event log go on where the data directory left them.
pub(super) async fn prepare(
    agent: &Arc<Agent>,
    node: &mut Node<NodeKeys>,
    life: Life,
) -> Result<(), NotStored> {
    let kept = agent.store.recall(|store| store.events()).await?;
    agent.event_service().begin_anew(node.swim.me().id, life.epoch, &kept);
    if let Some(positions) = &kept.positions {
        node.events = Events::resume(agent.config.events.protocol(), life, positions);
    }
    let delivered = kept.entries.into_iter().filter_map(|record| match record.entry {
        LogEntry::Event(item) => Some(item),
        LogEntry::Lost(..) => None,
    });
    *lock(&agent.state::<Saving>().to_keep) = delivered.chain(kept.durable).collect();
    Ok(())
}

/// Has the started node hold the events that the data directory kept, for other members too.
pub(super) async fn keep_again(agent: &Arc<Agent>) {
    let items = std::mem::take(&mut *lock(&agent.state::<Saving>().to_keep));
    if !items.is_empty() && agent.call(Call::Events(events::Call::Keep(items))).await.is_err() {
        let text = "the events kept on disk could not be handed to the node";
        agent.note(NOT_HELD, "", text.into());
    }
}

/// Saves the log and the positions, about once a second while they change.
pub(super) async fn stay_saved(agent: Arc<Agent>) {
    let (mut is_joined, interval) = (false, Duration::from_millis(SAVE_INTERVAL_MS));
    let saving = agent.state::<Saving>();
    loop {
        if is_joined {
            let _ = tokio::time::timeout(QUIET_INTERVAL, saving.changed.notified()).await;
            tokio::time::sleep(interval).await;
        } else {
            // The baseline is saved at once: others list this node from now on, and what they publish must not become history.
            let _ = tokio::time::timeout(interval, saving.baseline.notified()).await;
        }
        is_joined |= save(&agent, false).await;
    }
}

/// Saves for the last time: no event is delivered from then on, so that none is delivered twice after a restart.
pub(super) async fn save_last(agent: &Arc<Agent>) {
    save(agent, true).await;
}

/// Returns whether the baseline is on disk.
async fn save(agent: &Arc<Agent>, is_last: bool) -> bool {
    let _one_at_a_time = agent.state::<Saving>().one_at_a_time.lock().await;
    let inner = agent.clone();
    let found = agent.inspect(move |inside| {
        // In the node's task, so that positions and the log are of one moment.
        let mut service = inner.event_service();
        if is_last {
            service.close();
        }
        service.unsaved(inside.node.events.positions())
    });
    let Ok(unsaved) = found.await else { return false };
    let is_joined = unsaved.positions.joined;
    let stored = agent.store.save_events(unsaved).await;
    agent.raise_unstored(UNSAVED, "events are not stored", &stored);
    match stored {
        Ok(saved) => agent.event_service().saved(&saved),
        Err(_) => {
            return false;
        }
    }
    is_joined
}

/// Asks at intervals for the spread of durable events that no majority is known to hold.
pub(super) async fn ask_about_durable(agent: Arc<Agent>) {
    loop {
        tokio::time::sleep(ASK_INTERVAL).await;
        let questions = agent.event_service().pending.ask();
        for (ticket, id) in questions {
            let _ = agent.call(Call::Events(events::Call::Ask { ticket, id })).await; // asked again later
        }
    }
}
