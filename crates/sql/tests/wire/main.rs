//! PostgreSQL's protocol, byte by byte: as PostgreSQL answers, or a refusal with a code; and what a hostile client can do.

#[path = "../common/mod.rs"]
mod common;
mod scripts;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use rumormill_sql::{Engine, Limits, pg};
use rumormill_testkit::needs;
use rumormill_testkit::postgres::{Client, Frame, Server as Real};
use scripts::{SCRIPTS, Script};
use std::net::SocketAddr;
use std::time::Duration;

const PASSWORD: &str = "secret";

/// A server on a free port of loopback; it ends with the runtime.
struct Server {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    fn start(engine: Engine, options: pg::Options, connections: usize) -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(pg::serve(listener, engine, options, pg::Bound::new(connections)));
        Self { address, _runtime: runtime }
    }

    fn plain() -> Self {
        Self::start(common::engine(), pg::Options::new(PASSWORD), 64)
    }

    fn client(&self) -> Client {
        Client::connect(self.address, "ann", "rumormill", PASSWORD).unwrap()
    }
}

/// The answers to a script. Notices and parameters are left out: when they come is the server's choice.
fn answers(client: &mut Client, script: &Script) -> String {
    client.say(script.write).unwrap();
    let mut frames = Vec::new();
    for _ in 0..script.ready {
        frames.extend(client.until_ready().unwrap_or_else(|e| panic!("{}: {e}: {frames:?}", script.name)));
    }
    let shown = frames.iter().filter(|frame| !b"NS".contains(&frame.tag)).map(|frame| format!("{frame:?}"));
    // pgwire counts the row of a setting, which PostgreSQL does not; no client reads it.
    shown.collect::<Vec<_>>().join(", ").replace("C SHOW 1", "C SHOW")
}

/// The scripts that are answered otherwise than they say.
fn wrong(client: &mut Client) -> String {
    let found = SCRIPTS.iter().map(|script| (script, answers(client, script)));
    let wrong = found.filter(|(script, answers)| answers != script.answers);
    let line = |(script, answers): (&Script, String)| {
        format!("{}:\n  {answers}\n  not {}", script.name, script.answers)
    };
    wrong.map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn scripts_of_messages_are_answered_as_postgresql_answers_them() {
    let server = Server::plain();
    let wrong = wrong(&mut server.client());
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_real_postgresql_answers_the_scripts_as_they_say() {
    needs!("postgres");
    let real = Real::start();
    let wrong = wrong(&mut real.client().unwrap());
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn each_connection_is_told_the_parameters_that_clients_read() {
    let server = Server::plain();
    let client = server.client();
    for (name, value) in [
        ("server_version", "14.0"),
        ("server_encoding", "UTF8"),
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO, MDY"),
        ("TimeZone", "UTC"),
        ("integer_datetimes", "on"),
        ("standard_conforming_strings", "on"),
        ("default_transaction_read_only", "on"),
    ] {
        assert_eq!(client.parameters.get(name).map(String::as_str), Some(value), "{name}");
    }
    let mut client = server.client();
    for (sql, value) in
        [("SET application_name = 'me'", "me"), ("SELECT 1", "me"), ("RESET ALL", ""), ("SET a.b = '1'", "")]
    {
        client.query(sql).unwrap();
        assert_eq!(client.parameters.get("application_name").map(String::as_str), Some(value), "{sql}");
    }
}

/// A first message.
fn startup(out: &mut BytesMut) -> std::io::Result<()> {
    frontend::startup_message([("user", "ann"), ("database", "rumormill")], out)
}

#[test]
fn encryption_is_refused_and_the_client_goes_on_without_it() {
    let server = Server::plain();
    let (ssl, gss) = (80_877_103u32, 80_877_104u32);
    for codes in [&[ssl][..], &[gss], &[ssl, gss], &[gss, ssl], &[ssl, ssl]] {
        let mut client = Client::open(server.address).unwrap();
        for code in codes {
            client.send(&[&8u32.to_be_bytes()[..], &code.to_be_bytes()].concat()).unwrap();
            assert_eq!(client.byte().unwrap(), b'N');
        }
        client.log_in("ann", "rumormill", PASSWORD).unwrap();
        assert_eq!(client.rows("SELECT 1").unwrap(), [["1"]]);
    }
}

/// Messages that break the protocol, before and after the login, and the code that they are answered with; none closes without a word.
fn broken() -> Vec<(Vec<u8>, Option<&'static str>)> {
    let first = |body: &[u8]| [&(body.len() as u32 + 4).to_be_bytes()[..], body].concat();
    let version = |major: u16, minor: u16, rest: &[u8]| {
        first(&[&major.to_be_bytes()[..], &minor.to_be_bytes(), rest].concat())
    };
    vec![
        (u32::MAX.to_be_bytes().to_vec(), Some("08P01")),
        (0u32.to_be_bytes().to_vec(), Some("08P01")),
        (vec![0x16, 0x03, 0x01, 0x00, 0xf8, 0x01, 0x00], Some("08P01")), // TLS without a request
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), Some("08P01")),
        (version(2, 0, b"user\0ann\0\0"), Some("08P01")),
        (version(9, 0, b"user\0ann\0\0"), Some("08P01")),
        (version(3, 0, b"user\0ann\0"), Some("08P01")),
        // A key that nobody has: such a connection is closed without an answer.
        (first(&[&80_877_102u32.to_be_bytes()[..], &7u32.to_be_bytes(), &7u32.to_be_bytes()].concat()), None),
    ]
}

fn tagged(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
}

/// Messages that have no such format.
fn malformed() -> Vec<Vec<u8>> {
    let long = |tag: u8, length: u32| [&[tag][..], &length.to_be_bytes()].concat();
    vec![
        long(b'Q', 1 << 30),
        long(b'Q', u32::MAX),
        long(b'B', 3),
        long(b'p', 1 << 29),
        tagged(b'!', b""),
        tagged(b'Q', b"SELECT 1"),
        tagged(b'Q', b"SELECT '\xff'\0"),
        tagged(b'P', b"s\0SELECT 1\0\x7f\xff"),
        tagged(b'B', b"\0\0"),
        tagged(b'B', b"\0\0\0\0\x7f\xff\0\0\0\x01"),
        tagged(b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0"),
        tagged(b'D', b""),
        tagged(b'D', b"Z\0"),
        tagged(b'E', b""),
        tagged(b'C', b"S"),
        tagged(b'S', b"more"),
    ]
}

/// The code of the error with which the server closes the connection.
fn last_word(client: &mut Client) -> Option<String> {
    let mut last: Option<Frame> = None;
    while let Ok(frame) = client.frame() {
        last = Some(frame);
    }
    let error = last.filter(|frame| frame.tag == b'E')?;
    assert_eq!(error.field(b'S').as_deref(), Some("FATAL"), "{error:?}");
    error.field(b'C')
}

#[test]
fn a_broken_message_ends_its_connection_with_a_word_and_no_other_one() {
    let server = Server::plain();
    let mut witness = server.client();
    for (bytes, code) in broken() {
        let mut client = Client::open(server.address).unwrap();
        client.send(&bytes).unwrap();
        assert_eq!(last_word(&mut client).as_deref(), code, "{bytes:?}");
    }
    for bytes in malformed() {
        let mut client = server.client();
        client.send(&bytes).unwrap();
        assert_eq!(last_word(&mut client).as_deref(), Some("08P01"), "after the login: {bytes:?}");
        let mut client = Client::open(server.address).unwrap();
        client.say(startup).unwrap();
        client.frame().unwrap();
        client.send(&bytes).unwrap();
        assert_eq!(last_word(&mut client).as_deref(), Some("08P01"), "before the login: {bytes:?}");
    }
    assert_eq!(witness.rows("SELECT count(*) FROM hosts").unwrap(), [["10"]]);
}

/// Messages in place of a login.
type Attempt<'a> = &'a dyn Fn(&mut Client);

#[test]
fn nobody_asks_without_the_password() {
    let server = Server::plain();
    let sasl = |client: &mut Client, mechanism: &str, data: &[u8]| {
        client.say(|out| frontend::sasl_initial_response(mechanism, data, out)).unwrap();
    };
    let attempts: [(&str, Attempt); 8] = [
        ("a query at once", &|client| client.say(|out| frontend::query("SELECT 1", out)).unwrap()),
        ("a statement at once", &|client| {
            client.say(|out| frontend::parse("", "SELECT 1", [], out)).unwrap();
            client
                .say(|out| {
                    frontend::sync(out);
                    Ok(())
                })
                .unwrap();
        }),
        ("the password in the clear", &|client| {
            client.say(|out| frontend::password_message(PASSWORD.as_bytes(), out)).unwrap();
        }),
        ("another mechanism", &|client| sasl(client, "PLAIN", b"\0ann\0secret")),
        ("no first message", &|client| sasl(client, "SCRAM-SHA-256", b"")),
        ("a first message of commas", &|client| sasl(client, "SCRAM-SHA-256", b",,,,,")),
        ("a first message that is no text", &|client| sasl(client, "SCRAM-SHA-256", &[0xff; 64])),
        ("a last message of nothing", &|client| {
            sasl(client, "SCRAM-SHA-256", b"n,,n=,r=abc");
            client.frame().unwrap();
            client.say(|out| frontend::sasl_response(b"c=,r=,p=", out)).unwrap();
        }),
    ];
    for (name, attempt) in attempts {
        let mut client = Client::open(server.address).unwrap();
        client.say(startup).unwrap();
        client.frame().unwrap();
        attempt(&mut client);
        // Whatever else it sends, no row comes back.
        let _ = client.say(|out| frontend::query("SELECT 1", out));
        let _ = client.say(|out| {
            frontend::sync(out);
            Ok(())
        });
        let code = last_word(&mut client);
        assert!(
            code.as_deref()
                .is_some_and(|code| code.starts_with("08") || code.starts_with("28") || code == "XX000"),
            "{name}: {code:?}"
        );
    }
    let refused = Client::connect(server.address, "ann", "rumormill", "wrong").unwrap_err();
    assert!(refused.to_string().contains("28P01"), "{refused}");
}

#[test]
fn silence_and_half_a_message_are_closed_in_time_and_a_full_server_says_so() {
    let options = pg::Options { login: Duration::from_secs(2), ..pg::Options::new(PASSWORD) };
    let server = Server::start(common::engine(), options, 2);
    let mut silent = [Client::open(server.address).unwrap(), Client::open(server.address).unwrap()];
    silent[1].send(&[0, 0, 0, 42, 0, 3]).unwrap();
    rumormill_testkit::wait::until_true("the server is full", 10, || {
        let mut third = Client::open(server.address).unwrap();
        third.say(startup).unwrap();
        last_word(&mut third).as_deref() == Some("53300")
    });
    assert!(silent.iter_mut().all(Client::is_closed));
    let connect = || Client::connect(server.address, "ann", "rumormill", PASSWORD).ok();
    let (mut client, _) = rumormill_testkit::wait::until("there is a place again", 10, connect);
    assert_eq!(client.rows("SELECT 1").unwrap(), [["1"]]);
}

#[test]
fn a_statement_is_cancelled_by_its_own_key_alone() {
    let limits = Limits { timeout: Duration::from_secs(60), ..Limits::default() };
    let server = Server::start(common::engine_of(200, limits), pg::Options::new(PASSWORD), 8);
    let mut client = server.client();
    let (process, secret) = client.key;
    client
        .say(|out| frontend::query("SELECT count(*) FROM hosts a, hosts b, hosts c, hosts d, hosts e", out))
        .unwrap();
    let cancel = |process: i32, secret: i32| {
        let mut other = Client::open(server.address).unwrap();
        other
            .say(|out| {
                frontend::cancel_request(process, secret, out);
                Ok(())
            })
            .unwrap();
        assert!(other.is_closed());
    };
    cancel(process, secret.wrapping_add(1));
    cancel(process + 1, secret);
    assert!(client.is_silent(Duration::from_millis(200)), "a key that is not its own has ended it");
    cancel(process, secret);
    let frames = client.until_ready().unwrap();
    assert_eq!(format!("{frames:?}"), "[E 57014, Z I]");
    assert_eq!(client.rows("SELECT 1").unwrap(), [["1"]]);
}

#[test]
fn a_connection_has_few_names() {
    let server = Server::plain();
    let mut client = server.client();
    let made = |client: &mut Client, write: &dyn Fn(usize, &mut BytesMut) -> std::io::Result<()>| {
        (0..1_000).find(|nth| {
            client.say(|out| write(*nth, out)).unwrap();
            client
                .say(|out| {
                    frontend::sync(out);
                    Ok(())
                })
                .unwrap();
            client.until_ready().unwrap().iter().any(|frame| frame.field(b'C').as_deref() == Some("54000"))
        })
    };
    let statements = made(&mut client, &|nth, out| frontend::parse(&format!("s{nth}"), "SELECT 1", [], out));
    assert_eq!(statements, Some(256));
    client.query("BEGIN").unwrap();
    let portals = made(&mut client, &|nth, out| {
        let no_value = |(): (), _: &mut BytesMut| Ok(postgres_protocol::IsNull::Yes);
        let bound = frontend::bind(&format!("p{nth}"), "s1", [], [(); 0], no_value, [], out);
        bound.map_err(|_| std::io::Error::other("bind"))
    });
    assert_eq!(portals, Some(16));
    client.query("ROLLBACK").unwrap();
    client.query("DISCARD ALL").unwrap();
    client.say(|out| frontend::parse("s1", "SELECT 1", [], out)).unwrap();
    client
        .say(|out| {
            frontend::flush(out);
            Ok(())
        })
        .unwrap();
    assert_eq!(format!("{:?}", client.frame().unwrap()), "1");
}
