//! Statements about the agent's tables. They run on threads of their own, so no statement delays the node's task by more than a page of rows.

use super::source::AgentSource;
use crate::admission::overflow::reason;
use crate::agent::Agent;
use crate::refusal::Refusal;
use rumormill_runtime::admission::{Busy, Place};
use rumormill_sql::pg;
use rumormill_sql::{Cancel, Cell, Engine, Error, Limits, Rows};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The engine, once a statement was asked. An agent that is never asked pays nothing for it.
#[derive(Default)]
pub(super) struct SqlService {
    engine: OnceLock<Engine>,
}

/// Cancels a statement whose answer nobody waits for any more.
struct Waiting(Cancel);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The places of PostgreSQL's listener.
struct Places(Arc<Agent>);

/// The place of one connection to it.
struct Held(Place);

impl pg::Admission for Places {
    type Place = Held;

    fn admit(&self, from: IpAddr) -> Result<Held, &'static str> {
        self.0.admissions.pg.admit(from).map(Held).map_err(reason)
    }

    fn make_room(&self) {
        self.0.admissions.pg.evict_silent();
    }
}

impl pg::Place for Held {
    type Busy = Busy;

    fn busy(&self) -> Busy {
        self.0.busy()
    }

    async fn evicted(&self) {
        self.0.evicted().await;
    }
}

/// Serves PostgreSQL's protocol until the agent leaves.
pub(crate) async fn serve_postgres(listener: TcpListener, agent: Arc<Agent>, password: String) {
    let (engine, options) = (agent.sql_engine().clone(), pg::Options::new(password));
    let served = pg::serve(listener, engine, options, Places(agent)).await;
    if let Err(error) = served {
        tracing::error!(%error, "PostgreSQL's protocol is not served");
    }
}

impl Agent {
    /// The engine for statements about this agent's tables.
    pub(crate) fn sql_engine(self: &Arc<Self>) -> &Engine {
        let make = || Engine::new(Arc::new(AgentSource::of(self)), Limits::default());
        self.state::<SqlService>().engine.get_or_init(make)
    }

    /// Answers a statement; `then` makes something of the answer on the statement's thread. Dropped before that, the statement is cancelled.
    pub async fn sql<T: Send + 'static>(
        self: &Arc<Self>,
        sql: &str,
        params: &[Cell],
        then: impl FnOnce(Result<Rows, Error>) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let (tell, told) = oneshot::channel();
        let done = move |answer| drop(tell.send(then(answer))); // nobody may wait any more
        let _waiting = Waiting(self.sql_engine().submit(sql, params, done));
        told.await.map_err(|_| Refusal::gone())
    }
}
