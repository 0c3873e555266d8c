//! `superblock settle`.

use std::{fmt, path::PathBuf};

use batcher_settlement::{
    Address,
    hops::Hops,
    job::{Job, Progress},
    journal::{Inclusion, Journal, Record},
    superblock::ContractDigest,
};
use circuits_files::text::shown;
use serde::Serialize;

use crate::{
    answer::{Answer, Failure},
    key_arguments::KeyArguments,
    l1_arguments::{Contract, PolicyArguments, SignerArguments},
    options::Options,
    progress,
};

/// Settle superblocks on L1, and wait until they are final.
///
/// Each superblock is verified, its proof is brought to the form that the contract verifies, which takes about a minute, and a
/// transaction is sent and followed until its block is final. What was done is written to the journal before L1 can see
/// it: a call that was stopped goes on if it is repeated, and nothing is settled twice. A superblock that somebody else
/// has settled is done; another one of the same number is an error. What others need to follow a superblock is in its bundle,
/// which is not published by this command: keep it, and publish it. An account that is no batcher settles in a stall only, and only
/// superblocks whose single block is environment 0's.
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
    #[command(flatten)]
    signer: SignerArguments,
    #[command(flatten)]
    policy: PolicyArguments,
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
}

impl fmt::Display for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} superblocks are settled in contract {}", self.superblocks.len(), self.contract)?;
        self.superblocks.iter().try_for_each(|SettledSuperblock { number, state, inclusion }| {
            write!(f, "\nsuperblock {number:>6}  state {state}")?;
            match inclusion {
                Some(Inclusion { transaction: Some(transaction), block_number, gas_used, .. }) => {
                    write!(f, "\n    transaction {transaction} in block {block_number}")?;
                    gas_used.map_or(Ok(()), |gas| write!(f, ", {gas} gas"))
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
    let cache = arguments.keys.cache(options)?;
    // Before anything is proved: what is wrong with a file is told at once.
    let (prover, superblocks) = Hops::open(&arguments.files, &cache)?;
    let journal = Journal::open(&arguments.journal)?;
    let listener = |progress: &Progress| {
        if !options.quiet {
            eprintln!("{}", shown(&progress.to_string()));
        }
    };
    let job = Job {
        l1: &l1,
        chain_id: node.l1_chain_id,
        contract: *contract,
        signer: &signer,
        prover: &prover,
        journal: &journal,
        policy: arguments.policy.get(node.finality()),
        listener: &listener,
        stop: &progress::STOP,
    };
    let records = job.run(&superblocks)?;
    let settled = |record: Record| SettledSuperblock {
        number: record.goal.number,
        state: ContractDigest(record.goal.state),
        inclusion: record.inclusion,
    };
    let superblocks = records.into_iter().map(settled).collect();
    Ok(Answer::new(&Settled { contract: *contract, superblocks }))
}
