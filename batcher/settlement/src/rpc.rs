//! L1 as a node tells it, over JSON-RPC.

use std::{borrow::Cow, error::Error, time::Duration};

use alloy_json_rpc::{ErrorPayload, RpcError, RpcRecv, RpcSend};
use alloy_primitives::{Address, B256, Bytes, U64, U128, U256};
use alloy_rpc_client::RpcClient;
use alloy_transport::{TransportError, TransportErrorKind};
use alloy_transport_http::Http;
use circuits_files::text::shown;
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use url::Url;

use crate::{
    l1::{At, Block, Call, Event, L1, L1Error, Nonces, Receipt},
    reason::Revert,
};

/// A node that says nothing for so long does not answer.
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// So often is a question asked that changes nothing.
const READS: usize = 3;
/// The code of calls that revert, in nodes that have one.
const REVERTED: i64 = 3;
/// The code of nodes that know no such method.
const NO_METHOD: i64 = -32601;
/// Characters of a node's message that are repeated.
const MAX_MESSAGE: usize = 500;

/// A node's address is not used. It is not repeated, because it may hold the key of an account there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UrlError {
    /// It is no address.
    #[error("a node's address is http://HOST:PORT/PATH, or begins with https://")]
    Malformed,
    /// The program has no TLS.
    #[error("this program is built without the feature https; use a node's http:// address")]
    NoTls,
    /// The operating system refuses.
    #[error("the program cannot open connections")]
    System,
}

/// A node of L1.
pub struct Rpc {
    client: RpcClient,
    runtime: Runtime,
}

impl Rpc {
    /// The node at this address, which is not asked yet.
    ///
    /// # Errors
    /// [`UrlError`]
    pub fn new(url: &str, timeout: Duration) -> Result<Self, UrlError> {
        let url = parse_url(url)?;
        let http = reqwest::Client::builder().timeout(timeout).build().map_err(|_| UrlError::System)?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|_| UrlError::System)?;
        Ok(Self { client: RpcClient::new(Http::with_client(http, url), false), runtime })
    }

    /// Asks, and asks again if nothing comes back.
    fn ask<P: RpcSend + Clone, R: RpcRecv>(&self, method: &'static str, parameters: P) -> Result<R, L1Error> {
        for _ in 1..READS {
            match self.ask_once(method, parameters.clone()) {
                Err(L1Error::Unreachable { .. }) => {}
                answer => return answer,
            }
        }
        self.ask_once(method, parameters)
    }

    fn ask_once<P: RpcSend, R: RpcRecv>(&self, method: &'static str, parameters: P) -> Result<R, L1Error> {
        let request = self.client.request(Cow::Borrowed(method), parameters);
        self.runtime.block_on(request).map_err(|error| explain(method, error))
    }
}

/// The address of a node that this program can ask.
pub(crate) fn parse_url(url: &str) -> Result<Url, UrlError> {
    let url: Url = url.parse().map_err(|_| UrlError::Malformed)?;
    match url.scheme() {
        "http" => Ok(url),
        "https" if cfg!(feature = "https") => Ok(url),
        "https" => Err(UrlError::NoTls),
        _ => Err(UrlError::Malformed),
    }
}

/// The error without the node's address, which messages of the transport repeat.
fn explain(method: &'static str, error: TransportError) -> L1Error {
    let unreachable = |reason: String| L1Error::Unreachable { method, reason };
    match error {
        RpcError::ErrorResp(ErrorPayload { code, message, data }) => {
            let payload = ErrorPayload { code, message, data };
            if let Some(data) = payload.as_revert_data() {
                return L1Error::Reverted(Revert(data));
            }
            if payload.code == REVERTED {
                return L1Error::Reverted(Revert::default());
            }
            L1Error::Refused { method, code, message: short(&payload.message) }
        }
        RpcError::Transport(TransportErrorKind::HttpError(error)) => {
            unreachable(format!("HTTP status {}", error.status))
        }
        RpcError::Transport(TransportErrorKind::HttpErrorWithRetryAfter { error, .. }) => {
            unreachable(format!("HTTP status {}", error.status))
        }
        RpcError::Transport(TransportErrorKind::Custom(error) | TransportErrorKind::NonRetryable(error)) => {
            unreachable(of_transport(error.as_ref()))
        }
        RpcError::Transport(_) => unreachable("the connection ended".to_owned()),
        RpcError::NullResp => L1Error::Malformed { method, expected: "an answer", found: "null".to_owned() },
        RpcError::DeserError { text, .. } => {
            L1Error::Malformed { method, expected: "JSON of the method", found: short(&text) }
        }
        RpcError::UnsupportedFeature(_) | RpcError::LocalUsageError(_) | RpcError::SerError(_) => {
            unreachable("the request could not be made".to_owned())
        }
    }
}

fn of_transport(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref::<reqwest::Error>() {
        Some(error) => reason_of(error).to_owned(),
        None => "the connection ended".to_owned(),
    }
}

/// The reason without the node's address, which the error's own message repeats.
pub(crate) fn reason_of(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "it takes too long"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection ended"
    }
}

/// The beginning of a node's message, without what terminals obey.
fn short(message: &str) -> String {
    let message: String = message.chars().take(MAX_MESSAGE).collect();
    shown(&message).to_string()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RpcBlock {
    number: U64,
    hash: B256,
    timestamp: U64,
    base_fee_per_gas: Option<U256>,
    parent_beacon_block_root: Option<B256>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RpcReceipt {
    transaction_hash: B256,
    block_number: Option<U64>,
    block_hash: Option<B256>,
    status: Option<U64>,
    gas_used: U64,
    contract_address: Option<Address>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RpcLog {
    block_number: U64,
    transaction_hash: B256,
    topics: Vec<B256>,
    data: Bytes,
}

fn tag(at: At) -> Value {
    match at {
        At::Latest => json!("latest"),
        At::Finalized => json!("finalized"),
        At::Number(number) => json!(U64::from(number)),
    }
}

fn request(call: &Call) -> Value {
    let Call { from, to, value, input } = call;
    json!({ "from": from, "to": to, "value": value, "data": input })
}

impl L1 for Rpc {
    fn chain_id(&self) -> Result<u64, L1Error> {
        Ok(self.ask::<_, U64>("eth_chainId", ())?.to())
    }

    fn block(&self, at: At) -> Result<Option<Block>, L1Error> {
        let method = "eth_getBlockByNumber";
        let found: Option<RpcBlock> = match self.ask(method, (tag(at), false)) {
            // A young network has no final block, and nodes say so in words of their own.
            Err(L1Error::Refused { .. }) if at == At::Finalized => None,
            answer => answer?,
        };
        let Some(RpcBlock { number, hash, timestamp, base_fee_per_gas, .. }) = found else { return Ok(None) };
        let base_fee = base_fee_per_gas.unwrap_or_default();
        let malformed = |_| L1Error::Malformed {
            method,
            expected: "a base fee below 2^128",
            found: base_fee.to_string(),
        };
        let base_fee = base_fee.try_into().map_err(malformed)?;
        Ok(Some(Block { number: number.to(), hash, timestamp: timestamp.to(), base_fee }))
    }

    fn beacon_block(&self, number: u64) -> Result<Option<B256>, L1Error> {
        // The next block names the beacon block before it, which is the one that has this block.
        let next = At::Number(number.saturating_add(1));
        let found: Option<RpcBlock> = self.ask("eth_getBlockByNumber", (tag(next), false))?;
        let root = found.and_then(|block| block.parent_beacon_block_root);
        // Development nodes have zeros.
        Ok(root.filter(|root| !root.is_zero()))
    }

    fn blob_base_fee(&self) -> Result<Option<u128>, L1Error> {
        match self.ask::<_, U128>("eth_blobBaseFee", ()) {
            Err(L1Error::Refused { code: NO_METHOD, .. }) => Ok(None),
            answer => Ok(Some(answer?.to())),
        }
    }

    fn nonces(&self, account: Address) -> Result<Nonces, L1Error> {
        let count = |tag| Ok(self.ask::<_, U64>("eth_getTransactionCount", (account, tag))?.to());
        Ok(Nonces { latest: count("latest")?, pending: count("pending")? })
    }

    fn balance(&self, account: Address) -> Result<U256, L1Error> {
        self.ask("eth_getBalance", (account, "latest"))
    }

    fn receipt(&self, transaction: B256) -> Result<Option<Receipt>, L1Error> {
        let method = "eth_getTransactionReceipt";
        let found: Option<RpcReceipt> = self.ask(method, (transaction,))?;
        let Some(found) = found else { return Ok(None) };
        // Some nodes have receipts of transactions that wait.
        let (Some(block_number), Some(block_hash)) = (found.block_number, found.block_hash) else {
            return Ok(None);
        };
        if found.transaction_hash != transaction {
            let found = found.transaction_hash.to_string();
            return Err(L1Error::Malformed { method, expected: "the receipt that was asked for", found });
        }
        Ok(Some(Receipt {
            transaction,
            block_number: block_number.to(),
            block_hash,
            succeeded: found.status == Some(U64::from(1)),
            gas_used: found.gas_used.to(),
            created: found.contract_address,
        }))
    }

    fn send(&self, transaction: &[u8]) -> Result<(), L1Error> {
        let bytes = Bytes::copy_from_slice(transaction);
        self.ask_once::<_, B256>("eth_sendRawTransaction", (bytes,)).map(drop)
    }

    fn call(&self, call: &Call, at: At) -> Result<Bytes, L1Error> {
        self.ask("eth_call", (request(call), tag(at)))
    }

    fn estimate_gas(&self, call: &Call) -> Result<u64, L1Error> {
        Ok(self.ask::<_, U64>("eth_estimateGas", (request(call),))?.to())
    }

    fn events(
        &self,
        contract: Address,
        topics: &[B256],
        first: u64,
        last: u64,
    ) -> Result<Vec<Event>, L1Error> {
        let filter = json!({
            "address": contract,
            "topics": topics,
            "fromBlock": U64::from(first),
            "toBlock": U64::from(last),
        });
        let found: Vec<RpcLog> = self.ask("eth_getLogs", (filter,))?;
        let event = |log: RpcLog| Event {
            block_number: log.block_number.to(),
            transaction: log.transaction_hash,
            topics: log.topics,
            data: log.data,
        };
        Ok(found.into_iter().map(event).collect())
    }
}
