//! `superblock l1 follow`.

use std::{
    fmt, fs,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use batcher_job::states::{self, KEPT, States};
use batcher_settlement::{
    Address, B256,
    blob_source::{Beacon, BlobDirectory, BlobSource, TIMEOUT},
    bodies::KnownKinds,
    contract::Contract as OnL1,
    data::SuperblockData,
    follow::L1Follower,
};
use circuits_core::{Digest, chain_id::parse_chain_id};
use circuits_files::{
    file::{self, Checksum, FileError},
    text::shown,
};
use environments_core::EnvironmentId;
use environments_kinds::KINDS;
use serde::Serialize;

use crate::{
    answer::{Answer, Failure},
    l1_arguments::{Contract, node_address},
    options::Options,
};

/// Apply superblocks that L1 has settled to the states of a directory, with nothing but L1.
///
/// Use this to keep up with a chain without its batcher: the contract says which superblocks it has settled for good, and the blobs
/// of the transactions that settled them have what is needed to follow. Whatever is published is compared with the statement that
/// the contract has verified, so no proof is needed, and the answer is worth as much as the node. Batchers can publish nothing, or
/// nonsense: then the command ends with that superblock, and goes on once `follow` has applied its bundle. What a stranger settled in a
/// stall needs no blobs: events have what is needed.
#[derive(clap::Args)]
#[group(id = "sources", required = true, multiple = true, args = ["beacon", "blobs"])]
pub(crate) struct Arguments {
    #[command(flatten)]
    contract: Contract,
    /// Continue the latest superblock state of this directory.
    ///
    /// Each state that is reached is added under its number, as `batch` does. Two processes cannot work on the states of
    /// one directory.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Keep the states of the last N superblocks.
    ///
    /// Older ones are removed once the new one is on disk.
    #[arg(long, value_name = "N", default_value_t = KEPT)]
    keep_states: NonZeroU32,
    /// Start from the genesis of the chain with this id if the state's directory has no state.
    ///
    /// It is the id of the deployment. If there is a state, it must be of this chain.
    #[arg(long, value_name = "CHAIN_ID", value_parser = parse_chain_id)]
    genesis: Option<u64>,
    /// Ask the beacon node at this address for blobs.
    ///
    /// Beacon nodes keep blobs for about 18 days, and have to keep all of their columns to tell them. Nothing repeats the address.
    /// Development nodes answer at the address of --l1. @FILE takes the address from the first line of a file.
    #[arg(long, value_name = "URL")]
    beacon: Option<String>,
    /// Look for blobs in this directory first, and keep those that are found.
    ///
    /// Each blob is a file of 131072 bytes, named by its versioned hash. Keep them: nobody else has to.
    #[arg(long, value_name = "DIR")]
    blobs: Option<PathBuf>,
    /// Write the published bodies of blocks to this directory.
    ///
    /// Those who follow an environment apply them. A body that has not the digest of its block, by any state model that this program
    /// knows, gets another name, and none replaces a file.
    #[arg(long, value_name = "DIR")]
    bodies: Option<PathBuf>,
    /// Read events from this block of L1 on.
    ///
    /// `l1 deploy` prints the block of the deployment. Without it, all blocks are read.
    #[arg(long, value_name = "BLOCK", default_value_t = 0)]
    from_block: u64,
}

/// Superblocks that were followed.
#[derive(Serialize)]
struct Followed {
    contract: Address,
    /// The number of the latest state, and the state.
    number: u32,
    state: Digest,
    superblocks: Vec<FollowedSuperblock>,
}

#[derive(Serialize)]
struct FollowedSuperblock {
    number: u32,
    state: Digest,
    transaction: B256,
    blobs: usize,
    blocks: usize,
    bodies: usize,
}

impl fmt::Display for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { contract, number, state, superblocks } = self;
        for one in superblocks {
            let FollowedSuperblock { number, state, transaction, blobs, blocks, bodies } = one;
            writeln!(f, "superblock {number:>6}  state {state}")?;
            writeln!(
                f,
                "    {blocks} blocks, {bodies} bodies in {blobs} blobs of transaction {transaction}"
            )?;
        }
        write!(f, "contract {contract}: {} superblocks followed, ", superblocks.len())?;
        write!(f, "the latest state is {state} after superblock {number}")
    }
}

pub(super) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    let Contract { node, contract } = &arguments.contract;
    let l1 = node.open()?;
    let beacon = arguments.beacon.as_deref().map(node_address).transpose()?;
    let beacon = beacon.map(|url| Beacon::new(&l1, &url, TIMEOUT)).transpose()?;
    let directory = arguments.blobs.as_deref().map(BlobDirectory::new);
    let sources: Vec<&dyn BlobSource> = [
        directory.as_ref().map(|source| source as &dyn BlobSource),
        beacon.as_ref().map(|source| source as &dyn BlobSource),
    ]
    .into_iter()
    .flatten()
    .collect();
    let follower = L1Follower {
        contract: OnL1 { l1: &l1, address: *contract },
        finality: node.finality(),
        first_block: arguments.from_block,
        sources: &sources,
        keep: directory.as_ref(),
    };
    let known = KnownKinds { kinds: &KINDS, l1_chain_id: node.l1_chain_id, contract: *contract };
    // Before a directory is made.
    let settlements =
        states::with_latest(&arguments.state, arguments.genesis, |start| follower.settlements(start))??;
    let mut states = States::open(&arguments.state, arguments.genesis)?.keeping(arguments.keep_states);
    let mut superblocks = vec![];
    // Another process may have moved the states since.
    let reached = states.latest().number;
    for settlement in settlements.iter().filter(|one| one.number > reached) {
        let data = follower.data_after(states.latest(), settlement)?;
        let next = follower.next_state(states.latest(), &data)?;
        if let Some(bodies) = &arguments.bodies {
            write_bodies(bodies, &data, &known)?;
        }
        for error in states.advance(next)? {
            eprintln!("warning: {error}");
        }
        let one = FollowedSuperblock {
            number: settlement.number,
            state: states.latest().commitment(),
            transaction: settlement.transaction,
            blobs: settlement.hashes.len(),
            blocks: data.superblock().blocks.len(),
            bodies: data.bodies().count(),
        };
        if !options.quiet {
            eprintln!("superblock {} is followed", one.number);
        }
        superblocks.push(one);
    }
    let (number, state) = (states.latest().number, states.latest().commitment());
    Ok(Answer::new(&Followed { contract: *contract, number, state, superblocks }))
}

/// Writes each published body to a file of its own. Only one that is the block's gets the block's name.
fn write_bodies(directory: &Path, data: &SuperblockData, known: &KnownKinds<'_>) -> Result<(), Failure> {
    let made = fs::create_dir_all(directory);
    made.map_err(|source| FileError::Io { path: directory.to_owned(), action: "make it", source })?;
    for (block, body) in data.bodies() {
        let name = format!("environment-{:05}-block-{:06}", block.environment, block.last_height);
        let (path, other) = (
            directory.join(&name).with_extension("body"),
            directory.join(format!("{name}-{}.body", Checksum::of(body))),
        );
        let reason = if known.is_body(EnvironmentId(block.environment), block.body, body) {
            match file::write_new(&path, body) {
                Err(FileError::Exists { .. }) => "another file has its name",
                written => {
                    written?;
                    continue;
                }
            }
        } else {
            "it has not the digest that the block states, by any state model that this program knows"
        };
        eprintln!(
            "warning: {}: the published body is in {}, because {reason}",
            shown(&path.display().to_string()),
            shown(&other.display().to_string())
        );
        file::write_new(&other, body)?;
    }
    Ok(())
}
