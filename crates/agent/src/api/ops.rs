//! What operators and their tools ask: the agent itself, its health, its counters, faults on purpose.

use super::bans;
use super::conditions;
use super::events_counted;
use super::failure::{Answer, Body, HttpError};
use super::find::find;
use super::queries_counted;
use super::shape::Shape;
use crate::build;
use crate::logging;
use crate::metrics::{self, Table};
use crate::model;
use crate::refusal::Refusal;
use crate::run::{Agent, Inside};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use rumormill_core::identity::NodeId;
use rumormill_protocols::member::swim::Counters;
use rumormill_runtime::faults::{Faults, FaultsError};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long the node's task may take to answer for the agent to be healthy (our guess: twice what a period takes on one site).
pub const HEALTH_WAIT: Duration = Duration::from_secs(2);

/// Items of news that are shown, of those that are on their way.
const NEWS_SHOWN_MAX: usize = 16;

/// This agent.
#[utoipa::path(get, path = "/v1/self", responses((status = 200, body = model::SelfInfo)))]
pub async fn itself(State(agent): State<Arc<Agent>>) -> Answer<model::SelfInfo> {
    let inner = agent.clone();
    let mut info = agent.inspect(move |inside| about_node(inside, &inner)).await?;
    agent.describe(&mut info);
    info.counters = table(&agent).await?.counters();
    Ok(Json(info))
}

fn about_node(inside: &Inside<'_>, agent: &Agent) -> model::SelfInfo {
    let swim = &inside.node.swim;
    let me = swim.me();
    let conditions = conditions::conditions(inside, agent);
    let hold = conditions.iter().filter(|warning| warning.cleared_s.is_none());
    let vitals = inside.node.vitals.as_ref();
    model::SelfInfo {
        member: Shape::new(inside).member(&me),
        session: format!("{:016x}", me.card.life.session),
        health: swim.health(),
        live: swim.live_len(),
        news_queued: swim.news_len(),
        news: Shape::new(inside).news().take(NEWS_SHOWN_MAX).collect(),
        root: format!("{:016x}", swim.root()),
        vitals: vitals.is_some(),
        vitals_interval_s: vitals.map(|vitals| vitals.put_interval().as_secs_f64()),
        events: events_counted::info(inside, &agent.board(), agent.events_window_bytes_max()),
        queries: queries_counted::info(inside),
        warnings: hold.map(|warning| warning.text.clone()).collect(),
        conditions,
        ..model::SelfInfo::default()
    }
}

/// Read the configuration again, as SIGHUP does.
///
/// What can change in a running agent changes; the rest is named. A configuration that is not usable changes nothing.
#[utoipa::path(
    post, path = "/v1/reload",
    responses(
        (status = 200, body = model::Reloaded),
        (status = 409, description = "There is nothing to read again.", body = model::Error),
        (status = 422, description = "It is not usable.", body = model::Error),
        (status = 503, description = "Its files cannot be read within two seconds.", body = model::Error),
    )
)]
pub async fn reload(State(agent): State<Arc<Agent>>) -> Answer<model::Reloaded> {
    // In a task of its own, which ends also when who asked has hung up.
    let reloaded = tokio::spawn(async move { agent.reload().await }).await;
    Ok(Json(reloaded.map_err(|_| Refusal::gone())??))
}

/// Whether the agent works.
///
/// 200 if the node's task, which does the work, answers within two seconds.
#[utoipa::path(
    get, path = "/healthz",
    responses((status = 200, body = model::Healthz), (status = 503, description = "It does not answer.", body = model::Error))
)]
pub async fn healthz(State(agent): State<Arc<Agent>>) -> Answer<model::Healthz> {
    let asked = agent.inspect(|inside| (inside.node.swim.health(), inside.node.swim.live_len()));
    match tokio::time::timeout(HEALTH_WAIT, asked).await {
        Ok(Ok((health, live))) => {
            Ok(Json(model::Healthz { ok: true, health: Some(health), live: Some(live) }))
        }
        Ok(Err(_)) | Err(_) => Err(Refusal::gone()),
    }
}

/// Counters for Prometheus.
///
/// In the OpenMetrics text format if it is accepted, else in Prometheus's own.
#[utoipa::path(
    get, path = "/metrics",
    responses((status = 200, content_type = "text/plain", body = String), (status = 503, body = model::Error))
)]
pub async fn prometheus(State(agent): State<Arc<Agent>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let text = table(&agent).await?.openmetrics(agent.histograms());
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    Ok(if accepts.into_iter().any(|accepted| accepted.contains("application/openmetrics-text")) {
        ([(header::CONTENT_TYPE, metrics::OPENMETRICS)], text).into_response()
    } else {
        ([(header::CONTENT_TYPE, metrics::PLAIN)], metrics::plain(&text)).into_response()
    })
}

/// This description.
#[utoipa::path(
    get, path = "/openapi.json",
    responses((status = 200, content_type = "application/json", body = serde_json::Value))
)]
pub async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], super::document()).into_response()
}

/// Break something on purpose.
///
/// For demonstrations and tests: answers only in an agent that was started with fault injection, 404 otherwise.
#[utoipa::path(
    post, path = "/v1/faults", request_body = model::FaultsRequest,
    responses((status = 200, body = model::Faults), (status = 400, body = model::Error), (status = 404, body = model::Error))
)]
pub async fn faults(
    State(agent): State<Arc<Agent>>,
    body: Result<Body<model::FaultsRequest>, HttpError>,
) -> Result<Json<model::Faults>, HttpError> {
    let Some(faults) = agent.faults().filter(Faults::is_enabled) else {
        let hint = "start the agent with --faults, for a demonstration or a test alone";
        return Err(Refusal::not_found("this agent injects no faults", hint).into());
    };
    let Body(request) = body?;
    let to_block = peers(&agent, &request.block).await?;
    let to_unblock = peers(&agent, &request.unblock).await?;
    let change = || {
        if request.clear {
            faults.clear()?;
        }
        to_block.iter().try_for_each(|peer| match peer {
            Peer::Address(address) => faults.block_address(*address),
            Peer::Member(id) => faults.block(*id),
        })?;
        to_unblock.iter().try_for_each(|peer| match peer {
            Peer::Address(address) => faults.unblock_address(*address),
            Peer::Member(id) => faults.unblock(*id),
        })?;
        request.loss.map_or(Ok(()), |loss| faults.drop_datagrams(0.0, loss))?;
        request.datagrams_blocked.map_or(Ok(()), |blocked| faults.block_datagrams(blocked))
    };
    change().map_err(|error: FaultsError| {
        Refusal::invalid(error.to_string(), "GET /openapi.json describes the body")
    })?;
    let state = faults.state();
    tracing::warn!(?state, "faults are injected as asked for");
    let ids = state.blocked.iter().map(NodeId::to_string);
    let blocked = ids.chain(state.blocked_addresses.iter().map(SocketAddr::to_string)).collect();
    Ok(Json(model::Faults { blocked, loss: state.drop_out, datagrams_blocked: state.datagrams_blocked }))
}

enum Peer {
    Address(SocketAddr),
    Member(NodeId),
}

/// Ids are taken as they are: a cut may be asked for before its victim is known.
async fn peers(agent: &Arc<Agent>, texts: &[String]) -> Result<Vec<Peer>, Refusal> {
    let mut peers = Vec::new();
    for text in texts {
        peers.push(match (text.parse(), super::find::id(text)) {
            (Ok(address), _) => Peer::Address(address),
            (Err(_), Some(id)) => Peer::Member(id),
            (Err(_), None) => {
                let text = text.clone();
                Peer::Member(agent.inspect(move |inside| find(inside, &text)).await??)
            }
        });
    }
    Ok(peers)
}

/// Everything that is counted, as it stands now.
async fn table(agent: &Arc<Agent>) -> Result<Table, Refusal> {
    let inner = agent.clone();
    let mut table = agent.inspect(move |inside| in_node(inside, &inner)).await?;
    in_runtime(agent, &mut table);
    agent.count_seeds(&mut table);
    agent.count_strangers(&mut table);
    for handler in agent.handlers() {
        super::events_counted::count_handler(&handler.info(), &mut table);
    }
    let reloads = agent.reloads();
    for (end, count) in [("done", reloads.done), ("refused", reloads.refused)] {
        table.count("reloads", "Times the configuration was read again, by end", &[("end", end)], count);
    }
    let refused = f64::from(u8::from(reloads.last_error.is_some()));
    table.gauge("reload_refused", "1 if the configuration was not usable when last read again", &[], refused);
    let waiting = reloads.restart.len() as f64;
    table.gauge("settings_waiting", "Settings that differ from those in force until a restart", &[], waiting);
    agent.admissions.count(&mut table);
    if agent.has_serf_rpc() {
        agent.serf_rpc.count(&mut table);
    }
    let help = "Lines of the log that were lost because nobody read them in time";
    table.count("log_lines_lost", help, &[], logging::lost());
    let help = "What was not stored because the disk did not answer in time";
    table.count("store_gave_up", help, &[], agent.store_gave_up());
    let help = "For how long the data directory has not answered; 0 while it does";
    table.gauge("store_hangs_seconds", help, &[], agent.store_hangs_s());
    table.gauge("watchers", "Consumers of /v1/watch", &[], agent.watching() as f64);
    let built = [("version", build::VERSION), ("commit", build::commit())];
    table.gauge("build_info", "The version that runs, and the commit it was built from", &built, 1.0);
    table.gauge("uptime_seconds", "Time since the agent started", &[], agent.uptime().as_secs_f64());
    Ok(table)
}

fn in_node(inside: &Inside<'_>, agent: &Agent) -> Table {
    let swim = &inside.node.swim;
    let mut table = Table::default();
    for (name, help, value) in swim_counters(&swim.counters()) {
        table.count(name, help, &[], value);
    }
    let mut counts = [0usize; model::Status::ALL.len()];
    let shape = Shape::new(inside);
    swim.members().for_each(|member| counts[shape.status(&member) as usize] += 1);
    for (status, count) in model::Status::ALL.into_iter().zip(counts) {
        table.gauge(
            "members",
            "Members by status, this one included",
            &[("status", status.as_str())],
            count as f64,
        );
    }
    table.gauge(
        "health_score",
        "Lifeguard's local health score: 0 is healthy",
        &[],
        f64::from(swim.health()),
    );
    table.gauge("news_queued", "Items still being gossiped", &[], swim.news_len() as f64);
    table.gauge("swim_tags_bytes", "Bytes of large tags of others kept here", &[], swim.tags_bytes() as f64);
    let taken = inside.view.taken_names().len();
    table.gauge("names_taken_twice", "Names that more than one live member carries", &[], taken as f64);
    events_counted::count(inside, &agent.board(), &mut table);
    queries_counted::count(inside, &agent.query_board(), &mut table);
    bans::count(inside, &mut table);
    conditions::count(&conditions::conditions(inside, agent), &mut table);
    if let Some(vitals) = &inside.node.vitals {
        let interval = vitals.put_interval().as_secs_f64();
        table.gauge(
            "vitals_interval_seconds",
            "How often new vitals are written at this cluster size",
            &[],
            interval,
        );
    }
    table
}

fn in_runtime(agent: &Agent, table: &mut Table) {
    let Some(counters) = agent.counters() else { return };
    for lane in &counters.lanes {
        let label = [("protocol", lane.name)];
        table.count("messages_sent", "Messages sent, by protocol", &label, lane.sent);
        table.count("messages_received", "Messages received, by protocol", &label, lane.received);
        table.count("message_bytes_sent", "Bytes of messages sent, by protocol", &label, lane.sent_bytes);
        table.count(
            "message_bytes_received",
            "Bytes of messages received, by protocol",
            &label,
            lane.received_bytes,
        );
        table.count(
            "messages_shed",
            "Messages dropped for the budget or a full queue, by protocol",
            &label,
            lane.shed,
        );
    }
    let way = |by| [("by", by)];
    let c = &counters;
    let datagrams_and_streams = [
        ("packets_sent", "Packets and stream messages sent", c.datagrams_sent, c.stream_messages_sent),
        (
            "packets_received",
            "Packets and stream messages received",
            c.datagrams_received,
            c.stream_messages_received,
        ),
        (
            "bytes_sent",
            "Bytes sent, sealed; datagrams with their headers",
            c.datagram_bytes_sent,
            c.stream_bytes_sent,
        ),
        (
            "bytes_received",
            "Bytes received, sealed; datagrams with their headers",
            c.datagram_bytes_received,
            c.stream_bytes_received,
        ),
    ];
    for (name, help, by_datagram, by_stream) in datagrams_and_streams {
        table.count(name, help, &way("datagram"), by_datagram);
        table.count(name, help, &way("stream"), by_stream);
    }
    let help = "Connections made, handshake and all";
    table.count("connections", help, &way("opened"), counters.connections_opened);
    table.count("connections", help, &way("accepted"), counters.connections_accepted);
    table.gauge("connections_open", "Connections open now", &[], counters.connections as f64);
    for (cause, count) in &counters.dropped {
        table.count("dropped", "What was lost, by cause", &[("cause", cause)], *count);
    }
}

/// The counters of membership, each with its name and what it means.
fn swim_counters(c: &Counters) -> [(&'static str, &'static str, u64); 26] {
    [
        ("swim_probes", "Members probed", c.probes),
        ("swim_probes_failed", "Probes without an answer by any path", c.probes_failed),
        ("swim_indirect_probes", "Probes through helpers", c.indirect_probes),
        ("swim_stream_probes", "Probes over TCP, where datagrams got no answer", c.stream_probes),
        ("swim_nacks_sent", "Times this helper got no answer either, and said so", c.nacks_sent),
        ("swim_suspicions_raised", "Suspicions of this member's own", c.suspicions_raised),
        ("swim_suspicions_heard", "Suspicions of others", c.suspicions_heard),
        ("swim_refutations", "Suspicions of this member that it answered", c.refutations),
        ("swim_deaths", "Members held to be dead", c.deaths),
        ("swim_news_sent", "Items of news sent", c.news_sent),
        ("swim_news_heard", "Items of news that were new", c.news_heard),
        ("swim_news_stale", "Items of news that were not", c.news_stale),
        ("swim_news_shunned", "Cards of members that are kept out", c.news_shunned),
        ("swim_news_buried", "Cards of members that were forgotten", c.news_buried),
        ("swim_news_shed", "Items of news dropped", c.news_shed),
        ("swim_records_forged", "Records whose signature is not their owner's", c.records_forged),
        (
            "swim_records_corrupted_in_memory",
            "Records that changed in this machine's memory",
            c.records_corrupted_in_memory,
        ),
        ("swim_exchanges_opened", "Comparisons of all members with a peer that differed", c.exchanges_opened),
        ("swim_exchange_records_sent", "Records sent in such comparisons", c.exchange_records_sent),
        ("swim_departed_tries", "Dead members tried again", c.departed_tries),
        ("swim_departed_dropped", "Departed members forgotten for age or number", c.departed_dropped),
        ("swim_ghosts", "Members failed because another member answered at their address", c.ghosts),
        (
            "swim_tombstones_shed",
            "Tombstones of forgotten members dropped for their number",
            c.tombstones_shed,
        ),
        ("swim_tags_fetched", "Large tags fetched", c.tags_fetched),
        ("swim_tags_shed", "Large tags of others dropped, because all together take too much", c.tags_shed),
        ("swim_requests_refused", "Requests of peers or the operator that were refused", c.requests_refused),
    ]
}
