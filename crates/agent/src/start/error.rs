//! How an agent ends, and why it cannot start.

use crate::store::{NotStored, StoreError};
use rumormill_core::words;
use rumormill_runtime::addresses::bind_fault;
use rumormill_runtime::config::StartError;
use rumormill_runtime::keyring::KeyringError;
use std::net::SocketAddr;
use std::path::PathBuf;

/// How often an agent makes itself a new identity before it gives up (our guess: more than one copy at a time is already a mistake).
pub const NEW_IDENTITIES_MAX: usize = 4;

/// How an agent ended.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Exit {
    /// It left, and the other members know.
    Left,
    /// It left, but it is not certain that the other members know.
    Unheard,
    /// A second signal stopped it at once.
    Cut,
}

/// Why an agent cannot start, or had to stop. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The key file cannot be used.
    #[error("{}: {source}", path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: KeyringError,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The data directory cannot be used any more.
    #[error(transparent)]
    NotStored(#[from] NotStored),
    /// Gossip cannot be received.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The admin API's address cannot be had.
    #[error(
        "the admin API cannot listen on {address}: {}; give another address with --http, or --http off", bind_fault(*address, source, "is another agent running there?")
    )]
    Http {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The admin API's Unix socket cannot be had.
    #[error("the admin API cannot listen on {}: {source}; give another path, or socket = \"off\"", path.display())]
    Socket {
        /// Which path.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The admin API's token cannot be used.
    #[error("the token file {}: {text}", path.display())]
    Token {
        /// Which file.
        path: PathBuf,
        /// Why not.
        text: String,
    },
    /// The admin API would be open to others without a token.
    #[error(
        "the admin API on {0} could be used by anybody who reaches it: give a token with http_token_file, or listen on loopback"
    )]
    NoToken(SocketAddr),
    /// Serf's RPC cannot be served there.
    #[error(
        "Serf's RPC cannot listen on {address}: {}; give another address with --serf-rpc", bind_fault(*address, source, "is a serf agent running there?")
    )]
    SerfRpc {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Serf's RPC would be open to others without a token.
    #[error(
        "Serf's RPC on {0} could be used by anybody who reaches it: give a token with serf_rpc_auth_file, or listen on loopback"
    )]
    NoSerfRpcToken(SocketAddr),
    /// PostgreSQL's protocol cannot be served there.
    #[error(
        "PostgreSQL's protocol cannot listen on {address}: {}; give another address with --pg", bind_fault(*address, source, "is a PostgreSQL server running there?")
    )]
    Pg {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// A signal cannot be waited for.
    #[error("signals cannot be heard: {0}")]
    Signal(#[from] std::io::Error),
    /// The node's task ended by itself.
    #[error("the node stopped by itself, which is a bug; its log tells more")]
    NodeStopped,
    /// No member was met.
    #[error("no member was met in {} of joining, and --retry-max allows no more{reasons}", words::count(*.tries, "round"))]
    NotJoined {
        /// How often it was tried.
        tries: u64,
        /// Why, seed by seed, each on a line.
        reasons: String,
    },
    /// Copies of this data directory keep being started.
    #[error(
        "this agent has made itself {NEW_IDENTITIES_MAX} new identities and found each of them copied: something copies its data directory as it runs; stop that"
    )]
    CopiedAgain,
}
