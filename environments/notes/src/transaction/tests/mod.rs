//! The rules of the transaction kernels, each broken alone: natively, and in-circuit by a prover that fills in what it
//! likes.

mod lone;
mod messages;
mod rules;

use std::sync::{Arc, LazyLock};

use circuits_core::{
    Builder, Compiled, Definition, Digest, F, Witness, amount::Amount, layout::WitnessError,
    recursion::Shape, trees::IndexTree,
};
use circuits_forging::{Exception, Kind, Kit, Mutator, check};
use environments_core::{EnvironmentId, kernel::ProducerSecret};
use plonky2::{
    field::types::Field,
    iop::target::{BoolTarget, Target},
    plonk::circuit_data::CircuitConfig,
};

use super::{circuit::targets::AuthorityTargets, emission::Emission, *};
use crate::{
    fixtures::{EXCHANGE, HOME, NETWORK_MINIMUM_FEE, NEWCOMER, World, amount, asset, emission, secret},
    note::{Membership, Note, Script},
    policy::ExchangeFields,
    state::TREE_DEPTH,
    tests::{NO_NEW_ACCOUNT, OPENED, UNSPENDABLE},
};

/// Why a class may be free with some inputs.
const UNUSED: &str = "parts of inputs, outputs and lanes that a transaction does not use";

/// A transaction kernel whose prover overwrites targets after an honest prover has filled them.
struct Forged(TransactionKernel);

/// Which target to overwrite.
type Location = fn(&TransactionTargets) -> Target;

/// What a prover overwrites.
type Overwritten = dyn Fn(&TransactionTargets) -> Vec<(Target, F)> + Send + Sync;

/// A witness, and what its prover overwrites.
#[derive(Clone)]
struct Lie {
    witness: TransactionWitness,
    overwritten: Arc<Overwritten>,
}

impl Lie {
    fn new(witness: &TransactionWitness, overwritten: &[(Location, F)]) -> Self {
        let overwritten = overwritten.to_vec();
        Self::with(witness, move |targets| {
            overwritten.iter().map(|&(location, value)| (location(targets), value)).collect()
        })
    }

    fn with(
        witness: &TransactionWitness,
        overwritten: impl Fn(&TransactionTargets) -> Vec<(Target, F)> + Send + Sync + 'static,
    ) -> Self {
        Self { witness: witness.clone(), overwritten: Arc::new(overwritten) }
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
        witness.target_values.extend((input.overwritten)(targets));
        Ok(())
    }
}

static LOCAL: LazyLock<Compiled<Forged>> =
    LazyLock::new(|| Compiled::new(Forged(TransactionKernel::Local)).unwrap());
static NETWORK: LazyLock<Compiled<Forged>> =
    LazyLock::new(|| Compiled::new(Forged(TransactionKernel::Exchange)).unwrap());

fn world() -> World {
    World::new(7, HOME, ProducerSecret::new(Digest::ZERO))
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

/// What some transactions pay more than they must, so that lies which move more break no rule but their own.
const TIP: u64 = 5;

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
    /// Client 0 pays, and sends a message in the asset that fees are paid in.
    sends: TransactionWitness,
    /// The owner of the exchange order takes out what it gives.
    owns: TransactionWitness,
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
        let pays = world.request(0, &[], outputs, TIP);
        let notes = world.notes(&pays);
        let pays = open(&world, &pays);

        let takes = world.request(1, &notes[..2], vec![], TIP);
        let mut takes = open(&world, &takes);
        takes.inputs[1].membership = None;

        let mut reclaims = world.request(0, &notes[1..2], vec![], 0);
        reclaims.not_before = 50;
        let reclaims = open(&world, &reclaims);

        let mut settlement = output(1, 7, Script::Pay { target: zero });
        settlement.settles = Some(0);
        let settles = world.request(1, &notes[2..], vec![settlement], TIP);
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

        let send = Some(Emission { data: secret(6), ..emission(0, 40) });
        let outputs = vec![output(1, 20, Script::Pay { target: one })];
        let sends = world.request_with(0, &[], outputs, send, TIP);
        let sends = open(&world, &sends);

        let owns = world.own(&[], vec![output(0, 500, Script::Pay { target: zero })], None, 3);
        let owns = open(&world, &owns);
        Self { pays, takes, reclaims, settles, takes_back, creates, full, sends, owns }
    }

    fn all(&self) -> Vec<Lie> {
        let Self { pays, takes, reclaims, settles, takes_back, creates, full, sends, owns } = self;
        [pays, takes, reclaims, settles, takes_back, creates, full, sends, owns]
            .map(|witness| Lie::new(witness, &[]))
            .to_vec()
    }
}

/// Valid transactions of the exchange order, which pays 3 of asset 0 per 2 of asset 1: a fill with a deposit, three fills, and
/// four fills where no fee is due.
fn exchanges() -> [TransactionWitness; 3] {
    let mut world = world();
    let (zero, order) = (world.clients[0].id(), world.clients[EXCHANGE].id());
    let to_order = Script::Pay { target: order };
    let payment = |value| output(0, value, Script::Pay { target: zero });
    let fee = |n, moved| note(n, 0, moved * NETWORK_MINIMUM_FEE, to_order, zero);
    let inputs = [note(1, 1, 8, to_order, zero), note(2, 0, 100, to_order, zero)];
    let one = world.trade(&inputs, &[fee(3, 4)], vec![payment(12)]);
    let one = open(&world, &one);
    let fills: Vec<_> = (1..=4).map(|n| note(10 + n, 1, 2 * n, to_order, zero)).collect();
    let payments: Vec<_> = (1..=4).map(|n| payment(3 * n)).collect();
    let three = world.trade(&fills[..3], &[fee(20, 7)], payments[..3].to_vec());
    let three = open(&world, &three);
    let four = world.trade(&fills, &[], payments);
    let four = but(&open(&world, &four), |witness| witness.deployment.network_minimum_fee = Amount::ZERO);
    [one, three, four]
}

/// The targets of an order, of its fills and of the inputs that pay the fee.
fn exchange_targets(
    targets: &TransactionTargets,
) -> (&ExchangeFields<Target>, &[Target; MAX_INPUTS], &[BoolTarget; MAX_INPUTS]) {
    match &targets.authority {
        AuthorityTargets::Exchange { order, fills, pays_fee } => (order, fills, pays_fee),
        AuthorityTargets::Local { .. } => {
            unreachable!("orders are attacked in the kernel that has them")
        }
    }
}

/// A changed copy.
fn but(witness: &TransactionWitness, change: impl FnOnce(&mut TransactionWitness)) -> TransactionWitness {
    let mut changed = witness.clone();
    change(&mut changed);
    changed
}

/// A changed copy of a transaction by the exchange order, which pays what it then must.
fn paid(witness: &TransactionWitness, change: impl FnOnce(&mut TransactionWitness)) -> TransactionWitness {
    but(witness, |witness| {
        change(witness);
        witness.fee = amount(witness.least_fee());
        for input in witness.inputs.iter_mut().filter(|input| input.pays_fee) {
            input.note.amount = witness.fee;
            input.membership = None;
        }
    })
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
            let stated: Vec<F> = circuits_core::layout::Layout::encode(&lie.witness.check().unwrap());
            assert_eq!(check(kernel, lie).unwrap(), stated);
        }
    }
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
    let stated: Vec<F> = circuits_core::layout::Layout::encode(&twice.check().unwrap());
    assert_eq!(check(&LOCAL, &Lie::new(&twice, &[])).unwrap(), stated);
}

#[test]
fn the_local_kernel_withstands_the_forging_kit() {
    let honest = Locals::new().all();
    Kit::new(&LOCAL)
        .inputs(&honest)
        .masked(UNUSED)
        .except(Exception::fields(Kind::Unranged, &["account.nonce", "vault_slot"], OPENED))
        .except(Exception::fields(
            Kind::Unranged,
            &["OutputFields.kind", "OutputFields.requested_asset", "OutputFields.requested_amount"],
            UNSPENDABLE,
        ))
        .except(Exception::fields(
            Kind::Unranged,
            &["NoteFields.requested_asset", "NoteFields.requested_amount"],
            "the note was made with it, and nothing that settles it is worth so much",
        ))
        .except(Exception::fields(
            Kind::Together,
            &["unauthenticated"],
            "an input is left to the block whatever else is used, and the statement then has its commitment",
        ))
        .proofs(1)
        .run()
        .assert_sound();
}

#[test]
fn the_exchange_kernel_withstands_the_forging_kit() {
    let honest = exchanges().map(|witness| Lie::new(&witness, &[]));
    Kit::new(&NETWORK)
        .inputs(&honest)
        .masked(UNUSED)
        .except(Exception::fields(Kind::Unranged, &["account.nonce", "vault_slot"], OPENED))
        .except(Exception::fields(Kind::Unstated, &["salt"], NO_NEW_ACCOUNT))
        .proofs(1)
        .run()
        .assert_sound();
}

#[test]
fn every_assertion_of_the_local_kernel_is_needed() {
    let attacks = rules::on_local();
    Mutator::new(&Forged(TransactionKernel::Local))
        .honest(&Locals::new().all())
        .dishonest(attacks.lies())
        .masked(UNUSED)
        .by_line()
        .run()
        .assert_complete();
}

#[test]
fn every_assertion_of_the_exchange_kernel_is_needed() {
    let attacks = rules::on_exchange();
    Mutator::new(&Forged(TransactionKernel::Exchange))
        .honest(&exchanges().map(|witness| Lie::new(&witness, &[])))
        .dishonest(attacks.lies())
        .masked(UNUSED)
        .by_line()
        // What both kernels assert is attacked in the other one.
        .elsewhere("environments/notes/src/transaction/circuit/account.rs")
        .elsewhere("environments/notes/src/transaction/circuit/targets.rs")
        .elsewhere("environments/notes/src/transaction/circuit/inputs.rs")
        .elsewhere("environments/notes/src/transaction/circuit/outputs.rs")
        .elsewhere("environments/notes/src/transaction/circuit/conservation.rs")
        .elsewhere("environments/notes/src/transaction/circuit/mod.rs")
        .run()
        .assert_complete();
}
