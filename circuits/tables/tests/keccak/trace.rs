//! Traces of honest lists: published vectors, and `sha3` as the reference.

use circuits_core::{F, layout::Layout};
use circuits_tables::{
    keccak::{
        Block, blocks, keccak256,
        table::{
            BLOCK_ROWS, KeccakTable, capacity,
            check::violations,
            columns::COLUMNS,
            permutation::{mix, unmix},
            trace::{self, Trace},
        },
    },
    table::{CONSTRAINT_DEGREE, Table, rules},
};
use plonky2::field::types::PrimeField64;
use proptest::prelude::*;

use super::{
    fixtures::message,
    lists::{SHORT, list},
};

#[track_caller]
fn assert_honest(blocks: &[Block], degree_bits: usize) {
    let found = violations(&Trace::new(blocks, degree_bits), blocks);
    assert!(found.is_empty(), "{:?}", &found[..found.len().min(20)]);
}

#[test]
fn a_block_has_26_rows_of_2392_columns_and_2821_constraints_of_degree_3() {
    assert_eq!(BLOCK_ROWS, 26);
    assert_eq!(COLUMNS, 2392);
    assert_eq!(KeccakTable::COLUMNS, COLUMNS);
    assert_eq!(rules::<KeccakTable>().len(), 2821);
    assert_eq!(CONSTRAINT_DEGREE, 3);
    assert_eq!([7, 9, 11, 13, 15].map(capacity), [4, 19, 78, 315, 1260]);
}

#[test]
fn an_empty_list_and_a_full_table_break_no_rule() {
    assert_honest(&[], 7);
    let full = list(&[200, 0, 135]);
    assert_eq!(full.len(), capacity(7));
    assert_honest(&full, 7);
}

#[test]
#[should_panic(expected = "the table has room for its blocks")]
fn a_block_beyond_the_capacity_has_no_trace() {
    let _ = Trace::new(&list(&[200, 0, 136]), 7);
}

#[test]
fn messages_of_all_lengths_around_block_ends_break_no_rule() {
    for lengths in (0..=300).collect::<Vec<_>>().chunks(25) {
        assert_honest(&list(lengths), 11);
    }
}

#[test]
fn the_trace_has_the_digests_of_sha3() {
    for length in [0, 1, 7, 8, 64, 134, 135, 136, 137, 271, 272, 273, 300] {
        let message = message(length);
        // Without a digest in the blocks, the one of the trace is what its last state begins with.
        let blocks = blocks(&message);
        let trace = Trace::new(&blocks, SHORT);
        let state = &trace.rows[blocks.len() * BLOCK_ROWS];
        let bytes: Vec<u8> = state.bits[..256]
            .chunks(8)
            .map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit.to_canonical_u64() as u8))
            .collect();
        assert_eq!(bytes, keccak256(&message), "{length} bytes");
    }
}

#[test]
fn columns_are_the_rows_transposed() {
    // None, fewer and more blocks than are made together, and a full table; also a message that does not end.
    let unfinished = list(&[200])[..1].to_vec();
    for blocks in [vec![], list(&[137]), unfinished, list(&[300; 4]), list(&[0; 19])] {
        let trace = Trace::new(&blocks, SHORT);
        let columns = trace.columns();
        assert_eq!(columns, trace::columns(&blocks, SHORT));
        assert_eq!(columns.len(), COLUMNS);
        assert!(columns.iter().all(|column| column.len() == 1 << SHORT));
        for (i, row) in trace.rows.iter().enumerate() {
            let values: Vec<F> = row.encode();
            assert!(columns.iter().zip(&values).all(|(column, value)| column[i] == *value), "row {i}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn random_messages_break_no_rule(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..5),
    ) {
        let blocks: Vec<_> = messages.iter().flat_map(|message| blocks(message)).collect();
        let found = violations(&Trace::new(&blocks, SHORT), &blocks);
        prop_assert!(found.is_empty(), "{:?}", &found[..found.len().min(20)]);
    }

    #[test]
    fn parities_are_mixed_and_back(parities in any::<[u64; 5]>()) {
        prop_assert_eq!(unmix(&mix(&parities)), parities);
        prop_assert_eq!(mix(&unmix(&parities)), parities);
    }
}
