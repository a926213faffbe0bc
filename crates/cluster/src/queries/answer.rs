//! The answer of an application, as it travels: its content, or the reason why it failed.

use minicbor::{CborLen, Decode, Encode};
use rumormill_core::payload::Payload;
use rumormill_core::wire;

/// Largest answer, in bytes (issue: larger than a datagram; this is what a stream message holds).
pub const ANSWER_BYTES_MAX: usize = 60 * 1024;
/// The largest reason of a failure, in bytes; the rest is cut off (our guess: a few lines).
pub const FAILURE_BYTES_MAX: usize = 512;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum Answer {
    /// What was asked for.
    #[n(0)]
    Value(#[n(0)] Payload),
    /// It could not be found out, and why.
    #[n(1)]
    Failed(#[n(0)] String),
}

impl Answer {
    /// That something failed, in a few lines.
    pub fn failed(why: &str) -> Answer {
        let end = (0..=why.len().min(FAILURE_BYTES_MAX)).rev().find(|at| why.is_char_boundary(*at));
        Answer::Failed(why[..end.unwrap_or(0)].into())
    }

    /// The bytes that travel.
    pub fn encoded(&self) -> Payload {
        let mut out = Vec::new();
        wire::put(self, &mut out);
        Payload::from(&out[..])
    }

    /// Reads them back; what cannot be read is a failure too.
    pub fn decode(bytes: &[u8]) -> Answer {
        wire::decode(bytes).unwrap_or_else(|_| {
            Answer::failed("its answer cannot be read; is the agent there of a newer version?")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::identity::NodeId;
    use rumormill_core::time::Wall;
    use rumormill_core::wire;
    use rumormill_protocols::spread::events::PAYLOAD_BYTES_MAX;
    use rumormill_protocols::spread::queries::{BODY_BYTES_MAX, FILTERED_BYTES_MAX, QueryId, Question};

    #[test]
    fn the_largest_answer_fits_into_what_travels() {
        let largest = Answer::Value(Payload::from(&vec![7; ANSWER_BYTES_MAX][..]));
        assert!(largest.encoded().len() <= BODY_BYTES_MAX);
        assert_eq!(Answer::decode(&largest.encoded()), largest);
    }

    #[test]
    fn the_largest_question_fits_into_an_event() {
        let largest = Question {
            id: QueryId { asker: NodeId(u64::MAX), epoch: u64::MAX, number: u64::MAX },
            timeout_ms: u32::MAX,
            spread_ms: u32::MAX,
            asked: Wall(u64::MAX),
            filter: Payload::from(&[1; 4_000][..]),
            body: Payload::from(&vec![7; FILTERED_BYTES_MAX - 4_000][..]),
        };
        assert!(wire::len(&largest) <= PAYLOAD_BYTES_MAX, "{} bytes", wire::len(&largest));
    }

    #[test]
    fn a_failure_is_cut_where_a_letter_ends_and_what_cannot_be_read_is_one() {
        let Answer::Failed(cut) = Answer::failed(&format!("a{}", "ü".repeat(FAILURE_BYTES_MAX))) else {
            panic!()
        };
        assert_eq!(cut.len(), FAILURE_BYTES_MAX - 1);
        assert!(matches!(Answer::decode(b"?"), Answer::Failed(_)));
    }
}
