//! The rules of the transaction kernels, each broken alone: natively, and in-circuit by a prover who fills in what he
//! likes.

use std::sync::LazyLock;

use circuits::{
    Builder, Compiled, Definition, Digest, F, Witness,
    amount::Amount,
    forging::{Kit, check},
    layout::WitnessError,
    recursion::Shape,
    trees::IndexTree,
};
use plonky2::{field::types::Field, iop::target::Target, plonk::circuit_data::CircuitConfig};

use super::*;
use crate::{
    EnvironmentId,
    kernel::ProducerSecret,
    notes::{
        fixtures::{EXCHANGE, NEWCOMER, World, amount, asset, secret},
        state::TREE_DEPTH,
    },
};

/// A transaction kernel whose prover overwrites targets after an honest prover has filled them.
struct Forged(TransactionKernel);

/// Which target to overwrite.
type Place = fn(&TransactionTargets) -> Target;

/// A witness, and what its prover overwrites.
#[derive(Clone)]
struct Lie {
    witness: TransactionWitness,
    overwritten: Vec<(Place, F)>,
}

impl Lie {
    fn new(witness: &TransactionWitness, overwritten: &[(Place, F)]) -> Self {
        Self { witness: witness.clone(), overwritten: overwritten.to_vec() }
    }
}

impl Definition for Forged {
    type Statement = TransactionStatement<Target>;
    type NativeStatement = TransactionStatement;
    type Targets = TransactionTargets;
    type Input = Lie;

    fn name(&self) -> String {
        format!("forged-{}", self.0.name())
    }

    fn config(&self) -> CircuitConfig {
        self.0.config()
    }

    fn shape(&self) -> Option<&Shape> {
        self.0.shape()
    }

    fn define(&self, builder: &mut Builder) -> (Self::Statement, Self::Targets) {
        self.0.define(builder)
    }

    fn assign(
        &self,
        targets: &TransactionTargets,
        input: &Lie,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        self.0.assign(targets, &input.witness, witness)?;
        for &(place, value) in &input.overwritten {
            witness.target_values.insert(place(targets), value);
        }
        Ok(())
    }
}

static LOCAL: LazyLock<Compiled<Forged>> =
    LazyLock::new(|| Compiled::new(Forged(TransactionKernel::Local)).unwrap());
static NETWORK: LazyLock<Compiled<Forged>> =
    LazyLock::new(|| Compiled::new(Forged(TransactionKernel::Exchange)).unwrap());

fn world() -> World {
    World::new(7, EnvironmentId::new(5).unwrap(), ProducerSecret::new(Digest::ZERO))
}

/// The request with its inputs opened in a tree of their own.
fn open(world: &World, request: &Request) -> TransactionWitness {
    let index_of =
        |note: &Note| 5 + request.inputs.iter().position(|input| input.note == *note).unwrap() as u64;
    let mut tree = IndexTree::new(TREE_DEPTH);
    for input in &request.inputs {
        tree.set(index_of(&input.note), input.note.commitment()).unwrap();
    }
    TransactionWitness::new(*world.environment.deployment(), request, tree.root(), |note| {
        let index = index_of(note);
        Some(Membership { index, path: tree.path(index) })
    })
}

fn output(of: u32, value: u64, script: Script) -> Output {
    Output { asset: asset(of), amount: amount(value), script, settles: None }
}

/// A note of `sender`, numbered.
fn note(n: u64, of: u32, value: u64, script: Script, sender: Digest) -> Note {
    Note { asset: asset(of), amount: amount(value), script, sender, serial: secret(1000 + n) }
}

/// Valid transactions of local accounts.
struct Locals {
    /// Client 0 pays, lets reclaim and offers a swap: no inputs, three outputs, a fee.
    pays: TransactionWitness,
    /// Client 1 takes a payment, opened, and a reclaimable note, unauthenticated.
    takes: TransactionWitness,
    /// Client 0 reclaims.
    reclaims: TransactionWitness,
    /// Client 1 settles a swap of client 0.
    settles: TransactionWitness,
    /// Client 0 takes its swap note back.
    takes_back: TransactionWitness,
    /// A new account takes its first note.
    creates: TransactionWitness,
    /// Four inputs, outputs and assets.
    full: TransactionWitness,
}

impl Locals {
    fn new() -> Self {
        let mut world = world();
        let [zero, one, newcomer] = [0, 1, NEWCOMER].map(|client| world.clients[client].id());
        let scripts = [
            Script::Pay { target: one },
            Script::Reclaim { target: one, height: 50 },
            Script::Swap { asset: asset(1), amount: amount(7) },
        ];
        let outputs = vec![output(0, 10, scripts[0]), output(1, 20, scripts[1]), output(0, 30, scripts[2])];
        let pays = world.request(0, &[], outputs, 2);
        let notes = world.notes(&pays);
        let pays = open(&world, &pays);

        let takes = world.request(1, &notes[..2], vec![], 1);
        let mut takes = open(&world, &takes);
        takes.inputs[1].membership = None;

        let mut reclaims = world.request(0, &notes[1..2], vec![], 0);
        reclaims.not_before = 50;
        let reclaims = open(&world, &reclaims);

        let mut settlement = output(1, 7, Script::Pay { target: zero });
        settlement.settles = Some(0);
        let settles = world.request(1, &notes[2..], vec![settlement], 0);
        let settles = open(&world, &settles);

        let takes_back = world.request(0, &notes[2..], vec![], 0);
        let takes_back = open(&world, &takes_back);

        let first = note(1, 0, 10, Script::Pay { target: newcomer }, zero);
        let creates = world.request(NEWCOMER, &[first], vec![], 0);
        let creates = open(&world, &creates);

        let inputs: Vec<_> = (0..4)
            .map(|n| note(10 + u64::from(n), n, 100 + u64::from(n), Script::Pay { target: one }, zero))
            .collect();
        let outputs = (0..4).map(|n| output(n, 90, Script::Pay { target: zero })).collect();
        let full = world.request(1, &inputs, outputs, 1);
        let full = open(&world, &full);
        Self { pays, takes, reclaims, settles, takes_back, creates, full }
    }

    fn all(&self) -> Vec<Lie> {
        let Self { pays, takes, reclaims, settles, takes_back, creates, full } = self;
        [pays, takes, reclaims, settles, takes_back, creates, full]
            .map(|witness| Lie::new(witness, &[]))
            .to_vec()
    }
}

/// Valid transactions of the exchange order: a fill with a deposit, and four fills. It pays 3 of asset 0 per 2 of asset 1.
fn exchanges() -> [TransactionWitness; 2] {
    let mut world = world();
    let (zero, order) = (world.clients[0].id(), world.clients[EXCHANGE].id());
    let to_order = Script::Pay { target: order };
    let payment = |value| output(0, value, Script::Pay { target: zero });
    let inputs = [note(1, 1, 8, to_order, zero), note(2, 0, 100, to_order, zero)];
    let one = world.request(EXCHANGE, &inputs, vec![payment(12)], 0);
    let one = open(&world, &one);
    let inputs: Vec<_> = (1..=4).map(|n| note(10 + n, 1, 2 * n, to_order, zero)).collect();
    let four = world.request(EXCHANGE, &inputs, (1..=4).map(|n| payment(3 * n)).collect(), 0);
    [one, open(&world, &four)]
}

/// A changed copy.
fn but(witness: &TransactionWitness, change: impl FnOnce(&mut TransactionWitness)) -> TransactionWitness {
    let mut changed = witness.clone();
    change(&mut changed);
    changed
}

/// The witness is refused natively with the error of this name, and in-circuit.
fn assert_refused(kernel: &Compiled<Forged>, error: &str, witness: &TransactionWitness) {
    let result = witness.check().map_err(|found| format!("{found:?}"));
    assert!(matches!(&result, Err(found) if found.starts_with(error)), "{error} expected: {result:?}");
    assert!(check(kernel, &Lie::new(witness, &[])).is_err(), "{error} is not enforced in-circuit");
}

/// The witness is valid, and what the prover overwrites is refused.
fn assert_bound(kernel: &Compiled<Forged>, what: &str, witness: &TransactionWitness, lies: &[(Place, F)]) {
    assert!(witness.check().is_ok(), "{what}: {:?}", witness.check());
    assert!(check(kernel, &Lie::new(witness, &[])).is_ok(), "{what}: the honest prover is refused");
    assert!(check(kernel, &Lie::new(witness, lies)).is_err(), "{what}: the circuit accepts it");
}

fn minus(value: u64) -> F {
    -F::from_canonical_u64(value)
}

#[test]
fn valid_transactions_have_the_same_statement_natively_and_in_circuit() {
    let exchanges = exchanges().map(|witness| Lie::new(&witness, &[]));
    let locals = Locals::new().all();
    for (kernel, lies) in [(&LOCAL, locals), (&NETWORK, exchanges.to_vec())] {
        for lie in &lies {
            let stated: Vec<F> = circuits::layout::Layout::encode(&lie.witness.check().unwrap());
            assert_eq!(check(kernel, lie).unwrap(), stated);
        }
    }
}

#[test]
fn the_account_is_its_owners() {
    let locals = Locals::new();
    let other = Authority::Local { secret: secret(77) };
    assert_refused(&LOCAL, "WrongAuthority", &but(&locals.pays, |witness| witness.authority = other));
    let salted = but(&locals.creates, |witness| witness.salt = Some(secret(77)));
    assert_refused(&LOCAL, "WrongAccountId", &salted);
    let rich = locals.pays.account.vault.clone();
    assert_refused(
        &LOCAL,
        "NewAccountNotEmpty",
        &but(&locals.creates, |witness| witness.account.vault = rich),
    );
    assert_refused(&LOCAL, "NewAccountNotEmpty", &but(&locals.creates, |witness| witness.account.nonce = 1));
}

#[test]
fn case_44_nonces_amounts_and_heights_stay_in_their_bits() {
    let locals = Locals::new();
    let last = but(&locals.pays, |witness| witness.account.nonce = u32::MAX);
    assert_refused(&LOCAL, "NonceExhausted", &last);
    let far = F::from_canonical_u64(1 << 32);
    let pays = &locals.pays;
    assert_bound(&LOCAL, "a height of 33 bits", pays, &[(|targets| targets.valid_until, far)]);
    assert_bound(&LOCAL, "a height of 33 bits", pays, &[(|targets| targets.not_before, far)]);
}

#[test]
fn case_65_no_amount_wraps_the_field() {
    let locals = Locals::new();
    // Each makes the vault richer by what is negative elsewhere, if ranges are not checked.
    let outputs: [Place; 4] = [
        |targets| targets.outputs[0].note.amount,
        |targets| targets.outputs[1].note.amount,
        |targets| targets.outputs[2].note.amount,
        |targets| targets.outputs[3].note.amount,
    ];
    for place in outputs {
        assert_bound(&LOCAL, "a negative output", &locals.full, &[(place, minus(5))]);
    }
    assert_bound(&LOCAL, "a negative fee", &locals.full, &[(|targets| targets.fee, minus(1))]);
    let overdrawn = but(&locals.pays, |witness| witness.outputs[0].amount = Amount::MAX);
    assert_refused(&LOCAL, "Insufficient", &overdrawn);
    let fee = but(&locals.pays, |witness| witness.fee = Amount::MAX);
    assert_refused(&LOCAL, "Insufficient", &fee);
    let rich = but(&locals.takes, |witness| {
        witness.inputs[0].note.amount = Amount::MAX;
        witness.inputs[0].membership = None;
    });
    assert_refused(&LOCAL, "Vault(Balance", &rich);
}

#[test]
fn case_27_every_asset_moved_is_conserved() {
    let locals = Locals::new();
    let (zero, one) = (F::ZERO, F::ONE);
    let foreign = but(&locals.pays, |witness| witness.outputs[0].asset = asset(3));
    assert_refused(&LOCAL, "Insufficient", &foreign);
    let lies: [&[(Place, F)]; 9] = [
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
        assert_bound(&LOCAL, &format!("lie {number}"), &locals.full, lie);
    }
    let moved: &[(Place, F)] = &[
        (|targets| targets.lanes[0].slots[0].target, zero),
        (|targets| targets.lanes[0].slots[1].target, one),
    ];
    assert_bound(&LOCAL, "the slot of another asset", &locals.full, moved);
}

#[test]
fn inputs_are_notes_that_exist_or_are_left_to_the_block() {
    let locals = Locals::new();
    let takes = &locals.takes;
    let root = but(takes, |witness| witness.notes_root = secret(5));
    assert_refused(&LOCAL, "NotUnderRoot", &root);
    let richer = but(takes, |witness| witness.inputs[0].note.amount = amount(11));
    assert_refused(&LOCAL, "NotUnderRoot", &richer);
    // Case 23: the same path at an index with one more bit.
    let beyond = but(takes, |witness| {
        if let Some(membership) = &mut witness.inputs[0].membership {
            membership.index += 1 << TREE_DEPTH;
        }
    });
    assert_refused(&LOCAL, "NotUnderRoot", &beyond);
    let zero = F::ZERO;
    assert_bound(
        &LOCAL,
        "an input that is not stated",
        takes,
        &[(|targets| targets.inputs[0].used.target, zero)],
    );
    let both: &[(Place, F)] = &[(|targets| targets.inputs[3].unauthenticated.target, F::ONE)];
    assert_bound(&LOCAL, "an unused input that the block finds", takes, both);
}

#[test]
fn notes_are_consumed_by_whom_their_scripts_allow() {
    let locals = Locals::new();
    let stranger = world().clients[2].id();
    let retarget = |witness: &mut TransactionWitness, script| {
        witness.inputs[0].note.script = script;
        witness.inputs[0].membership = None;
    };
    let pay = but(&locals.takes, |witness| retarget(witness, Script::Pay { target: stranger }));
    assert_refused(&LOCAL, "NotTheTarget", &pay);
    let reclaim = Script::Reclaim { target: stranger, height: 0 };
    assert_refused(&LOCAL, "NotTheTarget", &but(&locals.takes, |witness| retarget(witness, reclaim)));
    assert_refused(&LOCAL, "ReclaimTooEarly", &but(&locals.reclaims, |witness| witness.not_before = 49));

    // Nor by calling a script what it is not.
    let (zero, one) = (F::ZERO, F::ONE);
    let lies: [(&TransactionWitness, &[(Place, F)]); 4] = [
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
        assert_bound(&LOCAL, &format!("lie {number}"), witness, lie);
    }
}

#[test]
fn a_swap_is_settled_by_the_note_that_it_requests() {
    let locals = Locals::new();
    let settles = &locals.settles;
    let stranger = Script::Pay { target: world().clients[2].id() };
    let reclaim = Script::Reclaim { target: world().clients[0].id(), height: 0 };
    assert_refused(&LOCAL, "SwapNotSettled", &but(settles, |witness| witness.outputs[0].settles = None));
    assert_refused(&LOCAL, "SwapNotSettled", &but(settles, |witness| witness.outputs.clear()));
    assert_refused(&LOCAL, "WrongSettlement", &but(settles, |witness| witness.outputs[0].asset = asset(0)));
    assert_refused(&LOCAL, "WrongSettlement", &but(settles, |witness| witness.outputs[0].amount = amount(6)));
    assert_refused(&LOCAL, "WrongSettlement", &but(settles, |witness| witness.outputs[0].script = stranger));
    assert_refused(&LOCAL, "WrongSettlement", &but(settles, |witness| witness.outputs[0].script = reclaim));
    let twice = but(settles, |witness| witness.outputs.push(witness.outputs[0].clone()));
    assert_refused(&LOCAL, "SwapNotSettled", &twice);
    let of_nothing = but(&locals.full, |witness| witness.outputs[0].settles = Some(0));
    assert_refused(&LOCAL, "NothingToSettle", &of_nothing);
    let of_unused = but(settles, |witness| witness.outputs[0].settles = Some(3));
    assert_refused(&LOCAL, "NothingToSettle", &of_unused);

    // Terms that the maker of the swap cannot know would make the payment worthless.
    let terms: [Place; 3] = [
        |targets| targets.outputs[0].note.height,
        |targets| targets.outputs[0].note.requested_asset,
        |targets| targets.outputs[0].note.requested_amount,
    ];
    for place in terms {
        assert_bound(&LOCAL, "a settlement with other terms", settles, &[(place, F::TWO)]);
    }
}

#[test]
fn case_68_one_output_does_not_settle_two_requests() {
    let mut world = world();
    let zero = world.clients[0].id();
    let swap = Script::Swap { asset: asset(1), amount: amount(7) };
    let inputs = [note(1, 0, 30, swap, zero), note(2, 0, 30, swap, zero)];
    let settlement = |input| Output { settles: Some(input), ..output(1, 7, Script::Pay { target: zero }) };
    let request = world.request(1, &inputs, vec![settlement(0), settlement(1)], 0);
    let both = open(&world, &request);
    assert!(check(&LOCAL, &Lie::new(&both, &[])).is_ok());
    let one = but(&both, |witness| witness.outputs.truncate(1));
    assert_refused(&LOCAL, "SwapNotSettled", &one);
    let claimed: &[(Place, F)] = &[(|targets| targets.outputs[0].settles[1].target, F::ONE)];
    assert!(check(&LOCAL, &Lie::new(&one, claimed)).is_err(), "one output settles both");
    let unused: &[(Place, F)] = &[(|targets| targets.outputs[1].settles[1].target, F::ONE)];
    assert!(check(&LOCAL, &Lie::new(&one, unused)).is_err(), "an output that is not made settles one");
    let notes = both.notes();
    assert_ne!(notes[0].serial, notes[1].serial, "each settlement names its request");
}

#[test]
fn case_22_a_note_has_one_nullifier_whoever_consumes_it() {
    let locals = Locals::new();
    let by_target = locals.takes.check().unwrap().nullifiers[1];
    let by_sender = locals.reclaims.check().unwrap().nullifiers[0];
    assert_eq!(locals.takes.inputs[1].note, locals.reclaims.inputs[0].note);
    assert_eq!(by_target, by_sender);
    assert_eq!(
        locals.settles.check().unwrap().nullifiers[0],
        locals.takes_back.check().unwrap().nullifiers[0]
    );
}

#[test]
fn case_71_a_sender_cannot_make_two_notes_with_one_nullifier() {
    let locals = Locals::new();
    let twice = but(&locals.pays, |witness| witness.outputs[1] = witness.outputs[0].clone());
    let (first, second) = (twice.notes()[0], twice.notes()[1]);
    assert_ne!(first.nullifier(), second.nullifier(), "outputs of one transaction have their own serials");
    let later = but(&locals.pays, |witness| witness.account.nonce += 1);
    assert_ne!(later.notes()[0].nullifier(), locals.pays.notes()[0].nullifier());
    // The circuit computes serials from account, nonce and position: it states what the native twin does.
    let stated: Vec<F> = circuits::layout::Layout::encode(&twice.check().unwrap());
    assert_eq!(check(&LOCAL, &Lie::new(&twice, &[])).unwrap(), stated);
}

#[test]
fn case_70_a_network_account_pays_by_its_policy_only() {
    let [one, four] = exchanges();
    let thief = Script::Pay { target: world().clients[1].id() };
    let zero = world().clients[0].id();
    let reclaim = Script::Reclaim { target: zero, height: 0 };
    let unpaid = |witness: &mut TransactionWitness, note: Note| {
        witness.inputs[0].note = note;
        witness.inputs[0].membership = None;
    };
    let order = Script::Pay { target: one.account.id };
    let cases = [
        ("NetworkFee", but(&one, |witness| witness.fee = amount(1))),
        ("NotAFill", but(&one, |witness| unpaid(witness, note(1, 1, 7, order, zero)))),
        ("NotAFill", but(&one, |witness| unpaid(witness, note(1, 2, 8, order, zero)))),
        ("NotThePayment", but(&one, |witness| witness.outputs[0].amount = amount(13))),
        ("NotThePayment", but(&one, |witness| witness.outputs[0].amount = amount(11))),
        ("NotThePayment", but(&one, |witness| witness.outputs[0].script = thief)),
        ("NotThePayment", but(&one, |witness| witness.outputs[0].script = reclaim)),
        ("NotThePayment", but(&one, |witness| witness.outputs[0].asset = asset(1))),
        ("NotThePayment", but(&one, |witness| witness.outputs.clear())),
        ("NotThePayment", but(&one, |witness| witness.outputs.push(output(0, 5, thief)))),
        ("NotThePayment", but(&one, |witness| witness.inputs.remove(0).note.amount = amount(0))),
        ("NotThePayment", but(&four, |witness| drop(witness.inputs.pop()))),
    ];
    for (error, witness) in cases {
        assert_refused(&NETWORK, error, &witness);
    }
    let half = F::TWO.inverse();
    let fraction: &[(Place, F)] = &[
        (|targets| targets.inputs[0].note.amount, F::ONE),
        (
            |targets| match &targets.authority {
                circuit::AuthorityTargets::Exchange { fills, .. } => fills[0],
                circuit::AuthorityTargets::Local { secret } => secret.0[0],
            },
            half,
        ),
    ];
    assert_bound(&NETWORK, "half a fill", &one, fraction);
    let terms: [Place; 3] = [
        |targets| targets.outputs[0].note.height,
        |targets| targets.outputs[0].note.requested_asset,
        |targets| targets.outputs[0].note.requested_amount,
    ];
    for place in terms {
        assert_bound(&NETWORK, "a payment with other terms", &one, &[(place, F::TWO)]);
    }
    // Nor under another order, nor by a key.
    let better = crate::notes::policy::ExchangeOrder::new(crate::notes::policy::ExchangeTerms {
        gives: asset(0),
        takes: asset(1),
        pays: 4,
        per: 2,
    });
    let authority = Authority::Exchange { order: better.unwrap() };
    assert_refused(&NETWORK, "NotThePayment", &{
        let mut witness = one.clone();
        witness.account.authorisation = authority.authorisation();
        witness.authority = authority;
        witness
    });
    assert_refused(&NETWORK, "WrongAuthority", &but(&one, |witness| witness.authority = authority));
    let key = Authority::Local { secret: secret(3) };
    assert_refused(&LOCAL, "WrongAuthority", &but(&one, |witness| witness.authority = key));
}

#[test]
fn the_local_kernel_withstands_the_forging_kit() {
    let honest = Locals::new().all();
    Kit::new(&LOCAL)
        .inputs(&honest)
        .masked("parts of inputs, outputs and lanes that a transaction does not use")
        .proofs(1)
        .run()
        .assert_sound();
}

#[test]
fn the_exchange_kernel_withstands_the_forging_kit() {
    let honest = exchanges().map(|witness| Lie::new(&witness, &[]));
    Kit::new(&NETWORK)
        .inputs(&honest)
        .masked("parts of inputs, outputs and lanes that a transaction does not use")
        .proofs(1)
        .run()
        .assert_sound();
}
