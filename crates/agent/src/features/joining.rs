//! Joining: finding the cluster by seeds, and staying in it.
//!
//! | module | what it does |
//! | --- | --- |
//! | `stay_joined` | tries seeds and known members until the cluster is found, and lost seeds for ever |
//! | `meet` | meets the member at an address, or says why that failed |
//! | `seeds` | the outcome of each seed |
//! | `advertise` | chooses the address at which others are told to reach this node |
//! | `strangers` | reports packets that do not open |

pub(crate) mod advertise;
pub mod http;
mod meet;
pub mod model;
mod seeds;
pub(crate) mod serf;
pub(crate) mod state;
mod stay_joined;
mod strangers;

use crate::describe::model::Warning;
use crate::feature::Feature;
use advertise::Advertised;
use rumormill_core::words;
use seeds::Seeds;
use state::Joining;
use std::sync::Mutex;
use utoipa::OpenApi;

/// Joining.
pub const FEATURE: Feature = Feature {
    state: |parts, states| {
        states.add(Joining::of(&parts.config));
        states.add(Mutex::new(Seeds::default()));
        states.add(Mutex::new(None::<Advertised>));
    },
    tasks: |agent, tasks| {
        tasks.spawn(strangers::tell(agent.clone()));
        tasks.spawn(stay_joined::stay_joined(agent.clone()));
    },
    live: &["join", "join_file", "dns_server"],
    apply: |agent, _, config| {
        Box::pin(async move {
            agent.joining().configure(config);
            Ok(())
        })
    },
    routes: http::routes,
    document: http::Document::openapi,
    count: |_, agent, table| {
        agent.count_seeds(table);
        agent.count_strangers(table);
    },
    conditions: |_, agent, all| {
        if let Some(text) = agent.advertise_warning() {
            all.push(Warning::holding("advertised", "", text, words::seconds(agent.uptime())));
        }
    },
    about_self: |_, agent, info| {
        info.seeds = agent.seeds();
        info.strangers = agent.strangers();
    },
    ..Feature::NONE
};

/// The reasons of the seeds that fail, one a line.
pub(crate) fn reasons(agent: &crate::agent::Agent) -> String {
    agent.locked::<Seeds>().reasons()
}
