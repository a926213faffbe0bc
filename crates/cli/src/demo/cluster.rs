//! A cluster of real agent processes on this machine's loopback, and what each of them says it sees.
//!
//! Each agent is watched through the event stream of its own API, so what is known here is what the agents know, not what the demo did
//! to them. No agent outlives the demo: each ends when its standard input does.

use crate::client::{Client, Events, Place};
use crate::commands::keys;
use crate::commands::watch::read;
use crate::outcome::{Failure, Outcome};
use rumormill_agent::model::{
    Done, Faults, FaultsRequest, Member, SelfInfo, WatchChange, WatchGap, WatchState,
};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Reports that wait to be read; beyond that the agents' streams wait, and they tell of a gap.
const REPORTS_MAX: usize = 4096;
/// Between two tries to reach the API of an agent that is just starting.
const CONNECT_INTERVAL: Duration = Duration::from_millis(30);
/// How long all agents together may take to leave when the demo ends; then they are killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// The agents, and what they said so far.
pub struct Cluster {
    /// The agents, in the order in which they were started first.
    pub nodes: Vec<Node>,
    /// Whether the two halves are cut off from each other.
    pub partitioned: bool,
    dir: PathBuf,
    keep: bool,
    program: PathBuf,
    reports: mpsc::Receiver<Report>,
    sender: mpsc::Sender<Report>,
    children: tokio::signal::unix::Signal,
}

/// One agent.
pub struct Node {
    /// Its name.
    pub name: String,
    /// Where it gossips.
    pub gossip: SocketAddr,
    /// Where its API is for other programs.
    pub http: SocketAddr,
    /// Its API, over its Unix socket.
    pub client: Client,
    /// How often it was started.
    pub starts: u32,
    /// Whether it is stopped by a signal.
    pub paused: bool,
    /// How it ended, if it is not running.
    pub ended: Option<ExitStatus>,
    /// Its id, once it said so.
    pub id: Option<String>,
    /// The epoch of its latest start, once it said so.
    pub epoch: u64,
    /// All members as it sees them, by id; empty while it is not running or has not yet said anything.
    pub view: BTreeMap<String, Member>,
    child: Option<Child>,
    lifeline: Option<ChildStdin>,
    watcher: Option<JoinHandle<()>>,
    log: PathBuf,
}

/// Something that an agent said, or that became of it.
#[derive(Debug)]
pub struct Report {
    /// Which agent.
    pub observer: usize,
    /// Which start of it; what an earlier one said is of no interest any more.
    starts: u32,
    /// What it said.
    pub what: What,
}

/// See [`Report`].
#[derive(Debug)]
pub enum What {
    /// Everything it sees now.
    State(WatchState),
    /// A change in what it sees.
    Change(Box<WatchChange>),
    /// It could not tell everything; its state follows.
    Gap(WatchGap),
    /// Its stream ended.
    Silent,
    /// It is gone, with this status.
    Exited(ExitStatus),
}

impl Node {
    /// Whether its process is there, running or paused.
    pub fn is_there(&self) -> bool {
        self.child.is_some()
    }

    /// Whether its process runs.
    pub fn is_running(&self) -> bool {
        self.is_there() && !self.paused
    }

    /// Its process.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// What it holds another one to be.
    pub fn sees(&self, other: &Node) -> Option<&Member> {
        other.id.as_ref().and_then(|id| self.view.get(id))
    }

    /// The last lines that it logged.
    pub fn log_tail(&self, lines_max: usize) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(lines_max)..].join("\n")
    }
}

impl Cluster {
    /// Prepares `count` agents, without starting any, in a fresh directory that is removed at the end unless `keep`.
    pub fn prepare(count: usize, keep: bool) -> Outcome<Cluster> {
        let program = std::env::current_exe()
            .map_err(|e| Failure::Failed(format!("cannot find my own program to start agents with: {e}")))?;
        let dir = tempfile::Builder::new().prefix("rumormill-demo-").tempdir()?.keep();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700))?;
        keys::write_new(&dir.join("key"))?;
        let ports = free_ports(2 * count)?;
        let nodes = ports.chunks_exact(2).enumerate().map(|(i, ports)| node(&dir, i, ports)).collect();
        let (sender, reports) = mpsc::channel(REPORTS_MAX);
        let children = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::child())?;
        Ok(Cluster { nodes, partitioned: false, dir, keep, program, reports, sender, children })
    }

    /// The directory with key, logs and data.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts an agent that is not running: for the first time, or again on the same data directory.
    pub fn start(&mut self, i: usize) -> Outcome {
        assert!(!self.nodes[i].is_there(), "only an agent that is not running can be started");
        let seed = self.nodes[if i == 0 { 1 } else { 0 }].gossip;
        let is_founder = i == 0 && self.nodes[0].starts == 0;
        let node = &mut self.nodes[i];
        let mut command = Command::new(&self.program);
        command.args(["agent", "--cluster", "demo", "--profile", "local", "--faults", "--exit-with-stdin"]);
        command.args([
            "--name",
            &node.name,
            "--bind",
            &node.gossip.to_string(),
            "--http",
            &node.http.to_string(),
        ]);
        command.arg("--key-file").arg(self.dir.join("key"));
        command.arg("--data-dir").arg(self.dir.join(&node.name));
        command.arg("--socket").arg(self.dir.join(format!("{}.sock", node.name)));
        if !is_founder {
            command.args(["--join", &seed.to_string()]);
        }
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("RUMORMILL_") {
                command.env_remove(name);
            }
        }
        let log = File::options().create(true).append(true).open(&node.log)?;
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        command.process_group(0).kill_on_drop(true); // Ctrl-C is for the demo, not for each agent by itself
        let mut child = command
            .spawn()
            .map_err(|e| Failure::Failed(format!("cannot start {}: {e}", self.program.display())))?;
        node.lifeline = child.stdin.take(); // apart, since waiting for a child would close it
        node.child = Some(child);
        node.starts += 1;
        node.ended = None;
        node.watcher = Some(tokio::spawn(watch(i, node.starts, node.client.clone(), self.sender.clone())));
        Ok(())
    }

    /// `kill -9`.
    pub async fn kill(&mut self, i: usize) -> Outcome {
        if let Some(child) = &mut self.nodes[i].child {
            child.start_kill()?;
            let status = child.wait().await?;
            self.gone(i, status);
        }
        Ok(())
    }

    /// `kill -STOP`, or `kill -CONT` if it is stopped.
    pub fn pause_or_continue(&mut self, i: usize) -> Outcome {
        let node = &mut self.nodes[i];
        let signal = if node.paused { Signal::CONT } else { Signal::STOP };
        if signal_child(node, signal)? {
            node.paused = !node.paused;
        }
        Ok(())
    }

    /// Asks an agent to leave; its end is reported.
    pub fn leave(&self, i: usize) -> impl Future<Output = Outcome> + Send + use<> {
        let client = self.nodes[i].client.clone();
        async move { client.post::<Done>("/v1/leave", &serde_json::json!({})).await.map(|_| ()) }
    }

    /// Tells one agent with whom it may talk: to be done after a start, and whenever `partitioned` changed.
    pub fn apply_partition(&self, i: usize) -> impl Future<Output = Outcome> + Send + use<> {
        let others = self.nodes.iter().enumerate().filter(|(j, _)| self.side(*j) != self.side(i));
        let block = match self.partitioned {
            true => others.map(|(_, node)| node.gossip.to_string()).collect(),
            false => Vec::new(),
        };
        let request = FaultsRequest { clear: true, block, ..FaultsRequest::default() };
        let client = self.nodes[i].client.clone();
        async move { client.post::<Faults>("/v1/faults", &request).await.map(|_| ()) }
    }

    /// On which side of the cut an agent is.
    pub fn side(&self, i: usize) -> usize {
        usize::from(i >= self.nodes.len() / 2)
    }

    /// What the agent says of itself.
    pub async fn info(&self, i: usize) -> Outcome<SelfInfo> {
        self.nodes[i].client.get("/v1/self").await
    }

    /// The next report, after it has been taken into the agents' views. Safe to drop and call again.
    pub async fn next(&mut self) -> Report {
        loop {
            if let Some(report) = self.reap() {
                return report;
            }
            tokio::select! {
                Some(report) = self.reports.recv() => {
                    if self.nodes[report.observer].starts == report.starts {
                        self.take_in(&report);
                        return report;
                    }
                }
                _ = self.children.recv() => {}
            }
        }
    }

    /// An agent that has ended by itself, if there is one.
    fn reap(&mut self) -> Option<Report> {
        for i in 0..self.nodes.len() {
            let node = &mut self.nodes[i];
            if let Some(child) = &mut node.child
                && let Ok(Some(status)) = child.try_wait()
            {
                let starts = node.starts;
                self.gone(i, status);
                return Some(Report { observer: i, starts, what: What::Exited(status) });
            }
        }
        None
    }

    fn gone(&mut self, i: usize, status: ExitStatus) {
        let node = &mut self.nodes[i];
        node.child = None;
        node.lifeline = None;
        node.paused = false;
        node.ended = Some(status);
        node.view.clear();
        if let Some(watcher) = node.watcher.take() {
            watcher.abort();
        }
    }

    fn take_in(&mut self, report: &Report) {
        let node = &mut self.nodes[report.observer];
        match &report.what {
            What::State(state) => {
                node.view = state.members.iter().map(|m| (m.id.clone(), m.clone())).collect();
                if let Some(me) = state.members.iter().find(|m| m.is_self) {
                    node.id = Some(me.id.clone());
                    node.epoch = me.epoch;
                }
            }
            What::Change(change) => match &change.member {
                Some(member) => {
                    node.view.insert(change.id.clone(), member.clone());
                }
                None => {
                    node.view.remove(&change.id);
                }
            },
            What::Gap(_) | What::Silent | What::Exited(_) => {}
        }
    }

    /// Lets all agents leave, kills those that do not, and removes the directory unless it is to be kept.
    pub async fn stop(mut self) -> Outcome {
        for node in &mut self.nodes {
            signal_child(node, Signal::TERM)?;
            signal_child(node, Signal::CONT)?; // those that were paused as well
        }
        let all = async {
            for node in &mut self.nodes {
                if let Some(child) = &mut node.child {
                    let _ = child.wait().await; // it is killed below if this failed
                }
            }
        };
        let _ = tokio::time::timeout(STOP_TIMEOUT, all).await; // those that are left are killed
        for i in 0..self.nodes.len() {
            self.kill(i).await?;
        }
        Ok(()) // dropped here, and with it the directory
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            if let Some(child) = &mut node.child {
                let _ = child.start_kill(); // it may have ended by itself
            }
        }
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.dir); // nothing else is in the way of ending
        }
    }
}

fn signal_child(node: &mut Node, signal: Signal) -> Outcome<bool> {
    let Some(pid) = node.pid().and_then(|pid| Pid::from_raw(pid as i32)) else { return Ok(false) };
    kill_process(pid, signal)
        .map_err(|e| Failure::Failed(format!("cannot signal {} (process {pid:?}): {e}", node.name)))?;
    Ok(true)
}

fn node(dir: &Path, i: usize, ports: &[u16]) -> Node {
    let name = format!("node{}", i + 1);
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Node {
        gossip: at(ports[0]),
        http: at(ports[1]),
        client: Client::at(Place::Unix(dir.join(format!("{name}.sock")))),
        log: dir.join(format!("{name}.log")),
        name,
        starts: 0,
        paused: false,
        ended: None,
        id: None,
        epoch: 0,
        view: BTreeMap::new(),
        child: None,
        lifeline: None,
        watcher: None,
    }
}

/// Ports on loopback that are free for TCP and UDP at this moment, below those that systems give out by themselves.
fn free_ports(count: usize) -> Outcome<Vec<u16>> {
    const LOWEST: u16 = 20_000;
    const HIGHEST: u16 = 32_000; // Linux gives out 32768 and above, IANA says 49152 and above
    let span = HIGHEST - LOWEST;
    let mut random = [0; 2];
    getrandom::fill(&mut random)
        .map_err(|e| Failure::Failed(format!("the system gives no random bytes: {e}")))?;
    let first = u16::from_ne_bytes(random) % span;
    let ports = (0..span).map(|i| LOWEST + (first + i) % span);
    let free: Vec<u16> = ports
        .filter(|port| {
            let at = (Ipv4Addr::LOCALHOST, *port);
            TcpListener::bind(at).is_ok() && UdpSocket::bind(at).is_ok()
        })
        .take(count)
        .collect();
    match free.len() == count {
        true => Ok(free),
        false => Err(Failure::Failed(format!(
            "fewer than {count} ports of {LOWEST}-{HIGHEST} are free on 127.0.0.1"
        ))),
    }
}

/// Reads one agent's events for as long as this start of it lasts.
async fn watch(observer: usize, starts: u32, client: Client, reports: mpsc::Sender<Report>) {
    loop {
        // If it cannot be reached, it has not started yet, or has just ended.
        if let Ok(events) = client.watch(None).await {
            if forward(observer, starts, events, &reports).await.is_err() {
                return;
            }
            let report = Report { observer, starts, what: What::Silent };
            if reports.send(report).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(CONNECT_INTERVAL).await;
    }
}

/// Passes events on until the stream ends; an error if nobody wants them any more.
async fn forward(
    observer: usize,
    starts: u32,
    mut events: Events,
    reports: &mpsc::Sender<Report>,
) -> Result<(), mpsc::error::SendError<Report>> {
    while let Ok(Some(event)) = events.next().await {
        let what = match event.event.as_str() {
            "state" => read(&event).map(What::State),
            "change" => read(&event).map(|change| What::Change(Box::new(change))),
            "gap" => read(&event).map(What::Gap),
            _ => continue,
        };
        if let Ok(what) = what {
            reports.send(Report { observer, starts, what }).await?;
        }
    }
    Ok(())
}
