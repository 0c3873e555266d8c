//! Three honest economies that send assets to each other and to L1, natively: whatever happens on the way, what
//! an origin has locked is what is outstanding, and what the bridge let in elsewhere circulates there.

use std::{cell::RefCell, collections::BTreeMap};

use batcher_circuits::state::SuperblockState;
use batcher_job::{
    l1::l1_state,
    planner::{Candidate, L1Input, Planner},
};
use bridge_core::{
    AssetId, BalanceKey, Consumption,
    message::{MIN_LIFETIME, TIMING_MARGIN},
};
use circuits_core::{Digest, amount::Amount};
use circuits_protocol::registry::{EnvironmentId, KernelEntry, Producer, Registry, RegistryEntry};
use environments_accounts::{
    Accounts, fixtures as accounts,
    fixtures::{CLIENTS, START},
    transaction::{Action, Transaction},
};
use environments_conformance::secret;
use environments_core::{
    BlockProducer, DynEnvironment, ProposedBlock,
    address::{ADDRESS_BYTES, Address},
};
use environments_l1::{Bytes32, Deposit, L1Witness, Outcome, PayoutKind, registry_entry};
use environments_notes::{Notes, emission::Emission, fixtures as notes};
use proptest::{collection::vec, prelude::*};

const CHAIN_ID: u64 = 77;
const NOTES: EnvironmentId = EnvironmentId(1);
const LEFT: EnvironmentId = EnvironmentId(2);
const RIGHT: EnvironmentId = EnvironmentId(3);
const L1: EnvironmentId = EnvironmentId::L1;
const EVERYWHERE: [EnvironmentId; 4] = [L1, NOTES, LEFT, RIGHT];

/// Everybody on L1.
const SOMEBODY: Address = Address([9; ADDRESS_BYTES]);

/// The asset that an environment issues and that pays no fees.
fn asset(issuer: EnvironmentId) -> AssetId {
    AssetId::new(issuer.get(), 2).unwrap()
}

fn amount(value: u64) -> Amount {
    Amount::new(value).unwrap()
}

/// An account-based environment with assets of its own.
fn accounts_of(id: EnvironmentId) -> BlockProducer<Accounts> {
    BlockProducer::new(Accounts::new(CHAIN_ID, id, secret(id.get().into()), &accounts::genesis(id)).unwrap())
}

/// What somebody does.
#[derive(Clone, Copy, Debug)]
enum Try {
    /// A client of environment `from` sends `value` of the asset of `of` to `to`, claimable for so many superblocks.
    Send { from: usize, to: usize, of: usize, client: usize, value: u64, lifetime: u32 },
    /// Somebody deposits on L1.
    Deposit { to: usize, client: usize, value: u64, lifetime: u32 },
    /// Environments make their blocks, and those of `without` are missing from the superblock.
    Superblock { without: Option<usize> },
    /// Nobody sends anything for a while, and nobody claims.
    Wait(u32),
}

fn tries() -> impl Strategy<Value = Try> {
    let value = || prop_oneof![1..1000u64, 1..2 * START];
    prop_oneof![
        40 => (1..4usize, 0..4usize, 0..4usize, 0..CLIENTS, value(), 80..120u32).prop_map(
            |(from, to, of, client, value, lifetime)| Try::Send { from, to, of, client, value, lifetime }
        ),
        // With some lifetimes that no message has: these deposits go back at once.
        8 => (1..4usize, 0..CLIENTS, value(), 50..120u32)
            .prop_map(|(to, client, value, lifetime)| Try::Deposit { to, client, value, lifetime }),
        12 => proptest::option::of(1..4usize).prop_map(|without| Try::Superblock { without }),
        1 => (100..130u32).prop_map(Try::Wait),
    ]
}

thread_local! {
    /// Messages claimed, refunded and pending in all cases.
    static TOTAL: RefCell<[usize; 3]> = const { RefCell::new([0; 3]) };
}

/// Everything there is.
struct Economy {
    state: SuperblockState,
    registry: Registry,
    notes: (notes::World, BlockProducer<Notes>),
    accounts: [BlockProducer<Accounts>; 2],
    /// Of each environment's asset, how much there was at genesis.
    issued: [u64; 4],
    /// Clients with a transaction in a pool, which is one at a time.
    busy: Vec<(usize, usize)>,
    /// L1's queue, as far as it was not taken.
    deposits: Vec<Deposit>,
    /// What L1 has of each asset: locked, if it is its own, and in circulation otherwise.
    on_l1: BTreeMap<AssetId, i128>,
    /// What waits in a pool to be consumed.
    offered: BTreeMap<Digest, Consumption>,
}

impl Economy {
    fn new() -> Self {
        let world = notes::World::new(CHAIN_ID, NOTES, secret(1));
        let producer = BlockProducer::new(world.environment.clone());
        let mut economy = Self {
            state: SuperblockState::genesis(CHAIN_ID),
            registry: Registry::default(),
            notes: (world, producer),
            accounts: [accounts_of(LEFT), accounts_of(RIGHT)],
            busy: vec![],
            deposits: vec![],
            on_l1: BTreeMap::new(),
            offered: BTreeMap::new(),
            issued: [0; 4],
        };
        economy.registry.insert(L1, registry_entry(CHAIN_ID, &[kernel()]).unwrap()).unwrap();
        for (index, id) in EVERYWHERE.into_iter().enumerate().skip(1) {
            let producer = economy.producer(index);
            let kernel = KernelEntry { key: kernel(), valid_from: 1, valid_until: u32::MAX };
            let registered = Producer::fixture(producer.producer());
            let entry = RegistryEntry::new(producer.genesis_commitment(), registered, vec![kernel]);
            economy.registry.insert(id, entry).unwrap();
            economy.issued[index] = economy.circulating(index, asset(id));
        }
        economy
    }

    fn producer(&mut self, index: usize) -> &mut dyn DynEnvironment {
        match index {
            1 => &mut self.notes.1,
            _ => &mut self.accounts[index - 2],
        }
    }

    /// Who client `n` is, in the terms of an environment.
    fn party(&self, index: usize, n: usize) -> Digest {
        match index {
            0 => SOMEBODY.to_digest(),
            1 => self.notes.0.clients[n % 3].id(),
            _ => Digest(accounts::key(n).address().limbs()),
        }
    }

    fn send(&mut self, from: usize, to: usize, of: usize, client: usize, value: u64, lifetime: u32) {
        let client = if from == 1 { client % 3 } else { client };
        if from == to || self.busy.contains(&(from, client)) {
            return;
        }
        let (destination, recipient) = (EVERYWHERE[to], self.party(to, client));
        let (asset, amount) = (asset(EVERYWHERE[of]), amount(value));
        let deadline = self.state.number + lifetime + 1;
        if from == 1 {
            let (world, producer) = &mut self.notes;
            if world.clients[client].account.vault.balance(asset) < amount {
                return;
            }
            let send = Emission { destination, recipient, asset, amount, deadline, data: Digest::ZERO };
            let request = world.request_with(client, &[], vec![], Some(send), 1);
            producer.submit(request.into()).unwrap();
        } else {
            let producer = &mut self.accounts[from - 2];
            let (key, environment) = (accounts::key(client), producer.environment());
            let nonce = producer.state().account(&key.address()).map_or(0, |account| account.nonce);
            let transaction = Transaction {
                sender: key.address(),
                nonce,
                fee: accounts::amount(accounts::FEE),
                deadline: u32::MAX,
                actions: vec![Action::Bridge { destination, recipient, asset, amount, deadline }],
            };
            let signed = key.sign(transaction, &environment.deployment().signing_domain()).unwrap();
            producer.submit(signed.into()).unwrap();
        }
        self.busy.push((from, client));
    }

    fn deposit(&mut self, to: usize, client: usize, value: u64, lifetime: u32) {
        self.deposits.push(Deposit {
            depositor: SOMEBODY,
            destination: EVERYWHERE[to].get(),
            recipient: Bytes32::of_digest(self.party(to, client)),
            asset: asset(L1).into(),
            amount: value,
            lifetime,
        });
    }

    /// Offers what can be consumed in the next superblock to whom it is for.
    fn offer(&mut self, number: u32, claims: bool) {
        let flights: Vec<_> = self.state.bridge.in_flight().map(|record| record.message).collect();
        for message in flights {
            let (consumption, environment) = if message.deadline < number {
                (Consumption::Refund, message.source)
            } else {
                (Consumption::Claim, message.destination)
            };
            let index = EVERYWHERE.iter().position(|&id| id == environment).unwrap();
            let hash = message.hash();
            let skipped = consumption == Consumption::Claim && !claims;
            if skipped || index == 0 || self.offered.get(&hash) == Some(&consumption) {
                continue;
            }
            self.producer(index).deliver(&message, consumption).unwrap();
            self.offered.insert(hash, consumption);
        }
    }

    /// One superblock of everybody's next blocks, and of one of environment 0 if that has anything to do; those of
    /// `without` come with the next one.
    fn superblock(&mut self, without: Option<usize>, claims: bool) {
        let number = self.state.number + 1;
        self.offer(number, claims);
        let mut candidates = vec![];
        for index in 1..4 {
            let producer = self.producer(index);
            producer.expect_superblock(number);
            producer.propose_block().unwrap();
            if without != Some(index) {
                candidates.extend(self.blocks(index));
            }
        }
        let planner = Planner::default();
        let l1 = L1Input { state: l1_state(&self.state), deposits: &self.deposits, key: &|_| Ok(kernel()) };
        let selection = planner.select(&self.state, &self.registry, &candidates, Some(&l1)).unwrap();
        let plan = planner.plan(&self.state, &self.registry, kernel(), selection).unwrap();
        assert_eq!((plan.left_out, plan.l1_waits), (vec![], None));
        self.state = plan.transition.new_state;
        if let Some(planned) = plan.l1 {
            self.settle(planned.block.witness());
        }
        self.busy.clear();
        for index in (1..4).filter(|index| without != Some(*index)) {
            let height = self.state.environments.get(EVERYWHERE[index]).expect("it has a block").height;
            self.producer(index).confirm(height).unwrap();
        }
        assert!(self.state.bridge.is_balanced());
        if without.is_none() {
            self.check();
        }
    }

    /// What a block of environment 0 means on L1.
    fn settle(&mut self, block: &L1Witness) {
        let Outcome { payouts, bounces, .. } = &block.outcome;
        let taken = self.deposits.drain(..block.body.deposits.len()).enumerate();
        let first = block.body.before.queue.length;
        let bounced =
            |position: usize| bounces.iter().any(|&(index, _)| index as usize == first as usize + position);
        let kept = taken.filter(|&(position, _)| !bounced(position));
        for (_, Deposit { asset, amount, lifetime, .. }) in kept {
            assert!(lifetime >= MIN_LIFETIME);
            *self.on_l1.entry(asset.id().unwrap()).or_default() += i128::from(amount);
        }
        let paid = payouts.iter().filter(|payout| payout.kind != PayoutKind::Bounce);
        for payout in paid {
            assert_eq!(payout.recipient, SOMEBODY);
            let asset = payout.asset.id().unwrap();
            // L1 unlocks what is its own, and mints what is not.
            let sign = if asset.origin() == L1.get() { -1 } else { 1 };
            *self.on_l1.entry(asset).or_default() += sign * i128::from(payout.amount);
        }
    }

    /// The blocks of an environment that no superblock has.
    fn blocks(&self, index: usize) -> Vec<Candidate> {
        match index {
            1 => self.notes.1.blocks().map(|block| candidate(&block.block)).collect(),
            _ => self.accounts[index - 2].blocks().map(|block| candidate(&block.block)).collect(),
        }
    }

    /// How much of an asset circulates in an environment all of whose blocks are in superblocks.
    fn circulating(&self, index: usize, asset: AssetId) -> u64 {
        if index == 1 {
            let vaults = self.notes.0.clients.iter().map(|client| client.account.vault.balance(asset).get());
            // Nobody takes what arrived into a vault.
            let arrived = self.state.bridge.records().filter(|record| {
                let home = match record.consumed {
                    Some((Consumption::Claim, _)) => record.message.destination,
                    Some((Consumption::Refund, _)) => record.message.source,
                    None => L1,
                };
                home == NOTES && record.message.asset == asset
            });
            return vaults.sum::<u64>() + arrived.map(|record| record.message.amount.get()).sum::<u64>();
        }
        let state = self.accounts[index - 2].state();
        let accounts = state.accounts().map(|(_, account)| account.balances.balance(asset).get());
        // The pool of the two assets of the genesis.
        let first = AssetId::new(asset.origin(), 1).unwrap();
        let reserve = state.pool(first, asset).map_or(0, |pool| pool.reserve_b.get());
        accounts.sum::<u64>() + reserve
    }

    fn check(&self) {
        for (index, issuer) in EVERYWHERE.into_iter().enumerate() {
            let asset = asset(issuer);
            for (place, environment) in EVERYWHERE.into_iter().enumerate().skip(1) {
                let row = self.state.bridge.balance(BalanceKey { environment, asset }).get();
                let circulating = self.circulating(place, asset);
                if place == index {
                    assert_eq!(self.issued[index] - circulating, row, "locked of {asset}");
                } else {
                    assert_eq!(circulating, row, "of {asset} in environment {environment}");
                }
            }
            let row = self.state.bridge.balance(BalanceKey { environment: L1, asset }).get();
            assert_eq!(
                self.on_l1.get(&asset).copied().unwrap_or_default(),
                i128::from(row),
                "of {asset} on L1"
            );
        }
    }
}

fn kernel() -> Digest {
    secret(901).commitment()
}

fn candidate<W>(block: &ProposedBlock<W>) -> Candidate {
    Candidate {
        statement: *block.statement(),
        header: block.header(),
        key: kernel(),
        messages: block.messages().clone(),
        file: [0; 32],
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    #[test]
    fn what_an_origin_has_locked_is_what_is_outstanding_and_what_was_let_in_circulates(
        tries in vec(tries(), 150),
    ) {
        let mut economy = Economy::new();
        for one in tries {
            match one {
                Try::Send { from, to, of, client, value, lifetime } => {
                    economy.send(from, to, of, client, value, lifetime);
                }
                Try::Deposit { to, client, value, lifetime } => economy.deposit(to, client, value, lifetime),
                Try::Superblock { without } => economy.superblock(without, true),
                Try::Wait(superblocks) => (0..superblocks).for_each(|_| economy.superblock(None, false)),
            }
        }
        economy.superblock(None, true);
        let records = || economy.state.bridge.records();
        let became = |what| records().filter(|record| record.consumed.map(|(was, _)| was) == what).count();
        let counts = [Some(Consumption::Claim), Some(Consumption::Refund), None].map(became);
        TOTAL.with_borrow_mut(|total| total.iter_mut().zip(counts).for_each(|(total, count)| *total += count));
        prop_assert!(TOTAL.with_borrow(|total| total[0] > 0), "something is claimed");
    }
}

#[test]
fn a_claim_too_little_for_an_account_stops_no_block_and_goes_home() {
    let mut economy = Economy::new();
    let (sender, nobody) = (accounts::key(0), accounts::key(accounts::NEWCOMER).address());
    let (asset, sent, deadline) =
        (asset(LEFT), amount(500), economy.state.number + 1 + MIN_LIFETIME + TIMING_MARGIN);
    let send =
        Action::Bridge { destination: RIGHT, recipient: nobody.to_digest(), asset, amount: sent, deadline };
    let transaction = Transaction {
        sender: sender.address(),
        nonce: 0,
        fee: accounts::amount(accounts::MINIMUM_FEE),
        deadline: u32::MAX,
        actions: vec![send],
    };
    let domain = economy.accounts[0].environment().deployment().signing_domain();
    let signed = sender.sign(transaction, &domain).unwrap();
    economy.accounts[0].submit(signed.into()).unwrap();
    let held = |economy: &Economy| economy.circulating(2, asset);
    let before = held(&economy);
    economy.superblock(None, true);
    assert_eq!(held(&economy), before - sent.get());

    // The other environment makes its blocks without it up to the deadline, and its source takes it back.
    while economy.state.number <= deadline {
        let [ref record] = economy.state.bridge.records().collect::<Vec<_>>()[..] else {
            panic!("one message")
        };
        assert_eq!(record.consumed, None);
        economy.superblock(None, true);
    }
    let [ref record] = economy.state.bridge.records().collect::<Vec<_>>()[..] else { panic!("one message") };
    assert!(matches!(record.consumed, Some((Consumption::Refund, _))));
    assert_eq!(held(&economy), before);
    let right = economy.accounts[1].state();
    assert_eq!((right.account(&nobody), right.height()), (None, economy.state.number));
}

#[test]
fn what_needs_a_missing_block_waits_and_is_proposed_again() {
    let mut economy = Economy::new();
    economy.send(1, 2, 1, 0, 500, 100);
    let notes = economy.producer(1).propose_block().unwrap();
    let message = notes.messages.outbox[0].clone();
    // The destination runs ahead of the superblocks: it claims what no superblock has emitted yet.
    economy.producer(2).deliver(&message, Consumption::Claim).unwrap();
    for index in [2, 3] {
        economy.producer(index).propose_block().unwrap();
    }
    let candidates = [economy.blocks(2), economy.blocks(3)].concat();
    let planner = Planner::default();
    let selection =
        planner.select(&economy.state, &economy.registry, &candidates, None).expect("no kernel is built");
    let plan = planner.plan(&economy.state, &economy.registry, kernel(), selection).unwrap();
    assert_eq!(plan.order, [1], "the third environment does not wait");
    assert_eq!(plan.left_out.len(), 1);
    let reason = &plan.left_out[0].1;
    assert!(reason.may_come_later() && reason.to_string().contains(&message.hash().to_string()), "{reason}");

    // Its producer proposes the block again, on top of the same state, and the next superblock has both.
    assert_eq!(economy.producer(2).rollback(1).unwrap(), 1);
    assert_eq!(economy.producer(2).pending(), 1);
    economy.producer(2).expect_superblock(2);
    let again = economy.producer(2).propose_block().unwrap();
    assert_eq!(again.messages.inbox, [(message, Consumption::Claim)]);
    let candidates = [economy.blocks(2), economy.blocks(1)].concat();
    let state = plan.transition.new_state;
    let selection = planner.select(&state, &economy.registry, &candidates, None).expect("no kernel is built");
    let plan = planner.plan(&state, &economy.registry, kernel(), selection).unwrap();
    assert_eq!(plan.order, [1, 0], "emission comes first");
    assert_eq!(plan.transition.new_state.bridge.in_flight().count(), 0);
}
