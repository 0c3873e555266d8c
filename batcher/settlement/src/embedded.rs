//! An L1 in this process, for tests and trials: Ethereum's virtual machine, an empty state, and a block for each transaction.
//! Every block is final at once, and earlier states are not kept.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use alloy_consensus::{
    EthereumTxEnvelope, TxEip4844WithSidecar,
    transaction::{SignerRecoverable as _, Transaction as _},
};
use alloy_eips::{
    eip1559::{BaseFeeParams, calc_next_block_base_fee},
    eip2718::Decodable2718 as _,
    eip4844::env_settings::EnvKzgSettings,
    eip7594::BlobTransactionSidecarEip7594,
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use revm::{
    Context, DatabaseRef as _, ExecuteCommitEvm as _, ExecuteEvm as _, MainBuilder as _, MainContext as _,
    context::{BlockEnv, CfgEnv, TxEnv, tx::TxEnvBuilder},
    context_interface::result::ExecutionResult,
    database::{CacheDB, EmptyDB},
    state::AccountInfo,
};

use crate::{
    blob_source::{BlobSource, Settlement, SourceError},
    l1::{At, Block, Call, Event, L1, L1Error, Nonces, Receipt, begins_with},
    limits::{MAX_GAS, check_length},
    reason::Revert,
};

/// The base fee of the first block, in wei: one gwei. It moves as EIP-1559 says.
const BASE_FEE: u64 = 1_000_000_000;
/// The gas of a block.
const BLOCK_GAS: u64 = 60_000_000;
/// Seconds between two blocks.
const BLOCK_SECONDS: u64 = 12;
/// When the first block is: 1 January 2026, in seconds of the Unix epoch.
const GENESIS_TIME: u64 = 1_767_225_600;

/// An estimate exceeds what is needed by at most one part in so many.
const ESTIMATE_DIVISOR: u64 = 64;
/// So many tries are next to each other, before the rest is halved.
const NEAR_TRIES: usize = 4;

type State = CacheDB<EmptyDB>;

/// A signed transaction as nodes take it: with its blobs, if it has any.
type Pooled = EthereumTxEnvelope<TxEip4844WithSidecar<BlobTransactionSidecarEip7594>>;

/// A network of one's own.
#[derive(Debug)]
pub struct Embedded {
    chain_id: u64,
    chain: Mutex<Chain>,
}

#[derive(Debug)]
struct Chain {
    state: State,
    blocks: Vec<Block>,
    receipts: Vec<Receipt>,
    events: Vec<(Address, Event)>,
    /// The blobs of transactions that are in blocks.
    blobs: Vec<(B256, Vec<Bytes>)>,
    /// The base fee of the next block, in wei.
    base_fee: u64,
    /// Seconds that the clock is ahead of the blocks.
    skipped: u64,
}

impl Embedded {
    /// A network with this id, on which these accounts have so much wei.
    #[must_use]
    pub fn new(chain_id: u64, accounts: &[(Address, U256)]) -> Self {
        let mut chain = Chain::new();
        for &(address, balance) in accounts {
            chain.state.insert_account_info(address, AccountInfo { balance, ..AccountInfo::default() });
        }
        chain.add_block(0);
        Self { chain_id, chain: Mutex::new(chain) }
    }

    /// Moves the clock of the blocks to come forward.
    pub fn skip(&self, seconds: u64) {
        self.chain().skipped += seconds;
    }

    /// Gives an account so much wei.
    pub fn fund(&self, account: Address, balance: U256) {
        let mut chain = self.chain();
        let Ok(found) = chain.state.basic_ref(account);
        chain.state.insert_account_info(account, AccountInfo { balance, ..found.unwrap_or_default() });
    }

    /// Puts a call into a block as a transaction of `call.from`, without its signature.
    ///
    /// # Errors
    /// [`L1Error::Transaction`] if the account cannot pay or the call asks for too much.
    pub fn execute(&self, call: &Call) -> Result<Receipt, L1Error> {
        let nonce = self.nonces(call.from)?.latest;
        let transaction = TxEnv::builder()
            .caller(call.from)
            .kind(kind(call.to))
            .value(call.value)
            .data(call.input.clone())
            .gas_limit(MAX_GAS)
            .gas_price(self.chain().base_fee.into())
            .nonce(nonce)
            .chain_id(Some(self.chain_id));
        let name = [call.from.as_slice(), &nonce.to_be_bytes()].concat();
        self.include(keccak256(name), transaction)
    }

    /// Runs a transaction in a block of its own.
    fn include(&self, hash: B256, transaction: TxEnvBuilder) -> Result<Receipt, L1Error> {
        let refused = |reason: &dyn fmt::Display| L1Error::Transaction { reason: reason.to_string() };
        let transaction = transaction.build().map_err(|error| refused(&format!("{error:?}")))?;
        let mut chain = self.chain();
        let block = chain.next_block();
        let mut evm = Context::mainnet()
            .with_cfg(configuration(self.chain_id))
            .with_block(block)
            .with_db(&mut chain.state)
            .build_mainnet();
        let result = evm.transact_commit(transaction).map_err(|error| refused(&error))?;
        let block = chain.add_block(result.tx_gas_used());
        let receipt = Receipt {
            transaction: hash,
            block_number: block.number,
            block_hash: block.hash,
            succeeded: result.is_success(),
            gas_used: result.tx_gas_used(),
            created: result.created_address(),
        };
        chain.receipts.push(receipt);
        let events = result.into_logs().into_iter().map(|log| {
            let event = Event {
                block_number: block.number,
                transaction: hash,
                topics: log.topics().to_vec(),
                data: log.data.data.clone(),
            };
            (log.address, event)
        });
        chain.events.extend(events);
        Ok(receipt)
    }

    fn chain(&self) -> MutexGuard<'_, Chain> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks that the block is the head, whose state is the only one.
    fn check_head(&self, method: &'static str, at: At) -> Result<(), L1Error> {
        let head = self.chain().head().number;
        match at {
            At::Number(number) if number != head => Err(L1Error::Refused {
                method,
                code: 0,
                message: format!("the state of block {number} is not kept, only that of block {head}"),
            }),
            At::Number(_) | At::Latest | At::Finalized => Ok(()),
        }
    }

    /// Runs a call without any trace of it.
    fn simulate(&self, method: &'static str, call: &Call, gas: u64) -> Result<ExecutionResult, L1Error> {
        let mut chain = self.chain();
        let block = BlockEnv { basefee: 0, ..chain.next_block() };
        let transaction = TxEnv::builder()
            .caller(call.from)
            .kind(kind(call.to))
            .value(call.value)
            .data(call.input.clone())
            .gas_limit(gas)
            .chain_id(Some(self.chain_id))
            .build_fill();
        let mut configuration = configuration(self.chain_id);
        configuration.disable_nonce_check = true;
        let mut evm = Context::mainnet()
            .with_cfg(configuration)
            .with_block(block)
            .with_db(&mut chain.state)
            .build_mainnet();
        let refused = |reason: String| L1Error::Refused { method, code: 0, message: reason };
        let result = evm.transact(transaction).map_err(|error| refused(error.to_string()))?.result;
        match result {
            ExecutionResult::Revert { output, .. } => Err(L1Error::Reverted(Revert(output))),
            ExecutionResult::Halt { reason, .. } => Err(refused(format!("{reason:?}"))),
            success @ ExecutionResult::Success { .. } => Ok(success),
        }
    }
}

fn configuration(chain_id: u64) -> CfgEnv {
    CfgEnv::new().with_chain_id(chain_id)
}

fn kind(to: Option<Address>) -> TxKind {
    to.map_or(TxKind::Create, TxKind::Call)
}

impl Chain {
    fn new() -> Self {
        Self {
            state: State::default(),
            blocks: vec![],
            receipts: vec![],
            events: vec![],
            blobs: vec![],
            base_fee: BASE_FEE,
            skipped: 0,
        }
    }

    fn head(&self) -> Block {
        self.blocks.last().copied().unwrap_or(Block {
            number: 0,
            hash: B256::ZERO,
            timestamp: GENESIS_TIME,
            base_fee: self.base_fee.into(),
        })
    }

    fn next_block(&self) -> BlockEnv {
        let Block { number, timestamp, .. } = self.head();
        BlockEnv {
            number: U256::from(number + 1),
            timestamp: U256::from(timestamp + BLOCK_SECONDS + self.skipped),
            gas_limit: BLOCK_GAS,
            basefee: self.base_fee,
            ..BlockEnv::default()
        }
    }

    /// Adds a block with transactions that have used so much gas.
    fn add_block(&mut self, gas_used: u64) -> Block {
        let number = self.blocks.len() as u64;
        let timestamp = self.head().timestamp + if number == 0 { 0 } else { BLOCK_SECONDS + self.skipped };
        self.skipped = 0;
        let hash = keccak256(number.to_be_bytes());
        let block = Block { number, hash, timestamp, base_fee: self.base_fee.into() };
        let parameters = BaseFeeParams::ethereum();
        self.base_fee = calc_next_block_base_fee(gas_used, BLOCK_GAS, self.base_fee, parameters);
        self.blocks.push(block);
        block
    }
}

impl BlobSource for Embedded {
    fn blobs(&self, settlement: &Settlement) -> Result<Vec<Bytes>, SourceError> {
        let chain = self.chain();
        let found = chain.blobs.iter().find(|(transaction, _)| *transaction == settlement.transaction);
        Ok(found.map(|(_, blobs)| blobs.clone()).unwrap_or_default())
    }
}

impl L1 for Embedded {
    fn chain_id(&self) -> Result<u64, L1Error> {
        Ok(self.chain_id)
    }

    fn block(&self, at: At) -> Result<Option<Block>, L1Error> {
        let chain = self.chain();
        Ok(match at {
            At::Latest | At::Finalized => Some(chain.head()),
            At::Number(number) => {
                usize::try_from(number).ok().and_then(|number| chain.blocks.get(number)).copied()
            }
        })
    }

    fn blob_base_fee(&self) -> Result<Option<u128>, L1Error> {
        Ok(self.chain().next_block().blob_excess_gas_and_price.map(|blobs| blobs.blob_gasprice))
    }

    fn nonces(&self, account: Address) -> Result<Nonces, L1Error> {
        let Ok(info) = self.chain().state.basic_ref(account);
        let nonce = info.map_or(0, |info| info.nonce);
        Ok(Nonces { latest: nonce, pending: nonce })
    }

    fn balance(&self, account: Address) -> Result<U256, L1Error> {
        let Ok(info) = self.chain().state.basic_ref(account);
        Ok(info.map_or(U256::ZERO, |info| info.balance))
    }

    fn receipt(&self, transaction: B256) -> Result<Option<Receipt>, L1Error> {
        Ok(self.chain().receipts.iter().find(|receipt| receipt.transaction == transaction).copied())
    }

    fn send(&self, transaction: &[u8]) -> Result<(), L1Error> {
        let refused = |reason: &dyn fmt::Display| L1Error::Transaction { reason: reason.to_string() };
        let mut encoded = transaction;
        let signed = Pooled::decode_2718(&mut encoded).map_err(|error| refused(&error))?;
        let sidecar = match &signed {
            Pooled::Eip4844(signed) => Some(&signed.tx().sidecar),
            _ => None,
        };
        let blob_bytes = sidecar.map_or(0, BlobTransactionSidecarEip7594::rlp_encoded_fields_length);
        check_length(transaction.len().saturating_sub(blob_bytes)).map_err(|limit| refused(&limit))?;
        if let Some(sidecar) = sidecar {
            let hashes = signed.blob_versioned_hashes().unwrap_or_default();
            sidecar.validate(hashes, EnvKzgSettings::Default.get()).map_err(|error| refused(&error))?;
        }
        let sender = signed.recover_signer().map_err(|error| refused(&error))?;
        if signed.chain_id() != Some(self.chain_id) {
            return Err(refused(&format!(
                "it is signed for {:?}, not for {}",
                signed.chain_id(),
                self.chain_id
            )));
        }
        let hash = *signed.tx_hash();
        if self.receipt(hash)?.is_some() {
            return Ok(());
        }
        let transaction = TxEnv::builder()
            .caller(sender)
            .kind(signed.kind())
            .value(signed.value())
            .data(signed.input().clone())
            .gas_limit(signed.gas_limit())
            .gas_price(signed.max_fee_per_gas())
            .gas_priority_fee(signed.max_priority_fee_per_gas())
            .nonce(signed.nonce())
            .chain_id(signed.chain_id())
            .blob_hashes(signed.blob_versioned_hashes().unwrap_or_default().to_vec())
            .max_fee_per_blob_gas(signed.max_fee_per_blob_gas().unwrap_or_default());
        self.include(hash, transaction)?;
        if let Some(sidecar) = sidecar {
            let blobs = sidecar.blobs.iter().map(|blob| Bytes::copy_from_slice(blob.as_slice()));
            self.chain().blobs.push((hash, blobs.collect()));
        }
        Ok(())
    }

    fn call(&self, call: &Call, at: At) -> Result<Bytes, L1Error> {
        self.check_head("eth_call", at)?;
        Ok(self.simulate("eth_call", call, MAX_GAS)?.into_output().unwrap_or_default())
    }

    fn estimate_gas(&self, call: &Call) -> Result<u64, L1Error> {
        let method = "eth_estimateGas";
        let result = self.simulate(method, call, MAX_GAS)?;
        // What is given back at the end has to be there until then, and a contract may ask how much is left. So the least gas
        // with which the call succeeds is searched for; most often it is next to what is spent.
        let spent = result.gas().total_gas_spent().max(result.tx_gas_used());
        let (mut too_little, mut enough) = (spent.saturating_sub(1), MAX_GAS);
        for tries in 0.. {
            let step = too_little / ESTIMATE_DIVISOR + 1;
            if enough - too_little <= step {
                break;
            }
            let gas = if tries < NEAR_TRIES { too_little + step } else { too_little.midpoint(enough) };
            match self.simulate(method, call, gas) {
                Ok(_) => enough = gas,
                Err(_) => too_little = gas,
            }
        }
        Ok(enough)
    }

    fn events_of(&self, contract: Address, transaction: B256) -> Result<Option<Vec<Event>>, L1Error> {
        let chain = self.chain();
        let is_included = chain.receipts.iter().any(|receipt| receipt.transaction == transaction);
        let is_asked =
            |(address, event): &&(Address, Event)| *address == contract && event.transaction == transaction;
        let found = || chain.events.iter().filter(is_asked).map(|(_, event)| event.clone()).collect();
        Ok(is_included.then(found))
    }

    fn events(
        &self,
        contract: Address,
        topics: &[Option<B256>],
        first: u64,
        last: u64,
    ) -> Result<Vec<Event>, L1Error> {
        let chain = self.chain();
        let is_asked = |(address, event): &&(Address, Event)| {
            *address == contract
                && (first..=last).contains(&event.block_number)
                && begins_with(&event.topics, topics)
        };
        Ok(chain.events.iter().filter(is_asked).map(|(_, event)| event.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        attempt::Unsigned,
        blob_source::Stated,
        blobs::{Blobs, data_of},
        fees::{BaseFees, FeeLimits},
        signer::Signer,
    };

    #[test]
    fn blobs_are_checked_and_kept() {
        let signer = Signer::random();
        let l1 = Embedded::new(5, &[(signer.address(), U256::from(u64::MAX))]);
        let call = Call {
            from: signer.address(),
            to: Some(Address::repeat_byte(9)),
            value: U256::ZERO,
            input: Bytes::new(),
        };
        let blobs = Blobs::of(b"data").expect("it fits");
        let base_fees = BaseFees { gas: BASE_FEE.into(), blob: l1.blob_base_fee().expect("it answers") };
        let fees = FeeLimits::default().first(base_fees).expect("it is cheap");
        let unsigned = Unsigned::new(&l1, call).expect("it answers").expect("it is small");
        let attempt = unsigned.with_blobs(blobs.hashes()).sign(&signer, 5, 0, fees).expect("a key");
        let signed = attempt.transaction.expect("it is signed");
        // Without its blobs, and with others.
        assert!(matches!(l1.send(&signed), Err(L1Error::Transaction { .. })));
        let other = Blobs::of(b"other").expect("it fits");
        assert!(other.attach(&signed).is_err());
        let mut changed = blobs.attach(&signed).expect("they are its blobs");
        let position = changed.windows(4).position(|bytes| bytes == b"data").expect("it is in there");
        changed[position] ^= 1;
        assert!(matches!(l1.send(&changed), Err(L1Error::Transaction { .. })));

        l1.send(&blobs.attach(&signed).expect("they are its blobs")).expect("they are right");
        let receipt = l1.receipt(attempt.hash).expect("it answers").expect("it is in a block");
        assert!(receipt.succeeded);
        let settlement = Settlement {
            number: 1,
            block_number: receipt.block_number,
            transaction: attempt.hash,
            stated: Stated::default(),
            hashes: blobs.hashes().to_vec(),
        };
        let found = l1.blobs(&settlement).expect("it has them");
        assert_eq!(data_of(&found), Ok(b"data".to_vec()));
    }
}
