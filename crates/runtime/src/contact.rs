//! Where a member says it can be reached: up to [`ADDRESSES_MAX`] socket addresses in at most [`CONTACT_BYTES_MAX`] bytes.
//!
//! On the wire: a CBOR array of byte strings, 6 bytes for IPv4 and a port, 18 for IPv6 and a port, both in network order. An
//! entry of another length is one that a newer writer added, and is skipped.

use rumormill_core::payload::Payload;
use rumormill_core::wire;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The most addresses that one contact holds.
pub const ADDRESSES_MAX: usize = 3;
/// The most bytes that an encoded contact takes: what a member's record has room for.
pub const CONTACT_BYTES_MAX: usize = 64;

const _: () = assert!(ADDRESSES_MAX * 19 < CONTACT_BYTES_MAX); // and one byte for their number

/// The addresses at which a member says it can be reached, the one it likes best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact(Vec<SocketAddr>);

/// The bytes are not a contact.
#[derive(Debug, thiserror::Error)]
pub enum ContactError {
    /// More than [`CONTACT_BYTES_MAX`] bytes.
    #[error("a contact has at most {CONTACT_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// Not CBOR, or not an array of byte strings.
    #[error("not a contact: {0}")]
    Malformed(String),
}

impl Contact {
    /// A contact of the first [`ADDRESSES_MAX`] of `addresses`, without repetitions.
    pub fn new(addresses: impl IntoIterator<Item = SocketAddr>) -> Contact {
        let mut kept = Vec::new();
        for address in addresses {
            let address = canonical(address);
            if kept.len() < ADDRESSES_MAX && !kept.contains(&address) {
                kept.push(address);
            }
        }
        Contact(kept)
    }

    /// The addresses, the preferred one first.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.0
    }

    /// At most [`CONTACT_BYTES_MAX`] bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(CONTACT_BYTES_MAX);
        let mut e = minicbor::Encoder::new(&mut out);
        let written = e.array(self.0.len() as u64).and_then(|e| {
            self.0.iter().try_fold(e, |e, address| {
                let port = address.port().to_be_bytes();
                match address.ip() {
                    IpAddr::V4(ip) => e.bytes(&[&ip.octets()[..], &port].concat()),
                    IpAddr::V6(ip) => e.bytes(&[&ip.octets()[..], &port].concat()),
                }
            })
        });
        assert!(written.is_ok(), "writing to a vector cannot fail");
        out
    }

    /// The encoded contact as a member's record carries it.
    pub fn payload(&self) -> Payload {
        Payload::from(&self.encode()[..])
    }

    /// Reads a contact. No bytes at all are a contact without addresses.
    pub fn decode(bytes: &[u8]) -> Result<Contact, ContactError> {
        if bytes.len() > CONTACT_BYTES_MAX {
            return Err(ContactError::TooLong(bytes.len()));
        }
        if bytes.is_empty() {
            return Ok(Contact::default());
        }
        let end = wire::check(bytes).map_err(|e| ContactError::Malformed(e.to_string()))?;
        if end != bytes.len() {
            return Err(ContactError::Malformed("bytes left over".into()));
        }
        read(bytes).map_err(|e| ContactError::Malformed(e.to_string()))
    }
}

fn read(bytes: &[u8]) -> Result<Contact, minicbor::decode::Error> {
    let mut d = minicbor::Decoder::new(bytes);
    let count = wire::array(&mut d, 0)?;
    let mut addresses = Vec::new();
    for _ in 0..count {
        let entry = d.bytes()?;
        if let Some((ip, port)) = entry.split_last_chunk::<2>() {
            let port = u16::from_be_bytes(*port);
            if let Ok(ip) = <[u8; 4]>::try_from(ip) {
                addresses.push(SocketAddr::from((Ipv4Addr::from(ip), port)));
            } else if let Ok(ip) = <[u8; 16]>::try_from(ip) {
                addresses.push(SocketAddr::from((Ipv6Addr::from(ip), port)));
            }
        }
    }
    Ok(Contact::new(addresses))
}

/// One way to write each address: IPv4 in IPv6 is IPv4, and an IPv6 address has no flow label.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::from((v4, v6.port())),
            None if v6.flowinfo() != 0 => {
                SocketAddr::from(std::net::SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id()))
            }
            None => address,
        },
        SocketAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v6(n: u16, port: u16) -> SocketAddr {
        SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, n], port))
    }

    #[test]
    fn the_largest_contact_fits_the_record_and_comes_back() {
        let contact = Contact::new([v6(1, 65535), v6(2, 65535), v6(3, 65535), v6(4, 1)]);
        assert_eq!(contact.addresses().len(), ADDRESSES_MAX);
        let bytes = contact.encode();
        assert!(bytes.len() <= CONTACT_BYTES_MAX, "{}", bytes.len());
        assert_eq!(Contact::decode(&bytes).unwrap(), contact);
    }

    #[test]
    fn an_entry_of_a_newer_kind_is_skipped_and_the_rest_is_read() {
        let bytes = [0x82, 0x43, 1, 2, 3, 0x46, 127, 0, 0, 1, 0x1e, 0xdc];
        assert_eq!(Contact::decode(&bytes).unwrap().addresses(), [SocketAddr::from(([127, 0, 0, 1], 7900))]);
    }

    #[test]
    fn ipv4_in_ipv6_is_the_same_address_as_ipv4() {
        let mapped: SocketAddr = "[::ffff:10.0.0.1]:7900".parse().unwrap();
        let plain: SocketAddr = "10.0.0.1:7900".parse().unwrap();
        assert_eq!(Contact::new([mapped, plain]).addresses(), [plain]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_contact_or_an_error_but_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(contact) = Contact::decode(&bytes) {
                prop_assert!(contact.addresses().len() <= ADDRESSES_MAX);
                prop_assert_eq!(Contact::decode(&contact.encode()).unwrap(), contact);
            }
        }

        #[test]
        fn any_addresses_come_back(list in prop::collection::vec(any::<SocketAddr>(), 0..5)) {
            let list = list.into_iter().map(|a| match a { // scopes are local to a machine and do not travel
                SocketAddr::V6(a) => SocketAddr::from((*a.ip(), a.port())),
                a => a,
            });
            let contact = Contact::new(list);
            prop_assert_eq!(Contact::decode(&contact.encode()).unwrap(), contact);
        }
    }
}
