//! Each rule of the transaction kernels, natively and in-circuit.

use std::sync::Arc;

use circuits_core::{Compiled, Digest, amount::Amount, layout::Layout, secret::Secret};
use circuits_forging::{
    Exception, Kind, Kit, assert_accepts, assert_rejects, assert_rejects_by_prover, fixtures::cache,
};
use environments_core::Environment;
use plonky2::field::types::Field;

use super::{NO_NEW_ACCOUNT, NO_OWNER, OPENED, UNSPENDABLE, world};
use crate::{
    NotesTransaction,
    account::{Account, Vault},
    fixtures::{
        EXCHANGE, MINIMUM_FEE, NETWORK_MINIMUM_FEE, NEWCOMER, START, World, amount, asset, emission, secret,
    },
    note::{Note, Script},
    policy::{ExchangeOrder, ExchangeTerms},
    state::NotesState,
    transaction::{Authority, Output, Request, TransactionError, TransactionKernel, TransactionWitness},
};

fn kernel(kernel: TransactionKernel) -> Arc<Compiled<TransactionKernel>> {
    cache().circuit(kernel).unwrap()
}

#[test]
fn no_refusal_repeats_the_secret_of_a_request() {
    let mut world = world();
    let honest = world.pay(0, &[1], 5).0;
    let other = world.clients[1].account.clone();
    let absent = Account { id: secret(70), ..honest.account.clone() };
    let stale = Account { nonce: 7, ..honest.account.clone() };
    let swapped = Authority::Local { secret: Secret::new(secret(1)) };
    let requests = [
        Request { account: other, ..honest.clone() },
        Request { account: absent, ..honest.clone() },
        Request { account: stale, ..honest.clone() },
        Request { salt: Some(secret(71)), ..honest.clone() },
        Request { fee: Amount::MAX, ..honest.clone() },
        Request { not_before: 2, ..honest.clone() },
        Request { authority: swapped, ..honest },
    ];
    for request in requests {
        let error = world.environment.execute(&mut world.genesis(), &request.into()).unwrap_err();
        let text = format!("{error} {error:?}");
        for client in 0..2 {
            assert!(!text.contains(&secret(client).to_string()), "{text}");
        }
    }
}

/// A state in which notes of all scripts exist.
struct Scene {
    world: World,
    state: NotesState,
    /// From client 0: pays 1; pays the exchange 4 of asset 1; swaps 10 of asset 0 for 7 of asset 1; the fee of a trade.
    notes: Vec<Note>,
    /// From client 0 to client 1, reclaimable from height 5 on; a deposit for the exchange; a second swap.
    more: Vec<Note>,
    /// From client 2 to an account that does not exist; the fee of a deposit.
    rest: Vec<Note>,
}

const PAY: usize = 0;
const FILL: usize = 1;
const SWAP: usize = 2;
const TRADE_FEE: usize = 3;
const RECLAIM: usize = 0;
const DEPOSIT: usize = 1;
const OTHER_SWAP: usize = 2;
const FIRST: usize = 0;
const DEPOSIT_FEE: usize = 1;

fn scene() -> Scene {
    let mut world = world();
    let swap = Output {
        asset: asset(0),
        amount: amount(10),
        script: Script::Swap { asset: asset(1), amount: amount(7) },
        settles: None,
    };
    let target = world.clients[1].id();
    let reclaim = Output { script: Script::Reclaim { target, height: 5 }, ..world.payment(1, 0, 3) };
    // A fill, a deposit and the fee are consumed, and a payment is created; or a deposit and the fee are consumed.
    let [trade_fee, deposit_fee] =
        [4, 2].map(|moved| world.payment(EXCHANGE, 0, moved * NETWORK_MINIMUM_FEE));
    let outputs = vec![world.payment(1, 0, 5), world.payment(EXCHANGE, 1, 4), swap.clone(), trade_fee];
    let first = world.request(0, &[], outputs, 1);
    let second = world.request(0, &[], vec![reclaim, world.payment(EXCHANGE, 0, 9), swap], 0);
    let third = world.request(2, &[], vec![world.payment(NEWCOMER, 0, 5), deposit_fee], 0);
    let [notes, more, rest] = [&first, &second, &third].map(|request| world.notes(request));
    let transactions = [first, second, third].map(NotesTransaction::from);
    let proposal = world.environment.propose(&world.genesis(), &transactions.each_ref()).unwrap();
    assert_eq!(proposal.included, [0, 1, 2]);
    Scene { world, state: proposal.state, notes, more, rest }
}

impl Scene {
    fn resolve(&self, request: &Request) -> TransactionWitness {
        self.world.environment.resolve(&self.state, request)
    }

    fn witness(&mut self, who: usize, inputs: &[Note], outputs: Vec<Output>, fee: u64) -> TransactionWitness {
        let request = self.world.request(who, inputs, outputs, fee);
        self.resolve(&request)
    }

    /// What the exchange order does with a fill and a deposit.
    fn trade(&mut self) -> TransactionWitness {
        let (inputs, fee) = ([self.notes[FILL], self.more[DEPOSIT]], self.notes[TRADE_FEE]);
        let request = self.world.trade(&inputs, &[fee], vec![self.world.payment(0, 0, 6)]);
        self.resolve(&request)
    }

    /// What the exchange order does with a deposit.
    fn deposit(&mut self) -> TransactionWitness {
        let request = self.world.trade(&[self.more[DEPOSIT]], &[self.rest[DEPOSIT_FEE]], vec![]);
        self.resolve(&request)
    }

    /// The first transaction of an account.
    fn first(&mut self) -> TransactionWitness {
        self.witness(NEWCOMER, &[self.rest[FIRST]], vec![], 0)
    }

    /// Client 0's output that settles input `input`.
    fn settlement(&self, input: usize) -> Output {
        Output { settles: Some(input), ..self.world.payment(0, 1, 7) }
    }
}

#[track_caller]
fn accepted(witness: &TransactionWitness) {
    let statement = witness.check().unwrap();
    let compiled = &kernel(witness.kernel());
    assert_accepts(compiled, witness);
    let proved = circuits_forging::check(compiled, witness).unwrap();
    assert_eq!(proved, statement.encode());
}

#[track_caller]
fn refused(witness: &TransactionWitness, expected: TransactionError) {
    assert_eq!(witness.check(), Err(expected));
    assert_rejects(&kernel(witness.kernel()), witness);
}

#[test]
fn every_script_and_both_kernels_are_provable() {
    let mut scene = scene();
    let (notes, more) = (scene.notes.clone(), scene.more.clone());
    let both = [notes[PAY], more[RECLAIM]];
    accepted(&scene.witness(1, &both, vec![], 2));
    let settlement = scene.settlement(0);
    accepted(&scene.witness(2, &[notes[SWAP]], vec![settlement], 1));
    accepted(&scene.witness(0, &[more[OTHER_SWAP]], vec![], 0));
    accepted(&scene.trade());
    accepted(&scene.deposit());
    accepted(&scene.first());
    let mut back = scene.world.request(0, &[more[RECLAIM]], vec![], 0);
    back.not_before = 5;
    accepted(&scene.resolve(&back));
}

#[test]
fn only_the_holder_of_the_secret_moves_an_account() {
    let mut scene = scene();
    let payment = scene.world.payment(1, 0, 5);
    let mut witness = scene.witness(0, &[], vec![payment], 1);
    let expected = witness.account.authorisation;
    witness.authority = Authority::Local { secret: Secret::new(secret(1)) };
    let (account, found) = (witness.account.id, witness.authority.authorisation());
    refused(&witness, TransactionError::WrongAuthority { account, expected, found });
    assert_rejects_by_prover(&kernel(TransactionKernel::Local), &witness);

    // The network kernel takes no account with a key, nor the local kernel one with an order.
    witness.authority = scene.world.clients[EXCHANGE].authority;
    let found = witness.authority.authorisation();
    refused(&witness, TransactionError::WrongAuthority { account, expected, found });
    let mut order = scene.deposit();
    order.inputs.iter_mut().for_each(|input| input.pays_fee = false);
    let expected = order.account.authorisation;
    order.authority = Authority::Local { secret: Secret::new(secret(3)) };
    let (account, found) = (order.account.id, order.authority.authorisation());
    refused(&order, TransactionError::WrongAuthority { account, expected, found });
}

#[test]
fn a_new_account_is_empty_and_has_its_own_id() {
    let mut scene = scene();
    let fresh = scene.first();
    let mut taken = fresh.clone();
    taken.account.id = scene.world.clients[0].id();
    let (expected, found) = (fresh.account.id, taken.account.id);
    refused(&taken, TransactionError::WrongAccountId { expected, found });
    let mut used = fresh.clone();
    used.account.nonce = 1;
    refused(&used, TransactionError::NewAccountNotEmpty { nonce: 1 });
    let mut rich = fresh;
    rich.account.vault.set_balance(asset(0), amount(1)).unwrap();
    refused(&rich, TransactionError::NewAccountNotEmpty { nonce: 0 });
}

#[test]
fn a_note_is_consumed_by_whom_its_script_allows() {
    let mut scene = scene();
    let (notes, more) = (scene.notes.clone(), scene.more.clone());
    for (who, note) in [(0, notes[PAY]), (2, notes[PAY]), (2, more[RECLAIM])] {
        let witness = scene.witness(who, &[note], vec![], 0);
        let account = witness.account.id;
        refused(&witness, TransactionError::NotTheTarget { input: 0, account });
    }
    let mut early = scene.witness(0, &[more[RECLAIM]], vec![], 0);
    early.not_before = 4;
    refused(&early, TransactionError::ReclaimTooEarly { input: 0, height: 5, not_before: 4 });
}

#[test]
fn a_swap_is_settled_by_exactly_the_note_it_requests() {
    let mut scene = scene();
    let (swap, other) = (scene.notes[SWAP], scene.more[OTHER_SWAP]);
    refused(&scene.witness(1, &[swap], vec![], 0), TransactionError::SwapNotSettled { input: 0, found: 0 });
    let good = scene.settlement(0);
    let twice = scene.witness(1, &[swap], vec![good.clone(), good.clone()], 0);
    refused(&twice, TransactionError::SwapNotSettled { input: 0, found: 2 });
    let wrong = [
        Output { asset: asset(0), ..good.clone() },
        Output { amount: amount(6), ..good.clone() },
        Output { script: Script::Pay { target: scene.world.clients[1].id() }, ..good.clone() },
        Output { script: Script::Reclaim { target: scene.world.clients[0].id(), height: 0 }, ..good.clone() },
    ];
    for output in wrong {
        let witness = scene.witness(1, &[swap], vec![output], 0);
        refused(&witness, TransactionError::WrongSettlement { output: 0, input: 0 });
    }
    // An output that is the requested note in all but its serial.
    let unnamed = Output { settles: None, ..good.clone() };
    let witness = scene.witness(1, &[swap], vec![unnamed], 0);
    refused(&witness, TransactionError::SwapNotSettled { input: 0, found: 0 });
    // The maker's own consumption, and a pay note, leave nothing to settle.
    let witness = scene.witness(0, &[swap], vec![good.clone()], 0);
    refused(&witness, TransactionError::NothingToSettle { output: 0, input: 0 });
    let witness = scene.witness(1, &[scene.notes[PAY]], vec![good.clone()], 0);
    refused(&witness, TransactionError::NothingToSettle { output: 0, input: 0 });
    // Two requests of the same terms need two outputs.
    let both = [swap, other];
    let one = scene.witness(1, &both, vec![good.clone()], 0);
    refused(&one, TransactionError::SwapNotSettled { input: 1, found: 0 });
    let second = Output { settles: Some(1), ..good.clone() };
    accepted(&scene.witness(1, &both, vec![good, second], 0));
}

#[test]
fn no_asset_is_made_or_lost() {
    let mut scene = scene();
    let honest = scene.witness(1, &[], vec![scene.world.payment(0, 1, 5)], 1);
    accepted(&honest);
    let available = START;
    let mut overdrawn = honest.clone();
    overdrawn.outputs[0].amount = amount(START + 1);
    let insufficient = |spent| TransactionError::Insufficient { asset: asset(1), available, spent };
    refused(&overdrawn, insufficient(START + 1));
    // Sums of amounts in range stay far below the field's order, so none wraps.
    let mut wrapping = honest.clone();
    wrapping.outputs = vec![Output { amount: Amount::MAX, ..honest.outputs[0].clone() }; 4];
    refused(&wrapping, insufficient(4 * Amount::MAX.get()));
    let mut fee = honest.clone();
    fee.fee = amount(START + 1);
    let spent = START + 1;
    refused(&fee, TransactionError::Insufficient { asset: asset(0), available, spent });
    // An asset that the account does not hold, and more assets than there are lanes.
    let mut other = honest.clone();
    other.outputs[0].asset = asset(9);
    refused(&other, TransactionError::Insufficient { asset: asset(9), available: 0, spent: 5 });
    let mut many = honest;
    many.outputs = (10..14).map(|n| Output { asset: asset(n), ..many.outputs[0].clone() }).collect();
    refused(&many, TransactionError::TooManyAssets { found: 5 });
}

#[test]
fn a_vault_keeps_its_slots_and_its_range() {
    let mut scene = scene();
    let mut witness = scene.witness(1, &[scene.notes[PAY]], vec![], 0);
    witness.salt = None;
    witness.account.vault.set_balance(asset(0), Amount::MAX).unwrap();
    assert!(matches!(witness.check(), Err(TransactionError::Vault(_))));
    assert_rejects(&kernel(TransactionKernel::Local), &witness);
    witness.account.vault = Vault::default();
    for n in 0..16 {
        witness.account.vault.set_balance(asset(20 + n), amount(1)).unwrap();
    }
    assert!(matches!(witness.check(), Err(TransactionError::Vault(_))));
    assert_rejects(&kernel(TransactionKernel::Local), &witness);
}

#[test]
fn an_opened_note_is_under_the_root_at_an_index_that_exists() {
    let mut scene = scene();
    let honest = scene.witness(1, &[scene.notes[PAY]], vec![], 0);
    let root = honest.notes_root;
    for change in [1, 1 << 32, 1 << 63] {
        let mut moved = honest.clone();
        let membership = moved.inputs[0].membership.as_mut().unwrap();
        membership.index = membership.index.wrapping_add(change);
        let index = membership.index;
        refused(&moved, TransactionError::NotUnderRoot { input: 0, index, root });
    }
    let mut forged = honest.clone();
    forged.inputs[0].note.amount = amount(1000);
    let index = honest.inputs[0].membership.as_ref().unwrap().index;
    refused(&forged, TransactionError::NotUnderRoot { input: 0, index, root });
    let mut rootless = honest;
    rootless.notes_root = Digest::ZERO;
    refused(&rootless, TransactionError::NotUnderRoot { input: 0, index, root: Digest::ZERO });
}

#[test]
fn the_same_note_twice_is_one_note() {
    let mut scene = scene();
    let note = scene.notes[PAY];
    let witness = scene.witness(1, &[note, note], vec![], 0);
    assert_eq!(witness.check(), Err(TransactionError::DuplicateInput { first: 0, second: 1 }));
    // The kernel would prove it; the block refuses the second nullifier, see the tests of groups.
}

#[test]
fn a_nonce_ends() {
    let mut scene = scene();
    let mut witness = scene.witness(1, &[scene.notes[PAY]], vec![], 0);
    witness.account.nonce = u32::MAX;
    refused(&witness, TransactionError::NonceExhausted);
}

#[test]
fn a_network_account_pays_nothing_but_its_order() {
    let mut scene = scene();
    let honest = scene.trade();
    let payment = honest.outputs[0].clone();
    accepted(&honest);

    let not_the_payment = |output| TransactionError::NotThePayment { output };
    let change = |outputs: Vec<Output>| TransactionWitness { outputs, ..honest.clone() };
    refused(&change(vec![]), not_the_payment(0));
    refused(&change(vec![Output { amount: amount(7), ..payment.clone() }]), not_the_payment(0));
    refused(
        &change(vec![Output { asset: asset(1), amount: amount(4), ..payment.clone() }]),
        not_the_payment(0),
    );
    refused(&change(vec![scene.world.payment(1, 0, 6)]), not_the_payment(0));
    let target = scene.world.clients[0].id();
    let reclaim = Output { script: Script::Reclaim { target, height: 0 }, ..payment.clone() };
    refused(&change(vec![reclaim]), not_the_payment(0));
    // A deposit is not paid back, and no output stands alone.
    refused(&change(vec![payment.clone(), payment.clone()]), not_the_payment(1));
    refused(&change(vec![payment.clone(), payment.clone(), payment.clone()]), not_the_payment(1));
    let drain = TransactionWitness { inputs: vec![], ..change(vec![payment.clone()]) };
    refused(&drain, not_the_payment(0));
    // An amount between two fills, and another asset.
    let mut odd = honest.clone();
    odd.inputs[0].note.amount = amount(5);
    odd.inputs[0].membership = None;
    refused(&odd, TransactionError::NotAFill { input: 0 });
    let mut other = honest;
    other.inputs[0].note.asset = asset(5);
    other.inputs[0].membership = None;
    refused(&other, TransactionError::NotAFill { input: 0 });
}

#[test]
fn case_89_what_a_transaction_moves_is_paid_for() {
    let mut scene = scene();
    let payment = scene.world.payment(0, 1, 5);
    let honest = scene.world.request_with(1, &[scene.notes[PAY]], vec![payment], Some(emission(1, 4)), 0);
    let honest = scene.resolve(&honest);
    assert_eq!(honest.fee.get(), 3 * MINIMUM_FEE);
    accepted(&honest);
    let found = amount(3 * MINIMUM_FEE - 1);
    let cheap = TransactionWitness { fee: found, ..honest.clone() };
    refused(&cheap, TransactionError::FeeTooLow { least: 3 * MINIMUM_FEE, found });
    let nothing = TransactionWitness {
        inputs: vec![],
        outputs: vec![],
        send: None,
        fee: Amount::ZERO,
        ..honest.clone()
    };
    refused(&nothing, TransactionError::MovesNothing);
    // A fee does not make a transaction one that moves something.
    refused(&TransactionWitness { fee: amount(9), ..nothing }, TransactionError::MovesNothing);
    let mut own = honest;
    own.inputs[0].pays_fee = true;
    assert_eq!(own.check(), Err(TransactionError::FeeInput { input: 0 }));

    // By an order, exactly the fee is paid, and by notes that are called so.
    let trade = scene.trade();
    let fee = 4 * NETWORK_MINIMUM_FEE;
    let paid_with = |fee: u64, note: u64| {
        let mut other = trade.clone();
        other.fee = amount(fee);
        other.inputs[2].note.amount = amount(note);
        other.inputs[2].membership = None;
        other
    };
    accepted(&paid_with(fee, fee));
    for other in [fee - 1, fee + 1] {
        let error = TransactionError::NetworkFee { expected: fee, found: amount(other) };
        refused(&paid_with(other, other), error);
        refused(&paid_with(fee, other), TransactionError::FeeInputs { paid: other, fee: amount(fee) });
    }
    let mut from_the_vault = trade.clone();
    from_the_vault.inputs[2].pays_fee = false;
    refused(&from_the_vault, TransactionError::FeeInputs { paid: 0, fee: amount(fee) });
    let mut other_asset = paid_with(fee, fee);
    other_asset.inputs[2].note.asset = asset(1);
    let error = TransactionError::FeeInputAsset { input: 2, expected: asset(0), found: asset(1) };
    refused(&other_asset, error);
    let nothing = TransactionWitness { inputs: vec![], outputs: vec![], fee: Amount::ZERO, ..trade };
    refused(&nothing, TransactionError::MovesNothing);
}

#[test]
fn the_owner_of_an_order_collects_what_it_received_and_cancels_it() {
    let mut scene = scene();
    let order = scene.world.clients[EXCHANGE].account.clone();
    accepted(&scene.trade());
    let (collects, cancels) = (scene.world.payment(0, 1, 4), scene.world.payment(0, 0, START));
    let collects = scene.world.own(&[], vec![collects], Some(emission(0, 2)), 0);
    let collects = scene.resolve(&collects);
    assert_eq!(
        collects.fee.get(),
        2 * NETWORK_MINIMUM_FEE,
        "a network account pays its fee, whoever moves it"
    );
    accepted(&collects);
    assert_eq!(collects.check().unwrap().network, circuits_core::F::ONE);
    let left = collects.account_after().unwrap().vault;
    assert_eq!((left.balance(asset(0)).get(), left.balance(asset(1)).get()), (START + 9 - 6 - 2 - 6, 0));

    // Nobody else does, and not with another order.
    let mut stranger = collects.clone();
    let Authority::Owner { order: terms, secret: its } = stranger.authority else {
        unreachable!("the owner's")
    };
    stranger.authority = Authority::Owner { order: terms, secret: Secret::new(secret(1)) };
    let (expected, found) = (order.authorisation, stranger.authority.authorisation());
    refused(&stranger, TransactionError::WrongAuthority { account: order.id, expected, found });
    let other = ExchangeOrder::new(ExchangeTerms { pays: 4, ..terms.terms() }).unwrap();
    stranger.authority = Authority::Owner { order: other, secret: its };
    let found = stranger.authority.authorisation();
    refused(&stranger, TransactionError::WrongAuthority { account: order.id, expected, found });
    let mut as_local = collects;
    as_local.authority = Authority::Local { secret: its };
    let found = as_local.authority.authorisation();
    refused(&as_local, TransactionError::WrongAuthority { account: order.id, expected, found });

    // Once it is cancelled, nothing fills it.
    let left = scene.world.clients[EXCHANGE].account.vault.balance(asset(0)).get();
    let cancels = Output { amount: amount(left - NETWORK_MINIMUM_FEE), ..cancels };
    let cancels = scene.world.own(&[], vec![cancels], None, 0);
    accepted(&scene.resolve(&cancels));
    assert_eq!(scene.world.clients[EXCHANGE].account.vault, Vault::default());
}

#[test]
fn the_owner_of_an_order_takes_what_pays_it_and_settles_a_swap_like_anybody_else() {
    let mut scene = scene();
    let (fill, swap) = (scene.notes[FILL], scene.notes[SWAP]);
    let taken = scene.world.own(&[fill], vec![], None, 0);
    accepted(&scene.resolve(&taken));
    let unpaid = scene.world.own(&[swap], vec![], None, 0);
    refused(&scene.resolve(&unpaid), TransactionError::SwapNotSettled { input: 0, found: 0 });
    // With the asset that the owner has taken.
    let mut settlement = scene.settlement(0);
    settlement.amount = amount(4);
    let cheap = scene.world.own(&[swap], vec![settlement], None, 0);
    refused(&scene.resolve(&cheap), TransactionError::WrongSettlement { output: 0, input: 0 });
}

#[test]
fn ids_differ_between_deployments_and_environments() {
    let deployment = *world().environment.deployment();
    let (a, salt) = (secret(0), secret(1));
    let id = |chain, environment| {
        Account::new(chain, environments_core::EnvironmentId::new(environment).unwrap(), a, salt).id
    };
    let here = id(deployment.chain_id, 5);
    assert_ne!(here, id(deployment.chain_id + 1, 5));
    assert_ne!(here, id(deployment.chain_id, 6));
}

#[test]
fn the_local_kernel_is_sound() {
    let mut scene = scene();
    let (notes, more) = (scene.notes.clone(), scene.more.clone());
    let outputs = vec![scene.settlement(2), scene.world.payment(2, 1, 5), scene.world.payment(0, 0, 1)];
    let inputs = [notes[PAY], more[RECLAIM], notes[SWAP]];
    let full = scene.world.request_with(1, &inputs, outputs, Some(emission(1, 4)), 3);
    let full = scene.resolve(&full);
    let empty = scene.first();
    let reason = "the class belongs to an input, output or lane that is not used";
    Kit::new(&kernel(TransactionKernel::Local))
        .input(&full)
        .input(&empty)
        .masked(reason)
        .except(Exception::fields(Kind::Unranged, &["account.nonce", "vault_slot"], OPENED))
        .except(Exception::fields(Kind::Unranged, &["OutputFields.kind"], UNSPENDABLE))
        .except(Exception::fields(Kind::Unstated, &["gives", "takes", "pays", "per"], NO_OWNER))
        .run()
        .assert_sound();
}

#[test]
fn the_exchange_kernel_is_sound() {
    let mut scene = scene();
    let full = scene.trade();
    let empty = scene.deposit();
    let reason = "the class belongs to an input, output or lane that is not used";
    Kit::new(&kernel(TransactionKernel::Exchange))
        .input(&full)
        .input(&empty)
        .masked(reason)
        .except(Exception::fields(Kind::Unranged, &["account.nonce", "vault_slot"], OPENED))
        .except(Exception::fields(Kind::Unstated, &["salt"], NO_NEW_ACCOUNT))
        .run()
        .assert_sound();
}
