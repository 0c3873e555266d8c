//! Connections to PostgreSQL.

use std::{error::Error, fmt, io, net::IpAddr, time::Duration};

use circuits_objects::Blocking;
use circuits_tasks::queue::QueueError;
use graphile_worker::{DbError, tokio_postgres::TokioPostgresDatabase};
use thiserror::Error;
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
    error::SqlState,
};

/// How long to wait for a connection, unless the connection string says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long sent bytes may stay unacknowledged: a machine that has vanished is noticed, whatever it was asked.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a connection string is refused. No variant repeats it, because it may have a password.
#[derive(Debug, Error)]
pub enum ConnectionError {
    /// It is neither a URL nor a list of keys and values.
    #[error(
        "the connection string is malformed; expected postgres://USER:PASSWORD@HOST/DATABASE, or host=HOST user=USER ..."
    )]
    Malformed,
    /// It names a host in a network, and the connection need not be encrypted.
    #[error("the connection string names the host {host}, so it needs sslmode=require")]
    Unencrypted { host: String },
    /// The certificates that `PGSSLROOTCERT` names cannot be used.
    #[error("cannot prepare connections to PostgreSQL: {0}")]
    Pool(DbError),
    /// The runtime that speaks to the database cannot be started.
    #[error("cannot start the runtime for PostgreSQL: {0}")]
    Runtime(#[source] io::Error),
}

/// A connection string that was read: where a database is, and as whom to enter it.
#[derive(Clone)]
pub struct Connection {
    config: Config,
}

/// Omits everything: a connection string may have a password.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    /// Reads a connection string, a URL or `key=value` pairs as PostgreSQL's own programs take them. A host other than this
    /// machine needs `sslmode=require`, which also checks its certificate.
    ///
    /// # Errors
    /// [`ConnectionError::Malformed`] or [`ConnectionError::Unencrypted`].
    pub fn new(text: &str) -> Result<Self, ConnectionError> {
        // The parser's own message may repeat a part of the text.
        let mut config: Config = text.parse().map_err(|_| ConnectionError::Malformed)?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(ConnectionError::Malformed);
        }
        if config.get_ssl_mode() != SslMode::Require {
            let names = config.get_hosts().iter().filter_map(|host| match host {
                Host::Tcp(name) => Some(name.clone()),
                #[cfg(unix)]
                Host::Unix(_) => None,
            });
            let addresses = config.get_hostaddrs().iter().map(IpAddr::to_string);
            if let Some(host) = names.chain(addresses).find(|host| !is_this_machine(host)) {
                return Err(ConnectionError::Unencrypted { host });
            }
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(ACKNOWLEDGE_TIMEOUT);
        }
        config.application_name("superblock");
        Ok(Self { config })
    }

    /// Whether the connection string has a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// A runtime, and at most `connections` connections, which are made when they are needed, beside those that listen.
    pub(crate) fn prepare(
        &self,
        connections: usize,
    ) -> Result<(Blocking, TokioPostgresDatabase), ConnectionError> {
        let blocking = Blocking::start("postgresql").map_err(ConnectionError::Runtime)?;
        let pool = TokioPostgresDatabase::from_config(self.config.clone(), connections)
            .map_err(ConnectionError::Pool)?;
        Ok((blocking, pool))
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether the same statement may succeed later: the server is away, starts, stops, is full, or has another's lock in the way.
fn is_passing(state: &SqlState) -> bool {
    // Classes of PostgreSQL's error codes: connections, rollbacks such as deadlocks, resources, and operators.
    const CLASSES: [&str; 4] = ["08", "40", "53", "57"];
    // A server that was read only while another one took over, and a lock that was not to be had.
    const CODES: [&str; 2] = ["25006", "55P03"];
    let code = state.code();
    CODES.contains(&code) || CLASSES.iter().any(|class| code.starts_with(class))
}

/// The queue's error for one of the database's.
pub(crate) fn queue_error(source: impl Error + Send + Sync + 'static) -> QueueError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&source);
    while let Some(error) = cause {
        let state = error.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::code);
        if state.is_some_and(|state| !is_passing(state)) {
            return QueueError::Refused { source: Box::new(source) };
        }
        cause = error.source();
    }
    QueueError::Away { source: Box::new(source) }
}
