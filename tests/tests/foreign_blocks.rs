//! Real blocks of counters, given to the rules that a superblock applies blocks with: natively, and in-circuit
//! with the native check switched off. The names carry the cases of the attack list.

use std::sync::LazyLock;

use batcher_circuits::{
    apply::{AppliedBlock, ApplyError, apply_block},
    segment::{BlockInput, BlockTarget},
    state::SuperblockState,
};
use bridge_core::BlockMessages;
use circuits_core::{
    Builder, C, Compiled, D, Definition, F, Proof, VerifierKey, Witness,
    amount::Amount,
    layout::{Layout, WitnessError, new_virtual, set, set_target},
    proof::ProofError,
    recursion::key_digest,
};
use circuits_forging::{check, fixtures::cache};
use circuits_protocol::{
    registry::{EnvironmentId, KernelEntry, Registry, RegistryEntry, RegistryError},
    statement::{Accumulators, BlockStatement, SegmentStatement},
    wrap::block_shape,
};
use circuits_prover::{basetypes::standard_config, proving};
use environments_conformance::secret;
use environments_core::{BlockBundle, BlockError, BlockProducer, BundleError, Environment, ProvenBlock};
use environments_counter::{Add, Counter, CounterBlock};
use plonky2::{
    field::types::{Field, PrimeField64},
    iop::target::Target,
    plonk::circuit_data::CircuitConfig,
    recursion::dummy_circuit::dummy_circuit,
};

const CHAIN: u64 = 1;
const NUMBER: u32 = 1;

fn id(id: u16) -> EnvironmentId {
    EnvironmentId::new(id).unwrap()
}

fn counter(chain: u64, environment: u16, producer: u64, start: u64) -> Counter {
    Counter::new(chain, id(environment), secret(producer), Amount::new(start).unwrap()).unwrap()
}

/// The environment that is under attack.
fn ours() -> Counter {
    counter(CHAIN, 3, 0, 100)
}

/// Blocks 1 and 2 of `counter`.
fn blocks(counter: Counter) -> BlockProducer<Counter> {
    let mut producer = BlockProducer::new(counter);
    for add in [5, 7, 11] {
        producer.submit(Add { add: Amount::new(add).unwrap() }).unwrap();
    }
    producer.propose_block().unwrap();
    producer.submit(Add { add: Amount::new(13).unwrap() }).unwrap();
    producer.propose_block().unwrap();
    producer
}

fn first_block(counter: Counter) -> ProvenBlock {
    blocks(counter).prove(cache(), 1).unwrap()
}

static OURS: LazyLock<[ProvenBlock; 2]> = LazyLock::new(|| {
    let producer = blocks(ours());
    [producer.prove(cache(), 1).unwrap(), producer.prove(cache(), 2).unwrap()]
});

/// Our environment 3, and environment 4 with another start.
static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry = Registry::default();
    for counter in [ours(), counter(CHAIN, 4, 0, 100)] {
        let kernels = counter.key_digests(cache()).unwrap();
        let kernels = kernels
            .into_iter()
            .map(|key| KernelEntry { key, valid_from: NUMBER, valid_until: NUMBER })
            .collect();
        let genesis_state = counter.commitment(&counter.genesis());
        let entry = RegistryEntry::new(genesis_state, secret(0).producer(), kernels);
        registry.insert(counter.id(), entry).unwrap();
    }
    registry
});

/// Verifies and applies one wrapped block, as a segment leaf does, without the padding to the segment shape.
struct OneBlockSegment;

impl Definition for OneBlockSegment {
    type Statement = SegmentStatement<Target>;
    type NativeStatement = SegmentStatement;
    type Targets = (SegmentStatement<Target>, BlockTarget);
    type Input = (SegmentStatement, BlockInput);

    fn name(&self) -> String {
        "one-block-segment".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let mut segment: SegmentStatement<Target> = new_virtual(builder);
        let start = segment;
        let block = BlockTarget::verify(builder, &mut segment);
        let end = SegmentStatement {
            before: start.before,
            accumulated_before: start.accumulated_before,
            ..segment
        };
        (end, (start, block))
    }

    fn assign(
        &self,
        (start, block): &Self::Targets,
        (segment, input): &Self::Input,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set(witness, start, segment)?;
        block.set_targets(witness, input)
    }
}

static SEGMENT: LazyLock<Compiled<OneBlockSegment>> =
    LazyLock::new(|| Compiled::new(OneBlockSegment).unwrap());

/// Applies a block natively to the state after `applied` of our own blocks.
fn apply(applied: usize, block: &ProvenBlock) -> Result<AppliedBlock, ApplyError> {
    let (mut state, mut accumulators) = after(applied);
    apply_block(&mut state, &mut accumulators, &REGISTRY, NUMBER, block.key_digest(), block.statement())
}

/// The state after `applied` of our own blocks.
fn after(applied: usize) -> (SuperblockState, Accumulators) {
    let mut state = SuperblockState::genesis(CHAIN);
    let mut accumulators = Accumulators::start();
    for block in &OURS[..applied] {
        let key = block.key_digest();
        apply_block(&mut state, &mut accumulators, &REGISTRY, NUMBER, key, block.statement()).unwrap();
    }
    (state, accumulators)
}

/// Whether the circuit applies a block to the state after `applied` of our blocks, by a prover who uses the
/// witness of our own next block.
fn circuit_applies(applied: usize, block: &ProvenBlock) -> bool {
    circuit_applies_proof(applied, block.proof(), block.key())
}

fn circuit_applies_proof(applied: usize, proof: &Proof, key: &VerifierKey) -> bool {
    let witness = apply(applied, &OURS[applied]).unwrap();
    let start = start(applied, &REGISTRY, NUMBER);
    [witness.is_first, !witness.is_first].into_iter().any(|is_first| {
        let applied = AppliedBlock { is_first, ..witness.clone() };
        let input = BlockInput { proof: proof.clone(), key: key.clone(), applied };
        check(&SEGMENT, &(start, input)).is_ok()
    })
}

/// The segment of superblock `number` that begins after `applied` of our blocks.
fn start(applied: usize, registry: &Registry, number: u32) -> SegmentStatement {
    let (state, accumulators) = after(applied);
    SegmentStatement {
        chain_id: F::from_canonical_u64(CHAIN),
        number: F::from_canonical_u32(number),
        registry_root: registry.root(),
        segment_set_root: Default::default(),
        before: state.roots(),
        after: state.roots(),
        accumulated_before: accumulators,
        accumulated_after: accumulators,
    }
}

/// `block` with another statement, also in its proof's public inputs.
fn relabelled(block: &ProvenBlock, change: impl FnOnce(&mut BlockStatement)) -> BlockBundle {
    let mut bundle = BlockBundle::new(block);
    change(&mut bundle.statement);
    bundle.messages.environment = EnvironmentId(bundle.statement.environment.to_canonical_u64() as u16);
    let mut proof = block.proof().clone();
    proof.public_inputs = bundle.statement.encode();
    bundle.proof = circuits_core::proof::encode(&proof);
    bundle
}

fn assert_invalid(bundle: &BlockBundle) {
    let result = bundle.open(&block_shape().common).map(|_| ());
    assert!(matches!(result, Err(BundleError::Proof(ProofError::Invalid { .. }))), "{result:?}");
}

#[test]
fn our_own_blocks_apply_in_their_order() {
    for applied in 0..2 {
        apply(applied, &OURS[applied]).unwrap();
        assert!(circuit_applies(applied, &OURS[applied]));
    }
}

#[test]
fn case_02_a_proof_of_a_dummy_circuit_is_no_block() {
    let dummy = dummy_circuit::<F, C, D>(&block_shape().common);
    let statement = OURS[0].statement();
    let mut witness = Witness::new();
    let stated: Vec<F> = statement.encode();
    for (&target, value) in dummy.prover_only.public_inputs.iter().zip(stated) {
        set_target(&mut witness, target, value).unwrap();
    }
    let (proof, key) = (proving::prove(&dummy, witness).unwrap(), dummy.verifier_only);
    // It has the block shape, says what our own block says, and is valid: only the registry speaks against it.
    let bundle = BlockBundle {
        statement: *statement,
        proof: circuits_core::proof::encode(&proof),
        key: circuits_core::proof::encode_key(&key),
        messages: BlockMessages::none(id(3)),
        body: vec![],
    };
    bundle.open(&block_shape().common).unwrap();
    let (mut state, mut accumulators) = after(0);
    let digest = key_digest(&key);
    let result = apply_block(&mut state, &mut accumulators, &REGISTRY, NUMBER, digest, statement);
    let unknown = RegistryError::UnknownKernel { environment: id(3), key: digest };
    assert_eq!(result, Err(ApplyError::Registry(unknown)));
    assert!(!circuit_applies_proof(0, &proof, &key));
}

#[test]
fn case_39_a_block_of_another_environment_is_no_block_of_ours() {
    // The same kernel, producer and count; only the id differs.
    let theirs = first_block(counter(CHAIN, 4, 0, 100));
    assert_eq!(theirs.key_digest(), OURS[0].key_digest());
    assert!(!circuit_applies(0, &theirs));
    assert_invalid(&relabelled(&theirs, |statement| statement.environment = id(3).to_field()));
    assert_invalid(&relabelled(&theirs, |statement| {
        statement.environment = id(3).to_field();
        statement.previous_state = OURS[0].statement().previous_state;
    }));
}

#[test]
fn case_40_a_block_is_not_skipped() {
    let expected = ApplyError::NotNext { environment: id(3), expected: 1, found: 2 };
    assert_eq!(apply(0, &OURS[1]), Err(expected));
    assert!(!circuit_applies(0, &OURS[1]));
}

#[test]
fn case_40_a_block_is_not_applied_twice() {
    let expected = ApplyError::NotNext { environment: id(3), expected: 2, found: 1 };
    assert_eq!(apply(1, &OURS[0]), Err(expected));
    assert!(!circuit_applies(1, &OURS[0]));
}

#[test]
fn case_40_no_transaction_of_a_block_is_dropped() {
    let producer = blocks(ours());
    let honest = &producer.block(1).unwrap().block;
    for dropped in [0, 2] {
        let mut adds = honest.witness().adds;
        adds[dropped] = Amount::ZERO;
        let witness = CounterBlock { adds, ..*honest.witness() };
        // The statement of the whole block, from fewer transactions.
        let block = environments_core::ProposedBlock::new(
            *honest.statement(),
            honest.messages().clone(),
            honest.body().to_vec(),
            witness,
        )
        .unwrap();
        let result = ours().prove(cache(), &block);
        let error = result.expect_err("unprovable");
        assert!(matches!(error.block_error(), Some(BlockError::OtherStatement { .. })), "{error}");
    }
    // The statement of fewer transactions, with the published body of the whole block.
    let counter = ours();
    let fewer = counter.kernel_input(&CounterBlock {
        adds: [5, 7, 0, 0, 0, 0, 0, 0].map(|add| Amount::new(add).unwrap()),
        ..*honest.witness()
    });
    assert_ne!(fewer.statement().body, counter.body_digest(honest.body()).unwrap());
}

#[test]
fn case_41_the_first_block_starts_from_the_genesis_in_the_registry() {
    let richer = first_block(counter(CHAIN, 3, 0, 1_000_000));
    assert!(matches!(apply(0, &richer), Err(ApplyError::PreviousState { .. })));
    assert!(!circuit_applies(0, &richer));
}

#[test]
fn case_42_every_element_of_the_statement_is_bound_by_the_proof() {
    let honest: Vec<F> = OURS[0].statement().encode();
    for element in 0..honest.len() {
        let mut changed = honest.clone();
        changed[element] += F::ONE;
        let statement = BlockStatement::decode(&changed).unwrap();
        let mut bundle = BlockBundle::new(&OURS[0]);
        bundle.statement = statement;
        let result = bundle.open(&block_shape().common).map(|_| ());
        let ranges = matches!(result, Err(BundleError::Block(BlockError::Heights { .. })));
        let lists = matches!(result, Err(BundleError::Block(BlockError::OtherMessages { .. })));
        let other = result == Err(BundleError::Block(BlockError::OtherStatement { element }));
        assert!(other || ranges || lists, "element {element}: {result:?}");

        let bundle = relabelled(&OURS[0], |stated| *stated = statement);
        assert!(bundle.open(&block_shape().common).is_err(), "element {element} was relabelled");
        if lists {
            // Whatever the list of messages says, the proof is no proof of it.
            let common = &block_shape().common;
            let proof = circuits_core::proof::decode(&bundle.proof, common).unwrap();
            assert!(
                circuits_core::proof::verify(&proof, OURS[0].key(), common).is_err(),
                "element {element}"
            );
        } else if !ranges {
            assert_invalid(&bundle);
        }
    }
}

#[test]
fn case_67_a_block_by_someone_who_is_not_the_producer_is_refused() {
    let theirs = first_block(counter(CHAIN, 3, 1, 100));
    assert_eq!(theirs.statement().new_state, OURS[0].statement().new_state);
    let other = RegistryError::OtherProducer {
        environment: id(3),
        number: NUMBER,
        expected: secret(0).commitment(),
        found: secret(1).commitment(),
    };
    assert_eq!(apply(0, &theirs), Err(ApplyError::Registry(other)));
    assert!(!circuit_applies(0, &theirs));
    assert_invalid(&relabelled(&theirs, |statement| statement.producer = secret(0).commitment()));
    // Nor can a stranger prove the statement with the producer's commitment.
    let stranger = counter(CHAIN, 3, 1, 100);
    let result = stranger.prove(cache(), &blocks(ours()).block(1).unwrap().block);
    let error = result.expect_err("unprovable");
    assert!(matches!(error.block_error(), Some(BlockError::OtherStatement { .. })), "{error}");
}

#[test]
fn after_a_rotation_the_new_producer_goes_on_and_the_old_one_does_not() {
    let ours = ours();
    let always = |key| KernelEntry { key, valid_from: 1, valid_until: u32::MAX };
    let kernels = ours.key_digests(cache()).unwrap().into_iter().map(always).collect();
    let genesis_state = ours.commitment(&ours.genesis());
    let entry = RegistryEntry::new(genesis_state, secret(0).producer(), kernels);
    let mut registry = Registry::default();
    registry.insert(ours.id(), entry).unwrap();
    registry.rotate_producer(ours.id(), secret(1).producer(), NUMBER + 1, false).unwrap();
    // Both make a block 2 on our block 1.
    let theirs = blocks(counter(CHAIN, 3, 1, 100)).prove(cache(), 2).unwrap();
    for (block, own, other) in [(&OURS[1], NUMBER, NUMBER + 1), (&theirs, NUMBER + 1, NUMBER)] {
        let apply = |number| {
            let (mut state, mut accumulators) = after(1);
            let (key, statement) = (block.key_digest(), block.statement());
            apply_block(&mut state, &mut accumulators, &registry, number, key, statement)
        };
        let applied = apply(own).unwrap();
        let refused = apply(other).unwrap_err();
        assert!(
            matches!(refused, ApplyError::Registry(RegistryError::OtherProducer { number, found, .. })
                if number == other && found == block.statement().producer),
            "{refused}"
        );
        for number in [own, other] {
            let (proof, key) = (block.proof().clone(), block.key().clone());
            let input = BlockInput { proof, key, applied: applied.clone() };
            let is_applied = check(&SEGMENT, &(start(1, &registry, number), input)).is_ok();
            assert_eq!(is_applied, number == own, "superblock {number}");
        }
    }
}

#[test]
fn case_74_a_block_of_another_deployment_is_not_replayed() {
    let theirs = first_block(counter(CHAIN + 1, 3, 0, 100));
    assert!(matches!(apply(0, &theirs), Err(ApplyError::PreviousState { .. })));
    assert!(!circuit_applies(0, &theirs));
    assert_invalid(&relabelled(&theirs, |statement| {
        statement.previous_state = OURS[0].statement().previous_state;
        statement.new_state = OURS[0].statement().new_state;
    }));
}
