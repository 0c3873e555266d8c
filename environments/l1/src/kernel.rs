//! The kernels of environment 0, by how many messages they consume and deposits they take.

use std::collections::BTreeMap;

use circuits_core::{
    Builder, Definition, Digest, F, Proof, VerifierKey, Witness,
    circuit::named,
    constrain::{Constrain, DigestOps},
    integer::{HEIGHT_BITS, enforce_less_or_equal},
    layout::{self, WitnessError, set},
    recursion::{ChildTarget, Shape, verify_with_witness_key},
};
use circuits_protocol::statement::{BlockStatement, L1Body, empty_list, l1_body_digest_circuit};
use circuits_prover::basetypes::standard_config;
use circuits_tables::{
    batch::Batch as _,
    keccak::{self, KeccakStatement, batch::KeccakSize},
};
use plonky2::{field::types::Field, iop::target::Target, plonk::circuit_data::CircuitConfig};

use crate::{
    block::{MAX_CONSUMED, MAX_DEPOSITS, PRODUCER_SECRET},
    circuit::{ConsumeSlot, Context, DepositSlot, Running, consume_circuit, deposit_circuit},
    state::{StateFields, state_commitment_circuit},
    words::WORD_BITS,
};

/// How large a block a kernel takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Variant {
    /// The most messages that it consumes.
    pub consumed: usize,
    /// The most deposits that it takes.
    pub deposits: usize,
}

impl Variant {
    /// A block of nothing: it verifies no Keccak proof.
    pub const EMPTY: Self = Self { consumed: 0, deposits: 0 };
    /// As many messages and deposits as the smallest Keccak table hashes, if all deposits bounce.
    pub const SMALL: Self = Self { consumed: 38, deposits: 20 };
    /// The largest block.
    pub const LARGE: Self = Self { consumed: MAX_CONSUMED, deposits: MAX_DEPOSITS };
    /// The variants whose kernels are listed, ascending.
    pub const ALL: [Self; 3] = [Self::EMPTY, Self::SMALL, Self::LARGE];

    /// The smallest listed variant for a block of this size.
    #[must_use]
    pub fn fitting(consumed: usize, deposits: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|variant| consumed <= variant.consumed && deposits <= variant.deposits)
    }

    /// The name of its kernel.
    #[must_use]
    pub fn kernel_name(self) -> String {
        format!("l1-block-{}-{}", self.consumed, self.deposits)
    }

    /// The table that hashes the entries of any block of this size: one for each payout and one for each deposit. `None` if
    /// there are none.
    #[must_use]
    pub fn table(self) -> Option<KeccakSize> {
        let entries = self.consumed + 2 * self.deposits;
        if entries == 0 { None } else { KeccakSize::fitting(entries) }
    }
}

/// The kernel of one variant of blocks.
#[derive(Clone)]
pub struct L1Kernel {
    variant: Variant,
    /// The circuit whose proofs state the hashes; `None` for a block of nothing.
    keccak: Option<KeccakKey>,
}

/// A circuit whose proofs state hashes, by its shape and the digest of its key. The key is a witness, so that a kernel is
/// defined, and its own key is found among pins, without a circuit that takes long to build.
#[derive(Clone, Copy)]
pub struct KeccakKey {
    /// The circuit's shape.
    pub shape: &'static Shape,
    /// The digest of its key.
    pub digest: Digest,
}

impl L1Kernel {
    /// The kernel of a variant. `keccak` is the circuit of its table.
    #[must_use]
    pub const fn new(variant: Variant, keccak: Option<KeccakKey>) -> Self {
        Self { variant, keccak }
    }
}

/// What the prover of a block must know.
#[derive(Clone, Debug)]
pub struct L1Input {
    /// The state before.
    pub before: StateFields,
    /// The superblock.
    pub number: F,
    /// As many as the variant has.
    pub consumed: Vec<ConsumeSlot>,
    /// As many as the variant has.
    pub deposits: Vec<DepositSlot>,
    /// The proof of the hashes, and the key of the circuit that made it; `None` for a block of nothing.
    pub keccak: Option<(Proof, VerifierKey)>,
}

/// Targets of a block.
pub struct L1Targets {
    before: StateFields<Target>,
    number: Target,
    consumed: Vec<ConsumeSlot<Target>>,
    deposits: Vec<DepositSlot<Target>>,
    keccak: Option<ChildTarget<KeccakStatement<Target>>>,
}

impl Definition for L1Kernel {
    type Statement = BlockStatement<Target>;
    type NativeStatement = BlockStatement;
    type Targets = L1Targets;
    type Input = L1Input;

    fn name(&self) -> String {
        self.variant.kernel_name()
    }

    fn config(&self) -> CircuitConfig {
        standard_config()
    }

    fn parameters(&self) -> BTreeMap<String, u64> {
        let Variant { consumed, deposits } = self.variant;
        named([("consumed", consumed as u64), ("deposits", deposits as u64)])
    }

    fn depends_on(&self) -> BTreeMap<String, Digest> {
        self.keccak.iter().map(|keccak| ("keccak".to_owned(), keccak.digest)).collect()
    }

    fn define(&self, builder: &mut Builder) -> (BlockStatement<Target>, L1Targets) {
        let before: StateFields<Target> = layout::new_virtual(builder);
        let number: Target = layout::new_virtual(builder);

        // The superblock comes after the one that made the state, and blocks cover all heights between them.
        let first_height = builder.add_const(before.height, F::ONE);
        builder.enforce_range(number, HEIGHT_BITS);
        enforce_less_or_equal(builder, first_height, number, HEIGHT_BITS);

        // The bridge consumes before it emits, and so does a block.
        let context = Context { chain_id: before.chain_id, number };
        let mut running = start_circuit(builder, &before);
        let consumed = 0..self.variant.consumed;
        let consumed = consumed.map(|_| consume_circuit(builder, &context, &mut running)).collect();
        let deposits = 0..self.variant.deposits;
        let deposits = deposits.map(|_| deposit_circuit(builder, &context, &mut running)).collect();

        // The counts of the whole deployment have 32 bits.
        builder.enforce_range(running.queue_length, WORD_BITS);
        builder.enforce_range(running.payouts, WORD_BITS);

        // All that is hashed is proved, in order, by the circuit of this variant's table.
        let keccak = self.keccak.as_ref().map(|keccak| {
            let (child, key) = verify_with_witness_key::<KeccakStatement<Target>>(builder, keccak.shape);
            let listed = builder.constant_digest(keccak.digest);
            builder.enforce_digest_equal(key, listed);
            builder.enforce_digest_equal(child.statement.list, running.hashed);
            builder.enforce_equal(child.statement.blocks, running.hashed_count);
            child
        });

        let Running { queue_digest, queue_length, payouts_digest, payouts, outbox, inbox, .. } = running;
        let after = StateFields { height: number, queue_digest, queue_length, payouts, ..before };
        let body = L1Body {
            queue_digest,
            queue_length,
            payouts_digest,
            first_payout: before.payouts,
            payout_count: builder.sub(payouts, before.payouts),
        };
        let statement = BlockStatement {
            environment: builder.zero(),
            first_height,
            last_height: number,
            previous_state: state_commitment_circuit(builder, &before),
            new_state: state_commitment_circuit(builder, &after),
            outbox,
            inbox,
            body: l1_body_digest_circuit(builder, &body),
            producer: builder.constant_digest(PRODUCER_SECRET.commitment()),
        };
        (statement, L1Targets { before, number, consumed, deposits, keccak })
    }

    fn assign(
        &self,
        targets: &L1Targets,
        input: &L1Input,
        witness: &mut Witness,
    ) -> Result<(), WitnessError> {
        set(witness, &targets.before, &input.before)?;
        set(witness, &targets.number, &input.number)?;
        targets
            .consumed
            .iter()
            .zip(&input.consumed)
            .try_for_each(|(target, slot)| set(witness, target, slot))?;
        targets
            .deposits
            .iter()
            .zip(&input.deposits)
            .try_for_each(|(target, slot)| set(witness, target, slot))?;
        if let (Some(target), Some((proof, key))) = (&targets.keccak, &input.keccak) {
            target.assign(witness, proof, key)?;
        }
        Ok(())
    }
}

/// Where a block starts: with the state's queue and payouts, and empty lists.
fn start_circuit(builder: &mut Builder, before: &StateFields<Target>) -> Running<Target> {
    let zero = builder.zero();
    let none = builder.constant_digest(empty_list());
    Running {
        queue_digest: before.queue_digest,
        queue_length: before.queue_length,
        payouts_digest: [zero; _],
        payouts: before.payouts,
        outbox: none,
        inbox: none,
        hashed: builder.constant_digest(keccak::empty_list()),
        hashed_count: zero,
    }
}
