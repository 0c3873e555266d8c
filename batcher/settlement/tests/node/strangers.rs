//! Superblocks of strangers, followed with nothing but L1.

use alloy_primitives::hex;
use batcher_circuits::{
    contents::{ContentBlock, Contents},
    state::SuperblockState,
    testing::{message, moves},
    transition::Transition,
};
use batcher_job::{l1::l1_state, payouts::packed};
use batcher_settlement::{
    contract::Contract,
    follow::{L1FollowError, L1Follower},
    job::{Finality, Prove as _},
    payouts::settled_payouts,
    superblock::Superblock,
    watch::QueueReader,
};
use batcher_verify::bundle::SuperblockBundle;
use bridge_core::Consumption;
use circuits_protocol::statement::L1Body;
use environments_core::address::Address;
use environments_l1::L1Block;
use serde_json::{Value, json};

use crate::{
    anvil::Anvil,
    blobs::{follower, rpc},
    deployment::{Deployment, digest},
    published::{ROOM, bundle, link, registry},
    refusals::deposit,
    stalls::{STALL, settle},
    support::{GOOD_PROOF, forwarder_to},
};

/// Seconds between superblocks of strangers in the tests' deployment.
const STRANGER_GAP: u64 = 2 * 60 * 60;

/// The superblock after `before` that has nothing but this block of environment 0, and the state after it.
fn lone(before: &SuperblockState, block: &L1Block) -> (SuperblockBundle, SuperblockState) {
    let outcome = &block.witness().outcome;
    let content =
        ContentBlock { key: digest(5), statement: *block.statement(), messages: block.messages().clone() };
    let contents = Contents { blocks: vec![content], l1_body: Some(L1Body::from(&outcome.l1())) };
    let load = contents.load(before);
    let shares = load.pack(ROOM, ROOM, 0).expect("there is room");
    let registry = registry(before.chain_id);
    let transition =
        Transition::new(before, &registry, digest(1), &contents, &load, &shares).expect("a valid block");
    let entries: Vec<_> = transition.applied.iter().map(|applied| applied.entry).collect();
    let bundle = bundle(&transition.statement, &entries, &transition.messages, &transition.consumed);
    (bundle.with_payouts(packed(&outcome.payouts)), transition.new_state)
}

/// Settles in a stall by a call of a contract, which has no key and no calldata of its own on the chain.
fn settle_through_a_contract(deployment: &Deployment, superblock: &Superblock) {
    let proof = GOOD_PROOF.prove(superblock).expect("a constant");
    let calldata = superblock.stalled_calldata(&proof).expect("a block of environment 0");
    let from = deployment.node.ask("eth_accounts", json!([]))[5].clone();
    let send = |to: Value, data: &[u8]| {
        let transaction =
            json!({ "from": from, "to": to, "data": format!("0x{}", hex::encode(data)), "gas": "0x989680" });
        let hash = deployment.node.ask("eth_sendTransaction", json!([transaction]));
        deployment.node.mine(1);
        deployment.node.ask("eth_getTransactionReceipt", json!([hash]))
    };
    let created = send(Value::Null, &forwarder_to(deployment.deployed.settlement));
    let receipt = send(created["contractAddress"].clone(), &calldata);
    assert_eq!(receipt["status"], "0x1");
    deployment.node.mine(3);
}

#[test]
fn strangers_superblocks_that_published_nothing_are_followed_from_events_whoever_calls() {
    let genesis = |deployment| SuperblockState::genesis(deployment).commitment();
    let deployment = Deployment::from_genesis(Anvil::start(&[]), registry, genesis);
    let id = deployment.deployed.deployment;
    let genesis = SuperblockState::genesis(id);
    let miner = deployment.miner();
    // A batcher settles that something leaves for L1, and is not seen again.
    let [mut sent, mut later] = [40, 50].map(|amount| message(id, 1, 0, amount));
    for message in [&mut sent, &mut later] {
        message.recipient = Address([9; 20]).to_digest();
    }
    later.sequence = 1;
    let first = link(&genesis, &registry(id), vec![(1, moves(1, &[], &[&sent, &later]))]);
    let journal = tempfile::tempdir().expect("a directory");
    let superblock = Superblock::of(&first.bundle).expect("it fits");
    deployment.settle(&[superblock], journal.path()).expect("it settles");
    deposit(&deployment);
    deployment.skip(STALL + 1);
    deployment.node.mine(3);

    // A stranger pays the second one, and takes the deposit.
    let l1 = rpc(&deployment);
    let contract = Contract { l1: &l1, address: deployment.deployed.settlement };
    let queue = QueueReader::default().read(&contract, Finality::Node).expect("it is final");
    assert_eq!(queue.deposits.len(), 1);
    let consumed = [(later, Consumption::Claim)];
    let block = l1_state(&first.state).block(2, &queue.deposits, &consumed).expect("a valid block");
    let (second, after_second) = lone(&first.state, &block);
    let (records, is_stranger) = settle(&deployment, Superblock::of(&second).expect("it fits"));
    assert!(records.is_ok() && is_stranger);
    drop(miner);

    // Another one pays the first one, through a contract.
    let consumed = [(sent, Consumption::Claim)];
    let block = l1_state(&after_second).block(3, &[], &consumed).expect("a valid block");
    let (third, after_third) = lone(&after_second, &block);
    deployment.skip(STRANGER_GAP + 1);
    settle_through_a_contract(&deployment, &Superblock::of(&third).expect("it fits"));

    let follower: L1Follower<'_> = follower(&deployment, &l1, &[]);
    let settlements = follower.settlements(&first.state).expect("both are final");
    let [direct, through] = settlements.as_slice() else { panic!("two superblocks") };
    for (settlement, before, bundle, after) in
        [(direct, &first.state, &second, &after_second), (through, &after_second, &third, &after_third)]
    {
        let number = settlement.number;
        let unread = follower.read(settlement).expect_err("nothing was published");
        assert!(matches!(unread, L1FollowError::NoBlobs { .. }), "{unread}");
        let data = follower.data_after(before, settlement).expect("events have everything");
        assert_eq!(data.superblock().payouts, bundle.payouts);
        assert_eq!(follower.next_state(before, &data).expect("it continues the state"), *after);
        let payouts = settled_payouts(&contract, number, 0).expect("an event has them");
        assert_eq!(packed(&payouts), bundle.payouts);
    }

    // What a batcher did not publish is in no event.
    let settlements = follower.settlements(&genesis).expect("all are final");
    let unread = follower.data_after(&genesis, &settlements[0]).expect_err("a batcher's");
    assert!(matches!(unread, L1FollowError::NoBlobs { number: 1 }), "{unread}");
    // Another state before leads to another superblock.
    let mut other = first.state.clone();
    other.l1.payouts += 1;
    let error = follower.data_after(&other, direct).expect_err("another state");
    assert!(matches!(error, L1FollowError::Data { number: 2, .. }), "{error}");
}
