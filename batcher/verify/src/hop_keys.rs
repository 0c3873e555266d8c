//! The verifier keys of the hop to L1 as text.

use circuits_core::Digest;
use circuits_prover::{
    keccak::{DIGEST_BYTES, TreeDigest},
    outer::OuterKey,
};
use plonky2::hash::merkle_tree::MerkleCap;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::keys::KeyText;

/// Height of the Merkle caps of the Poseidon hop's proofs.
pub const POSEIDON_HOP_CAP_HEIGHT: usize = 3;
/// Height of the Merkle caps of the Keccak hop's proofs.
pub const KECCAK_HOP_CAP_HEIGHT: usize = 4;

/// Keys of the hop's circuits. All superblocks end in one of them, which a contract has as a constant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HopKeys {
    /// Key digests of the shrinks, in the order of the shapes of superblock proofs.
    pub shrink_set: Vec<Digest>,
    /// The key of the Poseidon hop.
    pub poseidon: KeyText<POSEIDON_HOP_CAP_HEIGHT>,
    /// The key of the Keccak hop.
    pub keccak: OuterKeyText,
}

/// A verifier key of the Keccak hop as text: the circuit digest, then the cap, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct OuterKeyText(OuterKey);

/// Text is not a key of the Keccak hop.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OuterKeyTextError {
    /// The number of digests is another one.
    #[error("a key of the Keccak hop is {expected} digests, found {found}")]
    Length { expected: usize, found: usize },
    /// A digest is not hexadecimal, or of another length.
    #[error(
        "digest {index} of a key of the Keccak hop is not {DIGEST_BYTES} bytes in lower-case hexadecimal"
    )]
    Digest { index: usize },
}

impl OuterKeyText {
    /// Wraps a key.
    #[must_use]
    pub const fn new(key: OuterKey) -> Self {
        Self(key)
    }

    /// The key.
    #[must_use]
    pub const fn get(&self) -> &OuterKey {
        &self.0
    }
}

impl From<OuterKeyText> for Vec<String> {
    fn from(OuterKeyText(key): OuterKeyText) -> Self {
        let hashes = [key.circuit_digest].into_iter().chain(key.constants_sigmas_cap.0);
        hashes.map(|hash| hash.0.iter().map(|byte| format!("{byte:02x}")).collect()).collect()
    }
}

impl TryFrom<Vec<String>> for OuterKeyText {
    type Error = OuterKeyTextError;

    fn try_from(texts: Vec<String>) -> Result<Self, OuterKeyTextError> {
        let expected = 1 + (1 << KECCAK_HOP_CAP_HEIGHT);
        let wrong_length = OuterKeyTextError::Length { expected, found: texts.len() };
        if texts.len() != expected {
            return Err(wrong_length);
        }
        let read =
            |(index, text): (usize, &String)| digest_of(text).ok_or(OuterKeyTextError::Digest { index });
        let mut digests = texts.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?.into_iter();
        let circuit_digest = digests.next().ok_or(wrong_length)?;
        Ok(Self(OuterKey { constants_sigmas_cap: MerkleCap(digests.collect()), circuit_digest }))
    }
}

/// The digest with this spelling.
fn digest_of(text: &str) -> Option<TreeDigest> {
    let digits = text.as_bytes();
    let is_lower_hex = |digit: &u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(digit);
    if digits.len() != 2 * DIGEST_BYTES || !digits.iter().all(is_lower_hex) {
        return None;
    }
    let mut digest = TreeDigest::default();
    for (byte, digits) in digest.0.iter_mut().zip(digits.as_chunks::<2>().0) {
        let text = std::str::from_utf8(digits).ok()?;
        *byte = u8::from_str_radix(text, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::PinnedKeys;

    fn texts() -> Vec<String> {
        PinnedKeys::embedded().hop.keccak.clone().into()
    }

    #[test]
    fn a_key_is_read_back_from_its_text() {
        assert_eq!(OuterKeyText::try_from(texts()), Ok(PinnedKeys::embedded().hop.keccak.clone()));
    }

    #[test]
    fn a_key_of_another_form_is_malformed() {
        let mut short = texts();
        short.pop();
        let error = OuterKeyText::try_from(short).expect_err("too few");
        assert_eq!(error, OuterKeyTextError::Length { expected: 17, found: 16 });
        for change in [|text: &mut String| text.push('0'), |text: &mut String| *text = text.to_uppercase()] {
            let mut changed = texts();
            change(&mut changed[3]);
            let error = OuterKeyText::try_from(changed).expect_err("another spelling");
            assert_eq!(error, OuterKeyTextError::Digest { index: 3 });
        }
    }
}
