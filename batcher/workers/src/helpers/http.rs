//! HTTP for a broker: one thread and one request for each connection, within limits.

use std::{
    io,
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread::{Scope, sleep},
    time::Duration,
};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::AUTHORIZATION,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{runtime::Builder, time::timeout};

/// The most connections at a time. A helper has two for each of its tasks.
const MAX_CONNECTIONS: usize = 512;

/// How long a request's header may take, and then its body.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const BODY_TIMEOUT: Duration = Duration::from_secs(120);

/// How often the listener looks whether it should stop.
const ACCEPT_INTERVAL: Duration = Duration::from_millis(20);

/// A request that has arrived as a whole.
pub(super) struct Arrived {
    pub method: Method,
    pub path: String,
    /// The token of the header `Authorization`.
    pub token: Option<String>,
    pub body: Vec<u8>,
}

/// An answer.
pub(super) struct Answer {
    pub status: StatusCode,
    pub body: Vec<u8>,
}

impl Answer {
    pub(super) const fn empty(status: StatusCode) -> Self {
        Self { status, body: vec![] }
    }

    /// An answer whose reason is text for people.
    pub(super) fn refused(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, body: reason.into().into_bytes() }
    }
}

/// Answers requests with `answer`, each on a thread of `scope`, until `stop` is set.
pub(super) fn serve<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    listener: &TcpListener,
    body_limit: usize,
    stop: &AtomicBool,
    connections: &'scope AtomicUsize,
    answer: &'scope (dyn Fn(Arrived) -> Answer + Sync),
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    while !stop.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => {
                if connections.fetch_add(1, Ordering::Relaxed) >= MAX_CONNECTIONS {
                    connections.fetch_sub(1, Ordering::Relaxed);
                    continue;
                }
                scope.spawn(move || {
                    // A connection that breaks is the client's affair.
                    let _ = serve_connection(stream, body_limit, answer);
                    connections.fetch_sub(1, Ordering::Relaxed);
                });
            }
            // Nobody has called, or a caller has hung up, or there are no descriptors for now.
            Err(_) => sleep(ACCEPT_INTERVAL),
        }
    }
    Ok(())
}

fn serve_connection(
    stream: TcpStream,
    body_limit: usize,
    answer: &(dyn Fn(Arrived) -> Answer + Sync),
) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let service = service_fn(|request: Request<Incoming>| async move {
        let answered = match arrived(request, body_limit).await {
            // It blocks this thread, which has nothing else to do.
            Ok(arrived) => answer(arrived),
            Err(refused) => refused,
        };
        let mut response = Response::new(Full::new(Bytes::from(answered.body)));
        *response.status_mut() = answered.status;
        Ok::<_, std::convert::Infallible>(response)
    });
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let stream = TokioIo::new(tokio::net::TcpStream::from_std(stream)?);
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .keep_alive(false)
            .serve_connection(stream, service)
            .await
            .map_err(io::Error::other)
    })
}

async fn arrived(request: Request<Incoming>, body_limit: usize) -> Result<Arrived, Answer> {
    let (parts, body) = request.into_parts();
    let authorization = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = authorization.and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned);
    let body = match timeout(BODY_TIMEOUT, Limited::new(body, body_limit).collect()).await {
        Ok(Ok(body)) => body.to_bytes().to_vec(),
        Ok(Err(_)) => {
            let reason = format!("a body has at most {body_limit} bytes, and arrives as a whole");
            return Err(Answer::refused(StatusCode::PAYLOAD_TOO_LARGE, reason));
        }
        Err(_) => return Err(Answer::refused(StatusCode::REQUEST_TIMEOUT, "the body takes too long")),
    };
    Ok(Arrived { method: parts.method, path: parts.uri.path().to_owned(), token, body })
}
