use std::cell::RefCell;

use circuits_protocol::statement::SuperblockRoots;
use proptest::{collection::vec, prelude::*};

use super::{
    circuit::{CIRCUIT, Input, roots},
    *,
};

const ENVIRONMENTS: [EnvironmentId; 4] = [L1, A, B, EnvironmentId(5)];

/// Of so many steps that succeed, one is proved.
const SAMPLE: usize = 40;

/// One try at anything, sensible or not.
#[derive(Clone, Debug)]
enum Try {
    Emit { source: usize, destination: usize, origin: usize, value: u64, lifetime: u32 },
    Consume { actor: usize, record: usize, consumption: Consumption },
    Wait(u32),
}

fn tries() -> impl Strategy<Value = Try> {
    let environment = 0..ENVIRONMENTS.len();
    let value = prop_oneof![1..50u64, Just(Amount::MAX.get())];
    prop_oneof![
        4 => (environment.clone(), environment.clone(), environment.clone(), value, 60..90u32).prop_map(
            |(source, destination, origin, value, lifetime)| Try::Emit { source, destination, origin, value, lifetime }
        ),
        4 => (environment, 0..1000usize, prop_oneof![Just(Consumption::Claim), Just(Consumption::Refund)])
            .prop_map(|(actor, record, consumption)| Try::Consume { actor, record, consumption }),
        1 => (1..60u32).prop_map(Try::Wait),
    ]
}

/// What kernels say when they are honest: what each environment holds of each asset, beyond what the bridge knows.
fn apply(crossing: &mut Crossing, attempt: &Try) -> bool {
    match *attempt {
        Try::Wait(superblocks) => {
            crossing.number += superblocks;
            true
        }
        Try::Emit { source, destination, origin, value, lifetime } => {
            let out = Message {
                source: ENVIRONMENTS[source],
                destination: ENVIRONMENTS[destination],
                asset: asset(ENVIRONMENTS[origin], 1),
                deadline: crossing.number + lifetime,
                sequence: crossing.chunk.steps.len() as u64,
                ..message(A, B, value)
            };
            if out.source == L1 {
                crossing.deposit(&out).is_ok()
            } else {
                crossing.apply_block(&emits(&out)).is_ok()
            }
        }
        Try::Consume { actor, record, consumption } => {
            let records = crossing.state.records();
            let Some(record) = records.get(record % records.len().max(1)) else { return false };
            let (message, actor) = (record.message.clone(), ENVIRONMENTS[actor]);
            if actor == L1 {
                return crossing.refund_deposit(&message).is_ok();
            }
            let inbox = vec![(message, consumption)];
            crossing.apply_block(&BlockMessages { environment: actor, inbox, outbox: vec![] }).is_ok()
        }
    }
}

/// A bridge on which every row exists.
fn open() -> Crossing {
    let mut crossing =
        Crossing::new(CHAIN, NUMBER, BridgeState::default(), BridgeLists::start(empty_list())).unwrap();
    for environment in ENVIRONMENTS {
        let rows = ENVIRONMENTS.map(|origin| Message { asset: asset(origin, 1), ..message(A, B, 1) });
        crossing.open_balances(rows.map(|message| message.balance_key(environment))).unwrap();
    }
    crossing
}

/// Proves the steps since the last chunk, and that they lead where the native ones do.
fn prove((roots_before, lists_before): (SuperblockRoots, BridgeLists), crossing: &Crossing) {
    let input = Input {
        chain_id: CHAIN,
        number: crossing.number,
        roots: roots_before,
        lists: lists_before,
        chunk: crossing.chunk.clone(),
    };
    let proof = CIRCUIT.prove(&input).unwrap();
    let statement = CIRCUIT.statement(&proof).unwrap();
    assert_eq!((statement.before, statement.after), (roots_before, roots(&crossing.state)));
    assert_eq!((statement.lists_before, statement.lists_after), (lists_before, crossing.lists));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn whatever_kernels_do_what_is_outstanding_is_what_was_let_in_and_what_is_in_flight(
        tries in vec(tries(), 100),
    ) {
        thread_local!(static DONE: RefCell<usize> = const { RefCell::new(0) });
        thread_local!(static PROVED: RefCell<usize> = const { RefCell::new(0) });
        let mut crossing = open();
        for attempt in &tries {
            let what = |crossing: &Crossing| (crossing.state.clone(), crossing.lists, crossing.l1_outbox.clone());
            let before = what(&crossing);
            let start = (roots(&crossing.state), crossing.lists);
            crossing.end_chunk().unwrap();
            if apply(&mut crossing, attempt) {
                let done = DONE.with_borrow_mut(|done| {
                    *done += 1;
                    *done
                });
                if done.is_multiple_of(SAMPLE) && !crossing.chunk.steps.is_empty() {
                    prove(start, &crossing);
                    PROVED.with_borrow_mut(|proved| *proved += 1);
                }
            } else {
                prop_assert_eq!(before, what(&crossing));
            }
            prop_assert!(crossing.state.is_balanced());
        }
        prop_assert!(DONE.with_borrow(|&done| done > 0), "something succeeds");
        prop_assert!(DONE.with_borrow(|&done| done < 20 * SAMPLE) || PROVED.with_borrow(|&proved| proved > 0));
    }
}
