//! After a stall, what waits in the sockets is handed in before overdue timers: nobody is accused of a silence that was ours.

mod common;

use common::*;
use rumormill_core::identity::Life;
use rumormill_core::{Duration, Time, Wall};
use rumormill_runtime::{App, Book, Handle, Sockets, View, start};
use std::sync::mpsc;

/// Stops its whole thread when the first timer fires, as a SIGSTOP would.
struct Sleeper {
    log: Log,
    stopped: mpsc::Sender<()>,
    resume: mpsc::Receiver<()>,
}

impl App<Toy> for Sleeper {
    fn event(&mut self, event: Event, book: &mut Book, now: Time, wall: Wall) {
        let is_first = matches!(event, Event::Tick(1, _));
        self.log.event(event, book, now, wall);
        if is_first {
            self.stopped.send(()).unwrap();
            self.resume.recv().unwrap();
        }
    }
    fn after(&mut self, node: &Toy, view: &View<'_>) {
        self.log.after(node, view);
    }
    fn superseded(&mut self, life: Life) {
        self.log.superseded(life);
    }
}

#[tokio::test]
async fn datagrams_and_connections_are_read_before_overdue_timers_fire() {
    let a = launch(config(1)).await;
    let (config, log) = (config(2), Log::default());
    let sockets = Sockets::bind(&config).unwrap();
    let contact = sockets.contact().clone();
    let ((stopped, has_stopped), (wake, resume)) = (mpsc::channel(), mpsc::channel());
    let sleeper = Sleeper { log: log.clone(), stopped, resume };
    let (give, take) = tokio::sync::oneshot::channel::<Handle<Toy>>();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let handle = start(config, sockets, Toy::default(), sleeper).await.unwrap();
            let stopped = handle.clone();
            give.send(handle).ok().unwrap();
            stopped.stopped().await;
        });
    });
    let b = Node { handle: take.await.unwrap(), log, contact };
    a.learn(&b).await;
    b.learn(&a).await;
    a.shake_hands(&b, 1).await;
    a.stream(&b, Word::wild(2)).await;
    wait("the connection", || b.heard(&a, 2)).await;

    b.call(Call::After(Duration::from_millis(1), 1)).await;
    b.call(Call::After(Duration::from_millis(300), 2)).await;
    tokio::task::spawn_blocking(move || has_stopped.recv().unwrap()).await.unwrap();
    let sent = a.handle.counters().datagrams_sent;
    for number in 1_000..1_400 {
        a.say(&b, Word::wild(number)).await;
    }
    a.stream(&b, Word::wild(2_000)).await;
    wait("the departure", || {
        let counters = a.handle.counters();
        counters.datagrams_sent > sent && counters.stream_messages_sent == 2
    })
    .await;
    tokio::time::sleep(Duration::from_millis(600)).await; // so that the second timer is overdue by a stall's length
    wake.send(()).unwrap();
    wait("the second timer", || b.log.events.lock().unwrap().iter().any(|e| matches!(e, Event::Tick(2, _))))
        .await;
    let events = b.log.events.lock().unwrap().clone();
    let place =
        |what: &dyn Fn(&Event) -> bool| events.iter().position(what).expect("it came before the timer");
    let timer = place(&|e| matches!(e, Event::Tick(2, _)));
    for number in (1_000..1_400).chain([2_000]) {
        assert!(place(&|e| matches!(e, Event::Heard(_, n, _) if *n == number)) < timer, "{number}");
    }
    b.handle.shutdown().await;
    thread.join().unwrap();
}
