//! Packets that this node cannot open: where they come from, and what they most likely are.

use crate::agent::Agent;
use crate::metrics::Table;
use crate::model;
use rumormill_core::time::Duration;
use rumormill_core::words;
use rumormill_runtime::Stranger;
use rumormill_runtime::strangers::StrangerSource;
use std::sync::Arc;

/// Addresses with a log line each at one time; of more only the number is logged (our guess).
const LINES_MAX: usize = 4;
/// Time without such lines after that, whatever packets come (our guess).
const LINES_EVERY: Duration = Duration::from_secs(30);
/// How long it is waited for a node after one has stopped.
const NODE_WAIT: Duration = Duration::from_secs(1);

/// Logs addresses whose packets do not open, as long as the agent runs.
pub(crate) async fn tell(agent: Arc<Agent>) {
    loop {
        let Ok(handle) = agent.handle() else {
            tokio::time::sleep(NODE_WAIT).await;
            continue;
        };
        let strangers = handle.strangers().clone();
        tokio::select! {
            () = strangers.due() => {}
            () = handle.stopped() => {
                tokio::time::sleep(NODE_WAIT).await;
                continue;
            }
        }
        let (due, others) = strangers.take_due();
        for one in due.iter().take(LINES_MAX) {
            tracing::warn!(source = %one.source, packets = one.packets, "{}", agent.about_stranger(one.guess));
        }
        let rest = due.len().saturating_sub(LINES_MAX);
        if rest > 0 || others > 0 {
            tracing::warn!(
                addresses = rest,
                packets = others,
                "and packets of others that do not open: `rumormill info` lists some"
            );
        }
        if !due.is_empty() {
            tokio::time::sleep(LINES_EVERY).await;
        }
    }
}

impl Agent {
    /// What such a packet most likely is, and what to do about it.
    fn about_stranger(&self, guess: Stranger) -> String {
        let cluster = &self.config.cluster;
        match guess {
            Stranger::OtherCluster => format!(
                "packets are sealed with this cluster's key but do not open: their sender most likely has another --cluster than {cluster:?}"
            ),
            Stranger::OtherKey if self.keyring.is_insecure() => {
                "packets do not open: their sender most likely has a cluster key, and this node has none; give it one with --key-file".into()
            }
            Stranger::OtherKey => format!(
                "packets do not open: their sender most likely has another key than {}, or is no agent; compare the key files",
                self.keyring.primary()
            ),
            Stranger::NoKey => {
                "packets do not open: their sender was started without a cluster key; give it this cluster's with --key-file".into()
            }
            Stranger::RemovedKey => {
                "packets do not open: their sender has a key that was removed from this cluster; write the present key into its key file".into()
            }
        }
    }

    /// Where packets come from that do not open.
    pub fn strangers(&self) -> Vec<model::Stranger> {
        let Ok(handle) = self.handle() else { return Vec::new() };
        let shown = |one: StrangerSource| model::Stranger {
            address: one.source.to_string(),
            guess: one.guess.name().into(),
            text: self.about_stranger(one.guess),
            packets: one.packets,
            last_s: words::seconds(one.last.elapsed()),
        };
        handle.strangers().list().into_iter().map(shown).collect()
    }

    /// Adds what is counted about such packets.
    pub fn count_strangers(&self, table: &mut Table) {
        let Ok(handle) = self.handle() else { return };
        for (guess, count) in handle.strangers().counts() {
            let help = "Packets and connections that could not be opened, by what they most likely are";
            table.count("strangers", help, &[("guess", guess.name())], count);
        }
    }
}
