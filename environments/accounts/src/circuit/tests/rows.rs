//! How many slots and children the circuits hold.

use std::sync::Arc;

use circuits_core::{Definition, Digest, F, circuit::defined};
use circuits_protocol::fold::FoldDefinition;
use circuits_prover::{
    basetypes::{VerifierData, VerifierKey},
    proving,
};
use circuits_tables::{ecdsa::batch::signature_shape, keccak::batch::keccak_shape};
use plonky2::{
    field::types::Field as _,
    hash::{hash_types::HashOut, merkle_tree::MerkleCap},
};

use super::Slots;
use crate::{
    block::{CHILDREN, CHUNK_SLOTS, DIRECT_SLOTS, FOLD_ARITIES, TABLES, Variant},
    chunk::{ChunkChain, ChunkLeaf, chunk_shape},
    kernel::{BlockKernel, Hashing, Verified},
};

/// A key of the shape of signatures. Its values are distinct, since equal constants share a row.
fn signatures() -> Arc<VerifierData> {
    let common = signature_shape().common.clone();
    let digest = |first: usize| HashOut {
        elements: [0, 1, 2, 3].map(|n| F::from_canonical_usize(1000 + 4 * first + n)),
    };
    let cap = 1 << common.config.fri_config.cap_height;
    let verifier_only = VerifierKey {
        constants_sigmas_cap: MerkleCap((0..cap).map(digest).collect()),
        circuit_digest: digest(cap),
    };
    Arc::new(VerifierData { verifier_only, common })
}

/// Rows of a circuit: those in use before constants get rows too, and those of its proofs as a binary logarithm.
fn rows(definition: &impl Definition) -> (usize, usize) {
    let (builder, _, rows) = defined(definition);
    (rows, proving::common_data(builder).degree_bits())
}

/// Rows of one more slot.
fn slot_rows() -> usize {
    let [one, two] = [1, 2].map(|slots| defined(&Slots(slots)).2);
    two - one
}

/// Checks that a circuit has this many rows, as a binary logarithm, and that `more` rows do not fit them.
fn assert_filled((rows, found): (usize, usize), degree_bits: usize, more: usize) {
    assert_eq!(found, degree_bits, "{rows} rows, and more for constants");
    assert!(rows + more > 1 << degree_bits, "{rows} rows leave room for {more}");
}

fn kernel(variant: Variant) -> BlockKernel {
    let verified = |_| {
        let key_set_root = Digest([1, 2, 3, 4].map(|n| F::from_canonical_u64(900 + n)));
        Verified { signatures: signatures(), hashes: Hashing { shape: keccak_shape(), key_set_root } }
    };
    BlockKernel::new(variant, variant.table().map(verified), Digest::ZERO)
}

#[test]
fn a_chunk_has_as_many_slots_as_its_shape_holds() {
    assert_filled(rows(&ChunkLeaf::new(CHUNK_SLOTS)), chunk_shape().common.degree_bits(), slot_rows());
}

#[test]
fn the_kernel_of_a_small_block_has_as_many_slots_as_its_rows_hold() {
    let more = slot_rows();
    for (slots, degree_bits) in DIRECT_SLOTS.into_iter().zip([15, 16]) {
        assert_filled(rows(&kernel(Variant::Direct { slots, table: TABLES[0] })), degree_bits, more);
    }
    assert_filled(rows(&kernel(Variant::Unsigned)), 13, more);
}

#[test]
fn a_fold_and_the_kernel_of_a_large_block_verify_as_many_chunks_as_their_rows_hold() {
    let fold = |arity| FoldDefinition::<ChunkChain>::new(chunk_shape(), arity);
    let [larger, smaller] = FOLD_ARITIES.map(|arity| rows(&fold(arity)));
    let more = larger.0 - smaller.0;
    assert_eq!(FOLD_ARITIES[0] - FOLD_ARITIES[1], 1);
    assert_filled(larger, chunk_shape().common.degree_bits(), more);
    let [fewer, most] = CHILDREN;
    let large = |children| rows(&kernel(Variant::Chunks { children, table: TABLES[1] }));
    assert_filled(large(most), 16, more);
    assert_eq!(large(fewer).1, 16);
}
