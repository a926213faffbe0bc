//! What is counted.

use rumormill_core::counters;

counters! {
    /// What is counted; all only go up.
    pub struct Counters {
        /// Events published here.
        published,
        /// Events refused here.
        refused,
        /// Events told to the application.
        delivered,
        /// Gaps told to the application.
        gaps,
        /// Events in them.
        gap_events,
        /// Events that came when their place had been passed: after their gap was told, or from before this node.
        untold,
        /// Events that came first by a push.
        news_pushed,
        /// Events that came first by repair, or were asked for.
        news_repaired,
        /// Pushes, whole ones and numbers.
        pushes_sent,
        /// Pushes not sent to who had brought the event.
        pushes_spared,
        /// Pushes that came and were known: each was answered.
        useless,
        /// Comparisons begun with a sum.
        roots_sent,
        /// Comparisons that found equal sums here.
        agreed,
        /// Digests sent.
        digests_sent,
        /// Questions for events sent.
        wants_sent,
        /// Answers to such.
        gives_sent,
        /// Events in them.
        events_given,
        /// Questions how far an event came.
        covers_sent,
        /// Messages not answered, because there were too many in a period.
        unanswered,
        /// Events dropped from the window, because it was full.
        shed_window,
        /// Events no longer passed on, because too many were.
        shed_hot,
        /// Events dropped with a life of their origin, because a later one came, or with an origin.
        shed_lives,
        /// Gaps given up, because too much waited behind them.
        shed_holdback,
        /// Events and rows of sources for which there was no place.
        refused_sources,
        /// Events and messages that are against the rules.
        rejected,
        /// Messages with events that the budget did not let out.
        shed_pushes,
        /// Other messages that it did not let out.
        shed_talk,
        /// Hints that something did not arrive.
        lost,
    }
}
