//! Where it all happens: as root in namespaces of our own (network, processes, mounts), which end with us and take everything along; otherwise on the machine
//! as it is, without what needs nftables.

use super::net::Net;
use anyhow::{Context, Result};
use rumormill_testkit::tools::find;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where file systems in memory are, usually.
const SHM: &str = "/dev/shm";
/// The option by which we know that we are inside.
pub const INSIDE: &str = "--inside";

/// Where agents run.
pub struct Place {
    /// What may go wrong on the network; none without root.
    pub net: Option<Net>,
    /// Below this agents keep their data.
    pub base: PathBuf,
    /// Whether that is in memory.
    pub is_tmpfs: bool,
    /// How we are here, for the result.
    pub text: String,
}

/// Why rows that need namespaces cannot be measured here; none if they can.
pub fn lacks() -> Option<String> {
    ["root", "nft", "ip"].iter().find_map(|tool| find(tool).err())
}

/// Runs ourselves again, optimised, in namespaces of our own, over whose `/dev/shm` (or, without one, `/mnt`) a file system in memory is mounted. If we are killed, all of them are.
pub fn rerun_inside() -> Result<std::convert::Infallible> {
    let base = if Path::new(SHM).is_dir() { SHM } else { "/mnt" };
    let me = crate::shell::release_harness()?; // here, where there still is a network to fetch from
    let prepare = "ip link set lo up && mount -t tmpfs tmpfs \"$1\" && shift && exec \"$@\"";
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"]);
    command.args(["--mount-proc", "sh", "-c", prepare, "sh", base]).arg(me);
    command.args(std::env::args_os().skip(1)).args([INSIDE, base]);
    let status = command.status().context("cannot start setpriv (package util-linux)")?;
    // What went wrong inside has been said there.
    std::process::exit(status.code().unwrap_or(1));
}

/// Where we are: `inside` is what [`rerun_inside`] told us.
pub fn here(inside: Option<&Path>) -> Result<Place> {
    if let Some(base) = inside {
        let text =
            "in namespaces of their own, on one loopback device, each with an address of its own".into();
        return Ok(Place { net: Some(Net::own()?), base: base.to_owned(), is_tmpfs: true, text });
    }
    let is_tmpfs = is_tmpfs(&std::fs::read_to_string("/proc/self/mounts")?, SHM);
    let base = if is_tmpfs { SHM.into() } else { std::env::temp_dir() };
    sweep(&base);
    let text = "on the machine's own loopback device, each with an address of its own".into();
    Ok(Place { net: None, base, is_tmpfs, text })
}

/// Whether a file system in memory is mounted at `path`, by what `/proc/self/mounts` lists: device, place, kind, …
fn is_tmpfs(mounts: &str, path: &str) -> bool {
    let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    fields.any(|fields| fields.get(1..3) == Some(&[path, "tmpfs"]))
}

/// Removes what earlier runs left that were killed.
fn sweep(base: &Path) {
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if owner(&name).is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = std::fs::remove_dir_all(entry.path()); // somebody else's cannot be removed, and need not be
        }
    }
}

/// The process that made the directory of that name, if it was one of us.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix("rumormill-peers-")?.split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_in_memory_is_known_by_its_mount() {
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /dev/shm tmpfs rw 0 0\n";
        assert!(is_tmpfs(mounts, "/dev/shm"));
        assert!(!is_tmpfs(mounts, "/") && !is_tmpfs(mounts, "/tmp"));
    }

    #[test]
    fn only_what_runs_of_this_benchmark_left_is_swept() {
        assert_eq!(owner("rumormill-peers-123-4"), Some(123));
        assert_eq!(owner("rumormill-bench-123-4"), None);
        assert_eq!(owner("rumormill-peers-x"), None);
    }
}
