//! Settings that no member can run with.

use super::builder::Builder;
use crate::error::Error;
use rumormill_protocols::member::swim::record::NAME_BYTES_MAX;
use rumormill_runtime::config::CLUSTER_BYTES_MAX;

/// The least budget that lets a member take part: a dozen full datagrams a second (our guess, and the agent's).
pub const BUDGET_BYTES_PER_S_MIN: u64 = 16 * 1024;

/// Refuses the first setting that cannot be.
pub(super) fn check(builder: &Builder) -> Result<(), Error> {
    label("the member's name", &builder.name, NAME_BYTES_MAX)?;
    label("the cluster's name", &builder.cluster, CLUSTER_BYTES_MAX)?;
    let refused = |what, why: String| Err(Error::Setting { what, why });
    if builder.budget_bytes_per_s < BUDGET_BYTES_PER_S_MIN {
        let why = format!("a member cannot keep its place for less than {BUDGET_BYTES_PER_S_MIN} bytes/s");
        return refused("the budget", why);
    }
    builder.swim.check().or_else(|why| refused("membership's settings", why))
}

fn label(what: &'static str, text: &str, max: usize) -> Result<(), Error> {
    super::check_size(what, text.len(), max)?;
    let why = match text {
        "" => "it is empty",
        _ if text.contains(char::is_control) => "it holds control characters",
        _ => return Ok(()),
    };
    Err(Error::Setting { what, why: why.into() })
}
