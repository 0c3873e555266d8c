//! plonky2's proofs, made faster.
//!
//! A proof has the same bytes as one of plonky2's own prover from the same witness, but for two choices that plonky2 leaves
//! to chance: the nonce is the lowest one, and wires that nothing uses are zero (see [`crate::witness`]).

use p3_maybe_rayon::prelude::*;
use plonky2::{
    field::{extension::Extendable, types::Field as _},
    fri::structure::{FriBatchInfo, FriInstanceInfo, FriOracleInfo, FriPolynomialInfo},
    iop::witness::{PartialWitness, PartitionWitness},
    plonk::{
        circuit_data::{CircuitData, CommonCircuitData},
        config::{GenericConfig, Hasher},
        proof::{OpeningSet, Proof, ProofWithPublicInputs},
    },
    util::{log2_ceil, serialization::IoError},
};

use crate::{
    basetypes::F,
    challenger::Challenger,
    commitment::{Commitment, CommitmentError},
    coset,
    gates::Gates,
    hasher::PackedHasher,
    opening::{self, OpeningError},
    permutation::{self, PermutationChallenges},
    quotient,
    witness::{self, WitnessError},
};

/// No proof was made.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The circuit asks for zero-knowledge.
    #[error("zero-knowledge is not supported")]
    ZeroKnowledge,
    /// The circuit looks values up in tables.
    #[error("lookup tables are not supported, and the circuit has {tables}")]
    LookupTables {
        /// How many it has.
        tables: usize,
    },
    /// The quotient has more coefficients than the commitments have points.
    #[error(
        "a quotient of degree {degree_factor} needs a rate of 1/{degree_factor}, but the rate is 1/2^{rate_bits}"
    )]
    Rate {
        /// The quotient's degree, in multiples of the rows.
        degree_factor: usize,
        /// The logarithm of the inverse of the rate.
        rate_bits: usize,
    },
    /// The permutation argument would need no partial products.
    #[error(
        "{num_routed_wires} routed wires are not more than the quotient's degree, which is {degree_factor}"
    )]
    RoutedWires {
        /// The number of routed wires.
        num_routed_wires: usize,
        /// The quotient's degree, in multiples of the rows.
        degree_factor: usize,
    },
    /// The circuit's selectors cannot be read.
    #[error("the circuit's selectors cannot be read: {0:?}")]
    Selectors(IoError),
    /// The witness is of another circuit.
    #[error("a witness of {found} copy classes for a circuit of {expected}")]
    WitnessSize {
        /// The number of the circuit's targets.
        expected: usize,
        /// The number of the witness's values.
        found: usize,
    },
    /// The inputs do not determine a witness.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// A public input has no value.
    #[error("public input {index} has no value")]
    PublicInput {
        /// Which one.
        index: usize,
    },
    /// The permutation argument divides by zero. The probability is negligible for inputs that were not made for it.
    #[error("the permutation argument divides by zero")]
    Permutation,
    /// A constraint does not hold, and the quotient is not a polynomial of its degree.
    #[error("the constraints do not vanish on all rows")]
    Constraints,
    /// The challenge at which polynomials are opened is one of the rows. The probability is negligible.
    #[error("the opening point is in the subgroup")]
    OpeningPoint,
    /// Polynomials cannot be committed to.
    #[error(transparent)]
    Commitment(#[from] CommitmentError),
    /// Polynomials cannot be opened.
    #[error(transparent)]
    Opening(#[from] OpeningError),
}

/// What proving is made of, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Committing to the wires.
    Wires,
    /// The permutation argument, and committing to it.
    Permutation,
    /// Evaluating constraints.
    Constraints,
    /// Committing to the quotients.
    Quotients,
    /// Evaluating polynomials at a point, and FRI.
    Opening,
}

/// Makes a proof from the inputs that determine a witness, without verifying it.
///
/// `circuit` must be as [`crate::generate::build`] or plonky2's `build` made it. Of its parts only those are checked that
/// `build` leaves to the caller.
///
/// # Errors
/// [`ProveError`] if the circuit is one that cannot be proved here, or if the inputs determine no witness. For values that
/// violate a constraint there is an error or a proof that does not verify.
///
/// # Panics
/// Where a gate that is not of plonky2 does, and where parts of `circuit` do not fit each other.
pub fn prove<C, const D: usize>(
    circuit: &CircuitData<F, C, D>,
    inputs: PartialWitness<F>,
) -> Result<ProofWithPublicInputs<F, C, D>, ProveError>
where
    F: Extendable<D, Extension = C::FE>,
    C: GenericConfig<D, F = F>,
    C::Hasher: PackedHasher,
{
    check(&circuit.common)?;
    prove_assigned(circuit, witness::generate(circuit, inputs)?, None)
}

/// Makes a proof from the values of all copy classes, without verifying it. Without a `nonce`, the lowest is found.
///
/// # Errors
/// As [`prove`].
///
/// # Panics
/// As [`prove`].
pub fn prove_assigned<C, const D: usize>(
    circuit: &CircuitData<F, C, D>,
    witness: PartitionWitness<'_, F>,
    nonce: Option<F>,
) -> Result<ProofWithPublicInputs<F, C, D>, ProveError>
where
    F: Extendable<D, Extension = C::FE>,
    C: GenericConfig<D, F = F>,
    C::Hasher: PackedHasher,
{
    prove_in_stages(circuit, witness, nonce, |_| {})
}

/// As [`prove_assigned`], and tells `finished` of each stage.
///
/// # Errors
/// As [`prove`].
///
/// # Panics
/// As [`prove`].
pub fn prove_in_stages<C, const D: usize>(
    circuit: &CircuitData<F, C, D>,
    witness: PartitionWitness<'_, F>,
    nonce: Option<F>,
    mut finished: impl FnMut(Stage),
) -> Result<ProofWithPublicInputs<F, C, D>, ProveError>
where
    F: Extendable<D, Extension = C::FE>,
    C: GenericConfig<D, F = F>,
    C::Hasher: PackedHasher,
{
    let (prover, common) = (&circuit.prover_only, &circuit.common);
    let config = &common.config;
    check(common)?;
    let gates = Gates::of(common).map_err(ProveError::Selectors)?;
    let constants_sigmas = Commitment::of_batch(&prover.constants_sigmas_commitment)?;
    let (rate_bits, cap_height) = (config.fri_config.rate_bits, config.fri_config.cap_height);

    let PartitionWitness { values, .. } = witness;
    let (found, expected) = (values.len(), prover.representative_map.len());
    if found != expected {
        return Err(ProveError::WitnessSize { expected, found });
    }
    let public_inputs = public_inputs(circuit, &values)?;
    let public_inputs_hash = C::InnerHasher::hash_no_pad(&public_inputs);
    let wires = wires(circuit, &values);
    drop(values);
    let wires_commitment = Commitment::of_values(&wires, rate_bits, cap_height)?;
    finished(Stage::Wires);

    let mut challenger = Challenger::<C::Hasher>::new();
    challenger.observe_fri_params(&common.fri_params);
    challenger.observe_hash(&prover.circuit_digest);
    challenger.observe_hash(&public_inputs_hash);
    challenger.observe_cap(wires_commitment.cap());
    let permutation = PermutationChallenges {
        betas: challenger.get_n_challenges(config.num_challenges),
        gammas: challenger.get_n_challenges(config.num_challenges),
    };
    let accumulators =
        permutation::accumulate(circuit, &wires, &permutation).ok_or(ProveError::Permutation)?;
    drop(wires);
    let accumulators_commitment = Commitment::of_values(accumulators, rate_bits, cap_height)?;
    finished(Stage::Permutation);

    challenger.observe_cap(accumulators_commitment.cap());
    let alphas = challenger.get_n_challenges(config.num_challenges);
    let quotients = quotient::Constraints {
        common,
        gates: &gates,
        constants_sigmas: &constants_sigmas,
        wires: &wires_commitment,
        accumulators: &accumulators_commitment,
        public_inputs_hash: &public_inputs_hash,
        permutation: &permutation,
        alphas: &alphas,
    }
    .quotients();
    finished(Stage::Constraints);
    let chunks = coset::chunks(&quotients, common.degree_bits(), common.quotient_degree_factor)
        .ok_or(ProveError::Constraints)?;
    drop(quotients);
    let quotient_commitment = Commitment::of_coefficients(chunks, rate_bits, cap_height)?;
    finished(Stage::Quotients);

    challenger.observe_cap(quotient_commitment.cap());
    let zeta = challenger.get_extension_challenge::<D>();
    if zeta.exp_power_of_2(common.degree_bits()) == C::FE::ONE {
        return Err(ProveError::OpeningPoint);
    }
    let oracles = [&constants_sigmas, &wires_commitment, &accumulators_commitment, &quotient_commitment];
    let instance = fri_instance::<D>(common, &oracles, zeta);
    let openings = open::<_, D>(common, &oracles, zeta, instance.batches[1].point);
    for values in [
        &openings.constants,
        &openings.plonk_sigmas,
        &openings.wires,
        &openings.plonk_zs,
        &openings.partial_products,
        &openings.quotient_polys,
        &openings.plonk_zs_next,
    ] {
        challenger.observe_extension_elements::<D>(values);
    }
    let opening_proof = opening::prove_openings::<C, D>(
        &instance,
        &oracles,
        &mut challenger,
        &common.fri_params,
        None,
        None,
        nonce,
    )?;
    finished(Stage::Opening);
    Ok(ProofWithPublicInputs {
        proof: Proof {
            wires_cap: wires_commitment.cap().clone(),
            plonk_zs_partial_products_cap: accumulators_commitment.cap().clone(),
            quotient_polys_cap: quotient_commitment.cap().clone(),
            openings,
            opening_proof,
        },
        public_inputs,
    })
}

/// Refuses circuits that plonky2 can prove and this prover cannot, or that plonky2 panics on.
fn check<const D: usize>(common: &CommonCircuitData<F, D>) -> Result<(), ProveError>
where
    F: Extendable<D>,
{
    let config = &common.config;
    let (degree_factor, rate_bits) = (common.quotient_degree_factor, config.fri_config.rate_bits);
    let num_routed_wires = config.num_routed_wires;
    if config.zero_knowledge {
        return Err(ProveError::ZeroKnowledge);
    }
    if !common.luts.is_empty() {
        return Err(ProveError::LookupTables { tables: common.luts.len() });
    }
    if log2_ceil(degree_factor) > rate_bits {
        return Err(ProveError::Rate { degree_factor, rate_bits });
    }
    if num_routed_wires <= degree_factor {
        return Err(ProveError::RoutedWires { num_routed_wires, degree_factor });
    }
    Ok(())
}

/// The values of the public inputs.
fn public_inputs<C, const D: usize>(
    circuit: &CircuitData<F, C, D>,
    values: &[Option<F>],
) -> Result<Vec<F>, ProveError>
where
    F: Extendable<D>,
    C: GenericConfig<D, F = F>,
{
    let (prover, common) = (&circuit.prover_only, &circuit.common);
    let targets = prover.public_inputs.iter().enumerate();
    targets
        .map(|(index, target)| {
            let target = target.index(common.config.num_wires, common.degree());
            values[prover.representative_map[target]].ok_or(ProveError::PublicInput { index })
        })
        .collect()
}

/// The values of each wire in all rows. Wires without a value are zero.
fn wires<C, const D: usize>(circuit: &CircuitData<F, C, D>, values: &[Option<F>]) -> Vec<Vec<F>>
where
    F: Extendable<D>,
    C: GenericConfig<D, F = F>,
{
    let (num_wires, degree) = (circuit.common.config.num_wires, circuit.common.degree());
    let classes = &circuit.prover_only.representative_map[..num_wires * degree];
    (0..num_wires)
        .into_par_iter()
        .map(|wire| {
            let classes = classes.iter().skip(wire).step_by(num_wires);
            classes.map(|&class| values[class].unwrap_or_default()).collect()
        })
        .collect()
}

/// What is opened where: everything at `zeta`, and the accumulators `Z` in the next row.
fn fri_instance<const D: usize>(
    common: &CommonCircuitData<F, D>,
    oracles: &[&Commitment<'_, impl PackedHasher>],
    zeta: <F as Extendable<D>>::Extension,
) -> FriInstanceInfo<F, D>
where
    F: Extendable<D>,
{
    let all = oracles
        .iter()
        .enumerate()
        .flat_map(|(index, oracle)| FriPolynomialInfo::from_range(index, 0..oracle.num_polynomials()));
    let next_row = <F as Extendable<D>>::Extension::primitive_root_of_unity(common.degree_bits());
    FriInstanceInfo {
        oracles: oracles
            .iter()
            .map(|oracle| FriOracleInfo { num_polys: oracle.num_polynomials(), blinding: false })
            .collect(),
        batches: vec![
            FriBatchInfo { point: zeta, polynomials: all.collect() },
            FriBatchInfo {
                point: next_row * zeta,
                polynomials: FriPolynomialInfo::from_range(ACCUMULATORS, common.zs_range()),
            },
        ],
    }
}

/// The place of the commitment to accumulators and partial products among the oracles.
const ACCUMULATORS: usize = 2;

/// The values of all polynomials at `zeta`, and of the accumulators at `next`.
fn open<H: PackedHasher, const D: usize>(
    common: &CommonCircuitData<F, D>,
    [constants_sigmas, wires, accumulators, quotients]: &[&Commitment<'_, H>; 4],
    zeta: <F as Extendable<D>>::Extension,
    next: <F as Extendable<D>>::Extension,
) -> OpeningSet<F, D>
where
    F: Extendable<D>,
{
    let all = |oracle: &Commitment<'_, H>| oracle.evaluate::<D>(0..oracle.num_polynomials(), zeta);
    let mut constants = all(constants_sigmas);
    let plonk_sigmas = constants.split_off(common.num_constants);
    let mut plonk_zs = all(accumulators);
    let partial_products = plonk_zs.split_off(common.config.num_challenges);
    OpeningSet {
        constants,
        plonk_sigmas,
        wires: all(wires),
        plonk_zs,
        plonk_zs_next: accumulators.evaluate::<D>(common.zs_range(), next),
        partial_products,
        quotient_polys: all(quotients),
        lookup_zs: vec![],
        lookup_zs_next: vec![],
    }
}
