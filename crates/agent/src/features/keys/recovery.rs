//! Key recovery: a node that missed a rotation asks for the current keys, and members that knew it grant them.

use crate::agent::Agent;
use crate::features::keys::grant;
use crate::features::keys::state::{NOT_TAKEN, Waiting};
use crate::logging::limit::{self, Kind};
use crate::states::lock;
use rumormill_core::identity::NodeId;
use rumormill_core::time::Duration;
use rumormill_runtime::RecoveryPacket;
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

impl Agent {
    /// Asks the member at `address` for the ring. True if it was granted.
    pub(crate) async fn request_keys(self: &Arc<Self>, address: SocketAddr) -> bool {
        if self.keyring.is_insecure() {
            return false;
        }
        let Ok(handle) = self.handle() else { return false };
        let keys = self.store.keys();
        let Ok((asking, question)) = grant::ask(&keys, handle.life(), &self.config.cluster) else {
            return false;
        };
        let (reply, mut given) = oneshot::channel();
        {
            let mut waiting = lock(&self.keys().waiting);
            waiting.retain(|waiting| !waiting.reply.is_closed());
            if waiting.len() >= WAITING_MAX {
                return false;
            }
            waiting.push(Waiting { asking, reply });
        }
        for _ in 0..TRIES_MAX {
            if handle.request_keys(address, question.clone()).await.is_err() {
                return false;
            }
            if let Ok(given) = tokio::time::timeout(TRY_WAIT, &mut given).await {
                return given.is_ok();
            }
        }
        false
    }

    /// Answers a node that asks for the ring.
    pub(crate) async fn grant_keys(self: &Arc<Self>, packet: RecoveryPacket) {
        let RecoveryPacket { from, life, source, .. } = packet;
        let refuse = |why: &str| {
            if self.keys().complains(&from.to_string()) {
                tracing::warn!(id = %from, %source, "who asks for the cluster's keys stays out: {why}");
            }
        };
        let request = match grant::hear(&packet.content, from, life, &self.config.cluster) {
            Ok(request) => request,
            Err(doubt) => return refuse(&doubt.to_string()),
        };
        if !self.is_known(from).await {
            return refuse("it is no member that is known here; give it the present key file");
        }
        let (keys, ring) = (self.store.keys(), self.keyring.keys());
        let content = grant::give(&keys, (from, life, &request), &self.config.cluster, &ring);
        if let (Ok(content), Ok(handle)) = (content, self.handle())
            && handle.grant_keys(packet, content).await.is_ok()
            && limit::allows(Kind::Keys)
        {
            tracing::info!(id = %from, %source, "a member that was away is given the cluster's keys");
        }
    }

    /// Takes a grant.
    pub(crate) async fn take_grant(self: &Arc<Self>, packet: RecoveryPacket) {
        let (from, cluster) = (packet.from, &self.config.cluster);
        if !self.is_known(from).await {
            if self.keys().complains(&from.to_string()) {
                tracing::warn!(id = %from, source = %packet.source, "keys of one who is not known here are not taken");
            }
            return;
        }
        let found = {
            let mut waiting = lock(&self.keys().waiting);
            let answer = |waiting: &Waiting| waiting.asking.is_answered(&packet.content, from, cluster).ok();
            let at = waiting.iter().enumerate().find_map(|(at, one)| Some((at, answer(one)?)));
            at.map(|(at, granted)| (waiting.swap_remove(at), granted))
        };
        let Some((Waiting { asking, reply }, granted)) = found else { return }; // it came twice, say
        match asking.open(&granted, from, cluster) {
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
            Err(error) => self.raise(NOT_TAKEN, format!("the keys that {from} gave cannot be used: {error}")),
        }
    }

    /// Whether this id is or was a known member. The caller must still verify the signature.
    async fn is_known(self: &Arc<Self>, id: NodeId) -> bool {
        let is_member = self.inspect(move |inside| inside.node.swim.member(id).is_some()).await;
        if is_member.unwrap_or(false) {
            return true;
        }
        let members = self.store.members().await.unwrap_or_default();
        members.iter().any(|member| member.id == id)
    }
}
