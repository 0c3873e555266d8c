//! The till: the suite on it, and attacks on its kernel.

use circuits_core::{Digest, F, amount::Amount};
use environments_conformance::{
    CHAIN_ID, Subject,
    forging::{Exception, Kind, Kit, Mutator, assert_accepts, assert_rejects, fixtures::cache},
    id,
    messages::{MessageSubject, SUPERBLOCK},
};
use environments_core::{
    EnvironmentId,
    deps::bridge_core::{AssetId, BlockMessages, Consumption, Message},
    environment::Environment,
    kernel::ProducerSecret,
};
use plonky2::field::types::Field;

use crate::till::{
    PAYS, Payment, TAKES, Till, TillBlock, TillError, TillInput, TillKernel, TillState, TillTransaction,
    amounts, name, write_body,
};

/// Why the kit may find values free with some inputs.
const UNUSED: &str = "a slot that moves nothing is passed over";

pub(crate) struct Tills;

fn amount(value: u64) -> Amount {
    Amount::new(value).unwrap()
}

/// The `number`-th payment of a till.
fn payment(number: u32, value: u64) -> Payment {
    let recipient = Digest([7, 7, 7, u64::from(number)].map(F::from_canonical_u64));
    Payment { number, to: id(1), recipient, amount: amount(value), deadline: 2 * SUPERBLOCK }
}

/// A message to the till of a sender in environment `id(1)`.
fn claimed(till: &Till, value: u64) -> Message {
    Message {
        chain_id: till.chain_id,
        source: id(1),
        destination: till.id,
        sequence: 9,
        sender: Digest([F::TWO; 4]),
        recipient: name(),
        asset: till.asset(),
        amount: amount(value),
        deadline: 2 * SUPERBLOCK,
        data: Digest::ZERO,
    }
}

/// A message of the till that nobody claimed in time.
fn refunded(till: &Till, value: u64) -> Message {
    Message { deadline: SUPERBLOCK - 1, ..till.message(&payment(0, value)) }
}

impl Subject for Tills {
    type Environment = Till;

    fn environment(&self, chain_id: u64, id: EnvironmentId, secret: ProducerSecret) -> Till {
        Till { chain_id, id, secret, start: amount(1000) }
    }

    fn valid(&self, _: &Till, state: &TillState) -> Vec<TillTransaction> {
        [0_u32, 1].map(|n| TillTransaction::Pay(payment(state.sent + n, 5 + u64::from(n)))).into()
    }

    fn invalid(&self, till: &Till, state: &TillState) -> Vec<TillTransaction> {
        let next = payment(state.sent, 5);
        let too_early = payment(state.sent + 3, 5);
        let nothing = Payment { amount: Amount::ZERO, ..next };
        let too_much = payment(state.sent, state.holds.get() + 1);
        let to_itself = Payment { to: till.id, ..next };
        [too_early, nothing, too_much, to_itself].map(TillTransaction::Pay).into()
    }
}

impl MessageSubject for Tills {
    fn sends(&self, till: &Till, state: &TillState) -> Vec<(TillTransaction, Vec<Message>)> {
        let send = |n: u32| {
            let number = state.sent + n;
            let sent = payment(number, 20 + u64::from(n));
            let message = Message {
                chain_id: till.chain_id,
                source: till.id,
                destination: id(1),
                sequence: number.into(),
                sender: name(),
                recipient: sent.recipient,
                asset: AssetId::new(till.id.get(), 1).unwrap(),
                amount: amount(20 + u64::from(n)),
                deadline: sent.deadline,
                data: Digest::ZERO,
            };
            (TillTransaction::Pay(sent), vec![message])
        };
        vec![send(0), send(1)]
    }

    fn deliveries(&self, till: &Till, _: &TillState) -> Vec<(Message, Consumption)> {
        vec![(claimed(till, 30), Consumption::Claim), (refunded(till, 40), Consumption::Refund)]
    }

    fn credited(&self, before: &TillState, after: &TillState, message: &Message, _: Consumption) -> bool {
        before.holds.checked_add(message.amount) == Ok(after.holds)
    }
}

environments_conformance::conformance!(Tills, messages);

fn till() -> Till {
    environments_conformance::environment(&Tills)
}

/// A block that uses all slots.
fn full() -> TillBlock {
    let till = till();
    let before = TillState { height: 9, sent: 4, ..till.genesis() };
    let [claim, refund] = [claimed(&till, 30), refunded(&till, 40)];
    let inbox = vec![(claim, Consumption::Claim), (refund, Consumption::Refund)];
    let outbox = [payment(4, 500), payment(5, 570)].map(|payment| till.message(&payment)).into();
    TillBlock { before, messages: BlockMessages { environment: till.id, inbox, outbox } }
}

/// A block that uses none.
fn empty() -> TillBlock {
    let full = full();
    TillBlock { messages: BlockMessages::none(full.messages.environment), ..full }
}

fn honest() -> [TillInput; 2] {
    [full(), empty()].map(|block| till().kernel_input(&block))
}

/// Inputs that each break one rule.
fn dishonest() -> Vec<TillInput> {
    let [honest, nothing] = honest();
    let lie = |input: TillInput, change: &dyn Fn(&mut TillInput)| {
        let mut input = input;
        change(&mut input);
        input
    };
    let mut lies = vec![];
    for slot in 0..TAKES {
        // Takes in less than nothing, by wrapping the field.
        lies.push(lie(honest, &|input| {
            input.takes[slot].message.amount = F::NEG_ONE;
            input.holds = amount(5000).to_field();
        }));
        // Neither a claim nor a refund.
        lies.push(lie(honest, &|input| {
            let take = &mut input.takes[slot];
            (take.message.sender, take.message.recipient) = (name(), name());
            take.is_refund = F::TWO;
        }));
        // Credits the till with what is somebody else's.
        lies.push(lie(honest, &|input| {
            let message = &mut input.takes[slot].message;
            (message.sender, message.recipient) = (Digest::ZERO, Digest::ZERO);
        }));
        lies.push(lie(honest, &|input| input.takes[slot].message.asset += F::ONE));
    }
    // Holds too much before it sends, though not afterwards.
    lies.push(lie(honest, &|input| input.holds = Amount::MAX.to_field()));
    for slot in 0..PAYS {
        lies.push(lie(honest, &|input| input.pays[slot].destination = F::from_canonical_u64(1 << 16)));
        lies.push(lie(honest, &|input| input.pays[slot].deadline = F::from_canonical_u64(1 << 32)));
        // Sends less than nothing, and is richer for it.
        lies.push(lie(honest, &|input| input.pays[slot].amount = F::NEG_ONE));
    }
    // Sends what it does not have.
    lies.push(lie(honest, &|input| input.holds -= F::ONE));
    // Starts to number its messages again.
    lies.push(lie(honest, &|input| input.sent = F::from_canonical_u32(u32::MAX)));
    lies.push(lie(nothing, &|input| input.height = F::from_canonical_u32(u32::MAX)));
    lies
}

#[test]
fn each_message_that_is_not_the_tills_has_its_reason() {
    let till = till();
    let good = claimed(&till, 30);
    let refused = |message: Message| till.consume(&message, Consumption::Claim).unwrap().unwrap_err();
    let elsewhere = Message { destination: id(2), ..good.clone() };
    let (chain_id, source, destination) = (CHAIN_ID, id(1), id(2));
    assert_eq!(refused(elsewhere), TillError::NotOurs { chain_id, source, destination });
    let asset = AssetId::new(till.id.get(), 2).unwrap();
    assert_eq!(refused(Message { asset, ..good.clone() }), TillError::Asset(asset));
    let recipient = Digest::ZERO;
    assert_eq!(refused(Message { recipient, ..good.clone() }), TillError::Beneficiary(recipient));
    assert_eq!(refused(Message { amount: Amount::ZERO, ..good }), TillError::Nothing);
}

#[test]
fn a_block_sends_what_it_takes_in() {
    let till = Till { start: Amount::ZERO, ..till() };
    let take = till.consume(&claimed(&till, 30), Consumption::Claim).unwrap().unwrap();
    let pay = TillTransaction::Pay(payment(0, 30));
    let proposal = till.propose(&till.genesis(), &[&pay, &take]).unwrap();
    assert_eq!((proposal.included, proposal.rejected.len()), (vec![0, 1], 0));
    assert_eq!(proposal.state, TillState { height: 1, holds: Amount::ZERO, sent: 1 });
}

#[test]
fn the_last_height_and_the_last_message_have_no_successor() {
    let till = till();
    let last = TillState { height: u32::MAX, ..till.genesis() };
    assert_eq!(till.propose(&last, &[]).err(), Some(TillError::LastHeight(u32::MAX)));
    let mut last = TillState { sent: u32::MAX, ..till.genesis() };
    let pay = TillTransaction::Pay(payment(u32::MAX, 1));
    assert_eq!(till.execute(&mut last, &pay), Err(TillError::LastMessage));
}

#[test]
fn native_and_circuit_statements_agree() {
    let kernel = cache().circuit(TillKernel).unwrap();
    let till = till();
    for block in [full(), empty()] {
        let body = write_body(&amounts(&block.messages));
        let after = till.apply_body(&block.before, &body).unwrap();
        let proof = kernel.prove(&till.kernel_input(&block)).unwrap();
        assert_eq!(kernel.statement(&proof).unwrap(), till.statement(&block, &after));
    }
}

#[test]
fn each_broken_rule_is_refused_in_circuit() {
    let kernel = cache().circuit(TillKernel).unwrap();
    honest().iter().for_each(|input| assert_accepts(&kernel, input));
    dishonest().iter().for_each(|input| assert_rejects(&kernel, input));
}

#[test]
fn the_kernel_withstands_the_forging_kit() {
    let kernel = cache().circuit(TillKernel).unwrap();
    Kit::new(&kernel)
        .inputs(&honest())
        .masked(UNUSED)
        .except(Exception::fields(
            Kind::MessagesOnly,
            &["PaySlot.destination", "PaySlot.recipient", "PaySlot.deadline"],
            "the user chooses it",
        ))
        .except(Exception::fields(
            Kind::MessagesOnly,
            &[
                "TakeSlot.message.chain_id",
                "TakeSlot.message.source",
                "TakeSlot.message.destination",
                "TakeSlot.message.sequence",
                "TakeSlot.message.deadline",
                "TakeSlot.message.data",
            ],
            "the bridge proves that the message exists, and may be consumed here, in this way and now",
        ))
        .proofs(1)
        .run()
        .assert_sound();
}

#[test]
fn no_assertion_of_the_kernel_can_be_left_out() {
    Mutator::new(&TillKernel)
        .honest(&honest())
        .dishonest(&dishonest())
        .masked(UNUSED)
        .run()
        .assert_complete();
}
