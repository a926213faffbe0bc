//! An agent as a story sees it: a process, its data directory, and what its API says.

use rumormill_testkit::http::{Answer, Place};
use rumormill_testkit::netns::Hosts;
use rumormill_testkit::pipe::Unread;
use rumormill_testkit::ports::loopback_host;
use rumormill_testkit::process::{Guard, Scratch, run};
use rumormill_testkit::wait;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// How long anything may take before a story gives up, in seconds: far longer than it does on a quiet machine.
pub const DEADLINE_S: u64 = 120;
/// The port of every agent; each has an address of its own.
const PORT: u16 = 7900;

/// The program under test.
pub fn program() -> &'static str {
    env!("CARGO_BIN_EXE_rumormill")
}

/// One story's directory and cluster key.
pub struct Story {
    scratch: Scratch,
}

impl Story {
    pub fn new(name: &str) -> Story {
        let scratch = Scratch::new(name);
        run(Command::new(program()).arg("keygen").arg(scratch.join("key")));
        Story { scratch }
    }

    pub fn dir(&self) -> &Path {
        self.scratch.path()
    }

    /// A second key, that of another cluster.
    pub fn other_key(&self) -> PathBuf {
        let key = self.scratch.join("other-key");
        run(Command::new(program()).arg("keygen").arg(&key));
        key
    }

    /// An agent on a loopback address of its own, with the story's key, not yet started.
    pub fn agent(&self, name: &str) -> Setup<'_> {
        self.agent_at(name, &format!("{}:{PORT}", loopback_host()))
    }

    /// An agent on that address.
    pub fn agent_at(&self, name: &str, bind: &str) -> Setup<'_> {
        Setup {
            name: name.into(),
            bind: bind.into(),
            dir: self.scratch.join(name),
            socket: self.scratch.join(&format!("{name}.sock")),
            log: self.scratch.join(&format!("{name}.log")),
            key: Some(self.scratch.join("key")),
            http: "off".into(),
            flags: Vec::new(),
            host: None,
        }
    }

    /// An agent on one of two hosts; the first on it has the host's own address, all others one port up.
    pub fn agent_on<'a>(&'a self, hosts: &'a Hosts, host: usize, nth: u16) -> Setup<'a> {
        let name = format!("{}{nth}", ["a", "b"][host]);
        let setup = self.agent_at(&name, &format!("{}:{}", hosts.address(host), PORT + nth));
        Setup { host: Some((hosts, host)), ..setup }
    }

    /// So many agents, started one after the other, that all join the first, and see each other.
    pub fn cluster(&self, count: usize) -> Vec<Agent<'_>> {
        let first = self.agent("n0").start();
        let mut agents = vec![first];
        for nth in 1..count {
            let next = self.agent(&format!("n{nth}")).join(&agents[0]).start();
            agents.push(next);
        }
        converge(&agents.iter().collect::<Vec<_>>());
        agents
    }
}

/// How an agent is to be started.
#[derive(Clone)]
pub struct Setup<'a> {
    pub name: String,
    pub bind: String,
    /// Its data directory.
    pub dir: PathBuf,
    socket: PathBuf,
    log: PathBuf,
    key: Option<PathBuf>,
    http: String,
    flags: Vec<String>,
    host: Option<(&'a Hosts, usize)>,
}

impl<'a> Setup<'a> {
    pub fn flag(mut self, flag: &str, value: &str) -> Self {
        self.flags.extend([flag.to_owned(), value.to_owned()]);
        self
    }

    /// A flag without a value.
    pub fn switch(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    pub fn join(self, other: &Agent) -> Self {
        let address = other.setup.bind.clone();
        self.flag("--join", &address)
    }

    /// With its API on that address, too.
    pub fn http(mut self, address: &str) -> Self {
        self.http = address.into();
        self
    }

    /// Under another name than the files of the story.
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    pub fn key(mut self, key: &Path) -> Self {
        self.key = Some(key.into());
        self
    }

    /// With its Unix socket there.
    pub fn socket(mut self, path: &Path) -> Self {
        self.socket = path.into();
        self
    }

    pub fn without_key(mut self) -> Self {
        self.key = None;
        self
    }

    pub fn dir(mut self, dir: &Path) -> Self {
        self.dir = dir.into();
        self
    }

    /// Without the flags given so far, for a restart that has only its data directory to go by.
    pub fn without_flags(mut self) -> Self {
        self.flags.clear();
        self
    }

    /// The command that runs it.
    pub fn command(&self) -> Command {
        let mut command = match self.host {
            Some((hosts, host)) => hosts.command(host, program()),
            None => Command::new(program()),
        };
        command.args(["agent", "--http", &self.http, "--profile", "local", "--exit-with-stdin", "--faults"]);
        command.args(["--name", &self.name, "--bind", &self.bind]);
        command.arg("--data-dir").arg(&self.dir).arg("--socket").arg(&self.socket);
        if let Some(key) = &self.key {
            command.arg("--key-file").arg(key);
        }
        command.args(&self.flags);
        command
    }

    /// Starts it, and waits until its API answers.
    pub fn start(self) -> Agent<'a> {
        let mut agent = self.launch();
        wait::until(&format!("{} answers", agent.setup.name), DEADLINE_S, || {
            let ended = agent.process.ended();
            assert!(ended.is_none(), "{} ended with {ended:?}:\n{}", agent.setup.name, agent.process.log());
            agent.ask("/healthz")
        });
        agent
    }

    /// Starts it, whatever becomes of it.
    pub fn launch(self) -> Agent<'a> {
        let command = self.command();
        self.launch_as(command)
    }

    /// Starts it with both its outputs going to that pipe, and waits until its API answers.
    pub fn start_into(self, unread: &Unread) -> Agent<'a> {
        let process = Guard::spawn_into(self.command(), unread, &self.log);
        let agent = Agent { process, place: Place::Unix(self.socket.clone()), setup: self };
        wait::until(&format!("{} answers", agent.name()), DEADLINE_S, || agent.ask("/healthz"));
        agent
    }

    /// Starts it by its command as somebody changed it.
    pub fn launch_as(self, command: Command) -> Agent<'a> {
        let process = Guard::spawn(command, &self.log);
        Agent { process, place: Place::Unix(self.socket.clone()), setup: self }
    }
}

/// An agent that was started.
pub struct Agent<'a> {
    pub process: Guard,
    pub setup: Setup<'a>,
    pub place: Place,
}

impl<'a> Agent<'a> {
    pub fn name(&self) -> &str {
        &self.setup.name
    }

    /// `kill -9`, then a start with the same flags and data directory.
    pub fn restart(mut self) -> Agent<'a> {
        self.process.kill();
        self.setup.clone().start()
    }

    /// What `GET path` answers; none while it does not.
    pub fn ask(&self, path: &str) -> Option<Value> {
        self.place.get(path).ok()
    }

    /// The text that `GET path` answers.
    pub fn text(&self, path: &str) -> String {
        self.place.ask("GET", path, None).unwrap_or_else(|e| panic!("{path}: {e}")).body
    }

    /// What `POST path` answers, whatever its status.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.place.ask("POST", path, Some(body)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// All members it knows of, the dead and the gone too; none if it does not answer.
    pub fn members(&self) -> Vec<Value> {
        let answer = self.ask("/v1/members").unwrap_or_default();
        answer["members"].as_array().cloned().unwrap_or_default()
    }

    /// The member of that name, if there is just one.
    pub fn member(&self, name: &str) -> Option<Value> {
        let mut found = self.members().into_iter().filter(|member| member["name"] == name);
        found.next().filter(|_| found.next().is_none())
    }

    /// What it holds the member of that name to be.
    pub fn status(&self, name: &str) -> Option<String> {
        Some(self.member(name)?["status"].as_str()?.to_owned())
    }

    /// Whether it holds the member of that name to be that.
    pub fn holds(&self, name: &str, status: &str) -> bool {
        self.status(name).as_deref() == Some(status)
    }

    /// Names of those that it holds to be alive.
    pub fn alive(&self) -> BTreeSet<String> {
        let members = self.members();
        let alive = members.iter().filter(|member| member["status"] == "alive");
        alive.filter_map(|member| Some(member["name"].as_str()?.to_owned())).collect()
    }

    /// What it says of itself.
    pub fn info(&self) -> Value {
        self.ask("/v1/self").unwrap_or_default()
    }

    /// The sum of its counters with that name, or with that cause of loss.
    pub fn counted(&self, name: &str) -> u64 {
        let counters: BTreeMap<String, u64> =
            serde_json::from_value(self.info()["counters"].clone()).unwrap_or_default();
        let parts = |full: &str| full == name || full.split('.').any(|part| part == name);
        counters.iter().filter(|(full, _)| parts(full)).map(|(_, count)| count).sum()
    }

    /// The command line about it.
    pub fn cli_command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program());
        let Place::Unix(socket) = &self.place else { unreachable!("stories use sockets") };
        command.args(words).arg("--socket").arg(socket);
        command
    }

    /// Runs the command line on it.
    pub fn cli(&self, words: &[&str]) -> Output {
        self.cli_command(words).output().unwrap_or_else(|e| panic!("{words:?}: {e}"))
    }

    /// The JSON documents that the command line prints, one a line.
    pub fn cli_lines(&self, words: &[&str]) -> Vec<Value> {
        let output = self.cli(words);
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// The JSON that the command line prints.
    pub fn cli_json(&self, words: &[&str]) -> Value {
        let output = self.cli(&[words, &["--json"]].concat());
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text)
            .unwrap_or_else(|e| panic!("{words:?}: {e}: {text}{}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// Waits until each of `agents` holds just these to be alive, and all have the same view of the live members.
pub fn converge(agents: &[&Agent]) {
    let names: BTreeSet<String> = agents.iter().map(|agent| agent.name().to_owned()).collect();
    wait::until_true(&format!("{names:?} are one cluster"), DEADLINE_S, || {
        agents.iter().all(|agent| agent.alive() == names)
            && agents.iter().map(|agent| agent.info()["root"].to_string()).collect::<BTreeSet<_>>().len() == 1
    });
}

/// Waits until each of `agents` holds the member of that name to be that.
pub fn all_hold<'a, 'b: 'a>(
    agents: impl IntoIterator<Item = &'a Agent<'b>> + Clone,
    name: &str,
    status: &str,
) {
    wait::until_true(&format!("all others hold {name} to be {status}"), DEADLINE_S, || {
        agents.clone().into_iter().all(|agent| agent.holds(name, status))
    });
}
