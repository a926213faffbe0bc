//! What is counted.

use core::ops::AddAssign;

/// What is counted; all only go up.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events published here.
    pub published: u64,
    /// Events refused here.
    pub refused: u64,
    /// Events told to the application.
    pub delivered: u64,
    /// Gaps told to the application.
    pub gaps: u64,
    /// Events in them.
    pub gap_events: u64,
    /// Events that came when their place had been passed: after their gap was told, or from before this node.
    pub untold: u64,
    /// Events that came first by a push.
    pub news_pushed: u64,
    /// Events that came first by repair, or were asked for.
    pub news_repaired: u64,
    /// Pushes, whole ones and numbers.
    pub pushes_sent: u64,
    /// Pushes not sent to who had brought the event.
    pub pushes_spared: u64,
    /// Pushes that came and were known: each was answered.
    pub useless: u64,
    /// Comparisons begun with a sum.
    pub roots_sent: u64,
    /// Comparisons that found equal sums here.
    pub agreed: u64,
    /// Digests sent.
    pub digests_sent: u64,
    /// Questions for events sent.
    pub wants_sent: u64,
    /// Answers to such.
    pub gives_sent: u64,
    /// Events in them.
    pub events_given: u64,
    /// Questions how far an event came.
    pub covers_sent: u64,
    /// Messages not answered, because there were too many in a period.
    pub unanswered: u64,
    /// Events dropped from the window, because it was full.
    pub shed_window: u64,
    /// Events no longer passed on, because too many were.
    pub shed_hot: u64,
    /// Events dropped with a life of their origin, because a later one came, or with an origin.
    pub shed_lives: u64,
    /// Gaps given up, because too much waited behind them.
    pub shed_holdback: u64,
    /// Events and rows of sources for which there was no place.
    pub refused_sources: u64,
    /// Events and messages that are against the rules.
    pub rejected: u64,
    /// Messages with events that the budget did not let out.
    pub shed_pushes: u64,
    /// Other messages that it did not let out.
    pub shed_talk: u64,
    /// Hints that something did not arrive.
    pub lost: u64,
}

impl AddAssign for Counters {
    fn add_assign(&mut self, other: Counters) {
        self.published += other.published;
        self.refused += other.refused;
        self.delivered += other.delivered;
        self.gaps += other.gaps;
        self.gap_events += other.gap_events;
        self.untold += other.untold;
        self.news_pushed += other.news_pushed;
        self.news_repaired += other.news_repaired;
        self.pushes_sent += other.pushes_sent;
        self.pushes_spared += other.pushes_spared;
        self.useless += other.useless;
        self.roots_sent += other.roots_sent;
        self.agreed += other.agreed;
        self.digests_sent += other.digests_sent;
        self.wants_sent += other.wants_sent;
        self.gives_sent += other.gives_sent;
        self.events_given += other.events_given;
        self.covers_sent += other.covers_sent;
        self.unanswered += other.unanswered;
        self.shed_window += other.shed_window;
        self.shed_hot += other.shed_hot;
        self.shed_lives += other.shed_lives;
        self.shed_holdback += other.shed_holdback;
        self.refused_sources += other.refused_sources;
        self.rejected += other.rejected;
        self.shed_pushes += other.shed_pushes;
        self.shed_talk += other.shed_talk;
        self.lost += other.lost;
    }
}
