//! Suspicion levels and counters as metrics.

use super::model::Suspicion;
use crate::describe::inside::Inside;
use crate::describe::name_of;
use crate::metrics::Table;
use rumormill_protocols::detect::Detector;

/// Adds the counters, and a level for each watched member: at most one for each live member.
pub(super) fn count(inside: &Inside<'_>, table: &mut Table) {
    let Some(phi) = &inside.node.phi else { return };
    for (name, help, value) in phi.counters().each() {
        table.count(format!("phi_{name}"), help, &[], value);
    }
    for id in phi.watched() {
        let Some(level) = Suspicion::seen(inside, id).phi else { continue };
        let (name, id) = (name_of(inside, id).unwrap_or_default(), id.to_string());
        let help = "Suspicion level (phi) of a live member, by the arrivals of its vitals";
        table.gauge("phi", help, &[("id", id.as_str()), ("name", name.as_str())], level);
    }
}
