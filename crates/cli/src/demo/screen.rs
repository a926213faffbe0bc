//! The demo's live view: reads keys and reports, asks the agents now and then, and draws.

use super::chronicle::{Chronicle, mood};
use super::cluster::{Cluster, Node, What};
use super::picture::{self, Picture, Process, Scroll, Seen};
use super::script::sent_bytes;
use crate::client::encode;
use crate::commands::watch::happened;
use crate::demo::args::DemoArgs;
use crate::outcome::{Outcome, eprintln_quietly};
use crate::show::{Out, span};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use rumormill_agent::model::{ChangeKind, Member, Members, SelfInfo, Status, VerdictKind, WatchChange, Why};
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How often the agents are asked for what their streams do not tell: vitals, round trips, traffic.
const ASK_INTERVAL: Duration = Duration::from_secs(1);
/// An answer that takes longer is not waited for: the agent may be paused.
const ASK_TIMEOUT: Duration = Duration::from_millis(900);
/// Between two drawings at least.
const DRAW_INTERVAL: Duration = Duration::from_millis(50);
/// Answers and key presses that wait; beyond that their senders wait.
const NEWS_MAX: usize = 1024;

/// `rumormill demo` on a terminal.
pub async fn show(args: &DemoArgs, out: &mut Out<'_>) -> Outcome {
    let mut cluster = Cluster::prepare(args.nodes as usize, args.keep)?;
    if args.keep {
        out.line(&format!("data and logs are kept in {}", cluster.dir().display()))?;
    }
    out.flush()?;
    remove_on_panic(&cluster, args.keep);
    let terminal = ratatui::try_init()?; // its panic hook puts the terminal back in order first
    let ended = Live::new(&mut cluster).run(terminal).await;
    ratatui::restore();
    eprintln_quietly("stopping the agents ...");
    cluster.stop().await?;
    ended
}

/// Whether a verdict is why a member is held to be that.
fn accuses(said: VerdictKind, what: ChangeKind) -> bool {
    match what {
        ChangeKind::Suspected => said == VerdictKind::Suspected,
        _ => matches!(said, VerdictKind::DeclaredFailed | VerdictKind::Banned),
    }
}

/// A panic ends the process at once: the agents end with their standard input, and this removes their data.
fn remove_on_panic(cluster: &Cluster, keep: bool) {
    let dir = cluster.dir().to_path_buf();
    let then = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !keep {
            let _ = std::fs::remove_dir_all(&dir); // the panic is what is to be told
        }
        then(panic);
    }));
}

/// What comes in beside the agents' reports.
enum News {
    Key(Event),
    /// An agent's answer about itself.
    Info(usize, Box<SelfInfo>),
    /// All members as one agent knows them.
    Members(usize, Vec<Member>),
    /// Something for the log.
    Say(String, Option<Status>),
}

struct Live<'a> {
    cluster: &'a mut Cluster,
    chronicle: Chronicle,
    begun: Instant,
    selected: usize,
    /// Whether all have seen each other by now: until then what each sees first is not worth a line.
    is_together: bool,
    /// Whose view is shown, if the person chose one.
    chosen: Option<usize>,
    infos: Vec<Option<Asked>>,
    /// The page behind `?` is open.
    help: bool,
    scroll: Scroll,
    /// The members as the vantage knows them, by id.
    members: BTreeMap<String, Member>,
    news: mpsc::Receiver<News>,
    sender: mpsc::Sender<News>,
}

/// What an agent said of itself, and what it sent per second since it was asked before.
struct Asked {
    at: Instant,
    info: SelfInfo,
    sent_bytes_per_s: Option<f64>,
}

impl<'a> Live<'a> {
    fn new(cluster: &'a mut Cluster) -> Live<'a> {
        let (sender, news) = mpsc::channel(NEWS_MAX);
        Live {
            infos: cluster.nodes.iter().map(|_| None).collect(),
            cluster,
            chronicle: Chronicle::default(),
            begun: Instant::now(),
            selected: 0,
            is_together: false,
            chosen: None,
            help: false,
            scroll: Scroll::default(),
            members: BTreeMap::new(),
            news,
            sender,
        }
    }

    async fn run(mut self, mut terminal: DefaultTerminal) -> Outcome {
        let keys = self.sender.clone();
        std::thread::spawn(move || {
            while let Ok(event) = event::read() {
                if keys.blocking_send(News::Key(event)).is_err() {
                    return;
                }
            }
        });
        for i in 0..self.cluster.nodes.len() {
            self.cluster.start(i)?;
        }
        self.chronicle.note(format!("{} agents started", self.cluster.nodes.len()), None);
        let mut ask = tokio::time::interval(ASK_INTERVAL);
        let mut draw = tokio::time::interval(DRAW_INTERVAL);
        draw.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let interrupted = super::interrupted::interrupted();
        tokio::pin!(interrupted);
        let mut is_dirty = true;
        loop {
            tokio::select! {
                report = self.cluster.next() => {
                    self.on_report(report.observer, report.what);
                    is_dirty = true;
                }
                Some(news) = self.news.recv() => {
                    if self.on_news(news).await? { return Ok(()) }
                    is_dirty = true;
                }
                _ = ask.tick() => { self.ask(); is_dirty = true; }
                _ = draw.tick(), if is_dirty => {
                    let picture = self.picture();
                    terminal.draw(|frame| picture::draw(frame, &picture, &mut self.scroll))?;
                    is_dirty = false;
                }
                done = &mut interrupted => return Ok(done?),
            }
        }
    }

    fn on_report(&mut self, observer: usize, what: What) {
        let name = self.cluster.nodes[observer].name.clone();
        match what {
            What::State(_) if self.cluster.partitioned => self.act(self.cluster.apply_partition(observer)),
            What::State(_) | What::Silent => {}
            What::Change(change) => self.on_change(observer, &change),
            What::Gap(gap) => self.chronicle.note(format!("{name}: missed something ({})", gap.reason), None),
            What::Exited(status) => {
                self.infos[observer] = None;
                self.chronicle.note(format!("{name} ended: {status}"), None);
            }
        }
        self.note_together();
        if !self.is_together {
            return;
        }
        let cluster = &*self.cluster;
        self.chronicle.note_agreements(|id, status| {
            let mut others =
                cluster.nodes.iter().filter(|n| n.is_running() && n.id.as_deref() != Some(id)).peekable();
            others.peek().is_some() && others.all(|n| n.view.get(id).is_some_and(|m| m.status == status))
        });
    }

    /// Says once that the cluster is complete.
    fn note_together(&mut self) {
        let all = self.cluster.nodes.len();
        let sees_all = |node: &Node| node.view.values().filter(|m| m.status == Status::Alive).count() == all;
        if !self.is_together && self.cluster.nodes.iter().all(sees_all) {
            self.is_together = true;
            self.chronicle.is_settled();
            let after = span(self.begun.elapsed().as_secs_f64());
            self.chronicle
                .note(format!("all {all} agents see each other, after {after}"), Some(Status::Alive));
        }
    }

    fn on_change(&mut self, observer: usize, change: &WatchChange) {
        let is_news = self.chronicle.is_news(change);
        if !is_news || (!self.is_together && change.what == ChangeKind::Up) {
            return;
        }
        let node = &self.cluster.nodes[observer];
        let says = format!("{}: {} {}", node.name, change.name, happened(change));
        let mood = mood(change.what);
        if !matches!(change.what, ChangeKind::Suspected | ChangeKind::Failed) {
            return self.chronicle.note(says, mood);
        }
        let (client, sender, what) = (node.client.clone(), self.sender.clone(), change.what);
        let path = format!("/v1/why/{}", encode(&change.id));
        tokio::spawn(async move {
            let why = client.get_within::<Why>(&path, ASK_TIMEOUT).await;
            // By now it may have answered: what is told is why this was said, not what was said last.
            let accusation =
                why.ok().and_then(|why| why.verdicts.into_iter().rev().find(|v| accuses(v.what, what)));
            let reason = accusation.map(|verdict| verdict.text);
            let text = reason.map_or(says.clone(), |reason| format!("{says} ({reason})"));
            let _ = sender.send(News::Say(text, mood)).await; // the demo may be over
        });
    }

    /// Whether the demo is over.
    async fn on_news(&mut self, news: News) -> Outcome<bool> {
        match news {
            News::Key(Event::Key(key)) if key.kind != KeyEventKind::Release => return self.on_key(key).await,
            News::Key(_) => {}
            News::Info(i, info) => self.on_info(i, *info),
            News::Members(i, members) if Some(i) == self.vantage() => {
                self.members = members.into_iter().map(|member| (member.id.clone(), member)).collect();
            }
            News::Members(..) => {}
            News::Say(text, mood) => self.chronicle.note(text, mood),
        }
        Ok(false)
    }

    async fn on_key(&mut self, key: KeyEvent) -> Outcome<bool> {
        if self.help {
            return Ok(self.on_help_key(key));
        }
        let last = self.cluster.nodes.len() - 1;
        match (key.code, key.modifiers.contains(KeyModifiers::CONTROL)) {
            (KeyCode::Char('c'), true) | (KeyCode::Char('q') | KeyCode::Esc, false) => return Ok(true),
            (KeyCode::Char('?'), false) => self.help = true,
            (KeyCode::Up, _) => self.selected = self.selected.saturating_sub(1),
            (KeyCode::Down, _) => self.selected = (self.selected + 1).min(last),
            (KeyCode::Home, _) => self.selected = 0,
            (KeyCode::End, _) => self.selected = last,
            (KeyCode::Char('k'), false) => self.kill().await?,
            (KeyCode::Char('p'), false) => self.pause_or_continue()?,
            (KeyCode::Char('r'), false) => self.restart().await?,
            (KeyCode::Char('l'), false) => self.leave(),
            (KeyCode::Char('x'), false) => self.partition_or_heal(),
            (KeyCode::Char('v'), false) => {
                self.chosen = Some(self.selected);
                self.members.clear();
                self.ask();
            }
            _ => {}
        }
        Ok(false)
    }

    /// A key while the help is open, which covers what the other keys act on. Whether the demo is over.
    fn on_help_key(&mut self, key: KeyEvent) -> bool {
        let line = &mut self.scroll.help; // it is drawn at most as far as the page goes
        match (key.code, key.modifiers.contains(KeyModifiers::CONTROL)) {
            (KeyCode::Char('c'), true) | (KeyCode::Char('q'), false) => return true,
            (KeyCode::Char('?') | KeyCode::Esc, false) => self.help = false,
            (KeyCode::Up, _) => *line = line.saturating_sub(1),
            (KeyCode::Down, _) => *line = line.saturating_add(1),
            (KeyCode::Home, _) => *line = 0,
            (KeyCode::End, _) => *line = usize::MAX,
            _ => {}
        }
        false
    }

    async fn kill(&mut self) -> Outcome {
        let i = self.selected;
        if self.cluster.nodes[i].is_there() {
            self.chronicle.note(format!("kill -9 {}", self.cluster.nodes[i].name), None);
            self.cluster.kill(i).await?;
            self.infos[i] = None;
        }
        Ok(())
    }

    fn pause_or_continue(&mut self) -> Outcome {
        let i = self.selected;
        if self.cluster.nodes[i].is_there() {
            self.cluster.pause_or_continue(i)?;
            let node = &self.cluster.nodes[i];
            let signal = if node.paused { "STOP" } else { "CONT" };
            self.chronicle.note(format!("kill -{signal} {}", node.name), None);
        }
        Ok(())
    }

    async fn restart(&mut self) -> Outcome {
        let i = self.selected;
        self.kill().await?;
        self.chronicle.note(format!("start {}", self.cluster.nodes[i].name), None);
        self.cluster.start(i)
    }

    fn leave(&mut self) {
        let i = self.selected;
        if self.cluster.nodes[i].is_running() {
            self.chronicle.note(format!("{} is asked to leave", self.cluster.nodes[i].name), None);
            self.act(self.cluster.leave(i));
        }
    }

    fn partition_or_heal(&mut self) {
        self.cluster.partitioned = !self.cluster.partitioned;
        let done = if self.cluster.partitioned { "cut in two halves" } else { "the cut is healed" };
        self.chronicle.note(done, None);
        for i in (0..self.cluster.nodes.len()).filter(|i| self.cluster.nodes[*i].is_running()) {
            self.act(self.cluster.apply_partition(i));
        }
    }

    /// Does something in the background; what goes wrong is told in the log.
    fn act(&self, doing: impl Future<Output = Outcome> + Send + 'static) {
        let sender = self.sender.clone();
        tokio::spawn(async move {
            if let Err(failure) = doing.await {
                let _ = sender.send(News::Say(failure.to_string(), Some(Status::Suspect))).await; // the demo may be over
            }
        });
    }

    fn ask(&self) {
        for (i, node) in self.cluster.nodes.iter().enumerate().filter(|(_, node)| node.is_running()) {
            let (client, sender) = (node.client.clone(), self.sender.clone());
            let is_vantage = self.vantage() == Some(i);
            tokio::spawn(async move {
                if let Ok(info) = client.get_within::<SelfInfo>("/v1/self", ASK_TIMEOUT).await {
                    let _ = sender.send(News::Info(i, Box::new(info))).await; // the demo may be over
                }
                if is_vantage && let Ok(all) = client.get_within::<Members>("/v1/members", ASK_TIMEOUT).await
                {
                    let _ = sender.send(News::Members(i, all.members)).await;
                }
            });
        }
    }

    fn on_info(&mut self, i: usize, info: SelfInfo) {
        let at = Instant::now();
        let before = self.infos[i].take().filter(|before| before.info.session == info.session);
        let sent_bytes_per_s = before.and_then(|before| {
            let sent = sent_bytes(&info)?.saturating_sub(sent_bytes(&before.info)?) as f64;
            let rate = sent / at.duration_since(before.at).as_secs_f64().max(1e-3);
            // Smoothed over some seconds, since news comes in bursts.
            Some(before.sent_bytes_per_s.map_or(rate, |smooth| 0.7 * smooth + 0.3 * rate))
        });
        self.infos[i] = Some(Asked { at, info, sent_bytes_per_s });
    }

    /// Whose view is shown: the chosen one's if it runs, else that of the first that does.
    fn vantage(&self) -> Option<usize> {
        let runs = |i: &usize| self.cluster.nodes[*i].is_running();
        self.chosen.filter(runs).or_else(|| (0..self.cluster.nodes.len()).find(runs))
    }

    fn picture(&self) -> Picture {
        Picture {
            rows: (0..self.cluster.nodes.len()).map(|i| self.row(i)).collect(),
            selected: self.selected,
            vantage: self.vantage().map(|i| self.cluster.nodes[i].name.clone()),
            partitioned: self.cluster.partitioned,
            gossip: self.gossip(),
            log: self.chronicle.entries().cloned().collect(),
            age_s: self.begun.elapsed().as_secs_f64(),
            help: self.help,
        }
    }

    /// What the running agents pass on, the most widespread first.
    fn gossip(&self) -> Vec<(String, usize)> {
        let mut by: BTreeMap<String, usize> = BTreeMap::new();
        let running = (0..self.infos.len()).filter(|i| self.cluster.nodes[*i].is_running());
        for item in running.filter_map(|i| self.infos[i].as_ref()).flat_map(|asked| &asked.info.news) {
            *by.entry(format!("{} {}", item.name.as_ref().unwrap_or(&item.id), item.said)).or_default() += 1;
        }
        let mut items: Vec<_> = by.into_iter().collect();
        items.sort_by_key(|(_, by)| std::cmp::Reverse(*by));
        items
    }

    fn row(&self, i: usize) -> picture::Node {
        let node = &self.cluster.nodes[i];
        let known = node.id.as_ref().and_then(|id| self.members.get(id)).filter(|_| node.is_there());
        let vitals = known.and_then(|member| member.vitals.clone()).unwrap_or_default();
        let asked = self.infos[i].as_ref();
        let is_alive = |member: &&Member| !member.is_self && member.status == Status::Alive;
        picture::Node {
            name: node.name.clone(),
            side: self.cluster.side(i),
            process: self.process(i),
            seen: self.seen(i),
            sees_alive: node.is_running().then(|| node.view.values().filter(is_alive).count()),
            epoch: node.epoch,
            rtt_ms: known.and_then(|member| member.rtt_ms),
            load1: vitals.load1,
            cpu_percent: vitals.cpu_percent,
            memory_percent: vitals.memory_percent,
            vitals_age_s: known.and_then(|member| member.vitals_age_s),
            news: asked.map(|asked| asked.info.news_queued),
            health: asked.map(|asked| asked.info.health),
            sent_bytes_per_s: asked.and_then(|asked| asked.sent_bytes_per_s),
            http: node.http.to_string(),
        }
    }

    fn process(&self, i: usize) -> Process {
        let node = &self.cluster.nodes[i];
        match (node.pid(), node.ended) {
            (Some(pid), _) if node.paused => Process::Paused(pid),
            (Some(pid), _) => Process::Running(pid),
            (None, Some(status)) if status.signal().is_some() => Process::Killed,
            (None, Some(_)) => Process::Ended,
            (None, None) => Process::New,
        }
    }

    fn seen(&self, i: usize) -> Seen {
        let node = &self.cluster.nodes[i];
        let mut seen = Seen::default();
        for (_, other) in
            self.cluster.nodes.iter().enumerate().filter(|(j, other)| *j != i && other.is_running())
        {
            match other.sees(node) {
                Some(member) => seen.by[member.status as usize] += 1,
                None => seen.unknown += 1,
            }
        }
        seen
    }
}
