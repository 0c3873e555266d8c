//! Promises about proofs. They prove a few blocks, with circuits that all tests of a process share.

use circuits_core::{Digest, F};
use circuits_forging::fixtures::cache;
use environments_core::{
    block::{BlockError, ProposedBlock},
    bundle::BlockBundle,
    environment::{Environment, ProveError},
    kernel::ProducerSecret,
    producer::BlockProducer,
};
use plonky2::field::types::Field as _;

use super::{
    CHAIN_ID, Subject, environment, id,
    messages::{MessageSubject, producer_with_messages},
    producer, propose_valid, secret,
    secrets::{Recorder, no_secret_is_in, prove_with_worker},
};

/// A secret whose elements nothing else has by accident.
const SECRET: [u64; 4] =
    [0x9e37_79b9_7f4a_7c15, 0x243f_6a88_85a3_08d3, 0xb7e1_5162_8aed_2a6a, 0x1319_8a2e_0370_7344];

/// Checks that the block at `height` has a proof in the block shape under a listed key, which states what was proposed and
/// survives a file. It is proved with a worker that gets everything that leaves the house, and nothing of that has a secret.
fn check_proven<E: Environment>(producer: &BlockProducer<E>, height: u32) {
    let kernels = producer.environment().key_digests(cache()).expect("the kernels can be built");
    let proposed = &producer.block(height).expect("proposed").block;
    let graph = producer.graph(cache(), height).expect("a proposed block has a graph");
    let store = Recorder::default();
    let proven = prove_with_worker(&graph, graph.catalogue(), &store);
    no_secret_is_in(&store, &graph, &[Digest(SECRET.map(F::from_canonical_u64)), secret(0).expose()]);
    assert_eq!(proven.statement(), proposed.statement());
    assert_eq!(proven.messages(), proposed.messages());
    assert_eq!(proven.body(), proposed.body());
    assert!(kernels.contains(&proven.key_digest()), "the key is listed");

    let bundle = BlockBundle::new(&proven);
    let bytes = bundle.encode().expect("a bundle can be written");
    let read = BlockBundle::decode(&bytes).expect("a bundle can be read");
    assert_eq!(read, bundle);
    let common = &circuits_protocol::wrap::block_shape().common;
    let (_, _, key) = read.open(common).expect("the proof verifies in the block shape");
    assert_eq!(key, proven.key_digest());
}

/// A block's proof has the block shape and a listed key, states what was proposed, and survives a file, even if the second
/// block is proved before the first. Nothing that leaves the process meanwhile has the producer's secret. A block whose statement was changed afterwards has no proof.
///
/// # Panics
/// If the promise is broken.
pub fn proven_blocks_verify<S: Subject>(subject: &S) {
    let own = ProducerSecret::new(Digest(SECRET.map(F::from_canonical_u64)));
    let mut producer = BlockProducer::new(subject.environment(CHAIN_ID, id(0), own));
    propose_valid(subject, &mut producer);
    propose_valid(subject, &mut producer);
    for height in [2, 1] {
        check_proven(&producer, height);
    }

    let honest = &producer.block(1).expect("proposed").block;
    let mut statement = *honest.statement();
    statement.new_state = statement.previous_state;
    let changed = ProposedBlock::new(
        statement,
        honest.messages().clone(),
        honest.body().to_vec(),
        honest.witness().clone(),
    )
    .expect("the statement's ranges hold");
    let result = producer.environment().prove(cache(), &changed);
    assert!(result.is_err(), "a block with another new state has a proof");
}

/// Every kernel has the required bits of security, and a registry lists the keys of these kernels.
///
/// # Panics
/// If the promise is broken.
pub fn kernels_have_the_required_bits<S: Subject>(subject: &S) {
    let environment = environment(subject);
    let kernels = environment.kernels(cache()).expect("the kernels can be built");
    assert!(!kernels.is_empty(), "no kernel proves a block");
    let keys: Vec<_> =
        kernels.iter().map(|kernel| kernel.key_digest(cache()).expect("the kernel can be built")).collect();
    let listed = environment.key_digests(cache()).expect("the kernels can be built");
    assert_eq!(listed, keys, "a registry would list other keys (left) than those of the kernels");
    for kernel in kernels {
        let security = kernel.security(cache()).expect("the kernel can be built");
        security.check().unwrap_or_else(|weak| panic!("{weak}"));
    }
}

/// A block that takes messages in and sends some has a proof like any other.
///
/// # Panics
/// If the promise is broken.
pub fn proven_blocks_move_messages<S: MessageSubject>(subject: &S) {
    let producer = producer_with_messages(subject);
    check_proven(&producer, producer.height());
}

/// Nobody can prove a block of this environment without the producer's secret.
///
/// # Panics
/// If the promise is broken.
pub fn a_stranger_cannot_prove_a_block<S: Subject>(subject: &S) {
    let mut producer = producer(subject);
    propose_valid(subject, &mut producer);
    let stranger = BlockProducer::new(subject.environment(CHAIN_ID, id(0), secret(1)));
    let result = stranger.environment().prove(cache(), &producer.block(1).expect("proposed").block);
    let is_unprovable = |error: &ProveError| {
        matches!(error.block_error(), Some(BlockError::OtherStatement { .. }))
            || error.circuit_error().is_some()
            || matches!(error, ProveError::Part(_))
    };
    assert!(
        result.as_ref().is_err_and(is_unprovable),
        "a stranger proved a block, or failed for another reason: {:?}",
        result.map(|proven| *proven.statement()),
    );
}
