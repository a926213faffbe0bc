//! Programs that ask and answer, without commands in between.

use crate::harness::*;
use rumormill_agent::audience::Filter;
use rumormill_agent::features::queries::answer::ANSWER_BYTES_MAX;
use rumormill_agent::features::queries::open::Reply;
use rumormill_agent::features::queries::state::NewQuery;
use rumormill_agent::model::*;
use rumormill_agent::node::Call;
use rumormill_agent::refusal::Kind;
use rumormill_agent::start::Running;
use rumormill_core::payload::Payload;
use rumormill_protocols::spread::queries::{self, TIMEOUT_MAX};
use serde_json::json;
use std::time::Duration;

/// Agents that know what was before them, so that they are told all that follows.
async fn joined(names: &[&str]) -> Vec<Running> {
    let agents = cluster(names.iter().map(|name| config(name))).await;
    for agent in &agents {
        until("it knows what was before it", async || {
            get::<SelfInfo>(agent, "/v1/self").await.events.joined.then_some(())
        })
        .await;
    }
    agents
}

fn named(names: &[&str], timeout: Duration) -> NewQuery {
    NewQuery {
        name: Payload::from(&b"load"[..]),
        filter: Filter { names: names.iter().map(|name| (*name).into()).collect(), ..Filter::default() },
        payload: Payload::from(&b"how?"[..]),
        timeout: Some(timeout),
    }
}

/// All that is told until the end.
async fn all(agent: &Running, query: NewQuery) -> Vec<Reply> {
    let mut asking = agent.agent().ask(query).await.unwrap();
    let mut told = Vec::new();
    while let Some(next) = asking.next().await {
        told.push(next);
    }
    told
}

#[tokio::test]
async fn a_program_hears_what_is_asked_and_answers_it() {
    let agents = joined(&["a", "b", "c"]).await;
    for (at, agent) in agents.iter().enumerate() {
        let (agent, mut queries) = (agent.agent().clone(), agent.agent().arriving_queries());
        tokio::spawn(async move {
            while let Ok(query) = queries.recv().await {
                assert_eq!(
                    (&query.name[..], &query.payload[..], &query.asker.name[..]),
                    (&b"load"[..], &b"how?"[..], "a")
                );
                let answer = vec![at as u8; [1, 50 * 1024, ANSWER_BYTES_MAX][at]];
                agent.respond(query.id, &answer).await.unwrap();
                agent.respond(query.id, b"the first answer counts").await.unwrap();
                agent.respond(query.id, &vec![0; ANSWER_BYTES_MAX + 1]).await.unwrap_err();
            }
        });
    }
    let told = all(&agents[0], named(&[], DEADLINE)).await;
    let mut answers: Vec<(String, usize)> = told
        .iter()
        .filter_map(|told| {
            if let Reply::Answer(who, said) = told { Some((who.name.clone(), said.len())) } else { None }
        })
        .collect();
    answers.sort();
    let sizes =
        [("a", 1), ("b", 50 * 1024), ("c", ANSWER_BYTES_MAX)].map(|(name, size)| (name.to_owned(), size));
    assert_eq!(answers, sizes);
    assert_eq!(told.iter().filter(|told| matches!(told, Reply::Ack(_))).count(), 3);
    let Some(Reply::Done(sums)) = told.last() else { panic!("{told:?}") };
    assert_eq!((sums.asked, sums.acknowledged, sums.answered, sums.failed), (3, 3, 3, 0));

    let told = all(&agents[0], named(&["c", "nobody"], DEADLINE)).await;
    assert!(
        matches!(&told[..], [Reply::Ack(who), Reply::Answer(..), Reply::Done(_)] if who.name == "c"),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_query_ends_at_its_time_or_with_the_one_who_asked_and_too_many_are_refused() {
    let agents = joined(&["a", "b"]).await;
    let told = all(&agents[0], named(&[], Duration::from_millis(300))).await;
    let Some(Reply::Done(sums)) = told.last() else { panic!("{told:?}") };
    assert_eq!((sums.asked, sums.acknowledged, sums.answered), (2, 2, 0), "nobody answers");
    let mut open = Vec::new();
    let refused = loop {
        match agents[0].agent().ask(named(&[], TIMEOUT_MAX)).await {
            Ok(asking) => open.push(asking),
            Err(failure) => break failure,
        }
    };
    assert_eq!((refused.kind, open.len()), (Kind::Unavailable, queries::Config::default().asks_max));
    let too_many = ask(&agents[0], "POST", "/v1/query", Some(json!({ "name": "n" }))).await;
    too_many.error(503);
    drop(open);
    until("all are cancelled", async || {
        (get::<SelfInfo>(&agents[0], "/v1/self").await.queries.open == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_cannot_read_a_filter_takes_itself_to_be_not_meant_and_counts_it() {
    let agents = joined(&["a", "b"]).await;
    for filter in [&b"?"[..], &[0; 10_000]] {
        let (name, body) = (Payload::from(&b"n"[..]), Payload::EMPTY);
        let filter = Payload::from(filter);
        let asked = queries::Ask { ticket: 1 << 40, name, filter, body, timeout: DEADLINE, expected: 1 };
        agents[0].agent().call(Call::Queries(queries::Call::Ask(asked))).await.unwrap();
    }
    for agent in &agents {
        until("both are counted", async || {
            let counters = get::<SelfInfo>(agent, "/v1/self").await.counters;
            assert_eq!(counters["queries_replies_sent"], 0);
            (counters["queries_unreadable"] == 2).then_some(())
        })
        .await;
    }
}
