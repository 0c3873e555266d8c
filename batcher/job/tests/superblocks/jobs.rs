//! Proofs made one after the other in this process, and at the same time by workers that know nothing but a store.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use batcher_circuits::{packing::Share, state::SuperblockState};
use batcher_job::{
    graph::{PlanGraph, TASK_BYTES},
    intake::Reader,
    output::OutputDirectory,
    planner::Planner,
    proof_tree::{Node, ProofTree, Work},
    provables::catalogue,
    prove::Prover,
    store::Store,
};
use batcher_verify::circuit::{SuperblockCircuit, superblock_shape};
use circuits_tasks::{
    circuit::KeyedProof,
    coordinator::{Coordinator, Pace},
    graph::{Graph, Place, Task},
    in_process::InProcess,
    progress::Quiet,
    provable::{Child, ProvableError, Request},
    queue::Queue as _,
    store::{MemoryStore, Object, Store as _},
    worker::Worker,
};

use crate::common::{ENGINE, batch, registry, waiting};

/// Two leaves of one block each, which can be proved at the same time, below one superblock.
fn two_leaves() -> ProofTree {
    let node = |name: &str, work, span| Node { name: name.to_owned(), work, span };
    let nodes = vec![
        node("leaf 0..1", Work::Leaf, 0..1),
        node("leaf 1..2", Work::Leaf, 1..2),
        node("superblock 0..2", Work::Top(vec![0, 1]), 0..2),
    ];
    ProofTree { nodes, source: SuperblockCircuit::Segments(2), shares: vec![Share::default()] }
}

/// Proves a graph by a worker that has no more than the store and the batcher's circuits.
fn prove_elsewhere(planned: &PlanGraph<'_>, store: &MemoryStore) -> Vec<u8> {
    let (own, foreign) = (catalogue(&ENGINE), catalogue(&ENGINE));
    let (queue, stop) = (InProcess::new(2, 2 * TASK_BYTES), AtomicBool::new(false));
    let coordinator = Coordinator {
        catalogue: &own,
        store,
        here: &InProcess::new(1, 0),
        queue: Some(&queue),
        priority: 0,
        pace: Pace::default(),
        progress: &Quiet,
        stop: &AtomicBool::new(false),
    };
    thread::scope(|scope| {
        scope.spawn(|| queue.run(&Worker::new(&foreign, store, &()), &stop));
        let proof = coordinator.run(planned.graph(), &|position| planned.input(position));
        stop.store(true, Ordering::Relaxed);
        proof.expect("valid blocks")
    })
}

/// Whoever can write to a store can give a worker any bytes.
fn no_input_brings_a_worker_down(graph: &Graph) {
    let catalogue = catalogue(&ENGINE);
    let empty = circuits_tasks::circuit::encode_input(&()).expect("small");
    for (_, task) in graph.tasks().filter(|(_, task)| task.place == Place::Anywhere) {
        let provable = catalogue.find(&task.provable).expect("the batcher's");
        let below: Vec<&Task> =
            task.children.iter().map(|&child| graph.task(child).expect("in the graph")).collect();
        let children: Vec<_> = below.iter().map(|task| Child { task, proof: &[7; 9] }).collect();
        for (input, children) in
            [(&[][..], &[][..]), (&empty, &[]), (&empty, &children), (&[1, 2, 3], &children)]
        {
            let error = provable.prove(&Request { task, input, children }, &()).expect_err("no input");
            assert!(
                matches!(
                    error,
                    ProvableError::Input { .. } | ProvableError::Children { .. } | ProvableError::Proof(_)
                ),
                "{error}"
            );
        }
    }
}

#[test]
fn proofs_made_elsewhere_are_those_made_here_one_by_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[(1, 1), (2, 1)]);
    let (state, registry) = (SuperblockState::genesis(5), registry());
    let reader = Reader { state: &state, registry: &registry, refusal: &|_| None, max_verified: 2 };
    let blocks = reader.read(&root.join("blocks")).expect("readable").blocks;
    let candidates: Vec<_> = blocks.iter().map(|block| block.candidate.clone()).collect();
    let segment_set_root = ENGINE.pinned().key_set().root();
    let selection = Planner::default().select(&state, &registry, &candidates, None);
    let selection = selection.expect("no kernel is built");
    let planned = Planner::default().plan(&state, &registry, segment_set_root, selection);
    let mut plan = planned.expect("both blocks apply");
    plan.tree = two_leaves();
    let stated = |proof| ENGINE.verify_superblock(SuperblockCircuit::Segments(2), proof).expect("valid");

    let output = OutputDirectory::new(&root.join("here"));
    let store = Store::open(&output).expect("a directory");
    let stop = AtomicBool::new(false);
    let prover =
        Prover { engine: &ENGINE, store: Some(&store), shared: None, progress: &Quiet, jobs: 1, stop: &stop };
    let finished = prover.run(&plan, &blocks, None).expect("valid blocks");
    assert_eq!(stated(&finished.proof), plan.transition.statement);

    let shared = MemoryStore::default();
    let planned = PlanGraph::new(&ENGINE, &plan, &blocks, None).expect("every circuit is pinned");
    no_input_brings_a_worker_down(planned.graph());
    let proof = prove_elsewhere(&planned, &shared);
    let common = &superblock_shape(SuperblockCircuit::Segments(2)).common;
    let KeyedProof { proof, .. } = KeyedProof::decode(&proof, common).expect("a proof");
    assert_eq!(stated(&proof), plan.transition.statement);

    // Both have a proof of each task that is not given, and of nothing else.
    for (id, task) in planned.graph().tasks() {
        let proof = Object::Proof(id);
        assert!(shared.has(&proof).expect("in memory"));
        assert_eq!(store.proofs().path(&proof).exists(), task.place == Place::Anywhere, "{}", task.label);
    }
    assert!(shared.everything().iter().all(|(object, _)| !matches!(object, Object::Input(_))));
    // Nor does another tree over the same blocks change what is stated.
    let direct = batch(root).expect("valid blocks").made.expect("two blocks");
    assert_eq!(direct.statement, plan.transition.statement);
}
