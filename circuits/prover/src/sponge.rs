//! Hashing with sponges over field elements, one state in each lane.

use std::ops::Range;

use p3_field::{PackedValue as _, PrimeCharacteristicRing as _, PrimeField64 as _};
use p3_goldilocks::Goldilocks;
use plonky2::hash::hash_types::{HashOut, NUM_HASH_OUT_ELTS};

use crate::{
    basetypes::F,
    hasher::{Packed, PackedHasher, PackedSponge, SPONGE_RATE, SPONGE_WIDTH, from_p3, to_p3},
};

impl<H: PackedSponge> PackedHasher for H {
    fn hash_rows<'r, T: Copy + 'r>(
        digests: &mut [HashOut<F>],
        row: impl Fn(usize) -> &'r [T],
        convert: impl Fn(T) -> Goldilocks,
    ) {
        for (i, digests) in digests.chunks_mut(Packed::WIDTH).enumerate() {
            hash_leaves::<H, T>(digests, i * Packed::WIDTH, &row, &convert);
        }
    }

    fn hash_pairs(children: &[HashOut<F>], parents: &mut [HashOut<F>]) {
        for (parents, children) in parents.chunks_mut(Packed::WIDTH).zip(children.chunks(2 * Packed::WIDTH)) {
            let mut state = [Packed::ZERO; SPONGE_WIDTH];
            for (i, packed) in state[..2 * NUM_HASH_OUT_ELTS].iter_mut().enumerate() {
                *packed = Packed::from_fn(|lane| {
                    let child = children.get(2 * lane + i / NUM_HASH_OUT_ELTS).copied().unwrap_or_default();
                    to_p3(child.elements[i % NUM_HASH_OUT_ELTS])
                });
            }
            H::permute_packed(&mut state);
            write_digests(&state, parents);
        }
    }

    fn lowest_nonce(state: &H::Permutation, position: usize, nonces: Range<u64>, bits: u32) -> Option<u64> {
        let start: [Packed; SPONGE_WIDTH] = std::array::from_fn(|i| Packed::from(to_p3(state.as_ref()[i])));
        nonces.step_by(Packed::WIDTH).find_map(|first| {
            let mut state = start;
            state[position] = Packed::from_fn(|lane| Goldilocks::new(first + lane as u64));
            H::permute_packed(&mut state);
            let responses = state[SPONGE_RATE - 1];
            let lane =
                responses.as_slice().iter().position(|r| r.as_canonical_u64().leading_zeros() >= bits)?;
            Some(first + lane as u64)
        })
    }

    fn hash_of_elements(elements: [F; NUM_HASH_OUT_ELTS]) -> HashOut<F> {
        HashOut { elements }
    }
}

/// Writes the hash in each lane of a state.
fn write_digests(state: &[Packed; SPONGE_WIDTH], digests: &mut [HashOut<F>]) {
    for (lane, digest) in digests.iter_mut().enumerate() {
        digest.elements = std::array::from_fn(|i| from_p3(state[i].as_slice()[lane]));
    }
}

/// Hashes as many rows from `first` as `out` has digests, at most one a lane.
fn hash_leaves<'r, H: PackedSponge, T: Copy + 'r>(
    out: &mut [HashOut<F>],
    first: usize,
    row: &impl Fn(usize) -> &'r [T],
    convert: &impl Fn(T) -> Goldilocks,
) {
    let rows: [&[T]; Packed::WIDTH] = std::array::from_fn(|lane| row(first + lane.min(out.len() - 1)));
    if rows[0].len() <= NUM_HASH_OUT_ELTS {
        for (digest, row) in out.iter_mut().zip(rows) {
            *digest = HashOut::ZERO;
            for (element, value) in digest.elements.iter_mut().zip(row) {
                *element = from_p3(convert(*value));
            }
        }
        return;
    }
    let mut state = [Packed::ZERO; SPONGE_WIDTH];
    for start in (0..rows[0].len()).step_by(SPONGE_RATE) {
        let count = SPONGE_RATE.min(rows[0].len() - start);
        for (i, packed) in state[..count].iter_mut().enumerate() {
            *packed = Packed::from_fn(|lane| convert(rows[lane][start + i]));
        }
        H::permute_packed(&mut state);
    }
    write_digests(&state, out);
}
