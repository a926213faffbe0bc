//! Names and payloads of events and queries, as JSON carries them.

use crate::refusal::Refusal;
use data_encoding::BASE64;
use rumormill_core::payload::Payload;
use rumormill_protocols::spread::events::NAME_BYTES_MAX;

/// A name that an event or a query may have; `what` says which of the two.
pub(crate) fn checked_name(what: &str, name: &str) -> Result<Payload, Refusal> {
    let wrong = match name.len() {
        0 => "is empty".to_string(),
        n if n > NAME_BYTES_MAX => format!("takes {n} bytes; {NAME_BYTES_MAX} are the most"),
        _ if name.contains(char::is_control) => "holds control characters".to_string(),
        _ => return Ok(Payload::from(name.as_bytes())),
    };
    Err(Refusal::invalid(format!("the {what}'s name {wrong}"), "give a short name, such as deploy or load"))
}

/// A payload that comes as text or in base64, or not at all.
pub(crate) fn payload_of(text: Option<String>, base64: Option<String>) -> Result<Vec<u8>, Refusal> {
    match (text, base64) {
        (Some(_), Some(_)) => {
            Err(Refusal::invalid("there are two payloads", "send payload or payload_base64"))
        }
        (Some(text), None) => Ok(text.into_bytes()),
        (None, Some(text)) => BASE64.decode(text.as_bytes()).map_err(|error| {
            Refusal::invalid(
                format!("payload_base64 is no base64: {error}"),
                "encode it by RFC 4648, section 4",
            )
        }),
        (None, None) => Ok(Vec::new()),
    }
}

/// A payload as text, or else in base64.
pub(crate) fn shown_payload(payload: &[u8]) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(payload) {
        Ok(text) => (Some(text.into()), None),
        Err(_) => (None, Some(BASE64.encode(payload))),
    }
}
