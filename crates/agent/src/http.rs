//! The HTTP API: JSON on TCP and on a Unix socket. Its routes stand in the folders of the features.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`router`] | gathers the routes of all features |
//! | [`route`] | one path |
//! | [`guard`] | decides which requests pass |
//! | [`reply`] | answers, errors with their status, extractors |
//! | [`shared_answers`] | describes the answers that many operations have in common |
//! | [`stream`] | streams of server-sent events |
//! | [`serve`] | listeners and connections |

pub mod guard;
pub mod reply;
pub mod route;
pub mod router;
pub mod serve;
pub mod shared_answers;
pub mod stream;

pub use router::table;
