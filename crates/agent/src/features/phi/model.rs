//! JSON of phi: what it adds to a member.

use crate::describe::inside::Inside;
use crate::describe::model::More;
use rumormill_core::identity::NodeId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The name of the field.
const PHI: &str = "phi";

/// The suspicion level of a member.
#[derive(Copy, Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Suspicion {
    /// Suspicion level (phi accrual): -log10 of the chance that a live member is silent for so long, by the arrivals of its vitals. A member is suspected
    /// at 8. Left out where phi is off, for members that are not live, and before the first vitals of a member have arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phi: Option<f64>,
}

impl Suspicion {
    /// The agent's suspicion level (phi) of this member now, to three decimal places.
    pub(super) fn seen(inside: &Inside<'_>, id: NodeId) -> Suspicion {
        let level = inside.node.suspicion_level(id, inside.now);
        Suspicion { phi: level.map(|level| (level * 1e3).round() / 1e3) }
    }

    /// Adds it to the fields of a member.
    pub(super) fn add_to(self, more: &mut More) {
        more.extend(self.phi.map(|phi| (PHI.to_owned(), phi.into())));
    }

    /// Reads it from the fields of a member.
    pub fn of(more: &More) -> Suspicion {
        Suspicion { phi: more.get(PHI).and_then(Value::as_f64) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_read_with_the_level_with_which_it_was_written_or_without() {
        for suspicion in [Suspicion { phi: Some(0.25) }, Suspicion::default()] {
            let mut more = More::new();
            suspicion.add_to(&mut more);
            assert_eq!(Suspicion::of(&more), suspicion);
            assert_eq!(serde_json::to_value(&more).unwrap(), serde_json::to_value(suspicion).unwrap());
        }
    }
}
