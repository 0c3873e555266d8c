//! Proofs of lists: the STARK's prover, its native verifier, and the circuit that verifies it. What is listed, and in which
//! table it is proved, is a [`Batch`].

mod circuit;
mod error;
mod prove;
mod recursion;
mod security;
mod stock;
mod transcript;
mod verify;

use std::{error::Error, fmt::Debug};

use circuits_core::{
    digest::{Digest, DigestTarget},
    layout::Layout,
    recursion::Shape,
};
use circuits_prover::basetypes::{Builder, C, D, F};
use plonky2::{
    field::types::Field,
    fri::{FriConfig, reduction_strategies::FriReductionStrategy},
    iop::target::Target,
};
use starky::{config::StarkConfig, proof::StarkProof};

pub use circuit::{BatchCircuit, BatchInput, BatchTargets};
pub use error::BatchError;
pub use prove::{prove, prove_trace, prove_with_nonce};
pub use security::security;
pub use stock::prove_trace_with_starky;
pub use verify::verify_batch;

use crate::table::Table;

/// A STARK proof of a batch. It carries no list: the verifier has it.
pub type BatchProof = StarkProof<F, C, D>;

/// The number of challenges of each argument. With two, the lookups would have fewer than 100 bits of security.
const NUM_CHALLENGES: usize = 3;

/// What a batch lists and how it is proved: implemented by the sizes of a table.
pub trait Batch: Copy + Debug + Eq + Send + Sync + 'static {
    /// The table. It shows the encoding of each item of the list, with the item's index before it, in its listed sum.
    type Table: Table;
    /// What is listed.
    type Item<T: Copy + Debug + Send + Sync>: Layout<T> + Copy + Debug + Send + Sync;
    /// What a proof states: that the table proves every item of a list, given by its digest and its length.
    type Statement<T: Copy>: Layout<T>;
    /// What shows that an item holds.
    type Evidence;
    /// Why an item does not hold.
    type Error: Error + Clone + Eq + Send + Sync + 'static;

    /// What the circuits' names start with.
    const NAME: &'static str;
    /// What the STARKs' names start with.
    const STARK_NAME: &'static str;
    /// What an item is called, for messages.
    const ITEM: &'static str;
    /// All sizes, ascending.
    const ALL: &'static [Self];

    /// The logarithm of the number of rows.
    fn degree_bits(self) -> usize;

    /// The number of items of a full table.
    fn capacity(self) -> usize;

    /// The configuration of the table's proofs.
    fn config(self) -> StarkConfig;

    /// The shape of the circuits of all sizes.
    fn shape() -> &'static Shape;

    /// The statement about a list.
    fn statement(items: &[Self::Item<F>]) -> Self::Statement<F>;

    /// The statement from its parts, in-circuit.
    fn statement_circuit(list: DigestTarget, count: Target) -> Self::Statement<Target>;

    /// The digest of the empty list.
    fn empty_list() -> Digest;

    /// The digest of `list` with one more item, in-circuit.
    fn append_circuit(builder: &mut Builder, list: DigestTarget, item: &Self::Item<Target>) -> DigestTarget;

    /// The item that the evidence shows.
    fn item(evidence: &Self::Evidence) -> Self::Item<F>;

    /// Checks the evidence of a list.
    ///
    /// # Errors
    /// The index of an item that does not hold, and why.
    fn check(evidence: &[Self::Evidence]) -> Result<(), (usize, Self::Error)>;

    /// The trace of a list that fits the table, column by column, without judging it.
    fn columns(self, evidence: &[Self::Evidence]) -> Vec<Vec<F>>;

    /// [`work::prove`] for this batch.
    ///
    /// # Errors
    /// As [`work::prove`].
    fn prove_columns(
        self,
        columns: Vec<Vec<F>>,
        items: &[Self::Item<F>],
        nonce: Option<F>,
    ) -> Result<BatchProof, BatchError<Self>>;

    /// [`work::prove_with_starky`] for this batch.
    ///
    /// # Errors
    /// As [`work::prove_with_starky`].
    fn prove_columns_with_starky(
        self,
        columns: Vec<Vec<F>>,
        items: &[Self::Item<F>],
    ) -> Result<BatchProof, String>;

    /// [`work::verify`] for this batch.
    ///
    /// # Errors
    /// As [`work::verify`].
    fn verify(self, items: &[Self::Item<F>], proof: &BatchProof) -> Result<(), BatchError<Self>>;

    /// [`work::define`] for this batch.
    fn define(self, builder: &mut Builder) -> (Self::Statement<Target>, BatchTargets<Self>);

    /// The smallest size that holds `count` items.
    #[must_use]
    fn fitting(count: usize) -> Option<Self> {
        Self::ALL.iter().copied().find(|size| count <= size.capacity())
    }
}

/// What takes time, for any batch. Generic functions are compiled where they are called, and their callers may be compiled
/// without optimisation: so each batch has them as methods, which [`batch_work!`](crate::batch_work) writes.
pub mod work {
    pub use super::{
        circuit::define, prove::prove_columns as prove, stock::prove_columns as prove_with_starky,
        verify::verify_items as verify,
    };
}

/// The methods of a [`Batch`] that are [`work`], to be compiled in the crate that implements it.
#[macro_export]
macro_rules! batch_work {
    () => {
        fn prove_columns(
            self,
            columns: Vec<Vec<F>>,
            items: &[Self::Item<F>],
            nonce: Option<F>,
        ) -> Result<$crate::batch::BatchProof, $crate::batch::BatchError<Self>> {
            $crate::batch::work::prove(self, columns, items, nonce)
        }

        fn prove_columns_with_starky(
            self,
            columns: Vec<Vec<F>>,
            items: &[Self::Item<F>],
        ) -> Result<$crate::batch::BatchProof, String> {
            $crate::batch::work::prove_with_starky(self, columns, items)
        }

        fn verify(
            self,
            items: &[Self::Item<F>],
            proof: &$crate::batch::BatchProof,
        ) -> Result<(), $crate::batch::BatchError<Self>> {
            $crate::batch::work::verify(self, items, proof)
        }

        fn define(
            self,
            builder: &mut Builder,
        ) -> (Self::Statement<Target>, $crate::batch::BatchTargets<Self>) {
            $crate::batch::work::define(self, builder)
        }
    };
}

/// What the list has in the table's listed sum for one item.
#[must_use]
pub fn tuple<B: Batch>(index: usize, item: &B::Item<F>) -> Vec<F> {
    [vec![F::from_canonical_usize(index)], item.encode()].concat()
}

/// The configuration of a table's proofs with this rate, as a negative logarithm, this number of queries, and so many bits of
/// grinding before them.
pub(crate) fn stark_config(
    rate_bits: usize,
    num_query_rounds: usize,
    proof_of_work_bits: u32,
) -> StarkConfig {
    let fri_config = FriConfig {
        rate_bits,
        cap_height: 4,
        proof_of_work_bits,
        reduction_strategy: FriReductionStrategy::ConstantArityBits(4, 7),
        num_query_rounds,
    };
    StarkConfig::new(100, NUM_CHALLENGES, fri_config)
}

/// The elements that distinguish the transcripts of this table and size from all others.
fn parameters<B: Batch>(size: B) -> [F; 7] {
    let StarkConfig { security_bits, num_challenges, fri_config } = size.config();
    [
        B::Table::COLUMNS,
        size.degree_bits(),
        security_bits,
        num_challenges,
        fri_config.rate_bits,
        fri_config.cap_height,
        fri_config.num_query_rounds,
    ]
    .map(F::from_canonical_usize)
}
