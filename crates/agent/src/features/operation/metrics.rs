//! The metrics: those of all features, and those of the agent as a whole.

use crate::agent::Agent;
use crate::describe::inside::Inside;
use crate::feature::Features;
use crate::features::operation::conditions;
use crate::metrics::Table;
use crate::{build, logging};
use rumormill_core::observe::Observe;
use rumormill_core::words;
use std::sync::Arc;

/// Every metric, as it stands now: the node's figures, and what the features add.
pub(super) fn table(inside: &Inside<'_>, agent: &Arc<Agent>) -> Table {
    let mut table = Table::default();
    inside.node.figures(&inside.moment(), &mut |figure| table.add(figure));
    for feature in agent.state::<Features>().0 {
        (feature.count)(inside, agent, &mut table);
    }
    table
}

/// Adds the metrics of the agent as a whole.
pub(super) fn own(inside: &Inside<'_>, agent: &Arc<Agent>, table: &mut Table) {
    conditions::count(&conditions::conditions(inside, agent), table);
    in_runtime(agent, table);
    agent.admissions.count(table);
    let help = "Lines of the log that were lost because nobody read them in time";
    table.count("log_lines_lost", help, &[], logging::lost());
    let help = "What was not stored because the disk did not answer in time";
    table.count("store_gave_up", help, &[], agent.store.gave_up());
    let help = "For how long the data directory has not answered; 0 while it does";
    let hangs_s = agent.store.hangs().map_or(0.0, words::seconds);
    table.gauge("store_hangs_seconds", help, &[], hangs_s);
    table.gauge("watchers", "Consumers of /v1/watch", &[], agent.watching() as f64);
    let built = [("version", build::VERSION), ("commit", build::commit())];
    table.gauge("build_info", "The version that runs, and the commit it was built from", &built, 1.0);
    table.gauge("uptime_seconds", "Time since the agent started", &[], words::seconds(agent.uptime()));
}

fn in_runtime(agent: &Agent, table: &mut Table) {
    let Some(counters) = agent.counters() else { return };
    for lane in &counters.lanes {
        let label = [("protocol", lane.name)];
        table.count("messages_sent", "Messages sent, by protocol", &label, lane.sent);
        table.count("messages_received", "Messages received, by protocol", &label, lane.received);
        table.count("message_bytes_sent", "Bytes of messages sent, by protocol", &label, lane.sent_bytes);
        table.count(
            "message_bytes_received",
            "Bytes of messages received, by protocol",
            &label,
            lane.received_bytes,
        );
        table.count(
            "messages_shed",
            "Messages dropped for the budget or a full queue, by protocol",
            &label,
            lane.shed,
        );
    }
    let way = |by| [("by", by)];
    let c = &counters;
    let datagrams_and_streams = [
        ("packets_sent", "Packets and stream messages sent", c.datagrams_sent, c.stream_messages_sent),
        (
            "packets_received",
            "Packets and stream messages received",
            c.datagrams_received,
            c.stream_messages_received,
        ),
        (
            "bytes_sent",
            "Bytes sent, sealed; datagrams with their headers",
            c.datagram_bytes_sent,
            c.stream_bytes_sent,
        ),
        (
            "bytes_received",
            "Bytes received, sealed; datagrams with their headers",
            c.datagram_bytes_received,
            c.stream_bytes_received,
        ),
    ];
    for (name, help, by_datagram, by_stream) in datagrams_and_streams {
        table.count(name, help, &way("datagram"), by_datagram);
        table.count(name, help, &way("stream"), by_stream);
    }
    let help = "Connections made, handshake and all";
    table.count("connections", help, &way("opened"), counters.connections_opened);
    table.count("connections", help, &way("accepted"), counters.connections_accepted);
    table.gauge("connections_open", "Connections open now", &[], counters.connections as f64);
    for (cause, count) in &counters.dropped {
        table.count("dropped", "What was lost, by cause", &[("cause", cause)], *count);
    }
}
