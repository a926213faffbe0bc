//! What an agent costs: bytes, packets, CPU and memory, when idle and under five events a second. Our vitals are off, since serf has none.

use super::cluster::Cluster;
use super::net::Sent;
use super::plan::Row;
use super::{Bench, load};
use crate::bench::procfs;
use crate::bench::sides::{Side, Vitals};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Events a second while an agent is loaded (issue).
const RATE: f64 = 5.0;
/// What an event sets off has ended so long after it came everywhere: it is counted as well (serf passes on for 2.4 s at 100 agents; ours asks back for 1.5).
const REST: Duration = Duration::from_secs(3);
/// How long the last events may take.
const DRAIN: Duration = Duration::from_secs(10);

/// Measures one cluster.
pub fn run(bench: &mut Bench, side: &Side, n: usize, trial: usize) -> Result<()> {
    side.uncache()?;
    let cluster = Cluster::start(side, n, Vitals::Off, &bench.place.base, bench.place.net.is_some())?;
    cluster.converge()?;
    cluster.listen()?; // in both windows, and it costs nothing as long as nothing is told
    let mut publisher = cluster.publisher()?;
    std::thread::sleep(bench.plan.settle);
    let meter = Meter::start(bench, &cluster)?;
    std::thread::sleep(bench.plan.idle);
    let idle = meter.stop()?;
    let meter = Meter::start(bench, &cluster)?;
    let seed = bench.plan.seed ^ trial as u64;
    let load = load::run(&cluster, &mut publisher, RATE, bench.plan.loaded.as_secs_f64(), seed)?;
    let outcome = load.outcome(&cluster, DRAIN);
    std::thread::sleep(REST);
    let loaded = meter.stop()?;
    if outcome.delivered == 0.0 {
        bail!("no event came anywhere");
    }
    let deliveries = outcome.delivered * (load.offered * n) as f64;
    let extra = loaded.sent.bytes - idle.sent.bytes / idle.seconds * loaded.seconds;
    let mut figures = json!({
        "idle_s": idle.seconds, "loaded_s": loaded.seconds,
        "events": load.offered, "delivered": outcome.delivered, "loaded_p99_s": outcome.p99_s,
        "bytes_per_event": loaded.sent.bytes / deliveries, "extra_bytes_per_event": extra / deliveries,
    });
    idle.tell("idle", n, &mut figures);
    loaded.tell("loaded", n, &mut figures);
    bench.note(Row::Cost, side, n, trial, figures);
    bench.complain(&cluster);
    Ok(())
}

/// Counts from a moment on.
struct Meter<'a> {
    bench: &'a Bench,
    pids: Vec<u32>,
    sent: Sent,
    cpu_s: Vec<f64>,
    start: Instant,
}

/// What was counted.
struct Cost {
    seconds: f64,
    sent: Sent,
    cpu_percent: Vec<f64>,
    rss_kib: Vec<f64>,
    pss_kib: Vec<f64>,
}

impl<'a> Meter<'a> {
    fn start(bench: &'a Bench, cluster: &Cluster) -> Result<Meter<'a>> {
        let pids = cluster.pids();
        let cpu_s = pids.iter().map(|pid| procfs::cpu_s(*pid)).collect::<Result<_>>()?;
        Ok(Meter { bench, pids, sent: sent(bench)?, cpu_s, start: Instant::now() })
    }

    fn stop(self) -> Result<Cost> {
        let (seconds, now) = (self.start.elapsed().as_secs_f64(), sent(self.bench)?);
        let cpu = self.pids.iter().zip(&self.cpu_s);
        let cpu_percent = cpu.map(|(pid, before)| Ok((procfs::cpu_s(*pid)? - before) / seconds * 100.0));
        let cpu_percent = cpu_percent.collect::<Result<_>>()?;
        let memory = self.pids.iter().map(|pid| procfs::memory_kib(*pid)).collect::<Result<Vec<_>>>()?;
        let (rss_kib, pss_kib) = memory.into_iter().unzip();
        let sent = Sent {
            datagrams: now.datagrams - self.sent.datagrams,
            segments: now.segments - self.sent.segments,
            bytes: now.bytes - self.sent.bytes,
        };
        Ok(Cost { seconds, sent, cpu_percent, rss_kib, pss_kib })
    }
}

fn sent(bench: &Bench) -> Result<Sent> {
    bench.place.net.as_ref().context("counting packets needs root")?.sent()
}

impl Cost {
    /// Per agent, as fields that begin with `name`.
    fn tell(&self, name: &str, n: usize, figures: &mut Value) {
        let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
        let per_agent_s = |count: f64| count / n as f64 / self.seconds;
        let fields = [
            ("bytes_s", per_agent_s(self.sent.bytes)),
            ("packets_s", per_agent_s(self.sent.datagrams + self.sent.segments)),
            ("segments_s", per_agent_s(self.sent.segments)),
            ("cpu_percent", mean(&self.cpu_percent)),
            ("rss_mib", mean(&self.rss_kib) / 1024.0),
            ("pss_mib", mean(&self.pss_kib) / 1024.0),
        ];
        for (field, value) in fields {
            figures[format!("{name}_{field}")] = json!(value);
        }
    }
}
