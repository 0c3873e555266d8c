//! `superblock settle`.

use std::{cell::RefCell, collections::BTreeMap, error::Error, fmt, path::PathBuf};

use batcher_hop::{HopProver, file as hop_file};
use batcher_settlement::{
    B256,
    job::{Job, L1Proof, Progress, Prove},
    journal::{Inclusion, Journal, Record},
    l1::L1 as _,
    superblock::Superblock,
};
use batcher_verify::{bundle::SuperblockBundle, circuit::SuperblockCircuit, keys::PinnedKeys, verify};
use circuits_core::proof;
use circuits_files::text::shown;
use circuits_keys::CircuitCache;
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
/// has settled is done; another one of the same number is an error.
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
    contract: batcher_settlement::Address,
    superblocks: Vec<SettledSuperblock>,
}

#[derive(Serialize)]
struct SettledSuperblock {
    number: u32,
    state: B256,
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

/// Makes the hop of a superblock, or finds it beside its bundle.
struct Hops<'a> {
    prover: HopProver<'a>,
    bundles: BTreeMap<u32, (PathBuf, SuperblockCircuit, RefCell<Option<SuperblockBundle>>)>,
}

impl Prove for Hops<'_> {
    fn prove(&self, superblock: &Superblock) -> Result<L1Proof, Box<dyn Error + Send + Sync>> {
        let number = superblock.number();
        let (path, circuit, bundle) = self.bundles.get(&number).ok_or("the superblock has no bundle")?;
        let path = hop_file::path_beside(path);
        let pinned = PinnedKeys::embedded();
        let known = hop_file::read(&path).ok().filter(|hop| {
            hop_file::first_difference(hop, superblock.statement()).is_none()
                && hop.verify(pinned.hop.keccak.get()).is_ok()
        });
        let hop = match known {
            Some(hop) => hop,
            None => {
                let bundle = bundle.borrow_mut().take().ok_or("the bundle's proof was used already")?;
                let common = &batcher_verify::circuit::superblock_shape(*circuit).common;
                let hop = self.prover.prove(*circuit, proof::decode(&bundle.proof, common)?)?;
                hop_file::write(&path, &hop)?;
                hop
            }
        };
        Ok(L1Proof { outer_digest: B256::new(hop.outer_digest()), proof: hop.to_calldata().into() })
    }
}

pub(crate) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    let Contract { node, contract } = &arguments.contract;
    let (l1, signer) = (node.open()?, arguments.signer.open()?);
    let pinned = PinnedKeys::embedded();
    // Before anything is proved: what is wrong with a file is told at once.
    verify::verify(arguments.files.clone(), None, pinned)?;
    let (mut superblocks, mut bundles) = (vec![], BTreeMap::new());
    for path in &arguments.files {
        let (opened, bundle) = verify::open(path.clone(), None, pinned)?;
        let superblock = Superblock::new(opened.statement(), &bundle.payouts)?;
        if let Some((circuit, _)) = pinned.find(bundle.key) {
            bundles.insert(superblock.number(), (path.clone(), circuit, RefCell::new(Some(bundle))));
        }
        superblocks.push(superblock);
    }
    superblocks.sort_by_key(Superblock::number);
    progress::stop_on_interrupt();
    let engine = arguments.keys.engine_with(progress::key_listener(options))?;
    let cache: &CircuitCache = engine.cache();
    let journal = Journal::open(&arguments.journal)?;
    let listener = |progress: &Progress| {
        if !options.quiet {
            eprintln!("{}", shown(&progress.to_string()));
        }
    };
    let job = Job {
        l1: &l1,
        chain_id: l1.chain_id()?,
        contract: *contract,
        signer: &signer,
        prover: &Hops { prover: HopProver::new(pinned, cache), bundles },
        journal: &journal,
        policy: arguments.policy.get(node.finality()),
        listener: &listener,
        stop: &progress::STOP,
    };
    let records = job.run(&superblocks)?;
    let settled = |record: Record| SettledSuperblock {
        number: record.goal.number,
        state: record.goal.state,
        inclusion: record.inclusion,
    };
    let superblocks = records.into_iter().map(settled).collect();
    Ok(Answer::new(&Settled { contract: *contract, superblocks }))
}
