//! What footprints say of trades, and what the trades do.

use environments_core::{
    BlockProducer, Environment,
    pool::{Footprint, MAX_FAILING},
    producer::TransactionId,
};

use super::{floods::stranger, world};
use crate::{
    Notes, NotesTransaction,
    account::Account,
    fixtures::{EXCHANGE, MINIMUM_FEE, NETWORK_MINIMUM_FEE, START, World, amount, asset, secret},
    note::{Note, Script},
    state::NotesState,
    transaction::{Output, Request, RequestInput},
};

/// Transactions that a block holds here.
const LIMIT: usize = 4;
/// More transactions than one block tries.
const FLOOD: usize = MAX_FAILING + 2 * LIMIT;
/// What a request of a flood pays, more than a trade can.
const FLOOD_FEE: u64 = 3 * NETWORK_MINIMUM_FEE;

fn submit(producer: &mut BlockProducer<Notes>, request: Request) -> TransactionId {
    producer.submit(request.into()).unwrap()
}

/// The transactions of the next block.
fn next(producer: &mut BlockProducer<Notes>) -> Vec<TransactionId> {
    producer.propose_block().unwrap();
    let block = producer.block(producer.height()).unwrap();
    block.transactions.iter().map(|pending| pending.id).collect()
}

/// A producer whose state has notes of client 1 for as many trades of 2 and more: of each, one that fills the order and one
/// that pays the fee.
fn with_fills(world: &mut World, fills: &[u64]) -> (BlockProducer<Notes>, Vec<Vec<Note>>) {
    let mut producer = BlockProducer::new(world.environment.clone().with_limit(LIMIT));
    let mut notes = vec![];
    for &fill in fills {
        let payments =
            [(1, fill), (0, 3 * NETWORK_MINIMUM_FEE)].map(|(of, value)| world.payment(EXCHANGE, of, value));
        let pay = world.request(1, &[], payments.into(), 0);
        notes.push(world.notes(&pay));
        submit(&mut producer, pay);
    }
    while producer.pending_count() > 0 {
        next(&mut producer);
    }
    (producer, notes)
}

/// The trade that these notes of client 1 are for.
fn fill(world: &mut World, notes: &[Note]) -> Request {
    let payment = world.payment(1, 0, notes[0].amount.get() / 2 * 3);
    world.trade(&notes[..1], &notes[1..], vec![payment])
}

fn footprint(world: &World, request: &Request) -> Footprint {
    world.environment.terms(&request.clone().into()).footprint
}

/// Executes a request, and returns how many cells it says that it leaves, all of which it does leave.
#[track_caller]
fn left(world: &World, state: &mut NotesState, request: &Request) -> usize {
    let footprint = footprint(world, request);
    assert!(footprint.holds(|cell| state.cell(cell)));
    let left: Vec<_> = footprint.leaves(|cell| state.cell(cell)).collect();
    world.environment.execute(state, &NotesTransaction::from(request.clone())).unwrap();
    for (cell, value) in &left {
        assert_eq!(state.cell(cell), *value, "{cell:?}");
    }
    left.len()
}

#[test]
fn a_trade_leaves_what_its_footprint_says_from_whatever_account_it_starts() {
    let mut world = world();
    let (producer, notes) = with_fills(&mut world, &[4, 6]);
    let mut state = producer.state().clone();
    let moved = fill(&mut world.clone(), &notes[1]);
    let first = fill(&mut world, &notes[0]);
    // Two nullifiers; the account with its authorisation and two assets, and a note, only from the account that it names.
    assert_eq!(left(&world, &mut state.clone(), &moved), 7);
    assert_eq!(left(&world, &mut state, &first), 7);
    assert_eq!(left(&world, &mut state, &moved), 2);
}

#[test]
fn what_an_owner_does_leaves_what_its_footprint_says_of_all_that_the_order_holds() {
    let mut world = world();
    let (producer, notes) = with_fills(&mut world, &[4]);
    let mut state = producer.state().clone();
    let trade = fill(&mut world, &notes[0]);
    assert_eq!(left(&world, &mut state, &trade), 7);
    // The account, its authorisation, a note, and two assets.
    let part = world.own(&[], vec![world.payment(2, 0, 5)], None, 0);
    assert_eq!(left(&world, &mut state, &part), 5);
    // What is empty then is written with its account.
    let rest = START - 6 - 5 - 2 * NETWORK_MINIMUM_FEE;
    let all = world.own(&[], vec![world.payment(2, 0, rest)], None, 0);
    assert_eq!(left(&world, &mut state, &all), 4);
}

#[test]
fn a_chain_of_trades_keeps_its_place_before_a_flood() {
    let mut world = world();
    let (mut producer, notes) = with_fills(&mut world, &[4, 6]);
    for n in 0..FLOOD as u64 {
        let (authority, account) = stranger(&world, n);
        let request = Request { authority, account, ..world.clone().pay(0, &[1], 5).0 };
        let account = Account { vault: world.clients[0].account.vault.clone(), ..request.account };
        submit(&mut producer, Request { account, fee: amount(FLOOD_FEE + 1), ..request });
    }
    let chain = [0, 1].map(|n| fill(&mut world, &notes[n]));
    let chain = chain.map(|request| submit(&mut producer, request));
    assert_eq!(next(&mut producer), chain);
}

#[test]
fn notes_that_a_trade_on_an_old_account_would_have_made_keep_nobody_out() {
    let mut world = world();
    let (mut producer, notes) = with_fills(&mut world, &[2, 40_000, 40_000, 40_000]);
    let old = world.clone();
    let first = fill(&mut world, &notes[0]);
    let first = submit(&mut producer, first);
    assert_eq!(next(&mut producer), [first]);
    let trades: Vec<_> = notes[1..].iter().map(|notes| fill(&mut old.clone(), notes)).collect();
    let promised = old.notes(&trades[0]);
    assert_eq!(promised, old.notes(&trades[1]), "the serials are those of the account that both name");
    for request in tree(&world, promised[0]) {
        submit(&mut producer, request);
    }
    for trade in trades {
        let trade = submit(&mut producer, trade);
        // It pays 8 times the minimum for a note.
        let payment = world.payment(1, 0, 5);
        let honest = world.request(0, &[], vec![payment], 7 * MINIMUM_FEE);
        let honest = submit(&mut producer, honest);
        assert_eq!(next(&mut producer), [trade, honest]);
    }
}

/// Requests of which the first one takes this note of client 1, and each takes a note that another one makes.
fn tree(world: &World, root: Note) -> Vec<Request> {
    const BRANCHES: usize = 4;
    let branches = |n: usize| (BRANCHES * n + 1..=BRANCHES * (n + 1)).take_while(|&branch| branch < FLOOD);
    let mut size = [1_u64; FLOOD];
    for n in (1..FLOOD).rev() {
        size[(n - 1) / BRANCHES] += size[n];
    }
    let mut found = vec![None; FLOOD];
    found[0] = Some(root);
    let makers: Vec<_> = (0..FLOOD as u64).map(|n| stranger(world, n)).collect();
    let mut requests = vec![];
    for n in 0..FLOOD {
        let outputs = branches(n).map(|branch| Output {
            asset: asset(0),
            amount: amount((FLOOD_FEE - 1) * size[branch]),
            script: Script::Pay { target: makers[branch].1.id },
            settles: None,
        });
        let client = &world.clients[1];
        let (authority, account) =
            if n == 0 { (client.authority, client.account.clone()) } else { makers[n].clone() };
        let request = Request {
            account,
            salt: (n > 0).then(|| secret(n as u64)),
            authority,
            inputs: vec![RequestInput { note: found[n].unwrap(), unauthenticated: true, pays_fee: false }],
            outputs: outputs.collect(),
            send: None,
            fee: amount(FLOOD_FEE - 1),
            not_before: 0,
            valid_until: u32::MAX,
        };
        for (branch, note) in branches(n).zip(world.notes(&request)) {
            found[branch] = Some(note);
        }
        requests.push(request);
    }
    requests
}
