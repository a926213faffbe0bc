//! The flags of `rumormill keys`.

use super::Target;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `rumormill keys ...`.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// List the ids of the keys that the members hold, and which one each seals with
    List(KeysListArgs),
    /// Give all members one more key that they open packets with; the key is read from a file or standard input
    Install(KeyFileArgs),
    /// Have all members seal with this key; refused while a live member lacks it
    Use(KeyUseArgs),
    /// Take a key away from all members; refused while a live member seals with it
    Remove(KeyRemoveArgs),
    /// Install a new key, use it and remove the old one, each step only after all have confirmed the one before
    ///
    /// If a member does not confirm, it stops, says who, and leaves a cluster that works: until the last step all open both keys.
    Rotate(KeyRotateArgs),
}

/// `rumormill keys list`.
#[derive(Debug, Args)]
pub struct KeysListArgs {
    /// Only this agent's own keys
    #[arg(long)]
    pub local: bool,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// `rumormill keys use`.
#[derive(Debug, Args)]
pub struct KeyUseArgs {
    /// Even if live members lack the key: they will not understand the others
    #[arg(long, conflicts_with = "local")]
    pub force: bool,
    /// Which key.
    #[command(flatten)]
    pub key: KeyIdArgs,
}

/// `rumormill keys remove`.
#[derive(Debug, Args)]
pub struct KeyRemoveArgs {
    /// Nor may members that were away catch up by it, as they may else for a day; also of a key that was removed before
    #[arg(long, conflicts_with = "local")]
    pub revoke: bool,
    /// Even if live members do not answer
    #[arg(long, conflicts_with = "local")]
    pub force: bool,
    /// Which key.
    #[command(flatten)]
    pub key: KeyIdArgs,
}

/// `rumormill keys rotate`.
#[derive(Debug, Args)]
pub struct KeyRotateArgs {
    /// The file with the new key; `-`: standard input; nothing: a new one is made
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// A key from a file.
#[derive(Debug, Args)]
pub struct KeyFileArgs {
    /// The file with the key; `-` or nothing: standard input
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Only on this agent
    #[arg(long)]
    pub local: bool,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// A key by its id.
#[derive(Debug, Args)]
pub struct KeyIdArgs {
    /// The key's id, as `keys list` shows it
    #[arg(value_name = "KEY-ID")]
    pub id: String,
    /// Only on this agent
    #[arg(long)]
    pub local: bool,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}
