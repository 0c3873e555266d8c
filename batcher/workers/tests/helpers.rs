//! A broker and its helpers, over HTTP on this machine.

use std::{
    collections::{BTreeMap, VecDeque},
    net::TcpListener,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{scope, sleep},
    time::{Duration, Instant},
};

use batcher_workers::{
    ObjectStore,
    helpers::{Broker, BrokerOptions, Helper, HelperError, Ledger, NewToken, Tokens, TokensError},
};
use circuits_tasks::{
    graph::Task,
    id::TaskId,
    provable::{Catalogue, Provable, ProvableError, Request},
    queue::{GivenUp, Handler, Offer, Queue, QueueError},
    store::{Object, Store as _},
    testing::{TOY_KEY, Toy},
    worker::{Retry, Worker},
};
use object_store::memory::InMemory;

/// How long a test waits for what must happen, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a provable of a [`Stranger`] does with a request.
type Act<'a> = dyn Fn(&Request<'_>) -> Result<Vec<u8>, ProvableError> + Send + Sync + 'a;

/// A toy that makes what a function makes, and believes everything.
struct Stranger<'a>(Box<Act<'a>>);

impl Provable for Stranger<'_> {
    type Secret = ();

    fn name(&self) -> String {
        Toy::NAME.to_owned()
    }

    fn key(&self) -> Result<[u8; 32], ProvableError> {
        Ok(TOY_KEY)
    }

    fn verify(&self, _: &Task, _: &[u8]) -> Result<(), ProvableError> {
        Ok(())
    }

    fn prove(&self, request: &Request<'_>, (): &()) -> Result<Vec<u8>, ProvableError> {
        (self.0)(request)
    }
}

/// Tasks one after another, tried again at once.
#[derive(Default)]
struct Line(Mutex<VecDeque<TaskId>>);

impl Queue for Line {
    fn offer(&self, offers: &[Offer]) -> Result<(), QueueError> {
        self.0.lock().expect("no panic").extend(offers.iter().map(|offer| offer.id));
        Ok(())
    }

    fn run(&self, handler: &dyn Handler, stop: &AtomicBool) -> Result<(), QueueError> {
        while !stop.load(Ordering::Relaxed) {
            let next = self.0.lock().expect("no panic").pop_front();
            let Some(id) = next else {
                sleep(Duration::from_millis(5));
                continue;
            };
            if handler.handle(id).is_err_and(|error| error.retry() != Retry::Never) {
                self.0.lock().expect("no panic").push_back(id);
            }
        }
        Ok(())
    }

    fn wait(&self, _: Duration) -> Result<(), QueueError> {
        Ok(())
    }

    fn given_up(&self, _: &[TaskId]) -> Result<Vec<GivenUp>, QueueError> {
        Ok(vec![])
    }
}

/// A broker with the helpers `ada` and `bob`, and its queue.
struct Office {
    store: ObjectStore,
    queue: Line,
    directory: tempfile::TempDir,
    tokens: BTreeMap<&'static str, NewToken>,
    address: String,
}

impl Office {
    fn ledger(&self) -> Vec<(String, String)> {
        let entries = Ledger::read(&self.directory.path().join("ledger")).expect("a ledger");
        let mut entries: Vec<_> = entries.into_iter().map(|entry| (entry.helper, entry.label)).collect();
        entries.sort();
        entries
    }

    fn helper(&self, name: &str) -> Helper {
        Helper::new(&self.address, self.tokens[name].token()).expect("a helper")
    }

    /// Offers a task with its input; its children are done.
    fn offer(&self, task: &Task) -> TaskId {
        let id = task.id();
        self.store.create(&Object::Task(id), &task.encode().expect("a small task")).expect("kept");
        self.store.create(&Object::Input(id), &Toy::input(task)).expect("kept");
        self.queue.offer(&[Offer { id, memory: 1, priority: 0 }]).expect("offered");
        id
    }

    fn has_proof(&self, id: TaskId) -> bool {
        self.store.has(&Object::Proof(id)).expect("a store")
    }
}

/// Stops what runs beside a test, also if an assertion fails.
struct Stop<'a>(&'a [&'a AtomicBool]);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|stop| stop.store(true, Ordering::Relaxed));
    }
}

fn write_tokens(path: &Path, tokens: &BTreeMap<&str, NewToken>) {
    let lines = tokens.iter().map(|(name, token)| format!("{name} = \"{}\"\n", token.hash()));
    std::fs::write(path, format!("[helpers]\n{}", lines.collect::<String>())).expect("a file");
}

/// Runs a broker beside `work`.
fn with_office(lease: Duration, work: impl FnOnce(&Office)) {
    let directory = tempfile::tempdir().expect("a directory");
    let token = || NewToken::random().expect("randomness");
    let tokens = BTreeMap::from([("ada", token()), ("bob", token())]);
    let file = directory.path().join("helpers.toml");
    write_tokens(&file, &tokens);
    let admitted = Tokens::read(&file).expect("tokens");
    let ledger = Ledger::open(&directory.path().join("ledger")).expect("a ledger");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/", listener.local_addr().expect("an address"));
    let store = ObjectStore::with_backend("memory", Arc::new(InMemory::new()), "tasks".into());
    let (store, queue) = (store.expect("a runtime"), Line::default());
    let office = Office { store, queue, directory, tokens, address };
    let catalogue = Catalogue::default().with(Toy);
    let worker = Worker::new(&catalogue, &office.store, &());
    let broker = Broker {
        queue: &office.queue,
        store: &office.store,
        worker: &worker,
        tokens: &admitted,
        ledger: &ledger,
        options: BrokerOptions { lease, ..BrokerOptions::default() },
    };
    let stop = AtomicBool::new(false);
    scope(|scope| {
        let running = scope.spawn(|| broker.run(&listener, &stop));
        {
            let _stop = Stop(&[&stop]);
            work(&office);
        }
        running.join().expect("no panic").expect("the broker ends well");
    });
}

/// Runs a helper with a provable beside `work`, and returns how it ended.
fn with_helper(
    helper: &Helper,
    provable: impl Provable<Secret = ()>,
    work: impl FnOnce(),
) -> Result<(), HelperError> {
    let (stop, catalogue) = (AtomicBool::new(false), Catalogue::default().with(provable));
    scope(|scope| {
        let running = scope.spawn(|| helper.run(1, &catalogue, &(), &stop));
        {
            let _stop = Stop(&[&stop]);
            work();
        }
        running.join().expect("no panic")
    })
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "{what} did not happen");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_helper_proves_what_the_broker_lends_and_is_noted() {
    with_office(PATIENCE, |office| {
        let leaf = Toy::task("leaf", b"leaf", vec![]);
        let root = Toy::task("root", b"root", vec![leaf.id()]);
        with_helper(&office.helper("ada"), Toy, || {
            let leaf = office.offer(&leaf);
            wait_for("the leaf's proof", || office.has_proof(leaf));
        })
        .expect("the helper ends well");
        with_helper(&office.helper("bob"), Toy, || {
            let root = office.offer(&root);
            wait_for("the root's proof", || office.has_proof(root));
        })
        .expect("the helper ends well");
        let noted = [("ada", "leaf"), ("bob", "root")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(office.ledger(), noted);
        assert!(!office.store.has(&Object::Input(root.id())).expect("a store"), "an input is left");
    });
}

#[test]
fn a_helper_that_lies_is_excluded_and_the_task_goes_to_another() {
    with_office(PATIENCE, |office| {
        let task = Toy::task("task", b"task", vec![]);
        let id = office.offer(&task);
        let lies = AtomicUsize::new(0);
        let liar = Stranger(Box::new(|_| {
            lies.fetch_add(1, Ordering::Relaxed);
            Ok(b"no proof".to_vec())
        }));
        let mut result = Ok(());
        scope(|scope| {
            let helper = office.helper("ada");
            let stop = AtomicBool::new(false);
            let catalogue = Catalogue::default().with(liar);
            let lying = scope.spawn(move || helper.run(1, &catalogue, &(), &stop));
            // It ends by itself.
            result = lying.join().expect("no panic");
        });
        let Err(HelperError::Refused { status: 403, reason }) = result else { panic!("{result:?}") };
        assert_eq!(reason, "helper ada has spoiled 3 tasks in a row and is excluded");
        assert_eq!(lies.into_inner(), 3);
        assert!(!office.has_proof(id));
        with_helper(&office.helper("bob"), Toy, || wait_for("the proof", || office.has_proof(id)))
            .expect("the helper ends well");
        assert_eq!(office.ledger(), [("bob".to_owned(), "task".to_owned())]);
    });
}

#[test]
fn a_helper_that_goes_silent_loses_its_task_and_what_it_returns_too_late_changes_nothing() {
    with_office(Duration::from_secs(1), |office| {
        let task = Toy::task("task", b"task", vec![]);
        let id = office.offer(&task);
        let token = office.tokens["ada"].token();
        // A helper that takes a task and says nothing more.
        let claimed = post(office, token, "v1/leases");
        assert!(claimed.contains(&id.to_string()), "{claimed}");
        with_helper(&office.helper("bob"), Toy, || wait_for("the proof", || office.has_proof(id)))
            .expect("the helper ends well");
        let lease = claimed.split('"').nth(3).expect("a lease").to_owned();
        let late = post(office, token, &format!("v1/leases/{lease}/alive"));
        assert!(late.starts_with("HTTP/1.1 404"), "{late}");
        assert_eq!(office.ledger(), [("bob".to_owned(), "task".to_owned())]);
    });
}

#[test]
fn a_slow_helper_keeps_its_task() {
    with_office(Duration::from_secs(1), |office| {
        let task = Toy::task("task", b"task", vec![]);
        let begun = AtomicUsize::new(0);
        let slow = Stranger(Box::new(|request| {
            begun.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_secs(3));
            Toy.prove(request, &())
        }));
        with_helper(&office.helper("ada"), slow, || {
            let id = office.offer(&task);
            wait_for("the proof", || office.has_proof(id));
        })
        .expect("the helper ends well");
        assert_eq!(begun.into_inner(), 1);
    });
}

#[test]
fn nobody_without_a_token_gets_anything() {
    with_office(PATIENCE, |office| {
        office.offer(&Toy::task("task", b"task", vec![]));
        for token in ["", "0", NewToken::random().expect("randomness").token(), &office.tokens["ada"].hash()]
        {
            let answer = post(office, token, "v1/leases");
            assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        }
    });
}

#[test]
fn a_helper_reads_nothing_beyond_its_task_and_writes_nothing_but_its_proof() {
    with_office(PATIENCE, |office| {
        let leaf = Toy::task("leaf", b"leaf", vec![]);
        let task = Toy::task("task", b"task", vec![leaf.id()]);
        let other = Toy::task("other", b"other", vec![]);
        for stored in [&leaf, &other] {
            office.store.create(&Object::Input(stored.id()), b"a witness").expect("kept");
            office.store.create(&Object::Task(stored.id()), b"a task").expect("kept");
        }
        office.offer(&task);
        let token = office.tokens["ada"].token();
        let claimed = post(office, token, "v1/leases");
        let lease = claimed.split('"').nth(3).expect("a lease").to_owned();
        let answer = |token: &str, method: &str, object: &Object| {
            let (sort, name) = object.path();
            ask(office, token, method, &format!("v1/leases/{lease}/{sort}/{name}"))
        };
        for object in [Object::Task(task.id()), Object::Input(task.id()), Object::Task(leaf.id())] {
            assert!(answer(token, "GET", &object).starts_with("HTTP/1.1 200"), "{object}");
            assert!(answer(token, "PUT", &object).starts_with("HTTP/1.1 404"), "{object}");
            let bob = office.tokens["bob"].token();
            assert!(answer(bob, "GET", &object).starts_with("HTTP/1.1 404"), "{object} of another's lease");
        }
        for object in [Object::Input(leaf.id()), Object::Task(other.id()), Object::Input(other.id())] {
            assert!(answer(token, "GET", &object).starts_with("HTTP/1.1 404"), "{object}");
        }
        assert!(answer(token, "PUT", &Object::Proof(leaf.id())).starts_with("HTTP/1.1 404"));
        assert!(answer(token, "PUT", &Object::Proof(task.id())).starts_with("HTTP/1.1 422"));
    });
}

#[test]
fn a_file_of_helpers_is_refused_without_repeating_what_may_be_a_token() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("helpers.toml");
    let read = |text: &str| {
        std::fs::write(&path, text).expect("a file");
        Tokens::read(&path).expect_err("refused")
    };
    let hash = NewToken::random().expect("randomness").hash();
    assert!(matches!(read("[helpers]\n\"a b\" = \"00\""), TokensError::Name { .. }));
    assert!(matches!(read(&format!("[helpers]\na = \"{hash}\"\nb = \"{hash}\"")), TokensError::Twice { .. }));
    for text in ["[helpers]\na = \"hunter2\"", "[helpers]\na = 7", "helpers = \"hunter2\""] {
        assert!(!read(text).to_string().contains("hunter2"), "{text}");
    }
}

#[test]
fn a_ledger_goes_on_after_a_line_that_was_cut_off() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ledger");
    let line = |task: &str| {
        format!(
            "{{\"helper\":\"ada\",\"task\":\"{task}\",\"label\":\"leaf\",\"provable\":\"toy\",\"memory\":1}}"
        )
    };
    std::fs::write(&path, format!("{}\n{}", line("a"), &line("b")[..20])).expect("a file");
    drop(Ledger::open(&path).expect("a ledger"));
    let text = std::fs::read_to_string(&path).expect("a file");
    std::fs::write(&path, format!("{text}{}\n{}\n", line("c"), line("a"))).expect("a file");
    let entries = Ledger::read(&path).expect("a ledger");
    assert_eq!(entries.iter().map(|entry| &entry.task[..]).collect::<Vec<_>>(), ["a", "c"]);
}

#[test]
fn a_helper_sends_its_token_over_tls_or_to_this_machine_only() {
    for address in ["https://broker.example/", "http://127.0.0.1:9/", "http://[::1]:9/", "http://localhost/"]
    {
        Helper::new(address, "token").expect("an address");
    }
    for address in
        ["http://broker.example/", "https://name:hunter2@broker.example/", "broker", "ftp://localhost/"]
    {
        let error = Helper::new(address, "token").expect_err("refused");
        assert!(!error.to_string().contains("hunter2"));
    }
}

/// Posts a request without a body, and returns the answer as it comes.
fn post(office: &Office, token: &str, path: &str) -> String {
    ask(office, token, "POST", path)
}

fn ask(office: &Office, token: &str, method: &str, path: &str) -> String {
    use std::io::{Read as _, Write as _};
    let host = office.address.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = std::net::TcpStream::connect(host).expect("a connection");
    let head = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("sent");
    let mut answer = vec![];
    stream.read_to_end(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}
