//! The running lists that the bridge's steps move.

use circuits_core::{
    Builder, Digest, DigestTarget, F,
    hash::{Domain, chain, chain_circuit, hash, hash_circuit},
};
use circuits_protocol::statement::{Accumulators, empty_list};
use plonky2::{field::types::Field, iop::target::Target};

/// Domain of a block's element in the list of blocks with messages, and of that list.
const BLOCK_MESSAGES: Domain = Domain::new("blkmsgs");
/// Domain of the list of the indices of consumed messages.
const INDICES: Domain = Domain::new("indices");

circuits_core::layout! {
    /// The blocks whose messages were moved, where messages were consumed, and the balances that wait for a message.
    pub struct BridgeLists<T> {
        /// Digest of the blocks whose outbox and inbox were moved. At the end of a superblock it equals
        /// the digest of the blocks that have messages.
        pub applied: Digest<T>,
        /// Digest of the indices of the messages consumed.
        pub consumed: Digest<T>,
        /// Balances that were added and not moved yet. At the end of a superblock there are none.
        pub unused_balances: T,
    }
}

impl<T: Copy> BridgeLists<T> {
    /// The lists among a superblock's accumulators.
    pub fn of(accumulators: &Accumulators<T>) -> Self {
        let &Accumulators { applied, consumed, unused_balances, .. } = accumulators;
        Self { applied, consumed, unused_balances }
    }

    /// Writes the lists back to the accumulators.
    pub fn store(self, accumulators: &mut Accumulators<T>) {
        let Self { applied, consumed, unused_balances } = self;
        *accumulators = Accumulators { applied, consumed, unused_balances, ..*accumulators };
    }
}

impl BridgeLists {
    /// The lists at the start of a superblock.
    #[must_use]
    pub fn start() -> Self {
        let empty = empty_list();
        Self { applied: empty, consumed: empty, unused_balances: F::ZERO }
    }

    /// Adds a block whose messages were moved.
    pub(crate) fn append_block(&mut self, element: Digest) {
        self.applied = append_block_messages(self.applied, element);
    }
}

/// `H(BLOCK_MESSAGES, environment, outbox, inbox)`: the element of a block that emits or consumes.
#[must_use]
pub fn block_messages(environment: F, outbox: Digest, inbox: Digest) -> Digest {
    hash(BLOCK_MESSAGES, &[&[environment], outbox.0.as_slice(), inbox.0.as_slice()].concat())
}

/// In-circuit twin of [`block_messages`].
pub fn block_messages_circuit(
    builder: &mut Builder,
    environment: Target,
    outbox: DigestTarget,
    inbox: DigestTarget,
) -> DigestTarget {
    hash_circuit(builder, BLOCK_MESSAGES, &[&[environment], outbox.0.as_slice(), inbox.0.as_slice()].concat())
}

/// The digest of blocks with messages, after one more.
#[must_use]
pub fn append_block_messages(list: Digest, element: Digest) -> Digest {
    chain(BLOCK_MESSAGES, list, element)
}

/// In-circuit twin of [`append_block_messages`].
pub fn append_block_messages_circuit(
    builder: &mut Builder,
    list: DigestTarget,
    element: DigestTarget,
) -> DigestTarget {
    chain_circuit(builder, BLOCK_MESSAGES, list, element)
}

/// `H(INDICES, list, index)`: the digest of the indices of consumed messages, after one more.
#[must_use]
pub fn append_index(list: Digest, index: F) -> Digest {
    hash(INDICES, &[list.0.as_slice(), &[index]].concat())
}

/// In-circuit twin of [`append_index`]. One row.
pub fn append_index_circuit(builder: &mut Builder, list: DigestTarget, index: Target) -> DigestTarget {
    hash_circuit(builder, INDICES, &[list.0.as_slice(), &[index]].concat())
}

/// The digest of the indices of all messages that a superblock consumes.
#[must_use]
pub fn indices_digest(indices: &[u32]) -> Digest {
    indices.iter().fold(empty_list(), |list, &index| append_index(list, F::from_canonical_u32(index)))
}
