//! Joining: what became of it at each address, and why not.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why nobody was joined by a seed.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JoinReason {
    /// The name has no addresses.
    NoSuchName,
    /// The name could not be looked up: the name server is silent or broken.
    NameServer,
    /// Neither UDP nor TCP is answered.
    NoAnswer,
    /// Nobody listens there.
    Refused,
    /// UDP is answered, TCP is not.
    TcpBlocked,
    /// Who listens there holds another key, or is no agent.
    OtherKey,
    /// The member there holds the same key, and belongs to a cluster of another name.
    OtherCluster,
    /// This node's socket cannot send there.
    Unreachable,
    /// The member answers, but the exchange of members was not completed.
    Exchange,
    /// It is this agent itself, or a copy of its data directory.
    Myself,
    /// The seed file cannot be used.
    SeedFile,
    /// Anything else.
    Other,
}

impl JoinReason {
    /// All of them.
    pub const ALL: [JoinReason; 12] = [
        JoinReason::NoSuchName,
        JoinReason::NameServer,
        JoinReason::NoAnswer,
        JoinReason::Refused,
        JoinReason::TcpBlocked,
        JoinReason::OtherKey,
        JoinReason::OtherCluster,
        JoinReason::Unreachable,
        JoinReason::Exchange,
        JoinReason::Myself,
        JoinReason::SeedFile,
        JoinReason::Other,
    ];

    /// As it is written in JSON and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            JoinReason::NoSuchName => "no_such_name",
            JoinReason::NameServer => "name_server",
            JoinReason::NoAnswer => "no_answer",
            JoinReason::Refused => "refused",
            JoinReason::TcpBlocked => "tcp_blocked",
            JoinReason::OtherKey => "other_key",
            JoinReason::OtherCluster => "other_cluster",
            JoinReason::Unreachable => "unreachable",
            JoinReason::Exchange => "exchange",
            JoinReason::Myself => "myself",
            JoinReason::SeedFile => "seed_file",
            JoinReason::Other => "other",
        }
    }
}

/// How a seed stands.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeedState {
    /// Nothing has come of it yet.
    #[default]
    Trying,
    /// A live member is there.
    Joined,
    /// It is this agent itself.
    Itself,
    /// Nobody was joined by it when it was last tried; it is tried again.
    Failing,
}

impl SeedState {
    /// As it is written in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            SeedState::Trying => "trying",
            SeedState::Joined => "joined",
            SeedState::Itself => "itself",
            SeedState::Failing => "failing",
        }
    }
}

/// One place where this agent finds others.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Seed {
    /// As it was given, or `known members` for those of the last run.
    pub seed: String,
    /// How it stands.
    pub state: SeedState,
    /// Why it fails; none if it does not.
    pub reason: Option<JoinReason>,
    /// The same as a sentence.
    pub error: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// For how many seconds it has been failing.
    pub failing_s: Option<f64>,
    /// How often it was tried since it last worked.
    pub tries: u64,
}

/// An address whose packets this agent cannot open.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Stranger {
    /// Where the last of them came from.
    pub address: String,
    /// What it most likely is: `other_cluster`, `other_key`, `no_key` or `removed_key`. Anybody can write such packets, so this is a guess.
    pub guess: String,
    /// The same as a sentence.
    pub text: String,
    /// How many packets and connections came.
    pub packets: u64,
    /// How many seconds ago the last one came.
    pub last_s: f64,
}

/// The answer to `POST /v1/join`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct JoinResult {
    /// What became of each address.
    pub addresses: Vec<Joined>,
}

/// What became of one address.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Joined {
    /// As it was asked for, or as it was found by name.
    pub address: String,
    /// Who was joined there: it and this agent list each other. None if nobody was.
    pub id: Option<String>,
    /// The name of that member; none if nobody was joined, or if it is on no list here any more.
    #[serde(default)]
    pub name: Option<String>,
    /// Of which kind what went wrong is; none if nothing did.
    #[serde(default)]
    pub reason: Option<JoinReason>,
    /// What went wrong, and what to do; none if nothing did.
    pub error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_and_states_are_written_alike_everywhere() {
        for reason in JoinReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
        for state in [SeedState::Trying, SeedState::Joined, SeedState::Itself, SeedState::Failing] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }
}

/// The body of `POST /v1/join`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// Seeds: `HOST:PORT`, `HOST`, or what the agent's `join` setting takes.
    #[schema(min_items = 1)]
    pub addresses: Vec<String>,
}
