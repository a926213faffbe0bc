//! What a process costs, as the kernel counts it.

use anyhow::{Context, Result};
use std::collections::BTreeMap;

/// Clock ticks per second in `/proc/PID/stat`: 100 on every Linux there is (USER_HZ).
const TICKS_PER_S: f64 = 100.0;

/// Resident and proportional memory, in KiB.
pub fn memory_kib(pid: u32) -> Result<(f64, f64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let field = |name: &str| -> Result<f64> {
        let line = text.lines().find(|line| line.starts_with(name)).context("no such field")?;
        Ok(line.split_whitespace().nth(1).context("no number")?.parse()?)
    };
    Ok((field("Rss:")?, field("Pss:")?))
}

/// CPU seconds used so far, by all threads, ended ones too.
pub fn cpu_s(pid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name stands in parentheses and may hold anything; the fields count from behind it.
    let fields: Vec<&str> = text.rsplit_once(')').context("no name")?.1.split_whitespace().collect();
    let ticks = |nth: usize| -> Result<f64> { Ok(fields.get(nth).context("too short")?.parse()?) };
    Ok((ticks(11)? + ticks(12)?) / TICKS_PER_S)
}

/// The load average over a minute.
pub fn load1() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(f64::NAN)
}

/// What the network namespace we are in has carried: datagrams sent, and bytes over loopback with their IP headers.
#[derive(Copy, Clone, Debug)]
pub struct Traffic {
    /// UDP datagrams sent.
    pub datagrams: f64,
    /// Bytes of IP packets sent, of all kinds.
    pub ip_bytes: f64,
    /// TCP segments sent.
    pub segments: f64,
}

/// Reads [`Traffic`] so far.
pub fn traffic() -> Result<Traffic> {
    let snmp = pairs(&std::fs::read_to_string("/proc/self/net/snmp")?);
    let netstat = pairs(&std::fs::read_to_string("/proc/self/net/netstat")?);
    let get = |table: &BTreeMap<String, f64>, name: &str| table.get(name).copied().context("no such counter");
    Ok(Traffic {
        datagrams: get(&snmp, "Udp:OutDatagrams")?,
        ip_bytes: get(&netstat, "IpExt:OutOctets")?,
        segments: get(&snmp, "Tcp:OutSegs")?,
    })
}

/// `Udp: A B` over `Udp: 1 2` as `Udp:A` = 1, `Udp:B` = 2.
fn pairs(text: &str) -> BTreeMap<String, f64> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = BTreeMap::new();
    for two in lines.chunks_exact(2) {
        let (mut names, mut values) = (two[0].split_whitespace(), two[1].split_whitespace());
        let group = names.next().unwrap_or_default();
        values.next();
        for (name, value) in names.zip(values) {
            found.insert(format!("{group}{name}"), value.parse().unwrap_or(f64::NAN));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_what_we_cost() {
        let me = std::process::id();
        let (rss, pss) = memory_kib(me).unwrap();
        assert!(rss >= pss && pss > 0.0);
        assert!(cpu_s(me).unwrap() >= 0.0);
        assert!(traffic().unwrap().datagrams >= 0.0);
    }

    #[test]
    fn counters_are_found_by_group_and_name() {
        let found = pairs("Udp: In Out\nUdp: 3 4\nTcp: In\nTcp: 5\n");
        assert_eq!(found["Udp:Out"], 4.0);
        assert_eq!(found["Tcp:In"], 5.0);
    }
}
