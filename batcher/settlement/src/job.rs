//! The settlement of superblocks, step by step, each written to the journal before L1 can see it.
//!
//! ```text
//! planned --> proven --> signed --> sent --> included --> final
//!                          ^          |  ^        |
//!                          | raised   |  |        | the block is gone
//!                          +----------+  +--------+
//! ```
//! A round asks L1 first and acts then: what the contract says decides, never what a transaction was sent for. So a process
//! that is killed anywhere, a block that goes, a transaction that gets lost, and somebody else who settles the same
//! superblock are all met in the same way. The contract takes a superblock once, so what is sent twice costs gas only.

mod proof;
mod publish;
mod report;
mod step;

use std::{
    collections::BTreeSet,
    error::Error,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, Bytes};

pub use self::report::{JobError, Progress, Waiting};
use crate::{
    blobs::Blobs,
    contract::{Contract, NoContract, Settled},
    fees::FeeLimits,
    journal::{Goal, Journal, JournalError, Record, Stage},
    l1::{At, Block, L1, L1Error},
    signer::Signer,
    superblock::Superblock,
};

/// How often a wait looks whether it is to end.
const NAP: Duration = Duration::from_millis(100);

/// When a block of L1 stays for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finality {
    /// When the node says so.
    Node,
    /// When so many blocks are on top of it, for networks without finality.
    Depth(u64),
}

impl Finality {
    /// The last final block; `None` if there is none yet.
    ///
    /// # Errors
    /// [`L1Error`]
    pub fn block(self, l1: &dyn L1, latest: &Block) -> Result<Option<Block>, L1Error> {
        match self {
            Self::Node => l1.block(At::Finalized),
            Self::Depth(depth) => match latest.number.checked_sub(depth) {
                Some(number) => l1.block(At::Number(number)),
                None => Ok(None),
            },
        }
    }
}

/// How long to wait for what, and what to offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    pub finality: Finality,
    pub fees: FeeLimits,
    /// Between two rounds.
    pub poll: Duration,
    /// A transaction that waits longer is replaced by one that offers more.
    pub raise_after: Duration,
    /// Without any progress for so long, the job ends; it can be started again. A higher offer is no progress.
    pub patience: Duration,
    /// So long the job asks again after an answer that would end it, if a node that is behind others may be the reason.
    pub doubt: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            finality: Finality::Node,
            fees: FeeLimits::default(),
            poll: Duration::from_secs(4),
            raise_after: Duration::from_secs(60),
            patience: Duration::from_secs(60 * 60),
            doubt: Duration::from_secs(30),
        }
    }
}

/// What a step of the job leads to: nothing more to do now, a wait, or an error.
pub(crate) enum Halt {
    Wait(Waiting),
    Error(JobError),
}

impl From<L1Error> for Halt {
    fn from(error: L1Error) -> Self {
        if error.is_transient() { Self::Wait(error.into()) } else { Self::Error(JobError::L1(error)) }
    }
}

impl<E: Into<JobError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// A superblock on its way.
pub(crate) struct Entry<'a> {
    pub(crate) superblock: &'a Superblock,
    pub(crate) record: Record,
    /// The proof that the record names, once this process has it.
    proof: Option<L1Proof>,
    /// Whether this process made it.
    is_proof_fresh: bool,
    /// Whether the account settles as a stranger, and the listener knows.
    is_stranger: bool,
    /// Whether nothing is published although the caller wants it, and the listener knows.
    is_silent: bool,
    /// When this process last handed over the transaction.
    pub(crate) sent_at: Option<Instant>,
    /// Whether a node says that the offer is too low.
    pub(crate) underpriced: bool,
    contradictions: usize,
    /// The blobs of the record's data, once this process has made them.
    blobs: Option<Blobs>,
    /// Transactions that this process saw fail. A node that is behind may forget that it said so.
    failed: BTreeSet<B256>,
    /// Rounds in a row in which the transaction's nonce is used and no block has the transaction.
    rounds_gone: usize,
}

impl Entry<'_> {
    pub(crate) fn number(&self) -> u32 {
        self.record.goal.number
    }
}

/// L1 in one block.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) block: Block,
    pub(crate) settled: Settled,
}

/// L1 as a round finds it.
pub(crate) struct View {
    pub(crate) latest: Seen,
    finalized: Option<Seen>,
}

/// Makes what the contract verifies of a superblock.
pub trait Prove {
    /// Names the verifier that the proofs are for.
    fn outer_digest(&self) -> B256;

    /// The proof of superblock `number`.
    ///
    /// # Errors
    /// Whatever keeps the proof from being made.
    fn prove(&self, superblock: &Superblock) -> Result<L1Proof, Box<dyn Error + Send + Sync>>;
}

/// What the contract verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L1Proof {
    /// Names the verifier.
    pub outer_digest: B256,
    pub proof: Bytes,
}

/// Settles superblocks, and publishes the data of those that have it.
pub struct Job<'a> {
    pub l1: &'a dyn L1,
    /// The network that L1 must be.
    pub chain_id: u64,
    /// The settlement contract.
    pub contract: Address,
    pub signer: &'a Signer,
    pub prover: &'a dyn Prove,
    pub journal: &'a Journal,
    pub policy: Policy,
    /// Receives progress events.
    pub listener: &'a dyn Fn(&Progress),
    /// Set by the caller to stop.
    pub stop: &'a AtomicBool,
}

impl Job<'_> {
    /// Settles the superblocks, which follow on each other, and returns when all are final. What the journal has is not done
    /// again.
    ///
    /// # Errors
    /// [`JobError`], one variant per reason. The journal is kept.
    pub fn run(&self, superblocks: &[Superblock]) -> Result<Vec<Record>, JobError> {
        let mut entries = self.entries(superblocks)?;
        let mut last = (Instant::now(), stages(&entries));
        let (mut told, mut doubtful_since) = (None, None);
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(JobError::Stopped);
            }
            let (number, stage, waiting) = match self.round(&mut entries) {
                Ok(None) => return Ok(entries.into_iter().map(|entry| entry.record).collect()),
                Err(error) if error.is_doubtful() => {
                    let since = *doubtful_since.get_or_insert_with(|| {
                        (self.listener)(&Progress::AskingAgain { reason: error.to_string() });
                        Instant::now()
                    });
                    if since.elapsed() >= self.policy.doubt {
                        return Err(error);
                    }
                    self.pause();
                    continue;
                }
                Ok(Some((position, waiting))) => {
                    (entries[position].number(), entries[position].record.stage, waiting)
                }
                Err(error) => return Err(error),
            };
            doubtful_since = None;
            let now = stages(&entries);
            if now != last.1 {
                last = (Instant::now(), now);
            } else if last.0.elapsed() >= self.policy.patience {
                let patience = self.policy.patience;
                return Err(JobError::Patience { number, stage, patience, waiting });
            }
            if told.as_ref() != Some(&waiting) {
                (self.listener)(&Progress::Waiting { number, reason: waiting.clone() });
                told = Some(waiting);
            }
            self.pause();
        }
    }

    fn entries<'a>(&self, superblocks: &'a [Superblock]) -> Result<Vec<Entry<'a>>, JobError> {
        let numbers: Vec<_> = superblocks.iter().map(Superblock::number).collect();
        if let Some(pair) = numbers.windows(2).find(|pair| pair[0].checked_add(1) != Some(pair[1])) {
            return Err(JobError::Order { previous: pair[0], number: pair[1] });
        }
        let expected = crate::deployment::deployment_id(self.chain_id, self.contract);
        let entry = |superblock: &'a Superblock| {
            let (number, found) = (superblock.number(), superblock.deployment());
            if found != expected {
                return Err(JobError::OtherDeployment { number, expected, found });
            }
            let (chain_id, contract, state) = (self.chain_id, self.contract, superblock.state());
            let mut record = self.journal.record(Goal { chain_id, contract, number, state })?;
            if record.stage == Stage::Final {
                // A test network that was started anew has the same contract, and finality by depth is no promise.
                record.stage = Stage::Included;
            }
            Ok(Entry {
                superblock,
                record,
                proof: None,
                is_proof_fresh: false,
                is_stranger: false,
                is_silent: false,
                sent_at: None,
                underpriced: false,
                contradictions: 0,
                blobs: None,
                failed: BTreeSet::new(),
                rounds_gone: 0,
            })
        };
        superblocks.iter().map(entry).collect()
    }

    /// One round over all superblocks that are not final. Returns the position of the first that waits, and what for; `None` if
    /// all are final.
    fn round(&self, entries: &mut [Entry<'_>]) -> Result<Option<(usize, Waiting)>, JobError> {
        let mut first = None;
        let Some(open) = entries.iter().position(|entry| entry.record.stage != Stage::Final) else {
            return Ok(None);
        };
        let view = match self.view(&entries[open].record) {
            Ok(view) => view,
            Err(Halt::Wait(waiting)) => return Ok(Some((open, waiting))),
            Err(Halt::Error(error)) => return Err(error),
        };
        for (position, entry) in entries.iter_mut().enumerate().skip(open) {
            match self.advance(entry, &view) {
                Ok(()) => {}
                Err(Halt::Error(error)) => return Err(error),
                Err(Halt::Wait(waiting)) => {
                    let is_included = entry.record.stage == Stage::Included;
                    first.get_or_insert((position, waiting));
                    if !is_included {
                        break;
                    }
                }
            }
        }
        Ok(first)
    }

    /// Asks L1 where it is.
    fn view(&self, first: &Record) -> Result<View, Halt> {
        let found = self.l1.chain_id()?;
        if found != self.chain_id {
            return Err(JobError::Network { expected: self.chain_id, found }.into());
        }
        let latest = self.l1.block(At::Latest)?.ok_or(Halt::Wait(Waiting::Changed))?;
        let settled = self.contract().settled(At::Number(latest.number))?;
        let settled = settled.ok_or(NoContract(self.contract))?;
        // If something was sent, L1 was there already, and a reorganisation took it back.
        let is_ahead = settled.number.checked_add(1).is_some_and(|next| next < first.goal.number);
        if is_ahead && first.attempts.is_empty() {
            return Err(JobError::Gap { settled: settled.number, first: first.goal.number }.into());
        }
        let is_awaited = settled.number >= first.goal.number;
        let finalized = if is_awaited { self.finalized(&latest)? } else { None };
        Ok(View { latest: Seen { block: latest, settled }, finalized })
    }

    /// The contract in the last final block, in which it may not be yet. A node whose finality is late does not keep that state:
    /// then nothing is known to be final, and later superblocks go on.
    fn finalized(&self, latest: &Block) -> Result<Option<Seen>, L1Error> {
        let Some(block) = self.policy.finality.block(self.l1, latest)? else { return Ok(None) };
        match self.contract().settled(At::Number(block.number)) {
            Ok(settled) => Ok(settled.map(|settled| Seen { block, settled })),
            Err(error) if error.is_transient() => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn contract(&self) -> Contract<'_> {
        Contract { l1: self.l1, address: self.contract }
    }

    /// Writes that the superblock is at this stage, if it was not.
    fn reach(&self, entry: &mut Entry<'_>, stage: Stage) -> Result<(), JournalError> {
        if entry.record.stage == stage && stage != Stage::Planned {
            return Ok(());
        }
        self.write(entry, stage)
    }

    fn write(&self, entry: &mut Entry<'_>, stage: Stage) -> Result<(), JournalError> {
        entry.record.stage = stage;
        self.journal.write(&entry.record)?;
        (self.listener)(&Progress::Reached { number: entry.number(), stage });
        Ok(())
    }

    /// Waits for the next round, or until the job is to stop.
    fn pause(&self) {
        let end = Instant::now() + self.policy.poll;
        while !self.stop.load(Ordering::Relaxed) {
            match end.checked_duration_since(Instant::now()) {
                Some(rest) if !rest.is_zero() => thread::sleep(rest.min(NAP)),
                _ => return,
            }
        }
    }
}

/// How far the superblocks are. One whose transaction is signed anew, with a higher offer, is as far as before.
fn stages(entries: &[Entry<'_>]) -> Vec<Stage> {
    let stage = |entry: &Entry<'_>| match entry.record.stage {
        Stage::Signed => Stage::Sent,
        stage => stage,
    };
    entries.iter().map(stage).collect()
}
