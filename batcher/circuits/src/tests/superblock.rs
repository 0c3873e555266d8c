//! The segment and superblock circuits with real proofs, over a kernel that proves any statement.

use std::sync::LazyLock;

use batcher_verify::circuit::SuperblockCircuit;
use bridge_core::{BlockMessages, Capacity};
use circuits_core::{Compiled, Digest, F, Proof};
use circuits_forging::{Kit, check};
use circuits_protocol::{
    fold::FoldChild,
    registry::EnvironmentId,
    statement::{Accumulators, BlockStatement, SegmentStatement, SuperblockStatement},
};
use plonky2::field::types::Field;

use super::apply::passes_through;
use crate::{
    apply::{ApplyError, apply_block},
    contents::Contents,
    engine::{Engine, EngineError},
    packing::Load,
    segment::{BlockInput, LeafInput},
    state::SuperblockState,
    superblock::{SuperblockChildren, SuperblockDefinition, SuperblockInput},
    testing::{
        block, digest, engine, free_key, free_key_digest, free_proof, free_registry, free_registry_with_l1,
        l1_block, l1_body, silent,
    },
    transition::{Transition, TransitionError},
};

static ENGINE: LazyLock<Engine> = LazyLock::new(engine);

struct Proven {
    block: BlockStatement,
    proof: Proof,
}

fn proven(block: BlockStatement) -> Proven {
    Proven { block, proof: free_proof(&block) }
}

/// Blocks 1 and 2 of environment 1, and block 1 of environment 2.
static BLOCKS: LazyLock<Vec<Proven>> =
    LazyLock::new(|| [(1, 1), (2, 1), (1, 2)].map(|(id, height)| proven(block(id, height))).into());

fn transition(state: &SuperblockState, blocks: &[Proven]) -> Transition {
    over(state, blocks, ENGINE.pinned().key_set().root())
}

fn over(state: &SuperblockState, blocks: &[Proven], segment_set_root: Digest) -> Transition {
    let statements: Vec<_> = blocks.iter().map(|proven| proven.block).collect();
    Transition::new(state, &free_registry(2), segment_set_root, &silent(&statements), &Load::default(), &[])
        .unwrap()
}

fn inputs(transition: &Transition, blocks: &[Proven], offset: usize) -> Vec<BlockInput> {
    blocks
        .iter()
        .zip(&transition.applied[offset..])
        .map(|(proven, applied)| BlockInput {
            proof: proven.proof.clone(),
            key: free_key().clone(),
            applied: applied.clone(),
        })
        .collect()
}

fn leaf(transition: &Transition, blocks: &[Proven], offset: usize) -> FoldChild {
    let circuit = ENGINE.leaf(blocks.len()).circuit().unwrap();
    let statement = transition.segment(offset..offset + blocks.len());
    let input = LeafInput { statement, blocks: inputs(transition, blocks, offset) };
    let proof = circuit.prove(&input).unwrap();
    assert_eq!(circuit.statement(&proof).unwrap(), statement, "the native segment is the proven one");
    let membership = ENGINE.membership(circuit.key()).unwrap();
    FoldChild { proof, key: circuit.key().clone(), membership }
}

/// Superblock 1 over blocks 0 and 1, directly.
static FIRST: LazyLock<(Transition, Proof)> = LazyLock::new(|| {
    let blocks = &BLOCKS[..2];
    let transition = transition(&SuperblockState::genesis(9), blocks);
    let input = transition.superblock_input(SuperblockChildren::Blocks(inputs(&transition, blocks, 0)));
    let proof =
        ENGINE.superblock(SuperblockCircuit::Blocks(2)).unwrap().circuit().unwrap().prove(&input).unwrap();
    (transition, proof)
});

/// The two leaves of a superblock over all three blocks, and its transition.
static LEAVES: LazyLock<(Transition, [FoldChild; 2])> = LazyLock::new(|| {
    let transition = transition(&SuperblockState::genesis(9), &BLOCKS);
    let leaves = [leaf(&transition, &BLOCKS[..2], 0), leaf(&transition, &BLOCKS[2..], 2)];
    (transition, leaves)
});

fn assert_unprovable(source: SuperblockCircuit, input: &SuperblockInput) {
    let result = ENGINE.superblock(source).unwrap().circuit().unwrap().prove(input);
    assert!(result.is_err(), "a superblock was proved that must not be");
}

#[test]
fn superblocks_over_blocks_chain_and_verify_with_embedded_keys() {
    let (transition, proof) = &*FIRST;
    assert_eq!(ENGINE.verify_superblock(SuperblockCircuit::Blocks(2), proof).unwrap(), transition.statement);
    let next = self::transition(&transition.new_state, &BLOCKS[2..]);
    let input = next.superblock_input(SuperblockChildren::Blocks(inputs(&next, &BLOCKS[2..], 0)));
    let second =
        ENGINE.superblock(SuperblockCircuit::Blocks(1)).unwrap().circuit().unwrap().prove(&input).unwrap();
    let statement: SuperblockStatement =
        ENGINE.verify_superblock(SuperblockCircuit::Blocks(1), &second).unwrap();
    assert_eq!(statement, next.statement);
    assert_eq!(statement.previous_state, transition.statement.new_state);
    assert_eq!(statement.number, F::TWO);
}

#[test]
fn a_superblock_of_a_block_of_environment_0_alone_tells_l1_its_body() {
    let contents = Contents {
        blocks: vec![l1_block(0, 1, BlockMessages::none(EnvironmentId::L1))],
        l1_body: Some(l1_body(1)),
    };
    let (state, registry) = (SuperblockState::genesis(9), free_registry_with_l1(2));
    let root = ENGINE.pinned().key_set().root();
    let transition = Transition::new(&state, &registry, root, &contents, &Load::default(), &[]).unwrap();
    let blocks = [proven(contents.blocks[0].statement)];
    let input = transition.superblock_input(SuperblockChildren::Blocks(inputs(&transition, &blocks, 0)));
    let proof =
        ENGINE.superblock(SuperblockCircuit::Blocks(1)).unwrap().circuit().unwrap().prove(&input).unwrap();
    let statement = ENGINE.verify_superblock(SuperblockCircuit::Blocks(1), &proof).unwrap();
    assert_eq!(statement, transition.statement);
    assert_eq!(statement.l1_block(), Some(l1_body(1)));

    let mut other = input;
    other.l1_body = l1_body(2);
    assert_unprovable(SuperblockCircuit::Blocks(1), &other);
}

#[test]
fn a_block_of_environment_0_that_is_not_the_last_is_rejected() {
    let last = |blocks: &[Proven]| {
        let statements: Vec<_> = blocks.iter().map(|proven| proven.block).collect();
        let contents = Contents { l1_body: Some(l1_body(1)), ..silent(&statements) };
        let (state, registry) = (SuperblockState::genesis(9), free_registry_with_l1(2));
        let root = ENGINE.pinned().key_set().root();
        Transition::new(&state, &registry, root, &contents, &Load::default(), &[])
    };
    let l1 = || proven(l1_block(0, 1, BlockMessages::none(EnvironmentId::L1)).statement);
    let honest = [proven(BLOCKS[0].block), l1()];
    let transition = last(&honest).unwrap();
    let blocks = inputs(&transition, &honest, 0);
    let prove = |blocks: Vec<BlockInput>| {
        let input = transition.superblock_input(SuperblockChildren::Blocks(blocks));
        check(&ENGINE.superblock(SuperblockCircuit::Blocks(2)).unwrap().circuit().unwrap(), &input).is_ok()
    };
    assert!(prove(blocks.clone()));

    let reversed = [l1(), proven(BLOCKS[0].block)];
    let error = last(&reversed).unwrap_err();
    let source = ApplyError::AfterL1(EnvironmentId(1));
    assert_eq!(error, TransitionError::Block { index: 1, source });
    // Each with the path that its head has in the other order.
    let (mut state, registry) = (SuperblockState::genesis(9), free_registry_with_l1(2));
    let in_reverse = reversed.iter().map(|Proven { block, proof }| {
        let mut accumulators = Accumulators::start();
        let applied =
            apply_block(&mut state, &mut accumulators, &registry, 1, free_key_digest(), block).unwrap();
        BlockInput { proof: proof.clone(), key: free_key().clone(), applied }
    });
    assert!(!prove(in_reverse.collect()));
}

#[test]
fn segments_fold_into_one_superblock() {
    let (transition, leaves) = &*LEAVES;
    let fold = ENGINE.fold(2).circuit().unwrap();
    let folded = fold.prove(&leaves.to_vec()).unwrap();
    assert_eq!(fold.statement(&folded).unwrap(), transition.segment(0..3));
    let membership = ENGINE.membership(fold.key()).unwrap();
    let child = FoldChild { proof: folded, key: fold.key().clone(), membership };
    let input = transition.superblock_input(SuperblockChildren::Segments(vec![child]));
    let proof =
        ENGINE.superblock(SuperblockCircuit::Segments(1)).unwrap().circuit().unwrap().prove(&input).unwrap();
    assert_eq!(
        ENGINE.verify_superblock(SuperblockCircuit::Segments(1), &proof).unwrap(),
        transition.statement
    );
    // Over the leaves themselves the statement is the same: it does not depend on the shape of the tree.
    let input = transition.superblock_input(SuperblockChildren::Segments(leaves.to_vec()));
    let direct =
        ENGINE.superblock(SuperblockCircuit::Segments(2)).unwrap().circuit().unwrap().prove(&input).unwrap();
    assert_eq!(
        ENGINE.verify_superblock(SuperblockCircuit::Segments(2), &direct).unwrap(),
        transition.statement
    );
}

#[test]
fn the_same_segment_twice_is_rejected() {
    let (transition, [first, _]) = &*LEAVES;
    let twice = vec![first.clone(), first.clone()];
    assert!(ENGINE.fold(2).circuit().unwrap().prove(&twice).is_err());
    assert_unprovable(
        SuperblockCircuit::Segments(2),
        &transition.superblock_input(SuperblockChildren::Segments(twice)),
    );
}

#[test]
fn a_dropped_or_reordered_segment_is_rejected() {
    let (transition, [first, second]) = &*LEAVES;
    let reordered = SuperblockChildren::Segments(vec![second.clone(), first.clone()]);
    assert_unprovable(SuperblockCircuit::Segments(2), &transition.superblock_input(reordered));
    // Without the first segment, what is left does not start with an empty body chain.
    let dropped = SuperblockChildren::Segments(vec![second.clone()]);
    assert_unprovable(SuperblockCircuit::Segments(1), &transition.superblock_input(dropped));
}

#[test]
fn a_listed_digest_with_another_cap_is_rejected() {
    let (transition, [first, second]) = &*LEAVES;
    let mut forged = first.clone();
    forged.key.constants_sigmas_cap = second.key.constants_sigmas_cap.clone();
    let input = transition.superblock_input(SuperblockChildren::Segments(vec![forged, second.clone()]));
    assert_unprovable(SuperblockCircuit::Segments(2), &input);
}

#[test]
fn a_segment_key_outside_the_set_is_rejected() {
    let (transition, [first, second]) = &*LEAVES;
    let mut forged = first.clone();
    forged.membership = ENGINE.membership(ENGINE.fold(2).circuit().unwrap().key()).unwrap();
    let input = transition.superblock_input(SuperblockChildren::Segments(vec![forged, second.clone()]));
    assert_unprovable(SuperblockCircuit::Segments(2), &input);
    let error = ENGINE.membership(free_key()).unwrap_err();
    assert!(matches!(error, EngineError::UnlistedSegment(_)));
}

#[test]
fn a_segment_of_a_prover_chosen_key_set_is_rejected() {
    let transition = over(&SuperblockState::genesis(9), &BLOCKS[..1], digest(666));
    let child = leaf(&transition, &BLOCKS[..1], 0);
    let input = transition.superblock_input(SuperblockChildren::Segments(vec![child]));
    assert_unprovable(SuperblockCircuit::Segments(1), &input);
}

#[test]
fn an_accumulator_that_starts_at_a_free_value_is_rejected() {
    let mut transition = transition(&SuperblockState::genesis(9), &BLOCKS[..1]);
    for (_, accumulators) in &mut transition.boundaries {
        accumulators.block_count += F::ONE;
    }
    let child = leaf(&transition, &BLOCKS[..1], 0);
    let input = transition.superblock_input(SuperblockChildren::Segments(vec![child]));
    assert_unprovable(SuperblockCircuit::Segments(1), &input);
}

#[test]
fn a_segment_of_another_number_is_rejected() {
    let (transition, leaves) = &*LEAVES;
    let mut input = transition.superblock_input(SuperblockChildren::Segments(leaves.to_vec()));
    input.previous_number += 1;
    assert_unprovable(SuperblockCircuit::Segments(2), &input);
}

#[test]
fn a_previous_state_or_history_of_the_provers_choice_gives_another_statement() {
    let (transition, _) = &*FIRST;
    let source = || SuperblockChildren::Blocks(inputs(transition, &BLOCKS[..2], 0));
    // History: the path must open to an empty leaf under the root given.
    let mut input = transition.superblock_input(source());
    input.history_root = digest(3);
    assert_unprovable(SuperblockCircuit::Blocks(2), &input);
    // Chain id: free for a prover, but it is public and inside both states, so L1 sees another chain.
    let mut input = transition.superblock_input(source());
    input.chain_id += 1;
    let proof =
        ENGINE.superblock(SuperblockCircuit::Blocks(2)).unwrap().circuit().unwrap().prove(&input).unwrap();
    let statement = ENGINE.verify_superblock(SuperblockCircuit::Blocks(2), &proof).unwrap();
    assert_ne!(statement.previous_state, transition.statement.previous_state);
    assert_ne!(statement.new_state, transition.statement.new_state);
}

#[test]
fn a_block_proof_with_a_changed_statement_is_rejected() {
    let (transition, _) = &*FIRST;
    let mut blocks = inputs(transition, &BLOCKS[..2], 0);
    // The new state: any value would satisfy the rules of application, only the proof speaks against it.
    let new_state = 7;
    blocks[1].proof.public_inputs[new_state] += F::ONE;
    assert_unprovable(
        SuperblockCircuit::Blocks(2),
        &transition.superblock_input(SuperblockChildren::Blocks(blocks)),
    );
}

#[test]
fn a_superblock_proof_verifies_under_its_own_circuit_only() {
    let (_, proof) = &*FIRST;
    for source in SuperblockCircuit::all().filter(|&source| source != SuperblockCircuit::Blocks(2)) {
        assert!(matches!(ENGINE.verify_superblock(source, proof), Err(EngineError::Invalid(_))));
    }
    let mut changed = proof.clone();
    changed.public_inputs[0] += F::ONE;
    assert!(matches!(
        ENGINE.verify_superblock(SuperblockCircuit::Blocks(2), &changed),
        Err(EngineError::Invalid(_))
    ));
}

#[test]
fn a_leaf_survives_the_forging_kit() {
    let (transition, _) = &*FIRST;
    let input =
        LeafInput { statement: transition.segment(0..2), blocks: inputs(transition, &BLOCKS[..2], 0) };
    Kit::new(&ENGINE.leaf(2).circuit().unwrap()).input(&input).except(passes_through()).run().assert_sound();
}

#[test]
fn a_fold_survives_the_forging_kit() {
    let (_, leaves) = &*LEAVES;
    Kit::new(&ENGINE.fold(2).circuit().unwrap()).input(&leaves.to_vec()).run().assert_sound();
}

#[test]
fn superblocks_survive_the_forging_kit() {
    // Without slots for messages: those are attacked where each is used.
    let attack = |source, input: &SuperblockInput| {
        let definition = SuperblockDefinition::new(source, ENGINE.pinned().key_set().root());
        let silent = SuperblockDefinition { capacity: Capacity::NONE, ..definition };
        Kit::new(&Compiled::new(silent).unwrap()).input(input).run().assert_sound();
    };
    let (transition, leaves) = &*LEAVES;
    let segments = SuperblockChildren::Segments(leaves.to_vec());
    attack(SuperblockCircuit::Segments(2), &transition.superblock_input(segments));
    let (transition, _) = &*FIRST;
    let blocks = SuperblockChildren::Blocks(inputs(transition, &BLOCKS[..2], 0));
    attack(SuperblockCircuit::Blocks(2), &transition.superblock_input(blocks));
}

#[test]
fn native_joining_names_the_field_that_does_not_continue() {
    use circuits_protocol::fold::Chain;
    type Join = crate::segment::SegmentChain;
    let transition = transition(&SuperblockState::genesis(9), &BLOCKS);
    let (first, second): (SegmentStatement, SegmentStatement) =
        (transition.segment(0..1), transition.segment(1..3));
    assert_eq!(Join::join(&first, &second).unwrap(), transition.segment(0..3));
    let field = |change: &dyn Fn(&mut SegmentStatement)| {
        let mut changed = second;
        change(&mut changed);
        Join::join(&first, &changed).unwrap_err().field
    };
    assert_eq!(field(&|right| right.chain_id += F::ONE), "chain id");
    assert_eq!(field(&|right| right.number += F::ONE), "superblock number");
    assert_eq!(field(&|right| right.registry_root = Digest::ZERO), "registry root");
    assert_eq!(field(&|right| right.segment_set_root = Digest::ZERO), "segment set root");
    assert_eq!(field(&|right| right.before.message_count += F::ONE), "roots");
    assert_eq!(field(&|right| right.accumulated_before.l1_body = digest(1)), "accumulators");
}
