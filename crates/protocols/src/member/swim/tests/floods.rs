//! What floods of made-up members cost: an overfull bucket, and tags without end.

use super::*;
use crate::member::swim::message::Stamp;
use crate::member::swim::record::{TAGS_BYTES_MAX, Tags};
use crate::member::swim::table::bucket;
use crate::member::swim::tags::FOREIGN_BYTES_MAX;
use rumormill_core::wire;

/// Ids that fall into that bucket, beginning with this one.
fn ids_in(of: usize, from: u64) -> impl Iterator<Item = u64> {
    (from..).filter(move |id| bucket(NodeId(*id)) == of)
}

fn card(i: u64, tags: Tags) -> News {
    let Me { id, life, name, contact, .. } = me(i, 1);
    let (incarnation, left, written, copied_from) = (0, false, Wall(1), None);
    let card = record::Card { id, life, incarnation, left, written, name, contact, tags, copied_from };
    News::Card(Record::signed(card, &Summed))
}

/// What a node says to one input.
fn says(node: &mut Node, i: u64, now: Time, input: Input<Node>) -> Vec<Output<Node>> {
    let (mut rng, mut said) = (Rng::seeded(5), Vec::new());
    let mut out = |output| said.push(output);
    node.handle(
        &mut Cx {
            now,
            wall: Wall(1),
            me: NodeId(i),
            peers: &Peers::default(),
            rng: &mut rng,
            room: 1 << 20,
            out: &mut out,
        },
        input,
    );
    said
}

fn hears(node: &mut Node, i: u64, cards: Vec<News>) {
    for page in cards.chunks(100) {
        drop(says(node, i, Time(1), Input::Message(NodeId(9_999), Message::News(page.to_vec().into()))));
    }
}

/// Lets two nodes talk over the stream until they have nothing more to say, as two of this version, or the opener of the one before; returns how
/// many pages of stamps there were.
fn exchange(opener: (&mut Node, u64), peer: (&mut Node, u64), is_old: bool) -> usize {
    let (a, a_id) = opener;
    let (b, b_id) = peer;
    let mut pages = 0;
    let mut waiting: VecDeque<(u64, Message)> = VecDeque::new();
    let queue = |waiting: &mut VecDeque<(u64, Message)>, said: Vec<Output<Node>>| {
        for output in said {
            if let Output::Send(to, Via::Stream, message) = output {
                let bytes = wire::len(&message);
                assert!(
                    bytes <= wire::STREAM_MESSAGE_BYTES_MAX,
                    "{bytes} bytes are more than a stream carries"
                );
                waiting.push_back((to.0, message));
            }
        }
    };
    queue(&mut waiting, says(a, a_id, Time(2), Input::Call(Call::Join(NodeId(b_id)))));
    while let Some((to, mut message)) = waiting.pop_front() {
        match &mut message {
            Message::Stamps { more, .. } => {
                pages += 1;
                *more = more.filter(|_| !is_old);
            }
            Message::Sums { after, .. } if is_old => *after = None,
            _ => {}
        }
        assert!(pages < 100, "the exchange has no end");
        let (node, from) = if to == a_id { (&mut *a, b_id) } else { (&mut *b, a_id) };
        let said = says(node, to, Time(2), Input::Message(NodeId(from), message));
        queue(&mut waiting, said);
    }
    pages
}

/// 5,500 in one bucket; spread over two; and as many as fit one page, and one more.
#[test]
fn a_join_completes_and_both_agree_however_many_ids_were_made_to_fall_into_one_bucket() {
    for (many, buckets, pages) in
        [(5_500, &[17][..], 3), (5_500, &[17, 255], 4), (2_047, &[0], 1), (2_048, &[0], 1)]
    {
        let ids = |of: usize| ids_in(of, 1_000).take(many / buckets.len());
        let cards = buckets.iter().flat_map(|of| ids(*of)).map(|id| card(id, Tags::Inline(Payload::EMPTY)));
        let (mut seed, mut joiner) = (node(1, 1), node(2, 1));
        hears(&mut seed, 1, cards.collect());
        // What the joiner knows is in the same bucket, and the seed lacks it.
        let own: Vec<News> = ids_in(buckets[0], 100_000_000)
            .take(3)
            .map(|id| card(id, Tags::Inline(Payload::EMPTY)))
            .collect();
        hears(&mut joiner, 2, own);
        let seen = exchange((&mut joiner, 2), (&mut seed, 1), false);
        assert_eq!(
            (joiner.live_len(), joiner.root()),
            (seed.live_len(), seed.root()),
            "{many} in {buckets:?}"
        );
        assert_eq!(joiner.live_len(), many / buckets.len() * buckets.len() + 2 + 3);
        assert!(seen <= pages + 2, "{seen} pages");
        assert_eq!(exchange((&mut seed, 1), (&mut joiner, 2), false), 1, "equal peers have nothing to tell");
    }
}

#[test]
fn one_of_the_version_before_joins_through_an_overfull_bucket_and_learns_all_others() {
    let cards = ids_in(17, 1_000).take(5_500).chain(10_000..10_500);
    let (mut seed, mut joiner) = (node(1, 1), node(2, 1));
    hears(&mut seed, 1, cards.map(|id| card(id, Tags::Inline(Payload::EMPTY))).collect());
    exchange((&mut joiner, 2), (&mut seed, 1), true);
    assert!((10_000..10_500).all(|id| joiner.member(NodeId(id)).is_some()));
    assert!(joiner.live_len() > 2_500);
}

#[test]
fn a_peer_that_leads_the_exchange_in_a_circle_ends_it() {
    let mut joiner = node(2, 1);
    drop(says(&mut joiner, 2, Time(2), Input::Call(Call::Join(NodeId(1)))));
    let page = |next, more| Message::Stamps {
        buckets: Payload::from(&[7][..]),
        stamps: Vec::<Stamp>::new(),
        next,
        more,
    };
    let mut asked = 0;
    for (next, more) in
        [(Some(3), None), (Some(3), None), (None, Some(NodeId(5))), (Some(0), Some(NodeId(5)))]
    {
        let said = says(&mut joiner, 2, Time(2), Input::Message(NodeId(1), page(next, more)));
        asked += said.iter().filter(|it| matches!(it, Output::Send(_, _, Message::Sums { .. }))).count();
    }
    assert!(asked <= 2, "asked {asked} times");
}

/// The owner answers for whatever tags its card names.
fn serve(node: &mut Node, i: u64, tags: impl Fn(u64) -> Payload) {
    let mut now = Time(10);
    for _ in 0..100_000 {
        now = now + SECOND * 40;
        let asked = says(node, i, now, Input::Timer(Timer::Fetch));
        let mut waiting: VecDeque<_> = asked.into();
        let mut is_over = true;
        while let Some(output) = waiting.pop_front() {
            let Output::Send(_, _, Message::TagsWant { owner, hash, offset }) = output else { continue };
            is_over = false;
            let all = tags(owner.0);
            let bytes = Payload::from(&all[offset as usize..(offset as usize + 32 * 1024).min(all.len())]);
            let have = Message::TagsHave { owner, hash, offset, bytes };
            waiting.extend(says(node, i, now, Input::Message(owner, have)));
        }
        if is_over {
            return;
        }
    }
}

#[test]
fn large_tags_of_others_take_64_mib_in_all_and_the_ones_used_last_stay() {
    let tags = |id: u64| Payload::from(&mix(id).to_le_bytes().repeat(TAGS_BYTES_MAX / 8)[..]);
    let hashed = |id: u64| card(id, Tags::Hashed(checksum(&tags(id)), TAGS_BYTES_MAX as u32));
    let many = (FOREIGN_BYTES_MAX / TAGS_BYTES_MAX) as u64;
    let ids = |from: u64, count: u64| 10_000 + from..10_000 + from + count;
    let mut node = node(1, 1);
    hears(&mut node, 1, ids(0, many).map(hashed).collect());
    serve(&mut node, 1, tags);
    let here = |node: &Node, id: u64| node.member(NodeId(id)).unwrap().tags.is_some();
    assert!(ids(0, many).all(|id| here(&node, id)) && node.counters().tags_shed == 0);
    // The first one is asked for by a peer just before others come.
    let want = Message::TagsWant { owner: NodeId(10_000), hash: checksum(&tags(10_000)), offset: 0 };
    drop(says(&mut node, 1, Time(20), Input::Message(NodeId(5), want)));
    hears(&mut node, 1, ids(many, 20).map(hashed).collect());
    serve(&mut node, 1, tags);
    assert_eq!(node.tags_bytes(), FOREIGN_BYTES_MAX);
    assert_eq!(node.counters().tags_shed, 20);
    assert!(ids(many, 20).all(|id| here(&node, id)) && here(&node, 10_000));
    let lacks = ids(1, many).filter(|id| !here(&node, *id)).collect::<Vec<_>>();
    assert_eq!(lacks.len(), 20);
    // Whoever wants them has them fetched again.
    drop(says(&mut node, 1, Time(30), Input::Call(Call::FetchTags(NodeId(lacks[0])))));
    serve(&mut node, 1, tags);
    assert!(here(&node, lacks[0]) && node.tags_bytes() <= FOREIGN_BYTES_MAX);
}

#[test]
fn tags_that_never_come_whole_are_bounded_as_well() {
    let mut node = node(1, 1);
    let many = 3 * (FOREIGN_BYTES_MAX / TAGS_BYTES_MAX) as u64;
    let ids = 10_000..10_000 + many;
    hears(&mut node, 1, ids.clone().map(|id| card(id, Tags::Hashed(7, TAGS_BYTES_MAX as u32))).collect());
    for id in ids {
        let bytes = Payload::from(&[7; 32 * 1024][..]);
        let have = Message::TagsHave { owner: NodeId(id), hash: 7, offset: 0, bytes };
        drop(says(&mut node, 1, Time(20), Input::Message(NodeId(id), have)));
        assert!(node.tags_bytes() <= FOREIGN_BYTES_MAX);
    }
    assert_eq!(node.tags_bytes(), FOREIGN_BYTES_MAX);
    assert!(node.counters().tags_shed > 0);
}
