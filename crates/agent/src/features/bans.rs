//! Bans: identities that are kept out of the cluster.

mod conditions;
pub mod http;
pub mod model;
pub(crate) mod named;
pub mod service;

use crate::feature::{Feature, Heard};
use crate::node::Event;
use rumormill_protocols::agree::bans;
use utoipa::OpenApi;

/// Bans.
pub const FEATURE: Feature = Feature {
    state: |_, states| states.add(service::Changed::default()),
    prepare: |agent, node, _| Box::pin(service::prepare(agent, node)),
    tasks: |agent, tasks| drop(tasks.spawn(service::stay_saved(agent.clone()))),
    event: |_, event, book, _| match event {
        Event::Bans(event) => {
            if let bans::Event::Changed(ban) = &event {
                book.ban(ban.id, !ban.lifted);
            }
            Heard::Later(Event::Bans(event))
        }
        event => Heard::NotMine(event),
    },
    after: |agent, event, node, view| {
        if let Event::Bans(event) = event {
            let named = |id| node.swim.member(id).map(|member| member.card.name.clone()).unwrap_or_default();
            agent.hear_ban(event, view.me, named);
        }
    },
    routes: http::routes,
    document: http::Document::openapi,
    conditions: |inside, _, all| conditions::conditions(inside, all),
    ..Feature::NONE
};
