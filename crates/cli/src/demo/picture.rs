//! Draws the demo's live view from plain data.

use super::help;
use super::legend::{COLUMNS, KEYS, OTHERS_SAY, fitting};
use super::wrap::{listed, wrapped};
use crate::show::{bytes, clean, count, millis, percent, span};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table, TableState};
use rumormill_agent::model::Status;
use unicode_width::UnicodeWidthStr;

/// Everything that is on the screen.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// The agents.
    pub rows: Vec<Node>,
    /// Which of them the keys are for.
    pub selected: usize,
    /// Whose view round trips and vitals are shown from.
    pub vantage: Option<String>,
    /// Whether the two halves are cut off from each other.
    pub partitioned: bool,
    /// What is being gossiped, each with how many agents pass it on.
    pub gossip: Vec<(String, usize)>,
    /// What happened, oldest first.
    pub log: Vec<Entry>,
    /// Seconds since the demo began.
    pub age_s: f64,
    /// The page behind `?` is open.
    pub help: bool,
}

/// One agent.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// On which side it is while there is a partition.
    pub side: usize,
    /// What became of its process.
    pub process: Process,
    /// How many running others hold it to be alive, suspect, failed, left; and how many do not know it.
    pub seen: Seen,
    /// How many others it holds to be alive itself, if it runs.
    pub sees_alive: Option<usize>,
    /// How often it started, by its own word.
    pub epoch: u64,
    /// The round trip to it, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Its machine's load over one minute, by gossip.
    pub load1: Option<f64>,
    /// Its machine's CPU in use, by gossip.
    pub cpu_percent: Option<f64>,
    /// Its machine's memory in use, by gossip.
    pub memory_percent: Option<f64>,
    /// How old those three are, in seconds.
    pub vitals_age_s: Option<f64>,
    /// Items that it is still gossiping.
    pub news: Option<usize>,
    /// Its local health score.
    pub health: Option<u32>,
    /// What it sends per second.
    pub sent_bytes_per_s: Option<f64>,
    /// Where its HTTP API is.
    pub http: String,
}

/// What became of a process.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum Process {
    /// It was never started.
    #[default]
    New,
    /// It runs, as this process.
    Running(u32),
    /// It is stopped by a signal.
    Paused(u32),
    /// It was killed.
    Killed,
    /// It ended by itself.
    Ended,
}

/// How the others see an agent.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// By state, in the order of [`Status::ALL`].
    pub by: [usize; Status::ALL.len()],
    /// Those that do not know it.
    pub unknown: usize,
}

/// One line of what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The time of day.
    pub at: String,
    /// What happened.
    pub text: String,
    /// Whether it is good (alive), odd (suspect), bad (failed) news, or just something that was done.
    pub mood: Option<Status>,
}

/// How far the person has scrolled.
#[derive(Clone, Debug, Default)]
pub struct Scroll {
    table: TableState,
    /// The first line of the help that is shown.
    pub help: usize,
}

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, picture: &Picture, scroll: &mut Scroll) {
    let area = frame.area();
    let (head, foot) = (header(picture, area.width), footer(picture, area.width));
    let (head_height, foot_height) = (head.len() as u16, foot.len() as u16);
    if picture.help {
        let areas = Layout::vertical([
            Constraint::Length(head_height),
            Constraint::Min(3),
            Constraint::Length(foot_height),
        ]);
        let [top, page, bottom] = areas.areas(area);
        frame.render_widget(Paragraph::new(head), top);
        scroll.help = help::draw(frame, page, scroll.help);
        return frame.render_widget(Paragraph::new(foot), bottom);
    }
    let others = head_height + foot_height + 6; // what is gossiped, and a log of five lines
    let table_height = (picture.rows.len() as u16 + 3).min(area.height.saturating_sub(others).max(4));
    let areas = Layout::vertical([
        Constraint::Length(head_height),
        Constraint::Length(table_height),
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(foot_height),
    ]);
    let [top, table, gossip, log, bottom] = areas.areas(area);
    frame.render_widget(Paragraph::new(head), top);
    draw_nodes(frame, table, picture, &mut scroll.table);
    frame.render_widget(gossiped(picture, area.width), gossip);
    draw_log(frame, log, picture);
    frame.render_widget(Paragraph::new(foot), bottom);
}

/// Spans one after the other, on as many lines as they take.
fn flowing(spans: Vec<Vec<Span<'static>>>, width: u16) -> Vec<Line<'static>> {
    let mut lines = vec![Line::default()];
    for group in spans {
        let wide: usize = group.iter().map(Span::width).sum();
        let line = lines.last_mut().expect("there is always a line");
        let is_full = line.width() > 0 && line.width() + wide > width as usize;
        match is_full {
            true => lines.push(Line::from(group)),
            false => line.spans.extend(group),
        }
    }
    lines
}

fn header(picture: &Picture, width: u16) -> Vec<Line<'static>> {
    let running = picture.rows.iter().filter(|row| matches!(row.process, Process::Running(_))).count();
    let title = Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED);
    let agents = count(picture.rows.len(), "agent");
    let mut spans = vec![
        vec![Span::styled(" rumormill demo ", title)],
        vec![Span::raw(format!("  {agents}, {running} running, {}", span(picture.age_s)))],
    ];
    if picture.partitioned {
        spans.push(vec![Span::styled("  cut in two halves: ▲ | ▼", color(Status::Suspect))]);
    }
    flowing(spans, width)
}

/// What is on everybody's lips.
fn gossiped(picture: &Picture, width: u16) -> Line<'static> {
    let head = " gossip (by how many)  ";
    let items = picture.gossip.iter().map(|(what, by)| format!("{} ({by})", clean(what)));
    let items: Vec<String> = items.collect();
    let text = match items.is_empty() {
        true => "nothing: all is known".into(),
        false => listed(&items, (width as usize).saturating_sub(head.width())),
    };
    Line::from(vec![Span::styled(head, Style::new().add_modifier(Modifier::DIM)), Span::raw(text)])
}

/// The keys, and what to try in another terminal while the agents run.
fn footer(picture: &Picture, width: u16) -> Vec<Line<'static>> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let last = KEYS.len() - 1;
    let keys = KEYS.iter().enumerate().map(|(at, key)| {
        let gap = if at < last { "  " } else { "" };
        vec![Span::styled(key.name, bold), Span::raw(format!(" {}{gap}", key.does))]
    });
    let mut lines = flowing(keys.collect(), width);
    let runs = |row: &&Node| matches!(row.process, Process::Running(_));
    let row = picture.rows.get(picture.selected).filter(runs).or_else(|| picture.rows.iter().find(runs));
    let try_it =
        row.map(|row| format!("try:  rumormill members --http {}   # {}", row.http, clean(&row.name)));
    let try_it = try_it.unwrap_or_default();
    lines.extend(wrapped(&try_it, width as usize).into_iter().map(Line::from));
    lines
}

fn draw_nodes(frame: &mut Frame<'_>, area: Rect, picture: &Picture, scroll: &mut TableState) {
    let (columns, left) = fitting(area.width);
    let said = picture.rows.iter().map(|row| in_words(row.seen).width() as u16).max().unwrap_or(0);
    let others_say = said.clamp(COLUMNS[OTHERS_SAY].width, COLUMNS[OTHERS_SAY].width + left);
    let rows = picture.rows.iter().map(|row| {
        let cells = cells(row, picture, others_say);
        Row::new(columns.iter().map(|c| cells[*c].clone()).collect::<Vec<_>>())
    });
    let head = columns.iter().map(|c| COLUMNS[*c].head);
    let widths = columns.iter().map(|c| match *c {
        OTHERS_SAY => Constraint::Length(others_say),
        c => Constraint::Length(COLUMNS[c].width),
    });
    let title = match &picture.vantage {
        Some(name) => format!(" round trips and vitals as {} knows them ", clean(name)),
        None => " agents ".into(),
    };
    let table = Table::new(rows, widths)
        .header(Row::new(head).style(Style::new().add_modifier(Modifier::DIM)))
        .block(Block::bordered().title(title))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    scroll.select(Some(picture.selected));
    frame.render_stateful_widget(table, area, scroll);
}

fn cells(row: &Node, picture: &Picture, others_say: u16) -> Vec<Cell<'static>> {
    let number = |text: Option<String>| Cell::from(text.unwrap_or_else(|| "-".into()));
    let side = match (picture.partitioned, row.side) {
        (false, _) => "",
        (true, 0) => "▲ ",
        (true, _) => "▼ ",
    };
    let (process, process_style) = process(row.process);
    let (seen, seen_style) = seen(row.seen, others_say);
    vec![
        Cell::from(format!("{side}{}", clean(&row.name))),
        Cell::from(process).style(process_style),
        Cell::from(seen).style(seen_style),
        number(row.sees_alive.map(|count| count.to_string())),
        Cell::from(row.epoch.to_string()),
        number(row.rtt_ms.map(millis)),
        number(row.load1.map(|load| format!("{load:.2}"))),
        number(row.cpu_percent.map(percent)),
        number(row.memory_percent.map(percent)),
        number(row.vitals_age_s.map(span)),
        number(row.news.map(|items| items.to_string())),
        number(row.health.map(|score| if score == 0 { "good".into() } else { format!("slow {score}") })),
        number(row.sent_bytes_per_s.map(|rate| format!("{}/s", bytes(rate)))),
        Cell::from(row.http.clone()),
    ]
}

fn process(process: Process) -> (String, Style) {
    match process {
        Process::New => ("-".into(), Style::new()),
        Process::Running(pid) => (format!("runs {pid}"), color(Status::Alive)),
        Process::Paused(pid) => (format!("paused {pid}"), color(Status::Suspect)),
        Process::Killed => ("killed".into(), color(Status::Failed)),
        Process::Ended => ("ended".into(), color(Status::Left)),
    }
}

/// How the others see an agent, in words if they fit into so many columns, else in letters.
fn seen(seen: Seen, width: u16) -> (String, Style) {
    let words = in_words(seen);
    let text = if words.width() <= width as usize { words } else { in_letters(seen) };
    (text, tone(seen))
}

/// The number of agents for each state that they report.
fn said(seen: Seen) -> impl Iterator<Item = (usize, Status)> {
    seen.by.into_iter().zip(Status::ALL).filter(|(count, _)| *count > 0)
}

/// In one word where all agree; else how many say what.
fn in_words(seen: Seen) -> String {
    let said: Vec<(usize, Status)> = said(seen).collect();
    match (&said[..], seen.unknown) {
        ([], 0) => "-".into(),
        ([], unknown) => format!("{unknown} unknown"),
        ([(count, status)], 0) => format!("{status} ({count})"),
        (said, unknown) => {
            let mut words: Vec<String> =
                said.iter().map(|(count, status)| format!("{count} {status}")).collect();
            words.extend((unknown > 0).then(|| format!("{unknown} ?")));
            words.join(" ")
        }
    }
}

/// The same by the first letters: `40a 40s 39f 1?`.
fn in_letters(seen: Seen) -> String {
    let mut words: Vec<String> =
        said(seen).map(|(count, status)| format!("{count}{:.1}", status.as_str())).collect();
    words.extend((seen.unknown > 0).then(|| format!("{}?", seen.unknown)));
    words.join(" ")
}

fn tone(seen: Seen) -> Style {
    let said: Vec<(usize, Status)> = said(seen).collect();
    match (&said[..], seen.unknown) {
        ([], 0) => Style::new(),
        ([], _) => color(Status::Left),
        ([(_, status)], 0) => color(*status),
        _ => color(Status::Suspect),
    }
}

fn draw_log(frame: &mut Frame<'_>, area: Rect, picture: &Picture) {
    let lines_max = area.height.saturating_sub(2) as usize;
    let width = area.width.saturating_sub(2) as usize;
    let mut lines = Vec::with_capacity(lines_max);
    for entry in picture.log.iter().rev().take(lines_max) {
        lines.extend(entry_lines(entry, width).into_iter().rev());
    }
    lines.truncate(lines_max);
    lines.reverse();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" what the agents say ")), area);
}

/// An entry as lines, those after the first moved in below its text.
fn entry_lines(entry: &Entry, width: usize) -> Vec<Line<'static>> {
    let faint = Style::new().add_modifier(Modifier::DIM);
    let style = entry.mood.map_or_else(Style::new, color);
    let margin = entry.at.width() + 2;
    let margins = std::iter::once(format!("{}  ", entry.at)).chain(std::iter::repeat(" ".repeat(margin)));
    margins
        .zip(wrapped(&clean(&entry.text), width.saturating_sub(margin)))
        .map(|(margin, text)| Line::from(vec![Span::styled(margin, faint), Span::styled(text, style)]))
        .collect()
}

fn color(status: Status) -> Style {
    Style::new().fg(match status {
        Status::Alive => Color::Green,
        Status::Suspect => Color::Yellow,
        Status::Failed | Status::Banned => Color::Red,
        Status::Left => Color::DarkGray,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn row(name: &str, process: Process, by: [usize; 5]) -> Node {
        let seen = Seen { by, unknown: 0 };
        Node { name: name.into(), process, seen, epoch: 1, http: "127.0.0.1:20001".into(), ..Node::default() }
    }

    fn picture() -> Picture {
        let known = Node {
            rtt_ms: Some(0.21),
            load1: Some(1.5),
            cpu_percent: Some(12.0),
            memory_percent: Some(40.0),
            vitals_age_s: Some(2.5),
            news: Some(3),
            health: Some(0),
            sent_bytes_per_s: Some(1536.0),
            sees_alive: Some(2),
            ..row("node1", Process::Running(4711), [3, 0, 0, 0, 0])
        };
        let mut split = row("node3", Process::Killed, [1, 1, 1, 0, 0]);
        split.side = 1;
        Picture {
            rows: vec![known, row("node2", Process::Paused(4712), [0, 3, 0, 0, 0]), split],
            selected: 1,
            vantage: Some("node1".into()),
            gossip: vec![("node3 suspect".into(), 2), ("node2 alive".into(), 1)],
            log: vec![
                Entry { at: "12:00:00.000".into(), text: "kill -9 node3".into(), mood: None },
                Entry {
                    at: "12:00:03.141".into(),
                    text: "node1: node3 has failed".into(),
                    mood: Some(Status::Failed),
                },
            ],
            age_s: 75.0,
            ..Picture::default()
        }
    }

    fn drawn(picture: &Picture, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, picture, &mut Scroll::default())).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn the_screen_shows_agents_log_keys_and_what_to_try() {
        insta::assert_snapshot!(drawn(&picture(), 121, 15), @r#"
        " rumormill demo   3 agents, 1 running, 75 s                                                                              "
        "┌ round trips and vitals as node1 knows them ───────────────────────────────────────────────────────────────────────────┐"
        "│NAME      PROCESS        OTHERS SAY                 SEES EPOCH RTT      LOAD  CPU   MEM   AGE    NEWS HEALTH SENDS     │"
        "│node1     runs 4711      alive (3)                  2    1     0.21 ms  1.50  12 %  40 %  2.5 s  3    good   1.5 KiB/s │"
        "│node2     paused 4712    suspect (3)                -    1     -        -     -     -     -      -    -      -         │"
        "│node3     killed         1 alive 1 suspect 1 failed -    1     -        -     -     -     -      -    -      -         │"
        "└───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────┘"
        " gossip (by how many)  node3 suspect (2)  node2 alive (1)                                                                "
        "┌ what the agents say ──────────────────────────────────────────────────────────────────────────────────────────────────┐"
        "│12:00:00.000  kill -9 node3                                                                                            │"
        "│12:00:03.141  node1: node3 has failed                                                                                  │"
        "│                                                                                                                       │"
        "└───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────┘"
        "↑↓ select  k kill -9  p pause  r restart  l leave  x cut  v view  q quit  ? help                                         "
        "try:  rumormill members --http 127.0.0.1:20001   # node1                                                                 "
        "#);
    }

    #[test]
    fn a_terminal_of_80_columns_shows_what_matters_most() {
        insta::assert_snapshot!(drawn(&picture(), 80, 13), @r#"
        " rumormill demo   3 agents, 1 running, 75 s                                     "
        "┌ round trips and vitals as node1 knows them ──────────────────────────────────┐"
        "│NAME      PROCESS        OTHERS SAY                 RTT      CPU   SENDS      │"
        "│node2     paused 4712    suspect (3)                -        -     -          │"
        "└──────────────────────────────────────────────────────────────────────────────┘"
        " gossip (by how many)  node3 suspect (2)  node2 alive (1)                       "
        "┌ what the agents say ─────────────────────────────────────────────────────────┐"
        "│12:00:00.000  kill -9 node3                                                   │"
        "│12:00:03.141  node1: node3 has failed                                         │"
        "│                                                                              │"
        "└──────────────────────────────────────────────────────────────────────────────┘"
        "↑↓ select  k kill -9  p pause  r restart  l leave  x cut  v view  q quit  ? help"
        "try:  rumormill members --http 127.0.0.1:20001   # node1                        "
        "#);
    }

    /// All that is in the picture, with the longest texts that there are.
    fn crowded() -> Picture {
        let mut all = row("node200", Process::Paused(4_194_304), [40, 40, 40, 40, 0]);
        all.seen.unknown = 39;
        all.side = 1;
        let wide = row("node100", Process::Running(4_194_303), [100, 50, 49, 0, 0]);
        let log = "node1: node3 has failed (node1 marked it as failed: /tmp/rumormill-demo-AbCdEf/node3/a-directory-with-a-long-name)";
        Picture {
            rows: vec![wide, all],
            selected: 0,
            vantage: Some("node100".into()),
            partitioned: true,
            gossip: (1..20).map(|n| (format!("node{n} forgotten"), n)).collect(),
            log: vec![Entry { at: "12:00:00.000".into(), text: log.into(), mood: None }],
            age_s: 7_000.0,
            help: false,
        }
    }

    #[test]
    fn at_60_columns_nothing_is_cut_off() {
        insta::assert_snapshot!(drawn(&crowded(), 60, 20), @r#"
        " rumormill demo   2 agents, 1 running, 117 min              "
        "  cut in two halves: ▲ | ▼                                  "
        "┌ round trips and vitals as node100 knows them ────────────┐"
        "│NAME      PROCESS        OTHERS SAY                       │"
        "│▲ node100 runs 4194303   100 alive 50 suspect 49 failed   │"
        "│▼ node200 paused 4194304 40a 40s 40f 40l 39?              │"
        "└──────────────────────────────────────────────────────────┘"
        " gossip (by how many)  node1 forgotten (1)  and 18 more     "
        "┌ what the agents say ─────────────────────────────────────┐"
        "│12:00:00.000  node1: node3 has failed (node1 marked it as │"
        "│              failed:                                     │"
        "│              /tmp/rumormill-demo-AbCdEf/node3/a-directory│"
        "│              -with-a-long-name)                          │"
        "│                                                          │"
        "│                                                          │"
        "│                                                          │"
        "└──────────────────────────────────────────────────────────┘"
        "↑↓ select  k kill -9  p pause  r restart  l leave  x cut    "
        "v view  q quit  ? help                                      "
        "try:  rumormill members --http 127.0.0.1:20001   # node100  "
        "#);
    }

    #[test]
    fn a_wide_terminal_shows_the_address_of_each_agent() {
        let text = drawn(&picture(), 137, 15);
        assert_eq!(text.matches("127.0.0.1:20001").count(), 3 + 1, "{text}");
    }

    #[test]
    fn the_address_to_try_is_that_of_an_agent_that_runs() {
        let mut picture = picture();
        picture.rows[0].http = "127.0.0.1:20077".into();
        let text = drawn(&picture, 100, 15);
        assert!(text.contains("try:  rumormill members --http 127.0.0.1:20077   # node1 "), "{text}");
    }

    #[test]
    fn the_help_takes_the_place_of_the_table_and_scrolls_to_its_last_line() {
        let picture = Picture { help: true, ..picture() };
        let text = drawn(&picture, 60, 60);
        assert!(text.contains("OTHERS SAY") && text.contains("cut the cluster in two halves"), "{text}");
        assert!(!text.contains("what the agents say"), "{text}");
        let mut terminal = Terminal::new(TestBackend::new(60, 20)).unwrap();
        let mut scroll = Scroll { help: 1_000, ..Scroll::default() };
        terminal.draw(|frame| draw(frame, &picture, &mut scroll)).unwrap();
        assert!(scroll.help > 0 && scroll.help < 100, "{}", scroll.help);
        assert!(terminal.backend().to_string().contains("show this page, or close it"));
    }

    #[test]
    fn a_partition_marks_the_halves() {
        let text = drawn(&Picture { partitioned: true, ..picture() }, 118, 15);
        assert!(
            text.contains("▲ node1") && text.contains("▼ node3") && text.contains("cut in two halves"),
            "{text}"
        );
    }

    #[test]
    fn a_long_reason_goes_on_below_its_beginning_and_the_newest_lines_are_kept() {
        let entry =
            Entry { at: "12:00".into(), text: "node1 says that node2 does not answer".into(), mood: None };
        let lines = entry_lines(&entry, 24);
        let lines: Vec<String> = lines.iter().map(Line::to_string).collect();
        assert_eq!(lines, ["12:00  node1 says that", "       node2 does not", "       answer"]);
        let log = vec![entry.clone(), entry.clone(), Entry { text: "the last".into(), ..entry }];
        let text = drawn(&Picture { log, ..picture() }, 60, 12);
        assert!(text.contains("the last"), "{text}");
    }

    #[test]
    fn a_small_terminal_is_no_reason_to_panic() {
        for (width, height) in [(1, 1), (20, 5), (80, 8), (300, 3)] {
            drawn(&picture(), width, height);
            drawn(&Picture { help: true, ..picture() }, width, height);
        }
    }

    #[test]
    fn how_the_others_see_an_agent_is_one_word_where_they_agree() {
        let text = |by, unknown| seen(Seen { by, unknown }, 26).0;
        assert_eq!(text([7, 0, 0, 0, 0], 0), "alive (7)");
        assert_eq!(text([4, 2, 1, 0, 0], 0), "4 alive 2 suspect 1 failed");
        assert_eq!(text([40, 40, 40, 40, 0], 39), "40a 40s 40f 40l 39?");
        assert_eq!(text([0, 0, 0, 3, 0], 1), "3 left 1 ?");
        assert_eq!(text([0, 0, 0, 0, 0], 2), "2 unknown");
        assert_eq!(text([0, 0, 0, 0, 0], 0), "-");
    }
}
