//! The order of rows, the counters of an addition's bit, and the number of the signature.

use super::boolean;
use crate::{
    ecdsa::table::columns::Row,
    table::system::{System, When},
};

pub(super) fn enforce<S: System>(s: &mut S, row: &Row<S::Value>, next: &Row<S::Value>) {
    kinds(s, row, next);
    counters(s, row, next);
    index(s, row, next);
    range(s, row, next);
}

/// Row kinds are one-hot and follow each other. All but one of these rules also hold from the last row to the first,
/// since those are (claim or padding) and (key or padding).
fn kinds<S: System>(s: &mut S, row: &Row<S::Value>, next: &Row<S::Value>) {
    for kind in row.kinds() {
        boolean(s, "a row kind is boolean", kind);
    }
    let all = s.sum(&row.kinds());
    let all = s.not(all);
    s.zero("a row has one kind", When::Always, all);

    let start = s.add(row.key, row.pad);
    let start = s.not(start);
    s.zero("the first row is a key or padding", When::First, start);
    let finish = s.add(row.claim, row.pad);
    let not_finish = s.not(finish);
    s.zero("the last row is a claim or padding", When::Last, not_finish);

    let begin = s.add(next.key, next.pad);
    let not_last = s.sub(row.add, row.last);
    let adding = s.add(row.table[11], row.double);
    let mut follows = vec![
        (next.table[0], row.key),
        (next.add, adding),
        (next.double, not_last),
        (next.end, row.last),
        (next.scalars, row.end),
        (next.claim, row.scalars),
        (begin, finish),
    ];
    follows.extend(next.table[1..].iter().copied().zip(row.table));
    for (next, row) in follows {
        let difference = s.sub(next, row);
        s.zero("row kinds follow each other", When::Always, difference);
    }
    let resumed = s.mul(row.pad, next.key);
    s.zero("nothing follows padding", When::Transition, resumed);
}

/// The additions of a signature use 12 bits of the top word and 39 of each of the other three.
///
/// `bits_left` falls by one with each addition and only an addition with `bits_left = 1` can end its word. One
/// that goes past 1 without ending its word never comes back to 1 within the trace, so `end` is never reached,
/// and the trace has no valid last row. The same holds for `words_left`.
fn counters<S: System>(s: &mut S, row: &Row<S::Value>, next: &Row<S::Value>) {
    let counting = s.add(row.add, row.double);
    let idle = s.not(counting);
    boolean(s, "the end of a word is boolean", row.word_ends);
    boolean(s, "the last addition is boolean", row.last);
    let not_add = s.not(row.add);
    let zeros = [
        ("only an addition ends a word", s.mul(not_add, row.word_ends)),
        ("bits are counted while adding only", s.mul(idle, row.bits_left)),
        ("words are counted while adding only", s.mul(idle, row.words_left)),
    ];
    for (rule, zero) in zeros {
        s.zero(rule, When::Always, zero);
    }
    let one = s.int(1);
    let bits = s.sub(row.bits_left, one);
    let early = s.mul(row.word_ends, bits);
    s.zero("a word ends with its last bit", When::Always, early);
    let words = s.sub(row.words_left, one);
    let early = s.mul(row.last, words);
    s.zero("the last addition is in the last word", When::Always, early);
    let not_ends = s.not(row.word_ends);
    let early = s.mul(row.last, not_ends);
    s.zero("the last addition ends its word", When::Always, early);

    // add: next = (1 - word_ends)(bits_left - 1) + 39 (word_ends - last).
    let shifts = s.sub(row.word_ends, row.last);
    let same_word = s.mul(not_ends, bits);
    let expected = s.times_add(39, shifts, same_word);
    let stepped = s.sub(next.bits_left, expected);
    let kept = s.sub(next.bits_left, row.bits_left);
    let twelve = s.int(12);
    let started = s.sub(next.bits_left, twelve);
    let value = s.mul(row.add, stepped);
    let value = s.mul_add(row.double, kept, value);
    let value = s.mul_add(row.table[11], started, value);
    s.zero("bits are counted down", When::Always, value);

    let left = s.sub(row.words_left, row.word_ends);
    let stepped = s.sub(next.words_left, left);
    let kept = s.sub(next.words_left, row.words_left);
    let four = s.int(4);
    let started = s.sub(next.words_left, four);
    let value = s.mul(row.add, stepped);
    let value = s.mul_add(row.double, kept, value);
    let value = s.mul_add(row.table[11], started, value);
    s.zero("words are counted down", When::Always, value);
}

/// Signatures are numbered from 0, so that no two share an entry of the memory.
fn index<S: System>(s: &mut S, row: &Row<S::Value>, next: &Row<S::Value>) {
    s.zero("the first signature has number 0", When::First, row.index);
    let padded = s.mul(row.pad, row.index);
    s.zero("padding has number 0", When::Always, padded);
    // claim: next = (index + 1) next.key, and any other row but padding: next = index.
    let one = s.int(1);
    let successor = s.add(row.index, one);
    let begins = s.mul(successor, next.key);
    let stepped = s.sub(next.index, begins);
    let kept = s.sub(next.index, row.index);
    let boundary = s.add(row.claim, row.pad);
    let inside = s.not(boundary);
    let value = s.mul(row.claim, stepped);
    let value = s.mul_add(inside, kept, value);
    s.zero("signatures are numbered", When::Transition, value);
}

/// The range table climbs from 0 to `2^13 - 1` in steps of 0 or 1.
fn range<S: System>(s: &mut S, row: &Row<S::Value>, next: &Row<S::Value>) {
    s.zero("the range table starts at 0", When::First, row.range);
    let step = s.sub(next.range, row.range);
    let not = s.not(step);
    let value = s.mul(step, not);
    s.zero("the range table climbs by at most 1", When::Transition, value);
    let top = s.int(8191);
    let value = s.sub(row.range, top);
    s.zero("the range table ends at its top", When::Last, value);
}
