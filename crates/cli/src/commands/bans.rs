//! `rumormill ban`, `unban` and `bans`: who is kept out of the cluster.

use crate::args::{MemberArgs, Target};
use crate::client::{Client, encode};
use crate::commands::members::tell_done;
use crate::outcome::Outcome;
use crate::show::{Cell, Out, Table, span};
use clap::Args;
use hyper::Method;
use rumormill_agent::model::{BanInfo, BanRequest, BansList, Done};
use std::time::Duration;

/// `rumormill ban`.
#[derive(Debug, Args)]
pub struct BanArgs {
    /// The member's name or id; the id may be of one that no member knows yet
    #[arg(value_name = "NAME|ID")]
    pub member: String,
    /// Why, in at most 200 bytes: all members, and the one it is about, are told [default: none]
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// How long it may take until it is on the agent's disk (our guess).
const WAIT: Duration = Duration::from_secs(30);

/// `rumormill ban`.
pub async fn ban(args: &BanArgs, out: &mut Out<'_>) -> Outcome {
    let request = BanRequest { member: args.member.clone(), reason: args.reason.clone().unwrap_or_default() };
    let done: Done = Client::of(&args.target)?.post("/v1/bans", &request).await?;
    tell_done(&done, args.target.json, out)
}

/// `rumormill unban`.
pub async fn unban(args: &MemberArgs, out: &mut Out<'_>) -> Outcome {
    let path = format!("/v1/bans/{}", encode(&args.member));
    let done: Done = Client::of(&args.target)?.send(Method::DELETE, &path, &(), WAIT).await?;
    tell_done(&done, args.target.json, out)
}

/// `rumormill bans`.
pub async fn list(target: &Target, out: &mut Out<'_>) -> Outcome {
    let list: BansList = Client::of(target)?.get("/v1/bans").await?;
    if target.json {
        return out.json(&list);
    }
    if list.bans.is_empty() {
        return out.line("nobody is banned");
    }
    let mut table = Table::new(&["ID", "NAME", "BY", "FOR", "REASON"]);
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map_or_else(Cell::none, Cell::from);
    for BanInfo { id, name, by, by_name, age_s, reason } in &list.bans {
        let by = by_name.as_deref().unwrap_or(by);
        let cells =
            [Some(id.as_str()), name.as_deref(), Some(by), Some(&span(*age_s)), Some(reason)].map(text);
        table.row(cells.into());
    }
    out.table(&table)
}
