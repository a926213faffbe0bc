//! The admin API of real agents, in this process, on loopback.

mod access;
mod described;
mod events;
mod floods;
mod harness;
mod keys;
mod limits;
mod lives;
mod members;
mod queries;
mod reload;
mod seeds;
mod sql;
mod watch;
