//! The order of the rows, and what a block keeps from its message's row to its state's row.

use super::boolean;
use crate::{
    keccak::table::{columns::Row, permutation::ROUNDS},
    table::system::{System, When},
};

pub(super) fn enforce<S: System>(s: &mut S, row: &Row<S::Value>, next: &Row<S::Value>) {
    ends(s, row);
    kinds(s, row, next);
    block(s, row, next);
}

fn ends<S: System>(s: &mut S, row: &Row<S::Value>) {
    let value = s.not(row.state);
    s.zero("the first row is a state", When::First, value);
    let value = s.not(row.last);
    s.zero("no message is open at first", When::First, value);
    let one = s.int(1);
    let value = s.add(row.index, one);
    s.zero("blocks are counted from 0", When::First, value);
    let value = s.sum(&row.kinds());
    s.zero("the last row is padding", When::Last, value);
}

/// Row kinds are one-hot, or 0. Rounds are a copy of an earlier message's row kind, also across the end of the trace to
/// its start, so all kinds are boolean, and the last row has none because their sum is 0.
fn kinds<S: System>(s: &mut S, row: &Row<S::Value>, next: &Row<S::Value>) {
    boolean(s, "a message's row kind is boolean", row.message);
    let value = s.mul_sub(next.message, row.state, next.message);
    s.zero("a message follows a state", When::Always, value);
    let value = s.sub(next.round[0], row.message);
    s.zero("the first round follows a message", When::Always, value);
    for round in 1..ROUNDS {
        let value = s.sub(next.round[round], row.round[round - 1]);
        s.zero("a round follows the one before", When::Always, value);
    }
    let value = s.sub(next.state, row.round[ROUNDS - 1]);
    s.zero("a state follows the last round", When::Transition, value);
}

fn block<S: System>(s: &mut S, row: &Row<S::Value>, next: &Row<S::Value>) {
    let counted = s.sub(next.index, row.index);
    let value = s.sub(counted, next.message);
    s.zero("blocks are counted", When::Transition, value);

    boolean(s, "the end of a message is boolean", row.last);
    let stays = s.not(next.message);
    let open = s.not(row.last);
    let stopped = s.mul(row.state, stays);
    let value = s.mul(stopped, open);
    s.zero("padding follows the end of a message", When::Always, value);

    let changed = s.sub(next.last, row.last);
    let value = s.mul(stays, changed);
    s.zero("a block keeps its end", When::Transition, value);
    for (&now, &next) in row.digest.iter().zip(&next.digest) {
        let changed = s.sub(next, now);
        let value = s.mul(stays, changed);
        s.zero("a block keeps its digest", When::Transition, value);
    }
}
