//! A helper: an ordinary worker, whose store is a broker.

use std::{
    error::Error,
    fmt,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
    thread::{scope, sleep},
    time::{Duration, Instant},
};

use circuits_objects::Blocking;
use circuits_tasks::{
    id::TaskId,
    provable::Catalogue,
    queue::{Handled, Handler as _},
    store::{Object, Store, StoreError},
    worker::{Observer, Worker},
};
use reqwest::{Client, Method, StatusCode, redirect};
use thiserror::Error;
use url::{Host, Url};

use super::{Ended, Leased};

/// How long a request may take. A claim waits for some seconds, and a proof has some hundred kilobytes.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// The pauses after a request that did not get through.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How often waiting code looks whether it should stop.
const STOP_INTERVAL: Duration = Duration::from_millis(20);

/// How often a request about a task is sent before the helper gives the task up.
const TRIES: usize = 5;

/// How often a lease is kept alive before it would be over.
const ALIVE_PER_LEASE: u32 = 4;

/// The most bytes of an answer that is not an object.
const MAX_ANSWER: u64 = 4 << 10;

/// Why a helper cannot help.
#[derive(Debug, Error)]
pub enum HelperError {
    /// The broker's address is malformed. It is not repeated, because it may have a password.
    #[error("a broker's address is https://HOST/, or http:// for this machine")]
    Address,
    /// The operating system refuses.
    #[error("the program cannot open connections: {0}")]
    System(Box<dyn Error + Send + Sync>),
    /// The broker does not want this helper.
    #[error("the broker answers with status {status}: {reason}")]
    Refused { status: u16, reason: String },
    /// The broker answers something else than a broker.
    #[error("the broker's answer is malformed: {0}")]
    Malformed(String),
}

/// A request that did not lead to the answer that was hoped for.
#[derive(Debug, Error)]
enum RequestError {
    /// Another try may help.
    #[error("{0}")]
    Away(String),
    #[error("status {status}: {reason}")]
    Refused { status: u16, reason: String },
}

/// A broker as a helper sees it.
pub struct Helper {
    blocking: Blocking,
    http: Client,
    url: Url,
    token: String,
}

/// Omits the token.
impl fmt::Debug for Helper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Helper").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

impl Helper {
    /// A helper of the broker at `address`, which is not asked yet.
    ///
    /// # Errors
    /// [`HelperError::Address`] or [`HelperError::System`].
    pub fn new(address: &str, token: &str) -> Result<Self, HelperError> {
        let url: Url = address.parse().map_err(|_| HelperError::Address)?;
        let is_here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        // The token would be for everybody to read on the way.
        if !is_plain || !(url.scheme() == "https" || (url.scheme() == "http" && is_here)) {
            return Err(HelperError::Address);
        }
        choose_cryptography();
        let client = Client::builder().timeout(REQUEST_TIMEOUT).redirect(redirect::Policy::none()).no_proxy();
        let http = client.build().map_err(|error| HelperError::System(Box::new(error)))?;
        let blocking = Blocking::start("helper").map_err(|error| HelperError::System(Box::new(error)))?;
        Ok(Self { blocking, http, url, token: token.to_owned() })
    }

    /// Does the broker's tasks, `jobs` at a time, until `stop` is set; those that are being done then are done to their end.
    ///
    /// # Errors
    /// [`HelperError::Refused`] if the broker does not want this helper, or [`HelperError::Malformed`].
    pub fn run(
        &self,
        jobs: usize,
        catalogue: &Catalogue<'_>,
        observer: &dyn Observer,
        stop: &AtomicBool,
    ) -> Result<(), HelperError> {
        scope(|scope| {
            let run = || {
                let result = self.run_one(catalogue, observer, stop);
                if result.is_err() {
                    // The other threads would get the same answer.
                    stop.store(true, Ordering::Relaxed);
                }
                result
            };
            let threads: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(run)).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            // All of them are waited for, and the first error is told.
            threads.into_iter().map(join).collect::<Vec<_>>().into_iter().collect()
        })
    }

    fn run_one(
        &self,
        catalogue: &Catalogue<'_>,
        observer: &dyn Observer,
        stop: &AtomicBool,
    ) -> Result<(), HelperError> {
        let mut pause = FIRST_PAUSE;
        while !stop.load(Ordering::Relaxed) {
            match self.claim() {
                Ok(Some(leased)) => {
                    pause = FIRST_PAUSE;
                    self.help(&leased, catalogue, observer)?;
                }
                Ok(None) => pause = FIRST_PAUSE,
                Err(RequestError::Away(_)) => {
                    sleep_unless(stop, pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(RequestError::Refused { status, reason }) => {
                    return Err(HelperError::Refused { status, reason });
                }
            }
        }
        Ok(())
    }

    fn claim(&self) -> Result<Option<Leased>, RequestError> {
        let (status, body) = self.request(Method::POST, &["leases"], vec![], MAX_ANSWER)?;
        if status == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        serde_json::from_slice(&body).map(Some).map_err(|error| RequestError::Away(error.to_string()))
    }

    /// Does a task, and tells the broker so meanwhile and in the end.
    fn help(
        &self,
        leased: &Leased,
        catalogue: &Catalogue<'_>,
        observer: &dyn Observer,
    ) -> Result<(), HelperError> {
        let id: TaskId = leased.task.parse().map_err(|error| HelperError::Malformed(format!("{error}")))?;
        let store = LeaseStore { helper: self, lease: &leased.lease };
        let is_done = AtomicBool::new(false);
        let result = scope(|scope| {
            scope.spawn(|| self.keep_alive(leased, &is_done));
            let result = Worker::new(catalogue, &store, observer).handle(id);
            is_done.store(true, Ordering::Relaxed);
            result
        });
        let ended = match result {
            Ok(Handled::Stored) => Ended::Stored,
            Ok(Handled::Unwanted) => Ended::Unwanted,
            Ok(Handled::Early) => Ended::Early,
            Err(error) => Ended::Failed(error.to_string()),
        };
        let body = serde_json::to_vec(&ended).map_err(|error| HelperError::Malformed(error.to_string()))?;
        // A broker that is not told finds out by itself.
        let _ = self.insist(Method::POST, &["leases", &leased.lease, "end"], &body, MAX_ANSWER);
        Ok(())
    }

    fn keep_alive(&self, leased: &Leased, is_done: &AtomicBool) {
        let interval = Duration::from_secs(leased.seconds) / ALIVE_PER_LEASE;
        loop {
            sleep_unless(is_done, interval);
            if is_done.load(Ordering::Relaxed) {
                return;
            }
            // One that is lost is followed by another one.
            let _ = self.request(Method::POST, &["leases", &leased.lease, "alive"], vec![], MAX_ANSWER);
        }
    }

    /// Sends a request until it gets through, or often enough.
    fn insist(
        &self,
        method: Method,
        path: &[&str],
        body: &[u8],
        limit: u64,
    ) -> Result<(StatusCode, Vec<u8>), RequestError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..TRIES {
            match self.request(method.clone(), path, body.to_vec(), limit) {
                Err(RequestError::Away(_)) => sleep(pause),
                answer => return answer,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.request(method, path, body.to_vec(), limit)
    }

    /// Sends a request below `/v1`. Returns the status, which is one of success or 404, and at most `limit` bytes.
    fn request(
        &self,
        method: Method,
        path: &[&str],
        body: Vec<u8>,
        limit: u64,
    ) -> Result<(StatusCode, Vec<u8>), RequestError> {
        let mut url = self.url.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().push("v1").extend(path);
        }
        // The error's own message repeats the address.
        let away = |error: reqwest::Error| RequestError::Away(error.without_url().to_string());
        self.blocking.wait(async {
            let request = self.http.request(method, url).bearer_auth(&self.token).body(body);
            let mut response = request.send().await.map_err(away)?;
            let status = response.status();
            let mut body = vec![];
            while let Some(piece) = response.chunk().await.map_err(away)? {
                if (body.len() + piece.len()) as u64 > limit {
                    return Err(RequestError::Away(format!("an answer with more than {limit} bytes")));
                }
                body.extend_from_slice(&piece);
            }
            if status.is_success() || status == StatusCode::NOT_FOUND {
                return Ok((status, body));
            }
            let reason = String::from_utf8_lossy(&body).into_owned();
            if status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT {
                return Err(RequestError::Refused { status: status.as_u16(), reason });
            }
            Err(RequestError::Away(format!("status {status}: {reason}")))
        })
    }
}

fn sleep_unless(stop: &AtomicBool, pause: Duration) {
    let until = Instant::now() + pause;
    while Instant::now() < until && !stop.load(Ordering::Relaxed) {
        sleep(STOP_INTERVAL);
    }
}

/// Lets TLS use ring, unless the program has chosen something else.
fn choose_cryptography() {
    static CHOICE: Once = Once::new();
    // An error means that there is one already.
    CHOICE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

/// The objects of a leased task.
struct LeaseStore<'a> {
    helper: &'a Helper,
    lease: &'a str,
}

impl LeaseStore<'_> {
    fn request(&self, method: Method, object: &Object, body: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let (sort, name) = object.path();
        let path = ["leases", self.lease, sort, &name];
        let (status, body) =
            self.helper.insist(method, &path, body, object.limit()).map_err(|error| match error {
                RequestError::Away(_) => StoreError::Away { object: object.clone(), source: Box::new(error) },
                RequestError::Refused { .. } => {
                    StoreError::Refused { object: object.clone(), source: Box::new(error) }
                }
            })?;
        Ok((status != StatusCode::NOT_FOUND).then_some(body))
    }

    fn put(&self, object: &Object, bytes: &[u8]) -> Result<(), StoreError> {
        let over = || StoreError::Refused { object: object.clone(), source: "the lease is over".into() };
        self.request(Method::PUT, object, bytes)?.map(drop).ok_or_else(over)
    }
}

impl Store for LeaseStore<'_> {
    fn get(&self, object: &Object) -> Result<Option<Vec<u8>>, StoreError> {
        self.request(Method::GET, object, &[])
    }

    fn create(&self, object: &Object, bytes: &[u8]) -> Result<bool, StoreError> {
        // The broker keeps a valid one that is there, so nothing has to be done about it.
        self.put(object, bytes).map(|()| true)
    }

    fn replace(&self, object: &Object, bytes: &[u8]) -> Result<(), StoreError> {
        self.put(object, bytes)
    }

    fn remove(&self, _: &Object) -> Result<(), StoreError> {
        // The broker removes what is not needed any more.
        Ok(())
    }
}
