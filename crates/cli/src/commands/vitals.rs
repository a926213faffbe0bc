//! `rumormill vitals`: the machines that the members run on.

use crate::args::Target;
use crate::client::{Client, encode};
use crate::outcome::Outcome;
use crate::show::{Cell, Out, Table, bytes, clean, count, percent, span};
use clap::Args;
use rumormill_agent::model::{Member, Members, Vitals};

/// `rumormill vitals`.
#[derive(Debug, Args)]
pub struct VitalsArgs {
    /// The member's name or id; without it all members are listed
    #[arg(value_name = "NAME|ID")]
    pub member: Option<String>,
    /// The agent.
    #[command(flatten)]
    pub target: Target,
}

/// `rumormill vitals`.
pub async fn vitals(args: &VitalsArgs, out: &mut Out<'_>) -> Outcome {
    let client = Client::of(&args.target)?;
    match &args.member {
        Some(member) => {
            let vitals: Vitals = client.get(&format!("/v1/vitals/{}", encode(member))).await?;
            match args.target.json {
                true => out.json(&vitals),
                false => tell(&vitals, out),
            }
        }
        None => {
            let answer: Members = client.get("/v1/members").await?;
            match args.target.json {
                true => out.json(&json(&answer.members)),
                false => out.table(&table(&answer.members)),
            }
        }
    }
}

/// All members' vitals in short, as a program reads them.
fn json(members: &[Member]) -> serde_json::Value {
    let each = members.iter().map(|member| {
        serde_json::json!({
            "id": member.id,
            "name": member.name,
            "status": member.status,
            "vitals": member.vitals,
            "vitals_age_s": member.vitals_age_s,
        })
    });
    serde_json::json!({ "members": each.collect::<Vec<_>>() })
}

fn table(members: &[Member]) -> Table {
    let mut table = Table::new(&["NAME", "STATUS", "LOAD", "CPU", "MEM", "DISK", "UP", "AGE"]);
    for member in members {
        let vitals = member.vitals.clone().unwrap_or_default();
        table.row(vec![
            Cell::name(&member.name),
            super::members::status_cell(member.status),
            Cell::number(vitals.load1, |load| format!("{load:.2}")),
            Cell::number(vitals.cpu_percent, percent),
            Cell::number(vitals.memory_percent, percent),
            Cell::number(vitals.disk_percent, percent),
            Cell::number(vitals.uptime_s, |s| span(s as f64)),
            Cell::number(member.vitals_age_s, span),
        ]);
    }
    table
}

fn tell(vitals: &Vitals, out: &mut Out<'_>) -> Outcome {
    let size = |count: Option<u64>| count.map(|count| bytes(count as f64));
    let rate = |count: Option<f64>| count.map(|count| format!("{}/s", bytes(count)));
    let waits = |share: Option<f64>| share.map(|share| format!("{share:.1} % of the last 10 s"));
    let lines = [
        ("name", Some(vitals.name.clone())),
        ("id", Some(vitals.id.clone())),
        ("age", Some(format!("{} (heard {} ago)", span(vitals.age_s), span(vitals.heard_s)))),
        (
            "load",
            vitals.load.map(|[one, five, fifteen]| format!("{one:.2} {five:.2} {fifteen:.2} (1, 5, 15 min)")),
        ),
        (
            "cpu",
            vitals.cpu_percent.map(|used| match vitals.cpus {
                Some(cpus) => format!("{} of {}", percent(used), count(cpus, "core")),
                None => percent(used),
            }),
        ),
        ("memory", memory(vitals)),
        ("swap", size(vitals.swap_used_bytes).map(|used| format!("{used} used"))),
        ("cpu waits", waits(vitals.pressure_cpu_percent)),
        ("mem waits", waits(vitals.pressure_memory_percent)),
        ("io waits", waits(vitals.pressure_io_percent)),
        ("received", rate(vitals.net_received_bytes_per_s)),
        ("sent", rate(vitals.net_sent_bytes_per_s)),
        ("up", vitals.uptime_s.map(|s| span(s as f64))),
        ("processes", vitals.processes.map(|count| count.to_string())),
    ];
    for (label, text) in lines {
        out.line(&clean(&format!("{label:<12}{}", text.as_deref().unwrap_or("-"))))?;
    }
    for disk in &vitals.disks {
        let free = format!(
            "{} of {} free on {}",
            bytes(disk.available_bytes as f64),
            bytes(disk.total_bytes as f64),
            disk.mount
        );
        out.line(&clean(&format!("{:<12}{free}", "disk")))?;
    }
    Ok(())
}

fn memory(vitals: &Vitals) -> Option<String> {
    let (total, available) = (vitals.memory_total_bytes?, vitals.memory_available_bytes?);
    let used = 100.0 * total.saturating_sub(available) as f64 / total.max(1) as f64;
    Some(format!("{} of {} used", percent(used), bytes(total as f64)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_agent::model::{Disk, VitalsSummary};

    #[test]
    fn all_vitals_are_a_table_with_their_age() {
        let known = Member {
            name: "web".into(),
            vitals: Some(VitalsSummary {
                load1: Some(1.5),
                cpu_percent: Some(33.3),
                memory_percent: Some(50.0),
                disk_percent: Some(71.0),
                uptime_s: Some(7200),
            }),
            vitals_age_s: Some(4.0),
            ..Member::default()
        };
        let unknown = Member { name: "db".into(), ..Member::default() };
        insta::assert_snapshot!(table(&[known, unknown]).render(false), @r"
        NAME  STATUS  LOAD   CPU   MEM  DISK   UP    AGE
        web   alive   1.50  33 %  50 %  71 %  2 h  4.0 s
        db    alive      -     -     -     -    -      -
        ");
    }

    #[test]
    fn one_members_vitals_are_a_list_and_what_is_missing_is_shown_as_missing() {
        let vitals = Vitals {
            name: "web".into(),
            id: "aa".into(),
            age_s: 5.0,
            heard_s: 1.0,
            load: Some([0.1, 0.2, 0.3]),
            cpu_percent: Some(12.0),
            cpus: Some(4),
            memory_total_bytes: Some(8 << 30),
            memory_available_bytes: Some(6 << 30),
            disks: vec![Disk { mount: "/".into(), total_bytes: 100 << 30, available_bytes: 25 << 30 }],
            net_sent_bytes_per_s: Some(2048.0),
            uptime_s: Some(100),
            ..Vitals::default()
        };
        let mut written = Vec::new();
        tell(&vitals, &mut Out::new(&mut written, false)).unwrap();
        insta::assert_snapshot!(String::from_utf8(written).unwrap(), @r"
        name        web
        id          aa
        age         5.0 s (heard 1.0 s ago)
        load        0.10 0.20 0.30 (1, 5, 15 min)
        cpu         12 % of 4 cores
        memory      25 % of 8.0 GiB used
        swap        -
        cpu waits   -
        mem waits   -
        io waits    -
        received    -
        sent        2.0 KiB/s
        up          100 s
        processes   -
        disk        25.0 GiB of 100.0 GiB free on /
        ");
    }
}
