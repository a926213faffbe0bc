//! Draws the demo's live view from plain data.

use crate::show::{bytes, clean, millis, percent, span};
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

const KEYS: [(&str, &str); 8] = [
    ("↑↓", "select"),
    ("k", "kill -9"),
    ("p", "pause"),
    ("r", "restart"),
    ("l", "leave"),
    ("x", "cut/heal"),
    ("v", "view"),
    ("q", "quit"),
];

/// The table's columns: head, width, and how soon a narrow terminal does without it (0: never).
const COLUMNS: [(&str, u16, u8); 13] = [
    ("NAME", 9, 0),
    ("PROCESS", 14, 0),
    ("OTHERS SAY", 26, 0),
    ("SEES", 4, 4),
    ("EPOCH", 5, 3),
    ("RTT", 8, 1),
    ("LOAD", 5, 2),
    ("CPU", 5, 1),
    ("MEM", 5, 5),
    ("AGE", 6, 6),
    ("NEWS", 4, 7),
    ("HEALTH", 6, 8),
    ("SENDS", 10, 1),
];

/// The columns for which there is room, by their place in [`COLUMNS`].
fn fitting(width: u16) -> Vec<usize> {
    let mut columns = Vec::from_iter(0..COLUMNS.len());
    let needs = |columns: &[usize]| columns.iter().map(|c| COLUMNS[*c].1 + 1).sum::<u16>() + 1; // spaces, borders
    while needs(&columns) > width {
        let Some(least) = columns.iter().copied().max_by_key(|c| COLUMNS[*c].2).filter(|c| COLUMNS[*c].2 > 0)
        else {
            break;
        };
        columns.retain(|c| *c != least);
    }
    columns
}

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, picture: &Picture, scroll: &mut TableState) {
    let table_height = (picture.rows.len() as u16 + 3).min(frame.area().height.saturating_sub(9).max(4));
    let areas = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(table_height),
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(2),
    ]);
    let [top, table, gossip, log, bottom] = areas.areas(frame.area());
    frame.render_widget(header(picture), top);
    draw_nodes(frame, table, picture, scroll);
    frame.render_widget(gossiped(picture), gossip);
    draw_log(frame, log, picture);
    frame.render_widget(footer(picture), bottom);
}

fn header(picture: &Picture) -> Line<'static> {
    let running = picture.rows.iter().filter(|row| matches!(row.process, Process::Running(_))).count();
    let mut spans = vec![
        Span::styled(" rumormill demo ", Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED)),
        Span::raw(format!("  {} agents, {running} running, {}", picture.rows.len(), span(picture.age_s))),
    ];
    if picture.partitioned {
        spans.push(Span::styled("  cut in two halves: ▲ | ▼", color(Status::Suspect)));
    }
    Line::from(spans)
}

/// What is on everybody's lips.
fn gossiped(picture: &Picture) -> Line<'static> {
    let items = picture.gossip.iter().map(|(what, by)| format!("{} ({by})", clean(what)));
    let items: Vec<String> = items.collect();
    let text = if items.is_empty() { "nothing: all is known".into() } else { items.join("  ") };
    Line::from(vec![
        Span::styled(" gossiped now (by how many)  ", Style::new().add_modifier(Modifier::DIM)),
        Span::raw(text),
    ])
}

fn footer(picture: &Picture) -> Paragraph<'static> {
    let key = Style::new().add_modifier(Modifier::BOLD);
    let keys =
        KEYS.iter().flat_map(|(name, does)| [Span::styled(*name, key), Span::raw(format!(" {does}  "))]);
    let try_it =
        picture.rows.get(picture.selected).map(|row| format!("try:  rumormill members --http {}", row.http));
    Paragraph::new(vec![Line::from_iter(keys), Line::from(try_it.unwrap_or_default())])
}

fn draw_nodes(frame: &mut Frame<'_>, area: Rect, picture: &Picture, scroll: &mut TableState) {
    let columns = fitting(area.width);
    let rows = picture.rows.iter().map(|row| {
        let cells = cells(row, picture);
        Row::new(columns.iter().map(|c| cells[*c].clone()).collect::<Vec<_>>())
    });
    let head = columns.iter().map(|c| COLUMNS[*c].0);
    let widths = columns.iter().map(|c| Constraint::Length(COLUMNS[*c].1));
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

fn cells(row: &Node, picture: &Picture) -> Vec<Cell<'static>> {
    let number = |text: Option<String>| Cell::from(text.unwrap_or_else(|| "-".into()));
    let side = match (picture.partitioned, row.side) {
        (false, _) => "",
        (true, 0) => "▲ ",
        (true, _) => "▼ ",
    };
    let (process, process_style) = process(row.process);
    let (seen, seen_style) = seen(row.seen);
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

/// In one word where all agree; else how many say what.
fn seen(seen: Seen) -> (String, Style) {
    let said: Vec<(usize, &str, Status)> = seen
        .by
        .iter()
        .zip(Status::ALL)
        .map(|(count, status)| (*count, status.as_str(), status))
        .filter(|(count, ..)| *count > 0)
        .collect();
    match (&said[..], seen.unknown) {
        ([], 0) => ("-".into(), Style::new()),
        ([], unknown) => (format!("{unknown} unknown"), color(Status::Left)),
        ([(count, word, status)], 0) => (format!("{word} ({count})"), color(*status)),
        (said, unknown) => {
            let mut words: Vec<String> =
                said.iter().map(|(count, word, _)| format!("{count} {word}")).collect();
            if unknown > 0 {
                words.push(format!("{unknown} ?"));
            }
            (words.join(" "), color(Status::Suspect))
        }
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

/// Breaks text at spaces into lines of at most so many columns; a longer word has a line of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.width() + 1 + word.width() <= width {
            line.extend([" ", word]);
        } else {
            lines.push(word.into());
        }
    }
    lines
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
        terminal.draw(|frame| draw(frame, picture, &mut TableState::default())).unwrap();
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
        " gossiped now (by how many)  node3 suspect (2)  node2 alive (1)                                                          "
        "┌ what the agents say ──────────────────────────────────────────────────────────────────────────────────────────────────┐"
        "│12:00:00.000  kill -9 node3                                                                                            │"
        "│12:00:03.141  node1: node3 has failed                                                                                  │"
        "│                                                                                                                       │"
        "└───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────┘"
        "↑↓ select  k kill -9  p pause  r restart  l leave  x cut/heal  v view  q quit                                            "
        "try:  rumormill members --http 127.0.0.1:20001                                                                           "
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
        " gossiped now (by how many)  node3 suspect (2)  node2 alive (1)                 "
        "┌ what the agents say ─────────────────────────────────────────────────────────┐"
        "│12:00:00.000  kill -9 node3                                                   │"
        "│12:00:03.141  node1: node3 has failed                                         │"
        "│                                                                              │"
        "└──────────────────────────────────────────────────────────────────────────────┘"
        "↑↓ select  k kill -9  p pause  r restart  l leave  x cut/heal  v view  q quit   "
        "try:  rumormill members --http 127.0.0.1:20001                                  "
        "#);
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
        }
    }

    #[test]
    fn how_the_others_see_an_agent_is_one_word_where_they_agree() {
        let text = |by, unknown| seen(Seen { by, unknown }).0;
        assert_eq!(text([7, 0, 0, 0, 0], 0), "alive (7)");
        assert_eq!(text([4, 2, 1, 0, 0], 0), "4 alive 2 suspect 1 failed");
        assert_eq!(text([0, 0, 0, 3, 0], 1), "3 left 1 ?");
        assert_eq!(text([0, 0, 0, 0, 0], 2), "2 unknown");
        assert_eq!(text([0, 0, 0, 0, 0], 0), "-");
    }
}
