//! PostgreSQL for a test: its protocol from the client's side, and a real server (feature `postgres`).

mod client;
mod server;

pub use client::{Client, Frame};
pub use server::Server;
