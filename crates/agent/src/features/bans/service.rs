//! Bans: imposing and lifting them, and keeping them in the data directory.

use crate::agent::Agent;
use crate::identity::NodeKeys;
use crate::logging::limit::{self, Kind};
use crate::node::{Call, Node};
use crate::refusal::Refusal;
use crate::store::NotStored;
use crate::warnings::About;
use rumormill_core::identity::NodeId;
use rumormill_core::payload::Payload;
use rumormill_core::time::Duration;
use rumormill_core::wire;
use rumormill_core::words;
use rumormill_protocols::agree::bans::{self, Ban, Event, Kept, REASON_BYTES_MAX};
use std::sync::Arc;
use tokio::sync::Notify;

/// Bans changed and are to be saved.
#[derive(Default)]
pub(super) struct Changed(pub Notify);

/// Bans are not on disk. Cleared once they are.
const UNSAVED: About = About("bans_unsaved");
/// The bans in the data directory were unreadable. Cleared once they are saved anew.
const UNREAD: About = About("bans_unread");
/// Name of the setting that keeps bans.
const NAME: &str = "bans";
const NOT_KEPT: &str = "bans are not stored here";
/// How long after a failure they are saved again (our guess: a disk that is full or hangs stays so for a while).
const SAVE_AGAIN: Duration = Duration::from_secs(5);

/// Hands the kept bans to a node that is not yet started.
pub(super) async fn prepare(agent: &Arc<Agent>, node: &mut Node<NodeKeys>) -> Result<(), NotStored> {
    let kept = agent.store.recall(|store| Ok(store.get(NAME))).await?;
    let kept = kept
        .map_err(|error| error.to_string())
        .and_then(|kept| kept.as_deref().map(wire::decode::<Kept>).transpose().map_err(|e| e.to_string()));
    match kept {
        Ok(kept) => node.bans.recall(kept.unwrap_or_default()),
        Err(error) => agent.raise(
            UNREAD,
            format!("what the data directory keeps of bans cannot be read ({error}): the other members tell them again"),
        ),
    }
    Ok(())
}

/// Saves bans when they change, again until that succeeds, as long as the agent runs.
pub(super) async fn stay_saved(agent: Arc<Agent>) {
    loop {
        agent.state::<Changed>().0.notified().await;
        while agent.save_bans().await.is_err() {
            tokio::time::sleep(SAVE_AGAIN).await;
        }
    }
}

impl Agent {
    /// Bans `id` on all members, or lifts its ban. A text names what went wrong beside that, such as a disk that did not keep it.
    pub async fn ban(
        self: &Arc<Self>,
        id: NodeId,
        lifted: bool,
        reason: &str,
    ) -> Result<Option<String>, Refusal> {
        let me = self.id().ok_or_else(Refusal::gone)?;
        if id == me {
            return Err(match lifted {
                true => {
                    Refusal::conflict("an agent does not lift its own ban", "ask another member to do so")
                }
                false => {
                    let hint = "`rumormill leave` takes this agent out; another member can ban it";
                    Refusal::conflict("an agent does not ban itself", hint)
                }
            });
        }
        if reason.len() > REASON_BYTES_MAX {
            let error = format!("the reason takes {} bytes", reason.len());
            return Err(Refusal::invalid(error, format!("at most {REASON_BYTES_MAX}: a sentence")));
        }
        let found = self.inspect(move |inside| {
            let name = inside.node.swim.member(id).map(|member| member.card.name.clone());
            (inside.node.bans.of(id).cloned(), name)
        });
        let (held, name) = found.await?;
        match (lifted, held) {
            (true, None) => {
                let whom = name.map_or_else(|| id.to_string(), |name| words::with_id(&name, id));
                let error = format!("{whom} is not banned");
                return Err(Refusal::not_found(error, "`rumormill bans` lists who is"));
            }
            (false, Some(ban)) if ban.reason() == reason => return Ok(Some("it was banned before".into())),
            _ => {}
        }
        let reason = Payload::from(reason.as_bytes());
        let name = name.map(|name| Payload::from(name.as_bytes()));
        self.call(Call::Bans(bans::Call::Say { id, lifted, reason, name })).await?;
        // Behind that call, so after it was carried out.
        let held = self.inspect(move |inside| inside.node.bans.of(id).is_some()).await?;
        if held == lifted {
            let hint = "`rumormill unban` some that need not be kept out any more";
            return Err(Refusal::conflict("as many are banned as are kept", hint));
        }
        let kept = self.save_bans().await;
        Ok(kept.err().map(|error| format!("{NOT_KEPT}: {error}; it is tried again")))
    }

    /// Logs a changed ban, and has the bans saved. Runs in the node's task.
    pub(crate) fn hear_ban(&self, event: Event, me: NodeId, named: impl Fn(NodeId) -> String) {
        let Event::Changed(ban) = event else { return };
        let Ban { id, lifted, by, .. } = &ban;
        let name = ban.name().map_or_else(|| named(*id), str::to_string);
        let (by_name, reason) = (named(*by), ban.reason());
        match (*id == me, lifted) {
            _ if !limit::allows(Kind::Ban) => {}
            (true, false) => {
                tracing::error!(%by, by_name, reason, "this agent is banned: no member answers it")
            }
            (true, true) => tracing::info!(%by, by_name, "this agent is no longer banned"),
            (false, false) => tracing::warn!(%id, name, %by, by_name, reason, "a member is banned"),
            (false, true) => tracing::info!(%id, name, %by, by_name, "a member is no longer banned"),
        }
        self.state::<Changed>().0.notify_one();
    }

    async fn save_bans(self: &Arc<Self>) -> Result<(), NotStored> {
        // Without a node there is nothing to save; the next one was recalled from what is kept.
        let Ok(kept) = self.inspect(|inside| inside.node.bans.kept()).await else { return Ok(()) };
        let mut bytes = Vec::new();
        wire::put(&kept, &mut bytes);
        let stored = self.store.put(NAME, bytes).await;
        self.raise_unstored(UNSAVED, "bans are not stored", &stored);
        if stored.is_ok() {
            self.clear(UNREAD);
        }
        stored
    }
}
