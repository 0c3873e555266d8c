//! What a rollback brings back, and that nothing is lost.

use std::collections::{BTreeMap, BTreeSet};

use bridge_core::Message;
use environments_core::{
    BlockProducer, Rejection,
    pool::{MAX_PENDING_BYTES, MAX_PER_SENDER},
    producer::{Rejected, TransactionId},
};
use proptest::{collection::vec, option, prelude::*};

use crate::market::{
    Market, MarketError, Order, deliver, included, message, names, next, order, producer, submit, waiting,
};

#[test]
fn a_rollback_brings_back_what_the_blocks_tried_in_its_order() {
    let mut producer = producer(3);
    let pays = |fee| Order { fee, ..Order::default() };
    let makes = |fee| Order { makes: Some(1), ..pays(fee) };
    submit(&mut producer, [makes(5), makes(4), pays(3), pays(2), pays(1)]);
    let refused = vec![(1, MarketError::MadeAlready(1).to_string())];
    let first = (vec![0, 2, 3], refused);
    assert_eq!(next(&mut producer), first);
    let statement = *producer.block(1).unwrap().block.statement();
    assert_eq!(included(&mut producer), [4]);
    submit(&mut producer, [pays(9)]);
    assert_eq!(producer.rollback(1).unwrap(), 2);
    assert_eq!(waiting(&producer), [0, 1, 2, 3, 4, 5], "whatever came since pays");
    assert_eq!(next(&mut producer), first);
    assert_eq!(*producer.block(1).unwrap().block.statement(), statement);
    assert_eq!(included(&mut producer), [4, 5]);
    // The later of two rollbacks is of earlier blocks.
    producer.rollback(2).unwrap();
    producer.rollback(1).unwrap();
    assert_eq!(waiting(&producer), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn what_a_dropped_block_refused_may_be_valid_on_top_of_another() {
    let mut producer = producer(3);
    let makes = |sender, fee| Order { makes: Some(1), ..order(sender, 0, fee) };
    submit(&mut producer, [makes(1, 0)]);
    assert_eq!(included(&mut producer), [0]);
    submit(&mut producer, [makes(2, 0)]);
    assert_eq!(next(&mut producer), (vec![], vec![(1, MarketError::MadeAlready(1).to_string())]));
    producer.rollback(1).unwrap();
    // Sender 1 wants something else now.
    submit(&mut producer, [order(1, 0, 5)]);
    let (block, replaced) = next(&mut producer);
    assert_eq!((block, replaced.len()), (vec![1, 2], 1));
}

#[test]
fn a_rollback_brings_back_more_than_a_pool_takes() {
    let mut of_bytes = producer(1000);
    let big = Order { bytes: MAX_PENDING_BYTES, ..Order::default() };
    for _ in 0..2 {
        submit(&mut of_bytes, [big.clone()]);
        of_bytes.propose_block().unwrap();
    }
    of_bytes.rollback(1).unwrap();
    assert_eq!(included(&mut of_bytes), [0, 1]);

    let mut of_one = producer(1000);
    let most = u64::try_from(MAX_PER_SENDER).unwrap();
    for first in [0, most] {
        submit(&mut of_one, (first..first + most).map(|nonce| order(1, nonce, 0)));
        if first == 0 {
            of_one.propose_block().unwrap();
        }
    }
    of_one.rollback(1).unwrap();
    assert_eq!(waiting(&of_one).len(), 2 * MAX_PER_SENDER);
    assert_eq!(included(&mut of_one), (0..2 * most).collect::<Vec<_>>());
}

#[test]
fn what_a_confirmed_block_refused_does_not_come_back() {
    let mut producer = producer(3);
    let makes = || Order { makes: Some(1), ..Order::default() };
    submit(&mut producer, [makes(), makes()]);
    assert_eq!(next(&mut producer).1.len(), 1);
    submit(&mut producer, [makes()]);
    assert_eq!(next(&mut producer).1.len(), 1);
    producer.confirm(1).unwrap();
    producer.rollback(2).unwrap();
    assert_eq!(waiting(&producer), [2]);
}

#[test]
fn a_message_that_was_delivered_again_comes_back_once() {
    let mut producer = producer(3);
    let late = Message { deadline: 10, ..message(6, 1, 0) };
    deliver(&mut producer, &late);
    assert_eq!(next(&mut producer).1.len(), 1);
    assert_eq!(deliver(&mut producer, &late), 1);
    producer.rollback(1).unwrap();
    assert_eq!(waiting(&producer), [1]);
    let rejected = producer.propose_block().unwrap();
    assert!(matches!(rejected[0], Rejected { id: 0, reason: Rejection::Replaced { by: 1 } }));
    assert!(matches!(rejected[1].reason, Rejection::Timing(_)));
    assert_eq!(rejected.len(), 2);
}

#[derive(Clone, Debug)]
enum Step {
    Submit(Box<Order>),
    Deliver {
        source: u16,
        from: u64,
        deadline: u32,
    },
    Propose {
        blocks: u32,
    },
    /// Of the last so many blocks.
    Rollback(u32),
    /// Of all but the last so many blocks.
    Confirm(u32),
}

fn any_order() -> impl Strategy<Value = Order> {
    let mark = || option::weighted(0.3, 0..3_u64);
    (option::weighted(0.8, 0..3_u64), 0..6_u64, 0..5_u64, 1..3_u32, mark(), mark()).prop_map(
        |(sender, nonce, fee, slots, needs, makes)| Order {
            sender,
            nonce,
            fee,
            slots,
            needs,
            makes,
            ..Order::default()
        },
    )
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => any_order().prop_map(|order| Step::Submit(Box::new(order))),
        // Claims up to 16 superblocks before the deadline.
        4 => (6..9_u16, 0..3_u64, 15..20_u32)
            .prop_map(|(source, from, deadline)| Step::Deliver { source, from, deadline }),
        6 => prop_oneof![9 => 1..3_u32, 1 => 30..40_u32].prop_map(|blocks| Step::Propose { blocks }),
        2 => (0..4_u32).prop_map(Step::Rollback),
        1 => (0..3_u32).prop_map(Step::Confirm),
    ]
}

/// A producer, and what became of everything that it got.
struct Ledger {
    producer: BlockProducer<Market>,
    orders: BTreeMap<TransactionId, Order>,
    /// How many names were given.
    count: u64,
    /// What blocks refused that are not confirmed, by height.
    refused: BTreeMap<u32, Vec<TransactionId>>,
    /// What is in confirmed blocks, or was refused by them.
    confirmed: Vec<TransactionId>,
    replaced: Vec<TransactionId>,
    /// What rollbacks brought back, for whatever it pays.
    returned: BTreeSet<TransactionId>,
}

impl Ledger {
    fn step(&mut self, step: Step) {
        match step {
            Step::Submit(order) => {
                if let Ok(id) = self.producer.submit((*order).clone()) {
                    self.orders.insert(id, *order);
                    self.count += 1;
                }
            }
            Step::Deliver { source, from, deadline } => {
                let message = Message { deadline, ..message(source, from, self.count) };
                deliver(&mut self.producer, &message);
                self.count += 1;
            }
            Step::Propose { blocks } => (0..blocks).for_each(|_| self.propose()),
            Step::Rollback(blocks) => {
                let height = (self.producer.height() + 1).saturating_sub(blocks);
                let dropped = self.blocks(height..=u32::MAX);
                if self.producer.rollback(height).is_ok() {
                    self.returned.extend(dropped);
                    self.returned.extend(self.refused.split_off(&height).into_values().flatten());
                }
            }
            Step::Confirm(blocks) => {
                let height = self.producer.height().saturating_sub(blocks);
                let confirmed = self.blocks(0..=height);
                if self.producer.confirm(height).is_ok() {
                    self.confirmed.extend(confirmed);
                    let later = self.refused.split_off(&(height + 1));
                    let refused = std::mem::replace(&mut self.refused, later);
                    self.confirmed.extend(refused.into_values().flatten());
                }
            }
        }
    }

    /// Everything in the blocks of these heights.
    fn blocks(&self, heights: std::ops::RangeInclusive<u32>) -> Vec<TransactionId> {
        let blocks = self.producer.blocks().filter(|block| heights.contains(&block.block.first_height()));
        blocks.flat_map(|block| names(&block.transactions)).collect()
    }

    fn propose(&mut self) {
        let before = waiting(&self.producer);
        let rejected = self.producer.propose_block().unwrap();
        let height = self.producer.height();
        for one in rejected {
            match one.reason {
                Rejection::Replaced { .. } => self.replaced.push(one.id),
                _ => self.refused.entry(height).or_default().push(one.id),
            }
        }
        let mut listed = before.iter();
        for id in self.blocks(height..=height) {
            assert!(listed.any(|one| *one == id), "{id} is in the block out of the order {before:?}");
        }
    }

    /// Each transaction is in one place.
    fn check_losses(&self) {
        let leftovers = self.producer.leftovers().unwrap().into_iter();
        let unreported = leftovers.filter(|one| matches!(one.reason, Rejection::Replaced { .. }));
        let mut all = waiting(&self.producer);
        all.extend(self.blocks(0..=u32::MAX));
        all.extend(self.refused.values().flatten());
        all.extend(&self.confirmed);
        all.extend(&self.replaced);
        all.extend(unreported.map(|one| one.id));
        all.sort_unstable();
        assert_eq!(all, (0..self.count).collect::<Vec<_>>());
    }

    /// Of the senders with nothing that came back, each transaction listed is the best one that may come next.
    fn check_order(&self) {
        let listed = waiting(&self.producer).into_iter();
        let listed: Vec<_> = listed.filter_map(|id| Some((id, self.orders.get(&id)?))).collect();
        let queue = |(id, order): &(TransactionId, &Order)| order.sender.ok_or(*id);
        let came_back = listed.iter().filter(|(id, _)| self.returned.contains(id));
        let others: BTreeSet<_> = came_back.map(queue).collect();
        let mut rest = listed;
        rest.retain(|one| !others.contains(&queue(one)));
        while let Some(&(listed, _)) = rest.first() {
            let may_come = |one: &&(TransactionId, &Order)| {
                let place = |(id, order): &(TransactionId, &Order)| (order.nonce, *id);
                one.1.sender.is_none()
                    || rest.iter().all(|two| two.1.sender != one.1.sender || place(one) <= place(two))
            };
            let best = rest.iter().filter(may_come).min_by(|(id, one), (other_id, other)| {
                let (ours, theirs) = (one.fee * u64::from(other.slots), other.fee * u64::from(one.slots));
                theirs.cmp(&ours).then(id.cmp(other_id))
            });
            assert_eq!(best.map(|(id, _)| *id), Some(listed), "{rest:?}");
            rest.remove(0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_doubled_and_blocks_keep_to_the_order(steps in vec(any_step(), 1..60)) {
        let mut ledger = Ledger {
            producer: producer(4),
            orders: BTreeMap::new(),
            count: 0,
            refused: BTreeMap::new(),
            confirmed: vec![],
            replaced: vec![],
            returned: BTreeSet::new(),
        };
        for step in steps {
            ledger.step(step);
            ledger.check_losses();
            ledger.check_order();
        }
    }
}
