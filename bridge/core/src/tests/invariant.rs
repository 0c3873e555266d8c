use std::cell::RefCell;

use circuits_protocol::statement::SuperblockRoots;
use proptest::{collection::vec, prelude::*};

use super::{
    circuit::{CIRCUIT, Input, roots},
    *,
};
use crate::{BridgeError, Ledger};

const ENVIRONMENTS: [EnvironmentId; 4] = [L1, A, B, EnvironmentId(5)];

/// Of so many steps that succeed, one is proved.
const SAMPLE: usize = 40;

/// One attempt, sensible or not.
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

/// What is tried, once it is known which messages there are.
enum Operation {
    Block(BlockMessages),
    Wait(u32),
}

/// The operation of an attempt; `None` if it asks for a message and there is none.
fn operation(crossing: &Crossing, attempt: &Try) -> Option<Operation> {
    Some(match *attempt {
        Try::Wait(superblocks) => Operation::Wait(superblocks),
        Try::Emit { source, destination, origin, value, lifetime } => {
            let out = Message {
                source: ENVIRONMENTS[source],
                destination: ENVIRONMENTS[destination],
                asset: asset(ENVIRONMENTS[origin], 1),
                deadline: crossing.number + lifetime,
                sequence: crossing.chunk.steps.len() as u64,
                ..message(A, B, value)
            };
            Operation::Block(emits(&out))
        }
        Try::Consume { actor, record, consumption } => {
            let count = crossing.state.message_count();
            let record = crossing.state.record(record as u64 % count.max(1))?;
            let (message, environment) = (record.message, ENVIRONMENTS[actor]);
            let inbox = vec![(message, consumption)];
            Operation::Block(BlockMessages { environment, inbox, outbox: vec![] })
        }
    })
}

fn apply(crossing: &mut Crossing, operation: &Operation) -> Result<(), BridgeError> {
    match operation {
        Operation::Block(block) => crossing.apply_block(block),
        Operation::Wait(superblocks) => {
            crossing.number += superblocks;
            Ok(())
        }
    }
}

/// A bridge on which every balance exists and was moved.
fn open() -> Crossing {
    let mut crossing = Crossing::new(CHAIN, NUMBER, BridgeState::default(), BridgeLists::start()).unwrap();
    for origin in ENVIRONMENTS {
        for destination in ENVIRONMENTS.into_iter().filter(|destination| *destination != origin) {
            let out = Message { source: origin, destination, asset: asset(origin, 1), ..message(A, B, 1) };
            crossing
                .open_balances([origin, destination].map(|environment| out.balance_key(environment)))
                .unwrap();
            crossing.apply_block(&emits(&out)).unwrap();
            crossing.apply_block(&claims(&out)).unwrap();
        }
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
            let what =
                |crossing: &Crossing| (crossing.state.clone(), crossing.lists, crossing.consumed.clone());
            let before = what(&crossing);
            let start = (roots(&crossing.state), crossing.lists);
            crossing.end_chunk().unwrap();
            let operation = operation(&crossing, attempt);
            if operation.is_some_and(|operation| apply(&mut crossing, &operation).is_ok()) {
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

    #[test]
    fn a_ledger_accepts_what_a_crossing_accepts_and_refuses_the_rest_for_the_same_reason(
        tries in vec(tries(), 100),
    ) {
        let mut crossing = open();
        for superblock in tries.split_inclusive(|attempt| matches!(attempt, Try::Wait(_))) {
            let start = crossing.state.clone();
            let mut ledger = Ledger::new(CHAIN, crossing.number, &start);
            for attempt in superblock {
                let Some(operation) = operation(&crossing, attempt) else { continue };
                let tried = match &operation {
                    Operation::Block(block) => ledger.apply_block(block),
                    Operation::Wait(_) => Ok(()),
                };
                prop_assert_eq!(tried, apply(&mut crossing, &operation));
            }
            for (key, amount) in crossing.state.balances() {
                prop_assert_eq!(ledger.balance(key), amount);
            }
            for record in crossing.state.records() {
                let hash = record.message.hash();
                prop_assert!(ledger.knows(&hash));
                prop_assert_eq!(ledger.is_pending(&hash), crossing.state.pending(&hash).is_some());
            }
        }
    }
}
