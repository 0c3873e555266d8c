//! Slots as a circuit of their own, without the proof of the hashes.

use std::sync::LazyLock;

use bridge_core::{Consumption, Message};
use circuits_core::{
    Builder, Compiled, Definition, F, Witness,
    amount::Amount,
    layout::{self, Layout, WitnessError},
};
use circuits_forging::check;
use circuits_protocol::{
    l1::{KeccakDigest, QueuePosition},
    statement::empty_list,
};
use circuits_prover::basetypes::standard_config;
use circuits_tables::keccak::{self, KeccakStatement};
use environments_core::{address::Address, environment::EnvironmentId};
use plonky2::{field::types::Field, iop::target::Target, plonk::circuit_data::CircuitConfig};
use proptest::prelude::*;

use super::{
    CHAIN_ID, digest,
    native::{broken_deposits, good_deposits},
};
use crate::{
    asset::AssetName,
    block::L1Witness,
    body::Body,
    bytes32::{Bytes32, word_fields},
    circuit::{ConsumeSlot, Context, DepositSlot, Running, consume_circuit, deposit_circuit},
    deposit::Deposit,
    kernel::Variant,
    payout::payouts_digest,
    prove::Slots,
    state::L1State,
};

/// The slots of a variant.
pub(super) struct AllSlots(pub(super) Variant);

/// What their prover must know.
#[derive(Clone, Debug)]
pub(super) struct SlotsInput {
    pub(super) context: Context,
    pub(super) before: Running,
    pub(super) consumed: Vec<ConsumeSlot>,
    pub(super) deposits: Vec<DepositSlot>,
}

pub(super) struct SlotsTargets {
    context: Context<Target>,
    before: Running<Target>,
    consumed: Vec<ConsumeSlot<Target>>,
    deposits: Vec<DepositSlot<Target>>,
}

impl Definition for AllSlots {
    type Statement = Running<Target>;
    type NativeStatement = Running;
    type Targets = SlotsTargets;
    type Input = SlotsInput;

    fn name(&self) -> String {
        format!("l1-test-slots-{}-{}", self.0.consumed, self.0.deposits)
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn define(&self, builder: &mut Builder) -> (Running<Target>, SlotsTargets) {
        let context = layout::new_virtual(builder);
        let before = layout::new_virtual(builder);
        let mut after = before;
        let consumed = 0..self.0.consumed;
        let consumed = consumed.map(|_| consume_circuit(builder, &context, &mut after)).collect();
        let deposits = 0..self.0.deposits;
        let deposits = deposits.map(|_| deposit_circuit(builder, &context, &mut after)).collect();
        (after, SlotsTargets { context, before, consumed, deposits })
    }

    fn assign(
        &self,
        targets: &SlotsTargets,
        input: &SlotsInput,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        layout::set(witness, &targets.context, &input.context)?;
        layout::set(witness, &targets.before, &input.before)?;
        let consumed = targets.consumed.iter().zip(&input.consumed);
        consumed.into_iter().try_for_each(|(target, slot)| layout::set(witness, target, slot))?;
        let deposits = targets.deposits.iter().zip(&input.deposits);
        deposits.into_iter().try_for_each(|(target, slot)| layout::set(witness, target, slot))
    }
}

/// Two slots of each sort.
pub(super) const TWO: Variant = Variant { consumed: 2, deposits: 2 };

pub(super) static TWO_SLOTS: LazyLock<Compiled<AllSlots>> =
    LazyLock::new(|| Compiled::new(AllSlots(TWO)).unwrap());

/// Where the slots of a block start.
fn start(before: &L1State) -> Running {
    Running {
        queue_digest: word_fields(before.queue.digest),
        queue_length: F::from_canonical_u32(before.queue.length),
        payouts_digest: word_fields(KeccakDigest::ZERO),
        payouts: F::from_canonical_u32(before.payouts),
        outbox: empty_list(),
        inbox: empty_list(),
        hashed: keccak::empty_list(),
        hashed_count: F::ZERO,
    }
}

/// Where they end.
fn end(block: &L1Witness, hashed: &[keccak::Block]) -> Running {
    let outcome = &block.outcome;
    let KeccakStatement { list, blocks } = KeccakStatement::new(hashed);
    Running {
        payouts_digest: word_fields(payouts_digest(&outcome.payouts)),
        outbox: outcome.messages.outbox_digest(),
        inbox: outcome.messages.inbox_digest(),
        hashed: list,
        hashed_count: blocks,
        ..start(&outcome.after)
    }
}

/// The slots of a block.
pub(super) fn input(block: &L1Witness, variant: Variant) -> SlotsInput {
    let Body { before, number, .. } = &block.body;
    let Slots { consumed, deposits, .. } = Slots::new(block, variant);
    let context =
        Context { chain_id: F::from_canonical_u64(before.chain_id), number: F::from_canonical_u32(*number) };
    SlotsInput { context, before: start(before), consumed, deposits }
}

/// Executes a block in slots, and demands that the circuit does what native code does.
#[track_caller]
fn agree(body: &Body) {
    let outcome = body.outcome().unwrap_or_else(|error| panic!("{body:?}: {error}"));
    let block = L1Witness { body: body.clone(), outcome };
    let hashed = Slots::new(&block, TWO).hashed;
    let found = check(&TWO_SLOTS, &input(&block, TWO)).unwrap_or_else(|error| panic!("{body:?}: {error}"));
    assert_eq!(Running::decode(&found).unwrap(), end(&block, &hashed), "{body:?}");
}

fn body(number: u32, consumed: &[(Message, Consumption)], deposits: &[Deposit]) -> Body {
    let before = L1State { height: number - 1, ..super::state() };
    Body { before, number, consumed: consumed.to_vec(), deposits: deposits.to_vec() }
}

#[test]
fn deposits_at_the_ends_have_one_verdict() {
    let broken = broken_deposits();
    let deposits: Vec<_> = broken.into_iter().map(|(deposit, _)| deposit).chain(good_deposits()).collect();
    for pair in deposits.chunks(2) {
        agree(&body(super::NUMBER, &[], pair));
    }
    // The last deadline of 32 bits, and the first beyond.
    let deposit = super::deposit(1);
    for number in [u32::MAX - deposit.lifetime, u32::MAX - deposit.lifetime + 1, u32::MAX] {
        agree(&body(number, &[], &[deposit, deposit]));
    }
}

fn any_word() -> impl Strategy<Value = u64> {
    let order = 0xffff_ffff_0000_0001_u64;
    prop_oneof![
        6 => 0..order,
        1 => prop::sample::select(vec![0, order - 1, order, order + 1, u64::MAX, u64::MAX << 32])
    ]
}

fn any_address() -> impl Strategy<Value = Address> {
    prop_oneof![
        4 => any::<[u8; 20]>(),
        1 => prop::sample::select(vec![[0; 20], [0xff; 20]])
    ]
    .prop_map(Address)
}

fn any_asset() -> impl Strategy<Value = AssetName> {
    let number = prop_oneof![1 => Just(0), 6 => 1..=u32::MAX, 1 => Just(u32::MAX)];
    (any::<u16>(), number).prop_map(|(origin, number)| AssetName { origin, number })
}

fn any_deposit() -> impl Strategy<Value = Deposit> {
    let amount = prop_oneof![
        6 => 1..1_u64 << 58,
        1 => any::<u64>(),
        1 => prop::sample::select(vec![0, 1, (1 << 58) - 1, 1 << 58, u64::from(u32::MAX), 1 << 32])
    ];
    let lifetime = prop_oneof![
        6 => 64..=1_u32 << 20,
        1 => any::<u32>(),
        1 => prop::sample::select(vec![0, 63, 64, 1 << 20, (1 << 20) + 1])
    ];
    let destination = prop_oneof![1 => Just(0), 6 => any::<u16>()];
    let recipient = [any_word(), any_word(), any_word(), any_word()];
    (any_address(), destination, recipient, any_asset(), amount, lifetime).prop_map(
        |(depositor, destination, recipient, asset, amount, lifetime)| {
            let recipient = recipient.map(u64::to_be_bytes).concat();
            let recipient = Bytes32(recipient.try_into().expect("four words of 8 bytes"));
            Deposit { depositor, destination, recipient, asset, amount, lifetime }
        },
    )
}

fn any_consumed() -> impl Strategy<Value = (Message, Consumption)> {
    let asset = any_asset().prop_filter_map("an asset", |name| name.id().ok());
    let ends = (any_address(), any::<[u32; 4]>(), any::<u16>());
    (ends, 0..1_u64 << 34, asset, 1..1_u64 << 58, any::<u32>(), any::<bool>()).prop_map(
        |((payee, other, elsewhere), sequence, asset, amount, deadline, is_refund)| {
            let l1 = (EnvironmentId::L1, payee.to_digest());
            let elsewhere =
                (EnvironmentId(elsewhere), circuits_core::Digest(other.map(F::from_canonical_u32)));
            let (from, to) = if is_refund { (l1, elsewhere) } else { (elsewhere, l1) };
            let message = Message {
                chain_id: CHAIN_ID,
                source: from.0,
                destination: to.0,
                sequence,
                sender: from.1,
                recipient: to.1,
                asset,
                amount: Amount::new(amount).expect("below 2^58"),
                deadline,
                data: digest(u64::from(deadline)),
            };
            (message, if is_refund { Consumption::Refund } else { Consumption::Claim })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Verdicts, messages, payouts, the queue and all lists: whatever a block does.
    #[test]
    fn slots_do_what_native_code_does(
        number in prop_oneof![3 => 1..u32::MAX, 1 => u32::MAX - (1 << 20)..=u32::MAX],
        consumed in prop::collection::vec(any_consumed(), 0..=2),
        deposits in prop::collection::vec(any_deposit(), 0..=2),
        queue in (any::<[u8; 32]>(), 0..u32::MAX - 2),
        payouts in 0..u32::MAX - 4,
    ) {
        let queue = QueuePosition { digest: KeccakDigest(queue.0), length: queue.1 };
        let before = L1State { chain_id: CHAIN_ID, height: number - 1, queue, payouts };
        agree(&Body { before, number, consumed, deposits });
    }
}
