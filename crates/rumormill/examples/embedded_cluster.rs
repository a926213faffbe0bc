//! A cluster inside a program: three members that find each other on loopback, and one that leaves.

use rumormill::core::identity::{Life, Unsigned};
use rumormill::runtime::{App, Book, Config, Handle, Keyring, Sockets, start};
use rumormill::swim::{Call, Config as Swimming, Event, Me};
use rumormill::{NodeId, Swim, Time, Wall};
use std::time::Duration;

/// What this program does with what its membership tells: it fills the address book, and says who came and went.
struct Log(NodeId);

impl App<Swim<Unsigned>> for Log {
    fn event(&mut self, event: Event, book: &mut Book, _: Time, _: Wall) {
        match event {
            Event::Contact(id, life, contact) => _ = book.runs(id, life).learn(id, &contact),
            Event::Up(id) => println!("{}: {id} is up", self.0),
            Event::Left(id) => println!("{}: {id} left", self.0),
            _ => {}
        }
    }
}

async fn member(i: u64) -> Result<Handle<Swim<Unsigned>>, Box<dyn std::error::Error>> {
    let (id, life) = (NodeId(i), Life { epoch: 1, session: 0xfeed + i }); // a real one: durable epoch, random session
    let config = Config::new("127.0.0.1:0".parse()?, Keyring::insecure(), id, life);
    let sockets = Sockets::bind(&config)?;
    let (contact, tags) = (sockets.contact().payload(), Default::default());
    let me = Me { id, life, name: format!("member-{i}"), contact, tags, copied_from: None };
    Ok(start(config, sockets, Swim::new(Swimming::local(), me, Unsigned), Log(id)).await?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (a, b, c) = (member(1).await?, member(2).await?, member(3).await?);
    for joiner in [&b, &c] {
        joiner.call(Call::Join(joiner.resolve(a.local_addr()).await?)).await?;
    }
    while a.inspect(|swim, _| swim.live_len()).await? < 3 || c.inspect(|swim, _| swim.live_len()).await? < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    b.call(Call::Leave).await?;
    while a.inspect(|swim, _| swim.live_len()).await? > 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("two remain");
    Ok(())
}
