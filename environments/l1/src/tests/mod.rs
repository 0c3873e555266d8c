//! What environment 0 does natively and in-circuit.

mod attacks;
mod kernels;
mod native;
mod proven;
mod queues;
mod rows;
mod slots;
mod trees;

use bridge_core::{Consumption, Message, message::MIN_LIFETIME};
use circuits_core::{Digest, F, amount::Amount};
use environments_core::{address::Address, environment::EnvironmentId};
use plonky2::field::types::Field;

use crate::{
    asset::AssetName, block::L1Witness, body::Body, bytes32::Bytes32, deposit::Deposit, state::L1State,
};

/// The deployment.
const CHAIN_ID: u64 = 7;
/// The superblock of most blocks.
const NUMBER: u32 = 100;

fn digest(n: u64) -> Digest {
    Digest([n, n + 1, n + 2, n + 3].map(F::from_canonical_u64))
}

fn address(n: u8) -> Address {
    Address(std::array::from_fn(|i| n.wrapping_mul(31).wrapping_add(i as u8)))
}

/// A deposit that becomes a message.
fn deposit(n: u8) -> Deposit {
    Deposit {
        depositor: address(n),
        destination: 5,
        recipient: Bytes32::of_digest(digest(u64::from(n) << 40)),
        asset: AssetName { origin: 0, number: 1 },
        amount: 1000 + u64::from(n),
        lifetime: MIN_LIFETIME,
    }
}

/// A message to L1.
fn withdrawal(n: u8) -> Message {
    Message {
        chain_id: CHAIN_ID,
        source: EnvironmentId(5),
        destination: EnvironmentId::L1,
        sequence: u64::from(n),
        sender: digest(u64::from(n) << 50),
        recipient: address(n).to_digest(),
        asset: AssetName { origin: 0, number: 1 }.id().unwrap(),
        amount: Amount::new((1 << 40) + u64::from(n)).unwrap(),
        deadline: NUMBER + MIN_LIFETIME,
        data: digest(9),
    }
}

/// A message of L1 that nobody claimed, as its deposit was taken in superblock 1.
fn unclaimed(n: u8) -> Message {
    deposit(n).message(CHAIN_ID, n.into(), 1).unwrap()
}

fn claim(n: u8) -> (Message, Consumption) {
    (withdrawal(n), Consumption::Claim)
}

fn refund(n: u8) -> (Message, Consumption) {
    (unclaimed(n), Consumption::Refund)
}

/// A deposit that bounces.
fn broken(n: u8) -> Deposit {
    Deposit { amount: 0, ..deposit(n) }
}

/// Some state.
fn state() -> L1State {
    let mut state = L1State::genesis(CHAIN_ID).unwrap();
    state.height = NUMBER - 3;
    state.payouts = 17;
    for n in 0..3 {
        state.queue = crate::queue::append(state.queue, &deposit(n)).unwrap();
    }
    state
}

/// A block on top of [`state`].
fn block(consumed: &[(Message, Consumption)], deposits: &[Deposit]) -> L1Witness {
    let body =
        Body { before: state(), number: NUMBER, consumed: consumed.to_vec(), deposits: deposits.to_vec() };
    let outcome = body.outcome().unwrap();
    L1Witness { body, outcome }
}
