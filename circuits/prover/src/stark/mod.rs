//! A prover for starky's proofs: equal to those of `starky::prover`, and made on packed elements.
//!
//! ```text
//! trace         commit to the columns
//! arguments     draw the challenges of the lookups, commit to helper columns and running sums
//! constraints   bind them to the transcript, draw what combines them, commit to the quotients
//! openings      draw a point, open everything there and in the next row, and the sums in the first row
//! ```
//!
//! starky's verifiers judge the proofs. A [`LookupStark`] gives its lookups once, as plain linear combinations, and
//! [`lookups`] translates them for starky.

mod constraints;
mod error;
mod logup;
pub mod lookups;
mod quotient;

pub use constraints::simulated_values;
pub use error::StarkError;
pub use lookups::{LookupError, LookupStark};

use plonky2::{
    field::{
        extension::{Extendable, FieldExtension},
        types::Field,
    },
    fri::{FriParams, prover::final_poly_coeff_len, reduction_strategies::FriReductionStrategy},
    hash::merkle_tree::MerkleCap,
    plonk::config::GenericConfig,
    util::log2_ceil,
};
use starky::{
    config::StarkConfig,
    lookup::{GrandProductChallenge, GrandProductChallengeSet},
    proof::{StarkOpeningSet, StarkProof, StarkProofWithPublicInputs},
};

use self::{constraints::Constraints, logup::Arguments, quotient::Committed};
use crate::{
    basetypes::F,
    challenger::Challenger,
    commitment::Commitment,
    hasher::PackedHasher,
    opening::{self, prove_openings, total_arity_bits},
};

/// The lowest degree of constraints that the prover takes.
const MIN_DEGREE: usize = 2;
/// The highest degree of constraints for which starky knows helper columns.
const MAX_LOOKUP_DEGREE: usize = 3;

/// A trace and the commitment to its columns.
#[derive(Clone, Debug)]
pub struct CommittedTrace<H: PackedHasher> {
    columns: Vec<Vec<F>>,
    commitment: Commitment<'static, H>,
}

impl<H: PackedHasher> CommittedTrace<H> {
    /// Commits to a trace, column by column.
    ///
    /// # Errors
    /// [`StarkError::Commitment`] if there are no columns, or if their lengths are not one power of two that leaves room
    /// for the cap.
    pub fn new(columns: Vec<Vec<F>>, config: &StarkConfig) -> Result<Self, StarkError> {
        let commitment = commit(&columns, config)?;
        Ok(Self { columns, commitment })
    }

    /// The cap of the commitment, which the transcript must observe before challenges are drawn.
    #[must_use]
    pub const fn cap(&self) -> &MerkleCap<F, H> {
        self.commitment.cap()
    }
}

/// What the proof is about, and how it is made.
#[derive(Clone, Debug)]
pub struct StarkProver<'a, S> {
    /// The constraints and the lookups.
    pub stark: &'a S,
    /// What the verifier is configured with too.
    pub config: &'a StarkConfig,
    /// The FRI parameters of the longest table that the verifier is made for; `None` if that is this one.
    pub verifier_params: Option<FriParams>,
    /// Stands in for the lowest nonce. Only comparisons with starky's proofs need it, whose search returns any nonce.
    pub nonce: Option<F>,
}

impl<'a, S> StarkProver<'a, S> {
    /// A prover for a verifier of tables of one height.
    #[must_use]
    pub const fn new(stark: &'a S, config: &'a StarkConfig) -> Self {
        Self { stark, config, verifier_params: None, nonce: None }
    }

    /// Proves a table that stands alone, as `starky::prover::prove` does. The proof is not verified: if the trace breaks
    /// a constraint, there is an error or a proof that does not verify.
    ///
    /// # Errors
    /// [`StarkError`], all variants.
    pub fn prove<C, const D: usize>(
        &self,
        columns: Vec<Vec<F>>,
        public_inputs: &[F],
    ) -> Result<StarkProofWithPublicInputs<F, C, D>, StarkError>
    where
        F: Extendable<D>,
        C: GenericConfig<D, F = F>,
        C::Hasher: PackedHasher,
        S: LookupStark<D>,
    {
        let trace = CommittedTrace::new(columns, self.config)?;
        let mut challenger = Challenger::new();
        challenger.observe_elements(public_inputs);
        challenger.observe_elements(&config_elements(self.config));
        challenger.observe_cap(trace.cap());
        self.prove_committed::<C, D>(trace, None, &mut challenger, public_inputs)
    }

    /// Proves a table whose trace has been committed to, as `starky::prover::prove_with_commitment` does.
    ///
    /// `challenger` must have observed what the verifier's has: the cap, and [`config_elements`]. `challenges` are those
    /// of the lookups and sums, if they have been drawn already, as they must be where there are other tables. The proof
    /// is not verified: if the trace breaks a constraint, there is an error or a proof that does not verify.
    ///
    /// # Errors
    /// [`StarkError`], all variants.
    pub fn prove_committed<C, const D: usize>(
        &self,
        trace: CommittedTrace<C::Hasher>,
        challenges: Option<&GrandProductChallengeSet<F>>,
        challenger: &mut Challenger<C::Hasher>,
        public_inputs: &[F],
    ) -> Result<StarkProofWithPublicInputs<F, C, D>, StarkError>
    where
        F: Extendable<D>,
        C: GenericConfig<D, F = F>,
        C::Hasher: PackedHasher,
        S: LookupStark<D>,
    {
        let Self { stark, config, .. } = self;
        let CommittedTrace { columns, commitment: trace } = trace;
        let degree_bits = trace.degree_bits();
        let fri_params = self.check(&columns, &trace, public_inputs)?;
        let padding = self.padding(&fri_params)?;

        let uses_challenges = stark.uses_lookups() || stark.requires_ctls();
        let challenges = match challenges {
            Some(set) => set.challenges.clone(),
            None if uses_challenges => lookup_challenges(challenger, config.num_challenges).challenges,
            None => vec![],
        };
        if uses_challenges && challenges.len() != config.num_challenges {
            return Err(StarkError::Challenges { expected: config.num_challenges, found: challenges.len() });
        }
        let arguments = Arguments::new(*stark, &challenges);
        let auxiliary_columns = arguments.columns(&columns)?;
        drop(columns);
        // The sums start with the last row, so that the first row has the whole sum.
        let sums = &auxiliary_columns[arguments.sums_start()..];
        let totals: Vec<_> = sums.iter().filter_map(|sum| sum.first().copied()).collect();
        let auxiliary = if uses_challenges { Some(commit(auxiliary_columns, config)?) } else { None };
        if let Some(auxiliary) = &auxiliary {
            challenger.observe_cap(auxiliary.cap());
        }

        let constraints = Constraints { stark: *stark, arguments: &arguments, public_inputs };
        let alphas = challenger.get_n_challenges(config.num_challenges);
        let bound = constraints.bind(&alphas, degree_bits, challenger);
        challenger.observe_extension_elements::<D>(&bound);
        let alphas = challenger.get_n_challenges(config.num_challenges);
        let committed = Committed { trace: &trace, auxiliary: auxiliary.as_ref() };
        let chunks = quotient::chunks(&constraints, &committed, &alphas)?;
        let fri = &config.fri_config;
        let quotients = Commitment::of_coefficients(chunks, fri.rate_bits, fri.cap_height)?;
        challenger.observe_cap(quotients.cap());

        let zeta = challenger.get_extension_challenge::<D>();
        if zeta.exp_power_of_2(degree_bits) == <F as Extendable<D>>::Extension::ONE {
            return Err(StarkError::OpeningPoint);
        }
        let generator = F::primitive_root_of_unity(degree_bits);
        let all = |oracle: &Commitment<'_, C::Hasher>, point| {
            oracle.evaluate::<D>(0..oracle.num_polynomials(), point)
        };
        let next = zeta.scalar_mul(generator);
        let openings = StarkOpeningSet {
            local_values: all(&trace, zeta),
            next_values: all(&trace, next),
            auxiliary_polys: auxiliary.as_ref().map(|auxiliary| all(auxiliary, zeta)),
            auxiliary_polys_next: auxiliary.as_ref().map(|auxiliary| all(auxiliary, next)),
            ctl_zs_first: stark.requires_ctls().then_some(totals),
            quotient_polys: Some(all(&quotients, zeta)),
        };
        observe_openings(&openings, challenger);

        let helpers = arguments.sum_helpers();
        let instance = stark.fri_instance(zeta, generator, helpers.iter().sum(), helpers, config);
        let oracles: Vec<_> = [&trace].into_iter().chain(&auxiliary).chain([&quotients]).collect();
        let opening_proof = prove_openings::<C, D>(
            &instance,
            &oracles,
            challenger,
            &fri_params,
            padding.map(|padding| padding.final_poly_len),
            padding.map(|padding| padding.query_steps),
            self.nonce,
        )?;
        let proof = StarkProof {
            trace_cap: trace.cap().clone(),
            auxiliary_polys_cap: auxiliary.map(|auxiliary| auxiliary.cap().clone()),
            quotient_polys_cap: Some(quotients.cap().clone()),
            openings,
            opening_proof,
        };
        Ok(StarkProofWithPublicInputs { proof, public_inputs: public_inputs.to_vec() })
    }

    /// Checks that STARK, configuration, trace and public inputs fit each other, and returns the parameters of FRI.
    fn check<H: PackedHasher, const D: usize>(
        &self,
        columns: &[Vec<F>],
        trace: &Commitment<'_, H>,
        public_inputs: &[F],
    ) -> Result<FriParams, StarkError>
    where
        F: Extendable<D>,
        S: LookupStark<D>,
    {
        let Self { stark, config, .. } = self;
        let fri = &config.fri_config;
        if config.num_challenges == 0 {
            return Err(StarkError::NoChallenges);
        }
        let found = [trace.rate_bits(), trace.cap().height()];
        let expected = [fri.rate_bits, fri.cap_height];
        if found != expected {
            return Err(StarkError::Trace { expected, found });
        }
        let degree = stark.constraint_degree();
        if degree < MIN_DEGREE {
            return Err(StarkError::Degree { found: degree });
        }
        let (rate_bits, needed) = (fri.rate_bits, log2_ceil(stark.quotient_degree_factor()));
        if needed > rate_bits {
            return Err(StarkError::Rate { degree, expected: needed, found: rate_bits });
        }
        let found = columns.len();
        if found != S::COLUMNS {
            return Err(StarkError::Columns { expected: S::COLUMNS, found });
        }
        let found = public_inputs.len();
        if found != S::PUBLIC_INPUTS {
            return Err(StarkError::PublicInputs { expected: S::PUBLIC_INPUTS, found });
        }
        let degree_bits = trace.degree_bits();
        let params = opening::fri_params(fri, degree_bits)
            .ok_or_else(|| StarkError::Strategy { strategy: fri.reduction_strategy.clone(), degree_bits })?;
        // starky's verifier takes no proof whose reductions reach into the cap.
        let (domain, cap) = (degree_bits + rate_bits, fri.cap_height);
        if total_arity_bits(&params.reduction_arity_bits).is_none_or(|total| total + cap > domain) {
            return Err(StarkError::Reductions { domain, reductions: params.reduction_arity_bits, cap });
        }
        lookups::check(*stark)?;
        Ok(params)
    }

    /// How the transcript of a verifier that is made for longer tables is padded.
    fn padding(&self, own: &FriParams) -> Result<Option<Padding>, StarkError> {
        let Some(verifier) = &self.verifier_params else { return Ok(None) };
        let FriReductionStrategy::ConstantArityBits(_, final_poly_bits) = own.config.reduction_strategy
        else {
            return Err(StarkError::VerifierParams);
        };
        let fits = verifier.config == own.config
            && verifier.degree_bits <= F::TWO_ADICITY
            && final_poly_bits < F::TWO_ADICITY
            && total_arity_bits(&verifier.reduction_arity_bits)
                .is_some_and(|total| total <= verifier.degree_bits)
            && verifier.reduction_arity_bits.len() >= own.reduction_arity_bits.len();
        if !fits {
            return Err(StarkError::VerifierParams);
        }
        let final_poly_len = final_poly_coeff_len(verifier.degree_bits, &verifier.reduction_arity_bits);
        // starky supports verifiers whose final polynomial has the largest length only.
        if final_poly_len != 2 << final_poly_bits {
            return Err(StarkError::VerifierParams);
        }
        Ok(Some(Padding { final_poly_len, query_steps: verifier.reduction_arity_bits.len() }))
    }
}

/// What a verifier that is made for longer tables expects in every transcript.
#[derive(Clone, Copy)]
struct Padding {
    final_poly_len: usize,
    query_steps: usize,
}

fn commit<H: PackedHasher>(
    columns: impl AsRef<[Vec<F>]>,
    config: &StarkConfig,
) -> Result<Commitment<'static, H>, StarkError> {
    Ok(Commitment::of_values(columns, config.fri_config.rate_bits, config.fri_config.cap_height)?)
}

/// What starky's `StarkConfig::observe` observes.
#[must_use]
pub fn config_elements(config: &StarkConfig) -> Vec<F> {
    let StarkConfig { security_bits, num_challenges, fri_config: fri } = config;
    [
        vec![
            F::from_canonical_usize(*security_bits),
            F::from_canonical_usize(*num_challenges),
            F::from_canonical_usize(fri.rate_bits),
            F::from_canonical_usize(fri.cap_height),
            F::from_canonical_u32(fri.proof_of_work_bits),
        ],
        fri.reduction_strategy.serialize(),
        vec![F::from_canonical_usize(fri.num_query_rounds)],
    ]
    .concat()
}

/// Draws challenges of lookups, as starky's `get_grand_product_challenge_set` does.
pub fn lookup_challenges<H: PackedHasher>(
    challenger: &mut Challenger<H>,
    count: usize,
) -> GrandProductChallengeSet<F> {
    let mut challenge =
        || GrandProductChallenge { beta: challenger.get_challenge(), gamma: challenger.get_challenge() };
    GrandProductChallengeSet { challenges: (0..count).map(|_| challenge()).collect() }
}

/// Observes the openings in the order of FRI's batches.
fn observe_openings<H: PackedHasher, const D: usize>(
    openings: &StarkOpeningSet<F, D>,
    challenger: &mut Challenger<H>,
) where
    F: Extendable<D>,
{
    let StarkOpeningSet {
        local_values,
        next_values,
        auxiliary_polys,
        auxiliary_polys_next,
        ctl_zs_first,
        quotient_polys,
    } = openings;
    challenger.observe_extension_elements::<D>(local_values);
    for values in [auxiliary_polys, quotient_polys].into_iter().flatten() {
        challenger.observe_extension_elements::<D>(values);
    }
    challenger.observe_extension_elements::<D>(next_values);
    challenger.observe_extension_elements::<D>(auxiliary_polys_next.as_deref().unwrap_or_default());
    for &sum in ctl_zs_first.iter().flatten() {
        challenger.observe_extension_element::<D>(&sum.into());
    }
}
