//! starky's prover and verifier, and proofs as bytes.

use circuits_prover::{
    basetypes::F,
    challenger::Challenger,
    hasher::PackedHasher,
    stark::{
        CommittedTrace, StarkError, StarkProver, config_elements, lookup_challenges,
        lookups::{LookupStark, starky_sums},
    },
};
use plonky2::{
    field::{extension::Extendable, polynomial::PolynomialValues},
    fri::{FriConfig, FriParams, oracle::PolynomialBatch, reduction_strategies::FriReductionStrategy},
    hash::hash_types::RichField,
    iop::challenger::Challenger as StockChallenger,
    plonk::config::GenericConfig,
    util::{serialization::Write as _, timing::TimingTree},
};
use starky::{
    config::StarkConfig,
    cross_table_lookup::{CrossTableLookup, CtlCheckVars, get_ctl_data},
    lookup::{GrandProductChallengeSet, get_grand_product_challenge_set},
    proof::{StarkProof, StarkProofWithPublicInputs},
    prover, verifier,
};

/// A configuration with few queries.
pub(crate) fn config(num_challenges: usize, rate_bits: usize, arity_bits: usize) -> StarkConfig {
    let fri = FriConfig {
        rate_bits,
        cap_height: 1,
        proof_of_work_bits: 4,
        reduction_strategy: FriReductionStrategy::ConstantArityBits(arity_bits, 2),
        num_query_rounds: 5,
    };
    StarkConfig::new(20, num_challenges, fri)
}

/// All bytes of a proof.
pub(crate) fn bytes<C, const D: usize>(proof: &StarkProof<F, C, D>) -> Vec<u8>
where
    F: RichField + Extendable<D>,
    C: GenericConfig<D, F = F>,
{
    let mut bytes = vec![];
    let openings = &proof.openings;
    for cap in [Some(&proof.trace_cap), proof.auxiliary_polys_cap.as_ref(), proof.quotient_polys_cap.as_ref()]
    {
        bytes.write_bool(cap.is_some()).unwrap();
        if let Some(cap) = cap {
            bytes.write_merkle_cap(cap).unwrap();
        }
    }
    for values in [
        Some(&openings.local_values),
        Some(&openings.next_values),
        openings.auxiliary_polys.as_ref(),
        openings.auxiliary_polys_next.as_ref(),
        openings.quotient_polys.as_ref(),
    ] {
        bytes.write_bool(values.is_some()).unwrap();
        let values = values.map_or(&[][..], |values| values);
        bytes.write_usize(values.len()).unwrap();
        bytes.write_field_ext_vec::<F, D>(values).unwrap();
    }
    bytes.write_bool(openings.ctl_zs_first.is_some()).unwrap();
    bytes.write_field_vec(openings.ctl_zs_first.as_deref().unwrap_or_default()).unwrap();
    bytes.write_fri_proof::<F, C, D>(&proof.opening_proof).unwrap();
    bytes
}

pub(crate) fn values(columns: &[Vec<F>]) -> Vec<PolynomialValues<F>> {
    columns.iter().cloned().map(PolynomialValues::new).collect()
}

type CheckVariables<'a, const D: usize> =
    CtlCheckVars<'a, F, <F as Extendable<D>>::Extension, <F as Extendable<D>>::Extension, D>;

/// A table in a system of several: the challenges of lookups are drawn before the configuration is observed.
pub(crate) struct Table<'a, S> {
    pub(crate) stark: &'a S,
    pub(crate) config: &'a StarkConfig,
    pub(crate) public_inputs: &'a [F],
}

impl<S> Table<'_, S> {
    /// starky's proof.
    pub(crate) fn stock<C, const D: usize>(&self, columns: &[Vec<F>]) -> StarkProof<F, C, D>
    where
        F: RichField + Extendable<D>,
        C: GenericConfig<D, F = F>,
        S: LookupStark<D>,
    {
        let Self { stark, config, public_inputs } = self;
        let mut timing = TimingTree::default();
        let columns = values(columns);
        let fri = &config.fri_config;
        let trace = PolynomialBatch::<F, C, D>::from_values(
            columns.clone(),
            fri.rate_bits,
            false,
            fri.cap_height,
            &mut timing,
            None,
        );
        let mut challenger = StockChallenger::new();
        challenger.observe_elements(public_inputs);
        challenger.observe_cap::<C::Hasher>(&trace.merkle_tree.cap);
        // starky computes the sums itself: those of this table, and of one that the prover does not know.
        let lookups = starky_sums(&stark.cross_table_sums());
        let (challenges, [data, _]) = get_ctl_data::<F, C, D, 2>(
            config,
            &[columns.clone(), columns.clone()],
            &lookups,
            &mut challenger,
            stark.constraint_degree(),
        );
        config.observe(&mut challenger);
        let proof = prover::prove_with_commitment(
            *stark,
            config,
            &columns,
            &trace,
            stark.requires_ctls().then_some(&data),
            Some(&challenges),
            &mut challenger,
            public_inputs,
            None,
            None,
            &mut timing,
        );
        proof.unwrap().proof
    }

    /// Our proof.
    pub(crate) fn ours<C, const D: usize>(
        &self,
        columns: Vec<Vec<F>>,
        nonce: Option<F>,
    ) -> Result<StarkProof<F, C, D>, StarkError>
    where
        F: RichField + Extendable<D>,
        C: GenericConfig<D, F = F>,
        C::Hasher: PackedHasher,
        S: LookupStark<D>,
    {
        let trace = CommittedTrace::new(columns, self.config)?;
        let mut challenger = Challenger::new();
        challenger.observe_elements(self.public_inputs);
        challenger.observe_cap(trace.cap());
        let challenges = lookup_challenges(&mut challenger, self.config.num_challenges);
        challenger.observe_elements(&config_elements(self.config));
        let prover = StarkProver { nonce, ..StarkProver::new(self.stark, self.config) };
        let proof =
            prover.prove_committed::<C, D>(trace, Some(&challenges), &mut challenger, self.public_inputs)?;
        Ok(proof.proof)
    }

    /// The verdict of starky's verifier, which compares no sums.
    pub(crate) fn verify<C, const D: usize>(&self, proof: &StarkProof<F, C, D>) -> anyhow::Result<()>
    where
        F: RichField + Extendable<D>,
        C: GenericConfig<D, F = F>,
        S: LookupStark<D>,
    {
        let Self { stark, config, public_inputs } = self;
        let mut challenger = StockChallenger::new();
        challenger.observe_elements(public_inputs);
        challenger.observe_cap::<C::Hasher>(&proof.trace_cap);
        let challenges = get_grand_product_challenge_set(&mut challenger, config.num_challenges);
        let lookups = starky_sums(&stark.cross_table_sums());
        let variables = self.check_variables(proof, &lookups, &challenges);
        let drawn = proof.get_challenges(
            *stark,
            public_inputs,
            &mut challenger,
            Some(&challenges),
            variables.as_deref(),
            true,
            config,
            None,
        );
        verifier::verify_stark_proof_with_challenges(
            *stark,
            proof,
            &drawn,
            variables.as_deref(),
            public_inputs,
            config,
        )
    }

    fn check_variables<'l, C, const D: usize>(
        &self,
        proof: &StarkProof<F, C, D>,
        lookups: &'l [CrossTableLookup<F>],
        challenges: &'l GrandProductChallengeSet<F>,
    ) -> Option<Vec<CheckVariables<'l, D>>>
    where
        F: RichField + Extendable<D>,
        C: GenericConfig<D, F = F>,
        S: LookupStark<D>,
    {
        let (stark, config) = (self.stark, self.config);
        let (helpers, _, by_sum) = CrossTableLookup::num_ctl_helpers_zs_all(
            lookups,
            0,
            config.num_challenges,
            stark.constraint_degree(),
        );
        let first = stark.num_lookup_helper_columns(config);
        let variables = || CtlCheckVars::from_proof(0, proof, lookups, challenges, first, helpers, &by_sum);
        stark.requires_ctls().then(variables)
    }
}

/// starky's proof of a table alone.
pub(crate) fn prove_alone<C, S, const D: usize>(
    stark: &S,
    config: &StarkConfig,
    columns: &[Vec<F>],
    public_inputs: &[F],
    verifier_params: Option<FriParams>,
) -> StarkProofWithPublicInputs<F, C, D>
where
    F: RichField + Extendable<D>,
    C: GenericConfig<D, F = F>,
    S: LookupStark<D> + Clone,
{
    prover::prove(
        stark.clone(),
        config,
        values(columns),
        public_inputs,
        verifier_params,
        &mut TimingTree::default(),
    )
    .unwrap()
}
