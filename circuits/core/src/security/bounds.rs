//! The formulas of the [module above](super), as functions of parameters.

use circuits_prover::basetypes::{CommonData, D, F};
use plonky2::{field::types::Field64, fri::FriParams};

/// Bits of the base field.
pub(super) fn base_bits() -> f64 {
    (F::ORDER as f64).log2()
}

/// Bits of the extension field.
pub(super) fn extension_bits() -> f64 {
    D as f64 * base_bits()
}

/// One FRI proof.
pub(super) struct Fri {
    pub(super) params: FriParams,
    /// The number of polynomials that the proof batches.
    pub(super) polynomials: usize,
}

impl Fri {
    pub(super) fn of_circuit(common: &CommonData) -> Self {
        Self { params: common.fri_params.clone(), polynomials: num_polynomials(common) }
    }

    /// The conjectured bits.
    pub(super) fn conjectured(&self) -> f64 {
        let config = &self.params.config;
        let queries =
            (config.rate_bits * config.num_query_rounds) as f64 + f64::from(config.proof_of_work_bits);
        queries.min(extension_bits() - self.params.lde_bits() as f64)
    }

    /// The bits proven up to the Johnson bound, for the best `m` up to `MAX_M`.
    pub(super) fn proven(&self) -> f64 {
        const MAX_M: u32 = 1000;
        let config = &self.params.config;
        let rate_bits = config.rate_bits as f64;
        let points_bits = self.params.lde_bits() as f64;
        let arities: usize = self.params.reduction_arity_bits.iter().map(|bits| 1_usize << bits).sum();
        let batched = (self.polynomials - 1) as f64;
        let error = |m: u32| {
            let m = f64::from(m);
            let query_bits = f64::from(config.proof_of_work_bits)
                + config.num_query_rounds as f64 * (rate_bits / 2.0 - (1.0 + 0.5 / m).log2());
            let batch_bits = extension_bits()
                - batched.log2()
                - (7.0 * (m + 0.5).log2() + 2.0 * points_bits + 1.5 * rate_bits - 3_f64.log2());
            let fold_bits = extension_bits()
                - ((2.0 * m + 1.0).log2()
                    + (points_bits.exp2() + 1.0).log2()
                    + rate_bits / 2.0
                    + (arities.max(1) as f64).log2());
            (-query_bits).exp2() + (-batch_bits).exp2() + (-fold_bits).exp2()
        };
        (3..=MAX_M).map(|m| -error(m).log2()).fold(0.0, f64::max)
    }
}

/// The number of polynomials that one FRI proof of a circuit batches.
fn num_polynomials(common: &CommonData) -> usize {
    let config = &common.config;
    let repeated = 1 + common.num_partial_products + common.num_lookup_polys + common.quotient_degree_factor;
    common.num_constants + config.num_routed_wires + config.num_wires + config.num_challenges * repeated
}

/// The number of constraints that one challenge combines: those of the gates, and for each repetition of the
/// permutation argument its start and its partial products.
pub(super) fn num_terms(common: &CommonData) -> usize {
    common.num_gate_constraints + common.config.num_challenges * (2 + common.num_partial_products)
}
