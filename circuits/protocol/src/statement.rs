//! The statements that proofs make to each other and to L1. Each is one struct with one order of its fields.

use circuits_core::{
    Builder, DigestTarget, F,
    digest::Digest,
    hash::{Domain, hash, hash_circuit},
    layout::Layout,
};
use circuits_tables::keccak::DIGEST_WORDS;
use plonky2::{field::types::Field, iop::target::Target};

/// The domain of a block's element of the body chain.
pub const BODY_ELEMENT: Domain = Domain::new("body-el");
/// The domain of the steps of the body chain.
pub const BODY_CHAIN: Domain = Domain::new("body-ch");
/// The domain of message lists (outbox and inbox).
pub const MESSAGE_LIST: Domain = Domain::new("msglist");
/// The domain of the body of a block of environment 0.
const L1_BODY: Domain = Domain::new("l1-body");
/// The domain of a statement's own digest.
pub const STATEMENT: Domain = Domain::new("stmt");

circuits_core::layout! {
    /// What every kernel exposes, in one layout for all environments: "blocks `first_height..=last_height` of this
    /// environment lead from `previous_state` to `new_state`".
    pub struct BlockStatement<T> {
        /// The environment's id.
        pub environment: T,
        /// Height of the first block covered; 1 is the first after genesis.
        pub first_height: T,
        /// Height of the last block covered.
        pub last_height: T,
        /// State commitment before.
        pub previous_state: Digest<T>,
        /// State commitment after.
        pub new_state: Digest<T>,
        /// Digest of the ordered list of message hashes emitted.
        pub outbox: Digest<T>,
        /// Digest of the ordered list of (message hash, claim or refund) consumed.
        pub inbox: Digest<T>,
        /// Digest of the published block data.
        pub body: Digest<T>,
        /// The producer's commitment. The kernel proves that the prover knows its preimage.
        pub producer: Digest<T>,
    }
}

circuits_core::layout! {
    /// The body of a block of environment 0, which is L1: what the contract compares with its queue of deposits, and pays.
    /// A superblock's statement carries it as it is, because a contract cannot afford to open its Poseidon digest. Words of
    /// Keccak-256 digests are big-endian.
    pub struct L1Body<T> {
        /// The running Keccak-256 digest of all deposits taken from L1's queue, this block's included.
        pub queue_digest: [T; DIGEST_WORDS],
        /// How many deposits these are.
        pub queue_length: T,
        /// The running Keccak-256 digest of this block's payouts.
        pub payouts_digest: [T; DIGEST_WORDS],
        /// The index of the first of them among all payouts of the deployment.
        pub first_payout: T,
        /// How many payouts the block makes.
        pub payout_count: T,
    }
}

impl L1Body {
    /// Stands in a statement for the body of a block that there is not.
    pub const ZERO: Self = Self {
        queue_digest: [F::ZERO; DIGEST_WORDS],
        queue_length: F::ZERO,
        payouts_digest: [F::ZERO; DIGEST_WORDS],
        first_payout: F::ZERO,
        payout_count: F::ZERO,
    };
}

/// `H(L1_BODY, fields)`: the body in the statement of a block of environment 0.
#[must_use]
pub fn l1_body_digest(body: &L1Body) -> Digest {
    hash(L1_BODY, &body.encode())
}

/// In-circuit twin of [`l1_body_digest`]. Three rows.
pub fn l1_body_digest_circuit(builder: &mut Builder, body: &L1Body<Target>) -> DigestTarget {
    hash_circuit(builder, L1_BODY, &body.encode())
}

circuits_core::layout! {
    /// The commitments that a superblock moves forward.
    pub struct SuperblockRoots<T> {
        /// Root of the tree of environments, by id.
        pub environments_root: Digest<T>,
        /// Root of the tree of messages, by index.
        pub messages_root: Digest<T>,
        /// Messages emitted so far.
        pub message_count: T,
        /// Root of the tree of balances, by (environment, asset).
        pub balances_root: Digest<T>,
        /// The slot that the next balance takes. Balances take slots in the order in which messages first move them.
        pub balance_count: T,
    }
}

circuits_core::layout! {
    /// Digests and counts that run through a superblock, so that their values do not depend on the shape of the proof tree.
    pub struct Accumulators<T> {
        /// Digest of the blocks applied, in order.
        pub body_chain: Digest<T>,
        /// Body of the block of environment 0, which is the last one; zero as long as there is none.
        pub l1_body: Digest<T>,
        /// Block statements applied.
        pub block_count: T,
        /// Digest of the blocks that emit or consume, in order.
        pub block_messages: Digest<T>,
        /// Digest of the blocks whose messages were moved, in order. A superblock ends where both are equal.
        pub applied: Digest<T>,
        /// Digest of the indices of the messages consumed, in order. A dishonest kernel can emit one message twice, and
        /// only an index says which of its two leaves was consumed.
        pub consumed: Digest<T>,
        /// Balances that were added and not moved yet: 0 where a superblock begins and ends.
        pub unused_balances: T,
    }
}

circuits_core::layout! {
    /// A run of consecutive block transitions and steps of the bridge: "these lead from `before` to `after`".
    pub struct SegmentStatement<T> {
        /// The deployment.
        pub chain_id: T,
        /// Number of the superblock that the segment belongs to.
        pub number: T,
        /// Registry that every block was checked against.
        pub registry_root: Digest<T>,
        /// Root of the keys of all segment circuits; pinned by the superblock circuit.
        pub segment_set_root: Digest<T>,
        /// Roots before.
        pub before: SuperblockRoots<T>,
        /// Roots after.
        pub after: SuperblockRoots<T>,
        /// Accumulators before.
        pub accumulated_before: Accumulators<T>,
        /// Accumulators after.
        pub accumulated_after: Accumulators<T>,
    }
}

circuits_core::layout! {
    /// What L1 verifies: "this superblock leads from `previous_state` to `new_state`".
    pub struct SuperblockStatement<T> {
        /// The deployment, fixed on L1.
        pub chain_id: T,
        /// Number of this superblock; genesis is 0.
        pub number: T,
        /// State of the previous superblock.
        pub previous_state: Digest<T>,
        /// State of this superblock.
        pub new_state: Digest<T>,
        /// Registry that every block was checked against.
        pub registry_root: Digest<T>,
        /// Digest of this superblock's blocks, in order, and last of the indices of the messages that it consumes.
        pub body_chain: Digest<T>,
        /// Block statements applied.
        pub block_count: T,
        /// 1 if the last of them is a block of environment 0, otherwise 0.
        pub has_l1_block: T,
        /// The body of that block; zeros if there is none.
        pub l1_body: L1Body<T>,
    }
}

impl SuperblockStatement {
    /// The body of the superblock's block of environment 0, if it has one.
    #[must_use]
    pub fn l1_block(&self) -> Option<L1Body> {
        (self.has_l1_block == F::ONE).then_some(self.l1_body)
    }
}

/// The digest of an empty message list, and the start of every running digest of messages or blocks.
#[must_use]
pub fn empty_list() -> Digest {
    hash(MESSAGE_LIST, &[])
}

impl Accumulators {
    /// Where a superblock starts: empty lists and no blocks.
    #[must_use]
    pub fn start() -> Self {
        let empty = empty_list();
        Self {
            body_chain: empty,
            l1_body: Digest::ZERO,
            block_count: F::ZERO,
            block_messages: empty,
            applied: empty,
            consumed: empty,
            unused_balances: F::ZERO,
        }
    }
}

/// The digest of a statement, for ordering and for names of files. A proof has no such digest, because its bytes are not
/// unique.
#[must_use]
pub fn statement_digest<L: Layout<F>>(statement: &L) -> Digest {
    hash(STATEMENT, &statement.encode())
}
