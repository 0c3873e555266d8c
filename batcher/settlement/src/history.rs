//! The contract's events, in pieces that nodes answer.

use alloy_primitives::{Address, B256};

use crate::l1::{At, Event, L1, L1Error};

/// Blocks of the first question: many nodes refuse more.
const FIRST_PIECE: u64 = 2_000;
/// The most blocks of a question, for nodes that refuse none.
const LARGEST_PIECE: u64 = 64_000;

/// The most blocks of a search: eight years of blocks that come every second. A node that names a later head makes it up.
const MOST_BLOCKS: u64 = 1 << 28;
/// The most questions of a search.
const MOST_QUESTIONS: usize = 1 << 17;
/// The most events that are kept.
const MOST_EVENTS: usize = 1 << 21;
/// After so many answers in a row a node is asked for more again: it may have refused because it was asked too often.
const ANSWERS_TO_GROW: usize = 16;

/// Asks for events in pieces. A piece that the node refuses is halved, and answers let the pieces grow again.
struct Pieces {
    blocks: u64,
    /// What the pieces may grow to.
    ceiling: u64,
    /// Answers since the last refusal.
    answers: usize,
    questions: usize,
}

impl Pieces {
    /// For a search of these blocks.
    fn new((first, last): (u64, u64)) -> Result<Self, L1Error> {
        if last.saturating_sub(first) >= MOST_BLOCKS {
            return Err(too_much(format!(
                "{MOST_BLOCKS} blocks and more, up to block {last}: name a later first block"
            )));
        }
        Ok(Self { blocks: FIRST_PIECE, ceiling: LARGEST_PIECE, answers: 0, questions: 0 })
    }

    /// What the node says to a question about `first..=last`; `None` if it is to be asked about fewer blocks.
    fn answer(
        &mut self,
        answer: Result<Vec<Event>, L1Error>,
        (first, last): (u64, u64),
    ) -> Result<Option<Vec<Event>>, L1Error> {
        let asked = last - first + 1;
        self.questions += 1;
        if self.questions > MOST_QUESTIONS {
            return Err(too_much(format!("more than {MOST_QUESTIONS} pieces")));
        }
        match answer {
            Ok(events) => {
                self.answers += 1;
                if self.answers.is_multiple_of(ANSWERS_TO_GROW) {
                    self.ceiling = (2 * self.ceiling).min(LARGEST_PIECE);
                }
                self.blocks = (2 * self.blocks).min(self.ceiling);
                Ok(Some(events))
            }
            Err(L1Error::Refused { .. } | L1Error::Oversized { .. }) if asked > 1 => {
                (self.blocks, self.ceiling, self.answers) = (asked / 2, asked / 2, 0);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// A search that would not end.
fn too_much(found: String) -> L1Error {
    L1Error::Malformed { method: "eth_getLogs", expected: "events that can be searched", found }
}

/// The contract's events that begin with these topics in the blocks `first..=last`, in order.
///
/// # Errors
/// [`L1Error`]
pub fn events(
    l1: &dyn L1,
    contract: Address,
    topics: &[Option<B256>],
    first: u64,
    last: u64,
) -> Result<Vec<Event>, L1Error> {
    let (mut found, mut pieces, mut start) = (vec![], Pieces::new((first, last))?, first);
    while start <= last {
        let end = last.min(start.saturating_add(pieces.blocks - 1));
        if let Some(events) = pieces.answer(l1.events(contract, topics, start, end), (start, end))? {
            found.extend(events);
            if found.len() > MOST_EVENTS {
                return Err(too_much(format!("more than {MOST_EVENTS} events")));
            }
            let Some(next) = end.checked_add(1) else { break };
            start = next;
        }
    }
    Ok(found)
}

/// Visits such events from block `last` back to `first`, the newest one first, until `visit` returns false: what is looked for is
/// new, most often.
///
/// # Errors
/// [`L1Error`]
pub fn search_back(
    l1: &dyn L1,
    contract: Address,
    topics: &[Option<B256>],
    (first, last): (u64, u64),
    mut visit: impl FnMut(Event) -> bool,
) -> Result<(), L1Error> {
    let (mut pieces, mut end) = (Pieces::new((first, last))?, last);
    while end >= first {
        let start = first.max(end.saturating_sub(pieces.blocks - 1));
        if let Some(events) = pieces.answer(l1.events(contract, topics, start, end), (start, end))? {
            if !events.into_iter().rev().all(&mut visit) {
                break;
            }
            let Some(next) = start.checked_sub(1) else { break };
            end = next;
        }
    }
    Ok(())
}

/// The first block up to `last` that is not older than `timestamp`, in seconds of the Unix epoch. Only headers are asked for,
/// which every node has.
///
/// # Errors
/// [`L1Error`]
pub fn first_block_since(l1: &dyn L1, timestamp: u64, last: u64) -> Result<u64, L1Error> {
    let (mut low, mut high) = (0, last);
    while low < high {
        let middle = low.midpoint(high);
        let missing = || L1Error::Malformed {
            method: "eth_getBlockByNumber",
            expected: "a block below the head",
            found: format!("no block {middle}"),
        };
        if l1.block(At::Number(middle))?.ok_or_else(missing)?.timestamp < timestamp {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use alloy_primitives::{Bytes, U256};

    use super::*;
    use crate::l1::{Block, Call, Nonces, Receipt, Transaction};

    /// A node with an event in each of these blocks, that refuses questions about more than so many blocks.
    struct Node {
        events: Vec<u64>,
        limit: u64,
        asked: RefCell<Vec<(u64, u64)>>,
    }

    impl Node {
        fn new(events: &[u64], limit: u64) -> Self {
            Self { events: events.to_vec(), limit, asked: RefCell::default() }
        }

        fn forward(&self, first: u64, last: u64) -> Result<Vec<u64>, L1Error> {
            let found = events(self, Address::ZERO, &[], first, last)?;
            Ok(found.iter().map(|event| event.block_number).collect())
        }

        fn back(&self, first: u64, last: u64, until: u64) -> Vec<u64> {
            let mut found = vec![];
            let visit = |event: Event| {
                found.push(event.block_number);
                event.block_number != until
            };
            search_back(self, Address::ZERO, &[], (first, last), visit).expect("it answers in the end");
            found
        }
    }

    impl L1 for Node {
        fn block(&self, at: At) -> Result<Option<Block>, L1Error> {
            let At::Number(number) = at else { return Ok(None) };
            Ok(Some(Block { number, hash: B256::ZERO, timestamp: 100 + 12 * number, base_fee: 0 }))
        }

        fn events(
            &self,
            _: Address,
            _: &[Option<B256>],
            first: u64,
            last: u64,
        ) -> Result<Vec<Event>, L1Error> {
            self.asked.borrow_mut().push((first, last));
            if last - first + 1 > self.limit {
                let message = "range too large".to_owned();
                return Err(L1Error::Refused { method: "eth_getLogs", code: -32_005, message });
            }
            let inside = self.events.iter().filter(|block| (first..=last).contains(block));
            let event = |&block_number: &u64| Event {
                block_number,
                transaction: B256::ZERO,
                topics: vec![],
                data: Bytes::new(),
            };
            Ok(inside.map(event).collect())
        }

        fn chain_id(&self) -> Result<u64, L1Error> {
            unreachable!()
        }
        fn nonces(&self, _: Address) -> Result<Nonces, L1Error> {
            unreachable!()
        }
        fn balance(&self, _: Address) -> Result<U256, L1Error> {
            unreachable!()
        }
        fn receipt(&self, _: B256) -> Result<Option<Receipt>, L1Error> {
            unreachable!()
        }
        fn transaction(&self, _: B256) -> Result<Option<Transaction>, L1Error> {
            unreachable!()
        }
        fn send(&self, _: &[u8]) -> Result<(), L1Error> {
            unreachable!()
        }
        fn call(&self, _: &Call, _: At) -> Result<Bytes, L1Error> {
            unreachable!()
        }
        fn estimate_gas(&self, _: &Call) -> Result<u64, L1Error> {
            unreachable!()
        }
    }

    #[test]
    fn every_event_is_found_once_and_in_order_whatever_range_a_node_allows() {
        let blocks = [0, 1, 499, 500, 2_000, 7_777, 7_778, 300_000];
        for limit in [u64::MAX, 10_000, 700, 500] {
            let node = Node::new(&blocks, limit);
            assert_eq!(node.forward(0, 300_000), Ok(blocks.to_vec()), "{limit}");
            assert_eq!(node.forward(1, 7_777), Ok(blocks[1..6].to_vec()), "{limit}");
            let mut backwards = blocks.to_vec();
            backwards.reverse();
            assert_eq!(node.back(0, 300_000, u64::MAX), backwards, "{limit}");
        }
        let node = Node::new(&[3, 5], 1);
        assert_eq!(node.forward(0, 9), Ok(vec![3, 5]));
    }

    #[test]
    fn a_search_ends_whatever_head_a_node_names() {
        let node = Node::new(&[], u64::MAX);
        for last in [MOST_BLOCKS, u64::MAX >> 1, u64::MAX] {
            assert!(matches!(node.forward(0, last), Err(L1Error::Malformed { .. })), "{last}");
            let found = search_back(&node, Address::ZERO, &[], (0, last), |_| true);
            assert!(matches!(found, Err(L1Error::Malformed { .. })), "{last}");
        }
        assert!(node.asked.borrow().is_empty());
    }

    #[test]
    fn a_node_that_was_asked_too_often_is_asked_for_more_again() {
        let mut pieces = Pieces::new((0, 9)).expect("ten blocks");
        let refused =
            || Err(L1Error::Refused { method: "eth_getLogs", code: -32_005, message: String::new() });
        for asked in [2_000, 1_000, 500] {
            assert_eq!(pieces.answer(refused(), (1, asked)), Ok(None));
        }
        assert_eq!(pieces.blocks, 250);
        for _ in 0..ANSWERS_TO_GROW * 4 {
            assert_eq!(pieces.answer(Ok(vec![]), (1, pieces.blocks)), Ok(Some(vec![])));
        }
        assert_eq!(pieces.blocks, 4_000);
    }

    #[test]
    fn a_node_that_refuses_a_single_block_is_not_asked_for_ever() {
        let node = Node::new(&[], 0);
        assert!(matches!(node.forward(0, 1_999), Err(L1Error::Refused { .. })));
        assert_eq!(node.asked.borrow().len(), 11, "2,000 blocks, halved down to one");
    }

    #[test]
    fn what_is_new_is_found_without_asking_for_what_is_old() {
        let node = Node::new(&[10, 999_000, 999_900], u64::MAX);
        assert_eq!(node.back(0, 1_000_000, 999_000), [999_900, 999_000]);
        assert_eq!(*node.asked.borrow(), [(998_001, 1_000_000)]);
    }

    #[test]
    fn the_first_block_of_a_time_is_found_by_headers() {
        let node = Node::new(&[], 0);
        for (timestamp, block) in
            [(0, 0), (100, 0), (101, 1), (112, 1), (113, 2), (1_300, 100), (99_999, 1_000)]
        {
            assert_eq!(first_block_since(&node, timestamp, 1_000), Ok(block), "{timestamp}");
        }
    }
}
