//! Kernels over a substitute for the proof of the hashes, which states any list and proves nothing: a kernel must bind its
//! entries to that list.

use std::sync::LazyLock;

use circuits_core::{
    Builder, CircuitError, Compiled, Definition, Digest, F, Proof, VerifierKey, Witness,
    layout::{self, Layout, WitnessError},
    recursion::Shape,
};
use circuits_forging::{
    Exception, Kind, Kit, Mutator, assert_accepts, assert_rejects, check, fixtures::cache,
};
use circuits_keys::CircuitCache;
use circuits_protocol::{
    l1::KeccakDigest,
    registry::Registry,
    statement::{BlockStatement, empty_list},
    wrap::block_shape,
};
use circuits_prover::basetypes::standard_config;
use circuits_tables::keccak::{Block, KeccakStatement, batch::KeccakSize, blocks};
use environments_core::{environment::EnvironmentId, kernel::Kernels as _};
use plonky2::{field::types::Field, iop::target::Target, plonk::circuit_data::CircuitConfig};

use super::{
    CHAIN_ID, NUMBER, block, broken, claim, deposit,
    native::{broken_deposits, good_deposits},
    refund,
    slots::{self, SlotsInput, TWO, TWO_SLOTS},
    state,
};
use crate::{
    block::{L1Witness, PRODUCER_SECRET, registry_entry},
    bytes32::{keccak256, word_fields},
    circuit::{DepositSlot, Running},
    circuits::{Hashes, L1Kernels},
    deposit::Deposit,
    kernel::{KeccakKey, L1Input, L1Kernel, Variant},
    payout::{Payout, PayoutKind},
    prove::{self, Slots, prove_block},
    queue::{append, queue_entry},
    state::L1State,
};

/// States any list of blocks.
struct Anything;

static SHAPE: LazyLock<Shape> =
    LazyLock::new(|| Shape::new("anything", standard_config(), 8, <KeccakStatement as Layout<F>>::LEN));

impl Definition for Anything {
    type Statement = KeccakStatement<Target>;
    type NativeStatement = KeccakStatement;
    type Targets = KeccakStatement<Target>;
    type Input = KeccakStatement;

    fn name(&self) -> String {
        "any-hashes".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn shape(&self) -> Option<&Shape> {
        Some(&SHAPE)
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        let statement = layout::new_virtual(builder);
        (statement, statement)
    }

    fn assign(
        &self,
        targets: &Self::Targets,
        input: &KeccakStatement,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        layout::set(witness, targets, input)
    }
}

fn stated(statement: &KeccakStatement) -> (Proof, VerifierKey) {
    let circuit = cache().circuit(Anything).unwrap();
    (circuit.prove(statement).unwrap(), circuit.key().clone())
}

/// Another circuit of that shape, which states any list too.
struct Unlisted;

impl Definition for Unlisted {
    type Statement = KeccakStatement<Target>;
    type NativeStatement = KeccakStatement;
    type Targets = KeccakStatement<Target>;
    type Input = KeccakStatement;

    fn name(&self) -> String {
        "unlisted-hashes".to_owned()
    }

    fn config(&self) -> CircuitConfig {
        Anything.config()
    }

    fn shape(&self) -> Option<&Shape> {
        Anything.shape()
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        builder.constant(F::from_canonical_u64(CHAIN_ID));
        Anything.define(builder)
    }

    fn assign(
        &self,
        targets: &Self::Targets,
        input: &KeccakStatement,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        Anything.assign(targets, input, witness)
    }
}

/// Takes hashes as they are.
struct Unchecked;

impl Hashes for Unchecked {
    fn key(&self, cache: &CircuitCache, _: KeccakSize) -> Result<KeccakKey, CircuitError> {
        Ok(KeccakKey { shape: &SHAPE, digest: cache.key_digest(Anything)? })
    }

    fn prove(
        &self,
        _: &CircuitCache,
        _: KeccakSize,
        blocks: &[Block],
    ) -> Result<(Proof, VerifierKey), CircuitError> {
        Ok(stated(&KeccakStatement::new(blocks)))
    }
}

pub(super) const KERNELS: L1Kernels = L1Kernels::new(&Unchecked);

/// A kernel of fewer slots than any that is listed, which has the same rules.
const TINY: Variant = TWO;

static TINY_KERNEL: LazyLock<Compiled<L1Kernel>> =
    LazyLock::new(|| Compiled::new(KERNELS.definition(cache(), TINY).unwrap()).unwrap());

static EMPTY_KERNEL: LazyLock<Compiled<L1Kernel>> =
    LazyLock::new(|| Compiled::new(L1Kernel::new(Variant::EMPTY, None)).unwrap());

fn input(block: &L1Witness) -> L1Input {
    prove::input(cache(), &KERNELS, block, TINY).unwrap()
}

/// A claim, a refund, a deposit that becomes a message, and one that bounces.
fn full() -> L1Witness {
    block(&[claim(1), refund(2)], &[deposit(3), broken(4)])
}

fn statement(kernel: &Compiled<L1Kernel>, input: &L1Input) -> BlockStatement {
    BlockStatement::decode(&check(kernel, input).unwrap()).unwrap()
}

/// Why nothing but the new state needs to follow the number.
fn number() -> Exception {
    let reason = "the statement has it as its last height, which a superblock compares with its number";
    Exception::fields(Kind::Unfollowable, &["number"], reason)
}

#[test]
fn kernels_state_what_native_code_does() {
    let blocks = [
        full(),
        block(&[], &[]),
        block(&[claim(1)], &[]),
        block(&[], &[broken(1)]),
        block(&[refund(1), refund(2)], &[deposit(1), deposit(2)]),
    ];
    for block in &blocks {
        let expected = block.body.statement(&block.outcome);
        assert_eq!(statement(&TINY_KERNEL, &input(block)), expected);
    }
    let empty = prove::input(cache(), &KERNELS, &blocks[1], Variant::EMPTY).unwrap();
    assert_eq!(statement(&EMPTY_KERNEL, &empty), blocks[1].body.statement(&blocks[1].outcome));
}

#[test]
fn the_smallest_variant_is_taken() {
    for (consumed, deposits, expected) in [
        (0, 0, Some(Variant::EMPTY)),
        (1, 0, Some(Variant::SMALL)),
        (38, 20, Some(Variant::SMALL)),
        (39, 0, Some(Variant::LARGE)),
        (0, 21, Some(Variant::LARGE)),
        (96, 64, Some(Variant::LARGE)),
        (97, 0, None),
        (0, 65, None),
    ] {
        assert_eq!(Variant::fitting(consumed, deposits), expected);
    }
}

/// A block whose payouts are those of `block`, on top of a state with other counts.
fn on_top(block: &L1Witness, change: impl Fn(&mut L1State)) -> L1Input {
    let mut block = block.clone();
    let honest = block.body.before.payouts;
    change(&mut block.body.before);
    for payout in &mut block.outcome.payouts {
        payout.index = payout.index - honest + block.body.before.payouts;
    }
    input(&block)
}

/// Blocks in superblocks and with counts that there are not. Their hashes are true.
fn out_of_range() -> Vec<L1Input> {
    let taken = |change: &dyn Fn(&mut L1Input)| {
        let mut other = input(&block(&[claim(1)], &[]));
        change(&mut other);
        other
    };
    let top = F::from_canonical_u64(1 << 32);
    // Two deposits, and three payouts.
    let length = |length| on_top(&full(), |before| before.queue.length = length);
    let payouts = |payouts| on_top(&full(), |before| before.payouts = payouts);
    assert_accepts(&TINY_KERNEL, &length(u32::MAX - 2));
    assert_accepts(&TINY_KERNEL, &payouts(u32::MAX - 3));
    vec![
        taken(&|input| input.number = F::from_canonical_u32(state().height)),
        taken(&|input| input.number = F::ZERO),
        taken(&|input| input.before.height = F::from_canonical_u32(NUMBER)),
        taken(&|input| {
            input.before.height = top;
            input.number = top + F::ONE;
        }),
        length(u32::MAX - 1),
        payouts(u32::MAX - 2),
    ]
}

/// A block whose proof states other hashes than its entries'.
fn other_hashes() -> Vec<L1Input> {
    let honest = input(&full());
    let hashed = Slots::new(&full(), TINY).hashed;
    let mut other_digest = hashed.clone();
    other_digest[1].digest[7] += F::ONE;
    let mut other_word = hashed.clone();
    other_word[0].words[25] += F::ONE;
    let mut swapped = hashed.clone();
    swapped.swap(0, 1);
    let lists = [
        hashed[..hashed.len() - 1].to_vec(),
        hashed[1..].to_vec(),
        vec![],
        [&hashed[..], &hashed[..1]].concat(),
        swapped,
        other_digest,
        other_word,
    ];
    let mut statements: Vec<_> = lists.iter().map(|list| KeccakStatement::new(list)).collect();
    let mut miscounted = KeccakStatement::new(&hashed);
    miscounted.blocks += F::ONE;
    statements.push(miscounted);
    let mut other_list = KeccakStatement::new(&hashed);
    other_list.list = Digest::ZERO;
    statements.push(other_list);
    let with = |keccak| L1Input { keccak: Some(keccak), ..honest.clone() };
    let mut all: Vec<_> = statements.iter().map(|statement| with(stated(statement))).collect();
    // The right hashes, stated by another circuit; and with the cap of one key and the digest of the other.
    let unlisted = cache().circuit(Unlisted).unwrap();
    let (statement, key) = (KeccakStatement::new(&hashed), unlisted.key().clone());
    all.push(with((unlisted.prove(&statement).unwrap(), key.clone())));
    let (proof, listed) = stated(&statement);
    assert_ne!(key, listed);
    all.push(with((proof, VerifierKey { circuit_digest: key.circuit_digest, ..listed })));
    all
}

#[test]
fn a_kernel_binds_counts_superblocks_and_hashes() {
    let honest = [input(&full()), input(&block(&[claim(1)], &[deposit(1)]))];
    let (out_of_range, other_hashes) = (out_of_range(), other_hashes());
    honest.iter().for_each(|input| assert_accepts(&TINY_KERNEL, input));
    for (index, other) in out_of_range.iter().chain(&other_hashes).enumerate() {
        assert!(check(&TINY_KERNEL, other).is_err(), "dishonest input {index}");
    }
    Mutator::new(&TINY_KERNEL.definition)
        .honest(&honest)
        .dishonest(&out_of_range)
        .dishonest(&other_hashes)
        .elsewhere("circuits/core/src/")
        .elsewhere("circuits/tables/src/")
        .elsewhere("environments/l1/src/circuit.rs")
        .elsewhere("environments/l1/src/deposit.rs")
        .elsewhere("environments/l1/src/words.rs")
        .inputs_only()
        .run()
        .assert_tested();
}

/// A block of these deposits that lets exactly those bounce that `bounces` says, with true hashes.
fn with_verdicts(deposits: &[Deposit], bounces: &[bool]) -> (SlotsInput, Vec<Block>) {
    let mut slots = Slots::default();
    let (mut queue, mut list) = (state().queue, KeccakDigest::ZERO);
    let mut index = state().payouts;
    for (deposit, bounces) in deposits.iter().zip(bounces) {
        slots.hashed.extend(blocks(&queue_entry(queue.digest, deposit)));
        queue = append(queue, deposit).unwrap();
        let mut slot = DepositSlot {
            used: F::ONE,
            deposit: deposit.fields(),
            queue_digest: word_fields(queue.digest),
            ..DepositSlot::idle()
        };
        if *bounces {
            let payout = Payout {
                index,
                recipient: deposit.depositor,
                kind: PayoutKind::Bounce,
                asset: deposit.asset,
                amount: deposit.amount,
                name: queue.digest.into(),
            };
            let entry = payout.entry(list);
            slots.hashed.extend(blocks(&entry));
            list = keccak256(&entry);
            slot.payouts_digest = word_fields(list);
            index += 1;
        }
        slots.deposits.push(slot);
    }
    slots.deposits.resize(TINY.deposits, DepositSlot::idle());
    let input = SlotsInput { deposits: slots.deposits, ..slots::input(&block(&[], &[]), TINY) };
    (input, slots.hashed)
}

/// Whether slots lead to the hashes of these blocks.
fn is_hashed((input, hashed): &(SlotsInput, Vec<Block>)) -> bool {
    let end = Running::decode(&check(&TWO_SLOTS, input).unwrap()).unwrap();
    KeccakStatement { list: end.hashed, blocks: end.hashed_count } == KeccakStatement::new(hashed)
}

#[test]
fn nobody_bounces_a_good_deposit_or_keeps_a_bad_one() {
    // A kernel accepts what its slots accept and lead to the hashes that are proved.
    for deposit in good_deposits() {
        assert!(is_hashed(&with_verdicts(&[deposit], &[false])), "{deposit:?}");
        assert!(!is_hashed(&with_verdicts(&[deposit], &[true])), "{deposit:?}");
    }
    for (deposit, reason) in broken_deposits() {
        assert!(is_hashed(&with_verdicts(&[deposit], &[true])), "{reason}");
        assert!(!is_hashed(&with_verdicts(&[deposit], &[false])), "{reason}");
    }
    let with_verdicts = |deposits: &[Deposit], bounces: &[bool]| {
        let (slots, hashed) = with_verdicts(deposits, bounces);
        let keccak = Some(stated(&KeccakStatement::new(&hashed)));
        L1Input { deposits: slots.deposits, keccak, ..input(&block(&[], &[])) }
    };
    let both = [deposit(1), broken(2)];
    for verdicts in [[true, true], [false, false], [true, false]] {
        assert_rejects(&TINY_KERNEL, &with_verdicts(&both, &verdicts));
    }
    assert_accepts(&TINY_KERNEL, &with_verdicts(&both, &[false, true]));
}

#[test]
fn no_deposit_is_skipped_or_taken_out_of_order() {
    let honest = input(&block(&[], &[deposit(1), broken(2)]));
    assert_accepts(&TINY_KERNEL, &honest);
    let with = |change: fn(&mut L1Input)| {
        let mut other = honest.clone();
        change(&mut other);
        other
    };
    // Without the first or the second one, and the other way round. The hashes are those of all.
    assert_rejects(&TINY_KERNEL, &with(|input| input.deposits[0].used = F::ZERO));
    assert_rejects(&TINY_KERNEL, &with(|input| input.deposits[1].used = F::ZERO));
    assert_rejects(&TINY_KERNEL, &with(|input| input.deposits.swap(0, 1)));
    // A queue of another length has the same digest and another state.
    let longer = with(|input| input.before.queue_length += F::ONE);
    let statements = [&honest, &longer].map(|input| statement(&TINY_KERNEL, input));
    assert_ne!(statements[0].previous_state, statements[1].previous_state);
    assert_ne!(statements[0].body, statements[1].body);
}

#[test]
fn no_payout_has_the_index_of_another_one() {
    let mut block = full();
    // The second has the index of the first, and the first that of one of the block before.
    block.outcome.payouts[1].index -= 1;
    assert_rejects(&TINY_KERNEL, &input(&block));
    let mut block = full();
    block.outcome.payouts.iter_mut().for_each(|payout| payout.index -= 1);
    assert_rejects(&TINY_KERNEL, &input(&block));
    // With such indices, the block continues another state.
    let early = on_top(&full(), |before| before.payouts -= 1);
    assert_ne!(statement(&TINY_KERNEL, &early).previous_state, state().commitment());
}

#[test]
fn case_67_everybody_is_the_producer_of_environment_0() {
    let block = full();
    let stated = statement(&TINY_KERNEL, &input(&block));
    assert_eq!(stated.producer, PRODUCER_SECRET.commitment());
    let mut registry = Registry::default();
    let entry = registry_entry(CHAIN_ID, &[Digest::ZERO]).unwrap();
    registry.insert(EnvironmentId::L1, entry).unwrap();
    for number in [1, u32::MAX] {
        registry.membership(EnvironmentId::L1, Digest::ZERO, stated.producer, number).unwrap();
    }
    let genesis = registry.entry(EnvironmentId::L1).unwrap().genesis_state;
    assert_eq!(genesis, L1State::genesis(CHAIN_ID).unwrap().commitment());
    assert_ne!(genesis, L1State::genesis(CHAIN_ID + 1).unwrap().commitment());
}

#[test]
fn an_empty_block_moves_only_the_height() {
    let block = block(&[], &[]);
    let honest = prove::input(cache(), &KERNELS, &block, Variant::EMPTY).unwrap();
    let with = |change: fn(&mut L1Input)| {
        let mut other = honest.clone();
        change(&mut other);
        other
    };
    let dishonest = [
        with(|input| input.number = input.before.height),
        with(|input| {
            input.before.height = F::from_canonical_u64(1 << 32);
            input.number = input.before.height + F::ONE;
        }),
        with(|input| input.before.queue_length = F::from_canonical_u64(1 << 32)),
        with(|input| input.before.payouts = F::from_canonical_u64(1 << 32)),
    ];
    dishonest.iter().for_each(|other| assert_rejects(&EMPTY_KERNEL, other));
    let stated = statement(&EMPTY_KERNEL, &honest);
    assert_eq!((stated.outbox, stated.inbox), (empty_list(), empty_list()));
    Kit::new(&EMPTY_KERNEL).input(&honest).except(number()).proofs(1).run().assert_sound();
    Mutator::new(&EMPTY_KERNEL.definition)
        .honest([&honest])
        .dishonest(&dishonest)
        .except(number())
        .run()
        .assert_tested();
}

#[test]
fn a_block_is_proven_and_wrapped() {
    let before = state();
    for (deposits, consumed) in [(vec![deposit(1), broken(2)], vec![claim(3), refund(4)]), (vec![], vec![])] {
        let block = before.block(NUMBER, &deposits, &consumed).unwrap();
        let proven = prove_block(cache(), &KERNELS, &block).unwrap();
        assert_eq!(proven.statement(), block.statement());
        circuits_core::proof::verify(proven.proof(), proven.key(), &block_shape().common).unwrap();
    }
}

#[test]
fn the_kit_finds_nothing_free_in_a_kernel() {
    let inputs = [input(&full()), input(&block(&[refund(1), claim(2)], &[broken(1), deposit(2)]))];
    Kit::new(&TINY_KERNEL).inputs(&inputs).except(number()).proofs(1).run().assert_sound();
}
