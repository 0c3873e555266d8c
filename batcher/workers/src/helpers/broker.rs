//! The broker: one more handler of the queue, which lends tasks to helpers.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    net::TcpListener,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, Scope},
    time::{Duration, Instant},
};

use circuits_files::text::shown;
use circuits_tasks::{
    graph::Task,
    id::{ID_BYTES, TaskId},
    proof::StoredProof,
    queue::{Handled, Handler, Queue},
    store::{Object, Store},
    worker::{Retry, TaskError, Worker},
};
use hyper::{Method, StatusCode};
use thiserror::Error;

use super::{
    Ended, Leased,
    http::{self, Answer, Arrived},
    ledger::{Ledger, LedgerError},
    tokens::{RANDOM, Tokens},
};

/// How long a helper's request for a task waits for one.
const CLAIM_TIMEOUT: Duration = Duration::from_secs(10);

/// How often waiting code looks whether it should stop.
const STOP_INTERVAL: Duration = Duration::from_millis(50);

/// How many tasks in a row a helper may spoil before it is excluded until the broker starts anew. Fewer than the attempts that a
/// task has, so that no single helper has a task given up.
const MAX_SPOILED: u32 = 3;

/// The most characters of a helper's message that are repeated.
const MAX_MESSAGE: usize = 500;

/// How a broker treats helpers.
#[derive(Clone, Copy, Debug)]
pub struct BrokerOptions {
    /// How long a helper may be silent about a task before it loses it.
    pub lease: Duration,
    /// The most tasks that are lent at a time.
    pub leases: usize,
}

impl Default for BrokerOptions {
    fn default() -> Self {
        Self { lease: Duration::from_secs(60), leases: 64 }
    }
}

/// Why a broker ends.
#[derive(Debug, Error)]
pub enum BrokerError {
    /// The listener is of no use.
    #[error("cannot answer helpers: {0}")]
    Listener(#[source] io::Error),
}

/// Lends the tasks of a queue.
pub struct Broker<'a> {
    /// Hands out the tasks. It should do one at a time: the broker runs it once for each task that it lends.
    pub queue: &'a dyn Queue,
    /// Where tasks, inputs and proofs are.
    pub store: &'a dyn Store,
    /// Verifies what helpers return, and stores it.
    pub worker: &'a Worker<'a>,
    pub tokens: &'a Tokens,
    pub ledger: &'a Ledger,
    pub options: BrokerOptions,
}

/// A task that was lent.
struct Lease {
    name: String,
    helper: String,
    id: TaskId,
    task: Task,
    state: Mutex<LeaseState>,
    changed: Condvar,
}

struct LeaseState {
    last_heard: Instant,
    /// How the helper says that it is done.
    ended: Option<Ended>,
    /// Whether its proof was stored and could not be noted.
    is_owed: bool,
}

impl Lease {
    fn state(&self) -> MutexGuard<'_, LeaseState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, ended: Ended) {
        self.state().ended.get_or_insert(ended);
        self.changed.notify_all();
    }

    /// What the helper may read: its task's objects, and the children with their proofs.
    fn objects(&self) -> impl Iterator<Item = Object> {
        let ids = [self.id].into_iter().chain(self.task.children.iter().copied());
        ids.flat_map(|id| [Object::Task(id), Object::Proof(id)]).chain([Object::Input(self.id)])
    }
}

fn is_at(object: &Object, (sort, name): (&str, &str)) -> bool {
    let path = object.path();
    (path.0, &path.1[..]) == (sort, name)
}

/// What a broker knows while it runs.
#[derive(Default)]
struct Books {
    leases: Mutex<BTreeMap<String, Arc<Lease>>>,
    /// How many tasks each helper has spoiled since it last returned a proof.
    spoiled: Mutex<BTreeMap<String, u32>>,
    /// Held while a proof is accepted, so that of two helpers with one task the first is paid.
    accepting: Mutex<()>,
    connections: AtomicUsize,
}

impl Books {
    fn leases(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Lease>>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spoiled(&self) -> MutexGuard<'_, BTreeMap<String, u32>> {
        self.spoiled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes one task from the queue and lends it.
struct Lend<'a> {
    broker: &'a Broker<'a>,
    books: &'a Books,
    stop: &'a AtomicBool,
    helper: String,
    lent: mpsc::Sender<Arc<Lease>>,
    /// Set with the first task, or when nobody waits for one any more: the queue hands out no other one.
    has_enough: Arc<AtomicBool>,
}

impl Broker<'_> {
    /// Answers helpers until `stop` is set. They lose then what they have.
    ///
    /// # Errors
    /// [`BrokerError`]
    pub fn run(&self, listener: &TcpListener, stop: &AtomicBool) -> Result<(), BrokerError> {
        let books = Books::default();
        let limit = Object::Proof(TaskId::from_bytes([0; ID_BYTES])).limit();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        thread::scope(|lending| {
            let answer = |arrived: Arrived| self.answer(lending, &books, stop, &arrived);
            thread::scope(|connections| {
                http::serve(connections, listener, limit, stop, &books.connections, &answer)
            })
        })
        .map_err(BrokerError::Listener)
    }

    fn answer<'scope>(
        &'scope self,
        lending: &'scope Scope<'scope, '_>,
        books: &'scope Books,
        stop: &'scope AtomicBool,
        arrived: &Arrived,
    ) -> Answer {
        let Some(helper) = arrived.token.as_deref().and_then(|token| self.tokens.name_of(token)) else {
            return Answer::refused(StatusCode::UNAUTHORIZED, "the token is unknown");
        };
        if books.spoiled().get(helper).is_some_and(|&spoiled| spoiled >= MAX_SPOILED) {
            let reason = format!("helper {helper} has spoiled {MAX_SPOILED} tasks in a row and is excluded");
            return Answer::refused(StatusCode::FORBIDDEN, reason);
        }
        let parts: Vec<_> = arrived.path.split('/').skip(1).collect();
        if (&arrived.method, &parts[..]) == (&Method::POST, &["v1", "leases"]) {
            return self.lend(lending, books, stop, helper);
        }
        let ["v1", "leases", name, rest @ ..] = &parts[..] else {
            return Answer::refused(StatusCode::NOT_FOUND, "there is nothing at this path");
        };
        let lease = books.leases().get(*name).filter(|lease| lease.helper == helper).cloned();
        let Some(lease) = lease else {
            return Answer::refused(StatusCode::NOT_FOUND, "the lease is over");
        };
        lease.state().last_heard = Instant::now();
        match (&arrived.method, rest) {
            (&Method::POST, ["alive"]) => Answer::empty(StatusCode::NO_CONTENT),
            (&Method::POST, ["end"]) => match serde_json::from_slice(&arrived.body) {
                Ok(ended) => {
                    lease.end(ended);
                    Answer::empty(StatusCode::NO_CONTENT)
                }
                Err(error) => Answer::refused(StatusCode::BAD_REQUEST, error.to_string()),
            },
            (&Method::GET, [sort, name]) => self.object(&lease, (sort, name)),
            (&Method::PUT, [sort, name]) if is_at(&Object::Proof(lease.id), (sort, name)) => {
                self.accept(books, &lease, &arrived.body)
            }
            _ => Answer::refused(StatusCode::NOT_FOUND, "there is nothing at this path"),
        }
    }

    /// Lends a task to `helper`, if the queue has one in time.
    fn lend<'scope>(
        &'scope self,
        lending: &'scope Scope<'scope, '_>,
        books: &'scope Books,
        stop: &'scope AtomicBool,
        helper: &str,
    ) -> Answer {
        if books.leases().len() >= self.options.leases {
            return Answer::empty(StatusCode::NO_CONTENT);
        }
        let (lent, leases) = mpsc::channel();
        let has_enough = Arc::new(AtomicBool::new(false));
        let lend = Lend {
            broker: self,
            books,
            stop,
            helper: helper.to_owned(),
            lent,
            has_enough: has_enough.clone(),
        };
        let queue = lending.spawn(move || self.queue.run(&lend, &lend.has_enough));
        let until = Instant::now() + CLAIM_TIMEOUT;
        let lease = loop {
            match leases.recv_timeout(STOP_INTERVAL) {
                Ok(lease) => break Some(lease),
                Err(mpsc::RecvTimeoutError::Disconnected) => break None,
                Err(mpsc::RecvTimeoutError::Timeout)
                    if Instant::now() < until && !stop.load(Ordering::Relaxed) => {}
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    has_enough.store(true, Ordering::Relaxed);
                    // The queue may have handed out a task in this moment.
                    break leases.recv().ok();
                }
            }
        };
        let Some(lease) = lease else {
            return match queue.join() {
                Ok(Ok(())) => Answer::empty(StatusCode::NO_CONTENT),
                Ok(Err(error)) => Answer::refused(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
                Err(panic) => std::panic::resume_unwind(panic),
            };
        };
        let leased = Leased {
            lease: lease.name.clone(),
            task: lease.id.to_string(),
            seconds: self.options.lease.as_secs(),
        };
        match serde_json::to_vec(&leased) {
            Ok(body) => Answer { status: StatusCode::OK, body },
            Err(error) => Answer::refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }

    /// An object of the lease's task or of its children.
    fn object(&self, lease: &Lease, path: (&str, &str)) -> Answer {
        let Some(object) = lease.objects().find(|object| is_at(object, path)) else {
            return Answer::empty(StatusCode::NOT_FOUND);
        };
        match self.store.get(&object) {
            Ok(Some(body)) => Answer { status: StatusCode::OK, body },
            Ok(None) => Answer::empty(StatusCode::NOT_FOUND),
            Err(error) => Answer::refused(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }

    /// Stores a proof that is valid, and notes who made it.
    fn accept(&self, books: &Books, lease: &Lease, stored: &[u8]) -> Answer {
        let _accepting = books.accepting.lock().unwrap_or_else(PoisonError::into_inner);
        let (id, task) = (lease.id, &lease.task);
        let mut is_owed = lease.state().is_owed;
        if !is_owed {
            match self.worker.proof(id, task) {
                Ok(None) => {}
                // Somebody else was faster.
                Ok(Some(_)) => return Answer::empty(StatusCode::NO_CONTENT),
                Err(error) => return Answer::refused(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            }
            let accepted = match StoredProof::decode(stored) {
                Ok(stored) if stored.is_of(task) => self.worker.accept(id, task, &stored.proof),
                Ok(_) => Err(TaskError::Elsewhere { message: "it is the proof of another task".to_owned() }),
                Err(source) => Err(TaskError::Format { label: task.label.clone(), source }),
            };
            match accepted {
                Ok(()) => is_owed = true,
                Err(error) if error.retry() != Retry::Never => {
                    return Answer::refused(StatusCode::SERVICE_UNAVAILABLE, error.to_string());
                }
                Err(error) => {
                    // It gets no second try, since each costs a verification.
                    lease.end(Ended::Failed(format!("its proof is refused: {error}")));
                    return Answer::refused(StatusCode::UNPROCESSABLE_ENTITY, error.to_string());
                }
            }
        }
        let noted = self.ledger.note(&lease.helper, id, task);
        lease.state().is_owed = is_owed && noted.is_err();
        match noted {
            Ok(()) => Answer::empty(StatusCode::NO_CONTENT),
            // The helper asks again, and is noted then.
            Err(LedgerError { action, source, .. }) => Answer::refused(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("the ledger: cannot {action}: {source}"),
            ),
        }
    }
}

impl Lend<'_> {
    /// Waits until the helper is done with its task, is silent for too long, or the broker ends.
    fn wait(&self, lease: &Lease) -> Option<Ended> {
        let mut state = lease.state();
        loop {
            if let Some(ended) = &state.ended {
                return Some(ended.clone());
            }
            if state.last_heard.elapsed() > self.broker.options.lease {
                return Some(Ended::Failed("it went silent".to_owned()));
            }
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            let waited = lease.changed.wait_timeout(state, STOP_INTERVAL);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn spoiled(&self, reason: &str) -> TaskError {
        *self.books.spoiled().entry(self.helper.clone()).or_default() += 1;
        let reason: String = reason.chars().take(MAX_MESSAGE).collect();
        TaskError::Vanished { message: format!("helper {}: {}", self.helper, shown(&reason)) }
    }
}

impl Handler for Lend<'_> {
    fn handle(&self, id: TaskId) -> Result<Handled, TaskError> {
        let Broker { worker, store, .. } = self.broker;
        let Some(task) = worker.task(id)? else { return Ok(Handled::Unwanted) };
        if worker.proof(id, &task)?.is_some() {
            return Ok(Handled::Stored);
        }
        if !store.has(&Object::Input(id))? {
            return Ok(Handled::Unwanted);
        }
        self.has_enough.store(true, Ordering::Relaxed);
        let name = lease_name().map_err(|source| TaskError::Vanished { message: source.to_string() })?;
        let state = LeaseState { last_heard: Instant::now(), ended: None, is_owed: false };
        let lease = Arc::new(Lease {
            name,
            helper: self.helper.clone(),
            id,
            task,
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        self.books.leases().insert(lease.name.clone(), lease.clone());
        let ended = match self.lent.send(lease.clone()) {
            Ok(()) => self.wait(&lease),
            Err(_) => None,
        };
        self.books.leases().remove(&lease.name);
        // Whatever the helper says, the store knows.
        if worker.proof(id, &lease.task)?.is_some() {
            self.books.spoiled().remove(&self.helper);
            return Ok(Handled::Stored);
        }
        match ended {
            Some(Ended::Stored) => Err(self.spoiled("it says that the proof is stored")),
            Some(Ended::Failed(reason)) => Err(self.spoiled(&reason)),
            // A coordinator offers the task again, if it is wanted.
            Some(Ended::Early | Ended::Unwanted) | None => Ok(Handled::Early),
        }
    }
}

fn lease_name() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open(RANDOM)?.read_exact(&mut bytes)?;
    Ok(hex::encode(bytes))
}
