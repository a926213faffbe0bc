//! A feature: the places at which one part of the agent takes hold of the rest, as functions. [`features`](crate::features) lists all of them.
//!
//! A feature fills in what it needs over [`Feature::NONE`]; the rest does nothing.

use crate::agent::{Agent, Parts};
use crate::config::Config;
use crate::describe::inside::{AboutMember, Inside};
use crate::describe::model::Warning;
use crate::features::operation::model::SelfInfo;
use crate::http::route::Route;
use crate::identity::NodeKeys;
use crate::metrics::Table;
use crate::node::{Event, Node};
use crate::states::States;
use crate::store::NotStored;
use crate::tables::AgentTable;
use rumormill_core::identity::Life;
use rumormill_core::time::Wall;
use rumormill_runtime::{Book, View};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::task::JoinSet;
use utoipa::openapi::{Object, OpenApi, RefOr, Schema};

/// A hook that waits.
pub type Work<'a, T = ()> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The hook that prepares a node of this life.
pub type Prepare =
    for<'a> fn(&'a Arc<Agent>, &'a mut Node<NodeKeys>, Life) -> Work<'a, Result<(), NotStored>>;

/// The hook that puts the new value of the setting of this name in force.
pub type Apply = for<'a> fn(&'a Arc<Agent>, &'a str, &'a Config) -> Work<'a, Result<(), String>>;

/// The features that an agent was started with, as one of its `States`: what gathers from all of them finds them here.
pub struct Features(pub &'static [Feature]);

/// What a feature did with an event of the node.
pub enum Heard {
    /// It is dealt with.
    Done,
    /// The feature wants to see the node as it is after the event: [`Feature::after`].
    Later(Event),
    /// The event is another feature's.
    NotMine(Event),
}

/// One feature of the agent.
#[derive(Copy, Clone)]
pub struct Feature {
    /// Adds the feature's states to those of an agent that is about to be made.
    pub state: fn(&Parts, &mut States),
    /// Reads what the data directory keeps, once, before the first node starts.
    pub open: for<'a> fn(&'a Arc<Agent>) -> Work<'a>,
    /// Prepares a node that is about to start: puts the feature's protocol into it, with what the data directory keeps.
    pub prepare: Prepare,
    /// Runs after a node has started.
    pub started: for<'a> fn(&'a Arc<Agent>) -> Work<'a>,
    /// Starts the tasks that run as long as the agent.
    pub tasks: fn(&Arc<Agent>, &mut JoinSet<()>),
    /// Takes an event of the node, in its task, at the moment at which the protocol emits it.
    pub event: fn(&Arc<Agent>, Event, &mut Book, Wall) -> Heard,
    /// Takes an event that [`Feature::event`] put off, when the node can be looked at.
    pub after: fn(&Arc<Agent>, Event, &Node<NodeKeys>, &View<'_>),
    /// Saves for the last time: the node stops after it.
    pub save: for<'a> fn(&'a Arc<Agent>) -> Work<'a>,
    /// Settings of the feature that change in a running agent.
    pub live: &'static [&'static str],
    /// Puts a new value of such a setting in force.
    pub apply: Apply,
    /// The feature's routes of the HTTP API.
    pub routes: fn() -> Vec<Route>,
    /// Their OpenAPI description.
    pub document: fn() -> OpenApi,
    /// Tables of what the agent knows, beside those of its node: SQL shows them.
    pub tables: &'static [AgentTable],
    /// Adds the feature's metrics.
    pub count: fn(&Inside<'_>, &Arc<Agent>, &mut Table),
    /// Adds conditions that the node's state shows.
    pub conditions: fn(&Inside<'_>, &Arc<Agent>, &mut Vec<Warning>),
    /// Adds fields to the JSON of a member, wherever one is shown.
    pub about_member: AboutMember,
    /// Their OpenAPI description: an object with these fields.
    pub member_schema: fn() -> RefOr<Schema>,
    /// Adds to `GET /v1/self`.
    pub about_self: fn(&Inside<'_>, &Arc<Agent>, &mut SelfInfo),
}

impl Feature {
    /// A feature that does nothing.
    pub const NONE: Feature = Feature {
        state: |_, _| {},
        open: |_| Box::pin(async {}),
        prepare: |_, _, _| Box::pin(async { Ok(()) }),
        started: |_| Box::pin(async {}),
        tasks: |_, _| {},
        event: |_, event, _, _| Heard::NotMine(event),
        after: |_, _, _, _| {},
        save: |_| Box::pin(async {}),
        live: &[],
        apply: |_, _, _| Box::pin(async { Ok(()) }),
        routes: Vec::new,
        document: OpenApi::default,
        tables: &[],
        count: |_, _, _| {},
        conditions: |_, _, _| {},
        about_member: |_, _, _| {},
        member_schema: || Object::new().into(),
        about_self: |_, _, _| {},
    };
}
