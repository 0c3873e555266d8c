//! The transcript: the same challenges as plonky2's `Challenger`, with grinding on packed states.

use p3_maybe_rayon::prelude::*;
use plonky2::{
    field::{
        extension::{Extendable, FieldExtension as _},
        types::{Field as _, Field64 as _, PrimeField64 as _},
    },
    fri::FriParams,
    hash::{hashing::PlonkyPermutation as _, merkle_tree::MerkleCap},
    plonk::config::{GenericHashOut, Hasher},
};

use crate::{
    basetypes::F,
    hasher::{PackedHasher, SPONGE_RATE},
};

/// The number of nonces that the threads try together before they look at what they found. A search for 20 bits takes 128
/// such waves on average.
const NONCES_PER_WAVE: u64 = 1 << 13;
/// The number of nonces that one thread tries at a stretch.
const NONCES_PER_TASK: u64 = 1 << 8;

/// Observes the prover's messages and derives the verifier's challenges from them.
///
/// After the same observations it returns the same challenges as plonky2's `Challenger`, whose method names it has.
#[derive(Clone, Debug)]
pub struct Challenger<H: PackedHasher> {
    state: H::Permutation,
    inputs: Vec<F>,
    outputs: Vec<F>,
}

impl<H: PackedHasher> Default for Challenger<H> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H: PackedHasher> Challenger<H> {
    /// The transcript in which nothing has been observed.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: H::Permutation::new(std::iter::repeat(F::ZERO)),
            inputs: Vec::with_capacity(SPONGE_RATE),
            outputs: Vec::with_capacity(SPONGE_RATE),
        }
    }

    /// Observes one element.
    pub fn observe_element(&mut self, element: F) {
        self.outputs.clear();
        self.inputs.push(element);
        if self.inputs.len() == SPONGE_RATE {
            self.duplex();
        }
    }

    /// Observes `elements` in order.
    pub fn observe_elements(&mut self, elements: &[F]) {
        for &element in elements {
            self.observe_element(element);
        }
    }

    /// Observes the coordinates of an extension element.
    pub fn observe_extension_element<const D: usize>(&mut self, element: &<F as Extendable<D>>::Extension)
    where
        F: Extendable<D>,
    {
        self.observe_elements(&element.to_basefield_array());
    }

    /// Observes the coordinates of `elements` in order.
    pub fn observe_extension_elements<const D: usize>(&mut self, elements: &[<F as Extendable<D>>::Extension])
    where
        F: Extendable<D>,
    {
        for element in elements {
            self.observe_extension_element(element);
        }
    }

    /// Observes a hash, of whatever hasher.
    pub fn observe_hash(&mut self, hash: &impl GenericHashOut<F>) {
        self.observe_elements(&hash.to_vec());
    }

    /// Observes the hashes of a cap in order.
    pub fn observe_cap<O: Hasher<F>>(&mut self, cap: &MerkleCap<F, O>) {
        for hash in &cap.0 {
            self.observe_hash(hash);
        }
    }

    /// Observes the parameters of FRI, as plonky2's `FriParams::observe` does.
    pub fn observe_fri_params(&mut self, params: &FriParams) {
        let config = &params.config;
        self.observe_element(F::from_canonical_usize(config.rate_bits));
        self.observe_element(F::from_canonical_usize(config.cap_height));
        self.observe_element(F::from_canonical_u32(config.proof_of_work_bits));
        self.observe_elements(&config.reduction_strategy.serialize());
        self.observe_element(F::from_canonical_usize(config.num_query_rounds));
        self.observe_element(F::from_bool(params.hiding));
        self.observe_element(F::from_canonical_usize(params.degree_bits));
        for &arity_bits in &params.reduction_arity_bits {
            self.observe_element(F::from_canonical_usize(arity_bits));
        }
    }

    /// Draws a challenge.
    pub fn get_challenge(&mut self) -> F {
        loop {
            if self.inputs.is_empty()
                && let Some(challenge) = self.outputs.pop()
            {
                return challenge;
            }
            self.duplex();
        }
    }

    /// Draws `n` challenges.
    pub fn get_n_challenges(&mut self, n: usize) -> Vec<F> {
        (0..n).map(|_| self.get_challenge()).collect()
    }

    /// Draws a challenge from the extension field.
    pub fn get_extension_challenge<const D: usize>(&mut self) -> <F as Extendable<D>>::Extension
    where
        F: Extendable<D>,
    {
        let coordinates = std::array::from_fn(|_| self.get_challenge());
        <F as Extendable<D>>::Extension::from_basefield_array(coordinates)
    }

    /// Draws `n` challenges from the extension field.
    pub fn get_n_extension_challenges<const D: usize>(
        &mut self,
        n: usize,
    ) -> Vec<<F as Extendable<D>>::Extension>
    where
        F: Extendable<D>,
    {
        (0..n).map(|_| self.get_extension_challenge::<D>()).collect()
    }

    /// Finds the lowest nonce after whose observation the next challenge has `bits` leading zeros. Does not observe it.
    /// `None` if no element of the field is such a nonce.
    #[must_use]
    pub fn grind(&self, bits: u32) -> Option<F> {
        if bits > u64::BITS {
            return None;
        }
        let mut state = self.state;
        state.set_from_iter(self.inputs.iter().copied(), 0);
        let position = self.inputs.len();

        let last_wave = F::ORDER - F::ORDER % NONCES_PER_WAVE;
        (0..last_wave)
            .step_by(NONCES_PER_WAVE as usize)
            .find_map(|wave| {
                (0..NONCES_PER_WAVE / NONCES_PER_TASK)
                    .into_par_iter()
                    .map(|task| wave + task * NONCES_PER_TASK)
                    .filter_map(|task| H::lowest_nonce(&state, position, task..task + NONCES_PER_TASK, bits))
                    .min()
            })
            .map(F::from_canonical_u64)
    }

    /// Whether the next challenge has `bits` leading zeros once `nonce` has been observed. Observes `nonce` and draws
    /// that challenge, as the verifier does.
    pub fn accept_nonce(&mut self, nonce: F, bits: u32) -> bool {
        self.observe_element(nonce);
        self.get_challenge().to_canonical_u64().leading_zeros() >= bits
    }

    fn duplex(&mut self) {
        self.state.set_from_iter(self.inputs.drain(..), 0);
        self.state.permute();
        self.outputs.clear();
        self.outputs.extend_from_slice(self.state.squeeze());
    }
}
