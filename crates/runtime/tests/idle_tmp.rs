mod common;
use common::*;
#[tokio::test]
async fn idle() {
    let stat = || std::fs::read_to_string("/proc/self/status").unwrap().lines().filter(|l| l.starts_with("VmRSS") || l.contains("ctxt")).collect::<Vec<_>>().join(" ");
    println!("before {}", stat());
    let one = launch(config(1)).await;
    println!("one {}", stat());
    let nodes = cluster(100).await;
    println!("101 {}", stat());
    for n in &nodes[1..] { nodes[0].shake_hands(n, 1).await; }
    println!("talked {}", stat());
    let t = || std::fs::read_to_string("/proc/thread-self/status").unwrap().lines().filter(|l| l.contains("ctxt")).collect::<Vec<_>>().join(" ");
    println!("thread {}", t());
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    println!("3s later {} {}", stat(), t());
    drop(one);
    // throughput
    let (a, b) = (&nodes[0], &nodes[1]);
    let start = std::time::Instant::now();
    for n in 0..20000 { a.say(b, Word::loaded(n, 1200)).await; }
    wait("x", || a.handle.counters().datagrams_sent >= 100).await;
    println!("20000 calls in {:?} {:?}", start.elapsed(), b.handle.counters().datagrams_received);
}
