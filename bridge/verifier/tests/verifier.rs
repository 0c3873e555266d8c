//! The contract accepts a proof of the hop, and nothing that differs from it.

use std::{ops::Range, sync::LazyLock};

use alloy_sol_types::{SolCall, SolError, sol};
use batcher_hop::circuits::keccak_common;
use batcher_verify::keys::PinnedKeys;
use bridge_verifier::{
    circuit::circuit_source,
    evm::{CallError, Contract},
    recorded::Recorded,
};
use circuits_prover::{F, keccak::DIGEST_BYTES};
use plonky2::field::types::{Field as _, Field64 as _, PrimeField64 as _};
use revm::primitives::{Bytes, U256, hex};

sol! {
    function verifyWith(bytes calldata honest, bytes calldata proof, uint256[] calldata publicInputs) external view;
    function verifyQueries(bytes calldata proof, uint256[] calldata publicInputs) external view;
    function verifyQueriesAt(uint256 zeta, bytes calldata proof, uint256[] calldata publicInputs) external view;
    function outerDigest() external view returns (bytes32);
    function verify(bytes calldata proof, uint256[] calldata publicInputs) external view;

    error WrongProofLength(uint256 length, uint256 expected);
    error WrongPublicInputCount(uint256 count, uint256 expected);
    error PublicInputTooLarge(uint256 index, uint256 value);
    error ElementTooLarge(uint256 position, uint256 word);
    error WrongQuotient(uint256 challenge, uint256 constraints, uint256 quotient);
    error TooLittleWork(uint256 response, uint256 limit);
    error WrongLeaf(uint256 query, uint256 tree, bytes32 root, bytes32 expected);
    error PointIsOpened(uint256 query);
    error WrongFirstLayer(uint256 query, uint256 value);
    error WrongLayer(uint256 query, uint256 layer, uint256 value, uint256 expected);
    error WrongFinalPolynomial(uint256 query, uint256 value, uint256 expected);
}

/// The committed artefact.
const ARTIFACT: &str = include_str!("../../contracts/artifacts/SuperblockVerifier.json");

/// The artefact, or another one that the environment names: a build from which a check was removed, which must not pass.
static VERIFIER: LazyLock<Contract> = LazyLock::new(|| {
    let text = std::env::var("SUPERBLOCK_VERIFIER_ARTIFACT")
        .map_or_else(|_| ARTIFACT.to_owned(), |path| std::fs::read_to_string(path).unwrap());
    Contract::from_artifact(&text).unwrap()
});

/// The verifier with the challenges of another proof.
static FIXED_CHALLENGES: LazyLock<Contract> = LazyLock::new(|| {
    let text = std::env::var("SUPERBLOCK_FIXED_CHALLENGES_ARTIFACT").map_or_else(
        |_| include_str!("../../contracts/test/artifacts/FixedChallenges.json").to_owned(),
        |path| std::fs::read_to_string(path).unwrap(),
    );
    Contract::from_artifact(&text).unwrap()
});

static RECORDED: LazyLock<Recorded> = LazyLock::new(|| {
    Recorded::from_json(include_str!("../../../batcher/hop/tests/hop/fixture.json")).unwrap()
});

/// The bytes of an element, and of an element of the extension field.
const ELEMENT: usize = 8;
const EXTENSION: usize = 32;

fn proof() -> Vec<u8> {
    RECORDED.proof.clone()
}

fn public_inputs() -> Vec<U256> {
    RECORDED.public_inputs.clone()
}

/// Calls the contract, and returns the gas or the data of the error.
fn verify(proof: &[u8], public_inputs: Vec<U256>) -> Result<u64, Bytes> {
    let call = verifyCall { proof: proof.to_vec().into(), publicInputs: public_inputs };
    match VERIFIER.call(&call) {
        Ok(outcome) => Ok(outcome.gas),
        Err(CallError::Reverted(data)) => Err(data),
        Err(error) => panic!("{error}"),
    }
}

/// Asserts that the contract refuses with an error, and returns the error.
fn refused<E: SolError>(proof: &[u8], public_inputs: Vec<U256>) -> E {
    decoded(&verify(proof, public_inputs).expect_err("a proof that differs was accepted"))
}

/// The error of this kind that the data of a revert is.
fn decoded<E: SolError>(data: &[u8]) -> E {
    E::abi_decode(data).unwrap_or_else(|_| panic!("expected {}, got 0x{}", E::SIGNATURE, hex::encode(data)))
}

/// Calls the verifier with other challenges, and returns the data of its error.
fn refusal(call: &impl SolCall) -> Bytes {
    match FIXED_CHALLENGES.call(call) {
        Err(CallError::Reverted(data)) => data,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("a proof that differs was accepted"),
    }
}

/// As [`refused`], with the challenges of the honest proof.
fn refused_with_its_challenges<E: SolError>(proof: &[u8]) -> E {
    let call = verifyWithCall {
        honest: self::proof().into(),
        proof: proof.to_vec().into(),
        publicInputs: public_inputs(),
    };
    decoded(&refusal(&call))
}

/// Where the parts of a proof are.
struct Places {
    caps: Range<usize>,
    openings: Range<usize>,
    layer_caps: Range<usize>,
    final_polynomial: Range<usize>,
    nonce: Range<usize>,
    queries: Vec<Query>,
    end: usize,
}

/// Where the parts of a query are: leaf and siblings of each tree, then of each layer.
struct Query {
    trees: Vec<(Range<usize>, Range<usize>)>,
}

impl Places {
    fn new() -> Self {
        let common = keccak_common();
        let config = &common.config;
        let fri = &config.fri_config;
        let mut position = 0;
        let mut take = |length: usize| {
            position += length;
            position - length..position
        };
        let cap = DIGEST_BYTES << fri.cap_height;
        let products = config.num_challenges * (1 + common.num_partial_products);
        let quotients = config.num_challenges * common.quotient_degree_factor;
        let fixed = common.num_constants + config.num_routed_wires;
        let sizes = [fixed, config.num_wires, products, quotients];
        let caps = take(3 * cap);
        let openings = take(EXTENSION * (sizes.iter().sum::<usize>() + config.num_challenges));
        let arities = &common.fri_params.reduction_arity_bits;
        let layer_caps = take(arities.len() * cap);
        let final_polynomial = take(EXTENSION * common.fri_params.final_poly_len());
        let nonce = take(ELEMENT);
        let levels = common.degree_bits() + fri.rate_bits - fri.cap_height;
        let queries = (0..fri.num_query_rounds)
            .map(|_| {
                let mut left = levels;
                let mut trees: Vec<_> =
                    sizes.iter().map(|size| (take(ELEMENT * size), take(DIGEST_BYTES * levels))).collect();
                trees.extend(arities.iter().map(|bits| {
                    left -= bits;
                    (take(EXTENSION << bits), take(DIGEST_BYTES * left))
                }));
                Query { trees }
            })
            .collect();
        Self { caps, openings, layer_caps, final_polynomial, nonce, queries, end: position }
    }
}

/// The proof with the element at `position` made another one.
fn with_other_element(position: usize) -> Vec<u8> {
    let mut proof = proof();
    // Elements end with their lowest bit, and all but one in 2^32 stay below the order.
    proof[position + ELEMENT - 1] ^= 1;
    proof
}

/// The proof with the element at `position` replaced by a number.
fn with_number(position: usize, number: u64) -> Vec<u8> {
    let mut proof = proof();
    proof[position..position + ELEMENT].copy_from_slice(&number.to_be_bytes());
    proof
}

#[test]
fn a_proof_of_the_hop_is_accepted() {
    let gas = verify(&proof(), public_inputs()).unwrap();
    println!("gas of the transaction: {gas}");
    assert_eq!(Places::new().end, proof().len());
}

#[test]
fn the_contract_can_be_deployed() {
    let size = Contract::from_artifact(ARTIFACT).unwrap().code().len();
    println!("bytes of code: {size}");
    // EIP-170.
    assert!(size <= 24_576);
}

#[test]
fn the_contract_is_compiled_for_the_embedded_key() {
    let source = circuit_source(PinnedKeys::embedded().hop.keccak.get(), keccak_common()).unwrap();
    assert_eq!(include_str!("../../contracts/src/verifier/Circuit.sol"), source);
    let digest = VERIFIER.call(&outerDigestCall {}).unwrap().result;
    assert_eq!(digest, RECORDED.outer_digest);
}

#[test]
fn other_lengths_are_refused() {
    let mut longer = proof();
    longer.push(0);
    let shorter = &proof()[..proof().len() - 1];
    for proof in [&longer[..], shorter, &[]] {
        let error = refused::<WrongProofLength>(proof, public_inputs());
        assert_eq!(error.length, U256::from(proof.len()));
    }
    let mut more = public_inputs();
    more.push(U256::ZERO);
    let fewer = public_inputs()[1..].to_vec();
    for inputs in [more, fewer, vec![]] {
        let count = U256::from(inputs.len());
        assert_eq!(refused::<WrongPublicInputCount>(&proof(), inputs).count, count);
    }
}

#[test]
fn each_other_public_input_is_refused() {
    for i in 0..public_inputs().len() {
        let mut inputs = public_inputs();
        inputs[i] ^= U256::from(1);
        refused::<TooLittleWork>(&proof(), inputs);
        // A number that is the same modulo the order, the order itself, and a full word.
        let same = public_inputs()[i] + U256::from(F::ORDER);
        for number in [same, U256::from(F::ORDER), U256::MAX] {
            let mut inputs = public_inputs();
            inputs[i] = number;
            assert_eq!(refused::<PublicInputTooLarge>(&proof(), inputs).index, U256::from(i));
        }
    }
}

#[test]
fn each_other_digest_before_the_queries_is_refused() {
    let places = Places::new();
    for position in places.caps.chain(places.layer_caps).step_by(DIGEST_BYTES) {
        for byte in [position, position + DIGEST_BYTES - 1] {
            let mut proof = proof();
            proof[byte] ^= 1;
            refused::<TooLittleWork>(&proof, public_inputs());
        }
    }
}

#[test]
fn each_other_element_before_the_queries_is_refused() {
    let places = Places::new();
    for position in places.openings.chain(places.final_polynomial).chain(places.nonce).step_by(ELEMENT) {
        refused::<TooLittleWork>(&with_other_element(position), public_inputs());
    }
}

#[test]
fn elements_at_or_above_the_order_are_refused() {
    let places = Places::new();
    let leaves = places.queries.iter().flat_map(|query| query.trees.iter().map(|(leaf, _)| leaf.clone()));
    let parts = [places.openings.clone(), places.final_polynomial.clone(), places.nonce.clone()];
    for part in parts.into_iter().chain(leaves) {
        // Every element of the first query and of what comes before it, and both ends of other leaves.
        let all = part.start <= places.queries[0].trees.last().unwrap().1.end;
        let last = part.end - ELEMENT;
        for position in part.step_by(ELEMENT) {
            if all || position == last {
                for number in [F::ORDER, u64::MAX] {
                    let error = refused::<ElementTooLarge>(&with_number(position, number), public_inputs());
                    let found = usize::try_from(error.position).unwrap();
                    assert!((found..found + EXTENSION).contains(&position));
                }
            }
        }
    }
}

/// Asserts that this is how a proof is refused whose query `query` has another leaf in its tree `tree`. In a layer, the value
/// that follows from before is compared first. Returns whether it was the tree that noticed.
fn refused_by_leaf(data: &[u8], query: usize, tree: usize) -> bool {
    if tree < 4 || WrongLeaf::abi_decode(data).is_ok() {
        let error: WrongLeaf = decoded(data);
        assert_eq!((error.query, error.tree), (U256::from(query), U256::from(tree)));
        return true;
    }
    if tree == 4 {
        assert_eq!(decoded::<WrongFirstLayer>(data).query, U256::from(query));
    } else {
        let error: WrongLayer = decoded(data);
        assert_eq!((error.query, error.layer), (U256::from(query), U256::from(tree - 4)));
    }
    false
}

/// How many elements of a leaf its tree alone notices: all but those of a layer's value, which follows from before.
fn noticed_by_tree(leaf: &Range<usize>, tree: usize) -> usize {
    leaf.len() / ELEMENT - if tree < 4 { 0 } else { EXTENSION / ELEMENT }
}

#[test]
fn each_other_leaf_and_sibling_of_the_first_query_is_refused() {
    for (tree, (leaf, siblings)) in Places::new().queries[0].trees.iter().enumerate() {
        let mut wrong_leaves = 0;
        for position in leaf.clone().step_by(ELEMENT) {
            let data = verify(&with_other_element(position), public_inputs()).unwrap_err();
            wrong_leaves += usize::from(refused_by_leaf(&data, 0, tree));
        }
        assert_eq!(wrong_leaves, noticed_by_tree(leaf, tree));
        for position in siblings.clone().step_by(DIGEST_BYTES) {
            for byte in [position, position + DIGEST_BYTES - 1] {
                let mut proof = proof();
                proof[byte] ^= 1;
                let error = refused::<WrongLeaf>(&proof, public_inputs());
                assert_eq!((error.query, error.tree), (U256::ZERO, U256::from(tree)));
            }
        }
    }
}

/// The checks of queries alone, which halves the time. Challenges do not depend on queries.
fn refusal_of_queries(proof: Vec<u8>) -> Bytes {
    refusal(&verifyQueriesCall { proof: proof.into(), publicInputs: public_inputs() })
}

#[test]
fn each_other_leaf_of_each_query_is_refused() {
    for (i, query) in Places::new().queries.iter().enumerate() {
        for (tree, (leaf, _)) in query.trees.iter().enumerate() {
            let mut wrong_leaves = 0;
            for position in leaf.clone().step_by(ELEMENT) {
                let data = refusal_of_queries(with_other_element(position));
                wrong_leaves += usize::from(refused_by_leaf(&data, i, tree));
            }
            assert_eq!(wrong_leaves, noticed_by_tree(leaf, tree));
        }
    }
}

#[test]
fn each_other_sibling_of_each_query_is_refused() {
    for (i, query) in Places::new().queries.iter().enumerate() {
        for (tree, (_, siblings)) in query.trees.iter().enumerate() {
            for position in siblings.clone().step_by(DIGEST_BYTES) {
                let mut proof = proof();
                proof[position + i] ^= 1;
                let error: WrongLeaf = decoded(&refusal_of_queries(proof));
                assert_eq!((error.query, error.tree), (U256::from(i), U256::from(tree)));
            }
        }
    }
}

/// Openings at a point of a query would make what the first layer holds 0 / 0.
#[test]
fn a_query_at_a_point_of_the_openings_is_refused() {
    let common = keccak_common();
    let bits = common.degree_bits() + common.config.fri_config.rate_bits;
    // Other points make the first query wrong already, so it is the only one that can be reached.
    let index = RECORDED.query_indices[0];
    let exponent = index.reverse_bits() >> (u64::BITS as usize - bits);
    let point = F::MULTIPLICATIVE_GROUP_GENERATOR * F::primitive_root_of_unity(bits).exp_u64(exponent);
    let next_row = F::primitive_root_of_unity(common.degree_bits());
    for zeta in [point, point * next_row.inverse()] {
        let zeta = U256::from(zeta.to_canonical_u64()) << 192;
        let call = verifyQueriesAtCall { zeta, proof: proof().into(), publicInputs: public_inputs() };
        assert_eq!(decoded::<PointIsOpened>(&refusal(&call)).query, U256::ZERO);
    }
}

#[test]
fn queries_in_another_order_are_refused() {
    let places = Places::new();
    let bytes = |query: &Query| query.trees[0].0.start..query.trees.last().unwrap().1.end;
    let mut proof = proof();
    let [first, second] = [0, 1].map(|i| proof[bytes(&places.queries[i])].to_vec());
    proof[bytes(&places.queries[0])].copy_from_slice(&second);
    proof[bytes(&places.queries[1])].copy_from_slice(&first);
    refused::<WrongLeaf>(&proof, public_inputs());
}

#[test]
fn each_opening_is_constrained() {
    for position in Places::new().openings.step_by(ELEMENT) {
        refused_with_its_challenges::<WrongQuotient>(&with_other_element(position));
    }
}

#[test]
fn the_final_polynomial_is_compared_at_every_query() {
    let honest =
        verifyWithCall { honest: proof().into(), proof: proof().into(), publicInputs: public_inputs() };
    assert!(FIXED_CHALLENGES.call(&honest).is_ok());
    for position in Places::new().final_polynomial.step_by(ELEMENT) {
        let error = refused_with_its_challenges::<WrongFinalPolynomial>(&with_other_element(position));
        assert_eq!(error.query, U256::ZERO);
    }
}
