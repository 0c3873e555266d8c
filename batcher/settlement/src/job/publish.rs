//! What is published of a superblock: its data in blobs of the transactions that settle it.

use alloy_primitives::{Bytes, keccak256};

use super::{Entry, Halt, Job, View};
use crate::{
    blobs::Blobs,
    fees::BaseFees,
    job::{JobError, Waiting},
};

impl Job<'_> {
    /// Has on disk what is published, before anything is signed that names it.
    pub(super) fn have_data(&self, entry: &mut Entry<'_>) -> Result<(), Halt> {
        let data = entry.superblock.data();
        // Whatever the caller asks for now, nodes replace a transaction that waits only by one of its kind.
        let last = entry.record.attempts.last();
        let is_decided = last.is_some_and(|last| last.fees.blob.is_none() || entry.record.data.is_some());
        if is_decided || data.map(keccak256) == entry.record.data {
            return Ok(());
        }
        let number = entry.number();
        entry.record.data = data.map(|data| self.journal.write_data(number, data)).transpose()?;
        entry.blobs = None;
        Ok(self.write(entry, entry.record.stage)?)
    }

    /// Makes the blobs of the record's data, which takes a moment.
    pub(super) fn make_blobs(&self, entry: &mut Entry<'_>) -> Result<(), Halt> {
        let number = entry.number();
        if let (Some(digest), None) = (entry.record.data, &entry.blobs) {
            let data = self.journal.data(number, digest)?;
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
