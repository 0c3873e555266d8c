//! What a batch proof of blocks shows, checked natively.

use circuits_prover::basetypes::F;
use plonky2::field::types::{Field, PrimeField64};

use super::{
    claim::{BLOCK_BYTES, Block, DIGEST_WORDS, FIRST_PADDING, LAST_PADDING, elements, keccak256, to_words},
    error::KeccakError,
};

/// Checks that `list` consists of the blocks of whole messages, with their digests.
///
/// # Errors
/// The index of the first block that is wrong, and why.
pub fn check_blocks(list: &[Block]) -> Result<(), (usize, KeccakError)> {
    // The bytes of the blocks since the last message ended.
    let mut pending = Vec::new();
    for (index, block) in list.iter().enumerate() {
        check_block(&mut pending, block).map_err(|error| (index, error))?;
    }
    match list.len().checked_sub(1) {
        Some(last) if !pending.is_empty() => Err((last, KeccakError::Unfinished)),
        _ => Ok(()),
    }
}

/// Checks a block that comes after those of `pending`, and adds it to them or ends their message.
fn check_block(pending: &mut Vec<u8>, block: &Block) -> Result<(), KeccakError> {
    for (word, value) in block.words.iter().map(F::to_canonical_u64).enumerate() {
        let value = u32::try_from(value).map_err(|_| KeccakError::Wide { word, value })?;
        pending.extend(value.to_be_bytes());
    }
    let expected = if block.last.is_zero() {
        [F::ZERO; DIGEST_WORDS]
    } else if block.last.is_one() {
        let padded = std::mem::take(pending);
        let message = unpadded(&padded)
            .ok_or_else(|| KeccakError::Padding(hex::encode(&padded[padded.len() - BLOCK_BYTES..])))?;
        elements(&to_words(&keccak256(message)))
    } else {
        return Err(KeccakError::Last(block.last.to_canonical_u64()));
    };
    if block.digest == expected {
        Ok(())
    } else {
        Err(KeccakError::Digest { expected: hexadecimal(&expected), found: hexadecimal(&block.digest) })
    }
}

/// The message with this padding, which starts in the last block, or `None` if that has none.
fn unpadded(padded: &[u8]) -> Option<&[u8]> {
    let (&last, rest) = padded.split_last()?;
    if last & LAST_PADDING == 0 {
        return None;
    }
    let end = if last == LAST_PADDING { rest.iter().rposition(|&byte| byte != 0)? } else { rest.len() };
    let first = padded[end] & !(if end == rest.len() { LAST_PADDING } else { 0 });
    (first == FIRST_PADDING && end + BLOCK_BYTES >= padded.len()).then(|| &padded[..end])
}

/// Words as hexadecimal text.
fn hexadecimal(words: &[F]) -> String {
    words.iter().map(|word| format!("{:08x}", word.to_canonical_u64())).collect()
}
