//! A connection's state, and simple queries.

use super::command::{Command, split};
use super::encode;
use super::names::Names;
use super::settings::Settings;
use crate::engine::{Cancel, Described, Engine, Request, Rows, out_of_time};
use crate::error::{Error, SqlState};
use crate::types::{OutColumn, Type};
use async_trait::async_trait;
use futures_util::{Sink, SinkExt, stream};
use pgwire::api::portal::Format;
use pgwire::api::query::SimpleQueryHandler;
use pgwire::api::results::{CopyResponse, QueryResponse, Response, Tag};
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::CopyData;
use pgwire::messages::response::TransactionStatus;
use pgwire::messages::startup::ParameterStatus;
use rumormill_core::table::Cell;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Statements in one text.
const STATEMENTS_MAX: usize = 100;
/// The only setting that changes and of which a client is told.
const APPLICATION: &str = "application_name";

/// The state that the handlers of a connection share.
pub struct Inner {
    engine: Engine,
    settings: Mutex<Settings>,
    names: Mutex<Names>,
}

/// A query as it is to be answered.
pub struct Asked {
    pub given: Vec<Option<Type>>,
    pub params: Vec<Cell>,
    pub format: Option<Format>,
}

#[async_trait]
impl SimpleQueryHandler for Inner {
    async fn do_query<C>(&self, client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let commands = split(query, self.longest()).map_err(wire)?;
        if commands.len() > STATEMENTS_MAX {
            return Err(wire(Error::new(SqlState::TOO_COMPLEX, "too many statements in one text")));
        }
        if commands.is_empty() {
            return Ok(vec![Response::EmptyQuery]); // a comment alone
        }
        let mut status = client.transaction_status();
        let mut responses = Vec::new();
        for command in commands {
            let asked = Asked { given: Vec::new(), params: Vec::new(), format: None };
            match self.answer(client, &command, status, asked).await? {
                Ok(response) => {
                    status = match &response {
                        Response::TransactionStart(_) => TransactionStatus::Transaction,
                        Response::TransactionEnd(_) => TransactionStatus::Idle,
                        _ => status,
                    };
                    responses.push(response);
                }
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
    pub fn new(engine: Engine) -> Self {
        Self { engine, settings: Mutex::default(), names: Mutex::default() }
    }

    /// Bytes of the longest text.
    pub fn longest(&self) -> usize {
        self.engine.limits().text
    }

    /// Rows of the longest answer.
    pub fn rows_max(&self) -> usize {
        self.engine.limits().rows
    }

    pub fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a command. The outer error is the connection's.
    pub async fn answer<C>(
        &self,
        client: &mut C,
        command: &Command,
        status: TransactionStatus,
        asked: Asked,
    ) -> PgWireResult<Result<Response, Error>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        if let Err(error) = is_possible(command, status) {
            return Ok(Err(error));
        }
        match command {
            Command::Deallocate(_) | Command::Reset(None, "DISCARD ALL") => {
                let name = if let Command::Deallocate(name) = command { name.as_deref() } else { None };
                match self.names().deallocate(name) {
                    Ok(names) => names.iter().for_each(|name| client.portal_store().rm_statement(name)),
                    Err(error) => return Ok(Err(error)),
                }
            }
            _ => {}
        }
        let answer = self.plain(command, status, asked).await;
        if answer.is_ok() && matches!(command, Command::Set(..) | Command::Reset(..)) {
            let name = self.settings().show(APPLICATION, Duration::ZERO).unwrap_or_default();
            let told = ParameterStatus::new(APPLICATION.to_owned(), name);
            client.feed(PgWireBackendMessage::ParameterStatus(told)).await?;
        }
        Ok(answer)
    }

    /// The client has logged in, as a program of that name.
    pub fn begin(&self, application: &str) {
        self.settings().begin(application);
    }

    /// Answers a command that needs nothing of the client's connection.
    async fn plain(
        &self,
        command: &Command,
        status: TransactionStatus,
        asked: Asked,
    ) -> Result<Response, Error> {
        let Asked { given, params, format } = asked;
        let failed = matches!(status, TransactionStatus::Error);
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
                let value = self.settings().show(&name.to_lowercase(), self.engine.limits().timeout)?;
                let rows = Rows { columns: vec![shown(name)], rows: vec![vec![Cell::Text(value)]] };
                let mut response = response(rows, format);
                response.set_command_tag("SHOW");
                Response::Query(response)
            }
            Command::Set(name, value) => {
                self.settings().set(name, value)?;
                Response::Execution(Tag::new("SET"))
            }
            Command::Reset(name, tag) => {
                self.settings().reset(name.as_deref());
                Response::Execution(Tag::new(tag))
            }
            Command::Begin(tag) => Response::TransactionStart(Tag::new(tag)),
            Command::Commit if !failed => Response::TransactionEnd(Tag::new("COMMIT")),
            Command::Commit | Command::Rollback => Response::TransactionEnd(Tag::new("ROLLBACK")),
            Command::Deallocate(None) => Response::Execution(Tag::new("DEALLOCATE ALL")),
            Command::Deallocate(Some(_)) => Response::Execution(Tag::new("DEALLOCATE")),
            Command::Nothing(tag) => Response::Execution(Tag::new(tag)),
        })
    }

    /// Asks the engine. Whoever stops waiting cancels the statement.
    async fn rows(&self, sql: &str, given: Vec<Option<Type>>, params: Vec<Cell>) -> Result<Rows, Error> {
        let timeout = self.settings().timeout();
        let request = Request { sql: sql.to_owned(), given, params, timeout };
        let (send, receive) = oneshot::channel();
        let waiting = Waiting(self.engine.submit_request(request, move |answer| _ = send.send(answer)));
        let longest = timeout.unwrap_or(Duration::MAX).min(self.engine.limits().timeout);
        // The thread notices its deadline between two steps of SQLite; a long step must not delay the client.
        let answer = tokio::time::timeout(longest + Duration::from_millis(25), receive).await;
        drop(waiting);
        match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Error::new(SqlState::SHUTDOWN, "the SQL engine ends")),
            Err(_) => Err(out_of_time(longest)),
        }
    }

    pub async fn describe(&self, sql: &str, given: Vec<Option<Type>>) -> Result<Described, Error> {
        let (send, receive) = oneshot::channel();
        self.engine.submit_describe(sql, given, move |answer| _ = send.send(answer));
        receive.await.unwrap_or_else(|_| Err(Error::new(SqlState::SHUTDOWN, "the SQL engine ends")))
    }
}

/// After an error a transaction takes nothing but its end.
pub fn is_possible(command: &Command, status: TransactionStatus) -> Result<(), Error> {
    let ends = matches!(command, Command::Commit | Command::Rollback);
    if matches!(status, TransactionStatus::Error) && !ends {
        let message = "current transaction is aborted, commands ignored until end of transaction block";
        return Err(Error::new(SqlState("25P02"), message));
    }
    Ok(())
}

/// The column of SHOW.
pub fn shown(name: &str) -> OutColumn {
    OutColumn { name: name.to_lowercase().replace(' ', "_"), ty: Type::Text }
}

/// A statement that is being answered; it is cancelled when nobody waits any more.
struct Waiting(Cancel);

impl Drop for Waiting {
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

fn info(error: Error) -> ErrorInfo {
    let mut info = ErrorInfo::new("ERROR".to_owned(), error.code.0.to_owned(), error.message);
    info.hint = error.hint;
    info.position = error.position.map(|position| position.to_string());
    info
}

pub fn wire(error: Error) -> PgWireError {
    PgWireError::UserError(Box::new(info(error)))
}
