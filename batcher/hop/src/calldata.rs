//! The last proof as calldata: what a contract reads, in the order in which it reads it.
//!
//! Everything is packed, integers have their high byte first, and there are no lengths: the circuit's common data determine
//! them. `walk` is the only place that knows the order; the README has it as a table.

use circuits_core::{CommonData, F};
use circuits_prover::{
    keccak::{DIGEST_BYTES, KeccakHasher, TreeDigest},
    outer::OuterProof,
};
use plonky2::{
    field::{
        extension::quartic::QuarticExtension,
        polynomial::PolynomialCoeffs,
        types::{Field, Field64, PrimeField64},
    },
    fri::{
        FriParams,
        proof::{FriInitialTreeProof, FriProof, FriQueryRound, FriQueryStep},
    },
    hash::{merkle_proofs::MerkleProof, merkle_tree::MerkleCap},
    plonk::proof::{OpeningSet, Proof},
};
use thiserror::Error;

type Extension = QuarticExtension<F>;

/// Bytes of a field element.
const ELEMENT_BYTES: usize = 8;

/// Why bytes are not the calldata of a proof of the last circuit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CalldataError {
    /// The number of bytes is not that of a proof.
    #[error("a proof has {expected} bytes of calldata, found {found}")]
    Length { expected: usize, found: usize },
    /// The number of public inputs is not that of the circuit.
    #[error("a proof has {expected} public inputs, found {found}")]
    PublicInputs { expected: usize, found: usize },
    /// A field element is not in canonical form.
    #[error("the field element at byte {position} is {found}, which is not below {}", F::ORDER)]
    NotCanonical { position: usize, found: u64 },
}

/// Something that goes over the parts of a proof.
trait Visitor {
    fn digest(&mut self, digest: &mut TreeDigest) -> Result<(), CalldataError>;
    fn element(&mut self, element: &mut F) -> Result<(), CalldataError>;

    fn digests(&mut self, digests: &mut [TreeDigest]) -> Result<(), CalldataError> {
        digests.iter_mut().try_for_each(|digest| self.digest(digest))
    }

    fn elements(&mut self, elements: &mut [F]) -> Result<(), CalldataError> {
        elements.iter_mut().try_for_each(|element| self.element(element))
    }

    /// The coordinates of each, that of 1 first.
    fn extensions(&mut self, extensions: &mut [Extension]) -> Result<(), CalldataError> {
        extensions.iter_mut().try_for_each(|extension| self.elements(&mut extension.0))
    }
}

/// Goes over all parts of a proof in the order of its calldata.
fn walk(proof: &mut OuterProof, visitor: &mut impl Visitor) -> Result<(), CalldataError> {
    let Proof { wires_cap, plonk_zs_partial_products_cap, quotient_polys_cap, openings, opening_proof } =
        &mut proof.proof;
    for cap in [wires_cap, plonk_zs_partial_products_cap, quotient_polys_cap] {
        visitor.digests(&mut cap.0)?;
    }
    let OpeningSet {
        constants,
        plonk_sigmas,
        wires,
        plonk_zs,
        plonk_zs_next,
        partial_products,
        quotient_polys,
        lookup_zs: _,
        lookup_zs_next: _,
    } = openings;
    for values in [constants, plonk_sigmas, wires, plonk_zs, partial_products, quotient_polys, plonk_zs_next]
    {
        visitor.extensions(values)?;
    }
    let FriProof { commit_phase_merkle_caps, query_round_proofs, final_poly, pow_witness } = opening_proof;
    for cap in commit_phase_merkle_caps {
        visitor.digests(&mut cap.0)?;
    }
    visitor.extensions(&mut final_poly.coeffs)?;
    visitor.element(pow_witness)?;
    for FriQueryRound { initial_trees_proof, steps } in query_round_proofs {
        for (leaf, path) in &mut initial_trees_proof.evals_proofs {
            visitor.elements(leaf)?;
            visitor.digests(&mut path.siblings)?;
        }
        for FriQueryStep { evals, merkle_proof } in steps {
            visitor.extensions(evals)?;
            visitor.digests(&mut merkle_proof.siblings)?;
        }
    }
    Ok(())
}

/// A proof of the shape that all proofs of a circuit have, with zeros everywhere.
fn blank(common: &CommonData) -> OuterProof {
    let config = &common.config;
    let challenges = config.num_challenges;
    let FriParams { reduction_arity_bits, .. } = &common.fri_params;
    let cap_height = config.fri_config.cap_height;
    let cap = || MerkleCap::<F, KeccakHasher>(vec![TreeDigest::default(); 1 << cap_height]);
    let path = |leaves_bits: usize| MerkleProof {
        siblings: vec![TreeDigest::default(); leaves_bits.saturating_sub(cap_height)],
    };
    let zeros = |count: usize| vec![Extension::ZERO; count];
    let partial_products = challenges * common.num_partial_products;
    let quotients = challenges * common.quotient_degree_factor;
    let lde_bits = common.fri_params.lde_bits();
    let leaves = [
        common.num_constants + config.num_routed_wires,
        config.num_wires,
        challenges + partial_products,
        quotients,
    ];
    let query = || {
        let mut bits = lde_bits;
        let steps = reduction_arity_bits.iter().map(|&arity_bits| {
            bits = bits.saturating_sub(arity_bits);
            FriQueryStep { evals: zeros(1 << arity_bits), merkle_proof: path(bits) }
        });
        let steps = steps.collect();
        let leaf = |width: usize| (vec![F::ZERO; width], path(lde_bits));
        FriQueryRound {
            initial_trees_proof: FriInitialTreeProof { evals_proofs: leaves.map(leaf).to_vec() },
            steps,
        }
    };
    let proof = Proof {
        wires_cap: cap(),
        plonk_zs_partial_products_cap: cap(),
        quotient_polys_cap: cap(),
        openings: OpeningSet {
            constants: zeros(common.num_constants),
            plonk_sigmas: zeros(config.num_routed_wires),
            wires: zeros(config.num_wires),
            plonk_zs: zeros(challenges),
            plonk_zs_next: zeros(challenges),
            partial_products: zeros(partial_products),
            quotient_polys: zeros(quotients),
            lookup_zs: vec![],
            lookup_zs_next: vec![],
        },
        opening_proof: FriProof {
            commit_phase_merkle_caps: reduction_arity_bits.iter().map(|_| cap()).collect(),
            query_round_proofs: (0..config.fri_config.num_query_rounds).map(|_| query()).collect(),
            final_poly: PolynomialCoeffs::new(zeros(common.fri_params.final_poly_len())),
            pow_witness: F::ZERO,
        },
    };
    OuterProof { proof, public_inputs: vec![F::ZERO; common.num_public_inputs] }
}

/// Writes the parts of a proof.
struct Writer(Vec<u8>);

impl Visitor for Writer {
    fn digest(&mut self, digest: &mut TreeDigest) -> Result<(), CalldataError> {
        self.0.extend(digest.0);
        Ok(())
    }

    fn element(&mut self, element: &mut F) -> Result<(), CalldataError> {
        self.0.extend(element.to_canonical_u64().to_be_bytes());
        Ok(())
    }
}

/// Reads the parts of a proof.
struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], CalldataError> {
        let taken = self.bytes.get(self.position..).and_then(<[u8]>::first_chunk::<N>);
        let error = CalldataError::Length { expected: self.position + N, found: self.bytes.len() };
        self.position += N;
        taken.copied().ok_or(error)
    }
}

impl Visitor for Reader<'_> {
    fn digest(&mut self, digest: &mut TreeDigest) -> Result<(), CalldataError> {
        digest.0 = self.take::<DIGEST_BYTES>()?;
        Ok(())
    }

    fn element(&mut self, element: &mut F) -> Result<(), CalldataError> {
        let position = self.position;
        let found = u64::from_be_bytes(self.take::<ELEMENT_BYTES>()?);
        if found >= F::ORDER {
            return Err(CalldataError::NotCanonical { position, found });
        }
        *element = F::from_canonical_u64(found);
        Ok(())
    }
}

/// Bytes of a proof's calldata, the same for all proofs of a circuit.
#[must_use]
pub fn calldata_len(common: &CommonData) -> usize {
    encode(&blank(common)).len()
}

/// The calldata of a proof, without its public inputs.
#[must_use]
pub fn encode(proof: &OuterProof) -> Vec<u8> {
    let mut writer = Writer(vec![]);
    // A writer refuses nothing.
    let _ = walk(&mut proof.clone(), &mut writer);
    writer.0
}

/// Decodes what [`encode`] wrote, without verifying the proof.
///
/// # Errors
/// [`CalldataError`] if the bytes or the public inputs are not those of some proof of the circuit.
pub fn decode(bytes: &[u8], public_inputs: &[F], common: &CommonData) -> Result<OuterProof, CalldataError> {
    let (expected, found) = (common.num_public_inputs, public_inputs.len());
    if expected != found {
        return Err(CalldataError::PublicInputs { expected, found });
    }
    let mut proof = blank(common);
    let (expected, found) = (encode(&proof).len(), bytes.len());
    if expected != found {
        return Err(CalldataError::Length { expected, found });
    }
    walk(&mut proof, &mut Reader { bytes, position: 0 })?;
    proof.public_inputs = public_inputs.to_vec();
    Ok(proof)
}
