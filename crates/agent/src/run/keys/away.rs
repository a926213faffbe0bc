//! A member that was away while keys changed: how it gets the ring, and who is given it.

use super::super::agent::{Agent, lock};
use super::super::warnings::About;
use super::courier::{self, Asking};
use crate::logging::limit::{self, Kind};
use rumormill_core::identity::NodeId;
use rumormill_core::time::Duration;
use rumormill_runtime::Knock;
use rumormill_runtime::keyring::Key;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::oneshot;

/// How often one address is asked (our guess: two packets in a row are seldom lost).
const TRIES_MAX: usize = 3;
/// How long each try is given (our guess: as a hello's).
const TRY_WAIT: Duration = Duration::from_millis(500);
/// Addresses asked at one time; beyond it there is no room for one more (as many as are met at one time, and some).
const WAITING_MAX: usize = 16;

/// One who asked and was not answered yet.
pub struct Waiting {
    asking: Asking,
    reply: oneshot::Sender<NodeId>,
}

impl Agent {
    /// Asks whoever is at `address` for the ring. True if it was given.
    pub(in crate::run) async fn catch_up(self: &Arc<Self>, address: SocketAddr) -> bool {
        if self.keyring.is_insecure() {
            return false;
        }
        let Ok(handle) = self.handle() else { return false };
        let keys = self.store.keys();
        let Ok((asking, question)) = courier::ask(&keys, handle.life(), &self.config.cluster) else {
            return false;
        };
        let (reply, mut given) = oneshot::channel();
        {
            let mut waiting = lock(&self.keys.waiting);
            waiting.retain(|waiting| !waiting.reply.is_closed());
            if waiting.len() >= WAITING_MAX {
                return false;
            }
            waiting.push(Waiting { asking, reply });
        }
        for _ in 0..TRIES_MAX {
            if handle.knock(address, question.clone()).await.is_err() {
                return false;
            }
            if let Ok(given) = tokio::time::timeout(TRY_WAIT, &mut given).await {
                return given.is_ok();
            }
        }
        false
    }

    /// Somebody who was away asks for the ring.
    pub(super) async fn let_catch_up(self: &Arc<Self>, knock: Knock) {
        let Knock { from, life, source, .. } = knock;
        let refuse = |why: &str| {
            if self.keys.complains(&from.to_string()) {
                tracing::warn!(id = %from, %source, "who asks for the cluster's keys stays out: {why}");
            }
        };
        let away = match courier::hear(&knock.content, from, life, &self.config.cluster) {
            Ok(away) => away,
            Err(doubt) => return refuse(&doubt.to_string()),
        };
        if !self.is_known(from).await {
            return refuse("it is no member that is known here; give it the present key file");
        }
        let (keys, ring) = (self.store.keys(), self.keyring.keys());
        let content = courier::give(&keys, (from, life, &away), &self.config.cluster, &ring);
        if let (Ok(content), Ok(handle)) = (content, self.handle())
            && handle.answer(knock, content).await.is_ok()
            && limit::allows(Kind::Keys)
        {
            tracing::info!(id = %from, %source, "a member that was away is given the cluster's keys");
        }
    }

    /// Somebody gives the ring.
    pub(super) async fn answered(self: &Arc<Self>, knock: Knock) {
        let (from, cluster) = (knock.from, &self.config.cluster);
        if !self.is_known(from).await {
            if self.keys.complains(&from.to_string()) {
                tracing::warn!(id = %from, source = %knock.source, "keys of one who is not known here are not taken");
            }
            return;
        }
        let found = {
            let mut waiting = lock(&self.keys.waiting);
            let answer = |waiting: &Waiting| waiting.asking.is_answered(&knock.content, from, cluster).ok();
            let at = waiting.iter().enumerate().find_map(|(at, one)| Some((at, answer(one)?)));
            at.map(|(at, back)| (waiting.swap_remove(at), back))
        };
        let Some((Waiting { asking, reply }, back)) = found else { return }; // it came twice, say
        match asking.open(&back, from, cluster) {
            Ok(ring) => {
                self.take_given(ring, from).await;
                let _ = reply.send(from);
            }
            Err(doubt) if limit::allows(Kind::Keys) => {
                tracing::warn!(id = %from, "keys that were given are not taken: {doubt}")
            }
            Err(_) => {}
        }
    }

    /// With the same primary key there is nothing to catch up on: a ring that was not yet told of a new key must not take it away here.
    async fn take_given(self: &Arc<Self>, ring: Vec<Key>, from: NodeId) {
        let before = self.keyring.primary();
        let Some(primary) = ring.first().map(Key::fingerprint).filter(|primary| *primary != before) else {
            return;
        };
        match self.take_ring(ring).await {
            Ok(()) => tracing::warn!(
                by = %from, %before, now = %primary,
                "the cluster's keys changed while this node was away: it was given the present ones"
            ),
            Err(error) => {
                self.raise(About::KeysNotTaken, format!("the keys that {from} gave cannot be used: {error}"))
            }
        }
    }

    /// Whether this node knows, or knew when it last ran, a member of that id; which only the holder of its key can prove to be.
    async fn is_known(self: &Arc<Self>, id: NodeId) -> bool {
        let is_member = self.inspect(move |inside| inside.node.swim.member(id).is_some()).await;
        if is_member.unwrap_or(false) {
            return true;
        }
        let members = self.store.members().await.unwrap_or_default();
        members.iter().any(|member| member.id == id)
    }
}
