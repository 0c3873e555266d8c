//! Lies about single slots, each of which one rule stops.

use bridge_core::Consumption;
use circuits_core::{Digest, F, amount::AMOUNT_BITS, hash::hash, layout::Layout, trees::KeyedTree};
use plonky2::field::types::{Field, PrimeField64};

use super::{HERE, Slots, SlotsInput, agree::add, input, taken, world};
use crate::{
    account::{ACCOUNT, AccountFields},
    address::{Address, KIND_ACCOUNT, KIND_POOL, LIMB_BITS, account_key},
    circuit::SlotInput,
    fixtures::{DEPOSIT, FEE, MINIMUM_FEE, NEWCOMER, World, asset, bridge, key, transfer},
    pool::POOL_NUMBER_BITS,
    state::Running,
    transaction::{Action, ActionFields, Kind},
    typed_data::{ActionType, type_step},
};

pub(super) fn element(value: u64) -> F {
    F::from_canonical_u64(value)
}

fn record(account: &AccountFields) -> Digest {
    hash(ACCOUNT, &account.encode())
}

/// The key of the record that an action of `sender` writes.
fn counterpart(action: &ActionFields, sender: Digest) -> Digest {
    let kind = |kind: u64| element(kind << LIMB_BITS);
    if action.kind.to_canonical_u64() >= Kind::Bridge as u64 {
        return sender;
    }
    if action.kind == F::ZERO {
        let [a, b, c, d] = action.to;
        return Digest([a, b, c, d + kind(KIND_ACCOUNT)]);
    }
    let mut pair = [action.asset_in, action.asset_out];
    pair.sort_by_key(F::to_canonical_u64);
    Digest([pair[0], pair[1], F::ZERO, kind(KIND_POOL)])
}

/// Opens the records that a slot needs if its action fails.
pub(super) fn open(tree: &KeyedTree, slot: &mut SlotInput, before: &mut Running, sender: Digest) {
    let mut tree = tree.clone();
    tree.set(sender, record(&slot.sender)).unwrap();
    (before.root, before.count) = (tree.root(), element(tree.count()));
    slot.sender_leaf = tree.prove_update(&sender).unwrap();
    let mut charged = slot.sender;
    charged.key = slot.terms.key;
    charged.nonce += F::ONE;
    charged.vault[1] -= slot.terms.fee;
    tree.update(sender, record(&charged)).unwrap();
    slot.set = tree.prove_set(counterpart(&slot.action, sender)).unwrap();
}

/// What of the words of the key's digest crosses from one limb of the sender's address to the next, and what the last limb
/// takes of the word before its own.
fn address_parts(slot: &SlotInput) -> [F; 4] {
    let [.., w0, w1, w2, w3, _] = slot.hashes.key;
    let [l0, l1, l2, _] = slot.terms.sender;
    let below = |value: F, high: F, bits: usize| value - high * element(1 << bits);
    let first = below(l0, w0, 8);
    let second = below(l1, below(w1, first, 24), 16);
    let third = below(l2, below(w2, second, 16), 24);
    [first, second, third, below(w3, third, 8)]
}

/// Gives the key a digest with these parts, whose words need not have 32 bits.
fn set_address_parts(slot: &mut SlotInput, [first, second, third, rest]: [F; 4]) {
    let [.., w0, w1, w2, w3, w4] = &mut slot.hashes.key;
    let [l0, l1, l2, l3] = slot.terms.sender;
    let above = |value: F, low: F, bits: usize| (value - low) * F::inverse_2exp(bits);
    let join = |high: F, bits: usize, low: F| high * element(1 << bits) + low;
    *w0 = above(l0, first, 8);
    *w1 = join(first, 24, above(l1, second, 16));
    *w2 = join(second, 16, above(l2, third, 24));
    *w3 = join(third, 8, rest);
    *w4 = l3 - rest * element(1 << 32);
}

/// Client 0 gives less to an absent account than would create it: a transaction that fails, and of which `lie`
/// changes something. The rest follows from what it says.
pub(super) fn lie(lie: impl FnOnce(&mut SlotInput, &mut Running)) -> SlotsInput {
    let mut world = world();
    let tree = world.state.records.tree.clone();
    let (mut input, _) = input(&mut world, 1, &[(0, &[transfer(NEWCOMER, 0, 1)])]);
    let slot = &mut input.slots[0];
    let step = slot.hashes.step;
    lie(slot, &mut input.before);
    if slot.hashes.step == step {
        slot.hashes.step = type_step(&[type_of(&slot.action)]);
    }
    let sender = account_key(Address::from_digest(Digest(slot.terms.sender)).unwrap());
    open(&tree, slot, &mut input.before, *sender);
    input
}

/// The type as which an action is signed, as far as it has a kind.
fn type_of(action: &ActionFields) -> ActionType {
    let of = ActionType::ALL.into_iter().find(|&of| element(of as u64) == action.kind);
    match of.unwrap_or(ActionType::Transfer) {
        ActionType::Bridge if action.asset_out.to_canonical_u64() >> 32 == 0 => ActionType::Withdraw,
        of => of,
    }
}

/// As [`lie`], of another action, which must fail.
fn lie_about(action: Action, change: impl FnOnce(&mut ActionFields)) -> SlotsInput {
    lie(|slot, _| {
        slot.action = action.fields();
        change(&mut slot.action);
    })
}

/// A transfer that is done.
pub(super) fn paid() -> (World, SlotsInput) {
    let mut world = world();
    let (input, _) = input(&mut world, 1, &[(0, &[transfer(1, 0, 5)])]);
    (world, input)
}

/// Every lie by name. Each breaks one rule alone.
pub(super) fn attacks() -> Vec<(&'static str, SlotsInput)> {
    let too_much = element(1 << AMOUNT_BITS);
    let no_asset = element(1 << 32);
    let elsewhere = Action::Swap {
        asset_in: asset(5),
        asset_out: asset(6),
        amount: circuits_core::amount::Amount::MAX,
        minimum: circuits_core::amount::Amount::ZERO,
    };
    let mut attacks = vec![
        ("a key other than the account's", lie(|slot, _| slot.sender.key = Digest([F::ONE; 4]))),
        ("a deadline out of range", lie(|slot, _| slot.terms.deadline = element(1 << 32))),
        ("a deadline that has passed", lie(|slot, _| slot.terms.deadline = F::ZERO)),
        ("a nonce out of range", lie(|slot, _| slot.sender.nonce = element((1 << 32) - 1))),
        (
            "a fee below zero",
            lie(|slot, before| {
                slot.terms.fee = F::NEG_ONE;
                before.fees = F::ONE;
            }),
        ),
        ("a fee below the minimum", lie(|slot, _| slot.terms.fee = element(MINIMUM_FEE - 1))),
        (
            "a fee that the sender does not have",
            // What moves the fee asset notices that there is less than nothing of it, so something else moves.
            lie(|slot, _| {
                slot.action = add((5, 6), 1, (0, 0)).fields();
                slot.sender.vault[1] = F::ONE;
            }),
        ),
        ("more fees than an amount", lie(|_, before| before.fees = element((1 << AMOUNT_BITS) - 1))),
        ("no actions", lie(|slot, _| slot.terms.actions = F::ZERO)),
        ("a second action that is left out", lie(|slot, _| slot.terms.actions = F::TWO)),
        ("a receiver for a swap", lie_about(elsewhere, |action| action.to[0] = F::ONE)),
        ("an asset sold that does not exist", lie_about(elsewhere, |action| action.asset_in = no_asset)),
        ("an asset bought that does not exist", lie_about(elsewhere, |action| action.asset_out = no_asset)),
        (
            "an asset bought by a transfer",
            lie_about(transfer(NEWCOMER, 0, 1), |action| action.asset_out = no_asset),
        ),
        ("a swap of an asset for itself", lie_about(elsewhere, |action| action.asset_out = action.asset_in)),
        (
            "a pool named in the wrong order",
            lie_about(add((5, 6), 1, (0, 0)), |action| {
                std::mem::swap(&mut action.asset_in, &mut action.asset_out);
            }),
        ),
        ("an amount of zero", lie_about(transfer(NEWCOMER, 0, 1), |action| action.amount = F::ZERO)),
        ("a limit out of range", lie_about(elsewhere, |action| action.limit_a = too_much)),
        (
            "a second limit out of range",
            lie_about(add((5, 6), 1, (0, 1)), |action| action.limit_b = too_much),
        ),
        ("a limit for a transfer", lie_about(transfer(NEWCOMER, 0, 1), |action| action.limit_a = F::ONE)),
        ("a second limit for a swap", lie_about(elsewhere, |action| action.limit_b = F::ONE)),
        (
            "a pool whose number is out of range",
            lie(|slot, before| {
                slot.action = elsewhere.fields();
                before.pool_count = element(1 << POOL_NUMBER_BITS);
            }),
        ),
    ];
    // Of a message that costs more than the sender has, so that it fails.
    let sent = bridge(6, 0, 1 << 57);
    attacks.extend([
        ("a message to the environment itself", lie_about(bridge(HERE.get(), 0, 1 << 57), |_| {})),
        ("a message about nothing", lie_about(sent, |action| action.amount = F::ZERO)),
        ("a message about no asset", lie_about(sent, |action| action.asset_in = no_asset)),
        (
            "a message to an environment out of range",
            lie_about(sent, |action| action.asset_out = element(1 << 48)),
        ),
        ("a limit for a message", lie_about(sent, |action| action.limit_a = F::ONE)),
        ("a second limit for a message", lie_about(sent, |action| action.limit_b = F::ONE)),
        ("a message that is a swap as well", lie_about(sent, |action| action.kind += F::ONE)),
        ("a message that is of liquidity as well", lie_about(sent, |action| action.kind += F::TWO)),
        ("a kind that does not exist", lie_about(sent, |action| action.kind = element(8))),
    ]);
    for limb in 0..4 {
        let far = lie_about(transfer(NEWCOMER, 0, 1), |action| action.to[limb] = element(1 << LIMB_BITS));
        attacks.push(("a receiver that is no address", far));
    }

    for limb in 0..4 {
        let far = lie_about(bridge(0, 0, 1 << 57), |action| action.to[limb] += element(1 << LIMB_BITS));
        attacks.push(("a withdrawal to what is no address", far));
    }

    // The signer is not the charged account: client 0 signs, client 3 pays.
    let mut other = lie(|_, _| {});
    let world = world();
    let victim = key(3).address();
    other.slots[0].sender = world.state.account(&victim).unwrap().fields();
    open(&world.state.records.tree, &mut other.slots[0], &mut other.before, *account_key(victim));
    attacks.push(("a signer who is not the charged account", other));

    // The same, and the victim has made no transaction yet, so its account has no key.
    for limb in 0..4 {
        let other = lie(|slot, _| slot.terms.sender[limb] += F::ONE);
        attacks.push(("a key that has another address", other));
    }
    // Beside the longest part, one more of a shorter one leaves their sum as it is.
    for (part, bits) in [(0, 24), (1, 16), (3, 32)] {
        let other = lie(|slot, _| {
            let mut parts = address_parts(slot);
            parts[part] += element(1 << bits);
            parts[2] -= F::ONE;
            set_address_parts(slot, parts);
        });
        attacks.push(("a part of an address that has more than its bits", other));
    }
    attacks.extend([
        ("another key than the one committed to", lie(|slot, _| slot.hashes.key_x[7] += F::ONE)),
        ("the hash of another type", lie(|slot, _| slot.hashes.step.type_hash[0] += F::ONE)),
        ("other types than there are", lie(|slot, _| slot.hashes.step.nodes[5].0[0] += F::ONE)),
        ("the type of another action", lie(|slot, _| slot.hashes.step = type_step(&[ActionType::Swap]))),
        (
            "the type of two actions",
            lie(|slot, _| slot.hashes.step = type_step(&[ActionType::Transfer, ActionType::Transfer])),
        ),
    ]);

    // An account of another tree, in which its owner is rich.
    let mut rich = lie(|slot, _| slot.sender.vault[1] = element(1 << 40));
    rich.before = lie(|_, _| {}).before;
    attacks.push(("an account that is not in the state", rich));

    // The same, with the leaf of the account as it is.
    let mut richer = lie(|_, _| {});
    richer.slots[0].sender.vault[1] += element(1 << 40);
    let leaf = richer.slots[0].sender_leaf.clone();
    open(
        &world.state.records.tree,
        &mut richer.slots[0],
        &mut lie(|_, _| {}).before,
        *account_key(key(0).address()),
    );
    richer.slots[0].sender_leaf = leaf;
    attacks.push(("an account that is richer than its record", richer));

    // The receiver, or the pool, is said to be other than it is.
    let (_, mut richer) = paid();
    richer.slots[0].receiver.vault[1] += element(1000);
    attacks.push(("a receiver with a larger balance than it has", richer));

    // A message that is neither claimed nor taken back.
    let mut neither = claim(1).1;
    neither.slots[0].refund = F::TWO;
    attacks.push(("a message that is neither claimed nor taken back", neither));

    // A message to nobody: a limb of the recipient is out of range.
    for limb in 0..4 {
        let mut nobody = claim(NEWCOMER).1;
        nobody.slots[0].action.to[limb] += element(1 << LIMB_BITS);
        reopen(&mut nobody);
        attacks.push(("a message to nobody", nobody));
    }
    let mut nothing = claim(1).1;
    nothing.slots[0].action.amount = F::ZERO;
    attacks.push(("a message about nothing that is taken in", nothing));

    // The words of an amount's sum with the field's order.
    for which in 0..3 {
        let second = lie(|slot, _| {
            let amounts = [slot.action.amount, slot.action.limit_a, slot.action.limit_b];
            slot.hashes.amounts[which] = amounts[which] + F::ONE;
        });
        attacks.push(("an amount that is signed as more than there is", second));
    }
    let fee = lie(|slot, _| slot.hashes.fee = slot.terms.fee + F::ONE);
    attacks.push(("a fee that is signed as more than there is", fee));
    attacks
}

/// Client `to` is sent the minimum deposit, and the world before.
pub(super) fn claim(to: usize) -> (World, SlotsInput) {
    let before = world();
    let message = before.message(6, 9, to, 0, DEPOSIT);
    let input = taken(&mut before.clone(), 1, &[(message, Consumption::Claim)]);
    (before, input)
}

/// Opens whatever the first slot credits in the state of [`world`].
pub(super) fn reopen(input: &mut SlotsInput) {
    let slot = &mut input.slots[0];
    slot.set = world().state.records.tree.prove_set(counterpart(&slot.action, Digest::ZERO)).unwrap();
}

/// Lies that need two slots.
pub(super) fn attacks_on_two() -> Vec<(&'static str, SlotsInput)> {
    // The second action is left out: its slot is idle, in a world where the sender exists.
    let mut world = world();
    let actions = [transfer(1, 0, 5), transfer(1, 0, 6)];
    let (mut cut, _) = input(&mut world, 2, &[(0, &actions)]);
    let mut alone = KeyedTree::new(crate::state::TREE_DEPTH);
    let sender = account_key(key(0).address());
    let idle = &mut cut.slots[1];
    alone.insert(*sender, record(&idle.sender)).unwrap();
    idle.mode = F::ZERO;
    idle.idle_root = alone.root();
    idle.action = transfer(NEWCOMER, 0, 1).fields();
    idle.receiver = AccountFields { key: Digest::ZERO, nonce: F::ZERO, vault: [F::ZERO; _] };
    idle.receiver.vault[0] = cut.context.fee_asset;
    idle.sender_leaf = alone.prove_update(&sender).unwrap();
    idle.set = alone.prove_set(counterpart(&idle.action, *sender)).unwrap();
    // Two actions that pay for one and a half.
    let (mut low, _) = input(&mut super::world(), 2, &[(0, &actions)]);
    low.context.minimum_fee = element(FEE / 2 + 1);
    vec![("an idle slot within a transaction", cut), ("a fee below the minimum of two actions", low)]
}

/// The circuit that lies are told to.
pub(super) const ONE: Slots = Slots(1);
