//! How a request for the current keys and its grant are signed and sealed. Which members may ask is decided in `recovery`.
//!
//! Both sides sign with their identities, and agree on a key that exists for this one answer (X25519, RFC 7748), under which the ring travels
//! (HKDF-SHA256, AES-256-GCM). So a removed key, which an attacker may hold by now, reveals no new one: it is only the envelope.

use crate::identity::{NodeKeys, is_signed};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::hkdf;
use ring::rand::SystemRandom;
use rumormill_core::identity::{Keys, Life, NodeId};
use rumormill_core::payload::Payload;
use rumormill_core::wire;
use rumormill_protocols::agree::keys::{GrantedKeys, RecoveryGrant, RecoveryRequest, Secret};
use rumormill_runtime::keyring::Key;

/// Why a request or a grant is rejected.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// The bytes are no such thing.
    #[error("it cannot be read")]
    Unreadable,
    /// The key is another identity's, or the signature is wrong.
    #[error("it is not signed by who it says it is")]
    Forged,
    /// The grant was sealed for another node, or holds no keys.
    #[error("what it seals cannot be opened")]
    Sealed,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

/// One side: its id, and its half of the key.
struct Side {
    id: NodeId,
    half: [u8; 32],
}

/// A request that is not answered yet.
pub struct Asking {
    life: Life,
    me: Side,
    secret: EphemeralPrivateKey,
}

/// A half of a key, secret and public.
fn half() -> Result<(EphemeralPrivateKey, [u8; 32]), Doubt> {
    let secret = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).map_err(|_| Doubt::Random)?;
    let public = secret.compute_public_key().map_err(|_| Doubt::Random)?;
    let public = public.as_ref().try_into().map_err(|_| Doubt::Random)?;
    Ok((secret, public))
}

/// The text that the asker signs. Everything that follows begins with it.
fn question(cluster: &str, life: Life, asker: &Side) -> Vec<u8> {
    let mut text = b"rumormill away 1".to_vec();
    text.extend((cluster.len() as u64).to_be_bytes());
    text.extend(cluster.as_bytes());
    for number in [asker.id.0, life.epoch, life.session] {
        text.extend(number.to_be_bytes());
    }
    text.extend(asker.half);
    text
}

/// The text to which the key of the grant is bound.
fn talk(cluster: &str, life: Life, asker: &Side, giver: &Side) -> Vec<u8> {
    let mut text = question(cluster, life, asker);
    text.extend(b"rumormill back 1");
    text.extend(giver.id.0.to_be_bytes());
    text.extend(giver.half);
    text
}

struct Okm;
impl hkdf::KeyType for Okm {
    fn len(&self) -> usize {
        32
    }
}

/// The key of one answer: nothing else is ever sealed with it, so that its nonce may be zero.
fn agreed(mine: EphemeralPrivateKey, theirs: &[u8; 32], talk: &[u8]) -> Result<LessSafeKey, Doubt> {
    let derive = |shared: &[u8]| {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"rumormill catch-up 1");
        let mut key = [0; 32];
        let filled = salt.extract(shared).expand(&[talk], Okm).and_then(|okm| okm.fill(&mut key));
        let made = filled.and_then(|()| UnboundKey::new(&AES_256_GCM, &key));
        key.fill(0);
        made
    };
    let key = agree_ephemeral(mine, &UnparsedPublicKey::new(&X25519, theirs), derive);
    key.and_then(|key| key).map(LessSafeKey::new).map_err(|_| Doubt::Sealed)
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

/// Asks: what is to be kept until the answer comes, and what to say.
pub fn ask(keys: &NodeKeys, life: Life, cluster: &str) -> Result<(Asking, Vec<u8>), Doubt> {
    let (secret, half) = half()?;
    let me = Side { id: keys.id(), half };
    let proof = signature(keys, &question(cluster, life, &me))?;
    let public = public(keys)?;
    let mut content = Vec::new();
    wire::put(
        &RecoveryRequest { public: public.into(), half: half.into(), proof: proof.into() },
        &mut content,
    );
    Ok((Asking { life, me, secret }, content))
}

/// Reads what `from` asks in `life`, and finds out that it is really that one.
pub fn hear(content: &[u8], from: NodeId, life: Life, cluster: &str) -> Result<RecoveryRequest, Doubt> {
    let request: RecoveryRequest = wire::decode(content).map_err(|_| Doubt::Unreadable)?;
    let asker = Side { id: from, half: *request.half };
    check(from, &request.public[..], &question(cluster, life, &asker), &request.proof[..])?;
    Ok(request)
}

/// The grant to `from`, which asked in `life`: these keys, for it alone.
pub fn give(
    keys: &NodeKeys,
    (from, life, request): (NodeId, Life, &RecoveryRequest),
    cluster: &str,
    ring: &[Key],
) -> Result<Vec<u8>, Doubt> {
    let (secret, half) = half()?;
    let (asker, me) = (Side { id: from, half: *request.half }, Side { id: keys.id(), half });
    let mut talk = talk(cluster, life, &asker, &me);
    let granted = GrantedKeys { keys: ring.iter().map(|key| Secret(*key.bytes())).collect() };
    let mut sealed = Vec::with_capacity(wire::len(&granted) + AES_256_GCM.tag_len());
    wire::put(&granted, &mut sealed);
    let key = agreed(secret, &asker.half, &talk)?;
    key.seal_in_place_append_tag(nonce(), Aad::empty(), &mut sealed).map_err(|_| Doubt::Sealed)?;
    talk.extend(&sealed);
    let (public, proof) = (public(keys)?, signature(keys, &talk)?);
    let sealed = Payload::from(&sealed[..]);
    let mut content = Vec::new();
    let grant = RecoveryGrant { public: public.into(), half: half.into(), proof: proof.into(), sealed };
    wire::put(&grant, &mut content);
    Ok(content)
}

impl Asking {
    /// Whether `from` really gave this answer, to this very question.
    pub fn is_answered(&self, content: &[u8], from: NodeId, cluster: &str) -> Result<RecoveryGrant, Doubt> {
        let grant: RecoveryGrant = wire::decode(content).map_err(|_| Doubt::Unreadable)?;
        let mut talk = talk(cluster, self.life, &self.me, &Side { id: from, half: *grant.half });
        talk.extend(&grant.sealed[..]);
        check(from, &grant.public[..], &talk, &grant.proof[..])?;
        Ok(grant)
    }

    /// The keys in an answer that was found to be `from`'s, the primary one first.
    pub fn open(self, grant: &RecoveryGrant, from: NodeId, cluster: &str) -> Result<Vec<Key>, Doubt> {
        let talk = talk(cluster, self.life, &self.me, &Side { id: from, half: *grant.half });
        let key = agreed(self.secret, &grant.half, &talk)?;
        let mut sealed = grant.sealed.to_vec();
        let opened = key.open_in_place(nonce(), Aad::empty(), &mut sealed).map_err(|_| Doubt::Sealed)?;
        let granted = wire::decode::<GrantedKeys>(opened);
        sealed.fill(0);
        let granted = granted.map_err(|_| Doubt::Sealed)?;
        Ok(granted.keys.iter().map(|secret| Key::new(secret.0)).collect())
    }
}

fn check(by: NodeId, public: &[u8], text: &[u8], proof: &[u8]) -> Result<(), Doubt> {
    is_signed(by, public, text, proof).then_some(()).ok_or(Doubt::Forged)
}

fn public(keys: &NodeKeys) -> Result<[u8; 32], Doubt> {
    keys.public().try_into().map_err(|_| Doubt::Random)
}

fn signature(keys: &NodeKeys, text: &[u8]) -> Result<[u8; 64], Doubt> {
    keys.sign(text).try_into().map_err(|_| Doubt::Random)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Life = Life { epoch: 3, session: 77 };

    fn keys(n: u8) -> NodeKeys {
        NodeKeys::from_seed(&[n; 32])
    }

    fn ring() -> Vec<Key> {
        vec![Key::new([5; 32]), Key::new([6; 32])]
    }

    #[test]
    fn who_was_away_gets_the_ring_in_its_order() {
        let (asker, giver) = (keys(1), keys(2));
        let (asking, question) = ask(&asker, LIFE, "blue").unwrap();
        let heard = hear(&question, asker.id(), LIFE, "blue").unwrap();
        let answer = give(&giver, (asker.id(), LIFE, &heard), "blue", &ring()).unwrap();
        assert!(answer.len() < rumormill_runtime::key_recovery::RECOVERY_BYTES_MAX);
        let grant = asking.is_answered(&answer, giver.id(), "blue").unwrap();
        assert_eq!(asking.open(&grant, giver.id(), "blue").unwrap(), ring());
    }

    #[test]
    fn the_largest_ring_fits_a_datagram() {
        let (asker, giver) = (keys(1), keys(2));
        let (_, question) = ask(&asker, LIFE, "blue").unwrap();
        let heard = hear(&question, asker.id(), LIFE, "blue").unwrap();
        let full = vec![Key::new([5; 32]); rumormill_runtime::keyring::KEYS_MAX];
        let answer = give(&giver, (asker.id(), LIFE, &heard), "blue", &full).unwrap();
        assert!(answer.len() <= rumormill_runtime::key_recovery::RECOVERY_BYTES_MAX, "{}", answer.len());
    }

    #[test]
    fn nobody_asks_in_anothers_name_life_or_cluster() {
        let (asker, other) = (keys(1), keys(2));
        let (_, question) = ask(&asker, LIFE, "blue").unwrap();
        assert_eq!(hear(&question, other.id(), LIFE, "blue"), Err(Doubt::Forged));
        let later = Life { session: 78, ..LIFE };
        assert_eq!(hear(&question, asker.id(), later, "blue"), Err(Doubt::Forged));
        assert_eq!(hear(&question, asker.id(), LIFE, "green"), Err(Doubt::Forged));
        for at in 0..question.len() {
            let mut changed = question.clone();
            changed[at] ^= 1;
            assert!(hear(&changed, asker.id(), LIFE, "blue").is_err(), "byte {at}");
        }
    }

    #[test]
    fn an_answer_is_the_givers_and_for_the_asker_alone() {
        let (asker, giver) = (keys(1), keys(2));
        let (asking, question) = ask(&asker, LIFE, "blue").unwrap();
        let heard = hear(&question, asker.id(), LIFE, "blue").unwrap();
        let answer = give(&giver, (asker.id(), LIFE, &heard), "blue", &ring()).unwrap();
        assert_eq!(asking.is_answered(&answer, keys(3).id(), "blue"), Err(Doubt::Forged));
        for at in 0..answer.len() {
            let mut changed = answer.clone();
            changed[at] ^= 1;
            assert!(asking.is_answered(&changed, giver.id(), "blue").is_err(), "byte {at}");
        }
        // Another question of the same node, as if the answer to the first came late or again.
        let (second, _) = ask(&asker, LIFE, "blue").unwrap();
        assert_eq!(second.is_answered(&answer, giver.id(), "blue"), Err(Doubt::Forged));
    }
}
