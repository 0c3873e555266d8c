//! The contract's events, in pieces that nodes answer.

use std::{thread, time::Duration};

use alloy_primitives::{Address, B256};
use alloy_sol_types::SolEvent;

use crate::l1::{Event, L1, L1Error};

/// Blocks of the first question: many nodes refuse more.
const FIRST_PIECE: u64 = 2_000;
/// The most blocks of a question, for nodes that refuse none.
const LARGEST_PIECE: u64 = 64_000;

/// The most blocks of a search: 34 years of blocks that come every quarter of a second. A node that names a later head makes it up.
const MOST_BLOCKS: u64 = 1 << 32;
/// The most questions of a search: [`MOST_BLOCKS`] of a node that answers about 5,000 blocks at a time.
const MOST_QUESTIONS: usize = 1 << 20;
/// The most events of a search.
const MOST_EVENTS: usize = 1 << 21;
/// The most bytes of their topics and data. A deposit has 352, and a queue that is read about a million deposits.
const MOST_BYTES: usize = 512 << 20;
/// After so many answers in a row a node is asked for more again: it may have refused because it was asked too often.
const ANSWERS_TO_GROW: usize = 16;
/// The code of what is above a limit (EIP-1474): the blocks of a question, or the questions of a while.
pub(crate) const LIMIT_EXCEEDED: i64 = -32005;
/// How long a node is left alone that was perhaps asked too often.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks for events in pieces. A piece that the node refuses is halved, and answers let the pieces grow again. If it may have been asked
/// too often, the same piece is asked for once more after a pause.
struct Pieces {
    /// The blocks of the whole search.
    range: (u64, u64),
    blocks: u64,
    /// What the pieces may grow to.
    ceiling: u64,
    /// Answers since the last refusal.
    answers: usize,
    questions: usize,
    events: usize,
    bytes: usize,
    /// Whether there was a pause before the last question.
    has_paused: bool,
}

impl Pieces {
    /// For a search of these blocks.
    fn new(range: (u64, u64)) -> Result<Self, L1Error> {
        let (blocks, ceiling) = (FIRST_PIECE, LARGEST_PIECE);
        let pieces =
            Self { range, blocks, ceiling, answers: 0, questions: 0, events: 0, bytes: 0, has_paused: false };
        if range.1.saturating_sub(range.0) >= MOST_BLOCKS {
            return Err(pieces.too_much(format!("{MOST_BLOCKS} blocks and more")));
        }
        Ok(pieces)
    }

    /// The search would not end.
    fn too_much(&self, what: String) -> L1Error {
        let (first, last) = self.range;
        L1Error::Search { first, last, what }
    }

    /// Whoever searches may keep all of them.
    fn count(&mut self, events: &[Event]) -> Result<(), L1Error> {
        let bytes = |event: &Event| event.data.len() + size_of_val(&event.topics[..]);
        self.events += events.len();
        self.bytes += events.iter().map(bytes).sum::<usize>();
        if self.events > MOST_EVENTS {
            return Err(self.too_much(format!("more than {MOST_EVENTS} events")));
        }
        if self.bytes > MOST_BYTES {
            return Err(self.too_much(format!("events of more than {MOST_BYTES} bytes")));
        }
        Ok(())
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
            return Err(self.too_much(format!("more than {MOST_QUESTIONS} questions")));
        }
        let has_paused = std::mem::take(&mut self.has_paused);
        match answer {
            Ok(events) => {
                self.count(&events)?;
                self.answers += 1;
                if self.answers.is_multiple_of(ANSWERS_TO_GROW) {
                    self.ceiling = (2 * self.ceiling).min(LARGEST_PIECE);
                }
                self.blocks = (2 * self.blocks).min(self.ceiling);
                Ok(Some(events))
            }
            Err(L1Error::Refused { code: LIMIT_EXCEEDED, .. }) if !has_paused => {
                self.has_paused = true;
                thread::sleep(PAUSE);
                Ok(None)
            }
            Err(L1Error::Refused { .. } | L1Error::Oversized { .. }) if asked > 1 => {
                (self.blocks, self.ceiling, self.answers) = (asked / 2, asked / 2, 0);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Visits the contract's events that begin with these topics in the blocks `first..=last`, in order.
///
/// # Errors
/// [`L1Error`], and what `visit` returns.
pub fn search(
    l1: &dyn L1,
    contract: Address,
    topics: &[Option<B256>],
    (first, last): (u64, u64),
    mut visit: impl FnMut(Event) -> Result<(), L1Error>,
) -> Result<(), L1Error> {
    let (mut pieces, mut start) = (Pieces::new((first, last))?, first);
    while start <= last {
        let end = last.min(start.saturating_add(pieces.blocks - 1));
        if let Some(events) = pieces.answer(l1.events(contract, topics, start, end), (start, end))? {
            events.into_iter().try_for_each(&mut visit)?;
            let Some(next) = end.checked_add(1) else { break };
            start = next;
        }
    }
    Ok(())
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

/// [`search_back`] for events of a kind, with these topics after the kind's own.
///
/// # Errors
/// [`L1Error`], [`L1Error::Malformed`] if the node tells an event that is none of the kind.
pub fn search_back_for<E: SolEvent>(
    l1: &dyn L1,
    contract: Address,
    topics: &[Option<B256>],
    range: (u64, u64),
    mut visit: impl FnMut(E) -> bool,
) -> Result<(), L1Error> {
    let mut malformed = Ok(());
    let topics = [&[Some(E::SIGNATURE_HASH)], topics].concat();
    search_back(l1, contract, &topics, range, |event| match decode(&event) {
        Ok(event) => visit(event),
        Err(error) => {
            malformed = Err(error);
            false
        }
    })?;
    malformed
}

/// An event as the contract's interface has it.
///
/// # Errors
/// [`L1Error::Malformed`]
pub fn decode<E: SolEvent>(event: &Event) -> Result<E, L1Error> {
    let malformed = |_| L1Error::Malformed {
        method: "eth_getLogs",
        expected: E::SIGNATURE,
        found: format!("an event of block {} that is none", event.block_number),
    };
    E::decode_raw_log(event.topics.iter().copied(), &event.data).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use alloy_primitives::{Bytes, U256};

    use super::*;
    use crate::l1::{At, Block, Call, Nonces, Receipt};

    /// What nodes say that allow a question fewer blocks.
    const TOO_WIDE: i64 = -32602;

    /// A node with an event in each of these blocks, that refuses questions about more than so many blocks.
    struct Node {
        events: Vec<u64>,
        limit: u64,
        /// So many questions come too often.
        too_often: RefCell<usize>,
        asked: RefCell<Vec<(u64, u64)>>,
    }

    impl Node {
        fn new(events: &[u64], limit: u64) -> Self {
            Self { events: events.to_vec(), limit, too_often: RefCell::default(), asked: RefCell::default() }
        }

        fn forward(&self, first: u64, last: u64) -> Result<Vec<u64>, L1Error> {
            let mut found = vec![];
            search(self, Address::ZERO, &[], (first, last), |event| {
                found.push(event.block_number);
                Ok(())
            })?;
            Ok(found)
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
            let refused =
                |code| Err(L1Error::Refused { method: "eth_getLogs", code, message: String::new() });
            if *self.too_often.borrow() > 0 {
                *self.too_often.borrow_mut() -= 1;
                return refused(LIMIT_EXCEEDED);
            }
            if last - first + 1 > self.limit {
                return refused(TOO_WIDE);
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

        fn events_of(&self, _: Address, _: B256) -> Result<Option<Vec<Event>>, L1Error> {
            unreachable!()
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
            let error = node.forward(0, last).expect_err("it is made up");
            assert!(matches!(error, L1Error::Search { first: 0, last: end, .. } if end == last), "{error}");
            assert!(error.to_string().contains("4294967296 blocks and more"), "{error}");
            assert!(error.to_string().ends_with("search from a later block on (--from-block)"), "{error}");
            assert_eq!(search_back(&node, Address::ZERO, &[], (0, last), |_| true), Err(error));
        }
        assert!(node.asked.borrow().is_empty());
        // Four blocks a second for ten years.
        let head = 10 * 365 * 86_400 * 4;
        let node = Node::new(&[head - 5], u64::MAX);
        assert_eq!(node.back(0, head, head - 5), [head - 5]);
    }

    #[test]
    fn a_search_ends_whatever_events_a_node_tells() {
        let event = |bytes: usize| Event {
            block_number: 1,
            transaction: B256::ZERO,
            topics: vec![B256::ZERO],
            data: vec![0; bytes].into(),
        };
        // One event, and as many as are read of answers that are as long as they may be.
        let long = event((16 << 20) - 32);
        let mut pieces = Pieces::new((0, 9)).expect("ten blocks");
        for _ in 0..MOST_BYTES / (16 << 20) {
            pieces.answer(Ok(vec![long.clone()]), (1, 1)).expect("not too many").expect("the node's answer");
        }
        let error = pieces.answer(Ok(vec![event(0)]), (1, 1)).expect_err("32 bytes more");
        assert!(error.to_string().contains("take events of more than 536870912 bytes"), "{error}");
        let mut pieces = Pieces { events: MOST_EVENTS, ..Pieces::new((0, 9)).expect("ten blocks") };
        pieces.answer(Ok(vec![]), (1, 1)).expect("no more").expect("the node's answer");
        let error = pieces.answer(Ok(vec![event(0)]), (1, 1)).expect_err("one more");
        assert!(error.to_string().contains("take more than 2097152 events"), "{error}");
    }

    #[test]
    fn a_node_that_was_asked_too_often_is_asked_for_the_same_once_more_and_then_for_less() {
        let node = Node::new(&[3], u64::MAX);
        *node.too_often.borrow_mut() = 1;
        assert_eq!(node.forward(1, 2_000), Ok(vec![3]));
        assert_eq!(*node.asked.borrow(), [(1, 2_000); 2]);
        let node = Node::new(&[3], u64::MAX);
        *node.too_often.borrow_mut() = 2;
        assert_eq!(node.forward(1, 2_000), Ok(vec![3]));
        assert_eq!(*node.asked.borrow(), [(1, 2_000), (1, 2_000), (1, 1_000), (1_001, 2_000)]);
    }

    #[test]
    fn a_node_that_allows_few_blocks_for_a_while_is_asked_for_more_again() {
        let mut pieces = Pieces::new((0, 9)).expect("ten blocks");
        let refused =
            || Err(L1Error::Refused { method: "eth_getLogs", code: TOO_WIDE, message: String::new() });
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
}
