//! An agent that runs, until it leaves.

use crate::agent::{Agent, Handle, Listens};
use crate::feature::Features;
use crate::features::{joining, reload};
use crate::service_manager;
use crate::start::error::{Exit, NEW_IDENTITIES_MAX, RunError};
use crate::start::interrupted::interrupted;
use crate::start::node::start_node;
use crate::store::StoredIdentity;
use crate::wall::wall;
use rumormill_core::identity::NodeId;
use sd_notify::NotifyState;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Waits until this id, and not one that the node had before, is superseded.
async fn is(superseded: &mut watch::Receiver<Option<NodeId>>, me: NodeId) {
    if superseded.wait_for(|of| *of == Some(me)).await.is_err() {
        std::future::pending().await // unreachable as long as there is an agent
    }
}

/// Waits until joining was given up, and tells after how many rounds.
async fn given_up(gave_up: &mut watch::Receiver<Option<u64>>) -> u64 {
    let tries = gave_up.wait_for(Option::is_some).await.ok().and_then(|tries| *tries);
    match tries {
        Some(tries) => tries,
        None => std::future::pending().await, // unreachable as long as there is an agent
    }
}

/// An agent that runs. Dropped, it stops without a word to the others.
pub struct Running {
    pub(super) agent: Arc<Agent>,
    pub(super) serving: JoinSet<()>,
    pub(super) handling: JoinSet<()>,
    pub(super) tasks: JoinSet<()>,
    pub(super) identities: usize,
}

impl Running {
    /// The agent that its parts share.
    pub fn agent(&self) -> &Arc<Agent> {
        &self.agent
    }

    /// Where it listens.
    pub fn listens(&self) -> &Listens {
        self.agent.listens().unwrap_or_else(|| unreachable!("an agent that runs listens"))
    }

    /// The agent's name, id and addresses, for people.
    pub fn greeting(&self) -> String {
        let Listens { gossip, http, socket, serf_rpc, pg } = self.listens();
        let config = &self.agent.config;
        let id = self.agent.handle().map(|handle| handle.me().to_string()).unwrap_or_default();
        let version = env!("CARGO_PKG_VERSION");
        let mut text =
            format!("rumormill {version}: {} ({id}) in cluster {:?}\n", config.name, config.cluster);
        let mut line = |what: &str, value: &str| text += &format!("  {what:<10}{value}\n");
        line("gossip", &format!("{gossip} (UDP and TCP)"));
        match self.agent.keyring.is_insecure() {
            true => line("key", "none: anybody who reaches that port can take part"),
            false => line("key", &self.agent.keyring.primary().to_string()),
        }
        if let Some(http) = http {
            line("http", &format!("http://{http}"));
        }
        if let Some(socket) = socket {
            line("socket", &socket.display().to_string());
        }
        if let Some(address) = serf_rpc {
            line("serf rpc", &address.to_string());
        }
        if let Some(address) = pg {
            line("postgres", &address.to_string());
        }
        match &config.data_dir {
            Some(dir) => line("data", &dir.display().to_string()),
            None => line("data", "none: this node forgets itself when it stops"),
        }
        text
    }

    /// Runs until `shutdown` is ready or an API asks it to leave, then leaves.
    pub async fn until(mut self, shutdown: impl Future<Output = ()>) -> Result<Exit, RunError> {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut superseded = self.agent.superseded.subscribe();
        let mut gave_up = self.agent.joining().gave_up.subscribe();
        loop {
            let handle = self.agent.handle().map_err(|_| RunError::NodeStopped)?;
            tokio::select! {
                () = shutdown.as_mut() => break,
                () = self.agent.asked_to_leave() => break,
                () = is(&mut superseded, handle.me()) => tokio::select! {
                    begun = self.begin_anew(&handle) => begun?,
                    () = shutdown.as_mut() => break, // the disk may hang
                },
                tries = given_up(&mut gave_up) => {
                    service_manager::tell(&[NotifyState::Stopping]);
                    self.end_handlers().await;
                    let reasons = joining::reasons(&self.agent);
                    self.stop().await;
                    return Err(RunError::NotJoined { tries, reasons });
                }
                () = handle.stopped() => return Err(RunError::NodeStopped),
            }
        }
        service_manager::tell(&[NotifyState::Stopping]);
        tracing::info!("leaving the cluster");
        let exit = tokio::select! {
            told = self.agent.leave() => if told { Exit::Left } else { Exit::Unheard },
            _ = interrupted() => return Ok(Exit::Cut),
        };
        self.save().await;
        tokio::select! {
            () = self.end_handlers() => {}
            _ = interrupted() => {} // what runs yet is killed
        }
        self.stop().await;
        Ok(exit)
    }

    /// Starts no more commands, and waits until those that run have ended. The API still answers them.
    async fn end_handlers(&mut self) {
        self.agent.stop_handlers();
        while self.handling.join_next().await.is_some() {}
    }

    /// Stops without a word to the others: what a crash looks like to them. For tests.
    pub async fn crash(self) {
        self.stop().await;
    }

    async fn stop(mut self) {
        self.handling.shutdown().await;
        self.tasks.shutdown().await;
        self.agent.stop();
        while self.serving.join_next().await.is_some() {}
        if let Some(handle) = self.agent.set_handle(None) {
            handle.shutdown().await;
        }
        if !self.agent.store.close().await {
            let dir = self.agent.config.data_dir.as_deref().unwrap_or(Path::new("-")).display();
            tracing::warn!(
                "the data directory {dir} cannot be closed, for its disk does not answer: nothing that was promised to be stored is lost, \
                 but the kernel may keep this process until the disk answers"
            );
        }
    }

    /// A copy of this data directory runs elsewhere in a greater life: this agent goes on under a new identity.
    async fn begin_anew(&mut self, before: &Handle) -> Result<(), RunError> {
        self.identities += 1;
        if self.identities > NEW_IDENTITIES_MAX {
            return Err(RunError::CopiedAgain);
        }
        let _hold = reload::service::hold(&self.agent).await; // no reload while there is no node
        self.save().await; // the new node joins by the members that the old one knew, and delivers no event twice
        self.agent.set_handle(None);
        before.shutdown().await;
        let was: NodeId = before.me();
        let StoredIdentity { keys, .. } = self.agent.store.rekey().await?;
        tracing::error!(%was, now = %keys.id(), "this agent goes on under a new identity; both copies stay members");
        self.agent.view().begin_anew(was, wall());
        start_node(&self.agent, before.local_addr()).await?;
        self.agent.joining().changed.notify_one(); // join again, and at once
        Ok(())
    }

    /// Saves for the last time before the node stops.
    async fn save(&self) {
        for feature in self.agent.state::<Features>().0 {
            (feature.save)(&self.agent).await;
        }
    }
}
