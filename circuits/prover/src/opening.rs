//! Openings: FRI over commitments, with the proofs of plonky2's `PolynomialBatch::prove_openings`.

use p3_field::{PackedValue as _, PrimeCharacteristicRing as _};
use p3_goldilocks::Goldilocks;
use p3_matrix::dense::RowMajorMatrix;
use p3_maybe_rayon::prelude::*;
use plonky2::{
    field::{
        extension::{Extendable, FieldExtension as _, unflatten},
        polynomial::PolynomialCoeffs,
        types::{Field as _, PrimeField64 as _},
    },
    fri::{
        FriConfig, FriParams,
        proof::{FriInitialTreeProof, FriProof, FriQueryRound, FriQueryStep},
        reduction_strategies::FriReductionStrategy,
        structure::{FriBatchInfo, FriInstanceInfo},
    },
    hash::{hash_types::NUM_HASH_OUT_ELTS, merkle_tree::MerkleCap},
    plonk::{config::GenericConfig, plonk_common::reduce_with_powers},
};

use crate::{
    basetypes::F,
    challenger::Challenger,
    commitment::{Commitment, ROWS_PER_TASK},
    hasher::{Packed, PackedHasher, from_p3, to_p3},
    merkle,
    transform::{self, Domain},
};

/// Why openings cannot be proved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpeningError {
    /// The parameters demand a hiding proof.
    #[error("the parameters demand a hiding proof, and zero-knowledge is not supported")]
    Hiding,
    /// A commitment's polynomials or its rate are not those of the parameters.
    #[error(
        "oracle {oracle} has 2^{degree_bits} coefficients and {rate_bits} rate bits, but the parameters have \
         2^{expected_degree_bits} and {expected_rate_bits}"
    )]
    Shape {
        /// The number of the oracle.
        oracle: usize,
        /// The logarithm of its polynomials' length.
        degree_bits: usize,
        /// The logarithm of the inverse of its rate.
        rate_bits: usize,
        /// What the parameters say of the length.
        expected_degree_bits: usize,
        /// What the parameters say of the rate.
        expected_rate_bits: usize,
    },
    /// A commitment's cap does not have the height of the parameters.
    #[error("oracle {oracle} has a cap of height {cap_height}, but the parameters have {expected}")]
    CapHeight {
        /// The number of the oracle.
        oracle: usize,
        /// The height of its cap.
        cap_height: usize,
        /// What the parameters say.
        expected: usize,
    },
    /// The instance opens nothing.
    #[error("the instance opens no polynomial")]
    NoPolynomials,
    /// The instance opens a polynomial that does not exist.
    #[error("the instance opens polynomial {polynomial} of oracle {oracle}, which does not exist")]
    NoSuchPolynomial {
        /// The number of the oracle.
        oracle: usize,
        /// The number of the polynomial in it.
        polynomial: usize,
    },
    /// The reductions leave less than a constant, or a layer with fewer leaves than its cap has hashes.
    #[error("reductions by {arity_bits:?} bits do not fit polynomials of 2^{degree_bits} coefficients")]
    Reductions {
        /// The logarithms of the arities.
        arity_bits: Vec<usize>,
        /// The logarithm of the polynomials' length.
        degree_bits: usize,
    },
    /// No element of the field is a nonce.
    #[error("no nonce gives {bits} leading zeros")]
    NoNonce {
        /// The number of bits to grind.
        bits: u32,
    },
    /// The nonce that was given does not give enough zeros.
    #[error("nonce {nonce} does not give {bits} leading zeros")]
    Nonce {
        /// The nonce.
        nonce: u64,
        /// The number of bits to grind.
        bits: u32,
    },
}

/// One layer of FRI: a tree whose leaves have the values of one coset each.
struct Layer<H: PackedHasher> {
    values: Vec<Goldilocks>,
    leaf_width: usize,
    digests: Vec<H::Hash>,
    cap: MerkleCap<F, H>,
}

/// Proves what the polynomials of `instance` are at its points, as plonky2's `PolynomialBatch::prove_openings` does.
///
/// `final_poly_coeff_len` and `max_num_query_steps` say how long a final polynomial and how many reductions the verifier's
/// transcript has if that verifier is made for longer ones. `nonce` stands in for the lowest nonce; only comparisons with
/// proofs of plonky2, whose search returns any nonce, need it.
///
/// # Errors
/// If the oracles are not what `instance` and `params` say, if `instance` opens nothing, if `params` demand hiding or have reductions that do not fit,
/// or if there is no nonce or the given one is wrong.
pub fn prove_openings<C, const D: usize>(
    instance: &FriInstanceInfo<F, D>,
    oracles: &[&Commitment<'_, C::Hasher>],
    challenger: &mut Challenger<C::Hasher>,
    params: &FriParams,
    final_poly_coeff_len: Option<usize>,
    max_num_query_steps: Option<usize>,
    nonce: Option<F>,
) -> Result<FriProof<F, C::Hasher, D>, OpeningError>
where
    F: Extendable<D>,
    C: GenericConfig<D, F = F>,
    C::Hasher: PackedHasher,
{
    check(instance, oracles, params)?;
    let bits = params.config.proof_of_work_bits;

    let alpha = challenger.get_extension_challenge::<D>();
    let coefficients = combine(instance, oracles, params.degree_bits, alpha);
    let (layers, final_poly) =
        commit_layers(coefficients, challenger, params, final_poly_coeff_len, max_num_query_steps);

    let pow_witness = match nonce {
        Some(nonce) => nonce,
        None => challenger.grind(bits).ok_or(OpeningError::NoNonce { bits })?,
    };
    if !challenger.accept_nonce(pow_witness, bits) {
        return Err(OpeningError::Nonce { nonce: pow_witness.to_canonical_u64(), bits });
    }

    let indices: Vec<_> = challenger
        .get_n_challenges(params.config.num_query_rounds)
        .into_iter()
        .map(|challenge| challenge.to_canonical_u64() as usize % params.lde_size())
        .collect();
    let mut oracle_leaves: Vec<_> =
        oracles.iter().map(|oracle| oracle.leaves(&indices).into_iter()).collect();
    let query_round_proofs = indices
        .iter()
        .map(|&index| {
            let leaves = oracle_leaves.iter_mut().filter_map(Iterator::next);
            let evals_proofs =
                leaves.zip(oracles).map(|(leaf, oracle)| (leaf, oracle.prove(index))).collect();
            FriQueryRound {
                initial_trees_proof: FriInitialTreeProof { evals_proofs },
                steps: query_layers(&layers, params, index),
            }
        })
        .collect();
    Ok(FriProof {
        commit_phase_merkle_caps: layers.into_iter().map(|layer| layer.cap).collect(),
        query_round_proofs,
        final_poly,
        pow_witness,
    })
}

fn check<H: PackedHasher, const D: usize>(
    instance: &FriInstanceInfo<F, D>,
    oracles: &[&Commitment<'_, H>],
    params: &FriParams,
) -> Result<(), OpeningError>
where
    F: Extendable<D>,
{
    if params.hiding {
        return Err(OpeningError::Hiding);
    }
    for (oracle, commitment) in oracles.iter().enumerate() {
        let (degree_bits, rate_bits) = (commitment.degree_bits(), commitment.rate_bits());
        let (expected_degree_bits, expected_rate_bits) = (params.degree_bits, params.config.rate_bits);
        if (degree_bits, rate_bits) != (expected_degree_bits, expected_rate_bits) {
            return Err(OpeningError::Shape {
                oracle,
                degree_bits,
                rate_bits,
                expected_degree_bits,
                expected_rate_bits,
            });
        }
        let (cap_height, expected) = (commitment.cap().height(), params.config.cap_height);
        if cap_height != expected {
            return Err(OpeningError::CapHeight { oracle, cap_height, expected });
        }
    }
    if instance.batches.iter().all(|batch| batch.polynomials.is_empty()) {
        return Err(OpeningError::NoPolynomials);
    }
    for opened in instance.batches.iter().flat_map(|batch| &batch.polynomials) {
        let (oracle, polynomial) = (opened.oracle_index, opened.polynomial_index);
        if oracles.get(oracle).is_none_or(|commitment| polynomial >= commitment.num_polynomials()) {
            return Err(OpeningError::NoSuchPolynomial { oracle, polynomial });
        }
    }
    let fits = total_arity_bits(&params.reduction_arity_bits).is_some_and(|total| {
        let has_cap =
            params.reduction_arity_bits.is_empty() || total + params.config.cap_height <= params.lde_bits();
        total <= params.degree_bits && has_cap
    });
    if !fits {
        return Err(OpeningError::Reductions {
            arity_bits: params.reduction_arity_bits.clone(),
            degree_bits: params.degree_bits,
        });
    }
    Ok(())
}

/// The sum of the logarithms of arities, all of which are within a domain of the field. `None` if no domain is so large.
pub(crate) fn total_arity_bits(arity_bits: &[usize]) -> Option<usize> {
    let total = arity_bits.iter().try_fold(0, |total: usize, &bits| total.checked_add(bits))?;
    (total <= F::TWO_ADICITY).then_some(total)
}

/// The parameters that the strategy of `config` chooses, for a domain of the field and a cap that is within it. `None`
/// where plonky2 panics or does not end: if the strategy reduces a polynomial to less than a constant, or not at all.
pub(crate) fn fri_params(config: &FriConfig, degree_bits: usize) -> Option<FriParams> {
    if let FriReductionStrategy::ConstantArityBits(arity_bits, final_poly_bits) = config.reduction_strategy {
        let mut rest = degree_bits;
        while rest > final_poly_bits {
            let leaf_bits = (rest + config.rate_bits).checked_sub(arity_bits)?;
            if leaf_bits < config.cap_height {
                break;
            }
            if arity_bits == 0 {
                return None;
            }
            rest = rest.checked_sub(arity_bits)?;
        }
    }
    Some(config.fri_params(degree_bits, false))
}

/// Polynomials of one batch that stand side by side in one oracle, with the coordinates of their powers of alpha.
struct Run<const D: usize> {
    oracle: usize,
    first: usize,
    powers: [Vec<Goldilocks>; D],
}

impl<const D: usize> Run<D>
where
    F: Extendable<D>,
{
    /// The runs of a batch. The coefficient of its polynomial `j` is `alpha^j`.
    fn of_batch(batch: &FriBatchInfo<F, D>, alpha: <F as Extendable<D>>::Extension) -> Vec<Self> {
        let mut runs: Vec<Self> = Vec::new();
        for (opened, power) in batch.polynomials.iter().zip(alpha.powers()) {
            let continues = runs.last().is_some_and(|run| {
                run.oracle == opened.oracle_index
                    && run.first + run.powers[0].len() == opened.polynomial_index
            });
            if !continues {
                runs.push(Self {
                    oracle: opened.oracle_index,
                    first: opened.polynomial_index,
                    powers: std::array::from_fn(|_| Vec::new()),
                });
            }
            if let Some(run) = runs.last_mut() {
                for (powers, coordinate) in run.powers.iter_mut().zip(power.to_basefield_array()) {
                    powers.push(to_p3(coordinate));
                }
            }
        }
        runs
    }
}

/// The coefficients of the polynomial that FRI is run on: over the batches, with points `z`, of combinations `f` by powers
/// of alpha, the sum of `(f(X) - f(z)) / (X - z)`, each batch times all powers of alpha of the batches after it.
fn combine<H: PackedHasher, const D: usize>(
    instance: &FriInstanceInfo<F, D>,
    oracles: &[&Commitment<'_, H>],
    degree_bits: usize,
    alpha: <F as Extendable<D>>::Extension,
) -> Vec<<F as Extendable<D>>::Extension>
where
    F: Extendable<D>,
{
    let runs: Vec<_> = instance.batches.iter().map(|batch| Run::of_batch(batch, alpha)).collect();
    let width = D * runs.len();
    let mut coefficients = Goldilocks::zero_vec(width << degree_bits);
    coefficients.par_chunks_mut(width * ROWS_PER_TASK).enumerate().for_each(|(task, coefficients)| {
        for (i, coefficients) in coefficients.chunks_exact_mut(width).enumerate() {
            for (runs, coordinates) in runs.iter().zip(coefficients.chunks_exact_mut(D)) {
                for run in runs {
                    let row = &oracles[run.oracle].coefficients_of(task * ROWS_PER_TASK + i)[run.first..];
                    for (coordinate, powers) in coordinates.iter_mut().zip(&run.powers) {
                        *coordinate += dot_product(&row[..powers.len()], powers);
                    }
                }
            }
        }
    });

    let mut sum = PolynomialCoeffs::new(vec![<F as Extendable<D>>::Extension::ZERO; 1 << degree_bits]);
    for (b, batch) in instance.batches.iter().enumerate() {
        let combination = PolynomialCoeffs::new(
            coefficients.chunks_exact(width).map(|row| extension(&row[b * D..][..D])).collect(),
        );
        sum *= alpha.exp_u64(batch.polynomials.len() as u64);
        sum += combination.divide_by_linear(batch.point);
    }
    sum.coeffs
}

fn dot_product(left: &[Goldilocks], right: &[Goldilocks]) -> Goldilocks {
    let (packed_left, suffix_left) = Packed::pack_slice_with_suffix(left);
    let (packed_right, suffix_right) = Packed::pack_slice_with_suffix(right);
    let packed: Packed = packed_left.iter().zip(packed_right).map(|(&l, &r)| l * r).sum();
    let suffix: Goldilocks = suffix_left.iter().zip(suffix_right).map(|(&l, &r)| l * r).sum();
    packed.as_slice().iter().copied().sum::<Goldilocks>() + suffix
}

/// The extension element with these coordinates.
fn extension<const D: usize>(coordinates: &[Goldilocks]) -> <F as Extendable<D>>::Extension
where
    F: Extendable<D>,
{
    <F as Extendable<D>>::Extension::from_basefield_array(std::array::from_fn(|d| from_p3(coordinates[d])))
}

/// Commits to layer after layer, each of them a combination of the one before it, and returns the final polynomial.
fn commit_layers<H: PackedHasher, const D: usize>(
    mut coefficients: Vec<<F as Extendable<D>>::Extension>,
    challenger: &mut Challenger<H>,
    params: &FriParams,
    final_poly_coeff_len: Option<usize>,
    max_num_query_steps: Option<usize>,
) -> (Vec<Layer<H>>, PolynomialCoeffs<<F as Extendable<D>>::Extension>)
where
    F: Extendable<D>,
{
    let cap_height = params.config.cap_height;
    let mut layers = Vec::with_capacity(params.reduction_arity_bits.len());
    let mut shift = F::coset_shift();
    for &arity_bits in &params.reduction_arity_bits {
        let leaf_width = D << arity_bits;
        let values = extend_extension::<D>(&coefficients, params.config.rate_bits, shift);
        let mut leaves = vec![H::Hash::default(); values.len() / leaf_width];
        let row = |leaf| &values[leaf * leaf_width..][..leaf_width];
        merkle::hash_rows::<H, _>(&mut leaves, row, |value| value);
        let (digests, cap) = merkle::hash_tree::<H>(leaves, cap_height);
        challenger.observe_cap(&cap);
        layers.push(Layer { values, leaf_width, digests, cap });

        let beta = challenger.get_extension_challenge::<D>();
        coefficients = coefficients
            .par_chunks_exact(1 << arity_bits)
            .map(|chunk| reduce_with_powers(chunk, beta))
            .collect();
        shift = shift.exp_power_of_2(arity_bits);
    }

    // A verifier that is made for more reductions observes caps of zeros and draws challenges for the missing ones.
    for _ in layers.len()..max_num_query_steps.unwrap_or_default() {
        challenger.observe_elements(&vec![F::ZERO; NUM_HASH_OUT_ELTS << cap_height]);
        challenger.get_extension_challenge::<D>();
    }
    challenger.observe_extension_elements::<D>(&coefficients);
    // A verifier that is made for longer final polynomials observes zeros above this one.
    for _ in coefficients.len()..final_poly_coeff_len.unwrap_or_default() {
        challenger.observe_extension_element::<D>(&<F as Extendable<D>>::Extension::ZERO);
    }
    (layers, PolynomialCoeffs::new(coefficients))
}

/// The values of a polynomial on `shift` times the extended subgroup, in the order of plonky2's leaves.
fn extend_extension<const D: usize>(
    coefficients: &[<F as Extendable<D>>::Extension],
    rate_bits: usize,
    shift: F,
) -> Vec<Goldilocks>
where
    F: Extendable<D>,
{
    let coordinates: Vec<_> = coefficients.iter().flat_map(|c| c.to_basefield_array()).map(to_p3).collect();
    let rows = transform::extend_coefficients(RowMajorMatrix::new(coordinates, D), rate_bits, to_p3(shift));
    let domain = Domain::new((coefficients.len() << rate_bits).ilog2() as usize);
    let mut values = Goldilocks::zero_vec(rows.values.len());
    values.par_chunks_mut(D * ROWS_PER_TASK).enumerate().for_each(|(task, values)| {
        for (i, values) in values.chunks_exact_mut(D).enumerate() {
            let index = domain.p3_index(domain.reverse(task * ROWS_PER_TASK + i));
            values.copy_from_slice(&rows.values[index * D..][..D]);
        }
    });
    values
}

/// Opens all layers at one index of the oracles.
fn query_layers<H: PackedHasher, const D: usize>(
    layers: &[Layer<H>],
    params: &FriParams,
    mut index: usize,
) -> Vec<FriQueryStep<F, H, D>>
where
    F: Extendable<D>,
{
    layers
        .iter()
        .zip(&params.reduction_arity_bits)
        .map(|(layer, arity_bits)| {
            index >>= arity_bits;
            let leaf = &layer.values[index * layer.leaf_width..][..layer.leaf_width];
            FriQueryStep {
                evals: unflatten(&leaf.iter().map(|&value| from_p3(value)).collect::<Vec<_>>()),
                merkle_proof: merkle::prove(&layer.digests, &layer.cap, index),
            }
        })
        .collect()
}
