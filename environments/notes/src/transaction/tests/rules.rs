//! What the transaction kernels must refuse, rule by rule.

use circuits_core::secret::Secret;

use super::*;

/// Lies that a kernel must refuse, each with what is wrong in it.
#[derive(Default)]
pub(super) struct Attacks(Vec<(String, Lie)>);

impl Attacks {
    fn of(rules: &[Rule]) -> Self {
        let mut attacks = Self::default();
        rules.iter().for_each(|rule| rule(&mut attacks));
        attacks
    }

    /// A witness that is refused natively with the error of this name.
    pub(super) fn refused(&mut self, error: &str, witness: &TransactionWitness) {
        let result = witness.check().map_err(|found| format!("{found:?}"));
        assert!(matches!(&result, Err(found) if found.starts_with(error)), "{error} expected: {result:?}");
        self.lie(error, witness, &[]);
    }

    /// A valid witness, of which the prover overwrites a part.
    pub(super) fn bound(&mut self, what: &str, witness: &TransactionWitness, overwritten: &[(Location, F)]) {
        assert!(witness.check().is_ok(), "{what}: {:?}", witness.check());
        self.lie(what, witness, overwritten);
    }

    pub(super) fn lie(&mut self, what: &str, witness: &TransactionWitness, overwritten: &[(Location, F)]) {
        self.0.push((what.to_owned(), Lie::new(witness, overwritten)));
    }

    /// As [`Self::lie`], with targets that depend on more than their location.
    pub(super) fn forged(
        &mut self,
        what: &str,
        witness: &TransactionWitness,
        overwritten: impl Fn(&TransactionTargets) -> Vec<(Target, F)> + Send + Sync + 'static,
    ) {
        self.0.push((what.to_owned(), Lie::with(witness, overwritten)));
    }

    pub(super) fn lies(&self) -> impl Iterator<Item = &Lie> {
        self.0.iter().map(|(_, lie)| lie)
    }
}

/// Collects the attacks on one rule.
type Rule = fn(&mut Attacks);

/// The rules of the kernel for local accounts.
const LOCAL_RULES: &[Rule] = &[
    ownership,
    bits,
    amounts,
    conservation,
    openings,
    scripts,
    settlements,
    double_settlements,
    lone::flags,
    lone::ranges,
    lone::notes,
    lone::slots,
    one_slot_per_asset,
    fees,
    super::messages::sent,
];
/// The rules of the kernel for exchange orders that the other kernel does not have.
const EXCHANGE_RULES: &[Rule] = &[exchange, senders, sent_notes, network_fees, double_payments, lone::orders];

/// Everything that the kernel for local accounts must refuse.
pub(super) fn on_local() -> Attacks {
    Attacks::of(LOCAL_RULES)
}

/// Everything that only the kernel for exchange orders must refuse.
pub(super) fn on_exchange() -> Attacks {
    Attacks::of(EXCHANGE_RULES)
}

/// All attacks on a rule fail in-circuit; natively they did when they were collected.
#[track_caller]
pub(super) fn assert_all_refused(kernel: &Compiled<Forged>, rule: Rule) {
    for (what, lie) in Attacks::of(&[rule]).0 {
        assert!(check(kernel, &lie).is_err(), "the circuit accepts: {what}");
    }
}

#[test]
fn the_account_is_its_owners() {
    assert_all_refused(&LOCAL, ownership);
}

#[test]
fn case_44_nonces_amounts_and_heights_stay_in_their_bits() {
    assert_all_refused(&LOCAL, bits);
}

#[test]
fn case_65_no_amount_wraps_the_field() {
    assert_all_refused(&LOCAL, amounts);
}

#[test]
fn case_27_every_asset_moved_is_conserved() {
    assert_all_refused(&LOCAL, conservation);
}

#[test]
fn inputs_are_notes_that_exist_or_are_left_to_the_block() {
    assert_all_refused(&LOCAL, openings);
}

#[test]
fn notes_are_consumed_by_whom_their_scripts_allow() {
    assert_all_refused(&LOCAL, scripts);
}

#[test]
fn a_swap_is_settled_by_the_note_that_it_requests() {
    assert_all_refused(&LOCAL, settlements);
}

#[test]
fn case_68_one_output_does_not_settle_two_requests() {
    let both = both_swaps();
    assert!(check(&LOCAL, &Lie::new(&both, &[])).is_ok());
    let notes = both.notes();
    assert_ne!(notes[0].serial, notes[1].serial, "each settlement names its request");
    assert_all_refused(&LOCAL, double_settlements);
}

#[test]
fn case_70_a_network_account_pays_by_its_policy_only() {
    assert_all_refused(&NETWORK, exchange);
}

#[test]
fn case_88_no_asset_gets_a_second_slot_of_a_vault() {
    assert_all_refused(&LOCAL, one_slot_per_asset);
    // Nor by a deposit in a network account, which anybody can make.
    let [order, ..] = exchanges();
    let lane = order.assets().iter().position(|&moved| moved == asset(0)).unwrap();
    let lie = Lie::with(&order, move |targets| {
        let slots = &targets.lanes[lane].slots;
        vec![(slots[0].target, F::ZERO), (slots[9].target, F::ONE)]
    });
    assert!(check(&NETWORK, &lie).is_err());
}

#[test]
fn case_89_no_transaction_is_free() {
    assert_all_refused(&LOCAL, fees);
    assert_all_refused(&NETWORK, network_fees);
}

fn fees(attacks: &mut Attacks) {
    let locals = Locals::new();
    for honest in [&locals.pays, &locals.takes, &locals.creates, &locals.full, &locals.sends, &locals.owns] {
        let least = honest.least_fee();
        let cheap = but(honest, |witness| witness.fee = amount(least - 1));
        attacks.refused("FeeTooLow", &cheap);
        assert!(but(honest, |witness| witness.fee = amount(least)).check().is_ok());
    }
    // The largest minimum fee, and multiples of it beyond the range of fees.
    let dear = but(&locals.creates, |witness| {
        witness.deployment.minimum_fee = Amount::MAX;
        witness.fee = Amount::MAX;
        witness.inputs[0].note.amount = Amount::MAX;
        witness.inputs[0].membership = None;
    });
    assert!(dear.check().is_ok() && check(&LOCAL, &Lie::new(&dear, &[])).is_ok());
    let script = Script::Pay { target: dear.account.id };
    attacks.refused("FeeTooLow", &but(&dear, |witness| witness.outputs = vec![output(0, 0, script); 4]));

    let nothing = but(&locals.pays, |witness| witness.outputs.clear());
    attacks.refused("MovesNothing", &nothing);
    let free = but(&nothing, |witness| witness.fee = Amount::ZERO);
    attacks.refused("MovesNothing", &free);
}

/// By an order, exactly the fee is paid, and from notes that do nothing else.
fn network_fees(attacks: &mut Attacks) {
    let [one, ..] = exchanges();
    let due = one.fee.get();
    let with = |fee: u64, note: u64| {
        but(&one, |witness| {
            witness.fee = amount(fee);
            witness.inputs[2].note.amount = amount(note);
            witness.inputs[2].membership = None;
        })
    };
    for other in [due - 1, due + 1] {
        attacks.refused("NetworkFee", &with(other, other));
        attacks.refused("FeeInputs", &with(due, other));
    }
    let of_another_asset = but(&with(due, due), |witness| witness.inputs[2].note.asset = asset(1));
    attacks.refused("FeeInputAsset", &of_another_asset);
    let nothing = but(&one, |witness| {
        witness.inputs.clear();
        witness.outputs.clear();
        witness.fee = Amount::ZERO;
    });
    attacks.refused("MovesNothing", &nothing);
    let as_deposit = but(&one, |witness| witness.inputs[2].pays_fee = false);
    attacks.refused("FeeInputs", &as_deposit);
    attacks.forged("a note that pays half of the fee twice", &with(due, due / 2), |targets| {
        vec![(exchange_targets(targets).2[2].target, F::TWO)]
    });
    // Without the note that pays, less is moved, and less is due.
    let less = but(&one, |witness| {
        drop(witness.inputs.pop());
        witness.fee = amount(witness.least_fee());
    });
    let fee = less.fee.to_field();
    attacks.forged("a fee paid by a note that is not consumed", &less, move |targets| {
        let note = &targets.inputs[2].note;
        vec![
            (exchange_targets(targets).2[2].target, F::ONE),
            (note.asset, asset(0).to_field()),
            (note.amount, fee),
        ]
    });
}

#[test]
fn case_68_what_pays_for_a_fill_settles_no_other_input() {
    assert_all_refused(&NETWORK, double_payments);
    // A swap at the order's price is filled by the note that settles it.
    let [one, ..] = exchanges();
    let swap = but(&one, |witness| {
        witness.inputs[0].note.script = Script::Swap { asset: asset(0), amount: amount(12) };
        witness.inputs[0].membership = None;
        witness.outputs[0].settles = Some(0);
    });
    let stated: Vec<F> = circuits_core::layout::Layout::encode(&swap.check().unwrap());
    assert_eq!(check(&NETWORK, &Lie::new(&swap, &[])).unwrap(), stated);
}

/// A swap of the one who fills the order is consumed as a deposit or as the fee, and requests what the order pays him anyway.
fn double_payments(attacks: &mut Attacks) {
    let [one, ..] = exchanges();
    for input in [1, 2] {
        let robbed = but(&one, |witness| {
            witness.inputs[input].note.script = Script::Swap { asset: asset(0), amount: amount(12) };
            witness.inputs[input].membership = None;
            witness.outputs[0].settles = Some(input);
        });
        attacks.refused("SettlesAnother", &robbed);
    }
}

#[test]
fn case_93_no_fill_pays_account_0() {
    assert_all_refused(&NETWORK, senders);
}

fn one_slot_per_asset(attacks: &mut Attacks) {
    let takes = Locals::new().takes;
    assert_eq!(takes.account.vault.slot_for(asset(0)), Some(0));
    let moved: &[(Location, F)] = &[
        (|targets| targets.lanes[0].slots[0].target, F::ZERO),
        (|targets| targets.lanes[0].slots[9].target, F::ONE),
    ];
    attacks.bound("an empty slot although another one holds the asset", &takes, moved);
}

#[test]
fn what_the_account_of_an_order_has_sent_is_taken_back_by_its_owner_only() {
    assert_all_refused(&NETWORK, sent_notes);
    // What it has sent to itself is a deposit like any other.
    let [one, ..] = exchanges();
    let deposit = but(&one, |witness| {
        witness.inputs[1].note.sender = witness.account.id;
        witness.inputs[1].membership = None;
    });
    let stated: Vec<F> = circuits_core::layout::Layout::encode(&deposit.check().unwrap());
    assert_eq!(check(&NETWORK, &Lie::new(&deposit, &[])).unwrap(), stated);
}

/// Whoever trades takes back what the owner has offered in a swap, or sent with a height that has come: as a deposit, or as
/// the fee.
fn sent_notes(attacks: &mut Attacks) {
    let [one, ..] = exchanges();
    let stranger = world().clients[1].id();
    let swap = Script::Swap { asset: asset(1), amount: amount(7) };
    for script in [swap, Script::Reclaim { target: stranger, height: 0 }] {
        for input in [1, 2] {
            let taken_back = but(&one, |witness| {
                let note = &mut witness.inputs[input].note;
                (note.script, note.sender) = (script, witness.account.id);
                witness.inputs[input].membership = None;
            });
            attacks.refused("TakesBack", &taken_back);
        }
    }
}

/// Notes that were messages, or that collected fees, have no sender whom a fill could pay.
fn senders(attacks: &mut Attacks) {
    let [one, ..] = exchanges();
    let unsent = but(&one, |witness| {
        witness.inputs[0].note.sender = Digest::ZERO;
        witness.inputs[0].membership = None;
        witness.outputs[0].script = Script::Pay { target: Digest::ZERO };
    });
    attacks.refused("NoSender", &unsent);
}

fn ownership(attacks: &mut Attacks) {
    let locals = Locals::new();
    let other = Authority::Local { secret: Secret::new(secret(77)) };
    attacks.refused("WrongAuthority", &but(&locals.pays, |witness| witness.authority = other));
    let [order, ..] = exchanges();
    let key = Authority::Local { secret: Secret::new(secret(3)) };
    attacks.refused("WrongAuthority", &but(&order, |witness| witness.authority = key));
    let strange = but(&locals.owns, |witness| {
        let Authority::Owner { order, .. } = witness.authority else { unreachable!("an owner's") };
        witness.authority = Authority::Owner { order, secret: Secret::new(secret(77)) };
    });
    attacks.refused("WrongAuthority", &strange);
    let salted = but(&locals.creates, |witness| witness.salt = Some(secret(77)));
    attacks.refused("WrongAccountId", &salted);
    let rich = locals.pays.account.vault.clone();
    attacks.refused("NewAccountNotEmpty", &but(&locals.creates, |witness| witness.account.vault = rich));
    attacks.refused("NewAccountNotEmpty", &but(&locals.creates, |witness| witness.account.nonce = 1));
}

fn bits(attacks: &mut Attacks) {
    let locals = Locals::new();
    let last = but(&locals.pays, |witness| witness.account.nonce = u32::MAX);
    attacks.refused("NonceExhausted", &last);
    let far = F::from_canonical_u64(1 << 32);
    let pays = &locals.pays;
    attacks.bound("a height of 33 bits", pays, &[(|targets| targets.valid_until, far)]);
    attacks.bound("a height of 33 bits", pays, &[(|targets| targets.not_before, far)]);
}

fn amounts(attacks: &mut Attacks) {
    let locals = Locals::new();
    // Each makes the vault richer by what is negative elsewhere, if ranges are not checked.
    let outputs: [Location; 4] = [
        |targets| targets.outputs[0].note.amount,
        |targets| targets.outputs[1].note.amount,
        |targets| targets.outputs[2].note.amount,
        |targets| targets.outputs[3].note.amount,
    ];
    for location in outputs {
        attacks.bound("a negative output", &locals.full, &[(location, minus(5))]);
    }
    attacks.bound("a negative fee", &locals.full, &[(|targets| targets.fee, minus(1))]);
    let overdrawn = but(&locals.pays, |witness| witness.outputs[0].amount = Amount::MAX);
    attacks.refused("Insufficient", &overdrawn);
    let fee = but(&locals.pays, |witness| witness.fee = Amount::MAX);
    attacks.refused("Insufficient", &fee);
    let rich = but(&locals.takes, |witness| {
        witness.inputs[0].note.amount = Amount::MAX;
        witness.inputs[0].membership = None;
    });
    attacks.refused("Vault(Balance", &rich);
}

fn conservation(attacks: &mut Attacks) {
    let locals = Locals::new();
    let (zero, one) = (F::ZERO, F::ONE);
    let foreign = but(&locals.pays, |witness| witness.outputs[0].asset = asset(3));
    attacks.refused("Insufficient", &foreign);
    let lies: [&[(Location, F)]; 9] = [
        // Outputs and inputs in no lane, in two, or in the lane of another asset.
        &[(|targets| targets.outputs[0].lanes[0].target, zero)],
        &[(|targets| targets.outputs[0].lanes[1].target, one)],
        &[
            (|targets| targets.outputs[0].lanes[0].target, zero),
            (|targets| targets.outputs[0].lanes[1].target, one),
        ],
        &[(|targets| targets.inputs[0].lanes[1].target, one)],
        &[
            (|targets| targets.inputs[0].lanes[0].target, zero),
            (|targets| targets.inputs[0].lanes[1].target, one),
        ],
        // The fee in no lane, or in that of another asset.
        &[(|targets| targets.lanes[0].pays_fee.target, zero)],
        &[
            (|targets| targets.lanes[0].pays_fee.target, zero),
            (|targets| targets.lanes[1].pays_fee.target, one),
        ],
        // A lane in no slot, or in two.
        &[(|targets| targets.lanes[0].slots[0].target, zero)],
        &[(|targets| targets.lanes[0].slots[5].target, one)],
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        attacks.bound(&format!("lie {number}"), &locals.full, lie);
    }
    let moved: &[(Location, F)] = &[
        (|targets| targets.lanes[0].slots[0].target, zero),
        (|targets| targets.lanes[0].slots[1].target, one),
    ];
    attacks.bound("the slot of another asset", &locals.full, moved);
}

fn openings(attacks: &mut Attacks) {
    let locals = Locals::new();
    let takes = &locals.takes;
    let root = but(takes, |witness| witness.notes_root = secret(5));
    attacks.refused("NotUnderRoot", &root);
    let richer = but(takes, |witness| witness.inputs[0].note.amount = amount(11));
    attacks.refused("NotUnderRoot", &richer);
    // Case 23: the same path at an index with one more bit.
    let beyond = but(takes, |witness| {
        if let Some(membership) = &mut witness.inputs[0].membership {
            membership.index += 1 << TREE_DEPTH;
        }
    });
    attacks.refused("NotUnderRoot", &beyond);
    let zero = F::ZERO;
    attacks.bound("an input that is not stated", takes, &[(|targets| targets.inputs[0].used.target, zero)]);
    let both: &[(Location, F)] = &[(|targets| targets.inputs[3].unauthenticated.target, F::ONE)];
    attacks.bound("an unused input that the block finds", takes, both);
}

fn scripts(attacks: &mut Attacks) {
    let locals = Locals::new();
    let stranger = world().clients[2].id();
    let retarget = |witness: &mut TransactionWitness, script| {
        witness.inputs[0].note.script = script;
        witness.inputs[0].membership = None;
    };
    let pay = but(&locals.takes, |witness| retarget(witness, Script::Pay { target: stranger }));
    attacks.refused("NotTheTarget", &pay);
    let reclaim = Script::Reclaim { target: stranger, height: 0 };
    attacks.refused("NotTheTarget", &but(&locals.takes, |witness| retarget(witness, reclaim)));
    attacks.refused("ReclaimTooEarly", &but(&locals.reclaims, |witness| witness.not_before = 49));

    // Nor by calling a script what it is not.
    let (zero, one) = (F::ZERO, F::ONE);
    let lies: [(&TransactionWitness, &[(Location, F)]); 4] = [
        (&locals.takes, &[(|targets| targets.inputs[0].is_swap.target, one)]),
        (&locals.takes, &[(|targets| targets.inputs[0].is_reclaim.target, one)]),
        (&locals.settles, &[(|targets| targets.inputs[0].is_swap.target, zero)]),
        (
            &locals.takes,
            &[
                (|targets| targets.inputs[1].is_swap.target, one),
                (|targets| targets.inputs[1].note.kind, F::from_canonical_u64(3)),
            ],
        ),
    ];
    for (number, (witness, lie)) in lies.into_iter().enumerate() {
        attacks.bound(&format!("lie {number}"), witness, lie);
    }
}

fn settlements(attacks: &mut Attacks) {
    let locals = Locals::new();
    let settles = &locals.settles;
    let stranger = Script::Pay { target: world().clients[2].id() };
    let reclaim = Script::Reclaim { target: world().clients[0].id(), height: 0 };
    attacks.refused("SwapNotSettled", &but(settles, |witness| witness.outputs[0].settles = None));
    attacks.refused("SwapNotSettled", &but(settles, |witness| witness.outputs.clear()));
    attacks.refused("WrongSettlement", &but(settles, |witness| witness.outputs[0].asset = asset(0)));
    attacks.refused("WrongSettlement", &but(settles, |witness| witness.outputs[0].amount = amount(6)));
    attacks.refused("WrongSettlement", &but(settles, |witness| witness.outputs[0].script = stranger));
    attacks.refused("WrongSettlement", &but(settles, |witness| witness.outputs[0].script = reclaim));
    let twice = but(settles, |witness| witness.outputs.push(witness.outputs[0].clone()));
    attacks.refused("SwapNotSettled", &twice);
    let of_nothing = but(&locals.full, |witness| witness.outputs[0].settles = Some(0));
    attacks.refused("NothingToSettle", &of_nothing);
    let of_unused = but(settles, |witness| witness.outputs[0].settles = Some(3));
    attacks.refused("NothingToSettle", &of_unused);

    // Terms that the maker of the swap cannot know would make the payment worthless.
    let terms: [Location; 3] = [
        |targets| targets.outputs[0].note.height,
        |targets| targets.outputs[0].note.requested_asset,
        |targets| targets.outputs[0].note.requested_amount,
    ];
    for location in terms {
        attacks.bound("a settlement with other terms", settles, &[(location, F::TWO)]);
    }
}

/// A transaction that settles two swaps with the same terms by two outputs.
pub(super) fn both_swaps() -> TransactionWitness {
    let mut world = world();
    let zero = world.clients[0].id();
    let swap = Script::Swap { asset: asset(1), amount: amount(7) };
    let inputs = [note(1, 0, 30, swap, zero), note(2, 0, 30, swap, zero)];
    let settlement = |input| Output { settles: Some(input), ..output(1, 7, Script::Pay { target: zero }) };
    let request = world.request(1, &inputs, vec![settlement(0), settlement(1)], 0);
    open(&world, &request)
}

fn double_settlements(attacks: &mut Attacks) {
    let one = but(&both_swaps(), |witness| witness.outputs.truncate(1));
    attacks.refused("SwapNotSettled", &one);
    attacks.lie("one output settles both", &one, &[(|targets| targets.outputs[0].settles[1].target, F::ONE)]);
    let unused: &[(Location, F)] = &[(|targets| targets.outputs[1].settles[1].target, F::ONE)];
    attacks.lie("an output that is not made settles one", &one, unused);
}

fn exchange(attacks: &mut Attacks) {
    let [one, three, _] = exchanges();
    let thief = Script::Pay { target: world().clients[1].id() };
    let zero = world().clients[0].id();
    let reclaim = Script::Reclaim { target: zero, height: 0 };
    let unpaid = |witness: &mut TransactionWitness, note: Note| {
        witness.inputs[0].note = note;
        witness.inputs[0].membership = None;
    };
    let order = Script::Pay { target: one.account.id };
    let cases = [
        ("NotAFill", paid(&one, |witness| unpaid(witness, note(1, 1, 7, order, zero)))),
        ("NotAFill", paid(&one, |witness| unpaid(witness, note(1, 2, 8, order, zero)))),
        ("NotThePayment", paid(&one, |witness| witness.outputs[0].amount = amount(13))),
        ("NotThePayment", paid(&one, |witness| witness.outputs[0].amount = amount(11))),
        ("NotThePayment", paid(&one, |witness| witness.outputs[0].script = thief)),
        ("NotThePayment", paid(&one, |witness| witness.outputs[0].script = reclaim)),
        ("NotThePayment", paid(&one, |witness| witness.outputs[0].asset = asset(1))),
        ("NotThePayment", paid(&one, |witness| witness.outputs.clear())),
        ("NotThePayment", paid(&one, |witness| witness.outputs.push(output(0, 5, thief)))),
        ("NotThePayment", paid(&one, |witness| witness.inputs.remove(0).note.amount = amount(0))),
        ("NotThePayment", paid(&three, |witness| drop(witness.inputs.remove(2)))),
    ];
    for (error, witness) in cases {
        attacks.refused(error, &witness);
    }
    let half = F::TWO.inverse();
    let fraction: &[(Location, F)] = &[
        (|targets| targets.inputs[0].note.amount, F::ONE),
        (|targets| exchange_targets(targets).1[0], half),
    ];
    attacks.bound("half a fill", &one, fraction);
    let terms: [Location; 3] = [
        |targets| targets.outputs[0].note.height,
        |targets| targets.outputs[0].note.requested_asset,
        |targets| targets.outputs[0].note.requested_amount,
    ];
    for location in terms {
        attacks.bound("a payment with other terms", &one, &[(location, F::TWO)]);
    }
    // Nor under another order.
    let terms = crate::policy::ExchangeTerms { pays: 4, ..crate::fixtures::order().terms() };
    let better = crate::policy::ExchangeOrder::new(terms);
    let authority = Authority::Exchange { order: better.unwrap() };
    attacks.refused("NotThePayment", &{
        let mut witness = one.clone();
        witness.account.authorisation = authority.authorisation();
        witness.authority = authority;
        witness
    });
    attacks.refused("WrongAuthority", &but(&one, |witness| witness.authority = authority));
}
