//! Forgeries of a row and its next one that one rule alone stops: what a prover would gain if it were missing.

use std::collections::BTreeSet;

use circuits_core::F;
use circuits_tables::{
    keccak::{
        Block,
        table::{
            BLOCK_ROWS, KeccakTable,
            columns::{COLUMN_BITS, CONSTANT_BITS, LIMB_BITS, Row, STATE_BITS},
            permutation::{LANE_BITS, LANES, Lanes, RATE_LANES, WIDTH, moved_to, unmix},
            trace::{Trace, set_bits},
        },
    },
    table::{check::broken_between, rules},
};
use plonky2::field::types::{Field, PrimeField64};

use super::lists::list;

/// A row, its next one, and whether it is the first or the last.
struct Forgery {
    row: Row<F>,
    next: Row<F>,
    first: bool,
    last: bool,
}

/// The rows of a message of two blocks and one of one block, whose padding starts in lane 3.
struct Honest(Trace);

impl Honest {
    fn new() -> Self {
        Self(Trace::new(&list(&[200, 30]), 7))
    }

    /// Row `row` of block `block` and the next one.
    fn at(&self, block: usize, row: usize) -> Forgery {
        let row = 1 + block * BLOCK_ROWS + row;
        Forgery { row: self.0.rows[row], next: self.0.rows[row + 1], first: false, last: false }
    }

    /// The first row and the next one.
    fn first(&self) -> Forgery {
        Forgery { row: self.0.rows[0], next: self.0.rows[1], first: true, last: false }
    }

    /// The last row and the first one, which follows it in the trace's cycle.
    fn around(&self) -> Forgery {
        let rows = &self.0.rows;
        Forgery { row: rows[rows.len() - 1], next: rows[0], first: false, last: true }
    }

    /// Two rows of padding.
    fn padding(&self) -> Forgery {
        self.at(3, 0)
    }
}

/// The number of the state's row in a block.
const STATE: usize = BLOCK_ROWS - 1;

impl Forgery {
    /// The rule that stops it.
    #[track_caller]
    fn stopped_by(mut self, rule: &'static str) -> &'static str {
        self.absorb();
        self.stopped_by_as_it_is(rule)
    }

    /// The rule that stops it, which may be the one of absorption.
    #[track_caller]
    fn stopped_by_as_it_is(self, rule: &'static str) -> &'static str {
        let broken = broken_between::<KeccakTable>(&self.row, &self.next, self.first, self.last);
        assert_eq!(broken, [rule]);
        rule
    }

    /// Computes again what the next row absorbs.
    fn absorb(&mut self) {
        let open = F::ONE - self.row.last;
        for (limb, absorbed) in self.next.absorbed.iter_mut().enumerate() {
            *absorbed = (limb * LIMB_BITS..(limb + 1) * LIMB_BITS)
                .rev()
                .fold(F::ZERO, |sum, i| sum.double() + xor(open * self.row.bits[i], self.next.bits[i]));
        }
    }

    /// Computes the output of the row's bits again, whatever they are.
    fn permute(&mut self) {
        let bits = self.row.bits;
        let output: Vec<_> = (0..STATE_BITS)
            .map(|i| {
                let (lane, z) = (i / LANE_BITS, i % LANE_BITS);
                let [own, neighbour, second] = [0, 1, 2].map(|distance| {
                    let (from, rotation) = moved_to(lane % WIDTH + distance, lane / WIDTH);
                    bits[from * LANE_BITS + (z + LANE_BITS - rotation) % LANE_BITS]
                });
                xor(own, (F::ONE - neighbour) * second)
            })
            .collect();
        for (limb, bits) in self.row.output.iter_mut().zip(output.chunks(LIMB_BITS)) {
            *limb = bits.iter().rev().fold(F::ZERO, |limb, &bit| limb.double() + bit);
        }
        self.row.flippable = CONSTANT_BITS.map(|z| output[z]);
    }
}

fn xor(a: F, b: F) -> F {
    a + b - (a * b).double()
}

fn int(value: i64) -> F {
    circuits_tables::table::system::int(value)
}

fn lanes(row: &Row<F>) -> Lanes {
    std::array::from_fn(|lane| {
        let bits = &row.bits[lane * LANE_BITS..][..LANE_BITS];
        bits.iter().rev().fold(0, |lane, bit| lane << 1 | bit.to_canonical_u64())
    })
}

/// Changes the bits of a row, and everything that they determine in it.
fn change_bits(row: &mut Row<F>, change: impl FnOnce(&mut Lanes)) {
    let mut bits = lanes(row);
    change(&mut bits);
    set_bits(row, &bits);
}

/// A message's row and the first round, with the padding of a block of these bytes at its end.
fn ending(padding: &[u8]) -> Forgery {
    let mut bytes = super::fixtures::message(136);
    let start = bytes.len() - padding.len();
    bytes[start..].copy_from_slice(padding);
    let mut block = Block { words: [F::ZERO; 34], last: F::ONE, digest: [F::ZERO; 8] };
    for (word, bytes) in block.words.iter_mut().zip(bytes.chunks(4)) {
        *word = F::from_canonical_u32(u32::from_be_bytes(bytes.try_into().unwrap()));
    }
    let trace = Trace::new(&[block], 7);
    Forgery { row: trace.rows[1], next: trace.rows[2], first: false, last: false }
}

/// Padding that starts at byte 2 of lane 14.
fn padding_with(change: impl FnOnce(&mut [u8; 22])) -> Forgery {
    let mut padding = [0; 22];
    (padding[0], padding[21]) = (0x01, 0x80);
    change(&mut padding);
    ending(&padding)
}

fn marked(lanes: &[(usize, F)], bytes: &[(usize, F)]) -> ([F; RATE_LANES], [F; 8]) {
    let mut found = ([F::ZERO; RATE_LANES], [F::ZERO; 8]);
    lanes.iter().for_each(|&(lane, value)| found.0[lane] = value);
    bytes.iter().for_each(|&(byte, value)| found.1[byte] = value);
    found
}

fn order(honest: &Honest) -> Vec<&'static str> {
    let mut found = vec![];

    // A list without any state.
    let mut forgery = Forgery { first: true, ..honest.padding() };
    (forgery.row.index, forgery.next.index) = (F::NEG_ONE, F::NEG_ONE);
    found.push(forgery.stopped_by("the first row is a state"));

    // A list that goes on from any state.
    let mut forgery = Forgery { first: true, ..honest.at(0, STATE) };
    (forgery.row.index, forgery.next.index) = (F::NEG_ONE, F::ZERO);
    found.push(forgery.stopped_by("no message is open at first"));

    let mut forgery = honest.first();
    (forgery.row.index, forgery.next.index) = (F::ONE, F::TWO);
    found.push(forgery.stopped_by("blocks are counted from 0"));

    // A digest that the trace ends too early to compare.
    let forgery = Forgery { last: true, ..honest.at(2, 5) };
    found.push(forgery.stopped_by("the last row is padding"));

    let mut forgery = honest.at(0, 0);
    (forgery.row.message, forgery.next.round[0]) = (F::TWO, F::TWO);
    found.push(forgery.stopped_by("a message's row kind is boolean"));

    // A block after padding: it starts a message.
    let mut forgery = honest.padding();
    forgery.next = honest.at(0, 0).row;
    forgery.next.index = forgery.row.index + F::ONE;
    found.push(forgery.stopped_by("a message follows a state"));

    // A block whose digest is never compared.
    let mut forgery = honest.at(2, 0);
    forgery.next.round[0] = F::ZERO;
    found.push(forgery.stopped_by("the first round follows a message"));

    // A round left out.
    let mut forgery = honest.at(0, 6);
    (forgery.next.round[6], forgery.next.round[7]) = (F::ZERO, F::ONE);
    found.push(forgery.stopped_by("a round follows the one before"));

    // A state of the prover's choice.
    let mut forgery = honest.padding();
    forgery.next.state = F::ONE;
    found.push(forgery.stopped_by("a state follows the last round"));

    let mut forgery = honest.at(0, STATE);
    forgery.next.index += F::ONE;
    found.push(forgery.stopped_by("blocks are counted"));

    let mut forgery = honest.at(0, 6);
    (forgery.row.last, forgery.next.last) = (F::TWO, F::TWO);
    found.push(forgery.stopped_by("the end of a message is boolean"));

    // A list that ends within a message.
    let mut forgery = honest.at(0, STATE);
    (forgery.next, forgery.next.index) = (honest.padding().row, forgery.row.index);
    (forgery.next.last, forgery.next.digest) = (forgery.row.last, forgery.row.digest);
    found.push(forgery.stopped_by("padding follows the end of a message"));

    // A message that ends after its padding has not been looked at.
    let mut forgery = honest.at(0, 6);
    forgery.next.last = F::ONE;
    found.push(forgery.stopped_by("a block keeps its end"));

    let mut forgery = honest.at(2, 6);
    forgery.next.digest[3] += F::ONE;
    found.push(forgery.stopped_by("a block keeps its digest"));
    found
}

fn permutation(honest: &Honest) -> Vec<&'static str> {
    let mut found = vec![];

    let mut forgery = honest.padding();
    forgery.row.bits[100] = F::TWO;
    forgery.permute();
    found.push(forgery.stopped_by("a bit is boolean"));

    // The signs of all parities are 3: an effect of 0 where theta has one.
    let mut forgery = honest.padding();
    set_bits(&mut forgery.row, &std::array::from_fn(|lane| if lane < WIDTH { u64::MAX } else { 0 }));
    (forgery.row.parity, forgery.row.effect) = ([F::NEG_ONE; COLUMN_BITS], [F::ONE; COLUMN_BITS]);
    found.push(forgery.stopped_by("a parity is boolean"));

    // Another input of the same bits.
    let mut forgery = honest.padding();
    let parity = [1, 0, 0, 0, 0];
    let before = unmix(&parity);
    for i in 0..COLUMN_BITS {
        let bit = |lanes: &[u64]| F::from_bool(lanes[i / LANE_BITS] >> (i % LANE_BITS) & 1 == 1);
        forgery.row.parity[i] = bit(&parity);
        forgery.row.effect[i] = F::ONE - xor(bit(&parity), bit(&before)).double();
    }
    found.push(forgery.stopped_by("bits have their parities"));

    // Signs of 0, whatever the parities.
    let mut forgery = honest.padding();
    forgery.row.effect = [F::ZERO; COLUMN_BITS];
    found.push(forgery.stopped_by("an effect is a sign"));

    let mut forgery = honest.padding();
    forgery.row.effect[200] = F::NEG_ONE;
    found.push(forgery.stopped_by("the effect is that of the parities before it"));

    let mut forgery = honest.padding();
    forgery.row.output[20] = F::ONE;
    found.push(forgery.stopped_by("rho, pi and chi map the bits to the output"));

    let mut forgery = honest.padding();
    forgery.row.flippable[4] = F::ONE;
    found.push(forgery.stopped_by("flippable bits are the output's"));
    found
}

fn sponge(honest: &Honest) -> Vec<&'static str> {
    let mut found = vec![];

    let mut forgery = honest.at(0, STATE);
    forgery.next.absorbed[3] += F::ONE;
    found.push(forgery.stopped_by_as_it_is("a block is added to an open message's state"));

    // The capacity is the prover's, within a message and at its start.
    for block in [0, 1] {
        let mut forgery = honest.at(block, STATE);
        change_bits(&mut forgery.next, |bits| bits[RATE_LANES] ^= 1 << 7);
        found.push(forgery.stopped_by("an open message keeps its capacity"));
    }

    // Another input of the first round, of a later one, and another state.
    for row in [0, 1, 17, STATE - 1] {
        for lane in [0, LANES - 1] {
            let mut forgery = honest.at(2, row);
            change_bits(&mut forgery.next, |bits| bits[lane] ^= 1 << 63);
            found.push(forgery.stopped_by("a state goes on in the next row"));
        }
    }

    let mut forgery = honest.at(2, STATE);
    (forgery.row.digest[5], forgery.next.digest[5]) = (F::ONE, F::ONE);
    found.push(forgery.stopped_by("the digest is the start of a message's last state"));
    // A digest of a message that goes on.
    let mut forgery = honest.at(0, STATE);
    forgery.row.digest = honest.at(2, STATE).row.digest;
    found.push(forgery.stopped_by("the digest is the start of a message's last state"));
    found
}

fn padding() -> Vec<&'static str> {
    let mut found = vec![];

    // A quarter of a lane whose padding starts with 4.
    let quarter = int(4).inverse();
    let mut forgery = padding_with(|padding| padding[0] = 4);
    (forgery.row.ending_lane, forgery.row.ending_byte) =
        marked(&[(14, quarter), (15, F::ONE - quarter)], &[(2, F::ONE)]);
    found.push(forgery.stopped_by("an ending lane is marked by a boolean"));

    // -3 times a byte of 1, and 4 times one of 4.
    let mut forgery = padding_with(|padding| padding[1] = 4);
    (forgery.row.ending_lane, forgery.row.ending_byte) =
        marked(&[(14, F::ONE)], &[(2, int(-3)), (3, int(4))]);
    found.push(forgery.stopped_by("an ending byte is marked by a boolean"));

    let mut forgery = padding_with(|_| ());
    forgery.row.ending_lane[16] = F::ONE;
    found.push(forgery.stopped_by("a last block has one ending lane"));

    // A lane in which no byte is looked at.
    let mut forgery = padding_with(|padding| padding[0] = 77);
    forgery.row.ending_byte = [F::ZERO; 8];
    found.push(forgery.stopped_by("a last block has one ending byte"));

    found.push(padding_with(|padding| padding[21] = 0).stopped_by("padding has the last bit"));

    // Padding inside of the message.
    let mut forgery = padding_with(|padding| padding[12] = 77);
    (forgery.row.ending_lane, forgery.row.ending_byte) = marked(&[(14, F::ONE)], &[(2, F::ONE)]);
    found.push(forgery.stopped_by("lanes after the ending one are 0"));

    found.push(padding_with(|padding| padding[0] = 2).stopped_by("padding starts with 1, and zeros follow"));
    // SHA-3 instead of Keccak, and padding of one byte.
    found.push(padding_with(|padding| padding[0] = 6).stopped_by("padding starts with 1, and zeros follow"));
    found.push(ending(&[0x80]).stopped_by("padding starts with 1, and zeros follow"));
    let mut forgery = padding_with(|padding| padding[1] = 77);
    forgery.row.ending_byte = marked(&[], &[(2, F::ONE)]).1;
    found.push(forgery.stopped_by("padding starts with 1, and zeros follow"));
    found
}

#[test]
fn each_rule_alone_stops_a_forgery() {
    let honest = Honest::new();
    let stopping = [order(&honest), permutation(&honest), sponge(&honest), padding()].concat();
    let stopping: BTreeSet<_> = stopping.into_iter().collect();
    let rules: BTreeSet<_> = rules::<KeccakTable>().into_iter().collect();
    assert_eq!(stopping, rules);
}

/// A row of two kinds would let a second block run through the rows of the first one. Rows after the first have their kinds
/// from the row before, so the first one must have no other kind either.
#[test]
fn rules_of_row_kinds_hold_from_the_last_row_to_the_first() {
    let honest = Honest::new();
    assert_eq!(honest.around().row.kinds().into_iter().sum::<F>(), F::ZERO);
    for round in 0..honest.around().next.round.len() {
        let mut forgery = honest.around();
        forgery.next.round[round] = F::ONE;
        let rule =
            if round == 0 { "the first round follows a message" } else { "a round follows the one before" };
        forgery.stopped_by(rule);
    }
    let mut forgery = honest.around();
    forgery.next.message = F::ONE;
    forgery.stopped_by("a message follows a state");
}

/// The rule of effects relates a column to the one that is (2, -1) away; one parity is shown to be boolean.
#[test]
fn related_columns_are_all_columns() {
    let mut related = BTreeSet::new();
    let (mut x, mut z) = (0, 0);
    while related.insert((x, z)) {
        (x, z) = ((x + 2) % WIDTH, (z + LANE_BITS - 1) % LANE_BITS);
    }
    assert_eq!(related.len(), COLUMN_BITS);
}

#[test]
fn the_honest_rows_of_forgeries_break_no_rule() {
    let honest = Honest::new();
    let pairs = (0..4).flat_map(|block| (0..BLOCK_ROWS).map(move |row| (block, row)));
    for (block, row) in pairs.filter(|&(block, row)| block < 3 || row == 0) {
        let Forgery { row: now, next, .. } = honest.at(block, row);
        assert_eq!(broken_between::<KeccakTable>(&now, &next, false, false), [""; 0], "{block} {row}");
    }
    let Forgery { row, next, .. } = padding_with(|_| ());
    assert_eq!(broken_between::<KeccakTable>(&row, &next, false, false), [""; 0]);
}
