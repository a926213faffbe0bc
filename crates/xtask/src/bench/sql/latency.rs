//! Times of one statement, ours and PostgreSQL's in turns.

use super::{HOSTS, STATEMENT};
use crate::bench::stats::quantile;
use crate::bench::{host, procfs};
use crate::shell;
use anyhow::{Context, Result, ensure};
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;
use rumormill_testkit::postgres::{Client, Server};
use rumormill_testkit::process::{Guard, Scratch};
use rumormill_testkit::wait;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Instant;

const PASSWORD: &str = "bench";
/// Statements before those that count.
const WARM_UP: usize = 200;

/// The ways in which a client asks.
#[derive(Copy, Clone)]
enum Protocol {
    /// One message with the text.
    Simple,
    /// Parse, Bind, Describe, Execute and Sync in one flight, as drivers do without a statement of their own.
    Extended,
    /// Bind, Execute and Sync of a statement that was prepared before.
    Prepared,
}

const PROTOCOLS: [(&str, Protocol); 3] =
    [("simple", Protocol::Simple), ("extended", Protocol::Extended), ("prepared", Protocol::Prepared)];

/// Measures.
pub fn measure(runs: usize, statements: usize) -> Result<Vec<Value>> {
    let mut lines = vec![host()];
    for hosts in HOSTS {
        // As many rows as at the smallest size, in all.
        let statements = (statements * HOSTS[0] / hosts).max(1);
        of_size(hosts, runs, statements, &mut lines)?;
    }
    Ok(lines)
}

fn of_size(hosts: usize, runs: usize, statements: usize, lines: &mut Vec<Value>) -> Result<()> {
    let scratch = Scratch::new("bench-sql");
    let (ours, at) = serve(&scratch, hosts)?;
    let theirs = Server::start();
    let mut clients = [
        ("rumormill", Client::connect(at, "bench", "rumormill", PASSWORD)?),
        ("postgresql", theirs.client()?),
    ];
    let [(_, mine), (_, other)] = &mut clients;
    fill(mine, other, &theirs, at, hosts)?;
    let version = other.rows("SHOW server_version")?.concat().concat();
    lines.push(json!({"kind": "version", "postgresql": version}));
    let mut answers = Vec::new();
    for (side, client) in &mut clients {
        let answer = client.rows(STATEMENT)?;
        eprintln!("{hosts} hosts, {side}: {answer:?}");
        answers.push(answer);
        client.say(|out| {
            frontend::parse("kept", STATEMENT, [], out)?;
            frontend::sync(out);
            Ok(())
        })?;
        client.until_ready()?;
    }
    ensure!(same(&answers[0], &answers[1]), "the sides answer differently: {answers:?}");
    for run in 1..=runs {
        for (name, protocol) in PROTOCOLS {
            for (side, client) in &mut clients {
                let mut times = block(client, protocol, statements)?;
                let mut at = |share| quantile(&mut times, share).context("no statement was asked");
                let (p50, p99) = (at(0.5)?, at(0.99)?);
                eprintln!("run {run}: {side}, {name}: p50 {p50:.0} us, p99 {p99:.0} us");
                lines.push(json!({
                    "kind": "latency", "side": side, "protocol": name, "run": run, "rows": hosts,
                    "statements": statements, "p50_us": p50, "p99_us": p99, "load": procfs::load1(),
                }));
            }
        }
    }
    drop(ours);
    Ok(())
}

/// The same count, and the same mean but for the order in which it was summed.
fn same(ours: &[Vec<String>], theirs: &[Vec<String>]) -> bool {
    let number = |text: &String| text.parse::<f64>().unwrap_or(f64::NAN);
    ours.concat().iter().zip(&theirs.concat()).all(|(a, b)| (number(a) - number(b)).abs() < 1e-9)
}

/// Starts our side. Returns its address.
fn serve(scratch: &Scratch, hosts: usize) -> Result<(Guard, SocketAddr)> {
    let example = ["--package", "rumormill-agent", "--example", "sql_hosts"];
    let program = shell::release_build(&example, "examples/sql_hosts")?;
    let mut command = Command::new(program);
    command.args([&hosts.to_string(), PASSWORD]);
    let ours = Guard::spawn(command, &scratch.join("ours.log"));
    let (address, _) = wait::until("our side listens", 60, || ours.log().lines().next()?.parse().ok());
    Ok((ours, address))
}

/// Copies our rows to a table of the server.
fn fill(ours: &mut Client, theirs: &mut Client, server: &Server, at: SocketAddr, hosts: usize) -> Result<()> {
    let columns = "SELECT column_name || ' ' || data_type FROM information_schema.columns \
        WHERE table_name = 'hosts' AND table_schema = 'public' ORDER BY ordinal_position";
    let columns = ours.rows(columns)?.concat().join(", ");
    theirs.rows(&format!("CREATE TABLE hosts ({columns})"))?;
    let url = format!("host={} port={} user=bench dbname=rumormill password={PASSWORD}", at.ip(), at.port());
    let mut from = Command::new("psql")
        .args(["-X", "-d", &url, "-c", "COPY hosts TO STDOUT"])
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start psql")?;
    let out = from.stdout.take().context("its output is piped")?;
    let filled = shell::output(server.psql().args(["-c", "COPY hosts FROM STDIN"]).stdin(out));
    ensure!(from.wait()?.success(), "our side gave no rows");
    filled?;
    theirs.rows("ANALYZE hosts")?;
    let count = theirs.rows("SELECT count(*) FROM hosts WHERE load1 IS NOT NULL")?.concat().concat();
    ensure!(count == hosts.to_string(), "the table has {count} rows with a load, not {hosts}");
    Ok(())
}

/// Asks so many times. Returns the times in microseconds, each from the first byte sent to the last byte read.
fn block(client: &mut Client, protocol: Protocol, statements: usize) -> Result<Vec<f64>> {
    let mut times = Vec::with_capacity(statements);
    for nth in 0..WARM_UP + statements {
        let start = Instant::now();
        client.say(|out| {
            let name = match protocol {
                Protocol::Simple => return frontend::query(STATEMENT, out),
                Protocol::Extended => "",
                Protocol::Prepared => "kept",
            };
            if name.is_empty() {
                frontend::parse(name, STATEMENT, [], out)?;
            }
            let no_value = |(), _: &mut bytes::BytesMut| Ok(IsNull::Yes);
            frontend::bind("", name, [], [(); 0], no_value, [], out)
                .map_err(|_| std::io::Error::other("bind"))?;
            if name.is_empty() {
                frontend::describe(b'P', "", out)?;
            }
            frontend::execute("", 0, out)?;
            frontend::sync(out);
            Ok(())
        })?;
        let frames = client.until_ready()?;
        let took = start.elapsed();
        ensure!(frames.iter().any(|frame| frame.tag == b'D'), "no row came: {frames:?}");
        if nth >= WARM_UP {
            times.push(took.as_secs_f64() * 1e6);
        }
    }
    Ok(times)
}
