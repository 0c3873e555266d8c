use circuits_files::file::FormatError;
use circuits_tasks::{
    graph::{Graph, GraphError, MAX_CHILDREN, MAX_STATEMENT_BYTES, Task},
    id::TaskId,
    store::GraphName,
    testing::Toy,
};

use crate::support::{Random, graph, small_graph};

#[test]
fn an_id_covers_key_statement_and_children_and_nothing_else() {
    let task = Toy::task("toy", b"statement", vec![TaskId::from_bytes([1; 32])]);
    let others = [
        Task { key: [8; 32], ..task.clone() },
        Task { statement: b"statemenu".to_vec(), ..task.clone() },
        Task { statement: b"statement ".to_vec(), ..task.clone() },
        Task { children: vec![], ..task.clone() },
        Task { children: vec![TaskId::from_bytes([2; 32])], ..task.clone() },
        Task { children: vec![TaskId::from_bytes([1; 32]); 2], ..task.clone() },
    ];
    assert!(others.iter().all(|other| other.id() != task.id()));
    let renamed = Task { label: "other".to_owned(), memory: 9, ..task.clone() };
    assert_eq!(renamed.id(), task.id());
    // Stored proofs keep their names.
    assert_eq!(task.id().to_string(), "f7bf5398d213f8df514c3d4a279ac6a40124d1d99bd98212fb045e22ce0d8d30");
}

#[test]
fn an_id_has_one_spelling() {
    let id = small_graph().root();
    assert_eq!(id.to_string().parse(), Ok(id));
    for wrong in
        [id.to_string().to_uppercase(), id.to_string()[1..].to_owned(), format!("{id}0"), String::new()]
    {
        assert!(wrong.parse::<TaskId>().is_err(), "{wrong}");
    }
}

#[test]
fn a_graph_is_read_back_and_no_changed_byte_is_accepted() {
    for seed in 0..20 {
        let graph = graph(&mut Random::new(seed), 2 + usize::try_from(seed).expect("small"));
        let bytes = graph.encode().expect("small");
        assert_eq!(Graph::decode(&bytes).expect("its own bytes"), graph);
        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            assert!(Graph::decode(&changed).is_err(), "byte {position}");
        }
    }
    let task = Toy::task("toy", b"statement", vec![]);
    assert_eq!(Task::decode(&task.encode().expect("small")).expect("its own bytes"), task);
    assert!(matches!(
        Task::decode(&small_graph().encode().expect("small")),
        Err(GraphError::Format(FormatError::FileKind { .. }))
    ));
}

#[test]
fn what_is_no_graph_is_refused() {
    let leaf = Toy::task("leaf", b"leaf", vec![]);
    let root = Toy::task("root", b"root", vec![leaf.id()]);
    Graph::new(vec![leaf.clone(), root.clone()]).expect("a graph");
    let refused = |tasks: Vec<Task>| Graph::new(tasks).expect_err("no graph");
    assert_eq!(refused(vec![]), GraphError::Empty);
    assert!(matches!(refused(vec![root.clone()]), GraphError::ChildAfterParent { .. }));
    assert!(matches!(refused(vec![root.clone(), leaf.clone()]), GraphError::ChildAfterParent { .. }));
    assert!(matches!(refused(vec![leaf.clone(), leaf.clone(), root.clone()]), GraphError::Twice { .. }));
    let stray = Toy::task("stray", b"stray", vec![]);
    assert!(matches!(refused(vec![leaf.clone(), stray, root]), GraphError::Unused { .. }));

    let limits = [
        Toy::task(&"x".repeat(129), b"", vec![]),
        Task { provable: "x".repeat(129), ..leaf.clone() },
        Toy::task("leaf", &vec![0; MAX_STATEMENT_BYTES + 1], vec![]),
        Toy::task("leaf", b"", vec![leaf.id(); MAX_CHILDREN + 1]),
    ];
    for task in limits {
        assert!(matches!(task.encode(), Err(GraphError::Limit { .. })));
        assert!(matches!(refused(vec![task]), GraphError::Limit { .. }));
    }
}

#[test]
fn the_name_of_a_graph_is_a_plain_word() {
    for name in ["superblock-17-0", "0", "a"] {
        assert_eq!(GraphName::new(name).expect("plain").to_string(), name);
    }
    for name in ["", "..", "a/b", "A", "a b", "é", &"a".repeat(129)] {
        assert!(GraphName::new(name).is_err(), "{name}");
    }
}
