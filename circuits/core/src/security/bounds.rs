//! The formulas of the [module above](super), in bits. Those of the rounds before FRI are for one tuple of codewords.

use circuits_prover::basetypes::F;
use plonky2::field::types::Field64;

use super::Parameters;

/// Bits of the base field.
fn base_bits() -> f64 {
    (F::ORDER as f64).log2()
}

/// The degree of a combination of `words` by powers of one challenge, in bits. One word counts as two.
fn curve_bits(words: f64) -> f64 {
    (words - 1.0).max(1.0).log2()
}

impl Parameters {
    /// The permutation argument.
    pub(super) fn permutation(&self) -> Option<f64> {
        (self.routed_wires > 0).then(|| self.interactive(self.routed_wires))
    }

    /// The lookup argument.
    pub(super) fn lookup(&self) -> Option<f64> {
        (self.looked_up > 0).then(|| self.interactive(self.looked_up))
    }

    /// All repetitions of an argument over `slots` values of each row.
    fn interactive(&self, slots: usize) -> f64 {
        self.challenges as f64 * (base_bits() - self.degree_bits as f64 - (slots as f64).log2()).max(0.0)
    }

    /// The combination of all constraints.
    pub(super) fn combination(&self) -> f64 {
        self.challenges as f64 * (base_bits() - (self.constraints.max(1) as f64).log2())
    }

    /// The evaluation of the identity.
    pub(super) fn evaluation(&self) -> f64 {
        self.extension_bits() - self.degree_bits as f64 - (self.identity_degree.max(1) as f64).log2()
    }

    /// The bits of the queries if a word farther from the code than its capacity allows were caught by each query with
    /// probability `1 - rho`.
    pub(super) fn capacity_conjecture(&self) -> f64 {
        let queries = self.rate() * self.queries as f64 + f64::from(self.grinding_bits);
        queries.min(self.extension_bits() - self.points_bits())
    }

    /// The number of codewords within the radius of multiplicity `m`.
    pub(super) fn list_bits(&self, m: f64) -> f64 {
        m.log2() + self.rate()
    }

    /// The round that batches all openings.
    pub(super) fn batching(&self, m: f64) -> f64 {
        self.agreement(m, self.points_bits(), self.openings as f64)
    }

    /// The weakest of the rounds that fold, if there are any.
    pub(super) fn folding(&self, m: f64) -> Option<f64> {
        let mut points_bits = self.points_bits();
        let rounds = self.folding_bits.iter().map(|&folding_bits| {
            points_bits -= folding_bits as f64;
            let agreement = self.agreement(m, points_bits, (folding_bits as f64).exp2());
            -((-agreement).exp2() + (-self.weights(m, folding_bits)).exp2()).log2()
        });
        rounds.reduce(f64::min)
    }

    /// The queries, with the grinding before them.
    pub(super) fn queries(&self, m: f64) -> f64 {
        let query = self.rate() / 2.0 - (1.0 + 0.5 / m).log2();
        f64::from(self.grinding_bits) + self.queries as f64 * query
    }

    /// How unlikely it is that points which earlier layers made worth less hide that a layer is folded wrongly.
    fn weights(&self, m: f64, folding_bits: usize) -> f64 {
        let points = self.points_bits().exp2() + 1.0;
        let numerator = (2.0 * m + 1.0).log2() + points.log2() + folding_bits as f64;
        self.extension_bits() - numerator - self.rate() / 2.0
    }

    /// How unlikely it is that `words` words over `2^points_bits` points, combined by powers of a challenge, are close to
    /// the code although they do not agree with codewords on one set of points.
    fn agreement(&self, m: f64, points_bits: f64, words: f64) -> f64 {
        let numerator = 7.0 * (m + 0.5).log2() + 2.0 * points_bits + 1.5 * self.rate();
        self.extension_bits() - curve_bits(words) - (numerator - 3_f64.log2())
    }

    /// The logarithm of the number of points of the low-degree extension.
    fn points_bits(&self) -> f64 {
        self.degree_bits as f64 + self.rate()
    }

    /// Bits of the rate.
    fn rate(&self) -> f64 {
        self.rate_bits as f64
    }

    /// Bits of the extension field.
    fn extension_bits(&self) -> f64 {
        self.extension_degree as f64 * base_bits()
    }
}
