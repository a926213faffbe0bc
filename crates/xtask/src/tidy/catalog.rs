//! Each message of each protocol of the catalog has a golden packet. The golden packets are also what the fuzzer and the hostile tests start
//! from, so a message with a golden packet is in all three.

use super::modules::Source;
use super::tokens::{Token, after_group, tokens, without_tests};
use std::collections::BTreeSet;

/// Where the protocols are.
const PROTOCOLS: &str = "crates/protocols/src/";
/// Packets of this project's version 1, by the name of the protocol and a name of their own.
pub const GOLDEN: &str = "crates/hostile/tests/golden/packets-v1/";

/// A golden packet: the name of its file, and its bytes.
pub type Packet = (String, Vec<u8>);

/// The findings in the protocols among `sources`.
pub fn check(sources: &[Source], golden: &[Packet]) -> Vec<String> {
    let sources: Vec<&Source> = sources.iter().filter(|(path, _)| path.starts_with(PROTOCOLS)).collect();
    let mut findings = Vec::new();
    let mut catalogued = BTreeSet::new();
    for (path, text) in &sources {
        let all = tokens(text);
        let Some(protocol) = implementor(&without_tests(&all), "Catalogued") else { continue };
        catalogued.insert(protocol.to_owned());
        let Some(name) = quoted_after(text, "const NAME: &'static str = ") else {
            findings.push(format!("{path}: the catalog names no {protocol}"));
            continue;
        };
        let written = numbers_in(golden, name);
        let missing = messages(path, &sources).into_iter().filter(|(number, _)| !written.contains(number));
        findings.extend(missing.map(|(_, message)| {
            format!("{path}: samples() has no {message}, so it has no golden packet {GOLDEN}{name}-…")
        }));
    }
    for (path, text) in &sources {
        let all = tokens(text);
        if let Some(protocol) = implementor(&without_tests(&all), "Protocol")
            && !catalogued.contains(protocol)
        {
            findings.push(format!("{path}: {protocol} is not in the catalog"));
        }
    }
    findings
}

/// The type for which `code` implements this trait.
fn implementor<'a>(code: &[Token<'a>], name: &str) -> Option<&'a str> {
    let at = code.windows(2).position(|pair| pair[0].text == name && pair[1].text == "for")?;
    code.get(at + 2).map(|token| token.text)
}

fn quoted_after<'a>(text: &'a str, head: &str) -> Option<&'a str> {
    let (_, tail) = text.split_once(head)?;
    tail.strip_prefix('"')?.split_once('"').map(|(name, _)| name)
}

/// The numbers of the messages in the golden packets of a protocol: an enum is written as an array of the variant's number and its fields.
fn numbers_in(golden: &[Packet], protocol: &str) -> BTreeSet<u8> {
    let prefix = format!("{protocol}-");
    let own = golden.iter().filter(|(name, _)| name.starts_with(&prefix) && !name.ends_with("-datagram"));
    own.filter_map(|(_, bytes)| match bytes[..] {
        [0x82, number @ 0..=0x17, ..] => Some(number),
        [number, ..] => Some(number),
        [] => None,
    })
    .collect()
}

/// The variants of the `Message` of the protocol in this file, by their numbers. It is in the same file, or in the protocol's folder.
fn messages(path: &str, sources: &[&Source]) -> Vec<(u8, String)> {
    let (folder, file) = path.rsplit_once('/').unwrap_or_default();
    let folder = match file {
        "mod.rs" | "catalogued.rs" => folder,
        _ => path.trim_end_matches(".rs"),
    };
    let is_own =
        |other: &str| other == path || other.rsplit_once('/').is_some_and(|(other, _)| other == folder);
    let own = sources.iter().filter(|(other, _)| is_own(other));
    own.flat_map(|(_, text)| variants(&tokens(text))).collect()
}

/// The variants of `enum Message`, with the numbers in their attributes.
fn variants(code: &[Token]) -> Vec<(u8, String)> {
    let head = ["enum", "Message", "{"];
    let is_head = |at: usize| head.iter().zip(&code[at..]).all(|(text, token)| token.text == *text);
    let Some(at) = (0..code.len().saturating_sub(2)).find(|at| is_head(*at)) else { return Vec::new() };
    let end = after_group(code, at + 2) - 1;
    let (mut found, mut number, mut at) = (Vec::new(), None, at + 3);
    while at < end {
        let token = code[at];
        match token.text {
            "#" => {
                let attribute = &code[at + 1..after_group(code, at + 1)];
                let own = attribute.windows(3).find(|three| three[0].text == "n" && three[1].text == "(");
                number = own.and_then(|three| three[2].text.parse().ok()).or(number);
                at += 1 + attribute.len();
            }
            "(" | "{" => at = after_group(code, at),
            _ => {
                if let Some(number) = number.take_if(|_| token.is_word()) {
                    found.push((number, format!("Message::{}", token.text)));
                }
                at += 1;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "/// What is sent.\npub enum Message {\n /// A.\n #[n(0)]\n Ask(#[n(0)] u8),\n #[n(3)] #[cbor(x)] Answer { #[n(0)] a: u8 },\n #[n(4)] End,\n}";
    const CATALOGUED: &str = "impl Catalogued for Chat { const NAME: &'static str = \"chat\"; }";

    fn packet(name: &str, bytes: &[u8]) -> Packet {
        (name.to_owned(), bytes.to_vec())
    }

    #[test]
    fn a_message_without_a_golden_packet_is_found() {
        let file = |name: &str, text: &str| (format!("{PROTOCOLS}spread/{name}"), text.to_owned());
        let whole = format!("{MESSAGE} impl Protocol for Chat {{}} {CATALOGUED}");
        let one = [file("chat.rs", &whole)];
        let folder = [
            file("chat/mod.rs", "impl<K> Protocol for Chat<K> {}"),
            file("chat/message.rs", MESSAGE),
            file("chat/catalogued.rs", CATALOGUED),
            file("other/message.rs", "pub enum Message { #[n(9)] Other }"),
        ];
        let golden = [
            packet("chat-ask", &[0x82, 0, 0x81, 1]),
            packet("chat-answer", &[0x82, 3, 0x81, 1]),
            packet("chat-datagram", &[0x82, 4, 0x80]),
            packet("other-end", &[0x82, 4, 0x80]),
        ];
        for sources in [&one[..], &folder[..]] {
            let found = check(sources, &golden);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains("Message::End"), "{found:?}");
            let whole = [&golden[..], &[packet("chat-end", &[0x82, 4, 0x80])]].concat();
            assert_eq!(check(sources, &whole), [""; 0]);
        }
    }

    #[test]
    fn a_protocol_out_of_the_catalog_is_found() {
        let source = |text: &str| (format!("{PROTOCOLS}spread/chat.rs"), text.to_owned());
        assert_eq!(check(&[source("impl Protocol for Chat {}")], &[]).len(), 1);
        assert_eq!(check(&[source("#[cfg(test)] mod tests { impl Protocol for Toy {} }")], &[]), [""; 0]);
    }
}
