//! The graphs of hops, which need no proof.

use batcher_hop::{HopCircuits, graph::HopGraphError};
use batcher_verify::{circuit::SuperblockCircuit, keys::PinnedKeys};
use circuits_core::{
    F,
    layout::{self, Layout},
    recursion::key_digest,
};
use circuits_keys::CircuitCache;
use circuits_protocol::statement::SuperblockStatement;
use circuits_tasks::{
    graph::{Graph, Place, Task},
    provable::Catalogue,
};
use plonky2::field::types::Field as _;

/// A task of a superblock's graph.
fn task(name: &str, key: [u8; 32], children: &[&Task]) -> Task {
    let elements = [F::ONE; <SuperblockStatement as Layout<F>>::LEN];
    let statement = SuperblockStatement::decode(&elements).expect("a statement");
    Task {
        label: name.to_owned(),
        provable: name.to_owned(),
        key,
        statement: layout::to_bytes(&statement),
        children: children.iter().map(|child| child.id()).collect(),
        memory: 1,
        place: Place::Anywhere,
    }
}

#[test]
fn a_hop_is_three_tasks_above_its_superblock_whether_that_is_proved_or_not() {
    let (keys, cache) = (PinnedKeys::embedded(), CircuitCache::default());
    let circuits = HopCircuits::new(keys, &cache);
    let catalogue = circuits.add_to(Catalogue::default());
    for circuit in SuperblockCircuit::all() {
        let key = key_digest(keys.superblock(circuit).expect("pinned")).to_bytes();
        let segment = task("segment", [1; 32], &[]);
        let superblock = task("superblock", key, &[&segment]);
        let made = Graph::new(vec![segment, superblock.clone()]).expect("a graph");
        let statement = layout::from_bytes(&superblock.statement).expect("a statement");
        let given = circuits.graph(circuit, &statement).expect("a graph");
        let above = circuits.graph_above(&made).expect("a graph");
        for (graph, below) in [(given, 1), (above, 2)] {
            assert_eq!(graph.len(), below + 3);
            let tasks: Vec<_> = graph.tasks().collect();
            for pair in tasks[below - 1..].windows(2) {
                let [(below, _), (_, stage)] = pair else { panic!("a window of two") };
                assert_eq!(stage.children, [*below]);
                assert_eq!((stage.place, &stage.statement), (Place::Anywhere, &superblock.statement));
                let provable = catalogue.find(&stage.provable).expect("it is in the catalogue");
                assert_eq!(provable.key().expect("pinned"), stage.key);
            }
        }
    }
}

#[test]
fn what_is_no_superblock_has_no_hop() {
    let cache = CircuitCache::default();
    let circuits = HopCircuits::new(PinnedKeys::embedded(), &cache);
    for key in [[0; 32], [0xff; 32]] {
        let graph = Graph::new(vec![task("stranger", key, &[])]).expect("a graph");
        let error = circuits.graph_above(&graph).expect_err("no superblock");
        assert!(matches!(error, HopGraphError::NotASuperblock { .. }), "{error}");
    }
}
