//! The bridge natively, in-circuit, and attacked.

mod cases;
mod circuit;
mod invariant;
mod native;

use circuits_core::{Digest, F, amount::Amount};
use circuits_protocol::registry::EnvironmentId;
use plonky2::field::types::Field;

use crate::{AssetId, BlockMessages, BridgeLists, BridgeState, Consumption, Crossing, Message};

const CHAIN: u64 = 77;
const NUMBER: u32 = 1000;
const A: EnvironmentId = EnvironmentId(3);
const B: EnvironmentId = EnvironmentId(4);
const L1: EnvironmentId = EnvironmentId::L1;

fn digest(label: u64) -> Digest {
    Digest([label, 1, 2, 3].map(F::from_canonical_u64))
}

fn asset(origin: EnvironmentId, local: u32) -> AssetId {
    AssetId::new(origin.0, local).unwrap()
}

fn amount(value: u64) -> Amount {
    Amount::new(value).unwrap()
}

/// A message about asset 1 of environment `A`.
fn message(source: EnvironmentId, destination: EnvironmentId, value: u64) -> Message {
    Message {
        chain_id: CHAIN,
        source,
        destination,
        sequence: 0,
        sender: digest(8),
        recipient: digest(9),
        asset: asset(A, 1),
        amount: amount(value),
        deadline: NUMBER + 100,
        data: digest(10),
    }
}

fn emits(message: &Message) -> BlockMessages {
    BlockMessages { environment: message.source, inbox: vec![], outbox: vec![message.clone()] }
}

fn claims(message: &Message) -> BlockMessages {
    let inbox = vec![(message.clone(), Consumption::Claim)];
    BlockMessages { environment: message.destination, inbox, outbox: vec![] }
}

fn refunds(message: &Message) -> BlockMessages {
    let inbox = vec![(message.clone(), Consumption::Refund)];
    BlockMessages { environment: message.source, inbox, outbox: vec![] }
}

/// A superblock in which the balances that these blocks move exist.
fn crossing(number: u32, state: &BridgeState, blocks: &[BlockMessages]) -> Crossing {
    let mut crossing = Crossing::new(CHAIN, number, state.clone(), BridgeLists::start()).unwrap();
    crossing.open_balances(blocks.iter().flat_map(BlockMessages::balance_keys)).unwrap();
    crossing
}

/// The state after superblock `number` moved these blocks' messages.
fn after(number: u32, state: &BridgeState, blocks: &[BlockMessages]) -> BridgeState {
    let mut crossing = crossing(number, state, blocks);
    for block in blocks {
        crossing.apply_block(block).unwrap();
    }
    crossing.state
}
