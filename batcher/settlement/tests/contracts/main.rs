//! The contracts beside the Rust code that says the same: both see the same deposits and payouts.

mod moves;
mod plan;
mod roles;
mod stalls;
#[path = "../support/mod.rs"]
mod support;
mod verifier;

use std::{cell::RefCell, sync::LazyLock};

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolCall;
use batcher_settlement::{
    abi::Settlement::{
        AssetId, Claim, Payout as ClaimedPayout, claimCall, deploymentCall, depositCall, isClaimedCall,
        payoutRootCall, progressCall, queueCall, queueDigestCall, wrappedTokenCall,
    },
    contract::Contract,
    deploy::{Deployed, deploy, predict},
    deployment::deployment_id,
    embedded::Embedded,
    job::{Policy, Prove as _},
    l1::{At, Call, L1, L1Error, Receipt},
    payouts::{ClaimError, settled_payouts},
    signer::Signer,
    superblock::{Superblock, of_digest},
    wallet::Wallet,
};
use circuits_core::{Digest, F};
use circuits_protocol::{
    l1::{KeccakDigest, L1Outcome, PayoutRange, QueuePosition},
    statement::{L1Body, SuperblockStatement},
};
use environments_core::address::Address as Account;
use environments_l1::{
    Bytes32, Deposit, Payout, PayoutKind, PayoutTree, asset::AssetName, payout::payouts_digest, queue::append,
};
use plonky2::field::types::Field as _;
use proptest::prelude::*;

use self::support::{GOOD_PROOF, digest, forwarder_to, plan, registry};

/// The network of the tests.
const CHAIN_ID: u64 = 31337;
/// Wei in a unit of the bridge.
const UNIT: u64 = 10_000_000_000;
/// Up to this superblock a deposit of any lifetime has a deadline of 32 bits.
const LAST_KEPT: u32 = u32::MAX - (1 << 20);
/// What the account has: more than there is.
const RICH: U256 = U256::from_limbs([0, 0, 1 << 20, 0]);

/// Who creates it.
const FORWARDER_OWNER: Address = Address::repeat_byte(0x77);

/// The contracts on a network of their own.
struct Local {
    l1: Embedded,
    signer: Signer,
    deployed: Deployed,
    root: Digest,
    end: RefCell<(u32, Digest)>,
}

/// An account with a new key for each process; keys are made once.
static SIGNER: LazyLock<Signer> = LazyLock::new(Signer::random);

impl Local {
    fn new() -> Self {
        Self::governed_by(None)
    }

    /// With an administrator other than the account.
    fn governed_by(admin: Option<Address>) -> Self {
        let signer = SIGNER.clone();
        let l1 = Embedded::new(CHAIN_ID, &[(signer.address(), RICH)]);
        let wallet = Wallet {
            l1: &l1,
            chain_id: CHAIN_ID,
            signer: &signer,
            policy: Policy::default(),
            announce: &|_, _| {},
        };
        let (_, deployment) = predict(&wallet).expect("it answers");
        let registry = registry(deployment);
        let mut plan = plan(&[signer.address(), FORWARDER_OWNER.create(0)]);
        plan.admin = admin;
        plan.ether_minimum = 1;
        plan.ether_day_limit = u64::MAX;
        let deployed = deploy(&wallet, &plan, &registry, digest(0), None, &|_| {}).expect("a fresh network");
        Self { l1, signer, deployed, root: registry.root(), end: RefCell::new((0, digest(0))) }
    }

    fn view<C: SolCall>(&self, call: &C) -> C::Return {
        let contract = Contract { l1: &self.l1, address: self.deployed.settlement };
        contract.view(call, At::Latest).expect("it answers").expect("there is a contract")
    }

    /// A transaction of the account; the contract's reason if it refuses.
    fn send(&self, value: U256, call: &impl SolCall) -> Result<Receipt, L1Error> {
        self.send_as(self.signer.address(), self.deployed.settlement, value, call)
    }

    /// A transaction of anybody, to any contract.
    fn send_as(
        &self,
        from: Address,
        to: Address,
        value: U256,
        call: &impl SolCall,
    ) -> Result<Receipt, L1Error> {
        let call = Call { from, to: Some(to), value, input: call.abi_encode().into() };
        self.l1.call(&call, At::Latest)?;
        let receipt = self.l1.execute(&call)?;
        assert!(receipt.succeeded, "it did before");
        Ok(receipt)
    }

    fn queue(&self) -> QueuePosition {
        let queue = self.view(&queueCall {});
        QueuePosition { digest: KeccakDigest(queue.digest.0), length: queue.length }
    }

    /// Settles a superblock that takes the whole queue and makes these payouts.
    fn settle(&self, payouts: &[Payout]) -> Result<Receipt, L1Error> {
        self.settle_through(self.deployed.settlement, payouts)
    }

    /// [`Self::settle`], by a call of the contract `to`.
    fn settle_through(&self, to: Address, payouts: &[Payout]) -> Result<Receipt, L1Error> {
        let first = self.view(&progressCall {}).nextPayout;
        let count = payouts.len() as u32;
        let payouts_range = PayoutRange { digest: payouts_digest(payouts), first, count };
        self.settle_outcome(to, &L1Outcome { queue: self.queue(), payouts: payouts_range }, payouts)
    }

    /// Settles a superblock whose block of environment 0 has this outcome, by a call of the contract `to`.
    fn settle_outcome(
        &self,
        to: Address,
        outcome: &L1Outcome,
        payouts: &[Payout],
    ) -> Result<Receipt, L1Error> {
        let (number, before) = *self.end.borrow();
        let (number, after) = (number + 1, digest(u64::from(number) + 1));
        let statement = SuperblockStatement {
            chain_id: F::from_canonical_u64(self.deployed.deployment),
            number: F::from_canonical_u32(number),
            previous_state: before,
            new_state: after,
            registry_root: self.root,
            body_chain: digest(9),
            block_count: F::ONE,
            has_l1_block: F::ONE,
            l1_body: L1Body::from(outcome),
        };
        let packed: Vec<u8> = payouts.iter().flat_map(Payout::packed).collect();
        let superblock = Superblock::new(&statement, &packed).expect("it fits");
        let proof = GOOD_PROOF.prove(&superblock).expect("there is always one");
        let call = Call {
            from: self.signer.address(),
            to: Some(to),
            value: U256::ZERO,
            input: superblock.calldata(&proof),
        };
        self.l1.call(&call, At::Latest)?;
        let receipt = self.l1.execute(&call)?;
        assert!(receipt.succeeded, "it did before");
        self.end.replace((number, after));
        Ok(receipt)
    }

    /// The deposit as a call of its depositor, who is the account. Amounts of ether beyond 256 bits are none.
    fn deposit(&self, deposit: &Deposit) -> Result<Receipt, L1Error> {
        let tokens = U256::from(deposit.amount) * U256::from(UNIT);
        let call = depositCall {
            asset: AssetId { origin: deposit.asset.origin, number: deposit.asset.number },
            tokens,
            destination: deposit.destination,
            recipient: B256::new(deposit.recipient.0),
            lifetime: deposit.lifetime,
        };
        self.send(tokens, &call)
    }
}

/// Values of a field of a deposit: such as are in use, and such as are next to its limits.
fn deposits(depositor: Address) -> impl Strategy<Value = Deposit> {
    let amount = prop_oneof![
        4 => 1..1_000_000_u64,
        1 => Just(0),
        1 => (-2..3_i64).prop_map(|near| (1_u64 << 58).wrapping_add_signed(near)),
        1 => any::<u64>(),
    ];
    let lifetime = prop_oneof![
        4 => 64..=(1_u32 << 20),
        1 => 60..70_u32,
        1 => (1_u32 << 20) - 2..(1 << 20) + 3,
        1 => any::<u32>(),
    ];
    let word = prop_oneof![
        6 => any::<u32>().prop_map(u64::from),
        1 => u64::MAX - u64::from(u32::MAX) - 1..u64::MAX - u64::from(u32::MAX) + 3,
        1 => any::<u64>(),
    ];
    let destination = prop_oneof![6 => 1..=u16::MAX, 1 => Just(0_u16), 1 => Just(u16::MAX)];
    let number = prop_oneof![6 => Just(1_u32), 1 => 0..3_u32];
    let origin = prop_oneof![9 => Just(0_u16), 1 => 0..3_u16];
    let words = prop::array::uniform4(word);
    (amount, lifetime, words, destination, number, origin).prop_map(
        move |(amount, lifetime, words, destination, number, origin)| {
            let mut recipient = Bytes32::default();
            for (bytes, word) in recipient.0.chunks_exact_mut(8).zip(words) {
                bytes.copy_from_slice(&word.to_be_bytes());
            }
            let depositor = Account(depositor.0.0);
            Deposit {
                depositor,
                destination,
                recipient,
                asset: AssetName { origin, number },
                amount,
                lifetime,
            }
        },
    )
}

#[test]
fn the_deployment_id_is_the_contracts_own() {
    let local = Local::new();
    let id = deployment_id(CHAIN_ID, local.deployed.settlement);
    assert_eq!((local.view(&deploymentCall {}), local.deployed.deployment), (id, id));
    assert!(id < 1 << 62);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_the_contract_accepts_is_never_a_bounce_and_its_queue_is_ours(
        deposits in prop::collection::vec(deposits(SIGNER.address()), 1..24),
    ) {
        let local = Local::new();
        let mut queue = QueuePosition::default();
        let mut outstanding = 0;
        for deposit in &deposits {
            let accepted = local.deposit(deposit);
            let verdict = deposit.verdict(1);
            match &accepted {
                Ok(_) => {
                    prop_assert!(verdict.is_ok(), "{deposit:?}: {verdict:?}");
                    // The last number for which the contract takes deposits is three million before this one.
                    let late = deposit.verdict(LAST_KEPT);
                    prop_assert!(late.is_ok(), "{deposit:?}: {late:?}");
                    queue = append(queue, deposit).expect("there is room");
                    outstanding += deposit.amount;
                    prop_assert!(outstanding < 1 << 58);
                }
                Err(reason) => {
                    // Other reasons: the contract knows the asset, and has room for the amount.
                    let is_known = deposit.asset == AssetName { origin: 0, number: 1 };
                    let has_room = outstanding.checked_add(deposit.amount).is_some_and(|sum| sum < 1 << 58);
                    prop_assert!(verdict.is_err() || !is_known || !has_room, "{deposit:?}: {reason}");
                }
            }
            prop_assert_eq!(local.queue(), queue);
        }
        for length in 0..=queue.length {
            let of = local.view(&queueDigestCall { generation: 0, length });
            prop_assert_eq!(of == B256::ZERO, length == 0);
        }
    }

    #[test]
    fn payouts_have_one_digest_and_one_tree_and_are_paid_once(
        amounts in prop::collection::vec(1..1_000_u64, 0..40),
        claimed in any::<prop::sample::Index>(),
    ) {
        let local = Local::new();
        let (depositor, recipient) = (Account(SIGNER.address().0.0), Address::repeat_byte(0x77));
        let ether = AssetName { origin: 0, number: 1 };
        let deposit = Deposit {
            depositor, destination: 5, recipient: Bytes32::default(), asset: ether, amount: 100_000, lifetime: 64,
        };
        local.deposit(&deposit).expect("it is good");
        let payout = |(index, &amount): (usize, &u64)| Payout {
            index: index as u32,
            recipient: Account(recipient.0.0),
            kind: [PayoutKind::Claim, PayoutKind::Refund][index % 2],
            asset: if index % 3 == 2 { AssetName { origin: 4, number: 9 } } else { ether },
            amount,
            name: Bytes32([index as u8; 32]),
        };
        let payouts: Vec<_> = amounts.iter().enumerate().map(payout).collect();
        local.settle(&payouts).expect("the digest is the contract's");
        let tree = PayoutTree::new(&payouts);
        prop_assert_eq!(local.view(&payoutRootCall { number: 1 }), B256::new(tree.root().0));
        if payouts.is_empty() {
            return Ok(());
        }
        let position = claimed.index(payouts.len());
        let Payout { index, kind, asset, amount, name, .. } = payouts[position];
        let named = AssetId { origin: asset.origin, number: asset.number };
        let claim = claimCall {
            claimed: Claim {
                superblock: 1,
                payout: ClaimedPayout {
                    index, recipient, kind: kind as u16, asset: named.clone(), amount, name: B256::new(name.0),
                },
                proof: tree.proof(position).expect("it is there").iter().map(|node| B256::new(node.0)).collect(),
            },
        };
        let before = local.l1.balance(recipient).expect("it answers");
        local.send(U256::ZERO, &claim).expect("it is owed");
        let is_claimed = local.view(&isClaimedCall { index });
        prop_assert!(is_claimed);
        let paid = local.l1.balance(recipient).expect("it answers") - before;
        let expected = if asset == ether { U256::from(amount) * U256::from(UNIT) } else { U256::ZERO };
        prop_assert_eq!(paid, expected);
        prop_assert_ne!(local.view(&wrappedTokenCall { asset: named }), Address::ZERO);
        let again = local.send(U256::ZERO, &claim).expect_err("once");
        prop_assert!(again.to_string().contains("AlreadyClaimed"), "{again}");
        let mut other = claim;
        other.claimed.payout.amount += 1;
        prop_assert!(local.send(U256::ZERO, &other).is_err());
    }
}

#[test]
fn more_than_was_deposited_is_never_paid() {
    let local = Local::new();
    let ether = AssetName { origin: 0, number: 1 };
    let payout = Payout {
        index: 0,
        recipient: Account([7; 20]),
        kind: PayoutKind::Claim,
        asset: ether,
        amount: 1,
        name: Bytes32::default(),
    };
    let reason = local.settle(&[payout]).expect_err("nothing was deposited");
    assert!(reason.to_string().contains("OverPaid"), "{reason}");
    assert_ne!(of_digest(digest(0)), B256::ZERO);
}

#[test]
fn payouts_are_read_from_the_event_of_whoever_settled_them() {
    let local = Local::new();
    let contract = Contract { l1: &local.l1, address: local.deployed.settlement };
    let payout = |index| Payout {
        index,
        recipient: Account([9; 20]),
        kind: PayoutKind::Claim,
        asset: AssetName { origin: 7, number: 1 },
        amount: 5,
        name: Bytes32([3; 32]),
    };
    let read = |number| settled_payouts(&contract, number, 0);
    assert_eq!(read(1), Err(ClaimError::NotSettled { superblock: 1, settled: 0 }));
    local.settle(&[payout(0), payout(1)]).expect("it settles");
    local.settle(&[]).expect("it settles");
    assert_eq!(read(1), Ok(vec![payout(0), payout(1)]));
    assert_eq!(read(2), Ok(vec![]));
    // Nothing is known of a block that is not searched.
    let head = local.l1.block(At::Latest).expect("it answers").expect("a head").number;
    assert_eq!(settled_payouts(&contract, 1, head), Err(ClaimError::NoEvent { superblock: 1 }));

    local.l1.fund(FORWARDER_OWNER, RICH);
    let input = forwarder_to(contract.address);
    let creation = Call { from: FORWARDER_OWNER, to: None, value: U256::ZERO, input };
    let forwarder = local.l1.execute(&creation).expect("it can pay").created.expect("a contract");
    local.settle_through(forwarder, &[payout(2)]).expect("it settles");
    assert_eq!(local.view(&progressCall {}).number, 3);
    assert_eq!(read(3), Ok(vec![payout(2)]));

    // More than a kernel makes: a node that makes up a list would have somebody claim it for hours.
    let many: Vec<_> = (3..164).map(payout).collect();
    local.settle(&many).expect("this verifier accepts it");
    assert_eq!(read(4), Err(ClaimError::TooMany { superblock: 4, found: 161 }));
}
