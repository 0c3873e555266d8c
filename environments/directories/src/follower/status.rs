//! Where a follower is, for whoever asks while it works.

use std::{collections::BTreeSet, path::Path};

use circuits_core::Digest;
use circuits_database::{Map, Reader};
use environments_core::stored::StoredError;
use serde::Serialize;

use super::{
    FollowerDirectoryError,
    chain::Batched,
    layout::{BATCHED, BLOCKS, DATABASE, FORMAT, Followed, PROVEN, RIVALS, Rival, START, Stage},
    stored,
};

/// Where a follower is.
#[derive(Debug, Serialize)]
pub struct FollowerStatus {
    /// The deployment.
    pub chain_id: u64,
    /// Height of the last block; 0 is genesis.
    pub height: u32,
    /// Commitment of the state after it.
    pub state: Digest,
    /// The height up to which superblocks have the chain, as the follower was told last.
    pub batched: Option<u32>,
    /// The last blocks, by height.
    pub blocks: Vec<BlockStatus>,
    /// Blocks beside the chain whose producers signed another one of their height.
    pub rivals: Vec<Rival>,
}

/// A block of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BlockStatus {
    pub height: u32,
    /// The block's name.
    pub id: Digest,
    /// Commitment of the state after it.
    pub state: Digest,
    pub stage: Stage,
}

/// One entry, which the environment's own maps come with.
const COMMITMENT: Map = Map("commitment");

impl FollowerStatus {
    /// Reads where the follower of `directory` is, with its last `count` blocks. It takes no lock.
    ///
    /// # Errors
    /// [`FollowerDirectoryError::Database`] if there is no follower, or the database is damaged.
    pub fn read(directory: &Path, count: usize) -> Result<Self, FollowerDirectoryError> {
        let path = directory.join(DATABASE);
        let wrong = |map| stored(&path, StoredError::Entry { map });
        let height = |map, key: &[u8]| -> Result<u32, FollowerDirectoryError> {
            Ok(u32::from_be_bytes(*key.first_chunk().ok_or_else(|| wrong(map))?))
        };
        let reader = Reader::open(&path, FORMAT)?;
        let view = reader.latest()?;
        let state: Digest = view.entries(COMMITMENT)?.pop().ok_or_else(|| wrong(COMMITMENT))?.1;
        let proven: BTreeSet<_> = view.entries::<Digest>(PROVEN)?.into_iter().map(|(_, id)| id).collect();
        let mut blocks = vec![];
        for (key, followed) in view.entries::<Followed>(BLOCKS)? {
            let Followed { id, new_state, .. } = followed;
            let stage = if proven.contains(&id) { Stage::Proven } else { Stage::Proposed };
            blocks.push(BlockStatus { height: height(BLOCKS, &key)?, id, state: new_state, stage });
        }
        let start = view.get::<(u32, Digest)>(START, &[])?.map_or(0, |(height, _)| height);
        let told: Option<Batched> = view.entries(BATCHED)?.pop().map(|(_, batched)| batched);
        let has = |told: &Batched| {
            told.height == start
                || blocks.iter().any(|block| (block.height, block.state) == (told.height, told.state))
        };
        let batched = told.filter(has).map(|told| told.height);
        let reached = blocks.iter_mut().filter(|block| Some(block.height) <= batched);
        reached.for_each(|block| block.stage = Stage::Batched);
        let mut rivals = vec![];
        for (key, (id, producer)) in view.entries(RIVALS)? {
            rivals.push(Rival { height: height(RIVALS, &key)?, id, producer });
        }
        let height = blocks.last().map_or(start, |block| block.height);
        blocks.drain(..blocks.len().saturating_sub(count));
        Ok(Self { chain_id: reader.chain_id(), height, state, batched, blocks, rivals })
    }
}
