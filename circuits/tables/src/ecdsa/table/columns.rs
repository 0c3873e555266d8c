//! One row of the trace, with a name for every column.

use circuits_core::layout::Layout;

/// The number of bits of a limb. Every table size has at least as many rows as the range table, `2^13`.
pub const LIMB_BITS: usize = 13;
/// The number of limbs of a 256-bit integer. The last one has 9 bits, or 13 where four more bits are harmless.
pub const LIMBS: usize = 20;
/// Integer identities that a row can hold.
pub const SLOTS: usize = 3;
/// Carries of one identity: 39 coefficients in 13 groups of 3.
pub const CARRIES: usize = 12;
/// Rows that fill the table of multiples.
pub const TABLE_ROWS: usize = 12;
/// Scalars of a signature: `a1`, `a2`, `b1`, `b2`.
pub const SCALARS: usize = 4;
/// Words of a scalar: 39 bits each, the most significant one 12.
pub const SCALAR_WORDS: usize = 4;

circuits_core::layout! {
    /// A row over anything: field elements, targets, or its own column numbers.
    ///
    /// The accumulator of the next row is the result of this row's operation.
    pub struct Row<T> {
        /// Accumulator, first coordinate. In the row of scalars `s`; in the row of the claim `v = s lambda`.
        pub x: [T; 20],
        /// Accumulator, second coordinate. In the row of scalars `r`; in the row of the claim the hash.
        pub y: [T; 20],
        /// The accumulator is the point at infinity, written (0, 0).
        pub inf: T,
        /// Operand, first coordinate.
        pub tx: [T; 20],
        /// Operand, second coordinate.
        pub ty: [T; 20],
        /// The operand is the point at infinity.
        pub t_inf: T,
        /// Slope; `x^2` in a key's row; `(b1, b2)` in the row of scalars; `(a1, a2)` in the row of the claim.
        pub lambda: [T; 20],
        /// Quotients of the three identities.
        pub quotient: [T; 60],
        /// Low parts of the carries of the three identities.
        pub carry_low: [T; 36],
        /// High parts.
        pub carry_high: [T; 36],
        /// Bits of the four scalars that an addition uses.
        pub bits: [T; 4],
        /// The scalars read so far, four words each, least significant first.
        pub words: [T; 16],
        /// Bits left in the current word, this one included.
        pub bits_left: T,
        /// Words left, this one included.
        pub words_left: T,
        /// This addition uses the last bit of a word.
        pub word_ends: T,
        /// This addition is the last one.
        pub last: T,
        /// Number of the signature.
        pub index: T,
        /// How often the accumulator is read as an entry of the table of multiples.
        pub reads: T,
        /// Inverses that show that something is not zero.
        pub inverse: [T; 7],
        /// Low words of `x + 2^256 - p` and `y + 2^256 - p`, three limbs each.
        pub shifted: [T; 6],
        /// The carries out of these words.
        pub shifted_carry: [T; 2],
        /// If there is a carry, the inverse of how far the higher limbs are from their maximum.
        pub shifted_inverse: [T; 2],
        /// Row kind: a public key.
        pub key: T,
        /// Row kinds: an entry of the table of multiples.
        pub table: [T; 12],
        /// Row kind: addition of a multiple.
        pub add: T,
        /// Row kind: doubling.
        pub double: T,
        /// Row kind: the sum is complete.
        pub end: T,
        /// Row kind: `s`, `r`, `b1`, `b2`.
        pub scalars: T,
        /// Row kind: `v`, the hash, `a1`, `a2`, and the key again.
        pub claim: T,
        /// Row kind: padding.
        pub pad: T,
        /// Case: different first coordinates.
        pub chord: T,
        /// Case: doubling of a point.
        pub tangent: T,
        /// Case: the sum is infinity.
        pub opposite: T,
        /// Case: the result is the accumulator.
        pub keep: T,
        /// Case: the result is the operand.
        pub take: T,
        /// The operand is `G`, `lambda G` or `G + lambda G`.
        pub constant: [T; 3],
        /// The operand is read from the table of multiples.
        pub read: T,
        /// The range table: 0 to `2^13 - 1`.
        pub range: T,
        /// How often the range table's value is used.
        pub uses: T,
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

    /// The columns that hold limbs, besides the two top limbs that are checked again for 9 bits.
    #[must_use]
    pub fn limbs(&self) -> Vec<usize> {
        [&self.x[..], &self.y, &self.lambda, &self.quotient, &self.carry_low, &self.carry_high, &self.shifted]
            .concat()
    }

    /// The top limbs of the accumulator, which have 9 bits.
    #[must_use]
    pub fn top_limbs(&self) -> [usize; 2] {
        [self.x[LIMBS - 1], self.y[LIMBS - 1]]
    }
}

impl<T: Copy> Row<T> {
    /// The quotient of identity `slot`.
    pub fn quotient(&self, slot: usize) -> &[T] {
        &self.quotient[slot * LIMBS..][..LIMBS]
    }

    /// The words of scalar `i`.
    pub fn scalar(&self, i: usize) -> &[T] {
        &self.words[i * SCALAR_WORDS..][..SCALAR_WORDS]
    }

    /// All row kinds.
    pub fn kinds(&self) -> Vec<T> {
        let rest = [self.add, self.double, self.end, self.scalars, self.claim, self.pad];
        [&[self.key][..], &self.table, &rest].concat()
    }

    /// All cases of an addition.
    pub fn cases(&self) -> [T; 5] {
        [self.chord, self.tangent, self.opposite, self.keep, self.take]
    }
}
