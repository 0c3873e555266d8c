//! `superblock hop`, and the hops that `superblock verify` verifies.

use std::{fmt, path::PathBuf, time::Instant};

use batcher_hop::{
    HopProof, HopProver,
    file::{self as hop_file, Found, HopFileError, path_beside},
};
use batcher_verify::{
    bundle::BundleError,
    circuit::superblock_shape,
    keys::PinnedKeys,
    verify::{self, Verified, VerifyError},
};
use circuits_core::{Digest, proof};
use circuits_files::text::shown;
use circuits_protocol::statement::SuperblockStatement;
use plonky2::field::types::PrimeField64 as _;
use serde::Serialize;
use thiserror::Error;

use crate::{
    answer::{Answer, Failure},
    as_text,
    exit::{ExitCode, HasExitCode},
    key_arguments::KeyArguments,
    options::Options,
    progress,
    shared::SharedArguments,
};

/// Make the proofs of superblocks that L1 verifies.
///
/// A superblock's own proof is too large for a contract. Use this to bring it to the form in which a contract verifies it,
/// in three proofs, the last of which has Keccak where the others have Poseidon. It is written beside the bundle, with the
/// further extension `hop`, and verified. A hop that is there already is verified and kept. One that is damaged, or of a program with
/// another key, is made anew with a warning; anything else that is there is left alone, and ends the command. Until a hop is made, its
/// finished proofs are in a folder with the further extension `stages`, and a call that was stopped goes on from them. With a queue, its
/// workers make hops, and this process makes none. `settle` makes hops by itself.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Make the hops of these superblock bundles.
    ///
    /// Their proofs must be of this program's circuits.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    shared: SharedArguments,
    #[command(flatten)]
    keys: KeyArguments,
}

/// Hops, each beside its superblock.
#[derive(Serialize)]
struct Made {
    hops: Vec<Hop>,
}

/// A verified hop.
#[derive(Serialize)]
pub(crate) struct Hop {
    #[serde(serialize_with = "as_text::path")]
    file: PathBuf,
    number: u64,
    chain_id: u64,
    previous_state: Digest,
    new_state: Digest,
    /// By which a router of contracts finds the verifier.
    outer_digest: String,
    calldata_bytes: usize,
    /// How long it took to make; `None` if it was there.
    seconds: Option<f64>,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.hops.iter().map(ToString::to_string);
        f.write_str(&lines.next().unwrap_or_default())?;
        lines.try_for_each(|line| write!(f, "\n{line}"))
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, calldata_bytes, outer_digest, seconds, .. } = self;
        write!(
            f,
            "hop of superblock {number}: {calldata_bytes} bytes of calldata for the verifier {outer_digest}"
        )?;
        seconds.map_or(Ok(()), |seconds| write!(f, ", made in {seconds:.1} s"))
    }
}

/// A hop is of a superblock that is not among those to be verified.
#[derive(Debug, Error)]
#[error("{path}: it is the hop of superblock {number}, which is not among the files", path = .path.display())]
pub(crate) struct NoSuperblock {
    path: PathBuf,
    number: u64,
}

impl HasExitCode for NoSuperblock {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Rejected
    }
}

pub(crate) fn run(arguments: Arguments, options: Options) -> Result<Answer, Failure> {
    let engine = arguments.keys.engine(options)?;
    let keys = PinnedKeys::embedded();
    progress::stop_on_interrupt();
    let hops = arguments.shared.left_to_workers(None, options, |shared| {
        let progress = progress::progress(options);
        let prover = HopProver::new(keys, engine.cache())
            .with_progress(progress.as_ref())
            .with_stop(&progress::STOP)
            .with_shared(shared);
        arguments.files.into_iter().map(|path| make(path, keys, &prover)).collect::<Result<_, _>>()
    })?;
    Ok(Answer::new(&Made { hops }))
}

fn make(bundle_path: PathBuf, keys: &PinnedKeys, prover: &HopProver<'_>) -> Result<Hop, Failure> {
    let started = Instant::now();
    let bundle = verify::read(&bundle_path)?;
    let in_bundle = |source| VerifyError::Bundle { path: bundle_path.clone(), source };
    let statement = bundle.statement().map_err(in_bundle)?;
    let path = path_beside(&bundle_path);
    let find = || hop_file::find(&path, &statement, keys.hop.keccak.get());
    if let Found::Hop(hop) = find()? {
        return verified(path, &hop);
    }
    let (circuit, _) = keys.find(bundle.key).ok_or_else(|| in_bundle(BundleError::UnknownKey(bundle.key)))?;
    bundle.verify(keys).map_err(in_bundle)?;
    let decoded = proof::decode(&bundle.proof, &superblock_shape(circuit).common);
    let decoded = decoded.map_err(|error| in_bundle(error.into()))?;
    let stages = prover.stages(&path)?;
    match find()? {
        Found::Hop(hop) => {
            stages.clear();
            return verified(path, &hop);
        }
        Found::Damaged(error) => eprintln!("warning: {}; it is made anew", shown(&error.to_string())),
        Found::Nothing => {}
    }
    let hop = prover.prove(circuit, decoded, &stages)?;
    hop_file::write(&path, &hop)?;
    stages.clear();
    Ok(Hop { seconds: Some(started.elapsed().as_secs_f64()), ..verify(path, Some(&statement), keys)? })
}

/// Verifies the hop in a file, and that it makes this statement, if there is one.
pub(crate) fn verify(
    path: PathBuf,
    statement: Option<&SuperblockStatement>,
    keys: &PinnedKeys,
) -> Result<Hop, Failure> {
    let hop = hop_file::read(&path)?;
    verify_read(path, &hop, statement, keys)
}

/// Verifies a hop that was read from `path`, and that it makes the statement of its superblock, which is one of these.
pub(crate) fn verify_among(
    path: PathBuf,
    superblocks: &[Verified],
    keys: &PinnedKeys,
) -> Result<Hop, Failure> {
    let hop = hop_file::read(&path)?;
    let stated = hop.statement().map_err(|source| HopFileError::Hop { path: path.clone(), source })?;
    let number = stated.number.to_canonical_u64();
    let superblock = superblocks.iter().find(|superblock| superblock.number == number);
    let superblock = superblock.ok_or_else(|| NoSuperblock { path: path.clone(), number })?;
    verify_read(path, &hop, Some(&superblock.statement), keys)
}

fn verify_read(
    path: PathBuf,
    hop: &HopProof,
    statement: Option<&SuperblockStatement>,
    keys: &PinnedKeys,
) -> Result<Hop, Failure> {
    let in_hop = |source| HopFileError::Hop { path: path.clone(), source };
    hop.verify(keys.hop.keccak.get()).map_err(in_hop)?;
    if let Some(element) = statement.and_then(|statement| hop_file::first_difference(hop, statement)) {
        return Err(HopFileError::OtherSuperblock { path, element }.into());
    }
    verified(path, hop)
}

/// What is told of a verified hop.
fn verified(path: PathBuf, hop: &HopProof) -> Result<Hop, Failure> {
    let stated = hop.statement().map_err(|source| HopFileError::Hop { path: path.clone(), source })?;
    let outer_digest = format!("0x{}", hex::encode(hop.outer_digest()));
    Ok(Hop {
        number: stated.number.to_canonical_u64(),
        chain_id: stated.chain_id.to_canonical_u64(),
        previous_state: stated.previous_state,
        new_state: stated.new_state,
        outer_digest,
        calldata_bytes: hop.to_calldata().len(),
        seconds: None,
        file: path,
    })
}
