//! Two members in one program: they find each other, exchange a message, ask each other something, and one leaves.
//!
//! `cargo run -- KEYFILE`; without a key file the program makes a key of its own.

use rumormill::{Cluster, Error, Event, Key, Keyring};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let member = |name: &str| {
        let builder = Cluster::builder(name).bind("127.0.0.1:0").tag("role", "example");
        match std::env::args().nth(1) {
            Some(file) => builder.key_file(file),
            None => builder.keyring(Keyring::new(Key::new([7; 32]))), // a secret in a program is none
        }
    };
    let a = member("a").start().await?;
    let mut events = a.subscribe();
    let b = member("b").join(a.addr()).start().await?;
    b.joined().await?;
    b.publish("deploy", "v1.2").await?;
    let asking = tokio::spawn(async move {
        let answers = b.query("load", "").await?.collect().await.answers;
        for (from, answer) in answers {
            println!("b: {} answers {}", from.name, String::from_utf8_lossy(&answer));
        }
        b.leave().await
    });
    while let Some(event) = events.next().await {
        match event {
            Event::Up(member) => println!("a: {} is up, with role {}", member.name, member.tags["role"]),
            Event::Message(message) => println!("a: {} {}", message.name(), message.text()),
            Event::Question(question) => question.answer("0.7").await?,
            Event::Missed(n) => println!("a: {n} events were missed"),
            Event::Left(member) => {
                println!("a: {} left", member.name);
                break;
            }
            _ => {}
        }
    }
    asking.await.expect("the task does not panic")
}
