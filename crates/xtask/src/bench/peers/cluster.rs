//! A cluster of one side: its processes, and the observer that reads what they say. All of it is gone when this is dropped.

use super::super::sides::{API_PORT, Side, Vitals, host};
use super::lines::What;
use super::observer::{Log, Observer};
use super::{http, rpc};
use anyhow::{Context, Result, bail};
use rumormill_testkit::process::Scratch;
use rustix::process::{Pid, Signal, kill_process};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A first agent answers within this.
const START_MAX: Duration = Duration::from_secs(60);
/// A cluster that has not converged by then is given up.
const CONVERGED_MAX: Duration = Duration::from_secs(180);
/// How the environment variables begin that our agent takes settings from.
const OUR_ENV: &str = "RUMORMILL_";
/// The group of agent 0; each agent has one of its own, by which the kernel tells its packets from the others'.
pub const FIRST_GROUP: u32 = 20_000;

/// Agents of one side.
pub struct Cluster {
    /// Whose.
    pub side: Side,
    /// What was heard of them.
    pub observer: Observer,
    agents: Vec<Child>,
    is_running: Vec<bool>,
    last_start: Instant,
    _dir: Scratch, // the last: what writes there has ended before
}

/// Where events are published.
pub enum Publisher {
    /// Ours.
    Http(http::Http),
    /// Serf's.
    Rpc(rpc::Rpc),
}

impl Publisher {
    /// Publishes events of these payloads; returns how many were taken.
    pub fn publish<'a>(&mut self, payloads: impl Iterator<Item = &'a [u8]>) -> Result<usize> {
        match self {
            Publisher::Http(http) => http.publish(payloads),
            Publisher::Rpc(rpc) => rpc.publish(payloads),
        }
    }
}

impl Cluster {
    /// Starts `n` agents, keeping what they keep below `base`: the first, and once it answers all others as fast as they start.
    pub fn start(side: &Side, n: usize, vitals: Vitals, base: &Path, is_root: bool) -> Result<Cluster> {
        let dir = Scratch::below(base, "peers");
        side.prepare(dir.path())?;
        let mut cluster = Cluster {
            side: side.clone(),
            observer: Observer::new(n)?,
            agents: Vec::new(),
            is_running: vec![true; n],
            last_start: Instant::now(),
            _dir: dir,
        };
        for nth in 0..n {
            let command = side.command(nth, cluster._dir.path(), vitals);
            cluster.last_start = Instant::now();
            cluster.spawn(nth, command, is_root)?;
            if nth == 0 {
                cluster.first_answers()?;
            }
        }
        Ok(cluster)
    }

    fn spawn(&mut self, nth: usize, agent: Command, is_root: bool) -> Result<()> {
        // It dies with us, however we die, and Ctrl-C is not for it.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if is_root {
            command.args([&format!("--regid={}", FIRST_GROUP + nth as u32), "--clear-groups"]);
        }
        command.arg(agent.get_program()).args(agent.get_args());
        // What the one who measures has set for agents of his own is not a setting of these.
        std::env::vars().filter(|(name, _)| name.starts_with(OUR_ENV)).for_each(|(name, _)| {
            command.env_remove(name);
        });
        command.envs(agent.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let (heard, said) = std::io::pipe()?;
        command.stdin(Stdio::piped()).stdout(said.try_clone()?).stderr(said).process_group(0);
        self.agents.push(command.spawn().context("cannot start an agent by setpriv (package util-linux)")?);
        self.observer.add(Box::new(Log::new(self.side.clone(), nth, heard)?));
        Ok(())
    }

    fn first_answers(&mut self) -> Result<()> {
        let start = Instant::now();
        while TcpStream::connect((host(0), API_PORT)).is_err() {
            if start.elapsed() > START_MAX || self.agents[0].try_wait()?.is_some() {
                bail!("the first agent did not start:\n{}", self.observer.record().tail(0));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// How many agents there are, running or not.
    pub fn n(&self) -> usize {
        self.agents.len()
    }

    /// Waits until all see all; returns the seconds from the last start to that.
    pub fn converge(&self) -> Result<f64> {
        match self.observer.wait(CONVERGED_MAX, |record| record.converged()) {
            Some(at) => Ok((at - self.last_start).as_secs_f64()),
            None => {
                let record = self.observer.record();
                let first_blind = record.tail(record.first_blind());
                bail!(
                    "{} of {} agents did not see all after {} s, one of them last said:\n{first_blind}",
                    record.blind(),
                    self.n(),
                    CONVERGED_MAX.as_secs()
                )
            }
        }
    }

    /// From now on the events of all agents are heard.
    pub fn listen(&self) -> Result<()> {
        for nth in 0..self.n() {
            match self.side {
                Side::Rumormill(_) => self.observer.add(Box::new(http::EventReader::open(nth)?)),
                Side::Serf(_) => self.observer.add(Box::new(rpc::Events::open(nth)?)),
            }
        }
        Ok(())
    }

    /// Where agent 0 takes events.
    pub fn publisher(&self) -> Result<Publisher> {
        Ok(match self.side {
            Side::Rumormill(_) => Publisher::Http(http::Http::connect(0)?),
            Side::Serf(_) => Publisher::Rpc(rpc::Rpc::connect(0)?),
        })
    }

    /// The processes' ids.
    pub fn pids(&self) -> Vec<u32> {
        self.agents.iter().map(Child::id).collect()
    }

    /// Those that run.
    pub fn running(&self) -> Vec<usize> {
        (0..self.n()).filter(|nth| self.is_running[*nth]).collect()
    }

    /// Sends agent `nth` a signal.
    pub fn signal(&self, nth: usize, signal: Signal) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.agents[nth]), signal)?)
    }

    /// Sends agent `nth` a signal that ends it sooner or later; it counts as running no more.
    pub fn end(&mut self, nth: usize, signal: Signal) -> Result<()> {
        self.is_running[nth] = false;
        self.signal(nth, signal)
    }

    /// Seconds from `start` until the first and until the last of the running agents says `what` of `whom`; only what was heard
    /// since change number `since` counts.
    pub fn heard(&self, start: Instant, since: usize, what: What, whom: usize, timeout: Duration) -> Heard {
        let observers: Vec<usize> = self.running().into_iter().filter(|nth| *nth != whom).collect();
        let all = |times: &[Option<Instant>]| times.iter().all(Option::is_some);
        let said = |record: &super::record::Record| record.said(since, what, whom, &observers);
        self.observer.wait(timeout, |record| all(&said(record)).then_some(()));
        let times = said(&self.observer.record());
        let heard: Vec<f64> =
            times.iter().flatten().map(|at| at.saturating_duration_since(start).as_secs_f64()).collect();
        Heard {
            first_s: heard.iter().copied().reduce(f64::min),
            all_s: heard.iter().copied().reduce(f64::max).filter(|_| all(&times)),
            never: times.len() - heard.len(),
        }
    }
}

/// When something was heard, in seconds.
pub struct Heard {
    /// By the first; none if by nobody.
    pub first_s: Option<f64>,
    /// By the last; none if not by all.
    pub all_s: Option<f64>,
    /// How many did not hear it in time.
    pub never: usize,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for agent in &mut self.agents {
            let _ = agent.kill(); // it may have ended by itself
        }
        for agent in &mut self.agents {
            let _ = agent.wait();
        }
    }
}
