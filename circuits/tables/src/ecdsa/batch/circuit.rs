//! The circuit that verifies a batch: its public inputs are a [`SignatureStatement`].
//!
//! The list of claims is a witness. Its digest and length enter the transcript before any challenge is drawn,
//! and the trace's sum over its claims must be the list's, so the list and the trace's claims agree in order
//! and number. Nothing outside needs the signatures themselves.

use std::{collections::BTreeMap, sync::LazyLock};

use circuits_core::{
    circuit::{Definition, named},
    constrain::{Constrain, DigestOps, note_verifier_rows},
    layout::{self, Layout, WitnessError, set_target},
    recursion::Shape,
};
use circuits_prover::{
    basetypes::{Builder, C, D, F, Witness, standard_config},
    stark::lookups::starky_sums,
};
use plonky2::{
    field::types::Field,
    gates::{exponentiation::ExponentiationGate, gate::GateRef},
    iop::target::{BoolTarget, Target},
    plonk::circuit_data::CircuitConfig,
};
use starky::{
    cross_table_lookup::CtlCheckVarsTarget,
    lookup::GrandProductChallengeSet,
    proof::StarkProofTarget,
    recursive_verifier::{
        add_virtual_stark_proof, set_stark_proof_target, verify_stark_proof_with_challenges_circuit,
    },
    stark::Stark,
};

use super::{
    BatchProof,
    size::{BatchSize, NUM_CHALLENGES},
    transcript,
};
use crate::ecdsa::{
    Claim, SignatureStatement, append_circuit, empty_claims,
    table::{
        SignatureStark,
        lookups::{SUMS, sums},
    },
};

/// The logarithm of the rows of the shape, which the largest table's verifier fits.
const DEGREE_BITS: usize = 15;

/// The shape of all [`SignatureCircuit`]s, so that a circuit can verify a batch of any size with its key as a
/// witness.
#[must_use]
pub fn signature_shape() -> &'static Shape {
    static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
        let config = standard_config();
        // starky raises to powers of more bits than plonky2's verifier does.
        let exponentiation = GateRef::new(ExponentiationGate::<F, D>::new_from_config(&config));
        let public_inputs = <SignatureStatement as Layout<F>>::LEN;
        Shape::with_gates("signatures", config, DEGREE_BITS, public_inputs, vec![exponentiation])
    });
    &SHAPE
}

/// The circuit for one table size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignatureCircuit(pub BatchSize);

/// The input of [`SignatureCircuit`].
#[derive(Clone, Debug)]
pub struct SignatureInput {
    /// At most the table's capacity.
    pub claims: Vec<Claim>,
    pub proof: BatchProof,
}

/// The targets of [`SignatureCircuit`].
pub struct SignatureTargets {
    list: Vec<Entry>,
    proof: StarkProofTarget<D>,
    zero: Target,
}

/// An entry of the list. The first `count` entries are active.
#[derive(Clone, Copy)]
struct Entry {
    active: BoolTarget,
    claim: Claim<Target>,
}

impl Definition for SignatureCircuit {
    type Statement = SignatureStatement<Target>;
    type NativeStatement = SignatureStatement;
    type Targets = SignatureTargets;
    type Input = SignatureInput;

    fn name(&self) -> String {
        format!("signatures-{}", self.0.capacity())
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn shape(&self) -> Option<&Shape> {
        Some(signature_shape())
    }

    fn parameters(&self) -> BTreeMap<String, u64> {
        let Self(size) = *self;
        named([("signatures", size.capacity() as u64), ("table_degree_bits", size.degree_bits() as u64)])
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let (list, statement) = claim_list(builder, self.0.capacity());
        let (proof, challenges) = verify(builder, self.0, &statement);
        let sums = proof.openings.ctl_zs_first.as_ref().expect("the table has sums");
        check_sums(builder, sums, &challenges, &list);
        let zero = builder.zero();
        (statement, SignatureTargets { list, proof, zero })
    }

    fn assign(
        &self,
        targets: &Self::Targets,
        input: &Self::Input,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        let inactive = Claim { key_x: [F::ZERO; 7], key_y: [F::ZERO; 7], hash: [F::ZERO; 7] };
        for (index, entry) in targets.list.iter().enumerate() {
            let claim = input.claims.get(index);
            set_target(witness, entry.active.target, F::from_bool(claim.is_some()))?;
            layout::set(witness, &entry.claim, claim.unwrap_or(&inactive))?;
        }
        set_stark_proof_target(witness, &targets.proof, &input.proof, self.0.degree_bits(), targets.zero)
            .map_err(|error| WitnessError::new(error.to_string()))
    }
}

/// A list of up to `capacity` claims, and its digest and length.
fn claim_list(builder: &mut Builder, capacity: usize) -> (Vec<Entry>, SignatureStatement<Target>) {
    let mut digest = builder.constant_digest(empty_claims());
    let mut count = builder.zero();
    let mut list: Vec<Entry> = Vec::with_capacity(capacity);
    for _ in 0..capacity {
        let active = builder.new_bool();
        let claim = layout::new_virtual(builder);
        if let Some(previous) = list.last() {
            // Once inactive, always inactive.
            let inactive = builder.not(previous.active);
            let resumed = builder.mul(inactive.target, active.target);
            builder.enforce_zero(resumed);
        }
        let appended = append_circuit(builder, digest, &claim);
        digest = builder.select_digest(active, appended, digest);
        count = builder.add(count, active.target);
        list.push(Entry { active, claim });
    }
    (list, SignatureStatement { claims: digest, count })
}

/// Verifies a STARK proof whose transcript starts with `statement`.
fn verify(
    builder: &mut Builder,
    size: BatchSize,
    statement: &SignatureStatement<Target>,
) -> (StarkProofTarget<D>, GrandProductChallengeSet<Target>) {
    let (stark, config, degree_bits) = (SignatureStark, size.config(), size.degree_bits());
    let num_sums = SUMS * NUM_CHALLENGES;
    let proof = add_virtual_stark_proof(builder, &stark, &config, degree_bits, num_sums, num_sums);
    // starky takes the trace's length from the prover; ours is a constant.
    let height = builder.constant(F::from_canonical_usize(degree_bits));
    builder.enforce_equal(proof.degree_bits, height);

    let (mut challenger, challenges) = transcript::start_circuit(builder, size, statement, &proof.trace_cap);
    let lookups = starky_sums(&sums());
    let helpers = stark.num_lookup_helper_columns(&config);
    let ctl = CtlCheckVarsTarget::from_proof(0, &proof, &lookups, &challenges, helpers, 0, &[0; SUMS]);
    let first_row = builder.num_gates();
    let stark_challenges = proof.get_challenges::<F, C, SignatureStark>(
        builder,
        &stark,
        &[],
        &mut challenger,
        Some(&challenges),
        Some(&ctl),
        degree_bits,
        true,
        &config,
    );
    verify_stark_proof_with_challenges_circuit::<F, C, SignatureStark, D>(
        builder,
        &stark,
        &proof,
        &[],
        stark_challenges,
        Some(&ctl),
        &config,
        degree_bits,
        None,
    );
    note_verifier_rows(first_row..builder.num_gates());
    (proof, challenges)
}

/// The in-circuit twin of the native verifier's last step: equal sums of reads and writes, of claims and list.
fn check_sums(
    builder: &mut Builder,
    sums: &[Target],
    challenges: &GrandProductChallengeSet<Target>,
    list: &[Entry],
) {
    for (i, challenge) in challenges.challenges.iter().enumerate() {
        let [read, written, claimed] = [0, 1, 2].map(|side| sums[side * NUM_CHALLENGES + i]);
        builder.enforce_equal(read, written);
        let mut listed = builder.zero();
        for (index, entry) in list.iter().enumerate() {
            let index = builder.constant(F::from_canonical_usize(index));
            let tuple = [vec![index], entry.claim.encode()].concat();
            let combined = challenge.combine_base_circuit(builder, &tuple);
            let inverse = builder.inverse(combined);
            listed = builder.mul_add(entry.active.target, inverse, listed);
        }
        builder.enforce_equal(claimed, listed);
    }
}
