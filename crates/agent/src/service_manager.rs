//! The service manager (systemd): READY, RELOADING, STOPPING, and the watchdog.

use crate::agent::Agent;
use crate::worker::Worker;
use sd_notify::NotifyState;
use std::sync::{Arc, OnceLock};

/// Feeds the watchdog, if there is one, from inside the node's task, which gossips: a task beside it would prove nothing.
pub(crate) async fn feed_watchdog(agent: Arc<Agent>) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    loop {
        let lives = agent.inspect(|_| tell(&[NotifyState::Watchdog])).await.is_ok();
        // Half of it, as sd_watchdog_enabled(3) advises; while a new node is being made there is soon another.
        tokio::time::sleep(if lives { limit / 2 } else { limit / 16 }).await;
    }
}

/// Notifies the service manager, if there is one, from a thread of its own: it may not read what it is sent.
pub(crate) fn tell(state: &[NotifyState<'_>]) {
    static MANAGER: OnceLock<Option<Worker<()>>> = OnceLock::new();
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let start = || Worker::start("notify", "the service manager".into(), ()).ok();
    let lines: Vec<String> = state.iter().map(ToString::to_string).collect();
    let notify = move |_: &mut ()| {
        let states: Vec<NotifyState<'_>> = lines.iter().map(|line| NotifyState::Custom(line)).collect();
        if let Err(error) = sd_notify::notify(&states) {
            tracing::warn!(%error, "the service manager does not hear us");
        }
    };
    if !MANAGER.get_or_init(start).as_ref().is_some_and(|manager| manager.tell(notify)) {
        tracing::debug!("the service manager does not read: it is not told");
    }
}
