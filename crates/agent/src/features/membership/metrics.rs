//! Counters of membership, the condition that a name is taken twice, and what `/v1/self` shows of it.

use crate::describe::Shape;
use crate::describe::inside::Inside;
use crate::describe::model::{Status, Warning};
use crate::features::operation::model::SelfInfo;
use crate::metrics::Table;
use rumormill_core::identity::NodeId;

/// Items of news that are shown, of those that are on their way.
const NEWS_SHOWN_MAX: usize = 16;

/// Adds the counters.
pub(super) fn count(inside: &Inside<'_>, table: &mut Table) {
    let swim = &inside.node.swim;
    for (name, help, value) in swim.counters().each() {
        table.count(format!("swim_{name}"), help, &[], value);
    }
    let mut counts = [0usize; Status::ALL.len()];
    let shape = Shape::new(inside);
    swim.members().for_each(|member| counts[shape.status(&member) as usize] += 1);
    for (status, count) in Status::ALL.into_iter().zip(counts) {
        let help = "Members by status, this one included";
        table.gauge("members", help, &[("status", status.as_str())], count as f64);
    }
    let mut gauge = |name, help, value: f64| table.gauge(name, help, &[], value);
    gauge("health_score", "Lifeguard's local health score: 0 is healthy", f64::from(swim.health()));
    gauge("news_queued", "Items still being gossiped", swim.news_len() as f64);
    gauge("swim_tags_bytes", "Bytes of large tags of others kept here", swim.tags_bytes() as f64);
    let taken = inside.view.taken_names().len();
    gauge("names_taken_twice", "Names that more than one live member carries", taken as f64);
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
