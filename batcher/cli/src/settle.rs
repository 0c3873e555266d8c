//! `superblock settle`.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use batcher_settlement::{
    Address,
    bodies::{Bodies, KnownKinds},
    data::SuperblockData,
    fees::GWEI,
    hops::Hops,
    job::{Job, Progress},
    journal::{Inclusion, Journal, Record},
    superblock::{ContractDigest, Superblock},
};
use batcher_verify::verify;
use circuits_files::text::shown;
use circuits_tasks::shared::Shared;
use environments_kinds::KINDS;
use serde::Serialize;

use crate::{
    answer::{Answer, Failure},
    key_arguments::KeyArguments,
    l1_arguments::{Contract, PolicyArguments, SignerArguments},
    options::Options,
    progress,
    shared::SharedArguments,
};

/// Settle superblocks on L1, and wait until they are final.
///
/// Each superblock is verified, and its proof is brought to the form that the contract verifies, unless that is beside the bundle
/// already: it takes about a minute here. With a queue, its workers do it, and `--patience` ends the wait for them. A transaction is sent and followed until its block is final. What
/// was done is written to the journal before L1 can see it: a call that was stopped goes on if it is repeated, and nothing is settled
/// twice. A superblock that somebody else has settled is done; another one of the same number is an error. What others need to follow
/// a superblock is published in blobs of the transaction: `l1 follow` reads it. An account that is no batcher settles in a stall only,
/// and only superblocks whose single block is environment 0's.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Settle these superblock bundles, in any order.
    ///
    /// They form one chain without gaps, and follow on what L1 has settled. Those that L1 has settled already do no harm.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    contract: Contract,
    /// Keep the journal in this directory, which is made if it is missing.
    ///
    /// One process at a time settles with it. Its records say what was sent, and where L1 has it.
    #[arg(long, value_name = "DIR")]
    journal: PathBuf,
    /// Publish nothing.
    ///
    /// Without it, what others need to follow a superblock goes into blobs of the transaction that settles it. Use it on a network
    /// without blobs, or if you publish bundles elsewhere. A superblock keeps to the kind of a transaction that waits.
    #[arg(long)]
    no_blobs: bool,
    /// Publish the bodies of blocks too, from the block bundles in this directory.
    ///
    /// Those who follow an environment need them. May be given several times. Every block of the superblocks must be there, but those
    /// of L1. Each body is compared with the digest that its block states; files without a body that is looked for are skipped. So
    /// anybody may write to the directory, but the program has to know the state models of all environments.
    #[arg(long, value_name = "DIR", conflicts_with = "no_blobs")]
    blocks: Vec<PathBuf>,
    /// Offer at most this much for the gas of blobs, in gwei.
    ///
    /// A blob has 131072 of that gas, which has a price of its own.
    #[arg(long, value_name = "GWEI", default_value_t = 100, conflicts_with = "no_blobs")]
    max_blob_fee: u64,
    #[command(flatten)]
    signer: SignerArguments,
    #[command(flatten)]
    policy: PolicyArguments,
    #[command(flatten)]
    shared: SharedArguments,
    #[command(flatten)]
    keys: KeyArguments,
}

/// Superblocks that are settled for good.
#[derive(Serialize)]
struct Settled {
    contract: Address,
    superblocks: Vec<SettledSuperblock>,
}

#[derive(Serialize)]
struct SettledSuperblock {
    number: u32,
    state: ContractDigest,
    /// Where L1 has it; unknown if it was final before the journal began.
    #[serde(flatten)]
    inclusion: Option<Inclusion>,
    /// Whether the transaction that settled it publishes its data.
    published: bool,
}

impl fmt::Display for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} superblocks are settled in contract {}", self.superblocks.len(), self.contract)?;
        self.superblocks.iter().try_for_each(|SettledSuperblock { number, state, inclusion, published }| {
            write!(f, "\nsuperblock {number:>6}  state {state}")?;
            match inclusion {
                Some(Inclusion { transaction: Some(transaction), block_number, gas_used, .. }) => {
                    write!(f, "\n    transaction {transaction} in block {block_number}")?;
                    gas_used.map_or(Ok(()), |gas| write!(f, ", {gas} gas"))?;
                    f.write_str(if *published { ", with its data" } else { ", nothing published" })
                }
                _ => f.write_str("\n    settled by another account, or earlier"),
            }
        })
    }
}

pub(crate) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    let Contract { node, contract } = &arguments.contract;
    let (l1, signer) = (node.open()?, arguments.signer.open()?);
    progress::stop_on_interrupt();
    let engine = arguments.keys.engine(options)?;
    // Before anything is proved: what is wrong with a file is told at once.
    let (hops, mut superblocks) = Hops::open(&arguments.files, engine.cache(), &progress::STOP)?;
    if !arguments.no_blobs {
        superblocks = with_data(superblocks, arguments)?;
    }
    let mut policy = arguments.policy.get(node.finality());
    policy.fees.blob_cap = u128::from(arguments.max_blob_fee) * GWEI;
    let journal = Journal::open(&arguments.journal)?;
    let listener = |progress: &Progress| {
        if !options.quiet {
            eprintln!("{}", shown(&progress.to_string()));
        }
    };
    let progress = progress::progress(options);
    let are_made = hops.are_made(&superblocks);
    let hops = hops.with_progress(progress.as_ref()).with_patience(policy.patience);
    let settle = |shared: Option<Shared<'_>>| {
        let job = Job {
            l1: &l1,
            chain_id: node.l1_chain_id,
            contract: *contract,
            signer: &signer,
            prover: &hops.with_shared(shared),
            journal: &journal,
            policy,
            listener: &listener,
            stop: &progress::STOP,
        };
        Ok(job.run(&superblocks)?)
    };
    // A queue that is away keeps nothing waiting that is proved already.
    let records = if are_made {
        settle(None)?
    } else {
        arguments.shared.left_to_workers(Some(policy.patience), options, settle)?
    };
    let settled = |record: Record| SettledSuperblock {
        number: record.goal.number,
        state: ContractDigest(record.goal.state),
        published: record.attempts.iter().any(|attempt| {
            let transaction = record.inclusion.and_then(|inclusion| inclusion.transaction);
            transaction == Some(attempt.hash) && attempt.fees.blob.is_some()
        }),
        inclusion: record.inclusion,
    };
    let superblocks = records.into_iter().map(settled).collect();
    Ok(Answer::new(&Settled { contract: *contract, superblocks }))
}

/// The superblocks with what is published of each.
fn with_data(superblocks: Vec<Superblock>, arguments: &Arguments) -> Result<Vec<Superblock>, Failure> {
    let bundles = arguments.files.iter().map(|path| verify::read(path)).collect::<Result<Vec<_>, _>>()?;
    let Contract { node, contract } = &arguments.contract;
    let known = KnownKinds { kinds: &KINDS, l1_chain_id: node.l1_chain_id, contract: *contract };
    let mut bodies = (!arguments.blocks.is_empty()).then(|| Bodies::of(&bundles));
    for directory in &arguments.blocks {
        if let Some(bodies) = &mut bodies {
            bodies
                .read(directory, &known, &mut |error| eprintln!("warning: {}", shown(&error.to_string())))?;
        }
    }
    let mut published = BTreeMap::new();
    for bundle in &bundles {
        let data = SuperblockData::new(bundle, bodies.as_ref())?;
        published.insert(data.number()?, data);
    }
    let with_data = |superblock: Superblock| match published.get(&superblock.number()) {
        Some(data) => Ok(superblock.with_data(data)?),
        None => Ok(superblock),
    };
    superblocks.into_iter().map(with_data).collect()
}
