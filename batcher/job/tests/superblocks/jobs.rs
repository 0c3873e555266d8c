//! Proofs made one after the other and at the same time.

use std::{fs, sync::atomic::AtomicBool};

use batcher_circuits::{packing::Share, state::SuperblockState};
use batcher_job::{
    intake::Reader,
    output::OutputDirectory,
    planner::Planner,
    proof_tree::{Node, ProofTree, Work},
    prove::Prover,
    store::Store,
};
use batcher_verify::circuit::SuperblockCircuit;
use circuits_tasks::progress::Quiet;

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

#[test]
fn proofs_made_together_are_those_made_one_by_one() {
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

    let results = [1, 2].map(|jobs| {
        let output = OutputDirectory::new(&root.join(format!("jobs-{jobs}")));
        let store = Store::open(&output).expect("a directory");
        let stop = AtomicBool::new(false);
        let prover = Prover { engine: &ENGINE, store: Some(&store), progress: &Quiet, jobs, stop: &stop };
        let finished = prover.run(&plan, &blocks, None).expect("valid blocks");
        let stated =
            ENGINE.verify_superblock(SuperblockCircuit::Segments(2), &finished.proof).expect("valid");
        assert_eq!(stated, plan.transition.statement);
        let stored = fs::read_dir(output.proofs()).expect("readable");
        let mut names: Vec<_> = stored.map(|entry| entry.expect("readable").file_name()).collect();
        names.sort();
        assert_eq!(names.len(), 3);
        (stated, names)
    });
    assert_eq!(results[0], results[1]);
    // Nor does another tree over the same blocks change what is stated.
    let direct = batch(root).expect("valid blocks").made.expect("two blocks");
    assert_eq!(direct.statement, results[0].0);
}
