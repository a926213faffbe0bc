//! The demo without a person: start, kill one, restart it, let one leave, stop; measured through what the agents themselves report.

use super::cluster::{Cluster, Node, What};
use super::tally::{Tally, Truth};
use crate::demo::args::DemoArgs;
use crate::outcome::{Failure, Outcome, eprintln_quietly};
use crate::show::{Out, bytes, span};
use rumormill_agent::model::{SelfInfo, Status};
use serde::Serialize;
use std::time::Instant;
use tokio::time::timeout_at;

/// What the script measured; what did not happen is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Played {
    /// Whether all of it happened.
    ok: bool,
    /// How many agents.
    nodes: usize,
    /// From the start of the last agent until each saw all, in seconds.
    converged_s: Option<f64>,
    /// From `kill -9` until the first other marked the killed one as failed, in seconds.
    detected_first_s: Option<f64>,
    /// From `kill -9` until all others did, in seconds.
    detected_all_s: Option<f64>,
    /// From the restart until all saw the same member alive in its next epoch, and it saw all of them, in seconds.
    rejoined_s: Option<f64>,
    /// From the request to leave until all others held the member to have left, in seconds.
    left_s: Option<f64>,
    /// Suspicions of members that were running.
    false_suspicions: usize,
    /// Deaths declared of members that were running.
    false_deaths: usize,
    /// Bytes that an agent sent per second, sealed and with headers, from convergence to the end: the mean over those that ran through.
    bytes_per_node_s: Option<f64>,
    /// The most resident memory that an agent had, in KiB.
    rss_kib_max: Option<u64>,
    /// Why not all of it happened.
    failed: Option<String>,
}

/// `rumormill demo --script`.
pub async fn play(args: &DemoArgs, out: &mut Out<'_>) -> Outcome {
    let mut cluster = Cluster::prepare(args.nodes as usize, args.keep)?;
    let mut played = Played { nodes: cluster.nodes.len(), ..Played::default() };
    let begun = Instant::now();
    let deadline = begun + args.deadline;
    let mut script = Script {
        cluster: &mut cluster,
        played: &mut played,
        tally: Tally::default(),
        begun,
        deadline,
        killed: None,
        leaver: None,
    };
    let outcome = tokio::select! {
        outcome = script.run() => outcome,
        _ = super::interrupted::interrupted() => Err(Failure::Failed("interrupted".into())),
    };
    played.ok = outcome.is_ok();
    played.failed = outcome.as_ref().err().map(Failure::to_string);
    if args.keep {
        eprintln_quietly(&format!("data and logs are kept in {}", cluster.dir().display()));
    }
    cluster.stop().await?;
    match args.json {
        true => out.json(&played)?,
        false => report(&played, out)?,
    }
    outcome
}

struct Script<'a> {
    cluster: &'a mut Cluster,
    played: &'a mut Played,
    tally: Tally,
    begun: Instant,
    deadline: Instant,
    /// Who was killed and has not yet been seen back.
    killed: Option<usize>,
    /// Who was asked to leave.
    leaver: Option<usize>,
}

/// Agents whose addresses are shown to try.
const TRIED_MAX: usize = 3;

impl Script<'_> {
    async fn run(&mut self) -> Outcome {
        let victim = self.cluster.nodes.len() / 2;
        let leaver = self.cluster.nodes.len() - 1;
        self.start().await?;
        let before = self.traffic().await?;
        self.kill(victim).await?;
        self.restart(victim).await?;
        self.leave(leaver).await?;
        self.measure(&before, &[victim, leaver]).await
    }

    async fn start(&mut self) -> Outcome {
        let count = self.cluster.nodes.len();
        for i in 0..count {
            self.cluster.start(i)?;
        }
        self.say(&format!("{count} agents started; while they run, try in another terminal:"));
        for node in self.cluster.nodes.iter().take(TRIED_MAX) {
            eprintln_quietly(&format!("{:11}rumormill members --http {}   # {}", "", node.http, node.name));
        }
        let since = Instant::now();
        let what = format!("all {count} agents see each other");
        let converged = self.until(&what, since, |c| lagging(c, |a, b| alive(a, b, b.epoch))).await?;
        self.played.converged_s = Some(converged);
        Ok(())
    }

    async fn kill(&mut self, victim: usize) -> Outcome {
        let name = self.cluster.nodes[victim].name.clone();
        self.say(&format!("kill -9 {name}"));
        self.killed = Some(victim);
        let since = Instant::now();
        self.cluster.kill(victim).await?;
        let has_failed = move |c: &Cluster| others_lagging(c, victim, |_, seen| seen == Some(Status::Failed));
        let others = self.cluster.nodes.len() - 1;
        let first = self
            .until(&format!("the first agent marks {name} as failed"), since, |c| {
                let lagging = has_failed(c);
                if lagging.len() < others { Vec::new() } else { lagging }
            })
            .await?;
        self.played.detected_first_s = Some(first);
        let all = self.until(&format!("all others have marked {name} as failed"), since, has_failed).await?;
        self.played.detected_all_s = Some(all);
        Ok(())
    }

    async fn restart(&mut self, victim: usize) -> Outcome {
        let (name, id, epoch) = {
            let node = &self.cluster.nodes[victim];
            (node.name.clone(), node.id.clone(), node.epoch)
        };
        self.say(&format!("restart {name}"));
        let since = Instant::now();
        self.cluster.start(victim)?;
        let what = format!("{name} is back, with the same id and epoch {}", epoch + 1);
        let rejoined = self
            .until(&what, since, |c| {
                let restarted = c.nodes[victim].epoch;
                lagging(c, |a, b| alive(a, b, b.epoch) && restarted == epoch + 1)
            })
            .await?;
        self.played.rejoined_s = Some(rejoined);
        self.killed = None;
        match self.cluster.nodes[victim].id == id {
            true => Ok(()),
            false => Err(Failure::Failed(format!("{name} came back as another member"))),
        }
    }

    async fn leave(&mut self, leaver: usize) -> Outcome {
        let name = self.cluster.nodes[leaver].name.clone();
        self.say(&format!("{name} leaves"));
        self.leaver = Some(leaver);
        let since = Instant::now();
        self.cluster.leave(leaver).await?;
        let what = format!("all others know that {name} left");
        let has_left = |c: &Cluster| others_lagging(c, leaver, |_, seen| seen == Some(Status::Left));
        self.played.left_s = Some(self.until(&what, since, has_left).await?);
        let what = format!("{name} ended");
        self.until(&what, since, |c| {
            let node = &c.nodes[leaver];
            if node.is_there() { vec![format!("{} still runs", node.name)] } else { Vec::new() }
        })
        .await?;
        match self.cluster.nodes[leaver].ended {
            Some(status) if status.success() => Ok(()),
            status => Err(Failure::Failed(format!("{name} left, but ended with {status:?}"))),
        }
    }

    /// What each agent has sent so far, and when that was asked.
    async fn traffic(&mut self) -> Outcome<Vec<(Instant, u64)>> {
        let mut sent = Vec::new();
        for i in 0..self.cluster.nodes.len() {
            sent.push((Instant::now(), self.sent(i).await?));
        }
        self.note_memory();
        Ok(sent)
    }

    async fn sent(&self, i: usize) -> Outcome<u64> {
        let sent = sent_bytes(&self.cluster.info(i).await?);
        sent.ok_or_else(|| {
            Failure::Failed(format!("{} does not say what it sent", self.cluster.nodes[i].name))
        })
    }

    async fn measure(&mut self, before: &[(Instant, u64)], interrupted: &[usize]) -> Outcome {
        let mut rates = Vec::new();
        for i in (0..self.cluster.nodes.len()).filter(|i| !interrupted.contains(i)) {
            let (since, sent) = before[i];
            rates.push(self.sent(i).await?.saturating_sub(sent) as f64 / since.elapsed().as_secs_f64());
        }
        self.note_memory();
        self.played.bytes_per_node_s = Some((rates.iter().sum::<f64>() / rates.len() as f64).round());
        Ok(())
    }

    fn note_memory(&mut self) {
        let most = self.cluster.nodes.iter().filter_map(Node::pid).filter_map(peak_resident_kib).max();
        self.played.rss_kib_max = self.played.rss_kib_max.max(most);
    }

    /// Waits until nobody lags behind any more; the seconds since `since`.
    async fn until(
        &mut self,
        what: &str,
        since: Instant,
        lagging: impl Fn(&Cluster) -> Vec<String>,
    ) -> Outcome<f64> {
        loop {
            let behind = lagging(self.cluster);
            if behind.is_empty() {
                let took = since.elapsed().as_secs_f64();
                self.say(&format!("{what}, after {}", span(took)));
                return Ok((took * 1e3).round() / 1e3);
            }
            let Ok(report) = timeout_at(self.deadline.into(), self.cluster.next()).await else {
                return Err(Failure::Failed(format!(
                    "it did not come about within {} that {what}: {}",
                    humantime::format_duration(self.deadline - self.begun),
                    behind.join("; ")
                )));
            };
            self.note(report.observer, &report.what)?;
        }
    }

    fn note(&mut self, observer: usize, what: &What) -> Outcome {
        match what {
            What::Change(change) => {
                let accused = self.cluster.nodes.iter().position(|n| n.id.as_ref() == Some(&change.id));
                let is_running = |i: usize| self.killed != Some(i) || self.cluster.nodes[i].is_there();
                let truth = accused.map_or(Truth { is_running: false, epoch: 0 }, |i| Truth {
                    is_running: is_running(i) && self.leaver != Some(i),
                    epoch: self.cluster.nodes[i].epoch,
                });
                self.tally.note(change, truth);
                self.played.false_suspicions = self.tally.false_suspicions();
                self.played.false_deaths = self.tally.false_deaths();
                Ok(())
            }
            What::Exited(status) if self.leaver != Some(observer) => {
                let node = &self.cluster.nodes[observer];
                Err(Failure::Failed(format!(
                    "{} ended by itself ({status}); the end of its log:\n{}",
                    node.name,
                    node.log_tail(12)
                )))
            }
            _ => Ok(()),
        }
    }

    fn say(&self, text: &str) {
        eprintln_quietly(&format!("{:7.2} s  {text}", self.begun.elapsed().as_secs_f64()));
    }
}

/// Whether `a` holds `b` to be alive in this epoch.
fn alive(a: &Node, b: &Node, epoch: u64) -> bool {
    a.sees(b).is_some_and(|seen| seen.status == Status::Alive && seen.epoch == epoch)
}

/// Which running agents do not yet see all running ones as they should, each with how many it does see so.
fn lagging(cluster: &Cluster, sees: impl Fn(&Node, &Node) -> bool) -> Vec<String> {
    let there: Vec<&Node> = cluster.nodes.iter().filter(|node| node.is_there()).collect();
    let seen = |a: &Node| there.iter().filter(|b| sees(a, b)).count();
    there
        .iter()
        .map(|a| (a, seen(a)))
        .filter(|(_, seen)| *seen < there.len())
        .map(|(a, seen)| format!("{} sees {seen} of {}", a.name, there.len()))
        .collect()
}

/// Which other agents that are there do not yet see `subject` as they should.
fn others_lagging(
    cluster: &Cluster,
    subject: usize,
    is_right: impl Fn(&Node, Option<Status>) -> bool,
) -> Vec<String> {
    let (others, subject_node) = (cluster.nodes.iter().enumerate(), &cluster.nodes[subject]);
    others
        .filter(|(i, node)| *i != subject && node.is_there())
        .map(|(_, node)| (node, node.sees(subject_node).map(|member| member.status)))
        .filter(|(node, seen)| !is_right(node, *seen))
        .map(|(node, seen)| match seen {
            Some(status) => format!("{} holds it to be {status}", node.name),
            None => format!("{} does not know it", node.name),
        })
        .collect()
}

/// What an agent sent so far by all ways, sealed and with headers; none if it does not say.
pub fn sent_bytes(info: &SelfInfo) -> Option<u64> {
    let ways = info.counters.iter().filter(|(name, _)| name.starts_with("bytes_sent."));
    ways.map(|(_, bytes)| *bytes).reduce(|a, b| a + b)
}

/// The most memory that a process had, in KiB; none where the system does not say.
fn peak_resident_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status_kib(&status, "VmHWM:")
}

fn status_kib(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn report(played: &Played, out: &mut Out<'_>) -> Outcome {
    let time = |seconds: Option<f64>| seconds.map_or_else(|| "not reached".into(), span);
    let lines = [
        ("agents", played.nodes.to_string()),
        ("all see each other", time(played.converged_s)),
        ("first marks it as failed", time(played.detected_first_s)),
        ("all mark it as failed", time(played.detected_all_s)),
        ("back as the same member", time(played.rejoined_s)),
        ("all know that it left", time(played.left_s)),
        ("false suspicions", played.false_suspicions.to_string()),
        ("wrongly failed", played.false_deaths.to_string()),
        (
            "sent by each agent",
            played.bytes_per_node_s.map_or_else(|| "-".into(), |rate| format!("{}/s", bytes(rate))),
        ),
        (
            "most memory of an agent",
            played.rss_kib_max.map_or_else(|| "-".into(), |kib| bytes(kib as f64 * 1024.0)),
        ),
    ];
    for (label, text) in lines {
        out.line(&format!("{label:<26}{text}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_proc() {
        let status = "Name:\trumormill\nVmHWM:\t    9876 kB\nVmRSS:\t    5432 kB\n";
        assert_eq!(status_kib(status, "VmHWM:"), Some(9876));
        assert_eq!(status_kib(status, "VmSwap:"), None);
        assert!(peak_resident_kib(std::process::id()).is_some_and(|kib| kib > 100));
    }

    #[test]
    fn what_an_agent_sent_is_summed_over_all_ways() {
        let counters =
            [("bytes_sent.datagram", 5), ("bytes_sent.stream", 7), ("message_bytes_sent.swim", 100)];
        let counters = counters.into_iter().map(|(name, count)| (name.to_string(), count)).collect();
        assert_eq!(sent_bytes(&SelfInfo { counters, ..SelfInfo::default() }), Some(12));
        assert_eq!(sent_bytes(&SelfInfo::default()), None);
    }

    #[test]
    fn the_json_has_the_promised_fields() {
        let json = serde_json::to_value(Played::default()).unwrap();
        let fields = [
            "ok",
            "nodes",
            "converged_s",
            "detected_first_s",
            "detected_all_s",
            "rejoined_s",
            "left_s",
            "false_suspicions",
            "false_deaths",
            "bytes_per_node_s",
            "rss_kib_max",
            "failed",
        ];
        assert_eq!(json.as_object().unwrap().len(), fields.len());
        for field in fields {
            assert!(json.get(field).is_some(), "{field}");
        }
    }

    #[test]
    fn the_report_tells_what_did_not_happen() {
        let played = Played {
            nodes: 8,
            converged_s: Some(0.84),
            detected_first_s: Some(3.25),
            bytes_per_node_s: Some(1500.0),
            rss_kib_max: Some(9216),
            ..Played::default()
        };
        let mut written = Vec::new();
        report(&played, &mut Out::new(&mut written, false)).unwrap();
        insta::assert_snapshot!(String::from_utf8(written).unwrap(), @r"
        agents                    8
        all see each other        840 ms
        first marks it as failed  3.2 s
        all mark it as failed     not reached
        back as the same member   not reached
        all know that it left     not reached
        false suspicions          0
        wrongly failed            0
        sent by each agent        1.5 KiB/s
        most memory of an agent   9.0 MiB
        ");
    }
}
