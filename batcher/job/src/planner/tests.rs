use batcher_circuits::testing::{block, digest, free_key_digest, free_registry};
use bridge_core::BlockMessages;
use circuits_protocol::{
    registry::EnvironmentId,
    statement::{BlockStatement, statement_digest},
};
use environments_core::block::check_statement;

use super::*;

fn candidate(statement: BlockStatement, file: u8) -> Candidate {
    let header = check_statement(&statement).expect("a block");
    let messages = BlockMessages::none(header.environment);
    Candidate { statement, header, key: free_key_digest(), messages, file: [file; 32] }
}

fn select(max_blocks: usize, candidates: &[Candidate]) -> Selection {
    let planner = Planner { max_blocks, ..Planner::default() };
    planner
        .select(&SuperblockState::genesis(1), &free_registry(3), candidates, None)
        .expect("no kernel is built")
}

#[test]
fn the_order_of_files_has_no_influence() {
    let mut candidates: Vec<_> = [(2, 2), (1, 3), (3, 1), (1, 1), (2, 1), (1, 2)]
        .into_iter()
        .zip(0..)
        .map(|((id, height), file)| candidate(block(id, height), file))
        .collect();
    let statements = |candidates: &[Candidate]| -> Vec<_> {
        select(100, candidates).order.iter().map(|&index| candidates[index].statement).collect()
    };
    let expected: Vec<_> =
        [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (1, 3)].map(|(id, height)| block(id, height)).into();
    for _ in 0..candidates.len() {
        candidates.rotate_left(1);
        assert_eq!(statements(&candidates), expected);
    }
    candidates.reverse();
    assert_eq!(statements(&candidates), expected);
}

#[test]
fn of_two_blocks_of_one_height_the_lower_statement_digest_wins() {
    let a = block(1, 1);
    let b = BlockStatement { body: digest(99), ..a };
    let (winner, loser) = if statement_digest(&a) < statement_digest(&b) { (a, b) } else { (b, a) };
    for candidates in [[winner, loser], [loser, winner]] {
        let candidates = candidates.map(|statement| candidate(statement, 0));
        let selection = select(100, &candidates);
        assert_eq!(selection.order.len(), 1);
        assert_eq!(candidates[selection.order[0]].statement, winner);
        let reason = LeftOut::Duplicate {
            environment: EnvironmentId(1),
            height: 1,
            winner: statement_digest(&winner),
        };
        assert_eq!(selection.left_out, [(1 - selection.order[0], reason)]);
    }
}

#[test]
fn a_block_from_another_state_never_blocks_the_one_that_continues() {
    let good = block(1, 1);
    // Many digests, so that some are below and some above the good one's.
    let mut candidates: Vec<_> = (0..8)
        .map(|label| candidate(BlockStatement { previous_state: digest(50 + label), ..good }, 0))
        .collect();
    candidates.push(candidate(good, 0));
    let selection = select(100, &candidates);
    assert_eq!(selection.order, [8]);
    assert_eq!(selection.left_out.len(), 8);
}

#[test]
fn a_gap_leaves_out_what_follows_and_nothing_else() {
    let candidates = [block(1, 1), block(1, 3), block(2, 1)].map(|statement| candidate(statement, 0));
    let selection = select(100, &candidates);
    assert_eq!(selection.order, [0, 2]);
    assert_eq!(selection.left_out, [(1, LeftOut::Gap { environment: EnvironmentId(1), missing: 2 })]);
}

#[test]
fn a_block_that_a_superblock_holds_is_left_out() {
    let registry = free_registry(3);
    let candidates = [block(1, 1), block(1, 2)].map(|statement| candidate(statement, 0));
    let genesis = SuperblockState::genesis(1);
    let selection =
        Planner::default().select(&genesis, &registry, &candidates[..1], None).expect("no kernel is built");
    let first = Planner::default().plan(&genesis, &registry, digest(1), selection).expect("valid");
    let state = first.transition.new_state;
    let selection =
        Planner::default().select(&state, &registry, &candidates, None).expect("no kernel is built");
    assert_eq!(selection.order, [1]);
    let reason = LeftOut::AlreadyIncluded { environment: EnvironmentId(1), height: 1 };
    assert_eq!(selection.left_out, [(0, reason)]);
}

#[test]
fn a_full_superblock_leaves_the_rest_for_the_next_one() {
    let candidates =
        [block(1, 1), block(1, 2), block(1, 3), block(2, 1)].map(|statement| candidate(statement, 0));
    let selection = select(2, &candidates);
    assert_eq!(selection.order, [0, 3], "each environment has its turn");
    assert_eq!(selection.left_out.len(), 2);
    assert!(selection.left_out.iter().all(|(_, reason)| *reason == LeftOut::Full { limit: 2 }));
}

#[test]
fn a_superblock_without_blocks_is_refused() {
    let (genesis, registry) = (SuperblockState::genesis(1), free_registry(1));
    let selection = Planner::default().select(&genesis, &registry, &[], None).expect("no kernel is built");
    let result = Planner::default().plan(&genesis, &registry, digest(1), selection);
    assert_eq!(result.expect_err("no blocks"), TransitionError::Empty);
}
