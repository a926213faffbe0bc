//! Why something is not done. Each text says what to do.

use crate::address::Address;
use crate::audience::BadFilter;
use crate::data_dir::StoreError;
use crate::keys::{KeyStep, MemberKeys};
use rumormill_core::identity::NodeId;
use rumormill_core::words;
use rumormill_runtime::config::StartError;
use rumormill_runtime::hello::ResolveError;
use rumormill_runtime::keyring::{Fingerprint, KeyringError};
use std::path::PathBuf;
use std::time::Duration;

/// Why a cluster does not start, or does not do what was asked of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The key file cannot be used.
    #[error("{}: {source}", path.display())]
    KeyFile {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: KeyringError,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] StoreError),
    /// The sockets cannot be had, or are not safe without a key.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A name has no address.
    #[error("no address was found for {address}: {source}; write ADDR:PORT or HOST:PORT")]
    Address {
        /// The name.
        address: Address,
        /// Why not.
        source: std::io::Error,
    },
    /// A key cannot be made, or the ring cannot do what was asked of it.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The keys of all members are being changed through this one.
    #[error("the cluster's keys are being changed through this member: wait for the end of that")]
    KeysBusy,
    /// A step of a change of keys would cut members off. Nothing was changed.
    #[error("not all members are ready to {step} {key}, and nothing was changed: {}", listed(members))]
    KeyNotReady {
        /// The step.
        step: KeyStep,
        /// The key.
        key: Fingerprint,
        /// The members that are not ready, with the keys that they hold.
        members: Vec<MemberKeys>,
    },
    /// A step of a change of keys was not confirmed by all live members.
    #[error("not all members have confirmed to {step} {key}; order it again: {}", listed(members))]
    KeyUnconfirmed {
        /// The step.
        step: KeyStep,
        /// The key.
        key: Fingerprint,
        /// The members that did not confirm, with the keys that they hold.
        members: Vec<MemberKeys>,
    },
    /// A member cannot ban itself, or lift its own ban.
    #[error("a member cannot ban itself or lift its own ban: leave the cluster, or ask another member")]
    BanMyself,
    /// There is no ban to lift.
    #[error("{0} is not banned")]
    NotBanned(NodeId),
    /// As many ids are banned as members remember.
    #[error("as many ids are banned as members remember: lift a ban that is not needed any more")]
    TooManyBans,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// A setting is outside its bounds.
    #[error("{what} takes {bytes} bytes; {max} are the most")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// A setting has a value that no member can run with.
    #[error("{what} cannot be used: {why}")]
    Setting {
        /// The setting.
        what: &'static str,
        /// The reason.
        why: String,
    },
    /// A tag has no name.
    #[error("a tag has no name: give every tag a name")]
    EmptyTag,
    /// No seed was met. They are tried for as long as the node runs.
    #[error("no member was met within {}: {}", words::span(waited.as_secs_f64()), shown(seeds))]
    NotJoined {
        /// How long it was waited.
        waited: Duration,
        /// The seeds, and why each was not met.
        seeds: Vec<NotMet>,
    },
    /// A seed was not met.
    #[error(transparent)]
    NotMet(#[from] NotMet),
    /// Too much of this node is on its way.
    #[error("too many events or queries of this node are on their way: try again in a moment")]
    Busy,
    /// More members than can confirm one event.
    #[error("more members than can confirm one event are in the cluster: publish without asking all of them")]
    TooManyMembers,
    /// The filter of a query cannot be used.
    #[error(transparent)]
    Filter(#[from] BadFilter),
    /// The time for answers is outside its bounds.
    #[error("a query cannot wait {given:?} for answers: give from 1 ms to {} s", max.as_secs())]
    Timeout {
        /// The time that was asked for.
        given: Duration,
        /// The most.
        max: Duration,
    },
    /// The node left, but it is not certain that the others know.
    #[error(
        "the node has stopped, and it is not certain that the other members know: they will find it failed"
    )]
    Unheard,
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

/// A seed that was not met.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{seed}: {why}")]
pub struct NotMet {
    /// The seed.
    pub seed: Address,
    /// Why not.
    #[source]
    pub why: Why,
}

/// Why a seed was not met.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Why {
    /// It was not tried yet, or its answer is awaited.
    #[error("it has not answered yet")]
    Pending,
    /// Its name has no address; the reason.
    #[error("no address was found for it: {0}; write ADDR:PORT or HOST:PORT")]
    NoAddress(String),
    /// Nobody answers there, or somebody with another key.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// Its datagrams come, and it cannot be connected to.
    #[error("it answers by UDP but not by TCP: open its port for both")]
    TcpBlocked,
    /// It answers, but does not exchange members.
    #[error("it answers, but has not exchanged members: it may be overloaded, or this node is banned there")]
    Exchange,
}

fn shown(seeds: &[NotMet]) -> String {
    if seeds.is_empty() {
        return "none of the members of the last run answers".into();
    }
    seeds.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The first of these members, and the number of the others.
fn listed(members: &[MemberKeys]) -> String {
    /// Members that are listed (our guess: a line of text).
    const LISTED_MAX: usize = 5;
    let first = members.iter().take(LISTED_MAX).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match members.len().saturating_sub(LISTED_MAX) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
