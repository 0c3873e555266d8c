//! What the contract accepts can be moved: the native kernel of environment 0 takes each deposit, the bridge's rows have room for
//! it, and the contract pays what the kernel pays. Deposits are of ether, a token and an environment's asset, at their bounds.

use alloy_primitives::{Address, B256, Bytes, U256, address, hex};
use batcher_settlement::{
    abi::Settlement::{
        AssetId, Claim, Payout as ClaimedPayout, assetOfCall, claimCall, depositCall, listAssetCall,
        progressCall,
    },
    l1::{Call, L1Error, Receipt},
};
use bridge_core::{
    AssetId as BridgeAsset, BalanceKey, BlockMessages, BridgeLists, BridgeState, Consumption, Crossing,
    Message,
};
use circuits_core::{Digest, amount::Amount};
use environments_core::{address::Address as Account, environment::EnvironmentId};
use environments_l1::{Bytes32, Deposit, L1State, PayoutTree, asset::AssetName};
use proptest::prelude::*;

use super::{Local, RICH, UNIT, deposits};

/// Creates a token that remembers one balance, of everybody together, and lets everybody take it.
const TOKEN: [u8; 61] = hex!(
    "603480" "6009" "5f395ff3"
    // `balanceOf` has 36 bytes and `transfer` has 68; the rest is `transferFrom`.
    "36602414602b57" "36604414601957"
    "604435" "5f54015f55" "602256"
    "5b602435" "5f54035f55"
    "5b60015f5260205ff3"
    "5b5f545f5260205ff3"
);
/// Accounts whose bytes are at their bounds.
const DEPOSITORS: [Address; 3] = [
    address!("0x1111111111111111111111111111111111111111"),
    address!("0xffffffffffffffffffffffffffffffffffffffff"),
    address!("0x00000000000000000000000000000000ffffffff"),
];
const ETHER: AssetName = AssetName { origin: 0, number: 1 };
const LISTED: AssetName = AssetName { origin: 0, number: u32::MAX };
/// The asset of the last environment there is.
const WRAPPED: AssetName = AssetName { origin: u16::MAX, number: u32::MAX };
const ASSETS: [AssetName; 3] = [ETHER, LISTED, WRAPPED];
/// The most that the bridge holds of an asset.
const MOST: u64 = (1 << 58) - 1;
/// The shortest lifetime of a message, in superblocks.
const LIFETIME: u32 = 64;
/// The most deposits that a superblock takes.
const MOST_TAKEN: usize = 64;

#[derive(Clone, Debug)]
enum Try {
    /// A deposit of this depositor and asset; how much of what it has, if it is a wrapped one.
    Deposit(Deposit, usize, usize),
    /// Environments send so many of the deposits that they can claim back to L1, and a superblock takes so many more.
    Superblock { returned: usize, taken: usize },
    /// The last environment sends so much of its asset to an account.
    Issue(u64, usize),
}

fn tries() -> impl Strategy<Value = Try> {
    let issued = prop_oneof![1..1_000_000_u64, Just(MOST)];
    prop_oneof![
        8 => (deposits(Address::ZERO), 0..DEPOSITORS.len(), 0..ASSETS.len())
            .prop_map(|(deposit, depositor, asset)| Try::Deposit(deposit, depositor, asset)),
        2 => (0..8_usize, 0..16_usize).prop_map(|(returned, taken)| Try::Superblock { returned, taken }),
        1 => (issued, 0..DEPOSITORS.len()).prop_map(|(amount, account)| Try::Issue(amount, account)),
    ]
}

/// The contracts, and what the native code says happened.
struct World {
    local: Local,
    l1: L1State,
    bridge: BridgeState,
    number: u32,
    /// Deposits that are in the queue and not taken.
    waiting: Vec<Deposit>,
    /// Messages that environments can claim, and messages that L1 can.
    inbound: Vec<Message>,
    /// Emitted in the next superblock, by the environment that it names.
    issued: Vec<Message>,
}

impl World {
    fn new() -> Self {
        let local = Local::new();
        let from = local.signer.address();
        let call = Call { from, to: None, value: U256::ZERO, input: Bytes::from_static(&TOKEN) };
        let token = local.l1.execute(&call).expect("it is created").created.expect("a contract");
        let list =
            listAssetCall { number: LISTED.number, token, unitExponent: 0, minimum: 1, dayLimit: u64::MAX };
        local.send(U256::ZERO, &list).expect("it is the asset governor");
        for depositor in DEPOSITORS {
            local.l1.fund(depositor, RICH);
        }
        let l1 = L1State::genesis(local.deployed.deployment).expect("62 bits");
        let (bridge, number) = (BridgeState::default(), 0);
        Self { local, l1, bridge, number, waiting: vec![], inbound: vec![], issued: vec![] }
    }

    fn deposit(&mut self, deposit: Deposit) -> Result<Receipt, L1Error> {
        let unit = if deposit.asset == ETHER { UNIT } else { 1 };
        let tokens = U256::from(deposit.amount) * U256::from(unit);
        let value = if deposit.asset == ETHER { tokens } else { U256::ZERO };
        let call = depositCall {
            asset: named(deposit.asset),
            tokens,
            destination: deposit.destination,
            recipient: B256::new(deposit.recipient.0),
            lifetime: deposit.lifetime,
        };
        let from = Address::new(deposit.depositor.0);
        let receipt = self.local.send_as(from, self.local.deployed.settlement, value, &call)?;
        self.waiting.push(deposit);
        Ok(receipt)
    }

    /// In the next superblock the last environment sends so much of its asset to an account, if its own rows have room.
    fn issue(&mut self, amount: u64, account: Address) {
        let environment = EnvironmentId(WRAPPED.origin);
        let asset = WRAPPED.id().expect("it has a number");
        let issued: u64 = self.issued.iter().map(|message| message.amount.get()).sum();
        let out = self.bridge.balance(BalanceKey { environment, asset }).get();
        if Amount::new(out + issued + amount).is_ok() {
            let amount = Amount::new(amount).expect("it is less than the sum");
            self.issued.push(self.withdrawal(environment, asset, amount, Account(account.0.0)));
        }
    }

    /// A message to an account on L1, in the next superblock.
    fn withdrawal(&self, source: EnvironmentId, asset: BridgeAsset, amount: Amount, to: Account) -> Message {
        Message {
            chain_id: self.local.deployed.deployment,
            source,
            destination: EnvironmentId::L1,
            sequence: u64::from(self.number),
            sender: Digest::ZERO,
            recipient: to.to_digest(),
            asset,
            amount,
            deadline: self.number + 1 + LIFETIME,
            data: Digest::ZERO,
        }
    }

    /// Makes and settles a superblock, and claims what it pays. All of it has to succeed.
    fn superblock(&mut self, returned: usize, taken: usize) {
        let deployment = self.local.deployed.deployment;
        let number = self.number + 1;
        let mut crossing = Crossing::new(deployment, number, self.bridge.clone(), BridgeLists::start())
            .expect("there is room");
        let mut apply = |messages: &BlockMessages| {
            crossing.open_balances(messages.balance_keys()).expect("there is room");
            crossing.apply_block(messages).expect("the rows have room");
        };

        let mut consumed = vec![];
        let returned = returned.min(self.inbound.len());
        for claimed in self.inbound.drain(..returned).collect::<Vec<_>>() {
            let environment = claimed.destination;
            let to = Account::from_digest(claimed.sender).expect("the depositor");
            let back = self.withdrawal(environment, claimed.asset, claimed.amount, to);
            let inbox = vec![(claimed, Consumption::Claim)];
            apply(&BlockMessages { environment, inbox, outbox: vec![back.clone()] });
            consumed.push((back, Consumption::Claim));
        }
        for message in self.issued.drain(..) {
            let (environment, outbox) = (message.source, vec![message.clone()]);
            apply(&BlockMessages { environment, inbox: vec![], outbox });
            consumed.push((message, Consumption::Claim));
        }

        let progress = self.local.view(&progressCall {});
        let owed = (progress.owed - progress.taken) as usize;
        let taken = taken.max(owed).min(self.waiting.len()).min(MOST_TAKEN);
        let deposits: Vec<_> = self.waiting.drain(..taken).collect();
        let block = self.l1.block(number, &deposits, &consumed).expect("a block");
        let outcome = &block.witness().outcome;
        assert!(outcome.bounces.is_empty(), "{:?}", outcome.bounces);
        apply(block.messages());
        self.inbound.extend(block.messages().outbox.iter().cloned());
        self.l1.apply(&block).expect("it continues");
        (self.bridge, self.number) = (crossing.state, number);
        self.bridge.check(deployment, number).expect("balances are sums");

        self.local
            .settle_outcome(self.local.deployed.settlement, &outcome.l1(), &outcome.payouts)
            .expect("the contract agrees");
        let tree = PayoutTree::new(&outcome.payouts);
        for (position, payout) in outcome.payouts.iter().enumerate() {
            let claimed = Claim {
                superblock: number,
                payout: ClaimedPayout {
                    index: payout.index,
                    recipient: Address::new(payout.recipient.0),
                    kind: payout.kind as u16,
                    asset: named(payout.asset),
                    amount: payout.amount,
                    name: B256::new(payout.name.0),
                },
                proof: tree
                    .proof(position)
                    .expect("it is there")
                    .iter()
                    .map(|node| B256::new(node.0))
                    .collect(),
            };
            self.local.send(U256::ZERO, &claimCall { claimed }).expect("it is owed");
        }
    }

    /// What the contract says is outstanding of an asset of L1, and what rows and queue say.
    fn outstanding(&self, asset: AssetName) -> (u64, u64) {
        let environment = EnvironmentId::L1;
        let asset_id = asset.id().expect("it has a number");
        let moved = self.bridge.balance(BalanceKey { environment, asset: asset_id }).get();
        let waiting: u64 =
            self.waiting.iter().filter(|deposit| deposit.asset == asset).map(|d| d.amount).sum();
        (self.local.view(&assetOfCall { asset: named(asset) }).outstanding, moved + waiting)
    }
}

fn named(asset: AssetName) -> AssetId {
    AssetId { origin: asset.origin, number: asset.number }
}

#[test]
fn the_most_of_each_asset_comes_in_and_goes_home() {
    let mut world = World::new();
    world.issue(MOST, DEPOSITORS[1]);
    world.superblock(0, 0);
    let largest = u64::MAX - u64::from(u32::MAX);
    let mut recipient = Bytes32::default();
    recipient.0.chunks_exact_mut(8).for_each(|word| word.copy_from_slice(&largest.to_be_bytes()));
    for asset in ASSETS {
        let depositor = Account(DEPOSITORS[1].0.0);
        let deposit =
            Deposit { depositor, destination: u16::MAX, recipient, asset, amount: MOST, lifetime: 1 << 20 };
        world.deposit(deposit).expect("it is within all bounds");
        let one_more =
            world.deposit(Deposit { amount: 1, ..deposit }).expect_err("there is no room").to_string();
        // OpenZeppelin's `ERC20InsufficientBalance`: the depositor has no more of it.
        let reason = if asset == WRAPPED { "0xe450d38c" } else { "AmountTooLarge" };
        assert!(one_more.contains(reason), "{asset}: {one_more}");
    }
    world.superblock(0, 3);
    for asset in [ETHER, LISTED] {
        assert_eq!(world.outstanding(asset), (MOST, MOST));
    }
    world.superblock(3, 0);
    for asset in [ETHER, LISTED] {
        assert_eq!(world.outstanding(asset), (0, 0));
    }
    assert_eq!(world.local.view(&progressCall {}).nextPayout, 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_the_contract_accepts_kernel_and_rows_move(tries in prop::collection::vec(tries(), 8..40)) {
        let mut world = World::new();
        for attempt in tries {
            match attempt {
                Try::Deposit(deposit, depositor, asset) => {
                    let depositor = Account(DEPOSITORS[depositor].0.0);
                    let deposit = Deposit { depositor, asset: ASSETS[asset], ..deposit };
                    // What is refused is nobody's concern here.
                    let _ = world.deposit(deposit);
                }
                Try::Superblock { returned, taken } => world.superblock(returned, taken),
                Try::Issue(amount, account) => world.issue(amount, DEPOSITORS[account]),
            }
            for asset in [ETHER, LISTED] {
                let (contract, rows) = world.outstanding(asset);
                prop_assert_eq!(contract, rows);
            }
        }
        // Nothing is left behind in the queue.
        while !world.waiting.is_empty() {
            world.superblock(MOST_TAKEN, MOST_TAKEN);
        }
    }
}
