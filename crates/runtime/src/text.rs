//! Keys as text, and files that only their owner reads.

use std::io::{self, Write};
use std::path::Path;

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

/// 32 bytes from 64 hexadecimal digits, or from 43 characters of base64 (either alphabet) with or without the padding.
pub fn key_bytes(s: &str) -> Result<[u8; KEY_BYTES], &'static str> {
    let mut key = [0; KEY_BYTES];
    match s.len() {
        64 => {
            for (byte, pair) in key.iter_mut().zip(s.as_bytes().chunks(2)) {
                let digits = std::str::from_utf8(pair).map_err(|_| "not all are hexadecimal digits")?;
                let plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
                let value = u8::from_str_radix(digits, 16).ok().filter(|_| plain);
                *byte = value.ok_or("not all are hexadecimal digits")?;
            }
        }
        43 | 44 => {
            let letters = if s.len() == 44 { s.strip_suffix('=').ok_or("longer than 32 bytes")? } else { s };
            let (mut bits, mut have, mut at) = (0u32, 0, 0);
            for letter in letters.bytes() {
                bits = (bits << 6 | sextet(letter).ok_or("not all are characters of base64")?) & 0xffff;
                have += 6;
                if have >= 8 && at < KEY_BYTES {
                    have -= 8;
                    key[at] = (bits >> have) as u8;
                    at += 1;
                }
            }
            if bits & 3 != 0 {
                return Err("bits are left over");
            }
        }
        _ => return Err("it has the wrong length"),
    }
    Ok(key)
}

fn sextet(letter: u8) -> Option<u32> {
    let letter = match letter {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    };
    ALPHABET.iter().position(|a| *a == letter).map(|at| at as u32)
}

/// Writes `text` to `path` so that its owner alone can read it, and so that there is either the old file or the new one.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id())); // nodes on one machine may share the file
    let beside = Path::new(&beside);
    match std::fs::remove_file(beside) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(beside)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if let Err(e) = written.and_then(|()| std::fs::rename(beside, path)) {
        let _ = std::fs::remove_file(beside);
        return Err(e);
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(dir)?.sync_all() // so that the new name is there after a crash
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

    #[test]
    fn a_private_file_replaces_the_old_one_and_is_for_its_owner_alone() {
        let dir = std::env::temp_dir().join(format!("rumormill-text-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("keys");
        write_private(&path, "old").unwrap();
        write_private(&path, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
