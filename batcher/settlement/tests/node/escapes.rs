//! Money that an account takes out by itself, where it cannot be paid as usual.

use alloy_primitives::{Address, B256, U256, hex};
use alloy_sol_types::SolCall as _;
use batcher_settlement::{
    abi::Settlement::{AssetId, depositCall, isClaimedCall, queueCall},
    l1::L1 as _,
    payouts::{ClaimError, ClaimOutcome, Claims, claim, claim_to},
    rpc::Rpc,
    superblock::Superblock,
    wallet::Wallet,
};
use circuits_core::F;
use circuits_protocol::{
    l1::{KeccakDigest, L1Outcome, PayoutRange, QueuePosition},
    statement::{L1Body, SuperblockStatement},
};
use environments_core::address::Address as Account;
use environments_l1::{Bytes32, Payout, PayoutKind, payout::payouts_digest};
use plonky2::field::types::Field as _;

use crate::{
    anvil::KEY,
    deployment::{CHAIN_ID, Deployment, IMPATIENT, POLICY, STRANGER_KEY, TIMEOUT, digest, signer},
    proxy::{self, Fate},
};

/// Wei in a unit of ether.
const UNIT: u64 = 10_000_000_000;
const RECEIVER: Address = Address::repeat_byte(0x77);

/// A payout of ether to an account.
fn payout(index: u32, recipient: Address, amount: u64) -> Payout {
    let recipient = Account(recipient.0.0);
    let asset = "0:1".parse().expect("ether");
    Payout { index, recipient, kind: PayoutKind::Claim, asset, amount, name: Bytes32::default() }
}

/// Settles superblock 1, which takes a deposit of ether and makes these payouts of it.
fn settle(deployment: &Deployment, payouts: &[Payout]) {
    let tokens = U256::from(100_000) * U256::from(UNIT);
    let asset = AssetId { origin: 0, number: 1 };
    let recipient = Default::default();
    let deposit = depositCall { asset, tokens, destination: 5, recipient, lifetime: 64 };
    deployment.send(deployment.deployed.settlement, tokens, &deposit);
    let queue = deployment.view(&queueCall {});
    let queue = QueuePosition { digest: KeccakDigest(queue.digest.0), length: queue.length };
    let count = u32::try_from(payouts.len()).expect("few");
    let range = PayoutRange { digest: payouts_digest(payouts), first: 0, count };
    let statement = SuperblockStatement {
        has_l1_block: F::ONE,
        l1_body: L1Body::from(&L1Outcome { queue, payouts: range }),
        ..deployment.statement(1, digest(0), digest(1))
    };
    let packed: Vec<u8> = payouts.iter().flat_map(Payout::packed).collect();
    let superblock = Superblock::new(&statement, &packed).expect("it fits");
    let journal = tempfile::tempdir().expect("a directory");
    let _miner = deployment.miner();
    deployment.settle(&[superblock], journal.path()).expect("it settles");
}

#[test]
fn a_payout_is_claimed_to_another_address_by_its_recipient_alone() {
    let deployment = Deployment::new();
    let recipients = [STRANGER_KEY, KEY].map(|key| signer(key).address());
    let payouts = [payout(0, recipients[0], 30_000), payout(1, recipients[1], 20_000)];
    settle(&deployment, &payouts);
    let (contract, rpc) =
        (deployment.deployed.settlement, Rpc::new(&deployment.node.url(), TIMEOUT * 10).expect("an address"));
    let claim = |key, wanted: &[u32], receiver| -> Result<Claims, ClaimError> {
        let signer = signer(key);
        let announce = |_, _| {};
        let wallet =
            Wallet { l1: &rpc, chain_id: CHAIN_ID, signer: &signer, policy: POLICY, announce: &announce };
        let (mut claims, wanted) = (Claims::default(), |payout: &Payout| wanted.contains(&payout.index));
        claim_to(&wallet, contract, 1, &payouts, wanted, receiver, &mut claims)?;
        Ok(claims)
    };
    // With one of their own they cannot take another's along.
    let error = claim(KEY, &[0, 1], RECEIVER).expect_err("it is the stranger's");
    assert!(matches!(error, ClaimError::NotRecipient { index: 0, .. }), "{error}");
    assert!(error.to_string().contains("alone names another receiver"), "{error}");
    assert_eq!(rpc.balance(RECEIVER).expect("it answers"), U256::ZERO, "nothing was sent");
    let error = claim(STRANGER_KEY, &[0], contract).expect_err("the contract pays nothing to itself");
    assert!(error.to_string().contains("PaymentFailed"), "{error}");

    let claims = claim(STRANGER_KEY, &[0], RECEIVER).expect("it is theirs");
    assert!(matches!(claims.payouts[0].outcome, ClaimOutcome::Paid(_)) && claims.gas_used > 0);
    assert_eq!(rpc.balance(RECEIVER).expect("it answers"), U256::from(30_000) * U256::from(UNIT));
    let again = claim(STRANGER_KEY, &[0], RECEIVER).expect("it is theirs");
    assert_eq!((again.payouts[0].outcome, again.gas_used), (ClaimOutcome::PaidEarlier, 0));
}

#[test]
fn what_came_of_claims_is_said_by_their_transaction_and_not_by_a_node_that_is_behind() {
    let deployment = Deployment::new();
    let contract = deployment.deployed.settlement;
    // The contract pays nothing to itself.
    let payouts = [payout(0, RECEIVER, 30_000), payout(1, contract, 20_000)];
    settle(&deployment, &payouts);
    let is_claimed = format!("0x{}", hex::encode(isClaimedCall::SELECTOR));
    let behind = proxy::start(deployment.node.port, move |method, parameters| {
        let asks = |data: &str| method == "eth_call" && data.starts_with(&is_claimed);
        if parameters[0]["data"].as_str().is_some_and(asks) && parameters[1] == "latest" {
            return Fate::Answer(serde_json::json!(B256::ZERO));
        }
        Fate::Pass
    });
    let (rpc, signer) = (Rpc::new(&behind, TIMEOUT * 10).expect("an address"), signer(KEY));
    let wallet =
        Wallet { l1: &rpc, chain_id: CHAIN_ID, signer: &signer, policy: POLICY, announce: &|_, _| {} };
    let outcomes = || {
        let mut claims = Claims::default();
        claim(&wallet, contract, 1, &payouts, |_| true, &mut claims).expect("it is sent");
        claims.payouts.iter().map(|claimed| claimed.outcome).collect::<Vec<_>>()
    };
    assert!(matches!(outcomes()[..], [ClaimOutcome::Paid(_), ClaimOutcome::Refused(_)]));
    assert_eq!(rpc.balance(RECEIVER).expect("it answers"), U256::from(30_000) * U256::from(UNIT));
    // It is sent again, since this node says so, and nothing is paid again.
    assert!(matches!(outcomes()[..], [ClaimOutcome::PaidEarlier, ClaimOutcome::Refused(_)]));
}

#[test]
fn what_was_paid_before_a_claim_failed_is_told() {
    let deployment = Deployment::new();
    let (contract, signer) = (deployment.deployed.settlement, signer(STRANGER_KEY));
    let payouts = [0, 1].map(|index| payout(index, signer.address(), 30_000));
    settle(&deployment, &payouts);
    let mut sent = 0;
    let url = proxy::start(deployment.node.port, move |method, _| {
        sent += u32::from(method == "eth_sendRawTransaction");
        if sent > 1 { Fate::Drop } else { Fate::Pass }
    });
    let rpc = Rpc::new(&url, TIMEOUT).expect("an address");
    let wallet =
        Wallet { l1: &rpc, chain_id: CHAIN_ID, signer: &signer, policy: IMPATIENT, announce: &|_, _| {} };
    let mut claims = Claims::default();
    let ended = claim_to(&wallet, contract, 1, &payouts, |_| true, RECEIVER, &mut claims);
    assert!(matches!(ended, Err(ClaimError::Wallet(_))), "{ended:?}");
    let [paid] = &claims.payouts[..] else { panic!("{claims:?}") };
    assert!(paid.payout.index == 0 && matches!(paid.outcome, ClaimOutcome::Paid(_)), "{paid:?}");
    assert!(claims.gas_used > 0);
}
