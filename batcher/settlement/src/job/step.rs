//! The next step for one superblock.

use std::{collections::BTreeSet, time::Instant};

use alloy_primitives::{B256, keccak256};

use super::{Entry, Halt, Job, Seen, View};
use crate::{
    abi::Settlement::statementDigestOfCall,
    attempt::{Sent, Unsigned},
    blobs::Blobs,
    fees::Fees,
    job::{JobError, Progress, Waiting},
    journal::{Attempt, Goal, Inclusion, Stage},
    l1::{At, L1Error},
    reason::Revert,
    superblock::ContractDigest,
};

/// After so many failed transactions of this process for one superblock, although the contract said that it would take each, there is no
/// further one.
const MAX_FAILED: usize = 3;
/// So many nonces has a superblock in its record at most: the first one, and some that reorganisations, failures and the account's other
/// transactions cost. Each may cost the gas of a settlement, whatever the contract does, and a node decides whether there is a next.
const MOST_NONCES: usize = 4;
/// So many rounds in a row may a node say that a transaction succeeded and that the contract has not settled: it may be
/// behind a reorganisation.
const MAX_CONTRADICTIONS: usize = 5;
/// In so many rounds in a row the nonce of a transaction must be used by another one before there is a further transaction: a
/// node may know the account before it knows the receipt.
const ROUNDS_GONE: usize = 3;

impl Job<'_> {
    /// Takes the next step for one superblock, if there is one to take.
    pub(super) fn advance(&self, entry: &mut Entry<'_>, view: &View) -> Result<(), Halt> {
        let number = entry.number();
        if let Some(finalized) = view.finalized.filter(|seen| seen.settled.number >= number) {
            self.note_inclusion(entry, &finalized)?;
            return Ok(self.reach(entry, Stage::Final)?);
        }
        if view.latest.settled.number >= number {
            let known = entry.record.inclusion;
            self.note_inclusion(entry, &view.latest)?;
            if entry.record.inclusion == known {
                self.reach(entry, Stage::Included)?;
            } else {
                self.write(entry, Stage::Included)?;
            }
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
        self.have_proof(entry, view)?;
        self.settle(entry, view)
    }

    /// Checks that L1 settled this superblock and no other one, and finds out by which transaction.
    fn note_inclusion(&self, entry: &mut Entry<'_>, seen: &Seen) -> Result<(), Halt> {
        let Goal { number, state: expected, .. } = entry.record.goal;
        let at = At::Number(seen.block.number);
        let found = self.contract().state(number, at)?;
        if found.is_zero() {
            // The node was between two blocks when it said that the contract has settled the superblock.
            return Err(Halt::Wait(Waiting::Changed));
        }
        if found != expected {
            let [expected, found] = [expected, found].map(ContractDigest);
            return Err(JobError::OtherState { number, expected, found }.into());
        }
        // Superblocks that consume the same messages in another order have one state, and other payouts.
        let expected = entry.superblock.statement_digest();
        let found = self.contract().view(&statementDigestOfCall { number }, at)?.unwrap_or_default();
        if found.is_zero() {
            return Err(Halt::Wait(Waiting::Changed));
        }
        if found != expected {
            return Err(JobError::OtherStatement { number, expected, found }.into());
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

    /// Has a transaction on its way to L1.
    fn settle(&self, entry: &mut Entry<'_>, view: &View) -> Result<(), Halt> {
        self.check_receipts(entry, view)?;
        let sender = self.signer.address();
        let nonces = self.l1.nonces(sender)?;
        let last = entry.record.attempts.last().filter(|last| last.sender == sender && !last.failed);
        let is_live = |last: &&Attempt| last.transaction.is_some() && last.nonce >= nonces.latest;
        let Some(live) = last.filter(is_live).cloned() else {
            if last.is_some() && entry.rounds_gone < ROUNDS_GONE {
                entry.rounds_gone += 1;
                return Err(Halt::Wait(Waiting::Changed));
            }
            return self.offer_first(entry, view, nonces.pending);
        };
        entry.rounds_gone = 0;
        self.have_data(entry, Some(&live))?;
        let base_fees = self.base_fees(entry, view)?;
        // The proof or the account's role may be another one than when it was signed.
        let proof = entry.proof.clone().ok_or(Halt::Wait(Waiting::Changed))?;
        let is_stale = live.call != keccak256(self.call(entry, &proof)?.input);
        let Some(sent_at) = entry.sent_at.or(is_stale.then(Instant::now)) else { return self.send(entry) };
        let is_late = sent_at.elapsed() >= self.policy.raise_after;
        if nonces.latest < live.nonce && !is_stale {
            // Whatever this transaction offers, no block can take it before that one.
            let earlier = Waiting::EarlierNonce { account: sender, nonce: nonces.latest };
            if is_late && nonces.pending < live.nonce {
                // The one before it was lost, and it would wait forever.
                return self.offer_first(entry, view, nonces.pending);
            }
            return self.wait_on(entry, is_late, earlier);
        }
        if is_stale || is_late || entry.underpriced || base_fees.exceed(&live.fees) {
            if let Some(fees) = self.policy.fees.raised(live.fees, base_fees) {
                let unsigned = self.prepare(entry, view)?;
                if let Err(limit) = unsigned.check_funds(self.l1.balance(sender)?, fees) {
                    let limit = Box::new(limit);
                    return Err(Halt::Wait(Waiting::NotRaised { transaction: live.hash, limit }));
                }
                return self.sign_and_send(entry, &unsigned, live.nonce, fees);
            }
            if let Some(over) = self.policy.fees.over_cap(base_fees) {
                return Err(Halt::Wait(over.into()));
            }
            if nonces.pending <= live.nonce && (is_late || is_stale) {
                // No pool has it any more, so there is nothing to replace.
                return self.offer_first(entry, view, live.nonce);
            }
            return self.wait_on(entry, is_late && !is_stale, Waiting::AtCap(live.hash));
        }
        Err(Halt::Wait(Waiting::Inclusion(live.hash)))
    }

    /// Waits for something else than the transaction, which is handed over again if that `is_due`.
    fn wait_on(&self, entry: &mut Entry<'_>, is_due: bool, waiting: Waiting) -> Result<(), Halt> {
        match if is_due { self.send(entry) } else { Ok(()) } {
            Ok(()) | Err(Halt::Wait(Waiting::Inclusion(_))) => Err(Halt::Wait(waiting)),
            other => other,
        }
    }

    /// Signs with a nonce that no transaction has, and sends.
    fn offer_first(&self, entry: &mut Entry<'_>, view: &View, nonce: u64) -> Result<(), Halt> {
        let (known, signed) = (entry.record.data, entry.record.attempts.len());
        let nonces: BTreeSet<_> = entry.record.attempts.iter().map(|one| (one.sender, one.nonce)).collect();
        if let Some(last) = entry.record.attempts.last()
            && nonces.len() >= MOST_NONCES
            && !nonces.contains(&(self.signer.address(), nonce))
        {
            let (number, last) = (entry.number(), last.hash);
            return Err(JobError::Nonces { number, nonces: nonces.len(), last }.into());
        }
        self.have_data(entry, None)?;
        let offered = self.offer(entry, view, nonce);
        if signed > 0 && entry.record.attempts.len() == signed && entry.record.data != known {
            // The transaction before it may still come, and holds what it held.
            (entry.record.data, entry.blobs) = (known, None);
        }
        offered
    }

    fn offer(&self, entry: &mut Entry<'_>, view: &View, nonce: u64) -> Result<(), Halt> {
        let number = entry.number();
        let unsigned = self.prepare(entry, view)?;
        let fees = self.policy.fees.first(self.base_fees(entry, view)?);
        let fees = fees.map_err(|over| Halt::Wait(over.into()))?;
        let funds = unsigned.check_funds(self.l1.balance(self.signer.address())?, fees);
        funds.map_err(|source| JobError::Limit { number, source })?;
        self.sign_and_send(entry, &unsigned, nonce, fees)
    }

    /// Looks what became of the transactions of a superblock that is not settled: they are in no block, or failed.
    fn check_receipts(&self, entry: &mut Entry<'_>, view: &View) -> Result<(), Halt> {
        let number = entry.number();
        for position in 0..entry.record.attempts.len() {
            let hash = entry.record.attempts[position].hash;
            let receipt = self.l1.receipt(hash)?.filter(|receipt| receipt.transaction == hash);
            let receipt = match receipt {
                Some(receipt) if self.is_canonical(receipt.block_number, receipt.block_hash)? => receipt,
                _ => {
                    // The block in which it failed is gone, and it may come again.
                    if std::mem::take(&mut entry.record.attempts[position].failed) {
                        self.write(entry, entry.record.stage)?;
                    }
                    continue;
                }
            };
            if receipt.succeeded {
                entry.rounds_gone = 0;
                // The contract was asked before this block.
                if receipt.block_number <= view.latest.block.number {
                    entry.contradictions += 1;
                }
                if entry.contradictions >= MAX_CONTRADICTIONS {
                    return Err(JobError::Contradiction { number, transaction: hash }.into());
                }
                return Err(Halt::Wait(Waiting::Contradiction(hash)));
            }
            if !entry.record.attempts[position].failed {
                let is_news = entry.failed.insert(hash);
                entry.record.attempts[position].failed = true;
                self.write(entry, entry.record.stage)?;
                if is_news {
                    let reason = self.reason_at(entry, receipt.block_number);
                    (self.listener)(&Progress::Failed { number, transaction: hash, reason });
                }
            }
            let failed = entry.failed.len();
            if failed >= MAX_FAILED {
                return Err(JobError::Failed { number, failed, last: hash }.into());
            }
        }
        entry.contradictions = 0;
        Ok(())
    }

    /// Why the contract refuses the superblock after this block, if it does and the node has its state.
    fn reason_at(&self, entry: &mut Entry<'_>, block: u64) -> Option<Revert> {
        let proof = entry.proof.clone()?;
        let call = self.call(entry, &proof).ok()?;
        match self.l1.call(&call, At::Number(block)) {
            Err(L1Error::Reverted(reason)) => Some(reason),
            _ => None,
        }
    }

    /// The call, checked against the contract and L1's limits.
    fn prepare(&self, entry: &mut Entry<'_>, view: &View) -> Result<Unsigned, Halt> {
        let number = entry.number();
        let proof = entry.proof.clone().ok_or(Halt::Wait(Waiting::Changed))?;
        self.make_blobs(entry)?;
        let answer = Unsigned::new(self.l1, self.call(entry, &proof)?);
        // The contract takes what it has settled already, without effect, and refuses what comes too early.
        if self.contract().settled(At::Latest)? != Some(view.latest.settled) {
            return Err(Halt::Wait(Waiting::Changed));
        }
        match answer {
            Ok(Ok(unsigned)) => Ok(unsigned.with_blobs(entry.blobs.as_ref().map_or(&[], Blobs::hashes))),
            Ok(Err(source)) => Err(JobError::Limit { number, source }.into()),
            Err(L1Error::Reverted(reason)) => Err(self.refused(entry, &proof, reason, view)),
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
        let attempt = unsigned.sign(self.signer, self.chain_id, nonce, fees);
        let attempt = attempt.map_err(|source| JobError::Limit { number, source })?;
        entry.record.sign(attempt);
        entry.underpriced = false;
        self.write(entry, Stage::Signed)?;
        self.send(entry)
    }

    /// Hands the last signed transaction over.
    fn send(&self, entry: &mut Entry<'_>) -> Result<(), Halt> {
        let number = entry.number();
        let Some(attempt) = entry.record.attempts.last() else { return Err(Halt::Wait(Waiting::Changed)) };
        let Attempt { hash, nonce, fees, .. } = *attempt;
        let signed = attempt.transaction.clone().unwrap_or_default();
        let transaction = if fees.blob.is_some() { self.attach(entry, &signed)? } else { signed };
        (self.listener)(&Progress::Sending { number, transaction: hash, nonce, fees });
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
}
