//! What is published of a superblock: its data in blobs of the transactions that settle it.

use alloy_primitives::{Bytes, keccak256};

use super::{Entry, Halt, Job, View};
use crate::{
    blobs::Blobs,
    fees::BaseFees,
    job::{JobError, Progress, Waiting},
    journal::{Attempt, DataOnDisk},
};

impl Job<'_> {
    /// Has on disk what is published, before anything is signed that names it. Nodes replace the transaction that waits only by one of
    /// its kind, so the caller's wish decides what is signed first. The record is written once something is signed: until then it
    /// names what the transaction that waits holds.
    pub(super) fn have_data(&self, entry: &mut Entry<'_>, live: Option<&Attempt>) -> Result<(), Halt> {
        let number = entry.number();
        let statement = entry.superblock.statement_digest();
        // A superblock with another statement has other data, also if it leads to the same state.
        let known = entry.record.data.filter(|known| known.statement == statement);
        let wanted = entry.superblock.data();
        let wanted = match live {
            None => wanted,
            Some(live) if live.fees.blob.is_none() => {
                if wanted.is_some() && !std::mem::replace(&mut entry.is_silent, true) {
                    (self.listener)(&Progress::Silent { number, transaction: live.hash });
                }
                None
            }
            Some(_) if known.is_some() => return Ok(()),
            Some(live) => match wanted {
                Some(data) => Some(data),
                None => return Err(JobError::BlobsNeeded { number, transaction: live.hash }.into()),
            },
        };
        let digest = wanted.map(keccak256);
        if known == entry.record.data && known.map(|known| known.digest) == digest {
            return Ok(());
        }
        if let Some(data) = wanted {
            self.journal.write_data(number, data)?;
        }
        entry.record.data = digest.map(|digest| DataOnDisk { digest, statement });
        entry.blobs = None;
        Ok(())
    }

    /// Makes the blobs of the record's data, which takes a moment.
    pub(super) fn make_blobs(&self, entry: &mut Entry<'_>) -> Result<(), Halt> {
        let number = entry.number();
        if let (Some(DataOnDisk { digest, .. }), None) = (entry.record.data, &entry.blobs) {
            let data = match (self.journal.data(number, digest), entry.superblock.data()) {
                (Ok(data), _) => data,
                // What the journal lost, the caller has.
                (Err(_), Some(data)) if keccak256(data) == digest => {
                    self.journal.write_data(number, data)?;
                    data.clone()
                }
                (Err(error), _) => return Err(error.into()),
            };
            let blobs = Blobs::of(&data).map_err(|source| JobError::Blobs { number, source })?;
            entry.blobs = Some(blobs);
        }
        Ok(())
    }

    /// What the next block takes of a transaction for the superblock.
    pub(super) fn base_fees(&self, entry: &Entry<'_>, view: &View) -> Result<BaseFees, Halt> {
        let number = entry.number();
        let blob = match entry.record.data {
            Some(_) => Some(self.l1.blob_base_fee()?.ok_or(JobError::NoBlobs { number })?),
            None => None,
        };
        Ok(BaseFees { gas: view.latest.block.base_fee, blob })
    }

    /// The signed transaction with its blobs.
    pub(super) fn attach(&self, entry: &mut Entry<'_>, transaction: &Bytes) -> Result<Bytes, Halt> {
        let number = entry.number();
        self.make_blobs(entry)?;
        let blobs = entry.blobs.as_ref().ok_or(Halt::Wait(Waiting::Changed))?;
        let attached = blobs.attach(transaction).map_err(|source| JobError::Blobs { number, source })?;
        Ok(attached.into())
    }
}
