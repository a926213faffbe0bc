//! Two hosts with a cable between them, in network namespaces that a test makes itself and that are gone afterwards.
//!
//! The hosts have the addresses `198.18.K.1` and `198.18.K.2` (RFC 2544: for tests of network devices), K drawn per pair. Loss is nftables dropping at the
//! receiver's INPUT hook, since `tc netem` is not in every kernel. Needs `root`, `ip` and `nft`.

use crate::process::run;
use crate::tools::which;
use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Two hosts, gone when dropped.
pub struct Hosts {
    names: [String; 2],
    net: u8,
}

/// What is dropped on its way into each of the two hosts.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// That many percent of all packets.
    LossPercent(u8),
    /// Everything: the cable is cut.
    Cut,
    /// All datagrams; streams pass.
    NoDatagrams,
    /// All of TCP; datagrams pass.
    NoStreams,
}

impl Hosts {
    /// Makes two hosts with a cable.
    ///
    /// # Panics
    /// If the machine does not let it; ask for `needs!("root", "ip", "nft")` first.
    pub fn new() -> Hosts {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let tag = format!("rm{}x{nth}", std::process::id());
        // Addresses need not differ between pairs, which do not see each other; they do so that a log tells them apart.
        let net = ((std::process::id() + nth) % 254 + 1) as u8;
        let hosts = Hosts { names: ["a", "b"].map(|end| format!("{tag}{end}")), net };
        hosts.set_up();
        hosts
    }

    fn set_up(&self) {
        let [a, b] = &self.names;
        ip(["netns", "add", a]);
        ip(["netns", "add", b]);
        ip(["-n", a, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", b]);
        for (end, name) in self.names.iter().enumerate() {
            let address = format!("{}/24", self.address(end));
            ip(["-n", name, "addr", "add", &address, "dev", "cable"]);
            ip(["-n", name, "link", "set", "cable", "up"]);
            ip(["-n", name, "link", "set", "lo", "up"]);
        }
    }

    /// The address of host 0 or 1.
    pub fn address(&self, host: usize) -> String {
        format!("198.18.{}.{}", self.net, host + 1)
    }

    /// Runs `ip` on host 0 or 1, whose end of the cable is the interface `cable`.
    ///
    /// # Panics
    /// If it fails.
    pub fn ip(&self, host: usize, args: &[&str]) {
        run(Command::new(tool("ip")).args(["-n", &self.names[host]]).args(args));
    }

    /// A command that runs `program` on host 0 or 1.
    pub fn command(&self, host: usize, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(tool("ip"));
        command.args(["netns", "exec", &self.names[host]]).arg(program);
        command
    }

    /// What goes wrong on the cable from now on, in both directions alike; it replaces what went wrong before.
    ///
    /// # Panics
    /// If nftables does not take the rules.
    pub fn fault(&self, fault: Fault) {
        let rule = match fault {
            Fault::None => String::new(),
            Fault::LossPercent(p) => format!("iif cable numgen random mod 100 < {p} drop"),
            Fault::Cut => "iif cable drop".into(),
            Fault::NoDatagrams => "iif cable meta l4proto udp drop".into(),
            Fault::NoStreams => "iif cable meta l4proto tcp drop".into(),
        };
        let rules = format!(
            "table inet fault\ndelete table inet fault\ntable inet fault {{\n chain input {{\n  type filter hook input priority 0\n  {rule}\n }}\n}}\n"
        );
        for host in 0..2 {
            let mut nft = self.command(host, tool("nft"));
            let mut nft = nft.args(["-f", "-"]).stdin(Stdio::piped()).spawn().expect("nft did not start");
            let mut stdin = nft.stdin.take().expect("its input is piped");
            stdin.write_all(rules.as_bytes()).expect("nft did not read its rules");
            drop(stdin);
            assert!(nft.wait().expect("nft was not waited for").success(), "nft refused:\n{rules}");
        }
    }
}

impl Default for Hosts {
    fn default() -> Self {
        Hosts::new()
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in &self.names {
            // Best effort, in a drop that may run while the test panics.
            let _ = Command::new(tool("ip")).args(["netns", "del", name]).stderr(Stdio::null()).status();
        }
    }
}

fn tool(name: &str) -> std::path::PathBuf {
    which(name).unwrap_or_else(|| name.into())
}

fn ip<const N: usize>(args: [&str; N]) {
    run(Command::new(tool("ip")).args(args));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn two_hosts_reach_each_other_until_the_cable_is_cut_and_leave_nothing_behind() {
        crate::needs!("root", "ip", "nft", "bash");
        let hosts = Hosts::new();
        let names = hosts.names.clone();
        // A refused connection is an answer of the other host; a cut cable gives none.
        let answers = |timeout_s: u32| {
            let ask = format!("echo > /dev/tcp/{}/9", hosts.address(1));
            let mut command = hosts.command(0, "timeout");
            command.args([&timeout_s.to_string(), "bash", "-c", &ask]).stderr(Stdio::null());
            command.status().unwrap().code() != Some(124)
        };
        assert!(answers(60));
        hosts.fault(Fault::Cut);
        assert!(!answers(1));
        hosts.fault(Fault::NoDatagrams);
        assert!(answers(60));
        hosts.fault(Fault::LossPercent(20));
        hosts.fault(Fault::None);
        assert!(answers(60));
        drop(hosts);
        assert!(names.iter().all(|name| !Path::new("/run/netns").join(name).exists()));
    }
}
