//! One row of the trace, with a name for every column.

use circuits_core::layout::Layout;

use super::permutation::{LANE_BITS, LANES, RATE_LANES, ROUNDS, WIDTH};
use crate::keccak::{BLOCK_WORDS, DIGEST_WORDS};

/// Columns of a state: the bits of a row of lanes.
pub const COLUMN_BITS: usize = WIDTH * LANE_BITS;
/// Bits of a state.
pub const STATE_BITS: usize = LANES * LANE_BITS;
/// The number of bits of a limb.
pub const LIMB_BITS: usize = 32;
/// Limbs of a lane, the lower one first.
pub const LANE_LIMBS: usize = LANE_BITS / LIMB_BITS;
/// Bytes of a lane.
pub const LANE_BYTES: usize = LANE_BITS / 8;
/// Limbs of a state. Those of the rate, one for each word of a block, come first.
pub const STATE_LIMBS: usize = LANES * LANE_LIMBS;
/// The bits of the first lane in which round constants differ from 0.
pub const CONSTANT_BITS: [usize; 7] = [0, 1, 3, 7, 15, 31, 63];

circuits_core::layout! {
    /// A row over anything: field elements, targets, or its own column numbers.
    ///
    /// Bit `z` of lane `(x, y)` is element `64 (x + 5 y) + z`, and limbs are in the order of their bits.
    pub struct Row<T> {
        /// Row kind: the output of a permutation, or the state that everything starts with.
        pub state: T,
        /// Row kind: a block of a message.
        pub message: T,
        /// Row kinds: the rounds.
        pub round: [T; ROUNDS],
        /// Number of the block.
        pub index: T,
        /// The block ends its message.
        pub last: T,
        /// The digest, if the block ends its message.
        pub digest: [T; DIGEST_WORDS],
        /// In a round, the state after theta. In a message's row, the block and the capacity of the state that absorbs
        /// it. In a state's row, the state.
        pub bits: [T; STATE_BITS],
        /// Parities of `bits`.
        pub parity: [T; COLUMN_BITS],
        /// What theta adds to each lane, as signs: 1 if it keeps a bit, -1 if it flips it. `bits` without it are a round's
        /// input.
        pub effect: [T; COLUMN_BITS],
        /// What rho, pi and chi make of `bits`: a round's output without its constant.
        pub output: [T; STATE_LIMBS],
        /// The bits of `output` that a round constant may flip.
        pub flippable: [T; CONSTANT_BITS.len()],
        /// The rate of the sum of `bits` and the row before, if that does not end a message.
        pub absorbed: [T; BLOCK_WORDS],
        /// The lane of a block in which its padding starts.
        pub ending_lane: [T; RATE_LANES],
        /// The byte of this lane in which the padding starts.
        pub ending_byte: [T; LANE_BYTES],
    }
}

/// Columns of the trace.
pub const COLUMNS: usize = <Row<usize> as Layout<usize>>::LEN;

impl Row<usize> {
    /// The number of each column.
    #[must_use]
    pub fn columns() -> Self {
        let mut numbers = 0..COLUMNS;
        Self::decode_from(&mut numbers).expect("as many numbers as columns")
    }
}

impl<T: Copy> Row<T> {
    /// All row kinds.
    pub fn kinds(&self) -> Vec<T> {
        [&[self.state, self.message][..], &self.round].concat()
    }
}
