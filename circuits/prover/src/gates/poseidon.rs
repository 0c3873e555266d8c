//! plonky2's gates for its Poseidon permutation.

use plonky2::{
    field::{ops::Square as _, packed::PackedField as _, types::Field as _},
    hash::poseidon::{
        ALL_ROUND_CONSTANTS, HALF_N_FULL_ROUNDS, N_PARTIAL_ROUNDS, Poseidon, SPONGE_RATE, SPONGE_WIDTH,
    },
};

use super::{Local, Packed};
use crate::basetypes::F;

/// Elements of a digest, which the swap wire exchanges.
const DIGEST: usize = 4;

const INPUTS: usize = 0;
const OUTPUTS: usize = INPUTS + SPONGE_WIDTH;
const SWAP: usize = OUTPUTS + SPONGE_WIDTH;
const DELTAS: usize = SWAP + 1;
/// Inputs of the S-boxes of the first full rounds but the very first, whose inputs are linear in other wires.
const FIRST_FULL_ROUNDS: usize = DELTAS + DIGEST;
const PARTIAL_ROUNDS: usize = FIRST_FULL_ROUNDS + SPONGE_WIDTH * (HALF_N_FULL_ROUNDS - 1);
const LAST_FULL_ROUNDS: usize = PARTIAL_ROUNDS + N_PARTIAL_ROUNDS;

type State = [Packed; SPONGE_WIDTH];

/// `PoseidonGate`: the permutation of inputs whose first two digests may be swapped.
pub(super) fn permutation(local: Local<'_>, yield_one: &mut impl FnMut(Packed)) {
    let swap = local.wire(SWAP);
    yield_one(swap * (swap - F::ONE));
    let mut state: State = std::array::from_fn(|i| local.wire(INPUTS + i));
    for i in 0..DIGEST {
        let delta = local.wire(DELTAS + i);
        yield_one(swap * (state[DIGEST + i] - state[i]) - delta);
        state[i] += delta;
        state[DIGEST + i] -= delta;
    }
    const { assert!(2 * DIGEST == SPONGE_RATE, "a node's input is two digests") };

    for round in 0..HALF_N_FULL_ROUNDS {
        add_round_constants(&mut state, round);
        if round != 0 {
            replace(&mut state, FIRST_FULL_ROUNDS + SPONGE_WIDTH * (round - 1), local, yield_one);
        }
        state = multiply_by_mds(state.map(s_box));
    }
    partial_rounds(&mut state, local, yield_one);
    for round in 0..HALF_N_FULL_ROUNDS {
        add_round_constants(&mut state, HALF_N_FULL_ROUNDS + N_PARTIAL_ROUNDS + round);
        replace(&mut state, LAST_FULL_ROUNDS + SPONGE_WIDTH * round, local, yield_one);
        state = multiply_by_mds(state.map(s_box));
    }
    for (i, element) in state.into_iter().enumerate() {
        yield_one(element - local.wire(OUTPUTS + i));
    }
}

/// The partial rounds in the form that plonky2 gives them, with sparse matrices.
fn partial_rounds(state: &mut State, local: Local<'_>, yield_one: &mut impl FnMut(Packed)) {
    for (element, constant) in state.iter_mut().zip(<F as Poseidon>::FAST_PARTIAL_FIRST_ROUND_CONSTANT) {
        *element += F::from_canonical_u64(constant);
    }
    let mut mixed = [Packed::ZEROS; SPONGE_WIDTH];
    mixed[0] = state[0];
    for (element, row) in state[1..].iter().zip(<F as Poseidon>::FAST_PARTIAL_ROUND_INITIAL_MATRIX) {
        for (sum, factor) in mixed[1..].iter_mut().zip(row) {
            *sum += *element * F::from_canonical_u64(factor);
        }
    }
    *state = mixed;
    for round in 0..N_PARTIAL_ROUNDS {
        let input = local.wire(PARTIAL_ROUNDS + round);
        yield_one(state[0] - input);
        // plonky2's gate adds no constant in the last round, for which the table has 0.
        let first =
            s_box(input) + F::from_canonical_u64(<F as Poseidon>::FAST_PARTIAL_ROUND_CONSTANTS[round]);
        let corner = <F as Poseidon>::MDS_MATRIX_CIRC[0] + <F as Poseidon>::MDS_MATRIX_DIAG[0];
        state[0] = first * F::from_canonical_u64(corner);
        let weights = &<F as Poseidon>::FAST_PARTIAL_ROUND_W_HATS[round];
        let column = &<F as Poseidon>::FAST_PARTIAL_ROUND_VS[round];
        for i in 1..SPONGE_WIDTH {
            let product = state[i] * F::from_canonical_u64(weights[i - 1]);
            state[0] += product;
            state[i] += first * F::from_canonical_u64(column[i - 1]);
        }
    }
}

/// `PoseidonMdsGate`: the MDS matrix times a vector over the extension field.
pub(super) fn mds<const D: usize>(local: Local<'_>, yield_one: &mut impl FnMut(Packed)) {
    let outputs = INPUTS + D * SPONGE_WIDTH;
    let computed: [State; D] = std::array::from_fn(|limb| {
        multiply_by_mds(std::array::from_fn(|i| local.wire(INPUTS + D * i + limb)))
    });
    for i in 0..SPONGE_WIDTH {
        for (limb, computed) in computed.iter().enumerate() {
            yield_one(local.wire(outputs + D * i + limb) - computed[i]);
        }
    }
}

/// Compares the state with the inputs of a round's S-boxes that wires hold, and goes on from these.
fn replace(state: &mut State, first: usize, local: Local<'_>, yield_one: &mut impl FnMut(Packed)) {
    for (i, element) in state.iter_mut().enumerate() {
        let input = local.wire(first + i);
        yield_one(*element - input);
        *element = input;
    }
}

fn add_round_constants(state: &mut State, round: usize) {
    for (element, &constant) in state.iter_mut().zip(&ALL_ROUND_CONSTANTS[SPONGE_WIDTH * round..]) {
        *element += F::from_canonical_u64(constant);
    }
}

/// `x^7`.
fn s_box(x: Packed) -> Packed {
    let square = x.square();
    square * x * square.square()
}

fn multiply_by_mds(state: State) -> State {
    std::array::from_fn(|row| {
        (0..SPONGE_WIDTH)
            .map(|i| {
                state[(i + row) % SPONGE_WIDTH] * F::from_canonical_u64(<F as Poseidon>::MDS_MATRIX_CIRC[i])
            })
            .sum::<Packed>()
            + state[row] * F::from_canonical_u64(<F as Poseidon>::MDS_MATRIX_DIAG[row])
    })
}
