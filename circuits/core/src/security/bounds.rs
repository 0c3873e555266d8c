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
    /// The number of evaluations that the proof opens, each of which is one term of the batch.
    pub(super) openings: usize,
    /// Bits of the field that FRI's challenges come from.
    pub(super) extension_bits: f64,
}

impl Fri {
    pub(super) fn of_circuit(common: &CommonData) -> Self {
        let openings = num_polynomials(common) + common.config.num_challenges * (1 + common.num_lookup_polys);
        Self { params: common.fri_params.clone(), openings, extension_bits: extension_bits() }
    }

    /// The bits of the queries if a word farther from the code than its capacity allows were caught by each query with
    /// probability `1 - rho`.
    pub(super) fn capacity_conjecture(&self) -> f64 {
        let config = &self.params.config;
        let queries =
            (config.rate_bits * config.num_query_rounds) as f64 + f64::from(config.proof_of_work_bits);
        queries.min(self.extension_bits - self.params.lde_bits() as f64)
    }

    /// The logarithm of the number of codewords within the radius of multiplicity `m`.
    pub(super) fn list_bits(&self, m: f64) -> f64 {
        m.log2() + self.rate_bits()
    }

    /// The round that batches all openings.
    pub(super) fn batching(&self, m: f64) -> f64 {
        self.agreement(m, self.params.lde_bits(), self.openings)
    }

    /// The weakest of the rounds that fold.
    pub(super) fn folding(&self, m: f64) -> f64 {
        let mut points_bits = self.params.lde_bits();
        let rounds = self.params.reduction_arity_bits.iter().map(|&arity_bits| {
            points_bits -= arity_bits;
            let agreement = self.agreement(m, points_bits, 1 << arity_bits);
            -((-agreement).exp2() + (-self.weights(m, arity_bits)).exp2()).log2()
        });
        rounds.fold(f64::INFINITY, f64::min)
    }

    /// The queries, with the grinding before them.
    pub(super) fn queries(&self, m: f64) -> f64 {
        let config = &self.params.config;
        let query = self.rate_bits() / 2.0 - (1.0 + 0.5 / m).log2();
        f64::from(config.proof_of_work_bits) + config.num_query_rounds as f64 * query
    }

    /// How unlikely it is that points which earlier layers made worth less hide that a layer is folded wrongly.
    fn weights(&self, m: f64, arity_bits: usize) -> f64 {
        let points = (self.params.lde_bits() as f64).exp2() + 1.0;
        let numerator = (2.0 * m + 1.0).log2() + points.log2() + arity_bits as f64;
        self.extension_bits - numerator - self.rate_bits() / 2.0
    }

    fn rate_bits(&self) -> f64 {
        self.params.config.rate_bits as f64
    }

    /// How unlikely it is that `words` words over `2^points_bits` points, combined by powers of a challenge, are close to
    /// the code although they do not agree with codewords on one set of points.
    fn agreement(&self, m: f64, points_bits: usize, words: usize) -> f64 {
        let curve = (words - 1).max(1) as f64;
        let numerator = 7.0 * (m + 0.5).log2() + 2.0 * points_bits as f64 + 1.5 * self.rate_bits();
        self.extension_bits - curve.log2() - (numerator - 3_f64.log2())
    }
}

/// The number of polynomials that a circuit commits to.
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
