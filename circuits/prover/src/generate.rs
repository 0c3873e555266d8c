//! Key generation: the data that proving and verifying need of a circuit, the same that plonky2's `build` returns.
//!
//! Most of the time of `build` goes into hashing the commitment to constants and permutation. It is therefore called with a
//! hasher that costs nothing, and what it did not hash is hashed here.

use std::marker::PhantomData;

use plonky2::{
    field::{extension::Extendable, types::Field},
    fri::oracle::PolynomialBatch,
    hash::{hash_types::NUM_HASH_OUT_ELTS, merkle_tree::MerkleTree},
    plonk::{
        circuit_builder::CircuitBuilder,
        circuit_data::{CircuitData, ProverOnlyCircuitData, VerifierOnlyCircuitData},
        config::{GenericConfig, GenericHashOut as _, Hasher},
    },
    util::log2_ceil,
};

use crate::{
    basetypes::F,
    commitment::{Commitment, CommitmentError},
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
    C::Hasher: PackedHasher,
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

impl<H: PackedHasher> Hasher<F> for NoHasher<H> {
    const HASH_SIZE: usize = H::HASH_SIZE;
    type Hash = H::Hash;
    type Permutation = H::Permutation;

    fn hash_no_pad(input: &[F]) -> H::Hash {
        let mut elements = [F::ZERO; NUM_HASH_OUT_ELTS];
        let domain_separator = input.iter().rev().skip(1);
        for (element, &input) in elements.iter_mut().rev().zip(domain_separator) {
            *element = input;
        }
        H::hash_of_elements(elements)
    }

    fn hash_pad(input: &[F]) -> H::Hash {
        H::hash_pad(input)
    }

    fn hash_or_noop(_: &[F]) -> H::Hash {
        H::Hash::default()
    }

    fn two_to_one(_: H::Hash, _: H::Hash) -> H::Hash {
        H::Hash::default()
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
    let mut uncommitted = builder.build::<Uncommitted<C, D>>();
    // Its leaves are right, and only what was hashed from them is not.
    let leaves = std::mem::take(&mut uncommitted.prover_only.constants_sigmas_commitment.merkle_tree.leaves);
    let mut hashes = vec![<C::Hasher as Hasher<F>>::Hash::default(); leaves.len()];
    merkle::hash_rows::<C::Hasher, _>(&mut hashes, |leaf| leaves[leaf].as_slice(), to_p3);
    let cap_height = uncommitted.common.config.fri_config.cap_height;
    let (digests, cap) = merkle::hash_tree::<C::Hasher>(hashes, cap_height);
    commit(uncommitted, MerkleTree { leaves, digests, cap })
}

/// Builds the circuit without the leaves of its commitment, for codes so long that these would fill the memory. A proof
/// computes the few of them that it needs.
///
/// Everything else is as [`build`] returns it, but for plonky2's table of roots of unity, which `plonk` does not use: it is
/// that of the shortest code.
///
/// # Errors
/// [`CommitmentError`] if the field has no code of this length, or the cap is too high for it.
///
/// # Panics
/// As [`build`].
pub fn build_without_leaves<C, const D: usize>(
    mut builder: CircuitBuilder<F, D>,
) -> Result<CircuitData<F, C, D>, CommitmentError>
where
    F: Extendable<D, Extension = C::FE>,
    C: GenericConfig<D, F = F>,
    C::Hasher: PackedHasher,
{
    let fri_config = builder.config.fri_config.clone();
    // `build` extends all polynomials to the whole code: it does so with the shortest one that has room for the quotient.
    let shortest = log2_ceil(builder.config.max_quotient_degree_factor);
    builder.config.fri_config.rate_bits = fri_config.rate_bits.min(shortest);
    let mut uncommitted = builder.build::<Uncommitted<C, D>>();
    let common = &mut uncommitted.common;
    common.fri_params = fri_config.fri_params(common.degree_bits(), common.config.zero_knowledge);
    common.config.fri_config = fri_config;
    let batch = &mut uncommitted.prover_only.constants_sigmas_commitment;
    batch.rate_bits = common.config.fri_config.rate_bits;
    let columns: Vec<_> = batch.polynomials.iter().map(|polynomial| &polynomial.coeffs).collect();
    let (digests, cap) = Commitment::<C::Hasher>::of_coefficients(
        columns,
        batch.rate_bits,
        common.config.fri_config.cap_height,
    )?
    .into_tree();
    Ok(commit(uncommitted, MerkleTree { leaves: vec![], digests, cap }))
}

/// The circuit with the tree over constants and permutation, and the digest that follows from it.
fn commit<C, const D: usize>(
    uncommitted: CircuitData<F, Uncommitted<C, D>, D>,
    merkle_tree: MerkleTree<F, C::Hasher>,
) -> CircuitData<F, C, D>
where
    F: Extendable<D, Extension = C::FE>,
    C: GenericConfig<D, F = F>,
    C::Hasher: PackedHasher,
{
    let CircuitData { prover_only, verifier_only: _, common } = uncommitted;
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
    let PolynomialBatch { polynomials, merkle_tree: _, degree_log, rate_bits, blinding } = uncommitted;
    let constants_sigmas_cap = merkle_tree.cap.clone();
    let degree_bits = F::from_canonical_usize(common.degree_bits());
    let circuit_digest = C::Hasher::hash_no_pad(
        &[constants_sigmas_cap.flatten(), domain_separator.to_vec(), vec![degree_bits]].concat(),
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
