//! Key generation: the data that proving and verifying need of a circuit, the same that plonky2's `build` returns.
//!
//! Most of the time of `build` goes into hashing the commitment to constants and permutation. It is therefore called with a
//! hasher that costs nothing, and what it did not hash is hashed here.

use std::marker::PhantomData;

use plonky2::{
    field::{extension::Extendable, types::Field},
    fri::oracle::PolynomialBatch,
    hash::{hash_types::HashOut, merkle_tree::MerkleTree},
    plonk::{
        circuit_builder::CircuitBuilder,
        circuit_data::{CircuitData, ProverOnlyCircuitData, VerifierOnlyCircuitData},
        config::{GenericConfig, Hasher},
    },
};

use crate::{
    basetypes::F,
    hasher::{PackedHasher, to_p3},
    merkle,
};

/// The configuration `C` with commitments that cost nothing and bind nothing, for circuits that are not proved with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncommitted<C, const D: usize>(PhantomData<C>);

impl<C, const D: usize> GenericConfig<D> for Uncommitted<C, D>
where
    F: Extendable<D, Extension = C::FE>,
    C: GenericConfig<D, F = F>,
    C::Hasher: Hasher<F, Hash = HashOut<F>>,
{
    type F = F;
    type FE = C::FE;
    type Hasher = NoHasher<C::Hasher>;
    type InnerHasher = C::InnerHasher;
}

/// The hasher of [`Uncommitted`]: leaves and nodes of Merkle trees hash to zero.
///
/// Apart from these, `build` hashes the domain separator, padded, and then for the circuit digest the cap, the hash of the
/// domain separator and the degree. The former is hashed by `H`, and the hash of the latter is the hash of the domain
/// separator: a built circuit says nothing else about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoHasher<H>(PhantomData<H>);

impl<H: Hasher<F, Hash = HashOut<F>>> Hasher<F> for NoHasher<H> {
    const HASH_SIZE: usize = H::HASH_SIZE;
    type Hash = HashOut<F>;
    type Permutation = H::Permutation;

    fn hash_no_pad(input: &[F]) -> HashOut<F> {
        let mut hash = HashOut::ZERO;
        let domain_separator = input.iter().rev().skip(1);
        for (element, &input) in hash.elements.iter_mut().rev().zip(domain_separator) {
            *element = input;
        }
        hash
    }

    fn hash_pad(input: &[F]) -> HashOut<F> {
        H::hash_pad(input)
    }

    fn hash_or_noop(_: &[F]) -> HashOut<F> {
        HashOut::ZERO
    }

    fn two_to_one(_: HashOut<F>, _: HashOut<F>) -> HashOut<F> {
        HashOut::ZERO
    }
}

/// Builds the circuit.
///
/// # Panics
/// Where plonky2's `build` does. Like it, this does not end if the configuration reduces polynomials by 0 bits.
#[must_use]
pub fn build<C, const D: usize>(builder: CircuitBuilder<F, D>) -> CircuitData<F, C, D>
where
    F: Extendable<D, Extension = C::FE>,
    C: GenericConfig<D, F = F>,
    C::Hasher: PackedHasher,
{
    let CircuitData { prover_only, verifier_only, common } = builder.build::<Uncommitted<C, D>>();
    let ProverOnlyCircuitData {
        generators,
        generator_indices_by_watches,
        constants_sigmas_commitment: uncommitted,
        sigmas,
        subgroup,
        public_inputs,
        representative_map,
        fft_root_table,
        circuit_digest: domain_separator,
        lookup_rows,
        lut_to_lookups,
    } = prover_only;
    drop(verifier_only);
    // Its leaves are right, and only what was hashed from them is not.
    let PolynomialBatch { polynomials, merkle_tree, degree_log, rate_bits, blinding } = uncommitted;
    let leaves = merkle_tree.leaves;
    let mut hashes = vec![HashOut::ZERO; leaves.len()];
    merkle::hash_rows::<C::Hasher, _>(&mut hashes, |leaf| leaves[leaf].as_slice(), to_p3);
    let (digests, cap) = merkle::hash_tree(hashes, common.config.fri_config.cap_height);
    let merkle_tree = MerkleTree { leaves, digests, cap };
    let constants_sigmas_cap = merkle_tree.cap.clone();
    let degree_bits = F::from_canonical_usize(common.degree_bits());
    let circuit_digest = C::Hasher::hash_no_pad(
        &[constants_sigmas_cap.flatten(), domain_separator.elements.to_vec(), vec![degree_bits]].concat(),
    );
    CircuitData {
        prover_only: ProverOnlyCircuitData {
            generators,
            generator_indices_by_watches,
            constants_sigmas_commitment: PolynomialBatch {
                polynomials,
                merkle_tree,
                degree_log,
                rate_bits,
                blinding,
            },
            sigmas,
            subgroup,
            public_inputs,
            representative_map,
            fft_root_table,
            circuit_digest,
            lookup_rows,
            lut_to_lookups,
        },
        verifier_only: VerifierOnlyCircuitData { constants_sigmas_cap, circuit_digest },
        common,
    }
}
