//! The HTTP route of vitals.

use crate::agent::Agent;
use crate::describe::inside::Inside;
use crate::describe::name_of;
use crate::features::membership::find::find;
use crate::http::reply::{Answer, Segment};
use crate::http::route::Route;
use crate::refusal::Refusal;
use crate::{host, model};
use axum::Json;
use axum::extract::State;
use axum::routing::get;
use rumormill_core::identity::NodeId;
use rumormill_core::words;
use std::sync::Arc;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(vitals))]
pub(super) struct Document;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::new("/v1/vitals/{member}", &["get"], get(vitals))]
}

/// The machine a member runs on.
///
/// The newest vitals of it that arrived here, and how old they are.
#[utoipa::path(
    get, path = "/v1/vitals/{member}", tag = "members", params(("member" = String, Path, description = "An id, or a name: the one live member that carries it, or the only one.")),
    responses(
        (status = 200, body = model::Vitals), (status = 404, body = model::Error),
        (status = 409, description = "Several carry that name.", body = model::Error),
    )
)]
pub async fn vitals(State(agent): State<Arc<Agent>>, Segment(member): Segment) -> Answer<model::Vitals> {
    let found = agent.inspect(move |inside| {
        let id = find(inside, &member)?;
        if inside.node.vitals.is_none() {
            let hint = "start it with --vitals on";
            return Err(Refusal::not_found("this agent was started with vitals off", hint));
        }
        let vitals = newest(inside, id);
        vitals.ok_or_else(|| {
            let hint = "they come within a minute or so of a member's start, unless it was started with vitals off or is gone";
            Refusal::not_found(format!("no vitals of {id} have arrived here"), hint)
        })
    });
    Ok(Json(found.await??))
}

/// The newest vitals of a member, in full; none if it is on no list, or none arrived.
fn newest(inside: &Inside<'_>, id: NodeId) -> Option<model::Vitals> {
    let entry = inside.node.vitals_of(id)?;
    let vitals = host::Vitals::decode(&entry.value)?;
    Some(model::Vitals {
        id: id.to_string(),
        name: name_of(inside, id)?,
        age_s: words::seconds(inside.wall.since(entry.written)),
        heard_s: words::seconds(inside.now.since(entry.heard)),
        written_unix_ms: entry.written.0,
        ..in_full(&vitals)
    })
}

/// All but whose they are, and when they were written.
fn in_full(vitals: &host::Vitals) -> model::Vitals {
    let centi = |value: u32| f64::from(value) / 100.0;
    let kib = |kib: u64| kib.saturating_mul(1024);
    let mib = |mib: u32| u64::from(mib) << 20;
    let load = vitals.load_1_centi.zip(vitals.load_5_centi).zip(vitals.load_15_centi);
    let mut disks: Vec<&host::Disk> = vitals.disks.iter().collect();
    disks.sort_by(|a, b| b.percent().unwrap_or(0.0).total_cmp(&a.percent().unwrap_or(0.0)));
    let disk = |disk: &host::Disk| model::Disk {
        mount: disk.mount.clone(),
        total_bytes: mib(disk.total_mib),
        available_bytes: mib(disk.total_mib.saturating_sub(disk.used_mib)),
    };
    model::Vitals {
        load: load.map(|((one, five), fifteen)| [centi(one), centi(five), centi(fifteen)]),
        cpu_percent: vitals.cpu_busy_permille.map(|permille| f64::from(permille) / 10.0),
        cpus: vitals.cores.map(u32::from),
        memory_total_bytes: vitals.mem_total_kib.map(kib),
        memory_available_bytes: vitals.mem_available_kib.map(kib),
        swap_used_bytes: vitals.swap_used_kib.map(kib),
        pressure_cpu_percent: vitals.pressure_cpu_centipercent.map(|p| centi(p.into())),
        pressure_memory_percent: vitals.pressure_memory_centipercent.map(|p| centi(p.into())),
        pressure_io_percent: vitals.pressure_io_centipercent.map(|p| centi(p.into())),
        disks: disks.into_iter().map(disk).collect(),
        hung_disks: vitals.hung_disks().map(str::to_string).collect(),
        net_received_bytes_per_s: vitals.net_rx_bytes_per_s.map(|rate| rate as f64),
        net_sent_bytes_per_s: vitals.net_tx_bytes_per_s.map(|rate| rate as f64),
        uptime_s: vitals.uptime_s,
        processes: vitals.processes.map(u64::from),
        agent_memory_bytes: vitals.agent_rss_kib.map(kib),
        agent_cpu_percent: vitals.agent_cpu_ppm.map(|ppm| f64::from(ppm) / 10_000.0),
        ..model::Vitals::default()
    }
}
