//! An agent's resident memory is mostly its own code, and most of that ran once: at the start, or for one request.
//!
//! Linux keeps a page of a program's file resident from its first use on, with the 64 KiB around it. Nothing is lost if the agent gives these pages back:
//! they stay in the page cache, and code that runs again is mapped again within a microsecond. An idle agent took 10.6 MiB before
//! and 7.9 after (three agents, release binary linked statically).

#![allow(unsafe_code)] // `madvise` may destroy data; here it is told of pages alone that are the same in the file

use procfs::process::{MMPermissions, MemoryMap, Process};
use rustix::mm::{Advice, madvise};
use std::ffi::c_void;
use std::time::Duration;

/// From the start to the first time: an agent has then joined, as a rule (guess).
const FIRST: Duration = Duration::from_secs(10);
/// Between two times: a request's code is resident so long at most (guess).
const PERIOD: Duration = Duration::from_secs(600);

/// Gives back the code that is not in use, from time to time. It never ends.
pub async fn give_back_from_time_to_time() {
    tokio::time::sleep(FIRST).await;
    loop {
        give_back();
        tokio::time::sleep(PERIOD).await;
    }
}

/// Gives back the resident pages of this program's file that nobody changed. Where Linux does not tell which these are, all stay.
fn give_back() {
    let Ok(maps) = Process::myself().and_then(|me| me.smaps()) else { return };
    let here = give_back as *const () as u64;
    let is_here = |map: &&MemoryMap| (map.address.0..map.address.1).contains(&here);
    let Some(program) = maps.iter().find(is_here).map(|map| (map.dev, map.inode)) else { return };
    for map in maps.iter().filter(|map| (map.dev, map.inode) == program && is_as_in_the_file(map)) {
        let (start, end) = map.address;
        // SAFETY: the pages are private, read-only and not one of them is a copy, so the next access reads the same bytes from the file, which cannot be
        // written as long as it runs (ETXTBSY).
        let _ = unsafe { madvise(start as *mut c_void, (end - start) as usize, Advice::LinuxDontNeed) };
    }
}

/// A mapping is as in the file if no page of it is a copy: the loader writes into some (relocations) before it protects them.
fn is_as_in_the_file(map: &MemoryMap) -> bool {
    map.perms.contains(MMPermissions::READ | MMPermissions::PRIVATE)
        && !map.perms.contains(MMPermissions::WRITE)
        && map.extension.map.get("Anonymous") == Some(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of this program's code that are resident.
    fn resident() -> u64 {
        let maps = Process::myself().unwrap().smaps().unwrap();
        maps.iter()
            .filter(|map| map.perms.contains(MMPermissions::EXECUTE) && map.inode != 0)
            .map(|map| map.extension.map["Rss"])
            .max()
            .unwrap()
    }

    #[test]
    fn code_that_ran_once_is_given_back_and_runs_again() {
        let text = || <crate::cli::Cli as clap::CommandFactory>::command().render_long_help().to_string();
        let help = text();
        let before = resident();
        give_back();
        assert!(resident() < before, "{} bytes of code are resident, {before} were", resident());
        assert_eq!(text(), help);
    }
}
