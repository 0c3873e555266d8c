//! Which superblock circuits there are, and the shapes of their proofs.

use std::sync::LazyLock;

use bridge_core::Capacity;
use circuits_core::{F, layout::Layout, recursion::Shape};
use circuits_protocol::statement::SuperblockStatement;
use circuits_prover::basetypes::standard_config;

/// The most blocks that a superblock applies without a segment: 1, 3 and 6 verifiers of block-shape proofs fit 2^14, 2^15
/// and 2^16 rows.
pub const DIRECT_MAX_BLOCKS: usize = 6;
/// Numbers of segments that a superblock circuit can verify; 1, 3 and 6 verifiers fit 2^14, 2^15 and 2^16 rows.
pub const SEGMENT_ARITIES: [usize; 4] = [1, 2, 3, 6];

/// A superblock circuit, by what it verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SuperblockCircuit {
    /// Verifies this many wrapped blocks: cheap for small superblocks.
    Blocks(usize),
    /// Verifies this many segments.
    Segments(usize),
}

impl SuperblockCircuit {
    /// How many wrapped blocks the circuit verifies itself.
    #[must_use]
    pub fn blocks(self) -> usize {
        match self {
            Self::Blocks(blocks) => blocks,
            Self::Segments(_) => 0,
        }
    }

    /// Slots for messages: as many as the rows hold that the proofs leave free.
    #[must_use]
    pub fn capacity(self) -> Capacity {
        match self {
            Self::Blocks(..=1) => Capacity { new_balances: 8, steps: 33 },
            Self::Blocks(2) => Capacity { new_balances: 16, steps: 66 },
            Self::Blocks(3) => Capacity { new_balances: 8, steps: 14 },
            Self::Blocks(4) => Capacity { new_balances: 32, steps: 134 },
            Self::Blocks(5) => Capacity { new_balances: 24, steps: 82 },
            Self::Blocks(_) => Capacity { new_balances: 8, steps: 37 },
            Self::Segments(..=1) => Capacity { new_balances: 8, steps: 30 },
            Self::Segments(2) => Capacity { new_balances: 16, steps: 60 },
            Self::Segments(3) => Capacity { new_balances: 4, steps: 9 },
            Self::Segments(_) => Capacity { new_balances: 8, steps: 18 },
        }
    }

    /// The name of the circuit.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Blocks(blocks) => format!("superblock-blocks-{blocks}"),
            Self::Segments(segments) => format!("superblock-segments-{segments}"),
        }
    }
}

impl SuperblockCircuit {
    /// All superblock circuits.
    pub fn all() -> impl Iterator<Item = Self> {
        let blocks = (1..=DIRECT_MAX_BLOCKS).map(Self::Blocks);
        blocks.chain(SEGMENT_ARITIES.map(Self::Segments))
    }
}

/// Height of the Merkle caps of superblock proofs. No circuit but a hop's shrink verifies them, so caps may be larger than
/// elsewhere, which shortens every opened path: the largest proof stays below 340,000 bytes. With one level more, caps
/// would grow by as much as paths would shrink.
pub const SUPERBLOCK_CAP_HEIGHT: usize = 6;

/// The shape of proofs over `source`, known without building the circuit.
#[must_use]
pub fn superblock_shape(source: SuperblockCircuit) -> &'static Shape {
    static SHAPES: LazyLock<[Shape; 3]> = LazyLock::new(|| {
        let mut config = standard_config();
        config.fri_config.cap_height = SUPERBLOCK_CAP_HEIGHT;
        let public_inputs = <SuperblockStatement as Layout<F>>::LEN;
        [14, 15, 16].map(|degree_bits| Shape::new("superblock", config.clone(), degree_bits, public_inputs))
    });
    let [smallest, middle, largest] = &*SHAPES;
    match source {
        SuperblockCircuit::Blocks(..=1) | SuperblockCircuit::Segments(..=1) => smallest,
        SuperblockCircuit::Blocks(..=3) | SuperblockCircuit::Segments(..=3) => middle,
        SuperblockCircuit::Blocks(_) | SuperblockCircuit::Segments(_) => largest,
    }
}
