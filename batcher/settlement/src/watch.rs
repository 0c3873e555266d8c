//! L1's queue of deposits as the contract's events tell it, up to a final block.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, B256};
use alloy_sol_types::SolEvent;
use batcher_job::queue::{Queue, QueueError, QueueHeader};
use circuits_files::file::{self, FileError};
use circuits_protocol::l1::{KeccakDigest, QueuePosition};
use environments_core::address::Address as Account;
use environments_l1::{
    Bytes32, Deposit,
    asset::AssetName,
    queue::{QueueFull, append},
};
use thiserror::Error;

use crate::{
    abi::Settlement::{Deposited, QueueCut, deploymentCall, depositedAtCall, queueCall},
    contract::{Contract, NoContract},
    history::{events, first_block_since},
    job::Finality,
    l1::{At, Block, Event, L1Error},
};

/// Why a queue is neither read nor written.
#[derive(Debug, Error)]
pub enum WatchError {
    #[error(transparent)]
    L1(#[from] L1Error),
    #[error(transparent)]
    NoContract(#[from] NoContract),
    #[error(transparent)]
    Full(#[from] QueueFull),
    /// No block is final yet.
    #[error("no block of L1 is final yet")]
    NothingFinal,
    /// An event is malformed.
    #[error("the node tells an event of block {block} that is none of the contract's")]
    Event { block: u64 },
    /// The node leaves events out, or tells others.
    #[error("the node tells {found} in events, and {expected} as the contract's queue in block {block}")]
    OtherQueue { block: u64, expected: QueuePosition, found: QueuePosition },
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is there, and is no queue of this contract.
    #[error("the file is not replaced")]
    NoQueue { source: QueueError },
    /// The file has deposits that L1 does not have.
    #[error(
        "{path}: it has {known}, of which L1's {found} are no continuation; it is not replaced",
        path = .path.display()
    )]
    OtherDeposits {
        path: PathBuf,
        /// What the file has.
        known: QueuePosition,
        /// What L1 has.
        found: QueuePosition,
    },
    /// A deposit does not serialise.
    #[error("a deposit cannot be written as JSON: {reason}")]
    Json { reason: String },
}

/// The queue as it was in a final block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalQueue {
    pub deployment: u64,
    pub block: Block,
    pub deposits: Vec<Deposit>,
    pub position: QueuePosition,
    /// No deposit before this index has ever left the queue; `None` if none has left it at all.
    pub cut_from: Option<u32>,
}

/// The contract's events about its queue, up to the last final block that was read. Reading again asks for later ones only.
#[derive(Default)]
pub struct QueueReader {
    /// The next block to read; nothing is known yet if it is `None`.
    next: Option<u64>,
    deposited: Vec<Deposited>,
    cuts: Vec<QueueCut>,
}

impl QueueReader {
    /// Reads the queue as it is in the last final block, and compares its digest with the contract's.
    ///
    /// # Errors
    /// [`WatchError`]. After [`WatchError::OtherQueue`], all events are read again.
    pub fn read(&mut self, contract: &Contract<'_>, finality: Finality) -> Result<FinalQueue, WatchError> {
        let Contract { l1, address } = *contract;
        let latest = l1.block(At::Latest)?.ok_or(WatchError::NothingFinal)?;
        let block = finality.block(l1, &latest)?.ok_or(WatchError::NothingFinal)?;
        let at = At::Number(block.number);
        let deployment = contract.view(&deploymentCall {}, at)?.ok_or(NoContract(address))?;
        let queue = contract.view(&queueCall {}, at)?.ok_or(NoContract(address))?;
        let end = block.number.saturating_add(1);
        if self.next.is_some_and(|next| next > end) {
            // What was final is so no more, or the node is another one.
            *self = Self::default();
        }
        let first = match self.next {
            Some(next) => next,
            None => first_block(contract, &block, queue.length)?,
        };
        let read = |topic| events(l1, address, &[Some(topic)], first, block.number);
        let deposited = decode::<Deposited>(&read(Deposited::SIGNATURE_HASH)?)?;
        let cuts = decode::<QueueCut>(&read(QueueCut::SIGNATURE_HASH)?)?;
        self.deposited.extend(deposited);
        self.cuts.extend(cuts);
        self.next = Some(end);
        let deposits = in_order(self.deposited.clone(), &self.cuts);
        let position = deposits.iter().try_fold(QueuePosition::default(), append)?;
        let expected = QueuePosition { digest: KeccakDigest(queue.digest.0), length: queue.length };
        if position != expected {
            *self = Self::default();
            return Err(WatchError::OtherQueue { block: block.number, expected, found: position });
        }
        // A cut that lies before the first deposit left nothing.
        let is_complete = self.cuts.len() >= queue.generation as usize;
        let cut_from = if is_complete { self.cuts.iter().map(|cut| cut.from).min() } else { Some(0) };
        Ok(FinalQueue { deployment, block, deposits, position, cut_from })
    }
}

/// No deposit in the queue is older than this block: deposits are in the order of the contract's clock, which is never ahead of L1's.
fn first_block(contract: &Contract<'_>, last: &Block, length: u32) -> Result<u64, WatchError> {
    if length == 0 {
        return Ok(last.number);
    }
    let at = At::Number(last.number);
    let time = contract.view(&depositedAtCall { index: 0 }, at)?.ok_or(NoContract(contract.address))?;
    Ok(first_block_since(contract.l1, time.into(), last.number)?)
}

impl FinalQueue {
    /// Writes the queue to a file, if that is new or has an earlier part of the same queue. Deposits that left the queue leave the
    /// file.
    ///
    /// # Errors
    /// [`WatchError::NoQueue`] or [`WatchError::OtherDeposits`] if the file has something else; [`WatchError::File`].
    pub fn write(&self, path: &Path) -> Result<(), WatchError> {
        let is_missing = path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound);
        if !is_missing {
            let known =
                Queue::read(path, self.deployment).map_err(|source| WatchError::NoQueue { source })?;
            let kept = self.cut_from.map_or(usize::MAX, |from| from as usize);
            let kept = &known.deposits()[..kept.min(known.deposits().len())];
            if !self.deposits.starts_with(kept) {
                let (path, known) = (path.to_owned(), known.position());
                return Err(WatchError::OtherDeposits { path, known, found: self.position });
            }
        }
        Ok(file::write_shared(path, self.to_lines()?.as_bytes())?)
    }

    /// The queue as [`batcher_job::queue`] reads it: JSON Lines.
    ///
    /// # Errors
    /// [`WatchError::Json`], which no queue leads to.
    pub fn to_lines(&self) -> Result<String, WatchError> {
        let unwritable = |error: serde_json::Error| WatchError::Json { reason: error.to_string() };
        let header = serde_json::to_string(&QueueHeader { deployment: self.deployment });
        let mut text = header.map_err(unwritable)? + "\n";
        for deposit in &self.deposits {
            text += &serde_json::to_string(deposit).map_err(unwritable)?;
            text.push('\n');
        }
        Ok(text)
    }
}

fn decode<E: SolEvent>(events: &[Event]) -> Result<Vec<E>, WatchError> {
    let one = |event: &Event| {
        E::decode_raw_log(event.topics.iter().copied(), &event.data)
            .map_err(|_| WatchError::Event { block: event.block_number })
    };
    events.iter().map(one).collect()
}

/// The deposits that are in the queue. Each cut ends a generation, whose deposits from some index on left the queue; those of the
/// next generation take these indices again.
fn in_order(mut deposited: Vec<Deposited>, cuts: &[QueueCut]) -> Vec<Deposit> {
    deposited.sort_by_key(|event| (event.generation, event.index));
    let mut queue = vec![];
    let mut generation = 0;
    let cut = |queue: &mut Vec<Deposit>, from: u32, to: u32| {
        for cut in cuts.iter().filter(|cut| (from..to).contains(&cut.generation)) {
            queue.truncate(cut.from as usize);
        }
    };
    for event in &deposited {
        cut(&mut queue, generation, event.generation);
        generation = event.generation;
        queue.push(deposit(event));
    }
    cut(&mut queue, generation, u32::MAX);
    queue
}

fn deposit(event: &Deposited) -> Deposit {
    let &Deposited { depositor, destination, recipient, origin, number, amount, lifetime, .. } = event;
    Deposit {
        depositor: account(depositor),
        destination,
        recipient: bytes32(recipient),
        asset: AssetName { origin, number },
        amount,
        lifetime,
    }
}

/// An address in the words of the bridge.
#[must_use]
pub const fn account(address: Address) -> Account {
    Account(address.0.0)
}

fn bytes32(bytes: B256) -> Bytes32 {
    Bytes32(bytes.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deposited(generation: u32, index: u32) -> Deposited {
        Deposited {
            generation,
            index,
            depositor: Address::ZERO,
            destination: 1,
            recipient: B256::ZERO,
            origin: 0,
            number: 1,
            amount: u64::from(100 * generation + index),
            lifetime: 64,
            queueDigest: B256::ZERO,
        }
    }

    fn amounts(deposited: Vec<Deposited>, cuts: &[QueueCut]) -> Vec<u64> {
        in_order(deposited, cuts).iter().map(|deposit| deposit.amount).collect()
    }

    #[test]
    fn deposits_that_were_cut_are_in_the_queue_no_more() {
        let first: Vec<_> = (0..4).map(|index| deposited(0, index)).collect();
        let cut = |generation, from| QueueCut { generation, from, to: 9 };
        assert_eq!(amounts(first.clone(), &[]), [0, 1, 2, 3]);
        assert_eq!(amounts(first.clone(), &[cut(0, 2)]), [0, 1]);
        let second = [first.clone(), vec![deposited(1, 2), deposited(1, 3)]].concat();
        assert_eq!(amounts(second.clone(), &[cut(0, 2)]), [0, 1, 102, 103]);
        assert_eq!(amounts(second.clone(), &[cut(0, 2), cut(1, 3)]), [0, 1, 102]);
        // A generation without deposits.
        let third = [first, vec![deposited(2, 1)]].concat();
        assert_eq!(amounts(third, &[cut(0, 2), cut(1, 1)]), [0, 201]);
    }

    /// A queue of so many deposits.
    fn queue(count: u32, cut_from: Option<u32>) -> FinalQueue {
        let deposits: Vec<_> = (0..count).map(|index| deposit(&deposited(0, index))).collect();
        let position = deposits.iter().try_fold(QueuePosition::default(), append).expect("there is room");
        let block = Block { number: 7, hash: B256::ZERO, timestamp: 0, base_fee: 0 };
        FinalQueue { deployment: 5, block, deposits, position, cut_from }
    }

    #[test]
    fn a_file_is_replaced_by_a_longer_queue_of_the_same_contract_only() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("queue");
        let length = || Queue::read(&path, 5).map(|queue| queue.deposits().len());
        for count in [1, 1, 3] {
            queue(count, None).write(&path).expect("it continues");
            assert_eq!(length().expect("a queue"), count as usize);
        }
        let error = queue(2, None).write(&path).expect_err("a deposit is gone");
        assert!(matches!(error, WatchError::OtherDeposits { .. }), "{error}");
        let error =
            FinalQueue { deployment: 6, ..queue(4, Some(0)) }.write(&path).expect_err("another contract");
        let WatchError::NoQueue { source } = error else { panic!("{error}") };
        assert!(matches!(source, QueueError::Deployment { expected: 6, found: 5, .. }), "{source}");
        assert_eq!(length().expect("a queue"), 3);
        let error = queue(2, Some(3)).write(&path).expect_err("the third was never cut");
        assert!(matches!(error, WatchError::OtherDeposits { .. }), "{error}");
        queue(2, Some(2)).write(&path).expect("the third was cut");
        assert_eq!(length().expect("a queue"), 2);
        std::fs::write(&path, "notes of mine").expect("writable");
        let error = queue(4, Some(0)).write(&path).expect_err("no queue");
        assert!(matches!(error, WatchError::NoQueue { .. }), "{error}");
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), "notes of mine");
    }
}
