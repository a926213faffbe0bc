//! Stories of real processes: the `rumormill` binary on sockets, disks and network namespaces, killed, paused and cut off.
//!
//! Nothing here waits a fixed time for something to happen: it is looked for until a generous deadline.

mod agent;
mod bans;
mod cluster;
mod demo;
mod described;
mod disk;
mod environment;
mod events;
mod forgotten;
mod ghosts;
mod handlers;
mod hosts;
mod identity;
mod init;
mod joining;
mod keys;
mod links;
mod listed;
mod monitoring;
mod names;
mod phi;
mod queries;
mod reload;
mod serf;
mod service;
mod silence;
mod sim;
mod sql;
mod sql_limits;
mod stalls;
mod tour;
mod trust;
mod version;
