//! `superblock message`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use batcher_circuits::state::SuperblockState;
use batcher_job::{
    lifecycle::{Fate, Lifecycle, lifecycles},
    output::state_file,
    state,
};
use batcher_verify::bundle::{SUPERBLOCK_LIMIT, SuperblockBundle};
use circuits_files::file::{self, FileError, Kind};
use plonky2::field::types::PrimeField64 as _;
use serde_json::json;

use super::answer::{Answer, Failure, REJECTED};

/// Where messages are looked up. Nothing is verified: use `verify` for that.
#[derive(clap::Args)]
pub(super) struct Sources {
    /// Directory of the superblock state.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Directory of superblock bundles, for messages to L1, which no state keeps.
    #[arg(long, value_name = "DIR")]
    superblocks: Option<PathBuf>,
}

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List messages and what became of them.
    List {
        #[command(flatten)]
        sources: Sources,
        /// Only those that are neither claimed nor refunded.
        #[arg(long)]
        pending: bool,
    },
    /// Tell one message's life.
    Explain {
        /// The message's hash, or its beginning.
        #[arg(value_name = "HASH")]
        hash: String,
        #[command(flatten)]
        sources: Sources,
    },
}

pub(super) fn run(command: Command) -> Result<Answer, Failure> {
    match command {
        Command::List { sources, pending } => {
            let (_, mut lifecycles) = sources.read()?;
            lifecycles.retain(|lifecycle| !pending || lifecycle.fate == Fate::Pending);
            let lines: Vec<_> = lifecycles.iter().map(ToString::to_string).collect();
            let text = if lines.is_empty() { "no messages".to_owned() } else { lines.join("\n") };
            Ok(Answer::new(json!({ "ok": true, "messages": lifecycles }), text))
        }
        Command::Explain { hash, sources } => {
            let (state, lifecycles) = sources.read()?;
            let found: Vec<_> =
                lifecycles.iter().filter(|lifecycle| lifecycle.hash.to_string().starts_with(&hash)).collect();
            let [first, rest @ ..] = found.as_slice() else {
                return Err(Failure::new(REJECTED, format!("no message's hash begins with {hash:?}")));
            };
            // A dishonest kernel can emit one message twice: both are told.
            if let Some(other) = rest.iter().find(|lifecycle| lifecycle.hash != first.hash) {
                return Err(Failure::new(
                    REJECTED,
                    format!("the hashes {} and {} both begin with {hash:?}", first.hash, other.hash),
                ));
            }
            let lines: Vec<_> = found.iter().flat_map(|lifecycle| lifecycle.explain(state.number)).collect();
            let json = json!({ "ok": true, "superblock": state.number, "messages": found });
            Ok(Answer::new(json, lines.join("\n")))
        }
    }
}

impl Sources {
    fn read(&self) -> Result<(SuperblockState, Vec<Lifecycle>), Failure> {
        let state = state::read(&state_file(&self.state))?;
        let bundles = self.superblocks.as_deref().map(bundles).transpose()?.unwrap_or_default();
        let lifecycles = lifecycles(&state.bridge, bundles.iter().map(|(number, bundle)| (*number, bundle)));
        Ok((state, lifecycles))
    }
}

/// The superblocks of a directory by number.
fn bundles(directory: &Path) -> Result<Vec<(u32, SuperblockBundle)>, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(REJECTED, format!("{}: cannot read the directory: {error}", directory.display()))
    };
    let mut bundles = vec![];
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_none_or(|extension| extension != "superblock") {
            continue;
        }
        let bytes = file::read_bytes(Kind::SuperblockBundle, &path, SUPERBLOCK_LIMIT)?;
        let in_file = |source| FileError::Format { path: path.clone(), source };
        if file::open(&bytes).map_err(in_file)?.0 != Kind::SuperblockBundle {
            continue;
        }
        let rejected = |error: batcher_verify::bundle::BundleError| {
            Failure::new(REJECTED, format!("{}: {error}", path.display()))
        };
        let bundle = SuperblockBundle::decode(&bytes).map_err(rejected)?;
        let number = bundle.statement().map_err(rejected)?.number.to_canonical_u64();
        bundles.push((u32::try_from(number).unwrap_or(u32::MAX), bundle));
    }
    bundles.sort_by_key(|(number, _)| *number);
    Ok(bundles)
}
