//! Streams of server-sent events: when they end, and what a silent one carries.

use crate::refusal::Refusal;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::Stream;
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::Instant;

/// A silent stream carries a comment this often, so that a dead connection is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The longest time of a stream that gives one (our guess: longer than a process lives).
const FOR_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// The answer that streams these events.
pub fn answer<S: Stream<Item = Result<Event, Infallible>> + Send + 'static>(
    events: S,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("nothing new"))
}

/// When a stream ends that was asked for so many seconds; without them it has no end.
///
/// # Errors
/// If they are no time.
pub fn end(for_s: Option<f64>) -> Result<Option<Instant>, Refusal> {
    let seconds = for_s.map(|seconds| seconds.min(FOR_MAX.as_secs_f64()));
    let time = seconds.map(Duration::try_from_secs_f64).transpose();
    let time = time.map_err(|error| Refusal::invalid(format!("for_s: {error}"), "give 0 seconds or more"))?;
    Ok(time.map(|time| Instant::now() + time))
}

/// Waits for this moment; without one, for ever.
pub async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
