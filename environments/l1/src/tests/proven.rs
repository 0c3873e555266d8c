//! Listed kernels over real proofs of hashes.

use circuits_core::F;
use circuits_forging::{assert_accepts, assert_rejects, fixtures::cache};
use circuits_protocol::wrap::block_shape;
use circuits_tasks::circuit::KeyedProof;
use environments_core::{block::ProvenBlock, kernel::Kernels as _};
use plonky2::field::types::Field;

use super::{NUMBER, block, broken, claim, deposit, refund, state};
use crate::{
    block::{L1Block, MAX_CONSUMED, MAX_DEPOSITS},
    circuits::KERNELS,
    kernel::{L1Input, Variant},
    prove::{Slots, kernel_input, prove_block},
};

fn verified(block: &L1Block, proven: &ProvenBlock) {
    assert_eq!(proven.statement(), block.statement());
    circuits_core::proof::verify(proven.proof(), proven.key(), &block_shape().common).unwrap();
    assert!(KERNELS.key_digests(cache()).unwrap().contains(&proven.key_digest()));
}

/// What shows with a substitute for the proof of the hashes shows in a kernel that registries list.
#[test]
fn the_listed_kernel_of_small_blocks_takes_the_block_whose_hashes_are_proved() {
    let (consumed, deposits) = ([claim(1), refund(2)], [deposit(3), broken(4)]);
    let (variant, honest) = kernel_input(cache(), &KERNELS, &block(&consumed, &deposits)).unwrap();
    assert_eq!(variant, Variant::SMALL);
    let kernel = KERNELS.get(cache(), variant).unwrap();
    let proposed = state().block(NUMBER, &deposits, &consumed).unwrap();
    let KeyedProof { proof, key } = kernel.prove(cache(), proposed.statement(), &honest).unwrap();
    verified(&proposed, &ProvenBlock::new(&proposed, proof, key).unwrap());

    let circuit = kernel.circuit(cache()).unwrap();
    assert_accepts(&circuit, &honest);
    let with = |consumed: &[_], deposits: &[_]| {
        let Slots { consumed, deposits, .. } = Slots::new(&block(consumed, deposits), variant);
        L1Input { consumed, deposits, ..honest.clone() }
    };
    // Other blocks than the one whose hashes are proved.
    let [first, second] = deposits;
    for (consumed, deposits) in [
        (&consumed[..], &[][..]),
        (&consumed, &[first]),
        (&consumed, &[second, first]),
        (&consumed, &[first, first]),
        (&consumed[..1], &deposits),
        (&[], &deposits),
        (&[refund(2), claim(1)], &deposits),
        (&[claim(1), refund(3)], &deposits),
    ] {
        assert_rejects(&circuit, &with(consumed, deposits));
    }
    let mut later = honest.clone();
    later.before.payouts += F::ONE;
    assert_rejects(&circuit, &later);
    let mut other_queue = honest.clone();
    other_queue.before.queue_digest[0] += F::ONE;
    assert_rejects(&circuit, &other_queue);
}

#[test]
fn a_block_of_64_deposits_and_96_messages_is_proven() {
    let consumed: Vec<_> =
        (0..MAX_CONSUMED as u8).map(|n| if n % 3 == 0 { refund(n) } else { claim(n) }).collect();
    let deposits: Vec<_> =
        (0..MAX_DEPOSITS as u8).map(|n| if n % 4 == 1 { broken(n) } else { deposit(n) }).collect();
    let proposed = state().block(NUMBER, &deposits, &consumed).unwrap();
    verified(&proposed, &prove_block(cache(), &KERNELS, &proposed).unwrap());
    assert_eq!(proposed.witness().outcome.payouts.len(), MAX_CONSUMED + MAX_DEPOSITS / 4);
}
