//! One connection: its messages in turn, until either side ends it.

use super::activity::Activity;
use super::extended::{Extended, Prepared};
use super::handler::Inner;
use super::intake::Intake;
use super::startup::{self, Startup};
use crate::engine::Engine;
use futures_util::{SinkExt, StreamExt};
use pgwire::api::cancel::DefaultCancelHandler;
use pgwire::api::{ClientInfo, DEFAULT_NAME, DefaultClient, NoopHandler, PgWireConnectionState as State};
use pgwire::error::{ErrorInfo, PgWireError};
use pgwire::messages::response::{GssEncResponse, SslResponse};
use pgwire::messages::{
    PgWireBackendMessage as Reply, PgWireFrontendMessage as Message, SslNegotiationMetaMessage as Negotiation,
};
use pgwire::tokio::server::{PgWireMessageServerCodec, process_error, process_message};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::codec::{Encoder, Framed};

type Wire = Framed<Intake<TcpStream>, PgWireMessageServerCodec<Prepared>>;

/// The handlers of one connection.
#[derive(Clone)]
pub struct Session {
    startup: Arc<startup::Handler>,
    cancel: Arc<DefaultCancelHandler>,
    simple: Arc<Inner>,
    extended: Arc<Extended>,
}

impl Session {
    pub fn new(engine: Engine, startup: &Startup) -> Self {
        let simple = Arc::new(Inner::new(engine));
        Self {
            startup: Arc::new(startup.handler()),
            cancel: Arc::new(startup.cancel_handler()),
            extended: Arc::new(Extended(simple.clone())),
            simple,
        }
    }
}

/// Serves a client.
pub async fn serve(socket: TcpStream, handlers: Session, activity: &Activity) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let client = DefaultClient::new(socket.peer_addr()?, false);
    let mut wire = Framed::new(Intake::new(socket), PgWireMessageServerCodec::new(client));
    while let Some(message) = wire.next().await {
        let message = match message {
            Ok(Message::SslNegotiation(request)) => {
                negotiate(&mut wire, &request).await?;
                continue;
            }
            Ok(Message::Terminate(_)) => return Ok(()),
            Ok(message) => message,
            Err(error) => return end(&mut wire, error).await,
        };
        let is_before_login =
            matches!(wire.state(), State::AwaitingStartup | State::AuthenticationInProgress);
        if is_before_login && !is_of_login(&message) {
            let text = "a message that does not belong to the login";
            let error = PgWireError::UserError(Box::new(fatal("08P01", text)));
            return end(&mut wire, error).await;
        }
        let is_cancel = matches!(message, Message::CancelRequest(_));
        let is_extended = message.is_extended_query();
        let turn = activity.turn();
        let copy = Arc::new(NoopHandler); // COPY … FROM STDIN is refused
        let Session { startup, cancel, simple, extended } = handlers.clone();
        match process_message(message, &mut wire, startup, simple, extended, copy, cancel).await {
            // Only a login lets a client ask.
            Err(error) if is_before_login || error.is_fatal() => return end(&mut wire, error).await,
            Err(error) => process_error(&mut wire, as_postgresql(error), is_extended).await?,
            Ok(()) if is_cancel => return Ok(()),
            Ok(()) if is_before_login && matches!(wire.state(), State::ReadyForQuery) => {
                handlers.simple.begin(wire.metadata().get("application_name").map_or("", String::as_str));
                activity.started();
            }
            Ok(()) => {}
        }
        drop(turn);
    }
    Ok(())
}

fn is_of_login(message: &Message) -> bool {
    matches!(message, Message::Startup(_) | Message::PasswordMessageFamily(_) | Message::CancelRequest(_))
}

/// The error in PostgreSQL's words, with its code.
fn as_postgresql(error: PgWireError) -> PgWireError {
    let (code, message) = match error {
        PgWireError::StatementNotFound(name) if name.is_empty() || name == DEFAULT_NAME => {
            ("26000", "unnamed prepared statement does not exist".to_owned())
        }
        PgWireError::StatementNotFound(name) => {
            ("26000", format!("prepared statement \"{name}\" does not exist"))
        }
        PgWireError::PortalNotFound(name) => ("34000", format!("portal \"{name}\" does not exist")),
        other => return other,
    };
    PgWireError::UserError(Box::new(ErrorInfo::new("ERROR".to_owned(), code.to_owned(), message)))
}

/// Encryption of the connection is refused, and the client goes on without it, or not at all.
async fn negotiate(wire: &mut Wire, request: &Negotiation) -> io::Result<()> {
    match request {
        Negotiation::PostgresSsl(_) => wire.send(Reply::SslResponse(SslResponse::Refuse)).await,
        Negotiation::PostgresGss(_) => wire.send(Reply::GssEncResponse(GssEncResponse::Refuse)).await,
        Negotiation::None => {
            wire.set_state(State::AwaitingStartup);
            Ok(())
        }
    }
}

/// Tells the client why its connection ends.
async fn end(wire: &mut Wire, error: PgWireError) -> io::Result<()> {
    let info = match error {
        // The intake's word about a message; if the connection is broken, nobody hears it.
        PgWireError::IoError(error) => fatal("08P01", &error.to_string()),
        error => {
            let mut info = ErrorInfo::from(error);
            "FATAL".clone_into(&mut info.severity);
            info
        }
    };
    wire.send(Reply::ErrorResponse(info.into())).await?;
    wire.close().await
}

fn fatal(code: &str, message: &str) -> ErrorInfo {
    ErrorInfo::new("FATAL".to_owned(), code.to_owned(), message.to_owned())
}

/// Tells a client that is not served why.
pub async fn refuse(mut socket: TcpStream, why: &str) -> io::Result<()> {
    let mut reply = bytes::BytesMut::new();
    let client = DefaultClient::<Prepared>::new(socket.peer_addr()?, false);
    let message = Reply::ErrorResponse(fatal("53300", why).into());
    PgWireMessageServerCodec::new(client).encode(message, &mut reply)?;
    // Bytes that are unread when a connection is closed reset it, and the client loses the answer.
    let mut first = [0; 512];
    let _ = socket.read(&mut first).await?;
    socket.write_all(&reply).await?;
    socket.shutdown().await
}
