//! The account-based state model as a [`Kind`].

use circuits_core::{CircuitError, Digest, security::SecurityReport};
use circuits_keys::CircuitCache;
use circuits_tables::{
    batch::{Batch as _, BatchCircuit, security},
    ecdsa::batch::SignatureSize,
};
use circuits_tasks::provable::Catalogue;
use environments_core::{
    BlockProducer, DynEnvironment, Environment as _,
    kernel::Kernels as _,
    kind::{Kind, KindError, SettledEnvironment, Start},
    walk::{Walk, WalkError},
};
use serde_json::{Value, json};

use crate::{
    Accounts,
    block::{CHUNK_SLOTS, MAX_TRANSACTIONS, variants},
    body::Body,
    chunk::ChunkLeaf,
    circuits::ChunkCircuits,
    config::Genesis,
    provables,
    signatures::KERNELS,
    typed_data::{Settlement, SigningDomain},
};

/// The account-based state model.
#[derive(Clone, Copy, Debug)]
pub struct AccountsKind;

impl Kind for AccountsKind {
    fn name(&self) -> &'static str {
        Accounts::KIND
    }

    fn start(&self, start: &Start<'_>) -> Result<Box<dyn DynEnvironment>, KindError> {
        let genesis: Genesis = start.genesis()?;
        let accounts =
            Accounts::new(start.chain_id, start.id, start.secret, &genesis).map_err(KindError::refused)?;
        Ok(Box::new(BlockProducer::new(accounts.with_limit(start.block_limit.unwrap_or(MAX_TRANSACTIONS)))))
    }

    fn circuits(&self, walk: &mut Walk<'_>) -> Result<(), WalkError> {
        SignatureSize::ALL.iter().try_for_each(|&size| walk.circuit(BatchCircuit(size)))?;
        walk.circuit(ChunkLeaf::new(CHUNK_SLOTS))?;
        ChunkCircuits::folds().try_for_each(|fold| walk.circuit(fold))?;
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
        provables::add_to(cache, &KERNELS, catalogue)
    }

    fn starks(&self) -> Vec<SecurityReport> {
        SignatureSize::ALL.iter().copied().map(security).collect()
    }

    fn body_digest(&self, environment: &SettledEnvironment, body: &[u8]) -> Result<Digest, KindError> {
        let &SettledEnvironment { id, l1_chain_id: chain_id, contract } = environment;
        let domain = SigningDomain { settlement: Settlement { chain_id, contract }, environment: id };
        Ok(Body::decode(body).map_err(KindError::refused)?.digest(&domain))
    }

    fn describe_body(&self, body: &[u8]) -> Option<Result<Value, KindError>> {
        let body = Body::decode(body).map_err(KindError::refused);
        Some(body.map(|body| json!({ "transactions": body.transactions, "consumed": body.arrivals })))
    }
}
