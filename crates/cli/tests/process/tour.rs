//! The README's tour, run as it stands there: each `sh` block is pasted into one shell, and what the block behind it shows is what comes out.

use super::agent::{DEADLINE_S, program};
use rumormill_testkit::needs;
use rumormill_testkit::process::Scratch;
use rumormill_testkit::tools::{find, granted};
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const HEADING: &str = "## Five minutes";
/// The shell prints this when a block is over.
const END: &str = "--- end of block ---";
/// Commands that only look: a person would try them again until the cluster is there.
const LOOKS: [&str; 5] =
    ["export", "rumormill members", "rumormill vitals", "rumormill why", "rumormill query"];

/// Commands of the tour, and what the README shows of their output.
struct Block {
    commands: String,
    promised: Option<String>,
}

/// The blocks of the tour in their order.
fn tour() -> Vec<Block> {
    let readme =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    let lines = readme.lines().skip_while(|line| *line != HEADING).skip(1);
    let mut lines = lines.take_while(|line| !line.starts_with("## "));
    let mut blocks: Vec<Block> = Vec::new();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let text: String =
            lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        if language == "sh" {
            blocks.push(Block { commands: text, promised: None });
            continue;
        }
        match blocks.last_mut() {
            Some(Block { promised: promised @ None, .. }) if language.is_empty() => *promised = Some(text),
            _ => panic!("a block of the tour is neither commands nor their output:\n{text}"),
        }
    }
    blocks
}

/// A shell that gets the blocks on its standard input, and is killed with all that it started.
struct Shell {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Shell {
    /// A shell in `dir`, which finds the program under test; in a network namespace of its own where that can be made.
    fn start(dir: &Path, own_network: bool) -> Shell {
        let mut command = match own_network {
            true => Command::new("unshare"),
            false => Command::new("bash"),
        };
        if own_network {
            command.args(["--net", "sh", "-c", "ip link set lo up && exec bash"]);
        }
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("RUMORMILL_") {
                command.env_remove(name);
            }
        }
        let programs = Path::new(program()).parent().unwrap().display().to_string();
        let path = format!("{programs}:{}", std::env::var("PATH").unwrap_or_default());
        command.env("PATH", path).env("HOME", dir).current_dir(dir).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let mut shell = Shell { child, stdin, lines };
        shell.run("exec 2>&1");
        shell
    }

    /// Runs these commands and returns what they print.
    fn run(&mut self, commands: &str) -> Vec<String> {
        writeln!(self.stdin, "{commands}\necho '{END}'").unwrap();
        let mut printed = Vec::new();
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(DEADLINE_S));
            match line.unwrap_or_else(|_| panic!("after {DEADLINE_S} s no end of\n{commands}\n{printed:#?}"))
            {
                line if line == END => return printed,
                line if line.contains("Killed") => {} // the shell tells of a job that was killed
                line => printed.push(line),
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.child.id() as i32) {
            let _ = kill_process_group(group, Signal::KILL); // all may have ended by themselves
        }
        let _ = self.child.wait();
    }
}

/// A line without what differs from run to run: times, loads, ids, and which member said it first.
fn shape(line: &str) -> String {
    const UNITS: [&str; 7] = ["ms", "s", "m", "min", "h", "d", "%"];
    let verdicts = ["suspected it", "marked it as failed"];
    if let Some(verdict) = verdicts.iter().find(|verdict| line.contains(*verdict)) {
        return format!("TIME MEMBER {verdict}");
    }
    let mut shape = Vec::new();
    let mut words = line.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let has_unit =
            words.peek().is_some_and(|next| UNITS.contains(&next.trim_end_matches([')', ';', ',', ':'])));
        if bare.len() == 16 && bare.chars().all(|c| c.is_ascii_hexdigit()) {
            shape.push(word.replace(bare, "ID"));
        } else if word == "-" || bare.parse::<f64>().is_ok() && (has_unit || bare.contains('.')) {
            shape.push("N".to_owned());
            words.next_if(|_| has_unit);
        } else {
            shape.push(word.to_owned());
        }
    }
    shape.join(" ")
}

fn shapes<'l>(lines: impl IntoIterator<Item = &'l str>) -> BTreeSet<String> {
    lines.into_iter().map(shape).filter(|line| !line.is_empty()).collect()
}

/// The ports that the commands name.
fn ports(blocks: &[Block]) -> BTreeSet<u16> {
    let texts = blocks.iter().flat_map(|block| block.commands.split("127.0.0.1:").skip(1));
    let digits = texts.map(|text| text.chars().take_while(char::is_ascii_digit).collect::<String>());
    digits.filter_map(|digits| digits.parse().ok()).collect()
}

fn are_free(ports: &BTreeSet<u16>) -> bool {
    let is_free = |port: u16| {
        TcpListener::bind(("127.0.0.1", port)).is_ok() && UdpSocket::bind(("127.0.0.1", port)).is_ok()
    };
    ports.iter().all(|port| is_free(*port))
}

#[test]
fn the_tour_of_the_readme_runs_as_pasted_and_shows_what_it_promises() {
    needs!("bash");
    let blocks = tour();
    assert!(blocks.len() >= 8, "the tour has {} blocks of commands", blocks.len());
    let ports = ports(&blocks);
    assert!(
        ports.len() >= 6 && !ports.contains(&7900) && !ports.contains(&7901),
        "{ports:?}: an agent may run here"
    );
    let own_network = ["root", "unshare", "ip"].iter().all(|tool| find(tool).is_ok());
    if !own_network && !are_free(&ports) && !granted("the_tour_of_the_readme", "free-ports-of-the-tour") {
        return;
    }
    let scratch = Scratch::new("tour");
    let mut shell = Shell::start(scratch.path(), own_network);
    for Block { commands, promised } in &blocks {
        let Some(promised) = promised else {
            shell.run(commands);
            continue;
        };
        let promised = shapes(promised.lines());
        let may_repeat = commands.lines().all(|line| LOOKS.iter().any(|look| line.starts_with(look)));
        let start = Instant::now();
        loop {
            let printed = shell.run(commands);
            let shown = shapes(printed.iter().map(String::as_str));
            if shown == promised {
                break;
            }
            let is_late = start.elapsed().as_secs() >= DEADLINE_S;
            assert!(may_repeat && !is_late, "{commands}promised {promised:#?}\nprinted {printed:#?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    // The tour ends its agents itself.
    shell.run("wait");
}

#[test]
fn lines_that_differ_in_numbers_alone_have_one_shape() {
    for (one, other) in [
        (
            "node2   alive  9.0 s  127.0.0.1:7912  0.74 ms  bdc6e98213ee23c8  role=web",
            "node2 alive 1 m 127.0.0.1:7912 - 3322ed9a5153f214 role=web",
        ),
        ("2 asked, 2 answered (after 9 ms)", "2 asked, 2 answered (after 12 ms)"),
        (
            "2026-11-30 09:32:35.710Z  node1 suspected it: a probe got no answer within 302 ms",
            "2027-01-01 00:00:00.000Z  node2 suspected it: a probe got no answer within 1 s; 1 helper was asked",
        ),
    ] {
        assert_eq!(shape(one), shape(other));
    }
    assert_ne!(shape("2 asked, 2 answered"), shape("3 asked, 2 answered"));
    assert_ne!(shape("node1  alive"), shape("node1  failed"));
}
