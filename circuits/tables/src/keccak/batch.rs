//! Batches of blocks, in tables of three sizes.

use std::{fmt::Debug, sync::LazyLock};

use circuits_core::{
    digest::{Digest, DigestTarget},
    layout::Layout,
    recursion::Shape,
};
use circuits_prover::basetypes::{Builder, D, F, standard_config};
use plonky2::{
    gates::{exponentiation::ExponentiationGate, gate::GateRef},
    iop::target::Target,
};
use starky::config::StarkConfig;

use super::{
    Block, KeccakError, KeccakStatement, append_circuit, check_blocks, empty_list,
    table::{KeccakTable, capacity, trace},
};
use crate::{
    batch::{Batch, BatchCircuit, BatchInput, stark_config},
    batch_work,
};

/// The circuit that verifies a batch of blocks.
pub type KeccakCircuit = BatchCircuit<KeccakSize>;
/// The input of [`KeccakCircuit`].
pub type KeccakInput = BatchInput<KeccakSize>;

/// The logarithm of the rows of the shape, which the largest table's verifier fits.
const DEGREE_BITS: usize = 16;

/// The shape of all [`KeccakCircuit`]s, so that a circuit can verify a batch of any size with its key as a witness.
#[must_use]
pub fn keccak_shape() -> &'static Shape {
    static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
        let config = standard_config();
        // Combining a long item raises the challenge to a power, which plonky2's verifier does by other gates.
        let exponentiation = GateRef::new(ExponentiationGate::<F, D>::new_from_config(&config));
        let public_inputs = <KeccakStatement as Layout<F>>::LEN;
        Shape::with_gates("keccak", config, DEGREE_BITS, public_inputs, vec![exponentiation])
    });
    &SHAPE
}

/// The size of a table of blocks. A batch takes the smallest that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeccakSize {
    /// Up to 78 blocks in 2^11 rows.
    Small,
    /// Up to 315 blocks in 2^13 rows.
    Medium,
    /// Up to 1,260 blocks in 2^15 rows.
    Large,
}

impl Batch for KeccakSize {
    type Table = KeccakTable;
    type Item<T: Copy + Debug + Send + Sync> = Block<T>;
    type Statement<T: Copy> = KeccakStatement<T>;
    type Evidence = Block;
    type Error = KeccakError;

    const NAME: &'static str = "keccak";
    const STARK_NAME: &'static str = "keccak-stark";
    const ITEM: &'static str = "block";
    const ALL: &'static [Self] = &[Self::Small, Self::Medium, Self::Large];

    fn degree_bits(self) -> usize {
        match self {
            Self::Small => 11,
            Self::Medium => 13,
            Self::Large => 15,
        }
    }

    fn capacity(self) -> usize {
        capacity(self.degree_bits())
    }

    /// 80 queries at rate 1/4 and 21 bits of grinding give 100 bits proven. With one query more and 20 bits, the largest
    /// table's verifier would have too many rows for its shape. At rate 1/8 the prover would take twice the time and memory.
    fn config(self) -> StarkConfig {
        stark_config(2, 80, 21)
    }

    fn shape() -> &'static Shape {
        keccak_shape()
    }

    fn statement(blocks: &[Block]) -> KeccakStatement {
        KeccakStatement::new(blocks)
    }

    fn statement_circuit(list: DigestTarget, count: Target) -> KeccakStatement<Target> {
        KeccakStatement { list, blocks: count }
    }

    fn empty_list() -> Digest {
        empty_list()
    }

    fn append_circuit(builder: &mut Builder, list: DigestTarget, block: &Block<Target>) -> DigestTarget {
        append_circuit(builder, list, block)
    }

    fn item(block: &Block) -> Block {
        *block
    }

    fn check(blocks: &[Block]) -> Result<(), (usize, KeccakError)> {
        check_blocks(blocks)
    }

    fn columns(self, blocks: &[Block]) -> Vec<Vec<F>> {
        trace::columns(blocks, self.degree_bits())
    }

    batch_work!();
}
