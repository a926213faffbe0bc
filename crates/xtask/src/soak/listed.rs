//! Tries with real agents: what is published at an agent after it lists another is delivered at that other.
//!
//! Each try has a seed: two to four agents, the first of which has published while it was alone; after a delay of up to a second from
//! the moment at which the publisher lists the others, it publishes. In one of four tries a member cannot be reached for a while.

use anyhow::{Context, Result, anyhow, bail, ensure};
use rand_core::{Rng as _, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rumormill_testkit::http::Place;
use rumormill_testkit::ports::loopback_host;
use rumormill_testkit::process::{Guard, Scratch};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Tries side by side (our guess: agents that mostly wait).
const LANES: u64 = 8;
const AGENTS_MAX: u64 = 4;
/// How long anything may take before a try has failed.
const DEADLINE: Duration = Duration::from_secs(60);

/// `tries` tries, the first with the seed `first`, each other with the next one.
pub fn run(binary: &Path, first: u64, tries: u64) -> Result<()> {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES.min(tries))
            .map(|_| scope.spawn(|| run_lane(binary, first, || next.fetch_add(1, Ordering::Relaxed), tries)))
            .collect();
        lanes.into_iter().try_for_each(|lane| lane.join().map_err(|_| anyhow!("a try panicked"))?)
    })
}

/// One try after the other, on the same addresses, until there are no more.
fn run_lane(binary: &Path, first: u64, next: impl Fn() -> u64, tries: u64) -> Result<()> {
    let hosts: Vec<Ipv4Addr> = (0..AGENTS_MAX).map(|_| loopback_host()).collect();
    let seeds = std::iter::from_fn(|| Some(next()).filter(|nth| *nth < tries)).map(|nth| first + nth);
    for seed in seeds {
        let again = || format!("again: cargo xtask soak --only listed --tries 1 --seed {seed}");
        one(binary, &hosts, seed).with_context(again)?;
    }
    Ok(())
}

struct Agent {
    process: Guard,
    place: Place,
    name: String,
}

fn one(binary: &Path, hosts: &[Ipv4Addr], seed: u64) -> Result<()> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut below = |n: u64| rng.next_u64() % n;
    let (count, scratch) = (2 + below(AGENTS_MAX - 1), Scratch::new("listed"));
    let first = start(binary, &scratch, 0, hosts, None)?;
    publish(&first, "old", "queued")?;
    let mut agents = vec![first];
    for nth in 1..count {
        agents.push(start(binary, &scratch, nth, hosts, Some(hosts[0]))?);
    }
    let publisher = &agents[below(count) as usize];
    until(|| Ok(alive(publisher)? == count)).context("the publisher does not list all")?;
    std::thread::sleep(Duration::from_millis(below(1_000)));
    let absent = agents.iter().find(|agent| agent.name != publisher.name).filter(|_| below(4) == 0);
    if let Some(absent) = absent {
        absent.process.stop();
    }
    let answer = publish(publisher, "new", "all")?;
    if let Some(absent) = absent {
        absent.process.resume();
        let named = answer["unconfirmed"]
            .as_array()
            .is_some_and(|names| names.iter().any(|one| one["name"] == absent.name));
        ensure!(named || answer["state"] == "confirmed", "{} is not named: {answer}", absent.name);
    } else {
        ensure!(answer["state"] == "confirmed" && answer["held"] == count - 1, "not confirmed: {answer}");
    }
    for agent in &agents {
        until(|| Ok(payloads(agent)?.contains(&"new".into())))
            .with_context(|| format!("{} does not deliver it", agent.name))?;
        let is_history = agent.name != "n0";
        ensure!(
            !is_history || !payloads(agent)?.contains(&"old".into()),
            "{} delivers what was before it",
            agent.name
        );
    }
    Ok(())
}

fn start(
    binary: &Path,
    scratch: &Scratch,
    nth: u64,
    hosts: &[Ipv4Addr],
    join: Option<Ipv4Addr>,
) -> Result<Agent> {
    let (name, socket) = (format!("n{nth}"), scratch.join(&format!("n{nth}.sock")));
    let mut command = Command::new(binary);
    command.args([
        "agent",
        "--http",
        "off",
        "--profile",
        "local",
        "--exit-with-stdin",
        "--insecure",
        "--data-dir",
        "none",
    ]);
    command
        .args(["--name", &name, "--bind", &format!("{}:7900", hosts[nth as usize])])
        .arg("--socket")
        .arg(&socket);
    join.iter().for_each(|host| _ = command.args(["--retry-join", &format!("{host}:7900")]));
    let process = Guard::spawn(command, &scratch.join(&format!("n{nth}.log")));
    let agent = Agent { process, place: Place::Unix(socket), name };
    until(|| Ok(agent.place.get("/healthz").is_ok()))
        .with_context(|| format!("{} does not answer", agent.name))?;
    Ok(agent)
}

fn until(mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !holds()? {
        if begun.elapsed() > DEADLINE {
            bail!("not within {DEADLINE:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn alive(agent: &Agent) -> Result<u64> {
    let found = agent.place.get("/v1/members")?;
    let members = found["members"].as_array().into_iter().flatten();
    Ok(members.filter(|member| member["status"] == "alive").count() as u64)
}

fn publish(agent: &Agent, payload: &str, wait: &str) -> Result<Value> {
    let request =
        json!({ "events": [{ "name": "w", "payload": payload }], "wait": wait, "timeout_ms": 3_000 });
    Ok(agent.place.post("/v1/events", &request)?["events"][0].clone())
}

fn payloads(agent: &Agent) -> Result<Vec<String>> {
    let found = agent.place.get("/v1/events")?;
    let events = found["events"].as_array().into_iter().flatten();
    Ok(events.filter_map(|event| Some(event["payload"].as_str()?.to_owned())).collect())
}
