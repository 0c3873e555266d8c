//! L1's queue of deposits as the contract's events tell it, up to a final block.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, B256};
use alloy_sol_types::SolEvent;
use batcher_job::queue::{QUEUE_LIMIT, Queue, QueueError, QueueHeader};
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
    abi::Settlement::{Deposited, QueueCut, deploymentCall, queueCall},
    contract::{Contract, NoContract},
    generations::Generations,
    history::{decode, search, search_back_for},
    job::Finality,
    l1::{At, Block, L1Error},
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
    /// The node leaves events out, or tells others.
    #[error("the node tells {found} in events, and {expected} as the contract's queue in block {block}")]
    OtherQueue { block: u64, expected: QueuePosition, found: QueuePosition },
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is there, and is no queue of this contract.
    #[error("the file is not replaced")]
    NoQueue { source: QueueError },
    /// The file has deposits that L1 does not have, or the node is behind.
    #[error(
        "{path}: it has {known}, which L1's queue never was, as the node tells it, up to its {found}; it is not replaced",
        path = .path.display()
    )]
    OtherDeposits {
        path: PathBuf,
        /// What the file has.
        known: QueuePosition,
        /// What L1 has.
        found: QueuePosition,
    },
    /// Nobody reads a file with so many deposits.
    #[error("{path}: the queue takes {found} bytes, at most {limit} are read; the file stays as it is", path = .path.display())]
    TooLong { path: PathBuf, found: usize, limit: u64 },
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
    /// How often it had been cut.
    pub generation: u32,
    /// How it came to be so.
    pub generations: Generations,
}

/// The contract's events about its queue, up to the last final block that was read. Reading again asks for later ones only.
#[derive(Default)]
pub struct QueueReader {
    /// The next block to read; nothing is known yet if it is `None`.
    next: Option<u64>,
    generations: Generations,
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
        let (deposited, cuts) = match self.next {
            Some(first) => (
                later::<Deposited>(contract, first, block.number)?,
                later::<QueueCut>(contract, first, block.number)?,
            ),
            None => {
                let is_empty = queue.length == 0 && queue.generation == 0;
                let is_first = |event: &Deposited| event.generation == 0 && event.index == 0;
                let mut missing = queue.generation;
                let is_last_missing = |_: &QueueCut| {
                    missing = missing.saturating_sub(1);
                    missing == 0
                };
                (
                    if is_empty { vec![] } else { back_to(contract, block.number, is_first)? },
                    if queue.generation == 0 {
                        vec![]
                    } else {
                        back_to(contract, block.number, is_last_missing)?
                    },
                )
            }
        };
        deposited.iter().for_each(|event| self.generations.push(event.generation, deposit(event)));
        cuts.iter().for_each(|event| self.generations.cut(event.generation, event.from));
        self.next = Some(end);
        let generation = queue.generation;
        let deposits = self.generations.queue(generation);
        let position = deposits.iter().try_fold(QueuePosition::default(), append)?;
        let expected = QueuePosition { digest: KeccakDigest(queue.digest.0), length: queue.length };
        if position != expected {
            *self = Self::default();
            return Err(WatchError::OtherQueue { block: block.number, expected, found: position });
        }
        let generations = self.generations.clone();
        Ok(FinalQueue { deployment, block, deposits, position, generation, generations })
    }
}

/// The contract's events of a kind in the blocks `first..=last`, in order.
fn later<E: SolEvent>(contract: &Contract<'_>, first: u64, last: u64) -> Result<Vec<E>, L1Error> {
    let mut found = vec![];
    let topics = [Some(E::SIGNATURE_HASH)];
    search(contract.l1, contract.address, &topics, (first, last), |event| {
        found.push(decode(&event)?);
        Ok(())
    })?;
    Ok(found)
}

/// The contract's events of a kind up to block `last`, in order. They are searched from there back to the one that is first, so nobody
/// has to be asked where that is.
fn back_to<E: SolEvent>(
    contract: &Contract<'_>,
    last: u64,
    mut is_first: impl FnMut(&E) -> bool,
) -> Result<Vec<E>, L1Error> {
    let mut found = vec![];
    search_back_for(contract.l1, contract.address, &[], (0, last), |event| {
        let is_first = is_first(&event);
        found.push(event);
        !is_first
    })?;
    found.reverse();
    Ok(found)
}

impl FinalQueue {
    /// Writes the queue to a file, if that is new or has what this queue has once been. Deposits that were cut leave the file; a node that
    /// is behind takes none out of it.
    ///
    /// # Errors
    /// [`WatchError::NoQueue`] or [`WatchError::OtherDeposits`] if the file has something else; [`WatchError::TooLong`];
    /// [`WatchError::File`].
    pub fn write(&self, path: &Path) -> Result<(), WatchError> {
        self.write_within(path, QUEUE_LIMIT)
    }

    /// [`Self::write`] if it takes at most `limit` bytes.
    fn write_within(&self, path: &Path, limit: u64) -> Result<(), WatchError> {
        // Another process would replace what is compared here by a queue of its own.
        let _lock = file::lock(path)?;
        let is_missing = path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound);
        if !is_missing {
            let known =
                Queue::read(path, self.deployment).map_err(|source| WatchError::NoQueue { source })?;
            // A node that is behind does not know the file's generation, or not all that the file has of it.
            let is_earlier = known.generation() <= self.generation
                && self.generations.queue(known.generation()).starts_with(known.deposits());
            if !is_earlier {
                let (path, known) = (path.to_owned(), known.position());
                return Err(WatchError::OtherDeposits { path, known, found: self.position });
            }
        }
        let text = self.to_lines()?;
        if text.len() as u64 > limit {
            return Err(WatchError::TooLong { path: path.to_owned(), found: text.len(), limit });
        }
        Ok(file::write_shared(path, text.as_bytes())?)
    }

    /// The queue as [`batcher_job::queue`] reads it: JSON Lines.
    ///
    /// # Errors
    /// [`WatchError::Json`], which no queue leads to.
    pub fn to_lines(&self) -> Result<String, WatchError> {
        let unwritable = |error: serde_json::Error| WatchError::Json { reason: error.to_string() };
        let header = QueueHeader { deployment: self.deployment, generation: self.generation };
        let header = serde_json::to_string(&header);
        let mut text = header.map_err(unwritable)? + "\n";
        for deposit in &self.deposits {
            text += &serde_json::to_string(deposit).map_err(unwritable)?;
            text.push('\n');
        }
        Ok(text)
    }
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
    use std::{sync::mpsc, thread, time::Duration};

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

    /// The queue as a node tells it that has seen so many deposits of each generation, and the cuts that ended all but the last one.
    fn queue(counts: &[u32], cuts: &[u32]) -> FinalQueue {
        let mut generations = Generations::default();
        for (generation, &count) in (0..).zip(counts) {
            (0..count).for_each(|index| generations.push(generation, deposit(&deposited(generation, index))));
        }
        (0..).zip(cuts).for_each(|(generation, &from)| generations.cut(generation, from));
        let generation = cuts.len() as u32;
        let deposits = generations.queue(generation);
        let position = deposits.iter().try_fold(QueuePosition::default(), append).expect("there is room");
        let block = Block { number: 7, hash: B256::ZERO, timestamp: 0, base_fee: 0 };
        FinalQueue { deployment: 5, block, deposits, position, generation, generations }
    }

    #[test]
    fn a_file_is_replaced_by_a_later_queue_of_the_same_contract_only() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("queue");
        let length = || Queue::read(&path, 5).map(|queue| queue.deposits().len());
        let refused = |queue: FinalQueue| {
            let error = queue.write(&path).expect_err("it is no later queue");
            assert!(matches!(error, WatchError::OtherDeposits { .. }), "{error}");
        };
        for count in [1, 1, 3] {
            queue(&[count], &[]).write(&path).expect("it continues");
            assert_eq!(length().expect("a queue"), count as usize);
        }
        refused(queue(&[2], &[]));
        let error =
            FinalQueue { deployment: 6, ..queue(&[4], &[]) }.write(&path).expect_err("another contract");
        let WatchError::NoQueue { source } = error else { panic!("{error}") };
        assert!(matches!(source, QueueError::Deployment { expected: 6, found: 5, .. }), "{source}");
        assert_eq!(length().expect("a queue"), 3);
        // The third one was cut, and two came after it.
        queue(&[3, 2], &[2]).write(&path).expect("it is shorter for a reason");
        assert_eq!(length().expect("a queue"), 4);
        // A node that is behind, before the cut or after it.
        refused(queue(&[3], &[]));
        refused(queue(&[5], &[]));
        refused(queue(&[3, 1], &[2]));
        // The file has a beginning of what was cut, and the node is before the cut.
        queue(&[3, 2, 0], &[2, 1]).write(&path).expect("one is left");
        assert_eq!(length().expect("a queue"), 1);
        refused(queue(&[3], &[]));
        refused(queue(&[3, 2], &[2]));
        // All were cut, and none came.
        queue(&[3, 2, 0], &[2, 1, 0]).write(&path).expect("nothing is left");
        assert_eq!(length().expect("a queue"), 0);
        refused(queue(&[3, 2, 0], &[2, 1]));
        // Whoever changes the file keeps others waiting.
        let lock = file::lock(&path).expect("nobody else has it");
        let (same, path_of_it) = (queue(&[3, 2, 0], &[2, 1, 0]), &path);
        thread::scope(|scope| {
            let (written, wait) = mpsc::channel();
            scope.spawn(move || {
                same.write(path_of_it).expect("it continues");
                written.send(()).expect("somebody waits");
            });
            assert!(wait.recv_timeout(Duration::from_millis(100)).is_err(), "the lock did not keep it");
            drop(lock);
            wait.recv().expect("it goes on");
        });
        // Whoever wrote more than is read could not go on with it.
        std::fs::remove_file(&path).expect("it is there");
        let text = queue(&[2], &[]).to_lines().expect("it serialises");
        queue(&[2], &[]).write_within(&path, text.len() as u64).expect("as much as is read");
        let error = queue(&[3], &[]).write_within(&path, text.len() as u64).expect_err("a line more");
        assert!(matches!(error, WatchError::TooLong { .. }), "{error}");
        assert_eq!(length().expect("a queue"), 2);
        std::fs::write(&path, "notes of mine").expect("writable");
        let error = queue(&[4], &[]).write(&path).expect_err("no queue");
        assert!(matches!(error, WatchError::NoQueue { .. }), "{error}");
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), "notes of mine");
    }
}
