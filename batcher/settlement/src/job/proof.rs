//! The proof for the contract, and the call that it is part of.

use alloy_primitives::{Bytes, U256};

use super::{Entry, Halt, Job, L1Proof, View};
use crate::{
    abi::Settlement::isBatcherCall,
    contract::NoContract,
    job::{JobError, Progress, Waiting},
    journal::{ProofOnDisk, Stage},
    l1::{At, Call, L1Error},
    reason::Revert,
};

impl Job<'_> {
    /// Has a proof on disk. Before one is made the contract is asked about everything else, which takes a moment; a proof takes a
    /// minute.
    pub(super) fn have_proof(&self, entry: &mut Entry<'_>, view: &View) -> Result<(), Halt> {
        if entry.proof.is_some() {
            return Ok(());
        }
        let statement = entry.superblock.statement_digest();
        let known = entry.record.proof.filter(|known| known.statement == statement);
        // A proof that cannot be read is made again.
        if let Some(ProofOnDisk { digest, outer_digest, .. }) = known
            && let Ok(proof) = self.journal.proof(entry.number(), digest)
        {
            entry.proof = Some(L1Proof { outer_digest, proof });
            return Ok(());
        }
        self.rehearse(entry, view)?;
        self.prove(entry)
    }

    /// Makes a proof. Until it is on disk, the record names none.
    fn prove(&self, entry: &mut Entry<'_>) -> Result<(), Halt> {
        let number = entry.number();
        entry.record.proof = None;
        self.reach(entry, Stage::Planned)?;
        let proof =
            self.prover.prove(entry.superblock).map_err(|source| JobError::Prove { number, source })?;
        entry.record.proof = Some(ProofOnDisk {
            digest: self.journal.write_proof(number, &proof.proof)?,
            outer_digest: proof.outer_digest,
            statement: entry.superblock.statement_digest(),
        });
        (entry.proof, entry.is_proof_fresh) = (Some(proof), true);
        Ok(self.write(entry, Stage::Proven)?)
    }

    /// Asks the contract whether it would take the superblock with a valid proof: it looks at the proof last.
    fn rehearse(&self, entry: &mut Entry<'_>, view: &View) -> Result<(), Halt> {
        let no_proof = L1Proof { outer_digest: self.prover.outer_digest(), proof: Bytes::new() };
        let call = self.call(entry, &no_proof)?;
        match self.l1.call(&call, At::Number(view.latest.block.number)) {
            Ok(_) => Ok(()),
            Err(L1Error::Reverted(reason)) if reason.may_be_of_verifier() => Ok(()),
            Err(L1Error::Reverted(reason)) => Err(self.refusal(entry.number(), reason, view)),
            Err(error) => Err(error.into()),
        }
    }

    /// The call that settles the superblock with this proof: a batcher's, or anybody's in a stall.
    pub(super) fn call(&self, entry: &mut Entry<'_>, proof: &L1Proof) -> Result<Call, Halt> {
        let (number, account) = (entry.number(), self.signer.address());
        let is_batcher = self.contract().view(&isBatcherCall { account }, At::Latest)?;
        let input = if is_batcher.ok_or(NoContract(self.contract))? {
            entry.superblock.calldata(proof)
        } else if let Some(input) = entry.superblock.stalled_calldata(proof) {
            if !std::mem::replace(&mut entry.is_stranger, true) {
                (self.listener)(&Progress::Stranger { number, account });
            }
            input
        } else {
            let blocks = entry.superblock.block_count();
            return Err(JobError::Stranger { number, account, blocks }.into());
        };
        Ok(Call { from: account, to: Some(self.contract), value: U256::ZERO, input })
    }

    /// What a refusal leads to. A proof from the journal is made again if another one may be taken: the program is newer than the
    /// proof, or the proof was spoilt.
    pub(super) fn refused(
        &self,
        entry: &mut Entry<'_>,
        proof: &L1Proof,
        reason: Revert,
        view: &View,
    ) -> Halt {
        let is_older = reason.is_of_router() && proof.outer_digest != self.prover.outer_digest();
        let is_spoilt = reason.is_of_verifier() && !entry.is_proof_fresh;
        if is_older || is_spoilt {
            let proved = self.rehearse(entry, view).and_then(|()| self.prove(entry));
            return proved.err().unwrap_or(Halt::Wait(Waiting::Changed));
        }
        self.refusal(entry.number(), reason, view)
    }

    /// Waits for what passes in time, and ends with everything else.
    fn refusal(&self, number: u32, reason: Revert, view: &View) -> Halt {
        let Some(until) = reason.until() else { return JobError::Refused { number, reason }.into() };
        let seconds = until.at.saturating_sub(until.now.unwrap_or(view.latest.block.timestamp));
        if seconds <= self.policy.patience.as_secs() {
            Halt::Wait(Waiting::TooEarly { reason: until.reason, at: until.at })
        } else {
            JobError::TooEarly { number, seconds, reason }.into()
        }
    }
}
