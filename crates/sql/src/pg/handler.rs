//! Simple and extended queries.

use super::command::{Command, split};
use super::startup::Startup;
use super::{Activity, encode};
use crate::engine::{Cancel, Described, Engine, Request, Rows, out_of_time};
use crate::error::{Error, SqlState};
use crate::types::OutColumn;
use crate::types::Type;
use async_trait::async_trait;
use futures_util::stream;
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::results::{CopyResponse, FieldInfo, QueryResponse, Response, Tag};
use pgwire::api::stmt::QueryParser;
use pgwire::api::{ClientInfo, ClientPortalStore, PgWireServerHandlers, Type as PgType};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::copy::CopyData;
use rumormill_core::table::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Statements in one text.
const STATEMENTS_MAX: usize = 100;

/// One connection: the engine, and what SET has set.
pub struct Session {
    inner: Arc<Inner>,
    startup: Arc<Startup>,
}

/// The state that the handlers of a connection share.
pub struct Inner {
    engine: Engine,
    activity: Arc<Activity>,
    settings: Mutex<HashMap<String, String>>,
}

impl Session {
    pub fn new(engine: Engine, startup: Arc<Startup>, activity: Arc<Activity>) -> Self {
        Self { inner: Arc::new(Inner { engine, activity, settings: Mutex::default() }), startup }
    }
}

impl PgWireServerHandlers for Session {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        self.inner.clone()
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        Arc::new(Extended(self.inner.clone()))
    }

    fn startup_handler(&self) -> Arc<impl pgwire::api::auth::StartupHandler> {
        Arc::new(self.startup.handler())
    }

    fn cancel_handler(&self) -> Arc<impl pgwire::api::cancel::CancelHandler> {
        Arc::new(self.startup.cancel_handler())
    }
}

#[async_trait]
impl SimpleQueryHandler for Inner {
    async fn do_query<C>(&self, _: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Unpin + Send + Sync,
    {
        self.activity.touch();
        let commands = split(query, self.engine.limits().text).map_err(wire)?;
        if commands.len() > STATEMENTS_MAX {
            return Err(wire(Error::new(SqlState::TOO_COMPLEX, "too many statements in one text")));
        }
        let mut responses = Vec::new();
        for command in commands {
            match self.answer(&command, Vec::new(), Vec::new(), None).await {
                Ok(response) => responses.push(response),
                Err(error) => {
                    // What follows a statement that failed is not run.
                    responses.push(Response::Error(Box::new(info(error))));
                    break;
                }
            }
        }
        Ok(responses)
    }
}

impl Inner {
    async fn answer(
        &self,
        command: &Command,
        given: Vec<Option<Type>>,
        params: Vec<Cell>,
        format: Option<Format>,
    ) -> Result<Response, Error> {
        Ok(match command {
            Command::Query(sql) => {
                let rows = self.rows(sql, given, params).await?;
                Response::Query(response(rows, format))
            }
            Command::Copy(sql, options) => {
                let rows = self.rows(sql, given, params).await?;
                let width = rows.columns.len();
                let lines = options.lines(&rows).into_iter().map(|line| Ok(CopyData::new(line.into())));
                Response::CopyOut(CopyResponse::new(0, width, stream::iter(lines)))
            }
            Command::Show(name) => {
                let value = self.setting(name)?;
                let column = OutColumn { name: name.to_lowercase().replace(' ', "_"), ty: Type::Text };
                let rows = Rows { columns: vec![column], rows: vec![vec![Cell::Text(value)]] };
                let mut response = response(rows, format);
                response.set_command_tag("SHOW");
                Response::Query(response)
            }
            Command::Set(name, value) => {
                self.set(name, value)?;
                Response::Execution(Tag::new("SET"))
            }
            Command::Begin => Response::TransactionStart(Tag::new("BEGIN")),
            Command::Commit => Response::TransactionEnd(Tag::new("COMMIT")),
            Command::Rollback => Response::TransactionEnd(Tag::new("ROLLBACK")),
            Command::Nothing(tag) => Response::Execution(Tag::new(tag)),
        })
    }

    /// Asks the engine. Whoever stops waiting cancels the statement.
    async fn rows(&self, sql: &str, given: Vec<Option<Type>>, params: Vec<Cell>) -> Result<Rows, Error> {
        let timeout = self.timeout();
        let request = Request { sql: sql.to_owned(), given, params, timeout };
        let (send, receive) = oneshot::channel();
        let asked = Asked(self.engine.submit_request(request, move |answer| _ = send.send(answer)));
        let longest = timeout.unwrap_or(Duration::MAX).min(self.engine.limits().timeout);
        // The thread notices its deadline between two steps of SQLite; a long step must not delay the client.
        let answer = tokio::time::timeout(longest + Duration::from_millis(25), receive).await;
        drop(asked);
        match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Error::new(SqlState::SHUTDOWN, "the SQL engine ends")),
            Err(_) => Err(out_of_time(longest)),
        }
    }

    async fn describe(&self, sql: &str, given: Vec<Option<Type>>) -> Result<Described, Error> {
        let (send, receive) = oneshot::channel();
        self.engine.submit_describe(sql, given, move |answer| _ = send.send(answer));
        receive.await.unwrap_or_else(|_| Err(Error::new(SqlState::SHUTDOWN, "the SQL engine ends")))
    }

    fn setting(&self, name: &str) -> Result<String, Error> {
        let name = name.to_lowercase();
        let own = self.settings.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        if let Some(value) = own.or_else(|| crate::catalog::setting(&name)) {
            return Ok(value);
        }
        if name == "statement_timeout" {
            return Ok(format!("{}ms", self.engine.limits().timeout.as_millis()));
        }
        let message = format!("unrecognized configuration parameter \"{name}\"");
        Err(Error::new(SqlState::UNDEFINED_OBJECT, message))
    }

    fn set(&self, name: &str, value: &str) -> Result<(), Error> {
        if name == "statement_timeout" && value != "0" && !value.eq_ignore_ascii_case("default") {
            milliseconds(value).ok_or_else(|| {
                let message = format!("invalid value for parameter \"statement_timeout\": \"{value}\"");
                Error::new(SqlState::INVALID_PARAMETER, message)
            })?;
        }
        let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        // A client that sets ever new names must not fill the memory.
        if settings.len() < 100 && value.len() < 1_000 {
            settings.insert(name.to_owned(), value.to_owned());
        }
        Ok(())
    }

    /// The connection's own time-out, if it has set one. It counts only if shorter than the engine's.
    fn timeout(&self) -> Option<Duration> {
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let own = milliseconds(settings.get("statement_timeout")?)?;
        (!own.is_zero()).then_some(own)
    }
}

/// `500`, `500ms`, `2s`, `1 min`.
fn milliseconds(value: &str) -> Option<Duration> {
    match value.trim().parse::<u64>() {
        Ok(millis) => Some(Duration::from_millis(millis)),
        Err(_) => u64::try_from(crate::span::parse(value).ok()?.length()).ok().map(Duration::from_micros),
    }
}

/// A statement that is being answered; it is cancelled when nobody waits any more.
struct Asked(Cancel);

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn response(rows: Rows, format: Option<Format>) -> QueryResponse {
    let fields = Arc::new(encode::fields(&rows.columns, format.as_ref()));
    let Rows { columns, rows } = rows;
    let encoded = rows.into_iter().map(move |cells| Ok(encode::row(&cells, &columns, format.as_ref())));
    QueryResponse::new(fields, stream::iter(encoded))
}

/// A prepared statement.
#[derive(Clone, Debug)]
pub struct Prepared {
    command: Command,
    given: Vec<Option<Type>>,
    described: Described,
}

/// The extended protocol.
struct Extended(Arc<Inner>);

#[async_trait]
impl QueryParser for Inner {
    type Statement = Prepared;

    async fn parse_sql<C>(&self, _: &C, sql: &str, types: &[Option<PgType>]) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        self.activity.touch();
        let mut commands = split(sql, self.engine.limits().text).map_err(wire)?;
        let Some(command) = commands.pop() else { return Ok(None) };
        if !commands.is_empty() {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(wire(Error::new(SqlState::SYNTAX, message)));
        }
        let given: Result<Vec<_>, Error> =
            types.iter().map(|ty| ty.as_ref().map_or(Ok(None), encode::own_type)).collect();
        let given = given.map_err(wire)?;
        let described = match &command {
            Command::Query(sql) | Command::Copy(sql, _) => {
                self.describe(sql, given.clone()).await.map_err(wire)?
            }
            Command::Show(name) => Described {
                params: Vec::new(),
                columns: vec![OutColumn { name: name.to_lowercase().replace(' ', "_"), ty: Type::Text }],
            },
            _ => Described { params: Vec::new(), columns: Vec::new() },
        };
        Ok(Some(Prepared { command, given, described }))
    }

    fn get_parameter_types(&self, prepared: &Prepared) -> PgWireResult<Vec<PgType>> {
        Ok(prepared.described.params.iter().map(|ty| encode::pg_type(*ty)).collect())
    }

    fn get_result_schema(
        &self,
        prepared: &Prepared,
        format: Option<&Format>,
    ) -> PgWireResult<Vec<FieldInfo>> {
        if matches!(prepared.command, Command::Copy(..)) {
            return Ok(Vec::new());
        }
        Ok(encode::fields(&prepared.described.columns, format))
    }
}

#[async_trait]
impl ExtendedQueryHandler for Extended {
    type Statement = Prepared;
    type QueryParser = Inner;

    fn query_parser(&self) -> Arc<Inner> {
        self.0.clone()
    }

    async fn do_query<C>(&self, _: &mut C, portal: &Portal<Prepared>, _: usize) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Unpin + Send + Sync,
    {
        self.0.activity.touch();
        let statement = &portal.statement;
        let prepared = &statement.statement;
        let wanted = &prepared.described.params;
        if portal.parameters.len() != wanted.len() {
            let message = format!(
                "bind message supplies {} parameters, but the statement requires {}",
                portal.parameters.len(),
                wanted.len()
            );
            return Err(wire(Error::new(SqlState("08P01"), message)));
        }
        let mut params = Vec::with_capacity(wanted.len());
        for (i, ty) in wanted.iter().enumerate() {
            let named = statement.parameter_types.get(i).cloned().flatten();
            let pg = named.filter(|pg| *pg != PgType::UNKNOWN).unwrap_or_else(|| encode::pg_type(*ty));
            let bytes = portal.parameters.get(i).and_then(|bytes| bytes.as_deref());
            let binary = portal.parameter_format.is_binary(i);
            params.push(encode::parameter(bytes, binary, &pg, *ty).map_err(wire)?);
        }
        let format = portal.result_column_format.clone();
        self.0.answer(&prepared.command, prepared.given.clone(), params, Some(format)).await.map_err(wire)
    }
}

fn info(error: Error) -> ErrorInfo {
    let mut info = ErrorInfo::new("ERROR".to_owned(), error.code.0.to_owned(), error.message);
    info.hint = error.hint;
    info.position = error.position.map(|position| position.to_string());
    info
}

fn wire(error: Error) -> PgWireError {
    PgWireError::UserError(Box::new(info(error)))
}
