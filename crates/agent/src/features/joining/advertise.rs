//! Where this node says that it is reached, when the operator does not say: by the route to the members that it finds.

use crate::agent::Agent;
use crate::node::Call;
use crate::states::lock;
use rumormill_protocols::member::swim;
use rumormill_runtime::addresses::{Basis, outgoing, with_port};
use rumormill_runtime::config::Sockets;
use rumormill_runtime::contact::Contact;
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// The addresses at which others are told to reach this node, and how they were found.
#[derive(Debug)]
pub(crate) struct Advertised {
    local: SocketAddr,
    contact: Contact,
    basis: Basis,
}

impl Advertised {
    pub(crate) fn new(sockets: &Sockets) -> Advertised {
        let (local, contact) = (sockets.local_addr(), sockets.contact().clone());
        Advertised { local, contact, basis: sockets.basis() }
    }

    /// The contact that suits a member at `there` better, if this one was a guess.
    fn better(&self, there: SocketAddr) -> Option<Contact> {
        if self.basis >= Basis::Seed || there.ip().to_canonical().is_loopback() {
            return None;
        }
        let from = outgoing(there).filter(|from| !from.ip().is_loopback())?;
        let here = with_port(from, self.local.port());
        // What was found otherwise stays behind it, but for loopback.
        let others = self.contact.addresses().iter().copied().filter(|a| !a.ip().is_loopback());
        Some(Contact::new(std::iter::once(here).chain(others)))
    }

    /// What a person should know of it.
    pub(crate) fn warning(&self) -> Option<String> {
        let addresses = self.contact.addresses();
        let is_open = !self.local.ip().to_canonical().is_loopback();
        let loopback = addresses.iter().find(|a| a.ip().is_loopback()).filter(|_| is_open);
        let shown = || addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match loopback {
            Some(address) => Some(format!(
                "others are told to reach this node at {address}, which on their machines is themselves: set --advertise to an address of this machine that they reach"
            )),
            None if self.basis == Basis::Interface && addresses.len() > 1 => Some(format!(
                "this machine has no default route and several addresses, so others are told to reach this node at {}: if that is wrong, set --advertise",
                shown()
            )),
            None => None,
        }
    }
}

impl Agent {
    /// A node was started on these sockets.
    pub(crate) fn advertise(&self, sockets: &Sockets) {
        let advertised = Advertised::new(sockets);
        *lock(&self.joining().own) =
            advertised.contact.addresses().iter().copied().chain([advertised.local]).collect();
        if let Some(warning) = advertised.warning() {
            tracing::warn!("{warning}");
        }
        *self.locked() = Some(advertised);
    }

    /// The warning about the address at which others are told to reach this node.
    pub fn advertise_warning(&self) -> Option<String> {
        self.locked::<Option<Advertised>>().as_ref().and_then(Advertised::warning)
    }

    /// Whether no route has told where others reach this node.
    pub(crate) fn guesses_where_it_is(&self) -> bool {
        self.locked::<Option<Advertised>>()
            .as_ref()
            .is_some_and(|advertised| advertised.basis <= Basis::Interface)
    }

    /// Members say that they are at these addresses. The way to one of them is better than a guess.
    pub(crate) async fn reached_from_members(&self, addresses: &BTreeSet<SocketAddr>) {
        for there in addresses {
            if !self.guesses_where_it_is() {
                return;
            }
            if !self.is_mine(*there) {
                self.reached_from(*there).await;
            }
        }
    }

    /// A member was met at `there`. A node that only guessed its address now advertises the one from which it sends to there.
    pub(crate) async fn reached_from(&self, there: SocketAddr) {
        let payload = {
            let mut advertised = self.locked::<Option<Advertised>>();
            let Some(advertised) = advertised.as_mut() else { return };
            let Some(contact) = advertised.better(there) else { return };
            advertised.basis = Basis::Seed;
            if contact == advertised.contact {
                return;
            }
            tracing::info!(before = ?advertised.contact.addresses(), now = ?contact.addresses(), to = %there, "this node is reached by the route to a member");
            lock(&self.joining().own).extend(contact.addresses());
            advertised.contact = contact;
            advertised.contact.payload()
        };
        let _ = self.call(Call::Swim(swim::Call::SetContact(payload))).await; // a node that has stopped is reached nowhere
    }
}
