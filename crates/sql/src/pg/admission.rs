//! Admission of connections: the program that serves them decides which ones get a place.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Admits connections.
pub trait Admission: Send + Sync + 'static {
    /// A connection's place.
    type Place: Place;

    /// A place for a connection from that address.
    ///
    /// # Errors
    /// With the reason, for the client, if there is none.
    fn admit(&self, from: IpAddr) -> Result<Self::Place, &'static str>;

    /// The system has no resources for one more connection: another one may be closed.
    fn make_room(&self) {}
}

/// The place of a connection, given back when it is dropped.
pub trait Place: Send + Sync + 'static {
    /// While such a value lives, the connection is being served.
    type Busy: Send + 'static;

    /// A statement came.
    fn busy(&self) -> Self::Busy;

    /// Returns when the place is given to another connection.
    fn evicted(&self) -> impl Future<Output = ()> + Send;
}

/// Admits so many connections at once, whoever they are from.
#[derive(Clone, Debug)]
pub struct Bound(Arc<Semaphore>);

impl Bound {
    /// At most `connections`.
    pub fn new(connections: usize) -> Self {
        Self(Arc::new(Semaphore::new(connections)))
    }
}

impl Admission for Bound {
    type Place = OwnedSemaphorePermit;

    fn admit(&self, _: IpAddr) -> Result<OwnedSemaphorePermit, &'static str> {
        self.0.clone().try_acquire_owned().map_err(|_| "sorry, too many clients already")
    }
}

impl Place for OwnedSemaphorePermit {
    type Busy = ();

    fn busy(&self) {}

    async fn evicted(&self) {
        std::future::pending().await
    }
}
