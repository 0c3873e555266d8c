//! Each rule of applying a block, broken alone: natively with its own error, and in-circuit with the native check
//! switched off.

mod attacks;

use std::sync::LazyLock;

use bridge_core::BlockMessages;
use circuits_core::{
    Builder, Compiled, Definition, Digest, F, Witness,
    layout::{Layout, WitnessError, new_virtual, set},
};
use circuits_forging::{Exception, Kind, assert_accepts, assert_rejects};
use circuits_protocol::{
    registry::{EnvironmentId, KernelEntry, Registry, RegistryEntry, RegistryError, RegistryMembership},
    statement::{Accumulators, BlockStatement, SegmentStatement, empty_list},
};
use circuits_prover::basetypes::standard_config;
use plonky2::{
    field::types::{Field, PrimeField64},
    iop::target::Target,
    plonk::circuit_data::CircuitConfig,
};

use crate::{
    apply::{AppliedBlock, AppliedBlockTarget, ApplyError, apply_block},
    segment::{empty_segment, set_start},
    state::SuperblockState,
    testing::{PRODUCER, block, digest, genesis_state, l1_block, producer},
};

/// Applies one block whose statement and key come from nowhere: the rules alone, without a proof.
struct ApplyOne;

#[derive(Clone)]
struct ApplyInput {
    start: SegmentStatement,
    key: Digest,
    block: BlockStatement,
    applied: AppliedBlock,
}

struct ApplyTargets {
    start: SegmentStatement<Target>,
    key: circuits_core::DigestTarget,
    block: BlockStatement<Target>,
    applied: AppliedBlockTarget,
}

impl Definition for ApplyOne {
    type Statement = SegmentStatement<Target>;
    type NativeStatement = SegmentStatement;
    type Targets = ApplyTargets;
    type Input = ApplyInput;

    fn name(&self) -> String {
        "apply-one".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let start = empty_segment(builder);
        let mut segment = start;
        let (key, block) = (new_virtual(builder), new_virtual(builder));
        let applied = AppliedBlockTarget::new_virtual(builder);
        let (roots, accumulators) = (&mut segment.after, &mut segment.accumulated_after);
        applied.apply(builder, start.registry_root, start.number, key, &block, roots, accumulators);
        (segment, ApplyTargets { start, key, block, applied })
    }

    fn assign(
        &self,
        targets: &ApplyTargets,
        input: &ApplyInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set_start(witness, &targets.start, &input.start)?;
        set(witness, &targets.key, &input.key)?;
        set(witness, &targets.block, &input.block)?;
        targets.applied.set_targets(witness, &input.applied)
    }
}

static CIRCUIT: LazyLock<Compiled<ApplyOne>> = LazyLock::new(|| Compiled::new(ApplyOne).unwrap());

const NUMBER: u32 = 5;
/// The producers before and after the superblock.
const EARLIER: u64 = 6;
const LATER: u64 = 8;
const BRANCHES: &str = "each branch of the table at `apply` leaves out what only the other one reads";

fn key() -> Digest {
    digest(42)
}

fn registry() -> Registry {
    let mut registry = Registry::default();
    for id in [0, 1, 2, 0xffff] {
        let kernels = vec![
            KernelEntry { key: digest(41), valid_from: 1, valid_until: NUMBER - 1 },
            KernelEntry { key: key(), valid_from: NUMBER, valid_until: NUMBER },
            KernelEntry { key: digest(43), valid_from: NUMBER + 1, valid_until: u32::MAX },
            KernelEntry { key: digest(100 + u64::from(id)), valid_from: 1, valid_until: u32::MAX },
        ];
        let entry = RegistryEntry::new(genesis_state(id), producer(EARLIER), kernels);
        registry.insert(EnvironmentId(id), entry).unwrap();
        registry.rotate_producer(EnvironmentId(id), producer(PRODUCER), NUMBER, false).unwrap();
        registry.rotate_producer(EnvironmentId(id), producer(LATER), NUMBER + 1, false).unwrap();
    }
    registry
}

/// Evidence for `kernel` and `producer` of an environment in a superblock.
fn membership(id: u16, kernel: Digest, producer: u64, number: u32) -> RegistryMembership {
    registry().membership(EnvironmentId(id), kernel, digest(producer), number).unwrap()
}

/// Environments 0, 1 and 2 after their block 3; environment 0xffff before its first.
fn state() -> SuperblockState {
    let mut state = SuperblockState::genesis(1);
    state.number = NUMBER - 1;
    for id in [0, 1, 2] {
        let row = crate::state::EnvironmentHead { height: 3, state: block(id, 3).new_state };
        state.environments.insert(EnvironmentId(id), row);
    }
    state
}

fn start(state: &SuperblockState) -> SegmentStatement {
    let accumulated = Accumulators::start();
    SegmentStatement {
        chain_id: F::ONE,
        number: F::from_canonical_u32(NUMBER),
        registry_root: registry().root(),
        segment_set_root: digest(9),
        before: state.roots(),
        after: state.roots(),
        accumulated_before: accumulated,
        accumulated_after: accumulated,
    }
}

/// The witness of an honest prover for the next block of environment `id` under `key`.
fn honest(id: u16) -> ApplyInput {
    applying(match id {
        0 => l1_block(3, NUMBER, BlockMessages::none(EnvironmentId::L1)).statement,
        0xffff => block(id, 1),
        _ => block(id, 4),
    })
}

fn applying(block: BlockStatement) -> ApplyInput {
    let mut state = state();
    let start = start(&state);
    let mut accumulators = start.accumulated_before;
    let applied = apply_block(&mut state, &mut accumulators, &registry(), NUMBER, key(), &block).unwrap();
    let after = state.roots();
    let start = SegmentStatement { after, accumulated_after: accumulators, ..start };
    ApplyInput { start, key: key(), block, applied }
}

fn native(block: &BlockStatement, key: Digest) -> Result<AppliedBlock, ApplyError> {
    let mut state = state();
    let unmoved = state.clone();
    let mut accumulators = Accumulators::start();
    let result = apply_block(&mut state, &mut accumulators, &registry(), NUMBER, key, block);
    if result.is_err() {
        assert_eq!(state, unmoved, "an error changes nothing");
        assert_eq!(accumulators, Accumulators::start());
    }
    result
}

/// `change` breaks the block natively, and in-circuit with the witness of the unchanged block.
fn assert_block_rejected(id: u16, change: impl Fn(&mut BlockStatement)) -> ApplyError {
    let mut input = honest(id);
    change(&mut input.block);
    assert_rejects(&CIRCUIT, &input);
    native(&input.block, key()).unwrap_err()
}

#[test]
fn native_and_circuit_agree_on_an_honest_block() {
    for id in [0, 1, 2, 0xffff] {
        let input = honest(id);
        assert_accepts(&CIRCUIT, &input);
        let public = circuits_forging::check(&CIRCUIT, &input).unwrap();
        assert_eq!(SegmentStatement::decode(&public).unwrap(), input.start);
    }
}

#[test]
fn a_skipped_block_is_rejected() {
    let error = assert_block_rejected(1, |block| {
        block.first_height += F::ONE;
        block.last_height += F::ONE;
    });
    assert_eq!(error, ApplyError::NotNext { environment: EnvironmentId(1), expected: 4, found: 5 });
}

#[test]
fn a_block_applied_twice_is_rejected() {
    let error = assert_block_rejected(1, |block| {
        block.first_height -= F::ONE;
        block.last_height -= F::ONE;
    });
    assert_eq!(error, ApplyError::NotNext { environment: EnvironmentId(1), expected: 4, found: 3 });
}

#[test]
fn an_empty_range_of_heights_is_rejected() {
    let error = assert_block_rejected(1, |block| block.last_height -= F::ONE);
    assert_eq!(error, ApplyError::EmptyRange { environment: EnvironmentId(1), first: 4, last: 3 });
}

#[test]
fn a_height_beyond_its_bits_is_rejected() {
    let error = assert_block_rejected(1, |block| block.last_height = F::from_canonical_u64(1 << 32));
    assert_eq!(error, ApplyError::Height(1 << 32));
}

#[test]
fn a_block_from_another_state_is_rejected() {
    let error = assert_block_rejected(1, |block| block.previous_state = digest(1));
    assert!(matches!(error, ApplyError::PreviousState { .. }));
}

#[test]
fn a_first_block_from_another_state_than_genesis_is_rejected() {
    let error = assert_block_rejected(0xffff, |block| block.previous_state = digest(1));
    assert!(matches!(error, ApplyError::PreviousState { .. }));
}

#[test]
fn a_first_block_above_height_one_is_rejected() {
    let error = assert_block_rejected(0xffff, |block| {
        block.first_height = F::TWO;
        block.last_height = F::TWO;
    });
    assert_eq!(error, ApplyError::NotNext { environment: EnvironmentId(0xffff), expected: 1, found: 2 });
}

#[test]
fn a_second_genesis_of_a_running_environment_is_rejected() {
    let mut input = honest(1);
    input.block = block(1, 1);
    input.applied.is_first = true;
    assert_rejects(&CIRCUIT, &input);
    assert!(matches!(native(&input.block, key()), Err(ApplyError::NotNext { expected: 4, found: 1, .. })));
}

#[test]
fn a_block_by_someone_who_is_not_the_producer_is_rejected() {
    for found in [9, EARLIER, LATER].map(digest) {
        let error = assert_block_rejected(1, |block| block.producer = found);
        let (environment, expected) = (EnvironmentId(1), digest(PRODUCER));
        let other = RegistryError::OtherProducer { environment, number: NUMBER, expected, found };
        assert_eq!(error, ApplyError::Registry(other));
    }
}

#[test]
fn a_producer_outside_its_window_is_rejected() {
    for (label, listed_number) in [(EARLIER, NUMBER - 1), (LATER, NUMBER + 1)] {
        // The kernel is valid in all superblocks: only the producer is not.
        let kernel = digest(101);
        let mut input = honest(1);
        input.key = kernel;
        input.applied.registry = membership(1, kernel, PRODUCER, NUMBER);
        assert_accepts(&CIRCUIT, &input);
        input.block.producer = digest(label);
        input.applied.registry = membership(1, kernel, label, listed_number);
        assert_rejects(&CIRCUIT, &input);
        let error = native(&input.block, kernel).unwrap_err();
        assert!(matches!(error, ApplyError::Registry(RegistryError::OtherProducer { .. })));
    }
}

/// A block with messages in either list or both.
fn talking() -> [ApplyInput; 3] {
    [(2, 1), (1, 2), (2, 3)].map(|(outbox, inbox)| {
        // 1 stands for the empty list.
        let list = |label| if label == 1 { empty_list() } else { digest(label) };
        let block = BlockStatement { outbox: list(outbox), inbox: list(inbox), ..block(1, 4) };
        applying(block)
    })
}

#[test]
fn a_block_joins_the_blocks_whose_messages_are_to_be_moved_if_it_has_any() {
    for input in talking() {
        let public = circuits_forging::check(&CIRCUIT, &input).unwrap();
        let statement = SegmentStatement::decode(&public).unwrap();
        assert_eq!(statement, input.start);
        let BlockStatement { environment, outbox, inbox, .. } = input.block;
        let element = bridge_core::lists::block_messages(environment, outbox, inbox);
        let joined = bridge_core::lists::append_block_messages(empty_list(), element);
        assert_eq!(statement.accumulated_after.block_messages, joined);
    }
    assert_eq!(honest(1).start.accumulated_after.block_messages, empty_list());
}

#[test]
fn what_a_block_emits_and_consumes_cannot_be_kept_from_the_bridge() {
    for honest in talking() {
        for change in [
            |block: &mut BlockStatement| block.outbox = digest(4),
            |block: &mut BlockStatement| block.inbox = digest(4),
        ] {
            let mut input = honest.clone();
            change(&mut input.block);
            let public = circuits_forging::check(&CIRCUIT, &input).unwrap();
            let statement = SegmentStatement::decode(&public).unwrap();
            assert_ne!(statement.accumulated_after, input.start.accumulated_after);
        }
    }
}

#[test]
fn an_environment_id_beyond_16_bits_is_rejected() {
    let error = assert_block_rejected(1, |block| block.environment += F::from_canonical_u64(1 << 16));
    assert_eq!(error, ApplyError::EnvironmentId((1 << 16) + 1));
}

#[test]
fn a_kernel_of_another_environment_is_rejected() {
    let mut input = honest(1);
    input.key = digest(102);
    input.applied.registry = membership(2, input.key, PRODUCER, NUMBER);
    assert_rejects(&CIRCUIT, &input);
    let error = native(&input.block, input.key).unwrap_err();
    let expected = RegistryError::UnknownKernel { environment: EnvironmentId(1), key: input.key };
    assert_eq!(error, ApplyError::Registry(expected));
}

/// Evidence of a kernel that is listed for another superblock, and of the producer of this one.
fn kernel_outside_its_window(kernel: Digest, listed_number: u32) -> RegistryMembership {
    let mut entry = registry().entry(EnvironmentId(1)).unwrap().clone();
    entry.producers = vec![producer(PRODUCER).valid_from(1)];
    let mut always = Registry::default();
    always.insert(EnvironmentId(1), entry).unwrap();
    let kernel = always.membership(EnvironmentId(1), kernel, digest(PRODUCER), listed_number).unwrap().kernel;
    RegistryMembership { kernel, ..membership(1, key(), PRODUCER, NUMBER) }
}

#[test]
fn a_kernel_outside_its_window_is_rejected() {
    for (kernel, listed_number) in [(digest(41), NUMBER - 1), (digest(43), NUMBER + 1)] {
        let mut input = honest(1);
        input.key = kernel;
        input.applied.registry = kernel_outside_its_window(kernel, listed_number);
        assert_rejects(&CIRCUIT, &input);
        let error = native(&input.block, kernel).unwrap_err();
        assert!(matches!(error, ApplyError::Registry(RegistryError::OutsideWindow { .. })));
    }
}

#[test]
fn a_kernel_that_is_not_listed_is_rejected() {
    let mut input = honest(1);
    input.key = digest(1);
    assert_rejects(&CIRCUIT, &input);
    assert!(native(&input.block, input.key).is_err());
}

#[test]
fn a_block_of_environment_0_leaves_its_body_to_the_superblock() {
    for id in [0, 1] {
        let public = circuits_forging::check(&CIRCUIT, &honest(id)).unwrap();
        let statement = SegmentStatement::decode(&public).unwrap();
        let expected = if id == 0 { honest(0).block.body } else { Digest::ZERO };
        assert_eq!(statement.accumulated_after.l1_body, expected);
    }
}

#[test]
fn a_block_of_environment_0_whose_last_height_is_not_the_superblocks_number_is_rejected() {
    for last in [NUMBER - 1, NUMBER + 1] {
        let error = assert_block_rejected(0, |block| block.last_height = F::from_canonical_u32(last));
        assert_eq!(error, ApplyError::L1Height { number: NUMBER, found: last.into() });
    }
}

#[test]
fn no_block_comes_after_one_of_environment_0() {
    // Neither one of another environment, nor a second one of environment 0, whatever height it has.
    let second = l1_block(NUMBER, NUMBER + 1, BlockMessages::none(EnvironmentId::L1)).statement;
    for next in [block(1, 4), second, BlockStatement { last_height: F::from_canonical_u32(NUMBER), ..second }]
    {
        let (mut state, mut accumulators) = (state(), Accumulators::start());
        let mut apply = |block: &BlockStatement| {
            apply_block(&mut state, &mut accumulators, &registry(), NUMBER, key(), block)
        };
        apply(&honest(0).block).unwrap();
        let error = apply(&next).unwrap_err();
        if next.last_height.to_canonical_u64() < next.first_height.to_canonical_u64() {
            assert!(matches!(error, ApplyError::EmptyRange { .. }), "{error}");
        } else {
            let environment = EnvironmentId(next.environment.to_canonical_u64() as u16);
            assert_eq!(error, ApplyError::AfterL1(environment));
        }
    }
    for id in [0, 1, 0xffff] {
        let mut input = honest(id);
        assert_accepts(&CIRCUIT, &input);
        input.start.accumulated_before.l1_body = honest(0).block.body;
        assert_rejects(&CIRCUIT, &input);
    }
}

#[test]
fn accumulators_do_not_depend_on_how_blocks_are_grouped() {
    let mut state = state();
    let mut accumulators = Accumulators::start();
    let mut chained = empty_list();
    for block in [block(1, 4), block(2, 4), block(1, 5)] {
        let applied = apply_block(&mut state, &mut accumulators, &registry(), NUMBER, key(), &block).unwrap();
        let header = [block.environment, block.first_height, block.last_height];
        let lists = [block.new_state, block.body, block.outbox, block.inbox].map(|digest| digest.0);
        let element = [header.as_slice(), &lists.concat()].concat();
        let element = circuits_core::hash::hash(circuits_protocol::statement::BODY_ELEMENT, &element);
        assert_eq!(applied.entry.element(), element);
        chained = circuits_core::hash::chain(circuits_protocol::statement::BODY_CHAIN, chained, element);
    }
    assert_eq!(accumulators.body_chain, chained);
    assert_eq!(accumulators.block_count, F::from_canonical_u64(3));
}

/// What a block does not touch is the same at both ends of its segment; the neighbours of the segment bind it.
pub(super) fn passes_through() -> Exception {
    let statement: SegmentStatement<usize> =
        SegmentStatement::decode(&(0..<SegmentStatement as Layout<F>>::LEN).collect::<Vec<_>>()).unwrap();
    let mut positions = statement.segment_set_root.0.to_vec();
    positions.push(statement.chain_id);
    positions.extend(statement.before.messages_root.0);
    positions.push(statement.before.message_count);
    positions.extend(statement.before.balances_root.0);
    positions.push(statement.before.balance_count);
    positions.extend(statement.accumulated_before.body_chain.0);
    positions.push(statement.accumulated_before.block_count);
    positions.extend(statement.accumulated_before.block_messages.0);
    positions.extend(statement.accumulated_before.applied.0);
    positions.extend(statement.accumulated_before.consumed.0);
    positions.push(statement.accumulated_before.unused_balances);
    Exception::new(Kind::Free, "passes through this segment, and its neighbours bind it", move |class| {
        class.public_input.is_some_and(|position| positions.contains(&position))
    })
}
