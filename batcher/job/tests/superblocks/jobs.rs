//! Proofs made by a worker that knows nothing but a store.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use batcher_circuits::{packing::Share, state::SuperblockState};
use batcher_job::{
    graph::{PlanGraph, TASK_BYTES},
    intake::Reader,
    planner::Planner,
    proof_tree::{Node, ProofTree, Work},
    provables::catalogue,
};
use batcher_verify::circuit::{SuperblockCircuit, superblock_shape};
use circuits_tasks::{
    circuit::KeyedProof,
    coordinator::Coordinator,
    graph::{Graph, Place, Task},
    in_process::InProcess,
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
    let here = InProcess::new(1, 0);
    let coordinator = Coordinator { queue: Some(&queue), ..Coordinator::new(&own, store, &here) };
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
fn proofs_made_elsewhere_state_what_those_made_here_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    waiting(root, &[(1, 1), (2, 1)]);
    let (state, registry) = (SuperblockState::genesis(5), registry());
    let reader =
        Reader { state: &state, registry: &registry, wanted: &|_| true, refusal: &|_| None, max_verified: 2 };
    let blocks = reader.read(&root.join("blocks")).expect("readable").blocks;
    let candidates: Vec<_> = blocks.iter().map(|block| block.candidate.clone()).collect();
    let segment_set_root = ENGINE.pinned().key_set().root();
    let selection = Planner::default().select(&state, &registry, &candidates, None);
    let selection = selection.expect("no kernel is built");
    let planned = Planner::default().plan(&state, &registry, segment_set_root, selection);
    let mut plan = planned.expect("both blocks apply");
    plan.tree = two_leaves();
    let shared = MemoryStore::default();
    let planned = PlanGraph::new(&ENGINE, &plan, &blocks, None).expect("every circuit is pinned");
    no_input_brings_a_worker_down(planned.graph());
    let proof = prove_elsewhere(&planned, &shared);
    let common = &superblock_shape(SuperblockCircuit::Segments(2)).common;
    let KeyedProof { proof, .. } = KeyedProof::decode(&proof, common).expect("a proof");
    let stated = ENGINE.verify_superblock(SuperblockCircuit::Segments(2), &proof).expect("valid");
    assert_eq!(stated, plan.transition.statement);

    // There is a proof of each task, and nothing that is needed for one only.
    for (id, _) in planned.graph().tasks() {
        assert!(shared.has(&Object::Proof(id)).expect("in memory"));
    }
    assert!(shared.everything().iter().all(|(object, _)| !matches!(object, Object::Input(_))));
    // What is proved here, by another tree over the same blocks, states the same.
    let here = batch(root).expect("valid blocks").made.expect("two blocks");
    assert_eq!(here.statement, plan.transition.statement);
}
