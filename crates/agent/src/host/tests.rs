//! A machine made of files, this machine, and one with a disk that hangs.

use super::disks::{Disks, Size};
use super::*;
use rumormill_core::wire;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A root directory with a `/proc` of the test's own.
struct Fixture(tempfile::TempDir);

impl Fixture {
    fn new() -> Fixture {
        Fixture(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join("proc").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn cpu(&self, user: u64, idle: u64, iowait: u64) {
        self.write(
            "stat",
            &format!("cpu  {user} 0 10 {idle} {iowait} 0 0 0 {user} 0\ncpu0 1 1\ncpu1 1 1\nintr 5 0 0\nctxt 7\nbtime 1\n"),
        );
    }

    fn net(&self, rx: u64, tx: u64) {
        self.write(
            "net/dev",
            &format!(
                "Inter-|   Receive                                                |  Transmit\n face |bytes\n\
                     lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0\n  eth0: {rx} 1 0 0 0 0 0 0 {tx} 1 0 0 0 0 0 0\n\
                 wlan0:{rx} 1 0 0 0 0 0 0 {tx} 1 0 0 0 0 0 0\n"
            ),
        );
    }
}

const MEMINFO: &str = "MemTotal:        8000000 kB\nMemFree:          500000 kB\nMemAvailable:    3000000 kB\nBuffers: 1 kB\n\
Cached: 1 kB\nSwapCached: 0 kB\nActive: 1 kB\nInactive: 1 kB\nSwapTotal:  2000000 kB\nSwapFree: 1500000 kB\nDirty: 0 kB\n\
Writeback: 0 kB\nMapped: 1 kB\nSlab: 1 kB\nCommitted_AS: 1 kB\nVmallocTotal: 1 kB\nVmallocUsed: 0 kB\nVmallocChunk: 0 kB\n";

#[test]
fn a_machine_made_of_files_is_read_to_the_last_digit() {
    let fixture = Fixture::new();
    fixture.write("loadavg", "0.52 1.25 12.00 3/486 12345\n");
    fixture.write("uptime", "86400.99 1000.00\n");
    fixture.write("meminfo", MEMINFO);
    fixture.write(
        "pressure/cpu",
        "some avg10=12.50 avg60=0.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    );
    fixture.write(
        "pressure/io",
        "some avg10=0.75 avg60=0.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    );
    fixture.write("mounts", "/dev/vda / ext4 rw 0 0\nproc /proc proc rw 0 0\n");
    fixture.cpu(1000, 5000, 100);
    fixture.net(1_000_000, 50_000);
    let mut machine = Machine::new(fixture.0.path());
    let first = machine.read_at(Duration::from_secs(5));
    assert_eq!(
        (first.load_1_centi, first.load_5_centi, first.load_15_centi),
        (Some(52), Some(125), Some(1200))
    );
    assert_eq!((first.threads, first.uptime_s, first.cores), (Some(486), Some(86_400), Some(2)));
    assert_eq!((first.mem_total_kib, first.mem_available_kib), (Some(8_000_000), Some(3_000_000)));
    assert_eq!((first.swap_total_kib, first.swap_used_kib), (Some(2_000_000), Some(500_000)));
    assert_eq!((first.pressure_cpu_centipercent, first.pressure_io_centipercent), (Some(1250), Some(75)));
    assert_eq!(first.pressure_memory_centipercent, None, "this kernel does not tell");
    assert_eq!(
        (first.cpu_busy_permille, first.net_rx_bytes_per_s),
        (None, None),
        "a difference needs two readings"
    );

    fixture.cpu(1250, 5700, 150);
    fixture.net(1_005_000, 50_500);
    let second = machine.read_at(Duration::from_secs(10));
    assert_eq!(
        second.cpu_busy_permille,
        Some(250),
        "250 of 1000 ticks; those spent waiting for the disk are idle"
    );
    assert_eq!(
        (second.net_rx_bytes_per_s, second.net_tx_bytes_per_s),
        (Some(2000), Some(200)),
        "two interfaces, five seconds"
    );

    fixture.net(5, 5);
    let third = machine.read_at(Duration::from_secs(15));
    assert_eq!(
        (third.cpu_busy_permille, third.net_rx_bytes_per_s),
        (None, None),
        "no ticks passed; the counters went back"
    );
}

#[test]
fn the_network_of_a_containers_host_is_that_of_its_first_process() {
    let fixture = Fixture::new();
    fixture.net(0, 0);
    fixture.write("1/net/dev", "a\nb\neth0: 0 1 0 0 0 0 0 0 0 1 0 0 0 0 0 0\n");
    let mut machine = Machine::new(fixture.0.path());
    machine.read_at(Duration::from_secs(1));
    fixture.net(7_000, 7_000);
    fixture.write("1/net/dev", "a\nb\neth0: 3000 1 0 0 0 0 0 0 0 1 0 0 0 0 0 0\n");
    assert_eq!(machine.read_at(Duration::from_secs(2)).net_rx_bytes_per_s, Some(3000));
}

#[test]
fn what_a_machine_does_not_have_is_missing_and_no_error() {
    let nothing = tempfile::tempdir().unwrap();
    let mut machine = Machine::new(nothing.path());
    let vitals = machine.read_at(Duration::from_secs(5));
    let own = Vitals {
        agent_rss_kib: vitals.agent_rss_kib,
        agent_cpu_ppm: vitals.agent_cpu_ppm,
        ..Vitals::default()
    };
    assert_eq!(vitals, own);
    let garbled = Fixture::new();
    for name in ["loadavg", "stat", "meminfo", "uptime", "net/dev", "pressure/cpu", "mounts"] {
        garbled.write(name, "\u{1F47B} 12 -\n\n:\n");
    }
    let vitals = Machine::new(garbled.0.path()).read_at(Duration::from_secs(5));
    assert_eq!((vitals.load_1_centi, vitals.cores, vitals.mem_total_kib), (None, None, None));
}

#[test]
fn this_machine_is_read_cheaply_and_its_vitals_are_small() {
    let mut machine = Machine::new(Path::new("/"));
    let first = machine.read();
    assert!(first.load_1_centi.is_some() && first.uptime_s > Some(0) && first.mem_total_kib > Some(1000));
    assert!(first.cores >= Some(1) && first.threads >= first.processes);
    assert!(first.agent_rss_kib > Some(100));
    let rounds = 200;
    let before = proc::own_cpu();
    let started = Instant::now();
    let mut last = Vitals::default();
    for _ in 0..rounds {
        last = machine.read();
    }
    println!(
        "one reading: {:?} of CPU, {:?} in all; {} bytes encoded: {last:?}",
        (proc::own_cpu() - before) / rounds,
        started.elapsed() / rounds,
        last.encoded().len(),
    );
    assert_eq!(Vitals::decode(&last.encoded()).as_ref(), Some(&last));
    assert!(last.encoded().len() <= 200, "{last:?}");
    let listed = std::fs::read_dir("/proc").unwrap().flatten();
    let listed = listed.filter(|e| e.file_name().to_string_lossy().parse::<u32>().is_ok()).count() as i64;
    if let Some(processes) = last.processes {
        // In a container the kernel counts its host's processes as well; otherwise some may have come or gone since.
        assert!(i64::from(processes) >= listed - 50, "{processes} counted, {listed} listed");
    }
}

static HANGS: AtomicBool = AtomicBool::new(true);
static ASKED_HUNG: AtomicUsize = AtomicUsize::new(0);

fn ask(path: &Path) -> Option<Size> {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    if name == "hung" {
        ASKED_HUNG.fetch_add(1, Ordering::SeqCst);
        while HANGS.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let gib = match name.as_str() {
        "hung" => 1000,
        "big" => 500,
        "middle" => 300,
        "small" => 1,
        _ => 10,
    };
    Some(Size { total: gib << 30, used: 1 << 30 })
}

#[test]
fn a_hung_disk_is_reported_as_hung_and_holds_up_neither_the_others_nor_a_second_thread() {
    let fixture = Fixture::new();
    fixture.write(
        "mounts",
        "/dev/a / ext4 rw 0 0\n/dev/b /big xfs rw 0 0\nserver:/x /hung nfs4 rw 0 0\n/dev/c /small ext4 rw 0 0\n\
         /dev/d /middle ext4 rw 0 0\n/dev/b /big/again xfs rw 0 0\ntmpfs /run tmpfs rw 0 0\n/dev/loop1 /snap/x squashfs ro 0 0\n",
    );
    let mut disks = Disks::new(Path::new("/"), fixture.0.path().join("proc/mounts"), ask);
    let mut at = Duration::ZERO;
    let mut buffer = Vec::new();
    let mut read = |disks: &mut Disks| {
        at += Duration::from_secs(INTERVAL_S);
        disks.read(at, &mut buffer)
    };
    let names = |read: &[Disk]| read.iter().map(|d| (d.mount.clone(), d.is_hung)).collect::<Vec<_>>();
    let shown =
        |list: &[(&str, bool)]| list.iter().map(|(m, hung)| (m.to_string(), *hung)).collect::<Vec<_>>();
    // However slow this machine is, it gets there: the root, the one that hangs, then the largest.
    let settled = shown(&[("/", false), ("/hung", true), ("/big", false), ("/middle", false)]);
    poll("the others to be told of", || names(&read(&mut disks)) == settled);
    for _ in 0..20 {
        // Readings follow each other at once, so a busy machine may not have answered for the others yet.
        poll("the others to answer again", || names(&read(&mut disks)) == settled);
    }
    assert_eq!(ASKED_HUNG.load(Ordering::SeqCst), 1, "it was asked once, and has one thread");
    HANGS.store(false, Ordering::SeqCst);
    let healed = shown(&[("/", false), ("/hung", false), ("/big", false), ("/middle", false)]);
    poll("it to answer again", || names(&read(&mut disks)) == healed);
    let last = read(&mut disks);
    assert_eq!((last[1].total_mib, last[1].used_mib), (1000 * 1024, 1024));
}

fn poll(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
    }
}

#[test]
fn an_old_reader_reads_newer_vitals_and_a_new_one_older_ones() {
    let vitals = Vitals { load_1_centi: Some(7), load_15_centi: Some(9), ..Vitals::default() };
    assert_eq!(vitals.encoded(), [0x83, 7, 0xf6, 9], "what is missing at the end takes no room");
    assert_eq!(Vitals::decode(&[0x83, 7, 0xf6, 9]), Some(vitals));
    let no_disks = Vitals { uptime_s: Some(7), ..Vitals::default() };
    assert_eq!(Vitals::decode(&no_disks.encoded()), Some(no_disks));
    let mut newer = vec![0x98, 25];
    newer.extend([1; 12]);
    newer.extend([0x80, 1, 1, 1, 1, 1, 1, 1]);
    newer.extend([0x61, b'x', 0x82, 1, 2, 1, 1, 1]);
    let read = Vitals::decode(&newer).unwrap();
    assert_eq!((read.load_1_centi, read.agent_cpu_ppm, read.disks.len()), (Some(1), Some(1), 0));
}

#[test]
fn no_bytes_make_more_disks_than_there_may_be_or_a_panic() {
    let disk = Disk { mount: "/".into(), total_mib: 1, used_mib: 1, is_hung: false };
    let many = Vitals { disks: vec![disk; 50], ..Vitals::default() };
    assert_eq!(Vitals::decode(&many.encoded()).unwrap().disks.len(), DISKS_MAX);
    let bytes = many.encoded();
    for cut in 0..bytes.len() {
        assert_eq!(Vitals::decode(&bytes[..cut]), None);
    }
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            let _ = Vitals::decode(&bytes);
        }
    }
    assert!(wire::decode::<Vitals>(&[0x9b, 0xff, 0, 0, 0, 0, 0, 0, 0]).is_err());
}

#[test]
fn a_full_reading_is_small_enough_to_ride_on_a_datagram() {
    let disk =
        |mount: &str| Disk { mount: mount.into(), total_mib: 1 << 20, used_mib: 1 << 19, is_hung: false };
    let full = Vitals {
        load_1_centi: Some(1250),
        load_5_centi: Some(990),
        load_15_centi: Some(770),
        cores: Some(64),
        cpu_busy_permille: Some(312),
        mem_total_kib: Some(263_000_000),
        mem_available_kib: Some(131_000_000),
        swap_total_kib: Some(8_000_000),
        swap_used_kib: Some(100_000),
        pressure_cpu_centipercent: Some(350),
        pressure_memory_centipercent: Some(0),
        pressure_io_centipercent: Some(25),
        disks: vec![disk("/")],
        net_rx_bytes_per_s: Some(25_000_000),
        net_tx_bytes_per_s: Some(5_000_000),
        uptime_s: Some(8_000_000),
        processes: Some(1200),
        threads: Some(5400),
        agent_rss_kib: Some(9_800),
        agent_cpu_ppm: Some(1_500),
    };
    let four = Vitals { disks: ["/", "/data", "/backup", "/srv/logs"].map(disk).to_vec(), ..full.clone() };
    println!("{} bytes with one disk, {} with four", full.encoded().len(), four.encoded().len());
    assert!(full.encoded().len() <= 90, "{}", full.encoded().len());
    assert!(four.encoded().len() <= 150, "{}", four.encoded().len());
}
