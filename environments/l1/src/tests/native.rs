//! The rules natively, and what is hashed.

use bridge_core::{
    AssetError, BlockMessages, BridgeError, BridgeState, Consumption, Ledger, MAX_L1_BLOCK_STEPS,
    message::{MAX_LIFETIME, MIN_LIFETIME},
};
use circuits_core::{
    F,
    amount::{Amount, AmountError},
    digest::DigestError,
    layout::Layout,
};
use circuits_protocol::{
    l1::{KeccakDigest, QueuePosition},
    statement::{BlockStatement, L1Body, l1_body_digest},
};
use environments_core::{block::BlockError, environment::EnvironmentId};
use plonky2::field::types::Field;

use super::{CHAIN_ID, NUMBER, address, block, broken, claim, deposit, refund, state, withdrawal};
use crate::{
    asset::AssetName,
    block::{MAX_CONSUMED, MAX_DEPOSITS},
    body::{Body, MAX_BODY_BYTES, payee},
    bytes32::{Bytes32, keccak256},
    deposit::{Broken, Deposit},
    error::{BodyError, L1Error, NotPaid},
    payout::{Payout, PayoutKind, payouts_digest},
    queue::{QueueFull, append, queue_entry},
    state::L1State,
};

/// Every way in which a deposit can be broken, with the verdict, in superblock [`NUMBER`].
pub(super) fn broken_deposits() -> Vec<(Deposit, Broken)> {
    let good = deposit(1);
    let order = 0xffff_ffff_0000_0001_u64;
    let with_word = |index: usize, word: u64| {
        let mut recipient = good.recipient;
        recipient.0[8 * index..8 * index + 8].copy_from_slice(&word.to_be_bytes());
        (Deposit { recipient, ..good }, Broken::Recipient(DigestError::NonCanonical { index }))
    };
    let amount = |amount| (Deposit { amount, ..good }, Broken::Amount(AmountError::TooLarge(amount)));
    let lifetime = |lifetime| (Deposit { lifetime, ..good }, Broken::Lifetime(lifetime));
    vec![
        (Deposit { amount: 0, ..good }, Broken::ZeroAmount),
        amount(1 << 58),
        // As field elements these are 0 and 5.
        amount(order),
        amount(order + 5),
        amount(u64::MAX),
        (
            Deposit { asset: AssetName { origin: 9, number: 0 }, ..good },
            Broken::Asset(AssetError::ZeroLocal { origin: 9 }),
        ),
        (Deposit { destination: 0, ..good }, Broken::Destination),
        lifetime(0),
        lifetime(MIN_LIFETIME - 1),
        lifetime(MAX_LIFETIME + 1),
        lifetime(u32::MAX),
        with_word(0, order),
        with_word(1, order + 1),
        with_word(2, u64::MAX),
        with_word(3, order),
    ]
}

/// Deposits at the ends of what is allowed.
pub(super) fn good_deposits() -> Vec<Deposit> {
    let good = deposit(1);
    let last = 0xffff_ffff_0000_0000_u64;
    vec![
        good,
        Deposit { amount: 1, ..good },
        Deposit { amount: Amount::MAX.get(), ..good },
        Deposit { lifetime: MAX_LIFETIME, ..good },
        Deposit { destination: u16::MAX, asset: AssetName { origin: u16::MAX, number: u32::MAX }, ..good },
        Deposit { recipient: Bytes32([last.to_be_bytes(); 4].concat().try_into().unwrap()), ..good },
        Deposit { recipient: Bytes32::default(), depositor: address(0), ..good },
    ]
}

#[test]
fn case_82_a_deposit_is_kept_or_goes_back_in_the_block_that_takes_it() {
    let bridge = BridgeState::default();
    for deposit in good_deposits() {
        assert_eq!(deposit.verdict(NUMBER), Ok(()));
        let block = block(&[], &[deposit]);
        assert!(block.outcome.payouts.is_empty() && block.outcome.bounces.is_empty());
        // The bridge takes every deposit that does not bounce, up to its balances.
        match Ledger::new(CHAIN_ID, NUMBER, &bridge).apply_block(&block.outcome.messages) {
            Ok(()) => {}
            Err(BridgeError::Balance { .. }) => assert_ne!(deposit.asset.origin, 0),
            Err(error) => panic!("{deposit:?}: {error}"),
        }
    }
    for (deposit, reason) in broken_deposits() {
        assert_eq!(deposit.verdict(NUMBER), Err(reason.clone()), "{deposit:?}");
        let block = block(&[], &[deposit]);
        assert!(block.outcome.messages.is_empty());
        assert_eq!(block.outcome.bounces, [(3, reason)]);
        let Deposit { depositor, asset, amount, .. } = deposit;
        let name = append(state().queue, &deposit).unwrap().digest.into();
        let kind = PayoutKind::Bounce;
        assert_eq!(
            block.outcome.payouts,
            [Payout { index: 17, recipient: depositor, kind, asset, amount, name }]
        );
    }
}

#[test]
fn case_82_a_deadline_beyond_32_bits_bounces() {
    let deposit = deposit(1);
    let last = u32::MAX - deposit.lifetime;
    assert_eq!(deposit.verdict(last), Ok(()));
    let deadline = Broken::Deadline { number: last + 1, lifetime: deposit.lifetime };
    assert_eq!(deposit.verdict(last + 1), Err(deadline));
}

#[test]
fn a_block_pays_what_it_consumes_and_then_what_bounces() {
    let (claim, refund) = (claim(4), refund(5));
    let (good, bad) = (deposit(6), broken(7));
    let block = block(&[claim.clone(), refund.clone()], &[bad, good, bad]);
    let outcome = &block.outcome;
    let kinds: Vec<_> = outcome.payouts.iter().map(|payout| (payout.index, payout.kind)).collect();
    assert_eq!(
        kinds,
        [
            (17, PayoutKind::Claim),
            (18, PayoutKind::Refund),
            (19, PayoutKind::Bounce),
            (20, PayoutKind::Bounce)
        ]
    );
    assert_eq!(outcome.payouts[0].recipient, address(4));
    assert_eq!(outcome.payouts[1].recipient, address(5));
    assert_eq!(outcome.payouts[1].name, Bytes32::of_digest(refund.0.hash()));
    assert_ne!(outcome.payouts[2].name, outcome.payouts[3].name);
    assert_eq!(outcome.messages.inbox, [claim, refund]);
    let [message] = &outcome.messages.outbox[..] else { panic!("one message") };
    assert_eq!((message.sequence, message.deadline), (4, NUMBER + good.lifetime));
    assert_eq!(message.sender, good.depositor.to_digest());
    assert_eq!(outcome.after.payouts, 21);
    assert_eq!((outcome.after.queue.length, outcome.after.height), (6, NUMBER));
    let l1 = outcome.l1();
    assert_eq!((l1.payouts.first, l1.payouts.count), (17, 4));
    assert_eq!(l1.payouts.digest, payouts_digest(&outcome.payouts));
}

#[test]
fn a_block_can_be_empty() {
    let block = state().block(NUMBER, &[], &[]).unwrap();
    let after = L1State { height: NUMBER, ..state() };
    assert_eq!(block.witness().outcome.after, after);
    assert_eq!(block.witness().outcome.l1().payouts.digest, KeccakDigest::ZERO);
    assert_eq!((block.first_height(), block.last_height()), (NUMBER - 2, NUMBER));
    assert_ne!(after.commitment(), state().commitment());
}

#[test]
fn what_is_no_block_is_refused() {
    let state = state();
    let refused = |number, deposits: &[Deposit], consumed: &[_]| {
        state.block(number, deposits, consumed).map(drop).unwrap_err()
    };
    for number in [0, state.height] {
        assert_eq!(refused(number, &[], &[]), L1Error::Number { number, height: state.height });
    }
    let deposits = [deposit(1); MAX_DEPOSITS + 1];
    assert_eq!(refused(NUMBER, &deposits, &[]), L1Error::TooManyDeposits { found: MAX_DEPOSITS + 1 });
    let consumed = vec![claim(1); MAX_CONSUMED + 1];
    assert_eq!(refused(NUMBER, &[], &consumed), L1Error::TooManyConsumed { found: MAX_CONSUMED + 1 });
    // The largest block is one that the bridge moves.
    let largest = state.block(NUMBER, &deposits[1..], &consumed[1..]).unwrap();
    assert_eq!(largest.messages().steps(), MAX_L1_BLOCK_STEPS);
    assert!(largest.body().len() < MAX_BODY_BYTES, "{}", largest.body().len());

    let with = |change: fn(&mut L1State), deposits: &[Deposit], consumed: &[_]| {
        let mut state = state;
        change(&mut state);
        state.block(NUMBER, deposits, consumed).map(drop)
    };
    let full = |state: &mut L1State| state.queue.length = u32::MAX;
    assert_eq!(with(full, &[deposit(1)], &[]), Err(L1Error::QueueFull(QueueFull)));
    assert_eq!(with(full, &[], &[claim(1)]), Ok(()));
    let paid = |state: &mut L1State| state.payouts = u32::MAX - 1;
    assert_eq!(with(paid, &[broken(1)], &[]), Ok(()));
    assert_eq!(with(paid, &[broken(1)], &[claim(1)]), Err(L1Error::PayoutsFull));
}

#[test]
fn only_messages_of_addresses_are_paid() {
    let (withdrawal, consumption) = claim(1);
    assert_eq!(payee(CHAIN_ID, &withdrawal, consumption), Ok(address(1)));
    assert_eq!(payee(8, &withdrawal, consumption), Err(NotPaid::Deployment { expected: 8, found: CHAIN_ID }));
    let mut other = withdrawal.clone();
    other.destination = EnvironmentId(6);
    assert_eq!(payee(CHAIN_ID, &other, consumption), Err(NotPaid::Destination(EnvironmentId(6))));
    assert_eq!(payee(CHAIN_ID, &withdrawal, Consumption::Refund), Err(NotPaid::Source(EnvironmentId(5))));
    // A recipient is never cut down to an address.
    for limb in 0..4 {
        let mut other = withdrawal.clone();
        other.recipient.0[limb] += F::from_canonical_u64(1 << 40);
        let expected = NotPaid::NoAddress(other.recipient);
        assert_eq!(payee(CHAIN_ID, &other, consumption), Err(expected));
        let refused = state().block(NUMBER, &[], &[claim(2), (other, consumption)]).map(drop);
        assert_eq!(refused, Err(L1Error::NotPaid { position: 1, source: expected }));
    }
}

#[test]
fn a_body_is_that_of_one_statement() {
    let honest = state().block(NUMBER, &[deposit(1), broken(2)], &[claim(3)]).unwrap();
    let (body, outcome) = Body::open(honest.statement(), honest.body()).unwrap();
    assert_eq!((&body, &outcome), (&honest.witness().body, &honest.witness().outcome));
    let others: [fn(&mut Body); 6] = [
        |body| body.number += 1,
        |body| body.before.payouts += 1,
        |body| body.deposits[0].amount += 1,
        |body| body.deposits.swap(0, 1),
        |body| body.consumed.clear(),
        |body| body.before.queue = QueuePosition::default(),
    ];
    for change in others {
        let mut other = body.clone();
        change(&mut other);
        let opened = Body::open(honest.statement(), &other.encode().unwrap());
        assert_eq!(opened, Err(L1Error::OtherBlock { number: other.number }));
    }
    let bytes = honest.body();
    let open = |bytes: &[u8]| match Body::open(honest.statement(), bytes) {
        Err(L1Error::Body(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(open(&bytes[1..]), BodyError::Malformed(_)));
    assert_eq!(open(&[bytes, &[0]].concat()), BodyError::NotCanonical);
    assert_eq!(open(&vec![0; MAX_BODY_BYTES + 1]), BodyError::TooLarge { found: MAX_BODY_BYTES + 1 });
}

#[test]
fn a_kernel_that_lies_in_any_field_states_no_published_block() {
    let honest = state().block(NUMBER, &[deposit(1), broken(2)], &[claim(3)]).unwrap();
    let elements: Vec<F> = honest.statement().encode();
    for element in 0..elements.len() {
        let mut lying = elements.clone();
        lying[element] += F::ONE;
        let lying = BlockStatement::decode(&lying).unwrap();
        let opened = Body::open(&lying, honest.body());
        assert_eq!(opened, Err(L1Error::OtherBlock { number: NUMBER }), "element {element}");
    }
    // The body's digest covers each of its fields: a queue of another length, other payouts, other indices.
    let body = L1Body::from(&honest.witness().outcome.l1());
    assert_eq!(honest.statement().body, l1_body_digest(&body));
    let elements: Vec<F> = body.encode();
    for element in 0..elements.len() {
        let mut lying = elements.clone();
        lying[element] += F::ONE;
        let lying = L1Body::decode(&lying).unwrap();
        assert_ne!(honest.statement().body, l1_body_digest(&lying), "element {element}");
    }
}

#[test]
fn case_57_a_block_continues_one_state() {
    let block = state().block(NUMBER, &[deposit(1)], &[]).unwrap();
    let mut before = state();
    before.apply(&block).unwrap();
    assert_eq!(before.commitment(), block.statement().new_state);
    let (expected, found) = (state().commitment(), before.commitment());
    assert_eq!(before.apply(&block), Err(L1Error::OtherState { expected, found }));
    assert_eq!(before.commitment(), found);
}

#[test]
fn entries_are_packed_big_endian() {
    let deposit = Deposit {
        depositor: address(1),
        destination: 0x0203,
        recipient: Bytes32([4; 32]),
        asset: AssetName { origin: 0x0506, number: 0x0708_090a },
        amount: 0x0b0c_0d0e_0f10_1112,
        lifetime: 0x1314_1516,
    };
    let start = KeccakDigest([0xee; 32]);
    let packed = [
        &[0xee; 32][..],
        &address(1).0,
        &[4; 32],
        &[2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22],
    ];
    assert_eq!(queue_entry(start, &deposit)[..], packed.concat());
    let payout = Payout {
        index: 0x0102_0304,
        recipient: address(2),
        kind: PayoutKind::Bounce,
        asset: AssetName { origin: 0x0506, number: 0x0708_090a },
        amount: 0x0b0c_0d0e_0f10_1112,
        name: Bytes32([9; 32]),
    };
    let integers = [0, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18];
    let packed = [&[1, 2, 3, 4][..], &address(2).0, &integers, &[9; 32]].concat();
    assert_eq!(payout.packed()[..], packed);
    assert_eq!(payout.entry(start)[..], [&start.0[..], &packed].concat());
    assert_eq!(Payout::from_packed(&payout.packed()), Ok(payout));
    let mut unknown = payout.packed();
    unknown[25] = 3;
    assert!(Payout::from_packed(&unknown).unwrap_err().to_string().starts_with("3 is no kind"));
    // One entry is one permutation.
    assert_eq!(circuits_tables::keccak::blocks(&payout.entry(start)).len(), 1);
    let digest = payouts_digest(&[payout, payout]);
    assert_eq!(digest, keccak256(&payout.entry(keccak256(&payout.entry(KeccakDigest::ZERO)))));
}

#[test]
fn a_deposit_is_one_line_of_json() {
    let line = r#"{"depositor":"0x1f202122232425262728292a2b2c2d2e2f303132","destination":5,"recipient":"0x0000010000000000000001000000000100000100000000020000010000000003","asset":"0:1","amount":1001,"lifetime":64}"#;
    assert_eq!(serde_json::from_str::<Deposit>(line).unwrap(), deposit(1));
    assert_eq!(serde_json::to_string(&deposit(1)).unwrap(), line);
    for other in [
        line.replace("0x1f", "1f"),
        line.replace(":64", ":-1"),
        line.replace("\"0:1\"", "\"0:01\""),
        line.replace("}", ",\"deadline\":9}"),
        line.replace(":1001", ":18446744073709551616"),
    ] {
        assert!(serde_json::from_str::<Deposit>(&other).is_err(), "{other}");
    }
}

#[test]
fn messages_are_those_that_the_bridge_moves() {
    let block = state().block(NUMBER, &[deposit(1)], &[claim(1)]).unwrap();
    let expected = BlockMessages {
        environment: EnvironmentId::L1,
        inbox: vec![claim(1)],
        outbox: vec![deposit(1).message(CHAIN_ID, 3, NUMBER).unwrap()],
    };
    assert_eq!(*block.messages(), expected);
    assert!(withdrawal(1).deadline > NUMBER);
    let too_many = BlockError::TooManyMessages { found: 161, limit: MAX_L1_BLOCK_STEPS };
    let mut messages = expected;
    messages.inbox = vec![claim(1); 160];
    let refused = environments_core::block::check_messages(block.statement(), &messages);
    assert_eq!(refused, Err(too_many));
}
