//! `superblock inspect`.

use std::path::{Path, PathBuf};

use batcher_job::{
    scenario::chain_of,
    state,
    store::{self, QuarantineRecord},
};
use batcher_verify::{bundle::SuperblockBundle, circuit::SuperblockCircuit, keys::PinnedKeys, trust::Trust};
use bridge_core::{AssetId, BalanceKey, BridgeState, Consumption, state::Record};
use circuits_core::{Definition as _, Digest, amount::Amount, recursion::key_digest};
use circuits_files::file::{self, BUNDLE_LIMIT, FileError, Kind, MAGIC, SMALL_LIMIT};
use circuits_protocol::{
    registry::Registry,
    statement::{BlockStatement, SuperblockStatement, statement_digest},
    wrap::block_shape,
};
use environments_accounts::body::Body;
use environments_core::BlockBundle;
use environments_notes::transaction::{ProvenTransaction, TransactionStatement};
use plonky2::field::types::PrimeField64 as _;
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Coded as _, Failure, REJECTED, path_json},
    registry::registry_json,
};

/// Shows what a file holds. Proofs are not verified: use `verify` or `batch` for that.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A registry, block, transaction or superblock bundle, state, task proof, quarantine record or trust file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Show the transactions of a block bundle of the account-based environment.
    #[arg(long)]
    transactions: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    let path = &arguments.file;
    // Any kind serves for reading the bytes; the header says which one it is.
    let bytes = file::read_bytes(Kind::BlockBundle, path, BUNDLE_LIMIT)?;
    if !bytes.starts_with(&MAGIC) {
        let trust = Trust::read(path).map_err(|error| {
            Failure::new(
                error.code(),
                format!("{error} (and {} is no binary file of superblock)", path.display()),
            )
        })?;
        return Ok(answer(path, "trust file", serde_json::to_value(trust).unwrap_or_default()));
    }
    let in_file = |source| FileError::Format { path: path.clone(), source };
    let (kind, payload) = file::open(&bytes).map_err(in_file)?;
    let rejected = |reason: String| Failure::new(REJECTED, format!("{}: {reason}", path.display()));
    let content = match kind {
        Kind::Registry => {
            registry_json(&file::decode::<Registry>(kind, &bytes, SMALL_LIMIT).map_err(in_file)?)
        }
        Kind::BlockBundle => {
            let bundle = BlockBundle::decode(&bytes).map_err(|error| rejected(error.to_string()))?;
            let key = circuits_core::proof::decode_key(&bundle.key, &block_shape().common)
                .map_err(|error| rejected(error.to_string()))?;
            let mut content = json!({
                "statement": block_json(&bundle.statement),
                "statement_digest": statement_digest(&bundle.statement),
                "key": key_digest(&key),
                "proof_bytes": bundle.proof.len(),
                "body_bytes": bundle.body.len(),
                "messages": bundle.messages,
            });
            if arguments.transactions {
                let body = Body::decode(&bundle.body).map_err(|error| rejected(chain_of(&error)))?;
                content["transactions"] = json!(body.transactions);
                content["consumed"] = json!(body.arrivals);
            }
            content
        }
        Kind::TransactionBundle => {
            let claims = ProvenTransaction::from_bytes(&bytes)
                .claims()
                .map_err(|error| rejected(error.to_string()))?;
            let mut content = json!({
                "kernel": claims.proof.kernel.name(),
                "statement": transaction_json(&claims.statement),
                "payload_bytes": payload.len(),
            });
            if let Some(message) = claims.message {
                content["message"] = json!(message);
            }
            content
        }
        Kind::SuperblockBundle => {
            let bundle = SuperblockBundle::decode(&bytes).map_err(|error| rejected(error.to_string()))?;
            let statement = bundle.statement().map_err(|error| rejected(error.to_string()))?;
            json!({
                "statement": superblock_json(&statement),
                "key": bundle.key,
                "circuit": PinnedKeys::embedded().source_of(bundle.key).map(SuperblockCircuit::name),
                "blocks": bundle.blocks,
                "deposits": bundle.deposits,
                "l1_outbox": bundle.l1_outbox,
                "proof_bytes": bundle.proof.len(),
            })
        }
        Kind::SuperblockState => {
            let state = state::read(path)?;
            json!({
                "chain_id": state.chain_id,
                "number": state.number,
                "commitment": state.commitment(),
                "environments": state.environments,
                "past_states": state.history.len(),
                "l1_inbox": state.l1_inbox,
                "messages": messages_json(&state.bridge),
                "balances": balances_json(&state.bridge),
            })
        }
        Kind::TaskProof => {
            let (task, key, size) = store::describe(&bytes).map_err(in_file)?;
            json!({ "task": task, "key": key, "proof_bytes": size })
        }
        Kind::QuarantineRecord => {
            let record: QuarantineRecord = file::decode(kind, &bytes, SMALL_LIMIT).map_err(in_file)?;
            json!({ "sha3": record.sha3, "file": record.file, "reason": record.reason })
        }
    };
    Ok(answer(path, &kind.to_string(), content))
}

fn answer(path: &Path, kind: &str, content: Value) -> Answer {
    let mut text = format!("{}: {kind}\n", path.display());
    write_value(&mut text, &content, 1);
    let json = json!({ "ok": true, "file": path_json(path), "kind": kind, "content": content });
    Answer::new(json, text.trim_end().to_owned())
}

/// Indented `key: value` lines.
fn write_value(text: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    let mut line = |key: &str, value: &Value| match value {
        Value::Object(_) | Value::Array(_) => {
            *text += &format!("{indent}{key}:\n");
            write_value(text, value, depth + 1);
        }
        Value::String(value) => *text += &format!("{indent}{key}: {value}\n"),
        other => *text += &format!("{indent}{key}: {other}\n"),
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| line(key, value)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| line(&format!("[{index}]"), item));
        }
        other => *text += &format!("{indent}{other}\n"),
    }
}

/// How many messages are where, and those that are on their way.
fn messages_json(bridge: &BridgeState) -> Value {
    let count = |consumption| {
        let is = |record: &&Record| record.consumed.is_some_and(|(found, _)| found == consumption);
        bridge.records().iter().filter(is).count()
    };
    let pending: Vec<_> = bridge.in_flight().map(|record| json!(record.message.hash())).collect();
    json!({
        "emitted": bridge.message_count(),
        "claimed": count(Consumption::Claim),
        "refunded": count(Consumption::Refund),
        "pending": pending,
    })
}

/// What stands on either side of the bridge.
fn balances_json(bridge: &BridgeState) -> Value {
    let row = |&(key, amount): &(BalanceKey, Amount)| {
        let side = if key.is_origin() { "outstanding" } else { "let_in" };
        json!({ "environment": key.environment, "asset": key.asset, side: amount })
    };
    bridge.balances().iter().map(row).collect()
}

fn block_json(statement: &BlockStatement) -> Value {
    let integers = [
        ("environment", statement.environment),
        ("first_height", statement.first_height),
        ("last_height", statement.last_height),
    ];
    let digests = [
        ("previous_state", statement.previous_state),
        ("new_state", statement.new_state),
        ("outbox", statement.outbox),
        ("inbox", statement.inbox),
        ("body", statement.body),
        ("producer", statement.producer),
    ];
    object(&integers, &digests)
}

/// A transaction's statement, without the slots that it does not use.
fn transaction_json(statement: &TransactionStatement) -> Value {
    let integers = [
        ("chain_id", statement.chain_id),
        ("environment", statement.environment),
        ("fee", statement.fee),
        ("not_before", statement.not_before),
        ("valid_until", statement.valid_until),
    ];
    let digests = [
        ("account", statement.account),
        ("before", statement.before),
        ("after", statement.after),
        ("notes_root", statement.notes_root),
    ];
    let fee_asset = statement.fee_asset.to_canonical_u64();
    let mut fields = object(&integers, &digests);
    fields["fee_asset"] =
        AssetId::unpack(fee_asset).map_or_else(|_| json!(fee_asset), |asset| json!(asset.to_string()));
    for (name, slots) in [
        ("nullifiers", statement.nullifiers),
        ("unauthenticated", statement.unauthenticated),
        ("notes", statement.notes),
    ] {
        let used: Vec<_> = slots.into_iter().filter(|&slot| slot != Digest::ZERO).collect();
        fields[name] = json!(used);
    }
    if statement.message != Digest::ZERO {
        fields["message"] = json!(statement.message);
    }
    fields
}

fn superblock_json(statement: &SuperblockStatement) -> Value {
    let integers = [
        ("chain_id", statement.chain_id),
        ("number", statement.number),
        ("block_count", statement.block_count),
    ];
    let digests = [
        ("previous_state", statement.previous_state),
        ("new_state", statement.new_state),
        ("registry_root", statement.registry_root),
        ("body_chain", statement.body_chain),
        ("l1_inbox_before", statement.l1_inbox_before),
        ("l1_inbox_after", statement.l1_inbox_after),
        ("l1_outbox", statement.l1_outbox),
    ];
    object(&integers, &digests)
}

fn object(integers: &[(&str, circuits_core::F)], digests: &[(&str, Digest)]) -> Value {
    let mut fields = Map::new();
    for (name, element) in integers {
        fields.insert((*name).to_owned(), json!(element.to_canonical_u64()));
    }
    for (name, digest) in digests {
        fields.insert((*name).to_owned(), json!(digest));
    }
    Value::Object(fields)
}
