//! Published block data, which rebuilds the public state from the one before.

use circuits_core::{
    Builder, Digest, DigestTarget, F,
    hash::{Domain, hash, hash_circuit},
    layout::{self, Layout, LayoutError},
};
use plonky2::{
    field::types::{Field, PrimeField64},
    iop::target::Target,
};
use thiserror::Error;

use crate::{
    account::{Account, PUBLISHED_BYTES, PublishedError},
    arrival::{MAX_ARRIVALS, arrivals_list},
    block::MAX_TRANSACTIONS,
    record::{Record, add_record, no_records},
};

/// Domain of a block's body.
pub const BODY: Domain = Domain::new("n-body");

/// The data of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// Commitments of the notes that messages became, in the order of the inbox.
    pub arrivals: Vec<Digest>,
    /// What each transaction changes, in order.
    pub records: Vec<Record>,
    /// The network accounts as the transactions leave them, one for each record that says so. Without them only those who
    /// made a transaction of such an account would know how the next one starts.
    pub accounts: Vec<Account>,
}

/// Why bytes are not a body.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BodyError {
    /// The body is too short for its header.
    #[error("a body has at least {HEADER_BYTES} bytes, found {0}")]
    Header(usize),
    /// The counts in the header do not match the length.
    #[error("the body's header announces {expected} bytes, found {found}")]
    Length {
        /// Bytes that the header announces, itself included.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// No block takes in this many messages.
    #[error("a body has at most {MAX_ARRIVALS} arrivals, found {found}")]
    Arrivals {
        /// Arrivals found.
        found: u64,
    },
    /// No block has this many transactions.
    #[error("a body has at most {MAX_TRANSACTIONS} records, found {found}")]
    Count {
        /// Records found.
        found: u64,
    },
    /// An arrival is zero, which no note's commitment is.
    #[error("arrival {index} of the body is empty")]
    EmptyArrival {
        /// Its position.
        index: usize,
    },
    /// An arrival is not in the canonical encoding.
    #[error("arrival {index} of the body is malformed")]
    Arrival {
        /// Its position.
        index: usize,
        /// Why.
        #[source]
        source: LayoutError,
    },
    /// A record is not in the canonical encoding.
    #[error("record {index} of the body is malformed")]
    Record {
        /// Its position.
        index: usize,
        /// Why.
        #[source]
        source: LayoutError,
    },
    /// A record does not say whether its account is a network account.
    #[error("record {index} of the body says {found} about its account, not 0 or 1")]
    Flag {
        /// Its position.
        index: usize,
        /// What it says.
        found: u64,
    },
    /// A network account is not in the canonical encoding.
    #[error("the account of record {index} of the body is malformed")]
    Account {
        /// The record's position.
        index: usize,
        /// Why.
        #[source]
        source: PublishedError,
    },
    /// A network account is not the one that its record leaves.
    #[error(
        "record {index} of the body leaves an account with hash {expected}, but the one published has {found}"
    )]
    OtherAccount {
        /// The record's position.
        index: usize,
        /// The hash in the record.
        expected: Digest,
        /// The hash of the account.
        found: Digest,
    },
}

/// Bytes before the first arrival: two numbers.
pub const HEADER_BYTES: usize = 16;
/// Bytes of one arrival.
pub const ARRIVAL_BYTES: usize = 8 * <Digest as Layout<F>>::LEN;
/// Bytes of one record.
pub const RECORD_BYTES: usize = 8 * <Record as Layout<F>>::LEN;

impl Body {
    /// The canonical encoding: the numbers of arrivals and of records as 8 little-endian bytes each, then the
    /// arrivals, then the records, then the network accounts.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let counts = [self.arrivals.len(), self.records.len()].map(|count| (count as u64).to_le_bytes());
        let arrivals = self.arrivals.iter().flat_map(layout::to_bytes);
        let records = self.records.iter().flat_map(layout::to_bytes);
        let accounts = self.accounts.iter().flat_map(Account::to_published);
        counts.into_iter().flatten().chain(arrivals).chain(records).chain(accounts).collect()
    }

    /// Reads the canonical encoding.
    ///
    /// # Errors
    /// [`BodyError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, BodyError> {
        let found = bytes.len();
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(BodyError::Header(found));
        };
        let [arrivals, records] = [0, 8].map(|start| {
            header[start..start + 8].iter().rev().fold(0, |count, &byte| count << 8 | u64::from(byte))
        });
        if arrivals > MAX_ARRIVALS as u64 {
            return Err(BodyError::Arrivals { found: arrivals });
        }
        if records > MAX_TRANSACTIONS as u64 {
            return Err(BodyError::Count { found: records });
        }
        let split = arrivals as usize * ARRIVAL_BYTES;
        let end = split + records as usize * RECORD_BYTES;
        if rest.len() < end {
            return Err(BodyError::Length { expected: HEADER_BYTES + end, found });
        }
        let (rest, accounts) = rest.split_at(end);
        let (arrivals, records) = rest.split_at(split);
        let arrivals = arrivals.chunks_exact(ARRIVAL_BYTES).enumerate();
        let arrivals = arrivals.map(|(index, bytes)| {
            // A zero would have the digest of a body without it.
            let note = layout::from_bytes(bytes).map_err(|source| BodyError::Arrival { index, source })?;
            if note == Digest::ZERO { Err(BodyError::EmptyArrival { index }) } else { Ok(note) }
        });
        let arrivals = arrivals.collect::<Result<_, _>>()?;
        let records = records.chunks_exact(RECORD_BYTES).enumerate().map(|(index, bytes)| {
            layout::from_bytes(bytes).map_err(|source| BodyError::Record { index, source })
        });
        let records = records.collect::<Result<Vec<Record>, _>>()?;
        let mut leaving = vec![];
        for (index, record) in records.iter().enumerate() {
            match record.network.to_canonical_u64() {
                0 => {}
                1 => leaving.push((index, record)),
                found => return Err(BodyError::Flag { index, found }),
            }
        }
        let expected = HEADER_BYTES + end + leaving.len() * PUBLISHED_BYTES;
        if found != expected {
            return Err(BodyError::Length { expected, found });
        }
        let accounts = leaving.into_iter().zip(accounts.chunks_exact(PUBLISHED_BYTES));
        let accounts = accounts.map(|((index, record), bytes)| {
            let account = Account::from_published(record.account, bytes)
                .map_err(|source| BodyError::Account { index, source })?;
            let (expected, found) = (record.after, account.hash());
            if found == expected {
                Ok(account)
            } else {
                Err(BodyError::OtherAccount { index, expected, found })
            }
        });
        let accounts = accounts.collect::<Result<_, _>>()?;
        Ok(Self { arrivals, records, accounts })
    }

    /// The digest in the block statement. Records bind the accounts: they say of which there is one, and what its hash is.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let records = self.records.iter().fold(no_records(), add_record);
        body_digest(records, self.records.len() as u64, arrivals_list(&self.arrivals))
    }
}

/// The digest of a body covers the list of records, their number, and the [list](arrivals_list) of arrivals.
#[must_use]
pub fn body_digest(records: Digest, count: u64, arrivals: Digest) -> Digest {
    hash(BODY, &[records.0.as_slice(), &[F::from_canonical_u64(count)], &arrivals.0].concat())
}

/// In-circuit twin of [`body_digest`].
pub fn body_digest_circuit(
    builder: &mut Builder,
    records: DigestTarget,
    count: Target,
    arrivals: DigestTarget,
) -> DigestTarget {
    hash_circuit(builder, BODY, &[records.0.as_slice(), &[count], &arrivals.0].concat())
}
