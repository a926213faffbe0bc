//! The cluster's keys while it runs.
//!
//! | module | what it does |
//! | --- | --- |
//! | `ring` | carries out an order on this node's ring, and keeps it for the next start |
//! | `everywhere` | has all members carry out an order, each step only after all confirmed the one before |
//! | `recovery` | key recovery: a node that missed a rotation asks for the current keys, and members grant them |
//! | `grant` | how a request and its grant are signed and sealed |

mod everywhere;
mod grant;
pub mod http;
pub mod model;
mod recovery;
mod request;
mod ring;
pub(crate) mod serf;
pub mod service;
pub(crate) mod state;
mod table;

pub use everywhere::KeyChange;

use crate::describe::model::Warning;
use crate::feature::{Feature, Heard};
use crate::node::Event;
use rumormill_core::words;
use state::KeyState;
use utoipa::OpenApi;

/// The cluster's keys.
pub const FEATURE: Feature = Feature {
    state: |parts, states| states.add(KeyState::of(&parts.keyring)),
    open: |agent| Box::pin(ring::recall(agent)),
    tasks: |agent, tasks| {
        tasks.spawn(service::serve(agent.clone()));
        tasks.spawn(service::expire(agent.clone()));
    },
    event: |agent, event, _, _| match event {
        Event::Keys(event) => {
            service::hear(agent, event);
            Heard::Done
        }
        event => Heard::NotMine(event),
    },
    routes: http::routes,
    document: http::Document::openapi,
    tables: &[table::KEYS],
    conditions: |_, agent, all| {
        if agent.keyring.is_insecure() {
            let text = "no cluster key: anybody who reaches the gossip port can take part".to_string();
            all.push(Warning::holding("no_key", "", text, words::seconds(agent.uptime())));
        }
    },
    about_self: |_, agent, info| {
        if !agent.keyring.is_insecure() {
            info.keys = agent.keyring.list().iter().map(ToString::to_string).collect();
        }
    },
    ..Feature::NONE
};
