//! The cluster's keys. A key goes in and never comes out: where Serf lists keys, fingerprints are listed.

use crate::agent::Agent;
use crate::features::keys::everywhere::KeyChange;
use crate::model::KeysResult;
use crate::serf_rpc::messages::{Key, Keys};
use crate::serf_rpc::reply::{Answer, Answered, text};
use rumormill_runtime::keyring::{self, KeyringError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is asked.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ask {
    Install,
    Use,
    Remove,
    List,
}

/// What became of it, at each member.
struct Outcome {
    nodes: u32,
    /// Those that answered.
    answered: u32,
    /// Names of members, and what went wrong there.
    failed: BTreeMap<String, String>,
    /// How many members hold each key.
    keys: BTreeMap<String, u32>,
}

/// Answers all that is asked about keys. A key may be named by its fingerprint as well, but to be installed.
pub(crate) async fn answer(agent: &Arc<Agent>, ask: Ask, Key { key }: Key) -> Answered {
    let Outcome { nodes, answered, failed, keys } = act(agent, ask, &key).await?;
    let errors = failed.len() as u32;
    let error = match (errors, answered) {
        (0, answered) if answered == nodes => String::new(),
        (0, answered) => format!("{answered}/{nodes} nodes reported success"),
        (errors, _) => format!("{errors}/{nodes} nodes reported failure"),
    };
    let body = Keys {
        keys: (ask == Ask::List).then_some(keys),
        messages: failed,
        num_err: errors,
        num_nodes: nodes,
        num_resp: answered,
    };
    Ok(Answer { error, ..Answer::of(&body) })
}

/// Has all live members carry it out.
async fn act(agent: &Arc<Agent>, ask: Ask, key: &str) -> Result<Outcome, String> {
    let named = || key.parse().or_else(|_| key.parse::<keyring::Key>().map(|key| key.fingerprint()));
    let named = || named().map_err(|error| error.to_string());
    let wanted = match ask {
        Ask::List => KeyChange::List,
        Ask::Install => KeyChange::Install(key.parse().map_err(|error: KeyringError| error.to_string())?),
        Ask::Use => KeyChange::Use(named()?, false),
        Ask::Remove => KeyChange::Remove(named()?, false, false),
    };
    let course = agent.keys_everywhere(wanted).await.map_err(|refusal| text(&refusal))?;
    let members = course.steps.into_iter().next_back().map(|step| step.members).unwrap_or_default();
    let mut outcome =
        Outcome { nodes: members.len() as u32, answered: 0, failed: BTreeMap::new(), keys: BTreeMap::new() };
    for member in members {
        match member.result {
            KeysResult::NoAnswer => continue,
            KeysResult::Failed => {
                outcome.failed.insert(member.name, member.reason.unwrap_or_default());
            }
            KeysResult::Done => {}
        }
        outcome.answered += 1;
        for key in member.keys {
            *outcome.keys.entry(key).or_default() += 1;
        }
    }
    if !course.done && ask != Ask::List && outcome.failed.is_empty() {
        return Err(course.note);
    }
    Ok(outcome)
}
