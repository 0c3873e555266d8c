//! Arithmetic with flags.

use circuits_core::{Builder, Digest, DigestTarget};
use plonky2::iop::target::{BoolTarget, Target};

/// `sum(flags)`.
pub(super) fn sum(builder: &mut Builder, flags: &[BoolTarget]) -> Target {
    builder.add_many(flags.iter().map(|flag| flag.target))
}

/// `digest` if the flag is set, else zero.
pub(super) fn masked_digest(builder: &mut Builder, flag: BoolTarget, digest: DigestTarget) -> DigestTarget {
    Digest(digest.0.map(|element| builder.mul(flag.target, element)))
}
