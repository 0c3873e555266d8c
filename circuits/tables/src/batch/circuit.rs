//! The circuit that verifies a batch: its public inputs are the batch's statement.
//!
//! The list is a witness. Its digest and length enter the transcript before any challenge is drawn, and the trace's listed
//! sum must be the list's, so the list and the trace's items agree in order and number.

use std::collections::BTreeMap;

use circuits_core::{
    circuit::{Definition, named},
    constrain::{Constrain, DigestOps, note_verifier_rows},
    layout::{self, Layout, WitnessError, set_target},
    recursion::Shape,
};
use circuits_prover::{
    basetypes::{Builder, C, D, F, Witness, standard_config},
    stark::{LookupStark as _, lookups::starky_sums},
};
use plonky2::{
    field::types::Field,
    gates::reducing::ReducingGate,
    hash::poseidon::PoseidonHash,
    iop::{
        challenger::RecursiveChallenger,
        ext_target::ExtensionTarget,
        target::{BoolTarget, Target},
    },
    plonk::circuit_data::CircuitConfig,
    util::reducing::ReducingFactorTarget,
};
use starky::{
    cross_table_lookup::CtlCheckVarsTarget,
    lookup::{GrandProductChallenge, GrandProductChallengeSet},
    proof::StarkProofTarget,
    recursive_verifier::{
        add_virtual_stark_proof, set_stark_proof_target, verify_stark_proof_with_challenges_circuit,
    },
    stark::Stark,
};

use super::{Batch, BatchProof, NUM_CHALLENGES, recursion, transcript};
use crate::table::{Table, TableStark};

/// The circuit for one table size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchCircuit<B>(pub B);

/// The input of [`BatchCircuit`].
#[derive(Clone, Debug)]
pub struct BatchInput<B: Batch> {
    /// At most the table's capacity.
    pub items: Vec<B::Item<F>>,
    pub proof: BatchProof,
}

/// The targets of [`BatchCircuit`].
pub struct BatchTargets<B: Batch> {
    list: Vec<Entry<B>>,
    proof: StarkProofTarget<D>,
    zero: Target,
}

/// An entry of the list. The first `count` entries are active.
struct Entry<B: Batch> {
    active: BoolTarget,
    item: B::Item<Target>,
}

impl<B: Batch> Definition for BatchCircuit<B> {
    type Statement = B::Statement<Target>;
    type NativeStatement = B::Statement<F>;
    type Targets = BatchTargets<B>;
    type Input = BatchInput<B>;

    fn name(&self) -> String {
        format!("{}-{}", B::NAME, self.0.capacity())
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn shape(&self) -> Option<&Shape> {
        Some(B::shape())
    }

    fn parameters(&self) -> BTreeMap<String, u64> {
        let Self(size) = *self;
        let items = format!("{}s", B::ITEM);
        named([(&items, size.capacity() as u64), ("table_degree_bits", size.degree_bits() as u64)])
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        self.0.define(builder)
    }

    fn assign(
        &self,
        targets: &Self::Targets,
        input: &Self::Input,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        let zeros = vec![F::ZERO; B::Item::<F>::LEN];
        let inactive = B::Item::decode(&zeros).expect("as many zeros as elements");
        for (index, entry) in targets.list.iter().enumerate() {
            let item = input.items.get(index);
            set_target(witness, entry.active.target, F::from_bool(item.is_some()))?;
            layout::set(witness, &entry.item, item.unwrap_or(&inactive))?;
        }
        set_stark_proof_target(witness, &targets.proof, &input.proof, self.0.degree_bits(), targets.zero)
            .map_err(|error| WitnessError::new(error.to_string()))
    }
}

/// The constraints of [`BatchCircuit`].
pub fn define<B: Batch>(size: B, builder: &mut Builder) -> (B::Statement<Target>, BatchTargets<B>) {
    let (list, statement) = list::<B>(builder, size.capacity());
    let (proof, challenges) = verify(builder, size, &statement);
    let sums = proof.openings.ctl_zs_first.as_ref().expect("the table has sums");
    check_sums(builder, sums, &challenges, &list);
    let zero = builder.zero();
    (statement, BatchTargets { list, proof, zero })
}

/// A list of up to `capacity` items, and the statement about it.
fn list<B: Batch>(builder: &mut Builder, capacity: usize) -> (Vec<Entry<B>>, B::Statement<Target>) {
    let mut digest = builder.constant_digest(B::empty_list());
    let mut count = builder.zero();
    let mut list: Vec<Entry<B>> = Vec::with_capacity(capacity);
    for _ in 0..capacity {
        let active = builder.new_bool();
        let item = layout::new_virtual(builder);
        if let Some(previous) = list.last() {
            // Once inactive, always inactive.
            let inactive = builder.not(previous.active);
            let resumed = builder.mul(inactive.target, active.target);
            builder.enforce_zero(resumed);
        }
        let appended = B::append_circuit(builder, digest, &item);
        digest = builder.select_digest(active, appended, digest);
        count = builder.add(count, active.target);
        list.push(Entry { active, item });
    }
    (list, B::statement_circuit(digest, count))
}

/// Verifies a STARK proof whose transcript starts with `statement`.
fn verify<B: Batch>(
    builder: &mut Builder,
    size: B,
    statement: &B::Statement<Target>,
) -> (StarkProofTarget<D>, GrandProductChallengeSet<Target>) {
    let (config, degree_bits) = (size.config(), size.degree_bits());
    let stark = TableStark::<B::Table>::default();
    let num_sums = B::Table::sums().len() * NUM_CHALLENGES;
    let proof = add_virtual_stark_proof(builder, &stark, &config, degree_bits, num_sums, num_sums);
    // starky takes the trace's length from the prover; ours is a constant.
    let height = builder.constant(F::from_canonical_usize(degree_bits));
    builder.enforce_equal(proof.degree_bits, height);

    let (mut challenger, challenges) = transcript::start_circuit(builder, size, statement, &proof.trace_cap);
    let first_row = builder.num_gates();
    if stark.uses_lookups() {
        verify_with_starky(builder, size, &stark, &proof, &challenges, &mut challenger);
    } else {
        recursion::verify::<B::Table>(builder, &config, degree_bits, &proof, &challenges, &mut challenger);
    }
    note_verifier_rows(first_row..builder.num_gates());
    (proof, challenges)
}

/// Verifies a STARK proof with starky's circuit, where `challenger` has drawn the challenges of lookups and sums.
fn verify_with_starky<B: Batch>(
    builder: &mut Builder,
    size: B,
    stark: &TableStark<B::Table>,
    proof: &StarkProofTarget<D>,
    challenges: &GrandProductChallengeSet<Target>,
    challenger: &mut RecursiveChallenger<F, PoseidonHash, D>,
) {
    let (config, degree_bits) = (size.config(), size.degree_bits());
    let lookups = starky_sums(&stark.cross_table_sums());
    let helpers = stark.num_lookup_helper_columns(&config);
    let no_helpers = vec![0; lookups.len()];
    let ctl = CtlCheckVarsTarget::from_proof(0, proof, &lookups, challenges, helpers, 0, &no_helpers);
    let stark_challenges = proof.get_challenges::<F, C, TableStark<B::Table>>(
        builder,
        stark,
        &[],
        challenger,
        Some(challenges),
        Some(&ctl),
        degree_bits,
        true,
        &config,
    );
    verify_stark_proof_with_challenges_circuit::<F, C, TableStark<B::Table>, D>(
        builder,
        stark,
        proof,
        &[],
        stark_challenges,
        Some(&ctl),
        &config,
        degree_bits,
        None,
    );
}

/// The in-circuit twin of the native verifier's last step: equal sums of what must be equal, of trace and list.
fn check_sums<B: Batch>(
    builder: &mut Builder,
    sums: &[Target],
    challenges: &GrandProductChallengeSet<Target>,
    list: &[Entry<B>],
) {
    for (i, challenge) in challenges.challenges.iter().enumerate() {
        let sum = |number: usize| sums[number * NUM_CHALLENGES + i];
        for balance in B::Table::BALANCES {
            builder.enforce_equal(sum(balance.left), sum(balance.right));
        }
        let mut tuples = Tuples::new(builder, challenge, B::Item::<Target>::LEN);
        let mut listed = builder.zero();
        for entry in list {
            let combined = tuples.next(builder, &entry.item.encode());
            let inverse = builder.inverse(combined);
            listed = builder.mul_add(entry.active.target, inverse, listed);
        }
        builder.enforce_equal(sum(B::Table::LISTED), listed);
    }
}

/// Combines the tuples of a list under a challenge, each an item with its index before it:
/// `gamma + index + sum of beta^(i + 1) item_i`.
struct Tuples<'a> {
    challenge: &'a GrandProductChallenge<Target>,
    index: usize,
    /// How long items are combined; `None` for short ones, which starky's gadget combines in a row.
    long: Option<LongItems>,
}

/// How items are combined for which starky's gadget would take several rows.
///
/// The gate that combines elements of the extension takes 15 of them, and a factor from the base field acts on each of
/// their coefficients alone. So an item is cut into four parts, and one row combines them side by side.
struct LongItems {
    /// `gamma + index`.
    offset: Target,
    /// The number of elements of a part.
    length: usize,
    /// `beta^length`.
    shift: Target,
}

impl<'a> Tuples<'a> {
    /// Starts a list of items of `length` elements.
    fn new(builder: &mut Builder, challenge: &'a GrandProductChallenge<Target>, length: usize) -> Self {
        let config = &builder.config;
        let row = ReducingGate::<D>::max_coeffs_len(config.num_wires, config.num_routed_wires);
        let long = (1 + length > row).then(|| {
            let length = length.div_ceil(D);
            let shift = builder.exp_u64(challenge.beta, length as u64);
            LongItems { offset: challenge.gamma, length, shift }
        });
        Self { challenge, index: 0, long }
    }

    /// The combination of the next item.
    fn next(&mut self, builder: &mut Builder, item: &[Target]) -> Target {
        let (challenge, index) = (self.challenge, self.index);
        self.index += 1;
        let Some(long) = &mut self.long else {
            let index = builder.constant(F::from_canonical_usize(index));
            return challenge.combine_base_circuit(builder, &[&[index], item].concat());
        };
        let zero = builder.zero();
        let element = |part: usize, i: usize| item.get(part * long.length + i).copied().unwrap_or(zero);
        let elements: Vec<_> =
            (0..long.length).map(|i| ExtensionTarget(std::array::from_fn(|part| element(part, i)))).collect();
        let beta = builder.convert_to_ext(challenge.beta);
        let parts = ReducingFactorTarget::new(beta).reduce(&elements, builder).0;
        let combined = parts
            .into_iter()
            .rev()
            .reduce(|sum, part| builder.mul_add(sum, long.shift, part))
            .unwrap_or(zero);
        let combined = builder.mul_add(combined, challenge.beta, long.offset);
        long.offset = builder.add_const(long.offset, F::ONE);
        combined
    }
}
