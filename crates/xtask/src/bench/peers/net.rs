//! What goes wrong on the network, and what is counted of it: one table of nftables in a network namespace of the benchmark's own.
//!
//! All agents share its loopback device, each with an address and a group of its own. A packet of gossip *to* an agent is known by its address, one
//! *from* it by the group of the socket that sends it, since streams do not leave from the address that an agent is bound to. What
//! the benchmark itself asks agents goes to another port, and is neither dropped nor counted.

use super::super::sides::{GOSSIP_PORT, host};
use super::cluster::FIRST_GROUP;
use anyhow::{Context, Result, bail};
use rumormill_testkit::tools::which;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// The table's name.
const TABLE: &str = "peers";
/// What is gossip, by the counter that counts it.
const GOSSIP: [(&str, &str); 3] =
    [("datagrams", "udp dport"), ("segments", "tcp dport"), ("segments", "tcp sport")];

/// What is dropped.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// So many percent of all packets of gossip, at random.
    pub loss_percent: u32,
    /// All packets of gossip to and from this agent.
    pub cut: Option<usize>,
}

/// What all agents together sent, since the rules were last set.
#[derive(Copy, Clone, Debug, Default, PartialEq)]
pub struct Sent {
    /// Datagrams.
    pub datagrams: f64,
    /// Segments of streams; loopback lets them be long.
    pub segments: f64,
    /// Bytes of both, with IP headers.
    pub bytes: f64,
}

/// The right to change the network: only [`Net::own`] makes one, in a namespace of our own.
pub struct Net {
    nft: std::path::PathBuf,
}

impl Net {
    /// In the namespace that we are in, which must be our own.
    pub fn own() -> Result<Net> {
        let net = Net { nft: which("nft").context("no nft (package nftables)")? };
        net.set(Fault::default())?;
        Ok(net)
    }

    /// What goes wrong from now on, in place of what did. Counting begins anew.
    pub fn set(&self, fault: Fault) -> Result<()> {
        let rules = rules(fault);
        let mut nft = Command::new(&self.nft).args(["-f", "-"]).stdin(Stdio::piped()).spawn()?;
        nft.stdin.take().context("its input is piped")?.write_all(rules.as_bytes())?;
        if !nft.wait()?.success() {
            bail!("nft refused:\n{rules}");
        }
        Ok(())
    }

    /// What was sent.
    pub fn sent(&self) -> Result<Sent> {
        let list = ["-j", "list", "counters", "table", "inet", TABLE];
        counted(&crate::shell::output(Command::new(&self.nft).args(list))?)
    }
}

fn rules(fault: Fault) -> String {
    let (mut dropped_in, mut dropped_out, mut counted) = (String::new(), String::new(), String::new());
    for (counter, packets) in GOSSIP {
        let gossip = format!("{packets} {GOSSIP_PORT}");
        let _ = writeln!(counted, "  {gossip} counter name {counter}"); // writing into a string cannot fail
        if let Some(nth) = fault.cut {
            let _ = writeln!(dropped_in, "  ip daddr {} {gossip} drop", host(nth));
            let _ = writeln!(dropped_out, "  meta skgid {} {gossip} drop", FIRST_GROUP + nth as u32);
        }
        if fault.loss_percent > 0 {
            let _ = writeln!(dropped_in, "  {gossip} numgen random mod 100 < {} drop", fault.loss_percent);
        }
    }
    format!(
        "table inet {TABLE}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n counter datagrams {{ }}\n counter segments {{ }}\n \
         chain in {{\n  type filter hook input priority 0\n{dropped_in} }}\n chain out {{\n  type filter hook output priority 0\n{dropped_out}{counted} }}\n}}\n"
    )
}

fn counted(json: &str) -> Result<Sent> {
    let list: Value = serde_json::from_str(json).context("nft -j prints no JSON")?;
    let get = |name: &str, field: &str| -> Result<f64> {
        let mut counters = list["nftables"].as_array().into_iter().flatten().map(|entry| &entry["counter"]);
        let counter = counters.find(|counter| counter["name"] == name);
        counter.and_then(|counter| counter[field].as_f64()).with_context(|| format!("nft counts no {name}"))
    };
    Ok(Sent {
        datagrams: get("datagrams", "packets")?,
        segments: get("segments", "packets")?,
        bytes: get("datagrams", "bytes")? + get("segments", "bytes")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_agent_is_cut_in_both_directions_and_loss_meets_all_gossip() {
        let cut = rules(Fault { cut: Some(4), ..Fault::default() });
        assert_eq!(cut.matches("ip daddr 127.1.0.5").count(), 3, "{cut}");
        assert_eq!(cut.matches("meta skgid 20004").count(), 3, "{cut}");
        assert!(!cut.contains("numgen"), "{cut}");
        let lossy = rules(Fault { loss_percent: 2, cut: None });
        assert_eq!(lossy.matches("numgen random mod 100 < 2 drop").count(), 3, "{lossy}");
        assert_eq!(rules(Fault::default()).matches("drop").count(), 0);
    }

    #[test]
    fn counters_are_read_from_what_nft_lists() {
        let json = r#"{"nftables": [{"metainfo": {"version": "1.0.6"}},
            {"counter": {"family": "inet", "name": "datagrams", "table": "peers", "handle": 3, "packets": 49, "bytes": 4755}},
            {"counter": {"family": "inet", "name": "segments", "table": "peers", "handle": 4, "packets": 18, "bytes": 1126}}]}"#;
        assert_eq!(counted(json).unwrap(), Sent { datagrams: 49.0, segments: 18.0, bytes: 5881.0 });
        assert!(counted(r#"{"nftables": []}"#).is_err());
    }
}
