//! L1 as a node tells it, over JSON-RPC.

use std::{
    borrow::Cow,
    error::Error,
    io,
    sync::{
        Once,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use alloy_json_rpc::ErrorPayload;
use alloy_primitives::{Address, B256, Bytes, U64, U128, U256};
use circuits_files::text::shown;
use reqwest::{Client, StatusCode, header::CONTENT_TYPE, redirect};
use rustls::CertificateError;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use url::Url;

use crate::{
    history::LIMIT_EXCEEDED,
    l1::{At, Block, Call, Event, L1, L1Error, Nonces, Receipt, begins_with},
    reason::Revert,
};

/// A node that says nothing for so long does not answer.
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// So often is a question asked that changes nothing.
const READS: usize = 3;
/// Bytes of the longest answer that is read. The largest block that gas allows has less in its events.
const MAX_ANSWER: usize = 16 << 20;
/// The code of calls that revert, in nodes that have one.
const REVERTED: i64 = 3;
/// The code of nodes that know no such method.
const NO_METHOD: i64 = -32601;
/// The code of nodes, and the HTTP status of balancers, that are asked too often.
const TOO_OFTEN: i64 = 429;
/// How long such a node is left alone.
const PAUSE: Duration = Duration::from_secs(1);
/// Characters of a node's message that are repeated.
const MAX_MESSAGE: usize = 500;

/// A node's address is not used. It is not repeated, because it may hold the key of an account there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UrlError {
    /// It is no address.
    #[error("a node's address is http://HOST:PORT/PATH, or begins with https://")]
    Malformed,
    /// The operating system refuses.
    #[error("the program cannot open connections")]
    System,
}

/// A node of L1.
pub struct Rpc {
    http: Client,
    url: Url,
    runtime: Runtime,
    /// The number of the next question, which its answer repeats.
    next: AtomicU64,
    /// Once it is set, nothing more is asked.
    stop: Option<&'static AtomicBool>,
}

/// What a node answers. Values stay text until it is known of which type they are: a value of any type can take many times the memory of
/// its text.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<ErrorPayload>,
}

impl Rpc {
    /// The node at this address, which is not asked yet.
    ///
    /// # Errors
    /// [`UrlError`]
    pub fn new(url: &str, timeout: Duration) -> Result<Self, UrlError> {
        let (url, http) = (parse_url(url)?, client(timeout)?);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|_| UrlError::System)?;
        Ok(Self { http, url, runtime, next: AtomicU64::new(1), stop: None })
    }

    /// Asks nothing more once `stop` is set: a search of events asks many times.
    #[must_use]
    pub fn with_stop(self, stop: &'static AtomicBool) -> Self {
        Self { stop: Some(stop), ..self }
    }

    /// Asks, and asks again if nothing comes back, or after a pause if the node is asked too often.
    fn ask<R: DeserializeOwned>(
        &self,
        method: &'static str,
        parameters: impl Serialize + Copy,
    ) -> Result<R, L1Error> {
        for _ in 1..READS {
            match self.ask_once(method, parameters) {
                Err(L1Error::Unreachable { .. }) => {}
                Err(L1Error::Refused { code: TOO_OFTEN, .. }) => thread::sleep(PAUSE),
                answer => return answer,
            }
        }
        self.ask_once(method, parameters)
    }

    fn ask_once<R: DeserializeOwned>(
        &self,
        method: &'static str,
        parameters: impl Serialize,
    ) -> Result<R, L1Error> {
        if self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Err(L1Error::Stopped);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let question = json!({ "jsonrpc": "2.0", "id": number, "method": method, "params": parameters });
        let (status, body) = self.runtime.block_on(self.post(method, question.to_string()))?;
        let malformed = |expected, found: &str| L1Error::Malformed { method, expected, found: short(found) };
        let told = || format!("HTTP status {}", status.as_u16());
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(L1Error::Refused { method, code: TOO_OFTEN, message: told() });
        }
        let answer: Answer<'_> = match serde_json::from_slice(&body) {
            // Nodes refuse with a status of their own as well; without a reason there is nothing to learn from the body.
            Ok(Answer { error: None, .. }) | Err(_) if !status.is_success() => {
                return Err(L1Error::Unreachable { method, reason: told() });
            }
            Ok(answer) => answer,
            Err(_) => return Err(malformed("an answer of JSON-RPC", &beginning(&body))),
        };
        if let Some(error) = answer.error {
            return Err(refusal(method, error));
        }
        if answer.id.get() != number.to_string() {
            return Err(malformed("the number of the question", answer.id.get()));
        }
        let result = answer.result.map_or("null", RawValue::get);
        serde_json::from_str(result).map_err(|_| malformed("JSON of the method", result))
    }

    /// Posts a question. Returns the answer's status and body.
    async fn post(&self, method: &'static str, question: String) -> Result<(StatusCode, Vec<u8>), L1Error> {
        let gone = |error| match distrust(&error) {
            Some(reason) => L1Error::Untrusted { reason },
            None => L1Error::Unreachable { method, reason: reason_of(&error).to_owned() },
        };
        let request =
            self.http.post(self.url.clone()).header(CONTENT_TYPE, "application/json").body(question);
        let mut response = request.send().await.map_err(gone)?;
        let status = response.status();
        let mut body = vec![];
        while let Some(piece) = response.chunk().await.map_err(gone)? {
            if body.len() + piece.len() > MAX_ANSWER {
                return Err(L1Error::Oversized { method, limit: MAX_ANSWER });
            }
            body.extend_from_slice(&piece);
        }
        Ok((status, body))
    }
}

/// The address of a node.
pub(crate) fn parse_url(url: &str) -> Result<Url, UrlError> {
    let url: Url = url.parse().map_err(|_| UrlError::Malformed)?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(UrlError::Malformed) }
}

/// What asks nodes: directly, whatever proxies the environment names, and never where a node redirects to.
pub(crate) fn client(timeout: Duration) -> Result<Client, UrlError> {
    choose_cryptography();
    let client = Client::builder().timeout(timeout).redirect(redirect::Policy::none()).no_proxy();
    client.build().map_err(|_| UrlError::System)
}

/// Lets TLS use ring, unless the program has chosen something else.
fn choose_cryptography() {
    static CHOICE: Once = Once::new();
    // An error means that there is one already.
    CHOICE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

fn refusal(method: &'static str, error: ErrorPayload) -> L1Error {
    match error.as_revert_data() {
        Some(data) => L1Error::Reverted(Revert(data)),
        None if error.code == REVERTED => L1Error::Reverted(Revert::default()),
        None => L1Error::Refused { method, code: error.code, message: short(&error.message) },
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

/// Why the other side's certificate is not trusted, if that is what is wrong. The reason has no name of a host.
pub(crate) fn distrust(error: &reqwest::Error) -> Option<&'static str> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(error)) = error.downcast_ref() {
            return Some(match error {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    "it is that of another host"
                }
                _ => "nobody whom the system trusts vouches for it",
            });
        }
        // What such an error holds is not its source.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}

/// What may be repeated of bytes that are no answer, and no more: text takes more memory than bytes that are none.
fn beginning(body: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(&body[..body.len().min(MAX_MESSAGE * size_of::<char>())])
}

/// The beginning of a node's message, without what terminals obey.
pub(crate) fn short(message: &str) -> String {
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

/// What a receipt says that the transaction did.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RpcLogs {
    transaction_hash: B256,
    block_number: Option<U64>,
    logs: Vec<RpcLog>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RpcLog {
    address: Address,
    #[serde(default)]
    removed: bool,
    block_number: U64,
    transaction_hash: B256,
    topics: Vec<B256>,
    data: Bytes,
}

impl RpcLog {
    fn into_event(self) -> Event {
        let Self { block_number, transaction_hash: transaction, topics, data, .. } = self;
        Event { block_number: block_number.to(), transaction, topics, data }
    }
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
        Ok(self.ask::<U64>("eth_chainId", ())?.to())
    }

    fn block(&self, at: At) -> Result<Option<Block>, L1Error> {
        let method = "eth_getBlockByNumber";
        let found: Option<RpcBlock> = match self.ask(method, (&tag(at), false)) {
            // A young network has no final block, and nodes say so in words of their own.
            Err(L1Error::Refused { code, .. })
                if at == At::Finalized && ![TOO_OFTEN, LIMIT_EXCEEDED].contains(&code) =>
            {
                None
            }
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
        let found: Option<RpcBlock> = self.ask("eth_getBlockByNumber", (&tag(next), false))?;
        let root = found.and_then(|block| block.parent_beacon_block_root);
        // Development nodes have zeros.
        Ok(root.filter(|root| !root.is_zero()))
    }

    fn blob_base_fee(&self) -> Result<Option<u128>, L1Error> {
        match self.ask::<U128>("eth_blobBaseFee", ()) {
            Err(L1Error::Refused { code: NO_METHOD, .. }) => Ok(None),
            answer => Ok(Some(answer?.to())),
        }
    }

    fn nonces(&self, account: Address) -> Result<Nonces, L1Error> {
        let count = |tag| Ok(self.ask::<U64>("eth_getTransactionCount", (account, tag))?.to());
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

    fn events_of(&self, contract: Address, transaction: B256) -> Result<Option<Vec<Event>>, L1Error> {
        let method = "eth_getTransactionReceipt";
        let found: Option<RpcLogs> = self.ask(method, (transaction,))?;
        let Some(RpcLogs { transaction_hash, block_number: Some(_), logs }) = found else { return Ok(None) };
        if transaction_hash != transaction || logs.iter().any(|log| log.transaction_hash != transaction) {
            let found = transaction_hash.to_string();
            return Err(L1Error::Malformed { method, expected: "the receipt that was asked for", found });
        }
        let logs = logs.into_iter().filter(|log| log.address == contract);
        Ok(Some(logs.map(RpcLog::into_event).collect()))
    }

    fn send(&self, transaction: &[u8]) -> Result<(), L1Error> {
        let bytes = Bytes::copy_from_slice(transaction);
        self.ask_once::<B256>("eth_sendRawTransaction", (bytes,)).map(drop)
    }

    fn call(&self, call: &Call, at: At) -> Result<Bytes, L1Error> {
        self.ask("eth_call", (&request(call), &tag(at)))
    }

    fn estimate_gas(&self, call: &Call) -> Result<u64, L1Error> {
        Ok(self.ask::<U64>("eth_estimateGas", (&request(call),))?.to())
    }

    fn events(
        &self,
        contract: Address,
        topics: &[Option<B256>],
        first: u64,
        last: u64,
    ) -> Result<Vec<Event>, L1Error> {
        let filter = json!({
            "address": contract,
            "topics": topics,
            "fromBlock": U64::from(first),
            "toBlock": U64::from(last),
        });
        let method = "eth_getLogs";
        let found: Vec<RpcLog> = self.ask(method, (&filter,))?;
        let event = |log: RpcLog| {
            let is_asked = log.address == contract && begins_with(&log.topics, topics) && !log.removed;
            if !is_asked || !(first..=last).contains(&log.block_number.to()) {
                let found = format!("one of contract {} in block {}", log.address, log.block_number);
                return Err(L1Error::Malformed { method, expected: "events that were asked for", found });
            }
            Ok(log.into_event())
        };
        found.into_iter().map(event).collect()
    }
}
