//! The columns of the demo's table and its keys: how they are written, and what they mean.

/// One key.
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What it does, in a word.
    pub does: &'static str,
    /// The same for the page behind `?`.
    pub about: &'static str,
}

const fn key(name: &'static str, does: &'static str, about: &'static str) -> Key {
    Key { name, does, about }
}

/// The keys, as the last lines show them.
pub static KEYS: [Key; 9] = [
    key("↑↓", "select", "select an agent"),
    key("k", "kill -9", "kill it with SIGKILL"),
    key("p", "pause", "stop its process by a signal, or let it go on"),
    key("r", "restart", "start it again on its data directory; kill it first if it runs"),
    key("l", "leave", "have it leave the cluster gracefully"),
    key("x", "cut", "cut the cluster in two halves, or heal the cut"),
    key("v", "view", "show round trips and vitals as this agent knows them"),
    key("q", "quit", "stop all agents, and end"),
    key("?", "help", "show this page, or close it"),
];

/// One column of the table.
pub struct Column {
    /// Its head.
    pub head: &'static str,
    /// Its width.
    pub width: u16,
    /// A narrow terminal drops columns with high numbers first; 0: never.
    spare: u8,
    /// What it means.
    pub about: &'static str,
}

const fn column(head: &'static str, width: u16, spare: u8, about: &'static str) -> Column {
    Column { head, width, spare, about }
}

/// The columns of the table.
pub static COLUMNS: [Column; 14] = [
    column("NAME", 9, 0, "the agent; ▲ or ▼ is its half while the cluster is cut"),
    column("PROCESS", 14, 0, "what became of its process, and its process id"),
    column(
        "OTHERS SAY",
        26,
        0,
        "how many of the other running agents say that it is alive, suspect, failed, left or banned; ? do not know it",
    ),
    column("SEES", 4, 4, "how many others it sees alive itself"),
    column("EPOCH", 5, 3, "how often it has started on its data directory"),
    column("RTT", 8, 1, "the smoothed round trip to it, as the agent in the title measures it"),
    column("LOAD", 5, 2, "the load of its machine over one minute, by gossip"),
    column("CPU", 5, 1, "how much of its machine's CPU is in use, by gossip"),
    column("MEM", 5, 5, "how much of its machine's memory is in use, by gossip"),
    column("AGE", 6, 6, "how old these three are"),
    column("NEWS", 4, 7, "changes of members that it still gossips"),
    column("HEALTH", 6, 8, "good, or how slow it finds itself: a slow agent suspects others later"),
    column("SENDS", 10, 1, "what it sends per second, with all headers"),
    column("HTTP", 15, 9, "where it answers `rumormill members --http` and any other command"),
];

/// The place in [`COLUMNS`] of the verdicts of other agents. The column grows with its text, as far as there is room.
pub const OTHERS_SAY: usize = 2;

/// The columns for which there is room in a table of that width with borders, by their place in [`COLUMNS`], and the columns of the screen that are left.
pub fn fitting(width: u16) -> (Vec<usize>, u16) {
    let mut columns = Vec::from_iter(0..COLUMNS.len());
    let needs = |columns: &[usize]| columns.iter().map(|c| COLUMNS[*c].width + 1).sum::<u16>() + 1; // spaces, borders
    while needs(&columns) > width {
        let spared = columns.iter().copied().max_by_key(|c| COLUMNS[*c].spare);
        let Some(least) = spared.filter(|c| COLUMNS[*c].spare > 0) else { break };
        columns.retain(|c| *c != least);
    }
    let left = width.saturating_sub(needs(&columns));
    (columns, left)
}
