//! What a contract of the last circuit is written from and tested against, as JSON.

use circuits_core::{CommonData, F};
use circuits_prover::{
    outer::{OuterKey, OuterProof},
    selectors::Selectors,
};
use plonky2::{
    field::{extension::quartic::QuarticExtension, types::PrimeField64 as _},
    hash::poseidon::PoseidonHash,
    plonk::config::Hasher,
};
use serde::Serialize;

use crate::{
    calldata,
    keys::{fri_params_elements, outer_digest},
};

/// A proof of the last circuit with the constants of its verifier and, to find mistakes, the challenges. Bytes are
/// hexadecimal, field elements decimal, extension elements lists of coordinates.
#[derive(Clone, Debug, Serialize)]
pub struct Fixture {
    pub outer_digest: String,
    pub circuit_digest: String,
    pub constants_sigmas_cap: Vec<String>,
    pub degree_bits: usize,
    pub num_wires: usize,
    pub num_routed_wires: usize,
    /// Selectors come first.
    pub num_constants: usize,
    pub num_challenges: usize,
    pub num_partial_products: usize,
    pub quotient_degree_factor: usize,
    pub num_gate_constraints: usize,
    pub rate_bits: usize,
    pub cap_height: usize,
    pub num_query_rounds: usize,
    pub proof_of_work_bits: u32,
    pub reduction_arity_bits: Vec<usize>,
    /// What the transcript observes first.
    pub fri_params_elements: Vec<String>,
    /// In the order in which the gates' constraints are summed.
    pub gates: Vec<String>,
    /// For each gate, which selector selects it.
    pub selector_indices: Vec<usize>,
    /// For each selector, the range of its gates.
    pub selector_groups: Vec<(usize, usize)>,
    pub k_is: Vec<String>,
    pub public_inputs: Vec<String>,
    pub public_inputs_hash: Vec<String>,
    pub betas: Vec<String>,
    pub gammas: Vec<String>,
    pub alphas: Vec<String>,
    pub zeta: Vec<String>,
    pub fri_alpha: Vec<String>,
    pub fri_betas: Vec<Vec<String>>,
    pub pow_response: String,
    pub query_indices: Vec<usize>,
    pub proof: String,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

fn decimal(element: &F) -> String {
    element.to_canonical_u64().to_string()
}

fn decimals(elements: &[F]) -> Vec<String> {
    elements.iter().map(decimal).collect()
}

fn coordinates(element: &QuarticExtension<F>) -> Vec<String> {
    decimals(&element.0)
}

impl Fixture {
    /// The fixture of a proof.
    ///
    /// # Errors
    /// plonky2's reason, if the proof has not the form that it needs to draw challenges.
    pub fn new(proof: &OuterProof, key: &OuterKey, common: &CommonData) -> Result<Self, String> {
        let public_inputs_hash = PoseidonHash::hash_no_pad(&proof.public_inputs);
        let challenges = proof
            .get_challenges(public_inputs_hash, &key.circuit_digest, common)
            .map_err(|error| error.to_string())?;
        let fri = &challenges.fri_challenges;
        let selectors = Selectors::of(common).map_err(|error| format!("{error:?}"))?;
        let config = &common.config;
        Ok(Self {
            outer_digest: hex(&outer_digest(key, common)),
            circuit_digest: hex(&key.circuit_digest.0),
            constants_sigmas_cap: key.constants_sigmas_cap.0.iter().map(|hash| hex(&hash.0)).collect(),
            degree_bits: common.degree_bits(),
            num_wires: config.num_wires,
            num_routed_wires: config.num_routed_wires,
            num_constants: common.num_constants,
            num_challenges: config.num_challenges,
            num_partial_products: common.num_partial_products,
            quotient_degree_factor: common.quotient_degree_factor,
            num_gate_constraints: common.num_gate_constraints,
            rate_bits: config.fri_config.rate_bits,
            cap_height: config.fri_config.cap_height,
            num_query_rounds: config.fri_config.num_query_rounds,
            proof_of_work_bits: config.fri_config.proof_of_work_bits,
            reduction_arity_bits: common.fri_params.reduction_arity_bits.clone(),
            fri_params_elements: decimals(&fri_params_elements(common)),
            gates: common.gates.iter().map(|gate| gate.0.id()).collect(),
            selector_indices: selectors.polynomials,
            selector_groups: selectors.groups.into_iter().map(|group| (group.start, group.end)).collect(),
            k_is: decimals(&common.k_is),
            public_inputs: decimals(&proof.public_inputs),
            public_inputs_hash: decimals(&public_inputs_hash.elements),
            betas: decimals(&challenges.plonk_betas),
            gammas: decimals(&challenges.plonk_gammas),
            alphas: decimals(&challenges.plonk_alphas),
            zeta: coordinates(&challenges.plonk_zeta),
            fri_alpha: coordinates(&fri.fri_alpha),
            fri_betas: fri.fri_betas.iter().map(coordinates).collect(),
            pow_response: decimal(&fri.fri_pow_response),
            query_indices: fri.fri_query_indices.clone(),
            proof: hex(&calldata::encode(proof)),
        })
    }
}
