//! The fuller world, fault plans and checks as stories, told on the toy protocol of the other stories.

mod checks;
mod engines;
mod everything;
mod lines;
mod plans;
mod service;
#[allow(dead_code)] // shared with the other stories, which use the rest
#[path = "../stories/toy.rs"]
mod toy;
mod ways;
