//! Slots that lie about what shares a word, an element or a row with something else.

use bridge_core::message::{MessageFields, message_hash};
use circuits_core::{Digest, F, layout::Layout};
use circuits_forging::{Mutator, assert_accepts, check};
use circuits_tables::keccak::{KeccakStatement, check_blocks};
use plonky2::field::types::{Field, PrimeField64};

use super::{
    CHAIN_ID, block, broken, claim, deposit, refund,
    slots::{SlotsInput, TWO, TWO_SLOTS, input},
};
use crate::{
    bytes32::Bytes32,
    circuit::{ConsumeFields, Running},
    prove::Slots,
    words::{AddressPieces, PIECE_BITS},
};

/// A claim and a refund, a deposit that becomes a message and one that bounces.
fn honest() -> SlotsInput {
    input(&block(&[claim(1), refund(2)], &[deposit(3), broken(4)]), TWO)
}

fn with(change: impl FnOnce(&mut SlotsInput)) -> SlotsInput {
    let mut input = honest();
    change(&mut input);
    input
}

/// The limbs that a circuit makes of pieces, whatever they are.
fn limbs(pieces: &AddressPieces) -> [F; 4] {
    let p = pieces.pieces;
    [0, 2, 4, 6].map(|i| p[i] * F::from_canonical_u64(1 << PIECE_BITS[i + 1]) + p[i + 1])
}

/// Gives a slot the name of the message that the circuit makes of it, whatever is in it.
fn renamed(slot: &mut ConsumeFields) {
    let select = |a: F, b: F| b + slot.is_refund * (a - b);
    let word = F::from_canonical_u64(1 << 32);
    let payee = limbs(&slot.payee);
    let both = |from_payee: bool| {
        std::array::from_fn(|i| {
            let (a, b) = (payee[i], slot.counterparty.0[i]);
            if from_payee { select(a, b) } else { select(b, a) }
        })
    };
    let message = MessageFields {
        chain_id: F::from_canonical_u64(CHAIN_ID),
        source: select(F::ZERO, slot.elsewhere),
        destination: select(slot.elsewhere, F::ZERO),
        sequence: slot.sequence,
        sender: Digest(both(true)),
        recipient: Digest(both(false)),
        asset: slot.asset_origin * word + slot.asset_number,
        amount: slot.amount[0] * word + slot.amount[1],
        deadline: slot.deadline,
        data: slot.data,
    };
    slot.name = Bytes32::of_digest(message_hash(&message)).fields();
}

/// A slot of a message that the circuit would take if its ranges were not checked.
fn consuming(change: impl FnOnce(&mut ConsumeFields)) -> SlotsInput {
    with(|input| {
        let slot = &mut input.consumed[0].fields;
        change(slot);
        renamed(slot);
    })
}

/// The pieces of one address, with the same words and other limbs: one piece is out of its range, by itself.
fn other_pieces(pieces: &AddressPieces) -> Vec<AddressPieces> {
    let mut others = vec![];
    // The high and the low piece of each word that has two.
    for (high, low) in [(1, 2), (3, 4), (5, 6)] {
        let unit = F::from_canonical_u64(1 << PIECE_BITS[low]);
        let mut other = *pieces;
        other.pieces[high] += F::ONE;
        other.pieces[low] -= unit;
        others.push(other);
        let mut other = *pieces;
        other.pieces[low] += F::ONE;
        other.pieces[high] -= unit.inverse();
        // Still in range, so that it is the other one that is not.
        assert!(other.pieces[low].to_canonical_u64() < 1 << PIECE_BITS[low]);
        others.push(other);
    }
    others
}

fn dishonest() -> Vec<SlotsInput> {
    let payee = honest().consumed[0].fields.payee;
    let depositor = honest().deposits[0].deposit.depositor;
    let half = F::from_canonical_u64(1 << 16);
    let mut all: Vec<_> =
        other_pieces(&payee).into_iter().map(|other| consuming(|slot| slot.payee = other)).collect();
    all.extend(
        other_pieces(&depositor)
            .into_iter()
            .map(|other| with(|input| input.deposits[0].deposit.depositor = other)),
    );
    all.extend([
        // A flag that is none: half a message, a claim with the kind of a bounce.
        consuming(|slot| slot.used = F::TWO),
        consuming(|slot| slot.used = F::NEG_ONE),
        consuming(|slot| slot.is_refund = F::TWO),
        with(|input| input.deposits[0].used = F::TWO),
        with(|input| input.deposits[1].used = F::NEG_ONE),
        // An asset that the bridge cannot name, with the words of another kind of payout.
        consuming(|slot| slot.asset_origin += half),
        // The amount 5 as the words of 5 + p.
        consuming(|slot| slot.amount = [F::from_canonical_u32(u32::MAX), F::from_canonical_u32(6)]),
        // The name of another message.
        with(|input| input.consumed[0].fields.name = input.consumed[1].fields.name),
        with(|input| input.consumed[0].fields.sequence += F::ONE),
        with(|input| input.consumed[1].fields.is_refund = F::ZERO),
        // One word of destination and asset origin, read in two other ways.
        with(|input| {
            input.deposits[0].deposit.destination += F::ONE;
            input.deposits[0].deposit.asset_origin -= half;
        }),
        with(|input| {
            input.deposits[0].deposit.asset_origin += F::ONE;
            input.deposits[0].deposit.destination -= half.inverse();
        }),
    ]);
    all
}

/// A name in its other encoding could only be shown of a hash with an element below 2^32 - 1.
const NAMES: &str = "enforce_zero at environments/l1/src/circuit.rs";

#[test]
fn slots_reject_what_is_out_of_range() {
    let honest = [
        honest(),
        input(&block(&[refund(1), claim(2)], &[broken(3), deposit(4)]), TWO),
        input(&block(&[claim(1)], &[deposit(1)]), TWO),
    ];
    honest.iter().for_each(|input| assert_accepts(&TWO_SLOTS, input));
    let dishonest = dishonest();
    for (index, other) in dishonest.iter().enumerate() {
        assert!(check(&TWO_SLOTS, other).is_err(), "dishonest input {index}");
    }
    Mutator::new(&TWO_SLOTS.definition)
        .by_line()
        .honest(&honest)
        .dishonest(&dishonest)
        .elsewhere("circuits/core/src/")
        .elsewhere("circuits/tables/src/")
        .allow_up_to(NAMES, 1, "no message with such a hash is known")
        .inputs_only()
        .run()
        .assert_tested();
}

/// A recipient whose limb is not below 2^40 is none of 20 bytes. What a circuit could take it for has a word of 33 bits, of which
/// no batch proves the hash.
#[test]
fn a_recipient_that_is_no_address_is_never_paid() {
    let paid = block(&[claim(1)], &[]);
    let hashed = Slots::new(&paid, TWO).hashed;
    check_blocks(&hashed).unwrap();
    for (piece, word) in [(0, 9), (7, 13)] {
        let mut input = input(&paid, TWO);
        let slot = &mut input.consumed[0].fields;
        slot.payee.pieces[piece] += F::from_canonical_u64(1 << 32);
        renamed(slot);
        let end = Running::decode(&check(&TWO_SLOTS, &input).unwrap()).unwrap();
        let mut lying = hashed[0];
        lying.words[word] += F::from_canonical_u64(1 << 32);
        lying.words[18..26].copy_from_slice(&input.consumed[0].fields.name);
        assert_eq!(KeccakStatement::new(&[lying]).list, end.hashed);
        assert!(check_blocks(&[lying]).is_err(), "a word of 33 bits is hashed");
    }
    // The first limb has the pieces 0 and 1. A larger piece 1 is out of its range.
    let mut input = input(&paid, TWO);
    let slot = &mut input.consumed[0].fields;
    slot.payee.pieces[1] += F::from_canonical_u64(1 << PIECE_BITS[1]);
    renamed(slot);
    assert!(check(&TWO_SLOTS, &input).is_err());
}
