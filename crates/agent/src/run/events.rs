//! Publishing, and what is kept of events on disk.

use super::agent::Agent;
use super::warnings::About;
use crate::events::desk::{Coverage, DURABLE_MAX};
use crate::events::feed::Said;
use crate::events::{Kept, SAVE_INTERVAL_MS};
use crate::node::Call;
use crate::refusal::Refusal;
use rumormill_core::identity::{Life, NodeId};
use rumormill_core::payload::Payload;
use rumormill_core::time::{Duration, Wall};
use rumormill_protocols::spread::events::{self, Cover, EventId, Events, Flags, Item, Publish};
use std::sync::Arc;
use tokio::sync::oneshot;

/// So often it is looked whether positions moved though nothing was told, as when a new origin's are passed over (our guess).
const QUIET_INTERVAL: Duration = Duration::from_secs(5);
/// So often it is asked how far durable events have come that few others were found to hold (our guess).
const ASK_INTERVAL: Duration = Duration::from_secs(5);

/// What somebody wants everybody to know.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// What kind of event it is.
    pub name: Payload,
    /// What it says.
    pub payload: Payload,
    /// Told everywhere at first receipt, not in order.
    pub unordered: bool,
    /// Only the latest of this name and origin counts.
    pub coalesce: bool,
    /// On disk before it is answered, and offered again after a crash.
    pub durable: bool,
}

/// What became of it.
#[derive(Debug)]
pub struct Published {
    /// What it is called, or why it was refused.
    pub id: Result<EventId, events::Refusal>,
    /// How far it came, some time later.
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
    /// Takes what the events' protocol tells, at the moment at which it does.
    pub(super) fn hear(&self, event: events::Event, now: Wall) {
        if matches!(event, events::Event::Joined) {
            self.baseline.notify_one();
        }
        self.board().hear(event, now);
        self.told.notify_one();
    }

    /// Publishes these, in this order. Returns when each is queued or refused, and those that are to be durable are on disk. `cover` says
    /// which members are asked how far they came; of durable ones a sample is asked later in any case.
    pub async fn publish(
        self: &Arc<Self>,
        events: &[NewEvent],
        cover: Cover,
    ) -> Result<Vec<Published>, Refusal> {
        self.check_durable(events)?;
        let mut receipts = Vec::new();
        for event in events {
            let (ticket, receipt) = self.board().desk.open(cover != Cover::Nobody);
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
        if !self.board().desk.has_room(durable().count(), bytes) {
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
        save(self, false).await; // this node's consumers were told of them: that comes to disk with them
        if let Err(error) = self.store.save_durable(durable.clone()).await {
            let hint =
                "the events are on their way, but not on disk: should this node crash now, they may be lost";
            return Err(Refusal::not_stored(&error, hint));
        }
        self.board().desk.keep(&durable);
        Ok(())
    }
}

/// The events' protocol as it goes on where the data directory left it; the board likewise.
pub(super) fn start(agent: &Agent, me: NodeId, life: Life, kept: &Kept) -> Events {
    agent.board().begin_anew(me, life.epoch, kept);
    let config = agent.config.events.protocol();
    match &kept.positions {
        Some(positions) => Events::resume(config, life, positions),
        None => Events::new(config, life),
    }
}

/// Has the node hold again what the data directory kept, for others too.
pub(super) async fn hold_again(agent: &Agent, kept: &Kept) {
    let told = kept.entries.iter().filter_map(|entry| match &entry.said {
        Said::Event(item) => Some(item.clone()),
        Said::Lost(..) => None,
    });
    let items: Vec<Item> = told.chain(kept.durable.iter().cloned()).collect();
    if !items.is_empty() && agent.call(Call::Events(events::Call::Keep(items))).await.is_err() {
        let text = "the events kept on disk could not be handed to the node";
        agent.note(About::EventsNotHeld, "", text.into());
    }
}

/// Saves what was told, and how far, about once a second while something is.
pub(super) async fn stay_saved(agent: Arc<Agent>) {
    let (mut is_joined, interval) = (false, Duration::from_millis(SAVE_INTERVAL_MS));
    loop {
        if is_joined {
            let _ = tokio::time::timeout(QUIET_INTERVAL, agent.told.notified()).await;
            tokio::time::sleep(interval).await;
        } else {
            // The baseline is saved at once: others list this node from now on, and what they publish must not become history.
            let _ = tokio::time::timeout(interval, agent.baseline.notified()).await;
        }
        is_joined |= save(&agent, false).await;
    }
}

/// Saves for the last time: nobody is told anything from then on, so that nothing is told twice after a restart.
pub(super) async fn save_last(agent: &Arc<Agent>) {
    save(agent, true).await;
}

/// Returns whether it is on disk that it has been found out what was before this node.
async fn save(agent: &Arc<Agent>, is_last: bool) -> bool {
    let _one_at_a_time = agent.saving.lock().await;
    let board = agent.clone();
    let found = agent.inspect(move |inside| {
        // In the node's task, so that positions and feed are of one moment.
        let mut board = board.board();
        if is_last {
            board.close();
        }
        board.unsaved(inside.node.events.positions())
    });
    let Ok(unsaved) = found.await else { return false };
    let is_joined = unsaved.positions.joined;
    let stored = agent.store.save_events(unsaved).await;
    agent.raise_unstored(About::EventsUnsaved, "events are not stored", &stored);
    match stored {
        Ok(saved) => agent.board().saved(&saved),
        Err(_) => {
            return false;
        }
    }
    is_joined
}

/// Asks again and again how far durable events have come that few others were found to hold.
pub(super) async fn ask_about_durable(agent: Arc<Agent>) {
    loop {
        tokio::time::sleep(ASK_INTERVAL).await;
        let questions = agent.board().desk.ask();
        for (ticket, id) in questions {
            let _ = agent.call(Call::Events(events::Call::Ask { ticket, id })).await; // asked again later
        }
    }
}
