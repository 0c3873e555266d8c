//! The padding of a message's last block: the byte 0x01, zeros, and the highest bit of the last byte.
//!
//! ```text
//! lane                 byte of it           value
//! before ending_lane   any                  message
//! ending_lane          before ending_byte   message
//! ending_lane          ending_byte          1
//! ending_lane          after it             0
//! after ending_lane    any                  0
//! ```
//!
//! The highest bit of the last byte is not part of these values. Other blocks have no ending lane.

use super::{boolean, integers::BYTE_BITS};
use crate::{
    keccak::table::{
        columns::{LANE_BYTES, LANE_LIMBS, LIMB_BITS, Row},
        permutation::{LANE_BITS, RATE_LANES},
    },
    table::system::{System, When},
};

/// The last bit of a block: the highest one of its last byte.
const LAST_BIT: usize = RATE_LANES * LANE_BITS - 1;

/// `bytes` and `limbs` are those of the block.
pub(super) fn enforce<S: System>(s: &mut S, row: &Row<S::Value>, bytes: &[S::Value], limbs: &[S::Value]) {
    // Without the last bit.
    let [mut bytes, mut limbs] = [bytes.to_vec(), limbs.to_vec()];
    for (parts, bits) in [(&mut bytes, BYTE_BITS), (&mut limbs, LIMB_BITS)] {
        if let Some(last) = parts.last_mut() {
            *last = s.times_add(-(1 << (bits - 1)), row.bits[LAST_BIT], *last);
        }
    }

    for &lane in &row.ending_lane {
        boolean(s, "an ending lane is marked by a boolean", lane);
    }
    for &byte in &row.ending_byte {
        boolean(s, "an ending byte is marked by a boolean", byte);
    }
    let ends = s.mul(row.message, row.last);
    let lanes = s.sum(&row.ending_lane);
    let value = s.sub(lanes, ends);
    s.zero("a last block has one ending lane", When::Always, value);
    let marked = s.sum(&row.ending_byte);
    let value = s.sub(marked, ends);
    s.zero("a last block has one ending byte", When::Always, value);
    let value = s.mul_sub(lanes, row.bits[LAST_BIT], lanes);
    s.zero("padding has the last bit", When::Always, value);

    let mut ended = row.ending_lane[0];
    for (limbs, &ending) in limbs.chunks(LANE_LIMBS).zip(&row.ending_lane).skip(1) {
        // Limbs are not negative: their sum is 0 only if all of them are.
        let sum = s.sum(limbs);
        let value = s.mul(ended, sum);
        s.zero("lanes after the ending one are 0", When::Always, value);
        ended = s.add(ended, ending);
    }

    let mut reached = s.int(0);
    for (k, &ending) in row.ending_byte.iter().enumerate() {
        let zero = s.int(0);
        let selected = bytes
            .iter()
            .skip(k)
            .step_by(LANE_BYTES)
            .zip(&row.ending_lane)
            .fold(zero, |sum, (&byte, &lane)| s.mul_add(lane, byte, sum));
        reached = s.add(reached, ending);
        let value = s.mul_sub(reached, selected, ending);
        s.zero("padding starts with 1, and zeros follow", When::Always, value);
    }
}
