//! Payloads of events and queries: any bytes, from the command line, a file or standard input.

use crate::outcome::{Failure, Outcome};
use crate::show::bytes;
use clap::Args;
use data_encoding::BASE64;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The payload, on the command line.
#[derive(Clone, Debug, Default, Args)]
pub struct PayloadArgs {
    /// The payload, any bytes: at most 64 KiB of an event, 60 KiB of a query; `-` reads it from standard input
    #[arg(value_name = "PAYLOAD")]
    pub payload: Option<OsString>,
    /// Read the payload from this file
    #[arg(long, value_name = "FILE", conflicts_with = "payload")]
    pub payload_file: Option<PathBuf>,
}

impl PayloadArgs {
    /// The bytes: none if nothing is said.
    pub fn read(&self, bytes_max: usize) -> Outcome<Vec<u8>> {
        let payload = match (&self.payload, &self.payload_file) {
            (Some(text), _) if text == "-" => one_more_than(std::io::stdin(), bytes_max)
                .map_err(|e| Failure::Usage(format!("cannot read the payload from standard input: {e}")))?,
            (Some(text), _) => text.clone().into_vec(),
            (None, Some(path)) => {
                std::fs::File::open(path).and_then(|file| one_more_than(file, bytes_max)).map_err(|e| {
                    Failure::Usage(format!("cannot read the payload from {}: {e}", path.display()))
                })?
            }
            (None, None) => Vec::new(),
        };
        checked(payload, bytes_max)
    }
}

/// Reads so much, and one byte more if there is one.
fn one_more_than(from: impl Read, bytes_max: usize) -> std::io::Result<Vec<u8>> {
    let mut payload = Vec::new();
    from.take(bytes_max as u64 + 1).read_to_end(&mut payload)?;
    Ok(payload)
}

fn checked(payload: Vec<u8>, bytes_max: usize) -> Outcome<Vec<u8>> {
    match payload.len() > bytes_max {
        true => Err(Failure::Usage(format!(
            "the payload takes more than {}; send where the data is to be had, not the data",
            bytes(bytes_max as f64)
        ))),
        false => Ok(payload),
    }
}

/// A payload as JSON carries it: as text, or else in base64.
pub fn in_json(payload: Vec<u8>) -> (Option<String>, Option<String>) {
    match String::from_utf8(payload) {
        Ok(text) => (Some(text), None),
        Err(no_text) => (None, Some(BASE64.encode(no_text.as_bytes()))),
    }
}

/// How many bytes a payload in base64 has; none if it is no base64.
pub fn decoded_len(base64: &str) -> usize {
    BASE64.decode(base64.as_bytes()).map_or(0, |bytes| bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_sent_as_text_and_any_other_bytes_in_base64() {
        assert_eq!(in_json(b"v1".to_vec()), (Some("v1".into()), None));
        assert_eq!(in_json(vec![0xff, 0]), (None, Some("/wA=".into())));
        assert_eq!((decoded_len("/wA="), decoded_len("?")), (2, 0));
    }

    #[test]
    fn a_payload_comes_from_the_command_line_or_a_file_whatever_its_bytes() {
        let said = PayloadArgs { payload: Some(OsString::from_vec(vec![0xff, 0xfe])), payload_file: None };
        assert_eq!(said.read(2).unwrap(), [0xff, 0xfe]);
        assert_eq!(said.read(1).unwrap_err().code(), 2);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("payload");
        let bytes: Vec<u8> = (0..=255).cycle().take(60 * 1024).collect();
        std::fs::write(&path, &bytes).unwrap();
        let from_file = PayloadArgs { payload: None, payload_file: Some(path) };
        assert_eq!(from_file.read(bytes.len()).unwrap(), bytes);
        let failure = from_file.read(bytes.len() - 1).unwrap_err();
        assert_eq!((failure.code(), failure.to_string().contains("60.0 KiB")), (2, true), "{failure}");
        let gone = PayloadArgs { payload: None, payload_file: Some(dir.path().join("none")) };
        assert_eq!(gone.read(1).unwrap_err().code(), 2);
        assert!(PayloadArgs::default().read(1).unwrap().is_empty());
    }
}
