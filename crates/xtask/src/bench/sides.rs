//! The two sides of `bench agents` and `bench peers`: how an agent of each is started, and how it is asked how many members it sees.

use anyhow::{Context, Result};
use rumormill_testkit::http::Place;
use rumormill_testkit::process::Guard;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where either side's agents gossip, by UDP and TCP.
pub const GOSSIP_PORT: u16 = 7900;
/// Where ours serve HTTP, and serf's its RPC.
pub const API_PORT: u16 = 7901;

/// Whose agents are measured.
#[derive(Clone, Debug)]
pub enum Side {
    /// Ours: the release binary.
    Rumormill(PathBuf),
    /// HashiCorp's, as the distribution packages it.
    Serf(PathBuf),
}

/// Whether our agents gossip their machine's vitals, which serf does not have.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Vitals {
    /// As by default.
    On,
    /// For a comparison of bytes.
    Off,
}

/// One running agent.
pub struct Agent {
    /// The process.
    pub process: Guard,
    host: Ipv4Addr,
}

impl Side {
    /// As it is called in raw output and tables.
    pub fn name(&self) -> &'static str {
        match self {
            Side::Rumormill(_) => "rumormill",
            Side::Serf(_) => "serf",
        }
    }

    /// Which version it is: what the program says, or its package, since a packaged serf does not know its own.
    pub fn version(&self) -> Result<String> {
        let mut ask = match self {
            Side::Rumormill(program) => Command::new(program),
            Side::Serf(_) => Command::new("dpkg-query"),
        };
        match self {
            Side::Rumormill(_) => ask.arg("--version"),
            Side::Serf(_) => ask.args(["--show", "--showformat", "${Package} ${Version}", "serf"]),
        };
        match (crate::shell::output(&mut ask), self) {
            (Ok(text), _) => Ok(text.lines().next().unwrap_or_default().to_owned()),
            (Err(_), Side::Serf(_)) => Ok("serf, of a version that is not known here".into()),
            (Err(e), Side::Rumormill(_)) => Err(e),
        }
    }

    /// Drops the program's pages from the page cache, so that the next agent reads them from the disk as after a boot.
    ///
    /// A page of the cache that a copy wrote may be two megabytes long, and Linux 6.18 maps the whole of it where an agent touches one byte. Then
    /// resident memory tells how the file was written.
    pub fn uncache(&self) -> Result<()> {
        let (Side::Rumormill(program) | Side::Serf(program)) = self;
        let file =
            std::fs::File::open(program).with_context(|| format!("cannot open {}", program.display()))?;
        file.sync_all().context("the program is not on the disk")?; // what is not written yet is not dropped
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)
            .context("the kernel refuses to drop its pages")
    }

    /// Prepares `dir` for agents of this side.
    pub fn prepare(&self, dir: &Path) -> Result<()> {
        match self {
            Side::Rumormill(program) => {
                crate::shell::output(Command::new(program).arg("keygen").arg(key_file(dir))).map(drop)
            }
            Side::Serf(_) => Ok(()),
        }
    }

    /// Starts agent `nth` of a cluster.
    pub fn start(&self, nth: usize, dir: &Path) -> Agent {
        let command = self.command(nth, dir, Vitals::On);
        Agent { process: Guard::spawn(command, &dir.join(format!("n{nth}.log"))), host: host(nth) }
    }

    /// What starts agent `nth` of a cluster, called `nK`; all join number 0. Both with what they call the LAN profile, both keeping what
    /// they know below `dir`.
    pub fn command(&self, nth: usize, dir: &Path, vitals: Vitals) -> Command {
        let (host, first) = (host(nth), host(0));
        match self {
            Side::Rumormill(program) => {
                let mut command = Command::new(program);
                command.args([
                    "agent",
                    "--name",
                    &format!("n{nth}"),
                    "--profile",
                    "lan",
                    "--exit-with-stdin",
                ]);
                command.args(["--bind", &format!("{host}:{GOSSIP_PORT}")]);
                command.args(["--http", &format!("{host}:{API_PORT}")]);
                command.arg("--key-file").arg(key_file(dir));
                command.arg("--data-dir").arg(dir.join(format!("n{nth}")));
                if matches!(vitals, Vitals::Off) {
                    command.args(["--vitals", "off"]);
                }
                if nth > 0 {
                    command.args(["--join", &format!("{first}:{GOSSIP_PORT}")]);
                }
                command
            }
            Side::Serf(program) => {
                let mut command = Command::new(program);
                command.args(["agent", &format!("-node=n{nth}"), "-profile=lan", "-log-level=info"]);
                command.args([format!("-bind={host}:{GOSSIP_PORT}"), format!("-rpc-addr={host}:{API_PORT}")]);
                command.arg(format!("-snapshot={}", dir.join(format!("n{nth}.snapshot")).display()));
                command.env("GOMAXPROCS", "2");
                if nth > 0 {
                    // With `-join` it ends if the first agent is not up yet; ours goes on trying as well.
                    command.arg(format!("-retry-join={first}:{GOSSIP_PORT}")).arg("-retry-interval=1s");
                }
                command
            }
        }
    }

    /// How many live members the agent sees, itself included; none while it does not answer.
    pub fn sees(&self, agent: &Agent) -> Option<usize> {
        match self {
            Side::Rumormill(_) => {
                let place = Place::Tcp(SocketAddr::from((agent.host, API_PORT)));
                place.get("/healthz").ok()?["live"].as_u64().map(|live| live as usize)
            }
            // Serf's event stream is coalesced by a second and more; its log is not.
            Side::Serf(_) => Some(agent.process.log().matches("EventMemberJoin").count()),
        }
    }
}

/// All we can measure on this machine: ours, and serf if it is installed.
pub fn sides(binary: PathBuf) -> Vec<Side> {
    let serf = rumormill_testkit::tools::which("serf").map(Side::Serf);
    std::iter::once(Side::Rumormill(binary)).chain(serf).collect()
}

/// The loopback address of agent `nth`, its own.
pub fn host(nth: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 1, (nth / 250) as u8, (nth % 250 + 1) as u8)
}

fn key_file(dir: &Path) -> PathBuf {
    dir.join("key")
}

/// The processes' ids, for the kernel's counters.
pub fn pids(agents: &[Agent]) -> Vec<u32> {
    agents.iter().map(|agent| agent.process.pid()).collect()
}

/// Runs ourselves again in a network namespace of our own with loopback up, so that the kernel's counters count this benchmark alone.
pub fn rerun_in_own_network(args: &[String]) -> Result<()> {
    let me = std::env::current_exe().context("cannot find our own program")?;
    let up = "ip link set lo up && exec \"$0\" \"$@\"";
    crate::shell::run(Command::new("unshare").args(["--net", "sh", "-c", up]).arg(me).args(args))
}
