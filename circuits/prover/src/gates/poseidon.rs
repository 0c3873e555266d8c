//! plonky2's gates for its Poseidon permutation.

use p3_field::PrimeCharacteristicRing as _;
use plonky2::hash::poseidon::{HALF_N_FULL_ROUNDS, N_PARTIAL_ROUNDS};

use super::Local;
use crate::{
    hasher::{Packed, SPONGE_RATE, SPONGE_WIDTH},
    poseidon::{multiply_by_mds, permute_replacing},
};

/// Elements of a digest. The swap wire exchanges the first two of the input.
const DIGEST: usize = SPONGE_RATE / 2;

const INPUTS: usize = 0;
const OUTPUTS: usize = INPUTS + SPONGE_WIDTH;
const SWAP: usize = OUTPUTS + SPONGE_WIDTH;
const DELTAS: usize = SWAP + 1;
/// Inputs of the S-boxes of the first full rounds but the very first, whose inputs are linear in other wires.
const FIRST_FULL_ROUNDS: usize = DELTAS + DIGEST;
const PARTIAL_ROUNDS: usize = FIRST_FULL_ROUNDS + SPONGE_WIDTH * (HALF_N_FULL_ROUNDS - 1);
const LAST_FULL_ROUNDS: usize = PARTIAL_ROUNDS + N_PARTIAL_ROUNDS;

/// `PoseidonGate`: the permutation of inputs whose first two digests may be swapped. Wires hold the inputs of S-boxes: each
/// is compared with what the round before it gives, which goes on from the wire.
///
/// plonky2 computes the partial rounds in another form, with sparse matrices, in which the S-boxes have the same inputs.
pub(super) fn permutation(local: Local<'_>, yield_one: &mut impl FnMut(Packed)) {
    let swap = local.wire(SWAP);
    yield_one(swap * (swap - Packed::ONE));
    let mut state: [Packed; SPONGE_WIDTH] = std::array::from_fn(|i| local.wire(INPUTS + i));
    for i in 0..DIGEST {
        let delta = local.wire(DELTAS + i);
        yield_one(swap * (state[DIGEST + i] - state[i]) - delta);
        state[i] += delta;
        state[DIGEST + i] -= delta;
    }
    // Both closures yield, one at a time.
    let yield_one = std::cell::RefCell::new(yield_one);
    let replace = |element: &mut Packed, wire: usize| {
        let input = local.wire(wire);
        yield_one.borrow_mut()(*element - input);
        *element = input;
    };
    permute_replacing(
        &mut state,
        |round, inputs| {
            let first = match round {
                0 => return,
                round if round < HALF_N_FULL_ROUNDS => FIRST_FULL_ROUNDS + SPONGE_WIDTH * (round - 1),
                round => LAST_FULL_ROUNDS + SPONGE_WIDTH * (round - HALF_N_FULL_ROUNDS),
            };
            for (i, input) in inputs.iter_mut().enumerate() {
                replace(input, first + i);
            }
        },
        |round, input| replace(input, PARTIAL_ROUNDS + round),
    );
    for (i, element) in state.iter_mut().enumerate() {
        replace(element, OUTPUTS + i);
    }
}

/// `PoseidonMdsGate`: the MDS matrix times a vector over the extension field.
pub(super) fn mds<const D: usize>(local: Local<'_>, yield_one: &mut impl FnMut(Packed)) {
    let outputs = INPUTS + D * SPONGE_WIDTH;
    let products: [[Packed; SPONGE_WIDTH]; D] = std::array::from_fn(|limb| {
        let mut state = std::array::from_fn(|i| local.wire(INPUTS + D * i + limb));
        multiply_by_mds(&mut state);
        state
    });
    for i in 0..SPONGE_WIDTH {
        for (limb, product) in products.iter().enumerate() {
            yield_one(local.wire(outputs + D * i + limb) - product[i]);
        }
    }
}
