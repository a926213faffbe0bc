//! Log lines for those who watch this agent from outside, whatever its own log is set to.
//!
//! The last lines of level info and above are kept. Lines below that are made only while somebody wants them, and cost nothing otherwise.

use std::collections::VecDeque;
use std::fmt::{Debug, Write};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber, callsite};
use tracing_subscriber::layer::{Context, Filter, Layer};

/// Lines that are kept for whoever comes later, and that a watcher may be behind (Serf: 512 of each).
const LINES_MAX: usize = 512;
/// The longest line, in bytes; more is cut off (our guess).
const LINE_BYTES_MAX: usize = 4096;
/// Below this level only our own modules are heard: those of others would tell each packet that carries the line.
const OTHERS: Level = Level::INFO;

/// A line.
#[derive(Clone, Debug)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// When, how much, where, and what.
    pub text: Arc<str>,
}

struct Tap {
    kept: Mutex<VecDeque<Line>>,
    live: broadcast::Sender<Line>,
    /// How many want lines of level debug, and of level trace.
    wants_debug: AtomicUsize,
    wants_trace: AtomicUsize,
}

/// One for the whole process, as logging itself is.
static TAP: OnceLock<Tap> = OnceLock::new();

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tap {
    fn level(&self) -> LevelFilter {
        match (self.wants_debug.load(Relaxed), self.wants_trace.load(Relaxed)) {
            (_, 1..) => LevelFilter::TRACE,
            (1.., 0) => LevelFilter::DEBUG,
            (0, 0) => LevelFilter::INFO,
        }
    }

    fn want(&self, level: Level, change: impl FnOnce(&AtomicUsize) -> usize) {
        match level {
            Level::TRACE => change(&self.wants_trace),
            Level::DEBUG => change(&self.wants_debug),
            _ => return,
        };
        callsite::rebuild_interest_cache();
    }
}

/// Makes the part of a subscriber that hears all lines.
pub(super) fn layer<S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>>() -> impl Layer<S> {
    TAP.get_or_init(|| Tap {
        kept: Mutex::default(),
        live: broadcast::Sender::new(LINES_MAX),
        wants_debug: AtomicUsize::new(0),
        wants_trace: AtomicUsize::new(0),
    });
    Hear.with_filter(Wanted)
}

/// What was kept down to that level, and what comes. None if nobody taps this process's log.
pub fn subscribe(level: Level) -> Option<(Vec<Line>, Lines)> {
    let tap = TAP.get()?;
    tap.want(level, |count| count.fetch_add(1, Relaxed));
    let kept = lock(&tap.kept); // a line is kept and told in one step, so that none is told twice
    let lines = Lines { level, from: tap.live.subscribe() };
    Some((kept.iter().filter(|line| line.level <= level).cloned().collect(), lines))
}

/// Lines as they come. Dropped, it wants no more.
#[derive(Debug)]
pub struct Lines {
    level: Level,
    from: broadcast::Receiver<Line>,
}

impl Lines {
    /// The next one. Fails with how many were missed, if it was asked for too late.
    pub async fn next(&mut self) -> Result<Line, RecvError> {
        loop {
            let line = self.from.recv().await?;
            if line.level <= self.level {
                return Ok(line);
            }
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if let Some(tap) = TAP.get() {
            tap.want(self.level, |count| count.fetch_sub(1, Relaxed));
        }
    }
}

struct Wanted;

impl<S> Filter<S> for Wanted {
    fn enabled(&self, about: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        let is_ours = about.target().starts_with("rumormill");
        TAP.get().is_some_and(|tap| *about.level() <= tap.level()) && (is_ours || *about.level() <= OTHERS)
    }

    fn callsite_enabled(&self, about: &'static Metadata<'static>) -> Interest {
        match TAP.get().is_some_and(|tap| *about.level() <= tap.level()) {
            true => Interest::sometimes(), // it may end with the watcher
            false => Interest::never(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        TAP.get().map(Tap::level)
    }
}

struct Hear;

impl<S: Subscriber> Layer<S> for Hear {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(tap) = TAP.get() else { return };
        let about = event.metadata();
        let level = *about.level();
        let name = if level == Level::ERROR { "ERR" } else { level.as_str() };
        let now = humantime::format_rfc3339_millis(std::time::SystemTime::now());
        let mut text = Text { fields: String::new(), message: String::new() };
        event.record(&mut text);
        let mut line = format!("{now} [{name}] {}: {}{}", about.target(), text.message, text.fields);
        let end = (0..=LINE_BYTES_MAX.min(line.len())).rev().find(|at| line.is_char_boundary(*at));
        line.truncate(end.unwrap_or(0));
        let line = Line { level, text: line.into() };
        let mut kept = lock(&tap.kept);
        if level <= Level::INFO {
            if kept.len() == LINES_MAX {
                kept.pop_front();
            }
            kept.push_back(line.clone());
        }
        let _ = tap.live.send(line); // nobody may be watching
    }
}

/// The message, and behind it the fields.
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        }; // writing to a text cannot fail
    }
}
