//! Seeds become addresses, with a name server of the test's own.

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use rumormill_agent::config::{Layer, Partial, resolve};
use rumormill_agent::discover::{Finder, Names, Seed, SeedError, lookup};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::UdpSocket;

type Zone = BTreeMap<(String, RecordType), Vec<RData>>;

/// A name server on loopback that answers from a zone which the test may change.
struct NameServer {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    asked: Arc<AtomicUsize>,
}

impl NameServer {
    async fn start() -> NameServer {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (zone, asked) = (Arc::new(Mutex::new(Zone::new())), Arc::new(AtomicUsize::new(0)));
        let (of_task, count) = (zone.clone(), asked.clone());
        tokio::spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((size, from)) = socket.recv_from(&mut buffer).await {
                count.fetch_add(1, Ordering::Relaxed);
                let question = Message::from_vec(&buffer[..size]).unwrap();
                let answer = answer(&question, &of_task.lock().unwrap()).to_vec().unwrap();
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        NameServer { address, zone, asked }
    }

    fn set(&self, name: &str, kind: RecordType, data: Vec<RData>) {
        self.zone.lock().unwrap().insert((name.into(), kind), data);
    }
}

fn answer(question: &Message, zone: &Zone) -> Message {
    let query = question.queries[0].clone();
    let name = query.name().to_string().to_ascii_lowercase();
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.metadata.message_type = MessageType::Response;
    answer.metadata.recursion_desired = true;
    answer.metadata.recursion_available = true;
    let is_known = zone.keys().any(|(known, _)| *known == name);
    answer.metadata.response_code = if is_known { ResponseCode::NoError } else { ResponseCode::NXDomain };
    for data in zone.get(&(name, query.query_type())).into_iter().flatten() {
        answer.add_answer(Record::from_rdata(query.name().clone(), 300, data.clone()));
    }
    answer.add_query(query);
    answer
}

fn a(text: &str) -> RData {
    RData::A(A(text.parse().unwrap()))
}

fn seeds(texts: &[&str]) -> Vec<Seed> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_name_gives_all_its_addresses_and_services_and_what_they_are_at_the_next_look() {
    let dns = NameServer::start().await;
    let target: Name = "node-9.example.org.".parse().unwrap();
    dns.set("seeds.example.org.", RecordType::A, vec![a("10.0.0.1"), a("10.0.0.2")]);
    dns.set("seeds.example.org.", RecordType::AAAA, vec![RData::AAAA(AAAA("2001:db8::3".parse().unwrap()))]);
    dns.set(
        "_rumormill._udp.seeds.example.org.",
        RecordType::SRV,
        vec![RData::SRV(SRV::new(1, 1, 7999, target))],
    );
    dns.set("node-9.example.org.", RecordType::A, vec![a("10.0.0.9")]);
    let look = async |texts: &[&str]| {
        let (mut found, errors) = lookup(&Names::default(), &seeds(texts), Some(dns.address)).await;
        assert_eq!(errors, []);
        found.sort();
        found
    };
    assert_eq!(
        look(&["seeds.example.org."]).await,
        addresses(&["10.0.0.1:7900", "10.0.0.2:7900", "10.0.0.9:7999", "[2001:db8::3]:7900"])
    );
    assert_eq!(
        look(&["seeds.example.org.:7000"]).await,
        addresses(&["10.0.0.1:7000", "10.0.0.2:7000", "[2001:db8::3]:7000"]),
        "with a port, services are not looked for"
    );
    dns.set("seeds.example.org.", RecordType::A, vec![a("10.0.0.4")]);
    assert_eq!(
        look(&["seeds.example.org.:7000"]).await,
        addresses(&["10.0.0.4:7000", "[2001:db8::3]:7000"]),
        "nothing is remembered"
    );
}

#[tokio::test]
async fn a_name_that_leads_nowhere_is_reported_and_the_others_are_found() {
    let dns = NameServer::start().await;
    dns.set("here.example.org.", RecordType::A, vec![a("10.0.0.1")]);
    let wanted = seeds(&["nowhere.example.org.", "10.0.0.7", "here.example.org.", "10.0.0.1"]);
    let (found, errors) = lookup(&Names::default(), &wanted, Some(dns.address)).await;
    assert_eq!(found, addresses(&["10.0.0.7:7900", "10.0.0.1:7900"]), "each once, in the order of the seeds");
    let about: Vec<&str> = errors.iter().map(|e: &SeedError| e.seed.as_str()).collect();
    assert_eq!(about, ["nowhere.example.org."]);
    assert_eq!(errors[0].to_string(), "seed nowhere.example.org.: there is no such name");
}

#[tokio::test]
async fn literal_addresses_never_touch_dns() {
    let dns = NameServer::start().await;
    let (found, errors) =
        lookup(&Names::default(), &seeds(&["10.0.0.7", "[2001:db8::3]:1"]), Some(dns.address)).await;
    assert_eq!((found, errors), (addresses(&["10.0.0.7:7900", "[2001:db8::3]:1"]), vec![]));
    assert_eq!(dns.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_seed_file_is_read_again_and_holds_while_it_is_away() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("seeds");
    std::fs::write(&file, "# the first rack\n10.0.0.1\n\n10.0.0.2:7000 # odd port\nno seed\n").unwrap();
    let flags = Partial {
        join: Some(vec!["10.0.0.9".into()]),
        join_file: Some(file.display().to_string()),
        ..Partial::default()
    };
    let (config, _) = resolve(vec![Layer::flags(flags)], Some("/nowhere".into())).into_config().unwrap();
    let mut finder = Finder::new(&config);
    let (found, errors) = finder.lookup().await;
    assert_eq!(found, addresses(&["10.0.0.9:7900", "10.0.0.1:7900", "10.0.0.2:7000"]));
    assert_eq!(errors.len(), 1);
    assert!(errors[0].seed.ends_with("seeds:5"), "the line is named: {}", errors[0]);

    std::fs::write(&file, "10.0.0.3\n").unwrap();
    assert_eq!(finder.lookup().await, (addresses(&["10.0.0.9:7900", "10.0.0.3:7900"]), vec![]));

    std::fs::remove_file(&file).unwrap();
    let (found, errors) = finder.lookup().await;
    assert_eq!(found, addresses(&["10.0.0.9:7900", "10.0.0.3:7900"]), "what it said last still holds");
    assert_eq!(errors.len(), 1);

    finder.add("10.0.0.8".parse().unwrap());
    assert!(finder.lookup().await.0.contains(&"10.0.0.8:7900".parse().unwrap()));
}

#[tokio::test]
async fn seeds_of_a_new_configuration_take_the_place_of_the_old_ones_and_what_was_added_stays() {
    let dns = NameServer::start().await;
    dns.zone
        .lock()
        .unwrap()
        .insert(("seed.example.".into(), RecordType::A), vec![RData::A(A::new(10, 0, 0, 5))]);
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    std::fs::write(&old, "10.0.1.1\n").unwrap();
    let config = |join: &[&str], file: Option<&std::path::Path>, dns: Option<SocketAddr>| {
        let flags = Partial {
            join: Some(join.iter().map(ToString::to_string).collect()),
            join_file: file.map(|file| file.display().to_string()),
            dns_server: dns.map(|dns| dns.to_string()),
            ..Partial::default()
        };
        resolve(vec![Layer::flags(flags)], Some("/nowhere".into())).into_config().unwrap().0
    };
    let before = config(&["10.0.0.1", "10.0.0.2"], Some(&old), None);
    let mut finder = Finder::new(&before);
    finder.add("10.0.0.8".parse().unwrap());
    let found = finder.lookup().await.0;
    assert_eq!(found, addresses(&["10.0.0.1:7900", "10.0.0.2:7900", "10.0.0.8:7900", "10.0.1.1:7900"]));

    let after = config(&["10.0.0.2", "seed.example:7000"], Some(&new), Some(dns.address));
    finder.configure(&before.join, &after);
    let (found, errors) = finder.lookup().await;
    let expected = addresses(&["10.0.0.8:7900", "10.0.0.2:7900", "10.0.0.5:7000"]);
    assert_eq!(found, expected, "the name server is the new one");
    assert!(
        errors.len() == 1 && errors[0].seed.ends_with("new"),
        "nothing of the old file is left: {errors:?}"
    );

    std::fs::write(&new, "10.0.2.1\n").unwrap();
    assert!(finder.lookup().await.0.contains(&"10.0.2.1:7900".parse().unwrap()));
    finder.configure(&after.join, &config(&[], None, None));
    assert_eq!(finder.lookup().await, (addresses(&["10.0.0.8:7900"]), vec![]), "nobody unsaid that one");
    assert!(!finder.is_empty());
}
