//! What a slot says that it hashes: the key, the type and the domain are its own, and whatever else it says is another list
//! than the one that is proved.

use circuits_core::{F, layout::Layout};
use circuits_forging::{assert_accepts, assert_rejects, check};
use circuits_tables::{
    ecdsa::key_commitment,
    keccak::{Block, KeccakError, KeccakStatement, check_blocks, keccak256, to_words},
};
use plonky2::field::types::Field;

use super::{
    SlotsInput,
    agree::add,
    attacks::{element, lie},
    execute, input, slots, world,
};
use crate::{
    fixtures::{NEWCOMER, World, bridge, key, swap, transfer},
    state::Running,
    transaction::Action,
    typed_data::{SlotHashes, TypeStep, key_bytes},
};

/// Fields of [`SlotHashes`] up to its step: both coordinates of the key and four digests of 8 words, the low words of amount
/// and limits, that of the fee, and the low halves of the transaction's digest.
const WORDS: usize = 6 * 8 + 3 + 1 + 3;

fn after(count: usize, input: &SlotsInput) -> Option<Running> {
    let statement = check(slots(count), input).ok()?;
    Some(Running::decode(&statement).unwrap())
}

/// The fields of what a slot hashes.
fn fields(hashes: &SlotHashes) -> Vec<F> {
    hashes.encode()
}

/// The input with another value in one field of what a slot hashes.
fn change(input: &SlotsInput, slot: usize, place: usize) -> SlotsInput {
    let mut fields = fields(&input.slots[slot].hashes);
    fields[place] += F::ONE;
    let mut input = input.clone();
    input.slots[slot].hashes = SlotHashes::decode(&fields).unwrap();
    input
}

/// The state after a first transaction of client 0, and one more of its transactions in so many slots.
fn later(actions: &[Action]) -> SlotsInput {
    let mut world = world();
    execute(&mut world, 0, &[transfer(1, 0, 5)]);
    input(&mut world, actions.len(), &[(0, actions)]).0
}

/// The step to the type of a transaction with these actions.
fn step(actions: &[Action]) -> TypeStep {
    let transaction = world().unsigned(0, actions);
    SlotHashes::of_transaction(&transaction, None, &[]).last().expect("an action").step
}

#[test]
fn whatever_a_slot_hashes_instead_is_refused_or_is_another_list() {
    let first = input(&mut world(), 1, &[(0, &[transfer(1, 0, 5)])]).0;
    let pair = later(&[swap(0, 1000, 1), transfer(1, 0, 5)]);
    // What each slot hashes: the key, the action, the transaction.
    for (input, hashed) in [
        (first, vec![[true, true, true]]),
        (later(&[bridge(6, 0, 50)]), vec![[false, true, true]]),
        (pair, vec![[false, true, false], [false, true, true]]),
    ] {
        let count = input.slots.len();
        let honest = after(count, &input).expect("honest");
        for (slot, [key, action, transaction]) in hashed.into_iter().enumerate() {
            for place in 0..WORDS {
                let other = change(&input, slot, place);
                let is_hashed = match place {
                    0..24 => key,
                    24..32 | 48..51 => action,
                    _ => transaction,
                };
                match after(count, &other) {
                    None => {}
                    Some(found) if is_hashed => {
                        assert_ne!(found.hashes, honest.hashes, "slot {slot}, {place}")
                    }
                    // What is not hashed changes nothing.
                    Some(found) => assert_eq!(found, honest, "slot {slot}, {place}"),
                }
            }
            for place in WORDS..fields(&input.slots[slot].hashes).len() {
                let other = change(&input, slot, place);
                assert_rejects(slots(count), &other);
            }
        }
    }
}

#[test]
fn case_09_an_amount_has_one_pair_of_words() {
    // 2^32 - 1 and x + 1 are the words of x + p, which is x in the field: whoever signed for that would give x.
    let honest = lie(|_, _| {});
    assert_accepts(slots(1), &honest);
    let mut amount = honest.clone();
    amount.slots[0].hashes.amounts[0] += F::ONE;
    assert_rejects(slots(1), &amount);
    let mut fee = honest;
    fee.slots[0].hashes.fee += F::ONE;
    assert_rejects(slots(1), &fee);
    let limits = later(&[add((0, 1), 100, (1000, 1000))]);
    assert_accepts(slots(1), &limits);
    for limit in 1..3 {
        let mut other = limits.clone();
        other.slots[0].hashes.amounts[limit] += F::ONE;
        assert_rejects(slots(1), &other);
    }
}

#[test]
fn a_transaction_has_the_type_of_the_kinds_of_its_actions_in_their_order() {
    let (sold, paid, sent) = (swap(0, 1000, 1), transfer(1, 0, 5), bridge(0, 0, 5));
    let honest = later(&[sold, paid]);
    assert_accepts(slots(2), &honest);
    // Each step alone, and both at once: other kinds, another order, fewer actions, more before them.
    for steps in [
        [step(&[sold]), step(&[paid, sold])],
        [step(&[sold]), step(&[paid])],
        [step(&[sold]), step(&[sold, sold])],
        [step(&[sold]), step(&[sold, sold, paid])],
        [step(&[paid]), step(&[paid, sold])],
        [step(&[sent]), step(&[sent, paid])],
        [step(&[sold, sold]), step(&[sold, sold, paid])],
    ] {
        let mut other = honest.clone();
        for (slot, step) in other.slots.iter_mut().zip(steps) {
            slot.hashes.step = step;
        }
        assert_rejects(slots(2), &other);
    }
}

#[test]
fn a_message_to_l1_has_a_type_of_its_own() {
    let to_l1 = later(&[bridge(0, 0, 50)]);
    let elsewhere = later(&[bridge(6, 0, 50)]);
    for (honest, other) in [(&to_l1, &elsewhere), (&elsewhere, &to_l1)] {
        assert_accepts(slots(1), honest);
        let mut lie = honest.clone();
        lie.slots[0].hashes.step = other.slots[0].hashes.step;
        assert_rejects(slots(1), &lie);
    }
}

/// A first transaction of client 0, made with the key of client 3, and the digest that a slot claims of it.
fn with_another_key(digest: [F; 8]) -> SlotsInput {
    lie(|slot, _| {
        let other = key(3).public_key();
        let (x, y) = other.words();
        slot.terms.key = key_commitment(&x, &y);
        let [key_x, key_y] = [other.x(), other.y()].map(words);
        slot.hashes = SlotHashes { key_x, key_y, key: digest, ..slot.hashes };
    })
}

fn words(bytes: &[u8; 32]) -> [F; 8] {
    let words = to_words(bytes);
    std::array::from_fn(|i| F::from_canonical_u32(words[i]))
}

#[test]
fn the_first_transaction_of_an_account_hashes_its_key() {
    // The key's own address is another account's.
    let of_other = words(&keccak256(&key_bytes(&key(3).public_key())));
    assert_rejects(slots(1), &with_another_key(of_other));
    // A digest that ends in the sender's address is not the key's: no list of hashes has this block.
    let of_sender = words(&keccak256(&key_bytes(&key(0).public_key())));
    let forged = with_another_key(of_sender);
    let listed = after(1, &forged).expect("the slot does not hash").hashes;
    let mut blocks = hashed(&mut world());
    assert_eq!(check_blocks(&blocks), Ok(()));
    (blocks[0].words[..8]).copy_from_slice(&words(key(3).public_key().x()));
    (blocks[0].words[8..16]).copy_from_slice(&words(key(3).public_key().y()));
    assert_eq!(KeccakStatement::new(&blocks).list, listed);
    assert!(matches!(check_blocks(&blocks), Err((0, _))));
    // Nor is another key hashed than the one that is committed to.
    let lied = lie(|slot, _| slot.hashes.key_x[7] += F::ONE);
    assert_rejects(slots(1), &lied);
}

#[test]
fn case_09_a_word_of_what_is_signed_has_one_low_half() {
    // With another low half, the high one is no integer: the words that they are shifted into have more than 32 bits.
    let forged = lie(|slot, _| slot.hashes.low_halves[0] += F::ONE);
    let listed = after(1, &forged).expect("the slot does not hash").hashes;
    let mut blocks = hashed(&mut world());
    let words = &mut blocks.last_mut().expect("what is signed").words;
    words[8] -= F::inverse_2exp(16);
    words[9] += F::from_canonical_u64(1 << 16);
    assert_eq!(KeccakStatement::new(&blocks).list, listed);
    assert!(matches!(check_blocks(&blocks), Err((_, KeccakError::Wide { word: 8, .. }))));
    // A half has 16 bits.
    let wide = lie(|slot, _| slot.hashes.low_halves[0] += element(1 << 48));
    assert_rejects(slots(1), &wide);
}

/// The blocks of the transaction that [`lie`] lies about.
fn hashed(world: &mut World) -> Vec<Block> {
    execute(world, 0, &[transfer(NEWCOMER, 0, 1)]).blocks
}

#[test]
fn case_39_a_transaction_of_another_domain_is_another_list() {
    let honest = lie(|_, _| {});
    let list = |input: &SlotsInput| after(1, input).expect("accepted").hashes;
    assert_eq!(list(&honest), KeccakStatement::new(&hashed(&mut world())).list);
    for word in 0..honest.context.domain.len() {
        let mut other = honest.clone();
        other.context.domain[word] += F::ONE;
        assert_ne!(list(&other), list(&honest), "{word}");
    }
}
