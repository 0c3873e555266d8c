//! Messages that a transaction sends.

use bridge_core::{Message, message::MessageFields};
use circuits_core::layout::Layout;
use proptest::prelude::*;

use super::{
    rules::{Attacks, assert_all_refused},
    *,
};
use crate::emission::EmissionTargets;

const TWO: F = F::TWO;

fn send(targets: &TransactionTargets) -> &EmissionTargets {
    targets.send.as_ref().expect("local accounts send messages")
}

/// What is sent is the account's, is paid for, and is something.
pub(super) fn sent(attacks: &mut Attacks) {
    let sends = &Locals::new().sends;
    let with = |change: fn(&mut Emission)| but(sends, |witness| witness.send.iter_mut().for_each(change));
    attacks.refused("SendsNothing", &with(|send| send.amount = Amount::ZERO));
    attacks.refused("Insufficient", &with(|send| send.amount = Amount::MAX));
    attacks.refused("Insufficient", &with(|send| send.asset = asset(7)));
    // It makes the vault richer, if the range is not checked.
    attacks.bound("a negative message", sends, &[(|targets| send(targets).amount, minus(5))]);
    let much = F::from_canonical_u64(1 << 58);
    attacks.bound("an amount of 59 bits", sends, &[(|targets| send(targets).amount, much)]);

    // The output's asset is in lane 0, the message's and the fee's in lane 1.
    let (zero, one) = (F::ZERO, F::ONE);
    attacks.bound("sent, and not debited", sends, &[(|targets| send(targets).lanes[1].target, zero)]);
    let elsewhere: &[(Location, F)] =
        &[(|targets| send(targets).lanes[1].target, zero), (|targets| send(targets).lanes[0].target, one)];
    attacks.bound("debited in another asset", sends, elsewhere);
    attacks.bound("debited, and not sent", sends, &[(|targets| send(targets).used.target, zero)]);
    // Lanes 2 and 3 are not used, and point to the slot of the fee asset.
    let twice: &[(Location, F)] =
        &[(|targets| send(targets).used.target, TWO), (|targets| send(targets).lanes[2].target, one)];
    attacks.bound("a multiple of a message's hash", sends, twice);
    let mixed: &[(Location, F)] = &[
        (|targets| send(targets).lanes[1].target, TWO),
        (|targets| send(targets).lanes[2].target, F::NEG_ONE),
    ];
    attacks.bound("debited twice less once", sends, mixed);

    let silent = but(sends, |witness| witness.send = None);
    attacks.bound("sent out of nothing", &silent, &[(|targets| send(targets).used.target, one)]);
}

#[test]
fn a_message_is_debited_in_its_asset_or_there_is_none() {
    assert_all_refused(&LOCAL, sent);
}

/// What the circuit states as the message of this transaction.
fn stated(kernel: &Compiled<Forged>, lie: &Lie) -> Digest {
    let statement: TransactionStatement = Layout::decode(&check(kernel, lie).unwrap()).unwrap();
    statement.message
}

#[test]
fn a_message_names_its_sender_its_place_and_the_nonce() {
    let sends = Locals::new().sends;
    let message = sends.message().unwrap();
    assert_eq!((message.chain_id, message.source.get()), (7, 1));
    assert_eq!((message.sender, message.sequence), (sends.account.id, 4 * u64::from(sends.account.nonce)));
    assert_ne!(sends.account.nonce, 0);
    assert_eq!(stated(&LOCAL, &Lie::new(&sends, &[])), message.hash());
    // The prover has no say in these: they are the targets that the statement or the account's hash is made of.
    let nonce = but(&sends, |witness| witness.account.nonce += 1);
    let next = Message { sequence: message.sequence + 4, ..message.clone() };
    assert_eq!(stated(&LOCAL, &Lie::new(&nonce, &[])), next.hash());
    type Change = fn(&mut MessageFields);
    let lies: [(Location, Change); 2] = [
        (|targets| targets.chain_id, |fields| fields.chain_id += F::ONE),
        (|targets| targets.environment, |fields| fields.source += F::ONE),
    ];
    for (location, change) in lies {
        let mut fields = message.fields();
        change(&mut fields);
        let lie = Lie::with(&sends, move |targets| vec![(location(targets), F::from_canonical_u64(8))]);
        let result: TransactionStatement = Layout::decode(&check(&LOCAL, &lie).unwrap()).unwrap();
        assert_ne!(result.message, message.hash());
        let honest = sends.check().unwrap();
        assert!(result.chain_id != honest.chain_id || result.environment != honest.environment);
    }
}

#[test]
fn an_order_has_no_place_for_a_message() {
    let [one, ..] = exchanges();
    let sends = but(&one, |witness| witness.send = Some(emission(0, 40)));
    assert_eq!(sends.check(), Err(TransactionError::NetworkSends));
    // Whatever its prover does, it states none, and leaves the account as it is without one.
    assert_eq!(stated(&NETWORK, &Lie::new(&sends, &[])), Digest::ZERO);
    let statement: Vec<F> = one.check().unwrap().encode();
    assert_eq!(check(&NETWORK, &Lie::new(&sends, &[])).unwrap(), statement);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn messages_are_stated_natively_as_in_circuit(
        of in 0..3u32,
        value in 0..3_000_000u64,
        destination in 0..7u16,
        deadline: u32,
        n: u64,
    ) {
        let locals = Locals::new();
        for honest in [&locals.pays, &locals.sends, &locals.takes, &locals.creates] {
            let witness = but(honest, |witness| {
                witness.send = Some(Emission {
                    destination: EnvironmentId(destination),
                    recipient: secret(n),
                    data: secret(n ^ 1),
                    deadline,
                    ..emission(of, value)
                });
            });
            let circuit = check(&LOCAL, &Lie::new(&witness, &[])).ok();
            match witness.check() {
                Ok(statement) => prop_assert_eq!(circuit, Some(statement.encode())),
                // The bridge's rule, which producers keep.
                Err(TransactionError::SendsToItself(_)) => {}
                Err(error) => prop_assert_eq!(circuit, None, "{}", error),
            }
        }
    }
}
