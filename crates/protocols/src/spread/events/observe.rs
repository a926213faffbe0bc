//! Figures.

use super::Events;
use rumormill_core::observe::{Figure, Moment, Observe};

impl Observe for Events {
    fn figures(&self, _: &Moment, each: &mut dyn FnMut(Figure<'_>)) {
        let c = self.counters();
        for (name, help, value) in [
            ("events_published", "Events published here", c.published),
            ("events_refused", "Events refused here", c.refused),
            ("events_delivered", "Events told to this agent's consumers", c.delivered),
            ("events_lost", "Events told to be lost", c.gap_events),
            ("events_untold", "Events that came when their place had been passed", c.untold),
            ("events_pushed_first", "Events that came first by a push", c.news_pushed),
            ("events_repaired", "Events that came first by repair, or were asked for", c.news_repaired),
            ("events_pushes_sent", "Pushes of events", c.pushes_sent),
            ("events_pushes_useless", "Pushes that came and were known", c.useless),
            ("events_comparisons", "Comparisons with a peer begun", c.roots_sent),
            ("events_digests_sent", "Lists of what is held sent", c.digests_sent),
            ("events_wants_sent", "Questions for events sent", c.wants_sent),
            ("events_given", "Events given in answer to such", c.events_given),
            ("events_covers_sent", "Questions how far an event came sent", c.covers_sent),
            ("events_unanswered", "Questions not answered, because there were too many", c.unanswered),
            ("events_rejected", "Events and messages against the rules", c.rejected),
        ] {
            each(Figure::count(name, help, value));
        }
        for (cause, value) in [
            ("window", c.shed_window),
            ("spreading", c.shed_hot),
            ("old_life", c.shed_lives),
            ("waiting", c.shed_holdback),
            ("sources", c.refused_sources),
            ("budget_pushes", c.shed_pushes),
            ("budget_talk", c.shed_talk),
        ] {
            each(Events::shed(value).with(&[("cause", cause)]));
        }
        for (name, help, value) in [
            ("events_window", "Events retained for others", self.window_events()),
            ("events_window_bytes", "Bytes of events retained for others", self.window_bytes()),
            ("events_spreading", "Events that are still passed on", self.hot_len()),
        ] {
            each(Figure::gauge(name, help, value as f64));
        }
    }
}

impl Events {
    /// The figure of what was dropped of events, for one cause.
    pub fn shed(value: u64) -> Figure<'static> {
        Figure::count("events_shed", "Events and messages about them that were dropped, by cause", value)
    }
}
