//! Random queues of L1, and environments that claim, withdraw and let messages expire: nothing ever stops, every deposit ends
//! claimed, refunded or bounced, exactly once, and the sums are right.

use std::{
    cell::Cell,
    collections::{BTreeMap, btree_map::Entry},
};

use bridge_core::{
    BalanceKey, BlockMessages, BridgeLists, BridgeState, Consumption, Crossing, Message,
    message::{MAX_LIFETIME, MIN_LIFETIME},
};
use circuits_core::{
    Digest,
    amount::{AMOUNT_BITS, Amount},
};
use circuits_forging::fixtures::cache;
use circuits_protocol::l1::QueuePosition;
use environments_core::environment::EnvironmentId;
use proptest::{collection::vec, prelude::*, sample::select};

use super::{CHAIN_ID, address, digest, kernels::KERNELS};
use crate::{
    asset::AssetName,
    block::L1Block,
    body::{Body, payee},
    bytes32::Bytes32,
    deposit::Deposit,
    payout::{Payout, PayoutKind},
    prove::prove_block,
    queue::append,
    state::L1State,
};

/// How many queues are played.
const QUEUES: u32 = 10_000;
/// Of so many, one has its last block with deposits proved.
const SAMPLE: u32 = 4_000;
/// Environments that make blocks. Deposits go to others too, where nobody claims them.
const ENVIRONMENTS: [EnvironmentId; 2] = [EnvironmentId(1), EnvironmentId(2)];

/// What happens next.
#[derive(Clone, Debug)]
enum Event {
    /// Somebody deposits on L1.
    Deposit(Deposit),
    /// An environment's block claims those of the messages to it that the mask picks, and sends something to L1.
    Block { environment: usize, mask: u8, withdrawal: Option<(AssetName, u64, Digest)> },
    /// A block of environment 0 takes so many deposits, and consumes those messages that the mask picks.
    L1 { deposits: usize, mask: u8 },
    /// Superblocks without messages.
    Wait(u32),
}

/// Where a deposit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Claimed,
    Refunded,
    Bounced,
}

/// L1's contract, the bridge, and state 0.
struct World {
    number: u32,
    bridge: BridgeState,
    l1: L1State,
    /// The contract's queue, of which state 0 has taken the first ones.
    queue: Vec<Deposit>,
    /// What the contract holds of each asset of L1; how much of each other asset there is on L1.
    holds: BTreeMap<AssetName, u64>,
    /// The deposits whose messages are under way, by the messages' hashes.
    under_way: BTreeMap<Digest, u32>,
    fates: BTreeMap<u32, Fate>,
    sequence: u64,
    withdrawn: usize,
    last: Option<L1Block>,
}

impl World {
    fn new() -> Self {
        Self {
            number: 0,
            bridge: BridgeState::default(),
            l1: L1State::genesis(CHAIN_ID).unwrap(),
            queue: vec![],
            holds: BTreeMap::new(),
            under_way: BTreeMap::new(),
            fates: BTreeMap::new(),
            sequence: 0,
            withdrawn: 0,
            last: None,
        }
    }

    /// The contract takes any deposit of what there is, and of L1's assets as much as a balance holds. A deposit whose amount
    /// no balance holds is of a token with a larger supply.
    fn deposit(&mut self, deposit: Deposit) {
        let held = self.holds.entry(deposit.asset).or_default();
        let after = if deposit.asset.origin == 0 {
            held.checked_add(deposit.amount)
                .filter(|after| after >> AMOUNT_BITS == 0 || deposit.amount >> AMOUNT_BITS != 0)
        } else {
            held.checked_sub(deposit.amount)
        };
        if let Some(after) = after {
            *held = after;
            self.queue.push(deposit);
        }
    }

    /// The contract pays, once each.
    fn pay(&mut self, payouts: &[Payout]) {
        for payout in payouts {
            let held = self.holds.entry(payout.asset).or_default();
            *held = match payout.asset.origin {
                0 => held.checked_sub(payout.amount).expect("the contract holds what it pays"),
                _ => *held + payout.amount,
            };
        }
    }

    /// Messages that are pending and that `wanted` wants.
    fn pending(&self, wanted: impl Fn(&Message) -> bool) -> Vec<Message> {
        self.bridge.in_flight().map(|record| record.message).filter(wanted).collect()
    }

    /// The next superblock has this block alone. The bridge moves it, whatever it is.
    fn superblock(&mut self, block: &BlockMessages) {
        let mut crossing =
            Crossing::new(CHAIN_ID, self.number, self.bridge.clone(), BridgeLists::start()).unwrap();
        crossing.open_balances(block.balance_keys()).unwrap();
        crossing.apply_block(block).unwrap_or_else(|error| panic!("{error}: {block:?}"));
        self.bridge = crossing.state;
        for (message, consumption) in &block.inbox {
            if let Some(index) = self.under_way.remove(&message.hash()) {
                let fate = match consumption {
                    Consumption::Claim => Fate::Claimed,
                    Consumption::Refund => Fate::Refunded,
                };
                self.end(index, fate);
            }
        }
    }

    fn end(&mut self, index: u32, fate: Fate) {
        match self.fates.entry(index) {
            Entry::Vacant(entry) => drop(entry.insert(fate)),
            Entry::Occupied(entry) => panic!("deposit {index} ends {fate:?} and {:?}", entry.get()),
        }
    }

    fn block(&mut self, environment: EnvironmentId, mask: u8, withdrawal: Option<(AssetName, u64, Digest)>) {
        self.number += 1;
        let number = self.number;
        let mut messages = BlockMessages::none(environment);
        for (i, message) in self
            .pending(|message| message.destination == environment && message.deadline >= number)
            .into_iter()
            .enumerate()
        {
            if mask >> (i % 8) & 1 == 1 {
                messages.inbox.push((message, Consumption::Claim));
            }
        }
        let expired = |message: &Message| message.source == environment && message.deadline < number;
        messages.inbox.extend(self.pending(expired).into_iter().map(|one| (one, Consumption::Refund)));
        if let Some((asset, amount, recipient)) = withdrawal
            && let Ok(asset) = asset.id()
        {
            let key = BalanceKey { environment, asset };
            let limit = if key.is_origin() { 1 << 40 } else { self.bridge.balance(key).get() };
            let amount = amount.min(limit);
            if amount > 0 {
                self.sequence += 1;
                messages.outbox.push(Message {
                    chain_id: CHAIN_ID,
                    source: environment,
                    destination: EnvironmentId::L1,
                    sequence: self.sequence,
                    sender: digest(self.sequence),
                    recipient,
                    asset,
                    amount: Amount::new(amount).unwrap(),
                    deadline: number + MIN_LIFETIME,
                    data: Digest::ZERO,
                });
            }
        }
        self.superblock(&messages);
    }

    fn l1(&mut self, deposits: usize, mask: u8) {
        self.number += 1;
        let number = self.number;
        let taken = self.l1.queue.length as usize;
        let deposits: Vec<_> = self.queue[taken..].iter().copied().take(deposits).collect();
        let arriving = self.pending(|message| {
            message.deadline >= number && payee(CHAIN_ID, message, Consumption::Claim).is_ok()
        });
        let mut consumed: Vec<_> = arriving
            .into_iter()
            .enumerate()
            .filter(|(i, _)| mask >> (i % 8) & 1 == 1)
            .map(|(_, message)| (message, Consumption::Claim))
            .collect();
        let expired = |message: &Message| message.source == EnvironmentId::L1 && message.deadline < number;
        consumed.extend(self.pending(expired).into_iter().map(|message| (message, Consumption::Refund)));

        let before = self.l1;
        let block = before.block(number, &deposits, &consumed).unwrap();
        let outcome = &block.witness().outcome;
        assert_eq!(Body::open(block.statement(), block.body()).unwrap().1, *outcome);
        for message in &outcome.messages.outbox {
            self.under_way.insert(message.hash(), message.sequence as u32);
        }
        self.superblock(block.messages());
        let bounced = outcome.payouts.iter().filter(|payout| payout.kind == PayoutKind::Bounce);
        assert!(
            bounced
                .map(|payout| payout.amount)
                .eq(outcome.bounces.iter().map(|(index, _)| self.queue[*index as usize].amount))
        );
        for (index, reason) in &outcome.bounces {
            assert_eq!(self.queue[*index as usize].verdict(number).as_ref(), Err(reason));
            self.end(*index, Fate::Bounced);
        }
        // The contract compares the queue's digest, and pays each index once.
        let all = self.queue[..taken + deposits.len()].iter();
        let queue = all.fold(QueuePosition::default(), |queue, deposit| append(queue, deposit).unwrap());
        assert_eq!(queue, outcome.after.queue);
        let indices = outcome.payouts.iter().map(|payout| payout.index);
        assert!(indices.eq(before.payouts..outcome.after.payouts));
        self.withdrawn += outcome.payouts.iter().filter(|payout| payout.kind == PayoutKind::Claim).count();
        self.pay(&outcome.payouts);
        self.l1.apply(&block).unwrap();
        if !deposits.is_empty() {
            self.last = Some(block);
        }
    }
}

fn any_deposit() -> impl Strategy<Value = Deposit> {
    let order = 0xffff_ffff_0000_0001_u64;
    let amounts = vec![0, 1 << 57, (1 << 58) - 1, 1 << 58, order, u64::MAX >> 4];
    let amount = prop_oneof![15 => 1..1_u64 << 40, 1 => select(amounts)];
    let lifetime =
        prop_oneof![15 => MIN_LIFETIME..MIN_LIFETIME + 9, 1 => select(vec![0, 63, MAX_LIFETIME, u32::MAX])];
    let destination = prop_oneof![1 => Just(0), 14 => 1..3_u16, 1 => Just(3)];
    let word = prop_oneof![15 => any::<u32>().prop_map(u64::from), 1 => Just(order)];
    (0..4_u8, destination, word, any_asset(), amount, lifetime).prop_map(
        |(who, destination, word, asset, amount, lifetime)| {
            let mut recipient = Bytes32::of_digest(digest(3));
            recipient.0[8..16].copy_from_slice(&word.to_be_bytes());
            Deposit { depositor: address(who), destination, recipient, asset, amount, lifetime }
        },
    )
}

fn any_asset() -> impl Strategy<Value = AssetName> {
    let asset = |origin, number| AssetName { origin, number };
    prop_oneof![
        9 => Just(asset(0, 1)),
        3 => Just(asset(0, 2)),
        3 => Just(asset(1, 1)),
        1 => Just(asset(0, 0)),
        1 => Just(asset(9, 9)),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    let recipient = prop_oneof![
        3 => (0..4_u8).prop_map(|who| address(who).to_digest()),
        // The fourth limb of this one is not below 2^40.
        1 => Just(digest((1 << 40) - 3)),
    ];
    let amount = prop_oneof![3 => 1..1_u64 << 20, 1 => Just(u64::MAX)];
    let withdrawal = prop::option::weighted(0.8, (any_asset(), amount, recipient));
    prop_oneof![
        8 => any_deposit().prop_map(Event::Deposit),
        4 => (0..2_usize, any::<u8>(), withdrawal).prop_map(|(environment, mask, withdrawal)| {
            Event::Block { environment, mask, withdrawal }
        }),
        4 => (0..5_usize, any::<u8>()).prop_map(|(deposits, mask)| Event::L1 { deposits, mask }),
        1 => (1..2 * MIN_LIFETIME).prop_map(Event::Wait),
    ]
}

/// Plays a queue to its end: whatever happened, everything that waits can be taken in, paid or sent home.
fn play(events: &[Event]) -> World {
    let mut world = World::new();
    for event in events {
        match event {
            Event::Deposit(deposit) => world.deposit(*deposit),
            &Event::Block { environment, mask, withdrawal } => {
                world.block(ENVIRONMENTS[environment], mask, withdrawal);
            }
            &Event::L1 { deposits, mask } => world.l1(deposits, mask),
            Event::Wait(superblocks) => world.number += superblocks,
        }
    }
    while (world.l1.queue.length as usize) < world.queue.len() {
        world.l1(crate::block::MAX_DEPOSITS, 0);
    }
    // All deadlines pass.
    world.number += MAX_LIFETIME + 1;
    world.l1(0, 0);
    for environment in ENVIRONMENTS {
        world.block(environment, 0, None);
    }
    world
}

/// How many queues were played, how the deposits of all of them ended, and how many messages of others L1 paid.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    queues: u32,
    withdrawn: usize,
    claimed: usize,
    refunded: usize,
    bounced: usize,
    proved: usize,
}

thread_local!(static TALLY: Cell<Tally> = const { Cell::new(Tally { queues: 0, withdrawn: 0, claimed: 0, refunded: 0, bounced: 0, proved: 0 }) });

proptest! {
    #![proptest_config(ProptestConfig { cases: QUEUES, ..ProptestConfig::default() })]

    #[test]
    fn every_deposit_of_random_queues_ends_once(events in vec(any_event(), 1..24)) {
        let world = play(&events);
        prop_assert_eq!(world.bridge.in_flight().count(), 0);
        prop_assert!(world.under_way.is_empty() && world.bridge.is_balanced());
        prop_assert!(world.fates.keys().copied().eq(0..world.queue.len() as u32));
        // What the contract holds is what environments have of L1's assets, and what there is of theirs is what L1 has.
        for (&asset, &held) in &world.holds {
            let here = asset.id().map_or(0, |asset| {
                world.bridge.balance(BalanceKey { environment: EnvironmentId::L1, asset }).get()
            });
            prop_assert_eq!(held, here, "{}", asset);
        }
        let mut tally = TALLY.get();
        tally.queues += 1;
        tally.withdrawn += world.withdrawn;
        for fate in world.fates.values() {
            match fate {
                Fate::Claimed => tally.claimed += 1,
                Fate::Refunded => tally.refunded += 1,
                Fate::Bounced => tally.bounced += 1,
            }
        }
        if let (true, Some(block)) = (tally.queues.is_multiple_of(SAMPLE), &world.last) {
            let proven = prove_block(cache(), &KERNELS, block).unwrap();
            prop_assert_eq!(proven.statement(), block.statement());
            tally.proved += 1;
        }
        TALLY.set(tally);
        if tally.queues == QUEUES {
            println!("{tally:?}");
            prop_assert!([tally.withdrawn, tally.claimed, tally.refunded, tally.bounced].iter().all(|&count| count > 200), "{:?}", tally);
            prop_assert!(tally.proved > 0);
        }
    }
}
