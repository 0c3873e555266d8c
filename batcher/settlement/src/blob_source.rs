//! Where blobs are found again: files, and beacon nodes, which keep them for about 18 days.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy_eips::eip4844::BYTES_PER_BLOB;
use alloy_primitives::{B256, Bytes};
use circuits_files::file::{self, FileError};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use url::Url;

use crate::{
    l1::{L1, L1Error},
    rpc::UrlError,
};

/// Bytes of the longest answer of a beacon node: the blobs of a block in hexadecimal, of which no network has more than 100.
const MAX_ANSWER: usize = 32 << 20;
/// The most blobs of one answer: no longest answer holds as many.
pub(crate) const MOST_CANDIDATES: usize = 128;
/// A node that says nothing for so long does not answer: blobs are megabytes.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// Where L1 settled a superblock, by which blobs its data goes, and what the contract says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    pub number: u32,
    pub block_number: u64,
    pub transaction: B256,
    pub stated: Stated,
    /// The versioned hashes of the transaction's blobs, in order.
    pub hashes: Vec<B256>,
}

/// What the contract's event has of a superblock's statement, as the contract has words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stated {
    pub new_state: B256,
    pub registry_root: B256,
    pub body_chain: B256,
    /// Deposits that superblocks have taken by then.
    pub queue_length: u32,
}

/// Why a source gives no blobs.
#[derive(Debug, Error)]
pub enum SourceError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    L1(#[from] L1Error),
    /// The beacon node gives no answer.
    #[error("the beacon node gives no blobs of block {block}: {reason}")]
    Unreachable { block: String, reason: String },
    /// Somebody answers for the beacon node who does not prove to be it.
    #[error("the certificate of the beacon node is not trusted: {reason}")]
    Untrusted { reason: &'static str },
    /// The answer is too long.
    #[error("the beacon node's answer about block {block} has more than {MAX_ANSWER} bytes")]
    TooLong { block: String },
    /// The answer has no blobs.
    #[error("the beacon node's answer about block {block} is no list of blobs")]
    Malformed { block: String },
}

/// Finds blobs. Whoever asks compares them with their hashes.
pub trait BlobSource {
    /// Blobs of a settlement, in any order, perhaps not all, and perhaps with others among them.
    ///
    /// # Errors
    /// [`SourceError`]
    fn blobs(&self, settlement: &Settlement) -> Result<Vec<Bytes>, SourceError>;
}

/// A directory in which each blob is a file, named by its versioned hash.
#[derive(Clone, Debug)]
pub struct BlobDirectory(PathBuf);

impl BlobDirectory {
    /// The directory at this path, which need not exist.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    fn file(&self, hash: B256) -> PathBuf {
        self.0.join(format!("{hash}.blob"))
    }

    /// The file with this blob's name, if it is there and has the size of a blob: what has another size is none, and is not read.
    fn read(&self, hash: B256) -> Result<Option<Vec<u8>>, FileError> {
        let path = self.file(hash);
        let found = match std::fs::metadata(&path) {
            Ok(metadata) if metadata.len() != BYTES_PER_BLOB as u64 => return Ok(None),
            Ok(_) => std::fs::read(&path),
            Err(source) => Err(source),
        };
        match found {
            Ok(found) => Ok(Some(found)),
            // Whatever else keeps a file from being read, it may be there.
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FileError::Io { path, action: "read it", source }),
        }
    }

    /// Keeps a blob under its hash, durably. The directory is made if it is missing, and a file that was spoilt is written again.
    ///
    /// # Errors
    /// [`SourceError::File`]
    pub fn keep(&self, hash: B256, blob: &[u8]) -> Result<(), SourceError> {
        let made = std::fs::create_dir_all(&self.0);
        made.map_err(|source| FileError::Io { path: self.0.clone(), action: "make it", source })?;
        if self.read(hash)?.as_deref() != Some(blob) {
            file::write_shared(&self.file(hash), blob)?;
        }
        Ok(())
    }
}

impl BlobSource for BlobDirectory {
    fn blobs(&self, settlement: &Settlement) -> Result<Vec<Bytes>, SourceError> {
        let found = settlement.hashes.iter().filter_map(|&hash| self.read(hash).transpose());
        Ok(found.map(|blob| blob.map(Bytes::from)).collect::<Result<_, _>>()?)
    }
}

/// A beacon node of L1, asked by its standard interface.
pub struct Beacon<'a> {
    l1: &'a dyn L1,
    url: Url,
    http: reqwest::Client,
    runtime: Runtime,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(deserialize_with = "candidates")]
    data: Vec<Bytes>,
}

/// Reads a list of blobs that is not too long: many empty ones would take more memory than the answer.
fn candidates<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Bytes>, D::Error> {
    struct Candidates;

    impl<'de> Visitor<'de> for Candidates {
        type Value = Vec<Bytes>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MOST_CANDIDATES} blobs")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut blobs: A) -> Result<Self::Value, A::Error> {
            let mut found = vec![];
            while let Some(blob) = blobs.next_element()? {
                if found.len() == MOST_CANDIDATES {
                    return Err(A::Error::invalid_length(found.len() + 1, &self));
                }
                found.push(blob);
            }
            Ok(found)
        }
    }

    deserializer.deserialize_seq(Candidates)
}

impl<'a> Beacon<'a> {
    /// The beacon node at this address, which is not asked yet; `l1` knows which of its blocks has which of L1's. It is asked
    /// directly, whatever proxies the environment names, and where it redirects to is not.
    ///
    /// # Errors
    /// [`UrlError`]
    pub fn new(l1: &'a dyn L1, url: &str, timeout: Duration) -> Result<Self, UrlError> {
        let (url, http) = (crate::rpc::parse_url(url)?, crate::rpc::client(timeout)?);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|_| UrlError::System)?;
        Ok(Self { l1, url, http, runtime })
    }

    /// The body of the node's answer, up to the limit.
    async fn get(&self, url: Url, block: &str) -> Result<Vec<u8>, SourceError> {
        let unreachable =
            |reason: &str| SourceError::Unreachable { block: block.to_owned(), reason: reason.to_owned() };
        let failed = |error: reqwest::Error| match crate::rpc::distrust(&error) {
            Some(reason) => SourceError::Untrusted { reason },
            None => unreachable(crate::rpc::reason_of(&error)),
        };
        let mut response = self.http.get(url).send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(unreachable(&format!("HTTP status {}", response.status().as_u16())));
        }
        let mut body = vec![];
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(SourceError::TooLong { block: block.to_owned() });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

impl BlobSource for Beacon<'_> {
    fn blobs(&self, settlement: &Settlement) -> Result<Vec<Bytes>, SourceError> {
        // The root names the block on every network; development nodes have no beacon chain, and go by L1's number.
        let block = match self.l1.beacon_block(settlement.block_number)? {
            Some(root) => root.to_string(),
            None => settlement.block_number.to_string(),
        };
        let mut url = self.url.clone();
        url.set_path(&format!("{}/eth/v1/beacon/blobs/{block}", url.path().trim_end_matches('/')));
        // All blobs of the block come: nodes differ in how they take a list of hashes.
        let body = self.runtime.block_on(self.get(url, &block))?;
        let answer: Result<Answer, _> = serde_json::from_slice(&body);
        answer.map(|answer| answer.data).map_err(|_| SourceError::Malformed { block })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_no_more_blobs_than_fit_it() {
        let answer = |count: usize| {
            let blobs = vec!["\"0x07\""; count].join(",");
            serde_json::from_str::<Answer>(&format!("{{\"data\":[{blobs}]}}")).map(|answer| answer.data.len())
        };
        assert_eq!(answer(0).expect("a list"), 0);
        assert_eq!(answer(MOST_CANDIDATES).expect("a list"), MOST_CANDIDATES);
        let error = answer(MOST_CANDIDATES + 1).expect_err("too long").to_string();
        assert!(error.starts_with("invalid length 129, expected at most 128 blobs"), "{error}");
    }
}
