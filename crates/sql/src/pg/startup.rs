//! SCRAM-SHA-256, and what a client is told first.

use async_trait::async_trait;
use pgwire::api::ConnectionManager;
use pgwire::api::auth::sasl::SASLAuthStartupHandler;
use pgwire::api::auth::sasl::scram::{SCRAM_ITERATIONS, ScramAuth, gen_salted_password};
use pgwire::api::auth::{AuthSource, DefaultServerParameterProvider, LoginInfo, Password};
use pgwire::api::cancel::DefaultCancelHandler;
use pgwire::error::PgWireResult;
use std::sync::Arc;

/// The state that all connections share: the password's proof, and their keys for cancelling.
pub struct Startup {
    secret: Arc<Secret>,
    manager: Arc<ConnectionManager>,
    parameters: Arc<DefaultServerParameterProvider>,
}

pub type Handler = SASLAuthStartupHandler<DefaultServerParameterProvider>;

impl Startup {
    pub fn new(password: &str) -> std::io::Result<Self> {
        let mut salt = vec![0; 16];
        getrandom::fill(&mut salt).map_err(|e| std::io::Error::other(e.to_string()))?;
        let salted = gen_salted_password(password, &salt, SCRAM_ITERATIONS);
        let mut parameters = DefaultServerParameterProvider::default();
        let set = |name: &str| crate::catalog::setting(name).unwrap_or_default();
        parameters.server_version = set("server_version");
        parameters.search_path = set("search_path");
        parameters.time_zone = set("timezone");
        parameters.date_style = set("datestyle");
        parameters.default_transaction_read_only = true;
        Ok(Self {
            secret: Arc::new(Secret { salt, salted }),
            manager: Arc::new(ConnectionManager::new()),
            parameters: Arc::new(parameters),
        })
    }

    pub fn handler(&self) -> Handler {
        SASLAuthStartupHandler::new(self.parameters.clone())
            .with_scram(ScramAuth::new(self.secret.clone()))
            .with_connection_manager(self.manager.clone())
    }

    pub fn cancel_handler(&self) -> DefaultCancelHandler {
        DefaultCancelHandler::new(self.manager.clone())
    }
}

/// The password, salted; its text is not kept.
struct Secret {
    salt: Vec<u8>,
    salted: Vec<u8>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

#[async_trait]
impl AuthSource for Secret {
    async fn get_password(&self, _: &LoginInfo) -> PgWireResult<Password> {
        Ok(Password::new(Some(self.salt.clone()), self.salted.clone()))
    }
}
