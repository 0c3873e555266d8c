//! Batches of signatures, in tables of three sizes.

use std::{fmt::Debug, sync::LazyLock};

use circuits_core::{
    digest::{Digest, DigestTarget},
    layout::Layout,
    recursion::Shape,
};
use circuits_prover::basetypes::{Builder, D, F, standard_config};
use plonky2::{
    gates::{exponentiation::ExponentiationGate, gate::GateRef},
    iop::target::Target,
};
use rayon::prelude::*;
use starky::config::StarkConfig;

use super::{
    Claim, EcdsaError, SignatureStatement, Signed, append_circuit, empty_claims,
    table::{
        SignatureTable, rows_per_signature,
        trace::{Assignment, Trace},
    },
};
use crate::{
    batch::{Batch, BatchCircuit, BatchInput, stark_config},
    batch_work,
};

/// The circuit that verifies a batch of signatures. Nothing outside needs the signatures themselves.
pub type SignatureCircuit = BatchCircuit<SignatureSize>;
/// The input of [`SignatureCircuit`].
pub type SignatureInput = BatchInput<SignatureSize>;

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

/// The size of a table of signatures. A batch takes the smallest that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignatureSize {
    /// Up to 30 signatures in 2^13 rows.
    Small,
    /// Up to 60 signatures in 2^14 rows.
    Medium,
    /// Up to 240 signatures in 2^16 rows.
    Large,
}

impl Batch for SignatureSize {
    type Table = SignatureTable;
    type Item<T: Copy + Debug + Send + Sync> = Claim<T>;
    type Statement<T: Copy> = SignatureStatement<T>;
    type Evidence = Signed;
    type Error = EcdsaError;

    const NAME: &'static str = "signatures";
    const STARK_NAME: &'static str = "signature-stark";
    const ITEM: &'static str = "signature";
    const ALL: &'static [Self] = &[Self::Small, Self::Medium, Self::Large];

    fn degree_bits(self) -> usize {
        match self {
            Self::Small => 13,
            Self::Medium => 14,
            Self::Large => 16,
        }
    }

    fn capacity(self) -> usize {
        (1 << self.degree_bits()) / rows_per_signature()
    }

    /// 81 queries at rate 1/4 and 20 bits of grinding give 100 bits proven. At rate 1/2 the prover takes less time, but
    /// verifying twice as many queries takes a circuit of 2^16 rows.
    fn config(self) -> StarkConfig {
        stark_config(2, 81, 20)
    }

    fn shape() -> &'static Shape {
        signature_shape()
    }

    fn statement(claims: &[Claim]) -> SignatureStatement {
        SignatureStatement::new(claims)
    }

    fn statement_circuit(list: DigestTarget, count: Target) -> SignatureStatement<Target> {
        SignatureStatement { claims: list, count }
    }

    fn empty_list() -> Digest {
        empty_claims()
    }

    fn append_circuit(builder: &mut Builder, list: DigestTarget, claim: &Claim<Target>) -> DigestTarget {
        append_circuit(builder, list, claim)
    }

    fn item(signed: &Signed) -> Claim {
        signed.claim()
    }

    fn check(signed: &[Signed]) -> Result<(), (usize, EcdsaError)> {
        signed
            .par_iter()
            .enumerate()
            .try_for_each(|(index, signed)| signed.verify().map_err(|error| (index, error)))
    }

    fn columns(self, signed: &[Signed]) -> Vec<Vec<F>> {
        let assignments: Vec<_> = signed.iter().map(Assignment::new).collect();
        Trace::new(&assignments, self.degree_bits()).columns()
    }

    batch_work!();
}
