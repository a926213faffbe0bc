use super::super::messages::{Event, Member, Members, Request, Response, Tags};
use super::*;
use crate::serf_rpc::reply::body;
use data_encoding::HEXLOWER;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

/// All values of `bytes`, which come `step` bytes at a time, and how it ended.
fn cut(bytes: &[u8], step: usize) -> (Vec<Vec<u8>>, FrameError) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (to, from) = tokio::io::duplex(step);
    let mut frames = Frames::new(from);
    let sent = bytes.to_vec();
    runtime.block_on(async move {
        let sending = tokio::spawn(async move {
            let mut to = to;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut to, &sent).await;
        });
        let mut found = Vec::new();
        let end = loop {
            match frames.next().await {
                Ok(frame) => found.push(frame),
                Err(error) => break error,
            }
        };
        sending.abort();
        (found, end)
    })
}

/// As Serf 0.9.4's own command sends them: a handshake and an event, each a header and a body.
const SENT: [&str; 4] = [
    "82a7436f6d6d616e64a968616e647368616b65a353657101",
    "81a756657273696f6e01",
    "82a7436f6d6d616e64a56576656e74a353657102",
    "83a8436f616c65736365c3a44e616d65a66465706c6f79a75061796c6f6164c403616263",
];

#[test]
fn what_the_serf_command_sends_is_cut_into_values_however_it_comes() {
    let all: Vec<u8> = SENT.iter().flat_map(|text| hex(text)).collect();
    for step in [1, 2, 7, 4096] {
        let (found, end) = cut(&all, step);
        assert_eq!(found, SENT.map(hex), "{step} bytes at a time");
        assert!(matches!(end, FrameError::Ended));
    }
    let request: Request = decode(&hex(SENT[2])).unwrap();
    assert_eq!(request, Request { command: "event".into(), seq: 2 });
    let event: Event = decode(&hex(SENT[3])).unwrap();
    assert_eq!((event.name.as_str(), &event.payload.0[..], event.coalesce), ("deploy", &b"abc"[..], true));
}

#[test]
fn what_is_nil_missing_or_unknown_is_nothing_and_a_text_can_be_bytes() {
    let tags: Tags = decode(&hex("82aa44656c65746554616773c0a45461677381a161a131")).unwrap();
    assert_eq!((tags.tags, tags.delete_tags), (BTreeMap::from([("a".into(), "1".into())]), Vec::new()));
    // {"Name": "x", "Payload": "abc" as a text, "Later": [nil]}, and the same with a payload that is no UTF-8
    let event: Event = decode(&hex("83a44e616d65a178a75061796c6f6164a3616263a54c6174657291c0")).unwrap();
    assert_eq!(event.payload, Bytes(b"abc".to_vec()));
    let event: Event = decode(&hex("82a44e616d65a178a75061796c6f6164a3ff00fe")).unwrap();
    assert_eq!(event.payload, Bytes(vec![0xff, 0, 0xfe]));
}

#[test]
fn answers_are_the_bytes_that_serfs_own_agent_sends() {
    let response = Response { error: String::new(), seq: 2 };
    assert_eq!(body(&response), hex("82a54572726f72a0a353657102"));
    let real = Member {
        addr: Bytes(vec![127, 0, 0, 1]),
        delegate_cur: 5,
        delegate_max: 5,
        delegate_min: 2,
        name: "real".into(),
        port: 27946,
        protocol_cur: 2,
        protocol_max: 5,
        protocol_min: 1,
        status: "alive",
        tags: BTreeMap::from([("role".into(), "web".into())]),
    };
    let sent = concat!(
        "81a74d656d62657273918ba441646472c4047f000001ab44656c656761746543757205ab44656c65676174654d617805",
        "ab44656c65676174654d696e02a44e616d65a47265616ca4506f7274cd6d2aab50726f746f636f6c43757202",
        "ab50726f746f636f6c4d617805ab50726f746f636f6c4d696e01a6537461747573a5616c697665a45461677381a4726f6c65a3776562"
    );
    assert_eq!(body(&Members { members: vec![real] }), hex(sent));
}

#[test]
fn what_is_no_request_is_refused_before_it_costs_anything() {
    for (bytes, why) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "a page's request"),
        (&[0xc1], "what begins no value"),
        (&[0x81, 0xa1, b'x', 0xc1], "the same inside"),
        (&[0x91, 0x01], "a list"),
        (&[0xc0], "nil"),
    ] {
        assert!(matches!(cut(bytes, 4096).1, FrameError::NoMap), "{why}");
    }
    for (bytes, why) in [
        (&[0x81, 0xa1, b'x', 0xdb, 0xff, 0xff, 0xff, 0xff][..], "a text of 4 GiB"),
        (&[0xdf, 0xff, 0xff, 0xff, 0xff], "a map of 4 Gi entries"),
        (&[0x81, 0xa1, b'x', 0xdd, 0x7f, 0xff, 0xff, 0xff], "a list of 2 Gi values"),
    ] {
        assert!(matches!(cut(bytes, 4096).1, FrameError::TooLarge), "{why}");
    }
    let deep = [&[0x81, 0xa1, b'x'][..], &[0x91; 1000], &[0xc0]].concat();
    let (found, _) = cut(&deep, 4096);
    assert!(decode::<Request>(&found[0]).is_err(), "nested a thousand levels deep");
}

proptest! {
    /// However bytes come, they are cut in the same places; each value is read or refused, and none is larger than the bound.
    #[test]
    fn any_bytes_end_in_values_or_an_error(mut bytes in vec(any::<u8>(), 0..300), step in 1usize..64, map in 0x80u8..0x90) {
        if let Some(first) = bytes.first_mut() {
            *first = map; // else nearly nothing goes beyond the first byte
        }
        let (found, _) = cut(&bytes, step);
        prop_assert_eq!(&found, &cut(&bytes, 4096).0);
        prop_assert!(bytes.starts_with(&found.concat()));
        for frame in found {
            let _ = (decode::<Request>(&frame), decode::<Event>(&frame), decode::<Tags>(&frame));
        }
    }
}
