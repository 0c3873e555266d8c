//! Records: what a block publishes of each transaction, and the list of them that its transactions extend.

use circuits_core::{
    Builder, Digest, DigestTarget,
    hash::{Domain, chain, chain_circuit, hash, hash_circuit},
    layout::Layout,
};
use plonky2::iop::target::Target;

use crate::transaction::statement::{MAX_INPUTS, MAX_OUTPUTS};

/// Domain of one transaction's record.
pub const RECORD: Domain = Domain::new("n-recrd");
/// Domain of the list of records.
pub const RECORDS: Domain = Domain::new("n-recds");

circuits_core::layout! {
    /// What one transaction changes in the public state. Notes that were created and consumed within one batch are in
    /// no record.
    pub struct Record<T> {
        /// Id of the account.
        pub account: Digest<T>,
        /// Hash of the account after.
        pub after: Digest<T>,
        /// Nullifiers of the notes consumed; zero for none.
        pub nullifiers: [Digest<T>; MAX_INPUTS],
        /// Commitments of the notes created; zero for none.
        pub notes: [Digest<T>; MAX_OUTPUTS],
        /// The fee.
        pub fee: T,
        /// 1 if the account is a network account, which the body publishes as the transaction leaves it; else 0.
        pub network: T,
    }
}

/// The digest of an empty list of records.
#[must_use]
pub fn no_records() -> Digest {
    hash(RECORDS, &[])
}

/// The list of records with one more.
#[must_use]
pub fn add_record(records: Digest, record: &Record) -> Digest {
    chain(RECORDS, records, hash(RECORD, &record.encode()))
}

/// In-circuit twin of [`add_record`].
pub fn add_record_circuit(
    builder: &mut Builder,
    records: DigestTarget,
    record: &Record<Target>,
) -> DigestTarget {
    let record = hash_circuit(builder, RECORD, &record.encode());
    chain_circuit(builder, RECORDS, records, record)
}
