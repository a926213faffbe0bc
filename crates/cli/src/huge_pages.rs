//! Huge pages for the laboratory: a million nodes lie all over the memory, and with small pages much of the time goes into finding where.
//!
//! Linux gives huge pages to whoever asks; glibc asks for a program's heap if it is told so before the program starts, and only then. So the program
//! starts itself once more. Plain averaging by events among a million nodes
//! took 272 ns an event with them and 389 without (one run of a benchmark of its own).

use std::process::Command;

/// What glibc (2.35 and later) is told by.
const TUNABLES: &str = "GLIBC_TUNABLES";
const HEAP: &str = "glibc.malloc.hugetlb";

/// Starts this program again with huge pages, where there are such to be asked for. Returns if there are none, if it was done already, or if it cannot be
/// done: all then goes its way without them.
pub fn ask() {
    let set = std::env::var(TUNABLES).unwrap_or_default();
    if !cfg!(all(target_os = "linux", target_env = "gnu")) || set.contains(HEAP) || !are_for_the_asking() {
        return;
    }
    let tunables = if set.is_empty() { format!("{HEAP}=1") } else { format!("{set}:{HEAP}=1") };
    restart(&tunables);
}

/// Whether the kernel gives them to those who ask, and to no others.
fn are_for_the_asking() -> bool {
    let mode = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    mode.is_ok_and(|mode| mode.contains("[madvise]"))
}

#[cfg(unix)]
fn restart(tunables: &str) {
    use std::os::unix::process::CommandExt;
    let mut args = std::env::args_os();
    let (Some(name), Ok(program)) = (args.next(), std::env::current_exe()) else { return };
    let _ = Command::new(program).arg0(name).args(args).env(TUNABLES, tunables).exec(); // it returns only if it failed
}

#[cfg(not(unix))]
fn restart(_: &str) {}
