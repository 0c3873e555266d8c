//! A table so small that many circuits can be made for it.

use std::{fmt::Debug, sync::LazyLock};

use circuits_core::{Digest, digest::DigestTarget, layout::Layout, recursion::Shape};
use circuits_prover::basetypes::{Builder, D, F, standard_config};
use circuits_tables::{
    batch::Batch,
    batch_work,
    keccak::{
        Block, KeccakError, KeccakStatement,
        batch::KeccakSize,
        table::{KeccakTable, capacity, trace::Trace},
    },
};
use plonky2::{
    fri::{FriConfig, reduction_strategies::FriReductionStrategy},
    gates::{exponentiation::ExponentiationGate, gate::GateRef},
    iop::target::Target,
};
use starky::config::StarkConfig;

/// Few rows and few queries: what the circuits of all sizes consist of, without the security.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tiny;

/// The logarithm of the rows of a tiny table.
const TINY_DEGREE_BITS: usize = 7;
/// The logarithm of the rows of the circuit that verifies it.
const TINY_CIRCUIT_BITS: usize = 14;

impl Batch for Tiny {
    type Table = KeccakTable;
    type Item<T: Copy + Debug + Send + Sync> = Block<T>;
    type Statement<T: Copy> = KeccakStatement<T>;
    type Evidence = Block;
    type Error = KeccakError;

    const NAME: &'static str = "tiny-keccak";
    const STARK_NAME: &'static str = "tiny-keccak-stark";
    const ITEM: &'static str = "block";
    const ALL: &'static [Self] = &[Self];

    fn degree_bits(self) -> usize {
        TINY_DEGREE_BITS
    }

    fn capacity(self) -> usize {
        capacity(TINY_DEGREE_BITS)
    }

    fn config(self) -> StarkConfig {
        let real = KeccakSize::Small.config();
        let fri_config = FriConfig {
            rate_bits: 1,
            proof_of_work_bits: 1,
            num_query_rounds: 1,
            reduction_strategy: FriReductionStrategy::ConstantArityBits(4, 4),
            ..real.fri_config
        };
        StarkConfig { fri_config, ..real }
    }

    fn shape() -> &'static Shape {
        static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
            let config = standard_config();
            let exponentiation = GateRef::new(ExponentiationGate::<F, D>::new_from_config(&config));
            let public_inputs = <KeccakStatement as Layout<F>>::LEN;
            Shape::with_gates("tiny", config, TINY_CIRCUIT_BITS, public_inputs, vec![exponentiation])
        });
        &SHAPE
    }

    fn statement(blocks: &[Block]) -> KeccakStatement {
        KeccakSize::statement(blocks)
    }

    fn statement_circuit(list: DigestTarget, count: Target) -> KeccakStatement<Target> {
        KeccakSize::statement_circuit(list, count)
    }

    fn empty_list() -> Digest {
        KeccakSize::empty_list()
    }

    fn append_circuit(builder: &mut Builder, list: DigestTarget, block: &Block<Target>) -> DigestTarget {
        KeccakSize::append_circuit(builder, list, block)
    }

    fn item(block: &Block) -> Block {
        *block
    }

    fn check(blocks: &[Block]) -> Result<(), (usize, KeccakError)> {
        KeccakSize::check(blocks)
    }

    fn columns(self, blocks: &[Block]) -> Vec<Vec<F>> {
        Trace::new(blocks, TINY_DEGREE_BITS).columns()
    }

    batch_work!();
}
