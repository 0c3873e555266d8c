//! `superblock batch`.

use std::path::PathBuf;

use batcher_circuits::state::SuperblockState;
use batcher_job::{
    batch::{Batcher, Outcome},
    output::{self, OutputDirectory},
    planner::{MAX_BLOCKS, Planner},
    queue::Queue,
    state,
    store::{Store, StoreError},
};
use circuits_files::file::{self, Kind, SMALL_LIMIT};
use circuits_protocol::registry::Registry;
use serde_json::json;

use super::{
    Options,
    answer::{Answer, Failure, REJECTED, path_json, paths_json},
    config::KeyArguments,
    progress,
};

/// Reads block bundles, checks and orders them, proves the next superblock, and writes its bundle and the new state.
///
/// A bad bundle is refused with its reason and recorded under DIR/quarantine; the others are batched.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Directory of block bundles, in any order.
    #[arg(long, value_name = "DIR")]
    blocks: PathBuf,
    /// Directory of the superblock state, which is moved forward.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Where the superblock bundle goes, with finished proofs and quarantine records.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The registry of environments and their kernels.
    #[arg(long, value_name = "FILE")]
    registry: PathBuf,
    /// L1's queue: every deposit ever made, in order, one JSON message per line.
    #[arg(long, value_name = "FILE")]
    deposits: Option<PathBuf>,
    /// Start a new chain with this id, if the state's directory has no state.
    #[arg(long, value_name = "CHAIN_ID")]
    genesis: Option<u64>,
    /// The most blocks of the superblock.
    #[arg(long, value_name = "N", default_value_t = MAX_BLOCKS)]
    max_blocks: usize,
    /// Proofs to make at the same time; each needs about 1.5 GB.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    #[command(flatten)]
    keys: KeyArguments,
}

pub(super) fn run(arguments: &Arguments, options: Options) -> Result<Answer, Failure> {
    progress::stop_on_interrupt();
    let registry: Registry = file::read(Kind::Registry, &arguments.registry, SMALL_LIMIT)?;
    let store = Store::open(&OutputDirectory::new(&arguments.out))?;
    let _lock = store.lock()?;
    let state_file = output::state_file(&arguments.state);
    if let (Some(chain_id), false) = (arguments.genesis, state_file.exists()) {
        output::create_directory(&arguments.state).map_err(StoreError::from)?;
        state::write(&state_file, &SuperblockState::genesis(chain_id))?;
    }
    let before = state::read(&state_file)?;
    let queue = match &arguments.deposits {
        Some(path) => Queue::read(path, before.chain_id)?,
        None => Queue::default(),
    };
    let deposits = if arguments.deposits.is_some() { queue.pending(before.l1_inbox)? } else { &[] };
    let engine = arguments.keys.engine(options)?;
    let outcome = {
        let progress = progress::progress(options);
        let batcher = Batcher {
            engine: &engine,
            store: &store,
            progress: progress.as_ref(),
            planner: Planner { max_blocks: arguments.max_blocks.clamp(1, MAX_BLOCKS), ..Planner::default() },
            jobs: progress::jobs(arguments.jobs),
            stop: &progress::STOP,
        };
        batcher.run(&arguments.blocks, deposits, &state_file, &registry, &arguments.out)?
    };
    Ok(answer(&outcome))
}

fn answer(outcome: &Outcome) -> Answer {
    let Outcome { made, refused, left_out, stuck, stale, copies } = outcome;
    let refused_json: Vec<_> = refused
        .iter()
        .map(|one| {
            json!({ "file": path_json(&one.path), "sha3": one.sha3.map(hex::encode), "reason": one.reason.to_string() })
        })
        .collect();
    let left_out_json: Vec<_> = left_out
        .iter()
        .map(|(path, reason)| {
            json!({ "file": path_json(path), "reason": reason.to_string(), "may_come_later": reason.may_come_later() })
        })
        .collect();
    let stale_json: Vec<_> = stale
        .iter()
        .map(|one| json!({ "file": path_json(&one.path), "environment": one.environment.get(), "height": one.height }))
        .collect();
    let superblock = made.as_ref().map(|made| {
        json!({
            "file": path_json(&made.path),
            "number": made.state.number,
            "state": made.state.commitment().to_string(),
            "registry_root": made.statement.registry_root.to_string(),
            "blocks": paths_json(&made.included),
            "deposits": made.deposits,
            "l1_outbox": made.l1_outbox,
        })
    });
    let json = json!({
        "ok": made.is_some(),
        "superblock": superblock,
        "refused": refused_json,
        "left_out": left_out_json,
        "stuck_deposit": stuck.as_ref().map(|(index, reason)| json!({ "position": index, "reason": reason.to_string() })),
        "already_included": stale_json,
        "copies": paths_json(copies),
    });
    let mut lines = vec![match made {
        Some(made) => format!(
            "superblock {} of {} blocks: {}\nstate {}",
            made.state.number,
            made.included.len(),
            made.path.display(),
            made.state.commitment()
        ),
        None => "no superblock: no block can be batched".to_owned(),
    }];
    for one in refused {
        // Reasons about files name them already.
        let reason = one.reason.to_string();
        let path = one.path.display().to_string();
        lines.push(if reason.starts_with(&path) {
            format!("refused: {reason}")
        } else {
            format!("refused: {path}: {reason}")
        });
    }
    lines.extend(left_out.iter().map(|(path, reason)| format!("left out: {}: {reason}", path.display())));
    if let Some((index, reason)) = stuck {
        lines.push(format!("deposit {} stays in the queue, with all after it: {reason}", index + 1));
    }
    if !stale.is_empty() {
        lines.push(format!("{} bundles hold blocks that earlier superblocks have", stale.len()));
    }
    let blemished = !refused.is_empty() || !left_out.is_empty() || stuck.is_some();
    let code = if made.is_some() { 0 } else { REJECTED };
    Answer::new(json, lines.join("\n")).blemished(blemished).with_code(code)
}

#[cfg(test)]
mod tests {
    use circuits_files::file::FileError;

    use super::*;

    /// Anybody may put a file into the directory of blocks, and its name need not be text.
    #[cfg(unix)]
    #[test]
    fn files_whose_names_are_not_text_are_named_as_well_as_can_be() {
        use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};
        let path = || PathBuf::from(OsString::from_vec(b"junk-\xff.block".to_vec()));
        let source = std::io::ErrorKind::NotFound.into();
        let reason = FileError::Io { path: path(), action: "open it", source }.into();
        let outcome = Outcome {
            made: None,
            refused: vec![batcher_job::intake::Refused { path: path(), sha3: None, reason }],
            left_out: vec![],
            stuck: None,
            stale: vec![],
            copies: vec![path()],
        };
        let answer = answer(&outcome);
        for named in [&answer.json["refused"][0]["file"], &answer.json["copies"][0]] {
            assert!(named.as_str().is_some_and(|file| file.starts_with("junk-")), "{}", answer.json);
        }
    }
}
