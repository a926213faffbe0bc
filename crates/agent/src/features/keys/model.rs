//! Keys, by their fingerprints: what is asked of one agent and of all members, and what they hold.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The body of `POST /v1/keys/install`.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyInstall {
    /// The key, as `rumormill keygen` prints it.
    #[schema(pattern = "^([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=|[0-9A-Fa-f]{64})$")]
    pub key: String,
}

impl std::fmt::Debug for KeyInstall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyInstall { key: … }")
    }
}

/// The body of `POST /v1/keys/use` and `/v1/keys/remove`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyChoice {
    /// Which key, by its fingerprint.
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub fingerprint: String,
}

/// The body of `POST /v1/keys/everywhere`; `request` has its description, by action.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysRequest {
    /// What all live members are to do.
    pub action: KeysAction,
    /// To install or to rotate to: the key, as `rumormill keygen` prints it.
    #[serde(default)]
    pub key: Option<String>,
    /// To use or to remove: which key.
    #[serde(default)]
    pub fingerprint: Option<String>,
    /// To use a key that live members lack, or to remove one though some do not answer.
    #[serde(default)]
    pub force: bool,
    /// To remove: members that were away may not catch up by it.
    #[serde(default)]
    pub revoke: bool,
}

impl std::fmt::Debug for KeysRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeysRequest {{ {:?}, … }}", self.action)
    }
}

/// What all live members are to do with their keys.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeysAction {
    /// Tell what they hold.
    #[default]
    List,
    /// Open what is sealed with one key more.
    Install,
    /// Seal with it.
    Use,
    /// Open nothing of it any more.
    Remove,
    /// All three: install a new one, use it, remove the old one.
    Rotate,
}

/// `GET /v1/keys`, and the answer to every change. Never holds a key itself.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct KeysList {
    /// The keys, the primary one first.
    pub keys: Vec<KeyInfo>,
    /// What this change does and does not do.
    pub note: String,
}

/// The answer to `POST /v1/keys/everywhere`: what each live member did, step by step. Never holds a key itself.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct KeysEverywhere {
    /// Whether all live members confirmed all of it.
    pub done: bool,
    /// The key it was about, by its fingerprint.
    pub key: Option<String>,
    /// What was reached, or why it stopped and how to go on.
    pub note: String,
    /// The steps, in their order; each began only after all had confirmed the one before.
    pub steps: Vec<KeysStep>,
}

/// One step of a change of keys.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct KeysStep {
    /// `list`, `install`, `use` or `remove`.
    pub what: String,
    /// The live members, ordered by name and id.
    pub members: Vec<KeysMember>,
}

/// What one member did, and what it holds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct KeysMember {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What became of it.
    pub result: KeysResult,
    /// Why it failed.
    pub reason: Option<String>,
    /// What it holds now, by fingerprint, the key that it seals with first.
    pub keys: Vec<String>,
    /// Where it keeps them for its next start.
    pub kept: Option<KeysKept>,
    /// Why they are not in its key file.
    pub note: Option<String>,
}

/// What became of an order.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeysResult {
    /// It is carried out.
    Done,
    /// It was refused.
    Failed,
    /// The member did not answer.
    NoAnswer,
}

/// Where a member keeps its keys.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeysKept {
    /// In its key file.
    File,
    /// In its data directory.
    Store,
    /// Nowhere: its next start takes what its key file holds.
    Nowhere,
}

/// One key, by its fingerprint.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct KeyInfo {
    /// The head of its hash: 16 hexadecimal digits.
    pub fingerprint: String,
    /// Whether this agent seals with it; all keys open.
    pub primary: bool,
}
