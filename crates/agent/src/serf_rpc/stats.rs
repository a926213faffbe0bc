//! Figures about this agent, under Serf's names.

use super::messages::{CoordinateAnswer, GetCoordinate};
use super::reply::{Answer, Answered, text};
use crate::agent::Agent;
use crate::describe;
use crate::describe::inside::Inside;
use crate::describe::model::Status;
use crate::handlers::handlers;
use std::collections::BTreeMap;
use std::sync::Arc;

type Group = BTreeMap<&'static str, String>;

/// The figures, in groups.
pub(crate) async fn stats(agent: &Arc<Agent>) -> Answered {
    let looked = agent.inspect(|inside| (membership(inside), describe::tags(&inside.node.swim.me()))).await;
    let (mut serf, tags) = looked.map_err(|refusal| text(&refusal))?;
    serf.insert("encrypted", (!agent.keyring().is_insecure()).to_string());
    serf.insert("event_time", agent.event_service().log.told().to_string());
    let id = agent.id().map(|id| id.to_string()).unwrap_or_default();
    let about = Group::from([("name", agent.name().into()), ("id", id)]);
    let handlers = handlers(agent).iter().map(|it| (it.handler.on.to_string(), it.handler.command.clone()));
    let owned = |group: Group| group.into_iter().map(|(key, value)| (key.to_string(), value)).collect();
    let groups: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::from([
        ("agent", owned(about)),
        ("event_handlers", handlers.collect()),
        ("runtime", owned(runtime())),
        ("serf", owned(serf)),
        ("tags", tags),
    ]);
    Ok(Answer::of(&groups))
}

fn runtime() -> Group {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    Group::from([
        ("arch", std::env::consts::ARCH.into()),
        ("os", std::env::consts::OS.into()),
        ("version", concat!("rumormill ", env!("CARGO_PKG_VERSION")).into()),
        ("cpu_count", cpus.to_string()),
        ("max_procs", "1".into()), // everything runs in one thread
        ("goroutines", tasks.to_string()),
    ])
}

/// Serf's figures of membership. Their clocks count entries of this agent's logs: there are no Lamport clocks to show.
fn membership(inside: &Inside<'_>) -> Group {
    let swim = &inside.node.swim;
    let count = |wanted: Status| swim.members().filter(|it| describe::status(it.status) == wanted).count();
    Group::from([
        ("members", swim.members().count().to_string()),
        ("failed", count(Status::Failed).to_string()),
        ("left", count(Status::Left).to_string()),
        ("health_score", swim.health().to_string()),
        ("member_time", inside.view.cursor().at.to_string()),
        ("intent_queue", swim.news_len().to_string()),
        ("event_queue", inside.node.events.hot_len().to_string()),
        ("query_time", "0".into()),  // queries have numbers of their asker alone
        ("query_queue", "0".into()), // a query is asked at once, or refused
        ("coordinate_resets", "0".into()),
    ])
}

/// There are no coordinates, as in an agent of Serf's that was started without them.
pub(crate) fn coordinate(_: &GetCoordinate) -> Answered {
    Ok(Answer::of(&CoordinateAnswer::default()))
}
