//! Superblocks of strangers, followed with nothing but L1.

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
    job::Finality,
    superblock::Superblock,
    watch::QueueReader,
};
use batcher_verify::bundle::SuperblockBundle;
use bridge_core::Consumption;
use circuits_protocol::statement::L1Body;
use environments_core::address::Address;
use environments_l1::L1Block;

use crate::{
    anvil::Anvil,
    blobs::{follower, rpc},
    deployment::{Deployment, digest},
    published::{ROOM, bundle, link, registry},
    refusals::deposit,
    stalls::{STALL, settle},
};

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

#[test]
fn a_strangers_superblock_that_published_nothing_is_followed_from_its_call() {
    let genesis = |deployment| SuperblockState::genesis(deployment).commitment();
    let deployment = Deployment::from_genesis(Anvil::start(&[]), registry, genesis);
    let id = deployment.deployed.deployment;
    let genesis = SuperblockState::genesis(id);
    let _miner = deployment.miner();
    // A batcher settles that something leaves for L1, and is not seen again.
    let mut sent = message(id, 1, 0, 40);
    sent.recipient = Address([9; 20]).to_digest();
    let first = link(&genesis, &registry(id), vec![(1, moves(1, &[], &[&sent]))]);
    let journal = tempfile::tempdir().expect("a directory");
    let superblock = Superblock::of(&first.bundle).expect("it fits");
    deployment.settle(&[superblock], journal.path()).expect("it settles");
    deposit(&deployment);
    deployment.skip(STALL + 1);
    deployment.node.mine(3);

    // A stranger pays it, and takes the deposit.
    let l1 = rpc(&deployment);
    let contract = Contract { l1: &l1, address: deployment.deployed.settlement };
    let queue = QueueReader::default().read(&contract, Finality::Node).expect("it is final");
    assert_eq!(queue.deposits.len(), 1);
    let consumed = [(sent, Consumption::Claim)];
    let block = l1_state(&first.state).block(2, &queue.deposits, &consumed).expect("a valid block");
    let (bundle, after) = lone(&first.state, &block);
    let (records, is_stranger) = settle(&deployment, Superblock::of(&bundle).expect("it fits"));
    assert!(records.is_ok() && is_stranger);

    let follower: L1Follower<'_> = follower(&deployment, &l1, &[]);
    let settlements = follower.settlements(&first.state).expect("it is final");
    let [settlement] = settlements.as_slice() else { panic!("one superblock") };
    let unread = follower.read(settlement).expect_err("nothing was published");
    assert!(matches!(unread, L1FollowError::NoBlobs { number: 2 }), "{unread}");
    let data = follower.data_after(&first.state, settlement).expect("the call has everything");
    assert_eq!(data.superblock().payouts, bundle.payouts);
    assert_eq!(follower.next_state(&first.state, &data).expect("it continues the state"), after);

    // What a batcher did not publish is in no call.
    let settlements = follower.settlements(&genesis).expect("both are final");
    let unread = follower.data_after(&genesis, &settlements[0]).expect_err("a batcher's");
    assert!(matches!(unread, L1FollowError::NoBlobs { number: 1 }), "{unread}");
    // Another state before leads to another superblock.
    let mut other = first.state.clone();
    other.l1.payouts += 1;
    let error = follower.data_after(&other, settlement).expect_err("another state");
    assert!(matches!(error, L1FollowError::Data { number: 2, .. }), "{error}");
}
