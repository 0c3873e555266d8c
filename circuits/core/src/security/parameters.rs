//! What the rounds' bits follow from.

use circuits_prover::basetypes::{CommonData, D};
use plonky2::fri::FriParams;
use serde::{Deserialize, Serialize};

/// All that the security of a circuit or of a STARK follows from. The default has no security.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// The logarithm of the number of rows.
    pub degree_bits: usize,
    /// The degree of the extension field that FRI's challenges come from.
    pub extension_degree: usize,
    pub rate_bits: usize,
    pub queries: usize,
    pub grinding_bits: u32,
    /// For each layer of FRI, the logarithm of the number of points that it makes one of.
    pub folding_bits: Vec<usize>,
    /// The number of evaluations that a proof opens, each of which is one term of the batch.
    pub openings: usize,
    /// The number of challenges of each interactive argument.
    pub challenges: usize,
    /// The number of constraints that one challenge combines.
    pub constraints: usize,
    /// The degree of the identity that is evaluated at one point, as a multiple of the number of rows.
    pub identity_degree: usize,
    /// The number of wires of a row that the permutation argument connects; 0 for a STARK, which has none.
    pub routed_wires: usize,
    /// The number of elements that the largest lookup argument looks up in one row, both sides together; 0 without one.
    pub looked_up: usize,
}

/// What the security of a STARK follows from.
#[derive(Clone, Debug)]
pub struct Stark {
    /// The FRI parameters, which include the number of rows.
    pub fri: FriParams,
    /// The number of evaluations that one FRI proof opens.
    pub openings: usize,
    /// The number of challenges of each interactive argument.
    pub challenges: usize,
    /// The number of constraints that one challenge combines.
    pub terms: usize,
    pub constraint_degree: usize,
    /// The number of elements that the largest lookup argument looks up in one row, both sides together.
    pub looked_up: usize,
}

impl Parameters {
    fn of_fri(fri: &FriParams) -> Self {
        Self {
            degree_bits: fri.degree_bits,
            extension_degree: D,
            rate_bits: fri.config.rate_bits,
            queries: fri.config.num_query_rounds,
            grinding_bits: fri.config.proof_of_work_bits,
            folding_bits: fri.reduction_arity_bits.clone(),
            ..Self::default()
        }
    }
}

impl From<&CommonData> for Parameters {
    fn from(common: &CommonData) -> Self {
        let (config, challenges) = (&common.config, common.config.num_challenges);
        let repeated =
            1 + common.num_partial_products + common.num_lookup_polys + common.quotient_degree_factor;
        let polynomials =
            common.num_constants + config.num_routed_wires + config.num_wires + challenges * repeated;
        Self {
            // Those of the permutation argument and of lookups are opened at a second point.
            openings: polynomials + challenges * (1 + common.num_lookup_polys),
            challenges,
            // Of each permutation argument, its start and its partial products.
            constraints: common.num_gate_constraints + challenges * (2 + common.num_partial_products),
            identity_degree: common.quotient_degree_factor + 1,
            routed_wires: config.num_routed_wires,
            // Looked-up values are summed as fractions: as many poles as slots.
            looked_up: if common.luts.is_empty() { 0 } else { config.num_routed_wires },
            ..Self::of_fri(&common.fri_params)
        }
    }
}

impl From<Stark> for Parameters {
    fn from(stark: Stark) -> Self {
        let Stark { fri, openings, challenges, terms, constraint_degree, looked_up } = stark;
        Self {
            openings,
            challenges,
            constraints: terms,
            identity_degree: constraint_degree,
            routed_wires: 0,
            looked_up,
            ..Self::of_fri(&fri)
        }
    }
}
