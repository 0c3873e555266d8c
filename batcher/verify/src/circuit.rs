//! Which superblock circuits there are, and the shapes of their proofs.

use std::sync::LazyLock;

use bridge_core::Capacity;
use circuits_core::{F, layout::Layout, recursion::Shape};
use circuits_protocol::statement::SuperblockStatement;
use circuits_prover::basetypes::standard_config;

/// The most blocks that a superblock applies without a segment: 2 and 4 verifiers fill 2^13 and 2^14 rows.
pub const DIRECT_MAX_BLOCKS: usize = 4;
/// Numbers of segments that a superblock circuit can verify; 1, 2 and 4 verifiers fill 2^13, 2^14 and 2^15 rows.
pub const SEGMENT_ARITIES: [usize; 3] = [1, 2, 4];

/// A superblock circuit, by what it verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SuperblockCircuit {
    /// Verifies this many wrapped blocks: cheap for small superblocks.
    Blocks(usize),
    /// Verifies this many wrapped blocks, which would fill their rows, in twice as many rows, so that there is room for
    /// their messages.
    BlocksWithMessages(usize),
    /// Verifies this many segments.
    Segments(usize),
}

/// Numbers of blocks for which there is a circuit of twice the rows.
pub const ROOMY_BLOCKS: [usize; 1] = [2];

impl SuperblockCircuit {
    /// How many wrapped blocks the circuit verifies itself.
    #[must_use]
    pub fn blocks(self) -> usize {
        match self {
            Self::Blocks(blocks) | Self::BlocksWithMessages(blocks) => blocks,
            Self::Segments(_) => 0,
        }
    }

    /// Slots for messages in the rows that the proofs leave free. Two and four blocks leave none.
    #[must_use]
    pub fn capacity(self) -> Capacity {
        match self {
            Self::Blocks(1) => Capacity { new_balances: 6, steps: 18 },
            Self::Blocks(3) => Capacity { new_balances: 8, steps: 18 },
            Self::Blocks(_) => Capacity::NONE,
            Self::BlocksWithMessages(_) => Capacity { new_balances: 12, steps: 38 },
            Self::Segments(1) => Capacity { new_balances: 6, steps: 14 },
            Self::Segments(2) => Capacity { new_balances: 8, steps: 34 },
            Self::Segments(_) => Capacity { new_balances: 16, steps: 60 },
        }
    }

    /// The name of the circuit.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Blocks(blocks) => format!("superblock-blocks-{blocks}"),
            Self::BlocksWithMessages(blocks) => format!("superblock-blocks-{blocks}-messages"),
            Self::Segments(segments) => format!("superblock-segments-{segments}"),
        }
    }
}

impl SuperblockCircuit {
    /// All superblock circuits.
    pub fn all() -> impl Iterator<Item = Self> {
        let blocks = (1..=DIRECT_MAX_BLOCKS).map(Self::Blocks);
        blocks.chain(ROOMY_BLOCKS.map(Self::BlocksWithMessages)).chain(SEGMENT_ARITIES.map(Self::Segments))
    }
}

/// Height of the Merkle caps of superblock proofs. No circuit verifies them, so caps may be larger than
/// elsewhere, which shortens every opened path: the largest proof stays below 150,000 bytes.
pub const SUPERBLOCK_CAP_HEIGHT: usize = 5;

/// The shape of proofs over `source`, known without building the circuit.
///
/// Proofs over four segments have fewer routed wires, which makes them smaller too.
#[must_use]
pub fn superblock_shape(source: SuperblockCircuit) -> &'static Shape {
    static SHAPES: LazyLock<[Shape; 3]> = LazyLock::new(|| {
        let public_inputs = <SuperblockStatement as Layout<F>>::LEN;
        [(13, standard_config()), (14, standard_config()), (15, standard_config())].map(
            |(degree_bits, mut config)| {
                config.fri_config.cap_height = SUPERBLOCK_CAP_HEIGHT;
                Shape::new("superblock", config, degree_bits, public_inputs)
            },
        )
    });
    match source {
        SuperblockCircuit::Blocks(..=2) | SuperblockCircuit::Segments(..=1) => &SHAPES[0],
        SuperblockCircuit::Blocks(_)
        | SuperblockCircuit::BlocksWithMessages(_)
        | SuperblockCircuit::Segments(2) => &SHAPES[1],
        SuperblockCircuit::Segments(_) => &SHAPES[2],
    }
}
