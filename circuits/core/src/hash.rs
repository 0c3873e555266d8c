//! Poseidon with separated domains. The capacity holds the domain's tag and the input's length, so that a leaf, a node, a
//! list and a transcript can never collide, and a tree node costs one permutation.
//!
//! The permutation is plonky2's Poseidon over Goldilocks (width 12, rate 8, capacity 4;
//! <https://eprint.iacr.org/2019/458>).

use circuits_prover::basetypes::{Builder, F};
use plonky2::{
    field::types::Field,
    hash::{
        hashing::PlonkyPermutation,
        poseidon::{Poseidon, PoseidonHash, PoseidonPermutation, SPONGE_RATE, SPONGE_WIDTH},
    },
    iop::target::{BoolTarget, Target},
    plonk::config::AlgebraicHasher,
};

use crate::digest::{DIGEST_LEN, Digest, DigestTarget};

/// The capacity lane that holds the domain tag.
const TAG_LANE: usize = SPONGE_RATE;
/// The capacity lane that holds the number of input elements.
const LENGTH_LANE: usize = SPONGE_RATE + 1;

/// What a hash is for. Two hashes of different domains are unrelated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain(u64);

impl Domain {
    /// The domain with a name of at most 7 ASCII characters, so that its tag is below the field's order.
    ///
    /// # Panics
    /// At compile time, when used for a constant, if the name is empty, longer, or not ASCII.
    #[must_use]
    pub const fn new(name: &str) -> Self {
        let bytes = name.as_bytes();
        assert!(!bytes.is_empty() && bytes.len() <= 7, "a domain name has 1 to 7 characters");
        let mut value = 0;
        let mut i = 0;
        while i < bytes.len() {
            assert!(bytes[i].is_ascii_graphic(), "a domain name is ASCII");
            value = value << 8 | bytes[i] as u64;
            i += 1;
        }
        Self(value)
    }

    /// The tag as a field element.
    #[must_use]
    pub fn tag(self) -> F {
        F::from_canonical_u64(self.0)
    }
}

/// The initial state of the sponge: empty rate, tag and length in the capacity.
fn initial_state(domain: Domain, length: usize) -> [F; SPONGE_WIDTH] {
    let mut state = [F::ZERO; SPONGE_WIDTH];
    state[TAG_LANE] = domain.tag();
    state[LENGTH_LANE] = F::from_canonical_usize(length);
    state
}

/// Hashes `input` in `domain`. An input of up to 8 elements costs one permutation.
#[must_use]
pub fn hash(domain: Domain, input: &[F]) -> Digest {
    let mut state = initial_state(domain, input.len());
    if input.is_empty() {
        state = F::poseidon(state);
    }
    for chunk in input.chunks(SPONGE_RATE) {
        state[..chunk.len()].copy_from_slice(chunk);
        state = F::poseidon(state);
    }
    Digest::from_prefix(&state)
}

/// The in-circuit twin of [`hash`].
pub fn hash_circuit(builder: &mut Builder, domain: Domain, input: &[Target]) -> DigestTarget {
    let no_swap = builder._false();
    sponge_circuit(builder, domain, input, no_swap)
}

/// Hashes two digests: a tree node, or one step of a running digest.
#[must_use]
pub fn hash_pair(domain: Domain, left: Digest, right: Digest) -> Digest {
    hash(domain, &[left.0, right.0].concat())
}

/// The in-circuit twin of [`hash_pair`].
pub fn hash_pair_circuit(
    builder: &mut Builder,
    domain: Domain,
    left: DigestTarget,
    right: DigestTarget,
) -> DigestTarget {
    hash_circuit(builder, domain, &[left.0, right.0].concat())
}

/// Computes [`hash_pair`] of `(left, right)`, or of `(right, left)` if `swap`, in one row. The Poseidon gate constrains
/// its swap wire to be boolean.
pub fn hash_pair_swapped_circuit(
    builder: &mut Builder,
    domain: Domain,
    left: DigestTarget,
    right: DigestTarget,
    swap: BoolTarget,
) -> DigestTarget {
    sponge_circuit(builder, domain, &[left.0, right.0].concat(), swap)
}

/// Adds an item to the running digest of a list: `H(domain, previous, item)`.
#[must_use]
pub fn chain(domain: Domain, previous: Digest, item: Digest) -> Digest {
    hash_pair(domain, previous, item)
}

/// The in-circuit twin of [`chain`].
pub fn chain_circuit(
    builder: &mut Builder,
    domain: Domain,
    previous: DigestTarget,
    item: DigestTarget,
) -> DigestTarget {
    hash_pair_circuit(builder, domain, previous, item)
}

fn sponge_circuit(builder: &mut Builder, domain: Domain, input: &[Target], swap: BoolTarget) -> DigestTarget {
    debug_assert!(input.len() == 2 * DIGEST_LEN || builder.target_as_constant(swap.target) == Some(F::ZERO));
    let mut state = initial_state(domain, input.len()).map(|lane| builder.constant(lane));
    let permute = |builder: &mut Builder, state: [Target; SPONGE_WIDTH]| {
        let permuted = PoseidonHash::permute_swapped(PoseidonPermutation::new(state), swap, builder);
        let mut output = state;
        output.copy_from_slice(permuted.as_ref());
        output
    };
    if input.is_empty() {
        state = permute(builder, state);
    }
    for chunk in input.chunks(SPONGE_RATE) {
        state[..chunk.len()].copy_from_slice(chunk);
        state = permute(builder, state);
    }
    Digest::from_prefix(&state)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Domain = Domain::new("one");

    #[test]
    fn case_06_padding_makes_no_collision() {
        let item = F::from_canonical_u64(5);
        let inputs: Vec<Vec<F>> =
            (0..20).map(|zeros| [&[item][..], &vec![F::ZERO; zeros]].concat()).chain([vec![]]).collect();
        let mut digests: Vec<_> = inputs.iter().map(|input| hash(ONE, input)).collect();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), inputs.len(), "two inputs that differ in zeros at the end have one digest");
    }

    #[test]
    fn case_07_a_leaf_is_no_node() {
        let (left, right) = (hash(ONE, &[F::ONE]), hash(ONE, &[F::TWO]));
        let leaf = [left.0, right.0].concat();
        let node = hash_pair(Domain::new("node"), left, right);
        assert_ne!(hash(ONE, &leaf), node, "eight elements of a leaf hash to the node above two digests");
        assert_eq!(hash(Domain::new("node"), &leaf), node, "only the domain tells them apart");
    }
}
