//! The payouts of a superblock as L1 takes them: 72 bytes each, hashed one after the other.

use circuits_protocol::l1::{KeccakDigest, PAYOUT_BYTES, PayoutRange};
use circuits_tables::keccak::keccak256;
use thiserror::Error;

/// The payouts are not those that the statement commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the superblock makes {} payouts with digest {}, the {listed} bytes of those listed give {found}",
    .stated.count, .stated.digest
)]
pub struct OtherPayouts {
    pub stated: PayoutRange,
    /// Bytes listed.
    pub listed: usize,
    /// Digest of the whole payouts among them.
    pub found: KeccakDigest,
}

/// Checks that the bytes are the payouts of the superblock.
///
/// # Errors
/// [`OtherPayouts`]
pub fn check_payouts(payouts: &[u8], stated: PayoutRange) -> Result<(), OtherPayouts> {
    let (whole, rest) = payouts.as_chunks::<PAYOUT_BYTES>();
    let found = payouts_digest(whole);
    let is_whole = rest.is_empty() && u32::try_from(whole.len()) == Ok(stated.count);
    if is_whole && found == stated.digest {
        Ok(())
    } else {
        Err(OtherPayouts { stated, listed: payouts.len(), found })
    }
}

/// The running Keccak-256 digest of these payouts, each hashed after the digest of those before it.
#[must_use]
pub fn payouts_digest(payouts: &[[u8; PAYOUT_BYTES]]) -> KeccakDigest {
    payouts
        .iter()
        .fold(KeccakDigest::ZERO, |digest, payout| KeccakDigest(keccak256(&[&digest.0[..], payout].concat())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many payouts, and what a statement says of them.
    fn payouts(count: u8) -> (Vec<u8>, PayoutRange) {
        let bytes: Vec<u8> = (0..count).flat_map(|index| [index; PAYOUT_BYTES]).collect();
        let digest = (0..count).fold(KeccakDigest::ZERO, |digest, index| {
            KeccakDigest(keccak256(&[&digest.0[..], &[index; PAYOUT_BYTES]].concat()))
        });
        (bytes, PayoutRange { digest, first: 7, count: count.into() })
    }

    #[test]
    fn payouts_are_those_that_are_stated_byte_for_byte() {
        for count in 0..4 {
            let (bytes, stated) = payouts(count);
            assert_eq!(check_payouts(&bytes, stated), Ok(()));
            for position in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[position] ^= 1;
                assert!(check_payouts(&changed, stated).is_err(), "byte {position} of {count} payouts");
            }
            let longer = [&bytes[..], &[0]].concat();
            assert!(check_payouts(&longer, stated).is_err());
            let other_count = PayoutRange { count: stated.count + 1, ..stated };
            assert!(check_payouts(&bytes, other_count).is_err());
        }
        let (bytes, stated) = payouts(3);
        let swapped =
            [&bytes[PAYOUT_BYTES..2 * PAYOUT_BYTES], &bytes[..PAYOUT_BYTES], &bytes[2 * PAYOUT_BYTES..]];
        assert!(check_payouts(&swapped.concat(), stated).is_err());
        assert!(check_payouts(&bytes[PAYOUT_BYTES..], stated).is_err());
    }
}
