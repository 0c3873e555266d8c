use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
};

use circuits_tasks::{
    coordinator::{Coordinator, GraphRunError},
    folder::FolderStore,
    graph::{Graph, Place, Task},
    id::KeyBytes,
    in_process::InProcess,
    proof::StoredProof,
    provable::{Bound, Catalogue, Provable, ProvableError, Request},
    queue::Queue as _,
    store::{MemoryStore, Object, Store, StoreError},
    testing::Toy,
    worker::Worker,
};

use crate::support::{Counted, Log, Moody, Random, coordinator, graph, input, run, small_graph, toys};

#[test]
fn every_task_of_any_graph_is_proved_once() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let count = 1 + random.below(40);
        let graph = graph(&mut random, count);
        let (store, counted, log) = (MemoryStore::default(), Counted::default(), Log::default());
        let catalogue = Catalogue::default().with(&counted);
        let proof = run(&graph, &store, None, &catalogue, &log).expect("no fault");
        assert_eq!(proof, Toy::proof(graph.task(graph.root()).expect("the root")));
        assert_eq!(counted.counts(), vec![1; graph.len()], "seed {seed}");
        assert_eq!(log.lines("done").len(), graph.len());
        // What stays is proofs.
        assert_eq!(store.everything().len(), graph.len());
    }
}

#[test]
fn what_is_proved_is_not_proved_again_and_what_is_damaged_is() {
    let mut random = Random::new(3);
    let graph = graph(&mut random, 30);
    let store = MemoryStore::default();
    run(&graph, &store, None, &toys(), &Log::default()).expect("no fault");
    let log = Log::default();
    run(&graph, &store, None, &toys(), &log).expect("no fault");
    assert_eq!((log.lines("resumed").len(), log.lines("start").len()), (1, 0), "the root is enough");

    // The root and one of its children are damaged, each in another way.
    let (root, task) = graph.tasks().next_back().expect("the root");
    let child = task.children[0];
    store.replace(&Object::Proof(root), b"damaged").expect("in memory");
    let wrong = StoredProof::new(graph.task(child).expect("a child"), vec![1]).encode().expect("small");
    store.replace(&Object::Proof(child), &wrong).expect("in memory");
    let (log, counted) = (Log::default(), Counted::default());
    run(&graph, &store, None, &Catalogue::default().with(&counted), &log).expect("no fault");
    assert_eq!(counted.counts(), [1, 1]);
    assert_eq!(log.lines("note").len(), 2, "{:?}", log.lines("note"));
}

#[test]
fn a_given_proof_is_verified_and_made_by_nobody() {
    let graph = small_graph();
    let (store, counted) = (MemoryStore::default(), Counted::default());
    run(&graph, &store, None, &Catalogue::default().with(&counted), &Log::default()).expect("no fault");
    assert_eq!(counted.counts(), [1, 1]);

    let (here, stop, catalogue) = (InProcess::new(1, 1), AtomicBool::new(false), toys());
    let store = MemoryStore::default();
    let log = Log::default();
    let coordinator = coordinator(&catalogue, &store, &here, &log, &stop);
    let result = coordinator.run(&graph, &|_| Ok(b"a lie".to_vec()));
    assert!(matches!(result, Err(GraphRunError::Task(_))), "{result:?}");
    assert!(store.everything().is_empty());
}

#[test]
fn a_task_that_cannot_be_proved_ends_the_run_and_the_rest_stays() {
    let graph = small_graph();
    let (here, stop, catalogue) = (InProcess::new(1, 1), AtomicBool::new(false), toys());
    let store = MemoryStore::default();
    let log = Log::default();
    let coordinator = coordinator(&catalogue, &store, &here, &log, &stop);
    let wrong_root = |position| if position == 3 { Ok(vec![]) } else { input(&graph, position) };
    // Twice: what one run gave up, the next one tries again.
    for _ in 0..2 {
        let error = coordinator.run(&graph, &wrong_root).expect_err("the root has no proof");
        assert!(matches!(&error, GraphRunError::GivenUp { label, .. } if label == "root"), "{error}");
    }
    // The proof below the root; what is given and the inputs stayed in the process, since there is no queue.
    let kept: Vec<_> =
        graph.tasks().filter(|(id, _)| store.has(&Object::Proof(*id)).expect("there")).collect();
    assert_eq!(kept.iter().map(|(_, task)| task.label.as_str()).collect::<Vec<_>>(), ["middle"]);
    assert_eq!(store.everything().len(), 1);
    let proof = coordinator.run(&graph, &|position| input(&graph, position)).expect("the right input");

    // Who asks to stop gets what is there, and nothing more is made.
    stop.store(true, Ordering::Relaxed);
    let again = coordinator.run(&graph, &|_| panic!("no input is needed")).expect("the root is proved");
    assert_eq!(again, proof);
    let empty = Coordinator { store: &MemoryStore::default(), ..coordinator };
    let stopped = empty.run(&graph, &|position| input(&graph, position));
    assert!(matches!(stopped, Err(GraphRunError::Stopped)));
}

#[test]
fn a_store_that_is_away_now_and_then_costs_time_only() {
    let graph = small_graph();
    let store = Moody { inner: MemoryStore::default(), calls: AtomicU32::new(0), period: 7 };
    let (log, catalogue) = (Log::default(), toys());
    run(&graph, &store, None, &catalogue, &log).expect("it comes back");
}

/// Proves with a secret, and refuses to without.
struct Sealed;

const SECRET: [u8; 32] = *b"what only one process may know!!";

impl Provable for Sealed {
    type Secret = [u8; 32];

    fn name(&self) -> String {
        "sealed".to_owned()
    }

    fn key(&self) -> Result<KeyBytes, ProvableError> {
        Toy.key()
    }

    fn verify(&self, task: &Task, proof: &[u8]) -> Result<(), ProvableError> {
        Toy.verify(task, proof)
    }

    fn prove(&self, request: &Request<'_>, secret: &[u8; 32]) -> Result<Vec<u8>, ProvableError> {
        assert_eq!(secret, &SECRET);
        Toy.prove(request, &())
    }
}

/// A root above a task with a secret, above another one without.
fn sealed_graph() -> Graph {
    let below = Toy::task("below", b"below", vec![]);
    let sealed = Task {
        provable: "sealed".to_owned(),
        place: Place::Here,
        ..Toy::task("sealed", b"sealed", vec![below.id()])
    };
    let root = Toy::task("root", b"root", vec![sealed.id()]);
    Graph::new(vec![below, sealed, root]).expect("a graph")
}

#[test]
fn a_secret_and_the_input_beside_it_never_leave_the_process() {
    let graph = sealed_graph();
    let (shared, queue, stop) = (Recording::default(), InProcess::new(2, 2), AtomicBool::new(false));
    let (public, log) = (toys().with_verifier(Sealed), Log::default());
    thread::scope(|scope| {
        // A worker that has no secret, and could not take one.
        scope.spawn(|| queue.run(&Worker::new(&public, &shared, &()), &stop));
        let own = toys().with(Bound::new(Sealed, SECRET));
        let proof = run(&graph, &shared, Some(&queue), &own, &log);
        stop.store(true, Ordering::Relaxed);
        proof.expect("no fault");
    });
    assert_eq!(log.lines("start"), ["start sealed"], "the others ran elsewhere");
    let (_, sealed) = graph.tasks().nth(1).expect("it");
    let written = shared.written.lock().expect("no panic").concat();
    assert!(written.windows(b"root".len()).any(|bytes| bytes == b"root"));
    for secret in [&SECRET[..], &Toy::input(sealed)] {
        assert!(!written.windows(secret.len()).any(|bytes| bytes == secret));
    }
}

/// Remembers everything that was ever written.
#[derive(Default)]
struct Recording {
    inner: MemoryStore,
    written: Mutex<Vec<Vec<u8>>>,
}

impl Store for Recording {
    fn get(&self, object: &Object) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(object)
    }

    fn create(&self, object: &Object, bytes: &[u8]) -> Result<bool, StoreError> {
        self.written.lock().expect("no panic").push(bytes.to_vec());
        self.inner.create(object, bytes)
    }

    fn replace(&self, object: &Object, bytes: &[u8]) -> Result<(), StoreError> {
        self.written.lock().expect("no panic").push(bytes.to_vec());
        self.inner.replace(object, bytes)
    }

    fn remove(&self, object: &Object) -> Result<(), StoreError> {
        self.inner.remove(object)
    }
}

#[test]
fn several_coordinators_and_workers_share_one_store_in_a_folder() {
    let directory = tempfile::tempdir().expect("a directory");
    let graph = graph(&mut Random::new(11), 25);
    let (queue, stop) = (InProcess::new(2, 2), AtomicBool::new(false));
    thread::scope(|scope| {
        let (queue, stop) = (&queue, &stop);
        let root = directory.path();
        for _ in 0..2 {
            scope.spawn(move || {
                let (store, catalogue) = (FolderStore::new(root), toys());
                queue.run(&Worker::new(&catalogue, &store, &()), stop)
            });
        }
        let coordinators: Vec<_> = (0..2)
            .map(|_| {
                let graph = &graph;
                scope
                    .spawn(move || run(graph, &FolderStore::new(root), Some(queue), &toys(), &Log::default()))
            })
            .collect();
        for coordinator in coordinators {
            let proof = coordinator.join().expect("no panic").expect("no fault");
            assert_eq!(proof, Toy::proof(graph.task(graph.root()).expect("the root")));
        }
        stop.store(true, Ordering::Relaxed);
    });
    for (folder, expected) in [("proofs", graph.len()), ("inputs", 0), ("tasks", graph.len())] {
        let found = std::fs::read_dir(directory.path().join(folder)).expect("a folder").count();
        assert_eq!(found, expected, "{folder}");
    }
}
