//! What gadgets cost, so that a change that makes one dearer is noticed.

use circuits_core::Builder;
use circuits_prover::basetypes::standard_config;

use super::*;

/// Rows of two copies less rows of one: what one more gadget costs in a large circuit, constants not counted.
fn rows<R: Rule<N>, const N: usize>(depth: usize) -> usize {
    let build = |copies: usize| {
        let mut builder = Builder::new(standard_config());
        for _ in 0..copies {
            Gadget::<R, N>::new(depth).define(&mut builder);
        }
        builder.num_gates()
    };
    // Several, since arithmetic operations of different gadgets share rows.
    (build(17) - build(1)).div_ceil(16)
}

#[test]
fn gadgets_cost_what_their_documentation_says() {
    let costs = [
        ("index membership, depth 16", rows::<gadgets::IndexMembership, 9>(16)),
        ("index replace, depth 16", rows::<gadgets::IndexReplace, 17>(16)),
        ("append, depth 32", rows::<gadgets::Append, 14>(32)),
        ("append 4, depth 32", rows::<gadgets::AppendSubtree, 26>(32)),
        ("keyed membership, depth 32", rows::<gadgets::KeyedMembership, 12>(32)),
        ("keyed non-membership, depth 32", rows::<gadgets::KeyedNonMembership, 8>(32)),
        ("keyed insert, depth 32", rows::<gadgets::KeyedInsert, 18>(32)),
        ("keyed update, depth 32", rows::<gadgets::KeyedUpdate, 20>(32)),
        ("keyed set, depth 32", rows::<gadgets::KeyedSet<false>, 23>(32)),
        // Four of them bound the key's limbs.
        ("keyed set of a short key, depth 32", rows::<gadgets::KeyedSet<true>, 23>(32)),
    ];
    assert_eq!(costs.map(|(_, rows)| rows), [18, 33, 66, 64, 36, 49, 151, 70, 153, 148], "{costs:?}");
}
