//! Keys as text.

use rumormill_core::words;
use std::fmt;

/// Bytes of a cluster key.
pub const KEY_BYTES: usize = 32;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding (RFC 4648).
pub fn to_base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, at| bits << 8 | u32::from(*chunk.get(at).unwrap_or(&0)));
        for at in 0..4 {
            let used = at <= chunk.len();
            let letter = ALPHABET[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if used { char::from(letter) } else { '=' });
        }
    }
    out
}

/// The reason why a text is no key. Nothing of the text is kept: it may be nearly a key.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum NoKey {
    /// So many bytes, in base64 or hexadecimal digits.
    Bytes(usize),
    /// 43 characters of base64, the last of which says more than the 32nd byte.
    Remainder,
    /// It stands in quotes.
    Quoted,
    /// JSON, as Serf keeps a keyring.
    Json,
    /// Characters of neither encoding.
    Characters,
}

impl NoKey {
    fn of(s: &str) -> NoKey {
        let letters = s.trim_end_matches('=');
        let is_hex = s.len().is_multiple_of(2) && s.bytes().all(|b| b.is_ascii_hexdigit());
        match s.bytes().next() {
            Some(b'[' | b'{') => NoKey::Json,
            Some(b'"' | b'\'') => NoKey::Quoted,
            _ if is_hex => NoKey::Bytes(s.len() / 2),
            _ if letters.bytes().all(|letter| sextet(letter).is_some()) => {
                NoKey::Bytes(letters.len() * 6 / 8)
            }
            _ => NoKey::Characters,
        }
    }
}

impl fmt::Display for NoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoKey::Bytes(n @ (16 | 24)) => write!(f, "it is {n} bytes long, which Serf takes"),
            NoKey::Bytes(n) => write!(f, "it is {} long", words::count(*n, "byte")),
            NoKey::Remainder => f.write_str("its last character has bits left over"),
            NoKey::Quoted => f.write_str("it stands in quotes, which must go"),
            NoKey::Json => f.write_str(
                "it is JSON, as Serf keeps its keyring; write each key on a line of its own, without quotes, the primary one first",
            ),
            NoKey::Characters => f.write_str("it has characters that base64 does not have"),
        }
    }
}

/// 32 bytes from 64 hexadecimal digits, or from 43 characters of base64 (either alphabet) with or without the padding.
///
/// # Errors
/// Says what it is instead.
pub fn key_bytes(s: &str) -> Result<[u8; KEY_BYTES], NoKey> {
    let mut key = [0; KEY_BYTES];
    if s.len() == 2 * KEY_BYTES && s.bytes().all(|b| b.is_ascii_hexdigit()) {
        let digit = |b: u8| char::from(b).to_digit(16).unwrap_or(0) as u8;
        for (byte, pair) in key.iter_mut().zip(s.as_bytes().chunks(2)) {
            *byte = digit(pair[0]) << 4 | digit(pair[1]);
        }
        return Ok(key);
    }
    let letters = if s.len() == 44 { s.strip_suffix('=').unwrap_or(s) } else { s };
    if letters.len() != 43 {
        return Err(NoKey::of(s));
    }
    let (mut bits, mut have, mut at) = (0u32, 0, 0);
    for letter in letters.bytes() {
        bits = (bits << 6 | sextet(letter).ok_or_else(|| NoKey::of(s))?) & 0xffff;
        have += 6;
        if have >= 8 && at < KEY_BYTES {
            have -= 8;
            key[at] = (bits >> have) as u8;
            at += 1;
        }
    }
    if bits & 3 == 0 { Ok(key) } else { Err(NoKey::Remainder) }
}

fn sextet(letter: u8) -> Option<u32> {
    let letter = match letter {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    };
    ALPHABET.iter().position(|a| *a == letter).map(|at| at as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn base64_is_the_known_one() {
        // RFC 4648, section 10.
        let known = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, coded) in known {
            assert_eq!(to_base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn what_is_no_key_is_said_and_nothing_of_it_is_shown() {
        let of = |text: &str| key_bytes(text).unwrap_err();
        for bytes in [0, 1, 16, 24, 31, 33, 48, 64] {
            let key: Vec<u8> = (0..bytes as u8).map(|b| b.wrapping_mul(89) ^ 0xa5).collect();
            assert_eq!(of(&to_base64(&key)), NoKey::Bytes(bytes));
        }
        assert_eq!((of(&"ab".repeat(16)), of(&"ab".repeat(24))), (NoKey::Bytes(16), NoKey::Bytes(24)));
        let key = to_base64(&[7; 32]);
        for (text, found) in [
            (format!("\"{key}\""), NoKey::Quoted),
            (format!("'{key}'"), NoKey::Quoted),
            (format!("[\"{key}\"]"), NoKey::Json),
            (format!("{{\"keys\": [\"{key}\"]}}"), NoKey::Json),
            (format!("key: {key}"), NoKey::Characters),
            (format!("{}ö", &key[..41]), NoKey::Characters),
            (format!("{}B", &key[..42]), NoKey::Remainder),
        ] {
            assert_eq!(of(&text), found, "{text}");
            assert!(!found.to_string().contains(&key[..8]));
        }
    }

    proptest! {
        #[test]
        fn any_key_comes_back_from_both_encodings(key in any::<[u8; 32]>()) {
            let base64 = to_base64(&key);
            let hex: String = key.iter().map(|b| format!("{b:02x}")).collect();
            prop_assert_eq!(key_bytes(&base64).unwrap(), key);
            prop_assert_eq!(key_bytes(base64.trim_end_matches('=')).unwrap(), key);
            prop_assert_eq!(key_bytes(&base64.replace('+', "-").replace('/', "_")).unwrap(), key);
            prop_assert_eq!(key_bytes(&hex).unwrap(), key);
        }

        #[test]
        fn any_text_is_a_key_or_an_error_but_never_a_panic(s in "\\PC{0,70}") {
            let _ = key_bytes(&s);
        }
    }
}
