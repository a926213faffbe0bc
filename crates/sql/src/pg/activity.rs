//! The use of a connection, which decides how long it stays.

use super::admission::Place;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The last use of a connection.
pub struct Activity {
    start: Instant,
    is_started: AtomicBool,
    /// Milliseconds from the start to the last use.
    last: AtomicU64,
    busy: Box<dyn Fn() -> Box<dyn Send> + Send + Sync>,
}

/// While this lives, a message of the client is being answered.
pub struct Turn<'a> {
    activity: &'a Activity,
    _busy: Box<dyn Send>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.activity.touch();
    }
}

impl Activity {
    pub fn new(place: Arc<impl Place>) -> Self {
        let busy = Box::new(move || Box::new(place.busy()) as Box<dyn Send>);
        Self { start: Instant::now(), is_started: AtomicBool::new(false), last: AtomicU64::new(0), busy }
    }

    /// The client has proved that it knows the password.
    pub fn started(&self) {
        self.is_started.store(true, Ordering::Relaxed);
        drop(self.turn());
    }

    /// A message came. None before the login: whoever has not proved anything has no claim to its place.
    pub fn turn(&self) -> Option<Turn<'_>> {
        self.is_started.load(Ordering::Relaxed).then(|| Turn { activity: self, _busy: (self.busy)() })
    }

    fn touch(&self) {
        let since = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(since, Ordering::Relaxed);
    }

    /// Returns when the login takes longer than `login`, or nothing was asked for `idle`.
    pub async fn is_over(&self, login: Duration, idle: Duration) {
        loop {
            let most = if self.is_started.load(Ordering::Relaxed) { idle } else { login };
            let last = self.start + Duration::from_millis(self.last.load(Ordering::Relaxed));
            match (last + most).checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => tokio::time::sleep(left.min(login)).await,
                _ => return,
            }
        }
    }
}
