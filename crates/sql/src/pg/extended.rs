//! The extended protocol: prepared statements and portals.

use super::command::{Command, split};
use super::encode;
use super::handler::{Asked, Inner, is_possible, shown, wire};
use crate::engine::Described;
use crate::error::{Error, SqlState};
use crate::types::Type;
use async_trait::async_trait;
use futures_util::{Sink, SinkExt};
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, send_ready_for_query};
use pgwire::api::results::{FieldInfo, Response};
use pgwire::api::stmt::{QueryParser, StoredStatement};
use pgwire::api::store::{Entry, PortalStore};
use pgwire::api::{ClientInfo, ClientPortalStore, DEFAULT_NAME, Type as PgType};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage as Reply;
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Execute, Parse, ParseComplete, Sync as PgSync,
    TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::response::TransactionStatus;
use rumormill_core::table::Cell;
use std::fmt::Debug;
use std::sync::Arc;

/// A prepared statement.
#[derive(Clone, Debug)]
pub struct Prepared {
    command: Command,
    given: Vec<Option<Type>>,
    described: Described,
}

#[async_trait]
impl QueryParser for Inner {
    type Statement = Prepared;

    async fn parse_sql<C>(
        &self,
        client: &C,
        sql: &str,
        types: &[Option<PgType>],
    ) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let mut commands = split(sql, self.longest()).map_err(wire)?;
        let Some(command) = commands.pop() else { return Ok(None) };
        if !commands.is_empty() {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(wire(Error::new(SqlState::SYNTAX, message)));
        }
        is_possible(&command, client.transaction_status()).map_err(wire)?;
        let given: Result<Vec<_>, Error> =
            types.iter().map(|ty| ty.as_ref().map_or(Ok(None), encode::own_type)).collect();
        let given = given.map_err(wire)?;
        let described = match &command {
            Command::Query(sql) | Command::Copy(sql, _) => {
                self.describe(sql, given.clone()).await.map_err(wire)?
            }
            Command::Show(name) => Described { params: Vec::new(), columns: vec![shown(name)] },
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

/// The name by which a statement or a portal is kept.
fn named(name: &Option<String>) -> &str {
    name.as_deref().unwrap_or(DEFAULT_NAME)
}

/// Checks that a Bind message has as many values and formats as the statement wants.
fn fits(message: &Bind, name: &str, wanted: usize, columns: usize) -> Result<(), Error> {
    let broken = |text: String| Err(Error::new(SqlState("08P01"), text));
    let supplied = message.parameters.len();
    if supplied != wanted {
        return broken(format!(
            "bind message supplies {supplied} parameters, but prepared statement \"{name}\" requires {wanted}"
        ));
    }
    let formats = message.parameter_format_codes.len();
    if formats > 1 && formats != wanted {
        return broken(format!("bind message has {formats} parameter formats but {wanted} parameters"));
    }
    let formats = message.result_column_format_codes.len();
    if formats > 1 && formats != columns {
        return broken(format!("bind message has {formats} result formats but query has {columns} columns"));
    }
    Ok(())
}

/// The handler of its messages.
pub struct Extended(pub Arc<Inner>);

#[async_trait]
impl ExtendedQueryHandler for Extended {
    type Statement = Prepared;
    type QueryParser = Inner;

    fn query_parser(&self) -> Arc<Inner> {
        self.0.clone()
    }

    async fn on_parse<C>(&self, client: &mut C, message: Parse) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<Reply> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<Reply>>::Error>,
    {
        let parsed = StoredStatement::parse(client, &message, self.query_parser()).await?;
        self.0.names().add_statement(message.name.as_deref()).map_err(wire)?;
        match parsed {
            Some(statement) => client.portal_store().put_statement(Arc::new(statement)),
            None => client.portal_store().put_empty_statement(named(&message.name)),
        }
        client.feed(Reply::ParseComplete(ParseComplete::new())).await?;
        Ok(())
    }

    async fn on_bind<C>(&self, client: &mut C, message: Bind) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<Reply> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<Reply>>::Error>,
    {
        let statement = client.portal_store().get_statement(named(&message.statement_name));
        let name = message.statement_name.as_deref().unwrap_or_default();
        let statement = statement.ok_or_else(|| PgWireError::StatementNotFound(name.to_owned()))?;
        let (wanted, columns) = match &statement {
            Entry::Value(statement) => {
                let Prepared { command, described, .. } = &statement.statement;
                is_possible(command, client.transaction_status()).map_err(wire)?;
                (described.params.len(), described.columns.len())
            }
            Entry::Empty => (0, 0),
        };
        fits(&message, name, wanted, columns).map_err(wire)?;
        self.0.names().add_portal(message.portal_name.as_deref()).map_err(wire)?;
        match statement {
            Entry::Value(statement) => {
                client.portal_store().put_portal(Arc::new(Portal::try_new(&message, statement)?));
            }
            Entry::Empty => client.portal_store().put_empty_portal(named(&message.portal_name)),
        }
        client.feed(Reply::BindComplete(BindComplete::new())).await?;
        Ok(())
    }

    async fn on_execute<C>(&self, client: &mut C, mut message: Execute) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<Reply> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<Reply>>::Error>,
    {
        // Room is made for as many rows as are asked for. No number of rows, and more than there can be, are all.
        let is_bound = usize::try_from(message.max_rows).is_ok_and(|rows| rows <= self.0.rows_max());
        message.max_rows = if is_bound { message.max_rows } else { 0 };
        self._on_execute(client, message).await
    }

    async fn on_close<C>(&self, client: &mut C, message: Close) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<Reply> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<Reply>>::Error>,
    {
        if message.target_type == TARGET_TYPE_BYTE_STATEMENT {
            self.0.names().remove_statement(message.name.as_deref());
            client.portal_store().rm_statement(named(&message.name));
        } else {
            self.0.names().remove_portal(message.name.as_deref());
            client.portal_store().rm_portal(named(&message.name));
        }
        client.feed(Reply::CloseComplete(CloseComplete::new())).await?;
        Ok(())
    }

    async fn on_sync<C>(&self, client: &mut C, _: PgSync) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<Reply> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<Reply>>::Error>,
    {
        let status = client.transaction_status();
        if !matches!(status, TransactionStatus::Transaction) {
            // Portals end with their transaction.
            client.portal_store().clear_portals();
            self.0.names().remove_portals();
        }
        send_ready_for_query(client, status).await
    }

    async fn do_query<C>(&self, client: &mut C, portal: &Portal<Prepared>, _: usize) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<Reply> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Self::Statement>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<Reply>>::Error>,
    {
        let statement = &portal.statement;
        let prepared = &statement.statement;
        let wanted = &prepared.described.params;
        let mut params: Vec<Cell> = Vec::with_capacity(wanted.len());
        for (i, ty) in wanted.iter().enumerate() {
            let named = statement.parameter_types.get(i).cloned().flatten();
            let pg = named.filter(|pg| *pg != PgType::UNKNOWN).unwrap_or_else(|| encode::pg_type(*ty));
            let bytes = portal.parameters.get(i).and_then(|bytes| bytes.as_deref());
            let binary = portal.parameter_format.is_binary(i);
            params.push(encode::parameter(bytes, binary, &pg, *ty).map_err(wire)?);
        }
        let format = Some(portal.result_column_format.clone());
        let asked = Asked { given: prepared.given.clone(), params, format };
        let status = client.transaction_status();
        self.0.answer(client, &prepared.command, status, asked).await?.map_err(wire)
    }
}
