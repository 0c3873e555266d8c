//! Lies that a single assertion refuses: everything else about them is in order.

use super::{
    rules::{Attacks, assert_all_refused, both_swaps},
    *,
};
use crate::{
    account::{Vault, local_authorisation},
    fixtures::owner,
    note::NoteFields,
    policy::{ExchangeFields, ExchangeOrder, ExchangeTerms, RATE_BITS},
};

const TWO: F = F::TWO;
const MINUS: F = F::NEG_ONE;

/// The witness with its `input`-th input left to the block, which accepts any note.
fn unopened(witness: &TransactionWitness, input: usize) -> TransactionWitness {
    but(witness, |witness| witness.inputs[input].membership = None)
}

/// A payment to oneself, consumed: sender and target are the account.
fn to_oneself() -> TransactionWitness {
    let mut world = world();
    let zero = world.clients[0].id();
    let own = note(1, 0, 10, Script::Pay { target: zero }, zero);
    let request = world.request(0, &[own], vec![], 0);
    unopened(&open(&world, &request), 0)
}

/// Every flag with a value other than a boolean. Lanes 2 and 3 are not used, and point to the slot of the fee asset.
pub(super) fn flags(attacks: &mut Attacks) {
    let Locals { pays, takes, creates, owns, .. } = Locals::new();
    let own = to_oneself();
    let one = F::ONE;
    let five = F::from_canonical_u64(5);
    attacks.lie(
        "an input counted in two lanes, with twice its nullifier",
        &takes,
        &[(|targets| targets.inputs[0].used.target, TWO), (|targets| targets.inputs[0].lanes[2].target, one)],
    );
    let doubled: &[(Location, F)] = &[(|targets| targets.inputs[0].unauthenticated.target, TWO)];
    attacks.lie("an input opened twice less once", &takes, doubled);
    attacks.lie(
        "a script between pay and reclaim",
        &own,
        &[
            (|targets| targets.inputs[0].is_reclaim.target, five),
            (|targets| targets.inputs[0].note.kind, five),
        ],
    );
    attacks.lie(
        "a script beyond swap",
        &own,
        &[
            (|targets| targets.inputs[0].is_swap.target, five),
            (|targets| targets.inputs[0].note.kind, five + five),
        ],
    );
    attacks.lie(
        "an input in a lane twice and in another less once",
        &takes,
        &[
            (|targets| targets.inputs[0].lanes[0].target, TWO),
            (|targets| targets.inputs[0].lanes[2].target, MINUS),
        ],
    );
    attacks.lie(
        "an output in a lane twice and in another less once",
        &pays,
        &[
            (|targets| targets.outputs[0].lanes[0].target, TWO),
            (|targets| targets.outputs[0].lanes[2].target, MINUS),
        ],
    );
    attacks.lie(
        "an output made twice",
        &pays,
        &[
            (|targets| targets.outputs[0].used.target, TWO),
            (|targets| targets.outputs[0].lanes[2].target, one),
        ],
    );
    attacks.lie(
        "outputs that settle twice less once",
        &both_swaps(),
        &[
            (|targets| targets.outputs[0].settles[0].target, TWO),
            (|targets| targets.outputs[0].settles[1].target, MINUS),
            (|targets| targets.outputs[1].settles[0].target, MINUS),
            (|targets| targets.outputs[1].settles[1].target, TWO),
        ],
    );
    attacks.lie(
        "a fee paid twice less once",
        &pays,
        &[
            (|targets| targets.lanes[0].pays_fee.target, TWO),
            (|targets| targets.lanes[2].pays_fee.target, MINUS),
        ],
    );
    attacks.lie("an account that is new twice", &creates, &[(|targets| targets.is_new.target, TWO)]);
    // Twice the order less the owner, who needs no order for that.
    let (owned, local) = (crate::fixtures::order().authorisation(), local_authorisation(owner()));
    attacks.forged("an order that is owned twice", &owns, move |targets| {
        let AuthorityTargets::Local { owns_order, .. } = &targets.authority else {
            unreachable!("the kernel of local accounts")
        };
        let mixed = owned.0.into_iter().zip(local.0).map(|(owned, local)| owned.double() - local);
        let mut lies: Vec<_> = targets.account.authorisation.0.into_iter().zip(mixed).collect();
        lies.push((owns_order.target, TWO));
        lies
    });

    // Twice the first slot less the second one, under the asset that comes of it.
    let vault = pays.account.vault.to_fields();
    let mixed = vault[0][0].double() - vault[1][0];
    attacks.forged("a lane at a mixture of slots", &pays, move |targets| {
        let lane = &targets.lanes[3];
        vec![(lane.slots[0].target, TWO), (lane.slots[1].target, MINUS), (lane.asset, mixed)]
    });
}

/// Heights and amounts beyond their bits where nothing else depends on them.
pub(super) fn ranges(attacks: &mut Attacks) {
    let Locals { pays, takes, .. } = Locals::new();
    let far = F::from_canonical_u64(1 << 32);
    attacks.lie("a height of 33 bits", &takes, &[(|targets| targets.inputs[1].note.height, far)]);
    attacks.lie("a height of 33 bits", &pays, &[(|targets| targets.outputs[1].note.height, far)]);
    attacks.lie("a negative input", &takes, &[(|targets| targets.inputs[1].note.amount, minus(5))]);
    let much = F::from_canonical_u64(1 << 58);
    // The minimum fee demands it, and the notes are worth it.
    let rich = but(&takes, |witness| {
        witness.account.vault = Vault::default();
        witness.fee = Amount::MAX;
        for input in &mut witness.inputs {
            (input.note.asset, input.note.amount, input.membership) = (asset(0), Amount::MAX, None);
        }
    });
    let half = F::from_canonical_u64(1 << 57);
    attacks.lie(
        "a fee of 59 bits",
        &rich,
        &[(|targets| targets.fee, much), (|targets| targets.minimum_fee, half)],
    );
    attacks.lie("a balance of 59 bits", &pays, &[(|targets| targets.vault[9][1], much)]);
}

/// Notes that are consumed or settled without being there.
pub(super) fn notes(attacks: &mut Attacks) {
    let locals = Locals::new();
    attacks.lie(
        "a note that is both reclaimable and a swap",
        &to_oneself(),
        &[
            (|targets| targets.inputs[0].is_reclaim.target, F::ONE),
            (|targets| targets.inputs[0].is_swap.target, F::ONE),
            (|targets| targets.inputs[0].note.kind, F::from_canonical_u64(3)),
        ],
    );

    // Stated without a nullifier, it would erase an output that another transaction makes.
    let opened = locals.takes.inputs[0].clone();
    let without = but(&locals.takes, |witness| drop(witness.inputs.remove(0)));
    attacks.forged("a note that is found without being consumed", &without, move |targets| {
        let input = &targets.inputs[3];
        let (fields, membership) = (opened.note.fields(), opened.membership.clone().expect("opened"));
        let mut lies = zip(&input.note, &fields);
        for (target, sibling) in input.path.siblings.iter().zip(&membership.path.siblings) {
            lies.extend(target.0.into_iter().zip(sibling.0));
        }
        let (used, index) = (input.used.target, F::from_canonical_u64(membership.index));
        lies.extend([(input.index, index), (input.unauthenticated.target, F::ONE), (used, F::ZERO)]);
        lies
    });

    let made = locals.settles.notes()[0].fields();
    let unpaid = but(&locals.settles, |witness| witness.outputs.clear());
    attacks.forged("a swap settled by a note that is not made", &unpaid, move |targets| {
        let output = &targets.outputs[2];
        let NoteFields { asset, amount, kind, target, .. } = output.note;
        let mut lies = vec![(asset, made.asset), (amount, made.amount), (kind, made.kind)];
        lies.extend(target.0.into_iter().zip(made.target.0));
        lies.push((output.settles[0].target, F::ONE));
        lies
    });
}

fn zip(targets: &NoteFields<Target>, values: &NoteFields) -> Vec<(Target, F)> {
    use circuits_core::layout::Layout;
    targets.encode().into_iter().zip(values.encode()).collect()
}

/// Vaults that no transaction leaves behind: an asset of which there is nothing, and a balance of no asset.
pub(super) fn slots(attacks: &mut Attacks) {
    let pays = Locals::new().pays;
    let to_slot_9 = |targets: &TransactionTargets| {
        let lane = &targets.lanes[3];
        vec![
            (lane.slots[0].target, F::ZERO),
            (lane.slots[9].target, F::ONE),
            (lane.asset, asset(7).to_field()),
        ]
    };
    attacks.forged("a lane at the slot of another asset", &pays, move |targets| {
        [to_slot_9(targets), vec![(targets.vault[9][0], asset(8).to_field())]].concat()
    });
    attacks.forged("a lane at a balance of no asset", &pays, move |targets| {
        [to_slot_9(targets), vec![(targets.vault[9][1], F::ONE)]].concat()
    });
}

/// Exchange orders other than the account's, and fractions of fills.
pub(super) fn orders(attacks: &mut Attacks) {
    let [one, ..] = exchanges();
    let order = |pays, per| {
        let terms = ExchangeTerms { pays, per, ..crate::fixtures::order().terms() };
        Authority::Exchange { order: ExchangeOrder::new(terms).expect("an order") }
    };
    let under = |authority: Authority| but(&one, |witness| witness.authority = authority);
    attacks.lie("another order at the same price", &under(order(6, 4)), &[]);

    let amount_of = |value| {
        let mut changed = unopened(&one, 0);
        changed.inputs[0].note.amount = amount(value);
        changed
    };
    attacks.forged("an amount that is no fill", &amount_of(7), |targets| {
        let (_, fills, _) = exchange_targets(targets);
        vec![(fills[0], F::from_canonical_u64(4))]
    });
    let half = but(&amount_of(1), |witness| {
        witness.authority = order(4, 2);
        witness.account.authorisation = witness.authority.authorisation();
        witness.outputs[0].amount = amount(2);
    });
    attacks.forged("half a fill", &half, |targets| vec![(exchange_targets(targets).1[0], TWO.inverse())]);
    let other_asset = but(&one, |witness| {
        witness.account.vault.set_balance(asset(2), amount(50)).expect("there is room");
        witness.outputs[0].asset = asset(2);
    });
    attacks.lie("a payment in another asset", &other_asset, &[]);

    // With a deposit only, nothing but its range speaks about the rate.
    let deposit = paid(&one, |witness| {
        witness.inputs.remove(0);
        witness.outputs.clear();
    });
    let large = F::from_canonical_u64(1 << RATE_BITS);
    let honest = crate::fixtures::order().fields();
    for fields in [ExchangeFields { pays: large, ..honest }, ExchangeFields { per: large, ..honest }] {
        let authorisation = crate::policy::exchange_authorisation(&fields);
        attacks.forged("a rate beyond its bits", &deposit, move |targets| {
            let (order, ..) = exchange_targets(targets);
            let mut lies = vec![(order.pays, fields.pays), (order.per, fields.per)];
            lies.extend(targets.account.authorisation.0.into_iter().zip(authorisation.0));
            lies
        });
    }
}

#[test]
fn flags_are_booleans() {
    assert_all_refused(&LOCAL, flags);
}

#[test]
fn heights_and_amounts_stay_in_their_bits_where_nothing_else_binds_them() {
    assert_all_refused(&LOCAL, ranges);
}

#[test]
fn a_note_that_is_not_consumed_or_not_made_has_no_effect() {
    assert_all_refused(&LOCAL, notes);
}

#[test]
fn a_lane_stands_at_the_slot_of_its_asset_or_at_an_empty_one() {
    assert_all_refused(&LOCAL, slots);
}

#[test]
fn an_order_is_the_accounts_and_is_filled_by_whole_numbers() {
    assert_all_refused(&NETWORK, orders);
}
