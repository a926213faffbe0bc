//! Tokens: secrets that callers of the HTTP API or of Serf's RPC present.

use rumormill_core::words;
use std::path::Path;

/// The fewest characters a token may have (our guess: 96 bits in base64).
pub const TOKEN_CHARS_MIN: usize = 16;

/// A secret, kept as its hash and compared in constant time.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

impl Token {
    /// Reads a token's file. Fails with a text that says what is wrong.
    pub fn load(path: &Path) -> Result<Token, String> {
        Token::parse(&std::fs::read_to_string(path).map_err(|error| error.to_string())?)
    }

    /// Reads a token's file for a protocol that needs the text itself: one word, as [`Token::parse`] takes it.
    pub fn load_text(path: &Path) -> Result<String, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        Token::parse(&text).map(|_| text.trim().to_owned())
    }

    /// Reads a token: the file's text without the space around it.
    pub fn parse(text: &str) -> Result<Token, String> {
        let text = text.trim();
        if text.len() < TOKEN_CHARS_MIN {
            return Err(format!(
                "it has {}; take at least {TOKEN_CHARS_MIN}",
                words::count(text.len(), "character")
            ));
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("it must be one word of printable ASCII characters".into());
        }
        Ok(Token(hash(text.as_bytes())))
    }

    /// Whether `offered` is this token. Takes the same time whatever the two contain.
    pub fn is(&self, offered: &[u8]) -> bool {
        // Both are hashed first, so that an early difference in the comparison says nothing of the token itself.
        self.0.iter().zip(hash(offered)).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    hash.as_ref().try_into().unwrap_or_else(|_| unreachable!("SHA-256 takes 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_itself_alone_and_never_shown() {
        let token = Token::parse(" 0123456789abcdef\n").unwrap();
        assert!(token.is(b"0123456789abcdef"));
        for wrong in ["", "0123456789abcde", "0123456789abcdef0", "0123456789abcdeF"] {
            assert!(!token.is(wrong.as_bytes()), "{wrong}");
        }
        assert!(!format!("{token:?}").contains("0123"));
        for bad in ["short", "0123456789 abcdef", "0123456789abcdeü"] {
            assert!(Token::parse(bad).is_err(), "{bad}");
        }
    }
}
