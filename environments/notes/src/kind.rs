//! The note-based state model as a [`Kind`].

use bridge_core::AssetId;
use circuits_core::{CircuitError, Definition as _, Digest};
use circuits_keys::CircuitCache;
use circuits_tasks::provable::Catalogue;
use environments_core::{
    BlockProducer, DynEnvironment, Environment as _,
    kernel::Kernels as _,
    kind::{Kind, KindError, SettledEnvironment, Start},
    walk::{Walk, WalkError},
};
use plonky2::field::types::PrimeField64 as _;
use serde_json::{Value, json};

use crate::{
    Notes,
    batch::BatchLeaf,
    block::{MAX_BATCH, MAX_TRANSACTIONS, MIN_BATCH, variants},
    body::Body,
    circuits::{BatchCircuits, KERNELS, transaction_keys},
    config::Genesis,
    provables,
    transaction::{ProvenTransaction, TransactionKernel, TransactionStatement},
};

/// The note-based state model.
#[derive(Clone, Copy, Debug)]
pub struct NotesKind;

impl Kind for NotesKind {
    fn name(&self) -> &'static str {
        Notes::KIND
    }

    fn start(&self, start: &Start<'_>) -> Result<Box<dyn DynEnvironment>, KindError> {
        let genesis: Genesis = start.genesis()?;
        let notes =
            Notes::new(start.chain_id, start.id, start.secret, &genesis).map_err(KindError::refused)?;
        Ok(Box::new(BlockProducer::new(notes.with_limit(start.block_limit.unwrap_or(MAX_TRANSACTIONS)))))
    }

    fn circuits(&self, walk: &mut Walk<'_>) -> Result<(), WalkError> {
        for kernel in [TransactionKernel::Local, TransactionKernel::Exchange] {
            walk.circuit(kernel)?;
        }
        for size in MIN_BATCH..=MAX_BATCH {
            if walk.wants(&BatchLeaf::name_of(size)) {
                walk.circuit(BatchLeaf::new(transaction_keys(walk.cache())?, size))?;
            }
        }
        BatchCircuits::folds().try_for_each(|fold| walk.circuit(fold))?;
        for variant in variants(MAX_TRANSACTIONS) {
            walk.kernel(&variant.kernel_name(), |cache| KERNELS.definition(cache, variant))?;
        }
        Ok(())
    }

    fn provables<'a>(
        &self,
        cache: &'a CircuitCache,
        catalogue: Catalogue<'a>,
    ) -> Result<Catalogue<'a>, CircuitError> {
        provables::add_to(cache, catalogue)
    }

    fn body_digest(&self, _: &SettledEnvironment, body: &[u8]) -> Result<Digest, KindError> {
        Ok(Body::decode(body).map_err(KindError::refused)?.digest())
    }

    fn describe_body(&self, body: &[u8]) -> Option<Result<Value, KindError>> {
        let describe = |body: Body| {
            json!({
                "arrivals": body.arrivals,
                "transactions": body.records.len(),
                "network_accounts": body.accounts,
            })
        };
        Some(Body::decode(body).map(describe).map_err(KindError::refused))
    }

    fn describe_transaction(&self, bundle: &[u8]) -> Option<Result<Value, KindError>> {
        let claims = ProvenTransaction::from_bytes(bundle).claims();
        Some(claims.map_err(KindError::refused).map(|claims| {
            let mut content = json!({
                "kernel": claims.proof.kernel.name(),
                "statement": statement_json(&claims.statement),
            });
            if let Some(message) = claims.message {
                content["message"] = json!(message);
            }
            if let Some(account) = claims.account {
                content["network_account"] = json!(account);
            }
            content
        }))
    }
}

/// A transaction's statement, without the slots that it does not use.
fn statement_json(statement: &TransactionStatement) -> Value {
    let fee_asset = statement.fee_asset.to_canonical_u64();
    let used = |slots: &[Digest]| -> Vec<Digest> {
        slots.iter().copied().filter(|&slot| slot != Digest::ZERO).collect()
    };
    let mut fields = json!({
        "chain_id": statement.chain_id.to_canonical_u64(),
        "environment": statement.environment.to_canonical_u64(),
        "fee": statement.fee.to_canonical_u64(),
        "minimum_fee": statement.minimum_fee.to_canonical_u64(),
        "not_before": statement.not_before.to_canonical_u64(),
        "valid_until": statement.valid_until.to_canonical_u64(),
        "account": statement.account,
        "before": statement.before,
        "after": statement.after,
        "notes_root": statement.notes_root,
        "fee_asset": AssetId::unpack(fee_asset)
            .map_or_else(|_| json!(fee_asset), |asset| json!(asset.to_string())),
        "nullifiers": used(&statement.nullifiers),
        "unauthenticated": used(&statement.unauthenticated),
        "notes": used(&statement.notes),
    });
    if statement.message != Digest::ZERO {
        fields["message"] = json!(statement.message);
    }
    fields
}
