//! Phi accrual: a suspicion level for each live member. The arrivals of newer vitals are its signs of life, so without vitals there is no level.
//!
//! The levels decide nothing: SWIM alone marks a member as failed.

pub mod model;

use crate::feature::{Feature, Heard};
use crate::node::Event;
use model::Suspicion;
use rumormill_protocols::agree::lww;
use rumormill_protocols::detect::phi::{Config, Phi};
use utoipa::PartialSchema;

/// Phi accrual.
pub const FEATURE: Feature = Feature {
    prepare: |agent, node, life| {
        Box::pin(async move {
            if agent.config.phi {
                // The period of the vitals in a small cluster; each arrival tells the one of the moment.
                node.phi = Some(Phi::new(Config::of_signs(lww::Config::default().period), life));
            }
            Ok(())
        })
    },
    event: |_, event, _, _| match event {
        Event::Phi(_) => Heard::Done,
        event => Heard::NotMine(event),
    },
    about_member: |inside, id, more| Suspicion::seen(inside, id).add_to(more),
    member_schema: Suspicion::schema,
    ..Feature::NONE
};
