//! A route: one path of the HTTP API.

use crate::agent::Agent;
use axum::routing::MethodRouter;
use std::sync::Arc;

/// One path.
pub struct Route {
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// The methods it answers, in lower case.
    pub methods: &'static [&'static str],
    /// Their handlers.
    pub serve: MethodRouter<Arc<Agent>>,
}

impl Route {
    /// A path with its methods.
    pub fn new(
        path: &'static str,
        methods: &'static [&'static str],
        serve: MethodRouter<Arc<Agent>>,
    ) -> Route {
        Route { path, methods, serve }
    }
}
