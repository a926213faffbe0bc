//! What the tests of all crates share. A dev-dependency; nothing that ships uses it.
//!
//! | module | what it gives a test |
//! | --- | --- |
//! | [`tools`] | [`needs!`]: a test that lacks a tool of the machine says so, and is counted |
//! | [`process`] | [`process::Guard`]: a process that is gone when the test ends, however it ends |
//! | [`wait`] | [`wait::until`]: polling with a deadline, in place of sleeping |
//! | [`ports`] | ports that are free for TCP and UDP alike, and loopback addresses of a test's own |
//! | [`netns`] | [`netns::Hosts`]: two hosts with a cable, in network namespaces of their own |
//! | [`http`] | a request to an agent, over TCP or its Unix socket |
//! | [`disk`] | [`disk::Small`]: a file system of a few kilobytes, to be filled up; [`disk::Freezing`]: one that hangs |
//! | `postgres` | PostgreSQL's protocol from the client's side, and a real server (feature `postgres`) |
//! | [`pipe`] | [`pipe::Unread`]: a pipe that is read late, or never |
//!
//! A test that cannot run on this machine begins with
//!
//! ```
//! # fn a_story() {
//! rumormill_testkit::needs!("root", "nft");
//! // … the test …
//! # }
//! ```

pub mod disk;
pub mod http;
pub mod netns;
pub mod pipe;
pub mod ports;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod process;
pub mod tools;
pub mod wait;
