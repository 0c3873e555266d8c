//! `superblock verify`.

use std::{fmt, path::PathBuf, time::Instant};

use batcher_hop::file::is_hop;
use batcher_job::{payouts::L1Summary, queue::Queue};
use batcher_verify::{
    keys::PinnedKeys,
    report_display::QualifiedReport,
    trust::Trust,
    verify::{Report, verify},
};
use serde::Serialize;

use crate::{
    answer::{Answer, Failure},
    hop::{self, Hop},
    l1_anchor::{AnchorArguments, AnchoredTo},
};

/// Verify superblocks and the chain between them, from files alone.
///
/// This is what an L1 contract would do: it uses the keys that the program embeds, builds no circuit, and takes
/// milliseconds per superblock. With --trust the answer is anchored: deployment, start state, registry and keys are the
/// trusted ones, and the file can give keys of older circuits. With --l1 the contract is the anchor. Without it, the answer is relative to what the superblocks
/// themselves name. Deposits are compared with L1's queue if --deposits names it.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Verify these superblock bundles and hops, in any order.
    ///
    /// The superblocks must form one chain without gaps. A file with the extension `hop` is the proof of a superblock that L1
    /// verifies: it must be of one of them, unless there are only hops, each of which is then verified alone.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Trust what this file says.
    ///
    /// It is a TOML file with chain_id, keys, start and registry: what L1 fixes. Its older_key tables give the keys of
    /// superblocks that were made before the circuits changed; `pins older-keys` prints them. The file that `run` writes
    /// serves for tests only, because it says what the run itself did.
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Compare the deposits with L1's queue in this file.
    ///
    /// It has every deposit ever made on L1, in order, as `batch` takes it. Without it, and without `l1_queue` in the trust
    /// file, the answer says that deposits were not compared: a batcher could have made them up.
    #[arg(long, value_name = "FILE")]
    deposits: Option<PathBuf>,
    #[command(flatten)]
    anchor: AnchorArguments,
}

/// Verified hops without superblocks.
#[derive(Serialize)]
struct Hops {
    hops: Vec<Hop>,
    seconds: f64,
}

impl fmt::Display for Hops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hops.iter().try_for_each(|hop| writeln!(f, "{hop}"))?;
        write!(f, "no superblock was verified: what a hop states is proved, and not compared with anything")
    }
}

/// Verified superblocks, and how long it took to verify them.
#[derive(Serialize)]
struct Verified<'a> {
    #[serde(flatten)]
    fields: QualifiedReport<'a>,
    /// What blocks of environment 0 did.
    l1: Vec<L1Summary>,
    /// The proofs of superblocks that L1 verifies.
    hops: Vec<Hop>,
    /// The contract, if L1 is the anchor.
    #[serde(skip_serializing_if = "Option::is_none")]
    anchor: Option<AnchoredTo>,
    seconds: f64,
    #[serde(skip)]
    report: &'a Report,
}

impl fmt::Display for Verified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.l1.iter().try_for_each(|one| writeln!(f, "{one}"))?;
        self.hops.iter().try_for_each(|one| writeln!(f, "{one}"))?;
        self.report.fmt(f)?;
        self.anchor.iter().try_for_each(|anchor| write!(f, "\n{anchor}"))
    }
}

pub(crate) fn run(arguments: Arguments) -> Result<Answer, Failure> {
    let started = Instant::now();
    let keys = PinnedKeys::embedded();
    let (hops, files): (Vec<_>, Vec<_>) = arguments.files.into_iter().partition(|path| is_hop(path));
    if let Some((report, anchor)) = arguments.anchor.verify(&files)? {
        return answer(&report, verify_hops(hops, &report, keys)?, Some(anchor), started);
    }
    let trust = arguments.trust.as_deref().map(Trust::read).transpose()?;
    if files.is_empty() && trust.is_none() && arguments.deposits.is_none() {
        let hops = hops.into_iter().map(|path| hop::verify(path, None, keys)).collect::<Result<_, _>>()?;
        return Ok(Answer::new(&Hops { hops, seconds: started.elapsed().as_secs_f64() }));
    }
    let mut report = verify(files, trust.as_ref(), keys)?;
    let hops = verify_hops(hops, &report, keys)?;
    if let Some(path) = &arguments.deposits {
        let queue = Queue::read(path, report.chain_id)?;
        report = report.check_deposits(|length| queue.digest_of(length))?;
    }
    answer(&report, hops, None, started)
}

fn answer(
    report: &Report,
    hops: Vec<Hop>,
    anchor: Option<AnchoredTo>,
    started: Instant,
) -> Result<Answer, Failure> {
    let seconds = started.elapsed().as_secs_f64();
    let l1 = L1Summary::of_verified(&report.superblocks)?;
    Ok(Answer::new(&Verified { fields: report.qualified(), l1, hops, anchor, seconds, report }))
}

/// Verifies hops, each of which must be of a superblock in the report.
fn verify_hops(hops: Vec<PathBuf>, report: &Report, keys: &PinnedKeys) -> Result<Vec<Hop>, Failure> {
    hops.into_iter().map(|path| hop::verify_among(path, &report.superblocks, keys)).collect()
}
