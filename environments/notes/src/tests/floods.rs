//! What requests that cost their makers nothing can and cannot do to others.

use circuits_core::{Digest, secret::Secret};
use environments_core::{
    BlockProducer, Environment,
    pool::{Footprint, MAX_FAILING},
    producer::TransactionId,
};
use proptest::prelude::*;

use super::world;
use crate::{
    Notes, NotesTransaction,
    account::{Account, Holding, Vault},
    execute::StateError,
    fixtures::{EXCHANGE, NETWORK_MINIMUM_FEE, START, World, amount, asset, secret},
    note::{Note, Script},
    state::NotesState,
    transaction::{Authority, Output, Request, RequestInput, TransactionStatement},
};

/// Transactions that a block holds here.
const LIMIT: usize = 4;
/// More transactions than one block tries.
const FLOOD: u64 = (MAX_FAILING + 2 * LIMIT) as u64;
/// The fee of a flood, which is higher than those of others.
const HIGH_FEE: u64 = 1000;

fn producer(world: &World) -> BlockProducer<Notes> {
    BlockProducer::new(world.environment.clone().with_limit(LIMIT))
}

fn submit(producer: &mut BlockProducer<Notes>, request: Request) -> TransactionId {
    producer.submit(request.into()).unwrap()
}

/// The transactions of the next block.
fn next(producer: &mut BlockProducer<Notes>) -> Vec<TransactionId> {
    producer.propose_block().unwrap();
    let block = producer.block(producer.height()).unwrap();
    block.transactions.iter().map(|pending| pending.id).collect()
}

/// A secret and an account that nobody else has.
pub(super) fn stranger(world: &World, n: u64) -> (Authority, Account) {
    let authority = Authority::Local { secret: Secret::new(secret(10_000 + n)) };
    let deployment = world.environment.deployment();
    let authorisation = authority.authorisation();
    (authority, Account::new(deployment.chain_id, deployment.environment, authorisation, secret(n)))
}

/// A request that pays client 0 a little and the producer a lot.
fn generous(world: &World, authority: Authority, account: Account) -> Request {
    Request {
        account,
        salt: None,
        authority,
        inputs: vec![],
        outputs: vec![world.payment(0, 0, 1)],
        send: None,
        fee: amount(HIGH_FEE),
        not_before: 0,
        valid_until: u32::MAX,
    }
}

/// The honest payment of client 0 is in each block, for the minimum fee, though `flood` comes before each.
#[track_caller]
fn keeps_nobody_out(mut flood: impl FnMut(&World, u64) -> Request) {
    let mut world = world();
    let mut producer = producer(&world);
    for block in 0..2 {
        for n in 0..FLOOD {
            submit(&mut producer, flood(&world, block * FLOOD + n));
        }
        let honest = submit(&mut producer, world.pay(0, &[1], 5).0);
        assert_eq!(next(&mut producer), [honest]);
    }
}

#[test]
fn accounts_that_do_not_exist_and_those_of_others_keep_nobody_out() {
    let holding = Holding { asset: asset(0), amount: amount(START) };
    keeps_nobody_out(|world, n| {
        let (authority, account) = stranger(world, n);
        let id = if n % 2 == 0 { account.id } else { world.clients[1].id() };
        let vault = Vault::new(&[holding]).unwrap();
        generous(world, authority, Account { id, vault, ..account })
    });
}

#[test]
fn new_accounts_with_notes_that_do_not_exist_keep_nobody_out() {
    keeps_nobody_out(|world, n| {
        let (authority, account) = stranger(world, n);
        let script = Script::Pay { target: account.id };
        let amount = amount(2 * HIGH_FEE);
        let note = Note { asset: asset(0), amount, script, sender: world.clients[0].id(), serial: secret(n) };
        let inputs = vec![RequestInput { note, unauthenticated: n % 2 == 0, pays_fee: false }];
        Request { inputs, salt: Some(secret(n)), ..generous(world, authority, account) }
    });
}

#[test]
fn trades_with_notes_that_do_not_exist_keep_nobody_out() {
    keeps_nobody_out(|world, n| {
        let target = world.clients[EXCHANGE].id();
        let note = |of, value, serial| Note {
            asset: asset(of),
            amount: amount(value),
            script: Script::Pay { target },
            sender: world.clients[1].id(),
            serial: secret(serial),
        };
        let (deposit, fee) = (note(0, 5, 2 * n), note(0, 2 * NETWORK_MINIMUM_FEE, 2 * n + 1));
        world.clone().trade(&[deposit], &[fee], vec![])
    });
}

/// A request of client 1 that offers so much of the fee asset for 1 of the other one, and 1 of that for 1 of the fee
/// asset, and what whoever knows both offers takes, with an account of its own.
fn offers(world: &mut World) -> (Request, impl Fn(&World, u64) -> Request + use<>) {
    let swap = |of, value, requested| {
        let script = Script::Swap { asset: asset(requested), amount: amount(1) };
        Output { asset: asset(of), amount: amount(value), script, settles: None }
    };
    let offer = world.request(1, &[], vec![swap(0, 2 * HIGH_FEE, 1), swap(1, 1, 0)], 0);
    let notes = world.notes(&offer);
    let take = move |world: &World, n| {
        let (authority, account) = stranger(world, n);
        let inputs = notes.iter().map(|&note| RequestInput { note, unauthenticated: false, pays_fee: false });
        let settlement = |input, of| Output { settles: Some(input), ..world.payment(1, of, 1) };
        Request {
            inputs: inputs.collect(),
            outputs: vec![settlement(0, 1), settlement(1, 0)],
            salt: Some(secret(n)),
            ..generous(world, authority, account)
        }
    };
    (offer, take)
}

#[test]
fn thousands_that_spend_the_same_notes_keep_nobody_out() {
    let mut world = world();
    let mut producer = producer(&world);
    let (offer, take) = offers(&mut world);
    let offer = submit(&mut producer, offer);
    assert_eq!(next(&mut producer), [offer]);
    let first = submit(&mut producer, take(&world, 0));
    for n in 1..FLOOD {
        submit(&mut producer, take(&world, n));
    }
    let honest = submit(&mut producer, world.pay(0, &[1], 5).0);
    assert_eq!(next(&mut producer), [first, honest]);
    // Nor does what a rollback brings back.
    producer.rollback(2).unwrap();
    let later = submit(&mut producer, world.pay(0, &[1], 5).0);
    assert_eq!(next(&mut producer), [first, honest, later]);
}

#[test]
fn thousands_that_spend_what_a_request_of_the_pool_makes_keep_nobody_out() {
    let mut world = world();
    let mut producer = producer(&world);
    let (mut offer, take) = offers(&mut world);
    offer.fee = amount(2 * HIGH_FEE);
    let offer = submit(&mut producer, offer);
    let first = submit(&mut producer, take(&world, 0));
    for n in 1..FLOOD {
        submit(&mut producer, take(&world, n));
    }
    let honest = submit(&mut producer, world.pay(0, &[1], 5).0);
    assert_eq!(next(&mut producer), [offer, first, honest]);
}

#[test]
fn a_chain_of_requests_is_in_one_block_in_spite_of_a_flood() {
    let mut world = world();
    let mut producer = producer(&world);
    for n in 0..FLOOD {
        let (authority, account) = stranger(&world, n);
        let vault = world.clients[0].account.vault.clone();
        submit(&mut producer, generous(&world, authority, Account { vault, ..account }));
    }
    let chain = world.ping_pong(LIMIT);
    let chain: Vec<_> = chain.into_iter().map(|transaction| producer.submit(transaction).unwrap()).collect();
    assert_eq!(next(&mut producer), chain);
}

#[test]
fn only_what_the_next_block_is_in_time_for_may_come_next() {
    let mut world = world();
    let (pay, _) = world.pay(0, &[1], 5);
    let state = world.genesis();
    let comes = |not_before, valid_until| {
        let request = Request { not_before, valid_until, ..pay.clone() };
        let transaction = NotesTransaction::from(request);
        let result = world.environment.execute(&mut state.clone(), &transaction);
        let comes = world.environment.may_come_next(&state, &transaction);
        assert_eq!(result.is_ok(), comes, "{result:?}");
        comes
    };
    assert!(comes(0, u32::MAX) && comes(1, 1));
    assert!(!comes(2, u32::MAX) && !comes(0, 0));
}

/// Whether the state has what a footprint needs.
fn holds(state: &NotesState, footprint: &Footprint) -> bool {
    footprint.holds(|cell| state.cell(cell))
}

/// Statements of a history.
const STATEMENTS: usize = 6;

/// Statements of transactions that make notes and consume them, a block each, and the state before the last one.
fn history() -> (NotesState, Vec<TransactionStatement>) {
    let mut world = world();
    let (mut before, mut state) = (world.genesis(), world.genesis());
    let mut statements = vec![];
    for transaction in world.ping_pong(STATEMENTS) {
        let NotesTransaction::Request(request) = transaction else { unreachable!("clients make requests") };
        let statement = world.environment.resolve(&state, &request).check().unwrap();
        before = state.clone();
        state.execute(&statement).unwrap();
        state.seal().unwrap();
        statements.push(statement);
    }
    (before, statements)
}

#[test]
fn a_transaction_leaves_what_its_footprint_writes() {
    let (mut state, statements) = history();
    let last = statements.last().unwrap().footprint(None);
    assert!(holds(&state, &last));
    assert!(!last.writes.iter().all(|(cell, value)| state.cell(cell) == *value));
    state.execute(statements.last().unwrap()).unwrap();
    assert!(last.writes.iter().all(|(cell, value)| state.cell(cell) == *value));
    assert!(!holds(&state, &last), "nobody makes it twice");
}

proptest! {
    #[test]
    fn a_state_has_what_a_footprint_reads_exactly_if_it_accepts_the_accounts_and_notes(
        changes in prop::collection::vec((0..6_usize, 0..STATEMENTS, 0..4_usize), 0..3),
    ) {
        let (state, statements) = history();
        let mut statement = *statements.last().unwrap();
        for (what, of, index) in changes {
            let other = statements[of];
            match what {
                0 => statement.before = other.before,
                1 => statement.nullifiers[index] = other.nullifiers[index],
                2 => statement.unauthenticated[index] = other.notes[index],
                3 => statement.unauthenticated[index] = other.nullifiers[index],
                4 => statement.notes_root = other.notes_root,
                _ => (statement.account, statement.before) = (other.account, Digest::ZERO),
            }
        }
        let refusal = state.check(&statement).err();
        let is_shown = matches!(
            refusal,
            Some(
                StateError::UnknownRoot(_)
                    | StateError::NoSuchAccount(_)
                    | StateError::AccountExists(_)
                    | StateError::StaleAccount { .. }
                    | StateError::AlreadyConsumed { .. }
                    | StateError::NoSuchNote { .. }
            )
        );
        prop_assert_eq!(is_shown, refusal.is_some());
        prop_assert_eq!(holds(&state, &statement.footprint(None)), refusal.is_none(), "{:?}", refusal);
    }
}
