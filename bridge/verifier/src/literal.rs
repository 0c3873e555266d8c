//! Constants of a contract replaced in its code: what the compiler would make of the same source with others.

use batcher_hop::keys::{key_cap, outer_digest, transcript_start};
use circuits_prover::{D, F, outer::OuterKey};
use plonky2::plonk::circuit_data::CommonCircuitData;

/// Bytes of a word.
const WORD: usize = 32;

/// Code that has not the literal that it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LiteralError {
    /// The other literal has another length.
    #[error("a literal of {expected} bytes cannot become one of {found}")]
    Length {
        /// The length of the literal.
        expected: usize,
        /// The length of the other one.
        found: usize,
    },
    /// The code does not push the word exactly once.
    #[error("word {word} of the literal is {found} times in the code")]
    Pushes {
        /// The word's place in the literal.
        word: usize,
        /// How often the code pushes it.
        found: usize,
    },
    /// The other word has more digits than the instruction that pushes this one has room for.
    #[error("the other word {word} needs a longer push")]
    Longer {
        /// The word's place in the literal.
        word: usize,
    },
}

/// Makes the literal `old` of `code` the literal `new`. The code pushes literals by words, zeros after the last byte, and each
/// without the zeros before its first byte.
///
/// # Errors
/// [`LiteralError`], unless each word that differs is in the code once.
pub fn replace_literal(code: &mut [u8], old: &[u8], new: &[u8]) -> Result<(), LiteralError> {
    if old.len() != new.len() {
        return Err(LiteralError::Length { expected: old.len(), found: new.len() });
    }
    for (word, (old, new)) in old.chunks(WORD).zip(new.chunks(WORD)).enumerate() {
        if old == new {
            continue;
        }
        let [old, new] = [old, new].map(|bytes| {
            let mut padded = [0; WORD];
            padded[..bytes.len()].copy_from_slice(bytes);
            padded
        });
        let zeros = old.iter().take_while(|&&byte| byte == 0).count();
        let pushed = &old[zeros..];
        let places: Vec<_> = (0..code.len()).filter(|&place| code[place..].starts_with(pushed)).collect();
        let [place] = places[..] else { return Err(LiteralError::Pushes { word, found: places.len() }) };
        if new[..zeros] != old[..zeros] {
            return Err(LiteralError::Longer { word });
        }
        code[place..place + pushed.len()].copy_from_slice(&new[zeros..]);
    }
    Ok(())
}

/// Makes the verifier of a circuit, whose `code` this is, that of another one of the same form: with the key `new` for `old`, and
/// the name that follows from it.
///
/// # Errors
/// [`LiteralError`] if it is not the verifier of the circuit with the key `old`.
pub fn replace_key(
    code: &mut [u8],
    common: &CommonCircuitData<F, D>,
    old: &OuterKey,
    new: &OuterKey,
) -> Result<(), LiteralError> {
    replace_literal(code, &key_cap(old), &key_cap(new))?;
    replace_literal(code, &transcript_start(old, common), &transcript_start(new, common))?;
    replace_literal(code, &outer_digest(old, common), &outer_digest(new, common))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_is_replaced_word_by_word() {
        let mut code = [&[0x7f][..], &[3; WORD], &[0x61, 4, 5], &[0; WORD - 3], &[0x50]].concat();
        let old = [&[3; WORD][..], &[0, 4, 5]].concat();
        let new = [&[9; WORD][..], &[0, 6, 7]].concat();
        replace_literal(&mut code, &old, &new).expect("it is there");
        let expected = [&[0x7f][..], &[9; WORD], &[0x61, 6, 7], &[0; WORD - 3], &[0x50]].concat();
        assert_eq!(code, expected);
        // Words that are the same in both may be anywhere.
        assert_eq!(replace_literal(&mut code, &[1; WORD], &[1; WORD]), Ok(()));
        assert_eq!(code, expected);
    }

    #[test]
    fn code_without_the_literal_is_refused() {
        let twice = [[3; WORD], [3; WORD]].concat();
        let refused = |code: &[u8], old: &[u8], new: &[u8]| replace_literal(&mut code.to_vec(), old, new);
        let missing = LiteralError::Pushes { word: 0, found: 0 };
        assert_eq!(refused(&[0; 40], &[3; WORD], &[4; WORD]), Err(missing));
        assert!(matches!(refused(&twice, &[3; WORD], &[4; WORD]), Err(LiteralError::Pushes { word: 0, .. })));
        assert_eq!(
            refused(&twice, &[3; WORD], &[4; 3]),
            Err(LiteralError::Length { expected: WORD, found: 3 })
        );
        let mut old = [7; WORD];
        old[0] = 0;
        assert_eq!(refused(&old, &old, &[7; WORD]), Err(LiteralError::Longer { word: 0 }));
    }
}
