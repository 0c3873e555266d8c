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

use std::{
    error::Error,
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, Bytes, U256};
use thiserror::Error;

use crate::{
    abi::Settlement::payoutRootCall,
    attempt::{Sent, Unsigned},
    contract::{Contract, NoContract, Settled},
    fees::{FeeLimits, Fees, OverCap},
    journal::{Goal, Inclusion, Journal, JournalError, Record, Stage},
    l1::{At, Block, Call, L1, L1Error},
    limits::Limit,
    reason::Revert,
    signer::Signer,
    superblock::{ContractDigest, Superblock},
};

/// After so many failed transactions for one superblock, although the contract said that it would take each, there is no
/// further one.
const MAX_FAILED: usize = 3;
/// So many rounds in a row may a node say that a transaction succeeded and that the contract has not settled: it may be
/// behind a reorganisation.
const MAX_CONTRADICTIONS: usize = 5;
/// In so many rounds in a row the nonce of a transaction must be used by another one before there is a further transaction: a
/// node may know the account before it knows the receipt.
const ROUNDS_GONE: usize = 3;
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
    /// Without any progress for so long, the job ends; it can be started again.
    pub patience: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            finality: Finality::Node,
            fees: FeeLimits::default(),
            poll: Duration::from_secs(4),
            raise_after: Duration::from_secs(60),
            patience: Duration::from_secs(60 * 60),
        }
    }
}

/// What the job does, for whoever watches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The journal has the superblock at this stage.
    Reached { number: u32, stage: Stage },
    /// A node is about to get a transaction.
    Sending { number: u32, transaction: B256, nonce: u64, fees: Fees },
    /// L1 has dropped the block in which the superblock was settled.
    Reorganised { number: u32 },
    /// Somebody else has settled the superblock, with the same state.
    SettledByOther { number: u32 },
    /// There is nothing to do but to wait.
    Waiting { number: u32, reason: Waiting },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reached { number, stage } => write!(f, "superblock {number} is {stage}"),
            Self::Sending { number, transaction, nonce, fees } => write!(
                f,
                "superblock {number}: sending transaction {transaction} with nonce {nonce}, at most {} wei per gas",
                fees.max
            ),
            Self::Reorganised { number } => {
                write!(f, "superblock {number}: L1 has dropped the block in which it was settled")
            }
            Self::SettledByOther { number } => write!(f, "superblock {number}: somebody else has settled it"),
            Self::Waiting { number, reason } => write!(f, "superblock {number}: {reason}"),
        }
    }
}

/// What the job waits for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Waiting {
    /// The node does not answer.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// Gas is too expensive.
    #[error(transparent)]
    Fee(#[from] OverCap),
    /// The superblock before is not settled (any more).
    #[error("L1 has settled up to superblock {0} only")]
    Predecessor(u32),
    /// No block has the transaction.
    #[error("no block has transaction {0} yet")]
    Inclusion(B256),
    /// The block is not final.
    #[error("block {0} is not final yet")]
    Finality(u64),
    /// The node contradicts itself.
    #[error(
        "the node says that transaction {0} succeeded, and that its contract has not settled the superblock"
    )]
    Contradiction(B256),
    /// L1 has moved since it was asked.
    #[error("L1 has changed in the meantime")]
    Changed,
}

/// Why superblocks are not settled. What the journal has is kept: started again, the job goes on from there.
#[derive(Debug, Error)]
pub enum JobError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// L1 gives an answer that time does not change.
    #[error(transparent)]
    L1(L1Error),
    /// The node is that of another network.
    #[error("the node is on the network with chain id {found}, expected {expected}")]
    Network { expected: u64, found: u64 },
    /// There is no settlement contract.
    #[error(transparent)]
    NoContract(#[from] NoContract),
    /// The superblock is for another contract.
    #[error("superblock {number} is of deployment {found}, the contract's is {expected}")]
    OtherDeployment { number: u32, expected: u64, found: u64 },
    /// The superblocks are not numbered one after the other.
    #[error("superblock {previous} is followed by superblock {number}")]
    Order { previous: u32, number: u32 },
    /// A superblock before the first one is missing.
    #[error("L1 has settled up to superblock {settled}, the first one given is superblock {first}")]
    Gap { settled: u32, first: u32 },
    /// L1 has settled another superblock of this number.
    #[error("L1 has settled superblock {number} with state {found}, not with state {expected}")]
    OtherState { number: u32, expected: ContractDigest, found: ContractDigest },
    /// L1 has settled a superblock with this state and other payouts.
    #[error("L1 has settled superblock {number} with payout root {found}, not with {expected}")]
    OtherPayouts { number: u32, expected: B256, found: B256 },
    /// The superblock continues another state than L1's.
    #[error("superblock {number} continues state {found}, L1 is at state {expected}")]
    OtherPrevious { number: u32, expected: ContractDigest, found: ContractDigest },
    /// The contract takes no such superblock.
    #[error("the contract refuses superblock {number}: {reason}")]
    Refused { number: u32, reason: Revert },
    /// L1 would take no such transaction.
    #[error("superblock {number}: {source}")]
    Limit { number: u32, source: Limit },
    /// There is no proof for L1.
    #[error("superblock {number}: cannot make the proof for L1")]
    Prove { number: u32, source: Box<dyn Error + Send + Sync> },
    /// Transactions fail that should not.
    #[error("superblock {number}: {failed} transactions failed, the last one is {last}")]
    Failed { number: u32, failed: usize, last: B256 },
    /// The node contradicts itself for too long.
    #[error(
        "superblock {number}: the node says that transaction {transaction} succeeded, and that the contract has not settled"
    )]
    Contradiction { number: u32, transaction: B256 },
    /// Nothing has happened for too long.
    #[error("superblock {number} is {stage}, and nothing has happened for {} seconds: {waiting}", .patience.as_secs())]
    Patience { number: u32, stage: Stage, patience: Duration, waiting: Waiting },
    /// The caller asked to stop.
    #[error("stopped; the same command goes on from the journal")]
    Stopped,
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
    /// When this process last handed over the transaction.
    pub(crate) sent_at: Option<Instant>,
    /// Whether a node says that the offer is too low.
    pub(crate) underpriced: bool,
    contradictions: usize,
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

/// Settles superblocks.
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
        let mut told = None;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(JobError::Stopped);
            }
            let (number, stage, waiting) = match self.round(&mut entries) {
                Ok(None) => return Ok(entries.into_iter().map(|entry| entry.record).collect()),
                Ok(Some((position, waiting))) => {
                    (entries[position].number(), entries[position].record.stage, waiting)
                }
                Err(error) => return Err(error),
            };
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
                sent_at: None,
                underpriced: false,
                contradictions: 0,
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
        let finalized = match self.policy.finality.block(self.l1, &latest)? {
            // The contract may be younger.
            Some(block) => {
                self.contract().settled(At::Number(block.number))?.map(|settled| Seen { block, settled })
            }
            None => None,
        };
        Ok(View { latest: Seen { block: latest, settled }, finalized })
    }

    pub(crate) fn contract(&self) -> Contract<'_> {
        Contract { l1: self.l1, address: self.contract }
    }

    /// Takes the next step for one superblock, if there is one to take.
    fn advance(&self, entry: &mut Entry<'_>, view: &View) -> Result<(), Halt> {
        let number = entry.number();
        if let Some(finalized) = view.finalized.filter(|seen| seen.settled.number >= number) {
            self.note_inclusion(entry, &finalized)?;
            return Ok(self.reach(entry, Stage::Final)?);
        }
        if view.latest.settled.number >= number {
            self.note_inclusion(entry, &view.latest)?;
            self.reach(entry, Stage::Included)?;
            let block = entry.record.inclusion.map_or(view.latest.block.number, |found| found.block_number);
            return Err(Halt::Wait(Waiting::Finality(block)));
        }
        if entry.record.stage == Stage::Included {
            entry.record.inclusion = None;
            let is_signed = !entry.record.attempts.is_empty();
            entry.sent_at = None;
            self.write(entry, if is_signed { Stage::Signed } else { Stage::Planned })?;
            (self.listener)(&Progress::Reorganised { number });
        }
        if view.latest.settled.number.checked_add(1) != Some(number) {
            return Err(Halt::Wait(Waiting::Predecessor(view.latest.settled.number)));
        }
        let (expected, found) = (view.latest.settled.state, entry.superblock.previous_state());
        if expected != found {
            let [expected, found] = [expected, found].map(ContractDigest);
            return Err(JobError::OtherPrevious { number, expected, found }.into());
        }
        self.make_calldata(entry)?;
        self.settle(entry, view)
    }

    /// Checks that L1 settled this superblock and no other one, and finds out by which transaction.
    fn note_inclusion(&self, entry: &mut Entry<'_>, seen: &Seen) -> Result<(), Halt> {
        let Goal { number, state: expected, .. } = entry.record.goal;
        let at = At::Number(seen.block.number);
        let found = self.contract().state(number, at)?;
        if found != expected {
            let [expected, found] = [expected, found].map(ContractDigest);
            return Err(JobError::OtherState { number, expected, found }.into());
        }
        // Superblocks that consume the same messages in another order have one state, and other payouts.
        let expected = entry.superblock.payout_root();
        let found = self.contract().view(&payoutRootCall { number }, at)?.unwrap_or_default();
        if found != expected {
            return Err(JobError::OtherPayouts { number, expected, found }.into());
        }
        if let Some(known) = entry.record.inclusion
            && self.is_canonical(known.block_number, known.block_hash)?
        {
            return Ok(());
        }
        let mut inclusion = Inclusion {
            transaction: None,
            block_number: seen.block.number,
            block_hash: seen.block.hash,
            gas_used: None,
        };
        for attempt in &entry.record.attempts {
            let Some(receipt) = self.l1.receipt(attempt.hash)? else { continue };
            let at = receipt.block_number;
            // A transaction after somebody else's succeeds too, and does nothing.
            if receipt.succeeded
                && receipt.transaction == attempt.hash
                && at <= seen.block.number
                && self.contract().has_settled_in(number, at, attempt.hash)?
            {
                inclusion = Inclusion {
                    transaction: Some(attempt.hash),
                    block_number: at,
                    block_hash: receipt.block_hash,
                    gas_used: Some(receipt.gas_used),
                };
            }
        }
        if inclusion.transaction.is_none() {
            (self.listener)(&Progress::SettledByOther { number });
        }
        entry.record.inclusion = Some(inclusion);
        Ok(())
    }

    fn is_canonical(&self, number: u64, hash: B256) -> Result<bool, L1Error> {
        Ok(self.l1.block(At::Number(number))?.is_some_and(|block| block.hash == hash))
    }

    /// Has calldata on disk, which takes a proof if there is none.
    fn make_calldata(&self, entry: &mut Entry<'_>) -> Result<(), Halt> {
        if entry.record.calldata.is_some() {
            return Ok(());
        }
        let number = entry.number();
        self.reach(entry, Stage::Planned)?;
        let proof =
            self.prover.prove(entry.superblock).map_err(|source| JobError::Prove { number, source })?;
        let calldata = entry.superblock.calldata(&proof);
        entry.record.calldata = Some(self.journal.write_calldata(number, &calldata)?);
        Ok(self.write(entry, Stage::Proven)?)
    }

    /// Has a transaction on its way to L1.
    fn settle(&self, entry: &mut Entry<'_>, view: &View) -> Result<(), Halt> {
        self.check_receipts(entry, view)?;
        let nonces = self.l1.nonces(self.signer.address())?;
        let sender = self.signer.address();
        let live = entry.record.attempts.last().filter(|last| {
            last.sender == sender && !last.failed && last.transaction.is_some() && last.nonce >= nonces.latest
        });
        let Some(live) = live.cloned() else {
            let is_gone =
                entry.record.attempts.last().is_some_and(|last| last.sender == sender && !last.failed);
            if is_gone && entry.rounds_gone < ROUNDS_GONE {
                entry.rounds_gone += 1;
                return Err(Halt::Wait(Waiting::Changed));
            }
            let unsigned = self.prepare(entry, view)?;
            let fees = self.policy.fees.first(view.latest.block.base_fee);
            let fees = fees.map_err(|over| Halt::Wait(over.into()))?;
            return self.sign_and_send(entry, &unsigned, nonces.pending, fees);
        };
        entry.rounds_gone = 0;
        let Some(sent_at) = entry.sent_at else { return self.send(entry) };
        let is_late = sent_at.elapsed() >= self.policy.raise_after;
        let is_too_low = entry.underpriced || view.latest.block.base_fee > live.fees.max;
        if is_late || is_too_low {
            // A transaction before it was lost, and it would wait forever.
            let nonce = if is_late && live.nonce > nonces.pending { nonces.pending } else { live.nonce };
            let base_fee = view.latest.block.base_fee;
            if let Some(fees) = self.policy.fees.raised(live.fees, base_fee) {
                let unsigned = self.prepare(entry, view)?;
                return self.sign_and_send(entry, &unsigned, nonce, fees);
            }
            if base_fee > self.policy.fees.cap {
                return Err(Halt::Wait(OverCap { base_fee, cap: self.policy.fees.cap }.into()));
            }
            if is_late {
                return self.send(entry);
            }
        }
        Err(Halt::Wait(Waiting::Inclusion(live.hash)))
    }

    /// Looks what became of the transactions of a superblock that is not settled: they are in no block, or failed.
    fn check_receipts(&self, entry: &mut Entry<'_>, view: &View) -> Result<(), Halt> {
        let number = entry.number();
        let mut failed = 0;
        for position in 0..entry.record.attempts.len() {
            let hash = entry.record.attempts[position].hash;
            let Some(receipt) = self.l1.receipt(hash)? else { continue };
            if receipt.transaction != hash || !self.is_canonical(receipt.block_number, receipt.block_hash)? {
                continue;
            }
            if receipt.succeeded {
                // The contract was asked before this block.
                if receipt.block_number <= view.latest.block.number {
                    entry.contradictions += 1;
                }
                if entry.contradictions >= MAX_CONTRADICTIONS {
                    return Err(JobError::Contradiction { number, transaction: hash }.into());
                }
                return Err(Halt::Wait(Waiting::Contradiction(hash)));
            }
            failed += 1;
            if !entry.record.attempts[position].failed {
                entry.record.attempts[position].failed = true;
                self.write(entry, entry.record.stage)?;
            }
            if failed >= MAX_FAILED {
                return Err(JobError::Failed { number, failed, last: hash }.into());
            }
        }
        entry.contradictions = 0;
        Ok(())
    }

    /// The call, checked against the contract and L1's limits.
    fn prepare(&self, entry: &Entry<'_>, view: &View) -> Result<Unsigned, Halt> {
        let number = entry.number();
        let digest = entry.record.calldata.ok_or(Halt::Wait(Waiting::Changed))?;
        let calldata = self.journal.calldata(number, digest)?;
        let call =
            Call { from: self.signer.address(), to: Some(self.contract), value: U256::ZERO, input: calldata };
        let answer = Unsigned::new(self.l1, call);
        // The contract takes what it has settled already, without effect, and refuses what comes too early.
        if self.contract().settled(At::Latest)? != Some(view.latest.settled) {
            return Err(Halt::Wait(Waiting::Changed));
        }
        match answer {
            Ok(Ok(unsigned)) => Ok(unsigned),
            Ok(Err(source)) => Err(JobError::Limit { number, source }.into()),
            Err(L1Error::Reverted(reason)) => Err(JobError::Refused { number, reason }.into()),
            Err(error) => Err(error.into()),
        }
    }

    fn sign_and_send(
        &self,
        entry: &mut Entry<'_>,
        unsigned: &Unsigned,
        nonce: u64,
        fees: Fees,
    ) -> Result<(), Halt> {
        let number = entry.number();
        let limit = |source| JobError::Limit { number, source };
        unsigned.check_funds(self.l1.balance(self.signer.address())?, fees).map_err(limit)?;
        let attempt = unsigned.sign(self.signer, self.chain_id, nonce, fees).map_err(limit)?;
        entry.record.sign(attempt);
        entry.underpriced = false;
        self.write(entry, Stage::Signed)?;
        self.send(entry)
    }

    /// Hands the last signed transaction over.
    fn send(&self, entry: &mut Entry<'_>) -> Result<(), Halt> {
        let number = entry.number();
        let Some(attempt) = entry.record.attempts.last() else { return Err(Halt::Wait(Waiting::Changed)) };
        let (hash, transaction) = (attempt.hash, attempt.transaction.clone().unwrap_or_default());
        (self.listener)(&Progress::Sending {
            number,
            transaction: hash,
            nonce: attempt.nonce,
            fees: attempt.fees,
        });
        // Whatever the node says, it may have the transaction now.
        entry.sent_at = Some(Instant::now());
        match Sent::of(self.l1.send(&transaction)) {
            Sent::Taken => {
                self.write(entry, Stage::Sent)?;
                Err(Halt::Wait(Waiting::Inclusion(hash)))
            }
            Sent::Underpriced(error) => {
                entry.underpriced = true;
                Err(Halt::Wait(error.into()))
            }
            Sent::Unknown(error) => {
                // Nothing is known of it: the next round asks, and hands it over again.
                entry.sent_at = None;
                Err(error.into())
            }
        }
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

fn stages(entries: &[Entry<'_>]) -> Vec<(Stage, usize)> {
    entries.iter().map(|entry| (entry.record.stage, entry.record.attempts.len())).collect()
}
