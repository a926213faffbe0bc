//! SQL: the agent's state as tables that are read only.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`service`] | runs statements on threads of their own |
//! | `source` | copies the rows of a table, in pages, for one statement |
//! | [`answer`] | answers as JSON |
//! | `subscribe` | what a statement answers, and then the differences |

pub mod answer;
pub mod http;
pub mod model;
pub mod service;
mod source;
mod subscribe;

use crate::feature::Feature;
use utoipa::OpenApi;

/// SQL.
pub const FEATURE: Feature = Feature {
    state: |_, states| states.add(service::SqlService::default()),
    routes: http::routes,
    document: http::Document::openapi,
    ..Feature::NONE
};
