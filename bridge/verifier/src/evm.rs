//! Runs committed bytecode on an Ethereum virtual machine, without a node.

use alloy_sol_types::SolCall;
use revm::{
    Context, ExecuteEvm, MainBuilder, MainContext,
    bytecode::Bytecode,
    context::TxEnv,
    context_interface::result::ExecutionResult,
    database::{CacheDB, EmptyDB},
    primitives::{Address, Bytes, TxKind, hardfork::SpecId, hex},
    state::AccountInfo,
};

/// The most gas that a transaction may have since the Osaka upgrade (EIP-7825).
pub const TRANSACTION_GAS_LIMIT: u64 = 1 << 24;

/// The address at which the contract lies.
const CONTRACT: Address = Address::repeat_byte(0xc0);
/// Calls come from here.
const CALLER: Address = Address::repeat_byte(0xca);

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The contract reverted.
    #[error("the contract reverted with 0x{}", hex::encode(.0))]
    Reverted(Bytes),
    /// The machine stopped.
    #[error("the machine stopped: {0}")]
    Stopped(String),
    /// The result does not decode.
    #[error("the result is malformed")]
    Result(#[from] alloy_sol_types::Error),
}

/// An artefact that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// Not JSON.
    #[error("the artefact is not JSON")]
    Json(#[from] serde_json::Error),
    /// There is no runtime bytecode, or it is no hexadecimal number.
    #[error("the artefact has no runtime bytecode")]
    Bytecode,
}

/// What a call gave.
#[derive(Debug)]
pub struct Outcome<T> {
    /// The result.
    pub result: T,
    /// Gas of the whole transaction, calldata included.
    pub gas: u64,
}

/// A contract that has no state, deployed alone.
#[derive(Debug)]
pub struct Contract {
    code: Bytecode,
}

impl Contract {
    /// The contract of an artefact: JSON with its runtime bytecode under `deployedBytecode`.
    ///
    /// # Errors
    ///
    /// If that is not what the text is.
    pub fn from_artifact(text: &str) -> Result<Self, ArtifactError> {
        let artifact: serde_json::Value = serde_json::from_str(text)?;
        let code = artifact["deployedBytecode"].as_str().ok_or(ArtifactError::Bytecode)?;
        Ok(Self::new(hex::decode(code).map_err(|_| ArtifactError::Bytecode)?))
    }

    /// The contract with this runtime code.
    #[must_use]
    pub fn new(code: Vec<u8>) -> Self {
        Self { code: Bytecode::new_legacy(code.into()) }
    }

    /// Its runtime code.
    #[must_use]
    pub fn code(&self) -> &[u8] {
        self.code.original_byte_slice()
    }

    /// Calls a function, in a transaction under the rules of the Osaka upgrade.
    ///
    /// # Errors
    ///
    /// If the contract reverts, gas runs out, or the result does not decode.
    pub fn call<T: SolCall>(&self, call: &T) -> Result<Outcome<T::Return>, CallError> {
        let mut database = CacheDB::new(EmptyDB::default());
        database.insert_account_info(CONTRACT, AccountInfo::from_bytecode(self.code.clone()));
        let transaction = TxEnv::builder()
            .caller(CALLER)
            .kind(TxKind::Call(CONTRACT))
            .data(call.abi_encode().into())
            .gas_limit(TRANSACTION_GAS_LIMIT)
            .build()
            .map_err(|error| CallError::Stopped(format!("{error:?}")))?;
        let executed = Context::mainnet()
            .modify_cfg_chained(|cfg| cfg.set_spec_and_mainnet_gas_params(SpecId::OSAKA))
            .with_db(database)
            .build_mainnet()
            .transact(transaction)
            .map_err(|error| CallError::Stopped(format!("{error:?}")))?;
        match executed.result {
            ExecutionResult::Success { gas, output, .. } => {
                Ok(Outcome { result: T::abi_decode_returns(output.data())?, gas: gas.tx_gas_used() })
            }
            ExecutionResult::Revert { output, .. } => Err(CallError::Reverted(output)),
            ExecutionResult::Halt { reason, .. } => Err(CallError::Stopped(format!("{reason:?}"))),
        }
    }
}
