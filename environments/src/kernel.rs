//! What all kernels share: the producer's secret and the block statement.
//!
//! A kernel proves to know the preimage of the statement's `producer`. Without that, anyone who knows a public state
//! could extend it, keep the body to himself, and freeze the environment.

use std::fmt;

use circuits::{
    Builder, Digest, DigestTarget,
    constrain::{Constrain, DigestOps},
    hash::{Domain, hash, hash_circuit},
    integer::HEIGHT_BITS,
    statement::{BlockStatement, empty_list},
};
use plonky2::iop::target::Target;

/// Domain of producer commitments.
pub const PRODUCER: Domain = Domain::new("produc");

/// What only an environment's producer knows: 256 bits chosen at random.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ProducerSecret(Digest);

impl ProducerSecret {
    /// A secret from 256 random bits.
    #[must_use]
    pub const fn new(secret: Digest) -> Self {
        Self(secret)
    }

    /// The secret itself, for the witness of a kernel.
    #[must_use]
    pub const fn expose(self) -> Digest {
        self.0
    }

    /// The commitment that block statements carry.
    #[must_use]
    pub fn commitment(self) -> Digest {
        producer_commitment(self)
    }
}

/// Never shows the secret.
impl fmt::Debug for ProducerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProducerSecret(..)")
    }
}

/// `H(PRODUCER, secret)`.
#[must_use]
pub fn producer_commitment(secret: ProducerSecret) -> Digest {
    hash(PRODUCER, &secret.0.0)
}

/// In-circuit twin of [`producer_commitment`].
pub fn producer_commitment_circuit(builder: &mut Builder, secret: DigestTarget) -> DigestTarget {
    hash_circuit(builder, PRODUCER, &secret.0)
}

/// The parts of a block statement that a kernel of one block computes itself.
#[derive(Clone, Copy, Debug)]
pub struct OneBlock<T, S> {
    /// The environment.
    pub environment: T,
    /// The block's height.
    pub height: T,
    /// State commitment before.
    pub previous_state: Digest<T>,
    /// State commitment after.
    pub new_state: Digest<T>,
    /// Digest of the published block data.
    pub body: Digest<T>,
    /// The producer's secret.
    pub secret: S,
}

impl OneBlock<circuits::F, ProducerSecret> {
    /// The statement of one block without messages.
    #[must_use]
    pub fn statement(self) -> BlockStatement {
        BlockStatement {
            environment: self.environment,
            first_height: self.height,
            last_height: self.height,
            previous_state: self.previous_state,
            new_state: self.new_state,
            outbox: empty_list(),
            inbox: empty_list(),
            body: self.body,
            producer: producer_commitment(self.secret),
        }
    }
}

impl OneBlock<Target, DigestTarget> {
    /// In-circuit twin of [`OneBlock::statement`]. Enforces that the height is below 2^32; the environment is bound by the
    /// state commitments, and again by the segment that applies the block.
    pub fn statement_circuit(self, builder: &mut Builder) -> BlockStatement<Target> {
        builder.enforce_range(self.height, HEIGHT_BITS);
        let empty = builder.constant_digest(empty_list());
        BlockStatement {
            environment: self.environment,
            first_height: self.height,
            last_height: self.height,
            previous_state: self.previous_state,
            new_state: self.new_state,
            outbox: empty,
            inbox: empty,
            body: self.body,
            producer: producer_commitment_circuit(builder, self.secret),
        }
    }
}
