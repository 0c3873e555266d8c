//! Keccak in lanes beside the crate `sha3` and beside itself, and its proofs before plonky2's verifier.

use circuits_prover::{
    basetypes::{Builder, OuterC, Witness, standard_config},
    challenger::Challenger,
    commitment::Commitment,
    generate,
    hasher::{PackedHasher as _, SPONGE_RATE, SPONGE_WIDTH},
    keccak::{DIGEST_BYTES, KeccakHasher, KeccakPermutation, TreeDigest, keccak256},
    outer, plonk, witness,
};
use p3_goldilocks::Goldilocks;
use plonky2::{
    field::types::{Field as _, Field64 as _, PrimeField64 as _},
    fri::oracle::PolynomialBatch,
    gates::noop::NoopGate,
    hash::{hashing::PlonkyPermutation as _, merkle_tree::MerkleTree},
    iop::{challenger::Challenger as Stock, witness::WitnessWrite as _},
    plonk::{
        config::{GenericHashOut as _, Hasher as _},
        prover::prove_with_partition_witness,
    },
    util::timing::TimingTree,
};
use proptest::prelude::*;
use sha3::Digest as _;

use crate::fixtures::{Elements, F, stock};

fn reference(message: &[u8]) -> [u8; 32] {
    sha3::Keccak256::digest(message).into()
}

fn words(elements: &[F]) -> Vec<u8> {
    elements.iter().flat_map(|element| element.to_canonical_u64().to_be_bytes()).collect()
}

fn digest(message: &[u8]) -> TreeDigest {
    TreeDigest::from_bytes(&reference(message)[..DIGEST_BYTES])
}

#[test]
fn messages_around_the_ends_of_blocks_hash_as_sha3_does() {
    let bytes: Vec<u8> = (0..600_u32).map(|i| (i * i / 7) as u8).collect();
    for length in 0..bytes.len() {
        assert_eq!(keccak256(&bytes[..length]), reference(&bytes[..length]), "{length} bytes");
    }
}

#[test]
fn leaves_and_nodes_are_what_a_contract_hashes() {
    for width in [1, 2, 3, 16, 17, 18, 24, 34, 47, 135] {
        // More rows than lanes, and not a multiple.
        let rows = Elements(width as u64).columns(21, width);
        let mut leaves = vec![TreeDigest::default(); rows.len()];
        KeccakHasher::hash_rows(&mut leaves, |row| rows[row].as_slice(), |value| Goldilocks::new(value.0));
        for (leaf, row) in leaves.iter().zip(&rows) {
            assert_eq!(*leaf, digest(&words(row)));
            assert_eq!(*leaf, KeccakHasher::hash_or_noop(row));
        }
        let mut parents = vec![TreeDigest::default(); 10];
        KeccakHasher::hash_pairs(&leaves[..20], &mut parents);
        for (parent, pair) in parents.iter().zip(leaves.chunks(2)) {
            assert_eq!(*parent, digest(&[pair[0].0, pair[1].0].concat()));
            assert_eq!(*parent, KeccakHasher::two_to_one(pair[0], pair[1]));
        }
    }
}

#[test]
fn a_digest_is_observed_as_integers_and_read_back_from_them() {
    let bytes: [u8; DIGEST_BYTES] = std::array::from_fn(|i| 255 - i as u8);
    let elements = TreeDigest(bytes).to_vec();
    let integer = |bytes: &[u8]| bytes.iter().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
    let expected = [&bytes[..7], &bytes[7..14], &bytes[14..21], &bytes[21..]].map(integer);
    assert_eq!(elements.iter().map(F::to_canonical_u64).collect::<Vec<_>>(), expected);
    let elements: [F; 4] = elements.try_into().expect("four");
    assert_eq!(KeccakHasher::hash_of_elements(elements), TreeDigest(bytes));
}

/// The permutation as the module's table says it.
fn permuted(state: &[F; SPONGE_WIDTH]) -> Vec<F> {
    let seed = reference(&[words(state), vec![0]].concat());
    let half = |bytes: &[u8]| {
        let value = bytes.iter().fold(0_u128, |value, &byte| value << 8 | u128::from(byte));
        F::from_canonical_u64((value % u128::from(F::ORDER)) as u64)
    };
    let parts = (1..=4_u8).map(|part| reference(&[&seed[..], &[part]].concat()));
    let rate = parts.flat_map(|part| [half(&part[..16]), half(&part[16..])]);
    let capacity = seed.chunks(8).map(|word| {
        let word = word.iter().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
        F::from_canonical_u64(word & (u64::MAX >> 1))
    });
    rate.chain(capacity).collect()
}

proptest! {
    #[test]
    fn the_permutation_is_the_documented_one(seed: u64) {
        let mut elements = Elements(seed);
        let state: [F; SPONGE_WIDTH] = std::array::from_fn(|_| elements.next().unwrap_or_default());
        let mut permutation = KeccakPermutation::new(state);
        permutation.permute();
        prop_assert_eq!(permutation.as_ref(), &permuted(&state)[..]);
        prop_assert_eq!(permutation.squeeze(), &permuted(&state)[..SPONGE_RATE]);
    }

    #[test]
    fn grinding_finds_the_lowest_nonce(seed: u64, observed in 0_usize..20, bits in 0_u32..9) {
        let (mut ours, mut stock) = (Challenger::<KeccakHasher>::new(), Stock::<F, KeccakHasher>::new());
        let elements: Vec<_> = Elements(seed).take(observed).collect();
        ours.observe_elements(&elements);
        stock.observe_elements(&elements);
        let accepts = |nonce: u64| {
            let mut stock = stock.clone();
            stock.observe_element(F::from_canonical_u64(nonce));
            stock.get_challenge().to_canonical_u64().leading_zeros() >= bits
        };
        let found = ours.grind(bits).expect("a nonce").to_canonical_u64();
        prop_assert!(accepts(found));
        prop_assert!((0..found).all(|nonce| !accepts(nonce)));
    }
}

#[test]
fn commitments_are_those_of_plonky2() {
    let columns = Elements(3).columns(19, 1 << 5);
    let ours = Commitment::<KeccakHasher>::of_values(&columns, 3, 2).expect("well-formed");
    let stock: PolynomialBatch<F, OuterC, 4> = stock(&columns, 3, 2);
    assert_eq!(*ours.cap(), stock.merkle_tree.cap);
    assert_eq!(ours.digests(), &stock.merkle_tree.digests[..]);
    let tree = MerkleTree::<F, KeccakHasher>::new(stock.merkle_tree.leaves.clone(), 2);
    assert_eq!(tree.cap, *ours.cap());
}

fn squares(rows: usize) -> (Builder, Witness) {
    let mut config = standard_config();
    config.security_bits = 40;
    config.fri_config.rate_bits = 4;
    config.fri_config.num_query_rounds = 6;
    let mut builder = Builder::new(config);
    let root = builder.add_virtual_public_input();
    let square = builder.square(root);
    builder.register_public_input(square);
    while builder.num_gates() < rows {
        builder.add_gate(NoopGate, vec![]);
    }
    let mut witness = Witness::new();
    witness.set_target(root, F::from_canonical_u64(12)).expect("unset");
    (builder, witness)
}

#[test]
fn a_circuit_without_leaves_is_that_of_plonky2_and_its_proofs_verify() {
    for rows in [3, 700] {
        let (builder, witness) = squares(rows);
        let circuit = outer::build(builder).expect("the code exists");
        let stock = squares(rows).0.build::<OuterC>();
        assert_eq!(circuit.verifier_only, stock.verifier_only);
        assert_eq!(circuit.common, stock.common);
        let with_leaves = generate::build::<OuterC, 4>(squares(rows).0);
        assert_eq!(with_leaves.prover_only, stock.prover_only);
        let proof = outer::prove(&circuit, witness.clone()).expect("provable");
        assert_eq!(proof, outer::prove(&with_leaves, witness).expect("provable"));
        outer::verify(&proof, &stock.verifier_only, &stock.common).expect("valid");
        let mut other = proof.clone();
        other.public_inputs[1] += F::ONE;
        assert!(outer::verify(&other, &stock.verifier_only, &stock.common).is_err());
        let mut other = proof;
        other.proof.wires_cap.0[0].0[0] ^= 1;
        assert!(outer::verify(&other, &stock.verifier_only, &stock.common).is_err());
    }
}

#[test]
fn a_proof_has_the_bytes_of_plonky2s() {
    for rows in [3, 300] {
        let (builder, inputs) = squares(rows);
        let circuit = builder.build::<OuterC>();
        let assigned = witness::generate(&circuit, inputs).expect("it determines a witness");
        let stock = prove_with_partition_witness(
            &circuit.prover_only,
            &circuit.common,
            assigned.clone(),
            &mut TimingTree::default(),
        )
        .expect("provable");
        let nonce = stock.proof.opening_proof.pow_witness;
        let ours = plonk::prove_assigned(&circuit, assigned, Some(nonce)).expect("provable");
        assert_eq!(ours.to_bytes(), stock.to_bytes());
    }
}
