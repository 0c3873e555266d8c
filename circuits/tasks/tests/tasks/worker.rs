use circuits_tasks::{
    graph::{Graph, Place, Task},
    id::TaskId,
    proof::StoredProof,
    provable::Catalogue,
    queue::{Handled, Handler as _},
    store::{MemoryStore, Object, Store as _},
    testing::Toy,
    worker::{Retry, TaskError, Worker},
};

use crate::support::{small_graph, toys};

/// A store with all that the tasks of `graph` need.
fn published(graph: &Graph) -> MemoryStore {
    let store = MemoryStore::default();
    for (id, task) in graph.tasks() {
        store.create(&Object::Task(id), &task.encode().expect("small")).expect("kept");
        let (object, bytes) = match task.place {
            Place::Given => {
                let proof = StoredProof::new(task, Toy::proof(task)).encode().expect("small");
                (Object::Proof(id), proof)
            }
            Place::Anywhere | Place::Here => (Object::Input(id), Toy::input(task)),
        };
        store.create(&object, &bytes).expect("kept");
    }
    store
}

fn ids(graph: &Graph) -> Vec<TaskId> {
    graph.tasks().map(|(id, _)| id).collect()
}

#[test]
fn a_task_is_done_once_its_children_are_and_its_input_is_gone() {
    let graph = small_graph();
    let (store, catalogue) = (published(&graph), toys());
    let worker = Worker::new(&catalogue, &store, &());
    let [_, _, middle, root] = ids(&graph)[..] else { panic!("four tasks") };
    assert_eq!(worker.handle(root).expect("no fault"), Handled::Early);
    assert_eq!(worker.handle(middle).expect("no fault"), Handled::Stored);
    assert!(!store.has(&Object::Input(middle)).expect("in memory"));
    assert_eq!(worker.handle(root).expect("no fault"), Handled::Stored);
    // Again, as after a lost message.
    assert_eq!(worker.handle(middle).expect("no fault"), Handled::Stored);
    assert_eq!(
        worker.proof(root, graph.task(root).expect("the root")).expect("no fault"),
        Some(Toy::proof(graph.task(root).expect("the root")))
    );
}

#[test]
fn what_nobody_wants_is_not_proved() {
    let graph = small_graph();
    let (store, catalogue) = (published(&graph), toys());
    let worker = Worker::new(&catalogue, &store, &());
    let [left, _, middle, _] = ids(&graph)[..] else { panic!("four tasks") };
    store.remove(&Object::Input(middle)).expect("in memory");
    assert_eq!(worker.handle(middle).expect("no fault"), Handled::Unwanted);
    assert_eq!(worker.handle(TaskId::from_bytes([9; 32])).expect("no fault"), Handled::Unwanted);
    // A given proof that is lost is made by nobody.
    store.remove(&Object::Proof(left)).expect("in memory");
    assert_eq!(worker.handle(left).expect("no fault"), Handled::Unwanted);
}

#[test]
fn no_byte_of_a_store_is_believed() {
    let graph = small_graph();
    let [left, _, middle, _] = ids(&graph)[..] else { panic!("four tasks") };
    for object in [Object::Task(middle), Object::Task(left), Object::Proof(left), Object::Input(middle)] {
        let length = published(&graph).get(&object).expect("in memory").expect("there").len();
        for position in 0..=length {
            let (store, catalogue) = (published(&graph), toys());
            let mut bytes = store.get(&object).expect("in memory").expect("there");
            match bytes.get_mut(position) {
                Some(byte) => *byte ^= 1,
                None => bytes.push(0),
            }
            store.replace(&object, &bytes).expect("in memory");
            let worker = Worker::new(&catalogue, &store, &());
            let handled = worker.handle(middle);
            assert!(matches!(handled, Err(_) | Ok(Handled::Early)), "{object}, byte {position}: {handled:?}");
            assert!(!store.has(&Object::Proof(middle)).expect("in memory"));
        }
    }
}

#[test]
fn another_task_in_a_tasks_place_is_refused() {
    let graph = small_graph();
    let [left, _, middle, _] = ids(&graph)[..] else { panic!("four tasks") };
    let (store, catalogue) = (published(&graph), toys());
    let worker = Worker::new(&catalogue, &store, &());
    let other = store.get(&Object::Task(left)).expect("in memory").expect("there");
    store.replace(&Object::Task(middle), &other).expect("in memory");
    assert!(
        matches!(worker.handle(middle), Err(TaskError::OtherTask { id, found }) if id == middle && found == left)
    );
}

#[test]
fn a_damaged_proof_of_a_child_is_removed_and_one_of_the_task_replaced() {
    let graph = small_graph();
    let [left, _, middle, _] = ids(&graph)[..] else { panic!("four tasks") };
    let (store, catalogue) = (published(&graph), toys());
    let worker = Worker::new(&catalogue, &store, &());
    let wrong = StoredProof::new(graph.task(middle).expect("there"), vec![1]).encode().expect("small");
    store.replace(&Object::Proof(middle), &wrong).expect("in memory");
    assert_eq!(worker.handle(middle).expect("no fault"), Handled::Stored);
    let task = graph.task(middle).expect("there");
    assert_eq!(worker.proof(middle, task).expect("no fault"), Some(Toy::proof(task)));

    store.replace(&Object::Proof(left), b"damaged").expect("in memory");
    store.remove(&Object::Proof(middle)).expect("in memory");
    store.create(&Object::Input(middle), &Toy::input(task)).expect("in memory");
    assert_eq!(worker.handle(middle).expect("no fault"), Handled::Early);
    assert!(!store.has(&Object::Proof(left)).expect("in memory"));
}

#[test]
fn a_stranger_who_returns_a_wrong_proof_changes_nothing() {
    let graph = small_graph();
    let [left, _, middle, _] = ids(&graph)[..] else { panic!("four tasks") };
    let (store, catalogue) = (published(&graph), toys());
    let worker = Worker::new(&catalogue, &store, &());
    let task = graph.task(middle).expect("there");
    let foreign = Toy::proof(graph.task(left).expect("there"));
    for wrong in [&[][..], b"lie", &foreign] {
        assert!(matches!(worker.accept(middle, task, wrong), Err(TaskError::Provable { .. })));
        assert!(!store.has(&Object::Proof(middle)).expect("in memory"));
        assert!(store.has(&Object::Input(middle)).expect("in memory"));
    }
    worker.accept(middle, task, &Toy::proof(task)).expect("valid");
    worker.accept(middle, task, &Toy::proof(task)).expect("twice");
}

#[test]
fn another_worker_may_know_what_this_one_does_not() {
    let graph = small_graph();
    let [.., middle, _] = ids(&graph)[..] else { panic!("four tasks") };
    let (store, catalogue) = (published(&graph), Catalogue::default());
    let error = Worker::new(&catalogue, &store, &()).handle(middle).expect_err("nothing is known");
    assert!(matches!(error, TaskError::UnknownProvable { .. }));
    assert_eq!(error.retry(), Retry::Elsewhere);

    let other = Task { key: [1; 32], ..Toy::task("other", b"other", vec![]) };
    store.create(&Object::Task(other.id()), &other.encode().expect("small")).expect("kept");
    store.create(&Object::Input(other.id()), &Toy::input(&other)).expect("kept");
    let catalogue = toys();
    let error = Worker::new(&catalogue, &store, &()).handle(other.id()).expect_err("another key");
    assert_eq!(error.retry(), Retry::Elsewhere, "{error}");
}
