//! Packed permutations beside plonky2's.

use circuits_prover::hasher::{Packed, PackedSponge, SPONGE_WIDTH};
use p3_field::{PackedValue as _, PrimeField64 as _};
use p3_goldilocks::Goldilocks;
use plonky2::{
    field::types::{Field64 as _, PrimeField64 as _},
    hash::{hashing::PlonkyPermutation as _, poseidon::PoseidonHash},
    plonk::config::Hasher,
};
use proptest::prelude::*;

use crate::fixtures::{Elements, F, Field as _};

/// Compares the lanes with plonky2's permutation of each state.
fn assert_permutes<H: PackedSponge>(states: &[[F; SPONGE_WIDTH]]) {
    assert_eq!(states.len(), Packed::WIDTH);
    let mut packed: [Packed; SPONGE_WIDTH] =
        std::array::from_fn(|i| Packed::from_fn(|lane| Goldilocks::new(states[lane][i].0)));
    H::permute_packed(&mut packed);
    for (lane, state) in states.iter().enumerate() {
        let mut expected = <H as Hasher<F>>::Permutation::new(*state);
        expected.permute();
        for (packed, expected) in packed.iter().zip(expected.as_ref()) {
            assert_eq!(packed.as_slice()[lane].as_canonical_u64(), expected.to_canonical_u64());
        }
    }
}

/// Elements at which carries and borrows happen.
fn edge(index: usize) -> F {
    let edges = [0, 1, u64::from(u32::MAX), 1 << 32, F::ORDER - 1, F::ORDER, F::ORDER + 1, u64::MAX];
    F::from_noncanonical_u64(edges[index % edges.len()])
}

#[test]
fn packed_poseidon_permutes_edges_as_plonky2_does() {
    for start in 0..8 {
        for step in 0..8 {
            let states: Vec<_> = (0..Packed::WIDTH)
                .map(|lane| std::array::from_fn(|i| edge(start + lane + step * i)))
                .collect();
            assert_permutes::<PoseidonHash>(&states);
        }
    }
}

proptest! {
    #[test]
    fn packed_poseidon_permutes_as_plonky2_does(seed: u64) {
        let mut elements = Elements(seed);
        let states: Vec<_> = (0..Packed::WIDTH)
            .map(|_| std::array::from_fn(|_| elements.next().unwrap_or_default()))
            .collect();
        assert_permutes::<PoseidonHash>(&states);
    }
}
