//! The condition that a name is taken twice, and what `/v1/self` shows of it.

use crate::describe::Shape;
use crate::describe::inside::Inside;
use crate::describe::model::Warning;
use crate::features::operation::model::SelfInfo;
use crate::metrics::Table;
use rumormill_core::identity::NodeId;

/// Items of news that are shown, of those that are on their way.
const NEWS_SHOWN_MAX: usize = 16;

/// Adds what the agent knows of names.
pub(super) fn count(inside: &Inside<'_>, table: &mut Table) {
    let taken = inside.view.taken_names().len();
    table.gauge("names_taken_twice", "Names that more than one live member carries", &[], taken as f64);
}

/// Adds a condition for each name that several live members carry.
pub(super) fn conditions(inside: &Inside<'_>, all: &mut Vec<Warning>) {
    for (name, count) in inside.view.taken_names() {
        let text = format!("{count} members claim the name {name:?}");
        all.push(Warning::holding("name_taken", &name, text, taken_s(inside, &name)));
    }
}

/// Adds the agent as a member.
pub(super) fn about_self(inside: &Inside<'_>, info: &mut SelfInfo) {
    let (swim, shape) = (&inside.node.swim, Shape::new(inside));
    let me = swim.me();
    info.member = shape.member(&me);
    info.session = format!("{:016x}", me.card.life.session);
    info.health = swim.health();
    info.live = swim.live_len();
    info.news_queued = swim.news_len();
    info.news = shape.news().take(NEWS_SHOWN_MAX).collect();
    info.root = format!("{:016x}", swim.root());
}

/// For how many seconds a name has had a second carrier.
fn taken_s(inside: &Inside<'_>, name: &str) -> f64 {
    let since = |id: &NodeId| Some(inside.now.since(inside.node.swim.member(*id)?.since).as_secs_f64());
    let mut ages: Vec<f64> = inside.view.carriers(name).iter().filter_map(since).collect();
    ages.sort_by(|a, b| b.total_cmp(a));
    ages.get(1).copied().unwrap_or_default()
}
