//! An address, or a name that is looked up when it is needed.

use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Addresses of one name that are used (our guess: a name stands for a few machines).
const ADDRESSES_MAX: usize = 16;

/// `ADDR:PORT`, or `HOST:PORT`, which the system's resolver looks up each time that it is used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// An address.
    Socket(SocketAddr),
    /// A name with a port.
    Name(String),
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Socket(address)
    }
}

impl From<&str> for Address {
    fn from(text: &str) -> Address {
        text.parse().map_or_else(|_| Address::Name(text.into()), Address::Socket)
    }
}

impl From<String> for Address {
    fn from(text: String) -> Address {
        Address::from(text.as_str())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Socket(address) => address.fmt(f),
            Address::Name(name) => f.write_str(name),
        }
    }
}

impl Address {
    /// The addresses that it stands for now, at least one.
    pub(crate) async fn lookup(&self) -> io::Result<Vec<SocketAddr>> {
        let name = match self {
            Address::Socket(address) => return Ok(vec![*address]),
            Address::Name(name) => name,
        };
        let found: Vec<SocketAddr> = tokio::net::lookup_host(name).await?.take(ADDRESSES_MAX).collect();
        if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_is_itself_and_a_name_is_looked_up() {
        let address = Address::from("127.0.0.1:7900");
        assert_eq!(address, Address::Socket(([127, 0, 0, 1], 7900).into()));
        assert_eq!(address.lookup().await.unwrap(), [([127, 0, 0, 1], 7900).into()]);
        assert_eq!(Address::from("db.example:7900").to_string(), "db.example:7900");
        assert!(Address::from("no port").lookup().await.is_err());
    }
}
